/**
 * Takeover by leases, over random schedules of crashes, restarts and traffic, two chassis with three IPsec boards each, in lockstep:
 *
 *   no (SPI, number) pair is ever sent twice             read off the cable
 *   no packet is accepted twice                          somebody on the WAN repeats old packets after every crash; every packet that comes
 *                                                        out went in, and comes out once
 *   at most a lease of packets per SA and direction is lost with a board, besides those that were on it
 *   nothing is negotiated anew                           the SPIs of the end are those of the beginning
 *
 * As many crashes are made as `--schedules` says; the seed is printed by the runner and replays them.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededEntropy, SeededRandom } from "../../host/chassis/entropy.ts";
import { type Site } from "../../host/demo/pair.ts";
import { LINKS, Story } from "../system/story.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 1);
const SCHEDULES = Number(process.env.CARDCAGE_SCHEDULES ?? 400);
/** Crashes on one pair of gateways. */
const PER_PAIR = 40;
const LEASE = 32;
/** Packets that are recorded on the WAN, and repeated after a crash. */
const RECORDED = 600;
const REPEATED = 80;
const NETS = [1, 2, 3, 4];
const BOARDS = [1, 2, 3];

const spisOf = async (story: Story): Promise<string[]> =>
  (await story.mirrored(NETS.length)).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);

async function crashes(seed: number, count: number): Promise<void> {
  const dice = new SeededRandom(seed);
  const upTo = (n: number): number => dice.below(n);
  const links = LINKS[upTo(2)]!;
  const story = new Story({
    links,
    boards: BOARDS.length,
    nets: NETS,
    cable: { seed, latencyMs: 1 },
    chassis: { entropy: new SeededEntropy(seed), conservation: true, lease: LEASE, cutThrough: seed % 2 === 1 },
    // A window that takes what a jump by a lease leaves behind.
    child: { moon: "replay_window = 128", sun: "replay_window = 128" },
  });
  const numbers = new Set<string>();
  const twice: string[] = [];
  /** Sealed packets of the last while, and the end that they went to. */
  const recorded: { packet: Uint8Array; to: "a" | "b" }[] = [];
  story.pair.wan.filter = (packet, from) => {
    if (packet[9] !== 50) return true;
    const name = `${from} ${Buffer.from(packet.subarray(20, 28)).toString("hex")}`;
    if (numbers.has(name)) twice.push(name);
    numbers.add(name);
    recorded.push({ packet: packet.slice(), to: from === "a" ? "b" : "a" });
    if (recorded.length > RECORDED) recorded.shift();
    return true;
  };
  try {
    await story.pair.start();
    await story.establish(30_000, NETS.length);
    const spis = await spisOf(story);
    const burst = (most: number): number => {
      const packets = 1 + upTo(most);
      for (let i = 0; i < packets; i++) {
        story.send(dice.next() < 0.5 ? story.moon : story.sun, NETS[upTo(NETS.length)]!, 60 + upTo(400));
      }
      return packets;
    };
    for (let crash = 0; crash < count; crash++) {
      for (let i = upTo(6); i > 0; i--) {
        burst(40);
        await story.pair.drive.run(dice.next() * 4);
      }
      await story.pair.drive.run(30);
      story.account({ whole: crash === 0 });
      // Under way when the board goes: at most what this burst has.
      const onBoard = burst(30);
      await story.pair.drive.run(dice.next() * 3);
      const site: Site = dice.next() < 0.5 ? story.moon : story.sun;
      const slot = BOARDS[upTo(BOARDS.length)]!;
      const held = (await story.children(site)).filter((child) => child.slot === slot).length;
      const before = [story.moon, story.sun].map((s) => s.chassis.show().drops);
      await site.chassis.reset(slot);
      await story.pair.drive.run(dice.next() * 2);
      for (let i = 0; i < REPEATED && recorded.length > 0; i++) {
        const { packet, to } = recorded[upTo(recorded.length)]!;
        (to === "a" ? story.moon : story.sun).chassis.receive("unprotected", packet);
      }
      for (let i = upTo(4); i > 0; i--) {
        burst(20);
        await story.pair.drive.run(dice.next() * 3);
      }
      // What is left of the leases is used up: a lease each way for each SA, and then all is whole.
      const full = LEASE + 1;
      for (const net of NETS) {
        for (let i = 0; i < full; i++) {
          story.send(story.moon, net, 80);
          story.send(story.sun, net, 80);
        }
        await story.pair.drive.run(1);
      }
      await story.pair.drive.run(30);
      const missing = story.account();
      const bound = onBoard + held * 2 * LEASE;
      if (missing > bound)
        console.log(
          slot,
          site.name,
          JSON.stringify(before),
          JSON.stringify([story.moon, story.sun].map((s) => s.chassis.show().drops)),
        );
      assert.ok(missing <= bound, `crash ${crash}: ${missing} lost, bound ${bound}: ${held} SAs, ${onBoard} under way`);
      story.send(story.moon, 1, 99);
      await story.flows(NETS);
    }
    assert.equal(twice, [], "no number is sent twice under one key");
    assert.equal(await spisOf(story), spis, "nothing was negotiated anew");
    story.end(true);
  } catch (error) {
    if (error instanceof Error) error.message += ` (seed ${seed}, ${JSON.stringify(links)})`;
    throw error;
  } finally {
    await story.pair.close();
  }
}

for (let first = 0; first < SCHEDULES; first += PER_PAIR) {
  const count = Math.min(PER_PAIR, SCHEDULES - first);
  const seed = (SEED + first) % 0x7fff_ffff;
  test(`boards crash ${count} times under traffic, seed ${seed}`, () => crashes(seed, count));
}

test.run();
