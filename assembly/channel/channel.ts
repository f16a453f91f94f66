/**
 * The internal path (13) as both boards see it: packets and control messages to and from a slot, whichever link the
 * chassis has (abi/fabric.ts). S605 is channelPushPacket, S701/S702 are channelPull.
 *
 *   send      if (channelPushPacket(frame, slot)) transmit(PORT_CHANNEL, frame, channelLink(slot));
 *             else drop(frame, DROP_PACKET_TOO_BIG);
 *   receive   switch (channelPull(frame)) { CHANNEL_IPV4: ..  CHANNEL_CONTROL: ..  CHANNEL_DROPPED: the frame is gone }
 *
 * On Ethernet a packet goes as IP-in-IP (RFC 2003) behind Ethernet II, on an ATM PVC behind LLC/SNAP (RFC 2684); AAL5 and
 * cells are the chassis's. Refuses a speaker that has no business on the link: an IPsec board hears the IKE board only.
 */
import {
  DROP_CHANNEL_MALFORMED,
  DROP_CHANNEL_SOURCE,
  DROP_ETHERTYPE_UNKNOWN,
  DROP_IP_VERSION,
  DROP_LLC_UNKNOWN_PID,
} from "../abi/drop";
import {
  ETHERTYPE_CONTROL,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  FABRIC_MTU,
  FABRIC_SLOT_MAX,
  LINK_ATM,
} from "../abi/fabric";
import { Frame, frameHeadroom, framePull, framePush } from "../bus/frame";
import { drop } from "../bus/port";
import {
  ETHERNET_HEADER,
  ethernetCheck,
  ethernetDestination,
  ethernetEmit,
  ethernetSource,
  ethernetType,
} from "../wire/ethernet";
import { IPV4_HEADER, PROTOCOL_IPV4, PROTOCOL_IPV6 } from "../wire/ipv4";
import { LLC_SNAP_HEADER, llcSnapCheck, llcSnapEmit, llcSnapPid } from "../wire/llc_snap";
import { controlReset } from "./control";
import { IPIP_OCTETS, ipipPull, ipipPush } from "./ipip";
import { linkKind, linkMac, linkMaySpeak, linkOwnSlot, linkReset, linkSlotOfVc, linkVc } from "./link";

/** Verdicts of channelPull. */
export const CHANNEL_DROPPED: u32 = 0; // already dropped for its reason
export const CHANNEL_IPV4: u32 = 1; // the frame is an IP packet, of version 4 by its first octet; not checked further
export const CHANNEL_IPV6: u32 = 2;
export const CHANNEL_CONTROL: u32 = 3; // the frame is a sealed control message: controlOpen is next

let source: u32 = 0;

/**
 * Reads the link from CONFIG and SLOT and takes the control contexts from the arena. False when the CONFIG is unusable;
 * when RAM is, arenaExhausted() tells.
 */
export function channelReset(): bool {
  source = FABRIC_SLOT_MAX;
  return linkReset() && controlReset();
}

/** True when the IP packet of `length` octets at `p` may go to the board in `slot`: it is a peer, and the link's MTU is enough. */
export function channelFits(p: usize, length: u32, slot: u32): bool {
  if (!linkMaySpeak(slot) || length < IPV4_HEADER) return false;
  const version = (<u32>load<u8>(p)) >> 4;
  if (version != 4 && version != 6) return false;
  return length <= (linkKind() == LINK_ATM ? FABRIC_MTU : FABRIC_MTU - IPV4_HEADER);
}

/** Octets that channelPushPacket puts in front, and channelPull takes off. */
export function channelCapsuleOctets(): u32 {
  return linkKind() == LINK_ATM ? LLC_SNAP_HEADER : IPIP_OCTETS;
}

/**
 * S605: encapsulates the IP packet that the frame starts with for the board in `slot`. False, with the frame untouched
 * and still the caller's, when channelFits says no, or the frame leaves no headroom.
 */
