/** Told to the operator as EVENTs: every CHILD_SA that was given to a board, and what the audit found. */
import {
  CHILD_SA_GENERATION,
  CHILD_SA_LINK,
  CHILD_SA_SLOT,
  CHILD_SA_SPI_IN,
  CHILD_SA_SPI_OUT,
  EVENT_ALERT,
  EVENT_AUDIT,
  EVENT_BOARD_DRAINED,
  EVENT_KIND,
  EVENT_LEFT,
  EVENT_SA_MOVED,
  EVENT_SA_PLACED,
  EVENT_SA_REFUSED,
  MANAGEMENT_EVENT,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  EVENT_NOTIFY,
} from "../abi/management";
import { DIRECTION_INBOUND } from "../abi/message";
import { PORT_MANAGEMENT } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { itemWriteU32 } from "../rt/items";

/** An SA now lives on `slot`; `refusal` is 0, or why it does not (REFUSED_*). Lost when no frame is free. */
export function reportPlacement(
  link: u32,
  spi: u32,
  slot: u32,
  generation: u32,
  refusal: u32,
  moved: bool = false,
): void {
  const frame = originate();
  if (!frame) return;
  const m = frame.start;
  let p = m + MANAGEMENT_HEADER;
  p = itemWriteU32(p, EVENT_KIND, refusal != 0 ? EVENT_SA_REFUSED : moved ? EVENT_SA_MOVED : EVENT_SA_PLACED);
  p = itemWriteU32(p, CHILD_SA_LINK, link);
  p = itemWriteU32(p, CHILD_SA_SPI_IN, spi);
  if (refusal == 0) {
    p = itemWriteU32(p, CHILD_SA_SLOT, slot);
    p = itemWriteU32(p, CHILD_SA_GENERATION, generation);
  } else {
    p = itemWriteU32(p, EVENT_NOTIFY, refusal);
  }
  post(frame, p);
}

/** A board has given its SAs to others, but for `left` that none takes. */
export function reportDrained(slot: u32, generation: u32, left: u32): void {
  const frame = originate();
  if (!frame) return;
  let p = frame.start + MANAGEMENT_HEADER;
  p = itemWriteU32(p, EVENT_KIND, EVENT_BOARD_DRAINED);
  p = itemWriteU32(p, CHILD_SA_SLOT, slot);
  p = itemWriteU32(p, CHILD_SA_GENERATION, generation);
  p = itemWriteU32(p, EVENT_LEFT, left);
  post(frame, p);
}

/** The audit found that a board and the local database disagree about an SA (AUDIT_*), and repaired it. Lost when no frame is free. */
export function reportAudit(found: u32, link: u32, spi: u32, direction: u32, slot: u32, generation: u32): void {
  const frame = originate();
  if (!frame) return;
  let p = frame.start + MANAGEMENT_HEADER;
  p = itemWriteU32(p, EVENT_KIND, EVENT_ALERT);
  p = itemWriteU32(p, EVENT_AUDIT, found);
  p = itemWriteU32(p, CHILD_SA_LINK, link);
  p = itemWriteU32(p, direction == DIRECTION_INBOUND ? CHILD_SA_SPI_IN : CHILD_SA_SPI_OUT, spi);
  p = itemWriteU32(p, CHILD_SA_SLOT, slot);
  p = itemWriteU32(p, CHILD_SA_GENERATION, generation);
  post(frame, p);
}

/** Sends the event whose items end at `end`. */
function post(frame: Frame, end: usize): void {
  const m = frame.start;
  frame.length = <u32>(end - m);
  store<u32>(m + MANAGEMENT_TYPE, MANAGEMENT_EVENT);
  store<u32>(m + MANAGEMENT_TRANSACTION, 0);
  store<u32>(m + MANAGEMENT_LENGTH, frame.length);
  transmit(PORT_MANAGEMENT, frame);
}
