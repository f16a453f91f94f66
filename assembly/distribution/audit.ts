/**
 * The audit: do the local database of the IKE board (15) and those of the IPsec boards (16) agree? All the time, a little at a time.
 *
 *   round     every ROUND_NS, and no sooner than the one before is over, begins a round over each board that is online: a request and
 *             its answer every STEP_NS, until all links and all records of the board have been looked at
 *   AUDIT     names up to AUDIT_ENTRIES SAs that the board is believed to have; AUDITED says which of them are there, and lists as
 *             many others
 *   suspects  what disagrees is asked about once more, in the next request, before anything is done: messages may have crossed
 *
 * A board that has an SA which no link has, or a link elsewhere, is told to remove it (AUDIT_UNKNOWN, AUDIT_MISPLACED). An SA that is
 * not where its link is LIVE is given to that board anew (AUDIT_MISSING). Each is counted and told to the operator.
 *
 * SAs being installed, moved or removed are no disagreement: control messages and their answers keep their order, so an answer is
 * judged by the database as it is when it arrives, with the removals that are under way. What got lost is simply asked again.
 */
import { DROP_CONTROL_MALFORMED } from "../abi/drop";
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { AUDIT_MISPLACED, AUDIT_MISSING, AUDIT_UNKNOWN } from "../abi/management";
import {
  AUDITED_COUNT,
  AUDITED_END,
  AUDITED_HELD,
  AUDITED_NAMES,
  AUDITED_NEXT,
  AUDIT_COUNT,
  AUDIT_CURSOR,
  AUDIT_DIRECTION_SHIFT,
  AUDIT_ENTRIES,
  AUDIT_ENTRY_OCTETS,
  AUDIT_NAMES,
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  MESSAGE_AUDIT,
  MESSAGE_TRANSACTION,
} from "../abi/message";
import { PORT_CHANNEL } from "../abi/ring";
import { Frame } from "../bus/frame";
import { consume, drop, originate, transmitRoom } from "../bus/port";
import { now } from "../rt/registers";
import { boardGeneration, slotIsOnline } from "./board_table";
import { sendControl, writeHeader } from "./control_out";
import { LINK_LIVE, Link, linkAt, linkCapacity, linkIsCurrent } from "./local_database";
import { removalPending, removeFromBoard } from "./removal";
import { reportAudit } from "./report";
import { reinstall } from "./takeover";

/** From the beginning of one round to that of the next, at the least. */
const ROUND_NS: u64 = 10_000_000_000;
/** From one request to a board to the next. */
const STEP_NS: u64 = 100_000_000;
/** A request without an answer is made again. */
const PATIENCE_NS: u64 = 1_000_000_000;
/** Links that one request walks over, looking for those of its board. */
const SCAN: u32 = 4096;
/** SAs of a board that may be asked about a second time. */
const SUSPECTS: u32 = 32;
/** Room that a request leaves on the ring of the internal path. */
const RESERVE: u32 = 64;

const LINK_MASK: u32 = (1 << AUDIT_DIRECTION_SHIFT) - 1;
const WALKED: u32 = 0xffffffff;
const AGREED: u32 = 0;


@unmanaged
class Audit {
  /** NOW at which the next request may go, and at which the round began. */
  at: u64;
  began: u64;
  rounds: u64;
  compared: u64;
  /** Of the board that it is about. */
  generation: u32;
  /** Where the walks over the links and over the board's records stand; WALKED and AUDITED_END at their end. */
  link: u32;
  record: u32;
  /** The request that is to be answered, 0 none; SAs that it names, the first ones suspects. */
  transaction: u32;
  asked: u32;
  suspected: u32;
  /** Suspects that the next request has to name. */
  suspects: u32;
  /** Disagreements by AUDIT_*. */
  unknown: u32;
  misplaced: u32;
  missing: u32;
}

const audits: usize = memory.data(FABRIC_SLOT_MAX * offsetof<Audit>(), 16);
/** By slot: SAs that the present request names, and suspects; AUDIT_ENTRY_OCTETS each. */
const names: usize = memory.data(FABRIC_SLOT_MAX * AUDIT_ENTRIES * AUDIT_ENTRY_OCTETS, 16);
const suspects: usize = memory.data(FABRIC_SLOT_MAX * SUSPECTS * AUDIT_ENTRY_OCTETS, 16);
let transactions: u32 = 0;

