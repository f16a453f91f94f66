/**
 * GHASH (SP 800-38D, 6.4): the polynomial hash of GCM over GF(2^128), in plain integer code.
 *
 * A carry-less product comes from ordinary multiplications: with operands masked to every fourth bit, the sums of at most
 * sixteen bits stay below the next bit that is kept. Only the low half of a product is exact that way; the high half is
 * the low half of the product of the reversed operands, reversed. Three 64-bit products by Karatsuba, each in both orders.
 * Constant time where the engine's 64-bit multiplication is.
 */
import { loadBE64, storeBE64 } from "../rt/bytes";

const A: u64 = 0x1111111111111111;
const B: u64 = 0x2222222222222222;
const C: u64 = 0x4444444444444444;
const D: u64 = 0x8888888888888888;

/** Low 64 bits of the carry-less product. */
// @ts-ignore: decorator
@inline
function multiplyLow(x: u64, y: u64): u64 {
  const xa = x & A;
  const xb = x & B;
  const xc = x & C;
  const xd = x & D;
  const ya = y & A;
  const yb = y & B;
  const yc = y & C;
  const yd = y & D;
  return (
    (((xa * ya) ^ (xb * yd) ^ (xc * yc) ^ (xd * yb)) & A) |
    (((xa * yb) ^ (xb * ya) ^ (xc * yd) ^ (xd * yc)) & B) |
    (((xa * yc) ^ (xb * yb) ^ (xc * ya) ^ (xd * yd)) & C) |
    (((xa * yd) ^ (xb * yc) ^ (xc * yb) ^ (xd * ya)) & D)
  );
}

// @ts-ignore: decorator
@inline
function reverse(value: u64): u64 {
  let x = value;
  x = ((x & 0x5555555555555555) << 1) | ((x >> 1) & 0x5555555555555555);
  x = ((x & 0x3333333333333333) << 2) | ((x >> 2) & 0x3333333333333333);
  x = ((x & 0x0f0f0f0f0f0f0f0f) << 4) | ((x >> 4) & 0x0f0f0f0f0f0f0f0f);
  return bswap<u64>(x);
}

/** Octets of one power's record: high, low, high + low, and the three reversed. */
export const POWER_OCTETS: usize = 48;
/** Powers that a sum takes at most, and the octets of their table. */
export const POWERS: u32 = 16;
export const POWERS_OCTETS: usize = 768;

/** Writes the record of the field element with these halves. */
function storePower(record: usize, high: u64, low: u64): void {
  store<u64>(record, high);
  store<u64>(record, low, 8);
  store<u64>(record, high ^ low, 16);
  const highR = reverse(high);
  const lowR = reverse(low);
  store<u64>(record, highR, 24);
  store<u64>(record, lowR, 32);
  store<u64>(record, highR ^ lowR, 40);
}

/** Begins a table of powers with the hash key `h` (16 octets). */
export function ghashFirstPower(powers: usize, h: usize): void {
  storePower(powers, loadBE64(h), loadBE64(h + 8));
}

/** Continues a table that holds `have` powers up to `count` (at most POWERS). */
export function ghashPowers(powers: usize, have: u32, count: u32): void {
  for (let k = have; k < count; k++) {
    const before = powers + <usize>(k - 1) * POWER_OCTETS;
    storeBE64(block, load<u64>(before));
    storeBE64(block + 8, load<u64>(before, 8));
    ghashSum(block, 1, powers, block);
    ghashFirstPower(powers + <usize>k * POWER_OCTETS, block);
  }
}

const block: usize = memory.data(16, 16);

/**
 * x[0] H^count + x[1] H^(count - 1) + ... + x[count - 1] H over `count` (at most POWERS) blocks at `x`, into `out`. One
 * reduction for all.
 */
export function ghashSum(x: usize, count: u32, powers: usize, out: usize): void {
  let low: u64 = 0;
  let high: u64 = 0;
  let cross: u64 = 0;
  let lowR: u64 = 0;
  let highR: u64 = 0;
  let crossR: u64 = 0;
  for (let power = powers + <usize>count * POWER_OCTETS; power > powers; x += 16) {
    power -= POWER_OCTETS;
    const x1 = loadBE64(x);
    const x0 = loadBE64(x + 8);
    high ^= multiplyLow(x1, load<u64>(power));
    low ^= multiplyLow(x0, load<u64>(power, 8));
    cross ^= multiplyLow(x0 ^ x1, load<u64>(power, 16));
    const x1r = reverse(x1);
    const x0r = reverse(x0);
    highR ^= multiplyLow(x1r, load<u64>(power, 24));
    lowR ^= multiplyLow(x0r, load<u64>(power, 32));
    crossR ^= multiplyLow(x0r ^ x1r, load<u64>(power, 40));
  }
  cross ^= low ^ high;
  crossR ^= lowR ^ highR;
  const v0 = low;
  let v1 = (reverse(lowR) >> 1) ^ cross;
  let v2 = high ^ (reverse(crossR) >> 1);
  let v3 = reverse(highR) >> 1;
  // The field's bits run from left to right, so the product is one place short.
  v3 = (v3 << 1) | (v2 >> 63);
  v2 = (v2 << 1) | (v1 >> 63);
  v1 = (v1 << 1) | (v0 >> 63);
  const w0 = v0 << 1;
  // Modulo 1 + x + x^2 + x^7 + x^128.
  v2 ^= w0 ^ (w0 >> 1) ^ (w0 >> 2) ^ (w0 >> 7);
  v1 ^= (w0 << 63) ^ (w0 << 62) ^ (w0 << 57);
  v3 ^= v1 ^ (v1 >> 1) ^ (v1 >> 2) ^ (v1 >> 7);
  v2 ^= (v1 << 63) ^ (v1 << 62) ^ (v1 << 57);
  storeBE64(out, v3);
  storeBE64(out + 8, v2);
}
