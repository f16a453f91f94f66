/**
 * The lives of IKE_SAs and CHILD_SAs: how they begin, what is next when the window is free, what their end entails
 * (RFC 7296 section 2.4, 2.8), and what start_action, dpd_action and close_action make of it.
 */
import {
  CHILD_STATE_CREATED,
  CHILD_STATE_DELETING,
  CHILD_STATE_INSTALLED,
  CHILD_STATE_INSTALLING,
  CHILD_STATE_REKEYED,
  EVENT_CHILD_UPDOWN,
  EVENT_IKE_UPDOWN,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_REKEYED,
  IKE_STATE_REKEYING,
  START_START,
  START_TRAP,
} from "../abi/management";
import { Frame } from "../bus/frame";
import { consume } from "../bus/port";
import { Flow } from "../policy/flow";
import { zeroize } from "../rt/bytes";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { addressCopy } from "../wire/ip_address";
import { pairFind, pairLocal, pairRemote } from "./address_pair";
import { roundsHaveEap } from "./auth_round";
import {
  CHILD_EVENT_INSTALL_IN,
  CHILD_EVENT_INSTALL_OUT,
  CHILD_WANT_CREATE,
  CHILD_WANT_DELETE,
  CHILD_WANT_REKEY,
  ChildSa,
  OUTBOUND_HELD,
  OUTBOUND_LIVE,
  OUTBOUND_RAISED,
  REPLACED_NOT,
  REPLACED_REAUTHENTICATION,
  childConfig,
  childAttach,
  childDetach,
  childForgetLeft,
  childIsLive,
  childMove,
  childSaAt,
  childTake,
  childWipe,
} from "./child_sa";
import { ikeChanged } from "./changes";
import {
  ChildConfig,
  Connection,
  childConfigAt,
  connectionAt,
  connectionLocalAuth,
  connectionRemoteAuth,
  isShunt,
} from "./connection";
import { eapForget } from "./eap";
import { eventRaise, eventRemove, eventTrap } from "./event";
import { createChildStart, rekeyChildStart } from "./exchange/create_child_sa";
import { deleteChildStart, deleteIkeStart, livenessStart, qcdRenewStart } from "./exchange/informational";
import { redirectStart, redirectUp } from "./exchange/redirect";
import { mobikeStart } from "./exchange/mobike";
import { rekeyIkeStart } from "./exchange/rekey_ike_sa";
import { followsIn, followupInForget, followupOutForget } from "./followup";
import {
  IN_NONE,
  IkeSa,
  OUT_NONE,
  WANT_DELETE,
  WANT_LIVENESS,
  WANT_QCD,
  WANT_MOBIKE,
  WANT_REKEY,
  ikeLink,
  ikeMove,
  ikeSaAt,
  ikeSaFree,
  ikeSaTake,
  jitter,
  lessRandom,
} from "./ike_sa";
import { inactivityStart } from "./inactivity";
import { gatewayFree } from "./gateway";
import { jobDestroy } from "./job";
import { keepaliveStart } from "./keepalive";
import { attemptStart } from "./name_lookup";
import { PACKET_LEFT_OUT, packetAsks, packetCovered, packetTake } from "./packet_ts";
import { reauthGone, reauthHolds, reauthSchedule, reauthSettle } from "./reauthentication";
import { replacementGone, replacementTakesOver } from "./replacement";
import { reassemblyForget } from "./reassembly";
import { reportAlert, reportSa, text } from "./report";
import {
  CHILD_LINGER_TIME,
  INSTALL_TIME,
  LINGER_TIME,
  RETRY_FIRST,
  RETRY_LAST,
  SECOND,
  TEMPORARY_TIME,
  portIke,
  portNatt,
} from "./settings";
import { successionGone } from "./succession";
import {
  TIMERS_PER_SA,
  TIMER_CHILD_INACTIVITY,
  TIMER_CHILD_LIFE,
  TIMER_CHILD_REKEY,
  TIMER_EXPIRE,
  TIMER_LIFE,
  TIMER_LIVENESS,
  timerChild,
  timerConfig,
  timerSa,
} from "./timer";
import { virtualForget } from "./virtual_ip";

