/**
 * The local database in the checkpoint (abi/checkpoint.ts): a record for each link, its SA records and leases included, written when it
 * changes and before anything leaves the board that follows from it. So a board that restarts knows at least every number that a board
 * was ever given to use or to accept.
 *
 *   contents   Link, LinkPlacement, lease inbound, lease outbound, SA record inbound (recordIn octets), outbound (recordOut octets)
 *
 * Taken back, a link whose board runs on stays where it is and is asked how far it has come (recall.ts); one whose board has gone meanwhile is
 * taken over from the end of its lease (takeover.ts): how many packets it was given is in no checkpoint. What its board had not answered is asked
 * again.
 */
import { CHECKPOINT_LINK } from "../abi/checkpoint";
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, SA_RECORD_MAX } from "../abi/message";
import { changesKept, changesNext } from "../checkpoint/changes";
import { journalClose, journalForget, journalOpen, journalRoom } from "../checkpoint/journal";
import { boardAssume } from "./board_load";
import { boardIsOnline, boardLinkAdd } from "./board_table";
import { forwardedForget } from "./forwarded";
import { LEASE_RECORD_OCTETS, leaseRecord } from "./lease";
import {
  LINK_INSTALLING,
  LINK_LIVE,
  LINK_NONE,
  Link,
  LinkPlacement,
  USED_OUT,
  linkAt,
  linkCapacity,
  linkChanged,
  linkChanges,
  placementOf,
  recordOf,
} from "./local_database";
import { outboundIndexInsert } from "./outbound_index";
import { policyInsert } from "./policy";
import { recallBegin } from "./recall";
import { reinstall } from "./takeover";
import { unconfirmedAppend } from "./unconfirmed";

/** Changes with what stands in these octets, where their number does not. */
const FORMAT: u32 = 1;
const LINK_OCTETS: u32 = offsetof<Link>();
const PLACEMENT_OCTETS: u32 = offsetof<LinkPlacement>();
const AT_LEASES: u32 = LINK_OCTETS + PLACEMENT_OCTETS;
const AT_RECORDS: u32 = AT_LEASES + 2 * LEASE_RECORD_OCTETS;

/** What this file makes of a link, as a number that changes when that does. */
export function linkLayout(): u32 {
  return (FORMAT << 28) ^ (LINK_OCTETS << 20) ^ (PLACEMENT_OCTETS << 12) ^ (LEASE_RECORD_OCTETS << 4) ^ SA_RECORD_MAX;
}

function exists(link: Link): bool {
  return link.stateIn != LINK_NONE || link.stateOut != LINK_NONE;
}

/** Writes what has changed, as far as there is room. */
export function linksKeep(): void {
  const changes = linkChanges();
  while (journalRoom(1)) {
    const i = changesNext(changes);
    if (i < 0) return;
    const link = changetype<Link>(linkAt(<u32>i));
    const before = changesKept(changes, <u32>i, exists(link));
    if (exists(link)) keep(link, <u32>i);
    else if (before) journalForget(CHECKPOINT_LINK, <u32>i);
  }
}

function keep(link: Link, number: u32): void {
  const at = journalOpen(CHECKPOINT_LINK, number);
  memory.copy(at, changetype<usize>(link), LINK_OCTETS);
  memory.copy(at + LINK_OCTETS, changetype<usize>(placementOf(link)), PLACEMENT_OCTETS);
  memory.copy(at + AT_LEASES, leaseRecord(link, DIRECTION_INBOUND), LEASE_RECORD_OCTETS);
  memory.copy(at + AT_LEASES + LEASE_RECORD_OCTETS, leaseRecord(link, DIRECTION_OUTBOUND), LEASE_RECORD_OCTETS);
  memory.copy(at + AT_RECORDS, recordOf(link, DIRECTION_INBOUND), link.recordIn);
  memory.copy(at + AT_RECORDS + link.recordIn, recordOf(link, DIRECTION_OUTBOUND), link.recordOut);
  journalClose(AT_RECORDS + <u32>link.recordIn + <u32>link.recordOut);
}

/** A link comes back: `octets` of contents at `at`, opened. False: it is none of this table's. */
export function linkRestore(number: u32, at: usize, octets: u32): bool {
  const found = linkAt(number);
  if (!found || octets < AT_RECORDS) return false;
  const from = changetype<Link>(at);
  const inbound = <u32>from.recordIn;
  const outbound = <u32>from.recordOut;
  if (inbound > SA_RECORD_MAX || outbound > SA_RECORD_MAX || octets != AT_RECORDS + inbound + outbound) return false;
  const link = changetype<Link>(found);
  if (exists(link)) return false;
  memory.copy(changetype<usize>(link), at, LINK_OCTETS);
  memory.copy(changetype<usize>(placementOf(link)), at + LINK_OCTETS, PLACEMENT_OCTETS);
  memory.copy(leaseRecord(link, DIRECTION_INBOUND), at + AT_LEASES, LEASE_RECORD_OCTETS);
  memory.copy(leaseRecord(link, DIRECTION_OUTBOUND), at + AT_LEASES + LEASE_RECORD_OCTETS, LEASE_RECORD_OCTETS);
  memory.copy(recordOf(link, DIRECTION_INBOUND), at + AT_RECORDS, inbound);
  memory.copy(recordOf(link, DIRECTION_OUTBOUND), at + AT_RECORDS + inbound, outbound);
  link.nextOut = 0;
  link.next = 0;
  link.previous = 0;
  link.listed = 0;
  link.triesIn = 0;
  link.triesOut = 0;
  link.passage = 0;
  forwardedForget(link);
  return true;
}

/** All links are back: indices, policies and requests under way are set up anew. */
export function linksRestored(): void {
  for (let i: u32 = 0; i < linkCapacity(); i++) {
    const link = changetype<Link>(linkAt(i));
    if (exists(link)) settle(link, i);
  }
  recallBegin();
}

function settle(link: Link, number: u32): void {
  linkChanged(link);
  if (link.stateOut != LINK_NONE) {
    outboundIndexInsert(link);
    if ((link.used & USED_OUT) != 0 && !policyInsert(recordOf(link, DIRECTION_OUTBOUND), number))
      link.used &= ~USED_OUT;
  }
  const moving = link.moving;
  link.moving = 0;
  // Its board has gone meanwhile: the walk of takeover.ts gives it to another one.
  if (!boardIsOnline(link.slot, link.generation)) return;
  boardLinkAdd(link.slot);
  boardAssume(link.slot);
  // The board may have given it up, and the answer found nobody.
  if ((moving & 1) != 0 && link.stateIn == LINK_LIVE) reinstall(link, DIRECTION_INBOUND);
  if ((moving & 2) != 0 && link.stateOut == LINK_LIVE) reinstall(link, DIRECTION_OUTBOUND);
  if (link.stateIn == LINK_INSTALLING || link.stateOut == LINK_INSTALLING || link.updating != 0)
    unconfirmedAppend(link);
}
