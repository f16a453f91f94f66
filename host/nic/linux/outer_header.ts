/**
 * The IPv4 (RFC 791), IPv6 (RFC 8200) and UDP (RFC 768) headers between a socket and a board. A board sees whole IP packets on
 * its UNPROTECTED port, a UDP socket gives and takes the payload only, a raw socket of IPv6 gives it only: so a header is
 * written in front of what arrives, and the header of what leaves is read to find the socket and the destination.
 *
 * The UDP checksum of a written header is over IPv4 0, "not computed", for the kernel has verified the real one; over IPv6, where
 * none is no choice (RFC 8200 8.1), it is computed. Checks only what is needed to send; whether a packet makes sense is the
 * firmware's business.
 */

export const IPV4_HEADER = 20;
export const IPV6_HEADER = 40;
export const UDP_HEADER = 8;
export const PROTOCOL_ESP = 50;
export const PROTOCOL_AH = 51;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_ICMPV6 = 58;

export const PROTOCOL_IPV6_FRAGMENT = 44;

const IPV6_NEXT_HEADER = 6;
const IPV6_SOURCE = 8;
const IPV6_DESTINATION = 24;

/** The kernel does not tell the TTL of a datagram; nothing behind the NIC depends on it. */
const RECEIVED_TTL = 64;

export type Family = 4 | 6;

/** Octets of an address. */
export function addressLength(family: Family): number {
  return family === 4 ? 4 : 16;
}

/** Address and port of a socket, for a Map. */
export function socketKey(octets: Uint8Array, at: number, family: Family, port: number): number | string {
  if (family === 4) {
    return ((octets[at] << 24) | (octets[at + 1] << 16) | (octets[at + 2] << 8) | octets[at + 3]) * 65536 + port;
  }
  let key = "";
  for (let i = at; i < at + 16; i += 2) key += String.fromCharCode((octets[i] << 8) | octets[i + 1]);
  return key + String.fromCharCode(port);
}

/** The sum of RFC 1071, not yet folded, of octets; the last of an odd number counts as the first half of a word. */
function sumOf(octets: Uint8Array, at: number, length: number): number {
  let sum = 0;
  const end = at + length;
  for (let i = at; i + 1 < end; i += 2) sum += (octets[i] << 8) | octets[i + 1];
  return length & 1 ? sum + (octets[end - 1] << 8) : sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return ~rest & 0xffff;
}

/** RFC 1071 checksum of a header, as it is to be stored (big endian). */
export function headerChecksum(octets: Uint8Array, at: number, length: number): number {
  return folded(sumOf(octets, at, length));
}

/** The checksum of the datagram behind the IPv6 header at `at` (RFC 8200 8.1); over a right one, 0. */
export function datagramChecksum6(octets: Uint8Array, at: number): number {
  const udp = at + IPV6_HEADER;
  const length = (octets[udp + 4] << 8) | octets[udp + 5];
  return folded(sumOf(octets, at + IPV6_SOURCE, 32) + length + PROTOCOL_UDP + sumOf(octets, udp, length));
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 8;
  octets[at + 1] = value & 0xff;
}

function put32(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24;
  octets[at + 1] = (value >>> 16) & 0xff;
  octets[at + 2] = (value >>> 8) & 0xff;
  octets[at + 3] = value & 0xff;
}

/** What the kernel told of a received message. */
export interface Arrival {
  /** Address of the sender, at `sourceAt` of `octets`, and our own. */
  octets: Uint8Array;
  sourceAt: number;
  sourcePort: number;
  destination: Uint8Array;
  destinationPort: number;
  tos: number;
}

/** Octets of header that an arriving message gets. */
export function headerOctets(family: Family, protocol: number): number {
  return (family === 4 ? IPV4_HEADER : IPV6_HEADER) + (protocol === PROTOCOL_UDP ? UDP_HEADER : 0);
}

/**
 * Writes those headers at `at` of the arrival's octets, for a payload of `payload` octets that follows. Not fragmented: the
 * kernel has put fragments together.
 */
export function writeOuterHeader(
  family: Family,
  protocol: number,
  arrival: Arrival,
  at: number,
  payload: number,
): void {
  const { octets } = arrival;
  const udp = protocol === PROTOCOL_UDP;
  const behind = payload + (udp ? UDP_HEADER : 0);
  if (family === 4) writeIpv4(protocol, arrival, at, behind);
  else writeIpv6(protocol, arrival, at, behind);
  if (!udp) return;
  const header = at + (family === 4 ? IPV4_HEADER : IPV6_HEADER);
  put16(octets, header, arrival.sourcePort);
  put16(octets, header + 2, arrival.destinationPort);
  put16(octets, header + 4, behind);
  put16(octets, header + 6, 0);
  if (family === 6) put16(octets, header + 6, datagramChecksum6(octets, at) || 0xffff);
}

function writeIpv4(protocol: number, arrival: Arrival, at: number, behind: number): void {
  const { octets, sourceAt, destination, tos } = arrival;
  octets[at] = 0x45;
  octets[at + 1] = tos;
  put16(octets, at + 2, IPV4_HEADER + behind);
  put32(octets, at + 4, 0);
  octets[at + 8] = RECEIVED_TTL;
  octets[at + 9] = protocol;
  put16(octets, at + 10, 0);
  octets.copyWithin(at + 12, sourceAt, sourceAt + 4);
  octets.set(destination, at + 16);
  put16(octets, at + 10, headerChecksum(octets, at, IPV4_HEADER));
}

