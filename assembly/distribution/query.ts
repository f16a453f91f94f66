/** SA_QUERY: when were the SAs of a link last used? The answers come one by one as events (control_in.ts); none is repeated. */
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  MESSAGE_CURRENT_VERSION,
  MESSAGE_LENGTH,
  MESSAGE_SA_QUERY,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  REQUEST_DIRECTION,
  REQUEST_LINK,
  REQUEST_OCTETS,
  REQUEST_SPI,
} from "../abi/message";
import { originate } from "../bus/port";
import { boardIsOnline } from "./board_table";
import { sendControl } from "./control_out";
import { LINK_LIVE, Link, linkAt } from "./local_database";

/** Asks for both directions, as far as they are in place. */
export function query(number: u32): void {
  const found = linkAt(number);
  if (!found) return;
  const link = changetype<Link>(found);
  if (!boardIsOnline(link.slot, link.generation)) return;
  if (link.stateIn == LINK_LIVE) ask(number, link, link.spiIn, DIRECTION_INBOUND);
  if (link.stateOut == LINK_LIVE) ask(number, link, link.spiOut, DIRECTION_OUTBOUND);
}

function ask(number: u32, link: Link, spi: u32, direction: u32): void {
  const frame = originate();
  if (!frame) return;
  const m = frame.start;
  frame.length = REQUEST_OCTETS;
  store<u16>(m + MESSAGE_TYPE, <u16>MESSAGE_SA_QUERY);
  store<u16>(m + MESSAGE_VERSION, <u16>MESSAGE_CURRENT_VERSION);
  store<u32>(m + MESSAGE_TRANSACTION, (number << 1) | direction);
  store<u32>(m + MESSAGE_LENGTH, REQUEST_OCTETS);
  store<u32>(m + REQUEST_SPI, spi);
  store<u32>(m + REQUEST_DIRECTION, direction);
  store<u32>(m + REQUEST_LINK, number);
  sendControl(frame, link.slot);
}
