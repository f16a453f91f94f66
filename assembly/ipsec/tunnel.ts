/**
 * Tunnel mode, IPv4 and IPv6 inside and outside (RFC 4301 5.1.2, ECN by RFC 6040): the outer header on the way out, what of it
 * reaches the inner one on the way in.
 *
 *   outer IPv4   from                                        outer IPv6      from
 *   TOS          copied from inside, ECN included            traffic class   as TOS
 *                (RFC 6040 normal mode)
 *   DF           copied from inside; clear around IPv6,      flow label      the SPI: one label for each SA, and
 *                so that 1280 octets always pass                             nothing of what is inside
 *   ID           low 16 bits of the sequence number          hop limit       64
 *   TTL          64
 *
 * An SA may have it otherwise (SA_FLAGS_TUNNEL, swanctl's copy_df, copy_ecn and copy_dscp): DF clear; ECN apart, outside not ECN
 * capable and inside untouched, whatever the outer header says; DSCP apart on the way out, or taken over on the way in.
 *
 * The inner TTL or hop limit stays as it is: the host's IP stack between its protected network and this tunnel has forwarded the
 * packet and counted the hop. In UDP over IPv6 the checksum is there (RFC 8200 8.1), over IPv4 it is zero (RFC 3948 2.1).
 */
import { DROP_COUNT, DROP_ECN, DROP_ESP_NEXT_HEADER, DROP_IP_MALFORMED } from "../abi/drop";
import {
  SA_FLAGS_TUNNEL,
  SA_FLAG_DF_CLEAR,
  SA_FLAG_DSCP_APART,
  SA_FLAG_DSCP_INWARD,
  SA_FLAG_ECN_APART,
  SA_FLAG_UDP_ENCAPSULATION,
} from "../abi/message";
import { Frame, framePush } from "../bus/frame";
import { ahPadded } from "../wire/ah";
import { ESP_HEADER, ESP_TRAILER } from "../wire/esp";
import {
  IPV4_HEADER,
  IPV4_TOS,
  PROTOCOL_ESP,
  PROTOCOL_IPV4,
  PROTOCOL_IPV6,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4DontFragment,
  ipv4Emit,
  ipv4SetTos,
  ipv4TotalLength,
} from "../wire/ipv4";
import { IPV6_HEADER, ipv6Check, ipv6Emit, ipv6SetTrafficClass, ipv6TotalLength, ipv6TrafficClass } from "../wire/ipv6";
import { UDP_HEADER, udpEmit, udpEmitChecksum6 } from "../wire/udp";
import { Sa, isIpv6, localAddress6, remoteAddress6, transformOf } from "./sa";

/** What the functions of the packet's phases return when the packet goes on; any other value is a drop reason. */
export const PASS: u32 = DROP_COUNT;
/** A keepalive, or a dummy packet (RFC 4303 2.6) that is authentic: it has done its work. Neither PASS nor a drop reason. */
export const NOTHING_INSIDE: u32 = PASS + 1;
/** Neither PASS nor a drop reason: the clear packet goes in fragments, each sealed by itself (fragment.ts). */
export const IN_PIECES: u32 = PASS + 2;

const OUTER_TTL: u32 = 64;

/** What innerMark yields: TOS or traffic class, and above it what a sender asks of whoever finds the packet too big. */
export const MARK_TOS: u32 = 0xff;
/** Not to be fragmented: DF, or IPv6. */
export const MARK_WHOLE: u32 = 0x100;
/** DF is to be copied. */
const MARK_DF: u32 = 0x200;
export const MARK_IPV6: u32 = 0x400;

const DSCP_MASK: u32 = 0xfc;
const ECN_MASK: u32 = 3;
const ECN_NOT_ECT: u32 = 0;
const ECN_ECT1: u32 = 1;
const ECN_ECT0: u32 = 2;
const ECN_CE: u32 = 3;
/** No TOS. */
const NO_MARK: u32 = 0x100;

/** Octets of the IP header that an SA puts in front. */
// @ts-ignore: decorator
@inline
export function outerIpOctets(sa: Sa): u32 {
  return isIpv6(sa) ? IPV6_HEADER : IPV4_HEADER;
}

// @ts-ignore: decorator
@inline
export function encapsulationOctets(sa: Sa): u32 {
  return (sa.flags & SA_FLAG_UDP_ENCAPSULATION) != 0 ? UDP_HEADER : 0;
}

/** Octets that an SA puts in front of the ESP header. */
// @ts-ignore: decorator
@inline
export function outerOctets(sa: Sa): u32 {
  return outerIpOctets(sa) + encapsulationOctets(sa);
}

/** Octets of the header that an SA of AH puts in. */
export function ahSealedOctets(sa: Sa): u32 {
  const t = transformOf(sa);
  return ahPadded(t.ivOctets + t.icvOctets, isIpv6(sa));
}

/** The most clear octets whose ESP stays within the SA's outer MTU behind `around` octets of headers. */
export function espRoom(sa: Sa, around: u32): u32 {
  const t = transformOf(sa);
  const room = <u32>sa.outerMtu - around - ESP_HEADER - t.ivOctets - t.icvOctets;
  return (room & ~(t.blockOctets - 1)) - ESP_TRAILER;
}

/** MARK_* of a clear packet of either family. */
// @ts-ignore: decorator
@inline
export function innerMark(p: usize): u32 {
  if ((<u32>load<u8>(p)) >> 4 == 6) return ipv6TrafficClass(p) | MARK_WHOLE | MARK_IPV6;
  return (<u32>load<u8>(p, IPV4_TOS)) | (ipv4DontFragment(p) ? MARK_WHOLE | MARK_DF : 0);
}

