/**
 * Leases of sequence numbers (LEASE_WANTED, LEASE): which numbers of an SA its board may use or accept. A lease is written into the
 * SA's record before the board hears of it, and a board that follows begins where the last lease ends (takeover.ts), or inbound at the highest
 * number that was handed to the board, if that is lower (forwarded.ts): no number is used twice, none is accepted twice, whatever becomes
 * of a board or of a message.
 *
 *   outbound   the whole lease, OUTBOUND_LEAST at least, and of a fast SA what it sends in OUTBOUND_NS, OUTBOUND_MOST at most: numbers that are
 *              skipped cost nobody anything, and a board that is overloaded hears of a lease late
 *   inbound    as many as the peer sends in INBOUND_NS, INBOUND_LEAST at least: a burst is to find a lease. It costs a successor nothing, unless
 *              somebody forges numbers, or this board has just been restarted: so of what a burst has left behind the board gives back what it
 *              does not need (LEASE_RETURNED)
 *   inbound,   with cut-through, where packets go to the board past this one: as many as the peer sends in LEASE_NS, by the numbers that came
 *              since the SA asked last, LEASE_MIN at least: what the peer sends below the lease is lost with the board, and a slow SA would
 *              miss for minutes what a fast one misses for milliseconds. A burst that goes beyond it waits for the next one, twice as large
 *
 * Many slow SAs with small leases may ask often together: beyond WISHES in a WINDOW_NS leases grow, so that the cost stays where it is. An inbound
 * SA without a replay window has no lease: it accepts everything twice by configuration.
 */
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  LEASE_ASKS,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  LEASE_WANTED_END,
  LEASE_WANTED_MESSAGE_OCTETS,
  LEASE_WANTED_OCTETS,
  LEASE_WANTED_PACKETS,
  LEASE_WANTED_REACHED,
  MESSAGE_LEASE,
  SA_LEASE,
  SA_REPLAY_WINDOW,
  SA_SEQUENCE,
} from "../abi/message";
import { CONFIG_LEASE, LEASE_DEFAULT, LEASE_MIN } from "../abi/config";
import { Frame } from "../bus/frame";
import { consume, originate } from "../bus/port";
import { arenaTake } from "../rt/arena";
import { itemFind, itemU32 } from "../rt/items";
import { now } from "../rt/registers";
import { boardIsOnline } from "./board_table";
import { classifierPasses } from "./classifier";
import { sendControl, writeHeader } from "./control_out";
import {
  forwardedEnd,
  forwardedFrom,
  forwardedReset,
  forwardedReturned,
  forwardedStart,
  forwardedUncertain,
  forwardedWish,
} from "./forwarded";
import { LINK_LIVE, LINK_NONE, Link, linkAt, linkChanged, linkIsCurrent, linkNumber, recordOf } from "./local_database";

const LEASE_NS: u64 = 20_000_000;
const WINDOW_NS: u64 = 10_000_000;
const WISHES: u32 = 64;
/** A batch must not run out of numbers while the board asks. */
const OUTBOUND_LEAST: u32 = 4096;
const OUTBOUND_NS: u64 = 200_000_000;
const OUTBOUND_MOST: u32 = 1 << 18;
/** Of inbound SAs all of whose packets pass this board. */
const INBOUND_LEAST: u32 = 256;
const INBOUND_NS: u64 = 200_000_000;
/** A burst has lasted so long when its rate can be told. */
const BURST_NS: u64 = 1_000_000;
/** Numbers of the first lease of one whose packets do not. */
const FIRST: u32 = 64;

/** What a board said last of one direction of a link. */
@unmanaged
class Lease {
  packets: u64;
  octets: u64;
  /** NOW of it; 0 never. */
  askedAt: u64;
  /** NOW from which its numbers are measured, and the one that it had come to then. */
  measuredAt: u64;
  measured: u64;
  /** Numbers of the next lease. */
  size: u32;
  /** Changes with the lease, and with every message that tells the board of it. */
  serial: u32;
}

let leases: usize = 0;
let limit: u32 = 0;
let windowStart: u64 = 0;
let wishes: u32 = 0;

/** Room for the leases of `count` links, and CONFIG_LEASE from `start` to `end`; false when RAM is too small. */
export function leasesReset(count: u32, start: usize, end: usize): bool {
  leases = arenaTake(<usize>count * 2 * offsetof<Lease>());
  const item = itemFind(start, end, CONFIG_LEASE);
  limit = item != 0 ? max<u32>(itemU32(item), LEASE_MIN) : LEASE_DEFAULT;
  windowStart = 0;
  wishes = 0;
  return leases != 0 && forwardedReset(count);
}

// @ts-ignore: decorator
@inline
function leaseOf(link: Link, direction: u32): Lease {
  return changetype<Lease>(leases + (<usize>linkNumber(link) * 2 + direction) * offsetof<Lease>());
}

