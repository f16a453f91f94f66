/**
 * SAs that move while packets are on their way: a board is ejected, updated or inserted under traffic, SAs are spread anew, and nothing is
 * lost, doubled, or negotiated; in the end with crashes in between, where a lease is the bound.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { LINKS, type Story, tell } from "../system/story.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 1);
const NETS = [1, 2, 3, 4, 5, 6];
const LEASE = 32;

const spisOf = async (story: Story): Promise<string[]> =>
  (await story.mirrored(NETS.length)).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);

/** CHILD_SAs by slot. */
async function spread(story: Story, site = story.moon): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { slot = 0 } of await story.children(site)) counts[slot] = (counts[slot] ?? 0) + 1;
  return counts;
}

/** Traffic through all nets, both ways, every 100 µs of virtual time, until the function that it gives is called. */
function traffic(story: Story, dice: SeededRandom): () => void {
  const { drive } = story.pair;
  let cancel: () => void = () => undefined;
  const next = (): void => {
    for (let i = dice.below(4); i >= 0; i--) {
      story.send(dice.next() < 0.5 ? story.moon : story.sun, NETS[dice.below(NETS.length)]!, 60 + dice.below(1000));
    }
    cancel = drive.after(100_000n, next);
  };
  next();
  return () => cancel();
}

const options = (seed: number, cutThrough = (seed >> 1) % 2 === 1) => ({
  links: LINKS[seed % 2]!,
  seed,
  boards: 3,
  nets: NETS,
  cable: { seed, latencyMs: 1 },
  chassis: { lease: LEASE, cutThrough },
});

const WAYS = [
  [false, "by the IKE board"],
  [true, "cut-through"],
] as const;

for (const [cutThrough, way] of WAYS)
  test(`${way}: a board is ejected under traffic, another one after it: nothing is lost and nothing negotiated`, () =>
    tell(options(SEED, cutThrough), async (story) => {
      await story.establish(30_000, NETS.length);
      const spis = await spisOf(story);
      const stop = traffic(story, new SeededRandom(SEED));
      await story.pair.drive.run(20);
      await story.moon.chassis.eject(1);
      await story.sun.chassis.eject(3);
      await story.pair.drive.run(20);
      await story.moon.chassis.eject(2);
      await story.pair.drive.run(20);
      stop();
      await story.pair.drive.run(50);
      story.account({ whole: true, ordered: true });
      assert.equal(await spread(story), { 3: NETS.length });
      assert.equal(await spisOf(story), spis);
      assert.is(story.moon.chassis.show().slots.find(({ slot }) => slot === 1)!.state, "Empty");
      assert.ok(story.moon.events.filter(({ kind }) => kind === "sa-moved").length >= 5, "each move is told");
      await story.flows(NETS);
    }));

for (const [cutThrough, way] of WAYS)
  test(`in threads, ${way}: a board is ejected under traffic and another one dies: first nothing is lost, then a lease, and nothing is negotiated`, () =>
    tell({ ...options(SEED, cutThrough), drive: "threaded", faults: true }, async (story) => {
      await story.establish(30_000, NETS.length);
      const spis = await spisOf(story);
      const first = traffic(story, new SeededRandom(SEED));
      await story.pair.drive.run(50);
      await story.moon.chassis.eject(1);
      await story.pair.drive.run(50);
      first();
      await story.pair.drive.run(200);
      story.account({ whole: true, ordered: true });
      const second = traffic(story, new SeededRandom(SEED + 1));
      await story.pair.drive.run(50);
      const held = (await spread(story))[2]!;
      await story.moon.chassis.reset(2);
      await story.pair.drive.run(500);
      second();
      await story.pair.drive.run(200);
      // What was on the board, and in the rings towards it: as many as come in the time that it takes to be missed.
      const missing = story.account();
      assert.ok(missing <= held * 2 * LEASE + 400, `${missing} lost, ${held} SAs`);
      assert.equal(await spisOf(story), spis);
      await story.flows(NETS);
    }));

test("a board that was drained goes while another one is being drained: nothing is lost, and nobody waits for the other", () =>
  tell({ ...options(SEED), boards: 4 }, async (story) => {
    await story.establish(30_000, NETS.length);
    const stop = traffic(story, new SeededRandom(SEED + 2));
    await story.pair.drive.run(10);
    const { chassis } = story.moon;
    assert.is(await chassis.drain(3), 0);
    const began = story.pair.drive.clock.now();
    await Promise.all([chassis.eject(1), chassis.eject(3)]);
    const took = story.pair.drive.clock.now() - began;
    assert.ok(took < 1_000_000_000n, `${took} ns of virtual time`);
    stop();
    await story.pair.drive.run(50);
    story.account({ whole: true, ordered: true });
    assert.equal(Object.keys(await spread(story)), ["2", "4"]);
  }));

