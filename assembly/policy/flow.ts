/**
 * A flow: the selector values of one clear packet (RFC 4301 4.4.1.1): addresses, next layer protocol, ports.
 *
 * Addresses are pairs of u64 in host order, most significant first; an IPv4 address is the upper half of HIGH, so that one
 * comparison and one mask serve both families. A packet shows ports as RFC 4301 has it: TCP, UDP and SCTP their own, ICMP
 * and ICMPv6 their type (high octet) and code as both, the mobility header its type (high octet) as both; PORT_NONE in a fragment
 * without them and in every other protocol. Extension headers of IPv6 are no next layer, but for AH and ESP.
 */
import { loadBE16, loadBE32, loadBE64 } from "../rt/bytes";
import { PROTOCOL_ICMPV6 } from "../wire/icmpv6";
import {
  IPV4_DESTINATION,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  PROTOCOL_ICMP,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  ipv4FragmentOffset,
  ipv4HeaderOctets,
} from "../wire/ipv4";
import {
  IPV6_DESTINATION,
  IPV6_SOURCE,
  WALK_DONE,
  ipv6Walk,
  ipv6WalkFragmentOffset,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";

/** IPv6 mobility header (RFC 6275 6.1); its type is the third octet. */
const PROTOCOL_MOBILITY: u32 = 135;

/** The packet shows no port: only a selector of all ports, or an opaque one, matches. */
export const PORT_NONE: u32 = 0x10000;


@unmanaged
export class Flow {
  sourceHigh: u64;
  sourceLow: u64;
  destinationHigh: u64;
  destinationLow: u64;
  /** protocol << 8 | family */
  kind: u32;
  /** 0..65535 or PORT_NONE. */
  sourcePort: u32;
  destinationPort: u32;
  /** Where the selector table's cache has it: of a flow that selectorFlowHash was given. */
  hash: u32;
}

export const FLOW_OCTETS: u32 = 48;
if (offsetof<Flow>() != FLOW_OCTETS) ERROR("size of a flow");

/** The KIND of a flow. */
// @ts-ignore: decorator
@inline
export function flowKind(family: u32, protocol: u32): u32 {
  return (protocol << 8) | family;
}

/** Makes it the flow of the other direction. */
export function flowTurn(flow: Flow): void {
  const high = flow.sourceHigh;
  const low = flow.sourceLow;
  const port = flow.sourcePort;
  flow.sourceHigh = flow.destinationHigh;
  flow.sourceLow = flow.destinationLow;
  flow.sourcePort = flow.destinationPort;
  flow.destinationHigh = high;
  flow.destinationLow = low;
  flow.destinationPort = port;
}

/** An IPv4 address in network order, as the HIGH of a flow. */
// @ts-ignore: decorator
@inline
export function addressHigh4(p: usize): u64 {
  return (<u64>loadBE32(p)) << 32;
}

/**
 * Reads a packet that ipv4Check or ipv6Check accepted; `length` is its total length. False for an IPv6 packet whose extension
 * headers ipv6Walk does not get over; it has no flow.
 */
export function flowRead(packet: usize, length: u32, flow: Flow): bool {
  if ((<u32>load<u8>(packet)) >> 4 == 6) return flowRead6(packet, length, flow);
  const protocol = <u32>load<u8>(packet, IPV4_PROTOCOL);
  const header = ipv4HeaderOctets(packet);
  flow.sourceHigh = addressHigh4(packet + IPV4_SOURCE);
  flow.sourceLow = 0;
  flow.destinationHigh = addressHigh4(packet + IPV4_DESTINATION);
  flow.destinationLow = 0;
  flow.kind = flowKind(4, protocol);
  flow.sourcePort = PORT_NONE;
  flow.destinationPort = PORT_NONE;
  // A first fragment of fewer than 4 octets of payload shows no ports either.
  if (length < header + 4 || ipv4FragmentOffset(packet) != 0) return true;
  const payload = packet + header;
  if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP) {
    flow.sourcePort = loadBE16(payload);
    flow.destinationPort = loadBE16(payload + 2);
  } else if (protocol == PROTOCOL_ICMP) {
    flow.sourcePort = loadBE16(payload);
    flow.destinationPort = flow.sourcePort;
  }
  return true;
}

function flowRead6(packet: usize, length: u32, flow: Flow): bool {
  if (ipv6Walk(packet, length) != WALK_DONE) return false;
  const protocol = ipv6WalkProtocol();
  const header = ipv6WalkOctets();
  flow.sourceHigh = loadBE64(packet + IPV6_SOURCE);
  flow.sourceLow = loadBE64(packet + IPV6_SOURCE + 8);
  flow.destinationHigh = loadBE64(packet + IPV6_DESTINATION);
  flow.destinationLow = loadBE64(packet + IPV6_DESTINATION + 8);
  flow.kind = flowKind(6, protocol);
  flow.sourcePort = PORT_NONE;
  flow.destinationPort = PORT_NONE;
  if (length < header + 4 || ipv6WalkFragmentOffset() != 0) return true;
  const payload = packet + header;
  if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP) {
    flow.sourcePort = loadBE16(payload);
    flow.destinationPort = loadBE16(payload + 2);
  } else if (protocol == PROTOCOL_ICMPV6 || protocol == PROTOCOL_MOBILITY) {
    flow.sourcePort = protocol == PROTOCOL_ICMPV6 ? loadBE16(payload) : (<u32>load<u8>(payload, 2)) << 8;
    flow.destinationPort = flow.sourcePort;
  }
  return true;
}
