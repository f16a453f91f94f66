/**
 * A flow: the selector values of one clear packet (RFC 4301 4.4.1.1): addresses, next layer protocol, ports.
 *
 * Addresses are pairs of u64 in host order, most significant first; an IPv4 address is the upper half of HIGH, so that one
 * comparison and one mask serve both families. A packet shows ports as RFC 4301 has it: TCP, UDP and SCTP their own, ICMP
 * its type (high octet) and code as both; PORT_NONE in a fragment without them and in every other protocol.
 */
import { loadBE16, loadBE32 } from "../rt/bytes";
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
}

export const FLOW_OCTETS: u32 = 48;

/** The KIND of a flow. */
// @ts-ignore: decorator
@inline
export function flowKind(family: u32, protocol: u32): u32 {
  return (protocol << 8) | family;
}

/** An IPv4 address in network order, as the HIGH of a flow. */
// @ts-ignore: decorator
@inline
export function addressHigh4(p: usize): u64 {
  return (<u64>loadBE32(p)) << 32;
}

/** Reads an IPv4 packet that ipv4Check accepted; `length` is its total length. */
export function flowRead(packet: usize, length: u32, flow: Flow): void {
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
  if (length < header + 4 || ipv4FragmentOffset(packet) != 0) return;
  const payload = packet + header;
  if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP) {
    flow.sourcePort = loadBE16(payload);
    flow.destinationPort = loadBE16(payload + 2);
  } else if (protocol == PROTOCOL_ICMP) {
    flow.sourcePort = loadBE16(payload);
    flow.destinationPort = flow.sourcePort;
  }
}
