/**
 * S402 to S404: the boards learn the SAs that the IKE board negotiated.
 *
 *   establish(record)  S402 select a board (once per CHILD_SA)
 *                      S403 link SA and board (slot + generation) in the local database
 *                      S404 transfer the SA: a sealed control message, repeated until it is answered
 *   confirm(...)       the board stored it (S502): the direction is live; outbound, its selectors now lead to it
 *   withdraw(...)      the SA is taken off its board
 *   boardDown(...)     the SAs of a board that went away go to others (takeover.ts)
 *
 * Both directions of a CHILD_SA go to the same board, and stay together: order and sequence numbers need no lock.
 */
import { CONFIG_REBALANCE, PLACEMENT_DEFAULT } from "../abi/config";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  REFUSED_MALFORMED,
  REFUSED_NO_BOARD,
  REFUSED_TABLE_FULL,
  SA_DIRECTION,
  SA_LINK,
  SA_LOCAL_TS_COUNT,
  SA_RECORD_MAX,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
  SA_SPI,
  SELECTOR_OCTETS,
} from "../abi/message";
import { STEP_S402, STEP_S403, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { controlForget, controlKey } from "../channel/control";
import { itemFind, itemU32 } from "../rt/items";
import { trace } from "../rt/trace";
import { auditForget } from "./audit";
import { boardAssume, boardLoadForget } from "./board_load";
import {
  boardGeneration,
  boardIsOnline,
  boardLinkAdd,
  boardLinkRemove,
  boardOffline,
  boardOnline,
} from "./board_table";
import { DISTRIBUTION_INSTALLED, DISTRIBUTION_LOST, DISTRIBUTION_REFUSED, raise } from "./event";
import { drainForget, drainReset, rebalance } from "./drain";
import { heldWake } from "./held";
import { leaseStart } from "./lease";
import {
  LINK_INSTALLING,
  LINK_LIVE,
  LINK_NONE,
  Link,
  USED_IN,
  USED_OUT,
  linkAt,
  linkChanged,
  linkIsCurrent,
  linkNumber,
  placementOf,
  recordOf,
  recordWipe,
} from "./local_database";
import { moveClosed, moveReset } from "./move";
import { outboundIndexInsert, outboundIndexRemove } from "./outbound_index";
import { passageEnd } from "./passage";
import { policyInsert, policyRemove } from "./policy";
import { removeFromBoard } from "./removal";
import { SELECTION_NONE, selectBoard, selectionForget, selectionRefusal } from "./selection";
import { takeoverBegin, takeoverReset } from "./takeover";
import { transfer } from "./transfer";
import {
  unconfirmedAppend,
  unconfirmedDeadline,
  unconfirmedDue,
  unconfirmedReset,
  unconfirmedSettle,
} from "./unconfirmed";
import { updateForget, updateInstalled, updateRepeat } from "./update";

const TRIES: u8 = 30;
/** Links whose transfers one call repeats at most: no poll is held up, and no event lost, by a board that fell silent. */
const REPEAT_BATCH: u32 = 32;

/** True when SAs are spread anew whenever a board comes. */
let rebalancing: bool = false;

/** Reads CONFIG_REBALANCE from `start` to `end`. */
export function establishReset(start: usize = 0, end: usize = 0): void {
  const item = start == end ? 0 : itemFind(start, end, CONFIG_REBALANCE);
  rebalancing = item != 0 && itemU32(item) != 0;
  unconfirmedReset();
  takeoverReset();
  moveReset();
  drainReset();
}

/** Octets of an SA record, or 0 when its selector counts are beyond the format. */
function recordOctets(record: usize): u32 {
  const selectors = <u32>load<u8>(record + SA_LOCAL_TS_COUNT) + <u32>load<u8>(record + SA_REMOTE_TS_COUNT);
  const octets = SA_SELECTORS + selectors * SELECTOR_OCTETS;
  return octets <= SA_RECORD_MAX ? octets : 0;
}

/**
 * S402 to S404 for one SA record of abi/message.ts, placed as its child says (PLACEMENT_*) for a peer (a digest of its identity); the
 * answer comes as an event.
 */
export function establish(record: usize, placement: u32 = PLACEMENT_DEFAULT, peer: u64 = 0): void {
  const number = load<u32>(record + SA_LINK);
  const spi = load<u32>(record + SA_SPI);
  const direction = <u32>load<u8>(record + SA_DIRECTION);
  const octets = recordOctets(record);
  const found = linkAt(number);
  if (!found || octets == 0) {
    raise(DISTRIBUTION_REFUSED, number, spi, direction, found ? REFUSED_MALFORMED : REFUSED_TABLE_FULL);
    return;
  }
  const link = changetype<Link>(found);
  if (link.stateIn == LINK_NONE && link.stateOut == LINK_NONE) {
    const slot = selectBoard(placement, peer); // S402
    if (slot == SELECTION_NONE) {
      raise(DISTRIBUTION_REFUSED, number, spi, direction, selectionRefusal());
      return;
    }
    trace(TRACE_MASK_ESTABLISH, STEP_S402, spi, slot);
    link.slot = slot; // S403
    link.generation = boardGeneration(slot);
    boardLinkAdd(slot);
    boardAssume(slot);
    placementOf(link).placement = placement;
    placementOf(link).peer = peer;
    trace(TRACE_MASK_ESTABLISH, STEP_S403, spi, slot, link.generation);
  }
  memory.copy(recordOf(link, direction), record, octets);
  if (direction == DIRECTION_INBOUND) {
    link.spiIn = spi;
    link.stateIn = LINK_INSTALLING;
    link.recordIn = <u16>octets;
    link.triesIn = 0;
    link.used &= ~USED_IN;
  } else {
    if (link.stateOut != LINK_NONE) outboundIndexRemove(link);
    if ((link.used & USED_OUT) != 0) policyRemove(number);
    link.used &= ~USED_OUT;
    link.spiOut = spi;
    outboundIndexInsert(link);
    link.stateOut = LINK_INSTALLING;
    link.recordOut = <u16>octets;
    link.triesOut = 0;
  }
  leaseStart(link, direction);
  linkChanged(link);
  transfer(link, direction);
  unconfirmedAppend(link);
}

/** SA_INSTALLED from `slot`: the link is live. */
export function confirm(slot: u32, number: u32, spi: u32, direction: u32): void {
  const found = linkAt(number);
  if (!found) return;
  const link = changetype<Link>(found);
  if (link.slot != slot || !boardIsOnline(slot, link.generation) || !linkIsCurrent(link, spi, direction)) return;
  if (direction == DIRECTION_INBOUND) {
    if (link.stateIn == LINK_LIVE) return; // an answer to a repetition
    link.stateIn = LINK_LIVE;
  } else {
    if (link.stateOut == LINK_LIVE) return;
    // Its selectors have led to it all the time when it comes from another board.
    if ((link.used & USED_OUT) == 0 && !policyInsert(recordOf(link, direction), number)) {
      removeFromBoard(link.slot, link.generation, spi, direction, number);
      refused(slot, number, spi, direction, REFUSED_TABLE_FULL);
      return;
    }
    link.stateOut = LINK_LIVE;
    heldWake();
  }
  const bit = direction == DIRECTION_INBOUND ? USED_IN : USED_OUT;
  const moved = (link.used & bit) != 0;
  linkChanged(link);
  link.used |= bit;
  updateInstalled(link, direction);
  unconfirmedSettle(link);
  if (link.stateIn != LINK_INSTALLING && link.stateOut != LINK_INSTALLING) passageEnd(link);
  raise(DISTRIBUTION_INSTALLED, number, spi, direction, moved ? 1 : 0);
}

/**
 * SA_REFUSED from `slot`, or no answer: that direction of the link is closed. Of one that was in use, on another board, all of the link
 * is lost, and ike negotiates anew.
 */
export function refused(slot: u32, number: u32, spi: u32, direction: u32, reason: u32): void {
  const found = linkAt(number);
  if (!found) return;
  const link = changetype<Link>(found);
  if (link.slot != slot || !linkIsCurrent(link, spi, direction)) return;
  if (link.used != 0) {
    if (link.stateIn != LINK_NONE) withdraw(number, link.spiIn, DIRECTION_INBOUND);
    if (link.stateOut != LINK_NONE) withdraw(number, link.spiOut, DIRECTION_OUTBOUND);
    raise(DISTRIBUTION_LOST, number, spi, direction, reason);
    return;
  }
  close(link, direction);
  raise(DISTRIBUTION_REFUSED, number, spi, direction, reason);
}

/** Closes one direction of a link; the last one frees the entry. */
function close(link: Link, direction: u32): void {
  recordWipe(link, direction);
  linkChanged(link);
  updateForget(link, direction);
  if (direction == DIRECTION_INBOUND) {
    link.stateIn = LINK_NONE;
    link.spiIn = 0;
  } else {
    if ((link.used & USED_OUT) != 0) policyRemove(linkNumber(link));
    outboundIndexRemove(link);
    link.stateOut = LINK_NONE;
    link.spiOut = 0;
  }
  const gone: u8 = direction == DIRECTION_INBOUND ? USED_IN : USED_OUT;
  link.used &= ~gone;
  link.moving &= ~gone;
  unconfirmedSettle(link);
  if (link.stateIn != LINK_NONE || link.stateOut != LINK_NONE) {
    moveClosed(link);
    return;
  }
  passageEnd(link);
  boardLinkRemove(link.slot, link.generation);
}

/** The CHILD_SA is gone: takes one direction off its board. */
export function withdraw(number: u32, spi: u32, direction: u32): void {
  const found = linkAt(number);
  if (!found) return;
  const link = changetype<Link>(found);
  if (!linkIsCurrent(link, spi, direction)) return;
  removeFromBoard(link.slot, link.generation, spi, direction, number);
  close(link, direction);
}

/** BOARD_UP: the board may be chosen from now on. `key`: 32 octets, wiped by the caller. */
export function boardUp(
  slot: u32,
  generation: u32,
  capacity: u32,
  key: usize,
  weight: u32 = 1,
  number: u32 = slot,
): bool {
  if (!boardOnline(slot, generation, capacity, weight, number)) return false;
  selectionForget(slot);
  boardLoadForget(slot);
  auditForget(slot);
  controlKey(slot, generation, key);
  takeoverBegin(); // links with an earlier generation have no board
  drainForget(slot);
  if (rebalancing) rebalance(true);
  return true;
}

/** BOARD_DOWN: its links go to others. */
export function boardDown(slot: u32, generation: u32): bool {
  if (!boardOffline(slot, generation)) return false;
  drainForget(slot);
  controlForget(slot);
  takeoverBegin();
  return true;
}

/** Repeats unconfirmed transfers and updates that are due, of REPEAT_BATCH links at most; returns when to come again. */
export function establishTimeout(): u64 {
  for (let i: u32 = 0; i < REPEAT_BATCH; i++) {
    const due = unconfirmedDue();
    if (!due) break;
    const link = changetype<Link>(due);
    unconfirmedAppend(link); // to the end, retryAt anew
    for (let direction = DIRECTION_INBOUND; direction <= DIRECTION_OUTBOUND; direction++) {
      repeat(link, direction);
      updateRepeat(link, direction);
    }
  }
  return unconfirmedDeadline();
}

function repeat(link: Link, direction: u32): void {
  const inbound = direction == DIRECTION_INBOUND;
  if ((inbound ? link.stateIn : link.stateOut) != LINK_INSTALLING) return;
  if ((inbound ? link.triesIn : link.triesOut) >= TRIES) {
    const number = linkNumber(link);
    const spi = inbound ? link.spiIn : link.spiOut;
    removeFromBoard(link.slot, link.generation, spi, direction, number); // it may have heard us after all
    refused(link.slot, number, spi, direction, REFUSED_NO_BOARD);
    return;
  }
  transfer(link, direction);
}
