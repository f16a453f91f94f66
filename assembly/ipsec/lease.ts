/**
 * Leases of sequence numbers: what lets another board take an SA over when this one dies, with no number used or accepted twice.
 *
 *    outbound   numbers up to the lease are sent; the next lease is asked for when half of it is used
 *    inbound    numbers up to the lease are accepted, likewise
 *
 * When this board is gone, its successor begins where the lease ends. Whatever happens to a board, or to its clock, at most one lease
 * of numbers is lost, and none repeated. A sender may jump, as one does that has itself been taken over: a packet beyond the lease
 * waits here, its ICV verified, its number not yet accepted, until the IKE board has answered. HELD_MAX of them, PATIENCE long;
 * what is beyond is dropped as lease_wait, and so is a clear packet for which there is no number left.
 */
import { DROP_LEASE_WAIT } from "../abi/drop";
import { DIRECTION_OUTBOUND, LEASE_DIRECTION, LEASE_LINK, LEASE_SEQUENCE, LEASE_SPI } from "../abi/message";
import { Frame, frameAddress } from "../bus/frame";
import { drop } from "../bus/port";
import { now } from "../rt/registers";
import { reportLease } from "./control_out";
import { findNamed } from "./local_database";
import { rehearsing } from "./rehearsal";
import { Sa } from "./sa";
import { saDropsCount } from "./sa_drops";
import { PASS } from "./tunnel";

/** A verdict beyond drop reasons and those of tunnel.ts: the packet waits for its SA's lease. */
export const LEASE_AWAITED: u32 = PASS + 3;

const HELD_MAX: u32 = 256;
const PATIENCE_MS: u32 = 1000;
/** Time between two wishes for one and the same lease, while a packet waits for it. */
const REPEAT_MS: u32 = 20;
const NS_PER_MS: u64 = 1_000_000;

/** Held frames in the order of their arrival, by Frame.next; frame.link is the millisecond of it. */
let head: usize = 0;
let tail: usize = 0;
let held: u32 = 0;
/** The first one that nobody was asked for yet; 0 none. */
let unasked: usize = 0;
let askedAt: u32 = 0;

export function leaseReset(): void {
  head = 0;
  tail = 0;
  held = 0;
  unasked = 0;
}

// @ts-ignore: decorator
@inline
function millisecond(): u32 {
  return <u32>(now() / NS_PER_MS);
}

/** The lease of a fresh SA, or of one whose sequence number has been set: `lease` 0 is none. */
export function leaseStart(sa: Sa, lease: u64): void {
  sa.lease = lease;
  if (lease == 0) sa.askAt = u64.MAX_VALUE;
  else plan(sa, sa.sequence);
}

/** Asks again when half of what is left behind `from` is used. */
function plan(sa: Sa, from: u64): void {
  sa.askAt = from >= sa.lease ? sa.lease : from + ((sa.lease - from) >> 1);
}

/** An outbound SA wants its next number: PASS, or DROP_LEASE_WAIT. The caller has seen that sequence >= askAt. */
export function leaseOutbound(sa: Sa): u32 {
  const left = sa.lease - min<u64>(sa.sequence, sa.lease);
  if (rehearsing()) return left == 0 ? DROP_LEASE_WAIT : PASS;
  if (left != 0) {
    ask(sa, sa.sequence);
    sa.askAt = sa.sequence + ((left + 1) >> 1);
    return PASS;
  }
  if (now() - sa.movedAt >= <u64>REPEAT_MS * NS_PER_MS) ask(sa, sa.sequence);
  return DROP_LEASE_WAIT;
}

/** True when an inbound SA may accept this number, which its caller has seen to be askAt at least. */
export function leaseInbound(sa: Sa, sequence: u64): bool {
  if (sequence > sa.lease) return false;
  if (rehearsing()) return true;
  ask(sa, sequence);
  sa.askAt = sequence + ((sa.lease - sequence) >> 1) + 1;
  return true;
}

function ask(sa: Sa, wanted: u64): void {
  if (<u32>sa.direction == DIRECTION_OUTBOUND) sa.movedAt = now();
  reportLease(sa, wanted);
}

