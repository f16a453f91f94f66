/**
 * `npm run bench -- wire`: gateways on real interfaces. Two hosts, two gateways and the network between them in namespaces
 * (test/interop/topology.ts), iperf3 and ping between the hosts; ours at both ends, strongSwan with the ESP of kernel-libipsec at both,
 * and each against the other, turn about. ESP in UDP everywhere, as kernel-libipsec has no other.
 *
 *   --transform NAME,...  aes128gcm16,chacha20poly1305: ESP proposals
 *   --pairs NAME,...      ours,shared,cut,cutShared,strongSwan,ours-strongSwan,strongSwan-ours: who is at the ends, the sending one first;
 *                         cut is ours with established traffic past the IKE board (cut_through), shared is with all boards in one thread, which reads the NICs as well
 *   --turns N             3: medians count
 *   --seconds N           4: of each iperf3
 *   --boards N            1: IPsec boards of ours
 *   --measure WHAT,...    latency,tcp,udp,small
 *   --json FILE           {rows: [{transform, pair, tcp, udp, small, latency, ratios}], plain}
 *
 *   TCP         10^6 bits a second that arrive of one connection
 *   CPU         processor seconds of both gateways for 10^9 bits of TCP
 *   UDP         10^6 bits a second of 1300 octets each, the best of a sweep of offered rates
 *   small       packets a second that arrive, IP packets of 64 octets, likewise
 *   latency     round trip of lone packets, ms, less that without gateways in between (the kernel routes): median and 99th percentile
 *
 * Ratios are to strongSwan at both ends. Needs root and what the interoperability tests need, and iperf3. All of it shares the machine's
 * cores, iperf3 included.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Cardcage } from "../interop/cardcage.ts";
import { freshPsk, renderCage, renderConnection } from "../interop/connection.ts";
import { must, run, stopAll, until } from "../interop/process.ts";
import { missingStrongSwan, StrongSwan } from "../interop/strongswan.ts";
import { NETWORK, OUTER, other, removeStale, type Side, Topology } from "../interop/topology.ts";
import { type Carried, Traffic } from "./wire/traffic.ts";
import { median } from "./figures/median.ts";

const PAIRS = ["ours", "shared", "cut", "cutShared", "strongSwan", "ours-strongSwan", "strongSwan-ours"] as const;
type PairName = (typeof PAIRS)[number];
const LARGE = 1300;
/** Payload of an IPv4 packet of 64 octets. */
const SMALL = 36;
const LARGE_RATES = [300, 600, 1200, 1600, 2400];
const SMALL_RATES = [8, 16, 32, 64, 96, 128];
const PINGS = 300;

const { values } = parseArgs({
  options: {
    transform: { type: "string", default: "aes128gcm16,chacha20poly1305" },
    pairs: { type: "string", default: PAIRS.join() },
    turns: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    boards: { type: "string", default: "1" },
    measure: { type: "string", default: "latency,tcp,udp,small" },
    json: { type: "string" },
  },
});
const pairs = values.pairs.split(",") as PairName[];
if (!pairs.every((name) => PAIRS.includes(name))) throw new Error(`--pairs wants some of ${PAIRS.join(", ")}`);
const [turns, seconds, boards] = [values.turns, values.seconds, values.boards].map(Number) as [number, number, number];
if (!(turns >= 1 && seconds >= 1 && boards >= 1))
  throw new Error("--turns, --seconds and --boards want numbers from 1 on");

/** What one turn of a pair has shown. */
interface Turn {
  tcp: Carried;
  udp: Carried;
  small: Carried;
  trips: number[];
}

type Program = Cardcage | StrongSwan;

const shares = (who: string): boolean => who === "shared" || who === "cutShared";
/** Pairs of ours alone. */
const isOurs = (pair: string): boolean => pair === "ours" || pair === "cut" || shares(pair);

const NOTHING: Carried = { megabits: 0, packets: 0, lost: 0, cores: 0 };
const measures = values.measure.split(",");

