/**
 * Leases while there is no IKE board (MANAGEMENT_ORPHANED). Nobody else can have the SAs then, and leases are extended here, OWN numbers at a
 * time. When an IKE board is back, it is asked for each lease of that kind until it has granted it; until all are, the chassis lets nobody take
 * the SAs over.
 */
import { LEASE_MIN } from "../abi/config";
import { DIRECTION_INBOUND } from "../abi/message";
import { now } from "../rt/registers";
import { heldFirst, heldHighest, heldReached } from "./lease_held";
import { leasePlan, leaseWish } from "./lease_wish";
import { localDatabaseRecords, saAt } from "./local_database";
import { SHAPE_OWN_LEASE, Sa, hasOwnLease } from "./sa";

/** Numbers that a lease is extended by without an IKE board. */
const OWN: u64 = 16384;
/** Records that one poll looks at for leases that were. */
const TELL_BUDGET: u32 = 2048;
const TELL_NS: u64 = 20_000_000;

/** There is no IKE board; and the number that the chassis gave to this state. */
let orphaned: bool = false;
let orphanage: u32 = 0;
/** There is an IKE board again, and it is being told. */
let telling: bool = false;
/** It knows all, and the chassis does not know that. */
let settled: bool = false;
let tellCursor: u32 = 0;
/** The walk has met a lease of our own making. */
let met: bool = false;
let tellAt: u64 = 0;

export function orphanedReset(): void {
  orphaned = false;
  telling = false;
  settled = false;
}

// @ts-ignore: decorator
@inline
export function isOrphaned(): bool {
  return orphaned;
}

/** There is no IKE board, and for a while there will be none. */
export function leaseOrphan(number: u32): void {
  orphaned = true;
  orphanage = number;
  telling = false;
  settled = false;
}

/** There is one again: it is told of what was used and accepted without it. */
export function leaseAdopted(): void {
  if (!orphaned) return;
  orphaned = false;
  telling = true;
  tellCursor = 0;
  met = false;
  tellAt = now();
}

/** True when the IKE board has granted all leases that were of our own making, until leaseSettle. */
export function leaseIsSettled(): bool {
  return settled;
}

/** What the chassis called the time that is over. */
export function leaseOrphanage(): u32 {
  return orphanage;
}

/** The chassis has been told. */
export function leaseSettle(): void {
  settled = false;
}

/** Without an IKE board: the SA of the first packet that waits, its lease extended, so that all of its packets go on; null: none waits. */
export function leaseFree(): Sa | null {
  if (!orphaned) return null;
  const frame = heldFirst();
  if (!frame) return null;
  const sa = changetype<Sa>(<usize>frame.scratch0);
  leaseExtend(sa, heldHighest(sa));
  return sa;
}

/** A lease of our own behind `from`. */
export function leaseExtend(sa: Sa, from: u64): void {
  sa.shape |= <u16>SHAPE_OWN_LEASE;
  sa.lease = max<u64>(sa.lease, from + OWN);
  leasePlan(sa, max<u64>(sa.sequence, from));
}

/** Asks for leases that are of our own making; returns when to come again. */
export function tellTimeout(): u64 {
  if (!telling) return u64.MAX_VALUE;
  if (now() < tellAt) return tellAt;
  const records = localDatabaseRecords();
  for (let budget = TELL_BUDGET; budget > 0 && tellCursor < records; budget--) {
    const sa = saAt(tellCursor);
    if (sa.spi != 0 && hasOwnLease(sa)) {
      met = true;
      // Nobody has granted it, so it may be less: the next lease says how many the SA needs.
      if (<u32>sa.direction == DIRECTION_INBOUND) {
        sa.lease = min<u64>(sa.lease, sa.sequence + <u64>LEASE_MIN);
        leasePlan(sa, sa.sequence);
      }
      if (!leaseWish(sa, sa.lease, heldReached(sa))) break;
    }
    tellCursor += 1;
  }
  if (tellCursor < records) return now();
  // A whole walk without one: they have all been granted.
  telling = met;
  settled = !met;
  tellCursor = 0;
  met = false;
  tellAt = now() + TELL_NS;
  return telling ? tellAt : u64.MAX_VALUE;
}
