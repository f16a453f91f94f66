/**
 * HMAC (RFC 2104, FIPS 198-1) over the hashes of hash.ts, with the two padded keys absorbed once per key.
 *
 * A context:
 *     0              208             272            336
 *     +--------------+---------------+--------------+
 *     | hash context | inner state   | outer state  |   states after K ^ ipad and K ^ opad
 *     +--------------+---------------+--------------+
 *
 * hmacFinal leaves the context ready for the next message under the same key; hmacWipe ends it. Time depends on lengths
 * alone. Refuses to truncate and to compare: the caller knows its ICV length (rt/bytes.ts has the comparison).
 */
import { zeroize } from "../rt/bytes";
import {
  hash,
  hashBlockOctets,
  hashCompress,
  hashFinal,
  hashInit,
  hashOctets,
  hashResume,
  hashUpdate,
  HASH_BLOCK_MAX,
  HASH_CONTEXT_OCTETS,
  HASH_OCTETS_MAX,
  HASH_STATE,
  HASH_STATE_OCTETS,
} from "./hash";

export const HMAC_INNER: usize = HASH_CONTEXT_OCTETS;
export const HMAC_OUTER: usize = HMAC_INNER + HASH_STATE_OCTETS;

/** Size of a context, alignment 8. */
export const HMAC_CONTEXT_OCTETS: u32 = <u32>HMAC_OUTER + HASH_STATE_OCTETS;

/** One padded key, its absorption, one inner digest: wiped after use. */
const padded: usize = memory.data(HASH_BLOCK_MAX, 16);
const digest: usize = memory.data(HASH_OCTETS_MAX, 16);
const single: usize = memory.data(HMAC_CONTEXT_OCTETS, 16);
const absorbed: usize = memory.data(HASH_CONTEXT_OCTETS, 16);

function pad(octets: u32, value: u64): void {
  for (let i: u32 = 0; i < octets; i += 8) store<u64>(padded + i, load<u64>(padded + i) ^ value);
}

/** Absorbs the padded key into H(0) and writes the chaining state to `state`. */
function absorbPadded(id: u32, state: usize): void {
  hashInit(absorbed, id);
  hashCompress(id, absorbed + HASH_STATE, padded, 1);
  memory.copy(state, absorbed + HASH_STATE, HASH_STATE_OCTETS);
}

/**
 * Writes the chaining states after K ^ ipad and K ^ opad, HASH_STATE_OCTETS each: all that is ever needed of a key. A key
 * longer than a block is hashed first (RFC 2104, 2). An unknown hash is a bug of the caller.
 */
export function hmacStates(id: u32, key: usize, keyLength: u32, inner: usize, outer: usize): void {
  const block = hashBlockOctets(id);
  assert(block != 0, "unknown hash");
  memory.fill(padded, 0, block);
  if (keyLength > block) hash(id, key, keyLength, padded);
  else memory.copy(padded, key, keyLength);
  pad(block, 0x5c5c5c5c5c5c5c5c);
  absorbPadded(id, outer);
  pad(block, 0x5c5c5c5c5c5c5c5c ^ 0x3636363636363636);
  absorbPadded(id, inner);
  zeroize(padded, HASH_BLOCK_MAX);
  zeroize(absorbed, HASH_CONTEXT_OCTETS);
}

/** Takes a key of any length and begins a message. An unknown hash is a bug of the caller. */
export function hmacInit(context: usize, id: u32, key: usize, keyLength: u32): void {
  hmacStates(id, key, keyLength, context + HMAC_INNER, context + HMAC_OUTER);
  hashResume(context, id, context + HMAC_INNER, hashBlockOctets(id));
}

export function hmacUpdate(context: usize, p: usize, length: u32): void {
  hashUpdate(context, p, length);
}

/** Writes the whole MAC (hashOctets of the hash) and begins the next message under the same key. */
export function hmacFinal(context: usize, out: usize): void {
  const id = load<u32>(context);
  const block = hashBlockOctets(id);
  hashFinal(context, digest);
  hashResume(context, id, context + HMAC_OUTER, block);
  hashUpdate(context, digest, hashOctets(id));
  hashFinal(context, out);
  zeroize(digest, HASH_OCTETS_MAX);
  hashResume(context, id, context + HMAC_INNER, block);
}

/** Forgets the key. */
export function hmacWipe(context: usize): void {
  zeroize(context, HMAC_CONTEXT_OCTETS);
}

/** The MAC of one message; `out` gets hashOctets(id). */
export function hmac(id: u32, key: usize, keyLength: u32, p: usize, length: u32, out: usize): void {
  hmacInit(single, id, key, keyLength);
  hashUpdate(single, p, length);
  hmacFinal(single, out);
  hmacWipe(single);
}