/** Why something ended. */
export const CAUSE_LOCAL: u32 = 0;
export const CAUSE_PEER: u32 = 1;
export const CAUSE_DEAD: u32 = 2;
export const CAUSE_FAILED: u32 = 3;

/** True when an IKE_SA can take further CHILD_SAs, now or soon. */
export function ikeUsable(sa: IkeSa): bool {
  const state = sa.state;
  if (sa.terminated != 0 || (sa.want & WANT_DELETE) != 0) return false;
  // What a rekey or a reauthentication is about to replace, and what a rekey has begun, is not for others.
  if (sa.older >= 0 || sa.parent != 0 || sa.reauthNew >= 0) return false;
  return state == IKE_STATE_CONNECTING || state == IKE_STATE_ESTABLISHED || state == IKE_STATE_REKEYING;
}

/** Traffic has met the trap of a configured child. `flow`: the packet's, or null. */
export function acquireChild(config: ChildConfig, flow: Flow | null): void {
  if (flow) packetTake(flow);
  initiateChild(config, flow != null);
}

/**
 * True when a child of an IKE_SA serves the purpose. With `packet` it has to cover the packet in hand; where the peer has left out the
 * very packet that asked, another question would have the same answer.
 */
function serves(child: ChildSa, packet: bool): bool {
  if (!packet || child.state < CHILD_STATE_INSTALLED || child.packet == PACKET_LEFT_OUT) return true;
  return packetCovered(child);
}

/** Brings a configured child up if it is not up, and not on its way up; with `packet`, for the packet in hand. False: no room. */
export function initiateChild(config: ChildConfig, packet: bool = false): bool {
  const c = connectionAt(config.connection);
  if (config.used == 0 || c.retired != 0 || isShunt(config)) return false;
  deadlineClear(timerConfig(config.index));
  let usable: IkeSa | null = null;
  for (let i = c.firstSa; i >= 0; i = ikeSaAt(<u32>i).connectionNext) {
    const sa = ikeSaAt(<u32>i);
    if (!ikeUsable(sa)) continue;
    // A responder that is half-open may never become anything.
    if (sa.state != IKE_STATE_CONNECTING || sa.initiator != 0) usable = sa;
    for (let l = sa.firstChild; l >= 0; l = childSaAt(<u32>l).next) {
      const child = childSaAt(<u32>l);
      if (
        child.config == <i32>config.index &&
        child.state < CHILD_STATE_REKEYED &&
        (child.want & CHILD_WANT_DELETE) == 0 &&
        serves(child, packet)
      )
        return true;
    }
  }
  if (usable) {
    const child = childTake(usable, <i32>config.index, true);
    if (!child) return false;
    if (packet) packetAsks(child);
    child.want = CHILD_WANT_CREATE;
    proceed(usable);
    return true;
  }
  const sa = attempt(c, config);
  if (!sa) return false;
  const child = childTake(sa, <i32>config.index, true);
  if (!child) {
    ikeSaFree(sa);
    return false;
  }
  if (packet) packetAsks(child);
  child.want = CHILD_WANT_CREATE;
  attemptStart(sa);
  return true;
}

/** The IKE_SA of a connection alone (RFC 6023); true when there is one, or one is under way. */
export function initiateIke(c: Connection): bool {
  for (let i = c.firstSa; i >= 0; i = ikeSaAt(<u32>i).connectionNext) {
    const sa = ikeSaAt(<u32>i);
    if (ikeUsable(sa) && (sa.state != IKE_STATE_CONNECTING || sa.initiator != 0)) return true;
  }
  const sa = c.retired == 0 ? attempt(c, null) : null;
  if (!sa) return false;
  sa.bare = 1;
  attemptStart(sa);
  return true;
}

/** An IKE_SA to initiate with; null when there are no addresses and no names, or the table is full. */
function attempt(c: Connection, config: ChildConfig | null): IkeSa | null {
  if (roundsHaveEap(connectionRemoteAuth(c)) && !roundsHaveEap(connectionLocalAuth(c))) {
    reportAlert(<i32>c.index, config, 0, text("the peer authenticates by EAP: it has to initiate"));
    return null;
  }
  const sa = c.named != 0 || pairFind(c) ? ikeSaTake(true) : null;
  if (!sa) {
    reportAlert(<i32>c.index, config, 0, text("no address to initiate from or to, or no room for an IKE_SA"));
    return null;
  }
  ikeLink(sa, <i32>c.index);
  if (c.named == 0) attemptAddress(sa);
  return sa;
}

