/**
 * The walk of an arriving packet over the IKE board: look the SA up, determine the board, hand the packet over
 * (figure 6; claims 3 and 14). The IKE board does nothing else with it. route.ts decides, this carries out.
 *
 *   unprotected side                                   protected side
 *   1 S601  ours, whole by now, ESP or AH or IKE?      1 S601  whole?
 *   2       IKE: to the IKE core                       2 S602  policy and SA by the selectors (SPD-O)
 *   3 S602  local database by SPI                      3       BYPASS: out at once; DISCARD: S606
 *   4 S603  none: S606, discarded                      4 S603  none: S606, discarded or acquired
 *   5 S604  slot + generation                          5 S604  slot + generation
 *   6 S605  capsule, internal path                     6 S605  capsule, internal path
 *
 * Any other packet from the unprotected side is in clear, and SPD-I has the word (RFC 4301 5.2): BYPASS goes to the protected side as it
 * stands, DISCARD ends here, and so does what should have been protected.
 *
 * Fragments to us become whole packets first (reassembly.ts): only the first one has an SPI or ports to look up.
 */
import {
  DROP_BACKPLANE_CONGESTION,
  DROP_BOARD_OFFLINE,
  DROP_IP_FRAGMENT,
  DROP_NO_SA_ACQUIRING,
  DROP_PACKET_TOO_BIG,
} from "../abi/drop";
import {
  VERDICT_BOARD,
  VERDICT_BYPASS,
  VERDICT_DROP,
  VERDICT_FRAGMENT,
  VERDICT_HELD,
  VERDICT_IKE,
  VERDICT_MOVING,
  VERDICT_PATH_MTU,
  VERDICT_TAUGHT,
} from "../abi/explain";
import { SA_ENDS } from "../abi/message";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../abi/ring";
import {
  STEP_S601,
  STEP_S602,
  STEP_S603,
  STEP_S604,
  STEP_S605,
  STEP_S606,
  TRACE_BYPASSED,
  TRACE_MASK_PACKET,
} from "../abi/trace";
import { Frame } from "../bus/frame";
import { consume, drop, pendingLength, pendingStart, transmit } from "../bus/port";
import { channelLink, channelPushPacket } from "../channel/channel";
import { FLOW_OCTETS, Flow, flowRead } from "../policy/flow";
import {
  selectorAheadAdd,
  selectorAheadClear,
  selectorAheadGo,
  selectorAheadValue,
  selectorAheadValues,
} from "../policy/selector_ahead";
import { trace, tracing } from "../rt/trace";
import { loadBE32 } from "../rt/bytes";
import { IPV4_HEADER, PROTOCOL_UDP, ipv4HeaderOctets, ipv4Protocol, ipv4TotalLength } from "../wire/ipv4";
import { ipv6Check, ipv6TotalLength, ipv6WalkOctets } from "../wire/ipv6";
import { UDP_HEADER } from "../wire/udp";
import { DISTRIBUTION_ACQUIRE, raise } from "./event";
import { forwardedNote } from "./forwarded";
import { hold } from "./held";
import { Link, findInbound, linkAt } from "./local_database";
import { moveHeldNext, moveHold } from "./move";
import { isLink, policyChild, policyHit } from "./policy";
import { pathMtuLearn } from "./path_mtu";
import { reassemble } from "./reassembly";
import { ROUTE_NONE, Route, routeProtected, routeUnprotected } from "./route";
import { takeOver } from "./takeover";

/** Of the packet that an SA is asked for; an event carries SA_ENDS octets of it. */
const flow: usize = memory.data(SA_ENDS, 8);
if (FLOW_OCTETS > SA_ENDS) ERROR("an event has too little room for a flow");

/** What forwardUnprotected says of a frame. */
export const FORWARD_DONE: u32 = 0;
/** An IKE datagram: still the caller's, a whole IP packet. */
export const FORWARD_IKE: u32 = 1;

/** What the look ahead found: written so that it is not left out, read by nobody. */
const foreseen: usize = memory.data(4, 4);

/**
 * Looks at the entries of the local database that `count` waiting packets of the unprotected network lead to, as they seem to: with many
 * SAs each comes from far away, and here one does not wait for the other. Decides nothing.
 */
export function forwardAhead(count: u32): void {
  let generations: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const packet = pendingStart(PORT_UNPROTECTED, i);
    const behind = packet + IPV4_HEADER + (ipv4Protocol(packet) == PROTOCOL_UDP ? UDP_HEADER : 0);
    const link = findInbound(loadBE32(behind));
    if (link) generations ^= link.generation;
  }
  store<u32>(foreseen, generations);
}

/** The same for `count` waiting packets of the protected network, by way of the selector table; 0 when there are none any more. */
export function forwardProtectedAhead(count: u32): void {
  selectorAheadClear();
  if (count < 2) return;
  for (let i: u32 = 0; i < count; i++) {
    const packet = pendingStart(PORT_PROTECTED, i);
    const octets = pendingLength(PORT_PROTECTED, i);
    // Of IPv4 nothing is read beyond the frame, whatever the header says; what is not sound is never looked up.
    if ((<u32>load<u8>(packet)) >> 4 == 4) selectorAheadAdd(packet, ipv4TotalLength(packet));
    else if (ipv6Check(packet, octets)) selectorAheadAdd(packet, ipv6TotalLength(packet));
  }
  selectorAheadGo();
  let generations: u32 = 0;
  for (let at: u32 = 0; at < selectorAheadValues(); at++) {
    const value = selectorAheadValue(at);
    const link = isLink(value) ? linkAt(value) : null;
    if (link) generations ^= link.generation;
  }
  store<u32>(foreseen, generations);
}

