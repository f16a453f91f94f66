/**
 * The compression function that SHA-256 and SHA-512 have in common (FIPS 180-4, 6.2.2 and 6.4.2): T is u32 for the one, u64 for
 * the other, and with it go rotations and rounds.
 *
 * The schedule is extended in the rounds that use it, sixteen words ahead, and each round adds last what is known last: both
 * leave the processor independent work. No address and no branch depends on the data. Refuses to pad and to count: that is
 * hash.ts.
 */
import { loadBE32, loadBE64 } from "../rt/bytes";

/** The message schedule W, at most 80 words of 64 bits. Wiped by sha2Compress. */
const schedule: usize = memory.data(80 * 8, 64);

/** Sum0: (4.4), (4.10). */
// @ts-ignore: decorator
@inline
function sum0<T>(x: T): T {
  if (sizeof<T>() == 4) return <T>(rotr<T>(x, 2) ^ rotr<T>(x, 13) ^ rotr<T>(x, 22));
  return <T>(rotr<T>(x, 28) ^ rotr<T>(x, 34) ^ rotr<T>(x, 39));
}

/** Sum1: (4.5), (4.11). */
// @ts-ignore: decorator
@inline
function sum1<T>(x: T): T {
  if (sizeof<T>() == 4) return <T>(rotr<T>(x, 6) ^ rotr<T>(x, 11) ^ rotr<T>(x, 25));
  return <T>(rotr<T>(x, 14) ^ rotr<T>(x, 18) ^ rotr<T>(x, 41));
}

/** sigma0: (4.6), (4.12). */
// @ts-ignore: decorator
@inline
function sigma0<T>(x: T): T {
  if (sizeof<T>() == 4) return <T>(rotr<T>(x, 7) ^ rotr<T>(x, 18) ^ (x >>> 3));
  return <T>(rotr<T>(x, 1) ^ rotr<T>(x, 8) ^ (x >>> 7));
}

/** sigma1: (4.7), (4.13). */
// @ts-ignore: decorator
@inline
function sigma1<T>(x: T): T {
  if (sizeof<T>() == 4) return <T>(rotr<T>(x, 17) ^ rotr<T>(x, 19) ^ (x >>> 10));
  return <T>(rotr<T>(x, 19) ^ rotr<T>(x, 61) ^ (x >>> 6));
}

/** (4.2), (4.8) */
// @ts-ignore: decorator
@inline
function ch<T>(x: T, y: T, z: T): T {
  return <T>(z ^ (x & (y ^ z)));
}

/** (4.3), (4.9); the next round's y ^ z is this one's x ^ y, and is computed once. */
// @ts-ignore: decorator
@inline
function maj<T>(x: T, y: T, z: T): T {
  return <T>(y ^ ((x ^ y) & (y ^ z)));
}

// @ts-ignore: decorator
@inline
function kw<T>(k: usize, w: usize, i: usize): T {
  return <T>(load<T>(k + i * sizeof<T>()) + load<T>(w + i * sizeof<T>()));
}

/** Word i + 16 of the schedule, w its place. */
// @ts-ignore: decorator
@inline
function extend<T>(w: usize, i: usize): void {
  const at = w + i * sizeof<T>();
  store<T>(
    at + 16 * sizeof<T>(),
    <T>(
      (load<T>(at) +
        load<T>(at + 9 * sizeof<T>()) +
        sigma0<T>(load<T>(at + sizeof<T>())) +
        sigma1<T>(load<T>(at + 14 * sizeof<T>())))
    ),
  );
}

// @ts-ignore: decorator
@inline
function accumulate<T>(at: usize, value: T): void {
  store<T>(at, <T>(load<T>(at) + value));
}

