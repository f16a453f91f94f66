/**
 * The table of CHILD_SAs (RFC 7296 section 1.3, RFC 4301 section 4.4.2): the index is the LINK of abi/message.ts, and stands
 * in the low bits of the inbound SPI with random bits above.
 *
 * KEYMAT lives here only from agreement until both SA records were told (event.ts). A record is reused only after its
 * removal was told; one that a rekey replaced stays with the boards a little longer than with IKE (life.ts).
 */
import { CHILD_STATE_CREATED, CHILD_STATE_FREE, CHILD_STATE_INSTALLED, CHILD_STATE_REKEYING } from "../abi/management";
import { LINK_BITS, SA_KEYMAT_MAX, SA_SELECTORS_MAX, SELECTOR_OCTETS } from "../abi/message";
import { drbgU32 } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { childChanged } from "./changes";
import { ChildConfig, childConfigAt, connectionAt, connectionRelease } from "./connection";
import { IkeSa, NONCE_OCTETS, ikeSaAt } from "./ike_sa";
import { SUITE_OCTETS, Suite } from "./proposal";
import { childSaCapacity } from "./settings";
import { childMayMove } from "./state";

export const CHILD_WANT_CREATE: u32 = 1;
export const CHILD_WANT_REKEY: u32 = 2;
export const CHILD_WANT_DELETE: u32 = 4;

/** Bits of `events` and `waiting`. */
export const CHILD_EVENT_INSTALL_IN: u32 = 1;
export const CHILD_EVENT_INSTALL_OUT: u32 = 2;
export const CHILD_EVENT_REMOVE_IN: u32 = 4;
export const CHILD_EVENT_REMOVE_OUT: u32 = 8;
export const CHILD_EVENT_QUERY: u32 = 16;
export const CHILD_EVENT_UPDATE_IN: u32 = 32;
export const CHILD_EVENT_UPDATE_OUT: u32 = 64;

/** Not; by a rekey, so that its end is no news; by that of a new IKE_SA, whose coming up was told. */
export const REPLACED_NOT: u32 = 0;
export const REPLACED_REKEY: u32 = 1;
export const REPLACED_REAUTHENTICATION: u32 = 2;

/** The outbound half of a pair: nothing is sent on it yet, the boards are told of it, it is in use. */
export const OUTBOUND_HELD: u32 = 0;
export const OUTBOUND_RAISED: u32 = 1;
export const OUTBOUND_LIVE: u32 = 2;


@unmanaged
export class ChildSa {
  link: u32;
  state: u32;
  uniqueId: u32;
  /** IKE_SA, next CHILD_SA of the same IKE_SA; -1 none. */
  sa: i32;
  next: i32;
  config: i32;
  spiIn: u32;
  spiOut: u32;
  /** 1: we initiated the exchange that agreed on it. */
  initiator: u32;
  want: u32;
  /** The CHILD_SA that this one replaces, and the one that the peer made to replace the same (RFC 7296 2.8.1); -1 none. */
  rekeys: i32;
  /** 1: asked for to replace another one, whether that is still there or not. */
  replaces: u32;
  rival: i32;
  /** Confirmations that are still missing, and why one was refused. */
  waiting: u32;
  refused: u32;
  confirmed: u32;
  events: u32;
  queued: u32;
  nextEvent: i32;
  slot: u32;
  boardGeneration: u32;
  placed: u32;
  installed: u64;
  peerNonceLength: u32;
  localCount: u32;
  remoteCount: u32;
  keOwnLength: u32;
  /** CHILD_EVENT_INSTALL_*: what the boards were told of, so that its end must be told, too. */
  there: u32;
  /** OUTBOUND_*. */
  outbound: u32;
  /** 1: ours would be the redundant one, should the peer's come to be; that is still open. */
  undecided: u32;
  /** REPLACED_*: another one carries its traffic or will. */
  replaced: u32;
  /** 1: gone for IKE; the boards keep it a little while for packets that are on their way. */
  lingers: u32;
  /** 1: it went up, so that going down is worth telling. */
  announced: u32;

