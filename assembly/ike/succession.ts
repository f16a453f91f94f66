/**
 * Which new IKE_SA inherits the CHILD_SAs of one that is rekeyed (RFC 7296 section 2.18, 2.8.2, 2.25.2).
 *
 * With one exchange its IKE_SA inherits at once. When both ends rekey at once there are two, and until both exchanges are
 * over the CHILD_SAs stay where they are; then the one with the lowest nonce (collision.ts) is redundant: who asked for it
 * deletes it, and who asked for the other one deletes the old one. What the peer does settles it sooner: it made its own
 * choice when it
 *
 *   deletes the old one                its own IKE_SA, which we have answered, inherits; ours is forgotten
 *   speaks of anything else on one     that one inherits
 *   deletes one                        the other one inherits
 */
import { EVENT_IKE_REKEY, IKE_STATE_ESTABLISHED, IKE_STATE_REKEYED, IKE_STATE_REKEYING } from "../abi/management";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { childMoveOver, childSaAt } from "./child_sa";
import { ikeIsRedundant } from "./collision";
import { followsOut, followupOutForget } from "./followup";
import {
  IN_FOLLOWUP,
  IN_REKEY_AGREE,
  IN_REKEY_KEY,
  IkeSa,
  OUT_FOLLOWUP_KEY,
  OUT_REKEY,
  OUT_REKEY_AGREE,
  OUT_REKEY_KEY,
  WANT_DELETE,
  WANT_QCD,
  ikeMove,
  ikeSaAt,
} from "./ike_sa";
import { jobDestroy } from "./job";
import { CAUSE_LOCAL, LIFE_REPLACED, childDown, embryoFree, ikeUp, proceed } from "./life";
import { reauthInherit } from "./reauthentication";
import { reportSa } from "./report";
import { REPLACED_TIME, crashDetection } from "./settings";
import { TIMER_EXPIRE, TIMER_KEEPALIVE, TIMER_LIFE, timerSa } from "./timer";
import { virtualInherit } from "./virtual_ip";
import { requestDone } from "./window";

/** True while our own request to rekey `old` is under way. */
function asking(old: IkeSa): bool {
  const step = old.outStep;
  if (followsOut(old)) return old.outSa >= 0;
  return step == OUT_REKEY_KEY || step == OUT_REKEY || step == OUT_REKEY_AGREE;
}

/** True while the peer's request to rekey `old` is being answered. */
function answering(old: IkeSa): bool {
  const step = old.inStep;
  return (
    old.followSa >= 0 || (old.inSa >= 0 && (step == IN_REKEY_KEY || step == IN_REKEY_AGREE || step == IN_FOLLOWUP))
  );
}

/** The IKE_SA that is to come of it. */
function answered(old: IkeSa): IkeSa {
  return ikeSaAt(<u32>(old.followSa >= 0 ? old.followSa : old.inSa));
}

/** The new IKE_SA is there: by our request, or the peer's. Who inherits is decided as soon as it can be. */
export function successionBorn(old: IkeSa, sa: IkeSa): void {
  ikeMove(sa, IKE_STATE_ESTABLISHED);
  sa.parent = 0;
  sa.lastHeard = now();
  sa.older = <i32>old.index;
  if (sa.initiator != 0) old.newOut = <i32>sa.index;
  else old.newIn = <i32>sa.index;
  if (old.state == IKE_STATE_ESTABLISHED || old.state == IKE_STATE_REKEYING) successionSettle(old);
  else retire(sa);
}

/** Decides, unless an exchange that matters is still open. True when somebody has inherited. */
export function successionSettle(old: IkeSa): bool {
  if (asking(old)) return false;
  const ours = alive(old.newOut);
  const theirs = alive(old.newIn);
  if (ours && answering(old) && ikeIsRedundant(ours, answered(old))) return false;
  if (ours && theirs) {
    const redundant = ikeIsRedundant(ours, theirs) ? ours : theirs;
    inherit(old, redundant == ours ? theirs : ours);
    retire(redundant);
    return true;
  }
  const one = ours ? ours : theirs;
  if (!one) return false;
  inherit(old, one);
  return true;
}

function alive(index: i32): IkeSa | null {
  return index >= 0 && ikeSaAt(<u32>index).state == IKE_STATE_ESTABLISHED ? ikeSaAt(<u32>index) : null;
}