/** Absorbs `blocks` blocks of 16 words at `p` into the 8 words of `state`; `k` is the address of the constants. */
// @ts-ignore: decorator
@inline
export function sha2Compress<T>(state: usize, p: usize, blocks: u32, k: usize): void {
  const rounds: usize = sizeof<T>() == 4 ? 64 : 80;
  const ahead = schedule + (rounds - 16) * sizeof<T>();
  const constants = k;
  for (; blocks != 0; blocks--) {
    for (let i: usize = 0; i < 16; i++) {
      if (sizeof<T>() == 4) store<u32>(schedule + 4 * i, loadBE32(p + 4 * i));
      else store<u64>(schedule + 8 * i, loadBE64(p + 8 * i));
    }
    let a = load<T>(state);
    let b = load<T>(state + 1 * sizeof<T>());
    let c = load<T>(state + 2 * sizeof<T>());
    let d = load<T>(state + 3 * sizeof<T>());
    let e = load<T>(state + 4 * sizeof<T>());
    let f = load<T>(state + 5 * sizeof<T>());
    let g = load<T>(state + 6 * sizeof<T>());
    let h = load<T>(state + 7 * sizeof<T>());
    let s: T;
    let w = schedule;
    k = constants;
    for (; w < ahead; w += 8 * sizeof<T>()) {
      // Eight rounds: the names move instead of the values (step 3).
      h += kw<T>(k, w, 0) + ch<T>(e, f, g);
      s = sum1<T>(e);
      d = d + h + s;
      h = h + s + maj<T>(a, b, c) + sum0<T>(a);
      extend<T>(w, 0);
      g += kw<T>(k, w, 1) + ch<T>(d, e, f);
      s = sum1<T>(d);
      c = c + g + s;
      g = g + s + maj<T>(h, a, b) + sum0<T>(h);
      extend<T>(w, 1);
      f += kw<T>(k, w, 2) + ch<T>(c, d, e);
      s = sum1<T>(c);
      b = b + f + s;
      f = f + s + maj<T>(g, h, a) + sum0<T>(g);
      extend<T>(w, 2);
      e += kw<T>(k, w, 3) + ch<T>(b, c, d);
      s = sum1<T>(b);
      a = a + e + s;
      e = e + s + maj<T>(f, g, h) + sum0<T>(f);
      extend<T>(w, 3);
      d += kw<T>(k, w, 4) + ch<T>(a, b, c);
      s = sum1<T>(a);
      h = h + d + s;
      d = d + s + maj<T>(e, f, g) + sum0<T>(e);
      extend<T>(w, 4);
      c += kw<T>(k, w, 5) + ch<T>(h, a, b);
      s = sum1<T>(h);
      g = g + c + s;
      c = c + s + maj<T>(d, e, f) + sum0<T>(d);
      extend<T>(w, 5);
      b += kw<T>(k, w, 6) + ch<T>(g, h, a);
      s = sum1<T>(g);
      f = f + b + s;
      b = b + s + maj<T>(c, d, e) + sum0<T>(c);
      extend<T>(w, 6);
      a += kw<T>(k, w, 7) + ch<T>(f, g, h);
      s = sum1<T>(f);
      e = e + a + s;
      a = a + s + maj<T>(b, c, d) + sum0<T>(b);
      extend<T>(w, 7);
      k += 8 * sizeof<T>();
    }
    for (const end = ahead + 16 * sizeof<T>(); w < end; w += 8 * sizeof<T>()) {
      h += kw<T>(k, w, 0) + ch<T>(e, f, g);
      s = sum1<T>(e);
      d = d + h + s;
      h = h + s + maj<T>(a, b, c) + sum0<T>(a);
      g += kw<T>(k, w, 1) + ch<T>(d, e, f);
      s = sum1<T>(d);
      c = c + g + s;
      g = g + s + maj<T>(h, a, b) + sum0<T>(h);
      f += kw<T>(k, w, 2) + ch<T>(c, d, e);
      s = sum1<T>(c);
      b = b + f + s;
      f = f + s + maj<T>(g, h, a) + sum0<T>(g);
      e += kw<T>(k, w, 3) + ch<T>(b, c, d);
      s = sum1<T>(b);
      a = a + e + s;
      e = e + s + maj<T>(f, g, h) + sum0<T>(f);
      d += kw<T>(k, w, 4) + ch<T>(a, b, c);
      s = sum1<T>(a);
      h = h + d + s;
      d = d + s + maj<T>(e, f, g) + sum0<T>(e);
      c += kw<T>(k, w, 5) + ch<T>(h, a, b);
      s = sum1<T>(h);
      g = g + c + s;
      c = c + s + maj<T>(d, e, f) + sum0<T>(d);
      b += kw<T>(k, w, 6) + ch<T>(g, h, a);
      s = sum1<T>(g);
      f = f + b + s;
      b = b + s + maj<T>(c, d, e) + sum0<T>(c);
      a += kw<T>(k, w, 7) + ch<T>(f, g, h);
      s = sum1<T>(f);
      e = e + a + s;
      a = a + s + maj<T>(b, c, d) + sum0<T>(b);
      k += 8 * sizeof<T>();
    }
    accumulate<T>(state, a);
    accumulate<T>(state + 1 * sizeof<T>(), b);
    accumulate<T>(state + 2 * sizeof<T>(), c);
    accumulate<T>(state + 3 * sizeof<T>(), d);
    accumulate<T>(state + 4 * sizeof<T>(), e);
    accumulate<T>(state + 5 * sizeof<T>(), f);
    accumulate<T>(state + 6 * sizeof<T>(), g);
    accumulate<T>(state + 7 * sizeof<T>(), h);
    p += 16 * sizeof<T>();
  }
  memory.fill(schedule, 0, rounds * sizeof<T>());
}
