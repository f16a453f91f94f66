/**
 * AES fixsliced over eight v128 (after Adomnicai and Peyrin): eight blocks at once, for builds with SIMD.
 *
 * Word k holds bit k of all octets; octet i of a word belongs to octet i of the blocks, bit b of it to block b. ShiftRows
 * is never carried out: after round i of Nr, ShiftRows would have to be applied j = (i - Nr) mod 4 times to make the state
 * the one of FIPS 197. That turns the two row rotations of MixColumns into "next row, j columns on", one constant swizzle
 * each, and leaves nothing to do at the end, where j is 0. Round keys are stored in the layout of their round, with the
 * S-box's constant 0x63 folded in.
 *
 * The state lives in memory between the steps of a round, and each step goes over all states before the next begins. A round
 * is one long chain of dependent gates: short steps let the processor's window hold those of several states, and the stores
 * keep the engine's scheduler from spreading a step over its neighbours, which would spill more than they cost.
 *
 * Refuses to know modes: counter mode stands in aes_fixslice_ctr.ts.
 */

/** Octets of the state, and of one fixsliced round key. */
export const FIXSLICE_STATE: usize = 128;
/** Octets of a schedule of up to 15 round keys. */
export const FIXSLICE_SCHEDULE_OCTETS: u32 = 15 * 128;

/** Per state, 17 signals of the S-box between its halves. */
const signals: usize = memory.data(16 * 272, 64);
const SIGNALS: usize = 272;
/** States that take turns at most. */
export const FIXSLICE_STATES: u32 = 16;
/** Per state, what lies between SubBytes and MixColumns. */
const substituted: usize = memory.data(16 * 128, 64);

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/** Bit `bit` of every octet, as octets 0x00 or 0xff. */
// @ts-ignore: decorator
@inline
function spreadBit(octets: v128, bit: i32): v128 {
  return i8x16.shr_s(i8x16.shl(octets, 7 - bit), 7);
}

/** The state of eight equal blocks `octets`, into `words`. */
// @ts-ignore: decorator
@inline
export function fixsliceSpread(octets: v128, words: usize): void {
  v128.store(words, spreadBit(octets, 0));
  v128.store(words, spreadBit(octets, 1), 16);
  v128.store(words, spreadBit(octets, 2), 32);
  v128.store(words, spreadBit(octets, 3), 48);
  v128.store(words, spreadBit(octets, 4), 64);
  v128.store(words, spreadBit(octets, 5), 80);
  v128.store(words, spreadBit(octets, 6), 96);
  v128.store(words, spreadBit(octets, 7), 112);
}

/** A block in the layout from which `count` (mod 4) ShiftRows lead to it. */
// @ts-ignore: decorator
@inline
export function fixsliceLayout(octets: v128, count: u32): v128 {
  switch (count & 3) {
    case 1:
      return i8x16.swizzle(octets, i8x16(0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3));
    case 2:
      return i8x16.swizzle(octets, i8x16(0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7));
    case 3:
      return i8x16.swizzle(octets, i8x16(0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11));
    default:
      return octets;
  }
}

/** Turns a plain schedule (16 octets a round key) into a fixsliced one; they may not overlap. */
export function fixsliceSchedule(plain: usize, rounds: u32, schedule: usize): void {
  for (let round: u32 = 0; round <= rounds; round++) {
    let octets = v128.load(plain + ((<usize>round) << 4));
    if (round != 0) octets = xor(octets, i8x16.splat(0x63));
    fixsliceSpread(fixsliceLayout(octets, round - rounds), schedule + <usize>round * FIXSLICE_STATE);
  }
}

/**
 * The first half of SubBytes without its constant, from the state `p`: what the second half needs, into `signals`. The
 * circuit is Boyar and Peralta's.
 *
 * Seventeen signals of its first layers are wanted again after the inversion, more than there are registers. Left to itself
 * the engine spills most of the circuit: it moves a gate down to the store that needs it. So every store stands where its
 * gates' operands are still at hand, and what is cheap is made again from the state.
 */
