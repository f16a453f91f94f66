/**
 * ICMP for IPv4 (RFC 792), the one message that a tunnel end must send and heed: destination unreachable, fragmentation needed
 * (RFC 1191 section 4).
 *
 *   +--------+--------+-----------------+
 *   | type 3 | code 4 | checksum        |
 *   +--------+--------+-----------------+
 *   | 0               | next-hop MTU    |
 *   +-----------------+-----------------+
 *   | IP header of the packet and the start of its payload
 *
 * Refuses to answer what RFC 1122 3.2.2 forbids to answer: ICMP errors, later fragments, multicast and broadcast.
 */
import { loadBE16, storeBE16 } from "../rt/bytes";
import {
  IPV4_HEADER,
  PROTOCOL_ICMP,
  ipv4Checksum,
  ipv4Destination,
  ipv4Emit,
  ipv4FragmentOffset,
  ipv4HeaderOctets,
  ipv4Protocol,
  ipv4Source,
} from "./ipv4";

export const ICMP_HEADER: u32 = 8;
const ICMP_UNREACHABLE: u32 = 3;
const ICMP_FRAGMENTATION_NEEDED: u32 = 4;
/** RFC 1812 4.3.2.3: as much of the packet as fits in 576 octets. */
const QUOTE_MAX: u32 = 576 - IPV4_HEADER - ICMP_HEADER;

/** True when a message, ICMP_HEADER octets of which are there, says that a packet was too big. */
export function isFragmentationNeeded(icmp: usize): bool {
  return <u32>load<u8>(icmp) == ICMP_UNREACHABLE && <u32>load<u8>(icmp, 1) == ICMP_FRAGMENTATION_NEEDED;
}

/** True when the checksum of a message of `octets` octets is right. */
export function icmpRight(icmp: usize, octets: u32): bool {
  return ipv4Checksum(icmp, octets) == 0;
}

/** True when an ICMP error may answer this packet (which ipv4Check accepted, `length` octets). */
export function icmpMayAnswer(packet: usize, length: u32): bool {
  const source = ipv4Source(packet);
  const destination = ipv4Destination(packet);
  if (ipv4FragmentOffset(packet) != 0) return false;
  if (source >> 28 >= 0xe || source >> 24 == 127 || source >> 24 == 0) return false;
  if (destination >> 28 >= 0xe) return false;
  if (ipv4Protocol(packet) != PROTOCOL_ICMP) return true;
  const header = ipv4HeaderOctets(packet);
  if (length < header + 1) return false;
  const type = <u32>load<u8>(packet + header);
  return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
}

/**
 * Writes a whole IPv4 packet "fragmentation needed" about `packet` (`length` octets) to `p`, which has room for 576 octets;
 * returns its length. `from` is the address that speaks, `mtu` the largest packet that would pass.
 */
export function icmpEmitFragmentationNeeded(p: usize, packet: usize, length: u32, from: u32, mtu: u32): u32 {
  const quote = min<u32>(length, QUOTE_MAX);
  const icmp = p + IPV4_HEADER;
  store<u8>(icmp, <u8>ICMP_UNREACHABLE);
  store<u8>(icmp, <u8>ICMP_FRAGMENTATION_NEEDED, 1);
  store<u32>(icmp, 0, 2);
  storeBE16(icmp + 6, mtu);
  memory.copy(icmp + ICMP_HEADER, packet, quote);
  storeBE16(icmp + 2, ipv4Checksum(icmp, ICMP_HEADER + quote));
  const total = IPV4_HEADER + ICMP_HEADER + quote;
  ipv4Emit(p, total, PROTOCOL_ICMP, from, ipv4Source(packet), 64, 0xc0, false, loadBE16(packet + 4));
  return total;
}
