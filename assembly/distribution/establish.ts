/**
 * S402 to S404: the boards learn the SAs that the IKE board negotiated.
 *
 *   establish(record)  S402 select a board (once per CHILD_SA)
 *                      S403 link SA and board (slot + generation) in the local database
 *                      S404 transfer the SA: a sealed control message, repeated until it is answered
 *   confirm(...)       the board stored it (S502): the direction is live; outbound, its selectors now lead to it
 *   withdraw(...)      the SA is taken off its board
 *   boardLost(...)     every link of a board that went away is reported, its entry closed
 *
 * Both directions of a CHILD_SA go to the same board, and stay there: order and sequence numbers need no lock.
 */
import { PLACEMENT_DEFAULT } from "../abi/config";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  MESSAGE_CURRENT_VERSION,
  MESSAGE_HEADER,
  MESSAGE_LENGTH,
  MESSAGE_SA_INSTALL,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
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
import { STEP_S402, STEP_S403, STEP_S404, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { originate } from "../bus/port";
import { controlForget, controlKey } from "../channel/control";
import { trace } from "../rt/trace";
import { boardAssume, boardLoadForget } from "./board_load";
import {
  boardGeneration,
  boardIsOnline,
  boardLinkAdd,
  boardLinkRemove,
  boardOffline,
  boardOnline,
} from "./board_table";
import { sendControl } from "./control_out";
import { DISTRIBUTION_INSTALLED, DISTRIBUTION_REFUSED, raise } from "./event";
import { heldWake } from "./held";
import {
  LINK_INSTALLING,
  LINK_LIVE,
  LINK_NONE,
  Link,
  linkAt,
  linkCapacity,
  linkIsCurrent,
  linkNumber,
  placementOf,
  recordOf,
  recordWipe,
} from "./local_database";
import { outboundIndexInsert, outboundIndexRemove } from "./outbound_index";
import { policyInsert, policyRemove } from "./policy";
import { removeFromBoard } from "./removal";
import { SELECTION_NONE, selectBoard, selectionForget, selectionRefusal } from "./selection";
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

/** Where the walk over the links of a lost board stands; LINK numbers from here on are still to be looked at. */
let lostCursor: u32 = 0xffffffff;

export function establishReset(): void {
  unconfirmedReset();
  lostCursor = 0xffffffff;
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
    link.recordIn = octets;
    link.triesIn = 0;
  } else {
    if (link.stateOut != LINK_NONE) outboundIndexRemove(link);
    link.spiOut = spi;
    outboundIndexInsert(link);
    link.stateOut = LINK_INSTALLING;
    link.recordOut = octets;
    link.triesOut = 0;
  }
  transfer(link, direction);
  unconfirmedAppend(link);
}

/**
 * S404: sends one direction's SA to the board of its link, and to no later generation in the same slot: the one before may
 * have sealed packets under this KEYMAT already, and its successor would count from the start again. Such a link is pollLost's.
 */
function transfer(link: Link, direction: u32): void {
  if (!boardIsOnline(link.slot, link.generation)) return;
  if (direction == DIRECTION_INBOUND) link.triesIn += 1;
  else link.triesOut += 1;
  const frame = originate();
  if (!frame) return; // no frame free: repeated at retryAt
  const octets = direction == DIRECTION_INBOUND ? link.recordIn : link.recordOut;
  const m = frame.start;
  frame.length = MESSAGE_HEADER + octets;
  store<u16>(m + MESSAGE_TYPE, <u16>MESSAGE_SA_INSTALL);
  store<u16>(m + MESSAGE_VERSION, <u16>MESSAGE_CURRENT_VERSION);
  store<u32>(m + MESSAGE_TRANSACTION, (linkNumber(link) << 1) | direction);
  store<u32>(m + MESSAGE_LENGTH, frame.length);
  memory.copy(m + MESSAGE_HEADER, recordOf(link, direction), octets);
  trace(
    TRACE_MASK_ESTABLISH,
    STEP_S404,
    direction == DIRECTION_INBOUND ? link.spiIn : link.spiOut,
    link.slot,
    direction,
  );
  sendControl(frame, link.slot);
}

/** SA_INSTALLED from `slot`: the link is live, its key material no longer needed here. */
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
    if (!policyInsert(recordOf(link, direction), number)) {
      removeFromBoard(link.slot, link.generation, spi, direction, number);
      refused(slot, number, spi, direction, REFUSED_TABLE_FULL);
      return;
    }
    link.stateOut = LINK_LIVE;
    heldWake();
  }
  updateInstalled(link, direction);
  unconfirmedSettle(link);
  raise(DISTRIBUTION_INSTALLED, number, spi, direction, 0);
}

/** SA_REFUSED from `slot`, or no answer: that direction of the link is closed. */
export function refused(slot: u32, number: u32, spi: u32, direction: u32, reason: u32): void {
  const found = linkAt(number);
  if (!found) return;
  const link = changetype<Link>(found);
  if (link.slot != slot || !linkIsCurrent(link, spi, direction)) return;
  close(link, direction);
  raise(DISTRIBUTION_REFUSED, number, spi, direction, reason);
}

/** Closes one direction of a link; the last one frees the entry. */
function close(link: Link, direction: u32): void {
  recordWipe(link, direction);
  updateForget(link, direction);
  if (direction == DIRECTION_INBOUND) {
    link.stateIn = LINK_NONE;
    link.spiIn = 0;
  } else {
    if (link.stateOut == LINK_LIVE) policyRemove(linkNumber(link));
    outboundIndexRemove(link);
    link.stateOut = LINK_NONE;
    link.spiOut = 0;
  }
  unconfirmedSettle(link);
  if (link.stateIn == LINK_NONE && link.stateOut == LINK_NONE) boardLinkRemove(link.slot, link.generation);
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
export function boardUp(slot: u32, generation: u32, capacity: u32, key: usize, weight: u32 = 1): bool {
  if (!boardOnline(slot, generation, capacity, weight)) return false;
  selectionForget(slot);
  boardLoadForget(slot);
  controlKey(slot, generation, key);
  lostCursor = 0; // links with an earlier generation are lost
  return true;
}

/** BOARD_DOWN: its links are lost; pollLost names them. */
export function boardDown(slot: u32, generation: u32): bool {
  if (!boardOffline(slot, generation)) return false;
  controlForget(slot);
  lostCursor = 0;
  return true;
}

/**
 * The next link whose board is gone, its entry closed; -1 when there is none, or when `budget` entries were looked at (then
 * lostPending() stays true). The caller tells ike, which negotiates anew: without the board's counters its keys may not be
 * used again.
 */
export function pollLost(budget: u32): i32 {
  while (budget > 0 && lostCursor < linkCapacity()) {
    const link = changetype<Link>(linkAt(lostCursor));
    const number = lostCursor;
    lostCursor += 1;
    budget -= 1;
    if (link.stateIn == LINK_NONE && link.stateOut == LINK_NONE) continue;
    if (boardIsOnline(link.slot, link.generation)) continue;
    if (link.stateIn != LINK_NONE) close(link, DIRECTION_INBOUND);
    if (link.stateOut != LINK_NONE) close(link, DIRECTION_OUTBOUND);
    return <i32>number;
  }
  return -1;
}

/** True while links are still to be looked at for a lost board. */
export function lostPending(): bool {
  return lostCursor < linkCapacity();
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
