/**
 * How one CHILD_SA takes over from another, and which of two does when both ends rekey at once (RFC 7296 section 2.8, 2.8.1).
 *
 * Nothing is sent on a new CHILD_SA before it is certain that the peer can receive on it:
 *
 *   who asked      has the answer, so the peer is ready: inbound to the boards, then outbound, then the old one is deleted
 *   who answered   inbound to the boards, then the answer; outbound is held until the old one is deleted, by the peer or,
 *                  when that takes too long, by us
 *
 * In a collision each end has one of either kind. Who asked for the redundant one (collision.ts) deletes it, and leaves the
 * old one to the peer, whose own took its place. Ours is undecided while it would be redundant only if the peer's comes to
 * be. Should a replacement go before the old one went, the old one is what it was.
 */
import {
  CHILD_STATE_CREATED,
  CHILD_STATE_DELETING,
  CHILD_STATE_INSTALLED,
  CHILD_STATE_INSTALLING,
  CHILD_STATE_REKEYED,
  CHILD_STATE_REKEYING,
  EVENT_CHILD_REKEY,
  EVENT_CHILD_UPDOWN,
} from "../abi/management";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import {
  CHILD_EVENT_INSTALL_OUT,
  CHILD_WANT_DELETE,
  CHILD_WANT_REKEY,
  ChildSa,
  OUTBOUND_HELD,
  OUTBOUND_LIVE,
  OUTBOUND_RAISED,
  REPLACED_NOT,
  REPLACED_REKEY,
  childConfig,
  childMove,
  childSaAt,
} from "./child_sa";
import { childIsRedundant } from "./collision";
import { eventRaise, eventRemove } from "./event";
import { ikeSaAt, jitter } from "./ike_sa";
import { childAgain, childDelete, childUp, proceed } from "./life";
import { reportAlert, reportSa, text } from "./report";
import { INSTALL_TIME, REPLACED_TIME, SECOND } from "./settings";
import { TIMER_CHILD_LIFE, TIMER_CHILD_REKEY, timerChild } from "./timer";

/** Tries a rekey again after a few seconds, not in step with the peer. */
export function rekeyLater(old: ChildSa): void {
  deadlineSet(timerChild(old.link, TIMER_CHILD_REKEY), now() + 3 * SECOND + jitter(10));
}

/** Another CHILD_SA takes over, or took: the peer deletes this one, or we do after a while. */
export function childReplaced(child: ChildSa): void {
  childMove(child, CHILD_STATE_REKEYED);
  child.replaced = REPLACED_REKEY;
  child.want &= ~CHILD_WANT_REKEY;
  deadlineClear(timerChild(child.link, TIMER_CHILD_REKEY));
  deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + REPLACED_TIME);
}

/** What was to replace it is gone: it goes on, and is rekeyed some other time. */
export function childRestored(old: ChildSa): void {
  childMove(old, CHILD_STATE_INSTALLED);
  old.replaced = REPLACED_NOT;
  deadlineClear(timerChild(old.link, TIMER_CHILD_LIFE));
  const life = childConfig(old).lifeTime;
  if (life != 0)
    deadlineSet(timerChild(old.link, TIMER_CHILD_LIFE), max<u64>(now(), old.installed + <u64>life * SECOND));
  rekeyLater(old);
}

/** True when a CHILD_SA is, or will be, there to stay. */
function stays(child: ChildSa): bool {
  return child.state < CHILD_STATE_REKEYED && (child.want & CHILD_WANT_DELETE) == 0;
}

/** The replacement of `old` that we, or the peer, asked for; null when there is none or it is going. */
export function replacementOf(old: ChildSa, ours: bool): ChildSa | null {
  const sa = ikeSaAt(<u32>old.sa);
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if (child.rekeys != <i32>old.link || (child.initiator != 0) != ours) continue;
    if (stays(child)) return child;
  }
  return null;
}

/** Whose rival is `child`: ours, when the peer's is `child`. */
function rivalOf(child: ChildSa): ChildSa | null {
  const sa = ikeSaAt(<u32>child.sa);
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next)
    if (childSaAt(<u32>i).rival == <i32>child.link && stays(childSaAt(<u32>i))) return childSaAt(<u32>i);
  return null;
}

/** The outbound half may be used now. */
export function outboundRaise(child: ChildSa): void {
  child.outbound = OUTBOUND_RAISED;
  child.waiting |= CHILD_EVENT_INSTALL_OUT;
  eventRaise(child, CHILD_EVENT_INSTALL_OUT);
}

/** Ours, its inbound half in place: it takes over, is redundant, or waits for the peer's to be answered. */
export function replacementDecide(child: ChildSa): void {
  child.undecided = 0;
  if ((child.want & CHILD_WANT_DELETE) != 0) return withdraw(child);
  if (child.rival >= 0) {
    const rival = childSaAt(<u32>child.rival);
    if (childIsRedundant(child, rival)) {
      if (rival.state <= CHILD_STATE_INSTALLING) {
        child.undecided = 1;
        deadlineClear(timerChild(child.link, TIMER_CHILD_LIFE));
        return;
      }
      return withdraw(child);
    }
  }
  deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + INSTALL_TIME);
  outboundRaise(child);
}

/** Ours is redundant: we delete it, and the peer the old one. */
function withdraw(child: ChildSa): void {
  child.undecided = 0;
  const old = child.rekeys >= 0 ? childSaAt(<u32>child.rekeys) : null;
  if (old && old.state == CHILD_STATE_REKEYING) childReplaced(old);
  childReplaced(child);
  child.want = CHILD_WANT_DELETE;
  proceed(ikeSaAt(<u32>child.sa));
}

