/**
 * UDP header (RFC 768).
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |          Source port          |       Destination port        |
 *   +-------------------------------+-------------------------------+
 *   |   Length (header included)    |     Checksum, 0: none         |
 *   +-------------------------------+-------------------------------+
 *
 * Accessors are safe on any range that udpCheck accepted. Over IPv4 the checksum is not verified: what we take from UDP
 * carries an ICV of its own, but for the first messages of IKE, and RFC 3948 2.1 has ESP in UDP send none. Over IPv6 there has
 * to be one (RFC 8200 8.1), and those of IKE are verified: nothing else protects the addresses there.
 */
import { loadBE16, storeBE16, storeBE32 } from "../rt/bytes";
import { PROTOCOL_UDP, checksumAdd, checksumFinish } from "./ipv4";
import { ipv6PseudoSum } from "./ipv6";

export const UDP_SOURCE_PORT: u32 = 0;
export const UDP_DESTINATION_PORT: u32 = 2;
export const UDP_LENGTH: u32 = 4;
export const UDP_CHECKSUM: u32 = 6;
export const UDP_HEADER: u32 = 8;

/** True when `length` octets (the IP payload) hold a whole datagram. */
export function udpCheck(p: usize, length: u32): bool {
  if (length < UDP_HEADER) return false;
  const datagram = loadBE16(p + UDP_LENGTH);
  return datagram >= UDP_HEADER && datagram <= length;
}

// @ts-ignore: decorator
@inline
export function udpSourcePort(p: usize): u32 {
  return loadBE16(p + UDP_SOURCE_PORT);
}

// @ts-ignore: decorator
@inline
export function udpDestinationPort(p: usize): u32 {
  return loadBE16(p + UDP_DESTINATION_PORT);
}

/** Octets of the datagram, header included. */
// @ts-ignore: decorator
@inline
export function udpLength(p: usize): u32 {
  return loadBE16(p + UDP_LENGTH);
}

// @ts-ignore: decorator
@inline
export function udpHasChecksum(p: usize): bool {
  return load<u16>(p, UDP_CHECKSUM) != 0;
}

/** Writes a header without checksum. `length` counts the header and the payload behind it. */
export function udpEmit(p: usize, sourcePort: u32, destinationPort: u32, length: u32): void {
  storeBE16(p + UDP_SOURCE_PORT, sourcePort);
  storeBE16(p + UDP_DESTINATION_PORT, destinationPort);
  storeBE16(p + UDP_LENGTH, length);
  store<u16>(p, 0, UDP_CHECKSUM);
}

const pseudo: usize = memory.data(12, 4);

/**
 * Writes the checksum of an emitted datagram under its IPv4 pseudo header; `source` and `destination` are numbers. Call
 * it once the payload stands.
 */
export function udpEmitChecksum(p: usize, source: u32, destination: u32): void {
  const length = udpLength(p);
  storeBE32(pseudo, source);
  storeBE32(pseudo + 4, destination);
  storeBE32(pseudo + 8, (PROTOCOL_UDP << 16) | length);
  store<u16>(p, 0, UDP_CHECKSUM);
  const sum = checksumFinish(checksumAdd(checksumAdd(0, pseudo, 12), p, length));
  storeBE16(p + UDP_CHECKSUM, sum == 0 ? 0xffff : sum);
}

/** The same under the IPv6 header at `ip`, where a checksum is not optional (RFC 8200 8.1). */
export function udpEmitChecksum6(ip: usize, p: usize): void {
  const length = udpLength(p);
  store<u16>(p, 0, UDP_CHECKSUM);
  const sum = checksumFinish(checksumAdd(ipv6PseudoSum(ip, length, PROTOCOL_UDP), p, length));
  storeBE16(p + UDP_CHECKSUM, sum == 0 ? 0xffff : sum);
}

/** True when the checksum of the datagram at `p`, behind the IPv6 header at `ip`, is there and right (RFC 8200 8.1). */
export function udpChecksumRight6(ip: usize, p: usize): bool {
  const length = udpLength(p);
  if (!udpHasChecksum(p)) return false;
  return checksumFinish(checksumAdd(ipv6PseudoSum(ip, length, PROTOCOL_UDP), p, length)) == 0;
}
