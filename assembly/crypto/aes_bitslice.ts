/**
 * AES (FIPS 197), bitsliced over eight 64-bit words: four blocks at once in plain integer code.
 *
 * Word k holds bit k of all 64 octets of four blocks. Bit 16 * row + 8 * (column & 1) + 2 * block + (column >> 1) of a word
 * belongs to the octet in that row and column, so that a rotation by 16 is the step to the next row and ShiftRows is two
 * delta swaps. The S-box is Boyar and Peralta's circuit of 113 gates, whose four inversions (the constant 0x63) are folded
 * into the round keys. Nothing looks a secret up in memory, and nothing branches on one.
 *
 * All four blocks use the same round key, so a key word repeats each 2-bit pattern four times; a schedule stores it once:
 * 16 octets a round, the size of the key in FIPS 197.
 *
 * Refuses to chain blocks: modes stand in files of their own.
 */

/** Octets of a compressed schedule: round keys 0 to 14. */
export const BITSLICE_SCHEDULE_OCTETS: u32 = 240;

/** The state: word k at 8 k. */
const q: usize = memory.data(64, 16);

const PAIRS: u64 = 0x0303030303030303;

// @ts-ignore: decorator
@inline
function swapMove(a: usize, b: usize, shift: u64, mask: u64): void {
  const x = load<u64>(a);
  const y = load<u64>(b);
  const t = ((x >> shift) ^ y) & mask;
  store<u64>(b, y ^ t);
  store<u64>(a, x ^ (t << shift));
}

/** Transposes the 8 x 8 bit matrices that equal octets of the eight words form; its own inverse. */
function transpose(): void {
  swapMove(q, q + 8, 1, 0x5555555555555555);
  swapMove(q + 16, q + 24, 1, 0x5555555555555555);
  swapMove(q + 32, q + 40, 1, 0x5555555555555555);
  swapMove(q + 48, q + 56, 1, 0x5555555555555555);
  swapMove(q, q + 16, 2, 0x3333333333333333);
  swapMove(q + 8, q + 24, 2, 0x3333333333333333);
  swapMove(q + 32, q + 48, 2, 0x3333333333333333);
  swapMove(q + 40, q + 56, 2, 0x3333333333333333);
  swapMove(q, q + 32, 4, 0x0f0f0f0f0f0f0f0f);
  swapMove(q + 8, q + 40, 4, 0x0f0f0f0f0f0f0f0f);
  swapMove(q + 16, q + 48, 4, 0x0f0f0f0f0f0f0f0f);
  swapMove(q + 24, q + 56, 4, 0x0f0f0f0f0f0f0f0f);
}

/** Puts the four octets of a column at every second octet of a word. */
// @ts-ignore: decorator
@inline
function spread(column: u64): u64 {
  const x = (column | (column << 16)) & 0x0000ffff0000ffff;
  return (x | (x << 8)) & 0x00ff00ff00ff00ff;
}

// @ts-ignore: decorator
@inline
function gather(word: u64): u64 {
  let x = word & 0x00ff00ff00ff00ff;
  x = (x | (x >> 8)) & 0x0000ffff0000ffff;
  return (x | (x >> 16)) & 0xffffffff;
}

/** Loads block `index` of the state, untransposed. */
// @ts-ignore: decorator
@inline
function loadBlock(index: usize, p: usize): void {
  store<u64>(q + (index << 4), spread(load<u32>(p)) | (spread(load<u32>(p, 4)) << 8));
  store<u64>(q + (index << 4) + 8, spread(load<u32>(p, 8)) | (spread(load<u32>(p, 12)) << 8));
}

// @ts-ignore: decorator
@inline
function storeBlock(index: usize, p: usize): void {
  const a = load<u64>(q + (index << 4));
  const b = load<u64>(q + (index << 4) + 8);
  store<u32>(p, <u32>gather(a));
  store<u32>(p, <u32>gather(a >> 8), 4);
  store<u32>(p, <u32>gather(b), 8);
  store<u32>(p, <u32>gather(b >> 8), 12);
}

