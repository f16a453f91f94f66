/** When the next lease of an SA is asked for, and asking for it (lease.ts). */
import { DIRECTION_OUTBOUND } from "../abi/message";
import { now } from "../rt/registers";
import { reportLease } from "./control_out";
import { Sa, hasOwnLease } from "./sa";

/** Asks again when half of what is left behind `from` is used. */
export function leasePlan(sa: Sa, from: u64): void {
  sa.askAt = from >= sa.lease ? sa.lease : from + ((sa.lease - from) >> 1);
}

/** Asks for a lease in which `wanted` is; false when that did not go. `reached`: the highest number that has been accepted, or waits. */
export function leaseWish(sa: Sa, wanted: u64, reached: u64): bool {
  if (<u32>sa.direction == DIRECTION_OUTBOUND) sa.movedAt = now();
  return reportLease(sa, wanted, reached, hasOwnLease(sa) ? 0 : sa.lease);
}
