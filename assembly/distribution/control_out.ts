/** Control messages to the IPsec boards: header, request for an SA by its name, sealed and put on the internal path (13). */
import { DROP_BOARD_OFFLINE } from "../abi/drop";
import {
  MESSAGE_CURRENT_VERSION,
  MESSAGE_LENGTH,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  REQUEST_DIRECTION,
  REQUEST_LINK,
  REQUEST_OCTETS,
  REQUEST_SPI,
} from "../abi/message";
import { PORT_CHANNEL } from "../abi/ring";
import { Frame } from "../bus/frame";
import { drop, originate, transmit } from "../bus/port";
import { channelLink, channelPushControl } from "../channel/channel";
import { controlSeal } from "../channel/control";
import { zeroize } from "../rt/bytes";

/** Seals the message in `frame` for `slot` and sends it; the frame is gone afterwards, wiped when it could not go. */
export function sendControl(frame: Frame, slot: u32): bool {
  if (!controlSeal(frame, slot) || !channelPushControl(frame, slot)) {
    zeroize(frame.start, frame.length); // it may hold KEYMAT that no seal covers
    drop(frame, DROP_BOARD_OFFLINE);
    return false;
  }
  return transmit(PORT_CHANNEL, frame, channelLink(slot));
}

/** Writes the header of the message that the frame holds, frame.length octets of it. */
export function writeHeader(frame: Frame, type: u32, transaction: u32): void {
  const m = frame.start;
  store<u16>(m, <u16>type, MESSAGE_TYPE);
  store<u16>(m, <u16>MESSAGE_CURRENT_VERSION, MESSAGE_VERSION);
  store<u32>(m, transaction, MESSAGE_TRANSACTION);
  store<u32>(m, frame.length, MESSAGE_LENGTH);
}

/** Sends a request that names one SA (REQUEST_*); when no frame is free, or the ring is full, it does not go. */
export function sendRequest(type: u32, transaction: u32, slot: u32, spi: u32, direction: u32, link: u32): void {
  const frame = originate();
  if (!frame) return;
  frame.length = REQUEST_OCTETS;
  writeHeader(frame, type, transaction);
  store<u32>(frame.start, spi, REQUEST_SPI);
  store<u32>(frame.start, direction, REQUEST_DIRECTION);
  store<u32>(frame.start, link, REQUEST_LINK);
  sendControl(frame, slot);
}
