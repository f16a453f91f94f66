/**
 * GHASH after SP 800-38D, 6.3 and 6.4, bit by bit over BigInt: the slow twin of assembly/crypto/ghash*.ts.
 */

const REDUCTION = 0xe1n << 120n;

export function fieldProduct(x: bigint, y: bigint): bigint {
  let product = 0n;
  let multiple = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= multiple;
    multiple = multiple & 1n ? (multiple >> 1n) ^ REDUCTION : multiple >> 1n;
  }
  return product;
}

export function toField(octets: Uint8Array): bigint {
  let value = 0n;
  for (let i = 0; i < 16; i++) value = (value << 8n) | BigInt(octets[i] ?? 0);
  return value;
}

export function fromField(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(120 - 8 * i)) & 0xffn));
}

/** The hash of `octets`, whole blocks or filled up with zeros, continuing `from`. */
export function ghash(h: bigint, octets: Uint8Array, from = 0n): bigint {
  let hash = from;
  for (let at = 0; at < octets.length; at += 16) hash = fieldProduct(hash ^ toField(octets.subarray(at, at + 16)), h);
  return hash;
}
