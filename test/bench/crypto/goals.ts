/**
 * What the cipher suite is to reach at GOAL_BYTES octets, as ratios of ours to theirs: to node:crypto a packet at a time, and to
 * the fastest peer in JavaScript or WebAssembly. Base builds are measured without a goal.
 */
import type { Row } from "./bench.ts";
import { NATIVE_PEER } from "./peers.ts";

export const GOAL_BYTES = 1400;

export interface Goal {
  transform: string;
  /** Absent: any. */
  build?: string;
  batch?: number;
  native: number;
  best: number;
}

export const GOALS: readonly Goal[] = [
  { transform: "aes-128-gcm", build: "simd", batch: 16, native: 1.25, best: 18 },
  { transform: "aes-128-gcm", build: "relaxed", batch: 16, native: 1.4, best: 20 },
  { transform: "aes-256-gcm", build: "simd", batch: 16, native: 0.96, best: 13 },
  { transform: "aes-256-gcm", build: "relaxed", batch: 16, native: 1.08, best: 15 },
  { transform: "chacha20-poly1305", native: 3.7, best: 3.2 },
  { transform: "hmac-sha2-256-128", batch: 16, native: 1.5, best: 3.5 },
  { transform: "aes-256-cbc-hmac-sha2-256-128", batch: 16, native: 1.5, best: 7 },
  { transform: "aes-128-gmac", build: "simd", batch: 16, native: 2.1, best: 27 },
  { transform: "aes-128-gmac", build: "relaxed", batch: 16, native: 3.1, best: 40 },
];

export function goalOf(row: Row): Goal | undefined {
  if (row.bytes !== GOAL_BYTES || row.build === "base") return undefined;
  return GOALS.find(
    ({ transform, build = row.build, batch = row.batch }) =>
      transform === row.transform && build === row.build && batch === row.batch,
  );
}

/** The fastest peer in JavaScript or WebAssembly, and the ratio of ours to it. */
export function bestPeer(row: Row): { name: string; ratio: number } | undefined {
  const found = Object.entries(row.peers)
    .filter(([name]) => name !== NATIVE_PEER)
    .sort(([, a], [, b]) => b.mbps - a.mbps)[0];
  return found === undefined ? undefined : { name: found[0], ratio: found[1].ratio };
}
