/**
 * Reauthentication of an IKE_SA (RFC 7296 section 2.8.3): a rekey makes new keys; who the peer is, a new IKE_SA asks. It is made with
 * all CHILD_SAs of the old one before that one is deleted, so that traffic has a way all along:
 *
 *   on a new IKE_SA    IKE_SA_INIT, IKE_AUTH without INITIAL_CONTACT, CREATE_CHILD_SA for each further CHILD_SA
 *   on the old one     INFORMATIONAL { D }
 *
 * It is the original initiator's business, at its own reauth_time or before the lifetime is over that the peer has told of
 * (AUTH_LIFETIME, RFC 4478). A responder with a reauth_time initiates the new IKE_SA itself; where only the peer can, it tells it
 * AUTH_LIFETIME, and the IKE_SA ends over_time after.
 *
 * When both ends do it at once, the responder's new one is deleted again. Who answers keeps sending on the old CHILD_SA until it is deleted, or for HOLD_TIME: before, who asked may not have the answer.
 *
 * An attempt that fails leaves the old IKE_SA as it is and is made again, until over_time has passed.
 */
import {
  AUTH_PUBLIC_KEY,
  CHILD_STATE_INSTALLED,
  CHILD_STATE_REKEYED,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_REKEYING,
} from "../abi/management";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { loadBE32, storeBE32 } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { addressCopy } from "../wire/ip_address";
import { NOTIFY_AUTH_LIFETIME, notifyData, notifyDataOctets, notifyWrite } from "../wire/ike_payload/notify";
import { roundAt } from "./auth_round";
import {
  CHILD_WANT_CREATE,
  CHILD_WANT_DELETE,
  ChildSa,
  OUTBOUND_HELD,
  REPLACED_REAUTHENTICATION,
  childConfig,
  childIsLive,
  childSaAt,
  childTake,
} from "./child_sa";
import {
  Connection,
  childInConnection,
  childName,
  connectionAt,
  connectionByName,
  connectionName,
  connectionRemoteAuth,
} from "./connection";
import { initStart } from "./exchange/ike_sa_init";
import { identityFirst, identityNext } from "./identity_index";
import { IkeSa, WANT_DELETE, ikeLink, ikeSaAt, ikeSaTake, jitter } from "./ike_sa";
import { CAUSE_FAILED, LIFE_REPLACED, proceed } from "./life";
import { notifyFind, soleLength } from "./negotiation";
import { outboundRaise } from "./replacement";
import { reportAlert, text } from "./report";
import { RETRY_FIRST, RETRY_LAST, SECOND } from "./settings";
import { duplicateMark } from "./uniqueness";
import { TIMER_EXPIRE, TIMER_KEEPALIVE, TIMER_LIFE, TIMER_REAUTH, timerSa } from "./timer";

/** How long who answers sends on the old CHILD_SA when nobody deletes it. */
const HOLD_TIME: u64 = SECOND;
/** The new IKE_SAs of both ends that come within this are of the same moment. */
const CROSSING_TIME: u64 = 10 * SECOND;
/** IKE_SAs of the same identities that are looked at for the one which a new one may be to follow: the latest. */
const SUSPECTS: u32 = 4;

const scratch: usize = memory.data(4, 4);

function up(sa: IkeSa): bool {
  return sa.state == IKE_STATE_ESTABLISHED || sa.state == IKE_STATE_REKEYING;
}

/** Is it the peer alone that can? Who was authenticated by more than keys and certificates, or has a virtual IP of ours, asks for it. */
function peersAlone(sa: IkeSa): bool {
  if (sa.originator != 0) return false;
  if (sa.virtualHeld != 0 && sa.virtualOurs == 0) return true;
  const rounds = connectionRemoteAuth(connectionAt(<u32>sa.connection));
  for (let i: u32 = 0; i < rounds.count; i++) if (roundAt(rounds, i).way > AUTH_PUBLIC_KEY) return true;
  return false;
}

/** Settles when an IKE_SA that is authenticated is to be so again. */
export function reauthPlan(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  if (sa.reauthAt != 0 || c.reauthTime == 0) return;
  const time = <u64>c.reauthTime * SECOND;
  const early = jitter(c.randTime);
  sa.reauthAt = now() + (time > early ? time - early : time);
}

/** The IKE_SA is up. */
export function reauthSchedule(sa: IkeSa): void {
  reauthPlan(sa);
  if (sa.reauthAt != 0) deadlineSet(timerSa(sa.index, TIMER_REAUTH), sa.reauthAt);
  if (sa.duplicate != 0) deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HOLD_TIME);
}