// @ts-ignore: decorator
@inline
export function auditOf(slot: u32): Audit {
  return changetype<Audit>(audits + <usize>slot * offsetof<Audit>());
}

// @ts-ignore: decorator
@inline
function nameAt(slot: u32, i: u32): usize {
  return names + <usize>((slot * AUDIT_ENTRIES + i) * AUDIT_ENTRY_OCTETS);
}

// @ts-ignore: decorator
@inline
function suspectAt(slot: u32, i: u32): usize {
  return suspects + <usize>((slot * SUSPECTS + i) * AUDIT_ENTRY_OCTETS);
}

export function auditReset(): void {
  memory.fill(audits, 0, FABRIC_SLOT_MAX * offsetof<Audit>());
  transactions = 0;
}

/** Another board is in the slot: its first round is a ROUND_NS away, when what was on its way is over. */
export function auditForget(slot: u32): void {
  const a = auditOf(slot);
  a.generation = boardGeneration(slot);
  a.transaction = 0;
  a.asked = 0;
  a.suspects = 0;
  a.link = WALKED;
  a.record = AUDITED_END;
  a.began = now();
  a.at = now() + ROUND_NS;
}

/** Makes the requests that are due; returns when to come again. */
export function auditTimeout(): u64 {
  let deadline: u64 = u64.MAX_VALUE;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!slotIsOnline(slot)) continue;
    const a = auditOf(slot);
    if (a.at <= now()) step(slot, a);
    deadline = min<u64>(deadline, a.at);
  }
  return deadline;
}

/** One request to a board; what there is no room for on the internal path waits a step. */
function step(slot: u32, a: Audit): void {
  if (a.transaction != 0) again(slot, a);
  if (a.suspects == 0 && a.link == WALKED && a.record == AUDITED_END) {
    a.began = now();
    a.link = 0;
    a.record = 0;
  }
  a.at = now() + STEP_NS;
  if (transmitRoom(PORT_CHANNEL) <= RESERVE) return;
  const frame = originate();
  if (!frame) return;
  transactions = max<u32>(transactions + 1, 1);
  a.transaction = transactions;
  a.at = now() + PATIENCE_NS;
  a.suspected = a.suspects;
  a.asked = a.suspects;
  a.suspects = 0;
  memory.copy(nameAt(slot, 0), suspectAt(slot, 0), a.asked * AUDIT_ENTRY_OCTETS);
  walk(slot, a);
  const m = frame.start;
  frame.length = AUDIT_NAMES + a.asked * AUDIT_ENTRY_OCTETS;
  writeHeader(frame, MESSAGE_AUDIT, a.transaction);
  store<u32>(m + AUDIT_CURSOR, a.record);
  store<u32>(m + AUDIT_COUNT, a.asked);
  memory.copy(m + AUDIT_NAMES, nameAt(slot, 0), a.asked * AUDIT_ENTRY_OCTETS);
  sendControl(frame, slot);
}

/** Request or answer got lost: the suspects are asked about again; the SAs behind them, in the next round. */
function again(slot: u32, a: Audit): void {
  a.suspects = a.suspected;
  memory.copy(suspectAt(slot, 0), nameAt(slot, 0), a.suspects * AUDIT_ENTRY_OCTETS);
  a.transaction = 0;
}

/** Names SAs that the board is believed to have, from where the walk over the links stands. */
function walk(slot: u32, a: Audit): void {
  const end = min<u32>(linkCapacity(), a.link < WALKED - SCAN ? a.link + SCAN : WALKED);
  // Both directions of a link, or none.
  while (a.link < end && a.asked + 2 <= AUDIT_ENTRIES) {
    const link = changetype<Link>(linkAt(a.link));
    if (link.slot == slot && link.generation == a.generation) {
      if (link.stateIn == LINK_LIVE) name(slot, a, link.spiIn, DIRECTION_INBOUND);
      if (link.stateOut == LINK_LIVE) name(slot, a, link.spiOut, DIRECTION_OUTBOUND);
    }
    a.link += 1;
  }
  if (a.link >= linkCapacity()) a.link = WALKED;
}

function name(slot: u32, a: Audit, spi: u32, direction: u32): void {
  const entry = nameAt(slot, a.asked);
  store<u32>(entry, spi);
  store<u32>(entry, a.link | (direction << AUDIT_DIRECTION_SHIFT), 4);
  a.asked += 1;
}

