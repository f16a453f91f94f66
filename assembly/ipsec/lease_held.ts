/**
 * Packets that wait for the lease of their inbound SA: authentic, their numbers beyond the lease and not yet accepted. HELD_MAX of them,
 * PATIENCE_MS long; what is beyond is dropped as lease_wait.
 */
import { DROP_LEASE_WAIT } from "../abi/drop";
import { Frame, frameAddress } from "../bus/frame";
import { drop } from "../bus/port";
import { now } from "../rt/registers";
import { leaseWish } from "./lease_wish";
import { Sa } from "./sa";
import { saDropsCount } from "./sa_drops";

const HELD_MAX: u32 = 256;
const PATIENCE_MS: u32 = 1000;
/** Time between two wishes for one and the same lease, while a packet waits for it. */
export const REPEAT_MS: u32 = 20;
export const NS_PER_MS: u64 = 1_000_000;

/** Held frames in the order of their arrival, by Frame.next; frame.link is the millisecond of it. */
let head: usize = 0;
let tail: usize = 0;
let held: u32 = 0;
/** The first one that nobody was asked for yet; 0 none. */
let unasked: usize = 0;
let askedAt: u32 = 0;

export function heldReset(): void {
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
    const sa = changetype<Sa>(<usize>frame.scratch0);
    leaseWish(sa, highest(first, frame.scratch0), heldReached(sa));
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

/** The longest-waiting packet whose SA is there still; those before it, whose SAs have gone, are dropped. Null: none waits. */
export function heldFirst(): Frame | null {
  while (head != 0) {
    const frame = changetype<Frame>(head);
    if (isItsSa(frame)) return frame;
    take(frame, 0);
    drop(frame, DROP_LEASE_WAIT);
  }
  return null;
}

/** The highest number of all that wait for an SA. */
export function heldHighest(sa: Sa): u64 {
  return highest(head, <u32>changetype<usize>(sa));
}

/** The highest number that an inbound SA has accepted, or that waits for it. */
export function heldReached(sa: Sa): u64 {
  return max<u64>(sa.sequence, heldHighest(sa));
}

/** Drops what has waited too long and asks again for the rest; returns when to come again. */
export function heldTimeout(): u64 {
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
