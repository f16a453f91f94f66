/**
 * SHA-1 compression (FIPS 180-4, 6.1.2).
 *
 * Here for HMAC-SHA-1 alone (RFC 2404, PRF_HMAC_SHA1 of RFC 7296), where its broken collision resistance does no harm.
 * No address and no branch depends on the data. Refuses to pad and to count: that is hash.ts.
 */
import { loadBE32 } from "../rt/bytes";

/** The message schedule W, 80 words (6.1.2 step 1). Wiped by sha1Compress. */
const schedule: usize = memory.data(80 * 4, 16);

/** Writes H(0) (FIPS 180-4, 5.3.1) to `state`, 5 words. */
export function sha1Reset(state: usize): void {
  store<u32>(state, 0x67452301);
  store<u32>(state, 0xefcdab89, 4);
  store<u32>(state, 0x98badcfe, 8);
  store<u32>(state, 0x10325476, 12);
  store<u32>(state, 0xc3d2e1f0, 16);
}

// @ts-ignore: decorator
@inline
function parity(x: u32, y: u32, z: u32): u32 {
  return x ^ y ^ z;
}

// @ts-ignore: decorator
@inline
function ch(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

// @ts-ignore: decorator
@inline
function maj(x: u32, y: u32, z: u32): u32 {
  return (x & y) | (z & (x | y));
}

/** Absorbs `blocks` blocks of 64 octets at `p` into `state`. */
export function sha1Compress(state: usize, p: usize, blocks: u32): void {
  let a0 = load<u32>(state);
  let b0 = load<u32>(state, 4);
  let c0 = load<u32>(state, 8);
  let d0 = load<u32>(state, 12);
  let e0 = load<u32>(state, 16);
  for (; blocks != 0; blocks--) {
    for (let i: usize = 0; i < 64; i += 4) store<u32>(schedule + i, loadBE32(p + i));
    for (let w = schedule + 64; w < schedule + 320; w += 4) {
      store<u32>(w, rotl<u32>(load<u32>(w - 12) ^ load<u32>(w - 32) ^ load<u32>(w - 56) ^ load<u32>(w - 64), 1));
    }
    let a = a0;
    let b = b0;
    let c = c0;
    let d = d0;
    let e = e0;
    let w = schedule;
    for (let end = schedule + 80; w < end; w += 20) {
      e += rotl<u32>(a, 5) + ch(b, c, d) + 0x5a827999 + load<u32>(w);
      b = rotl<u32>(b, 30);
      d += rotl<u32>(e, 5) + ch(a, b, c) + 0x5a827999 + load<u32>(w, 4);
      a = rotl<u32>(a, 30);
      c += rotl<u32>(d, 5) + ch(e, a, b) + 0x5a827999 + load<u32>(w, 8);
      e = rotl<u32>(e, 30);
      b += rotl<u32>(c, 5) + ch(d, e, a) + 0x5a827999 + load<u32>(w, 12);
      d = rotl<u32>(d, 30);
      a += rotl<u32>(b, 5) + ch(c, d, e) + 0x5a827999 + load<u32>(w, 16);
      c = rotl<u32>(c, 30);
    }
    for (let end = schedule + 160; w < end; w += 20) {
      e += rotl<u32>(a, 5) + parity(b, c, d) + 0x6ed9eba1 + load<u32>(w);
      b = rotl<u32>(b, 30);
      d += rotl<u32>(e, 5) + parity(a, b, c) + 0x6ed9eba1 + load<u32>(w, 4);
      a = rotl<u32>(a, 30);
      c += rotl<u32>(d, 5) + parity(e, a, b) + 0x6ed9eba1 + load<u32>(w, 8);
      e = rotl<u32>(e, 30);
      b += rotl<u32>(c, 5) + parity(d, e, a) + 0x6ed9eba1 + load<u32>(w, 12);
      d = rotl<u32>(d, 30);
      a += rotl<u32>(b, 5) + parity(c, d, e) + 0x6ed9eba1 + load<u32>(w, 16);
      c = rotl<u32>(c, 30);
    }
    for (let end = schedule + 240; w < end; w += 20) {
      e += rotl<u32>(a, 5) + maj(b, c, d) + 0x8f1bbcdc + load<u32>(w);
      b = rotl<u32>(b, 30);
      d += rotl<u32>(e, 5) + maj(a, b, c) + 0x8f1bbcdc + load<u32>(w, 4);
      a = rotl<u32>(a, 30);
      c += rotl<u32>(d, 5) + maj(e, a, b) + 0x8f1bbcdc + load<u32>(w, 8);
      e = rotl<u32>(e, 30);
      b += rotl<u32>(c, 5) + maj(d, e, a) + 0x8f1bbcdc + load<u32>(w, 12);
      d = rotl<u32>(d, 30);
      a += rotl<u32>(b, 5) + maj(c, d, e) + 0x8f1bbcdc + load<u32>(w, 16);
      c = rotl<u32>(c, 30);
    }
    for (let end = schedule + 320; w < end; w += 20) {
      e += rotl<u32>(a, 5) + parity(b, c, d) + 0xca62c1d6 + load<u32>(w);
      b = rotl<u32>(b, 30);
      d += rotl<u32>(e, 5) + parity(a, b, c) + 0xca62c1d6 + load<u32>(w, 4);
      a = rotl<u32>(a, 30);
      c += rotl<u32>(d, 5) + parity(e, a, b) + 0xca62c1d6 + load<u32>(w, 8);
      e = rotl<u32>(e, 30);
      b += rotl<u32>(c, 5) + parity(d, e, a) + 0xca62c1d6 + load<u32>(w, 12);
      d = rotl<u32>(d, 30);
      a += rotl<u32>(b, 5) + parity(c, d, e) + 0xca62c1d6 + load<u32>(w, 16);
      c = rotl<u32>(c, 30);
    }
    a0 += a;
    b0 += b;
    c0 += c;
    d0 += d;
    e0 += e;
    p += 64;
  }
  store<u32>(state, a0);
  store<u32>(state, b0, 4);
  store<u32>(state, c0, 8);
  store<u32>(state, d0, 12);
  store<u32>(state, e0, 16);
  memory.fill(schedule, 0, 320);
}
