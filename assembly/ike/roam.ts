/**
 * Our own addresses have changed (MANAGEMENT_LOCAL_ADDRESSES): every IKE_SA with MOBIKE is looked at, some in each poll, so that the
 * messages of a full table find their frames.
 */
import { IKE_STATE_ESTABLISHED, IKE_STATE_REKEYING } from "../abi/management";
import { mobikeRoam } from "./exchange/mobike";
import { ikeSaAt } from "./ike_sa";
import { proceed } from "./life";
import { ikeSaCapacity } from "./settings";

/** Of one poll: table entries that are looked at, and IKE_SAs that have something to say. */
const BUDGET: u32 = 4096;
const SPEAKERS: u32 = 32;
const IDLE: u32 = 0xffffffff;

let cursor: u32 = 0xffffffff; // IDLE

export function roamReset(): void {
  cursor = IDLE;
}

export function roamStart(): void {
  cursor = 0;
}

/** True while IKE_SAs are still to be looked at. */
export function roamBusy(): bool {
  return cursor != IDLE;
}

/** Once per poll. */
export function roamContinue(): void {
  let speakers: u32 = 0;
  for (let i: u32 = 0; cursor != IDLE && i < BUDGET && speakers < SPEAKERS; i++) {
    const sa = ikeSaAt(cursor);
    cursor += 1;
    if (cursor == ikeSaCapacity) cursor = IDLE;
    if (sa.mobike == 0 || sa.older >= 0) continue;
    if (sa.state != IKE_STATE_ESTABLISHED && sa.state != IKE_STATE_REKEYING) continue;
    speakers += 1;
    mobikeRoam(sa);
    proceed(sa);
  }
}
