/**
 * `npm run bench -- gateway`: packets through whole gateways in threads. Two of them negotiate; moon seals bursts of clear packets, sun
 * opens what came of them; each against what the cipher kernel of a board does alone in the same run, turn about.
 *
 *   --transform NAME,...  aes128gcm16,aes256gcm16,chacha20poly1305: ESP proposals, in swanctl's words
 *   --sizes N,...         64,512,1400: octets of the clear packet
 *   --boards N,...        1,2: IPsec boards of each gateway, a CHILD_SA each
 *   --links KIND,...      ethernet,atm
 *   --paths PATH,...      ike,cut: established traffic through the IKE board, and past it (cut_through)
 *   --turns N             9: bursts of each cell; medians count
 *   --burst N             8192: packets of a burst; before each the caches are somebody else's, so that shorter ones cost more
 *   --json FILE           {rows: [{transform, octets, op, boards, link, path, ...}]}
 *
 *   board       processor time of an IPsec board's thread for a packet, ns: its firmware, DMA in and out, and the backplane
 *   IKE board   that of the IKE board's thread
 *   packets/s, octets/s   what the slower of the two stages carries when each thread has a core of its own, by these times
 *   of kernel   a board's packets/s by that of its kernel (sixteen packets a call, in place, no headers, no queues)
 *   wall        packets/s as they were, on the cores and beside the neighbours that this machine has
 *
 * Packets of a burst stand in the ring of the IKE board, and what leaves stands in rings until the bench looks: NICs do no more than a
 * copy, on a thread of their own. Processor time is that of each thread (thread_time.ts), so it does not count who else has a core, nor
 * what a thread waited for it. All packets of all bursts are compared with what was sent.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { PACKET_MIN } from "../../host/demo/packets.ts";
import { loadCell } from "./crypto/bench.ts";
import { type Ours, startBuild } from "./crypto/ours.ts";
import { PACKETS } from "./crypto/packets.ts";
import { TRANSFORMS } from "./crypto/transforms.ts";
import { threadTime } from "./gateway/thread_time.ts";
import { BURST_OCTETS, type BurstTime, TwoGateways } from "./gateway/two_gateways.ts";
import { median } from "./figures/median.ts";

/** Proposals, and what the kernels call them. */
const KERNELS: Record<string, string> = {
  aes128gcm16: "aes-128-gcm",
  aes192gcm16: "aes-192-gcm",
  aes256gcm16: "aes-256-gcm",
  chacha20poly1305: "chacha20-poly1305",
  "aes128-sha256": "aes-128-cbc-hmac-sha2-256-128",
  "aes256-sha256": "aes-256-cbc-hmac-sha2-256-128",
  aes128gmac: "aes-128-gmac",
};
const OPS = ["seal", "open"] as const;
type Op = (typeof OPS)[number];
type Path = "ike" | "cut";
const GOAL_KERNEL = 0.85;
const GOAL_BOARDS = 1.8;
const GOAL_OCTETS = 1400;
/** Of the kernel alone, before each burst: as long as a burst, about. */
const KERNEL_PACKETS = 1024;
/** Bursts before those that count: the engine compiles what is used. */
const WARM_UP = 6;

const { values } = parseArgs({
  options: {
    transform: { type: "string", default: "aes128gcm16,aes256gcm16,chacha20poly1305" },
    sizes: { type: "string", default: "64,512,1400" },
    boards: { type: "string", default: "1,2" },
    links: { type: "string", default: "ethernet,atm" },
    paths: { type: "string", default: "ike,cut" },
    turns: { type: "string", default: "9" },
    burst: { type: "string", default: "8192" },
    json: { type: "string" },
  },
});
const numbers = (text: string): number[] => text.split(",").map(Number);
const [sizes, boardCounts] = [numbers(values.sizes), numbers(values.boards)];
const [turns, burst] = [Number(values.turns), Number(values.burst)];
const transforms = values.transform.split(",");
const links = values.links.split(",") as LinkKind[];
const paths = values.paths.split(",") as Path[];
if (!sizes.every((size) => Number.isInteger(size) && size >= PACKET_MIN && size <= 1400))
  throw new Error(`--sizes wants numbers from ${PACKET_MIN} to 1400`);
