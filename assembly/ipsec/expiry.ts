/**
 * The life of an SA in packets, octets and sequence numbers (RFC 4301 4.4.2.1). Soft limits raise SA_EXPIRING, which asks
 * the IKE board to rekey; hard ones end the SA's use, which is told in the same way. Life in seconds is the IKE board's.
 *
 * SA_EXPIRING is repeated while traffic goes on and nobody has replaced the SA: the message may get lost.
 */
import { DROP_SA_EXPIRED, DROP_SEQUENCE_CYCLED } from "../abi/drop";
import {
  EXPIRED_OCTETS,
  EXPIRED_PACKETS,
  EXPIRED_SEQUENCE,
  EXPIRING_OCTETS,
  EXPIRING_PACKETS,
  EXPIRING_SEQUENCE,
  DIRECTION_OUTBOUND,
  MESSAGE_SA_EXPIRING,
  SA_FLAG_ESN,
} from "../abi/message";
import { now } from "../rt/registers";
import { report } from "./control_out";
import { rehearsing } from "./rehearsal";
import { Sa } from "./sa";

/** Shortest time between two SA_EXPIRING of one SA, in ns. */
const REPEAT: u64 = 1_000_000_000;
/** How many numbers before the last one a rekey is asked for: 1/16 of a 32-bit counter. */
const SEQUENCE_RESERVE: u64 = 0x10000000;

/** The last sequence number that an SA may send. */
// @ts-ignore: decorator
@inline
export function lastSequence(sa: Sa): u64 {
  return (sa.flags & SA_FLAG_ESN) != 0 ? u64.MAX_VALUE : 0xffffffff;
}

/** True while one more packet of `octets` stays within the hard limits. */
// @ts-ignore: decorator
@inline
export function withinLife(sa: Sa, octets: u32): bool {
  if (sa.hardPackets != 0 && sa.packets >= sa.hardPackets) return false;
  return sa.hardOctets == 0 || sa.octets + <u64>octets <= sa.hardOctets;
}

/** A hard limit refuses a packet: the drop reason, after the IKE board was told. */
export function lifeOver(sa: Sa): u32 {
  const packets = sa.hardPackets != 0 && sa.packets >= sa.hardPackets;
  tell(sa, packets ? EXPIRED_PACKETS : EXPIRED_OCTETS);
  return DROP_SA_EXPIRED;
}

/** The same for the last sequence number. */
export function sequenceOver(sa: Sa): u32 {
  tell(sa, EXPIRED_SEQUENCE);
  return DROP_SEQUENCE_CYCLED;
}

function tell(sa: Sa, cause: u32): void {
  if (rehearsing()) return;
  const time = now();
  if (time >= sa.expiringAt && report(MESSAGE_SA_EXPIRING, sa, cause)) sa.expiringAt = time + REPEAT;
}

/** Counts a packet of `octets` clear octets that the SA has done, and raises SA_EXPIRING when a soft limit is crossed. */
export function countUse(sa: Sa, octets: u32): void {
  sa.packets += 1;
  sa.octets += <u64>octets;
  sa.lastUsed = now();
  let cause: u32 = 0;
  if (sa.softPackets != 0 && sa.packets >= sa.softPackets) cause = EXPIRING_PACKETS;
  else if (sa.softOctets != 0 && sa.octets >= sa.softOctets) cause = EXPIRING_OCTETS;
  else if (<u32>sa.direction == DIRECTION_OUTBOUND && sa.sequence > lastSequence(sa) - SEQUENCE_RESERVE) {
    cause = EXPIRING_SEQUENCE;
  }
  if (cause != 0) tell(sa, cause);
}
