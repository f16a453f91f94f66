/**
 * The pseudorandom functions of IKEv2 by their IANA Transform Type 2 identifiers (RFC 7296, 2.13 and 3.3.2).
 *
 * HMAC with the whole output (RFC 4868, 2.1.2); AES-XCBC (RFC 4434) and AES-CMAC (RFC 4615) with keys of any length.
 * Refuses PRF_HMAC_MD5, PRF_HMAC_TIGER and identifiers that prfOctets answers with 0.
 *
 * A context: the identifier, and from octet 16 the context of the HMAC or of the CBC-MAC.
 */
import { zeroize } from "../rt/bytes";
import { CBC_MAC_CONTEXT_OCTETS, cbcMacFinal, cbcMacUpdate } from "./cbc_mac";
import { cmacInit } from "./cmac";
import { hashOctets, HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 } from "./hash";
import { hmacFinal, hmacInit, hmacUpdate, HMAC_CONTEXT_OCTETS } from "./hmac";
import { xcbcInit } from "./xcbc";

export const PRF_HMAC_SHA1: u32 = 2;
export const PRF_AES128_XCBC: u32 = 4;
export const PRF_HMAC_SHA2_256: u32 = 5;
export const PRF_HMAC_SHA2_384: u32 = 6;
export const PRF_HMAC_SHA2_512: u32 = 7;
export const PRF_AES128_CMAC: u32 = 8;

/** Longest output and size of a context, in octets. */
export const PRF_OCTETS_MAX: u32 = 64;
export const PRF_CONTEXT_OCTETS: u32 =
  16 + (HMAC_CONTEXT_OCTETS > CBC_MAC_CONTEXT_OCTETS ? HMAC_CONTEXT_OCTETS : CBC_MAC_CONTEXT_OCTETS);

const ID: usize = 0;
const INNER: usize = 16;

/** A key of the AES PRFs in its 16 octets (wiped). */
const blockKey: usize = memory.data(16, 16);

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
  return id == PRF_AES128_XCBC || id == PRF_AES128_CMAC ? 16 : hashOctets(hashOf(id));
}

/** RFC 4434, 2: a shorter key is padded with zeros, a longer one is its own MAC under the zero key. */
function initXcbc(context: usize, key: usize, keyLength: u32): void {
  memory.fill(blockKey, 0, 16);
  if (keyLength > 16) {
    xcbcInit(context, blockKey);
    cbcMacUpdate(context, key, keyLength);
    cbcMacFinal(context, blockKey);
  } else memory.copy(blockKey, key, keyLength);
  xcbcInit(context, blockKey);
}

/** RFC 4615, 3: a key that has not 16 octets is its own MAC under the zero key. */
function initCmac(context: usize, key: usize, keyLength: u32): void {
  if (keyLength != 16) {
    memory.fill(blockKey, 0, 16);
    cmacInit(context, blockKey, 16);
    cbcMacUpdate(context, key, keyLength);
    cbcMacFinal(context, blockKey);
  } else memory.copy(blockKey, key, 16);
  cmacInit(context, blockKey, 16);
}

/** Takes a key of any length and begins a message. The caller has asked prfOctets. */
export function prfInit(context: usize, id: u32, key: usize, keyLength: u32): void {
  store<u32>(context, id, ID);
  if (id == PRF_AES128_XCBC) initXcbc(context + INNER, key, keyLength);
  else if (id == PRF_AES128_CMAC) initCmac(context + INNER, key, keyLength);
  else hmacInit(context + INNER, hashOf(id), key, keyLength);
  zeroize(blockKey, 16);
}

export function prfUpdate(context: usize, p: usize, length: u32): void {
  const id = load<u32>(context, ID);
  if (id == PRF_AES128_XCBC || id == PRF_AES128_CMAC) cbcMacUpdate(context + INNER, p, length);
  else hmacUpdate(context + INNER, p, length);
}

/** Writes the output and begins the next message under the same key. */
export function prfFinal(context: usize, out: usize): void {
  const id = load<u32>(context, ID);
  if (id == PRF_AES128_XCBC || id == PRF_AES128_CMAC) cbcMacFinal(context + INNER, out);
  else hmacFinal(context + INNER, out);
}

/** Forgets the key. */
export function prfWipe(context: usize): void {
  zeroize(context, PRF_CONTEXT_OCTETS);
}

const single: usize = memory.data(PRF_CONTEXT_OCTETS, 16);

/** prf(K, S) of one string; `out` gets prfOctets(id). */
export function prf(id: u32, key: usize, keyLength: u32, p: usize, length: u32, out: usize): void {
  prfInit(single, id, key, keyLength);
  prfUpdate(single, p, length);
  prfFinal(single, out);
  prfWipe(single);
}