if (!boardCounts.every((count) => Number.isInteger(count) && count >= 1 && count <= 14))
  throw new Error("--boards wants numbers from 1 to 14");
if (!transforms.every((name) => name in KERNELS))
  throw new Error(`--transform wants some of ${Object.keys(KERNELS).join(", ")}`);
if (!links.every((kind) => ["ethernet", "atm", "atm-cell"].includes(kind)))
  throw new Error("--links wants some of ethernet, atm, atm-cell");
if (!paths.every((path) => ["ike", "cut"].includes(path))) throw new Error("--paths wants some of ike, cut");
if (!(turns >= 1 && burst >= 1 && Math.max(...sizes) * burst <= BURST_OCTETS))
  throw new Error("--turns, --burst: 1 or more");

interface Row {
  transform: string;
  octets: number;
  op: Op;
  boards: number;
  link: LinkKind;
  path: Path;
  /** Processor time for a packet, ns: of the board that had it, of the IKE board, of the kernel alone. */
  board: number;
  ike: number;
  kernel: number;
  /** By these times: the slower stage's. */
  packetsPerSecond: number;
  octetsPerSecond: number;
  /** As they were. */
  wallPacketsPerSecond: number;
  ofKernel: number;
}

/** ns a packet of the kernel alone. */
function kernelTime(run: (count: number) => void): number {
  const start = threadTime(process.pid);
  run(KERNEL_PACKETS);
  return (threadTime(process.pid) - start) / KERNEL_PACKETS;
}

/** What one pair of gateways has taken for one size. */
interface Cell {
  gateways: TwoGateways;
  clear: Uint8Array[];
  times: Record<Op, BurstTime[]>;
  alone: Record<Op, number[]>;
}

/** One size on several pairs of gateways, turn about. */
async function measure(pairs: readonly TwoGateways[], ours: Ours, name: string, octets: number): Promise<Row[]> {
  const transform = TRANSFORMS.get(KERNELS[name]!)!;
  loadCell({ transform, op: "seal", bytes: octets }, [ours]);
  const cells = pairs.map(
    (gateways): Cell => ({
      gateways,
      clear: gateways.clear(burst, octets),
      times: { seal: [], open: [] },
      alone: { seal: [], open: [] },
    }),
  );
  for (let i = -WARM_UP; i < turns; i++) {
    for (const { gateways, clear, times, alone } of cells) {
      const kernel = OPS.map((op) => kernelTime(ours.contestant(op, PACKETS)));
      const { time, sealed } = await gateways.seal(clear);
      const opened = await gateways.open(sealed, clear);
      if (i < 0) continue;
      times.seal.push(time);
      times.open.push(opened);
      OPS.forEach((op, k) => alone[op].push(kernel[k]!));
    }
  }
  return cells.flatMap((cell) => OPS.map((op) => rowOf(cell, name, octets, op)));
}

function rowOf({ gateways, times, alone }: Cell, transform: string, octets: number, op: Op): Row {
  const { boards, links, cutThrough } = gateways.plan;
  const each = (pick: (time: BurstTime) => number): number =>
    median(times[op].map((time) => pick(time) / time.packets));
  // Each board had its share: together they took as long as one for all.
  const board = each((time) => time.boards.reduce((sum, one) => sum + one, 0));
  const ike = each((time) => time.ike);
  const kernel = median(alone[op]);
  const packetsPerSecond = 1e9 / Math.max(ike, board / boards);
  return {
    transform,
    octets,
    op,
    boards,
    link: links,
    path: cutThrough ? "cut" : "ike",
    board,
    ike,
    kernel,
    packetsPerSecond,
    octetsPerSecond: packetsPerSecond * octets,
    wallPacketsPerSecond: 1e9 / each((time) => time.wall),
    ofKernel: kernel / board,
  };
}

