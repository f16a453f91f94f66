/**
 * Takeover: the SAs of a board that died, or was pulled, go to the boards that are there (architecture: leases). Each begins behind all that
 * may have been used or accepted (lease.ts, forwarded.ts), under its keys: nothing is negotiated anew.
 *
 *   takeOver(link)     for the packet that meets the link: SA_INSTALL goes ahead of it on the same ring (C 5, C 16)
 *   takeoverPoll(n)    for all others, as far as the internal path has room: a walk over the links
 *
 * While no board is online, or none has room, a link waits without one: its packets are dropped as board_offline, and the first board that
 * comes is taught.
 */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, SA_SEQUENCE } from "../abi/message";
import { PORT_CHANNEL } from "../abi/ring";
import { STEP_S402, STEP_S403, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { transmitRoom } from "../bus/port";
import { now } from "../rt/registers";
import { trace } from "../rt/trace";
import { boardAssume } from "./board_load";
import { boardGeneration, boardIsOnline, boardLinkAdd, boardLinkRemove } from "./board_table";
import { forwardedStart } from "./forwarded";
import { leaseSucceed } from "./lease";
import {
  LINK_INSTALLING,
  LINK_NONE,
  Link,
  linkAt,
  linkCapacity,
  linkChanged,
  placementOf,
  recordOf,
} from "./local_database";
import { passageEnd } from "./passage";
import { SELECTION_NONE, selectBoard } from "./selection";
import { transfer } from "./transfer";
import { unconfirmedAppend } from "./unconfirmed";
import { updateForget } from "./update";

/** Places of the internal path's ring that the walk leaves to packets and answers. */
const RESERVE: u32 = 64;
/** Time from one look to the next while the ring has no room. */
const BLOCKED_NS: u64 = 1_000_000;
/** Time between two walks while links wait for a board. */
const RETRY_NS: u64 = 1_000_000_000;

/** Where the walk stands; LINK numbers from here on are still to be looked at. */
let cursor: u32 = 0xffffffff;
/** Links that this walk found no board for. */
let waiting: u32 = 0;
let retryAt: u64 = 0;

export function takeoverReset(): void {
  cursor = 0xffffffff;
  waiting = 0;
  retryAt = u64.MAX_VALUE;
}

/** Boards came or went: all links are looked at again. */
export function takeoverBegin(): void {
  cursor = 0;
  waiting = 0;
  retryAt = u64.MAX_VALUE;
}

/** S402: the board that a link's placement leads to now, or SELECTION_NONE. */
export function homeOf(link: Link): u32 {
  const place = placementOf(link);
  return selectBoard(place.placement, place.peer);
}

/** Gives a link whose board is gone to another one; false: no board is there, or has room. */
export function takeOver(link: Link): bool {
  const slot = homeOf(link);
  if (slot == SELECTION_NONE) return false;
  link.moving = 0;
  passageEnd(link);
  for (let direction = DIRECTION_INBOUND; direction <= DIRECTION_OUTBOUND; direction++) leaseSucceed(link, direction);
  settle(link, slot);
  return true;
}

/** S402 to S404 for a link that had another board: its record says where it goes on. */
export function settle(link: Link, slot: u32): void {
  // Another board has nothing of what the link's was given.
  if (slot != link.slot || boardGeneration(slot) != link.generation)
    forwardedStart(link, load<u64>(recordOf(link, DIRECTION_INBOUND), SA_SEQUENCE));
  boardLinkRemove(link.slot, link.generation);
  link.slot = slot;
  link.generation = boardGeneration(slot);
  boardLinkAdd(slot);
  boardAssume(slot);
  trace(TRACE_MASK_ESTABLISH, STEP_S402, link.spiIn, slot);
  trace(TRACE_MASK_ESTABLISH, STEP_S403, link.spiIn, slot, link.generation);
  for (let direction = DIRECTION_INBOUND; direction <= DIRECTION_OUTBOUND; direction++) {
    if ((direction == DIRECTION_INBOUND ? link.stateIn : link.stateOut) != LINK_NONE) install(link, direction);
  }
  unconfirmedAppend(link);
}

/** The board of a link has lost one direction of it: it is given that once more, behind all that it may have used or accepted. */
export function reinstall(link: Link, direction: u32): void {
  leaseSucceed(link, direction);
  install(link, direction);
  unconfirmedAppend(link);
}

/** S404 of one direction that was in use before. */
function install(link: Link, direction: u32): void {
  if (direction == DIRECTION_INBOUND) {
    link.stateIn = LINK_INSTALLING;
    link.triesIn = 0;
  } else {
    link.stateOut = LINK_INSTALLING;
    link.triesOut = 0;
  }
  updateForget(link, direction); // the record has the newest ends
  linkChanged(link);
  transfer(link, direction);
}

/** True when a link is in use and its board is gone. */
export function isOrphan(link: Link): bool {
  return (link.stateIn != LINK_NONE || link.stateOut != LINK_NONE) && !boardIsOnline(link.slot, link.generation);
}

/** Goes on with the walk, over `budget` entries at most; returns when to come again. */
export function takeoverPoll(budget: u32): u64 {
  if (retryAt <= now()) takeoverBegin();
  while (budget > 0 && takeoverPending()) {
    const link = changetype<Link>(linkAt(cursor));
    cursor += 1;
    budget -= 1;
    if (isOrphan(link) && !takeOver(link)) waiting += 1;
  }
  if (cursor >= linkCapacity() && waiting != 0) {
    waiting = 0;
    retryAt = now() + RETRY_NS;
  }
  if (cursor < linkCapacity() && !takeoverPending()) return min<u64>(retryAt, now() + BLOCKED_NS);
  return retryAt;
}

/** True while links are still to be looked at, and the ring has room for them. */
export function takeoverPending(): bool {
  return cursor < linkCapacity() && transmitRoom(PORT_CHANNEL) > RESERVE;
}
