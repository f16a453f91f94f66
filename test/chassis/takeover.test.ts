/**
 * Takeover by leases, over random schedules of crashes, restarts and traffic, two chassis with three IPsec boards each, in lockstep:
 *
 *   no (SPI, number) pair is ever sent twice             read off the cable
 *   no packet is accepted twice                          somebody on the WAN repeats old packets after every crash; every packet that comes
 *                                                        out went in, and comes out once
 *   nothing is lost with a board but what was on it       where all packets pass the IKE board
 *   ... and at most a lease of an SA                     whose numbers somebody has forged before: those that he has written never come out; and
 *                                                        of any, while an IKE board that has just restarted does not know how far they are
 *   ... and at most a lease per SA and direction         with cut-through
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
/** With cut-through, and where all packets pass the IKE board. */
const LEASE_CUT = 32;
const LEASE_SEEN = 256;
/** Packets that are recorded on the WAN, and all repeated after a crash. */
const RECORDED = 600;
/** How often numbers are forged before a crash, and how many at most. */
const FORGING = 0.25;
const FORGED = 20;
/** How often the IKE board restarts before a crash: not again within so many ms, or it begins anew; so many later it knows all again. */
const RESTARTING = 0.15;
const APART_MS = 12_000;
const CERTAIN_MS = 11_000;
/** Numbers by which a restarted IKE board makes leases longer, in three rounds of asking (distribution/recall.ts). */
const ASKED = 6;
const NETS = [1, 2, 3, 4];
const BOARDS = [1, 2, 3];

const spisOf = async (story: Story): Promise<string[]> =>
  (await story.mirrored(NETS.length)).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);

/** A packet as it was, with another number (RFC 4303 2.2): nobody can make an ICV for it. */
function forge(packet: Uint8Array, number: number): Uint8Array {
  const forged = Buffer.from(packet);
  forged.writeUInt32BE(number >>> 0, 24);
  return forged;
}

const spiOf = (packet: Uint8Array): string => Buffer.from(packet.subarray(20, 24)).toString("hex");

async function crashes(seed: number, count: number): Promise<void> {
  const dice = new SeededRandom(seed);
  const upTo = (n: number): number => dice.below(n);
  const links = LINKS[upTo(2)]!;
  const cutThrough = upTo(2) === 1;
  const lease = cutThrough ? LEASE_CUT : LEASE_SEEN;
  const story = new Story({
    links,
    boards: BOARDS.length,
    nets: NETS,
    cable: { seed, latencyMs: 1 },
    chassis: { entropy: new SeededEntropy(seed), conservation: true, lease, cutThrough },
    // A window that takes what a jump by a lease leaves behind.
    child: { moon: "replay_window = 128", sun: "replay_window = 128" },
  });
  const numbers = new Set<string>();
  const twice: string[] = [];
  /** Sealed packets of the last while, and the end that they went to. */
  const recorded: { packet: Uint8Array; to: "a" | "b" }[] = [];
  /** Inbound SAs whose numbers somebody has forged, while they are on the board that they were on then. */
  const forged = new Set<string>();
  /** When the IKE board of a site did. */
  const restarted = { moon: -APART_MS, sun: -APART_MS };
  const milliseconds = (): number => Number(story.pair.drive.clock.now() / 1_000_000n);
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
      if (dice.next() < RESTARTING && milliseconds() - restarted[site.name] > APART_MS) {
        await site.chassis.reset(0);
        restarted[site.name] = milliseconds();
        burst(20);
        await story.pair.drive.run(dice.next() < 0.5 ? dice.next() * 20 : dice.next() * 2 * CERTAIN_MS);
      }
      for (let i = dice.next() < FORGING ? upTo(FORGED) : 0; i > 0 && recorded.length > 0; i--) {
        const { packet, to } = recorded[upTo(recorded.length)]!;
        const number = Buffer.from(packet).readUInt32BE(24);
        const other = [number + 1 + upTo(lease), number + upTo(100_000), 0x7fff_ffff, 0xffff_ffff][upTo(4)]!;
        forged.add(spiOf(packet));
        (to === "a" ? story.moon : story.sun).chassis.receive("unprotected", forge(packet, other));
      }
      const held = (await story.children(site)).filter((child) => child.slot === slot);
      const before = [story.moon, story.sun].map((s) => s.chassis.show().drops);
      const died = milliseconds();
      await site.chassis.reset(slot);
      await story.pair.drive.run(dice.next() * 2);
      for (const { packet, to } of [...recorded]) {
        (to === "a" ? story.moon : story.sun).chassis.receive("unprotected", packet);
        if (upTo(40) === 0) await story.pair.drive.run(0.1);
      }
      for (let i = upTo(4); i > 0; i--) {
        burst(20);
        await story.pair.drive.run(dice.next() * 3);
      }
      // What is left of leases is used up, and then all is whole.
      const written = held.filter((child) => forged.delete(child["spi-in"]!)).length;
      const behind = cutThrough ? held.length * 2 : died - restarted[site.name] < CERTAIN_MS ? held.length : written;
      for (let i = 0; i <= (behind > 0 ? lease + ASKED : 0); i++) {
        for (const net of NETS) {
          story.send(story.moon, net, 80);
          story.send(story.sun, net, 80);
        }
        if (i % 32 === 0) await story.pair.drive.run(1);
      }
      await story.pair.drive.run(30);
      const missing = story.account();
      const bound = onBoard + behind * (lease + ASKED);
      if (missing > bound)
        console.log(
          slot,
          site.name,
          JSON.stringify(before),
          JSON.stringify([story.moon, story.sun].map((s) => s.chassis.show().drops)),
        );
      assert.ok(
        missing <= bound,
        `crash ${crash}: ${missing} lost, bound ${bound}: ${held.length} SAs, ${onBoard} under way`,
      );
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