export function channelPushPacket(frame: Frame, slot: u32): bool {
  if (!channelFits(frame.start, frame.length, slot) || frameHeadroom(frame) < channelCapsuleOctets()) return false;
  const four = (<u32>load<u8>(frame.start)) >> 4 == 4;
  if (linkKind() == LINK_ATM) {
    llcSnapEmit(framePush(frame, LLC_SNAP_HEADER), four ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
    return true;
  }
  ipipPush(frame, slot, four ? PROTOCOL_IPV4 : PROTOCOL_IPV6);
  return true;
}

/**
 * Frames a sealed control message (control.ts) for the board in `slot`. False, with the frame untouched, when the slot is
 * no peer of ours or the frame leaves no headroom.
 */
export function channelPushControl(frame: Frame, slot: u32): bool {
  if (!linkMaySpeak(slot) || frame.length > FABRIC_MTU) return false;
  if (linkKind() == LINK_ATM) {
    if (frameHeadroom(frame) < LLC_SNAP_HEADER) return false;
    llcSnapEmit(framePush(frame, LLC_SNAP_HEADER), ETHERTYPE_CONTROL);
    return true;
  }
  if (frameHeadroom(frame) < ETHERNET_HEADER) return false;
  ethernetEmit(framePush(frame, ETHERNET_HEADER), linkMac(slot), linkMac(linkOwnSlot()), ETHERTYPE_CONTROL);
  return true;
}

/** The LINK of a descriptor towards `slot`: the VC on ATM, 0 on Ethernet. */
export function channelLink(slot: u32): u32 {
  return linkKind() == LINK_ATM ? linkVc(slot) : 0;
}

/** The slot that the frame last pulled came from; FABRIC_SLOT_MAX when it was dropped. */
export function channelSourceSlot(): u32 {
  return source;
}

/** S701/S702: takes the capsule off; a CHANNEL_* verdict. A frame that it does not accept is dropped for its reason. */
export function channelPull(frame: Frame): u32 {
  source = FABRIC_SLOT_MAX;
  return linkKind() == LINK_ATM ? pullAtm(frame) : pullEthernet(frame);
}

function pullAtm(frame: Frame): u32 {
  const slot = linkSlotOfVc(frame.link);
  if (!linkMaySpeak(slot)) return refuse(frame, DROP_CHANNEL_SOURCE);
  const p = frame.start;
  if (!llcSnapCheck(p, frame.length)) return refuse(frame, DROP_CHANNEL_MALFORMED);
  const pid = llcSnapPid(p);
  if (pid != ETHERTYPE_IPV4 && pid != ETHERTYPE_IPV6 && pid != ETHERTYPE_CONTROL) {
    return refuse(frame, DROP_LLC_UNKNOWN_PID);
  }
  framePull(frame, LLC_SNAP_HEADER);
  return accept(frame, slot, pid);
}

function pullEthernet(frame: Frame): u32 {
  const p = frame.start;
  if (!ethernetCheck(frame.length) || ethernetDestination(p) != linkMac(linkOwnSlot())) {
    return refuse(frame, DROP_CHANNEL_MALFORMED);
  }
  const mac = ethernetSource(p);
  const slot = (<u32>mac) & 0xffff;
  if (mac != linkMac(slot) || !linkMaySpeak(slot)) return refuse(frame, DROP_CHANNEL_SOURCE);
  const type = ethernetType(p);
  if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_CONTROL) return refuse(frame, DROP_ETHERTYPE_UNKNOWN);
  framePull(frame, ETHERNET_HEADER);
  if (type == ETHERTYPE_CONTROL) return accept(frame, slot, type);
  const protocol = ipipPull(frame, slot);
  if (protocol >= 256) return refuse(frame, protocol - 256);
  return accept(frame, slot, protocol == PROTOCOL_IPV4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
}

/** The last check that both links share: an IP packet is of the version that its framing promised. */
function accept(frame: Frame, slot: u32, type: u32): u32 {
  if (type != ETHERTYPE_CONTROL) {
    if (frame.length < IPV4_HEADER) return refuse(frame, DROP_CHANNEL_MALFORMED);
    const version = (<u32>load<u8>(frame.start)) >> 4;
    if (version != (type == ETHERTYPE_IPV4 ? 4 : 6)) return refuse(frame, DROP_IP_VERSION);
  }
  source = slot;
  if (type == ETHERTYPE_CONTROL) return CHANNEL_CONTROL;
  return type == ETHERTYPE_IPV4 ? CHANNEL_IPV4 : CHANNEL_IPV6;
}

function refuse(frame: Frame, reason: u32): u32 {
  drop(frame, reason);
  return CHANNEL_DROPPED;
}
