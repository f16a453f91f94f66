/**
 * Half-open responders (RFC 7296 section 2.6): how many there are, in all and for each source, and from when on a
 * cookie is asked for.
 *
 *   SHARE      of the table of IKE_SAs; beyond it first messages are dropped, so that those that are established have room
 *   SOURCE     of that share for one source, an address or a /64 of IPv6 (addressSource), which it can only take with cookies, so from where it says it is
 *   CALM_TIME  cookies go on being asked for so long after the last one was needed
 *
 * A source is counted in a slot of each of two rows, found by hashes of it under secrets of this board, and has as many as the lesser of the two
 * says (a count-min sketch): nobody can choose whose slots to share, and who shares one by chance still has its other one. Only two sources
 * that share both have less than their part; never more.
 */
import { drbgU32 } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { now } from "../rt/registers";
import { SECOND, ikeSaCapacity } from "./settings";

const CALM_TIME: u64 = 10 * SECOND;
/** Half-open responders from which on everybody is asked for a cookie, and those of one source from which on that source is. */
const COOKIE_ALL: u32 = 30;
const COOKIE_SOURCE: u32 = 3;
const SOURCE_LEAST: u32 = 3;

/** Two rows of u16 counts, and the secret of each. */
let counts: usize = 0;
let mask: u32 = 0;
let key0: u64 = 0;
let key1: u64 = 0;
let total: u32 = 0;
let share: u32 = 0;
let calmAt: u64 = 0;

/** Makes room for the counts; false when RAM is too small. */
export function halfOpenReset(): bool {
  let slots: u32 = 512;
  while (slots < ikeSaCapacity * 2) slots <<= 1;
  counts = arenaTake((<usize>slots) << 2);
  mask = slots - 1;
  key0 = secret();
  key1 = secret();
  total = 0;
  share = max<u32>(1, ikeSaCapacity >> 2);
  calmAt = 0;
  return counts != 0;
}

function secret(): u64 {
  return ((<u64>drbgU32()) << 32) | (<u64>drbgU32());
}

/** The slot of `source` in the row of `key`. */
function slotOf(row: usize, source: u64, key: u64): usize {
  let h = (source ^ key) * 0x9e3779b97f4a7c15;
  h = (h ^ rotl<u64>(key, 17) ^ (h >> 29)) * 0xbf58476d1ce4e5b9;
  return row + ((<usize>((<u32>(h >> 32)) & mask)) << 1);
}

function slotOf0(source: u64): usize {
  return slotOf(counts, source, key0);
}

function slotOf1(source: u64): usize {
  return slotOf(counts + ((<usize>mask + 1) << 1), source, key1);
}

function move(slot: usize, on: bool): void {
  const count = <u32>load<u16>(slot);
  assert(on || count != 0, "a half-open IKE_SA that was never counted");
  store<u16>(slot, <u16>(on ? count + 1 : count - 1));
}

/** Counts one more, or one less, of `source`. */
export function halfOpenCount(source: u64, on: bool): void {
  move(slotOf0(source), on);
  move(slotOf1(source), on);
  total = on ? total + 1 : total - 1;
}

/** Half-open responders of `source`, or more when it shares both of its slots. */
function countOf(source: u64): u32 {
  return min<u32>(<u32>load<u16>(slotOf0(source)), <u32>load<u16>(slotOf1(source)));
}

/** True when another one of `source` may be taken. */
export function halfOpenRoom(source: u64): bool {
  return total < share && countOf(source) < max<u32>(SOURCE_LEAST, share >> 2);
}

/** True when `source` must show by a cookie that it is where it says. */
export function halfOpenSuspicious(source: u64): bool {
  if (total >= max<u32>(1, min<u32>(COOKIE_ALL, share >> 1))) calmAt = now() + CALM_TIME;
  return now() < calmAt || countOf(source) >= COOKIE_SOURCE;
}

/** Half-open responders, of all sources. */
export function halfOpenTotal(): u32 {
  return total;
}
