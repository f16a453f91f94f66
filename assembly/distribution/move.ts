/**
 * An SA moves from one board to another, and not a packet is lost:
 *
 *   1  SA_RELEASE to the board that has it, behind all packets that were handed over before; from here on packets of the link wait.
 *      With cut-through the classifier gives the link up first
 *   2  SA_RELEASED: the SA's last number, replay window and counters (passage.ts)
 *   3  SA_INSTALL with them to the other board; behind it, the packets that waited
 *
 * A board that does not answer has died, or has another reason to be left: then its leases decide, as in a takeover.
 */
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  MESSAGE_SA_RELEASE,
  RELEASED_DIRECTION,
  RELEASED_HISTORY,
  RELEASED_LINK,
  RELEASED_SEQUENCE,
  RELEASED_SPI,
  RELEASED_WORDS,
} from "../abi/message";
import { Frame, frameAddress } from "../bus/frame";
import { now } from "../rt/registers";
import { boardHasRoom, boardIsOnline, boardIsUnsettled } from "./board_table";
import { classifierLeads } from "./classifier";
import { sendRequest } from "./control_out";
import { leaseFrom, leaseSucceed } from "./lease";
import {
  LINK_INSTALLING,
  LINK_LIVE,
  LINK_NONE,
  Link,
  linkAt,
  linkChanged,
  linkIsCurrent,
  linkNumber,
} from "./local_database";
import {
  MOVES,
  Passage,
  historyPut,
  passageAt,
  passageBegin,
  passageNews,
  passageOf,
  passageSettled,
  passagesUsed,
} from "./passage";
import { removeFromBoard } from "./removal";
import { SELECTION_NONE } from "./selection";
import { homeOf, settle } from "./takeover";

const RETRY_NS: u64 = 20_000_000;
/** A board that has not answered so often has had a second. */
const TRIES: u32 = 50;
/** Packets that wait at most, of all links that move. */
const HELD_MAX: u32 = 512;

/** Packets in the order of their arrival, by Frame.next; scratch0 is the LINK, scratch1 the port that it came by. */
let head: usize = 0;
let tail: usize = 0;
let held: u32 = 0;
/** True while held packets are looked at: one of their links has come to rest. */
let looking: bool = false;
let retryAt: u64 = 0;

// @ts-ignore: decorator
@inline
function bit(direction: u32): u32 {
  return direction == DIRECTION_INBOUND ? 1 : 2;
}

export function moveReset(): void {
  head = 0;
  tail = 0;
  held = 0;
  looking = false;
  retryAt = u64.MAX_VALUE;
}

/** True when a link can be moved now: it is in place, on a board that can be asked, and nothing of it is under way. */
export function movable(link: Link): bool {
  if (link.stateIn == LINK_NONE && link.stateOut == LINK_NONE) return false;
  if (link.stateIn != LINK_NONE && link.stateIn != LINK_LIVE) return false;
  if (link.stateOut != LINK_NONE && link.stateOut != LINK_LIVE) return false;
  if (boardIsUnsettled(link.slot)) return false;
  return link.updating == 0 && link.passage == 0 && boardIsOnline(link.slot, link.generation);
}

/** Step 1 for a movable link, to the board in `target`, or with SELECTION_NONE to that which is chosen then; false: not now. */
export function move(link: Link, target: u32): bool {
  const passage = passageBegin(link, target);
  if (!passage) return false;
  link.moving = <u8>((link.stateIn == LINK_LIVE ? 1 : 0) | (link.stateOut == LINK_LIVE ? 2 : 0));
  linkChanged(link);
  if (!classifierLeads(link)) release(link, passage);
  retryAt = min<u64>(retryAt, now() + RETRY_NS);
  return true;
}

/** Nothing of the link goes past this board any more. */
export function moveClassified(number: u32): void {
  const link = linkAt(number);
  const passage = link ? passageOf(link) : null;
  if (link && passage && link.moving != 0 && passage.tries == 0) release(link, passage);
}

/** Asks the board for what it has not given up yet. */
function release(link: Link, passage: Passage): void {
  passage.tries += 1;
  if ((link.moving & 1) != 0) ask(link, link.spiIn, DIRECTION_INBOUND);
  if ((link.moving & 2) != 0) ask(link, link.spiOut, DIRECTION_OUTBOUND);
}