/** `sa` has the CHILD_SAs from now on. Who asked for it deletes the old one; the other one does when that does not happen. */
function inherit(old: IkeSa, sa: IkeSa): void {
  detach(old, sa);
  if (old.followChild >= 0) childDown(childSaAt(<u32>old.followChild), CAUSE_LOCAL);
  while (old.firstChild >= 0) {
    const child = childSaAt(<u32>old.firstChild);
    childMoveOver(child, old, sa);
  }
  virtualInherit(sa, old);
  sa.redirectTo = old.redirectTo;
  old.redirectTo = 0;
  // What the operator asked of the old one was meant for whoever carries on.
  if (old.terminated != 0) {
    sa.terminated = 1;
    sa.want |= WANT_DELETE;
  }
  old.lifeStage = LIFE_REPLACED;
  old.want = 0;
  deadlineClear(timerSa(old.index, TIMER_LIFE));
  deadlineClear(timerSa(old.index, TIMER_KEEPALIVE));
  ikeMove(old, IKE_STATE_REKEYED);
  deadlineSet(timerSa(old.index, TIMER_EXPIRE), now() + REPLACED_TIME);
  reauthInherit(old, sa);
  ikeUp(sa);
  if (crashDetection) sa.want |= WANT_QCD;
  reportSa(EVENT_IKE_REKEY, true, sa, null);
  proceed(sa);
  if (sa.initiator == 0) return;
  old.want = WANT_DELETE;
  proceed(old);
}

/** A new IKE_SA that is redundant: who asked for it deletes it. */
function retire(sa: IkeSa): void {
  detach(ikeSaAt(<u32>sa.older), sa);
  sa.lifeStage = LIFE_REPLACED;
  ikeMove(sa, IKE_STATE_REKEYED);
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + REPLACED_TIME);
  if (sa.initiator == 0) return;
  sa.want = WANT_DELETE;
  proceed(sa);
}

function detach(old: IkeSa, sa: IkeSa): void {
  sa.older = -1;
  if (old.newOut == <i32>sa.index) old.newOut = -1;
  if (old.newIn == <i32>sa.index) old.newIn = -1;
}

/** Our own request is forgotten: its answer would come too late. */
function forget(old: IkeSa): void {
  if (!asking(old)) return;
  jobDestroy(old.outKey);
  old.outKey = 0;
  followupOutForget(old);
  if (old.outSa >= 0) embryoFree(<u32>old.outSa);
  const sent = old.outStep != OUT_REKEY_KEY && old.outStep != OUT_FOLLOWUP_KEY;
  requestDone(old);
  if (!sent) old.outId -= 1;
}

/** The peer uses `sa` for more than to delete it: it has inherited there, and does here. */
export function successionAdopt(sa: IkeSa): void {
  if (sa.older < 0 || sa.state != IKE_STATE_ESTABLISHED) return;
  const old = ikeSaAt(<u32>sa.older);
  const other = sa.initiator != 0 ? alive(old.newIn) : alive(old.newOut);
  if (!asking(old) && other) retire(other);
  inherit(old, sa);
}

/**
 * The old IKE_SA ends, deleted by the peer or because nobody answers on it any more: the one that the peer asked for
 * inherits, else ours if it is there. False: there is none, and its CHILD_SAs end with it.
 */
export function successionForced(old: IkeSa): bool {
  const theirs = alive(old.newIn);
  const one = theirs ? theirs : alive(old.newOut);
  if (!one) return false;
  forget(old);
  const other = alive(old.newOut);
  inherit(old, one);
  if (other && one.initiator == 0) retire(other);
  return true;
}

/** An IKE_SA goes. Those that were to replace it go with it; the one that it was to replace decides without it. */
export function successionGone(sa: IkeSa): void {
  const ours = sa.newOut;
  const theirs = sa.newIn;
  if (ours >= 0) orphan(sa, ikeSaAt(<u32>ours));
  if (theirs >= 0) orphan(sa, ikeSaAt(<u32>theirs));
  if (sa.older < 0) return;
  const old = ikeSaAt(<u32>sa.older);
  detach(old, sa);
  if (successionSettle(old) || asking(old) || old.state != IKE_STATE_REKEYING) return;
  ikeMove(old, IKE_STATE_ESTABLISHED);
  proceed(old);
}

function orphan(old: IkeSa, sa: IkeSa): void {
  detach(old, sa);
  if (sa.state != IKE_STATE_ESTABLISHED) return;
  sa.lifeStage = LIFE_REPLACED;
  ikeMove(sa, IKE_STATE_REKEYED);
  sa.want = WANT_DELETE;
  proceed(sa);
}
