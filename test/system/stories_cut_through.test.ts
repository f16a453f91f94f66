/**
 * Stories of the classifier: with cut-through packets of established SAs go from the NICs to their boards, and without it they do while there
 * is no IKE board. What it does not know is the IKE board's, and nothing leaves in clear or by another SA because of it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Site } from "../../host/demo/pair.ts";
import { clearPacket } from "./packets.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

const options = (cutThrough: boolean, more: StoryOptions = {}): StoryOptions => ({
  links: LINKS[0],
  boards: 2,
  ...more,
  chassis: { cutThrough, ...more.chassis },
});

const cutThrough = (site: Site): number => site.chassis.show().slots.reduce((sum, slot) => sum + slot.cutThrough, 0);
const arrivals = (site: Site): number => site.chassis.show().slots[site.chassis.ikeSlot]!.counters.in;

const PACKETS = 3 * 2;

for (const drive of ["lockstep", "threaded"] as const)
  test(`${drive}: packets of established SAs go past the IKE board, both ways`, () =>
    tell(options(true, { drive }), async (story) => {
      await story.establish();
      await story.pair.drive.run(50);
      for (const site of [story.moon, story.sun]) assert.is(cutThrough(site), 0, "nothing before there are SAs");
      const before = [arrivals(story.moon), arrivals(story.sun)];
      await story.flows();
      for (const [i, site] of [story.moon, story.sun].entries()) {
        assert.is(cutThrough(site), 2 * PACKETS, `${site.name}: those that it sent and those that it got`);
        assert.ok(arrivals(site) - before[i]! < PACKETS, `${site.name}: its IKE board saw none of them`);
      }
    }));

for (const past of [true, false])
  test(`explain tells whether a packet ${past ? "goes past" : "comes to"} the IKE board`, () =>
    tell(options(past), async (story) => {
      await story.establish();
      await story.pair.drive.run(50);
      const packet = clearPacket("udp", [10, 1, 1, 1], [10, 2, 1, 7], 100, 1);
      const { walk, ...said } = await story.moon.gateway.explain(packet, "protected");
      assert.is(said.verdict, "delivered");
      assert.is(said["cut-through"], past ? true : undefined);
      assert.is(said.via === undefined, past);
      const text = walk.map((step) => `${step.slot} ${step.step} ${step.text}`).join("\n");
      assert.is(/S605 has told the classifier/.test(text), past);
      assert.is(/S605 packs it into a capsule/.test(text), !past);
      assert.is(cutThrough(story.moon), 0, "asking is no packet");
      // A policy without an SA is the IKE board's, whatever the mode.
      const strange = await story.moon.gateway.explain(
        clearPacket("udp", [10, 9, 9, 9], [10, 8, 8, 8], 100, 1),
        "protected",
      );
      assert.is(strange["cut-through"], undefined);
    }));

test("without cut-through they go by the IKE board", () =>
  tell(options(false), async (story) => {
    await story.establish();
    await story.flows();
    for (const site of [story.moon, story.sun]) assert.is(cutThrough(site), 0);
  }));

for (const cut of [false, true])
  for (const drive of ["lockstep", "threaded"] as const)
    test(`${drive}, ${cut ? "cut-through" : "standby"}: while there is no IKE board, traffic goes on`, () =>
      tell(options(cut, { drive }), async (story) => {
        await story.establish();
        await story.flows();
        for (const site of [story.moon, story.sun]) await site.chassis.offline(0);
        for (let second = 0; second < 3; second++) {
          await story.pair.drive.run(drive === "lockstep" ? 2000 : 100);
          await story.flows();
        }
        for (const site of [story.moon, story.sun]) await site.chassis.online(0);
        await story.pair.drive.run(200);
        await story.flows();
        for (const name of ["net-1", "net-2"]) await story.moon.gateway.rekey(name);
        await story.pair.drive.run(2000);
        await story.flows();
      }));

test("without an IKE board, what no SA covers is dropped, and so is all behind orphan_time", () =>
  tell(options(false, { chassis: { orphanTime: 5 } }), async (story) => {
    await story.establish();
    await story.flows();
    await story.moon.chassis.offline(0);
    const stray = clearPacket("udp", [10, 1, 9, 1], [10, 2, 9, 7], 100, 1);
    assert.not.ok(story.moon.send(stray), "the chassis takes none that has no board");
    await story.flows();
    await story.pair.drive.run(6000);
    const lost = clearPacket("udp", [10, 1, 1, 1], [10, 2, 1, 7], 100, 2);
    const seen = story.seen.length;
    assert.not.ok(story.moon.send(lost), "the IPsec boards have forgotten their SAs");
    await story.pair.drive.run(100);
    assert.is(story.seen.length, seen, "nothing leaves");
  }));

test("a packet in clear from the unprotected network is not sealed, with and without an IKE board", () =>
  tell(options(true), async (story) => {
    await story.establish();
    await story.flows();
    const { chassis } = story.sun;
    const clear = clearPacket("udp", [10, 2, 1, 1], [10, 1, 1, 7], 100, 1);
    for (const gone of [false, true]) {
      if (gone) await chassis.offline(0);
      const seen = story.seen.length;
      chassis.receive("unprotected", clear);
      await story.pair.drive.run(50);
      assert.is(story.seen.length, seen, "nothing leaves");
      assert.equal(story.sun.received, [], "and nothing comes through");
    }
    await chassis.online(0);
    await story.pair.drive.run(100);
    await story.flows();
  }));

test("new SAs, rekeyed ones and deleted ones: the classifier knows of them", () =>
  tell(options(true, { nets: [1, 2, 3] }), async (story) => {
    await story.establish(30_000, 3);
    for (let round = 0; round < 3; round++) {
      for (const name of ["net-1", "net-2", "net-3"]) await story.moon.gateway.rekey(name);
      await story.pair.drive.run(3000);
      const before = cutThrough(story.moon);
      await story.flows([1, 2, 3]);
      assert.is(cutThrough(story.moon) - before, 18, "old SAs lead nowhere, new ones do");
    }
    await story.moon.gateway.terminate("net-2");
    await story.pair.drive.run(3000);
    const before = cutThrough(story.moon);
    story.moon.send(clearPacket("udp", [10, 1, 2, 1], [10, 2, 2, 7], 100, 1));
    await story.pair.drive.run(50);
    assert.is(cutThrough(story.moon), before);
    await story.flows([1, 3]);
  }));

test("a board dies: its packets go by the IKE board, until its SAs are elsewhere", () =>
  tell(options(true, { faults: true, chassis: { lease: 16 } }), async (story) => {
    await story.establish();
    await story.flows();
    story.moon.chassis.injectFault({ kind: "trap", slot: 1 });
    assert.ok(await story.recovers(5000));
    await story.pair.drive.run(1000);
    const before = cutThrough(story.moon);
    await story.flows();
    assert.is(cutThrough(story.moon) - before, 2 * PACKETS);
  }));

/** Many packets each way, and slowly enough that nobody drops them. */
async function carries(story: Story, packets: number): Promise<void> {
  for (let i = 0; i < packets; i++) {
    for (const net of [1, 2]) {
      story.send(story.moon, net, 60);
      story.send(story.sun, net, 60);
    }
    await story.pair.drive.run(1);
  }
  await story.pair.drive.run(50);
  story.account({ whole: true, ordered: true });
}

