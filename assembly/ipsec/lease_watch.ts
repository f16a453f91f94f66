/**
 * Inbound SAs that have got a large lease: what a burst took and does not use any more is given back. All that is left of a lease is lost to a slow
 * SA when its board dies and the IKE board does not know which packets were given to it: with cut-through always, so that little is kept then;
 * otherwise when somebody has forged numbers, or when the IKE board has just been restarted, and the next burst finds enough.
 */
import { now } from "../rt/registers";
import { reportReturned } from "./control_out";
import { leaseAwaited } from "./lease_held";
import { leasePlan } from "./lease_wish";
import { Sa, hasOwnLease } from "./sa";

/** Inbound SAs whose lease is watched at a time, and how often. */
const WATCHED: u32 = 64;
const WATCH_NS: u64 = 250_000_000;
/** Numbers that a slow SA keeps; a faster one keeps what it takes in the KEEP-th part of WATCH_NS. */
const KEPT_LEAST: u64 = 64;
const KEEP: u64 = 6;
/** The same where the IKE board sees all packets. */
const SEEN_KEPT_LEAST: u64 = 256;
const SEEN_KEEP: u64 = 1;

/** An inbound SA that got more numbers than it may need. */
@unmanaged
class Watch {
  /** 0: free. */
  sa: usize;
  spi: u32;
  /** Of its last lease. */
  serial: u32;
  /** Its right edge when it was looked at last. */
  sequence: u64;
}

const watches: usize = memory.data(WATCHED * offsetof<Watch>(), 8);
let watched: u32 = 0;
let watchAt: u64 = 0;
let keptLeast: u64 = 0;
let keep: u64 = 1;

/** `seen`: the IKE board sees all packets. */
export function watchReset(seen: bool): void {
  keptLeast = seen ? SEEN_KEPT_LEAST : KEPT_LEAST;
  keep = seen ? SEEN_KEEP : KEEP;
  memory.fill(watches, 0, WATCHED * offsetof<Watch>());
  watched = 0;
}

// @ts-ignore: decorator
@inline
function watchOf(i: u32): Watch {
  return changetype<Watch>(watches + <usize>i * offsetof<Watch>());
}

/** A lease has come for an inbound SA: when it is a large one, it is seen to later whether the SA is still as fast. */
export function leaseWatch(sa: Sa, serial: u32): void {
  const own = changetype<usize>(sa);
  let free: u32 = WATCHED;
  for (let i: u32 = 0; i < WATCHED; i++) {
    const w = watchOf(i);
    if (w.sa == own) {
      w.spi = sa.spi;
      w.serial = serial;
      return;
    }
    if (w.sa == 0 && free == WATCHED) free = i;
  }
  // One that finds no place keeps its lease.
  if (free == WATCHED || sa.lease - min<u64>(sa.sequence, sa.lease) <= keptLeast) return;
  const w = watchOf(free);
  w.sa = own;
  w.spi = sa.spi;
  w.serial = serial;
  w.sequence = sa.sequence;
  if (watched == 0) watchAt = now() + WATCH_NS;
  watched += 1;
}

/** Gives back what SAs that have become slow have left of their leases; returns when to come again. */
export function watchTimeout(): u64 {
  if (watched == 0 || now() < watchAt) return watched == 0 ? u64.MAX_VALUE : watchAt;
  for (let i: u32 = 0; i < WATCHED; i++) {
    const w = watchOf(i);
    if (w.sa != 0 && !stays(w)) {
      w.sa = 0;
      watched -= 1;
    }
  }
  watchAt = now() + WATCH_NS;
  return watched == 0 ? u64.MAX_VALUE : watchAt;
}

/** False: there is nothing to watch any more. */
function stays(w: Watch): bool {
  const sa = changetype<Sa>(w.sa);
  if (sa.spi != w.spi || sa.lease == 0) return false;
  const left = sa.lease - min<u64>(sa.sequence, sa.lease);
  if (left <= keptLeast) return false;
  const kept = max<u64>(keptLeast, (sa.sequence - min<u64>(w.sequence, sa.sequence)) / keep);
  w.sequence = sa.sequence;
  if (left <= 2 * kept || leaseAwaited(sa) || hasOwnLease(sa)) return true;
  const before = sa.lease;
  sa.lease = sa.sequence + kept;
  leasePlan(sa, sa.sequence);
  if (reportReturned(sa, w.serial)) return true;
  sa.lease = before; // nobody has been told
  leasePlan(sa, sa.sequence);
  return true;
}