/** Where from and where to; false when nobody knows. */
export function attemptAddress(sa: IkeSa): bool {
  const c = connectionAt(<u32>sa.connection);
  if (!pairFind(c)) return false;
  addressCopy(sa.local, pairLocal);
  addressCopy(sa.remote, pairRemote);
  ikePorts(sa, c);
  return true;
}

/**
 * keyingtries: nobody has answered our attempt, and another sequence of retransmissions begins, on a new IKE_SA. False: it was tried
 * often enough.
 */
export function attemptAgain(sa: IkeSa): bool {
  const c = connectionAt(<u32>sa.connection);
  if (sa.initiator == 0 || sa.reauthOld >= 0 || c.retired != 0) return false;
  if (c.keyingTries != 0 && sa.sequences + 1 >= c.keyingTries) return false;
  const fresh = attempt(c, null);
  if (!fresh) return false;
  fresh.sequences = sa.sequences + 1;
  fresh.bare = sa.bare;
  while (sa.firstChild >= 0) {
    const child = childSaAt(<u32>sa.firstChild);
    childDetach(child);
    childAttach(child, fresh);
    if ((child.want & CHILD_WANT_DELETE) == 0) child.want = CHILD_WANT_CREATE;
  }
  reportAlert(sa.connection, null, 0, text("the peer does not answer: another try"));
  ikeDown(sa, CAUSE_LOCAL, false);
  attemptStart(fresh);
  return true;
}

/** Ports to begin with. A peer that is not on the IKE port is spoken to from the NAT port, with the marker, as everybody does. */
export function ikePorts(sa: IkeSa, c: Connection): void {
  sa.remotePort = c.remotePort != 0 ? c.remotePort : portIke;
  sa.localPort = sa.remotePort == portIke ? portIke : portNatt;
}

/** Starts what is next, if the window is free. */
export function proceed(sa: IkeSa): void {
  ikeChanged(sa.index);
  if (sa.outStep != OUT_NONE) return;
  const state = sa.state;
  if (state != IKE_STATE_ESTABLISHED && state != IKE_STATE_REKEYED) return;
  if ((sa.want & WANT_DELETE) != 0) {
    deleteIkeStart(sa);
    return;
  }
  // What may yet turn out to be redundant is not used.
  if (state == IKE_STATE_REKEYED || sa.older >= 0) return;
  if ((sa.want & WANT_MOBIKE) != 0) return mobikeStart(sa);
  if (pick(sa, CHILD_WANT_DELETE) || pick(sa, CHILD_WANT_CREATE) || pick(sa, CHILD_WANT_REKEY)) return;
  // What the peer is asking for belongs to this IKE_SA: its answer comes first (RFC 7296 2.25.2).
  if ((sa.want & WANT_REKEY) != 0 && sa.inStep == IN_NONE && !followsIn(sa)) {
    sa.want &= ~WANT_REKEY;
    rekeyIkeStart(sa);
  } else if ((sa.want & WANT_LIVENESS) != 0) {
    sa.want &= ~WANT_LIVENESS;
    livenessStart(sa);
  } else if (sa.redirectTo != 0) redirectStart(sa);
  else if ((sa.want & WANT_QCD) != 0) qcdRenewStart(sa);
  else reauthSettle(sa);
}

function pick(sa: IkeSa, want: u32): bool {
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    if ((child.want & want) == 0 || child.state == CHILD_STATE_INSTALLING) continue;
    // The peer asked for it and has no answer yet.
    if (sa.inChild == <i32>child.link || sa.followChild == <i32>child.link) continue;
    if (want == CHILD_WANT_REKEY) {
      // The peer is replacing it at this moment: its answer comes first.
      const theirs = sa.inChild >= 0 ? sa.inChild : sa.followChild;
      if (theirs >= 0 && childSaAt(<u32>theirs).rekeys == <i32>child.link) continue;
      // The peer may not have our answer yet and would not know what is meant.
      if (child.outbound == OUTBOUND_HELD) continue;
    }
    child.want &= ~want;
    if (want == CHILD_WANT_DELETE) deleteChildStart(sa, child);
    else if (want == CHILD_WANT_CREATE) createChildStart(sa, child);
    else rekeyChildStart(sa, child);
    return true;
  }
  return false;
}

