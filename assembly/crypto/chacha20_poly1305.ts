/**
 * AEAD_CHACHA20_POLY1305 (RFC 8439, 2.8), as ESP and IKEv2 use it (RFC 7634): nonce = salt (4) | IV (8), tag of 16 octets.
 *
 * In place. Sealing authenticates each run of ciphertext while the next run's keystream is made, opening while its own is;
 * an opened packet whose tag is wrong is encrypted again before the answer, so that the caller never sees unverified
 * plaintext. Constant time. Refuses to truncate the tag. A context is the key.
 */
import { equalConstantTime, zeroize } from "../rt/bytes";
import { chacha20XorBlock } from "./chacha20";
import { CHACHA20_RUN, chacha20Xor4 } from "./chacha20_simd";
import { poly1305Blocks, poly1305Final, poly1305Init, poly1305Padded, POLY1305_CONTEXT_OCTETS } from "./poly1305";

export const CHACHA20_POLY1305_CONTEXT_OCTETS: u32 = 32;
export const CHACHA20_POLY1305_TAG_OCTETS: u32 = 16;

const BLOCK: u32 = 64;
/** Octets of data that the first run covers: its first block is the Poly1305 key. */
const FIRST: u32 = 192;

const run: usize = memory.data(CHACHA20_RUN, 16);
const poly: usize = memory.data(POLY1305_CONTEXT_OCTETS, 16);
const lengths: usize = memory.data(16, 16);
const computed: usize = memory.data(16, 16);

export function chacha20Poly1305Init(context: usize, key: usize): void {
  memory.copy(context, key, 32);
}

/** Forgets the key. */
export function chacha20Poly1305Wipe(context: usize): void {
  zeroize(context, 32);
}

// @ts-ignore: decorator
@inline
function xorInto(data: usize, from: usize, length: u32): void {
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) store<u64>(data + i, load<u64>(data + i) ^ load<u64>(from + i));
  for (; i < length; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(from + i));
}

/** Leaves keystream from block `counter` on, up to CHACHA20_RUN octets and at least `octets`, in `run`. */
function keystream(context: usize, nonce: usize, counter: u32, octets: u32): void {
  memory.fill(run, 0, CHACHA20_RUN);
  if (ASC_FEATURE_SIMD) {
    chacha20Xor4(context, nonce, counter, run, 0, 0);
  } else {
    for (let at: u32 = 0; at < octets; at += BLOCK) chacha20XorBlock(context, nonce, counter++, run + at);
  }
}

/** Makes the one-time key (2.6), begins the MAC with the AAD, and leaves keystream of the first 192 octets in `run` + 64. */
function begin(context: usize, nonce: usize, aad: usize, aadLength: u32, length: u32): void {
  keystream(context, nonce, 0, BLOCK + min<u32>(length, FIRST));
  poly1305Init(poly, run);
  poly1305Padded(poly, aad, aadLength);
}

/** Ends the MAC (2.8.1) in `computed`. */
function end(aadLength: u32, length: u32): void {
  store<u64>(lengths, <u64>aadLength);
  store<u64>(lengths, <u64>length, 8);
  poly1305Final(poly, lengths, 16, computed);
}

/** Encrypts or decrypts `length` octets from octet FIRST of the data on; the MAC stays out of it. */
function crypt(context: usize, nonce: usize, data: usize, length: u32): void {
  let counter: u32 = 4;
  if (ASC_FEATURE_SIMD) {
    for (; length >= CHACHA20_RUN; length -= CHACHA20_RUN) {
      chacha20Xor4(context, nonce, counter, data, 0, 0);
      counter += 4;
      data += CHACHA20_RUN;
    }
  } else {
    for (; length >= BLOCK; length -= BLOCK) {
      chacha20XorBlock(context, nonce, counter++, data);
      data += BLOCK;
    }
  }
  if (length == 0) return;
  keystream(context, nonce, counter, length);
  xorInto(data, run, length);
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
  begin(context, nonce, aad, aadLength, length);
  const first = min<u32>(length, FIRST);
  xorInto(data, run + BLOCK, first);
  if (ASC_FEATURE_SIMD) {
    // Ciphertext that is not authenticated yet: at least as much as one run, once there is any run.
    let behind = data;
    let at = data + first;
    const stop = data + length;
    let counter: u32 = 4;
    while (<u32>(stop - at) >= CHACHA20_RUN) {
      const ready = <u32>(at - behind) >= CHACHA20_RUN;
      chacha20Xor4(context, nonce, counter, at, ready ? poly : 0, behind);
      if (ready) behind += CHACHA20_RUN;
      at += CHACHA20_RUN;
      counter += 4;
    }
    if (at < stop) {
      const rest = <u32>(stop - at);
      const ready = <u32>(at - behind) >= CHACHA20_RUN;
      memory.fill(run, 0, CHACHA20_RUN);
      chacha20Xor4(context, nonce, counter, run, ready ? poly : 0, behind);
      if (ready) behind += CHACHA20_RUN;
      xorInto(at, run, rest);
    }
    poly1305Padded(poly, behind, <u32>(stop - behind));
  } else {
    if (length > FIRST) crypt(context, nonce, data + FIRST, length - FIRST);
    poly1305Padded(poly, data, length);
  }
  end(aadLength, length);
  memory.copy(tag, computed, 16);
  zeroize(run, CHACHA20_RUN);
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
  begin(context, nonce, aad, aadLength, length);
  let verified: bool;
  if (ASC_FEATURE_SIMD && length > FIRST) {
    poly1305Blocks(poly, data, FIRST >>> 4);
    xorInto(data, run + BLOCK, FIRST);
    let at = data + FIRST;
    const stop = data + length;
    let counter: u32 = 4;
    for (; <u32>(stop - at) >= CHACHA20_RUN; at += CHACHA20_RUN) {
      chacha20Xor4(context, nonce, counter, at, poly, at); // written only after it is read
      counter += 4;
    }
    const rest = <u32>(stop - at);
    poly1305Padded(poly, at, rest);
    if (rest != 0) {
      keystream(context, nonce, counter, rest);
      xorInto(at, run, rest);
    }
    end(aadLength, length);
    verified = equalConstantTime(computed, tag, 16);
    if (!verified) {
      keystream(context, nonce, 0, CHACHA20_RUN);
      xorInto(data, run + BLOCK, FIRST);
      crypt(context, nonce, data + FIRST, length - FIRST);
    }
  } else {
    poly1305Padded(poly, data, length);
    end(aadLength, length);
    verified = equalConstantTime(computed, tag, 16);
    if (verified) {
      xorInto(data, run + BLOCK, min<u32>(length, FIRST));
      if (length > FIRST) crypt(context, nonce, data + FIRST, length - FIRST);
    }
  }
  zeroize(run, CHACHA20_RUN);
  return verified;
}