/** The first lease of a new SA, into its record. */
export function leaseStart(link: Link, direction: u32): void {
  const lease = leaseOf(link, direction);
  lease.packets = 0;
  lease.octets = 0;
  lease.askedAt = 0;
  lease.size = direction == DIRECTION_OUTBOUND ? outboundLeast() : first();
  const record = recordOf(link, direction);
  if (direction == DIRECTION_INBOUND) forwardedStart(link, load<u64>(record, SA_SEQUENCE));
  measureFrom(lease, load<u64>(record, SA_SEQUENCE));
  lease.serial += 1;
  const leased = direction == DIRECTION_OUTBOUND || load<u16>(record, SA_REPLAY_WINDOW) != 0;
  store<u64>(record, leased ? load<u64>(record, SA_SEQUENCE) + <u64>lease.size : 0, SA_LEASE);
}

/** The board that had the SA is gone, or has lost it: the SA goes on behind all that may have been used or accepted, with the next lease. */
export function leaseSucceed(link: Link, direction: u32): void {
  const record = recordOf(link, direction);
  const end = load<u64>(record, SA_LEASE);
  if (end == 0) return;
  leaseFrom(link, direction, direction == DIRECTION_INBOUND ? forwardedEnd(link, end) : end);
}

/** The SA goes on behind `sequence`, with a lease from there. */
export function leaseFrom(link: Link, direction: u32, sequence: u64): void {
  const record = recordOf(link, direction);
  const end = load<u64>(record, SA_LEASE);
  const lease = leaseOf(link, direction);
  lease.serial += 1;
  measureFrom(lease, sequence); // numbers that are skipped have not been sent
  if (direction == DIRECTION_INBOUND) forwardedFrom(link, sequence);
  linkChanged(link);
  store<u64>(record, sequence, SA_SEQUENCE);
  if (end != 0) store<u64>(record, max<u64>(end, sequence + <u64>lease.size), SA_LEASE);
}

/** The record of one direction of a link, for the checkpoint: LEASE_RECORD_OCTETS. */
export function leaseRecord(link: Link, direction: u32): usize {
  return changetype<usize>(leaseOf(link, direction));
}
export const LEASE_RECORD_OCTETS: u32 = offsetof<Lease>();

/** What is known of an SA that died with its board, for its history: packets, octets, and NOW of the last wish. */
export function leasePackets(link: Link, direction: u32): u64 {
  return leaseOf(link, direction).packets;
}

export function leaseOctets(link: Link, direction: u32): u64 {
  return leaseOf(link, direction).octets;
}

export function leaseAskedAt(link: Link, direction: u32): u64 {
  return leaseOf(link, direction).askedAt;
}

/** LEASE_WANTED from `slot`, opened, of LEASE_WANTED_REACHED octets at least: the frame becomes the answer, or is consumed. */
export function leaseWanted(frame: Frame, slot: u32): void {
  const m = frame.start;
  const number = load<u32>(m, LEASE_LINK);
  const spi = load<u32>(m, LEASE_SPI);
  const direction = load<u32>(m, LEASE_DIRECTION);
  const found = linkAt(number);
  const link = changetype<Link>(found);
  if (
    !found ||
    direction > DIRECTION_OUTBOUND ||
    !linkIsCurrent(link, spi, direction) ||
    (direction == DIRECTION_INBOUND ? link.stateIn : link.stateOut) == LINK_NONE ||
    link.slot != slot ||
    !boardIsOnline(slot, link.generation)
  ) {
    consume(frame);
    return;
  }
  const record = recordOf(link, direction);
  const lease = leaseOf(link, direction);
  lease.packets = load<u64>(m, LEASE_WANTED_PACKETS);
  lease.octets = load<u64>(m, LEASE_WANTED_OCTETS);
  lease.askedAt = now();
  const wanted = load<u64>(m, LEASE_SEQUENCE);
  const end = load<u64>(record, SA_LEASE);
  if (direction == DIRECTION_OUTBOUND) adaptOutbound(lease, wanted);
  else if (classifierPasses()) adapt(lease, wanted, wanted > end);
  else adaptSeen(lease, wanted);
  let granted = max<u64>(end, wanted + <u64>lease.size);
  if (direction == DIRECTION_INBOUND) {
    // What is uncertain wants to be told by a new end.
    if (forwardedUncertain(link)) granted = max<u64>(granted, end + 1);
    // A board of an earlier release does not say how far it is: nothing is forgotten then.
    const told = frame.length >= LEASE_WANTED_MESSAGE_OCTETS;
    const reached = told ? load<u64>(m, LEASE_WANTED_REACHED) : wanted;
    forwardedWish(link, reached, told ? load<u64>(m, LEASE_WANTED_END) : 0, end, granted);
  }
  grant(frame, link, direction, granted, 0);
}

/** The lease of one direction of a link ends at `end`: its board is told with the frame, and asked for a wish where `asks` is 1. */
function grant(frame: Frame, link: Link, direction: u32, end: u64, asks: u32): void {
  const m = frame.start;
  const lease = leaseOf(link, direction);
  store<u64>(recordOf(link, direction), end, SA_LEASE);
  linkChanged(link);
  lease.serial += 1;
  store<u32>(m, linkNumber(link), LEASE_LINK);
  store<u32>(m, direction == DIRECTION_INBOUND ? link.spiIn : link.spiOut, LEASE_SPI);
  store<u32>(m, direction, LEASE_DIRECTION);
  store<u64>(m, end, LEASE_SEQUENCE);
  store<u32>(m, lease.serial, LEASE_SERIAL);
  store<u32>(m, asks, LEASE_ASKS);
  frame.length = LEASE_OCTETS;
  writeHeader(frame, MESSAGE_LEASE, 0);
  sendControl(frame, link.slot);
}