  /** 1: its outbound half waits for one of the peer's former IKE_SA, which carries its traffic, to go (reauthentication.ts). */
  shadow: u32;
  /** Index + 1 of the IKE_SA that it was on before, while the exchange in hand there is about it; 0 none. */
  leftExchange: u32;
  /** 1: the new IKE_SA was asked for its like. */
  covered: u32;
  /** Limits from which on it is rekeyed, each less a random part; 0 none. */
  softPackets: u64;
  softOctets: u64;
  /** When the boards last saw a packet of it, and CHILD_EVENT_INSTALL_*: whose answer to that question is here (inactivity.ts). */
  lastUsed: u64;
  answers: u32;
  /** 1: its life is over before a rekey was, so another one is wanted in its place. */
  expired: u32;

  /** MODE_*: asked for, then agreed on. */
  mode: u32;
  /** PACKET_* (packet_ts.ts). */
  packet: u32;
}

const AT_SUITE: usize = (offsetof<ChildSa>() + 7) & ~7;
const AT_NONCE: usize = AT_SUITE + SUITE_OCTETS;
const AT_PEER_NONCE: usize = AT_NONCE + NONCE_OCTETS;
const AT_KEYMAT_IN: usize = AT_PEER_NONCE + 256;
const AT_KEYMAT_OUT: usize = AT_KEYMAT_IN + SA_KEYMAT_MAX;
const AT_SELECTORS: usize = AT_KEYMAT_OUT + SA_KEYMAT_MAX;
const CHILD_OCTETS: usize = (AT_SELECTORS + SA_SELECTORS_MAX * SELECTOR_OCTETS + 63) & ~63;

let table: usize = 0;
let stack: usize = 0;
let free: u32 = 0;
let uniqueIds: u32 = 0;

export function childSasReset(): bool {
  table = arenaTake(<usize>childSaCapacity * CHILD_OCTETS);
  stack = arenaTake(<usize>childSaCapacity * 4);
  if (table == 0 || stack == 0) return false;
  free = childSaCapacity;
  uniqueIds = 0;
  for (let i: u32 = 0; i < childSaCapacity; i++) {
    childSaAt(i).link = i;
    store<u32>(stack + ((<usize>i) << 2), childSaCapacity - 1 - i);
  }
  return true;
}

// @ts-ignore: decorator
@inline
export function childSaAt(link: u32): ChildSa {
  return changetype<ChildSa>(table + <usize>link * CHILD_OCTETS);
}

export function childSuite(child: ChildSa): Suite {
  return changetype<Suite>(changetype<usize>(child) + AT_SUITE);
}
export function childNonce(child: ChildSa): usize {
  return changetype<usize>(child) + AT_NONCE;
}
export function childPeerNonce(child: ChildSa): usize {
  return changetype<usize>(child) + AT_PEER_NONCE;
}
export function childKeymat(child: ChildSa, outbound: bool): usize {
  return changetype<usize>(child) + (outbound ? AT_KEYMAT_OUT : AT_KEYMAT_IN);
}
/** Local selectors, then remote ones. */
export function childSelectors(child: ChildSa): usize {
  return changetype<usize>(child) + AT_SELECTORS;
}
export function childConfig(child: ChildSa): ChildConfig {
  return childConfigAt(<u32>child.config);
}

/** Takes a record of `sa` for a configured child: CREATED, with an inbound SPI; null when the table is full. */
export function childTake(sa: IkeSa, config: i32, initiator: bool): ChildSa | null {
  if (free == 0) return null;
  free -= 1;
  const link = load<u32>(stack + ((<usize>free) << 2));
  const child = childSaAt(link);
  memory.fill(changetype<usize>(child), 0, CHILD_OCTETS);
  child.link = link;
  child.config = config;
  child.rekeys = -1;
  child.rival = -1;
  child.nextEvent = -1;
  child.initiator = initiator ? 1 : 0;
  // Never 0 above the link, so that the SPI is none of the reserved 0..255 (RFC 4303 2.1).
  child.spiIn = (((drbgU32() % ((1 << (32 - LINK_BITS)) - 1)) + 1) << LINK_BITS) | link;
  uniqueIds += 1;
  child.uniqueId = uniqueIds;
  childConfigAt(<u32>config).liveCount += 1;
  childAttach(child, sa);
  childMove(child, CHILD_STATE_CREATED);
  return child;
}

export function childMove(child: ChildSa, state: u32): void {
  assert(childMayMove(child.state, state), "illegal move of a CHILD_SA");
  childChanged(child.link);
  child.state = state;
}

/** Puts a CHILD_SA on an IKE_SA's list. */
export function childAttach(child: ChildSa, sa: IkeSa): void {
  childChanged(child.link);
  child.sa = <i32>sa.index;
  child.next = sa.firstChild;
  sa.firstChild = <i32>child.link;
}