/** Keeps an authentic packet whose number is beyond the lease; false: there is no room, the frame is the caller's still. */
export function leaseHold(frame: Frame): bool {
  if (held == HELD_MAX) return false;
  const address = frameAddress(frame);
  frame.next = 0;
  frame.link = millisecond();
  if (tail != 0) changetype<Frame>(tail).next = address;
  else head = address;
  tail = address;
  if (unasked == 0) unasked = address;
  held += 1;
  return true;
}

/** The batch is done: one wish for each SA whose packets it left waiting. */
export function leaseAsk(): void {
  if (unasked == 0) return;
  askFrom(unasked);
  unasked = 0;
}

/** One wish, for the highest number, for each SA that has a packet from this one on. */
function askFrom(first: usize): void {
  for (let at = first; at != 0; at = changetype<Frame>(at).next) {
    const frame = changetype<Frame>(at);
    if (!isItsSa(frame) || waitsAgain(frame)) continue;
    ask(changetype<Sa>(<usize>frame.scratch0), highest(first, frame.scratch0));
  }
  askedAt = millisecond();
}

/** True when a later packet of the same SA waits. */
function waitsAgain(frame: Frame): bool {
  for (let at = frame.next; at != 0; at = changetype<Frame>(at).next) {
    if (changetype<Frame>(at).scratch0 == frame.scratch0) return true;
  }
  return false;
}

/** The highest number of an SA that waits, from the packet `first` on. */
function highest(first: usize, sa: u32): u64 {
  let number: u64 = 0;
  for (let at = first; at != 0; at = changetype<Frame>(at).next) {
    const frame = changetype<Frame>(at);
    if (frame.scratch0 == sa) number = max<u64>(number, frame.scratch4);
  }
  return number;
}

/** True while the SA that let a frame in is there. */
function isItsSa(frame: Frame): bool {
  return changetype<Sa>(<usize>frame.scratch0).spi == <u32>frame.scratch5;
}

/** True when packets of the SA wait. */
export function leaseAwaited(sa: Sa): bool {
  for (let at = head; at != 0; at = changetype<Frame>(at).next) {
    if (<usize>changetype<Frame>(at).scratch0 == changetype<usize>(sa)) return true;
  }
  return false;
}

/** MESSAGE_LEASE, opened, of LEASE_OCTETS at least: the SA, or null when it is not here. leaseNext yields what may go on. */
export function leaseTake(p: usize): Sa | null {
  const sa = findNamed(load<u32>(p, LEASE_SPI), load<u32>(p, LEASE_DIRECTION), load<u32>(p, LEASE_LINK));
  if (!sa || sa.lease == 0) return null;
  sa.lease = max<u64>(sa.lease, load<u64>(p, LEASE_SEQUENCE));
  plan(sa, sa.sequence);
  return sa;
}

/** The first waiting packet of the SA that its lease covers by now, the caller's again; null: there is none. */
export function leaseNext(sa: Sa): Frame | null {
  let before: usize = 0;
  for (let at = head; at != 0; at = changetype<Frame>(at).next) {
    const frame = changetype<Frame>(at);
    if (<usize>frame.scratch0 == changetype<usize>(sa) && isItsSa(frame) && frame.scratch4 <= sa.lease) {
      take(frame, before);
      return frame;
    }
    before = at;
  }
  return null;
}

function take(frame: Frame, before: usize): void {
  const address = frameAddress(frame);
  if (before != 0) changetype<Frame>(before).next = frame.next;
  else head = frame.next;
  if (tail == address) tail = before;
  if (unasked == address) unasked = frame.next;
  frame.next = 0;
  held -= 1;
}

/** Drops what has waited too long and asks again for the rest; returns when to come again. */
export function leaseTimeout(): u64 {
  if (head == 0) return u64.MAX_VALUE;
  const time = millisecond();
  while (head != 0 && time - changetype<Frame>(head).link >= PATIENCE_MS) {
    const frame = changetype<Frame>(head);
    take(frame, 0);
    if (isItsSa(frame)) saDropsCount(changetype<Sa>(<usize>frame.scratch0), DROP_LEASE_WAIT);
    drop(frame, DROP_LEASE_WAIT);
  }
  if (head == 0) return u64.MAX_VALUE;
  if (time - askedAt >= REPEAT_MS) askFrom(head);
  return now() + <u64>REPEAT_MS * NS_PER_MS;
}
