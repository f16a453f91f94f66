/**
 * ICMPv6 (RFC 4443), the one message that a tunnel end must send and heed: packet too big (section 3.2).
 *
 *   +--------+--------+-----------------+
 *   | type 2 | code 0 | checksum        |
 *   +--------+--------+-----------------+
 *   | MTU                               |
 *   +-----------------------------------+
 *   | as much of the packet as fits in 1280 octets
 *
 * Refuses to answer what RFC 4443 2.4 (e) forbids to answer: ICMPv6 errors and redirects, and sources that are not one node.
 * A multicast destination is no hindrance to this message (2.4 e.3).
 */
import { storeBE16, storeBE32 } from "../rt/bytes";
import { checksumAdd, checksumFinish } from "./ipv4";
import {
  IPV6_HEADER,
  IPV6_MTU_MIN,
  IPV6_SOURCE,
  WALK_DONE,
  ipv6Emit,
  ipv6PseudoSum,
  ipv6Walk,
  ipv6WalkFragmentOffset,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "./ipv6";

export const PROTOCOL_ICMPV6: u32 = 58;
export const ICMPV6_HEADER: u32 = 8;
const ICMPV6_TOO_BIG: u8 = 2;
const ICMPV6_REDIRECT: u32 = 137;
/** Types below are errors. */
const ICMPV6_INFORMATIONAL: u32 = 128;
const QUOTE_MAX: u32 = IPV6_MTU_MIN - IPV6_HEADER - ICMPV6_HEADER;

/** True when a message, ICMPV6_HEADER octets of which are there, says that a packet was too big. */
export function isPacketTooBig(icmp: usize): bool {
  return load<u8>(icmp) == ICMPV6_TOO_BIG;
}

/** True when the checksum of a message of `octets` octets behind the IPv6 header at `ip` is right. */
export function icmpv6Right(ip: usize, icmp: usize, octets: u32): bool {
  return checksumFinish(checksumAdd(ipv6PseudoSum(ip, octets, PROTOCOL_ICMPV6), icmp, octets)) == 0;
}

/** True when a packet too big may answer this packet (which ipv6Check accepted, `length` octets). */
export function icmpv6MayAnswer(packet: usize, length: u32): bool {
  const source = packet + IPV6_SOURCE;
  if (load<u8>(source) == 0xff) return false;
  // Neither unspecified nor loopback.
  if (load<u64>(source) == 0 && bswap<u64>(load<u64>(source, 8)) <= 1) return false;
  if (ipv6Walk(packet, length) != WALK_DONE) return false;
  if (ipv6WalkProtocol() != PROTOCOL_ICMPV6) return true;
  const at = ipv6WalkOctets();
  if (ipv6WalkFragmentOffset() != 0 || length < at + 1) return false;
  const type = <u32>load<u8>(packet + at);
  return type >= ICMPV6_INFORMATIONAL && type != ICMPV6_REDIRECT;
}

/**
 * Writes a whole IPv6 packet "packet too big" about `packet` (`length` octets) to `p`, which has room for 1280 octets; returns its
 * length. `from`: the address that speaks, 16 octets; `mtu`: the largest packet that would pass.
 */
export function icmpv6EmitTooBig(p: usize, packet: usize, length: u32, from: usize, mtu: u32): u32 {
  const quote = min<u32>(length, QUOTE_MAX);
  const icmp = p + IPV6_HEADER;
  const octets = ICMPV6_HEADER + quote;
  ipv6Emit(p, octets, PROTOCOL_ICMPV6, from, packet + IPV6_SOURCE, 64, 0xc0, 0);
  store<u32>(icmp, 0);
  store<u8>(icmp, ICMPV6_TOO_BIG);
  storeBE32(icmp + 4, mtu);
  memory.copy(icmp + ICMPV6_HEADER, packet, quote);
  storeBE16(icmp + 2, checksumFinish(checksumAdd(ipv6PseudoSum(p, octets, PROTOCOL_ICMPV6), icmp, octets)));
  return IPV6_HEADER + octets;
}
