/**
 * Transport mode (RFC 4303 3.1.1, RFC 4302 3.1.1): the packet keeps its IP header, the IPsec header goes behind it; for IPv6 behind the
 * headers that nodes on the way look at. Only packets between the SA's own ends travel so.
 *
 * Behind UDP encapsulation the checksums of TCP, UDP and ICMPv6 are reckoned anew (RFC 3948 3.1.2 b): they were made over addresses
 * that a NAT has changed since, and the ICV has proved the payload. Refuses fragments on either side (RFC 4301 4.1), and source
 * routes under way.
 */
import { DROP_IPV6_EXTENSION, DROP_IP_FRAGMENT, DROP_SELECTOR_MISMATCH } from "../abi/drop";
import { SA_FLAG_UDP_ENCAPSULATION } from "../abi/message";
import { Frame, framePush } from "../bus/frame";
import { storeBE16 } from "../rt/bytes";
import { PROTOCOL_ICMPV6 } from "../wire/icmpv6";
import {
  IPV4_CHECKSUM,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  PROTOCOL_ESP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  checksumAdd,
  checksumFinish,
  ipv4Checksum,
  ipv4Destination,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Source,
} from "../wire/ipv4";
import {
  IPV6_DESTINATION,
  IPV6_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  WALK_DONE,
  ipv6PseudoSum,
  ipv6SameAddress,
  ipv6Walk,
  ipv6WalkFragmented,
  ipv6WalkHopNextHeaderAt,
  ipv6WalkHopOctets,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";
import { UDP_CHECKSUM, UDP_HEADER, udpEmit, udpEmitChecksum6, udpLength } from "../wire/udp";
import { Sa, isIpv6, localAddress6, remoteAddress6 } from "./sa";
import { PASS } from "./tunnel";

const TCP_HEADER: u32 = 20;
const TCP_CHECKSUM: u32 = 16;
const ICMPV6_MINIMUM: u32 = 4;
const ICMPV6_CHECKSUM: u32 = 2;

/** Octets of the headers that stay in front, after transportSplit. */
// @ts-ignore: decorator
@inline
export function transportHeaders(frame: Frame): u32 {
  return frame.scratch3 & 0xffff;
}

/** What stands behind them in the clear packet, after transportSplit. */
// @ts-ignore: decorator
@inline
export function transportProtocol(frame: Frame): u32 {
  return <u32>load<u8>(frame.start + (frame.scratch3 >> 16));
}

// @ts-ignore: decorator
@inline
function isVersion6(p: usize): bool {
  return (<u32>load<u8>(p)) >> 4 == 6;
}

/**
 * Where the IPsec header goes in the clear packet of a frame: frame.scratch3, as process.ts has it for inbound packets. PASS, or why
 * this packet does not travel in transport mode.
 */
export function transportSplit(frame: Frame, sa: Sa): u32 {
  const p = frame.start;
  if (isVersion6(p) != isIpv6(sa)) return DROP_SELECTOR_MISMATCH;
  if (isIpv6(sa)) {
    if (!ipv6SameAddress(p + IPV6_SOURCE, localAddress6(sa))) return DROP_SELECTOR_MISMATCH;
    if (!ipv6SameAddress(p + IPV6_DESTINATION, remoteAddress6(sa))) return DROP_SELECTOR_MISMATCH;
    if (ipv6Walk(p, frame.length) != WALK_DONE) return DROP_IPV6_EXTENSION;
    if (ipv6WalkFragmented()) return DROP_IP_FRAGMENT;
    frame.scratch3 = ipv6WalkHopOctets() | (ipv6WalkHopNextHeaderAt() << 16);
    return PASS;
  }
  if (ipv4Source(p) != sa.localAddress || ipv4Destination(p) != sa.remoteAddress) return DROP_SELECTOR_MISMATCH;
  if (ipv4IsFragment(p)) return DROP_IP_FRAGMENT;
  frame.scratch3 = ipv4HeaderOctets(p) | (IPV4_PROTOCOL << 16);
  return PASS;
}

/** Moves the headers up and makes room for `octets` behind them; returns the address of the room. */
export function transportOpenUp(frame: Frame, octets: u32): usize {
  const headers = transportHeaders(frame);
  const p = framePush(frame, octets);
  memory.copy(p, p + octets, headers);
  return p + headers;
}

/** The packet of a frame is sealed behind its headers: they name ESP or UDP, and its length. */
export function transportEncapsulate(frame: Frame, sa: Sa): void {
  if ((sa.flags & SA_FLAG_UDP_ENCAPSULATION) == 0) {
    transportMend(frame, PROTOCOL_ESP);
    return;
  }
  const p = frame.start;
  const udp = p + transportHeaders(frame);
  udpEmit(udp, <u32>sa.localPort, <u32>sa.remotePort, frame.length - transportHeaders(frame));
  transportMend(frame, PROTOCOL_UDP);
  if (isIpv6(sa)) udpEmitChecksum6(p, udp);
}

/** The headers that a frame starts with name `protocol` and the frame's length; checksum included. */
export function transportMend(frame: Frame, protocol: u32): void {
  const p = frame.start;
  store<u8>(p + (frame.scratch3 >> 16), <u8>protocol);
  if (isVersion6(p)) {
    storeBE16(p + IPV6_PAYLOAD_LENGTH, frame.length - IPV6_HEADER);
    return;
  }
  storeBE16(p + IPV4_TOTAL_LENGTH, frame.length);
  store<u16>(p, 0, IPV4_CHECKSUM);
  storeBE16(p + IPV4_CHECKSUM, ipv4Checksum(p, ipv4HeaderOctets(p)));
}

/**
 * The frame is the payload of an opened packet whose headers stand at `origin` still, frame.scratch2 and scratch3 as process.ts has them:
 * puts them in front. PASS or a drop reason.
 */
export function transportJoin(frame: Frame, origin: usize, nextHeader: u32): u32 {
  const headers = transportHeaders(frame);
  const p = framePush(frame, headers);
  memory.copy(p, origin, headers);
  transportMend(frame, nextHeader);
  if (isVersion6(p)) {
    // What came out of the payload may be extension headers as well.
    if (ipv6Walk(p, frame.length) != WALK_DONE) return DROP_IPV6_EXTENSION;
    if (ipv6WalkFragmented()) return DROP_IP_FRAGMENT;
  }
  if (frame.scratch2 != headers) checksumMend(p, frame.length);
  return PASS;
}

/** Reckons the checksum of the next layer anew, where it covers addresses. An IPv6 packet was walked just before. */
function checksumMend(p: usize, length: u32): void {
  const six = isVersion6(p);
  const protocol = six ? ipv6WalkProtocol() : ipv4Protocol(p);
  const header = six ? ipv6WalkOctets() : ipv4HeaderOctets(p);
  const upper = p + header;
  let octets = length - header;
  let at: u32;
  if (protocol == PROTOCOL_TCP) {
    if (octets < TCP_HEADER) return;
    at = TCP_CHECKSUM;
  } else if (protocol == PROTOCOL_UDP) {
    if (octets < UDP_HEADER || udpLength(upper) < UDP_HEADER || udpLength(upper) > octets) return;
    // Over IPv4 the sender may do without (RFC 768).
    if (!six && load<u16>(upper, UDP_CHECKSUM) == 0) return;
    octets = udpLength(upper);
    at = UDP_CHECKSUM;
  } else if (protocol == PROTOCOL_ICMPV6 && six) {
    if (octets < ICMPV6_MINIMUM) return;
    at = ICMPV6_CHECKSUM;
  } else {
    return;
  }
  store<u16>(upper + at, 0);
  const pseudo = six
    ? ipv6PseudoSum(p, octets, protocol)
    : checksumAdd(0, p + IPV4_SOURCE, 8) + <u64>bswap<u32>((protocol << 16) | octets);
  const sum = checksumFinish(checksumAdd(pseudo, upper, octets));
  storeBE16(upper + at, sum == 0 && protocol == PROTOCOL_UDP ? 0xffff : sum);
}