/** Ours, both halves in place: traffic has moved, the old one is deleted. */
export function replacementUp(child: ChildSa): void {
  const sa = ikeSaAt(<u32>child.sa);
  child.outbound = OUTBOUND_LIVE;
  childUp(child);
  reportSa(EVENT_CHILD_REKEY, true, sa, child);
  // The peer's is redundant, and the peer's to delete.
  if (child.rival >= 0 && childSaAt(<u32>child.rival).state == CHILD_STATE_INSTALLED)
    childReplaced(childSaAt(<u32>child.rival));
  const old = child.rekeys >= 0 ? childSaAt(<u32>child.rekeys) : null;
  if (!old || old.state == CHILD_STATE_DELETING) return proceed(sa);
  if (old.state != CHILD_STATE_REKEYED) childReplaced(old);
  childDelete(old);
}

/** Ours found no board. The peer has it already and is told; what it was to replace stays, for another try. */
export function replacementUnplaced(child: ChildSa): void {
  const sa = ikeSaAt(<u32>child.sa);
  deadlineClear(timerChild(child.link, TIMER_CHILD_LIFE));
  childMove(child, CHILD_STATE_INSTALLED);
  child.want = CHILD_WANT_DELETE;
  const old = child.rekeys >= 0 ? childSaAt(<u32>child.rekeys) : null;
  if (!old) {
    if (child.replaces == 0) childAgain(child);
  } else if (old.state == CHILD_STATE_REKEYING) {
    childMove(old, CHILD_STATE_INSTALLED);
    rekeyLater(old);
  }
  proceed(sa);
}

/** Ours was refused by the peer: the old one goes on, or is the peer's to delete when the peer has replaced it. */
export function replacementRefused(old: ChildSa): void {
  if (old.state != CHILD_STATE_REKEYING) return;
  childMove(old, CHILD_STATE_INSTALLED);
  const theirs = replacementOf(old, false);
  if (theirs && theirs.state >= CHILD_STATE_INSTALLED) childReplaced(old);
  else rekeyLater(old);
}

/** The peer's was answered: it is the one that stays, the redundant one, or that is still open. */
export function replacementAnswered(child: ChildSa): void {
  const sa = ikeSaAt(<u32>child.sa);
  const ours = rivalOf(child);
  if (ours && ours.undecided != 0) return withdraw(ours);
  if (ours && (ours.outbound != OUTBOUND_HELD || ours.state >= CHILD_STATE_INSTALLED)) return childReplaced(child);
  if (child.rekeys < 0) {
    // New, or what it was to replace is gone already.
    if (child.outbound != OUTBOUND_HELD) child.outbound = OUTBOUND_LIVE;
    else if (child.shadow == 0) outboundRaise(child);
    return reportSa(EVENT_CHILD_UPDOWN, true, sa, child);
  }
  const old = childSaAt(<u32>child.rekeys);
  // While ours is under way the old one is on both our hands.
  if (!ours && old.state == CHILD_STATE_INSTALLED) childReplaced(old);
}

/** The old one goes: the peer can receive on what replaces it. True when something does. */
export function replacementTakesOver(old: ChildSa): bool {
  const sa = ikeSaAt(<u32>old.sa);
  let taken = false;
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if (child.rekeys != <i32>old.link || (child.want & CHILD_WANT_DELETE) != 0) continue;
    if (child.state != CHILD_STATE_INSTALLED && child.state != CHILD_STATE_REKEYING) continue;
    taken = true;
    if (child.outbound != OUTBOUND_HELD) continue;
    outboundRaise(child);
    reportSa(EVENT_CHILD_REKEY, true, sa, child);
  }
  if (!taken) return false;
  // The peer's took over before ours was answered, or decided on: whatever becomes of it, it is not wanted any more.
  const ours = replacementOf(old, true);
  if (ours && (ours.state == CHILD_STATE_CREATED || ours.state == CHILD_STATE_INSTALLING))
    ours.want |= CHILD_WANT_DELETE;
  return true;
}

/** The old one is about to be deleted by us: nothing more goes out on it once its replacement is in use. */
export function replacementOutboundMove(old: ChildSa): void {
  if (old.replaced == REPLACED_NOT) return;
  replacementTakesOver(old);
  const ours = replacementOf(old, true);
  if (ours && ours.outbound == OUTBOUND_LIVE) eventRemove(old, CHILD_EVENT_INSTALL_OUT);
}

/** A replacement is gone: whoever depended on it goes on without. */
export function replacementGone(old: ChildSa | null, rival: ChildSa | null): void {
  if (rival && rival.undecided != 0) replacementDecide(rival);
  if (!old || old.state != CHILD_STATE_REKEYED) return;
  if (!replacementOf(old, true) && !replacementOf(old, false)) childRestored(old);
}

/** The boards' answer about the outbound half of a CHILD_SA whose inbound one is up. */
export function outboundSettled(child: ChildSa, refused: bool): void {
  if (!refused) {
    child.outbound = OUTBOUND_LIVE;
    return;
  }
  const sa = ikeSaAt(<u32>child.sa);
  reportAlert(sa.connection, childConfig(child), 0, text("no IPsec board took the CHILD_SA"));
  child.refused = 0;
  if (child.state == CHILD_STATE_INSTALLED) rekeyLater(child);
}
