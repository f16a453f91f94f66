/**
 * ESP packet format (RFC 4303 section 2), UDP encapsulation (RFC 3948 section 2).
 *
 *   +-----------+-----------+------------+------------------+---------+------------+-------------+-----+
 *   | SPI u32   | seq. u32  | IV         | payload          | padding | pad length | next header | ICV |
 *   +-----------+-----------+------------+------------------+---------+------------+-------------+-----+
 *   |<-- authenticated ---------------- |<------------ encrypted ------------------------------->|
 *
 * In UDP the SPI is never 0: four octets of 0 are the non-ESP marker of IKE, one octet of 0xff is a NAT-keepalive.
 */
import { loadBE32, storeBE32 } from "../rt/bytes";

export const ESP_SPI: u32 = 0;
export const ESP_SEQUENCE: u32 = 4;
export const ESP_HEADER: u32 = 8;
/** Pad length and next header. */
export const ESP_TRAILER: u32 = 2;
/** RFC 4303: SPI 0 never travels, 1..255 are reserved. */
export const ESP_SPI_MINIMUM: u32 = 256;
export const ESP_KEEPALIVE: u8 = 0xff;

// @ts-ignore: decorator
@inline
export function espSpi(p: usize): u32 {
  return loadBE32(p + ESP_SPI);
}

/** The low 32 bits of the sequence number. */
// @ts-ignore: decorator
@inline
export function espSequence(p: usize): u32 {
  return loadBE32(p + ESP_SEQUENCE);
}

// @ts-ignore: decorator
@inline
export function espEmit(p: usize, spi: u32, sequence: u32): void {
  storeBE32(p + ESP_SPI, spi);
  storeBE32(p + ESP_SEQUENCE, sequence);
}

/** Octets of padding that bring `payload` and the trailer to a multiple of `block` (a power of two of at least 4). */
// @ts-ignore: decorator
@inline
export function espPadding(payload: u32, block: u32): u32 {
  return (block - ((payload + ESP_TRAILER) & (block - 1))) & (block - 1);
}

/** Writes padding 1, 2, 3.. (RFC 4303 2.4) and the trailer behind the payload that ends at `end`. */
export function espEmitTrailer(end: usize, padding: u32, nextHeader: u32): void {
  for (let i: u32 = 0; i < padding; i++) store<u8>(end + i, <u8>(i + 1));
  store<u8>(end + padding, <u8>padding);
  store<u8>(end + padding, <u8>nextHeader, 1);
}

// @ts-ignore: decorator
@inline
export function espNextHeader(end: usize): u32 {
  return <u32>load<u8>(end - 1);
}

/**
 * Octets of padding and trailer at the end of the `length` octets of plaintext that end at `end`; 0 when the pad length
 * leaves the plaintext or the padding is not 1, 2, 3..
 */
export function espTrailerOctets(end: usize, length: u32): u32 {
  if (length < ESP_TRAILER) return 0;
  const padding = <u32>load<u8>(end - 2);
  const octets = padding + ESP_TRAILER;
  if (octets > length) return 0;
  const start = end - octets;
  let difference: u32 = 0;
  for (let i: u32 = 0; i < padding; i++) difference |= (<u32>load<u8>(start + i)) ^ (i + 1);
  return (difference & 0xff) == 0 ? octets : 0;
}