/** SubBytes without the constant 0x63: the caller's round keys hold it. */
function subBytes(): void {
  const x7 = load<u64>(q);
  const x6 = load<u64>(q, 8);
  const x5 = load<u64>(q, 16);
  const x4 = load<u64>(q, 24);
  const x3 = load<u64>(q, 32);
  const x2 = load<u64>(q, 40);
  const x1 = load<u64>(q, 48);
  const x0 = load<u64>(q, 56);

  // Top linear layer.
  const y14 = x3 ^ x5;
  const y13 = x0 ^ x6;
  const y9 = x0 ^ x3;
  const y8 = x0 ^ x5;
  const t0 = x1 ^ x2;
  const y1 = t0 ^ x7;
  const y4 = y1 ^ x3;
  const y12 = y13 ^ y14;
  const y2 = y1 ^ x0;
  const y5 = y1 ^ x6;
  const y3 = y5 ^ y8;
  const t1 = x4 ^ y12;
  const y15 = t1 ^ x5;
  const y20 = t1 ^ x1;
  const y6 = y15 ^ x7;
  const y10 = y15 ^ t0;
  const y11 = y20 ^ y9;
  const y7 = x7 ^ y11;
  const y17 = y10 ^ y11;
  const y19 = y10 ^ y8;
  const y16 = t0 ^ y11;
  const y21 = y13 ^ y16;
  const y18 = x0 ^ y16;

  // Inversion in GF(2^8).
  const t2 = y12 & y15;
  const t4 = (y3 & y6) ^ t2;
  const t6 = (y4 & x7) ^ t2;
  const t7 = y13 & y16;
  const t9 = (y5 & y1) ^ t7;
  const t11 = (y2 & y7) ^ t7;
  const t12 = y9 & y11;
  const t14 = (y14 & y17) ^ t12;
  const t16 = (y8 & y10) ^ t12;
  const t21 = t4 ^ t14 ^ y20;
  const t22 = t6 ^ t16 ^ y19;
  const t23 = t9 ^ t14 ^ y21;
  const t24 = t11 ^ t16 ^ y18;
  const t25 = t21 ^ t22;
  const t26 = t21 & t23;
  const t27 = t24 ^ t26;
  const t29 = (t25 & t27) ^ t22;
  const t30 = t23 ^ t24;
  const t33 = ((t22 ^ t26) & t30) ^ t24;
  const t36 = t24 & (t27 ^ t33);
  const t37 = t36 ^ t23 ^ t33;
  const t40 = t25 ^ (t29 & (t27 ^ t36));
  const t41 = t40 ^ t37;
  const t42 = t29 ^ t33;
  const t43 = t29 ^ t40;
  const t44 = t33 ^ t37;
  const t45 = t42 ^ t41;
  const z0 = t44 & y15;
  const z1 = t37 & y6;
  const z2 = t33 & x7;
  const z3 = t43 & y16;
  const z4 = t40 & y1;
  const z5 = t29 & y7;
  const z6 = t42 & y11;
  const z7 = t45 & y17;
  const z8 = t41 & y10;
  const z9 = t44 & y12;
  const z10 = t37 & y3;
  const z11 = t33 & y4;
  const z12 = t43 & y13;
  const z13 = t40 & y5;
  const z14 = t29 & y2;
  const z15 = t42 & y9;
  const z16 = t45 & y14;
  const z17 = t41 & y8;

  // Bottom linear layer.
  const t46 = z15 ^ z16;
  const t48 = z5 ^ z13;
  const t53 = z0 ^ z3;
  const t57 = z2 ^ z12 ^ t53;
  const t58 = z4 ^ t46;
  const t59 = z3 ^ z6 ^ z7;
  const t62 = z7 ^ z8 ^ t58;
  const t63 = z9 ^ z10 ^ t58;
  const t64 = z4 ^ t59;
  const t65 = z14 ^ t57 ^ t62;
  const t66 = z1 ^ t63;
  const s3 = t53 ^ t66;
  store<u64>(q, t48 ^ t46 ^ t57);
  store<u64>(q, z12 ^ t48 ^ t62, 8);
  store<u64>(q, z10 ^ z11 ^ t65, 16);
  store<u64>(q, z2 ^ z5 ^ t66, 24);
  store<u64>(q, s3, 32);
  store<u64>(q, z16 ^ z17 ^ t64 ^ t65, 40);
  store<u64>(q, t64 ^ s3, 48);
  store<u64>(q, t59 ^ t63, 56);
}

/** Adds compressed round key `key`. */
function addRoundKey(key: usize): void {
  for (let k: usize = 0; k < 8; k += 4) {
    const words = load<u64>(key + (k << 1));
    const at = q + (k << 3);
    store<u64>(at, load<u64>(at) ^ ((words & PAIRS) * 0x55));
    store<u64>(at, load<u64>(at, 8) ^ (((words >> 2) & PAIRS) * 0x55), 8);
    store<u64>(at, load<u64>(at, 16) ^ (((words >> 4) & PAIRS) * 0x55), 16);
    store<u64>(at, load<u64>(at, 24) ^ (((words >> 6) & PAIRS) * 0x55), 24);
  }
}

// @ts-ignore: decorator
@inline
function swapEightsInOddRows(x: u64): u64 {
  const t = (x ^ (x >> 8)) & 0x00ff000000ff0000;
  return x ^ t ^ (t << 8);
}

