/**
 * The IKE board's own crashes, over random schedules of crashes of IKE boards and IPsec boards, rekeys by both ends, questions and traffic, on
 * a cable that loses, doubles and reorders, two chassis in lockstep:
 *
 *   no (SPI, number) pair of ESP is ever sent twice, no (SPI, IV) pair of IKE with other contents    read off the cable
 *   no packet is accepted twice                                                                       every packet comes out once
 *   no IKE_SA is lost: the SPIs of the first are those of the last, unless one was rekeyed             the peers' tables
 *   at the end both ends have the same CHILD_SAs, and traffic flows through all of them
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
const NETS = [1, 2, 3];
const BOARDS = [1, 2];
const IP_HEADER = 20;
const UDP_HEADER = 8;
const IKE_HEADER = 28;
const ESP = 50;

/** Of a packet on the WAN: the name of what may never repeat with other contents. */
function nonceOf(packet: Uint8Array, from: string): string | undefined {
  const hex = (at: number, octets: number): string => Buffer.from(packet.subarray(at, at + octets)).toString("hex");
  if (packet[9] === ESP) return `esp ${from} ${hex(IP_HEADER, 8)}`;
  let ike = IP_HEADER + UDP_HEADER;
  if (packet[21] === 0x94 || packet[23] === 0x94) ike += 4; // port 4500: the marker
  const next = packet[ike + 16];
  // SK, or SKF with its two numbers in front of the IV.
  if (next !== 46 && next !== 53) return undefined;
  const iv = ike + IKE_HEADER + 4 + (next === 53 ? 4 : 0);
  return `ike ${from} ${hex(ike, 16)} ${hex(iv, 8)}`;
}

async function crashes(seed: number, count: number): Promise<void> {
  const dice = new SeededRandom(seed);
  const upTo = (n: number): number => dice.below(n);
  // In every other story rekeys take steps: two key exchanges each, and new ones for CHILD_SAs as well.
  const suites = upTo(2)
    ? {}
    : { proposals: "aes256gcm16-prfsha384-x25519-ke1_x448", esp: "aes256gcm16-x25519-ke1_x448" };
  const story = new Story({
    links: LINKS[upTo(2)]!,
    boards: BOARDS.length,
    nets: NETS,
    cable: { seed, latencyMs: 5, lose: 0.03, duplicate: 0.03, reorder: 0.05 },
    chassis: {
      entropy: new SeededEntropy(seed),
      conservation: true,
      lease: LEASE,
      retransmitMs: 500,
      cutThrough: upTo(2) === 1,
    },
    ...suites,
    connection: { moon: "dpd_delay = 2s", sun: "dpd_delay = 3s" },
    child: { moon: "replay_window = 128", sun: "replay_window = 128" },
  });
  const nonces = new Map<string, string>();
  const twice: string[] = [];
  story.pair.wan.filter = (packet, from) => {
    const name = nonceOf(packet, from);
    if (name === undefined) return true;
    const contents = Buffer.from(packet.subarray(IP_HEADER + UDP_HEADER)).toString("base64");
    const before = nonces.get(name);
    // A message of IKE goes out again as it was; a packet of ESP never does.
    if (before !== undefined && (name.startsWith("esp") || before !== contents)) twice.push(name);
    nonces.set(name, contents);
    return true;
  };
  const sites = (): Site[] => [story.moon, story.sun];
  const actions: ((site: Site) => Promise<void>)[] = [
    (site) => site.gateway.rekey(`net-${1 + upTo(NETS.length)}`),
    (site) => site.gateway.rekey(site === story.moon ? "moon-sun" : "sun-moon"),
  ];
  let crashed = "";
  let boardsLost = 0;
  try {
    await story.pair.start();
    await story.establish(60_000, NETS.length);
    for (let crash = 0; crash < count; crash++) {
      for (let i = upTo(4); i > 0; i--) {
        for (const site of sites()) for (const net of NETS) story.send(site, net, 60 + upTo(400));
        await story.pair.drive.run(dice.next() * 10);
      }
      const site = sites()[upTo(2)]!;
      const what = upTo(4);
      crashed = `${crash}: ${site.name} ${what}`;
      // A board that dies again within ten seconds is given a pause, and then begins anew.
      if (what === 0) await story.pair.drive.run(10_000);
      const asks = dice.next() < 0.6;
      if (asks) await actions[upTo(actions.length)]!(sites()[upTo(2)]!).catch(() => undefined);
      // Any moment of what that begins: two round trips are 20 ms.
      await story.pair.drive.run(dice.next() * (asks ? 25 : 4000));
      if (what === 0) site.chassis.injectFault({ kind: "trap", slot: 0 });
      else await site.chassis.reset(0);
      if (what === 1) boardsLost += 1;
      if (what === 1) await site.chassis.reset(BOARDS[upTo(BOARDS.length)]!);
      if (what === 2) await story.other(site).chassis.reset(0);
      // The next poll dies, and the next generation is there.
      await story.pair.drive.run(0.1);
      for (let i = upTo(3); i > 0; i--) {
        for (const from of sites()) for (const net of NETS) story.send(from, net, 60 + upTo(400));
        await story.pair.drive.run(dice.next() * 10);
      }
      // What was under way comes to its end, lost messages and all.
      await story.pair.drive.run(dice.next() < 0.3 ? 20_000 : 200);
      story.account();
    }
    story.pair.wan.options.lose = 0;
    await story.pair.drive.run(40_000);
    story.account();
    assert.equal(twice, [], "nothing is sent twice under one key");
    await story.mirrored(NETS.length);
    // What IPsec boards died with: a lease of each SA of theirs, each time.
    for (let i = 0; i < boardsLost * (LEASE + 1); i++) {
      for (const site of sites()) for (const net of NETS) story.send(site, net, 80);
      await story.pair.drive.run(12);
    }
    await story.pair.drive.run(300);
    story.account();
    assert.ok(await story.recovers(10_000, NETS), "traffic flows");
    const lost = sites().flatMap((site) => story.alerts(site));
    assert.equal(
      lost.filter((text) => /does not answer|lost its SAs/.test(text)),
      [],
      "no peer was taken for dead",
    );
    story.end(true);
  } catch (error) {
    if (error instanceof Error) error.message += ` (seed ${seed}, crash ${crashed})`;
    throw error;
  } finally {
    await story.pair.close();
  }
}

for (let first = 0; first < SCHEDULES; first += PER_PAIR) {
  const count = Math.min(PER_PAIR, SCHEDULES - first);
  const seed = (SEED + first) % 0x7fff_ffff;
  test(`IKE boards crash ${count} times amid rekeys and traffic, seed ${seed}`, () => crashes(seed, count));
}

test.run();
