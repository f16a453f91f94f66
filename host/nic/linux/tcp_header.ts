/**
 * What segmentation and its reverse have to know of a TCP packet: IPv4 without options or IPv6 without extension headers (RFC 791, 8200),
 * and TCP behind it (RFC 9293 section 3.1). Everything else passes as it stands.
 */
import { internetSum } from "./checksum.ts";

export const PROTOCOL_TCP = 6;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const TCP_HEADER = 20;

/** Offsets behind the start of the TCP header. */
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGEMENT = 8;
const TCP_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_CHECKSUM = 16;

export const TCP_FIN = 1;
export const TCP_PSH = 8;
export const TCP_ACK = 16;
export const TCP_CWR = 128;

export interface TcpPacket {
  family: 4 | 6;
  /** Octets of the IP header, and of both. */
  ipOctets: number;
  headerOctets: number;
  sequence: number;
  flags: number;
  dontFragment: boolean;
}

export const emptyTcpPacket = (): TcpPacket => ({
  family: 4,
  ipOctets: 0,
  headerOctets: 0,
  sequence: 0,
  flags: 0,
  dontFragment: false,
});

export const get16 = (octets: Uint8Array, at: number): number => (octets[at]! << 8) | octets[at + 1]!;
export const get32 = (octets: Uint8Array, at: number): number =>
  ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;

export function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 8;
  octets[at + 1] = value & 0xff;
}

export function put32(octets: Uint8Array, at: number, value: number): void {
  put16(octets, at, value >>> 16);
  put16(octets, at + 2, value & 0xffff);
}

/** Reads the headers of the packet of `length` octets at `at`; false when it is no whole TCP packet of that kind. */
export function readTcp(octets: Uint8Array, at: number, length: number, packet: TcpPacket): boolean {
  if (length < IPV4_HEADER + TCP_HEADER) return false;
  if (octets[at] === 0x45) {
    const fragment = get16(octets, at + 6);
    if (octets[at + 9] !== PROTOCOL_TCP || (fragment & 0x3fff) !== 0 || get16(octets, at + 2) !== length) return false;
    packet.family = 4;
    packet.ipOctets = IPV4_HEADER;
    packet.dontFragment = (fragment & 0x4000) !== 0;
  } else if (octets[at]! >>> 4 === 6) {
    if (length < IPV6_HEADER + TCP_HEADER || octets[at + 6] !== PROTOCOL_TCP) return false;
    if (get16(octets, at + 4) + IPV6_HEADER !== length) return false;
    packet.family = 6;
    packet.ipOctets = IPV6_HEADER;
    packet.dontFragment = true;
  } else {
    return false;
  }
  const tcp = at + packet.ipOctets;
  const octetsOfTcp = (octets[tcp + TCP_OFFSET]! >>> 4) * 4;
  if (octetsOfTcp < TCP_HEADER || packet.ipOctets + octetsOfTcp > length) return false;
  packet.headerOctets = packet.ipOctets + octetsOfTcp;
  packet.sequence = get32(octets, tcp + TCP_SEQUENCE);
  packet.flags = octets[tcp + TCP_FLAGS]!;
  return true;
}

/** The sum over the pseudo-header of a TCP packet whose TCP part has `length` octets (RFC 9293 3.1, RFC 8200 8.1). */
export function pseudoSum(octets: Uint8Array, words: Uint32Array, at: number, family: 4 | 6, length: number): number {
  const addresses = family === 4 ? at + 12 : at + 8;
  return internetSum(octets, words, addresses, family === 4 ? 8 : 32, PROTOCOL_TCP + length);
}

/** Says how long the IP packet at `at` is. */
export function putIpLength(octets: Uint8Array, at: number, family: 4 | 6, length: number): void {
  if (family === 4) put16(octets, at + 2, length);
  else put16(octets, at + 4, length - IPV6_HEADER);
}

/** Writes the checksum of the IPv4 header at `at` anew. */
export function putIpChecksum(octets: Uint8Array, words: Uint32Array, at: number): void {
  put16(octets, at + 10, 0);
  put16(octets, at + 10, ~internetSum(octets, words, at, IPV4_HEADER) & 0xffff);
}
