/**
 * Times without an IKE board, at random, amid traffic: IPsec boards go on beyond their leases, and an IKE board comes back and learns how far.
 * IPsec boards die while there is none, while it comes back, just when it has learnt, and later.
 *
 *   no number is sent twice under one key, and no packet is accepted twice, whatever an attacker repeats
 *   while no IPsec board dies nothing is lost and nothing is negotiated
 *   traffic flows in the end, under new keys where a board took along what it alone knew
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededEntropy, SeededRandom } from "../../host/chassis/entropy.ts";
import type { Site } from "../../host/demo/pair.ts";
import { LINKS, Story } from "../system/story.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 1);
const SCHEDULES = Number(process.env.CARDCAGE_SCHEDULES ?? 400);
/** Times without an IKE board before two new chassis begin. */
const PER_PAIR = 20;
const LEASE = 32;
const RECORDED = 400;
const REPEATED = 60;
const NETS = [1, 2, 3, 4];
const BOARDS = [1, 2, 3];

async function spisOf(story: Story, site: Site): Promise<string[]> {
  return (await story.children(site)).map((child) => `${child.name} ${child["spi-in"]} ${child["spi-out"]}`);
}

async function orphans(seed: number, count: number): Promise<void> {
  const dice = new SeededRandom(seed);
  const upTo = (n: number): number => dice.below(n);
  const story = new Story({
    links: LINKS[upTo(2)]!,
    boards: BOARDS.length,
    nets: NETS,
    cable: { seed, latencyMs: 1 },
    chassis: { entropy: new SeededEntropy(seed), conservation: true, lease: LEASE, cutThrough: upTo(2) === 1 },
    child: { moon: "replay_window = 128", sun: "replay_window = 128" },
  });
  const numbers = new Set<string>();
  const twice: string[] = [];
  const recorded: { packet: Uint8Array; to: Site }[] = [];
  story.pair.wan.filter = (packet, from) => {
    if (packet[9] !== 50) return true;
    const name = `${from} ${Buffer.from(packet.subarray(20, 28)).toString("hex")}`;
    if (numbers.has(name)) twice.push(name);
    numbers.add(name);
    recorded.push({ packet: packet.slice(), to: from === "a" ? story.sun : story.moon });
    if (recorded.length > RECORDED) recorded.shift();
    return true;
  };
  const traffic = async (milliseconds: number): Promise<void> => {
    for (let passed = 0; passed < milliseconds; passed += 0.5) {
      for (let i = upTo(6); i > 0; i--)
        story.offer(dice.next() < 0.5 ? story.moon : story.sun, NETS[upTo(NETS.length)]!, 60 + upTo(300));
      await story.pair.drive.run(0.5);
    }
  };
  const repeat = (): void => {
    for (let i = 0; i < REPEATED && recorded.length > 0; i++) {
      const { packet, to } = recorded[upTo(recorded.length)]!;
      to.chassis.receive("unprotected", packet);
    }
  };
  let told = "";
  try {
    await story.pair.start();
    await story.establish(30_000, NETS.length);
    for (let round = 0; round < count; round++) {
      const site = dice.next() < 0.5 ? story.moon : story.sun;
      const slot = BOARDS[upTo(BOARDS.length)]!;
      const dies = ["nobody", "without", "coming", "learnt", "nobody", "late"][upTo(6)]!;
      told = `${round}: ${site.name}, ${dies} ${slot}`;
      const before = await spisOf(story, site);
      await traffic(dice.next() * 5);
      await site.chassis.offline(0);
      await traffic(dice.next() * 60);
      if (dies === "without") await site.chassis.reset(slot);
      await traffic(dice.next() * 5);
      const comes = site.chassis.online(0);
      if (dies === "coming") await site.chassis.reset(slot);
      await comes;
      await traffic(dice.next() * (dies === "learnt" ? 3 : 60));
      if (dies === "learnt") await site.chassis.reset(slot);
      await traffic(dice.next() * 40);
      if (dies === "late") await site.chassis.reset(slot);
      repeat();
      await traffic(dice.next() * 10);
      await story.pair.drive.run(300);
      assert.equal(twice, [], "no number is sent twice under one key");
      if (dies === "nobody") {
        story.account({ whole: true });
        assert.equal(await spisOf(story, site), before, "nothing is negotiated");
      } else {
        story.account();
        const after = await spisOf(story, site);
        if (after.length < NETS.length) {
          // It has begun anew, and has the first word: INITIAL_CONTACT.
          for (const net of NETS) await site.gateway.initiate(`net-${net}`);
          await story.pair.drive.run(3000);
          // Under new keys numbers begin anew, and an SPI may come again by chance.
          numbers.clear();
        }
        await story.mirrored(NETS.length);
        // Up to a lease of each SA that another board has now.
        for (let i = 0; i <= LEASE; i++) {
          for (const one of [story.moon, story.sun]) for (const net of NETS) story.send(one, net, 80);
          await story.pair.drive.run(1);
        }
        await story.pair.drive.run(100);
        story.account();
      }
      repeat();
      await story.flows(NETS);
    }
    story.end(true);
  } catch (error) {
    if (error instanceof Error) error.message += ` (seed ${seed}, ${told})`;
    throw error;
  } finally {
    await story.pair.close();
  }
}

for (let first = 0; first < SCHEDULES; first += PER_PAIR) {
  const count = Math.min(PER_PAIR, SCHEDULES - first);
  const seed = (SEED + first) % 0x7fff_ffff;
  test(`there is no IKE board for ${count} times, seed ${seed}`, () => orphans(seed, count));
}

test.run();
