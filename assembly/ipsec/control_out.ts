/**
 * What an IPsec board says to the IKE board: answers in the frame that brought the request; SA_EXPIRING, SA_MOVED, LOAD and
 * LEASE_WANTED of its own accord. Layouts: abi/message.ts.
 */
import { channelLink, channelPushControl } from "../channel/channel";
import { controlSeal } from "../channel/control";
import { linkIkeSlot } from "../channel/link";
import { DROP_BACKPLANE_CONGESTION } from "../abi/drop";
import {
  ANSWER_DIRECTION,
  ANSWER_LINK,
  ANSWER_REASON,
  ANSWER_SPI,
  LEASE_ASKS,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  LEASE_WANTED_END,
  LEASE_WANTED_MESSAGE_OCTETS,
  LEASE_WANTED_OCTETS,
  LEASE_WANTED_PACKETS,
  LEASE_WANTED_REACHED,
  LOAD_MESSAGE_OCTETS,
  LOAD_OCTETS,
  LOAD_PACKETS,
  LOAD_WINDOW,
  LOAD_WORK,
  MESSAGE_CURRENT_VERSION,
  MESSAGE_HEADER,
  MESSAGE_LEASE_RETURNED,
  MESSAGE_LEASE_WANTED,
  MESSAGE_LENGTH,
  MESSAGE_LOAD,
  MESSAGE_SA_RELEASED,
  MESSAGE_SA_STATUS,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  RELEASED_DIRECTION,
  RELEASED_HISTORY,
  RELEASED_LINK,
  RELEASED_SEQUENCE,
  RELEASED_SPI,
  RELEASED_WORDS,
  SA_ENDS,
  STATUS_DIRECTION,
  STATUS_DROPS,
  STATUS_INNER_MTU,
  STATUS_LAST_USED,
  STATUS_LINK,
  STATUS_MESSAGE_OCTETS,
  STATUS_OCTETS,
  STATUS_PACKETS,
  STATUS_SEQUENCE,
  STATUS_SPI,
} from "../abi/message";
import { PORT_CHANNEL } from "../abi/ring";
import { Frame, frameClear } from "../bus/frame";
import { drop, originate, transmit } from "../bus/port";
import { zeroize } from "../rt/bytes";
import { historyWrite } from "./history";
import { Sa } from "./sa";
import { saDropsWrite } from "./sa_drops";

/** Octets of a short answer with and without REASON. */
const SHORT: u32 = ANSWER_REASON;
const WITH_REASON: u32 = ANSWER_REASON + 4;

/** Writes a message header. */
function header(p: usize, type: u32, transaction: u32, length: u32): void {
  store<u16>(p, <u16>type, MESSAGE_TYPE);
  store<u16>(p, <u16>MESSAGE_CURRENT_VERSION, MESSAGE_VERSION);
  store<u32>(p, transaction, MESSAGE_TRANSACTION);
  store<u32>(p, length, MESSAGE_LENGTH);
}

/** Wipes what the frame brought (it may hold keys) and empties it for an answer. */
function reuse(frame: Frame): usize {
  zeroize(frame.start, frame.length);
  frameClear(frame);
  return frame.start;
}

/** Seals, frames and posts the message that the frame holds. */
function post(frame: Frame): bool {
  const slot = linkIkeSlot();
  if (!controlSeal(frame, slot) || !channelPushControl(frame, slot)) {
    drop(frame, DROP_BACKPLANE_CONGESTION);
    return false;
  }
  return transmit(PORT_CHANNEL, frame, channelLink(slot));
}

/** Begins an answer of any length in the frame that brought the request; its address. */
export function answerBegin(frame: Frame, type: u32, transaction: u32): usize {
  const p = reuse(frame);
  header(p, type, transaction, MESSAGE_HEADER);
  return p;
}

/** Sends it; `length` octets, its header included. */
export function answerEnd(frame: Frame, length: u32): void {
  store<u32>(frame.start, length, MESSAGE_LENGTH);
  frame.length = length;
  post(frame);
}

/** Answers with a header alone (PONG). */
export function answerPlain(frame: Frame, type: u32, transaction: u32): void {
  header(reuse(frame), type, transaction, MESSAGE_HEADER);
  frame.length = MESSAGE_HEADER;
  post(frame);
}

/** Answers SA_INSTALLED, SA_REMOVED or, with a `reason` other than 0, SA_REFUSED. */
export function answerShort(
  frame: Frame,
  type: u32,
  transaction: u32,
  link: u32,
  spi: u32,
  direction: u32,
  reason: u32,
): void {
  const p = reuse(frame);
  const length = reason == 0 ? SHORT : WITH_REASON;
  header(p, type, transaction, length);
  store<u32>(p, link, ANSWER_LINK);
  store<u32>(p, spi, ANSWER_SPI);
  store<u32>(p, direction, ANSWER_DIRECTION);
  if (reason != 0) store<u32>(p, reason, ANSWER_REASON);
  frame.length = length;
  post(frame);
}

/** Answers SA_STATUS. */
export function answerStatus(frame: Frame, transaction: u32, sa: Sa): void {
  frame.length = writeStatus(reuse(frame), transaction, sa);
  post(frame);
}