async function measure(traffic: Traffic): Promise<Turn> {
  const wanted = (what: string): boolean => measures.includes(what);
  const trips = wanted("latency") ? await traffic.roundTrips(PINGS) : [0];
  const tcp = wanted("tcp") ? await traffic.tcp(seconds) : NOTHING;
  const udp = wanted("udp") ? await traffic.udp(Math.min(seconds, 3), LARGE, LARGE_RATES) : NOTHING;
  const small = wanted("small") ? await traffic.udp(Math.min(seconds, 3), SMALL, SMALL_RATES) : NOTHING;
  return { tcp, udp, small, trips };
}

/** The kernel routes between the hosts: no gateway at all. */
async function plain(topology: Topology, directory: string): Promise<Turn> {
  const route = async (verb: string): Promise<void> => {
    for (const side of ["a", "b"] as const)
      await must("ip", "-n", topology.gateway(side), "route", verb, NETWORK[other(side)], "via", OUTER[other(side)]);
  };
  await route("add");
  try {
    return await measure(new Traffic(topology, join(directory, "iperf3.log"), []));
  } finally {
    await route("del");
  }
}

async function turn(topology: Topology, name: PairName, esp: string, directory: string): Promise<Turn> {
  const connection = { ike: "aes128gcm16-prfsha256-x25519", esp, psk: freshPsk() };
  const [first, second = first] = name.split("-") as [string, string?];
  const start = async (side: Side, who: string): Promise<Program> => {
    const own = join(directory, side);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    const text = renderConnection(connection, side);
    const namespace = topology.gateway(side);
    const program =
      who !== "strongSwan"
        ? new Cardcage(
            namespace,
            own,
            renderCage({
              links: "ethernet",
              slots: boards,
              ...(shares(who) ? { thread: 0, receive: "ike-board" as const } : {}),
            }).replace("chassis {", `chassis {\n  cut_through = ${who.startsWith("cut") ? "yes" : "no"}`) +
              text.replace("mobike = no", "mobike = no\n    encap = yes"),
          )
        : new StrongSwan(namespace, own, text);
    await program.start();
    return program;
  };
  const ends = await Promise.all([start("a", first), start("b", second)]);
  try {
    const { code, output } = await ends[0].initiate("net");
    if (code !== 0) throw new Error(`${name}: ${output}`);
    for (const end of ends)
      await until("the CHILD_SA is installed", 15, async () => (await end.status()).children.length > 0);
    const pids = ends.map(({ pid }) => pid).filter((pid) => pid !== undefined);
    return await measure(new Traffic(topology, join(directory, "iperf3.log"), pids));
  } finally {
    await Promise.all(ends.map((end) => end.stop()));
  }
}

const at = (trips: readonly number[], part: number): number =>
  trips[Math.min(trips.length - 1, (trips.length * part) | 0)]!;

interface Row {
  transform: string;
  pair: string;
  tcp: number;
  cpuPerGigabit: number;
  udp: number;
  small: number;
  latency: { p50: number; p99: number };
  ratios: { tcp: number; cpu: number; udp: number; small: number } | undefined;
}

function rowOf(transform: string, pair: string, all: readonly Turn[], base: { p50: number; p99: number }): Row {
  const of = (pick: (turn: Turn) => number): number => median(all.map(pick));
  return {
    transform,
    pair,
    tcp: of(({ tcp }) => tcp.megabits),
    cpuPerGigabit: of(({ tcp }) => (tcp.cores * 1000) / tcp.megabits),
    udp: of(({ udp }) => udp.megabits),
    small: of(({ small }) => small.packets),
    latency: { p50: of(({ trips }) => at(trips, 0.5)) - base.p50, p99: of(({ trips }) => at(trips, 0.99)) - base.p99 },
    ratios: undefined,
  };
}