/** An arriving packet of the unprotected network (17). */
export function forwardUnprotected(frame: Frame): u32 {
  let route = routeUnprotected(frame.start, frame.length);
  frame.length = route.octets;
  if (route.verdict == VERDICT_FRAGMENT) {
    if (!reassemble(frame)) return FORWARD_DONE;
    route = routeUnprotected(frame.start, frame.length);
    // One inside the other is no packet that anybody means to send.
    if (route.verdict == VERDICT_FRAGMENT) {
      dropped(frame, route, DROP_IP_FRAGMENT);
      return FORWARD_DONE;
    }
  }
  if (route.verdict == VERDICT_IKE) return FORWARD_IKE;
  if (route.verdict == VERDICT_PATH_MTU) {
    learn(frame, route);
    return FORWARD_DONE;
  }
  carryOut(frame, route, PORT_UNPROTECTED);
  return FORWARD_DONE;
}

/** An ICMP error about a packet of ours. */
function learn(frame: Frame, route: Route): void {
  const p = frame.start;
  const header = (<u32>load<u8>(p)) >> 4 == 6 ? ipv6WalkOctets() : ipv4HeaderOctets(p);
  const refused = pathMtuLearn(p, p + header, frame.length - header);
  if (refused != 0) dropped(frame, route, refused);
  else consume(frame);
}

/** An arriving clear packet of the protected network. */
export function forwardProtected(frame: Frame): void {
  const route = routeProtected(frame.start, frame.length);
  frame.length = route.octets;
  carryOut(frame, route, PORT_PROTECTED);
}

function carryOut(frame: Frame, route: Route, port: u32): void {
  if (tracing(TRACE_MASK_PACKET)) tell(route, port);
  if (route.child != ROUTE_NONE) acquire(frame, route);
  if (route.policy != ROUTE_NONE) policyHit(route.policy, port == PORT_UNPROTECTED);
  if (route.verdict == VERDICT_BOARD) handOver(frame, route, port);
  else if (route.verdict == VERDICT_BYPASS)
    bypass(frame, route, port == PORT_PROTECTED ? PORT_UNPROTECTED : PORT_PROTECTED);
  else if (route.verdict == VERDICT_DROP) dropped(frame, route, route.reason);
  else if (route.verdict == VERDICT_TAUGHT) teach(frame, route, port);
  else if (route.verdict == VERDICT_MOVING) {
    if (!moveHold(frame, route.link, port)) dropped(frame, route, DROP_BACKPLANE_CONGESTION);
  } else if (route.verdict != VERDICT_HELD) consume(frame);
  else if (!hold(frame, route.child)) dropped(frame, route, DROP_NO_SA_ACQUIRING);
}

/** An SA is wanted, for this packet at least (RFC 4301 4.4.1, populate from packet). */
function acquire(frame: Frame, route: Route): void {
  flowRead(frame.start, frame.length, changetype<Flow>(flow));
  raise(DISTRIBUTION_ACQUIRE, 0, route.child, 0, 0, 0, flow);
}

/** Past the IPsec boards, not an octet changed. */
function bypass(frame: Frame, route: Route, port: u32): void {
  trace(TRACE_MASK_PACKET, TRACE_BYPASSED, policyChild(route.policy), 0, frame.length, port);
  transmit(port, frame);
}

/** The SA's board is gone: another one is given it, ahead of the packet (C 5, C 16). */
function teach(frame: Frame, route: Route, port: u32): void {
  const link = changetype<Link>(linkAt(route.link));
  if (!takeOver(link)) return dropped(frame, route, DROP_BOARD_OFFLINE);
  route.slot = link.slot;
  handOver(frame, route, port);
}

/** Packets whose SA has come to its board meanwhile. */
export function forwardMoved(): void {
  for (let frame = moveHeldNext(); frame; frame = moveHeldNext()) {
    if (frame.scratch1 == PORT_PROTECTED) forwardProtected(frame);
    else forwardUnprotected(frame);
  }
}

/** S605. That it was handed over is noted first: whatever becomes of it then, it may have come to the board. */
function handOver(frame: Frame, route: Route, port: u32): void {
  const slot = route.slot;
  if (port == PORT_UNPROTECTED) forwardedNote(changetype<Link>(linkAt(route.link)), route.low);
  if (!channelPushPacket(frame, slot)) {
    dropped(frame, route, DROP_PACKET_TOO_BIG);
    return;
  }
  trace(TRACE_MASK_PACKET, STEP_S605, route.spi, slot, frame.length);
  transmit(PORT_CHANNEL, frame, channelLink(slot));
}

/** The steps so far. */
function tell(route: Route, port: u32): void {
  const spi = route.spi;
  const step = route.step;
  trace(TRACE_MASK_PACKET, STEP_S601, spi, 0, route.octets, port);
  if (step >= STEP_S602) trace(TRACE_MASK_PACKET, STEP_S602, spi);
  if (step >= STEP_S603) trace(TRACE_MASK_PACKET, STEP_S603, spi);
  if (step >= STEP_S604) trace(TRACE_MASK_PACKET, STEP_S604, spi, route.slot);
}

/** S606, and every other reason for which a packet ends here. */
function dropped(frame: Frame, route: Route, reason: u32): void {
  trace(TRACE_MASK_PACKET, STEP_S606, route.spi, reason);
  drop(frame, reason);
}
