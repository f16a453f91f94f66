/**
 * Fragments of IKE messages that arrive (RFC 7383 section 2.6): verified and decrypted ones wait, each in its own frame, until
 * their message is whole; it is then put together in the frame of its first fragment.
 *
 * One message in each direction of an IKE_SA. A fragment that came already is let go; a message that starts anew with more
 * fragments (the peer found a smaller path MTU) replaces what there is, one with fewer is older and ignored. Bounded: MESSAGES
 * at a time and HELD_MAX frames, whose oldest give way, and none waits longer than WAIT_TIME. What is given up ends as
 * ike_fragment. Refuses messages longer than a frame.
 */
import { DROP_IKE_FRAGMENT } from "../abi/drop";
import { FRAME_CAPACITY } from "../abi/frame";
import { Frame, frameAddress, frameTailroom } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { arenaTake } from "../rt/arena";
import { now } from "../rt/registers";
import { IkeSa } from "./ike_sa";
import { SECOND } from "./settings";

const MESSAGES: u32 = 128;
const HELD_MAX: u32 = 512;
/** Octets of inner payloads; in front of them stand the headers of the first fragment, IP options among them. */
const MESSAGE_MAX: u32 = FRAME_CAPACITY - 256;
const WAIT_TIME: u64 = 15 * SECOND;


@unmanaged
class Reassembly {
  index: u32;
  /** The place where its IKE_SA keeps the number of this record plus 1; 0: free. */
  owner: usize;
  id: u32;
  total: u32;
  count: u32;
  /** Bit n: fragment n + 1 is there. */
  present: u32;
  /** Octets of inner payloads so far. */
  octets: u32;
  /** The fragments, in order of their numbers. */
  first: usize;
  born: u64;
  older: i32;
  newer: i32;
}

const RECORD_OCTETS: usize = offsetof<Reassembly>();
let table: usize = 0;
let stack: usize = 0;
let free: u32 = 0;
let oldest: i32 = -1;
let newest: i32 = -1;
let held: u32 = 0;

/** Makes room; false when RAM is too small. */
export function reassemblyReset(): bool {
  table = arenaTake(<usize>MESSAGES * RECORD_OCTETS);
  stack = arenaTake(<usize>MESSAGES * 4);
  if (table == 0 || stack == 0) return false;
  free = MESSAGES;
  oldest = -1;
  newest = -1;
  held = 0;
  for (let i: u32 = 0; i < MESSAGES; i++) {
    at(i).index = i;
    store<u32>(stack + ((<usize>i) << 2), MESSAGES - 1 - i);
  }
  return true;
}

function at(i: u32): Reassembly {
  return changetype<Reassembly>(table + <usize>i * RECORD_OCTETS);
}

/** Where the IKE_SA keeps the number of what it reassembles: responses to us, or requests. */
function place(sa: IkeSa, response: bool): usize {
  return changetype<usize>(sa) + (response ? offsetof<IkeSa>("fragmentsOut") : offsetof<IkeSa>("fragmentsIn"));
}

/**
 * Takes a fragment: `number` of `total` of message `id`, its decrypted piece in the frame's scratch1 and scratch2, the type of the
 * first inner payload in scratch0 when it is the first. Takes the frame. Returns the frame of the whole message, described in
 * the same way, or null while something is missing.
 */