// @ts-ignore: decorator
@inline
export function prepare(p: usize, signals: usize): void {
  const x7 = v128.load(p);
  const x6 = v128.load(p, 16);
  const x5 = v128.load(p, 32);
  const x4 = v128.load(p, 48);
  const x3 = v128.load(p, 64);
  const x2 = v128.load(p, 80);
  const x1 = v128.load(p, 96);
  const x0 = v128.load(p, 112);

  const y14 = xor(x3, x5);
  const y13 = xor(x0, x6);
  const y12 = xor(y13, y14);
  v128.store(signals, y12);
  const t0 = xor(x1, x2);
  const y1 = xor(t0, x7);
  v128.store(signals, y1, 16);
  const t1 = xor(x4, y12);
  const y15 = xor(t1, x5);
  v128.store(signals, y15, 96);
  const y6 = xor(y15, x7);
  v128.store(signals, y6, 112);
  const y10 = xor(y15, t0);
  v128.store(signals, y10, 128);
  const y9 = xor(x0, x3);
  const y8 = xor(x0, x5);
  const y20 = xor(t1, x1);
  const y11 = xor(y20, y9);
  v128.store(signals, y11, 144);
  const y17 = xor(y10, y11);
  v128.store(signals, y17, 176);
  const y5 = xor(y1, x6);
  v128.store(signals, y5, 64);
  const y3 = xor(y5, y8);
  v128.store(signals, y3, 80);
  const t2 = and(y12, y15);
  const t12 = and(y9, y11);
  const t14 = xor(and(y14, y17), t12);
  v128.store(signals, xor(xor(xor(and(y3, y6), t2), t14), y20), 208);
  const y4 = xor(y1, x3);
  v128.store(signals, y4, 32);
  const t16 = xor(and(y8, y10), t12);
  v128.store(signals, xor(xor(xor(and(y4, x7), t2), t16), xor(y10, y8)), 224);
  const y16 = xor(t0, y11);
  v128.store(signals, y16, 192);
  const t7 = and(y13, y16);
  v128.store(signals, xor(xor(xor(and(y5, y1), t7), t14), xor(y13, y16)), 240);
  const y2 = xor(y1, x0);
  v128.store(signals, y2, 48);
  const y7 = xor(x7, y11);
  v128.store(signals, y7, 160);
  v128.store(signals, xor(xor(xor(and(y2, y7), t7), t16), xor(x0, y16)), 256);
}

/** The second half of SubBytes, the inversion and what follows: the state `p` and its `signals`, into `to` (another place). */
// @ts-ignore: decorator
@inline
export function substitute(p: usize, signals: usize, to: usize): void {
  const t21 = v128.load(signals, 208);
  const t22 = v128.load(signals, 224);
  const t23 = v128.load(signals, 240);
  const t24 = v128.load(signals, 256);
  // Inversion in GF(2^4).
  const t25 = xor(t21, t22);
  const t26 = and(t21, t23);
  const t27 = xor(t24, t26);
  const t29 = xor(and(t25, t27), t22);
  const t30 = xor(t23, t24);
  const t33 = xor(and(xor(t22, t26), t30), t24);
  const t36 = and(t24, xor(t27, t33));
  const t37 = xor(xor(t36, t23), t33);
  const t40 = xor(t25, and(t29, xor(t27, t36)));
  const t41 = xor(t40, t37);
  const t42 = xor(t29, t33);
  const t43 = xor(t29, t40);
  const t44 = xor(t33, t37);
  const t45 = xor(t42, t41);

  // Products and last linear layer, output by output.
  const u0 = v128.load(p, 112);
  const u3 = v128.load(p, 64);
  const u5 = v128.load(p, 32);
  const z16 = and(t45, xor(u3, u5));
  const t46 = xor(and(t42, xor(u0, u3)), z16);
  const z4 = and(t40, v128.load(signals, 16));
  const t58 = xor(z4, t46);
  const z10 = and(t37, v128.load(signals, 80));
  const t63 = xor(xor(and(t44, v128.load(signals)), z10), t58);
  const z3 = and(t43, v128.load(signals, 192));
  const z7 = and(t45, v128.load(signals, 176));
  const t59 = xor(xor(z3, and(t42, v128.load(signals, 144))), z7);
  v128.store(to, xor(t59, t63), 112);
  const t53 = xor(and(t44, v128.load(signals, 96)), z3);
  const t66 = xor(and(t37, v128.load(signals, 112)), t63);
  const s3 = xor(t53, t66);
  const t64 = xor(z4, t59);
  v128.store(to, s3, 64);
  v128.store(to, xor(t64, s3), 96);
  const z2 = and(t33, v128.load(p));
  const z5 = and(t29, v128.load(signals, 160));
  v128.store(to, xor(xor(z2, z5), t66), 48);
  const z12 = and(t43, xor(v128.load(p, 112), v128.load(p, 16)));
  const t57 = xor(xor(z2, z12), t53);
  const t48 = xor(z5, and(t40, v128.load(signals, 64)));
  v128.store(to, xor(xor(t48, t46), t57));
  const t62 = xor(xor(z7, and(t41, v128.load(signals, 128))), t58);
  v128.store(to, xor(xor(z12, t48), t62), 16);
  const t65 = xor(xor(and(t29, v128.load(signals, 48)), t57), t62);
  v128.store(to, xor(xor(z10, and(t33, v128.load(signals, 32))), t65), 32);
  const z17 = and(t41, xor(v128.load(p, 112), v128.load(p, 32)));
  v128.store(to, xor(xor(xor(z16, z17), t64), t65), 80);
}

