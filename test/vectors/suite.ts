/** What a suite of vector checks is: it says which files it can run, and runs their items. */
import type { FileReport } from "./report.ts";
import type { Kernels } from "./kernels.ts";

export interface Suite {
  readonly name: string;
  /** True for a file that `run` understands; `path` is relative to the vector directory, with slashes. */
  takes(path: string, content: any): boolean;
  run(content: any, report: FileReport, kernels: Kernels, path: string): Promise<void> | void;
}

export function hex(text: string | null | undefined): Buffer {
  const octets = Buffer.from(text ?? "", "hex");
  if (octets.length * 2 !== (text ?? "").length) throw new Error("not whole octets of hex");
  return octets;
}

/** Hash identifiers of assembly/crypto/hash.ts by the names that vector files use. */
export function hashId(name: string): number {
  const bits = /^sha2?[-_]?(1|256|384|512)$/i.exec(name)?.[1];
  const id = bits === undefined ? undefined : { "1": 1, "256": 2, "384": 3, "512": 4 }[bits];
  if (id === undefined) throw new Error(`unknown hash ${name}`);
  return id;
}

/** IANA PRF identifiers by hash identifier. */
export const PRF_OF_HASH: Record<number, number> = { 1: 2, 2: 5, 3: 6, 4: 7 };
export const HASH_OCTETS: Record<number, number> = { 1: 20, 2: 32, 3: 48, 4: 64 };

export function same(actual: Buffer | null, expected: Buffer): boolean | string {
  if (actual === null) return "refused";
  return actual.equals(expected) || `got ${actual.toString("hex")}, expected ${expected.toString("hex")}`;
}