test("without an IKE board boards go on beyond their leases, and the next IKE board learns how far", () =>
  tell(options(false, { faults: true, chassis: { lease: 16 } }), async (story) => {
    await story.establish();
    await story.flows();
    const spis = (await story.mirrored()).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);
    for (let round = 0; round < 2; round++) {
      for (const site of [story.moon, story.sun]) await site.chassis.offline(0);
      await carries(story, 300);
      for (const site of [story.moon, story.sun]) await site.chassis.online(0);
      await carries(story, 40);
    }
    assert.equal(
      (await story.mirrored()).map((child) => `${child["spi-in"]} ${child["spi-out"]}`),
      spis,
      "nothing was negotiated",
    );
    // From here on what it learnt counts: no number is used or accepted twice.
    story.sun.chassis.injectFault({ kind: "trap", slot: 1 });
    assert.ok(await story.recovers(5000));
  }));

test("a board that dies without an IKE board takes what it knew along: all begins anew", () =>
  tell(options(false, { faults: true, chassis: { lease: 16 } }), async (story) => {
    const numbers = new Set<string>();
    story.pass = ({ packet, from, kind }) => {
      const name = `${from} ${Buffer.from(packet.subarray(20, 28)).toString("hex")}`;
      if (kind === "esp") assert.not.ok(numbers.has(name), `${name} is sent twice`);
      if (kind === "esp") numbers.add(name);
      return true;
    };
    await story.establish();
    const before = (await story.mirrored()).map((child) => child["spi-in"]);
    await story.sun.chassis.offline(0);
    await carries(story, 200);
    await story.sun.chassis.reset(1);
    await story.sun.chassis.online(0);
    await story.pair.drive.run(500);
    for (const name of ["net-1", "net-2"]) await story.sun.gateway.initiate(name);
    await story.pair.drive.run(2000);
    story.account();
    await story.flows();
    await story.pair.drive.run(5000);
    const after = (await story.mirrored()).map((child) => child["spi-in"]);
    assert.ok(!after.some((spi) => before.includes(spi)), "new SAs");
  }));

test.run();
