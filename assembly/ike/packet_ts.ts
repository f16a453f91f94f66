/**
 * Populate from packet (RFC 4301 section 4.4.1): traffic that meets a trap names itself. The selectors of the packet go first in TSi and
 * TSr (RFC 7296 section 2.9), the configured ones behind them, so that a responder that grants less than the whole knows what has to be
 * in it; what it grants is the SA's. A packet that the SA does not cover meets the trap again, and asks for another one.
 *
 * While a CHILD_SA waits for its request the two selectors stand where its own will stand, and then in front of those.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../abi/message";
import { Flow, PORT_NONE } from "../policy/flow";
import { storeBE32, storeBE64 } from "../rt/bytes";
import { ChildSa, childSelectors } from "./child_sa";
import { TS_MAX } from "./connection";
import { selectorContains, tsWithin } from "./ts";

/** Values of ChildSa.packet: no packet asked for it; one did, whose selectors it asks for first; the peer has left that one out. */
export const PACKET_NONE: u32 = 0;
export const PACKET_ASKS: u32 = 1;
export const PACKET_LEFT_OUT: u32 = 2;

/** The selectors of the packet in hand, ours and the peer's. */
const packetLocal: usize = memory.data(SELECTOR_OCTETS, 8);
const packetRemote: usize = memory.data(SELECTOR_OCTETS, 8);

function selector(to: usize, flow: Flow, high: u64, low: u64, port: u32): void {
  const family = flow.kind & 0xff;
  memory.fill(to, 0, SELECTOR_OCTETS);
  store<u8>(to, <u8>family, SELECTOR_FAMILY);
  store<u8>(to, <u8>(flow.kind >> 8), SELECTOR_PROTOCOL);
  store<u16>(to, port == PORT_NONE ? 0 : <u16>port, SELECTOR_START_PORT);
  store<u16>(to, port == PORT_NONE ? 65535 : <u16>port, SELECTOR_END_PORT);
  if (family == 4) {
    storeBE32(to + SELECTOR_START, <u32>(high >> 32));
  } else {
    storeBE64(to + SELECTOR_START, high);
    storeBE64(to + SELECTOR_START + 8, low);
  }
  memory.copy(to + SELECTOR_END, to + SELECTOR_START, 16);
}

/** Takes the packet in hand by its flow. */
export function packetTake(flow: Flow): void {
  selector(packetLocal, flow, flow.sourceHigh, flow.sourceLow, flow.sourcePort);
  selector(packetRemote, flow, flow.destinationHigh, flow.destinationLow, flow.destinationPort);
}

/** True when a CHILD_SA that is agreed on covers the packet in hand. */
export function packetCovered(child: ChildSa): bool {
  const local = childSelectors(child);
  return (
    tsWithin(packetLocal, 1, local, child.localCount) &&
    tsWithin(packetRemote, 1, local + child.localCount * SELECTOR_OCTETS, child.remoteCount)
  );
}

/** A CHILD_SA that is to be asked for is asked for because of the packet in hand. */
export function packetAsks(child: ChildSa): void {
  const to = childSelectors(child);
  child.packet = PACKET_ASKS;
  child.localCount = 1;
  child.remoteCount = 1;
  memory.copy(to, packetLocal, SELECTOR_OCTETS);
  memory.copy(to + SELECTOR_OCTETS, packetRemote, SELECTOR_OCTETS);
}

/** Has the packet of a CHILD_SA in hand; false when none asked for it. */
export function packetOf(child: ChildSa): bool {
  if (child.packet != PACKET_ASKS) return false;
  const from = childSelectors(child);
  memory.copy(packetLocal, from, SELECTOR_OCTETS);
  memory.copy(packetRemote, from + child.localCount * SELECTOR_OCTETS, SELECTOR_OCTETS);
  return true;
}

/** Puts the selectors of the packet in hand in front of those that a CHILD_SA asks for, where they are within them, and there is room. */
export function packetFirst(child: ChildSa): void {
  const local = childSelectors(child);
  const remote = local + child.localCount * SELECTOR_OCTETS;
  const room = child.localCount < TS_MAX && child.remoteCount < TS_MAX;
  if (!room || !packetCovered(child)) {
    child.packet = PACKET_NONE;
    return;
  }
  memory.copy(remote + 2 * SELECTOR_OCTETS, remote, child.remoteCount * SELECTOR_OCTETS);
  memory.copy(remote + SELECTOR_OCTETS, packetRemote, SELECTOR_OCTETS);
  memory.copy(local + SELECTOR_OCTETS, local, child.localCount * SELECTOR_OCTETS);
  memory.copy(local, packetLocal, SELECTOR_OCTETS);
  child.localCount += 1;
  child.remoteCount += 1;
}

/** What the peer has granted a CHILD_SA stands there now: is the packet in hand, which asked for it, within it? */
export function packetGranted(child: ChildSa): void {
  child.packet = packetCovered(child) ? PACKET_NONE : PACKET_LEFT_OUT;
}

/** True when selectors that were granted hold the first ones that were asked for, as they must where they can (RFC 7296 2.9). */
export function firstHeld(granted: usize, count: u32, asked: usize): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (selectorContains(granted + <usize>i * SELECTOR_OCTETS, asked)) return true;
  }
  return false;
}