const ours = await startBuild("simd");
if (ours === null) throw new Error("this engine does not validate the SIMD build");
const rows: Row[] = [];
console.log(
  "transform          octets  op    boards  link      path    board  IKE board  kernel ns   k packets/s  MB/s  of kernel  wall k packets/s",
);
for (const link of links) {
  for (const esp of transforms) {
    for (const boards of boardCounts) {
      const pairs = paths.map((path) => new TwoGateways({ boards, links: link, esp, cutThrough: path === "cut" }));
      try {
        for (const gateways of pairs) await gateways.establish();
        for (const octets of sizes) {
          for (const row of await measure(pairs, ours, esp, octets)) {
            rows.push(row);
            const cells = [
              row.transform.padEnd(17),
              String(row.octets).padStart(6),
              row.op.padEnd(4),
              String(row.boards).padStart(6),
              row.link.padEnd(8),
              row.path.padEnd(4),
              row.board.toFixed(0).padStart(7),
              row.ike.toFixed(0).padStart(9),
              row.kernel.toFixed(0).padStart(9),
              (row.packetsPerSecond / 1000).toFixed(0).padStart(12),
              (row.octetsPerSecond / 1e6).toFixed(0).padStart(5),
              row.ofKernel.toFixed(2).padStart(9),
              (row.wallPacketsPerSecond / 1000).toFixed(0).padStart(9),
            ];
            console.log(cells.join("  "));
          }
        }
      } finally {
        for (const gateways of pairs) await gateways.close();
      }
    }
  }
}

for (const cut of rows) {
  const { transform, octets, op, boards, link } = cut;
  const through = rows.find(
    (row) =>
      row.path === "ike" &&
      row.transform === transform &&
      row.octets === octets &&
      row.op === op &&
      row.boards === boards &&
      row.link === link,
  );
  if (cut.path !== "cut" || !through) continue;
  const ratio = (of: (row: Row) => number): string => (of(cut) / of(through)).toFixed(2);
  const all = ({ ike, board }: Row): number => ike + board;
  console.log(
    `${transform}, ${octets}, ${op}, ${link}, ${boards} boards, past the IKE board: ${ratio((row) => row.packetsPerSecond)} times the packets/s, ` +
      `${ratio((row) => row.wallPacketsPerSecond)} as they were, for ${ratio(all)} of the processor time`,
  );
}

/** What was to be reached, and what was. */
const met = (reached: number, goal: number): string => (reached >= goal ? "met" : "missed");
for (const row of rows) {
  if (row.octets !== GOAL_OCTETS) continue;
  const what = `${row.transform}, ${row.op}, ${row.link}, ${row.path}, ${row.boards} board${row.boards > 1 ? "s" : ""}`;
  // A board is never faster than its kernel: then that ran slowly, as now and then the engine lets it in a process.
  const kernel = row.ofKernel > 1 ? "not measured" : met(row.ofKernel, GOAL_KERNEL);
  if (row.boards === 1)
    console.log(`${what}: ${row.ofKernel.toFixed(2)} of its kernel (goal ${GOAL_KERNEL}): ${kernel}`);
  const one = rows.find(
    ({ transform, octets, op, link, path, boards }) =>
      boards === 1 &&
      transform === row.transform &&
      octets === row.octets &&
      op === row.op &&
      link === row.link &&
      path === row.path,
  );
  if (row.boards !== 2 || !one) continue;
  const ratio = row.packetsPerSecond / one.packetsPerSecond;
  console.log(`${what}: ${ratio.toFixed(2)} times one (goal ${GOAL_BOARDS}): ${met(ratio, GOAL_BOARDS)}`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 1)}\n`);
