/**
 * Leases of sequence numbers: what lets another board take an SA over when this one dies, with no number used or accepted twice.
 *
 *    outbound   numbers up to the lease are sent; the next lease is asked for when half of it is used
 *    inbound    numbers up to the lease are accepted, likewise
 *
 * When this board is gone, its successor begins where the lease ends; inbound, where the IKE board has seen every packet that was given to this one,
 * at the highest of their numbers if that is lower (distribution/forwarded.ts). Whatever happens to a board, or to its clock, at most one lease
 * of numbers is lost, and none repeated. A sender may jump, as one does that has itself been taken over: a packet beyond the lease waits
 * (lease_held.ts) until the IKE board has answered; a clear packet for which there is no number left is dropped as lease_wait.
 */
import { DROP_LEASE_WAIT } from "../abi/drop";
import {
  DIRECTION_INBOUND,
  LEASE_ASKS,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  MESSAGE_LENGTH,
} from "../abi/message";
import { now } from "../rt/registers";
import { NS_PER_MS, REPEAT_MS, heldReached, heldReset, heldTimeout } from "./lease_held";
import { isOrphaned, leaseExtend, orphanedReset, tellTimeout } from "./lease_orphaned";
import { leaseWatch, watchReset, watchTimeout } from "./lease_watch";
import { leasePlan, leaseWish } from "./lease_wish";
import { findNamed } from "./local_database";
import { rehearsing } from "./rehearsal";
import { SHAPE_OWN_LEASE, Sa, hasOwnLease } from "./sa";
import { PASS } from "./tunnel";

/** A verdict beyond drop reasons and those of tunnel.ts: the packet waits for its SA's lease. */
export const LEASE_AWAITED: u32 = PASS + 3;

/** The lease that came last asks for a wish. */
let asked: bool = false;

/** `seen`: all inbound packets come by the IKE board while there is one. */
export function leaseReset(seen: bool): void {
  asked = false;
  heldReset();
  orphanedReset();
  watchReset(seen);
}

/** The lease of a fresh SA, or of one whose sequence number has been set: `lease` 0 is none. */
export function leaseStart(sa: Sa, lease: u64): void {
  // A repetition of what the SA was installed with, which knows nothing of what it used since.
  if (hasOwnLease(sa) && lease != 0 && lease < sa.lease) return;
  sa.shape &= <u16>~SHAPE_OWN_LEASE;
  sa.lease = lease;
  if (lease == 0) sa.askAt = u64.MAX_VALUE;
  else leasePlan(sa, sa.sequence);
}

/** An outbound SA wants its next number: PASS, or DROP_LEASE_WAIT. The caller has seen that sequence >= askAt. */
export function leaseOutbound(sa: Sa): u32 {
  if (isOrphaned() && !rehearsing()) {
    leaseExtend(sa, sa.sequence);
    return PASS;
  }
  const left = sa.lease - min<u64>(sa.sequence, sa.lease);
  if (rehearsing()) return left == 0 ? DROP_LEASE_WAIT : PASS;
  if (left != 0) {
    leaseWish(sa, sa.sequence, sa.sequence);
    sa.askAt = sa.sequence + ((left + 1) >> 1);
    return PASS;
  }
  if (now() - sa.movedAt >= <u64>REPEAT_MS * NS_PER_MS) leaseWish(sa, sa.sequence, sa.sequence);
  return DROP_LEASE_WAIT;
}

/** True when an inbound SA may accept this number, which its caller has seen to be askAt at least. */
export function leaseInbound(sa: Sa, sequence: u64): bool {
  if (isOrphaned() && !rehearsing()) {
    leaseExtend(sa, sequence);
    return true;
  }
  if (sequence > sa.lease) return false;
  if (rehearsing()) return true;
  leaseWish(sa, sequence, max<u64>(sequence, heldReached(sa)));
  sa.askAt = sequence + ((sa.lease - sequence) >> 1) + 1;
  return true;
}

/** MESSAGE_LEASE, opened, of LEASE_SERIAL octets at least: the SA, or null when it is not here. leaseNext yields what may go on, and leaseTold ends it. */
export function leaseTake(p: usize): Sa | null {
  const sa = findNamed(load<u32>(p, LEASE_SPI), load<u32>(p, LEASE_DIRECTION), load<u32>(p, LEASE_LINK));
  if (!sa || sa.lease == 0) return null;
  const granted = load<u64>(p, LEASE_SEQUENCE);
  if (granted >= sa.lease && !isOrphaned()) sa.shape &= <u16>~SHAPE_OWN_LEASE;
  sa.lease = max<u64>(sa.lease, granted);
  leasePlan(sa, sa.sequence);
  const octets = load<u32>(p, MESSAGE_LENGTH);
  asked = octets >= LEASE_OCTETS && load<u32>(p, LEASE_ASKS) != 0;
  if (<u32>sa.direction == DIRECTION_INBOUND && octets >= LEASE_ASKS) leaseWatch(sa, load<u32>(p, LEASE_SERIAL));
  return sa;
}

/** What waited for the lease has gone on: the wish that it asks for. */
export function leaseTold(sa: Sa): void {
  if (asked) leaseWish(sa, sa.sequence, heldReached(sa));
  asked = false;
}

/** Does what is due; returns when to come again. */
export function leaseTimeout(): u64 {
  return min<u64>(min<u64>(heldTimeout(), watchTimeout()), tellTimeout());
}
