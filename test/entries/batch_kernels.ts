/**
 * The batched kernels under the cipher suites as bare exports, for vector tests on the host. Not a board: the host passes addresses
 * in the imported memory from `kernelHeap()` upwards, and lists of cipher jobs as job.ts lays them out.
 */
import "../../assembly/rt/fault";
import { arenaResetAt } from "../../assembly/rt/arena";

export { cbcDecryptBatch, cbcEncryptBatch } from "../../assembly/crypto/cbc_batch";
export { cbcMacBatch } from "../../assembly/crypto/cbc_mac_batch";
export { ccmOpenBatch, ccmSealBatch } from "../../assembly/crypto/ccm_batch";
export { chachaOpenBatch, chachaSealBatch } from "../../assembly/crypto/chacha_batch";
export { ctrBatch } from "../../assembly/crypto/ctr_batch";
export { gcmOpenBatch, gcmSealBatch } from "../../assembly/crypto/gcm_batch";
export { hmacBatch, hmacKey } from "../../assembly/crypto/hmac_batch";
export { keyCacheMisses, keyCacheReset, keyRecord, keyWipe } from "../../assembly/crypto/key_cache";

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}

/** Gives the arena the addresses from `start` to `end`. */
export function kernelArena(start: usize, end: usize): void {
  arenaResetAt(start, end);
}