/** A rekeyed IKE_SA passes on who began, and how long that authentication is good for. */
export function reauthInherit(old: IkeSa, sa: IkeSa): void {
  sa.originator = old.originator;
  sa.reauthAt = old.reauthAt;
  sa.reauthFailures = old.reauthFailures;
  sa.duplicate = old.duplicate;
  deadlineClear(timerSa(old.index, TIMER_REAUTH));
  const before = old.reauthOld;
  const behind = old.reauthNew;
  detach(old);
  if (before >= 0) attach(ikeSaAt(<u32>before), sa);
  if (behind >= 0) attach(sa, ikeSaAt(<u32>behind));
}

function attach(old: IkeSa, sa: IkeSa): void {
  old.reauthNew = <i32>sa.index;
  sa.reauthOld = <i32>old.index;
}

function detach(sa: IkeSa): void {
  if (sa.reauthOld >= 0) ikeSaAt(<u32>sa.reauthOld).reauthNew = -1;
  if (sa.reauthNew >= 0) ikeSaAt(<u32>sa.reauthNew).reauthOld = -1;
  sa.reauthOld = -1;
  sa.reauthNew = -1;
}

/** When an IKE_SA that is not reauthenticated ends. */
function end(sa: IkeSa): u64 {
  const over = connectionAt(<u32>sa.connection).overTime;
  return over == 0 ? u64.MAX_VALUE : sa.reauthAt + <u64>over * SECOND;
}

/** Its time has come, or that of the CHILD_SAs which wait for another IKE_SA's to go. */
export function reauthDue(sa: IkeSa): void {
  if (!up(sa) || sa.lifeStage == LIFE_REPLACED) return;
  release(sa);
  const time = now();
  if (sa.reauthAt == 0) return;
  if (time < sa.reauthAt) return deadlineSet(timerSa(sa.index, TIMER_REAUTH), sa.reauthAt);
  const last = end(sa);
  if (time >= last) {
    reportAlert(sa.connection, null, 0, text("the IKE_SA was not reauthenticated in time"));
    sa.want |= WANT_DELETE;
    sa.endCause = CAUSE_FAILED;
    return proceed(sa);
  }
  if (sa.reauthNew < 0) {
    if (peersAlone(sa))
      reportAlert(sa.connection, null, 0, text("the peer has not reauthenticated as requested: the IKE_SA will end"));
    else if (sa.state == IKE_STATE_ESTABLISHED && start(sa)) return;
  }
  // The peer may be at it, or a rekey under way.
  later(sa, last);
}

function later(sa: IkeSa, last: u64): void {
  const pause = min<u64>(RETRY_FIRST << (<u64>min<u32>(sa.reauthFailures, 8)), RETRY_LAST);
  deadlineSet(timerSa(sa.index, TIMER_REAUTH), min<u64>(last, now() + pause));
}

/** The connection of this name that is loaded now, or null. */
function loaded(c: Connection): Connection | null {
  if (c.retired == 0) return c;
  const i = connectionByName(connectionName(c), c.nameLength);
  return i < 0 ? null : connectionAt(<u32>i);
}

/** Initiates the new one. False: that cannot be now. */
function start(old: IkeSa): bool {
  const c = loaded(connectionAt(<u32>old.connection));
  const sa: IkeSa | null = c ? ikeSaTake(true) : null;
  if (!c || !sa) return false;
  addressCopy(sa.local, old.local);
  addressCopy(sa.remote, old.remote);
  sa.localPort = old.localPort;
  sa.remotePort = old.remotePort;
  ikeLink(sa, <i32>c.index);
  attach(old, sa);
  sa.reauthYields = 1 - old.originator;
  for (let i = old.firstChild; i >= 0; i = childSaAt(<u32>i).next) childSaAt(<u32>i).covered = 0;
  if (!cover(old, sa)) sa.bare = 1;
  // Should it go before it says so, the old one is to try again.
  later(old, end(old));
  initStart(sa);
  return true;
}

/** Asks on the new one for what the old one carries, once. True when there was something. */
function cover(old: IkeSa, sa: IkeSa): bool {
  const c = connectionAt(<u32>sa.connection);
  let asked = false;
  for (let i = old.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if (child.covered != 0 || child.state >= CHILD_STATE_REKEYED || (child.want & CHILD_WANT_DELETE) != 0) continue;
    child.covered = 1;
    const k = childConfig(child);
    const config = childInConnection(c, childName(k), k.nameLength);
    if (config < 0 || alike(sa, config)) continue;
    const fresh = childTake(sa, config, true);
    if (!fresh) continue;
    fresh.want = CHILD_WANT_CREATE;
    asked = true;
  }
  return asked;
}

/** A CHILD_SA of a configuration, or null. */
function alike(sa: IkeSa, config: i32): ChildSa | null {
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if (child.config == config && child.state < CHILD_STATE_REKEYED && (child.want & CHILD_WANT_DELETE) == 0)
      return child;
  }
  return null;
}

