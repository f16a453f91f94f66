/**
 * The load of the IPsec boards, as they measure it (MESSAGE_LOAD): the work that each does a second, in the units of
 * ipsec/load.ts, smoothed.
 *
 * A board reports every LOAD_PERIOD_NS in which it had packets. With each report the load moves a quarter of the way to what was
 * measured, and with each period without one a quarter of the way to 0: after an abrupt change half of it is seen in 2 to 3 s, nine
 * tenths in 8 s.
 *
 * An SA that has just been placed brings work that nobody has measured yet, and many that are placed together would all find the
 * same board idle. So each adds what a CHILD_SA has on the average to its board's assumed load, which fades by the same quarter a
 * period as the measured one takes the real work in.
 */
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { LOAD_PERIOD_NS } from "../abi/message";
import { now } from "../rt/registers";
import { boardLinks, slotIsOnline } from "./board_table";

/** The part, as a shift, by which the load follows each measurement. */
const FOLLOW: u64 = 2;
/** Quarters that leave nothing of a u64. */
const FADED: u64 = 160;


@unmanaged
class Load {
  /** Work, packets and octets a second. */
  work: u64;
  packets: u64;
  octets: u64;
  /** Work of SAs that were placed lately. */
  assumed: u64;
  /** NOW up to which all of it stands. */
  at: u64;
}

const table: usize = memory.data(FABRIC_SLOT_MAX * offsetof<Load>(), 16);
const SECOND: u64 = 1_000_000_000;

// @ts-ignore: decorator
@inline
function loadOf(slot: u32): Load {
  return changetype<Load>(table + <usize>slot * offsetof<Load>());
}

export function boardLoadsReset(): void {
  memory.fill(table, 0, FABRIC_SLOT_MAX * offsetof<Load>());
}

/** Another board is in the slot: nothing is known of it. */
export function boardLoadForget(slot: u32): void {
  const l = loadOf(slot);
  memory.fill(changetype<usize>(l), 0, offsetof<Load>());
  l.at = now();
}

/** Lets whole periods pass in which the board had nothing to report; `spare` of them are forgiven: a report may be on its way. */
function settle(l: Load, spare: u64): void {
  const periods = (now() - l.at) / LOAD_PERIOD_NS;
  if (periods <= spare) return;
  const silent = periods - spare;
  l.at += silent * LOAD_PERIOD_NS;
  for (let i = min<u64>(silent, FADED); i > 0; i--) {
    l.work = faded(l.work);
    l.packets = faded(l.packets);
    l.octets = faded(l.octets);
    l.assumed = faded(l.assumed);
  }
}

/** A quarter less; what is too little for quarters is gone. */
// @ts-ignore: decorator
@inline
function faded(value: u64): u64 {
  return value - ((value + 3) >> FOLLOW);
}

/** A quarter of the way to a rate. */
// @ts-ignore: decorator
@inline
function followed(value: u64, rate: u64): u64 {
  return faded(value) + (rate >> FOLLOW);
}

/** What the board of a slot did in `window` ns, which end now. */
export function boardMeasured(slot: u32, window: u64, packets: u64, octets: u64, work: u64): void {
  const l = loadOf(slot);
  settle(l, 1);
  l.at = now();
  l.work = followed(l.work, rate(work, window));
  l.packets = followed(l.packets, rate(packets, window));
  l.octets = followed(l.octets, rate(octets, window));
  l.assumed = faded(l.assumed);
}

/** A second's worth of what was done in `window` ns. */
function rate(amount: u64, window: u64): u64 {
  // 2^33 of anything in a window of seconds: beyond what a board can do, and the product stays within 64 bits.
  return (min<u64>(amount, 1 << 33) * SECOND) / max<u64>(window, 1);
}

/** The work a second that the board of a slot has: measured, and assumed for SAs that were placed lately. */
export function boardLoad(slot: u32): u64 {
  const l = loadOf(slot);
  settle(l, 1);
  return l.work + l.assumed;
}

export function boardPacketRate(slot: u32): u64 {
  settle(loadOf(slot), 1);
  return loadOf(slot).packets;
}
export function boardOctetRate(slot: u32): u64 {
  settle(loadOf(slot), 1);
  return loadOf(slot).octets;
}

/** A CHILD_SA has been placed on a board. */
export function boardAssume(slot: u32): void {
  let work: u64 = 0;
  let links: u64 = 0;
  for (let other: u32 = 0; other < FABRIC_SLOT_MAX; other++) {
    if (!slotIsOnline(other)) continue;
    work += boardLoad(other);
    links += <u64>boardLinks(other);
  }
  if (links != 0) loadOf(slot).assumed += work / links;
}
