/**
 * SHA-1 of four messages abreast (FIPS 180-4, 6.1.2): sha1.ts with a vector in place of each word, a message per lane. For
 * builds with SIMD, and for HMAC-SHA-1 alone.
 *
 * A state is 5 vectors: word 0 of all lanes, word 1 of all lanes, and so on. No address and no branch depends on the data.
 * Leaves the schedule as it is: a caller wipes it (sha1AbreastWipe) when its batch is through.
 */
import { turnWords } from "./sha2_abreast";

/** The message schedule W, 80 vectors. */
const schedule: usize = memory.data(80 * 16, 64);

// @ts-ignore: decorator
@inline
function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
function rotl5(x: v128): v128 {
  return v128.or(i32x4.shl(x, 5), i32x4.shr_u(x, 27));
}

// @ts-ignore: decorator
@inline
function rotl30(x: v128): v128 {
  return v128.or(i32x4.shl(x, 30), i32x4.shr_u(x, 2));
}

/** (4.1): Ch in the first quarter, Maj in the third, Parity in the others. */
// @ts-ignore: decorator
@inline
function f(quarter: u32, x: v128, y: v128, z: v128): v128 {
  if (quarter == 0) return xor(z, v128.and(x, xor(y, z)));
  if (quarter == 2) return xor(y, v128.and(xor(x, y), xor(y, z)));
  return xor(xor(x, y), z);
}

/** Word i + 16 of the schedule, w its place. */
// @ts-ignore: decorator
@inline
function extend(w: usize, i: usize): void {
  const at = w + 16 * i;
  const x = xor(xor(v128.load(at), v128.load(at, 32)), xor(v128.load(at, 128), v128.load(at, 208)));
  v128.store(at, v128.or(add(x, x), i32x4.shr_u(x, 31)), 256);
}

/** What a round adds that does not wait for the round before: e, constant, schedule and function. */
// @ts-ignore: decorator
@inline
function early(quarter: u32, b: v128, c: v128, d: v128, e: v128, w: usize, i: usize): v128 {
  let k: u32 = 0x5a827999; // (4.2.1)
  if (quarter == 1) k = 0x6ed9eba1;
  else if (quarter == 2) k = 0x8f1bbcdc;
  else if (quarter == 3) k = 0xca62c1d6;
  return add(add(e, add(i32x4.splat(k), v128.load(w + 16 * i))), f(quarter, b, c, d));
}

/** Absorbs `blocks` blocks of each of four messages; `lanes` as sha256Abreast takes it. */
export function sha1Abreast(state: usize, lanes: usize, blocks: u32): void {
  if (!ASC_FEATURE_SIMD) return;
  for (; blocks != 0; blocks--) {
    for (let at: usize = 0; at < 64; at += 16) turnWords(lanes, at, schedule + 4 * at);
    v128.store(lanes, add(v128.load(lanes), v128.load(lanes, 16)));
    let a = v128.load(state);
    let b = v128.load(state, 16);
    let c = v128.load(state, 32);
    let d = v128.load(state, 48);
    let e = v128.load(state, 64);
    let w = schedule;
    for (; w < schedule + 20 * 16; w += 80) {
      e = add(early(0, b, c, d, e, w, 0), rotl5(a));
      b = rotl30(b);
      extend(w, 0);
      d = add(early(0, a, b, c, d, w, 1), rotl5(e));
      a = rotl30(a);
      extend(w, 1);
      c = add(early(0, e, a, b, c, w, 2), rotl5(d));
      e = rotl30(e);
      extend(w, 2);
      b = add(early(0, d, e, a, b, w, 3), rotl5(c));
      d = rotl30(d);
      extend(w, 3);
      a = add(early(0, c, d, e, a, w, 4), rotl5(b));
      c = rotl30(c);
      extend(w, 4);
    }
    for (; w < schedule + 40 * 16; w += 80) {
      e = add(early(1, b, c, d, e, w, 0), rotl5(a));
      b = rotl30(b);
      extend(w, 0);
      d = add(early(1, a, b, c, d, w, 1), rotl5(e));
      a = rotl30(a);
      extend(w, 1);
      c = add(early(1, e, a, b, c, w, 2), rotl5(d));
      e = rotl30(e);
      extend(w, 2);
      b = add(early(1, d, e, a, b, w, 3), rotl5(c));
      d = rotl30(d);
      extend(w, 3);
      a = add(early(1, c, d, e, a, w, 4), rotl5(b));
      c = rotl30(c);
      extend(w, 4);
    }
    for (; w < schedule + 60 * 16; w += 80) {
      e = add(early(2, b, c, d, e, w, 0), rotl5(a));
      b = rotl30(b);
      extend(w, 0);
      d = add(early(2, a, b, c, d, w, 1), rotl5(e));
      a = rotl30(a);
      extend(w, 1);
      c = add(early(2, e, a, b, c, w, 2), rotl5(d));
      e = rotl30(e);
      extend(w, 2);
      b = add(early(2, d, e, a, b, w, 3), rotl5(c));
      d = rotl30(d);
      extend(w, 3);
      a = add(early(2, c, d, e, a, w, 4), rotl5(b));
      c = rotl30(c);
      extend(w, 4);
    }
    for (let i: usize = 0; i < 4; i++) extend(w, i); // words 76 to 79
    for (; w < schedule + 80 * 16; w += 80) {
      e = add(early(3, b, c, d, e, w, 0), rotl5(a));
      b = rotl30(b);
      d = add(early(3, a, b, c, d, w, 1), rotl5(e));
      a = rotl30(a);
      c = add(early(3, e, a, b, c, w, 2), rotl5(d));
      e = rotl30(e);
      b = add(early(3, d, e, a, b, w, 3), rotl5(c));
      d = rotl30(d);
      a = add(early(3, c, d, e, a, w, 4), rotl5(b));
      c = rotl30(c);
    }
    v128.store(state, add(v128.load(state), a));
    v128.store(state, add(v128.load(state, 16), b), 16);
    v128.store(state, add(v128.load(state, 32), c), 32);
    v128.store(state, add(v128.load(state, 48), d), 48);
    v128.store(state, add(v128.load(state, 64), e), 64);
  }
}

/** Forgets the last blocks. */
export function sha1AbreastWipe(): void {
  memory.fill(schedule, 0, 80 * 16);
}
