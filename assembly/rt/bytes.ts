/**
 * Octets: big-endian loads and stores, comparison without secret-dependent branches, and wiping.
 */

// @ts-ignore: decorator
@inline
export function loadBE16(p: usize): u32 {
  return <u32>bswap<u16>(load<u16>(p));
}

// @ts-ignore: decorator
@inline
export function loadBE32(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}

// @ts-ignore: decorator
@inline
export function loadBE64(p: usize): u64 {
  return bswap<u64>(load<u64>(p));
}

// @ts-ignore: decorator
@inline
export function storeBE16(p: usize, value: u32): void {
  store<u16>(p, bswap<u16>(<u16>value));
}

// @ts-ignore: decorator
@inline
export function storeBE32(p: usize, value: u32): void {
  store<u32>(p, bswap<u32>(value));
}

// @ts-ignore: decorator
@inline
export function storeBE64(p: usize, value: u64): void {
  store<u64>(p, bswap<u64>(value));
}

/** True when the two are equal; time depends on `length` alone. */
export function equalConstantTime(a: usize, b: usize, length: u32): bool {
  let difference: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    difference |= (<u32>load<u8>(a + i)) ^ (<u32>load<u8>(b + i));
  }
  return difference == 0;
}

/** Overwrites a secret. Calls through memory.fill are not elided: wasm memory is observable. */
// @ts-ignore: decorator
@inline
export function zeroize(p: usize, length: usize): void {
  memory.fill(p, 0, length);
}
