/**
 * Control messages from the IPsec boards: the answers to S404. The seal has been verified (channel/control.ts), so a
 * message that does not add up is a board's fault and is dropped and counted like any other frame.
 */
import { DROP_CONTROL_MALFORMED } from "../abi/drop";
import {
  ANSWER_DIRECTION,
  ANSWER_LINK,
  ANSWER_OCTETS,
  ANSWER_REASON,
  ANSWER_SPI,
  DIRECTION_INBOUND,
  LOAD_MESSAGE_OCTETS,
  LOAD_OCTETS,
  LOAD_PACKETS,
  LOAD_WINDOW,
  LOAD_WORK,
  MESSAGE_AUDITED,
  MESSAGE_CURRENT_VERSION,
  MESSAGE_HEADER,
  LEASE_ASKS,
  LEASE_WANTED_REACHED,
  MESSAGE_LEASE_RETURNED,
  MESSAGE_LEASE_WANTED,
  MESSAGE_LENGTH,
  MESSAGE_LOAD,
  MESSAGE_PONG,
  MESSAGE_SA_EXPIRING,
  MESSAGE_SA_INSTALLED,
  MESSAGE_SA_MOVED,
  MESSAGE_SA_REFUSED,
  MESSAGE_SA_RELEASED,
  MESSAGE_SA_REMOVED,
  MESSAGE_SA_STATUS,
  MESSAGE_SA_UPDATED,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  HISTORY_WORDS_MAX,
  RELEASED_HISTORY,
  RELEASED_WORDS,
  SA_ENDS,
  SA_SPI,
  STATUS_DIRECTION,
  STATUS_LAST_USED,
  STATUS_LINK,
  STATUS_MESSAGE_OCTETS,
  STATUS_SPI,
} from "../abi/message";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { handleAudited } from "./audit";
import { boardMeasured } from "./board_load";
import { confirm, refused } from "./establish";
import { DISTRIBUTION_EXPIRING, DISTRIBUTION_MOVED, DISTRIBUTION_USED, raise } from "./event";
import { leaseReturned, leaseWanted } from "./lease";
import { Link, findInbound, linkAt, linkNumber } from "./local_database";
import { released } from "./move";
import { removalConfirmed } from "./removal";
import { isUpdate, updateAnswered } from "./update";

/** Takes an opened control message from `slot`. */
export function handleControl(frame: Frame, slot: u32): void {
  const m = frame.start;
  if (
    frame.length < MESSAGE_HEADER ||
    load<u16>(m + MESSAGE_VERSION) != MESSAGE_CURRENT_VERSION ||
    load<u32>(m + MESSAGE_LENGTH) != frame.length
  ) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const type = <u32>load<u16>(m + MESSAGE_TYPE);
  if (type == MESSAGE_PONG) {
    consume(frame);
    return;
  }
  if (type == MESSAGE_SA_STATUS && frame.length >= STATUS_MESSAGE_OCTETS) return used(frame, slot);
  if (type == MESSAGE_SA_MOVED) return handleMoved(frame, slot);
  if (type == MESSAGE_AUDITED) return handleAudited(frame, slot);
  if (type == MESSAGE_LOAD && frame.length >= LOAD_MESSAGE_OCTETS) return measured(frame, slot);
  if (type == MESSAGE_LEASE_WANTED && frame.length >= LEASE_WANTED_REACHED) return leaseWanted(frame, slot);
  if (type == MESSAGE_LEASE_RETURNED && frame.length >= LEASE_ASKS) return leaseReturned(frame, slot);
  if (type == MESSAGE_SA_RELEASED && frame.length >= RELEASED_HISTORY) return handleReleased(frame, slot);
  // What went well carries no reason.
  const plain = type == MESSAGE_SA_INSTALLED || type == MESSAGE_SA_REMOVED || type == MESSAGE_SA_UPDATED;
  const reasoned = type == MESSAGE_SA_REFUSED || type == MESSAGE_SA_EXPIRING;
  const octets = plain ? ANSWER_REASON : ANSWER_OCTETS;
  if ((!plain && !reasoned) || frame.length < octets) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const link = load<u32>(m + ANSWER_LINK);
  const spi = load<u32>(m + ANSWER_SPI);
  const direction = load<u32>(m + ANSWER_DIRECTION);
  const transaction = load<u32>(m + MESSAGE_TRANSACTION);
  if (type == MESSAGE_SA_INSTALLED) confirm(slot, link, spi, direction);
  else if (type == MESSAGE_SA_REMOVED) removalConfirmed(transaction, spi);
  else if (type == MESSAGE_SA_UPDATED) updateAnswered(slot, transaction, 0);
  else if (type == MESSAGE_SA_REFUSED && isUpdate(transaction))
    updateAnswered(slot, transaction, max<u32>(1, load<u32>(m + ANSWER_REASON)));
  else if (type == MESSAGE_SA_REFUSED) refused(slot, link, spi, direction, load<u32>(m + ANSWER_REASON));
  else raise(DISTRIBUTION_EXPIRING, link, spi, direction, load<u32>(m + ANSWER_REASON));
  consume(frame);
}

/** What the board has done. */
function measured(frame: Frame, slot: u32): void {
  const m = frame.start;
  const octets = load<u64>(m + LOAD_OCTETS);
  boardMeasured(slot, load<u64>(m + LOAD_WINDOW), load<u64>(m + LOAD_PACKETS), octets, load<u64>(m + LOAD_WORK));
  consume(frame);
}

/** A board has given an SA up. */
function handleReleased(frame: Frame, slot: u32): void {
  const words = load<u32>(frame.start, RELEASED_WORDS);
  if (words > HISTORY_WORDS_MAX || frame.length < RELEASED_HISTORY + (words << 3)) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  released(frame.start, slot);
  consume(frame);
}

/** Of what the board says of an SA, when it was last used. */
function used(frame: Frame, slot: u32): void {
  const m = frame.start;
  const link = linkAt(load<u32>(m + STATUS_LINK));
  if (link && changetype<Link>(link).slot == slot) {
    const direction = load<u32>(m + STATUS_DIRECTION);
    const time = load<u64>(m + STATUS_LAST_USED);
    raise(DISTRIBUTION_USED, load<u32>(m + STATUS_LINK), load<u32>(m + STATUS_SPI), direction, 0, time);
  }
  consume(frame);
}

/** A peer's packets come from elsewhere: whether that counts is ike's to say. Only the board that has the SA is heard. */
function handleMoved(frame: Frame, slot: u32): void {
  if (frame.length < MESSAGE_HEADER + SA_ENDS) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const ends = frame.start + MESSAGE_HEADER;
  const spi = load<u32>(ends, SA_SPI);
  const link = findInbound(spi);
  if (link && changetype<Link>(link).slot == slot)
    raise(DISTRIBUTION_MOVED, linkNumber(changetype<Link>(link)), spi, DIRECTION_INBOUND, 0, 0, ends);
  consume(frame);
}