/** An IKE_SA is authenticated: timers start. */
export function ikeUp(sa: IkeSa): void {
  if (sa.state != IKE_STATE_ESTABLISHED) ikeMove(sa, IKE_STATE_ESTABLISHED);
  deadlineClear(timerSa(sa.index, TIMER_EXPIRE));
  sa.established = now();
  sa.lastHeard = now();
  redirectUp(sa);
  const c = connectionAt(<u32>sa.connection);
  c.failure = 0;
  if (c.rekeyTime != 0) {
    const early = jitter(c.randTime);
    const time = <u64>c.rekeyTime * SECOND;
    deadlineSet(timerSa(sa.index, TIMER_LIFE), now() + (time > early ? time - early : time));
  }
  if (c.dpdDelay != 0) deadlineSet(timerSa(sa.index, TIMER_LIVENESS), now() + <u64>c.dpdDelay * SECOND);
  keepaliveStart(sa);
  reauthSchedule(sa);
}

/**
 * The SA records of a CHILD_SA may go to a board: both, or the inbound one alone when it replaces another (replacement.ts,
 * reauthentication.ts).
 */
export function childInstall(child: ChildSa): void {
  const held = child.rekeys >= 0 || child.rival >= 0 || reauthHolds(child);
  const bits = held ? CHILD_EVENT_INSTALL_IN : CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT;
  childMove(child, CHILD_STATE_INSTALLING);
  const config = childConfig(child);
  child.softPackets = lessRandom(config.rekeyPackets, config.randPackets);
  child.softOctets = lessRandom(config.rekeyBytes, config.randBytes);
  child.outbound = held ? OUTBOUND_HELD : OUTBOUND_RAISED;
  child.waiting = bits;
  deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + INSTALL_TIME);
  eventRaise(child, bits);
}

/** Both are confirmed. */
export function childUp(child: ChildSa): void {
  childMove(child, CHILD_STATE_INSTALLED);
  if (child.outbound == OUTBOUND_RAISED) child.outbound = OUTBOUND_LIVE;
  deadlineClear(timerChild(child.link, TIMER_CHILD_LIFE));
  if (child.installed != 0) return;
  child.installed = now();
  child.announced = 1;
  const config = childConfig(child);
  config.failures = 0;
  config.wanted = 0;
  if (config.rekeyTime != 0) {
    const early = jitter(config.randTime);
    const time = <u64>config.rekeyTime * SECOND;
    deadlineSet(timerChild(child.link, TIMER_CHILD_REKEY), now() + (time > early ? time - early : time));
  }
  if (config.lifeTime != 0)
    deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + <u64>config.lifeTime * SECOND);
  inactivityStart(child);
}

/** Ends a CHILD_SA here; what the peer is told is the caller's. */
export function childDown(child: ChildSa, cause: u32): void {
  const sa = ikeSaAt(<u32>child.sa);
  const config = childConfig(child);
  const replaced = replacementTakesOver(child) || child.replaced != REPLACED_NOT;
  const live = childIsLive(child) || child.state == CHILD_STATE_DELETING;
  const rekeying = child.replaces != 0;
  const old = child.rekeys >= 0 ? childSaAt(<u32>child.rekeys) : null;
  let rival: ChildSa | null = null;
  const news = !replaced || child.replaced == REPLACED_REAUTHENTICATION;
  if (child.announced != 0 && live && news) reportSa(EVENT_CHILD_UPDOWN, false, sa, child);
  deadlineClear(timerChild(child.link, TIMER_CHILD_REKEY));
  deadlineClear(timerChild(child.link, TIMER_CHILD_LIFE));
  deadlineClear(timerChild(child.link, TIMER_CHILD_INACTIVITY));
  if (sa.outChild == <i32>child.link) sa.outChild = -1;
  if (sa.inChild == <i32>child.link) sa.inChild = -1;
  childForgetLeft(child);
  if (sa.followChild == <i32>child.link) followupInForget(sa);
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const other = childSaAt(<u32>i);
    if (other.rekeys == <i32>child.link) other.rekeys = -1;
    if (other.rival != <i32>child.link) continue;
    other.rival = -1;
    rival = other;
  }
  childDetach(child);
  if (replaced && cause != CAUSE_DEAD) childLinger(child);
  else eventRemove(child, CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT);
  replacementGone(old, rival);
  if (sa.terminated != 0 || replaced) return;
  if (cause == CAUSE_LOCAL || (cause == CAUSE_PEER && child.expired != 0)) return again(child, config);
  if (cause == CAUSE_FAILED) {
    if (!rekeying) childAgain(child);
  } else if (live) {
    act(config, cause == CAUSE_DEAD ? config.dpdAction : config.closeAction);
  } else if (!rekeying) {
    // Its IKE_SA ended before it could begin.
    childAgain(child);
  }
}

