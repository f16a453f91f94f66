/**
 * The bench of the cipher suite: each cell (transform, op, size) is loaded, every peer's output is compared with ours, all builds'
 * outputs with one another, and then all of them race.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Ours } from "./ours.ts";
import type { Keys, Packet } from "./packets.ts";
import { HEADER_OCTETS, PACKETS, dataOctets, keysOf, packetOf } from "./packets.ts";
import type { Peer, Worker } from "./peer.ts";
import type { Contestant, Pace } from "./race.ts";
import { race } from "./race.ts";
import type { BenchTransform } from "./transforms.ts";

export type Op = "seal" | "open";

/** MB/s of 10^6 octets of payload. */
export interface Row {
  transform: string;
  op: Op;
  bytes: number;
  build: string;
  batch: number;
  mbps: number;
  /** `ratio` is ours / theirs. */
  peers: Record<string, { mbps: number; ratio: number }>;
}

export interface Cell {
  transform: BenchTransform;
  op: Op;
  bytes: number;
}

/** A peer that has the cell's transform, ready to work. */
export interface Rival {
  name: string;
  worker: Worker;
}

interface Load {
  keys: Keys;
  packets: Packet[];
}

/** Loads every build with the same packets. Throws when two builds disagree. */
export function loadCell({ transform, bytes }: Cell, builds: readonly Ours[]): Load {
  const keys = keysOf(transform);
  const length = HEADER_OCTETS + transform.ivOctets + dataOctets(transform, bytes) + transform.icvOctets;
  const clear = Array.from({ length: PACKETS }, () => Uint8Array.from(randomBytes(length)));
  const [first, ...others] = builds.map((build) => ({
    name: build.build,
    sealed: build.load(transform, keys, bytes, clear),
  }));
  assert.ok(first !== undefined, "no build to measure");
  for (const { name, sealed } of others) {
    assert.deepEqual(sealed, first.sealed, `${transform.name}, ${bytes} octets: ${name} and ${first.name} differ`);
  }
  return { keys, packets: first.sealed.map((sealed, i) => packetOf(transform, keys, clear[i]!, sealed)) };
}

/** The peers that have the transform. Throws when one seals or opens otherwise than we do, or takes a wrong ICV. */
export async function agreeingRivals(
  { transform, bytes }: Cell,
  peers: readonly Peer[],
  { keys, packets }: Load,
): Promise<Rival[]> {
  const rivals: Rival[] = [];
  for (const { name, prepare } of peers) {
    const worker = await prepare(transform, keys, dataOctets(transform, bytes));
    if (worker === null) continue;
    const at = `${name}, ${transform.name}, ${bytes} octets`;
    for (const packet of packets) {
      const sealed = worker.seal(packet);
      const [data, icv] =
        sealed instanceof Uint8Array
          ? [sealed.subarray(0, packet.data.length), sealed.subarray(packet.data.length)]
          : sealed;
      assert.ok(equal(data, packet.data), `${at}: sealed data differ from ours`);
      assert.ok(equal(icv.subarray(0, packet.icv.length), packet.icv), `${at}: the ICV differs from ours`);
      assert.ok(equal(worker.open(packet), packet.plain), `${at}: opened data differ from the payload`);
    }
    assert.throws(() => worker.open(withWrongIcv(packets[0]!)), Error, `${at}: a wrong ICV was taken`);
    rivals.push({ name, worker });
  }
  return rivals;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function withWrongIcv(packet: Packet): Packet {
  const icv = Uint8Array.from(packet.icv);
  icv[icv.length - 1]! ^= 1;
  const sealed = Uint8Array.from(packet.sealed);
  sealed[sealed.length - 1]! ^= 1;
  return { ...packet, icv, sealed };
}

/** A peer works off its packets one by one, as often as it gets to. */
function rivalContestant({ name, worker }: Rival, op: Op, packets: readonly Packet[]): Contestant {
  let next = 0;
  const run =
    op === "seal"
      ? (count: number): void => {
          for (let i = 0; i < count; i++) worker.seal(packets[next++ & (PACKETS - 1)]!);
        }
      : (count: number): void => {
          for (let i = 0; i < count; i++) worker.open(packets[next++ & (PACKETS - 1)]!);
        };
  return { name, run, grain: 1 };
}

/** Measures a cell: a row for each build and batch. */
export async function benchCell(
  cell: Cell,
  builds: readonly Ours[],
  batches: readonly number[],
  peers: readonly Peer[],
  pace: Pace,
): Promise<Row[]> {
  const load = loadCell(cell, builds);
  const rivals = await agreeingRivals(cell, peers, load);
  const own = builds.flatMap((ours) =>
    batches.map((batch) => ({ name: `${ours.build}, ${batch} a call`, build: ours.build, batch, ours })),
  );
  const speeds = race(
    [
      ...own.map(({ name, ours, batch }) => ({ name, run: ours.contestant(cell.op, batch), grain: PACKETS })),
      ...rivals.map((rival) => rivalContestant(rival, cell.op, load.packets)),
    ],
    pace,
  );
  const mbpsOf = (name: string): number => cell.bytes / speeds.get(name)!;
  return own.map(({ name, build, batch }) => {
    const mbps = mbpsOf(name);
    const against = rivals.map((rival) => {
      const theirs = mbpsOf(rival.name);
      return [rival.name, { mbps: theirs, ratio: mbps / theirs }] as const;
    });
    const { transform, op, bytes } = cell;
    return { transform: transform.name, op, bytes, build, batch, mbps, peers: Object.fromEntries(against) };
  });
}
