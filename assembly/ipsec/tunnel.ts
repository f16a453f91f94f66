/**
 * Tunnel mode, IPv4 in IPv4 (RFC 4301 5.1.2 and 5.2, ECN by RFC 6040): the outer header on the way out, what of it reaches
 * the inner one on the way in, and the packet that is too big.
 *
 *   outer field   from
 *   TOS           copied from inside, ECN included (RFC 6040 normal mode)
 *   DF            copied from inside
 *   ID            low 16 bits of the sequence number
 *   TTL           64
 *
 * The inner TTL stays as it is: the host's IP stack between its protected network and this tunnel has forwarded the packet
 * and counted the hop. Refuses IPv6 on either side.
 */
import { DROP_COUNT, DROP_ECN, DROP_IP_MALFORMED } from "../abi/drop";
import { SA_FLAG_UDP_ENCAPSULATION } from "../abi/message";
import { PORT_PROTECTED } from "../abi/ring";
import { Frame, framePush } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { now } from "../rt/registers";
import { ESP_HEADER, ESP_TRAILER } from "../wire/esp";
import { icmpEmitFragmentationNeeded, icmpMayAnswer } from "../wire/icmp";
import {
  IPV4_HEADER,
  IPV4_TOS,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Emit,
  ipv4SetTos,
  ipv4TotalLength,
} from "../wire/ipv4";
import { UDP_HEADER, udpEmit } from "../wire/udp";
import { Sa, transformOf } from "./sa";

/** What the functions of the packet's phases return when the packet goes on; any other value is a drop reason. */
export const PASS: u32 = DROP_COUNT;

/** MTU of the unprotected side, in octets. */
export const OUTER_MTU: u32 = 1500;
const OUTER_TTL: u32 = 64;

const ECN_MASK: u32 = 3;
const ECN_NOT_ECT: u32 = 0;
const ECN_ECT1: u32 = 1;
const ECN_ECT0: u32 = 2;
const ECN_CE: u32 = 3;

/** ICMP answers: so many at once, and one more each ICMP_INTERVAL ns (RFC 1812 4.3.2.8). */
const ICMP_BURST: u64 = 64;
const ICMP_INTERVAL: u64 = 10_000_000;
let icmpSpent: u64 = 0;
let icmpAt: u64 = 0;

/** Octets that an SA puts in front of the ESP header. */
// @ts-ignore: decorator
@inline
export function outerOctets(sa: Sa): u32 {
  return (sa.flags & SA_FLAG_UDP_ENCAPSULATION) != 0 ? IPV4_HEADER + UDP_HEADER : IPV4_HEADER;
}

/** The largest clear packet whose sealed form stays within OUTER_MTU. */
export function innerMtuOf(sa: Sa): u32 {
  const t = transformOf(sa);
  const room = OUTER_MTU - outerOctets(sa) - ESP_HEADER - t.ivOctets - t.icvOctets;
  return (room & ~(t.blockOctets - 1)) - ESP_TRAILER;
}

/** Pushes the outer headers in front of a sealed packet; `id` in its low 16 bits. The caller has checked the headroom. */
export function tunnelPush(frame: Frame, sa: Sa, tos: u32, df: bool, id: u32): void {
  let protocol = PROTOCOL_ESP;
  if ((sa.flags & SA_FLAG_UDP_ENCAPSULATION) != 0) {
    const octets = UDP_HEADER + frame.length;
    udpEmit(framePush(frame, UDP_HEADER), <u32>sa.localPort, <u32>sa.remotePort, octets);
    protocol = PROTOCOL_UDP;
  }
  const total = IPV4_HEADER + frame.length;
  ipv4Emit(framePush(frame, IPV4_HEADER), total, protocol, sa.localAddress, sa.remoteAddress, OUTER_TTL, tos, df, id);
}

/**
 * Takes over the inner packet that the frame starts with: checks its header, cuts traffic flow padding behind it (RFC 4303
 * 2.7), and lets the outer TOS mark congestion (RFC 6040 4.2). PASS or a drop reason.
 */
export function tunnelStrip(frame: Frame, outerTos: u32): u32 {
  const p = frame.start;
  if (!ipv4Check(p, frame.length)) return DROP_IP_MALFORMED;
  frame.length = ipv4TotalLength(p);
  const tos = <u32>load<u8>(p, IPV4_TOS);
  const inner = tos & ECN_MASK;
  const outer = outerTos & ECN_MASK;
  if (outer == ECN_CE) {
    if (inner == ECN_NOT_ECT) return DROP_ECN;
    if (inner != ECN_CE) ipv4SetTos(p, tos | ECN_CE);
  } else if (outer == ECN_ECT1 && inner == ECN_ECT0) {
    ipv4SetTos(p, (tos & ~ECN_MASK) | ECN_ECT1);
  }
  return PASS;
}

/** Tells the source of a packet with DF that its packet is too big for the tunnel of `sa` (RFC 4301 8.2.1). */
export function tellTooBig(frame: Frame, sa: Sa): void {
  if (!icmpMayAnswer(frame.start, frame.length)) return;
  const earned = (now() - icmpAt) / ICMP_INTERVAL;
  icmpAt += earned * ICMP_INTERVAL;
  icmpSpent -= min<u64>(icmpSpent, earned);
  if (icmpSpent >= ICMP_BURST) return;
  icmpSpent += 1;
  const answer = originate();
  if (!answer) return;
  answer.length = icmpEmitFragmentationNeeded(answer.start, frame.start, frame.length, sa.localAddress, sa.innerMtu);
  transmit(PORT_PROTECTED, answer);
}