/** AUDITED from the board in `slot`. Takes the frame. */
export function handleAudited(frame: Frame, slot: u32): void {
  const m = frame.start;
  const a = auditOf(slot);
  const listed = frame.length < AUDITED_NAMES ? u32.MAX_VALUE : load<u32>(m + AUDITED_COUNT);
  if (listed > AUDIT_ENTRIES || frame.length < AUDITED_NAMES + listed * AUDIT_ENTRY_OCTETS) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  // An answer that comes too late, or to what was asked of the board before.
  if (a.transaction == 0 || a.transaction != load<u32>(m + MESSAGE_TRANSACTION)) {
    consume(frame);
    return;
  }
  a.transaction = 0;
  for (let i: u32 = 0; i < a.asked; i++) {
    const held = ((<u32>load<u8>(m + AUDITED_HELD + (i >> 3))) >> (i & 7)) & 1;
    const entry = nameAt(slot, i);
    const found = judge(slot, a, entry, held != 0);
    if (found == AGREED) continue;
    if (i < a.suspected) repair(slot, a, entry, found);
    else suspect(slot, a, entry);
  }
  for (let i: u32 = 0; i < listed; i++) {
    const entry = m + AUDITED_NAMES + i * AUDIT_ENTRY_OCTETS;
    if (judge(slot, a, entry, true) != AGREED) suspect(slot, a, entry);
  }
  a.compared += <u64>(a.asked - a.suspected + listed);
  a.record = load<u32>(m + AUDITED_NEXT);
  a.suspected = 0;
  consume(frame);
  a.at = now() + STEP_NS;
  if (a.suspects != 0 || a.link != WALKED || a.record != AUDITED_END) return;
  a.rounds += 1;
  a.at = max<u64>(a.at, a.began + ROUND_NS);
}

/** AGREED, or AUDIT_*: how it stands with an SA that the board has (`held`) or has not. */
function judge(slot: u32, a: Audit, entry: usize, held: bool): u32 {
  const spi = load<u32>(entry);
  const number = load<u32>(entry, 4) & LINK_MASK;
  const direction = load<u32>(entry, 4) >> AUDIT_DIRECTION_SHIFT;
  const found = linkAt(number);
  const link = changetype<Link>(found);
  const current = found != null && linkIsCurrent(link, spi, direction);
  const here = current && isHome(link, slot, a.generation);
  if (!held) return here && isLive(link, direction) ? AUDIT_MISSING : AGREED;
  if (here || removalPending(slot, a.generation, spi, direction, number)) return AGREED;
  return current ? AUDIT_MISPLACED : AUDIT_UNKNOWN;
}

// @ts-ignore: decorator
@inline
function isHome(link: Link, slot: u32, generation: u32): bool {
  return link.slot == slot && link.generation == generation;
}

// @ts-ignore: decorator
@inline
function isLive(link: Link, direction: u32): bool {
  // One that its board was asked to give up is there no more before the answer is here (move.ts).
  if (((<u32>link.moving) & (direction == DIRECTION_INBOUND ? 1 : 2)) != 0) return false;
  return (direction == DIRECTION_INBOUND ? link.stateIn : link.stateOut) == LINK_LIVE;
}

/** Asks about an SA once more with the next request; those for which there is no room are found again in the next round. */
function suspect(slot: u32, a: Audit, entry: usize): void {
  for (let i: u32 = 0; i < a.suspects; i++) if (load<u64>(suspectAt(slot, i)) == load<u64>(entry)) return;
  if (a.suspects == SUSPECTS) return;
  store<u64>(suspectAt(slot, a.suspects), load<u64>(entry));
  a.suspects += 1;
}

/** It disagrees for the second time. */
function repair(slot: u32, a: Audit, entry: usize, found: u32): void {
  const spi = load<u32>(entry);
  const number = load<u32>(entry, 4) & LINK_MASK;
  const direction = load<u32>(entry, 4) >> AUDIT_DIRECTION_SHIFT;
  if (found == AUDIT_MISSING) {
    a.missing += 1;
    reinstall(changetype<Link>(linkAt(number)), direction);
  } else {
    if (found == AUDIT_MISPLACED) a.misplaced += 1;
    else a.unknown += 1;
    removeFromBoard(slot, a.generation, spi, direction, number);
  }
  reportAudit(found, number, spi, direction, slot, a.generation);
}