test("the last board: its CHILD_SAs stay, and it serves on when it is resumed", () =>
  tell({ ...options(SEED), boards: 1 }, async (story) => {
    await story.establish(30_000, NETS.length);
    assert.is(await story.moon.chassis.drain(1), NETS.length);
    assert.is(story.moon.chassis.show().slots.find(({ slot }) => slot === 1)!.state, "Announce offline");
    await story.flows(NETS);
    story.moon.chassis.resume(1);
    assert.is(story.moon.chassis.show().slots.find(({ slot }) => slot === 1)!.state, "Online");
    await story.flows(NETS);
  }));

for (const [cutThrough, way] of WAYS)
  test(`${way}: a board comes: SAs are spread over it without loss, when that is wished or asked for`, () =>
    tell({ ...options(SEED), chassis: { lease: LEASE, rebalance: true, cutThrough } }, async (story) => {
      await story.establish(30_000, NETS.length);
      const spis = await spisOf(story);
      const stop = traffic(story, new SeededRandom(SEED + 1));
      await story.moon.chassis.eject(2);
      await story.pair.drive.run(10);
      assert.is((await spread(story))[2], undefined);
      await story.moon.chassis.insert(2, "ipsec");
      await story.moon.chassis.online(2);
      await story.pair.drive.run(1100);
      stop();
      await story.pair.drive.run(50);
      story.account({ whole: true, ordered: true });
      assert.equal(await spread(story), { 1: 2, 2: 2, 3: 2 });
      assert.equal(await spisOf(story), spis);
    }));

test("rebalancing on request is by weight, and moves no more than it must", () =>
  tell(options(SEED), async (story) => {
    await story.establish(30_000, NETS.length);
    const before = await story.children(story.moon);
    story.moon.chassis.rebalance();
    await story.pair.drive.run(100);
    assert.equal(
      (await story.children(story.moon)).map(({ slot }) => slot),
      before.map(({ slot }) => slot),
      "what is spread stays",
    );
    await story.moon.chassis.reset(1);
    await story.pair.drive.run(100);
    story.moon.chassis.rebalance();
    await story.pair.drive.run(100);
    assert.equal(await spread(story), { 1: 2, 2: 2, 3: 2 });
  }));

for (let n = 0; n < 6; n++) {
  const seed = (SEED + n * 7919) % 0x7fff_ffff;
  test(`boards are drained, resumed, spread and crash at random under traffic, seed ${seed}`, () =>
    tell({ ...options(seed), faults: true }, async (story) => {
      const dice = new SeededRandom(seed);
      await story.establish(30_000, NETS.length);
      const spis = await spisOf(story);
      const numbers = new Set<string>();
      const { filter } = story.pair.wan;
      story.pair.wan.filter = (packet, from) => {
        if (packet[9] === 50) {
          const name = `${from} ${Buffer.from(packet.subarray(20, 28)).toString("hex")}`;
          assert.not.ok(numbers.has(name), `${name} is sent twice`);
          numbers.add(name);
        }
        return filter?.(packet, from) ?? true;
      };
      for (let round = 0; round < 12; round++) {
        let crashed = 0;
        const stop = traffic(story, dice);
        for (let i = 0; i < 4; i++) {
          const site = dice.next() < 0.5 ? story.moon : story.sun;
          const slot = 1 + dice.below(3);
          const what = dice.below(5);
          if (what === 0) site.chassis.rebalance();
          else if (what === 1) {
            // It dies in the middle of it.
            const draining = site.chassis.drain(slot);
            const dying = site.chassis.reset(slot);
            await Promise.all([draining, dying]);
            crashed += 1;
          } else if (what === 2) {
            await site.chassis.drain(slot);
            site.chassis.resume(slot);
          } else if (what === 3) {
            await site.chassis.drain(slot);
            await site.chassis.reset(slot);
          } else await story.pair.drive.run(dice.next() * 3);
        }
        stop();
        await story.pair.drive.run(60);
        for (const net of NETS) {
          for (let i = 0; i <= LEASE * crashed; i++) {
            story.send(story.moon, net, 80);
            story.send(story.sun, net, 80);
          }
          await story.pair.drive.run(2);
        }
        await story.pair.drive.run(60);
        const missing = story.account({ whole: crashed === 0 });
        // A drained board that crashes had packets under way; of its SAs each loses a lease at most in each direction.
        assert.ok(missing <= crashed * (NETS.length * LEASE * 2 + 60), `${missing} lost with ${crashed} crashes`);
        await story.flows(NETS);
      }
      assert.equal(await spisOf(story), spis);
    }));
}

test.run();
