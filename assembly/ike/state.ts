/**
 * Legal moves of IKE_SAs and CHILD_SAs: two tables, asked before a state is assigned.
 *
 *   IKE_SA    CONNECTING -> ESTABLISHED <-> REKEYING -> REKEYED -> DELETING -> FREE; any may be deleted or freed
 *   CHILD_SA  CREATED -> INSTALLING -> INSTALLED <-> REKEYING -> REKEYED -> DELETING -> FREE
 *             INSTALLING -> REKEYED: the redundant one of a collision; REKEYED -> INSTALLED: what replaced it is gone
 */
import {
  CHILD_STATE_CREATED,
  CHILD_STATE_DELETING,
  CHILD_STATE_FREE,
  CHILD_STATE_INSTALLED,
  CHILD_STATE_INSTALLING,
  CHILD_STATE_REKEYED,
  CHILD_STATE_REKEYING,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_FREE,
  IKE_STATE_REKEYED,
  IKE_STATE_REKEYING,
} from "../abi/management";

/** Row: from; bit: to. */
// prettier-ignore
const ikeMoves: usize = memory.data<u32>([
  /* FREE        */ 1 << IKE_STATE_CONNECTING,
  /* CONNECTING  */ (1 << IKE_STATE_ESTABLISHED) | (1 << IKE_STATE_DELETING) | (1 << IKE_STATE_FREE),
  /* ESTABLISHED */ (1 << IKE_STATE_REKEYING) | (1 << IKE_STATE_REKEYED) | (1 << IKE_STATE_DELETING) | (1 << IKE_STATE_FREE),
  /* REKEYING    */ (1 << IKE_STATE_ESTABLISHED) | (1 << IKE_STATE_REKEYED) | (1 << IKE_STATE_DELETING) | (1 << IKE_STATE_FREE),
  /* REKEYED     */ (1 << IKE_STATE_DELETING) | (1 << IKE_STATE_FREE),
  /* DELETING    */ 1 << IKE_STATE_FREE,
]);

// prettier-ignore
const childMoves: usize = memory.data<u32>([
  /* FREE       */ 1 << CHILD_STATE_CREATED,
  /* CREATED    */ (1 << CHILD_STATE_INSTALLING) | (1 << CHILD_STATE_DELETING) | (1 << CHILD_STATE_FREE),
  /* INSTALLING */ (1 << CHILD_STATE_INSTALLED) | (1 << CHILD_STATE_REKEYED) | (1 << CHILD_STATE_DELETING) | (1 << CHILD_STATE_FREE),
  /* INSTALLED  */ (1 << CHILD_STATE_REKEYING) | (1 << CHILD_STATE_REKEYED) | (1 << CHILD_STATE_DELETING) | (1 << CHILD_STATE_FREE),
  /* REKEYING   */ (1 << CHILD_STATE_INSTALLED) | (1 << CHILD_STATE_REKEYED) | (1 << CHILD_STATE_DELETING) | (1 << CHILD_STATE_FREE),
  /* REKEYED    */ (1 << CHILD_STATE_INSTALLED) | (1 << CHILD_STATE_DELETING) | (1 << CHILD_STATE_FREE),
  /* DELETING   */ 1 << CHILD_STATE_FREE,
]);

/** True when an IKE_SA may go from one IKE_STATE_* to another. */
export function ikeMayMove(from: u32, to: u32): bool {
  return from <= IKE_STATE_DELETING && ((load<u32>(ikeMoves + <usize>(from << 2)) >> to) & 1) != 0;
}

/** True when a CHILD_SA may go from one CHILD_STATE_* to another. */
export function childMayMove(from: u32, to: u32): bool {
  return from <= CHILD_STATE_DELETING && ((load<u32>(childMoves + <usize>(from << 2)) >> to) & 1) != 0;
}
