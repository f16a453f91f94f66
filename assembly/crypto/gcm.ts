/**
 * AES-GCM (SP 800-38D) with 96-bit nonces, as ESP (RFC 4106), AES-GMAC (RFC 4543: all octets as associated data) and IKEv2
 * (RFC 5282) use it: one message a call. Batches stand in gcm_batch.ts.
 *
 * A context is a key record (48 octets): what is derived from the key lives in the cache (key_cache.ts). In place.
 * `gcmOpen` verifies before it decrypts: with a wrong tag the data stay as they came.
 *
 * Refuses nonces of other sizes, and tags other than 8, 12 and 16 octets on open.
 */
import { equalConstantTime } from "../rt/bytes";
import { messageHash } from "./gcm_hash";
import { gcmKey } from "./gcm_key";
import { STREAM_MASK, streamAlone, streamAloneApply, streamWipe } from "./gcm_stream";
import { KEY_RECORD_OCTETS, keyRecord, keyWipe } from "./key_cache";

/** Octets of a context. */
export const GCM_CONTEXT_OCTETS: u32 = KEY_RECORD_OCTETS;
/** Octets of a full tag. */
export const GCM_TAG_OCTETS: u32 = 16;

const constant: usize = memory.data(128, 64);
const stream: usize = memory.data(2048, 64);
const expected: usize = memory.data(16, 16);

/** Prepares `context` for `key` of 16, 24 or 32 octets. */
export function gcmInit(context: usize, key: usize, keyOctets: u32): void {
  assert(keyOctets == 16 || keyOctets == 24 || keyOctets == 32, "AES key size");
  keyRecord(context, key, keyOctets);
}

/** Wipes the key, and what the cache holds of it. */
export function gcmWipe(context: usize): void {
  keyWipe(context);
}

/** True for the lengths of a tag that ESP and IKEv2 know. */
// @ts-ignore: decorator
@inline
export function gcmTagLength(octets: u32): bool {
  return octets == 16 || octets == 12 || octets == 8;
}

/** Adds the mask of a lead to a hash, which makes it the tag. */
// @ts-ignore: decorator
@inline
export function maskTag(hash: usize, from: usize): void {
  store<u64>(hash, load<u64>(hash) ^ load<u64>(from, STREAM_MASK));
  store<u64>(hash, load<u64>(hash, 8) ^ load<u64>(from, STREAM_MASK + 8), 8);
}

/** Encrypts `length` octets at `data` in place and writes the 16 octets of the tag. `nonce` is 12 octets. */
export function gcmSeal(
  context: usize,
  nonce: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
): void {
  const slot = gcmKey(context);
  streamAlone(slot, nonce, constant, stream, length);
  streamAloneApply(slot, nonce, constant, stream, data, length);
  messageHash(slot, aad, aadLength, data, length, expected);
  maskTag(expected, stream);
  store<u64>(tag, load<u64>(expected));
  store<u64>(tag, load<u64>(expected, 8), 8);
  streamWipe(stream, length);
}

/**
 * Verifies the first `tagLength` octets (8, 12 or 16) of the tag, then decrypts in place. False, with the data as they
 * came, when the tag is wrong or its length is another one.
 */
export function gcmOpen(
  context: usize,
  nonce: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
  tagLength: u32,
): bool {
  if (!gcmTagLength(tagLength)) return false;
  const slot = gcmKey(context);
  streamAlone(slot, nonce, constant, stream, length);
  messageHash(slot, aad, aadLength, data, length, expected);
  maskTag(expected, stream);
  const right = equalConstantTime(expected, tag, tagLength);
  if (right) streamAloneApply(slot, nonce, constant, stream, data, length);
  streamWipe(stream, length);
  store<u64>(expected, 0);
  store<u64>(expected, 0, 8);
  return right;
}