function writeIpv6(protocol: number, arrival: Arrival, at: number, behind: number): void {
  const { octets, sourceAt, destination, tos } = arrival;
  put32(octets, at, 0x60000000 | (tos << 20));
  put16(octets, at + 4, behind);
  octets[at + IPV6_NEXT_HEADER] = protocol;
  octets[at + 7] = RECEIVED_TTL;
  octets.copyWithin(at + IPV6_SOURCE, sourceAt, sourceAt + 16);
  octets.set(destination, at + IPV6_DESTINATION);
}

/**
 * How a packet leaves: by the UDP socket of its source, by a raw socket (of ESP or AH), or not at all. A fragment leaves by the raw
 * socket of ESP whatever it is of.
 */
export const LEAVES_UDP = 1;
export const LEAVES_RAW = 2;
export const LEAVES_AH = 3;
export const REFUSED_MALFORMED = -1;
export const REFUSED_PROTOCOL = -2;

/** What readOuterHeader() found; one object per sender, overwritten by every packet. */
export interface OuterHeader {
  family: Family;
  tos: number;
  dontFragment: boolean;
  fragment: boolean;
  /** From the first octet of the packet to the addresses. */
  sourceAt: number;
  destinationAt: number;
  /** UDP only. */
  sourcePort: number;
  destinationPort: number;
  /** From the first octet of the packet to what the socket is given without a header of ours, and its length. */
  payloadAt: number;
  payloadLength: number;
}

export function emptyOuterHeader(): OuterHeader {
  return {
    family: 4,
    tos: 0,
    dontFragment: false,
    fragment: false,
    sourceAt: 0,
    destinationAt: 0,
    sourcePort: 0,
    destinationPort: 0,
    payloadAt: 0,
    payloadLength: 0,
  };
}

/** Reads the header of an outgoing packet: LEAVES_*, or REFUSED_* (no IP, lengths that do not fit). */
export function readOuterHeader(octets: Uint8Array, at: number, length: number, header: OuterHeader): number {
  const version = length === 0 ? 0 : octets[at] >>> 4;
  let protocol = -1;
  if (version === 4) protocol = readIpv4(octets, at, length, header);
  else if (version === 6) protocol = readIpv6(octets, at, length, header);
  if (protocol < 0) return REFUSED_MALFORMED;
  if (protocol === PROTOCOL_ESP || protocol === PROTOCOL_IPV6_FRAGMENT) return LEAVES_RAW;
  if (header.fragment && (protocol === PROTOCOL_UDP || protocol === PROTOCOL_AH)) return LEAVES_RAW;
  if (protocol === PROTOCOL_AH) return LEAVES_AH;
  if (protocol !== PROTOCOL_UDP) return REFUSED_PROTOCOL;
  if (header.payloadLength < UDP_HEADER) return REFUSED_MALFORMED;
  const udp = at + header.payloadAt;
  const udpLength = (octets[udp + 4] << 8) | octets[udp + 5];
  if (udpLength !== header.payloadLength) return REFUSED_MALFORMED;
  header.sourcePort = (octets[udp] << 8) | octets[udp + 1];
  header.destinationPort = (octets[udp + 2] << 8) | octets[udp + 3];
  header.payloadAt += UDP_HEADER;
  header.payloadLength -= UDP_HEADER;
  return LEAVES_UDP;
}

/** Reads the header of a packet in clear, of any protocol; false: no IP, or lengths that do not fit. */
export function readClearHeader(octets: Uint8Array, at: number, length: number, header: OuterHeader): boolean {
  const version = length === 0 ? 0 : octets[at] >>> 4;
  if (version === 6) return readIpv6(octets, at, length, header) >= 0;
  return version === 4 && readIpv4(octets, at, length, header) >= 0;
}

/** The protocol behind the header, or -1. */
function readIpv4(octets: Uint8Array, at: number, length: number, header: OuterHeader): number {
  if (length < IPV4_HEADER) return -1;
  const headerLength = (octets[at] & 15) * 4;
  const total = (octets[at + 2] << 8) | octets[at + 3];
  if (headerLength < IPV4_HEADER || total !== length || headerLength > total) return -1;
  const fragment = (octets[at + 6] << 8) | octets[at + 7];
  header.family = 4;
  header.tos = octets[at + 1];
  header.dontFragment = (fragment & 0x4000) !== 0;
  header.fragment = (fragment & 0x3fff) !== 0;
  header.sourceAt = 12;
  header.destinationAt = 16;
  header.payloadAt = headerLength;
  header.payloadLength = total - headerLength;
  return octets[at + 9];
}

/** The same for IPv6; of extension headers the boards send the fragment header, any other is another protocol here. */
function readIpv6(octets: Uint8Array, at: number, length: number, header: OuterHeader): number {
  if (length < IPV6_HEADER || length !== IPV6_HEADER + ((octets[at + 4] << 8) | octets[at + 5])) return -1;
  header.family = 6;
  header.tos = ((octets[at] & 15) << 4) | (octets[at + 1] >>> 4);
  // The sender may fragment, which is the kernel here (RFC 8200 section 5).
  header.dontFragment = false;
  header.fragment = octets[at + IPV6_NEXT_HEADER] === PROTOCOL_IPV6_FRAGMENT;
  header.sourceAt = IPV6_SOURCE;
  header.destinationAt = IPV6_DESTINATION;
  header.payloadAt = IPV6_HEADER;
  header.payloadLength = length - IPV6_HEADER;
  return octets[at + IPV6_NEXT_HEADER];
}
