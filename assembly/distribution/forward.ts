/**
 * The walk of an arriving packet over the IKE board: look the SA up, determine the board, hand the packet over
 * (figure 6; claims 3 and 14). The IKE board does nothing else with it.
 *
 *   unprotected side                                   protected side
 *   1 S601  ours, whole, ESP or AH or IKE?             1 S601  whole?
 *   2       IKE: to the IKE core                       2 S602  policy and SA by the selectors
 *   3 S602  local database by SPI                      3 S603  none: S606, discarded or acquired
 *   4 S603  none: S606, discarded                      4 S604  slot + generation
 *   5 S604  slot + generation                          5 S605  capsule, internal path
 *   6 S605  capsule, internal path
 *
 * Refuses to reassemble fragments: a fragment has no SPI and no ports to look up.
 */
import {
  DROP_AH_MALFORMED,
  DROP_BOARD_OFFLINE,
  DROP_ESP_MALFORMED,
  DROP_IP_FRAGMENT,
  DROP_IP_MALFORMED,
  DROP_IP_NOT_FOR_US,
  DROP_IPV6_EXTENSION,
  DROP_NO_POLICY,
  DROP_NO_SA_ACQUIRING,
  DROP_NO_SA_ENTRY_IKE_BOARD,
  DROP_PACKET_TOO_BIG,
  DROP_PROTOCOL_UNKNOWN,
  DROP_UDP_MALFORMED,
  DROP_UDP_PORT,
} from "../abi/drop";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../abi/ring";
import { STEP_S601, STEP_S602, STEP_S603, STEP_S604, STEP_S605, STEP_S606, TRACE_MASK_PACKET } from "../abi/trace";
import { Frame } from "../bus/frame";
import { consume, drop, transmit } from "../bus/port";
import { channelLink, channelPushPacket } from "../channel/channel";
import { SELECTOR_TABLE_NONE, selectorTableLookupPacket } from "../policy/selector_table";
import { loadBE32 } from "../rt/bytes";
import { trace } from "../rt/trace";
import {
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Destination,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
} from "../wire/ipv4";
import {
  IPV6_DESTINATION,
  WALK_DONE,
  ipv6Check,
  ipv6TotalLength,
  ipv6Walk,
  ipv6WalkFragmented,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";
import { UDP_HEADER, udpCheck, udpDestinationPort, udpHasChecksum, udpLength } from "../wire/udp";
import { boardIsOnline } from "./board_table";
import { DISTRIBUTION_ACQUIRE, raise } from "./event";
import { hold } from "./held";
import { Link, findInbound, linkAt } from "./local_database";
import { TRAP_POLICY } from "./policy";
import { isLocalAddress, isLocalAddress6, portIke, portNatt } from "./local_address";

/** What forwardUnprotected says of a frame. */
export const FORWARD_DONE: u32 = 0;
/** An IKE datagram: still the caller's, a whole IP packet. */
export const FORWARD_IKE: u32 = 1;

/** An arriving packet of the unprotected network (17). */
export function forwardUnprotected(frame: Frame): u32 {
  const p = frame.start;
  const ipv6 = isIpv6(frame);
  if (ipv6 ? !checkIpv6(frame) : !checkIpv4(frame)) return FORWARD_DONE;
  if (ipv6 ? !isLocalAddress6(p + IPV6_DESTINATION) : !isLocalAddress(ipv4Destination(p)))
    return dropped(frame, 0, DROP_IP_NOT_FOR_US);
  if (ipv6 ? ipv6WalkFragmented() : ipv4IsFragment(p)) return dropped(frame, 0, DROP_IP_FRAGMENT);
  const header = ipv6 ? ipv6WalkOctets() : ipv4HeaderOctets(p);
  const octets = frame.length - header;
  const payload = p + header;
  const protocol = ipv6 ? ipv6WalkProtocol() : ipv4Protocol(p);
  if (protocol == PROTOCOL_ESP) {
    if (octets < 8) return dropped(frame, 0, DROP_ESP_MALFORMED);
    return inbound(frame, loadBE32(payload));
  }
  if (protocol == PROTOCOL_AH) {
    if (octets < 12) return dropped(frame, 0, DROP_AH_MALFORMED);
    return inbound(frame, loadBE32(payload + 4));
  }
  if (protocol != PROTOCOL_UDP) return dropped(frame, 0, DROP_PROTOCOL_UNKNOWN);
  // Over IPv6 a datagram has a checksum (RFC 8200 8.1); what it protects here, an ICV protects better.
  if (!udpCheck(payload, octets) || (ipv6 && !udpHasChecksum(payload))) return dropped(frame, 0, DROP_UDP_MALFORMED);
  const port = udpDestinationPort(payload);
  if (port == portIke()) return FORWARD_IKE;
  if (port != portNatt()) return dropped(frame, 0, DROP_UDP_PORT);
  // RFC 3948 section 2: one octet FF is a keepalive, four zero octets mark IKE, anything else is an SPI.
  const data = udpLength(payload) - UDP_HEADER;
  if (data == 1 && load<u8>(payload + UDP_HEADER) == 0xff) {
    consume(frame);
    return FORWARD_DONE;
  }
  if (data < 8) return dropped(frame, 0, DROP_UDP_MALFORMED);
  const spi = loadBE32(payload + UDP_HEADER);
  if (spi == 0) return FORWARD_IKE;
  return inbound(frame, spi);
}

/** S602 to S605 for a sealed packet. */
function inbound(frame: Frame, spi: u32): u32 {
  trace(TRACE_MASK_PACKET, STEP_S601, spi, 0, frame.length, PORT_UNPROTECTED);
  trace(TRACE_MASK_PACKET, STEP_S602, spi);
  const link = findInbound(spi);
  if (!link) return dropped(frame, spi, DROP_NO_SA_ENTRY_IKE_BOARD);
  return handOver(frame, changetype<Link>(link), spi);
}

/** An arriving clear packet of the protected network. */
export function forwardProtected(frame: Frame): void {
  if (isIpv6(frame) ? !checkIpv6(frame) : !checkIpv4(frame)) return;
  const p = frame.start;
  trace(TRACE_MASK_PACKET, STEP_S601, 0, 0, frame.length, PORT_PROTECTED);
  trace(TRACE_MASK_PACKET, STEP_S602, 0);
  const value = selectorTableLookupPacket(p, frame.length);
  if (value == SELECTOR_TABLE_NONE) {
    dropped(frame, 0, DROP_NO_POLICY);
    return;
  }
  if (value & TRAP_POLICY) {
    raise(DISTRIBUTION_ACQUIRE, 0, value & ~TRAP_POLICY, 0, 0);
    if (!hold(frame, value & ~TRAP_POLICY)) dropped(frame, 0, DROP_NO_SA_ACQUIRING);
    return;
  }
  const link = linkAt(value);
  if (!link) {
    dropped(frame, 0, DROP_NO_SA_ENTRY_IKE_BOARD);
    return;
  }
  handOver(frame, changetype<Link>(link), changetype<Link>(link).spiOut);
}

/** S603 to S605. */
function handOver(frame: Frame, link: Link, spi: u32): u32 {
  trace(TRACE_MASK_PACKET, STEP_S603, spi);
  const slot = link.slot;
  if (!boardIsOnline(slot, link.generation)) return dropped(frame, spi, DROP_BOARD_OFFLINE);
  trace(TRACE_MASK_PACKET, STEP_S604, spi, slot);
  if (!channelPushPacket(frame, slot)) return dropped(frame, spi, DROP_PACKET_TOO_BIG);
  trace(TRACE_MASK_PACKET, STEP_S605, spi, slot, frame.length);
  transmit(PORT_CHANNEL, frame, channelLink(slot));
  return FORWARD_DONE;
}

// @ts-ignore: decorator
@inline
function isIpv6(frame: Frame): bool {
  return frame.length != 0 && load<u8>(frame.start) >> 4 == 6;
}

/** IPv4 with a sound header; cuts what the link layer padded behind the packet. Drops the frame otherwise. */
function checkIpv4(frame: Frame): bool {
  if (!ipv4Check(frame.start, frame.length)) {
    dropped(frame, 0, DROP_IP_MALFORMED);
    return false;
  }
  frame.length = ipv4TotalLength(frame.start);
  return true;
}

/** The same for IPv6, whose extension headers have to be in order: without them a packet has no flow and no SPI. */
function checkIpv6(frame: Frame): bool {
  if (!ipv6Check(frame.start, frame.length)) {
    dropped(frame, 0, DROP_IP_MALFORMED);
    return false;
  }
  frame.length = ipv6TotalLength(frame.start);
  if (ipv6Walk(frame.start, frame.length) == WALK_DONE) return true;
  dropped(frame, 0, DROP_IPV6_EXTENSION);
  return false;
}

/** S606, and every other reason for which a packet ends here. */
function dropped(frame: Frame, spi: u32, reason: u32): u32 {
  trace(TRACE_MASK_PACKET, STEP_S606, spi, reason);
  drop(frame, reason);
  return FORWARD_DONE;
}