/** After the end of its life another one is asked for, first by who asked for this one. */
function again(child: ChildSa, config: ChildConfig): void {
  if (child.expired == 0 || connectionAt(config.connection).retired != 0) return;
  deadlineSet(timerConfig(config.index), child.initiator != 0 ? now() : now() + 3 * SECOND + jitter(3));
}

/** Another one carries its traffic: the boards keep it for what is on its way, and until the other's outbound half is there. */
function childLinger(child: ChildSa): void {
  childWipe(child);
  child.events &= ~(CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT);
  if (child.there != 0) {
    child.lingers = 1;
    deadlineSet(timerChild(child.link, TIMER_CHILD_LIFE), now() + CHILD_LINGER_TIME);
  }
  eventRaise(child, 0);
}

/** The boards have kept it for long enough. */
export function childLingered(child: ChildSa): void {
  child.lingers = 0;
  eventRemove(child, CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT);
}

function act(config: ChildConfig, action: u32): void {
  if (connectionAt(config.connection).retired != 0) return;
  if ((action & START_TRAP) != 0) eventTrap(config, true);
  if ((action & START_START) == 0) return;
  config.wanted = 1;
  deadlineSet(timerConfig(config.index), now());
}

/** A CHILD_SA that we asked for could not be: another attempt, if configured so. */
export function childAgain(child: ChildSa): void {
  const config = childConfig(child);
  if (child.initiator != 0 && ((config.startAction & START_START) != 0 || config.wanted != 0)) retry(config);
}

/** Another attempt after a pause that doubles. */
export function retry(config: ChildConfig): void {
  if (connectionAt(config.connection).retired != 0) return;
  const wait = min<u64>(RETRY_FIRST << (<u64>min<u32>(config.failures, 8)), RETRY_LAST);
  config.failures += 1;
  deadlineSet(timerConfig(config.index), now() + wait);
}

/** Ends an IKE_SA and all that it has. With `linger` it still answers the peer's last request for a while. */
export function ikeDown(sa: IkeSa, cause: u32, linger: bool): void {
  reauthGone(sa);
  // All go: none takes over from another.
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    childSaAt(<u32>i).rekeys = -1;
    childSaAt(<u32>i).rival = -1;
  }
  while (sa.firstChild >= 0) childDown(childSaAt(<u32>sa.firstChild), cause);
  const up = sa.established != 0 && sa.state != IKE_STATE_REKEYED && sa.lifeStage != LIFE_REPLACED;
  if (up) reportSa(EVENT_IKE_UPDOWN, false, sa, null);
  virtualForget(sa);
  gatewayFree(sa.redirectTo);
  sa.redirectTo = 0;
  for (let kind: u32 = 0; kind < TIMERS_PER_SA; kind++) deadlineClear(timerSa(sa.index, kind));
  heldFree(sa);
  reassemblyForget(sa);
  offerFree(sa);
  signedFree(sa);
  eapForget(sa);
  jobDestroy(sa.outKey);
  sa.outKey = 0;
  if (sa.outSa >= 0) embryoFree(<u32>sa.outSa);
  if (sa.inSa >= 0) embryoFree(<u32>sa.inSa);
  if (sa.followSa >= 0) embryoFree(<u32>sa.followSa);
  followupOutForget(sa);
  followupInForget(sa);
  sa.outSa = -1;
  sa.inSa = -1;
  const parent = sa.parent;
  sa.parent = 0;
  if (parent != 0 && ikeSaAt(parent - 1).followSa == <i32>sa.index) followupInForget(ikeSaAt(parent - 1));
  sa.outStep = OUT_NONE;
  sa.inStep = 0;
  successionGone(sa);
  if (!linger) {
    ikeSaFree(sa);
    return;
  }
  sa.established = 0;
  if (sa.state != IKE_STATE_DELETING) ikeMove(sa, IKE_STATE_DELETING);
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + LINGER_TIME);
}