/** Answers SA_RELEASED for an SA, or without one, under the name that it was asked for by. */
export function answerReleased(
  frame: Frame,
  transaction: u32,
  link: u32,
  spi: u32,
  direction: u32,
  sa: Sa | null,
): void {
  const p = reuse(frame);
  const words = sa ? historyWrite(p + RELEASED_HISTORY, sa) : 0;
  const length = RELEASED_HISTORY + (words << 3);
  header(p, MESSAGE_SA_RELEASED, transaction, length);
  store<u32>(p, link, RELEASED_LINK);
  store<u32>(p, spi, RELEASED_SPI);
  store<u32>(p, direction, RELEASED_DIRECTION);
  store<u32>(p, words, RELEASED_WORDS);
  store<u64>(p, sa ? sa.sequence : 0, RELEASED_SEQUENCE);
  frame.length = length;
  post(frame);
}

/** Writes an SA_STATUS message to `p`; returns its octets. */
export function writeStatus(p: usize, transaction: u32, sa: Sa): u32 {
  header(p, MESSAGE_SA_STATUS, transaction, STATUS_MESSAGE_OCTETS);
  store<u32>(p, sa.link, STATUS_LINK);
  store<u32>(p, sa.spi, STATUS_SPI);
  store<u32>(p, <u32>sa.direction, STATUS_DIRECTION);
  store<u64>(p, sa.packets, STATUS_PACKETS);
  store<u64>(p, sa.octets, STATUS_OCTETS);
  store<u64>(p, sa.lastUsed, STATUS_LAST_USED);
  store<u64>(p, sa.sequence, STATUS_SEQUENCE);
  store<u64>(p, sa.drops, STATUS_DROPS);
  saDropsWrite(p, sa);
  store<u32>(p, <u32>sa.innerMtu, STATUS_INNER_MTU);
  return STATUS_MESSAGE_OCTETS;
}

/** Tells the IKE board of its own accord, TRANSACTION 0; false when there was no frame or no room on the ring. */
export function report(type: u32, sa: Sa, cause: u32): bool {
  const frame = originate();
  if (!frame) return false;
  const p = frame.start;
  header(p, type, 0, WITH_REASON);
  store<u32>(p, sa.link, ANSWER_LINK);
  store<u32>(p, sa.spi, ANSWER_SPI);
  store<u32>(p, <u32>sa.direction, ANSWER_DIRECTION);
  store<u32>(p, cause, ANSWER_REASON);
  frame.length = WITH_REASON;
  return post(frame);
}

/** What the board has done in `window` ns: LOAD, TRANSACTION 0. False when there was no frame or no room on the ring. */
export function reportLoad(window: u64, packets: u64, octets: u64, work: u64): bool {
  const frame = originate();
  if (!frame) return false;
  const p = frame.start;
  header(p, MESSAGE_LOAD, 0, LOAD_MESSAGE_OCTETS);
  store<u64>(p, window, LOAD_WINDOW);
  store<u64>(p, packets, LOAD_PACKETS);
  store<u64>(p, octets, LOAD_OCTETS);
  store<u64>(p, work, LOAD_WORK);
  frame.length = LOAD_MESSAGE_OCTETS;
  return post(frame);
}

/** LEASE_WANTED: the number that the SA has come to, or that waits; `reached` and `end` as abi/message.ts has them. */
export function reportLease(sa: Sa, wanted: u64, reached: u64, end: u64): bool {
  const frame = originate();
  if (!frame) return false;
  const p = frame.start;
  header(p, MESSAGE_LEASE_WANTED, 0, LEASE_WANTED_MESSAGE_OCTETS);
  store<u32>(p, sa.link, LEASE_LINK);
  store<u32>(p, sa.spi, LEASE_SPI);
  store<u32>(p, <u32>sa.direction, LEASE_DIRECTION);
  store<u64>(p, wanted, LEASE_SEQUENCE);
  store<u64>(p, sa.packets, LEASE_WANTED_PACKETS);
  store<u64>(p, sa.octets, LEASE_WANTED_OCTETS);
  store<u64>(p, reached, LEASE_WANTED_REACHED);
  store<u64>(p, end, LEASE_WANTED_END);
  frame.length = LEASE_WANTED_MESSAGE_OCTETS;
  return post(frame);
}

/** Gives back what the lease of an inbound SA had beyond its present end; `serial`: of the last lease that came. */
export function reportReturned(sa: Sa, serial: u32): bool {
  const frame = originate();
  if (!frame) return false;
  const p = frame.start;
  header(p, MESSAGE_LEASE_RETURNED, 0, LEASE_OCTETS);
  store<u32>(p, sa.link, LEASE_LINK);
  store<u32>(p, sa.spi, LEASE_SPI);
  store<u32>(p, <u32>sa.direction, LEASE_DIRECTION);
  store<u64>(p, sa.lease, LEASE_SEQUENCE);
  store<u32>(p, serial, LEASE_SERIAL);
  store<u32>(p, 0, LEASE_ASKS);
  frame.length = LEASE_OCTETS;
  return post(frame);
}

/** Tells of an inbound SA's ends, whose octets stand at `ends`. */
export function reportEnds(type: u32, ends: usize): bool {
  const frame = originate();
  if (!frame) return false;
  header(frame.start, type, 0, MESSAGE_HEADER + SA_ENDS);
  memory.copy(frame.start + MESSAGE_HEADER, ends, SA_ENDS);
  frame.length = MESSAGE_HEADER + SA_ENDS;
  return post(frame);
}
