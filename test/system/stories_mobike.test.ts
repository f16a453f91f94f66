/**
 * Stories of peers that are elsewhere all of a sudden: a NAT that maps anew under traffic (RFC 7296 2.23), an attacker who would like to
 * be taken for it, a gateway that changes its address (RFC 4555). The SAs stay, the IPsec boards send to the new place.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { headerChecksum } from "../../host/nic/linux/outer_header.ts";
import { LINKS, type Story, tell } from "./story.ts";

const port = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;

function setPort(packet: Uint8Array, at: number, value: number): void {
  packet[at] = value >> 8;
  packet[at + 1] = value & 0xff;
  // The UDP checksum covers the ports: without one it is as good (RFC 768).
  packet[26] = 0;
  packet[27] = 0;
}

/** moon stands behind a NAT that keeps its address and maps its ports. What comes for an old mapping goes nowhere. */
function natted(story: Story, mapping: { port: number }): void {
  story.alter = (packet, from) => {
    if (packet[9] !== 17) return;
    const [own, at] = from === "a" ? [20, port(packet, 20)] : [22, port(packet, 22)];
    if (from === "a") setPort(packet, own, at === 500 ? 1500 : mapping.port);
    else if (at === 1500) setPort(packet, own, 500);
    else setPort(packet, own, at === mapping.port ? 4500 : 9);
  };
}

/** The same packet from another address. */
function elsewhere(packet: Uint8Array, address: readonly number[]): Uint8Array {
  const copy = packet.slice();
  copy.set(address, 12);
  copy.fill(0, 10, 12);
  const sum = headerChecksum(copy, 0, 20);
  copy.set([sum >> 8, sum & 0xff], 10);
  return copy;
}

const peerOf = async (story: Story): Promise<string> => {
  const [ike] = await story.sun.gateway.sas();
  return `${ike!["remote-host"]}:${ike!["remote-port"]}`;
};

const spis = async (story: Story): Promise<string[]> => (await story.mirrored()).map((child) => child["spi-in"]);

for (const links of LINKS) {
  test(`a NAT maps anew under traffic and loss, moon on ${links.moon}: the newest ESP packet moves the SAs, keys stay`, () =>
    tell({ links, seed: 7, connection: { moon: "mobike = no", sun: "mobike = no" } }, async (story) => {
      const mapping = { port: 30000 };
      natted(story, mapping);
      await story.establish();
      await story.flows();
      assert.is(await peerOf(story), "192.0.2.1:30000");
      const before = await spis(story);
      story.pair.wan.options.lose = 0.1;
      for (let i = 0; i < 60; i++) {
        if (i === 20) mapping.port = 31000;
        await story.exchange(undefined, [100 + i], 2);
      }
      story.pair.wan.options.lose = 0;
      await story.pair.drive.run(200);
      story.account();
      assert.is(await peerOf(story), "192.0.2.1:31000");
      await story.flows();
      assert.equal(await spis(story), before);
      assert.ok(story.sun.events.some(({ kind }) => kind === "ike-update"));
    }));
}

test("an attacker sends what moon has sent from elsewhere, again, first or changed: nobody moves", () =>
  tell({ connection: { moon: "mobike = no", sun: "mobike = no" } }, async (story) => {
    natted(story, { port: 30000 });
    await story.establish();
    await story.flows();
    const recorded = story.seen.filter(({ from }) => from === "a").map(({ packet }) => packet);
    assert.ok(recorded.some((packet) => port(packet, 20) === 30000));
    for (const packet of recorded) {
      story.sun.chassis.receive("unprotected", elsewhere(packet, [203, 0, 113, 5]));
      await story.pair.drive.run(1);
    }
    // One that is kept from sun, and comes late: newer ones have been there.
    story.pass = ({ kind }) => kind !== "esp";
    story.send(story.moon, 1, 300);
    await story.pair.drive.run(20);
    const late = story.seen.at(-1)!.packet;
    story.pass = () => true;
    story.account();
    await story.flows();
    const forged = late.slice();
    forged[forged.length - 1]! ^= 1;
    story.sun.chassis.receive("unprotected", elsewhere(forged, [203, 0, 113, 5]));
    story.sun.chassis.receive("unprotected", elsewhere(late, [203, 0, 113, 5]));
    await story.pair.drive.run(50);
    story.sun.received.length = 0;
    assert.is(await peerOf(story), "192.0.2.1:30000");
    await story.flows();
  }));

test("behind a NAT with MOBIKE moon finds out by its signs of life that it is mapped anew, and says so", () =>
  tell({ connection: { moon: "dpd_delay = 2s" } }, async (story) => {
    const mapping = { port: 30000 };
    natted(story, mapping);
    await story.establish();
    await story.flows();
    const before = await spis(story);
    await story.pair.drive.run(5000);
    mapping.port = 31000;
    // ESP from the new place moves nobody by itself (RFC 4555 3.8).
    story.send(story.moon, 1, 100);
    await story.pair.drive.run(50);
    assert.is(await peerOf(story), "192.0.2.1:30000");
    await story.pair.drive.run(5000);
    assert.is(await peerOf(story), "192.0.2.1:31000");
    story.account();
    await story.flows();
    assert.equal(await spis(story), before);
  }));

/** Sun has to know the other address, too: as long as the IKE_SA lives it need not, but a new one comes from there. */
const MOVABLE = { moon: "local_addrs = 192.0.2.1, 192.0.2.7", sun: "remote_addrs = 192.0.2.1, 192.0.2.7" };

test("moon's address changes under traffic with loss: both ends' boards follow, and what is sent then arrives", () =>
  tell({ seed: 3, connection: MOVABLE }, async (story) => {
    await story.establish();
    await story.flows();
    const before = await spis(story);
    story.pair.wan.options.lose = 0.2;
    story.moon.chassis.setLocalAddresses(["192.0.2.7"]);
    for (let i = 0; i < 40; i++) await story.exchange(undefined, [100 + i], 2);
    await story.pair.drive.run(20_000);
    story.pair.wan.options.lose = 0;
    story.account();
    assert.is(await peerOf(story), "192.0.2.7:4500");
    await story.flows();
    assert.equal(await spis(story), before);
    const outer = story.seen.filter(({ kind }) => kind === "esp").slice(-12);
    assert.ok(
      outer.every(({ packet, from }) => packet[(from === "a" ? 12 : 16) + 3] === 7),
      "ESP goes between the new ends",
    );
    // A board that starts now knows the new address as well.
    await story.moon.chassis.reset(story.moon.chassis.ikeSlot);
    await story.pair.drive.run(1000);
    await story.moon.gateway.initiate("moon-sun");
    assert.ok(await story.recovers(120_000));
  }));

test.run();
