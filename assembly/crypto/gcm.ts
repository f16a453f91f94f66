/**
 * AES-GCM (SP 800-38D) with 96-bit nonces, as ESP (RFC 4106) and IKEv2 (RFC 5282) use it.
 *
 * In place. `gcmOpen` verifies before it decrypts: with a wrong tag the data stay as they came.
 *
 * Refuses nonces of other sizes, and tags other than 8, 12 and 16 octets on open.
 */
import { equalConstantTime, storeBE32, storeBE64 } from "../rt/bytes";
import { AES_CONTEXT_OCTETS, aesCtr, aesEncryptBlock, aesInit } from "./aes";
import { ghashUpdate } from "./ghash";

/** Octets of a context. */
export const GCM_CONTEXT_OCTETS: u32 = AES_CONTEXT_OCTETS + 16;
/** Octets of a full tag. */
export const GCM_TAG_OCTETS: u32 = 16;
const H: usize = AES_CONTEXT_OCTETS;

const counter: usize = memory.data(16, 16);
const hash: usize = memory.data(16, 16);
const lengths: usize = memory.data(16, 16);
const mask: usize = memory.data(16, 16);

/** Prepares `context` for `key` of 16, 24 or 32 octets. */
export function gcmInit(context: usize, key: usize, keyOctets: u32): void {
  aesInit(context, key, keyOctets);
  memory.fill(context + H, 0, 16);
  aesEncryptBlock(context, context + H, context + H);
}

export function gcmWipe(context: usize): void {
  memory.fill(context, 0, GCM_CONTEXT_OCTETS);
}

/** Leaves the tag of `data` as it stands (the ciphertext) in `hash`, and the counter at 2. */
function authenticate(context: usize, nonce: usize, aad: usize, aadLength: u32, data: usize, length: u32): void {
  memory.fill(hash, 0, 16);
  ghashUpdate(hash, context + H, aad, aadLength);
  ghashUpdate(hash, context + H, data, length);
  storeBE64(lengths, <u64>aadLength << 3);
  storeBE64(lengths + 8, <u64>length << 3);
  ghashUpdate(hash, context + H, lengths, 16);
  memory.copy(counter, nonce, 12);
  storeBE32(counter + 12, 1);
  aesEncryptBlock(context, counter, mask);
  store<u64>(hash, load<u64>(hash) ^ load<u64>(mask));
  store<u64>(hash, load<u64>(hash, 8) ^ load<u64>(mask, 8), 8);
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
  memory.copy(counter, nonce, 12);
  storeBE32(counter + 12, 2);
  aesCtr(context, counter, data, length);
  authenticate(context, nonce, aad, aadLength, data, length);
  memory.copy(tag, hash, 16);
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
  if (tagLength != 16 && tagLength != 12 && tagLength != 8) return false;
  authenticate(context, nonce, aad, aadLength, data, length);
  if (!equalConstantTime(hash, tag, tagLength)) return false;
  storeBE32(counter + 12, 2);
  aesCtr(context, counter, data, length);
  return true;
}
