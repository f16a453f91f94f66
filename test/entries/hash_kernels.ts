/**
 * The hash, MAC, PRF and cipher mode kernels as bare exports, for vector tests and build comparisons on the host. Not a
 * board: the host passes addresses in the imported memory from `kernelHeap()` upwards.
 */
import "../../assembly/rt/fault";

export { AES_CONTEXT_OCTETS, aesCtr, aesInit } from "../../assembly/crypto/aes";
export { cbcDecrypt, cbcEncrypt } from "../../assembly/crypto/cbc";
export { CCM_CONTEXT_OCTETS, ccmInit, ccmOpen, ccmSeal } from "../../assembly/crypto/ccm";
export { chacha20XorBlock } from "../../assembly/crypto/chacha20";
export {
  CHACHA20_POLY1305_CONTEXT_OCTETS,
  chacha20Poly1305Init,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
} from "../../assembly/crypto/chacha20_poly1305";
export { chachaSelfTest } from "../../assembly/crypto/chacha_self_test";
export { CMAC_CONTEXT_OCTETS, cmacFinal, cmacInit, cmacUpdate } from "../../assembly/crypto/cmac";
export { ctrCrypt } from "../../assembly/crypto/ctr";
export { drbgGenerate, drbgReseed, drbgSeed, drbgU32 } from "../../assembly/crypto/drbg";
export { hash, HASH_CONTEXT_OCTETS, hashFinal, hashInit, hashOctets, hashUpdate } from "../../assembly/crypto/hash";
export { hashSelfTest } from "../../assembly/crypto/hash_self_test";
export { hmac, HMAC_CONTEXT_OCTETS, hmacFinal, hmacInit, hmacUpdate } from "../../assembly/crypto/hmac";
export { hmacBatch, hmacKey } from "../../assembly/crypto/hmac_batch";
export { poly1305Blocks, POLY1305_CONTEXT_OCTETS, poly1305Final, poly1305Init } from "../../assembly/crypto/poly1305";
export { prf, PRF_CONTEXT_OCTETS, prfFinal, prfInit, prfOctets, prfUpdate } from "../../assembly/crypto/prf";
export { prfPlus } from "../../assembly/crypto/prf_plus";
export { transformFind } from "../../assembly/crypto/transform";
export { XCBC_CONTEXT_OCTETS, xcbcFinal, xcbcInit, xcbcUpdate } from "../../assembly/crypto/xcbc";

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}
