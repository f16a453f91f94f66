/** Two gateways with IPv6 outside and both versions inside, on both links; and what hostile IPv6 packets come to. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addressOctets } from "../../host/chassis/config.ts";
import { datagramChecksum6 } from "./packets.ts";
import { LINKS, type Story, type StoryOptions, tell } from "./story.ts";

const MOON = "2001:db8:ff:0:0:0:0:1";
const SUN = "2001:db8:ff:0:0:0:0:2";
const outside = { outside: "ipv6", inside: "both" } as const;

/** Packets of both versions and many sizes, both ways. */
async function bothFlow(story: Story): Promise<void> {
  for (const octets of [48, 99, 576, 1280, 1400]) {
    for (const net of [1, 2]) {
      for (const site of [story.moon, story.sun]) {
        story.send(site, net, octets);
        story.send6(site, net, octets);
      }
    }
    await story.pair.drive.run(50);
  }
  story.account({ whole: true, ordered: true });
}

const states = async (story: Story): Promise<string[]> => (await story.sun.gateway.sas()).map(({ state }) => state);

const offsetOf = (packet: Uint8Array, kind: string): number => (kind === "ike-natt" ? 52 : 48);

for (const links of LINKS) {
  const name = `moon on ${links.moon}, sun on ${links.sun}`;

  test(`ESP over IPv6: IPv4 and IPv6 inside, rekeyed, deleted; ${name}`, () =>
    tell({ ...outside, links }, async (story) => {
      await story.establish();
      await story.mirrored();
      await bothFlow(story);
      const [sa] = await story.moon.gateway.sas();
      assert.equal([sa!["local-host"], sa!["remote-host"]], [MOON, SUN]);
      assert.is(story.count("esp-udp"), 0, "no NAT, no UDP");
      assert.ok(story.count("esp") >= 40);
      for (const { packet, kind } of story.seen) {
        assert.is(packet[0]! >>> 4, 6, "nothing but IPv6 outside");
        if (kind !== "esp") continue;
        const label = (packet[1]! & 15) * 65536 + packet[2]! * 256 + packet[3]!;
        const spi = Buffer.from(packet).readUInt32BE(40);
        assert.is(label, (spi ^ (spi >>> 20)) & 0xfffff, "one flow label for each SA");
      }
      const before = (await story.mirrored()).map((child) => child["spi-in"]);
      await story.sun.gateway.rekey("net-1");
      await story.pair.drive.run(3000);
      await story.moon.gateway.rekey("moon-sun");
      await story.pair.drive.run(3000);
      const after = (await story.mirrored()).map((child) => child["spi-in"]);
      assert.is.not(after[0], before[0]);
      await bothFlow(story);
      await story.moon.gateway.terminate("moon-sun");
      await story.pair.drive.run(3000);
      assert.equal(await states(story), ["DOWN"]);
    }));

  test(`ESP in UDP over IPv6, with its checksum; ${name}`, () =>
    tell({ ...outside, links, connection: { moon: "encap = yes" } }, async (story) => {
      await story.establish();
      await bothFlow(story);
      assert.is(story.count("esp"), 0);
      assert.ok(story.count("esp-udp") >= 40);
      for (const { packet, kind } of story.seen) {
        if (kind !== "esp-udp" && kind !== "ike-natt" && kind !== "ike") continue;
        const copy = Buffer.from(packet);
        const checksum = copy.readUInt16BE(46);
        copy.writeUInt16BE(0, 46);
        assert.is(checksum, datagramChecksum6(copy), `${kind}: RFC 8200 8.1`);
      }
    }));
}

/** Moves moon's packets to another /64 and port, as NAT66 does, and back. */
function translate(story: Story): void {
  const mapped = addressOctets("2001:db8:aa::9");
  story.pass = ({ packet, from }) => {
    const copy = Buffer.from(packet);
    const sent = from === "a";
    copy.set(sent ? mapped : addressOctets(MOON), sent ? 8 : 24);
    const port = 40 + (sent ? 0 : 2);
    if (copy[6] === 17)
      copy.writeUInt16BE(sent ? copy.readUInt16BE(port) + 20000 : copy.readUInt16BE(port) - 20000, port);
    if (copy[6] === 17) {
      copy.writeUInt16BE(0, 46);
      copy.writeUInt16BE(datagramChecksum6(copy), 46);
    }
    const to = sent ? story.sun : story.moon;
    to.gateway.chassis.receive("unprotected", copy);
    return false;
  };
}

