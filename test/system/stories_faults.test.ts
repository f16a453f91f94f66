/**
 * Faults on order in a gateway that carries traffic: each has its named outcome, the tunnel that it hits comes back, and that of the other
 * board does not notice.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FaultOrder } from "../../host/chassis/injection.ts";
import { LINKS, type Story, tell } from "./story.ts";

/** Traffic through net 2, whose SA is on slot 2, goes on whole and with the same SPIs while `tale` is told of slot 1. */
async function beside(story: Story, tale: () => Promise<void>): Promise<void> {
  const before = (await story.children(story.sun)).find(({ name }) => name === "net-2")!;
  await tale();
  await story.flows([2]);
  const after = (await story.children(story.sun)).find(({ name }) => name === "net-2")!;
  assert.equal([after["spi-in"], after["spi-out"], after.slot], [before["spi-in"], before["spi-out"], 2]);
  assert.is(story.sun.chassis.show().slots[2]!.generation, 1, "the other board was left alone");
}

/** Packets of one net from moon to sun, one after the other. */
async function flow(story: Story, net: number, packets: number): Promise<void> {
  for (let i = 0; i < packets; i++) {
    story.send(story.moon, net, 100 + i);
    await story.pair.drive.run(5);
  }
  await story.pair.drive.run(50);
}

test("a burst, then a slow flow: a board that dies takes no more than a slow SA has", () =>
  tell({ links: LINKS[0], faults: true }, async (story) => {
    await story.establish();
    for (let i = 0; i < 40; i++) {
      for (let n = 0; n < 50; n++) story.send(story.moon, 1, 60);
      await story.pair.drive.run(0.5);
    }
    await flow(story, 1, 100);
    story.account({ whole: true });
    await story.pair.drive.run(1000);
    story.sun.chassis.injectFault({ kind: "trap", slot: 1 });
    await story.pair.drive.run(500);
    await flow(story, 1, 80);
    const lost = story.account();
    assert.ok(lost <= 64, `${lost} of 80`);
  }));

for (const kind of ["trap", "hang"] as const) {
  for (const drive of ["lockstep", "threaded"] as const) {
    if (kind === "hang" && drive === "threaded") continue; // five seconds of a watchdog, told with echo boards
    test(`${kind} of an IPsec board (${drive})`, () =>
      tell({ links: LINKS[0], drive, faults: true }, async (story) => {
        await story.establish();
        await story.flows();
        await beside(story, async () => {
          story.sun.chassis.injectFault({ kind, slot: 1 });
          await story.pair.drive.until(() => story.sun.chassis.faults.length > 0, 10_000);
          assert.ok(await story.recovers(30_000, [1]));
        });
        const [fault, ...more] = story.sun.chassis.faults;
        assert.equal(more, []);
        assert.equal([fault!.slot, fault!.kind], [1, kind === "trap" ? "trap" : "hung"]);
        if (kind === "trap") assert.match(fault!.file, /\.ts$/);
        await story.flows();
      }));
  }
}

test("trap of the IKE board: it comes back by itself", () =>
  tell({ links: LINKS[0], faults: true, child: { moon: "start_action = start" } }, async (story) => {
    assert.ok(await story.recovers(10_000));
    story.moon.chassis.injectFault({ kind: "trap", slot: 0 });
    await story.pair.drive.until(() => story.moon.chassis.faults.length > 0, 10_000);
    assert.ok(await story.recovers(60_000));
    await story.flows();
  }));

for (const links of LINKS) {
  test(`the link of a slot is down for three seconds, sun on ${links.sun}: its packets are counted, and then carried again`, () =>
    tell({ links }, async (story) => {
      await story.establish();
      await story.flows();
      const before = await story.mirrored();
      await beside(story, async () => {
        story.sun.chassis.injectFault({ kind: "link", slot: 1, seconds: 3 });
        await flow(story, 1, 20);
        assert.is(story.account(), 20);
        assert.ok(story.drop(story.sun, "link_down") >= 20);
        await story.flows([2]);
        await story.pair.drive.run(3000);
        await story.flows([1]);
      });
      assert.equal(
        await spis(story),
        before.map((child) => child["spi-in"]),
        "nothing was negotiated anew",
      );
    }));
}

