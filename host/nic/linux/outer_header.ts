/**
 * The IPv4 (RFC 791) and UDP (RFC 768) headers between a socket and a board. A board sees whole IP packets on its
 * UNPROTECTED port, a UDP socket gives and takes the payload only: so a header is written in front of what arrives, and
 * the header of what leaves is read to find the socket and the destination.
 *
 * The UDP checksum of a written header is 0, "not computed": the kernel has verified the real one. Checks only what is
 * needed to send; whether a packet makes sense is the firmware's business.
 */

export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
export const PROTOCOL_ESP = 50;
export const PROTOCOL_UDP = 17;

/** The kernel does not tell the TTL of a datagram; nothing behind the NIC depends on it. */
const RECEIVED_TTL = 64;

/** "192.0.2.1" as a number, first octet on top. Throws RangeError for anything else. */
export function parseIpv4(text: string): number {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) {
    throw new RangeError(`"${text}" is not an IPv4 address`);
  }
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

export function formatIpv4(address: number): string {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join(".");
}

/** RFC 1071 checksum of a header of an even number of octets, as it is to be stored (big endian). */
export function headerChecksum(octets: Uint8Array, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += (octets[i] << 8) | octets[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
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

/**
 * Writes the 28 octets of IPv4 and UDP header at `at`, for a payload of `payload` octets that follows. Not fragmented:
 * the kernel has put fragments together.
 */
export function writeDatagramHeader(
  octets: Uint8Array,
  at: number,
  payload: number,
  source: number,
  sourcePort: number,
  destination: number,
  destinationPort: number,
  tos: number,
): void {
  octets[at] = 0x45;
  octets[at + 1] = tos;
  put16(octets, at + 2, IPV4_HEADER + UDP_HEADER + payload);
  put32(octets, at + 4, 0);
  octets[at + 8] = RECEIVED_TTL;
  octets[at + 9] = PROTOCOL_UDP;
  put16(octets, at + 10, 0);
  put32(octets, at + 12, source);
  put32(octets, at + 16, destination);
  put16(octets, at + 10, headerChecksum(octets, at, IPV4_HEADER));
  put16(octets, at + 20, sourcePort);
  put16(octets, at + 22, destinationPort);
  put16(octets, at + 24, UDP_HEADER + payload);
  put16(octets, at + 26, 0);
}

/** How a packet leaves: by the UDP socket of its source, by a raw socket, or not at all. */
export const LEAVES_UDP = 1;
export const LEAVES_RAW = 2;
export const REFUSED_MALFORMED = -1;
export const REFUSED_PROTOCOL = -2;

/** What readOuterHeader() found; one object per sender, overwritten by every packet. */
export interface OuterHeader {
  tos: number;
  dontFragment: boolean;
  source: number;
  destination: number;
  /** UDP only. */
  sourcePort: number;
  destinationPort: number;
  /** From the first octet of the packet to what the socket is given without a header of ours, and its length. */
  payloadAt: number;
  payloadLength: number;
}

export function emptyOuterHeader(): OuterHeader {
  return {
    tos: 0,
    dontFragment: false,
    source: 0,
    destination: 0,
    sourcePort: 0,
    destinationPort: 0,
    payloadAt: 0,
    payloadLength: 0,
  };
}

/** Reads the header of an outgoing packet: LEAVES_*, or REFUSED_* (no IPv4, lengths that do not fit, a UDP fragment). */
export function readOuterHeader(octets: Uint8Array, at: number, length: number, header: OuterHeader): number {
  if (length < IPV4_HEADER || octets[at] >>> 4 !== 4) return REFUSED_MALFORMED;
  const headerOctets = (octets[at] & 15) * 4;
  const total = (octets[at + 2] << 8) | octets[at + 3];
  if (headerOctets < IPV4_HEADER || total !== length || headerOctets > total) return REFUSED_MALFORMED;
  const fragment = (octets[at + 6] << 8) | octets[at + 7];
  header.tos = octets[at + 1];
  header.dontFragment = (fragment & 0x4000) !== 0;
  header.source =
    (octets[at + 12] * 0x1000000 + ((octets[at + 13] << 16) | (octets[at + 14] << 8) | octets[at + 15])) >>> 0;
  header.destination =
    (octets[at + 16] * 0x1000000 + ((octets[at + 17] << 16) | (octets[at + 18] << 8) | octets[at + 19])) >>> 0;
  header.payloadAt = headerOctets;
  header.payloadLength = total - headerOctets;
  if (octets[at + 9] === PROTOCOL_ESP) return LEAVES_RAW;
  if (octets[at + 9] !== PROTOCOL_UDP) return REFUSED_PROTOCOL;
  if ((fragment & 0x3fff) !== 0 || header.payloadLength < UDP_HEADER) return REFUSED_MALFORMED;
  const udp = at + headerOctets;
  const udpLength = (octets[udp + 4] << 8) | octets[udp + 5];
  if (udpLength !== header.payloadLength) return REFUSED_MALFORMED;
  header.sourcePort = (octets[udp] << 8) | octets[udp + 1];
  header.destinationPort = (octets[udp + 2] << 8) | octets[udp + 3];
  header.payloadAt += UDP_HEADER;
  header.payloadLength -= UDP_HEADER;
  return LEAVES_UDP;
}
