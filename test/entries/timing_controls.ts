/**
 * Controls of `npm run test:timing`: functions that leak their secret through time on purpose, in the three classic ways, and
 * functions that do the same without leaking. A check that does not tell them apart says nothing about the kernels either.
 */
import "../../assembly/rt/fault";

/** Leaks: stops at the first difference. */
export function leakyCompare(a: usize, b: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** Does not: the same answer, after all octets. */
export function cleanCompare(a: usize, b: usize, length: u32): bool {
  let difference: u32 = 0;
  for (let i: u32 = 0; i < length; i++) difference |= (<u32>load<u8>(a + i)) ^ (<u32>load<u8>(b + i));
  return difference == 0;
}

/** Leaks: multiplies where a bit of the secret is set, as square-and-multiply does. */
export function leakyBranch(secret: usize, length: u32): u32 {
  let product: u32 = 3;
  for (let i: u32 = 0; i < length << 3; i++) {
    product = product * product + 1;
    if ((load<u8>(secret + (i >>> 3)) >>> (i & 7)) & 1) {
      for (let k: u32 = 0; k < 8; k++) product = rotl<u32>(product * 0x9e3779b1, 7);
    }
  }
  return product;
}

/** Does not: multiplies always, and takes the product or leaves it by a mask. */
export function cleanBranch(secret: usize, length: u32): u32 {
  let product: u32 = 3;
  for (let i: u32 = 0; i < length << 3; i++) {
    product = product * product + 1;
    let other = product;
    for (let k: u32 = 0; k < 8; k++) other = rotl<u32>(other * 0x9e3779b1, 7);
    const mask: u32 = 0 - (((<u32>load<u8>(secret + (i >>> 3))) >>> (i & 7)) & 1);
    product ^= (product ^ other) & mask;
  }
  return product;
}

/** Leaks: the secret chooses cache lines of a table (`lines`, a power of two) that does not fit into the caches near the core. */
export function leakyTable(secret: usize, length: u32, table: usize, lines: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < length; i += 4) {
    const line = (load<u32>(secret + i) * 0x9e3779b1 + sum) & (lines - 1);
    sum += load<u32>(table + ((<usize>line) << 6));
  }
  return sum;
}

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}