export function childDetach(child: ChildSa): void {
  if (child.sa < 0) return;
  childChanged(child.link);
  const sa = ikeSaAt(<u32>child.sa);
  let before: i32 = -1;
  let i = sa.firstChild;
  while (i >= 0 && i != <i32>child.link) {
    before = i;
    i = childSaAt(<u32>i).next;
  }
  assert(i >= 0, "a CHILD_SA is missing in its IKE_SA");
  if (before < 0) sa.firstChild = child.next;
  else childSaAt(<u32>before).next = child.next;
  child.sa = -1;
  child.next = -1;
}

/** Puts a CHILD_SA on another IKE_SA's list. Exchanges in hand on the old one that are about it go on. */
export function childMoveOver(child: ChildSa, old: IkeSa, sa: IkeSa): void {
  childDetach(child);
  childAttach(child, sa);
  if (old.outChild != <i32>child.link && old.inChild != <i32>child.link) return;
  // Of two exchanges about it the older one has nothing to do any more.
  childForgetLeft(child);
  child.leftExchange = old.index + 1;
}

/** It goes, or is taken from there: the exchange in hand on the IKE_SA that it was on before is about nothing any more. */
export function childForgetLeft(child: ChildSa): void {
  if (child.leftExchange == 0) return;
  const old = ikeSaAt(child.leftExchange - 1);
  if (old.outChild == <i32>child.link) old.outChild = -1;
  if (old.inChild == <i32>child.link) old.inChild = -1;
  child.leftExchange = 0;
}

/** The inbound and the outbound keys are told: wipe them. */
export function childWipe(child: ChildSa): void {
  zeroize(changetype<usize>(child) + AT_KEYMAT_IN, 2 * SA_KEYMAT_MAX);
}

/** Gives the record back; only event.ts calls it, when all is told. */
export function childRecycle(child: ChildSa): void {
  childWipe(child);
  const config = childConfig(child);
  config.liveCount -= 1;
  childMove(child, CHILD_STATE_FREE);
  store<u32>(stack + ((<usize>free) << 2), child.link);
  free += 1;
  connectionRelease(connectionAt(config.connection));
}

/** Octets of a record that matter: all but the selectors that are not there. */
export function childOctets(child: ChildSa): u32 {
  return <u32>AT_SELECTORS + (child.localCount + child.remoteCount) * SELECTOR_OCTETS;
}

/** Octets of a record without selectors, and with all that can be. */
export const CHILD_SA_LEAST: u32 = <u32>AT_SELECTORS;
export const CHILD_SA_MOST: u32 = <u32>AT_SELECTORS + SA_SELECTORS_MAX * SELECTOR_OCTETS;

/** Records have come back from the checkpoint by their LINK: those that are not in use are free. */
export function childSasRestored(): void {
  free = 0;
  for (let i = childSaCapacity; i > 0; i--) {
    const child = childSaAt(i - 1);
    if (child.state != CHILD_STATE_FREE) {
      uniqueIds = max<u32>(uniqueIds, child.uniqueId);
      continue;
    }
    store<u32>(stack + ((<usize>free) << 2), i - 1);
    free += 1;
  }
}

/** Records that are free. */
export function childSasFree(): u32 {
  return free;
}

/** The CHILD_SA of `sa` of this protocol (PROTOCOL_ID_*) and outbound SPI, or null: how the peer names it (RFC 7296 1.3.3, 1.4.1). */
export function childByPeerSpi(sa: IkeSa, protocol: u32, spi: u32): ChildSa | null {
  let i = sa.firstChild;
  while (i >= 0) {
    const child = childSaAt(<u32>i);
    if (child.spiOut == spi && child.state > CHILD_STATE_CREATED && childConfig(child).protocol == protocol)
      return child;
    i = child.next;
  }
  return null;
}

/** The CHILD_SA with this link and one of these SPIs, or null: what the boards' answers name. */
export function childByLink(link: u32): ChildSa | null {
  if (link >= childSaCapacity) return null;
  const child = childSaAt(link);
  return child.state != CHILD_STATE_FREE && child.sa >= 0 ? child : null;
}

/** True when a CHILD_SA carries traffic and is not being replaced or deleted. */
export function childIsLive(child: ChildSa): bool {
  return child.state == CHILD_STATE_INSTALLED || child.state == CHILD_STATE_REKEYING;
}
