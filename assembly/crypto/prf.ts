/**
 * The pseudorandom functions of IKEv2 by their IANA Transform Type 2 identifiers (RFC 7296, 2.13 and 3.3.2).
 *
 * HMAC with the whole output (RFC 4868, 2.1.2). Refuses PRF_HMAC_MD5, PRF_HMAC_TIGER and identifiers that prfOctets answers
 * with 0.
 */
import { hashOctets, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 } from "./hash";
import { hmacFinal, hmacInit, hmacUpdate, hmacWipe, HMAC_CONTEXT_OCTETS } from "./hmac";

export const PRF_HMAC_SHA1: u32 = 2;
export const PRF_AES128_XCBC: u32 = 4;
export const PRF_HMAC_SHA2_256: u32 = 5;
export const PRF_HMAC_SHA2_384: u32 = 6;
export const PRF_HMAC_SHA2_512: u32 = 7;
export const PRF_AES128_CMAC: u32 = 8;

/** Longest output and size of a context, in octets. */
export const PRF_OCTETS_MAX: u32 = 64;
export const PRF_CONTEXT_OCTETS: u32 = HMAC_CONTEXT_OCTETS;

function hashOf(id: u32): u32 {
  switch (id) {
    case PRF_HMAC_SHA1:
      return HASH_SHA1;
    case PRF_HMAC_SHA2_256:
      return HASH_SHA256;
    case PRF_HMAC_SHA2_384:
      return HASH_SHA384;
    case PRF_HMAC_SHA2_512:
      return HASH_SHA512;
    default:
      return 0;
  }
}

/** Output length in octets, which is the preferred key length too (RFC 7296, 2.14); 0: not supported. */
export function prfOctets(id: u32): u32 {
  return hashOctets(hashOf(id));
}

/** Takes a key of any length and begins a message. The caller has asked prfOctets. */
export function prfInit(context: usize, id: u32, key: usize, keyLength: u32): void {
  hmacInit(context, hashOf(id), key, keyLength);
}

export function prfUpdate(context: usize, p: usize, length: u32): void {
  hmacUpdate(context, p, length);
}

/** Writes the output and begins the next message under the same key. */
export function prfFinal(context: usize, out: usize): void {
  hmacFinal(context, out);
}

/** Forgets the key. */
export function prfWipe(context: usize): void {
  hmacWipe(context);
}

const single: usize = memory.data(PRF_CONTEXT_OCTETS, 16);

/** prf(K, S) of one string; `out` gets prfOctets(id). */
export function prf(id: u32, key: usize, keyLength: u32, p: usize, length: u32, out: usize): void {
  prfInit(single, id, key, keyLength);
  prfUpdate(single, p, length);
  prfFinal(single, out);
  prfWipe(single);
}
