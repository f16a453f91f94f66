/**
 * SA_UPDATE: the ends of an SA that its board has are other ones now (RFC 7296 2.23, RFC 4555 3.5), repeated until the board answers.
 *
 * An SA whose installation is not confirmed yet gets them with its record, which is sent again. The newest ends count: an answer to
 * an earlier SA_UPDATE confirms nothing. A board that refuses, or does not answer, is told as DISTRIBUTION_NOT_UPDATED.
 */
import {
  DIRECTION_INBOUND,
  LINK_MASK,
  MESSAGE_HEADER,
  MESSAGE_SA_UPDATE,
  REFUSED_NO_BOARD,
  SA_DIRECTION,
  SA_ENDS,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_LINK,
  SA_LOCAL_PORT,
  SA_SPI,
} from "../abi/message";
import { originate } from "../bus/port";
import { boardIsOnline } from "./board_table";
import { sendControl, writeHeader } from "./control_out";
import { DISTRIBUTION_NOT_UPDATED, raise } from "./event";
import { LINK_LIVE, Link, linkAt, linkChanged, linkIsCurrent, linkNumber, recordOf } from "./local_database";
import { unconfirmedAppend, unconfirmedSettle } from "./unconfirmed";

/** Marks the transactions of updates: a serial number, LINK and direction stand below. */
const UPDATE_TRANSACTION: u32 = 0x40000000;
const SERIAL_SHIFT: u32 = 18;
const SERIAL_MASK: u32 = 0xfff;
const TRIES: u8 = 30;

/** True when an answer with this transaction is to an SA_UPDATE. */
export function isUpdate(transaction: u32): bool {
  return transaction >> 30 == UPDATE_TRANSACTION >> 30;
}

// @ts-ignore: decorator
@inline
function bit(direction: u32): u32 {
  return direction == DIRECTION_INBOUND ? 1 : 2;
}

/** Tells the board of an SA its new ends: SA_ENDS octets at `ends`. */
export function update(ends: usize): void {
  const direction = <u32>load<u8>(ends, SA_DIRECTION);
  const found = linkAt(load<u32>(ends, SA_LINK));
  if (!found) return;
  const link = changetype<Link>(found);
  if (!linkIsCurrent(link, load<u32>(ends, SA_SPI), direction)) return;
  const inbound = direction == DIRECTION_INBOUND;
  patch(recordOf(link, direction), ends);
  linkChanged(link);
  // One that is between two boards takes them along.
  if (((<u32>link.moving) & bit(direction)) != 0) return;
  link.updating |= <u8>bit(direction);
  if (inbound) link.serialIn = (link.serialIn + 1) & SERIAL_MASK;
  else link.serialOut = (link.serialOut + 1) & SERIAL_MASK;
  // One that is being installed goes on with its record; should the board have heard it before, the update follows.
  if ((inbound ? link.stateIn : link.stateOut) == LINK_LIVE) begin(link, direction);
}

/** Gives a record other ends. */
function patch(record: usize, ends: usize): void {
  const flags =
    ((<u32>load<u8>(record, SA_FLAGS)) & ~SA_FLAG_UDP_ENCAPSULATION) |
    ((<u32>load<u8>(ends, SA_FLAGS)) & SA_FLAG_UDP_ENCAPSULATION);
  store<u8>(record, <u8>flags, SA_FLAGS);
  store<u8>(record, load<u8>(ends, SA_FAMILY), SA_FAMILY);
  memory.copy(record + SA_LOCAL_PORT, ends + SA_LOCAL_PORT, SA_ENDS - SA_LOCAL_PORT);
}

function begin(link: Link, direction: u32): void {
  if (direction == DIRECTION_INBOUND) link.triesIn = 0;
  else link.triesOut = 0;
  transfer(link, direction);
  unconfirmedAppend(link);
}

/** An installation is confirmed: what was to be updated meanwhile is now. */
export function updateInstalled(link: Link, direction: u32): void {
  if (((<u32>link.updating) & bit(direction)) != 0) begin(link, direction);
}

/** The transaction of the newest SA_UPDATE of one direction. */
function transactionOf(link: Link, direction: u32): u32 {
  const serial = direction == DIRECTION_INBOUND ? link.serialIn : link.serialOut;
  return UPDATE_TRANSACTION | (serial << SERIAL_SHIFT) | (linkNumber(link) << 1) | direction;
}

function transfer(link: Link, direction: u32): void {
  if (!boardIsOnline(link.slot, link.generation)) return;
  if (direction == DIRECTION_INBOUND) link.triesIn += 1;
  else link.triesOut += 1;
  const frame = originate();
  if (!frame) return; // no frame free: repeated at retryAt
  const m = frame.start;
  frame.length = MESSAGE_HEADER + SA_ENDS;
  writeHeader(frame, MESSAGE_SA_UPDATE, transactionOf(link, direction));
  memory.copy(m + MESSAGE_HEADER, recordOf(link, direction), SA_ENDS);
  sendControl(frame, link.slot);
}

/** The board of `slot` has answered an SA_UPDATE: 0, or REFUSED_*. */
export function updateAnswered(slot: u32, transaction: u32, reason: u32): void {
  const found = linkAt((transaction >> 1) & LINK_MASK);
  if (!found) return;
  const link = changetype<Link>(found);
  const direction = transaction & 1;
  if (link.slot != slot || ((<u32>link.updating) & bit(direction)) == 0) return;
  if (transaction == transactionOf(link, direction)) done(link, direction, reason);
}

function done(link: Link, direction: u32, reason: u32): void {
  link.updating &= <u8>~bit(direction);
  linkChanged(link);
  unconfirmedSettle(link);
  if (reason == 0) return;
  const spi = direction == DIRECTION_INBOUND ? link.spiIn : link.spiOut;
  raise(DISTRIBUTION_NOT_UPDATED, linkNumber(link), spi, direction, reason);
}

/** Repeats what the board has not answered. */
export function updateRepeat(link: Link, direction: u32): void {
  const inbound = direction == DIRECTION_INBOUND;
  if (((<u32>link.updating) & bit(direction)) == 0 || (inbound ? link.stateIn : link.stateOut) != LINK_LIVE) return;
  if ((inbound ? link.triesIn : link.triesOut) >= TRIES) done(link, direction, REFUSED_NO_BOARD);
  else transfer(link, direction);
}

/** One direction of a link is closed. */
export function updateForget(link: Link, direction: u32): void {
  link.updating &= <u8>~bit(direction);
}