export function reassemblyTake(
  sa: IkeSa,
  response: bool,
  id: u32,
  frame: Frame,
  number: u32,
  total: u32,
): Frame | null {
  while (oldest >= 0 && at(<u32>oldest).born + WAIT_TIME <= now()) abandon(at(<u32>oldest));
  const owner = place(sa, response);
  let parts: Reassembly | null = load<u32>(owner) != 0 ? at(load<u32>(owner) - 1) : null;
  if (parts && parts.id == id && parts.total > total) {
    consume(frame);
    return null;
  }
  if (parts && (parts.id != id || parts.total < total)) {
    abandon(parts);
    parts = null;
  }
  if (!parts) parts = take(owner, id, total);
  const bit: u32 = 1 << (number - 1);
  if ((parts.present & bit) != 0) {
    consume(frame);
    return null;
  }
  if (parts.octets + frame.scratch2 > MESSAGE_MAX) {
    abandon(parts);
    drop(frame, DROP_IKE_FRAGMENT);
    return null;
  }
  // The oldest message gives way, unless it is this one: then its newest fragment does.
  while (held >= HELD_MAX && oldest != <i32>parts.index) abandon(at(<u32>oldest));
  if (held >= HELD_MAX) {
    drop(frame, DROP_IKE_FRAGMENT);
    return null;
  }
  parts.present |= bit;
  parts.count += 1;
  parts.octets += frame.scratch2;
  frame.scratch3 = number;
  insert(parts, frame);
  return parts.count == parts.total ? join(parts) : null;
}

/** A free record; the oldest one when there is none. */
function take(owner: usize, id: u32, total: u32): Reassembly {
  if (free == 0) abandon(at(<u32>oldest));
  free -= 1;
  const parts = at(load<u32>(stack + ((<usize>free) << 2)));
  parts.owner = owner;
  parts.id = id;
  parts.total = total;
  parts.count = 0;
  parts.present = 0;
  parts.octets = 0;
  parts.first = 0;
  parts.born = now();
  parts.older = newest;
  parts.newer = -1;
  if (newest < 0) oldest = <i32>parts.index;
  else at(<u32>newest).newer = <i32>parts.index;
  newest = <i32>parts.index;
  store<u32>(owner, parts.index + 1);
  return parts;
}

function insert(parts: Reassembly, frame: Frame): void {
  held += 1;
  let before: usize = 0;
  let behind = parts.first;
  while (behind != 0 && changetype<Frame>(behind).scratch3 < frame.scratch3) {
    before = behind;
    behind = changetype<Frame>(behind).next;
  }
  frame.next = behind;
  if (before == 0) parts.first = frameAddress(frame);
  else changetype<Frame>(before).next = frameAddress(frame);
}

/** Puts the pieces together behind the first one. */
function join(parts: Reassembly): Frame | null {
  const whole = changetype<Frame>(parts.first);
  let next = whole.next;
  let end = <usize>whole.scratch1 + whole.scratch2;
  const limit = whole.start + whole.length + frameTailroom(whole);
  release(parts);
  whole.next = 0;
  held -= 1;
  while (next != 0) {
    const piece = changetype<Frame>(next);
    next = piece.next;
    const octets = piece.scratch2;
    assert(end + octets <= limit, "a reassembled message is longer than a frame");
    memory.copy(end, <usize>piece.scratch1, octets);
    end += octets;
    held -= 1;
    consume(piece);
  }
  whole.scratch2 = <u32>(end - whole.scratch1);
  return whole;
}

/** Unlinks a record, whose frames are the caller's. */
function release(parts: Reassembly): void {
  store<u32>(parts.owner, 0);
  parts.owner = 0;
  if (parts.older >= 0) at(<u32>parts.older).newer = parts.newer;
  else oldest = parts.newer;
  if (parts.newer >= 0) at(<u32>parts.newer).older = parts.older;
  else newest = parts.older;
  store<u32>(stack + ((<usize>free) << 2), parts.index);
  free += 1;
}

function abandon(parts: Reassembly): void {
  let next = parts.first;
  release(parts);
  while (next != 0) {
    const frame = changetype<Frame>(next);
    next = frame.next;
    held -= 1;
    drop(frame, DROP_IKE_FRAGMENT);
  }
}

/** Gives up what an IKE_SA has not got whole. */
export function reassemblyForget(sa: IkeSa): void {
  for (let i = 0; i < 2; i++) {
    const owner = place(sa, i == 1);
    if (load<u32>(owner) != 0) abandon(at(load<u32>(owner) - 1));
  }
}

/** Fragments that are kept. */
export function fragmentsHeld(): u32 {
  return held;
}
