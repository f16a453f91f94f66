/**
 * LIST_SAS, LIST_CONNECTIONS, LIST_POOLS and KEYS_FOLLOW (abi/management.ts): one message per entry, then REPLY. A listing goes on over as many polls as
 * it takes, so that a full table fits through a small ring and events still find room; a few may wait their turn. An entry
 * that comes or goes meanwhile may or may not be listed.
 */
import {
  IKE_STATE_DELETING,
  IKE_STATE_FREE,
  MANAGEMENT_KEYS_FOLLOW,
  MANAGEMENT_LIST_CONNECTIONS,
  MANAGEMENT_LIST_POOLS,
  RESULT_OK,
} from "../abi/management";
import { PORT_MANAGEMENT } from "../abi/ring";
import { transmitRoom } from "../bus/port";
import { childByLink } from "./child_sa";
import { CONNECTIONS_MAX, connectionAt } from "./connection";
import { IkeSa, OUT_NONE, ikeSaAt } from "./ike_sa";
import { keysReport } from "./key_export";
import { leaseIdentityLength, leasesClaimed } from "./lease";
import { POOLS_MAX, poolAt } from "./pool";
import { reply, reportChildSa, reportConnection, reportIkeSa, reportLease, reportPool } from "./report";
import { childSaCapacity, ikeSaCapacity } from "./settings";

/** Places of the management ring that are left to events and replies. */
const RESERVE: u32 = 24;
/** Table entries that one poll looks at. */
const BUDGET: u32 = 4096;

/** Listings that wait: TYPE u32, TRANSACTION u32. */
const WAITING_MAX: u32 = 8;
const waiting: usize = memory.data(WAITING_MAX * 8, 8);
let count: u32 = 0;
/** Where the first of them stands: IKE_SAs, then CHILD_SAs; or connections; or pools, then their leases. */
let cursor: u32 = 0;

export function listingReset(): void {
  count = 0;
  cursor = 0;
}

/** Takes a listing on; false when too many wait. */
export function listingStart(type: u32, transaction: u32): bool {
  if (count >= WAITING_MAX) return false;
  store<u32>(waiting + (count << 3), type);
  store<u32>(waiting + (count << 3), transaction, 4);
  count += 1;
  return true;
}

/** True while a listing is under way. */
export function listingBusy(): bool {
  return count != 0;
}

/** True when an IKE_SA only lingers to answer duplicates. */
export function lingers(sa: IkeSa): bool {
  return sa.state == IKE_STATE_DELETING && sa.outStep == OUT_NONE;
}

/** Once per poll: goes on with the first listing. */
export function listingContinue(): void {
  if (count == 0) return;
  const type = load<u32>(waiting);
  const transaction = load<u32>(waiting, 4);
  const end = endOf(type);
  for (let budget = BUDGET; budget > 0 && cursor < end; budget--) {
    if (transmitRoom(PORT_MANAGEMENT) <= RESERVE) return;
    if (type == MANAGEMENT_LIST_CONNECTIONS) listConnection(transaction, cursor);
    else if (type == MANAGEMENT_LIST_POOLS) listPool(transaction, cursor);
    else if (type == MANAGEMENT_KEYS_FOLLOW) listKeys(transaction, cursor);
    else if (cursor < ikeSaCapacity) listIkeSa(transaction, cursor);
    else listChildSa(transaction, cursor - ikeSaCapacity);
    cursor += 1;
  }
  if (cursor < end || transmitRoom(PORT_MANAGEMENT) <= RESERVE) return;
  reply(transaction, RESULT_OK);
  cursor = 0;
  count -= 1;
  memory.copy(waiting, waiting + 8, count << 3);
}

function endOf(type: u32): u32 {
  if (type == MANAGEMENT_LIST_CONNECTIONS) return CONNECTIONS_MAX;
  if (type == MANAGEMENT_KEYS_FOLLOW) return ikeSaCapacity;
  return type == MANAGEMENT_LIST_POOLS ? POOLS_MAX + leasesClaimed() : ikeSaCapacity + childSaCapacity;
}

function listPool(transaction: u32, index: u32): void {
  if (index >= POOLS_MAX) {
    if (leaseIdentityLength(index - POOLS_MAX) != 0) reportLease(transaction, index - POOLS_MAX);
  } else if (poolAt(index).nameLength != 0) reportPool(transaction, poolAt(index));
}

function listConnection(transaction: u32, index: u32): void {
  const c = connectionAt(index);
  if (c.used != 0 && c.retired == 0) reportConnection(transaction, c);
}

function listIkeSa(transaction: u32, index: u32): void {
  const sa = ikeSaAt(index);
  if (sa.state != IKE_STATE_FREE && !lingers(sa)) reportIkeSa(transaction, sa);
}

/** One that is not established yet tells its keys by itself when they are made. */
function listKeys(transaction: u32, index: u32): void {
  const sa = ikeSaAt(index);
  if (sa.state != IKE_STATE_FREE && sa.established != 0) keysReport(transaction, sa);
}

function listChildSa(transaction: u32, link: u32): void {
  const child = childByLink(link);
  if (!child || child.sa < 0) return;
  const sa = ikeSaAt(<u32>child.sa);
  if (sa.state != IKE_STATE_FREE && !lingers(sa)) reportChildSa(transaction, child);
}
