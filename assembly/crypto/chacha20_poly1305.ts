/**
 * AEAD_CHACHA20_POLY1305 (RFC 8439, 2.8), as ESP and IKEv2 use it (RFC 7634), one packet: nonce = salt (4) | IV (8), tag of 16
 * octets. A context is the key.
 *
 * In place. Builds with SIMD make a batch of one of it (chacha_lanes.ts), the others a block after the other. Opening verifies
 * first: nothing is decrypted when the tag is wrong. Constant time. Refuses to truncate the tag.
 */
import { equalConstantTime, zeroize } from "../rt/bytes";
import { chacha20XorBlock } from "./chacha20";
import { chachaOpenLanes, chachaSealLanes } from "./chacha_lanes";
import { CIPHER_JOB_OCTETS, CipherJob, nonceOf } from "./job";
import { poly1305Final, poly1305Init, poly1305Padded, POLY1305_CONTEXT_OCTETS } from "./poly1305";

export const CHACHA20_POLY1305_CONTEXT_OCTETS: u32 = 32;
export const CHACHA20_POLY1305_TAG_OCTETS: u32 = 16;

const BLOCK: u32 = 64;

const block: usize = memory.data(64, 16);
const poly: usize = memory.data(POLY1305_CONTEXT_OCTETS, 16);
const lengths: usize = memory.data(16, 16);
const computed: usize = memory.data(16, 16);
const single: usize = memory.data(CIPHER_JOB_OCTETS, 16);
const list: usize = memory.data(4, 4);

export function chacha20Poly1305Init(context: usize, key: usize): void {
  memory.copy(context, key, 32);
}

/** Forgets the key. */
export function chacha20Poly1305Wipe(context: usize): void {
  zeroize(context, 32);
}

/** Leaves the tag (2.8.1) of AAD and ciphertext in `computed`. */
function authenticate(context: usize, nonce: usize, aad: usize, aadLength: u32, data: usize, length: u32): void {
  memory.fill(block, 0, BLOCK);
  chacha20XorBlock(context, nonce, 0, block);
  poly1305Init(poly, block); // 2.6: the one-time key
  poly1305Padded(poly, aad, aadLength);
  poly1305Padded(poly, data, length);
  store<u64>(lengths, <u64>aadLength);
  store<u64>(lengths, <u64>length, 8);
  poly1305Final(poly, lengths, 16, computed);
}

/** Encrypts or decrypts. */
function crypt(context: usize, nonce: usize, data: usize, length: u32): void {
  let counter: u32 = 1;
  for (; length >= BLOCK; length -= BLOCK) {
    chacha20XorBlock(context, nonce, counter++, data);
    data += BLOCK;
  }
  if (length == 0) return;
  memory.copy(block, data, length);
  chacha20XorBlock(context, nonce, counter, block);
  memory.copy(data, block, length);
}

/** A batch of one. */
function jobFor(
  context: usize,
  nonce: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
): CipherJob {
  const job = changetype<CipherJob>(single);
  memory.copy(nonceOf(job), nonce, 12);
  job.context = <u32>context;
  job.aad = <u32>aad;
  job.aadLength = aadLength;
  job.data = <u32>data;
  job.length = length;
  job.tag = <u32>tag;
  job.tagLength = CHACHA20_POLY1305_TAG_OCTETS;
  job.done = 0;
  store<u32>(list, <u32>single);
  return job;
}

/** Encrypts `length` octets in place and writes the 16 octets of the tag; `nonce` has 12 octets. */
export function chacha20Poly1305Seal(
  context: usize,
  nonce: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    jobFor(context, nonce, aad, aadLength, data, length, tag);
    chachaSealLanes(list, 1);
  } else {
    crypt(context, nonce, data, length);
    authenticate(context, nonce, aad, aadLength, data, length);
    memory.copy(tag, computed, 16);
    zeroize(block, BLOCK);
  }
}

/** Decrypts in place when the 16 octets of the tag are right. False, with the data as they came, when not. */
export function chacha20Poly1305Open(
  context: usize,
  nonce: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
): bool {
  if (ASC_FEATURE_SIMD) {
    jobFor(context, nonce, aad, aadLength, data, length, tag);
    return chachaOpenLanes(list, 1) == 1;
  } else {
    authenticate(context, nonce, aad, aadLength, data, length);
    const verified = equalConstantTime(computed, tag, 16);
    if (verified) crypt(context, nonce, data, length);
    zeroize(block, BLOCK);
    return verified;
  }
}