function show(row: Row): void {
  const { ratios } = row;
  const cells = [
    row.transform.padEnd(17),
    row.pair.padEnd(15),
    row.tcp.toFixed(0).padStart(5),
    row.cpuPerGigabit.toFixed(2).padStart(6),
    row.udp.toFixed(0).padStart(5),
    row.small.toFixed(0).padStart(7),
    `${row.latency.p50.toFixed(3)} ${row.latency.p99.toFixed(3)}`.padStart(13),
    ...(ratios
      ? [`${ratios.tcp.toFixed(2)} ${ratios.cpu.toFixed(2)} ${ratios.udp.toFixed(2)} ${ratios.small.toFixed(2)}`]
      : []),
  ];
  console.log(cells.join("  "));
}

/** Goals, as ratios to strongSwan at both ends. */
const GOALS = { tcp: { aes128gcm16: 5, chacha20poly1305: 8 } as Record<string, number>, small: 2, cpu: 0.25 };

function judge(row: Row): void {
  const { ratios, transform } = row;
  if (!ratios || !isOurs(row.pair)) return;
  const line = (what: string, ratio: number, goal: number, met: boolean): void => {
    const said = Number.isFinite(ratio)
      ? `${ratio.toFixed(2)} of strongSwan's (goal ${goal}): ${met ? "met" : "missed"}`
      : "nothing to compare with: strongSwan carried nothing";
    console.log(`${transform}, ${row.pair}, ${what}: ${said}`);
  };
  const goal = GOALS.tcp[transform];
  const [tcp, small] = [measures.includes("tcp"), measures.includes("small")];
  if (tcp && goal !== undefined) line("TCP", ratios.tcp, goal, ratios.tcp >= goal);
  if (small) line("packets of 64 octets", ratios.small, GOALS.small, ratios.small >= GOALS.small);
  if (tcp) line("CPU a gigabit", ratios.cpu, GOALS.cpu, ratios.cpu <= GOALS.cpu);
}

async function main(): Promise<number> {
  const lacks = pairs.every(isOurs) ? [] : missingStrongSwan();
  if (process.getuid?.() !== 0) lacks.unshift("root: network namespaces need it");
  if ((await run("iperf3", ["--version"])).code !== 0) lacks.push("iperf3 (Debian package iperf3)");
  if (lacks.length > 0) {
    console.error(`the bench cannot run, missing:\n${lacks.map((line) => `  ${line}`).join("\n")}`);
    return 2;
  }
  await removeStale();
  const topology = new Topology();
  const directory = mkdtempSync(join(tmpdir(), "cardcage-bench-"));
  const rows: Row[] = [];
  const routed: Turn[] = [];
  try {
    await topology.up();
    console.log(
      "transform          pair             TCP  CPU/Gb    UDP    small   p50    p99 ms  ratios: TCP CPU UDP small",
    );
    for (const transform of values.transform.split(",")) {
      const seen = new Map<PairName, Turn[]>(pairs.map((name) => [name, []]));
      for (let i = 0; i < turns; i++) {
        routed.push(await plain(topology, directory));
        for (const name of pairs)
          seen.get(name)!.push(await turn(topology, name, transform, join(directory, `${transform}-${name}-${i}`)));
      }
      const base = {
        p50: median(routed.map(({ trips }) => at(trips, 0.5))),
        p99: median(routed.map(({ trips }) => at(trips, 0.99))),
      };
      const own = pairs.map((name) => rowOf(transform, name, seen.get(name)!, base));
      const theirs = own.find(({ pair }) => pair === "strongSwan");
      for (const row of own) {
        row.ratios = theirs && {
          tcp: row.tcp / theirs.tcp,
          cpu: row.cpuPerGigabit / theirs.cpuPerGigabit,
          udp: row.udp / theirs.udp,
          small: row.small / theirs.small,
        };
        show(row);
      }
      rows.push(...own);
    }
  } finally {
    await stopAll();
    await topology.down();
    rmSync(directory, { recursive: true, force: true });
  }
  const without = rowOf("none", "routed", routed, { p50: 0, p99: 0 });
  show(without);
  rows.forEach(judge);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows, plain: without }, null, 1)}\n`);
  return 0;
}

process.exitCode = await main();