const spis = async (story: Story): Promise<unknown[]> => (await story.mirrored()).map((child) => child["spi-in"]);

test("descriptors that are missed and taken twice: losses are counted, doubles are replays at the peer", () =>
  tell({ links: LINKS[0] }, async (story) => {
    await story.establish();
    await story.flows();
    await beside(story, async () => {
      story.moon.chassis.injectFault({ kind: "descriptors", slot: 1, lose: 0.2, duplicate: 0.2, seed: 7 });
      await flow(story, 1, 100);
      const missing = story.account();
      const lost = story.drop(story.moon, "injected_loss");
      assert.ok(lost > 5 && missing > 5 && missing <= lost, `${missing} missing, ${lost} lost`);
      assert.ok(story.drop(story.sun, "replay") > 5);
      story.moon.chassis.clearFaults();
    });
    assert.ok(await story.recovers(10_000));
  }));

test("a stalled board keeps what fits in its rings, and goes on with it", () =>
  tell({ links: LINKS[1] }, async (story) => {
    await story.establish();
    await story.flows();
    await beside(story, async () => {
      story.sun.chassis.injectFault({ kind: "stall", slot: 1, seconds: 2 });
      for (let i = 0; i < 40; i++) {
        for (let k = 0; k < 10; k++) story.send(story.moon, 1, 100);
        await story.pair.drive.run(5);
      }
      assert.is(story.sun.received.length, 0);
      await story.pair.drive.run(4000);
      // A full ring, or no lease of numbers in time: whatever is missing was counted for one or the other.
      const counted = story.drop(story.sun, "backplane_congestion") + story.drop(story.sun, "lease_wait");
      const missing = story.account();
      assert.ok(missing > 0 && missing < 400, `${missing} of 400 missing`);
      assert.is(missing, counted);
    });
    await story.flows();
  }));

for (const [name, order] of [
  ["ten times too fast", { kind: "clock", slot: 1, rate: 10 }],
  ["a tenth too slow", { kind: "clock", slot: 1, rate: 0.1 }],
  ["an hour ahead", { kind: "clock", slot: 1, ahead: 3600 }],
] as [string, FaultOrder][]) {
  test(`an IPsec board whose clock is ${name} carries its packets`, () =>
    tell({ links: LINKS[0] }, async (story) => {
      await story.establish();
      await beside(story, async () => {
        story.sun.chassis.injectFault(order);
        await story.flows();
        await story.pair.drive.run(30_000);
        await story.flows();
      });
    }));
}

test("an IKE board whose clock jumps: what was due is rekeyed, traffic goes on", () =>
  tell({ links: LINKS[0] }, async (story) => {
    await story.establish();
    const before = await spis(story);
    story.moon.chassis.injectFault({ kind: "clock", slot: 0, ahead: 3600 });
    for (let i = 0; i < 20; i++) {
      await story.exchange([1, 2], [64], 50);
      await story.pair.drive.run(500);
    }
    story.account({ whole: true });
    const after = await spis(story);
    after.forEach((spi, i) => assert.is.not(spi, before[i], "rekeyed: its hour was over"));
    await story.flows();
  }));

test("a slow secure element: negotiation takes longer, and packets of other SAs do not wait for it", () =>
  tell({ links: LINKS[0] }, async (story) => {
    for (const { chassis } of [story.moon, story.sun]) chassis.injectFault({ kind: "element", delayMs: 400 });
    const began = story.moon.chassis.show().now;
    await story.establish(60_000);
    assert.ok(story.moon.chassis.show().now - began > 1.6, "two answers at each end in a row");
    const rekeyed = story.moon.gateway.rekey("net-1");
    await story.flows();
    await rekeyed;
    await story.pair.drive.run(5000);
    await story.flows();
  }));

test("a secure element that gives no answer: counted, and negotiated when it does again", () =>
  tell({ links: LINKS[0] }, async (story) => {
    story.sun.chassis.injectFault({ kind: "element", lose: 1, seconds: 20 });
    await story.moon.gateway.initiate("net-1");
    await story.pair.drive.run(21_000);
    assert.ok(story.drop(story.sun, "secure_element_failed") > 0);
    assert.equal(await story.children(story.sun), []);
    await story.establish(180_000);
    await story.flows();
  }));

test.run();
