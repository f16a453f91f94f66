/**
 * What becomes of a packet on the IKE board, decided and nothing done (S601 to S604, S606): forward.ts carries it out, explain.ts
 * tells it. No counter rises here and nothing is sent, so that a packet may be asked about as often as one likes.
 */
import {
  DROP_AH_MALFORMED,
  DROP_BOARD_OFFLINE,
  DROP_ESP_MALFORMED,
  DROP_IP_MALFORMED,
  DROP_IP_NOT_FOR_US,
  DROP_IPV6_EXTENSION,
  DROP_NO_POLICY,
  DROP_NO_SA_ACQUIRING,
  DROP_NO_SA_ENTRY_IKE_BOARD,
  DROP_PACKET_TOO_BIG,
  DROP_POLICY_DISCARD,
  DROP_PROTECTION_MISSING,
  DROP_PROTOCOL_UNKNOWN,
  DROP_UDP_MALFORMED,
  DROP_UDP_PORT,
} from "../abi/drop";
import {
  VERDICT_BOARD,
  VERDICT_BYPASS,
  VERDICT_CONSUMED,
  VERDICT_DROP,
  VERDICT_FRAGMENT,
  VERDICT_HELD,
  VERDICT_IKE,
  VERDICT_MOVING,
  VERDICT_PATH_MTU,
  VERDICT_TAUGHT,
} from "../abi/explain";
import { STEP_S601, STEP_S602, STEP_S603, STEP_S604 } from "../abi/trace";
import { channelFits } from "../channel/channel";
import { selectorAheadLookup } from "../policy/selector_ahead";
import { SELECTOR_TABLE_NONE, selectorTableLookupInbound } from "../policy/selector_table";
import { loadBE32 } from "../rt/bytes";
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
import { boardIsOnline, boardsHaveRoom } from "./board_table";
import { holds } from "./held";
import { Link, findInbound, linkAt, linkNumber } from "./local_database";
import { isLocalAddress, isLocalAddress6, portIke, portNatt } from "../policy/local_address";
import { isPathMtu } from "./path_mtu";
import { BYPASS_POLICY, DISCARD_POLICY, isLink, policyChild } from "./policy";

/** No drop reason. */
const SOUND: u32 = 0xffffffff;
/** No link, no child. */
export const ROUTE_NONE: u32 = 0xffffffff;


@unmanaged
export class Route {
  /** VERDICT_* (abi/explain.ts) */
  verdict: u32;
  /** Of VERDICT_DROP: DROP_*. */
  reason: u32;
  /** Octets of the packet, without what the link layer padded behind it. */
  octets: u32;
  /** 0 before one is known. */
  spi: u32;
  /** Of a sealed packet, the low half of its number; of no meaning for any other. */
  low: u32;
  /** Number of the link, or ROUTE_NONE. */
  link: u32;
  /** The link's board. */
  slot: u32;
  generation: u32;
  /** Configured child whose trap the packet met, or ROUTE_NONE; it wants an SA whatever the verdict. */
  child: u32;
  /** Value of the policy without an SA that the packet met (policy.ts), or ROUTE_NONE. */
  policy: u32;
  /** How far it came: STEP_S601 to STEP_S604. */
  step: u32;
}

const route: usize = memory.data(offsetof<Route>(), 8);

function begin(octets: u32): Route {
  const r = changetype<Route>(route);
  r.octets = octets;
  r.spi = 0;
  r.link = ROUTE_NONE;
  r.slot = 0;
  r.generation = 0;
  r.child = ROUTE_NONE;
  r.policy = ROUTE_NONE;
  r.step = STEP_S601;
  return r;
}

function dropped(r: Route, reason: u32): Route {
  r.verdict = VERDICT_DROP;
  r.reason = reason;
  return r;
}

function ends(r: Route, verdict: u32): Route {
  r.verdict = verdict;
  return r;
}

/** A packet of the unprotected network (17), `length` octets at `p`. Valid until the next call. */
export function routeUnprotected(p: usize, length: u32): Route {
  const r = begin(length);
  const unsound = examine(r, p);
  if (unsound != SOUND) return dropped(r, unsound);
  const ipv6 = isIpv6(p);
  if (ipv6 ? !isLocalAddress6(p + IPV6_DESTINATION) : !isLocalAddress(ipv4Destination(p)))
    return unsealed(r, p, DROP_IP_NOT_FOR_US);
  if (ipv6 ? ipv6WalkFragmented() : ipv4IsFragment(p)) return ends(r, VERDICT_FRAGMENT);
  const header = ipv6 ? ipv6WalkOctets() : ipv4HeaderOctets(p);
  const octets = r.octets - header;
  const payload = p + header;
  const protocol = ipv6 ? ipv6WalkProtocol() : ipv4Protocol(p);
  if (protocol == PROTOCOL_ESP) {
    if (octets < 8) return dropped(r, DROP_ESP_MALFORMED);
    return inbound(r, p, loadBE32(payload), loadBE32(payload + 4));
  }
  if (protocol == PROTOCOL_AH) {
    if (octets < 12) return dropped(r, DROP_AH_MALFORMED);
    return inbound(r, p, loadBE32(payload + 4), loadBE32(payload + 8));
  }
  if (isPathMtu(protocol, ipv6, payload, octets)) return ends(r, VERDICT_PATH_MTU);
  if (protocol != PROTOCOL_UDP) return unsealed(r, p, DROP_PROTOCOL_UNKNOWN);
  // Over IPv6 a datagram has a checksum (RFC 8200 8.1); what it protects here, an ICV protects better.
  if (!udpCheck(payload, octets) || (ipv6 && !udpHasChecksum(payload))) return dropped(r, DROP_UDP_MALFORMED);
  const port = udpDestinationPort(payload);
  if (port == portIke()) return ends(r, VERDICT_IKE);
  if (port != portNatt()) return unsealed(r, p, DROP_UDP_PORT);
  // RFC 3948 section 2: one octet FF is a keepalive, four zero octets mark IKE, anything else is an SPI.
  const data = udpLength(payload) - UDP_HEADER;
  if (data == 1 && load<u8>(payload + UDP_HEADER) == 0xff) return ends(r, VERDICT_CONSUMED);
  if (data < 8) return dropped(r, DROP_UDP_MALFORMED);
  const spi = loadBE32(payload + UDP_HEADER);
  return spi == 0 ? ends(r, VERDICT_IKE) : inbound(r, p, spi, loadBE32(payload + UDP_HEADER + 4));
}

