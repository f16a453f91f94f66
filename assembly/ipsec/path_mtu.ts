/**
 * How large a packet an SA takes: the MTU of the unprotected link (CONFIG_UNPROTECTED_MTU), and what was learnt of the path behind it
 * (RFC 4301 8.2, RFC 1191, RFC 8201). The inner MTU is what is left of it by the SA's ends, mode and transform.
 *
 * An ICMP error proves nothing, so it has to know what only the path knows: it quotes a packet of an SA of ours, from its end to its
 * peer's, in its encapsulation, with a sequence number that was given and is among the last RECENT (RFC 5927 section 4). Then it
 * can lower the path MTU, to 576 (IPv6: 1280) and no further, for LASTS; nothing raises it but time.
 */
import { DROP_CONTROL_MALFORMED, DROP_ICMP_QUOTE } from "../abi/drop";
import { CONFIG_UNPROTECTED_MTU } from "../abi/config";
import {
  DIRECTION_OUTBOUND,
  MESSAGE_HEADER,
  PATH_MTU_MESSAGE_OCTETS,
  PATH_MTU_OCTETS,
  PATH_MTU_SEQUENCE,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_PROTOCOL,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_SPI,
} from "../abi/message";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { loadBE32 } from "../rt/bytes";
import { itemFind, itemU32 } from "../rt/items";
import { now } from "../rt/registers";
import { PROTOCOL_AH, PROTOCOL_ESP } from "../wire/ipv4";
import { IPV6_MTU_MIN, ipv6SameAddress } from "../wire/ipv6";
import { findNamed } from "./local_database";
import { Sa, isAh, isIpv6, isTransport, localAddress6, remoteAddress6 } from "./sa";
import { ahSealedOctets, espRoom, outerIpOctets, outerOctets } from "./tunnel";

/** MTU of the unprotected link when CONFIG says nothing, and what it may say. */
const LINK_MTU: u32 = 1500;
export const LINK_MTU_MIN: u32 = 576;
const LINK_MTU_MAX: u32 = 9000;
/** RFC 1191 section 3: every path takes 68; hosts have to take 576, and no path of today takes less. */
const PATH_MTU_MIN: u32 = 576;
/** RFC 1191 section 6.3, RFC 8201 section 4: ten minutes. */
const LASTS: u64 = 600_000_000_000;
/** Packets that may have been sent since the one that did not fit. */
const RECENT: u32 = 65536;

let linkMtu: u32 = 1500; // LINK_MTU

/** Reads CONFIG; false when the MTU is none that a link has. */
export function pathMtuReset(start: usize, end: usize): bool {
  const item = itemFind(start, end, CONFIG_UNPROTECTED_MTU);
  linkMtu = item != 0 ? itemU32(item) : LINK_MTU;
  return linkMtu >= LINK_MTU_MIN && linkMtu <= LINK_MTU_MAX;
}

// @ts-ignore: decorator
@inline
function floorOf(sa: Sa): u32 {
  return isIpv6(sa) ? IPV6_MTU_MIN : PATH_MTU_MIN;
}

/** An SA has other ends, or is new: what was learnt of a path is not of this one. */
export function pathMtuStart(sa: Sa): void {
  sa.mtuUntil = 0;
  set(sa, max<u32>(linkMtu, floorOf(sa)));
}

/** The largest packet outside, and with it the largest clear one; of transport mode one without options. */
function set(sa: Sa, mtu: u32): void {
  sa.outerMtu = <u16>mtu;
  const room = isAh(sa) ? mtu - outerIpOctets(sa) - ahSealedOctets(sa) : espRoom(sa, outerOctets(sa));
  sa.innerMtu = <u16>(isTransport(sa) ? room + outerIpOctets(sa) : room);
}

/** True when what was learnt is too old to count: the SA takes what the link takes again. */
export function pathMtuOver(sa: Sa): bool {
  if (sa.mtuUntil == 0 || now() < sa.mtuUntil) return false;
  pathMtuStart(sa);
  return true;
}

/** PATH_MTU, opened. Takes the frame; it has no answer. */
export function handlePathMtu(frame: Frame): void {
  if (frame.length < PATH_MTU_MESSAGE_OCTETS) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const p = frame.start;
  const quoted = p + MESSAGE_HEADER;
  const sa = findNamed(load<u32>(quoted, SA_SPI), DIRECTION_OUTBOUND, load<u32>(quoted, SA_LINK));
  if (!sa || !isOf(sa, quoted, load<u32>(p, PATH_MTU_SEQUENCE))) {
    drop(frame, DROP_ICMP_QUOTE);
    return;
  }
  const mtu = max<u32>(load<u32>(p, PATH_MTU_OCTETS), floorOf(sa));
  pathMtuOver(sa);
  if (mtu < <u32>sa.outerMtu) set(sa, mtu);
  // As small as before: it is so still.
  if (mtu <= <u32>sa.outerMtu && mtu < linkMtu) sa.mtuUntil = now() + LASTS;
  consume(frame);
}

/** True when an SA may have sent the packet that these SA ends are of. */
function isOf(sa: Sa, quoted: usize, sequence: u32): bool {
  const six = load<u8>(quoted, SA_FAMILY) == 6;
  if (six != isIpv6(sa)) return false;
  if (<u32>load<u8>(quoted, SA_PROTOCOL) != (isAh(sa) ? PROTOCOL_AH : PROTOCOL_ESP)) return false;
  const encapsulated = (<u32>load<u8>(quoted, SA_FLAGS)) & SA_FLAG_UDP_ENCAPSULATION;
  if (encapsulated != ((<u32>sa.flags) & SA_FLAG_UDP_ENCAPSULATION)) return false;
  if (encapsulated != 0) {
    if (load<u16>(quoted, SA_LOCAL_PORT) != sa.localPort) return false;
    if (load<u16>(quoted, SA_REMOTE_PORT) != sa.remotePort) return false;
  }
  const same = six
    ? ipv6SameAddress(quoted + SA_LOCAL_ADDRESS, localAddress6(sa)) &&
      ipv6SameAddress(quoted + SA_REMOTE_ADDRESS, remoteAddress6(sa))
    : loadBE32(quoted + SA_LOCAL_ADDRESS) == sa.localAddress &&
      loadBE32(quoted + SA_REMOTE_ADDRESS) == sa.remoteAddress;
  if (!same) return false;
  // Numbers start at 1, and what is above the last one given is far behind it in this difference.
  const age = <u32>sa.sequence - sequence;
  return age < RECENT && <u64>age < sa.sequence;
}
