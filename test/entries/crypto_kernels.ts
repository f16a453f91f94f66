/**
 * The AES and GCM kernels as bare exports, for host-side vector tests, build comparisons and benches. Not a board: the
 * host passes addresses in the imported memory from `kernelHeap()` upwards.
 */
import "../../assembly/rt/fault";
import { arenaResetAt } from "../../assembly/rt/arena";

export {
  AES_CONTEXT_OCTETS,
  aesCtr,
  aesDecryptBlock,
  aesDecryptBlocks,
  aesEncryptBlock,
  aesEncryptBlocks,
  aesInit,
} from "../../assembly/crypto/aes";
export { GCM_CONTEXT_OCTETS, gcmInit, gcmOpen, gcmSeal, gcmWipe } from "../../assembly/crypto/gcm";
export { gcmOpenBatch, gcmSealBatch } from "../../assembly/crypto/gcm_batch";
export { gcmSelfTest } from "../../assembly/crypto/gcm_self_test";
export { CIPHER_JOB_OCTETS } from "../../assembly/crypto/job";
export { KEY_SLOT_OCTETS, keyCacheMisses, keyCacheReset } from "../../assembly/crypto/key_cache";

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}

/** Gives the arena the addresses from `start` to `end`. */
export function kernelArena(start: usize, end: usize): void {
  arenaResetAt(start, end);
}