/** Value of lifeStage: another IKE_SA took over, its end is no news. */
export const LIFE_REPLACED: u32 = 9;

/** Frees an IKE_SA that a rekey had begun. */
export function embryoFree(index: u32): void {
  const sa = ikeSaAt(index);
  if (sa.state == IKE_STATE_CONNECTING) ikeDown(sa, CAUSE_LOCAL, false);
}

/** Lets go of a request that waited. */
export function heldFree(sa: IkeSa): void {
  if (sa.held == 0) return;
  consume(changetype<Frame>(sa.held));
  sa.held = 0;
}

/** Lets go of the first request of IKE_AUTH. */
export function offerFree(sa: IkeSa): void {
  if (sa.offer == 0) return;
  consume(changetype<Frame>(sa.offer));
  sa.offer = 0;
}

/** Lets go of our AUTH: an answer of the secure element's. */
export function signedFree(sa: IkeSa): void {
  if (sa.signed == 0) return;
  const frame = changetype<Frame>(sa.signed);
  zeroize(frame.start, frame.length);
  consume(frame);
  sa.signed = 0;
}

/** An attempt of ours failed: say why, end it, try again if configured. */
export function ikeFail(sa: IkeSa, notify: u32, literal: usize): void {
  reportAlert(sa.connection, null, notify, literal);
  ikeDown(sa, CAUSE_FAILED, false);
}

/** RFC 7296 2.25: what stays temporary for minutes is not; the IKE_SA is out of step and ends. */
export function ikeTemporary(sa: IkeSa): void {
  if (sa.temporarySince == 0) sa.temporarySince = now();
  if (now() - sa.temporarySince < TEMPORARY_TIME) return;
  reportAlert(sa.connection, null, 0, text("the peer refuses for minutes what should be temporary: the IKE_SA ends"));
  sa.want |= WANT_DELETE;
  sa.endCause = CAUSE_DEAD;
}

/** A CHILD_SA of ours could not be agreed on; its IKE_SA stays. */
export function childFail(child: ChildSa, notify: u32, literal: usize): void {
  const sa = ikeSaAt(<u32>child.sa);
  reportAlert(sa.connection, childConfig(child), notify, literal);
  if (child.spiOut == 0) return childDown(child, CAUSE_FAILED);
  // The peer has granted it and must hear that it is not.
  if (child.replaces == 0) childAgain(child);
  child.want = CHILD_WANT_DELETE;
}

/** Wants a CHILD_SA deleted at the peer, too. */
export function childDelete(child: ChildSa): void {
  if (child.state == CHILD_STATE_CREATED) {
    // Asked for already: its exchange decides first.
    if ((child.want & CHILD_WANT_CREATE) != 0) childDown(child, CAUSE_LOCAL);
    else child.want = CHILD_WANT_DELETE;
    return;
  }
  if (child.state == CHILD_STATE_DELETING) return;
  child.want = CHILD_WANT_DELETE;
  if (child.state == CHILD_STATE_INSTALLING) return;
  proceed(ikeSaAt(<u32>child.sa));
}

/** Its life is over, and no rekey has replaced it: it goes, and another one is asked for in its place, as strongSwan does. */
export function childExpired(child: ChildSa): void {
  if (childIsLive(child)) child.expired = 1;
  childDelete(child);
}

/** Wants a CHILD_SA rekeyed. */
export function childRekey(child: ChildSa): void {
  if (child.state != CHILD_STATE_INSTALLED) return;
  child.want |= CHILD_WANT_REKEY;
  proceed(ikeSaAt(<u32>child.sa));
}

export function configOf(child: ChildSa): ChildConfig {
  return childConfigAt(<u32>child.config);
}
