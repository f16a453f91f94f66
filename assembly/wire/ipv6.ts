/**
 * IPv6 header and extension headers (RFC 8200).
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------+---------------+---------------------------------------+
 *   |Version| Traffic class |              Flow label               |
 *   +-------+---------------+-------+---------------+---------------+
 *   |         Payload length        |  Next header  |   Hop limit   |
 *   +-------------------------------+---------------+---------------+
 *   |                   Source address, 16 octets                   |
 *   |                 Destination address, 16 octets                |
 *   +---------------------------------------------------------------+
 *   |     Extension headers: next header u8, length u8 .. each      |
 *   +---------------------------------------------------------------+
 *
 * ipv6Walk goes over hop-by-hop options, routing, fragment and destination options headers, EXTENSIONS_MAX at most, and says where it
 * ended and why; everything else, AH and ESP included, is a next layer to it. Accessors are safe on any range that ipv6Check
 * accepted. Refuses jumbograms (payload length 0 with more behind is a packet of 40 octets) and to reassemble.
 */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../rt/bytes";
import { checksumAdd } from "./ipv4";

export const IPV6_PAYLOAD_LENGTH: u32 = 4;
export const IPV6_NEXT_HEADER: u32 = 6;
export const IPV6_HOP_LIMIT: u32 = 7;
export const IPV6_SOURCE: u32 = 8;
export const IPV6_DESTINATION: u32 = 24;
/** Octets of the header without extensions. */
export const IPV6_HEADER: u32 = 40;
export const IPV6_ADDRESS: u32 = 16;
/** Every link carries packets of so many octets (RFC 8200 section 5). */
export const IPV6_MTU_MIN: u32 = 1280;

export const EXTENSION_HOP_BY_HOP: u32 = 0;
export const EXTENSION_ROUTING: u32 = 43;
export const EXTENSION_FRAGMENT: u32 = 44;
export const EXTENSION_DESTINATION: u32 = 60;
/** Fragment header (RFC 8200 4.5): next header u8, reserved u8, offset in octets with the M flag in bit 0, identification u32. */
export const IPV6_FRAGMENT_HEADER: u32 = 8;
export const IPV6_FRAGMENT_OFFSET: u32 = 2;
export const IPV6_FRAGMENT_ID: u32 = 4;
/** RFC 8200 section 4.1 has each once, destination options twice; as many again for what else a sender makes up. */
const EXTENSIONS_MAX: u32 = 8;

/** How ipv6Walk ended. */
export const WALK_DONE: u32 = 0;
/** An extension header reaches beyond the packet. */
export const WALK_TRUNCATED: u32 = 1;
/** More than EXTENSIONS_MAX. */
export const WALK_TOO_MANY: u32 = 2;
/** Hop-by-hop options that do not come first, or a second fragment header. */
export const WALK_ORDER: u32 = 3;
/** A routing header with segments left: the packet is on its way to somewhere else. */
export const WALK_ROUTED: u32 = 4;

let protocol: u32 = 0;
let offset: u32 = 0;
let nextHeaderAt: u32 = 0;
let fragmented: bool = false;
let fragmentOffset: u32 = 0;
let fragmentAt: u32 = 0;
let fragmentNamedAt: u32 = 0;
let hopEnd: u32 = 0;
let hopNextHeaderAt: u32 = 0;

/** True when `length` octets hold a whole IPv6 packet: version and payload length are right. */
// @ts-ignore: decorator
@inline
export function ipv6Check(p: usize, length: u32): bool {
  return length >= IPV6_HEADER && (<u32>load<u8>(p)) >> 4 == 6 && ipv6TotalLength(p) <= length;
}

/** Octets of the packet, header included. */
// @ts-ignore: decorator
@inline
export function ipv6TotalLength(p: usize): u32 {
  return IPV6_HEADER + loadBE16(p + IPV6_PAYLOAD_LENGTH);
}

/** DSCP and ECN, as the TOS octet of IPv4 has them. */
// @ts-ignore: decorator
@inline
export function ipv6TrafficClass(p: usize): u32 {
  return (loadBE16(p) >> 4) & 0xff;
}

// @ts-ignore: decorator
@inline
export function ipv6SetTrafficClass(p: usize, trafficClass: u32): void {
  storeBE16(p, (loadBE16(p) & 0xf00f) | (trafficClass << 4));
}

// @ts-ignore: decorator
@inline
export function ipv6FlowLabel(p: usize): u32 {
  return loadBE32(p) & 0xfffff;
}

