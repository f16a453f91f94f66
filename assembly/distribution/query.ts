/** SA_QUERY: when were the SAs of a link last used? The answers come one by one as events (control_in.ts); none is repeated. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, MESSAGE_SA_QUERY } from "../abi/message";
import { boardIsOnline } from "./board_table";
import { sendRequest } from "./control_out";
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
  sendRequest(MESSAGE_SA_QUERY, (number << 1) | direction, link.slot, spi, direction, number);
}
