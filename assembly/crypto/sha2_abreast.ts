/**
 * SHA-256 of four messages abreast, SHA-512 and SHA-384 of two (FIPS 180-4, 6.2.2 and 6.4.2): sha2.ts with a vector in place of
 * each word, a message per lane. For builds with SIMD.
 *
 * A state is 8 vectors: word 0 of all lanes, word 1 of all lanes, and so on. No address and no branch depends on the data.
 * Leaves the schedule as it is: a caller wipes it (sha2AbreastWipe) when its batch is through.
 */
import { SHA256_K } from "./sha256";
import { SHA512_K } from "./sha512";

/**
 * The message schedule W, at most 80 vectors, and behind it every value that e and a take, the four before the first round
 * included. Words b to d and f to h are a and e of earlier rounds: read back from there they occupy no register, and the stores
 * keep the compiler from moving the rounds into one another, which would spill more than that (12 % of the time).
 */
const schedule: usize = memory.data(2 * 4544, 64);
/** From one group of lanes to the next: no multiple of a page, lest loads wait for the other group's stores. */
const GROUP: usize = 4544;
const EARLIER_E: usize = 84 * 16;
const EARLIER_A: usize = 2 * 84 * 16;

/** Octets of a group's state and of its lanes: addresses and distances. */
export const ABREAST_STATE_OCTETS: usize = 128;
export const ABREAST_LANES_OCTETS: usize = 32;

// @ts-ignore: decorator
@inline
function add<T>(a: v128, b: v128): v128 {
  return v128.add<T>(a, b);
}

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

/** A rotation, in two parts that share no bit: a vector has none of its own. */
// @ts-ignore: decorator
@inline
function rotate<T>(x: v128, n: i32): v128 {
  return xor(v128.shr<T>(x, n), v128.shl<T>(x, 8 * sizeof<T>() - n));
}

// @ts-ignore: decorator
@inline
function sum0<T>(x: v128): v128 {
  if (sizeof<T>() == 4) return xor(xor(rotate<T>(x, 2), rotate<T>(x, 13)), rotate<T>(x, 22));
  return xor(xor(rotate<T>(x, 28), rotate<T>(x, 34)), rotate<T>(x, 39));
}

// @ts-ignore: decorator
@inline
function sum1<T>(x: v128): v128 {
  if (sizeof<T>() == 4) return xor(xor(rotate<T>(x, 6), rotate<T>(x, 11)), rotate<T>(x, 25));
  return xor(xor(rotate<T>(x, 14), rotate<T>(x, 18)), rotate<T>(x, 41));
}

// @ts-ignore: decorator
@inline
function sigma0<T>(x: v128): v128 {
  if (sizeof<T>() == 4) return xor(xor(rotate<T>(x, 7), rotate<T>(x, 18)), v128.shr<T>(x, 3));
  // A rotation by whole octets is one shuffle.
  const by8 = i8x16.swizzle(x, v128(1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8));
  return xor(xor(rotate<T>(x, 1), by8), v128.shr<T>(x, 7));
}

// @ts-ignore: decorator
@inline
function sigma1<T>(x: v128): v128 {
  if (sizeof<T>() == 4) return xor(xor(rotate<T>(x, 17), rotate<T>(x, 19)), v128.shr<T>(x, 10));
  return xor(xor(rotate<T>(x, 19), rotate<T>(x, 61)), v128.shr<T>(x, 6));
}

/** What a round adds that is known before the round's e: h, constant, schedule and Ch. */
// @ts-ignore: decorator
@inline
function early<T>(k: usize, w: usize, i: usize, e: v128, f: v128): v128 {
  const at = w + 16 * i;
  const g = v128.load(at, EARLIER_E + 16);
  const kw = add<T>(v128.load_splat<T>(k + i * sizeof<T>()), v128.load(at));
  return add<T>(add<T>(v128.load(at, EARLIER_E), kw), xor(g, v128.and(e, xor(f, g))));
}

