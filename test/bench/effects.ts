/**
 * `npm run bench -- effects`: the two effects that the patent claims, against the gateway of its figure 9 (boards/conventional).
 *
 *   E1  taking SA establishment away from packet processing: data alone, and data during a storm of handshakes
 *   E2  a cluster of IPsec boards: throughput against their number, through the IKE board and past it (cut-through)
 *
 *   --effects N,...     1,2
 *   --turns N           3: of E1, turn about, each on gateways of its own; medians count
 *   --milliseconds N    100: virtual ones, of each figure
 *   --storm N           64: handshakes at a time
 *   --boards N,...      1,2,4,8,16,32,63: of E2; a chassis has 64 slots, one of them the IKE board's
 *   --links KIND,...    ethernet,atm: of E2
 *   --octets N,...      64,1400: of a clear packet, of E2; E1 has 1400
 *   --json FILE         {e1: [...], costs: [...], e2: [...]}
 *   --svg DIR           effects_e1.svg, and effects_e2_OCTETS.svg for each size
 *
 * Every board has a core of its own: time is virtual, and a poll takes as much of it as it took of this thread's processor (E1), or as the
 * cost model says whose numbers are measured in the same run (E2): so much for a poll, and so much for a packet, on the IKE board and on
 * an IPsec board. What of a chassis is hardware takes nothing (effects/cores.ts). The firmware is the real one, and what comes out is
 * compared with what was sent.
 *
 *   E1  calm, storm  thousands of packets/s with 384 under way all the time; half of them are sealed, half opened; the storm is of as many
 *                    handshakes at a time as --storm says, and each gateway does as many a second as it can
 *       even         the same in a storm of as many handshakes a second as the conventional gateway does beside its data
 *       kept         storm to calm, and even to calm: the goal is 0.95 for the split gateway, beside as many handshakes as the other one has
 *       p50, p99     microseconds from host to host at half of what the conventional gateway carries when calm
 *       handshakes   a second, besides the data
 *   E2  what leaves sealed, thousands of packets/s: in steady state, of 2,048 packets for each board where the IKE board is not the limit
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { measureCosts, scale } from "./effects/boards.ts";
import { elementTimes } from "./effects/cores.ts";
import { Flow, type Passage } from "./effects/flow.ts";
import { plot } from "./effects/plot.ts";
import { makeSites, type SitePlan } from "./effects/site.ts";
import { median } from "./figures/median.ts";

const { values } = parseArgs({
  options: {
    effects: { type: "string", default: "1,2" },
    turns: { type: "string", default: "3" },
    milliseconds: { type: "string", default: "100" },
    storm: { type: "string", default: "64" },
    boards: { type: "string", default: "1,2,4,8,16,32,63" },
    links: { type: "string", default: "ethernet,atm" },
    octets: { type: "string", default: "64,1400" },
    json: { type: "string" },
    svg: { type: "string" },
  },
});
const [turns, milliseconds, concurrency] = [values.turns, values.milliseconds, values.storm].map(Number) as [
  number,
  number,
  number,
];
const [boardCounts, sizes] = [values.boards, values.octets].map((text) => text.split(",").map(Number)) as [
  number[],
  number[],
];
const links = values.links.split(",") as LinkKind[];
if (!(turns >= 1 && milliseconds >= 2 && concurrency >= 1 && concurrency <= 128))
  throw new Error("--turns wants 1 or more, --milliseconds 2 or more, --storm 1 to 128");
if (!boardCounts.every((count) => Number.isInteger(count) && count >= 1 && count <= 63))
  throw new Error("--boards wants numbers from 1 to 63");

const ESP = "aes128gcm16";
const OCTETS = 1400;
const GOAL_KEPT = 0.95;
/** Packets under way: more than fit a ring of an IKE board that is busy for a while, fewer than fit all rings. */
const WINDOW = 384;
/** How long a storm blows before it counts, to the time that a figure covers. */
const RISING = 2;
/** Until what was under way has come out, virtual ms. */
const SETTLING = 5000;

const rate = ({ packets, seconds }: Passage): number => packets / seconds;
const at = ({ latencies }: Passage, quantile: number): number =>
  latencies[Math.floor((latencies.length - 1) * quantile)] ?? NaN;

interface Turn {
  calm: number;
  storm: number;
  handshakes: number;
  even: number;
  evenHandshakes: number;
  latency: { p50: number; p99: number };
  stormLatency: { p50: number; p99: number };
}