/** MixColumns with row rotations `next` and `opposite`, of what SubBytes left at `from`, then AddRoundKey, into `p`. */
// @ts-ignore: decorator
@inline
function mixColumns(p: usize, from: usize, key: usize, next: v128, opposite: v128): void {
  const a7 = v128.load(from, 112);
  const r7 = i8x16.swizzle(a7, next);
  const t7 = xor(a7, r7);

  const a0 = v128.load(from);
  const r0 = i8x16.swizzle(a0, next);
  const t0 = xor(a0, r0);
  v128.store(p, xor(xor(r0, t7), xor(i8x16.swizzle(t0, opposite), v128.load(key))));

  const a1 = v128.load(from, 16);
  const r1 = i8x16.swizzle(a1, next);
  const t1 = xor(a1, r1);
  v128.store(p, xor(xor(xor(r1, t0), t7), xor(i8x16.swizzle(t1, opposite), v128.load(key, 16))), 16);

  const a2 = v128.load(from, 32);
  const r2 = i8x16.swizzle(a2, next);
  const t2 = xor(a2, r2);
  v128.store(p, xor(xor(r2, t1), xor(i8x16.swizzle(t2, opposite), v128.load(key, 32))), 32);

  const a3 = v128.load(from, 48);
  const r3 = i8x16.swizzle(a3, next);
  const t3 = xor(a3, r3);
  v128.store(p, xor(xor(xor(r3, t2), t7), xor(i8x16.swizzle(t3, opposite), v128.load(key, 48))), 48);

  const a4 = v128.load(from, 64);
  const r4 = i8x16.swizzle(a4, next);
  const t4 = xor(a4, r4);
  v128.store(p, xor(xor(xor(r4, t3), t7), xor(i8x16.swizzle(t4, opposite), v128.load(key, 64))), 64);

  const a5 = v128.load(from, 80);
  const r5 = i8x16.swizzle(a5, next);
  const t5 = xor(a5, r5);
  v128.store(p, xor(xor(r5, t4), xor(i8x16.swizzle(t5, opposite), v128.load(key, 80))), 80);

  const a6 = v128.load(from, 96);
  const r6 = i8x16.swizzle(a6, next);
  const t6 = xor(a6, r6);
  v128.store(p, xor(xor(r6, t5), xor(i8x16.swizzle(t6, opposite), v128.load(key, 96))), 96);

  v128.store(p, xor(xor(r7, t6), xor(i8x16.swizzle(t7, opposite), v128.load(key, 112))), 112);
}

/** The round that ends in the layout of j = 0, and below those of 1, 2 and 3. */
// @ts-ignore: decorator
@inline
export function round0(p: usize, from: usize, key: usize): void {
  mixColumns(
    p,
    from,
    key,
    i8x16(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12),
    i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
  );
}

