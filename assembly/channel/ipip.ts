/**
 * IP within IP over Ethernet (RFC 2003), the capsule of the first embodiment: S605 pushes it, S702 pulls it.
 *
 *   +----------------+---------------------------------------+-----------------+
 *   | Ethernet II 14 | outer IPv4 20, protocol 4 or 41, DF   | the IP packet   |
 *   +----------------+---------------------------------------+-----------------+
 *
 * The outer header is the path's own: TOS 0, TTL 64, never fragmented; nothing of the inner header shows in it. Refuses
 * options and fragments, which no board sends.
 */
import { DROP_CHANNEL_MALFORMED, DROP_CHANNEL_SOURCE } from "../abi/drop";
import { ETHERTYPE_IPV4 } from "../abi/fabric";
import { Frame, framePull, framePush } from "../bus/frame";
import { ETHERNET_HEADER, ethernetEmit } from "../wire/ethernet";
import {
  IPV4_HEADER,
  PROTOCOL_IPV4,
  PROTOCOL_IPV6,
  ipv4Check,
  ipv4Destination,
  ipv4Emit,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Source,
  ipv4TotalLength,
} from "../wire/ipv4";
import { linkAddress, linkMac, linkOwnSlot } from "./link";

/** Octets that ipipPush puts in front. */
export const IPIP_OCTETS: u32 = ETHERNET_HEADER + IPV4_HEADER;

const CAPSULE_TTL: u32 = 64;

/** Pushes outer IPv4 and Ethernet headers towards `slot`. The caller has checked the headroom. */
export function ipipPush(frame: Frame, slot: u32, protocol: u32): void {
  const total = IPV4_HEADER + frame.length;
  const outer = framePush(frame, IPV4_HEADER);
  ipv4Emit(outer, total, protocol, linkAddress(linkOwnSlot()), linkAddress(slot), CAPSULE_TTL, 0, true, 0);
  ethernetEmit(framePush(frame, ETHERNET_HEADER), linkMac(slot), linkMac(linkOwnSlot()), ETHERTYPE_IPV4);
}

/**
 * Takes the outer IPv4 header off a frame whose Ethernet header is gone already, and cuts Ethernet padding. `slot` is
 * the one that the source MAC named. Returns the protocol (PROTOCOL_IPV4 or PROTOCOL_IPV6), or 256 + a drop reason; the
 * frame is not dropped here.
 */
export function ipipPull(frame: Frame, slot: u32): u32 {
  const p = frame.start;
  if (!ipv4Check(p, frame.length)) return 256 + DROP_CHANNEL_MALFORMED;
  const protocol = ipv4Protocol(p);
  if (
    ipv4HeaderOctets(p) != IPV4_HEADER ||
    ipv4IsFragment(p) ||
    (protocol != PROTOCOL_IPV4 && protocol != PROTOCOL_IPV6) ||
    ipv4Destination(p) != linkAddress(linkOwnSlot())
  ) {
    return 256 + DROP_CHANNEL_MALFORMED;
  }
  if (ipv4Source(p) != linkAddress(slot)) return 256 + DROP_CHANNEL_SOURCE;
  frame.length = ipv4TotalLength(p);
  framePull(frame, IPV4_HEADER);
  return protocol;
}