/** The round's new e, also written behind the earlier ones: d + T1. */
// @ts-ignore: decorator
@inline
function nextE<T>(w: usize, i: usize, x: v128, s: v128): v128 {
  const at = w + 16 * i;
  const e = add<T>(add<T>(v128.load(at, EARLIER_A), x), s);
  v128.store(at, e, EARLIER_E + 64);
  return e;
}

/** The round's new a, likewise: T1 + T2, given a ^ b and b ^ c for Maj. */
// @ts-ignore: decorator
@inline
function nextA<T>(w: usize, i: usize, x: v128, s: v128, a: v128, b: v128, ab: v128, bc: v128): v128 {
  const next = add<T>(add<T>(add<T>(x, s), xor(b, v128.and(ab, bc))), sum0<T>(a));
  v128.store(w + 16 * i, next, EARLIER_A + 64);
  return next;
}

/** Word i + 16 of the schedule, w its place. */
// @ts-ignore: decorator
@inline
function extend<T>(w: usize, i: usize): void {
  const at = w + 16 * i;
  v128.store(
    at,
    add<T>(
      add<T>(v128.load(at), v128.load(at, 9 * 16)),
      add<T>(sigma0<T>(v128.load(at, 16)), sigma1<T>(v128.load(at, 14 * 16))),
    ),
    16 * 16,
  );
}

