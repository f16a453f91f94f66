/**
 * LIST_POLICIES (abi/management.ts), the board's half: the rows of the SPD, one at a time, over as many polls as it takes. A row that
 * comes or goes meanwhile may or may not be listed. The main loop writes the messages, because names of children are the IKE core's.
 */
import { SELECTOR_OCTETS } from "../abi/message";
import {
  SELECTOR_TABLE_NONE,
  rowPriority,
  rowSerial,
  selectorTableRow,
  selectorTableRows,
} from "../policy/selector_table";

export const LISTING_ROW: u32 = 1;
/** Nothing is listed, or there is more to look at in the next poll. */
export const LISTING_PAUSE: u32 = 2;
/** All rows were told of the listing in hand. */
export const LISTING_END: u32 = 3;

/** Rows that one poll looks at. */
const BUDGET: u32 = 8192;
/** Transactions of listings that wait. */
const WAITING_MAX: u32 = 8;
const waiting: usize = memory.data(WAITING_MAX * 4, 8);
let count: u32 = 0;
let cursor: u32 = 0;
let budget: u32 = 0;

/** The row that policyListNext has found: its value, and selectors (SELECTOR_* records). */
export let listedValue: u32 = 0;
export let listedPriority: u32 = 0;
export let listedSerial: u32 = 0;
export const listedLocal: usize = memory.data(SELECTOR_OCTETS, 8);
export const listedRemote: usize = memory.data(SELECTOR_OCTETS, 8);

export function policyListReset(): void {
  count = 0;
  cursor = 0;
}

/** Takes a listing on; false when too many wait. */
export function policyListStart(transaction: u32): bool {
  if (count >= WAITING_MAX) return false;
  store<u32>(waiting + (count << 2), transaction);
  count += 1;
  return true;
}

/** True while a listing is under way. */
export function policyListBusy(): bool {
  return count != 0;
}

/** Transaction of the listing in hand. */
export function policyListTransaction(): u32 {
  return load<u32>(waiting);
}

/** Once per poll, before policyListNext. */
export function policyListPoll(): void {
  budget = BUDGET;
}

/** LISTING_*. */
export function policyListNext(): u32 {
  if (count == 0) return LISTING_PAUSE;
  while (cursor < selectorTableRows()) {
    if (budget == 0) return LISTING_PAUSE;
    budget -= 1;
    listedValue = selectorTableRow(cursor, listedLocal, listedRemote);
    cursor += 1;
    if (listedValue == SELECTOR_TABLE_NONE) continue;
    listedPriority = rowPriority;
    listedSerial = rowSerial;
    return LISTING_ROW;
  }
  return LISTING_END;
}

/** The listing in hand is answered; the next one begins. */
export function policyListDone(): void {
  cursor = 0;
  count -= 1;
  memory.copy(waiting, waiting + 4, count << 2);
}
