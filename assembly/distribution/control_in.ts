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
  MESSAGE_CURRENT_VERSION,
  MESSAGE_HEADER,
  MESSAGE_LENGTH,
  MESSAGE_PONG,
  MESSAGE_SA_EXPIRING,
  MESSAGE_SA_INSTALLED,
  MESSAGE_SA_REFUSED,
  MESSAGE_SA_REMOVED,
  MESSAGE_SA_STATUS,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  STATUS_DIRECTION,
  STATUS_LAST_USED,
  STATUS_LINK,
  STATUS_MESSAGE_OCTETS,
  STATUS_SPI,
} from "../abi/message";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { confirm, refused } from "./establish";
import { DISTRIBUTION_EXPIRING, DISTRIBUTION_USED, raise } from "./event";
import { Link, linkAt } from "./local_database";
import { removalConfirmed } from "./removal";

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
  // SA_INSTALLED and SA_REMOVED carry no reason.
  const plain = type == MESSAGE_SA_INSTALLED || type == MESSAGE_SA_REMOVED;
  const reasoned = type == MESSAGE_SA_REFUSED || type == MESSAGE_SA_EXPIRING;
  const octets = plain ? ANSWER_REASON : ANSWER_OCTETS;
  if ((!plain && !reasoned) || frame.length < octets) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const link = load<u32>(m + ANSWER_LINK);
  const spi = load<u32>(m + ANSWER_SPI);
  const direction = load<u32>(m + ANSWER_DIRECTION);
  if (type == MESSAGE_SA_INSTALLED) confirm(slot, link, spi, direction);
  else if (type == MESSAGE_SA_REMOVED) removalConfirmed(load<u32>(m + MESSAGE_TRANSACTION), spi);
  else if (type == MESSAGE_SA_REFUSED) refused(slot, link, spi, direction, load<u32>(m + ANSWER_REASON));
  else raise(DISTRIBUTION_EXPIRING, link, spi, direction, load<u32>(m + ANSWER_REASON));
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
