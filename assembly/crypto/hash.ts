/**
 * SHA-1, SHA-256, SHA-384 and SHA-512 as streams (FIPS 180-4): one context layout for all four, padding and counting here,
 * the compression functions in sha1.ts, sha256.ts and sha512.ts.
 *
 * A context:
 *     0        4          8                16            80                       208
 *     +--------+----------+----------------+-------------+------------------------+
 *     | id u32 | held u32 | octets so far  | state, 64   | incomplete block, 128  |
 *     +--------+----------+----------------+-------------+------------------------+
 *
 * Refuses MD5, SHA-224 and messages of 2^61 octets and more.
 */
import { storeBE32, storeBE64, zeroize } from "../rt/bytes";
import { sha1Compress, sha1Reset } from "./sha1";
import { sha256Compress, sha256Reset } from "./sha256";
import { sha384Reset, sha512Compress, sha512Reset } from "./sha512";

export const HASH_SHA1: u32 = 1;
export const HASH_SHA256: u32 = 2;
export const HASH_SHA384: u32 = 3;
export const HASH_SHA512: u32 = 4;

/** The longest digest and the longest block, in octets. */
export const HASH_OCTETS_MAX: u32 = 64;
export const HASH_BLOCK_MAX: u32 = 128;

const ID: usize = 0;
const HELD: usize = 4;
const TOTAL: usize = 8;
export const HASH_STATE: usize = 16;
export const HASH_STATE_OCTETS: u32 = 64;
const BLOCK: usize = 80;

/** Size of a context, alignment 8. */
export const HASH_CONTEXT_OCTETS: u32 = 208;

/** Digest length in octets; 0 for an unknown hash. */
export function hashOctets(hash: u32): u32 {
  switch (hash) {
    case HASH_SHA1:
      return 20;
    case HASH_SHA256:
      return 32;
    case HASH_SHA384:
      return 48;
    case HASH_SHA512:
      return 64;
    default:
      return 0;
  }
}

/** Block length in octets; 0 for an unknown hash. */
export function hashBlockOctets(hash: u32): u32 {
  if (hash == HASH_SHA1 || hash == HASH_SHA256) return 64;
  return hash == HASH_SHA384 || hash == HASH_SHA512 ? 128 : 0;
}

/** Absorbs `blocks` whole blocks at `p` into a chaining state. */
export function hashCompress(hash: u32, state: usize, p: usize, blocks: u32): void {
  if (hash == HASH_SHA256) sha256Compress(state, p, blocks);
  else if (hash == HASH_SHA1) sha1Compress(state, p, blocks);
  else sha512Compress(state, p, blocks);
}

function compress(context: usize, p: usize, blocks: u32): void {
  hashCompress(load<u32>(context, ID), context + HASH_STATE, p, blocks);
}

/** Begins a message. An unknown hash is a bug of the caller. */
export function hashInit(context: usize, hash: u32): void {
  assert(hashOctets(hash) != 0, "unknown hash");
  store<u32>(context, hash, ID);
  store<u32>(context, 0, HELD);
  store<u64>(context, 0, TOTAL);
  if (hash == HASH_SHA256) sha256Reset(context + HASH_STATE);
  else if (hash == HASH_SHA1) sha1Reset(context + HASH_STATE);
  else if (hash == HASH_SHA384) sha384Reset(context + HASH_STATE);
  else sha512Reset(context + HASH_STATE);
}

/** Begins where a chaining state was left after `octets` octets, a whole number of blocks. */
export function hashResume(context: usize, hash: u32, state: usize, octets: u64): void {
  store<u32>(context, hash, ID);
  store<u32>(context, 0, HELD);
  store<u64>(context, octets, TOTAL);
  memory.copy(context + HASH_STATE, state, HASH_STATE_OCTETS);
}

/** Absorbs `length` octets; any division of a message into updates gives the same digest. */
export function hashUpdate(context: usize, p: usize, length: u32): void {
  const block = hashBlockOctets(load<u32>(context, ID));
  const held = load<u32>(context, HELD);
  store<u64>(context, load<u64>(context, TOTAL) + <u64>length, TOTAL);
  if (held != 0) {
    const taken = min<u32>(block - held, length);
    memory.copy(context + BLOCK + held, p, taken);
    p += taken;
    length -= taken;
    if (held + taken < block) {
      store<u32>(context, held + taken, HELD);
      return;
    }
    compress(context, context + BLOCK, 1);
  }
  const whole = length & ~(block - 1);
  if (whole != 0) compress(context, p, whole / block);
  memory.copy(context + BLOCK, p + whole, length - whole);
  store<u32>(context, length - whole, HELD);
}

/** Pads (5.1), writes the digest and wipes the context. `out` may be anywhere but inside the context. */
export function hashFinal(context: usize, out: usize): void {
  const hash = load<u32>(context, ID);
  const block = hashBlockOctets(hash);
  const lengthField: u32 = block >>> 3; // 8 or 16 octets, of which the upper 8 of the 16 stay zero
  let held = load<u32>(context, HELD);
  store<u8>(context + BLOCK + held, 0x80);
  held++;
  if (held > block - lengthField) {
    memory.fill(context + BLOCK + held, 0, block - held);
    compress(context, context + BLOCK, 1);
    held = 0;
  }
  memory.fill(context + BLOCK + held, 0, block - held - 8);
  storeBE64(context + BLOCK + block - 8, load<u64>(context, TOTAL) << 3);
  compress(context, context + BLOCK, 1);
  hashStateOctets(hash, context + HASH_STATE, out);
  zeroize(context, HASH_CONTEXT_OCTETS);
}

/** Writes the words of a chaining state as a digest. */
export function hashStateOctets(hash: u32, state: usize, out: usize): void {
  const octets = hashOctets(hash);
  if (hashBlockOctets(hash) == 64) {
    for (let i: u32 = 0; i < octets; i += 4) storeBE32(out + i, load<u32>(state + i));
  } else {
    for (let i: u32 = 0; i < octets; i += 8) storeBE64(out + i, load<u64>(state + i));
  }
}

const context: usize = memory.data(HASH_CONTEXT_OCTETS, 16);

/** The digest of `length` octets at `p`; `out` gets hashOctets(hash). */
export function hash(id: u32, p: usize, length: u32, out: usize): void {
  hashInit(context, id);
  hashUpdate(context, p, length);
  hashFinal(context, out);
}
