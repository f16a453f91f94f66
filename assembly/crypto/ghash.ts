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

/**
 * Adds `length` octets to the hash `y` (16 octets) under `h` (16 octets): y = (y + block) * h for each block, the last one
 * padded with zeros.
 */
export function ghashUpdate(y: usize, h: usize, data: usize, length: u32): void {
  const h1 = loadBE64(h);
  const h0 = loadBE64(h + 8);
  const h2 = h0 ^ h1;
  const h0r = reverse(h0);
  const h1r = reverse(h1);
  const h2r = h0r ^ h1r;
  let y1 = loadBE64(y);
  let y0 = loadBE64(y + 8);
  while (length > 0) {
    if (length >= 16) {
      y1 ^= loadBE64(data);
      y0 ^= loadBE64(data + 8);
      data += 16;
      length -= 16;
    } else {
      for (let i: u32 = 0; i < length; i++) {
        const octet = <u64>load<u8>(data + i);
        if (i < 8) y1 ^= octet << <u64>(56 - (i << 3));
        else y0 ^= octet << <u64>(120 - (i << 3));
      }
      length = 0;
    }
    const y0r = reverse(y0);
    const y1r = reverse(y1);
    const low = multiplyLow(y0, h0);
    const high = multiplyLow(y1, h1);
    const cross = multiplyLow(y0 ^ y1, h2) ^ low ^ high;
    const lowR = multiplyLow(y0r, h0r);
    const highR = multiplyLow(y1r, h1r);
    const crossR = multiplyLow(y0r ^ y1r, h2r) ^ lowR ^ highR;
    let v0 = low;
    let v1 = (reverse(lowR) >> 1) ^ cross;
    let v2 = high ^ (reverse(crossR) >> 1);
    let v3 = reverse(highR) >> 1;
    // The field's bits run from left to right, so the product is one place short.
    v3 = (v3 << 1) | (v2 >> 63);
    v2 = (v2 << 1) | (v1 >> 63);
    v1 = (v1 << 1) | (v0 >> 63);
    v0 = v0 << 1;
    // Modulo 1 + x + x^2 + x^7 + x^128.
    v2 ^= v0 ^ (v0 >> 1) ^ (v0 >> 2) ^ (v0 >> 7);
    v1 ^= (v0 << 63) ^ (v0 << 62) ^ (v0 << 57);
    v3 ^= v1 ^ (v1 >> 1) ^ (v1 >> 2) ^ (v1 >> 7);
    v2 ^= (v1 << 63) ^ (v1 << 62) ^ (v1 << 57);
    y0 = v2;
    y1 = v3;
  }
  storeBE64(y, y1);
  storeBE64(y + 8, y0);
}