/** S602 for a packet in clear: SPD-I. `reason`: why it is dropped where no policy covers it. */
function unsealed(r: Route, p: usize, reason: u32): Route {
  r.step = STEP_S602;
  const value = selectorTableLookupInbound(p, r.octets);
  if (value == SELECTOR_TABLE_NONE) return dropped(r, reason);
  if (isLink(value)) {
    const link = linkAt(value);
    if (link) linked(r, link);
    return dropped(r, DROP_PROTECTION_MISSING);
  }
  r.policy = value;
  if ((value & BYPASS_POLICY) != 0) return ends(r, VERDICT_BYPASS);
  return dropped(r, (value & DISCARD_POLICY) != 0 ? DROP_POLICY_DISCARD : DROP_PROTECTION_MISSING);
}

/** S602 for a sealed packet; `low`: of its number. */
function inbound(r: Route, p: usize, spi: u32, low: u32): Route {
  r.spi = spi;
  r.low = low;
  r.step = STEP_S602;
  const link = findInbound(spi);
  return link ? toBoard(r, p, link) : dropped(r, DROP_NO_SA_ENTRY_IKE_BOARD);
}

/** A clear packet of the protected network, `length` octets at `p`. Valid until the next call. */
export function routeProtected(p: usize, length: u32): Route {
  const r = begin(length);
  const unsound = examine(r, p);
  if (unsound != SOUND) return dropped(r, unsound);
  r.step = STEP_S602;
  const sealed = seemsSealed(p);
  const value = selectorAheadLookup(p, r.octets);
  if (!isLink(value)) return unlinked(r, value);
  if (sealed) return dropped(r, DROP_IP_NOT_FOR_US);
  const link = linkAt(value);
  if (!link) return dropped(r, DROP_NO_SA_ENTRY_IKE_BOARD);
  r.spi = link.spiOut;
  return toBoard(r, p, link);
}

/**
 * True for what an IPsec board would take for a sealed packet to us, which is not to come from this side: it would be opened, and nobody would
 * have noted its number (forwarded.ts).
 */
function seemsSealed(p: usize): bool {
  const ipv6 = isIpv6(p);
  const protocol = ipv6 ? ipv6WalkProtocol() : ipv4Protocol(p);
  if (protocol == PROTOCOL_UDP) {
    // Behind the IP header there are octets of the frame at least, if not of the packet.
    if (udpDestinationPort(p + (ipv6 ? ipv6WalkOctets() : ipv4HeaderOctets(p))) != portNatt()) return false;
  } else if (protocol != PROTOCOL_ESP && protocol != PROTOCOL_AH) return false;
  return ipv6 ? isLocalAddress6(p + IPV6_DESTINATION) : isLocalAddress(ipv4Destination(p));
}

/** A clear packet of the protected network that no SA covers. */
function unlinked(r: Route, value: u32): Route {
  if (value == SELECTOR_TABLE_NONE) return dropped(r, DROP_NO_POLICY);
  r.policy = value;
  if ((value & BYPASS_POLICY) != 0) return ends(r, VERDICT_BYPASS);
  if ((value & DISCARD_POLICY) != 0) return dropped(r, DROP_POLICY_DISCARD);
  r.child = policyChild(value);
  return holds(r.child) ? ends(r, VERDICT_HELD) : dropped(r, DROP_NO_SA_ACQUIRING);
}

function linked(r: Route, link: Link): void {
  r.link = linkNumber(link);
  r.slot = link.slot;
  r.generation = link.generation;
}

/** S603, S604. */
function toBoard(r: Route, p: usize, link: Link): Route {
  linked(r, link);
  r.step = STEP_S603;
  if (!boardIsOnline(link.slot, link.generation))
    return boardsHaveRoom() ? ends(r, VERDICT_TAUGHT) : dropped(r, DROP_BOARD_OFFLINE);
  if (link.moving != 0) return ends(r, VERDICT_MOVING);
  r.step = STEP_S604;
  return channelFits(p, r.octets, link.slot) ? ends(r, VERDICT_BOARD) : dropped(r, DROP_PACKET_TOO_BIG);
}

/**
 * S601: an IP packet with a sound header, and of IPv6 with extension headers in order: without them a packet has no flow and no
 * SPI. Cuts what the link layer padded behind it. SOUND, or the reason why it is not.
 */
function examine(r: Route, p: usize): u32 {
  if (r.octets != 0 && isIpv6(p)) {
    if (!ipv6Check(p, r.octets)) return DROP_IP_MALFORMED;
    r.octets = ipv6TotalLength(p);
    return ipv6Walk(p, r.octets) == WALK_DONE ? SOUND : DROP_IPV6_EXTENSION;
  }
  if (!ipv4Check(p, r.octets)) return DROP_IP_MALFORMED;
  r.octets = ipv4TotalLength(p);
  return SOUND;
}

// @ts-ignore: decorator
@inline
function isIpv6(p: usize): bool {
  return (<u32>load<u8>(p)) >> 4 == 6;
}