// @ts-ignore: decorator
@inline
export function round1(p: usize, from: usize, key: usize): void {
  mixColumns(
    p,
    from,
    key,
    i8x16(5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0),
    i8x16(10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5),
  );
}

// @ts-ignore: decorator
@inline
export function round2(p: usize, from: usize, key: usize): void {
  mixColumns(
    p,
    from,
    key,
    i8x16(9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4),
    i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
  );
}

// @ts-ignore: decorator
@inline
export function round3(p: usize, from: usize, key: usize): void {
  mixColumns(
    p,
    from,
    key,
    i8x16(13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8),
    i8x16(10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5),
  );
}

/**
 * The first round, of AES-192 (which begins in another layout) or of the others; `key` is round key 1. The state holds
 * round key 0 already.
 */
export function fixsliceFirstRound(p: usize, key: usize, rounds: u32): void {
  prepare(p, signals);
  substitute(p, signals, substituted);
  if (rounds == 12) round1(p, substituted, key);
  else round3(p, substituted, key);
}

function prepareAll(p: usize, end: usize): void {
  for (let to = signals; p < end; p += FIXSLICE_STATE, to += SIGNALS) prepare(p, to);
}

function substituteAll(p: usize, end: usize): void {
  for (let from = signals, to = substituted; p < end; p += FIXSLICE_STATE, from += SIGNALS, to += FIXSLICE_STATE)
    substitute(p, from, to);
}

/** Rounds 2 to the last but for its AddRoundKey, from the states at `p` into `substituted`. */
function roundsButLastKey(p: usize, count: u32, schedule: usize, rounds: u32): void {
  const end = p + <usize>count * FIXSLICE_STATE;
  const last = schedule + <usize>rounds * FIXSLICE_STATE;
  let key = schedule + 2 * FIXSLICE_STATE;
  // AES-192 begins in the middle of the cycle of layouts.
  let skip = rounds == 12;
  while (key < last) {
    if (!skip) {
      prepareAll(p, end);
      substituteAll(p, end);
      for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE)
        round0(at, from, key);
      key += FIXSLICE_STATE;
      prepareAll(p, end);
      substituteAll(p, end);
      for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE)
        round1(at, from, key);
      key += FIXSLICE_STATE;
    }
    skip = false;
    prepareAll(p, end);
    substituteAll(p, end);
    for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) round2(at, from, key);
    key += FIXSLICE_STATE;
    prepareAll(p, end);
    substituteAll(p, end);
    for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) round3(at, from, key);
    key += FIXSLICE_STATE;
  }
  prepareAll(p, end);
  substituteAll(p, end);
}

/**
 * Rounds 2 to the last, from `count` (at most FIXSLICE_STATES) states side by side at `p` with round key 1 added; leaves
 * the identity layout, still bitsliced.
 */
export function fixsliceRounds(p: usize, count: u32, schedule: usize, rounds: u32): void {
  roundsButLastKey(p, count, schedule, rounds);
  const key = schedule + <usize>rounds * FIXSLICE_STATE;
  const end = p + <usize>count * FIXSLICE_STATE;
  for (let from = substituted; p < end; p += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 32) {
      v128.store(p + i, xor(v128.load(from + i), v128.load(key + i)));
      v128.store(p + i, xor(v128.load(from + i, 16), v128.load(key + i, 16)), 16);
    }
  }
}

/**
 * The same, and on to blocks: those of the first `whole` states are added to the octets at `data`, those of the others are
 * left at `p`.
 */
export function fixsliceStream(p: usize, count: u32, schedule: usize, rounds: u32, data: usize, whole: u32): void {
  roundsButLastKey(p, count, schedule, rounds);
  const key = schedule + <usize>rounds * FIXSLICE_STATE;
  const end = p + <usize>count * FIXSLICE_STATE;
  const change = p + <usize>whole * FIXSLICE_STATE;
  let from = substituted;
  for (; p < change; p += FIXSLICE_STATE, from += FIXSLICE_STATE, data += FIXSLICE_STATE) {
    keyedBlocks(from, key, data, true);
  }
  for (; p < end; p += FIXSLICE_STATE, from += FIXSLICE_STATE) keyedBlocks(from, key, p, false);
}

