/**
 * The inverse of the fixsliced cipher (FIPS 197, 5.3): eight blocks a state, for CBC decryption in builds with SIMD.
 *
 * It runs the rounds of aes_fixslice.ts backwards under the same schedule: the state passes through the same layouts in the
 * other direction, so InvShiftRows is never carried out either, and InvMixColumns has the rotations of the round whose
 * layout it works in. It starts from ciphertext as it is and ends in the layout in which encryption starts.
 *
 * Round keys hold 0x63 in each octet, which InvMixColumns leaves as it is; what AddRoundKey leaves has thus lost the S-box's
 * constant already. With S = A I and the linear part of its affine map A, the inverse of S is A' S A', A' the inverse of A: the
 * circuit of encryption between two linear steps.
 */
import { FIXSLICE_STATE, FIXSLICE_STATES, fixsliceTranspose, prepare, substitute } from "./aes_fixslice";

const signals: usize = memory.data(16 * 272, 64);
const SIGNALS: usize = 272;
/** Per state, what lies between SubBytes and InvMixColumns. */
const substituted: usize = memory.data(16 * 128, 64);

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

/** The inverse of the S-box's linear map, of the state `from` into `to`. */
// @ts-ignore: decorator
@inline
function inverseAffine(from: usize, to: usize): void {
  const a0 = v128.load(from);
  const a1 = v128.load(from, 16);
  const a2 = v128.load(from, 32);
  const a3 = v128.load(from, 48);
  const a4 = v128.load(from, 64);
  const a5 = v128.load(from, 80);
  const a6 = v128.load(from, 96);
  const a7 = v128.load(from, 112);
  const a25 = xor(a2, a5);
  const a36 = xor(a3, a6);
  const a47 = xor(a4, a7);
  v128.store(to, xor(a25, a7));
  v128.store(to, xor(a36, a0), 16);
  v128.store(to, xor(a47, a1), 32);
  v128.store(to, xor(a25, a0), 48);
  v128.store(to, xor(a36, a1), 64);
  v128.store(to, xor(a47, a2), 80);
  v128.store(to, xor(xor(a0, a3), a5), 96);
  v128.store(to, xor(xor(a1, a4), a6), 112);
}

/** The inverse affine map of what SubBytes left, then AddRoundKey, in place. */
// @ts-ignore: decorator
@inline
function affineKey(p: usize, key: usize): void {
  const a0 = v128.load(p);
  const a1 = v128.load(p, 16);
  const a2 = v128.load(p, 32);
  const a3 = v128.load(p, 48);
  const a4 = v128.load(p, 64);
  const a5 = v128.load(p, 80);
  const a6 = v128.load(p, 96);
  const a7 = v128.load(p, 112);
  const a25 = xor(a2, a5);
  const a36 = xor(a3, a6);
  const a47 = xor(a4, a7);
  v128.store(p, xor(xor(a25, a7), v128.load(key)));
  v128.store(p, xor(xor(a36, a0), v128.load(key, 16)), 16);
  v128.store(p, xor(xor(a47, a1), v128.load(key, 32)), 32);
  v128.store(p, xor(xor(a25, a0), v128.load(key, 48)), 48);
  v128.store(p, xor(xor(a36, a1), v128.load(key, 64)), 64);
  v128.store(p, xor(xor(a47, a2), v128.load(key, 80)), 80);
  v128.store(p, xor(xor(xor(a0, a3), a5), v128.load(key, 96)), 96);
  v128.store(p, xor(xor(xor(a1, a4), a6), v128.load(key, 112)), 112);
}