/** True when two addresses, 16 octets each in network order, are one. */
// @ts-ignore: decorator
@inline
export function ipv6SameAddress(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

/** Writes a header; `payload` counts what is behind it. `source` and `destination` are addresses of 16 octets. */
export function ipv6Emit(
  p: usize,
  payload: u32,
  nextHeader: u32,
  source: usize,
  destination: usize,
  hopLimit: u32,
  trafficClass: u32,
  flowLabel: u32,
): void {
  storeBE32(p, 0x60000000 | (trafficClass << 20) | flowLabel);
  storeBE16(p + IPV6_PAYLOAD_LENGTH, payload);
  store<u8>(p, <u8>nextHeader, IPV6_NEXT_HEADER);
  store<u8>(p, <u8>hopLimit, IPV6_HOP_LIMIT);
  memory.copy(p + IPV6_SOURCE, source, IPV6_ADDRESS);
  memory.copy(p + IPV6_DESTINATION, destination, IPV6_ADDRESS);
}

/**
 * Walks the extension headers of a packet that ipv6Check accepted, `length` its total length; WALK_*. The functions below tell
 * of the last walk, and after WALK_DONE only.
 */
export function ipv6Walk(p: usize, length: u32): u32 {
  protocol = <u32>load<u8>(p, IPV6_NEXT_HEADER);
  offset = IPV6_HEADER;
  nextHeaderAt = IPV6_NEXT_HEADER;
  fragmented = false;
  fragmentOffset = 0;
  hopEnd = offset;
  hopNextHeaderAt = nextHeaderAt;
  for (let i: u32 = 0; isExtension(protocol); i++) {
    if (i == EXTENSIONS_MAX) return WALK_TOO_MANY;
    if (length - offset < IPV6_FRAGMENT_HEADER) return WALK_TRUNCATED;
    const at = p + offset;
    const kind = protocol;
    if (kind == EXTENSION_HOP_BY_HOP ? i != 0 : kind == EXTENSION_FRAGMENT && fragmented) return WALK_ORDER;
    const octets = kind == EXTENSION_FRAGMENT ? IPV6_FRAGMENT_HEADER : (<u32>load<u8>(at, 1) + 1) << 3;
    if (length - offset < octets) return WALK_TRUNCATED;
    if (kind == EXTENSION_ROUTING && load<u8>(at, 3) != 0) return WALK_ROUTED;
    if (kind == EXTENSION_FRAGMENT) {
      fragmentAt = offset;
      fragmentNamedAt = nextHeaderAt;
    }
    nextHeaderAt = offset;
    protocol = <u32>load<u8>(at);
    offset += octets;
    if (kind == EXTENSION_FRAGMENT) {
      fragmented = true;
      fragmentOffset = loadBE16(at + 2) >> 3;
      // What follows in a later fragment is a piece of something, whatever its first header was.
      if (fragmentOffset != 0) break;
    }
    if (kind != EXTENSION_DESTINATION) {
      hopEnd = offset;
      hopNextHeaderAt = nextHeaderAt;
    }
  }
  return WALK_DONE;
}

/** The next layer protocol. */
// @ts-ignore: decorator
@inline
export function ipv6WalkProtocol(): u32 {
  return protocol;
}

/** Octets in front of the next layer. */
// @ts-ignore: decorator
@inline
export function ipv6WalkOctets(): u32 {
  return offset;
}

/** Offset of the octet that names the next layer. */
// @ts-ignore: decorator
@inline
export function ipv6WalkNextHeaderAt(): u32 {
  return nextHeaderAt;
}

/** True when there was a fragment header, even one that is the only fragment (RFC 6946). */
// @ts-ignore: decorator
@inline
export function ipv6WalkFragmented(): bool {
  return fragmented;
}

/** Offset of the fragment header of a packet that has one, and of the octet that names it. */
// @ts-ignore: decorator
@inline
export function ipv6WalkFragmentAt(): u32 {
  return fragmentAt;
}

// @ts-ignore: decorator
@inline
export function ipv6WalkFragmentNamedAt(): u32 {
  return fragmentNamedAt;
}

/** Offset of a fragment in units of 8 octets. */
// @ts-ignore: decorator
@inline
export function ipv6WalkFragmentOffset(): u32 {
  return fragmentOffset;
}

/**
 * Octets of the headers that nodes on the way look at: up to hop-by-hop options, routing and fragment header, with destination
 * options only where one of those follows. ESP and AH in transport mode stand behind them (RFC 4303 3.1.1, RFC 4302 3.1.1).
 */
// @ts-ignore: decorator
@inline
export function ipv6WalkHopOctets(): u32 {
  return hopEnd;
}

/** Offset of the octet that names what stands there. */
// @ts-ignore: decorator
@inline
export function ipv6WalkHopNextHeaderAt(): u32 {
  return hopNextHeaderAt;
}

/** Sum of the pseudo header (RFC 8200 section 8.1) of `octets` octets of `upper` behind the header at `p`, for checksumAdd. */
export function ipv6PseudoSum(p: usize, octets: u32, upper: u32): u64 {
  // Words as they stand in memory: see checksumAdd.
  return checksumAdd(0, p + IPV6_SOURCE, 32) + <u64>bswap<u32>(octets) + <u64>bswap<u32>(upper);
}

// @ts-ignore: decorator
@inline
function isExtension(header: u32): bool {
  return (
    header == EXTENSION_HOP_BY_HOP ||
    header == EXTENSION_ROUTING ||
    header == EXTENSION_FRAGMENT ||
    header == EXTENSION_DESTINATION
  );
}
