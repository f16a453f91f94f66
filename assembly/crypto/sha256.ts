/**
 * SHA-256 compression (FIPS 180-4, 6.2.2).
 *
 * Used by HMAC-SHA-256 (RFC 4868), the PRF of RFC 7296 and the DRBG. One stream at a time; sha256_batch.ts takes four.
 * No address and no branch depends on the data. Refuses to pad and to count: that is hash.ts.
 */
import { loadBE32 } from "../rt/bytes";

/** K{256} (4.2.2): first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
export const SHA256_K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);

/** The message schedule W, 64 words (6.2.2 step 1). Wiped by sha256Compress. */
const schedule: usize = memory.data(64 * 4, 16);

/** Writes H(0) (5.3.3) to `state`, 8 words. */
export function sha256Reset(state: usize): void {
  store<u32>(state, 0x6a09e667);
  store<u32>(state, 0xbb67ae85, 4);
  store<u32>(state, 0x3c6ef372, 8);
  store<u32>(state, 0xa54ff53a, 12);
  store<u32>(state, 0x510e527f, 16);
  store<u32>(state, 0x9b05688c, 20);
  store<u32>(state, 0x1f83d9ab, 24);
  store<u32>(state, 0x5be0cd19, 28);
}

// @ts-ignore: decorator
@inline
function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >>> 3); // (4.6)
}

// @ts-ignore: decorator
@inline
function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >>> 10); // (4.7)
}

/** T1 without h: Sum1(e) + Ch(e, f, g) + K + W. */
// @ts-ignore: decorator
@inline
function t1(e: u32, f: u32, g: u32, kw: u32): u32 {
  return (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + (g ^ (e & (f ^ g))) + kw; // (4.5) (4.2)
}

/** T2: Sum0(a) + Maj(a, b, c). */
// @ts-ignore: decorator
@inline
function t2(a: u32, b: u32, c: u32): u32 {
  return (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) | (c & (a | b))); // (4.4) (4.3)
}

// @ts-ignore: decorator
@inline
function kw(i: usize): u32 {
  return load<u32>(SHA256_K + i) + load<u32>(schedule + i);
}

/** Absorbs `blocks` blocks of 64 octets at `p` into `state`. */
export function sha256Compress(state: usize, p: usize, blocks: u32): void {
  let a0 = load<u32>(state);
  let b0 = load<u32>(state, 4);
  let c0 = load<u32>(state, 8);
  let d0 = load<u32>(state, 12);
  let e0 = load<u32>(state, 16);
  let f0 = load<u32>(state, 20);
  let g0 = load<u32>(state, 24);
  let h0 = load<u32>(state, 28);
  for (; blocks != 0; blocks--) {
    for (let i: usize = 0; i < 64; i += 4) store<u32>(schedule + i, loadBE32(p + i));
    for (let w = schedule + 64; w < schedule + 256; w += 4) {
      store<u32>(w, sigma1(load<u32>(w - 8)) + load<u32>(w - 28) + sigma0(load<u32>(w - 60)) + load<u32>(w - 64));
    }
    let a = a0;
    let b = b0;
    let c = c0;
    let d = d0;
    let e = e0;
    let f = f0;
    let g = g0;
    let h = h0;
    for (let i: usize = 0; i < 256; i += 32) {
      // Eight rounds: the names move instead of the values (6.2.2 step 3).
      h += t1(e, f, g, kw(i));
      d += h;
      h += t2(a, b, c);
      g += t1(d, e, f, kw(i + 4));
      c += g;
      g += t2(h, a, b);
      f += t1(c, d, e, kw(i + 8));
      b += f;
      f += t2(g, h, a);
      e += t1(b, c, d, kw(i + 12));
      a += e;
      e += t2(f, g, h);
      d += t1(a, b, c, kw(i + 16));
      h += d;
      d += t2(e, f, g);
      c += t1(h, a, b, kw(i + 20));
      g += c;
      c += t2(d, e, f);
      b += t1(g, h, a, kw(i + 24));
      f += b;
      b += t2(c, d, e);
      a += t1(f, g, h, kw(i + 28));
      e += a;
      a += t2(b, c, d);
    }
    a0 += a;
    b0 += b;
    c0 += c;
    d0 += d;
    e0 += e;
    f0 += f;
    g0 += g;
    h0 += h;
    p += 64;
  }
  store<u32>(state, a0);
  store<u32>(state, b0, 4);
  store<u32>(state, c0, 8);
  store<u32>(state, d0, 12);
  store<u32>(state, e0, 16);
  store<u32>(state, f0, 20);
  store<u32>(state, g0, 24);
  store<u32>(state, h0, 28);
  memory.fill(schedule, 0, 256);
}
