/**
 * The AES and GCM kernels as bare exports, for host-side vector tests, build comparisons and benches. Not a board: the
 * host passes addresses in the imported memory from `kernelHeap()` upwards.
 */
import "../../assembly/rt/fault";

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

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}