/** Row 2 in both halves, row 1 in its odd columns, row 3 in its even ones. */
// @ts-ignore: decorator
@inline
function swapPairs(x: u64): u64 {
  const t = (x ^ (x >> 1)) & 0x0055555555000000;
  return x ^ t ^ (t << 1);
}

function shiftRows(): void {
  for (let at = q; at < q + 64; at += 8) store<u64>(at, swapPairs(swapEightsInOddRows(load<u64>(at))));
}

function inverseShiftRows(): void {
  for (let at = q; at < q + 64; at += 8) store<u64>(at, swapEightsInOddRows(swapPairs(load<u64>(at))));
}

/** Row r becomes 2 (a[r] + a[r+1]) + a[r+1] + a[r+2] + a[r+3]. */
function mixColumns(): void {
  const a0 = load<u64>(q);
  const a1 = load<u64>(q, 8);
  const a2 = load<u64>(q, 16);
  const a3 = load<u64>(q, 24);
  const a4 = load<u64>(q, 32);
  const a5 = load<u64>(q, 40);
  const a6 = load<u64>(q, 48);
  const a7 = load<u64>(q, 56);
  const r0 = rotr(a0, 16);
  const r1 = rotr(a1, 16);
  const r2 = rotr(a2, 16);
  const r3 = rotr(a3, 16);
  const r4 = rotr(a4, 16);
  const r5 = rotr(a5, 16);
  const r6 = rotr(a6, 16);
  const r7 = rotr(a7, 16);
  const top = a7 ^ r7;
  store<u64>(q, top ^ r0 ^ rotr(a0 ^ r0, 32));
  store<u64>(q, a0 ^ r0 ^ top ^ r1 ^ rotr(a1 ^ r1, 32), 8);
  store<u64>(q, a1 ^ r1 ^ r2 ^ rotr(a2 ^ r2, 32), 16);
  store<u64>(q, a2 ^ r2 ^ top ^ r3 ^ rotr(a3 ^ r3, 32), 24);
  store<u64>(q, a3 ^ r3 ^ top ^ r4 ^ rotr(a4 ^ r4, 32), 32);
  store<u64>(q, a4 ^ r4 ^ r5 ^ rotr(a5 ^ r5, 32), 40);
  store<u64>(q, a5 ^ r5 ^ r6 ^ rotr(a6 ^ r6, 32), 48);
  store<u64>(q, a6 ^ r6 ^ r7 ^ rotr(a7 ^ r7, 32), 56);
}

/** MixColumns of a[r] + 4 (a[r] + a[r+2]), which is the inverse of MixColumns. */
function inverseMixColumns(): void {
  const d0 = load<u64>(q) ^ rotr(load<u64>(q), 32);
  const d1 = load<u64>(q, 8) ^ rotr(load<u64>(q, 8), 32);
  const d2 = load<u64>(q, 16) ^ rotr(load<u64>(q, 16), 32);
  const d3 = load<u64>(q, 24) ^ rotr(load<u64>(q, 24), 32);
  const d4 = load<u64>(q, 32) ^ rotr(load<u64>(q, 32), 32);
  const d5 = load<u64>(q, 40) ^ rotr(load<u64>(q, 40), 32);
  const d6 = load<u64>(q, 48) ^ rotr(load<u64>(q, 48), 32);
  const d7 = load<u64>(q, 56) ^ rotr(load<u64>(q, 56), 32);
  store<u64>(q, load<u64>(q) ^ d6);
  store<u64>(q, load<u64>(q, 8) ^ d6 ^ d7, 8);
  store<u64>(q, load<u64>(q, 16) ^ d0 ^ d7, 16);
  store<u64>(q, load<u64>(q, 24) ^ d1 ^ d6, 24);
  store<u64>(q, load<u64>(q, 32) ^ d2 ^ d6 ^ d7, 32);
  store<u64>(q, load<u64>(q, 40) ^ d3 ^ d7, 40);
  store<u64>(q, load<u64>(q, 48) ^ d4, 48);
  store<u64>(q, load<u64>(q, 56) ^ d5, 56);
  mixColumns();
}

/** The linear part of the S-box's inverse affine map; its constant is in the round keys. */
function inverseAffine(): void {
  const a0 = load<u64>(q);
  const a1 = load<u64>(q, 8);
  const a2 = load<u64>(q, 16);
  const a3 = load<u64>(q, 24);
  const a4 = load<u64>(q, 32);
  const a5 = load<u64>(q, 40);
  const a6 = load<u64>(q, 48);
  const a7 = load<u64>(q, 56);
  store<u64>(q, a2 ^ a5 ^ a7);
  store<u64>(q, a3 ^ a6 ^ a0, 8);
  store<u64>(q, a4 ^ a7 ^ a1, 16);
  store<u64>(q, a5 ^ a0 ^ a2, 24);
  store<u64>(q, a6 ^ a1 ^ a3, 32);
  store<u64>(q, a7 ^ a2 ^ a4, 40);
  store<u64>(q, a0 ^ a3 ^ a5, 48);
  store<u64>(q, a1 ^ a4 ^ a6, 56);
}

