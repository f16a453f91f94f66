/**
 * The IKE board as it is, but that its local database is filled without negotiation: an order in the CONFIG area, which is of no use after
 * reset, makes links that are live on their boards. For measuring what distribution takes with many of them.
 *
 *   order   0 ORDER u32   4 first link   8 how many   12 boards: slots 1 to that number, in turn
 *
 * Link n has the inbound SPI 40000000 | n, and everything from 10.1.0.0/16 to 11.0.0.0 + n.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_START,
} from "../../assembly/abi/message";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  SA_LOCAL_TS_COUNT,
  SA_RECORD_MAX,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
} from "../../assembly/abi/message";
import { boardIsOnline, boardLinkAdd, boardOnline } from "../../assembly/distribution/board_table";
import { LINK_LIVE, USED_IN, USED_OUT, Link, linkAt, recordOf } from "../../assembly/distribution/local_database";
import { outboundIndexInsert } from "../../assembly/distribution/outbound_index";
import { policyInsert } from "../../assembly/distribution/policy";
import { storeBE32 } from "../../assembly/rt/bytes";
import { configAddress } from "../../assembly/rt/registers";
import { boardPoll as poll } from "../../boards/ike/index";

export { boardMap, boardReset } from "../../boards/ike/index";

const ORDER: u32 = 0x43524f57;
const GENERATION: u32 = 1;
const CAPACITY: u32 = 131072;
const INSIDE: u32 = 0x0a010000;
const OUTSIDE: u32 = 0x0b000000;

export function boardPoll(): u32 {
  const order = configAddress();
  if (load<u32>(order) == ORDER) {
    store<u32>(order, 0);
    grow(load<u32>(order, 4), load<u32>(order, 8), load<u32>(order, 12));
  }
  return poll();
}

function grow(first: u32, count: u32, boards: u32): void {
  for (let slot: u32 = 1; slot <= boards; slot++)
    if (!boardIsOnline(slot, GENERATION)) boardOnline(slot, GENERATION, CAPACITY);
  for (let n = first; n < first + count; n++) become(n, 1 + (n % boards));
}

function become(n: u32, slot: u32): void {
  const link = changetype<Link>(linkAt(n));
  link.spiIn = 0x40000000 | n;
  link.spiOut = 0x80000000 | n;
  link.slot = slot;
  link.generation = GENERATION;
  link.stateIn = LINK_LIVE;
  link.stateOut = LINK_LIVE;
  link.used = USED_IN | USED_OUT;
  link.recordIn = <u16>SA_RECORD_MAX;
  link.recordOut = <u16>SA_RECORD_MAX;
  boardLinkAdd(slot);
  outboundIndexInsert(link);
  memory.fill(recordOf(link, DIRECTION_INBOUND), 0, SA_RECORD_MAX);
  const record = recordOf(link, DIRECTION_OUTBOUND);
  memory.fill(record, 0, SA_RECORD_MAX);
  store<u8>(record + SA_LOCAL_TS_COUNT, 1);
  store<u8>(record + SA_REMOTE_TS_COUNT, 1);
  selector(record + SA_SELECTORS, INSIDE, INSIDE | 0xffff);
  selector(record + SA_SELECTORS + SELECTOR_OCTETS, OUTSIDE + n, OUTSIDE + n);
  assert(policyInsert(record, n), "no room for the policy");
}

function selector(at: usize, start: u32, end: u32): void {
  store<u8>(at + SELECTOR_FAMILY, 4);
  store<u16>(at + SELECTOR_END_PORT, 0xffff);
  storeBE32(at + SELECTOR_START, start);
  storeBE32(at + SELECTOR_END, end);
}
