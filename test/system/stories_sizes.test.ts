/**
 * Stories of a cable with a hop of 1280 octets in its middle, which tells senders and drops, or fragments what may be: DF traffic
 * learns, other traffic arrives, in fragments of either kind, and the other gateway puts them together.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Site } from "../../host/demo/pair.ts";
import { internetChecksum } from "./packets.ts";
import type { Story } from "./story.ts";
import { LINKS_AND_CELLS, tell } from "./story.ts";

const HOP = 1280;
const DF = 0x4000;

/** A datagram of `octets` in all from a host behind moon to one behind sun. */
function datagram(octets: number, df: boolean): Uint8Array {
  const packet = Buffer.alloc(octets, 0x5a);
  packet.writeUInt16BE(0x4500, 0);
  packet.writeUInt16BE(octets, 2);
  packet.writeUInt16BE(octets, 4);
  packet.writeUInt16BE(df ? DF : 0, 6);
  packet.set([64, 17, 0, 0, 10, 1, 1, 9, 10, 2, 1, 7], 8);
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, 20)), 10);
  packet.writeUInt16BE(1000, 20);
  packet.writeUInt16BE(2000, 22);
  packet.writeUInt16BE(octets - 20, 24);
  packet.writeUInt16BE(0, 26);
  return packet;
}

const mtuOf = async (story: Story, site: Site): Promise<number | undefined> =>
  (await story.children(site)).find(({ name }) => name === "net-1")?.["inner-mtu"];

/** What arrived at the hosts of a site since the last call. */
const arrived = (site: Site): Buffer[] => site.received.splice(0).map(({ packet }) => Buffer.from(packet));

async function send(story: Story, packet: Uint8Array): Promise<void> {
  assert.ok(story.moon.send(packet));
  await story.pair.drive.run(100);
}

for (const links of LINKS_AND_CELLS) {
  for (const outside of ["ipv4", "ipv6"] as const) {
    test(`DF traffic learns the path MTU, ${links.moon} and ${links.sun}, ${outside} outside`, () =>
      tell({ links, outside, cable: { latencyMs: 5 } }, async (story) => {
        await story.establish();
        const before = (await mtuOf(story, story.moon))!;
        story.pair.wan.options = { ...story.pair.wan.options, mtu: HOP };
        const first = datagram(1400, true);
        await send(story, first);
        assert.equal(arrived(story.sun), [], "lost at the hop, which tells");
        const learnt = (await mtuOf(story, story.moon))!;
        assert.is(learnt, before - 1500 + HOP);
        await send(story, first);
        const [icmp, ...more] = arrived(story.moon);
        assert.equal(more, []);
        assert.equal([icmp![9], icmp![20], icmp![21]], [1, 3, 4], "fragmentation needed");
        assert.is(icmp!.readUInt16BE(26), learnt);
        const fitting = datagram(learnt, true);
        await send(story, fitting);
        assert.equal(arrived(story.sun), [Buffer.from(fitting)]);
        assert.equal(arrived(story.moon), []);
        // Ten minutes later the path is asked again.
        story.pair.wan.options = { ...story.pair.wan.options, mtu: 9000 };
        await story.pair.drive.run(601_000);
        await send(story, first);
        assert.equal(arrived(story.sun), [Buffer.from(first)]);
        assert.is(await mtuOf(story, story.moon), before);
      }));
  }
}

test("without DF: clear packets in fragments arrive as fragments, those the hop makes are put together", () =>
  tell({ cable: { latencyMs: 5 } }, async (story) => {
    await story.establish();
    story.pair.wan.options = { ...story.pair.wan.options, mtu: HOP };
    const packet = Buffer.from(datagram(4000, false));
    await send(story, packet);
    const pieces = arrived(story.sun);
    assert.is(pieces.length, 3);
    assert.equal(Buffer.concat(pieces.map((piece) => piece.subarray(20))), packet.subarray(20));
    assert.equal(
      pieces.map((piece) => piece.readUInt16BE(6)),
      [0x2000, 0x2000 | ((pieces[0]!.length - 20) / 8), (pieces[0]!.length + pieces[1]!.length - 40) / 8],
    );
    assert.is(story.drop(story.sun, "ip_fragment"), 0);
  }));

test("selectors with ports: the sealed packet goes in fragments, and the hop makes more of them", () =>
  tell({ cable: { latencyMs: 5 }, child: { moon: PORTS.moon, sun: PORTS.sun } }, async (story) => {
    await story.establish();
    story.pair.wan.options = { ...story.pair.wan.options, mtu: HOP };
    const packet = Buffer.from(datagram(4000, false));
    await send(story, packet);
    assert.equal(arrived(story.sun), [packet]);
  }));

const PORTS = {
  moon: "local_ts = 10.1.1.0/24\n remote_ts = 10.2.1.0/24[udp/2000]",
  sun: "local_ts = 10.2.1.0/24[udp/2000]\n remote_ts = 10.1.1.0/24",
};

test("a forged error lowers nothing", () =>
  tell({ cable: { latencyMs: 5 } }, async (story) => {
    await story.establish();
    await send(story, datagram(600, true));
    const sealed = story.seen.filter(({ kind, from }) => kind === "esp" && from === "a").at(-1)!.packet;
    const before = await mtuOf(story, story.moon);
    const forge = async (change: (quoted: Buffer) => void, mtu = 576): Promise<void> => {
      const quoted = Buffer.from(sealed.slice(0, 60));
      change(quoted);
      const answer = Buffer.concat([Buffer.alloc(28), quoted]);
      answer.writeUInt16BE(0x4500, 0);
      answer.writeUInt16BE(answer.length, 2);
      answer.set([64, 1, 0, 0, 198, 51, 100, 9, 192, 0, 2, 1], 8);
      answer.writeUInt16BE(internetChecksum(answer.subarray(0, 20)), 10);
      answer.set([3, 4], 20);
      answer.writeUInt16BE(mtu, 26);
      answer.writeUInt16BE(internetChecksum(answer.subarray(20)), 22);
      story.pair.wan.b.send([answer]);
      await story.pair.drive.run(50);
    };
    await forge((quoted) => quoted.writeUInt32BE(0x12345678, 20));
    await forge((quoted) => quoted.writeUInt32BE(quoted.readUInt32BE(24) + 1, 24));
    await forge((quoted) => quoted.writeUInt32BE(0xc0000263, 16));
    await forge(() => undefined, 1400);
    assert.is(await mtuOf(story, story.moon), before);
    story.offences.length = 0; // the forgeries on the cable
    await forge(() => undefined);
    story.offences.length = 0;
    assert.is(await mtuOf(story, story.moon), before! - 1500 + 576, "what was quoted truly does, though");
  }));

test.run();