/** InvMixColumns as MixColumns of a[r] + 4 (a[r] + a[r+2]), with row rotations `next` and `opposite`, from `p` into `to`. */
// @ts-ignore: decorator
@inline
function inverseMixColumns(to: usize, p: usize, next: v128, opposite: v128): void {
  const a6 = v128.load(p, 96);
  const d6 = xor(a6, i8x16.swizzle(a6, opposite));
  const a7 = v128.load(p, 112);
  const d7 = xor(a7, i8x16.swizzle(a7, opposite));
  const d67 = xor(d6, d7);
  const a0 = v128.load(p);
  const d0 = xor(a0, i8x16.swizzle(a0, opposite));
  const a1 = v128.load(p, 16);
  const d1 = xor(a1, i8x16.swizzle(a1, opposite));
  const a2 = v128.load(p, 32);
  const d2 = xor(a2, i8x16.swizzle(a2, opposite));
  const a3 = v128.load(p, 48);
  const d3 = xor(a3, i8x16.swizzle(a3, opposite));
  const a4 = v128.load(p, 64);
  const d4 = xor(a4, i8x16.swizzle(a4, opposite));
  const a5 = v128.load(p, 80);
  const d5 = xor(a5, i8x16.swizzle(a5, opposite));

  const c7 = xor(a7, d5);
  const r7 = i8x16.swizzle(c7, next);
  const t7 = xor(c7, r7);

  const c0 = xor(a0, d6);
  const r0 = i8x16.swizzle(c0, next);
  const t0 = xor(c0, r0);
  v128.store(to, xor(xor(r0, t7), i8x16.swizzle(t0, opposite)));

  const c1 = xor(a1, d67);
  const r1 = i8x16.swizzle(c1, next);
  const t1 = xor(c1, r1);
  v128.store(to, xor(xor(xor(r1, t0), t7), i8x16.swizzle(t1, opposite)), 16);

  const c2 = xor(xor(a2, d0), d7);
  const r2 = i8x16.swizzle(c2, next);
  const t2 = xor(c2, r2);
  v128.store(to, xor(xor(r2, t1), i8x16.swizzle(t2, opposite)), 32);

  const c3 = xor(xor(a3, d1), d6);
  const r3 = i8x16.swizzle(c3, next);
  const t3 = xor(c3, r3);
  v128.store(to, xor(xor(xor(r3, t2), t7), i8x16.swizzle(t3, opposite)), 48);

  const c4 = xor(xor(a4, d2), d67);
  const r4 = i8x16.swizzle(c4, next);
  const t4 = xor(c4, r4);
  v128.store(to, xor(xor(xor(r4, t3), t7), i8x16.swizzle(t4, opposite)), 64);

  const c5 = xor(xor(a5, d3), d7);
  const r5 = i8x16.swizzle(c5, next);
  const t5 = xor(c5, r5);
  v128.store(to, xor(xor(r5, t4), i8x16.swizzle(t5, opposite)), 80);

  const c6 = xor(a6, d4);
  const r6 = i8x16.swizzle(c6, next);
  const t6 = xor(c6, r6);
  v128.store(to, xor(xor(r6, t5), i8x16.swizzle(t6, opposite)), 96);

  v128.store(to, xor(xor(r7, t6), i8x16.swizzle(t7, opposite)), 112);
}

/**
 * SubBytes without its constant, inverse affine map and AddRoundKey of all states at `p`, into `substituted`. As in
 * aes_fixslice.ts, each step goes over all states before the next begins.
 */
function substituteAll(p: usize, end: usize, key: usize): void {
  let to = substituted;
  for (let at = p, from = signals; at < end; at += FIXSLICE_STATE, from += SIGNALS) prepare(at, from);
  for (let at = p, from = signals; at < end; at += FIXSLICE_STATE, from += SIGNALS, to += FIXSLICE_STATE) {
    substitute(at, from, to);
  }
  for (let at = substituted; at < to; at += FIXSLICE_STATE) affineKey(at, key);
}

function inverseAffineAll(p: usize, end: usize): void {
  for (; p < end; p += FIXSLICE_STATE) inverseAffine(p, p);
}

/** Rounds of all states that begin in the layouts of j = 3, 2, 1 and 0. */
function round3(p: usize, end: usize, key: usize): void {
  substituteAll(p, end, key);
  for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    inverseMixColumns(
      at,
      from,
      i8x16(13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8),
      i8x16(10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5),
    );
  }
  inverseAffineAll(p, end);
}

function round2(p: usize, end: usize, key: usize): void {
  substituteAll(p, end, key);
  for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    inverseMixColumns(
      at,
      from,
      i8x16(9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4),
      i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
    );
  }
  inverseAffineAll(p, end);
}

function round1(p: usize, end: usize, key: usize): void {
  substituteAll(p, end, key);
  for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    inverseMixColumns(
      at,
      from,
      i8x16(5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0),
      i8x16(10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5),
    );
  }
  inverseAffineAll(p, end);
}

function round0(p: usize, end: usize, key: usize): void {
  substituteAll(p, end, key);
  for (let at = p, from = substituted; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    inverseMixColumns(
      at,
      from,
      i8x16(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12),
      i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
    );
  }
  inverseAffineAll(p, end);
}

/**
 * Decrypts `count` (at most FIXSLICE_STATES) states of eight blocks each side by side at `p`. Their octets come out in the layout
 * of the start: fixsliceLayout(block, rounds) is the block.
 */
export function fixsliceDecrypt(p: usize, count: u32, schedule: usize, rounds: u32): void {
  assert(count <= FIXSLICE_STATES, "states that take turns");
  const end = p + <usize>count * FIXSLICE_STATE;
  let key = schedule + <usize>rounds * FIXSLICE_STATE;
  for (let at = p; at < end; at += FIXSLICE_STATE) {
    fixsliceTranspose(at);
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 16) {
      v128.store(at + i, xor(v128.load(at + i), v128.load(key + i)));
    }
  }
  inverseAffineAll(p, end);
  for (;;) {
    key -= FIXSLICE_STATE;
    round3(p, end, key);
    key -= FIXSLICE_STATE;
    // Ten and fourteen rounds end here, in the middle of the cycle of layouts; twelve at its end.
    if (key == schedule) break;
    round2(p, end, key);
    key -= FIXSLICE_STATE;
    round1(p, end, key);
    key -= FIXSLICE_STATE;
    if (key == schedule) break;
    round0(p, end, key);
  }
  substituteAll(p, end, schedule);
  for (let from = substituted; p < end; p += FIXSLICE_STATE, from += FIXSLICE_STATE) {
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 16) v128.store(p + i, v128.load(from + i));
    fixsliceTranspose(p);
  }
}