/** Octets of each word in reverse. */
// @ts-ignore: decorator
@inline
function bigEndian<T>(x: v128): v128 {
  if (sizeof<T>() == 4) return i8x16.swizzle(x, v128(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
  return i8x16.swizzle(x, v128(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
}

/** Sixteen octets of each of four messages to `w`, turned so that a vector holds one word of all. */
// @ts-ignore: decorator
@inline
export function turnWords(lanes: usize, at: usize, w: usize): void {
  const x0 = v128.load(<usize>load<u32>(lanes) + at);
  const x1 = v128.load(<usize>load<u32>(lanes, 4) + at);
  const x2 = v128.load(<usize>load<u32>(lanes, 8) + at);
  const x3 = v128.load(<usize>load<u32>(lanes, 12) + at);
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  v128.store(w, bigEndian<u32>(v128.shuffle<i64>(low01, low23, 0, 2)));
  v128.store(w, bigEndian<u32>(v128.shuffle<i64>(low01, low23, 1, 3)), 16);
  v128.store(w, bigEndian<u32>(v128.shuffle<i64>(high01, high23, 0, 2)), 32);
  v128.store(w, bigEndian<u32>(v128.shuffle<i64>(high01, high23, 1, 3)), 48);
}

/** Sixteen octets of each of two messages, of words of 64 bits. */
// @ts-ignore: decorator
@inline
function turnLongWords(lanes: usize, at: usize, w: usize): void {
  const x0 = v128.load(<usize>load<u32>(lanes) + at);
  const x1 = v128.load(<usize>load<u32>(lanes, 4) + at);
  v128.store(w, bigEndian<u64>(v128.shuffle<i64>(x0, x1, 0, 2)));
  v128.store(w, bigEndian<u64>(v128.shuffle<i64>(x0, x1, 1, 3)), 16);
}

/** A block of each lane into the schedule, and the first values of e and a before those of the rounds. */
// @ts-ignore: decorator
@inline
function take<T>(state: usize, lanes: usize, w: usize): void {
  for (let at: usize = 0; at < 16 * sizeof<T>(); at += 16) {
    if (sizeof<T>() == 4) turnWords(lanes, at, w + at * (16 / sizeof<T>()));
    else turnLongWords(lanes, at, w + at * (16 / sizeof<T>()));
  }
  v128.store(lanes, i32x4.add(v128.load(lanes), v128.load(lanes, 16)));
  for (let i: usize = 0; i < 64; i += 16) {
    v128.store(w + i, v128.load(state + 48 - i), EARLIER_A);
    v128.store(w + i, v128.load(state + 112 - i), EARLIER_E);
  }
}

/** Adds the last values of a and e, behind `w`, to the state. */
// @ts-ignore: decorator
@inline
function accumulate<T>(state: usize, w: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    v128.store(state + 48 - i, add<T>(v128.load(state + 48 - i), v128.load(w + i, EARLIER_A)));
    v128.store(state + 112 - i, add<T>(v128.load(state + 112 - i), v128.load(w + i, EARLIER_E)));
  }
}

/** One block of each lane of a group at a time. */
// @ts-ignore: decorator
@inline
function abreast<T>(state: usize, lanes: usize, blocks: u32, constants: usize): void {
  const ahead = schedule + 16 * (sizeof<T>() == 4 ? 48 : 64);
  for (; blocks != 0; blocks--) {
    take<T>(state, lanes, schedule);
    let a = v128.load(state);
    let b = v128.load(state, 16);
    let e = v128.load(state, 64);
    let f = v128.load(state, 80);
    let y: v128;
    let z = xor(b, v128.load(state, 32));
    let x: v128;
    let s: v128;
    let k = constants;
    let w = schedule;
    // Eight rounds: a is b's new value in one and the other way round in the next, and so e and f, y and z.
    for (; w < ahead; w += 8 * 16) {
      x = early<T>(k, w, 0, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 0, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 0, x, s, a, b, y, z);
      extend<T>(w, 0);
      x = early<T>(k, w, 1, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 1, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 1, x, s, b, a, z, y);
      extend<T>(w, 1);
      x = early<T>(k, w, 2, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 2, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 2, x, s, a, b, y, z);
      extend<T>(w, 2);
      x = early<T>(k, w, 3, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 3, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 3, x, s, b, a, z, y);
      extend<T>(w, 3);
      x = early<T>(k, w, 4, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 4, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 4, x, s, a, b, y, z);
      extend<T>(w, 4);
      x = early<T>(k, w, 5, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 5, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 5, x, s, b, a, z, y);
      extend<T>(w, 5);
      x = early<T>(k, w, 6, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 6, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 6, x, s, a, b, y, z);
      extend<T>(w, 6);
      x = early<T>(k, w, 7, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 7, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 7, x, s, b, a, z, y);
      extend<T>(w, 7);
      k += 8 * sizeof<T>();
    }
    for (const end = ahead + 16 * 16; w < end; w += 8 * 16) {
      x = early<T>(k, w, 0, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 0, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 0, x, s, a, b, y, z);
      x = early<T>(k, w, 1, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 1, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 1, x, s, b, a, z, y);
      x = early<T>(k, w, 2, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 2, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 2, x, s, a, b, y, z);
      x = early<T>(k, w, 3, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 3, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 3, x, s, b, a, z, y);
      x = early<T>(k, w, 4, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 4, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 4, x, s, a, b, y, z);
      x = early<T>(k, w, 5, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 5, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 5, x, s, b, a, z, y);
      x = early<T>(k, w, 6, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 6, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 6, x, s, a, b, y, z);
      x = early<T>(k, w, 7, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 7, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 7, x, s, b, a, z, y);
      k += 8 * sizeof<T>();
    }
    accumulate<T>(state, w);
  }
}

/** The same of two groups: their rounds take turns, since those of one wait for each other. */
// @ts-ignore: decorator
@inline
function abreastTwice<T>(state: usize, lanes: usize, blocks: u32, constants: usize): void {
  const ahead = schedule + 16 * (sizeof<T>() == 4 ? 48 : 64);
  for (; blocks != 0; blocks--) {
    take<T>(state, lanes, schedule);
    take<T>(state + ABREAST_STATE_OCTETS, lanes + ABREAST_LANES_OCTETS, schedule + GROUP);
    let a = v128.load(state);
    let b = v128.load(state, 16);
    let e = v128.load(state, 64);
    let f = v128.load(state, 80);
    let y: v128;
    let z = xor(b, v128.load(state, 32));
    let a1 = v128.load(state, 128);
    let b1 = v128.load(state, 144);
    let e1 = v128.load(state, 192);
    let f1 = v128.load(state, 208);
    let y1: v128;
    let z1 = xor(b1, v128.load(state, 160));
    let x: v128;
    let s: v128;
    let k = constants;
    let w = schedule;
    // Two rounds: a is b's new value in one and the other way round in the next, and so e and f, y and z.
    for (; w < ahead; w += 2 * 16) {
      x = early<T>(k, w, 0, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 0, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 0, x, s, a, b, y, z);
      extend<T>(w, 0);
      x = early<T>(k, w + GROUP, 0, e1, f1);
      s = sum1<T>(e1);
      f1 = nextE<T>(w + GROUP, 0, x, s);
      y1 = xor(a1, b1);
      b1 = nextA<T>(w + GROUP, 0, x, s, a1, b1, y1, z1);
      extend<T>(w + GROUP, 0);
      x = early<T>(k, w, 1, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 1, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 1, x, s, b, a, z, y);
      extend<T>(w, 1);
      x = early<T>(k, w + GROUP, 1, f1, e1);
      s = sum1<T>(f1);
      e1 = nextE<T>(w + GROUP, 1, x, s);
      z1 = xor(b1, a1);
      a1 = nextA<T>(w + GROUP, 1, x, s, b1, a1, z1, y1);
      extend<T>(w + GROUP, 1);
      k += 2 * sizeof<T>();
    }
    for (const end = ahead + 16 * 16; w < end; w += 2 * 16) {
      x = early<T>(k, w, 0, e, f);
      s = sum1<T>(e);
      f = nextE<T>(w, 0, x, s);
      y = xor(a, b);
      b = nextA<T>(w, 0, x, s, a, b, y, z);
      x = early<T>(k, w + GROUP, 0, e1, f1);
      s = sum1<T>(e1);
      f1 = nextE<T>(w + GROUP, 0, x, s);
      y1 = xor(a1, b1);
      b1 = nextA<T>(w + GROUP, 0, x, s, a1, b1, y1, z1);
      x = early<T>(k, w, 1, f, e);
      s = sum1<T>(f);
      e = nextE<T>(w, 1, x, s);
      z = xor(b, a);
      a = nextA<T>(w, 1, x, s, b, a, z, y);
      x = early<T>(k, w + GROUP, 1, f1, e1);
      s = sum1<T>(f1);
      e1 = nextE<T>(w + GROUP, 1, x, s);
      z1 = xor(b1, a1);
      a1 = nextA<T>(w + GROUP, 1, x, s, b1, a1, z1, y1);
      k += 2 * sizeof<T>();
    }
    accumulate<T>(state, w);
    accumulate<T>(state + ABREAST_STATE_OCTETS, w + GROUP);
  }
}

/**
 * Absorbs `blocks` blocks of 64 octets of each of four messages. `lanes` holds four addresses (u32), which move on, and four
 * distances (u32) from a block to the next: 0 for a lane that only keeps the others company.
 */
export function sha256Abreast(state: usize, lanes: usize, blocks: u32): void {
  if (ASC_FEATURE_SIMD) abreast<u32>(state, lanes, blocks, SHA256_K);
}

/** The same for blocks of 128 octets of two messages; addresses 2 and 3 and their distances are not used. */
export function sha512Abreast(state: usize, lanes: usize, blocks: u32): void {
  if (ASC_FEATURE_SIMD) abreast<u64>(state, lanes, blocks, SHA512_K);
}

/** Both for two groups of lanes: eight messages with SHA-256, their groups' states and lanes one behind the other. */
export function sha256AbreastTwice(state: usize, lanes: usize, blocks: u32): void {
  if (ASC_FEATURE_SIMD) abreastTwice<u32>(state, lanes, blocks, SHA256_K);
}

/** Four messages with SHA-512 or SHA-384. */
export function sha512AbreastTwice(state: usize, lanes: usize, blocks: u32): void {
  if (ASC_FEATURE_SIMD) abreastTwice<u64>(state, lanes, blocks, SHA512_K);
}

/** Forgets the last blocks. */
export function sha2AbreastWipe(): void {
  memory.fill(schedule, 0, 2 * GROUP);
}