/** What is exchanged between two words. */
// @ts-ignore: decorator
@inline
function exchanged(x: v128, y: v128, shift: i32, mask: v128): v128 {
  return and(xor(i64x2.shr_u(x, shift), y), mask);
}

/** Stores a block, or adds it to what is there. */
// @ts-ignore: decorator
@inline
function putBlock(block: v128, to: usize, add: bool): void {
  if (add) v128.store(to, xor(v128.load(to), block));
  else v128.store(to, block);
}

/** AddRoundKey to the state at `from`, and its eight blocks to `to`: stored there, or added. */
// @ts-ignore: decorator
@inline
function keyedBlocks(from: usize, key: usize, to: usize, add: bool): void {
  const m4 = i8x16.splat(0x0f);
  const m2 = i8x16.splat(0x33);
  const m1 = i8x16.splat(0x55);
  let a = xor(v128.load(from), v128.load(key));
  let e = xor(v128.load(from, 64), v128.load(key, 64));
  let t = exchanged(a, e, 4, m4);
  e = xor(e, t);
  a = xor(a, i64x2.shl(t, 4));
  let b = xor(v128.load(from, 16), v128.load(key, 16));
  let f = xor(v128.load(from, 80), v128.load(key, 80));
  t = exchanged(b, f, 4, m4);
  f = xor(f, t);
  b = xor(b, i64x2.shl(t, 4));
  let c = xor(v128.load(from, 32), v128.load(key, 32));
  let g = xor(v128.load(from, 96), v128.load(key, 96));
  t = exchanged(c, g, 4, m4);
  g = xor(g, t);
  c = xor(c, i64x2.shl(t, 4));
  let d = xor(v128.load(from, 48), v128.load(key, 48));
  let h = xor(v128.load(from, 112), v128.load(key, 112));
  t = exchanged(d, h, 4, m4);
  h = xor(h, t);
  d = xor(d, i64x2.shl(t, 4));

  t = exchanged(a, c, 2, m2);
  c = xor(c, t);
  a = xor(a, i64x2.shl(t, 2));
  t = exchanged(b, d, 2, m2);
  d = xor(d, t);
  b = xor(b, i64x2.shl(t, 2));
  t = exchanged(a, b, 1, m1);
  putBlock(xor(a, i64x2.shl(t, 1)), to, add);
  putBlock(xor(b, t), to + 16, add);
  t = exchanged(c, d, 1, m1);
  putBlock(xor(c, i64x2.shl(t, 1)), to + 32, add);
  putBlock(xor(d, t), to + 48, add);

  t = exchanged(e, g, 2, m2);
  g = xor(g, t);
  e = xor(e, i64x2.shl(t, 2));
  t = exchanged(f, h, 2, m2);
  h = xor(h, t);
  f = xor(f, i64x2.shl(t, 2));
  t = exchanged(e, f, 1, m1);
  putBlock(xor(e, i64x2.shl(t, 1)), to + 64, add);
  putBlock(xor(f, t), to + 80, add);
  t = exchanged(g, h, 1, m1);
  putBlock(xor(g, i64x2.shl(t, 1)), to + 96, add);
  putBlock(xor(h, t), to + 112, add);
}

// @ts-ignore: decorator
@inline
function swapMove(a: usize, b: usize, shift: i32, mask: v128): void {
  const x = v128.load(a);
  const y = v128.load(b);
  const t = and(xor(i64x2.shr_u(x, shift), y), mask);
  v128.store(b, xor(y, t));
  v128.store(a, xor(x, i64x2.shl(t, shift)));
}

/** Between eight blocks and the bitsliced state; its own inverse. */
export function fixsliceTranspose(p: usize): void {
  for (let i = p; i < p + 128; i += 32) swapMove(i, i + 16, 1, i8x16.splat(0x55));
  for (let i = p; i < p + 128; i += 64) {
    swapMove(i, i + 32, 2, i8x16.splat(0x33));
    swapMove(i + 16, i + 48, 2, i8x16.splat(0x33));
  }
  for (let i = p; i < p + 64; i += 16) swapMove(i, i + 64, 4, i8x16.splat(0x0f));
}
