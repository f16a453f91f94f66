/**
 * What `npm run test:timing` measures, as bare exports: whole suites, and the parts under them that handle secrets. Not a board:
 * the host passes addresses in the imported memory from `kernelHeap()` upwards.
 */
import "../../assembly/rt/fault";
import { arenaResetAt } from "../../assembly/rt/arena";
import { ghashFirstPower, ghashSum } from "../../assembly/crypto/ghash";
import { swizzleSteps, swizzleTable } from "../../assembly/crypto/ghash_swizzle";
import { loadBE64 } from "../../assembly/rt/bytes";

export { AES_CONTEXT_OCTETS, aesInit } from "../../assembly/crypto/aes";
export { CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS } from "../../assembly/crypto/job";
export { keyCacheReset } from "../../assembly/crypto/key_cache";
export { suiteInit, suiteJob, suiteKeymatOctets, suiteOpen, suiteSeal, suiteWipe } from "../../assembly/crypto/suite";
export { transformFind } from "../../assembly/crypto/transform";
export { equalConstantTime } from "../../assembly/rt/bytes";

/** GHASH by integer multiplication: H (16 octets) | one block at `input`, with `room` for a table of powers (768 octets). */
export function ghashInteger(input: usize, room: usize, out: usize): void {
  ghashFirstPower(room, input);
  ghashSum(input + 16, 1, room, out);
}

/**
 * GHASH sixteen abreast by table look-ups in registers: H | 16 blocks at `input`, 8 KiB of `room` for the tables, then the lanes'
 * records, then the state. False in a build without SIMD, which has no such kernel.
 */
export function ghashSwizzle(input: usize, room: usize, table: usize): bool {
  if (ASC_FEATURE_SIMD) {
    swizzleTable(loadBE64(input), loadBE64(input + 8), table);
    for (let lane: u32 = 0; lane < 16; lane++) {
      store<u32>(room + ((<usize>lane) << 3), <u32>(input + 16 + ((<usize>lane) << 4)));
      store<u32>(room + ((<usize>lane) << 3), 0, 4);
    }
    memory.fill(room + 128, 0, 256);
    swizzleSteps(table, room + 128, room, 4);
    return true;
  }
  return false;
}

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}

/** Gives the arena the addresses from `start` to `end`. */
export function kernelArena(start: usize, end: usize): void {
  arenaResetAt(start, end);
}
