/**
 * GHASH by look-ups in registers, sixteen blocks abreast, for builds with SIMD.
 *
 * Multiplication by a fixed K is linear over GF(2): the product is the sum, over the 32 nibbles of the operand, of what each
 * contributes, and each octet of a contribution is one of 16 values. Sixteen operands are held octet-sliced (word o = octet o
 * of all of them), so that `swizzle` looks one nibble of each up in the 16 values of an output octet at once: 512 swizzles
 * and additions for 16 products. The table of K takes 8 KiB; its addresses depend on nothing secret.
 *
 * A lane is a packet or a block, as the caller arranges the pointers. Where a lane has two blocks at hand, both are looked up
 * while a row of the table is in a register.
 */

/** Octets of the table of one multiplier. */
export const SWIZZLE_TABLE_OCTETS: u32 = 8192;
/** Octets of the hash state: 16 words, octet-sliced. */
export const SWIZZLE_STATE_OCTETS: u32 = 256;
/** Octets of a lane's record: address of its next block (u32), distance to the one after it (u32). */
export const LANE_OCTETS: usize = 8;

const rows: usize = memory.data(256, 64);
const nibbles: usize = memory.data(1024, 64);

// @ts-ignore: decorator
@inline
function lookUp(table: v128, index: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, index);
  return i8x16.swizzle(table, index);
}

// @ts-ignore: decorator
@inline
function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Two of the four steps of a 16 x 16 transposition: rows i, i + 4, i + 8 and i + 12 to rows 4 i to 4 i + 3. */
// @ts-ignore: decorator
@inline
function interleaveFour(a: v128, b: v128, c: v128, d: v128, to: usize): void {
  const e = interleaveLow(a, c);
  const f = interleaveHigh(a, c);
  const g = interleaveLow(b, d);
  const h = interleaveHigh(b, d);
  v128.store(to, interleaveLow(e, g));
  v128.store(to, interleaveHigh(e, g), 16);
  v128.store(to, interleaveLow(f, h), 32);
  v128.store(to, interleaveHigh(f, h), 48);
}

/** Transposes 16 x 16 octets; `from` and `to` may not overlap. */
export function transposeOctets(from: usize, to: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const at = from + i;
    interleaveFour(v128.load(at), v128.load(at, 64), v128.load(at, 128), v128.load(at, 192), rows + (i << 2));
  }
  for (let i: usize = 0; i < 64; i += 16) {
    const at = rows + i;
    interleaveFour(v128.load(at), v128.load(at, 64), v128.load(at, 128), v128.load(at, 192), to + (i << 2));
  }
}

/** Builds the table of the multiplier whose high (first eight octets, big-endian) and low halves are given. */
export function swizzleTable(high: u64, low: u64, table: usize): void {
  // Entry v of a nibble is the sum of its bits' multiples, highest bit first: 8, 4, 2, 1.
  for (let nibble: usize = 0; nibble < 32; nibble++) {
    v128.store(nibbles, i64x2.splat(0));
    for (let at = nibbles + 128; at > nibbles + 8; at = nibbles + ((at - nibbles) >> 1)) {
      store<u64>(at, bswap<u64>(high));
      store<u64>(at, bswap<u64>(low), 8);
      // Times x: one place to the right, and x^128 = 1 + x + x^2 + x^7.
      const carry = 0 - (low & 1);
      low = (low >> 1) | (high << 63);
      high = (high >> 1) ^ (carry & 0xe100000000000000);
    }
    for (let power: usize = 32; power <= 128; power <<= 1) {
      for (let below: usize = 16; below < power; below += 16) {
        v128.store(nibbles + power + below, v128.xor(v128.load(nibbles + power), v128.load(nibbles + below)));
      }
    }
    transposeOctets(nibbles, nibbles + 256);
    const to = table + (nibble << 7);
    for (let i: usize = 0; i < 128; i += 16) {
      v128.store(to + i, v128.load(nibbles + 256 + i));
      v128.store(to + i, v128.load(nibbles + 384 + i), 4096);
    }
  }
}