/** Asks the board of a link how far its SA has come, by a lease that is longer by one number (recall.ts). Not where there is none. */
export function leaseAsk(link: Link, direction: u32): void {
  const end = load<u64>(recordOf(link, direction), SA_LEASE);
  const frame = end != 0 ? originate() : null;
  if (frame) grant(frame, link, direction, end + 1, 1);
}

/** The record of one direction of a link goes to its board, with the lease: what that says of an earlier one is of no account. */
export function leaseSent(link: Link, direction: u32): void {
  leaseOf(link, direction).serial += 1;
}

/**
 * LEASE_RETURNED from `slot`, opened, of LEASE_ASKS octets at least: the end of an inbound lease comes nearer. Only of the last lease that
 * the board was told of: one that is on its way to it would be accepted beyond that end.
 */
export function leaseReturned(frame: Frame, slot: u32): void {
  takeBack(frame.start, slot);
  consume(frame);
}

function takeBack(m: usize, slot: u32): void {
  const found = linkAt(load<u32>(m, LEASE_LINK));
  if (!found || load<u32>(m, LEASE_DIRECTION) != DIRECTION_INBOUND) return;
  const link = changetype<Link>(found);
  if (!linkIsCurrent(link, load<u32>(m, LEASE_SPI), DIRECTION_INBOUND) || link.stateIn != LINK_LIVE) return;
  if (link.slot != slot || !boardIsOnline(slot, link.generation)) return;
  const lease = leaseOf(link, DIRECTION_INBOUND);
  const record = recordOf(link, DIRECTION_INBOUND);
  const end = load<u64>(m, LEASE_SEQUENCE);
  if (load<u32>(m, LEASE_SERIAL) != lease.serial) return;
  if (end < load<u64>(record, SA_SEQUENCE) || end >= load<u64>(record, SA_LEASE)) return;
  store<u64>(record, end, SA_LEASE);
  forwardedReturned(link, end);
  lease.size = min<u32>(lease.size, first());
  linkChanged(link);
}

/** What the SA takes is measured from here on. */
function measureFrom(lease: Lease, sequence: u64): void {
  lease.measuredAt = now();
  lease.measured = sequence;
}

/** Numbers in `time` ns as fast as since they are measured, which is `since` ns ago. */
function numbersIn(lease: Lease, wanted: u64, time: u64, since: u64): u64 {
  return ((wanted - min<u64>(lease.measured, wanted)) * time) / since;
}

/** The size of the next outbound lease, of which `wanted` has been used. */
function adaptOutbound(lease: Lease, wanted: u64): void {
  const since = now() - lease.measuredAt;
  if (since < WINDOW_NS) return;
  const least = outboundLeast();
  lease.size = <u32>(
    min<u64>(max<u64>(numbersIn(lease, wanted, OUTBOUND_NS, since), least), max<u32>(OUTBOUND_MOST, least))
  );
  measureFrom(lease, wanted);
}

// @ts-ignore: decorator
@inline
function outboundLeast(): u32 {
  return max<u32>(limit, OUTBOUND_LEAST);
}

/** Numbers of an inbound SA's first lease. */
// @ts-ignore: decorator
@inline
function first(): u32 {
  return min<u32>(classifierPasses() ? FIRST : INBOUND_LEAST, limit);
}

/** The size of the next inbound lease, of which `wanted` has come, where all of them have passed this board. */
function adaptSeen(lease: Lease, wanted: u64): void {
  const since = now() - lease.measuredAt;
  let size = (<u64>lease.size) << 1;
  if (since >= BURST_NS) {
    size = numbersIn(lease, wanted, INBOUND_NS, since);
    measureFrom(lease, wanted);
  }
  lease.size = <u32>min<u64>(max<u64>(size, <u64>first()), <u64>limit);
}

/** The same with cut-through; `waited`: packets were there before it. */
function adapt(lease: Lease, wanted: u64, waited: bool): void {
  const time = now();
  if (time - windowStart >= WINDOW_NS) {
    windowStart = time;
    wishes = 0;
  }
  wishes += 1;
  const crowded = wishes > WISHES;
  const since = time - lease.measuredAt;
  let size = <u64>lease.size;
  if (since >= WINDOW_NS) {
    // Numbers, not packets: a full ring in front of the board drops packets, and the peer goes on all the same.
    size = numbersIn(lease, wanted, LEASE_NS, since);
    measureFrom(lease, wanted);
    if (crowded) size = max<u64>(size, (<u64>lease.size) << 1);
  } else if (waited || crowded) {
    size <<= 1;
  }
  lease.size = <u32>min<u64>(max<u64>(size, <u64>LEASE_MIN), <u64>limit);
}