const CONTESTANTS: readonly { name: string; plan: Pick<SitePlan, "boards" | "cutThrough" | "apart"> }[] = [
  { name: "conventional", plan: { boards: "conventional" } },
  { name: "split, 1 IPsec board", plan: { boards: 1 } },
  { name: "the same with cut-through", plan: { boards: 1, cutThrough: true } },
  { name: "split, the storm's SAs on a 2nd board", plan: { boards: 2, apart: true } },
];

/** `offered` packets a second, and `even` handshakes a second, are the conventional gateway's; of the first one itself, its own. */
async function turn(
  plan: (typeof CONTESTANTS)[number]["plan"],
  offered: number | undefined,
  even: number | undefined,
): Promise<Turn> {
  const { pair, drive, storm } = await makeSites({ ...plan, link: "atm", esp: ESP });
  try {
    const flow = new Flow(pair, drive, OCTETS);
    // The engine compiles what is used.
    await flow.saturate(WINDOW, 30);
    const before = rate(await flow.saturate(WINDOW, milliseconds));
    const load = offered ?? before / 2;
    const quiet = await flow.offer(load, milliseconds);
    storm.begin(concurrency);
    await drive.run(RISING * milliseconds);
    flow.counter = () => storm.done;
    const stormy = await flow.saturate(WINDOW, milliseconds);
    const loud = await flow.offer(load, milliseconds);
    storm.end();
    await drive.run(SETTLING);
    const handshakes = stormy.counted / stormy.seconds;
    assert.ok(handshakes > 0, "no handshake is done");
    storm.pace(even ?? handshakes, (delay, callback) => void drive.after(delay, callback));
    await drive.run(RISING * milliseconds);
    const evenly = await flow.saturate(WINDOW, milliseconds);
    storm.end();
    assert.ok(evenly.counted > 0, "no handshake is done");
    assert.deepEqual(storm.failures, [], "handshakes that failed");
    await drive.run(SETTLING);
    // Before and behind the storms: the processor's caches are shared with others, whose demands change.
    const calm = (before + rate(await flow.saturate(WINDOW, milliseconds))) / 2;
    await drive.run(SETTLING);
    flow.settled();
    assert.deepEqual(pair.moon.chassis.faults, []);
    const latency = (passage: Passage): { p50: number; p99: number } => ({
      p50: at(passage, 0.5),
      p99: at(passage, 0.99),
    });
    return {
      calm,
      storm: rate(stormy),
      handshakes,
      even: rate(evenly),
      evenHandshakes: evenly.counted / evenly.seconds,
      latency: latency(quiet),
      stormLatency: latency(loud),
    };
  } finally {
    await pair.close();
  }
}