/** The new one has nothing to do: with all CHILD_SAs in use the old one goes. */
export function reauthSettle(sa: IkeSa): void {
  if (sa.reauthOld < 0 || sa.initiator == 0 || sa.state != IKE_STATE_ESTABLISHED) return;
  const old = ikeSaAt(<u32>sa.reauthOld);
  if (cover(old, sa)) return proceed(sa);
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next)
    if (childSaAt(<u32>i).state < CHILD_STATE_INSTALLED) return;
  succeed(old, sa);
  detach(sa);
  deadlineClear(timerSa(old.index, TIMER_LIFE));
  deadlineClear(timerSa(old.index, TIMER_REAUTH));
  deadlineClear(timerSa(old.index, TIMER_KEEPALIVE));
  // Should it be in a rekey, whatever comes of that goes, too.
  old.terminated = 1;
  old.want |= WANT_DELETE;
  proceed(old);
}

/** CHILD_SAs of the old one whose like carries traffic on the new one: nothing restarts for their end. */
function succeed(old: IkeSa, sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  for (let i = old.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    const k = childConfig(child);
    const config = childInConnection(c, childName(k), k.nameLength);
    const other: ChildSa | null = config < 0 ? null : alike(sa, config);
    if (other && childIsLive(other)) child.replaced = REPLACED_REAUTHENTICATION;
  }
}

/** An IKE_SA goes, its CHILD_SAs still there. */
export function reauthGone(sa: IkeSa): void {
  const before = sa.reauthOld;
  const behind = sa.reauthNew;
  detach(sa);
  if (behind >= 0) {
    const fresh = ikeSaAt(<u32>behind);
    succeed(sa, fresh);
    release(fresh);
  }
  if (before < 0 || sa.initiator == 0) return;
  const old = ikeSaAt(<u32>before);
  later(old, end(old));
  old.reauthFailures += 1;
}

/** As who answers: a new IKE_SA from where another one of the same identities is may be to follow that one. */
export function reauthSuspect(sa: IkeSa): void {
  let i = identityFirst(sa);
  for (let n: u32 = 0; n < SUSPECTS && i >= 0; n++) {
    const other = ikeSaAt(<u32>i);
    i = identityNext(other, sa);
    if (other.index == sa.index || !up(other) || other.connection != sa.connection || other.remote != sa.remote)
      continue;
    if (other.older >= 0 || !yields(other)) continue;
    return attach(other, sa);
  }
}

/** When both ends reauthenticate at once, the original initiator's stays. False: that is ours, and the peer's follows nobody. */
function yields(old: IkeSa): bool {
  if (old.reauthYields != 0 && now() - old.established < CROSSING_TIME) duplicateMark(old);
  if (old.reauthNew < 0) return true;
  const own = ikeSaAt(<u32>old.reauthNew);
  if (own.reauthYields == 0) return false;
  // It goes once it is there: the peer may have granted it.
  own.duplicate = 1;
  detach(own);
  return true;
}

/** True when a CHILD_SA that we are about to grant follows one that carries its traffic: nothing is sent on it for now. */
export function reauthHolds(child: ChildSa): bool {
  const sa = ikeSaAt(<u32>child.sa);
  if (sa.reauthOld < 0 || child.initiator != 0) return false;
  const other = alike(ikeSaAt(<u32>sa.reauthOld), child.config);
  if (!other || !childIsLive(other)) return false;
  child.shadow = 1;
  deadlineSet(timerSa(sa.index, TIMER_REAUTH), now() + HOLD_TIME);
  return true;
}

/** What waited for the old one's to go is sent on from now on. */
function release(sa: IkeSa): void {
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if (child.shadow == 0) continue;
    child.shadow = 0;
    if (child.outbound == OUTBOUND_HELD && child.state == CHILD_STATE_INSTALLED) outboundRaise(child);
  }
}

/** Tells the peer how long its authentication is good for, if it is the one to renew it. */
export function authLifetimeWrite(w: Writer, sa: IkeSa): void {
  reauthPlan(sa);
  if (sa.reauthAt == 0 || !peersAlone(sa)) return;
  storeBE32(scratch, <u32>((sa.reauthAt - now()) / SECOND));
  notifyWrite(w, NOTIFY_AUTH_LIFETIME, scratch, 4);
}

/** RFC 4478: the peer wants to be authenticated to again within a time; the message is in hand. */
export function authLifetimeRead(sa: IkeSa): void {
  const notify = notifyFind(NOTIFY_AUTH_LIFETIME);
  if (notify == 0 || sa.originator == 0 || notifyDataOctets(notify, soleLength) != 4) return;
  const lifetime = <u64>loadBE32(notifyData(notify)) * SECOND;
  const early = min<u64>(<u64>connectionAt(<u32>sa.connection).overTime * SECOND, lifetime / 2);
  // No faster than attempts that fail, whatever it says.
  const at = now() + max<u64>(RETRY_FIRST, lifetime - max<u64>(early, lifetime / 10));
  if (sa.reauthAt != 0 && sa.reauthAt <= at) return;
  sa.reauthAt = at;
  deadlineSet(timerSa(sa.index, TIMER_REAUTH), at);
}
