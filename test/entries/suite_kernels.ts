/**
 * The cipher suite as bare exports: any transform of the table over lists of packets, for benches and build comparisons. Not a
 * board: the host passes addresses in the imported memory from `kernelHeap()` upwards.
 */
import "../../assembly/rt/fault";
import { arenaResetAt } from "../../assembly/rt/arena";

export { CIPHER_BATCH, CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS } from "../../assembly/crypto/job";
export { keyCacheMisses, keyCacheReset } from "../../assembly/crypto/key_cache";
export {
  suiteInit,
  suiteJob,
  suiteJobExtended,
  suiteKeymatOctets,
  suiteOpen,
  suiteOpenBatch,
  suiteSeal,
  suiteSealBatch,
  suiteWipe,
} from "../../assembly/crypto/suite";
export { selfTestAnswer, suiteSelfTest } from "../../assembly/crypto/suite_self_test";
export { transformFind } from "../../assembly/crypto/transform";

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}

/** Gives the arena the addresses from `start` to `end`. */
export function kernelArena(start: usize, end: usize): void {
  arenaResetAt(start, end);
}

/** Copies inside the memory: how packets that were opened in place are put back. */
export function kernelCopy(to: usize, from: usize, octets: usize): void {
  memory.copy(to, from, octets);
}