async function first(): Promise<Record<string, string | number>[]> {
  const all = CONTESTANTS.map((): Turn[] => []);
  for (let i = 0; i < turns; i++) {
    for (const [k, { plan }] of CONTESTANTS.entries()) {
      // The first one is the conventional gateway: half of what it carries is what all are offered.
      const known = k > 0 || i > 0;
      const offered = known ? median(all[0]!.map(({ calm }) => calm)) / 2 : undefined;
      const even = known ? median(all[0]!.map(({ handshakes }) => handshakes)) : undefined;
      all[k]!.push(await turn(plan, offered, even));
    }
  }
  const { exchange, other } = elementTimes();
  console.log(
    `E1, ${OCTETS} octets, ${ESP}; the secure element takes ${(exchange / 1e3).toFixed(0)} us for a key exchange, ` +
      `${(other / 1e3).toFixed(0)} us for anything else`,
  );
  console.log(
    "gateway                                   calm  storm  kept  handshakes/s  even  kept  handshakes/s  p50  p99  storm: p50    p99",
  );
  const rows = CONTESTANTS.map(({ name }, k) => {
    const mid = (pick: (turn: Turn) => number): number => median(all[k]!.map(pick));
    const kept = mid(({ calm, storm }) => storm / calm);
    const row = {
      gateway: name,
      calm: mid(({ calm }) => calm),
      storm: mid(({ storm }) => storm),
      kept,
      handshakes: mid(({ handshakes }) => handshakes),
      even: mid(({ even }) => even),
      evenKept: mid(({ calm, even }) => even / calm),
      evenHandshakes: mid(({ evenHandshakes }) => evenHandshakes),
      p50: mid(({ latency }) => latency.p50),
      p99: mid(({ latency }) => latency.p99),
      stormP50: mid(({ stormLatency }) => stormLatency.p50),
      stormP99: mid(({ stormLatency }) => stormLatency.p99),
    };
    console.log(
      [
        name.padEnd(38),
        (row.calm / 1e3).toFixed(0).padStart(6),
        (row.storm / 1e3).toFixed(0).padStart(5),
        kept.toFixed(2),
        row.handshakes.toFixed(0).padStart(12),
        (row.even / 1e3).toFixed(0).padStart(4),
        row.evenKept.toFixed(2),
        row.evenHandshakes.toFixed(0).padStart(12),
        row.p50.toFixed(0).padStart(3),
        row.p99.toFixed(0).padStart(3),
        row.stormP50.toFixed(0).padStart(10),
        row.stormP99.toFixed(0).padStart(5),
      ].join("  "),
    );
    return row;
  });
  for (const { gateway, evenKept } of rows.slice(1))
    console.log(
      `${gateway}: keeps ${evenKept.toFixed(2)} beside as many handshakes (goal ${GOAL_KEPT}): ` +
        `${evenKept >= GOAL_KEPT ? "met" : "missed"}; the conventional one ${rows[0]!.evenKept.toFixed(2)}`,
    );
  if (values.svg !== undefined)
    plot(join(values.svg, "effects_e1.svg"), {
      title: "E1: data, and handshakes beside it",
      x: "",
      y: "thousands a second",
      categories: rows.map(({ gateway }) =>
        gateway.replace("the same", "split").replace(", the storm's SAs", ",\nstorm's SAs"),
      ),
      series: [
        { name: "packets, calm", points: rows.map(({ calm }) => Math.round(calm / 1e3)) },
        { name: "packets, in a storm of handshakes", points: rows.map(({ storm }) => Math.round(storm / 1e3)) },
        { name: "packets, beside as many handshakes", points: rows.map(({ even }) => Math.round(even / 1e3)) },
        { name: "handshakes x 100", points: rows.map(({ handshakes }) => Math.round(handshakes / 10)) },
      ],
    });
  return rows;
}

async function second(): Promise<{ costs: object[]; e2: object[] }> {
  const costs: object[] = [];
  const e2: { link: LinkKind; octets: number; boards: number; cutThrough: boolean; rate: number }[] = [];
  console.log("E2: ns of a poll and of a packet, IKE board and IPsec board; thousands of packets/s");
  console.log(
    `link      octets  IKE board      IPsec board    way          ${boardCounts.map((n) => String(n).padStart(6)).join("")}`,
  );
  for (const link of links) {
    for (const octets of sizes) {
      const cost = await measureCosts(link, octets, ESP);
      costs.push({ link, octets, ...cost });
      for (const cutThrough of [false, true]) {
        const rates: number[] = [];
        for (const boards of boardCounts) {
          const packets = await scale({ boards, link, esp: ESP, cutThrough }, cost, octets);
          rates.push(packets);
          e2.push({ link, octets, boards, cutThrough, rate: packets });
        }
        const pair = ({ poll, packet }: { poll: number; packet: number }): string =>
          `${poll.toFixed(0)} + ${packet.toFixed(0)}`.padEnd(13);
        const cells = [link.padEnd(8), String(octets).padStart(6), pair(cost.ike), pair(cost.ipsec)];
        cells.push((cutThrough ? "cut-through" : "IKE board").padEnd(11));
        console.log(`${cells.join("  ")}  ${rates.map((one) => (one / 1e3).toFixed(0).padStart(6)).join("")}`);
      }
    }
  }
  if (values.svg !== undefined)
    for (const octets of sizes)
      plot(join(values.svg, `effects_e2_${octets}.svg`), {
        title: `E2: throughput and number of IPsec boards, ${octets} octets`,
        x: "IPsec boards",
        y: "thousands of packets a second",
        logarithmic: true,
        series: links.flatMap((link) =>
          [false, true].map((cutThrough) => ({
            name: `${link === "atm" ? "ATM" : "Ethernet"}${cutThrough ? ", cut-through" : ""}`,
            dashed: cutThrough,
            points: e2
              .filter((row) => row.link === link && row.octets === octets && row.cutThrough === cutThrough)
              .map((row): [number, number] => [row.boards, Math.round(row.rate / 1e3)]),
          })),
        ),
      });
  return { costs, e2 };
}

if (values.svg !== undefined) mkdirSync(values.svg, { recursive: true });
const wanted = values.effects.split(",");
const report = {
  ...(wanted.includes("1") ? { e1: await first() } : {}),
  ...(wanted.includes("2") ? await second() : {}),
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