test("behind NAT66: detected with 16 octets of address, ports float, ESP goes in UDP", () => {
  const connection = { sun: "remote_addrs = %any6" };
  return tell({ ...outside, connection }, async (story) => {
    translate(story);
    await story.establish();
    await bothFlow(story);
    const [moon] = await story.moon.gateway.sas();
    const [sun] = await story.sun.gateway.sas();
    assert.is(sun!["remote-host"], "2001:db8:aa:0:0:0:0:9");
    assert.equal([moon!["remote-port"], sun!["remote-port"]], ["4500", "24500"]);
    assert.is(story.count("esp"), 0);
  });
});

test("fragments of IKE messages (RFC 7383) count the longer header", () => {
  const esp = [2048, 3072, 4096, 6144]
    .flatMap((group) => [128, 192, 256].map((bits) => `aes${bits}gcm16-modp${group}`))
    .join(",");
  return tell({ ...outside, esp, chassis: { fragmentSize: 576 } }, async (story) => {
    await story.establish();
    await bothFlow(story);
    const octets = story.seen.flatMap(({ packet, kind }) =>
      kind.startsWith("ike") && packet[offsetOf(packet, kind) + 16] === 53 ? [packet.length] : [],
    );
    assert.ok(octets.length >= 2, "Encrypted Fragments");
    assert.ok(octets.some((n) => n > 560) && octets.every((n) => n <= 576), octets.join());
  });
});

/** An IKE_SA_INIT that moon sends, and a story in which sun has not seen it. */
async function firstMessage(
  options: StoryOptions,
  tale: (story: Story, packet: Buffer) => Promise<void>,
): Promise<void> {
  await tell(options, async (story) => {
    story.pass = () => false;
    await story.moon.gateway.initiate("moon-sun");
    await story.pair.drive.run(500);
    await tale(story, Buffer.from(story.seen[0]!.packet));
  });
}

