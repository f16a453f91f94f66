/**
 * Rekeys in steps (RFC 9370 section 2.2.4): what of a CREATE_CHILD_SA with additional key exchanges waits for the IKE_FOLLOWUP_KE
 * exchanges behind it. Ours is an exchange that takes longer: outStep tells. The peer's leaves the window free between the steps;
 * the CHILD_SA or IKE_SA that is to come of it stands in followChild or followSa, and what it does not come back for is forgotten.
 */
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { ADDKE_MAX } from "../wire/ike_payload/sa";
import { ChildSa } from "./child_sa";
import { IkeSa, OUT_FOLLOWUP, OUT_FOLLOWUP_AGREE, OUT_FOLLOWUP_KEY } from "./ike_sa";
import { Suite, suiteNextAdditional } from "./proposal";
import { secretsFree } from "./secrets";
import { FOLLOWUP_TIME } from "./settings";
import { TIMER_CHILD_LIFE, TIMER_EXPIRE, timerChild, timerSa } from "./timer";

/** True when a suite has additional key exchanges. */
export function suiteAdds(suite: Suite): bool {
  return suiteNextAdditional(suite, 0) < ADDKE_MAX;
}

/** True while a rekey of ours is in its steps. */
export function followsOut(sa: IkeSa): bool {
  const step = sa.outStep;
  return step == OUT_FOLLOWUP_KEY || step == OUT_FOLLOWUP || step == OUT_FOLLOWUP_AGREE;
}

/** True while one of the peer's is, between the exchanges. */
export function followsIn(sa: IkeSa): bool {
  return sa.followChild >= 0 || sa.followSa >= 0;
}

/** The peer is to come back for its CHILD_SA. */
export function followupAwaitChild(sa: IkeSa, child: ChildSa): void {
  sa.followChild = <i32>child.link;
  deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + FOLLOWUP_TIME);
}

/** The peer is to come back for its IKE_SA. */
export function followupAwaitIke(old: IkeSa, sa: IkeSa): void {
  old.followSa = <i32>sa.index;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + FOLLOWUP_TIME);
}

/** It has: the exchange in hand takes them over. */
export function followupResume(sa: IkeSa): void {
  if (sa.followChild >= 0) deadlineClear(timerChild(<u32>sa.followChild, TIMER_CHILD_LIFE));
  if (sa.followSa >= 0) deadlineClear(timerSa(<u32>sa.followSa, TIMER_EXPIRE));
  sa.inChild = sa.followChild;
  sa.inSa = sa.followSa;
  sa.followChild = -1;
  sa.followSa = -1;
}

/** Forgets the secrets of ours. */
export function followupOutForget(sa: IkeSa): void {
  secretsFree(sa.secretsOut);
  sa.secretsOut = 0;
}

/** Forgets the secrets of the peer's, and what was to come of them. */
export function followupInForget(sa: IkeSa): void {
  secretsFree(sa.secretsIn);
  sa.secretsIn = 0;
  sa.followChild = -1;
  sa.followSa = -1;
}