/** Half of the products (eight output octets) of the operands whose nibbles are at `from`. */
// @ts-ignore: decorator
@inline
function multiplyHalf(table: usize, from: usize, to: usize): void {
  let a = i64x2.splat(0);
  let b = i64x2.splat(0);
  let c = i64x2.splat(0);
  let d = i64x2.splat(0);
  let e = i64x2.splat(0);
  let f = i64x2.splat(0);
  let g = i64x2.splat(0);
  let h = i64x2.splat(0);
  for (let at = from; at < from + 512; at += 32) {
    const x = v128.load(at);
    a = v128.xor(a, lookUp(v128.load(table), x));
    b = v128.xor(b, lookUp(v128.load(table, 16), x));
    c = v128.xor(c, lookUp(v128.load(table, 32), x));
    d = v128.xor(d, lookUp(v128.load(table, 48), x));
    e = v128.xor(e, lookUp(v128.load(table, 64), x));
    f = v128.xor(f, lookUp(v128.load(table, 80), x));
    g = v128.xor(g, lookUp(v128.load(table, 96), x));
    h = v128.xor(h, lookUp(v128.load(table, 112), x));
    const y = v128.load(at, 16);
    a = v128.xor(a, lookUp(v128.load(table, 128), y));
    b = v128.xor(b, lookUp(v128.load(table, 144), y));
    c = v128.xor(c, lookUp(v128.load(table, 160), y));
    d = v128.xor(d, lookUp(v128.load(table, 176), y));
    e = v128.xor(e, lookUp(v128.load(table, 192), y));
    f = v128.xor(f, lookUp(v128.load(table, 208), y));
    g = v128.xor(g, lookUp(v128.load(table, 224), y));
    h = v128.xor(h, lookUp(v128.load(table, 240), y));
    table += 256;
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  v128.store(to, e, 64);
  v128.store(to, f, 80);
  v128.store(to, g, 96);
  v128.store(to, h, 112);
}

/** Interleaved blocks of the lanes, `at` octets after their addresses, added to `state` and split into nibbles at `to`. */
// @ts-ignore: decorator
@inline
function takeBlocks(lanes: usize, at: usize, state: usize, to: usize): void {
  const low = i8x16.splat(0x0f);
  for (let i: usize = 0; i < 4; i++) {
    const lane = lanes + i * LANE_OCTETS;
    const a = at + load<u32>(lane);
    const b = at + load<u32>(lane, 4 * LANE_OCTETS);
    const c = at + load<u32>(lane, 8 * LANE_OCTETS);
    const d = at + load<u32>(lane, 12 * LANE_OCTETS);
    interleaveFour(v128.load(a), v128.load(b), v128.load(c), v128.load(d), rows + (i << 6));
  }
  for (let i: usize = 0; i < 64; i += 16) {
    const from = rows + i;
    const a = v128.load(from);
    const b = v128.load(from, 64);
    const c = v128.load(from, 128);
    const d = v128.load(from, 192);
    const e = interleaveLow(a, c);
    const f = interleaveHigh(a, c);
    const g = interleaveLow(b, d);
    const h = interleaveHigh(b, d);
    const old = state + (i << 2);
    const split = to + (i << 3);
    const w = v128.xor(interleaveLow(e, g), v128.load(old));
    v128.store(split, i8x16.shr_u(w, 4));
    v128.store(split, v128.and(w, low), 16);
    const x = v128.xor(interleaveHigh(e, g), v128.load(old, 16));
    v128.store(split, i8x16.shr_u(x, 4), 32);
    v128.store(split, v128.and(x, low), 48);
    const y = v128.xor(interleaveLow(f, h), v128.load(old, 32));
    v128.store(split, i8x16.shr_u(y, 4), 64);
    v128.store(split, v128.and(y, low), 80);
    const z = v128.xor(interleaveHigh(f, h), v128.load(old, 48));
    v128.store(split, i8x16.shr_u(z, 4), 96);
    v128.store(split, v128.and(z, low), 112);
  }
}

/** Adds to every lane's address its distance. */
// @ts-ignore: decorator
@inline
function advance(lanes: usize): void {
  for (let lane = lanes; lane < lanes + 16 * LANE_OCTETS; lane += LANE_OCTETS) {
    store<u32>(lane, load<u32>(lane) + load<u32>(lane, 4));
  }
}

/**
 * `steps` times: state = (state + one block of each lane) * K. Lanes stand in a table of 16 records (LANE_OCTETS); their
 * addresses advance. `state` is octet-sliced.
 */
export function swizzleSteps(table: usize, state: usize, lanes: usize, steps: u32): void {
  for (; steps > 0; steps--) {
    takeBlocks(lanes, 0, state, nibbles);
    advance(lanes);
    multiplyHalf(table, nibbles, state);
    multiplyHalf(table + 4096, nibbles, state + 128);
  }
}

/** Four output octets of the products of both operands: `table` is where the first nibble's begin. */
// @ts-ignore: decorator
@inline
function multiplyQuarters(table: usize, to: usize): void {
  let a = i64x2.splat(0);
  let b = i64x2.splat(0);
  let c = i64x2.splat(0);
  let d = i64x2.splat(0);
  let e = i64x2.splat(0);
  let f = i64x2.splat(0);
  let g = i64x2.splat(0);
  let h = i64x2.splat(0);
  for (let at = nibbles; at < nibbles + 512; at += 16) {
    const x = v128.load(at);
    const y = v128.load(at, 512);
    const k = v128.load(table);
    a = v128.xor(a, lookUp(k, x));
    e = v128.xor(e, lookUp(k, y));
    const l = v128.load(table, 16);
    b = v128.xor(b, lookUp(l, x));
    f = v128.xor(f, lookUp(l, y));
    const m = v128.load(table, 32);
    c = v128.xor(c, lookUp(m, x));
    g = v128.xor(g, lookUp(m, y));
    const n = v128.load(table, 48);
    d = v128.xor(d, lookUp(n, x));
    h = v128.xor(h, lookUp(n, y));
    table += 128;
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  v128.store(to, e, 256);
  v128.store(to, f, 272);
  v128.store(to, g, 288);
  v128.store(to, h, 304);
}

/**
 * `steps` times for two states at once, which share the look-ups' tables: first = (first + a block of each lane) * K,
 * second = (second + the block after it) * K. `states` holds both, octet-sliced.
 */
export function swizzlePairs(table: usize, states: usize, lanes: usize, steps: u32): void {
  for (; steps > 0; steps--) {
    takeBlocks(lanes, 0, states, nibbles);
    takeBlocks(lanes, 16, states + 256, nibbles + 512);
    advance(lanes);
    multiplyQuarters(table, states);
    multiplyQuarters(table + 64, states + 64);
    multiplyQuarters(table + 4096, states + 128);
    multiplyQuarters(table + 4160, states + 192);
  }
}

/**
 * The last pair: first = (first + a block of each lane) * K2 + (second + the block after it) * K1. With K2 = K1 * K1, which
 * is what the steps before took, that is the hash of all blocks by K1.
 */
export function swizzleLastPair(table2: usize, table1: usize, states: usize, lanes: usize): void {
  takeBlocks(lanes, 0, states, nibbles);
  multiplyHalf(table2, nibbles, states);
  multiplyHalf(table2 + 4096, nibbles, states + 128);
  takeBlocks(lanes, 16, states + 256, nibbles);
  multiplyHalf(table1, nibbles, states + 256);
  multiplyHalf(table1 + 4096, nibbles, states + 384);
  for (let i = states; i < states + 256; i += 16) v128.store(i, v128.xor(v128.load(i), v128.load(i, 256)));
}