test("hostile packets of IPv6 end where they should, each for its reason", () =>
  firstMessage(outside, async (story, good) => {
    const { chassis } = story.sun;
    /** What dropping this packet is counted as. */
    const fate = async (packet: Buffer): Promise<string> => {
      const before = { ...chassis.show().drops };
      chassis.receive("unprotected", packet);
      await story.pair.drive.run(20);
      const after = chassis.show().drops;
      return Object.keys(after)
        .filter((name) => after[name] !== (before[name] ?? 0))
        .join();
    };
    const changed = (change: (copy: Buffer) => void, checksum = true): Buffer => {
      const copy = Buffer.from(good);
      change(copy);
      if (checksum) {
        copy.writeUInt16BE(0, 46);
        copy.writeUInt16BE(datagramChecksum6(copy), 46);
      }
      return copy;
    };
    /** With extension headers in front of UDP; `first` names them. */
    const extended = (first: number, headers: Buffer): Buffer => {
      const copy = Buffer.concat([good.subarray(0, 40), headers, good.subarray(40)]);
      copy[6] = first;
      copy.writeUInt16BE(copy.length - 40, 4);
      return copy;
    };
    assert.is(await fate(changed((p) => p.writeUInt16BE(0, 46), false)), "udp_malformed", "no checksum");
    assert.is(
      await fate(changed((p) => p.writeUInt16BE(p.readUInt16BE(46) ^ 1, 46), false)),
      "udp_malformed",
      "a wrong one",
    );
    assert.is(await fate(changed((p) => (p[60] ^= 1), false)), "udp_malformed", "an octet changed");
    assert.is(await fate(good.subarray(0, 39)), "ip_malformed", "cut off");
    assert.is(await fate(good.subarray(0, good.length - 1)), "ip_malformed", "shorter than it says");
    assert.is(await fate(changed((p) => p.writeUInt16BE(0, 4), false)), "udp_malformed", "no payload");
    const jumbo = extended(0, Buffer.from([17, 0, 0xc2, 4, 0, 1, 0, 0]));
    jumbo.writeUInt16BE(0, 4);
    assert.is(await fate(jumbo), "ipv6_extension", "a jumbogram");
    assert.is(await fate(extended(60, Buffer.from([17, 255, 1, 4, 0, 0, 0, 0]))), "ipv6_extension", "cut off");
    const many = Buffer.concat(
      Array.from({ length: 9 }, (_, i) => Buffer.from([i === 8 ? 17 : 60, 0, 1, 4, 0, 0, 0, 0])),
    );
    assert.is(await fate(extended(60, many)), "ipv6_extension", "too many");
    assert.is(await fate(extended(43, Buffer.from([17, 0, 0, 1, 0, 0, 0, 0]))), "ipv6_extension", "a route under way");
    assert.is(
      await fate(extended(60, Buffer.from([0, 0, 1, 4, 0, 0, 0, 0]))),
      "ipv6_extension",
      "hop-by-hop, but not first",
    );
    const piece = (octets: number[]): Buffer => extended(44, Buffer.from([17, 0, 0, 1, 0, 0, 0, 1, ...octets]));
    const padding = Array.from({ length: (8 - ((good.length - 40) % 8)) % 8 }, () => 0);
    assert.is(await fate(piece(padding)), "", "kept until it is whole");
    assert.is(await fate(piece([...padding, 1, 2, 3, 4, 5, 6, 7, 8])), "fragment_overlap");
    assert.is(await fate(changed((p) => p.set(addressOctets("2001:db8:ff::3"), 24))), "ip_not_for_us");
    for (const [source, reason] of [
      ["::ffff:192.0.2.1", "ip_malformed"],
      ["::", "ip_malformed"],
      ["ff02::1", "ip_malformed"],
      ["fe80::1", "ike_no_connection"],
      ["2001:db8:ff::9", "ike_no_connection"],
    ] as const) {
      assert.is(await fate(changed((p) => p.set(addressOctets(source), 8))), reason, source);
    }
    assert.is(await fate(changed((p) => (p[6] = 132), false)), "protocol_unknown");
    const esp = Buffer.concat([good.subarray(0, 40), Buffer.from("0badcafe00000001", "hex")]);
    esp[6] = 50;
    esp.writeUInt16BE(8, 4);
    assert.is(await fate(esp), "no_sa_entry_ike_board", "S606");
    esp.writeUInt16BE(7, 4);
    assert.is(await fate(esp), "esp_malformed");
    assert.equal(await states(story), ["DOWN"], "nothing is kept of any");
    // A destination options header in order is no obstacle.
    const answers = story.seen.length;
    assert.is(await fate(extended(60, Buffer.from([17, 0, 1, 4, 0, 0, 0, 0]))), "");
    await story.pair.drive.run(200);
    assert.is(story.seen.length, answers + 1, "answered");
  }));

test("a /64 is one source: whoever has it gets no more than one address of IPv4 would", () => {
  const connection = { sun: "remote_addrs = %any6" };
  return firstMessage({ ...outside, connection, chassis: { ikeSaCapacity: 256 } }, async (story, good) => {
    const { chassis, gateway } = story.sun;
    const from = async (address: string, serial: number): Promise<void> => {
      const copy = Buffer.from(good);
      copy.set(addressOctets(address), 8);
      copy.writeUInt32BE(serial, 48);
      copy.writeUInt16BE(0, 46);
      copy.writeUInt16BE(datagramChecksum6(copy), 46);
      chassis.receive("unprotected", copy);
      await story.pair.drive.run(10);
    };
    const cookies = (since: number): number =>
      story.seen.slice(since).filter(({ packet, from }) => from === "b" && packet[48 + 16] === 41).length;
    for (let i = 1; i <= 3; i++) await from(`2001:db8:1:1::${i}`, i);
    await story.pair.drive.run(200);
    assert.is((await gateway.sas()).length, 3);
    let since = story.seen.length;
    for (let i = 4; i <= 8; i++) await from(`2001:db8:1:1:${i}::1`, i);
    await story.pair.drive.run(200);
    assert.is(cookies(since), 5, "the fourth of one /64 and those after it are asked for a cookie");
    since = story.seen.length;
    await from("2001:db8:1:2::1", 9);
    await story.pair.drive.run(200);
    assert.is(cookies(since), 0, "the next /64 is not");
    assert.is((await gateway.sas()).length, 4);
  });
});

test.run();