function ask(link: Link, spi: u32, direction: u32): void {
  const number = linkNumber(link);
  sendRequest(MESSAGE_SA_RELEASE, (number << 1) | direction, link.slot, spi, direction, number);
}

/** SA_RELEASED from `slot`, opened, its length checked against its words: step 2, and with the last direction step 3. */
export function released(m: usize, slot: u32): void {
  const direction = load<u32>(m, RELEASED_DIRECTION);
  const found = linkAt(load<u32>(m, RELEASED_LINK));
  if (!found || direction > DIRECTION_OUTBOUND) return;
  const link = changetype<Link>(found);
  const passage = passageOf(link);
  if (!passage || link.slot != slot || !linkIsCurrent(link, load<u32>(m, RELEASED_SPI), direction)) return;
  if (((<u32>link.moving) & bit(direction)) == 0) return; // an answer to a repetition
  const words = load<u32>(m, RELEASED_WORDS);
  if (words == 0) {
    leaseSucceed(link, direction); // it has lost the SA, nobody knows when
  } else {
    leaseFrom(link, direction, load<u64>(m, RELEASED_SEQUENCE));
    historyPut(passage, direction, m + RELEASED_HISTORY, words);
  }
  link.moving &= <u8>~bit(direction);
  if (link.moving == 0) arrive(link, passage);
}

/** Step 3: to the board that was meant, another one, or back where it was. */
function arrive(link: Link, passage: Passage): void {
  let slot = passage.target;
  if (slot == SELECTION_NONE || !boardHasRoom(slot)) slot = homeOf(link);
  settle(link, slot == SELECTION_NONE ? link.slot : slot);
  passageSettled();
}

/** Repeats what was not answered, and gives up on boards that stay silent; returns when to come again. */
export function moveTimeout(): u64 {
  if (passagesUsed() == 0) return u64.MAX_VALUE;
  if (retryAt > now()) return retryAt;
  retryAt = u64.MAX_VALUE;
  for (let i: u32 = 0; i < MOVES; i++) {
    const passage = passageAt(i);
    if (passage.link == 0) continue;
    const link = changetype<Link>(linkAt(passage.link - 1));
    if (link.moving == 0) continue;
    if (passage.tries < TRIES) {
      release(link, passage);
      retryAt = now() + RETRY_NS;
    } else {
      abandon(link, passage);
    }
  }
  return retryAt;
}

/** The board does not give the link up: it is taken from it. */
function abandon(link: Link, passage: Passage): void {
  const number = linkNumber(link);
  for (let direction = DIRECTION_INBOUND; direction <= DIRECTION_OUTBOUND; direction++) {
    if (((<u32>link.moving) & bit(direction)) == 0) continue;
    const spi = direction == DIRECTION_INBOUND ? link.spiIn : link.spiOut;
    removeFromBoard(link.slot, link.generation, spi, direction, number);
    leaseSucceed(link, direction);
  }
  link.moving = 0;
  arrive(link, passage);
}

/** Keeps a packet of a link that is between two boards; `port`: where it came from. False: it is the caller's still. */
export function moveHold(frame: Frame, link: u32, port: u32): bool {
  if (held == HELD_MAX) return false;
  const address = frameAddress(frame);
  frame.scratch0 = link;
  frame.scratch1 = port;
  frame.next = 0;
  if (tail != 0) changetype<Frame>(tail).next = address;
  else head = address;
  tail = address;
  held += 1;
  return true;
}

/** One direction of a link has been closed: if it was the last that its board was asked for, the other one arrives. */
export function moveClosed(link: Link): void {
  const passage = passageOf(link);
  if (!passage || link.moving != 0) return;
  if (link.stateIn != LINK_INSTALLING && link.stateOut != LINK_INSTALLING) arrive(link, passage);
}

/** The first packet whose link does not move any more, the caller's again; null: there is none. */
export function moveHeldNext(): Frame | null {
  if (passageNews()) looking = true;
  if (!looking) return null;
  let before: usize = 0;
  for (let at = head; at != 0; at = changetype<Frame>(at).next) {
    const frame = changetype<Frame>(at);
    const link = linkAt(frame.scratch0);
    if (!link || changetype<Link>(link).moving == 0) {
      if (before != 0) changetype<Frame>(before).next = frame.next;
      else head = frame.next;
      if (tail == at) tail = before;
      frame.next = 0;
      held -= 1;
      return frame;
    }
    before = at;
  }
  looking = false;
  return null;
}