/**
 * The inverse S-box of a state that still lacks the 0x63 (a round key holding 0x63 has just been added, so the affine
 * constant is gone already): A^-1 S A^-1, each A^-1 linear, S without its constant.
 */
function inverseSubBytes(): void {
  inverseAffine();
  subBytes();
  inverseAffine();
}

function encryptState(schedule: usize, rounds: u32): void {
  addRoundKey(schedule);
  let key = schedule + 16;
  for (let round: u32 = 1; round < rounds; round++, key += 16) {
    subBytes();
    shiftRows();
    mixColumns();
    addRoundKey(key);
  }
  subBytes();
  shiftRows();
  addRoundKey(key);
}

function decryptState(schedule: usize, rounds: u32): void {
  let key = schedule + ((<usize>rounds) << 4);
  addRoundKey(key);
  inverseShiftRows();
  inverseSubBytes();
  for (let round: u32 = 1; round < rounds; round++) {
    key -= 16;
    addRoundKey(key);
    inverseMixColumns();
    inverseShiftRows();
    inverseSubBytes();
  }
  addRoundKey(schedule);
}

/** Encrypts four blocks; `input` may be `out`. */
export function bitsliceEncrypt4(schedule: usize, rounds: u32, input: usize, out: usize): void {
  for (let i: usize = 0; i < 4; i++) loadBlock(i, input + (i << 4));
  transpose();
  encryptState(schedule, rounds);
  transpose();
  for (let i: usize = 0; i < 4; i++) storeBlock(i, out + (i << 4));
}

/** Decrypts four blocks; `input` may be `out`. */
export function bitsliceDecrypt4(schedule: usize, rounds: u32, input: usize, out: usize): void {
  for (let i: usize = 0; i < 4; i++) loadBlock(i, input + (i << 4));
  transpose();
  decryptState(schedule, rounds);
  transpose();
  for (let i: usize = 0; i < 4; i++) storeBlock(i, out + (i << 4));
}

/** S-box of the four octets of a key word (FIPS 197, 5.2). */
function subWord(word: u32): u32 {
  memory.fill(q, 0, 64);
  store<u64>(q, spread(word));
  transpose();
  subBytes();
  transpose();
  return (<u32>gather(load<u64>(q))) ^ 0x63636363;
}

/** Sixteen octets of key to a compressed round key, with 0x63 added to each octet when `folded`. */
function compress(p: usize, folded: bool): void {
  memory.fill(q, 0, 64);
  loadBlock(0, p);
  transpose();
  if (folded) {
    // Bits 0, 1, 5 and 6 of 0x63.
    store<u64>(q, ~load<u64>(q));
    store<u64>(q, ~load<u64>(q, 8), 8);
    store<u64>(q, ~load<u64>(q, 40), 40);
    store<u64>(q, ~load<u64>(q, 48), 48);
  }
  for (let k: usize = 0; k < 2; k++) {
    const at = q + (k << 5);
    store<u64>(
      p + (k << 3),
      (load<u64>(at) & PAIRS) |
        ((load<u64>(at, 8) & PAIRS) << 2) |
        ((load<u64>(at, 16) & PAIRS) << 4) |
        ((load<u64>(at, 24) & PAIRS) << 6),
    );
  }
}

/** Plain key schedule of FIPS 197, 5.2, into `schedule` (16 octets a round key). Returns the number of rounds. */
export function expandKey(schedule: usize, key: usize, keyOctets: u32): u32 {
  const words = keyOctets >>> 2;
  const rounds = words + 6;
  memory.copy(schedule, key, keyOctets);
  let constant: u32 = 1;
  let phase: u32 = 0;
  const total = (rounds + 1) << 2;
  let word = load<u32>(schedule + ((words - 1) << 2));
  for (let i = words; i < total; i++) {
    if (phase == 0) {
      word = subWord(rotr(word, 8)) ^ constant;
      constant = (constant << 1) ^ ((constant >>> 7) * 0x11b);
    } else if (words == 8 && phase == 4) {
      word = subWord(word);
    }
    word ^= load<u32>(schedule + ((i - words) << 2));
    store<u32>(schedule + (i << 2), word);
    phase = phase + 1 == words ? 0 : phase + 1;
  }
  memory.fill(q, 0, 64);
  return rounds;
}

/** Compresses a plain schedule in place. */
export function bitsliceSchedule(schedule: usize, rounds: u32): void {
  for (let round: u32 = 0; round <= rounds; round++) compress(schedule + ((<usize>round) << 4), round != 0);
  memory.fill(q, 0, 64);
}
