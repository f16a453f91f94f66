/**
 * IPv4 header (RFC 791), its checksum (RFC 1071).
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------+-------+---------------+-------------------------------+
 *   |Version|  IHL  |      TOS      |          Total length         |
 *   +-------+-------+---------------+-----+-------------------------+
 *   |         Identification        |0 D M|     Fragment offset     |
 *   +---------------+---------------+-----+-------------------------+
 *   |      TTL      |    Protocol   |        Header checksum        |
 *   +---------------+---------------+-------------------------------+
 *   |                         Source address                        |
 *   +---------------------------------------------------------------+
 *   |                      Destination address                      |
 *   +---------------------------------------------------------------+
 *   |                    Options, 0..40 octets                      |
 *   +---------------------------------------------------------------+
 *
 * Accessors are safe on any range that ipv4Check accepted. Refuses to interpret options and to reassemble.
 */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../rt/bytes";

export const IPV4_TOS: u32 = 1;
export const IPV4_TOTAL_LENGTH: u32 = 2;
export const IPV4_ID: u32 = 4;
export const IPV4_FRAGMENT: u32 = 6;
export const IPV4_TTL: u32 = 8;
export const IPV4_PROTOCOL: u32 = 9;
export const IPV4_CHECKSUM: u32 = 10;
export const IPV4_SOURCE: u32 = 12;
export const IPV4_DESTINATION: u32 = 16;
/** Octets of a header without options. */
export const IPV4_HEADER: u32 = 20;

export const IPV4_DF: u32 = 0x4000;
export const IPV4_MF: u32 = 0x2000;
export const IPV4_OFFSET_MASK: u32 = 0x1fff;

/** IANA protocol numbers. */
export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_IPV4: u32 = 4;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_IPV6: u32 = 41;
export const PROTOCOL_ESP: u32 = 50;
export const PROTOCOL_AH: u32 = 51;
export const PROTOCOL_NONE: u32 = 59;
export const PROTOCOL_SCTP: u32 = 132;

/** True when `length` octets hold a whole IPv4 packet: version, IHL, total length and header checksum are right. */
export function ipv4Check(p: usize, length: u32): bool {
  if (length < IPV4_HEADER) return false;
  const first = <u32>load<u8>(p);
  if (first >> 4 != 4) return false;
  const header = (first & 15) << 2;
  const total = loadBE16(p + IPV4_TOTAL_LENGTH);
  if (header < IPV4_HEADER || header > total || total > length) return false;
  return ipv4Checksum(p, header) == 0;
}

/** Octets of header, options included. */
// @ts-ignore: decorator
@inline
export function ipv4HeaderOctets(p: usize): u32 {
  return ((<u32>load<u8>(p)) & 15) << 2;
}

/** Octets of the packet, header included. */
// @ts-ignore: decorator
@inline
export function ipv4TotalLength(p: usize): u32 {
  return loadBE16(p + IPV4_TOTAL_LENGTH);
}

// @ts-ignore: decorator
@inline
export function ipv4Protocol(p: usize): u32 {
  return <u32>load<u8>(p, IPV4_PROTOCOL);
}

/** Source address as a number: 10.1.2.3 is 0x0a010203. */
// @ts-ignore: decorator
@inline
export function ipv4Source(p: usize): u32 {
  return loadBE32(p + IPV4_SOURCE);
}

/** Destination address as a number. */
// @ts-ignore: decorator
@inline
export function ipv4Destination(p: usize): u32 {
  return loadBE32(p + IPV4_DESTINATION);
}

/** True when the packet is one fragment of several, the first one included. */
// @ts-ignore: decorator
@inline
export function ipv4IsFragment(p: usize): bool {
  return (loadBE16(p + IPV4_FRAGMENT) & (IPV4_MF | IPV4_OFFSET_MASK)) != 0;
}

/** Offset of a fragment in units of 8 octets; 0 in the first one and in a whole packet. */
// @ts-ignore: decorator
@inline
export function ipv4FragmentOffset(p: usize): u32 {
  return loadBE16(p + IPV4_FRAGMENT) & IPV4_OFFSET_MASK;
}

// @ts-ignore: decorator
@inline
export function ipv4DontFragment(p: usize): bool {
  return (loadBE16(p + IPV4_FRAGMENT) & IPV4_DF) != 0;
}

/**
 * One's complement sum (RFC 1071) of `octets` octets, complemented, as a host-order number for storeBE16. Over a header
 * whose checksum field is zero it is the checksum; over a complete header it is 0 when that is right.
 */
export function ipv4Checksum(p: usize, octets: u32): u32 {
  return checksumFinish(checksumAdd(0, p, octets));
}

/** Adds octets to a running sum; an odd last octet counts as the high half of a word, so only the last piece may be odd. */
export function checksumAdd(sum: u64, p: usize, octets: u32): u64 {
  const end = p + octets;
  // The sum is the same in either byte order but for a swap at the end (RFC 1071 section 2 B).
  while (p + 4 <= end) {
    sum += <u64>load<u32>(p);
    p += 4;
  }
  if (p + 2 <= end) {
    sum += <u64>load<u16>(p);
    p += 2;
  }
  if (p < end) sum += <u64>load<u8>(p);
  return sum;
}

/** Folds and complements a sum of checksumAdd. */
export function checksumFinish(sum: u64): u32 {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return <u32>bswap<u16>(<u16>~sum);
}

/**
 * Writes a header without options, checksum included. `totalLength` counts the header; addresses are numbers
 * (0x0a010203 is 10.1.2.3).
 */
export function ipv4Emit(
  p: usize,
  totalLength: u32,
  protocol: u32,
  source: u32,
  destination: u32,
  ttl: u32,
  tos: u32,
  df: bool,
  id: u32,
): void {
  store<u8>(p, 0x45);
  store<u8>(p, <u8>tos, IPV4_TOS);
  storeBE16(p + IPV4_TOTAL_LENGTH, totalLength);
  storeBE16(p + IPV4_ID, id);
  storeBE16(p + IPV4_FRAGMENT, df ? IPV4_DF : 0);
  store<u8>(p, <u8>ttl, IPV4_TTL);
  store<u8>(p, <u8>protocol, IPV4_PROTOCOL);
  store<u16>(p, 0, IPV4_CHECKSUM);
  storeBE32(p + IPV4_SOURCE, source);
  storeBE32(p + IPV4_DESTINATION, destination);
  storeBE16(p + IPV4_CHECKSUM, ipv4Checksum(p, IPV4_HEADER));
}

/** Replaces the TOS octet and corrects the checksum (RFC 1624). */
export function ipv4SetTos(p: usize, tos: u32): void {
  const before = loadBE16(p);
  store<u8>(p, <u8>tos, IPV4_TOS);
  const after = loadBE16(p);
  let sum = (loadBE16(p + IPV4_CHECKSUM) ^ 0xffff) + (before ^ 0xffff) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  storeBE16(p + IPV4_CHECKSUM, sum ^ 0xffff);
}