/** The protocol number of the packet whose MARK_* this is. */
// @ts-ignore: decorator
@inline
export function innerProtocol(mark: u32): u32 {
  return (mark & MARK_IPV6) != 0 ? PROTOCOL_IPV6 : PROTOCOL_IPV4;
}

/** Pushes the outer headers in front of a sealed packet of ESP; `id` in its low 16 bits. The caller has checked the headroom. */
export function tunnelPush(frame: Frame, sa: Sa, mark: u32, id: u32): void {
  let protocol = PROTOCOL_ESP;
  const encapsulated = (sa.flags & SA_FLAG_UDP_ENCAPSULATION) != 0;
  if (encapsulated) {
    const octets = UDP_HEADER + frame.length;
    udpEmit(framePush(frame, UDP_HEADER), <u32>sa.localPort, <u32>sa.remotePort, octets);
    protocol = PROTOCOL_UDP;
  }
  outerPush(frame, sa, protocol, mark, id);
  if (encapsulated && isIpv6(sa)) udpEmitChecksum6(frame.start, frame.start + IPV6_HEADER);
}

/** Pushes the outer IP header alone. */
export function outerPush(frame: Frame, sa: Sa, protocol: u32, mark: u32, id: u32): void {
  const apart = (<u32>sa.flags) & SA_FLAGS_TUNNEL;
  if (apart != 0) mark = markApart(mark, apart);
  const tos = mark & MARK_TOS;
  if (isIpv6(sa)) {
    const payload = frame.length;
    const label = (sa.spi ^ (sa.spi >> 20)) & 0xfffff;
    const p = framePush(frame, IPV6_HEADER);
    ipv6Emit(p, payload, protocol, localAddress6(sa), remoteAddress6(sa), OUTER_TTL, tos, label);
    return;
  }
  const total = IPV4_HEADER + frame.length;
  const p = framePush(frame, IPV4_HEADER);
  ipv4Emit(p, total, protocol, sa.localAddress, sa.remoteAddress, OUTER_TTL, tos, (mark & MARK_DF) != 0, id);
}

/** What of a packet's MARK_* an SA with these SA_FLAGS_TUNNEL shows outside. */
function markApart(mark: u32, flags: u32): u32 {
  if ((flags & SA_FLAG_DF_CLEAR) != 0) mark &= ~MARK_DF;
  if ((flags & SA_FLAG_ECN_APART) != 0) mark &= ~ECN_MASK;
  if ((flags & SA_FLAG_DSCP_APART) != 0) mark &= ~DSCP_MASK;
  return mark;
}

/**
 * Takes over the inner packet that the frame starts with, which `nextHeader` promised: checks its header, cuts traffic flow padding
 * behind it (RFC 4303 2.7), and lets the outer TOS or traffic class have what effect the SA gives it. PASS or a drop reason.
 */
export function tunnelStrip(frame: Frame, sa: Sa, outerTos: u32, nextHeader: u32): u32 {
  const p = frame.start;
  if (nextHeader == PROTOCOL_IPV4) {
    if (!ipv4Check(p, frame.length)) return DROP_IP_MALFORMED;
    frame.length = ipv4TotalLength(p);
    const tos = <u32>load<u8>(p, IPV4_TOS);
    const marked = innerTos(sa, tos, outerTos);
    if (marked == NO_MARK) return DROP_ECN;
    if (marked != tos) ipv4SetTos(p, marked);
    return PASS;
  }
  if (nextHeader != PROTOCOL_IPV6) return DROP_ESP_NEXT_HEADER;
  if (frame.length == 0 || (<u32>load<u8>(p)) >> 4 != 6) return DROP_ESP_NEXT_HEADER;
  if (!ipv6Check(p, frame.length)) return DROP_IP_MALFORMED;
  frame.length = ipv6TotalLength(p);
  const trafficClass = ipv6TrafficClass(p);
  const marked = innerTos(sa, trafficClass, outerTos);
  if (marked == NO_MARK) return DROP_ECN;
  if (marked != trafficClass) ipv6SetTrafficClass(p, marked);
  return PASS;
}

/** The TOS of the inner packet after the tunnel; NO_MARK where it cannot carry what happened outside. */
// @ts-ignore: decorator
@inline
function innerTos(sa: Sa, tos: u32, outerTos: u32): u32 {
  const flags = (<u32>sa.flags) & (SA_FLAG_ECN_APART | SA_FLAG_DSCP_INWARD);
  if (flags == 0) return congestion(tos, outerTos);
  const marked = (flags & SA_FLAG_ECN_APART) != 0 ? tos : congestion(tos, outerTos);
  if (marked == NO_MARK || (flags & SA_FLAG_DSCP_INWARD) == 0) return marked;
  return (outerTos & DSCP_MASK) | (marked & ECN_MASK);
}

/** ECN by RFC 6040 4.2: the TOS of the inner packet; NO_MARK where it cannot carry what happened outside. */
// @ts-ignore: decorator
@inline
function congestion(tos: u32, outerTos: u32): u32 {
  const inner = tos & ECN_MASK;
  const outer = outerTos & ECN_MASK;
  if (outer == ECN_CE) return inner == ECN_NOT_ECT ? NO_MARK : tos | ECN_CE;
  if (outer == ECN_ECT1 && inner == ECN_ECT0) return (tos & ~ECN_MASK) | ECN_ECT1;
  return tos;
}
