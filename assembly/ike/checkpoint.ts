/**
 * IKE_SAs and CHILD_SAs in the checkpoint (abi/checkpoint.ts), and what becomes of them when a board takes them back after a restart.
 *
 * Kept is what is established, or begun by a rekey; an initial exchange begins again by itself. A record is the table's entry, as it
 * stands, with the names of the configuration that it belongs to and its deadlines; lists, indices and counts are built anew. It is
 * written when the entry has changed and before anything leaves the board that follows from it, so the peer never saw a message that the
 * board does not remember: message ids, retained messages and keys fit, and what is under way goes on.
 *
 *   a request of ours under way        is repeated
 *   a response                         is there for the duplicate of its request
 *   an answer of the secure element's  is lost. The peer's exchange is forgotten, and begins again with the repetition of its request; of
 *                                      ours the request is repeated where the peer has agreed, so that we follow; before, it fails as it
 *                                      does when the element is silent
 *   an IV                              goes on IV_LEAP further
 */
import {
  CHECKPOINT_CHILD_SA,
  CHECKPOINT_EXCHANGE,
  CHECKPOINT_IKE_SA,
  CHECKPOINT_REQUEST,
  CHECKPOINT_RESPONSE,
} from "../abi/checkpoint";
import {
  CHILD_STATE_CREATED,
  CHILD_STATE_FREE,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_FREE,
} from "../abi/management";
import { changesKept, changesNext } from "../checkpoint/changes";
import { journalClose, journalForget, journalOpen, journalRoom } from "../checkpoint/journal";
import { zeroize } from "../rt/bytes";
import { deadlineOf, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { childChanged, childChanges, ikeChanged, ikeChanges } from "./changes";
import {
  CHILD_SA_LEAST,
  CHILD_SA_MOST,
  ChildSa,
  childAttach,
  childConfig,
  childOctets,
  childSaAt,
  childSasRestored,
} from "./child_sa";
import {
  NAME_MAX,
  VIRTUAL_IP4,
  VIRTUAL_IP6,
  childConfigAt,
  childInConnection,
  childName,
  connectionAt,
  connectionByName,
  connectionName,
} from "./connection";
import { answerLost } from "./endpoint";
import { eventRaise } from "./event";
import { followupAwaitChild, followupAwaitIke } from "./followup";
import { identityIndexAdd } from "./identity_index";
import {
  IKE_SA_LASTING,
  IN_CHILD_INSTALL,
  IN_FOLLOWUP,
  IN_NONE,
  IkeSa,
  KE_VALUE_MAX,
  OUT_CHILD,
  OUT_CHILD_AGREE,
  OUT_CHILD_KEY,
  OUT_FOLLOWUP,
  OUT_FOLLOWUP_AGREE,
  OUT_FOLLOWUP_KEY,
  OUT_NONE,
  OUT_QCD_RENEW,
  OUT_REKEY,
  OUT_REKEY_AGREE,
  OUT_REKEY_KEY,
  QCD_OWN_OCTETS,
  QCD_PEER_MAX,
  RETAINED_MAX,
  ikeKeOwn,
  ikeKePeer,
  ikeLink,
  ikeQcdOwn,
  ikeQcdPeer,
  ikeRequest,
  ikeResponse,
  ikeSaAt,
  ikeSasRestored,
  jitter,
} from "./ike_sa";
import { CAUSE_LOCAL, childDown, embryoFree, proceed } from "./life";
import { secretsCopy, secretsRestore } from "./secrets";
import { childSaCapacity, ikeSaCapacity, retransmitTime } from "./settings";
import { TIMERS_PER_CHILD, TIMERS_PER_SA, TIMER_LIVENESS, TIMER_RETRANSMIT, timerChild, timerSa } from "./timer";
import { virtualAddress, virtualGrant } from "./virtual_ip";

/** Messages that may have left the board without a record of them: none. What a fault of the chassis should cost is not an IV. */
const IV_LEAP: u64 = 65536;
/** CHILD_SAs of an IKE_SA that are written whenever it is: of more, those that say so themselves. */
const FEW: u32 = 8;

/** In front of the entry: octets of the name, the name, the deadlines. */
const AT_NAME: usize = 8;
const AT_DEADLINES: usize = AT_NAME + NAME_MAX;
const AT_ENTRY_SA: usize = AT_DEADLINES + TIMERS_PER_SA * 8;
const AT_ENTRY_CHILD: usize = AT_DEADLINES + TIMERS_PER_CHILD * 8;
/** Behind an IKE_SA: our token and the peer's (RFC 6290). */
const AT_TOKENS: usize = AT_ENTRY_SA + IKE_SA_LASTING;
const SA_CONTENTS: u32 = <u32>AT_TOKENS + QCD_OWN_OCTETS + QCD_PEER_MAX;

/** What this file makes of the tables, as a number that changes when they do. */
export function ikeLayout(): u32 {
  return ((SA_CONTENTS << 16) ^ ((<u32>offsetof<IkeSa>()) << 8) ^ CHILD_SA_MOST) * 31 + <u32>offsetof<ChildSa>();
}

/** True for an IKE_SA that is to outlive the board. */
function lasts(sa: IkeSa): bool {
  if (sa.state == IKE_STATE_FREE) return false;
  if (sa.state == IKE_STATE_CONNECTING) return sa.parent != 0;
  // One that is gone but for the repetition of its last answer.
  return sa.state != IKE_STATE_DELETING || sa.established != 0;
}

/** Writes what has changed, as far as there is room. */
export function ikeKeep(): void {
  const sas = ikeChanges();
  while (journalRoom(4)) {
    const i = changesNext(sas);
    if (i < 0) break;
    const sa = ikeSaAt(<u32>i);
    const before = changesKept(sas, <u32>i, lasts(sa));
    if (lasts(sa)) saKeep(sa);
    else if (before) saForget(<u32>i);
  }
  const children = childChanges();
  while (journalRoom(1)) {
    const link = changesNext(children);
    if (link < 0) return;
    const child = childSaAt(<u32>link);
    const there = child.state != CHILD_STATE_FREE && child.sa >= 0 && lasts(ikeSaAt(<u32>child.sa));
    const before = changesKept(children, <u32>link, there);
    if (there) childKeep(child);
    else if (before) journalForget(CHECKPOINT_CHILD_SA, <u32>link);
  }
}

function nameKeep(at: usize, name: usize, length: u32): void {
  store<u64>(at, <u64>length);
  memory.fill(at + AT_NAME, 0, NAME_MAX);
  memory.copy(at + AT_NAME, name, length);
}

function saKeep(sa: IkeSa): void {
  let at = journalOpen(CHECKPOINT_IKE_SA, sa.index);
  const c = sa.connection >= 0 ? connectionAt(<u32>sa.connection) : null;
  if (c) nameKeep(at, connectionName(c), c.nameLength);
  else nameKeep(at, 0, 0);
  for (let kind: u32 = 0; kind < TIMERS_PER_SA; kind++)
    store<u64>(at + AT_DEADLINES + ((<usize>kind) << 3), deadlineOf(timerSa(sa.index, kind)));
  memory.copy(at + AT_ENTRY_SA, changetype<usize>(sa), IKE_SA_LASTING);
  memory.copy(at + AT_TOKENS, ikeQcdOwn(sa), QCD_OWN_OCTETS);
  memory.copy(at + AT_TOKENS + QCD_OWN_OCTETS, ikeQcdPeer(sa), QCD_PEER_MAX);
  journalClose(SA_CONTENTS);
  if (sa.inLength != 0) messageKeep(CHECKPOINT_RESPONSE, sa.index, ikeResponse(sa), sa.inLength);
  if (sa.outStep != OUT_NONE && sa.outTries != 0)
    messageKeep(CHECKPOINT_REQUEST, sa.index, ikeRequest(sa), sa.outLength);
  if (sa.outStep != OUT_NONE || sa.inStep != IN_NONE || sa.secretsIn != 0 || sa.secretsOut != 0) exchangeKeep(sa);
  let left = FEW + 1;
  for (let l = sa.firstChild; l >= 0 && left != 0; l = childSaAt(<u32>l).next) left -= 1;
  if (left != 0) for (let l = sa.firstChild; l >= 0; l = childSaAt(<u32>l).next) childChanged(<u32>l);
  if (sa.outChild >= 0) childChanged(<u32>sa.outChild);
  if (sa.inChild >= 0) childChanged(<u32>sa.inChild);
  if (sa.followChild >= 0) childChanged(<u32>sa.followChild);
  // What its exchanges have begun changes with them.
  if (sa.outSa >= 0) ikeChanged(<u32>sa.outSa);
  if (sa.inSa >= 0) ikeChanged(<u32>sa.inSa);
  if (sa.followSa >= 0) ikeChanged(<u32>sa.followSa);
}

function messageKeep(kind: u32, index: u32, message: usize, length: u32): void {
  memory.copy(journalOpen(kind, index), message, length);
  journalClose(length);
}

/** Public values and secrets, each behind its octets. */
function exchangeKeep(sa: IkeSa): void {
  const start = journalOpen(CHECKPOINT_EXCHANGE, sa.index);
  let at = start;
  memory.copy(at + 4, ikeKeOwn(sa), sa.keOwnLength);
  at = behind(at, sa.keOwnLength);
  memory.copy(at + 4, ikeKePeer(sa), sa.kePeerLength);
  at = behind(at, sa.kePeerLength);
  at = behind(at, secretsCopy(sa.secretsOut, at + 4));
  at = behind(at, secretsCopy(sa.secretsIn, at + 4));
  journalClose(<u32>(at - start));
}

function behind(at: usize, octets: u32): usize {
  store<u32>(at, octets);
  return at + 4 + ((octets + 3) & ~3);
}

function saForget(index: u32): void {
  for (let kind = CHECKPOINT_IKE_SA; kind <= CHECKPOINT_EXCHANGE; kind++) journalForget(kind, index);
}

function childKeep(child: ChildSa): void {
  const at = journalOpen(CHECKPOINT_CHILD_SA, child.link);
  const config = childConfig(child);
  nameKeep(at, childName(config), config.nameLength);
  for (let kind: u32 = 0; kind < TIMERS_PER_CHILD; kind++)
    store<u64>(at + AT_DEADLINES + ((<usize>kind) << 3), deadlineOf(timerChild(child.link, kind)));
  memory.copy(at + AT_ENTRY_CHILD, changetype<usize>(child), childOctets(child));
  journalClose(<u32>AT_ENTRY_CHILD + childOctets(child));
}

/** A record comes back: `octets` of contents at `at`, opened. False: it is none of this core's, or does not fit. */
export function ikeRestore(kind: u32, index: u32, at: usize, octets: u32): bool {
  if (kind == CHECKPOINT_CHILD_SA) return index < childSaCapacity && childRestore(index, at, octets);
  if (index >= ikeSaCapacity) return false;
  const sa = ikeSaAt(index);
  if (kind == CHECKPOINT_IKE_SA) return sa.state == IKE_STATE_FREE && saRestore(sa, at, octets);
  if (sa.state == IKE_STATE_FREE) return false;
  if (kind == CHECKPOINT_EXCHANGE) return exchangeRestore(sa, at, octets);
  if (kind != CHECKPOINT_RESPONSE && kind != CHECKPOINT_REQUEST) return false;
  const response = kind == CHECKPOINT_RESPONSE;
  // One that is older than the IKE_SA's own record is of no use any more.
  if (octets > RETAINED_MAX || octets != (response ? sa.inLength : sa.outLength)) return true;
  memory.copy(response ? ikeResponse(sa) : ikeRequest(sa), at, octets);
  return true;
}

/** The entry of the configuration is looked up at once: it was loaded before. */
function saRestore(sa: IkeSa, at: usize, octets: u32): bool {
  if (octets != SA_CONTENTS) return false;
  const index = sa.index;
  const length = load<u32>(at);
  const connection = length <= NAME_MAX ? connectionByName(at + AT_NAME, length) : -1;
  if (length != 0 && connection < 0) return false;
  const generation = sa.generation;
  memory.copy(changetype<usize>(sa), at + AT_ENTRY_SA, IKE_SA_LASTING);
  memory.copy(ikeQcdOwn(sa), at + AT_TOKENS, QCD_OWN_OCTETS);
  memory.copy(ikeQcdPeer(sa), at + AT_TOKENS + QCD_OWN_OCTETS, QCD_PEER_MAX);
  sa.index = index;
  sa.generation = generation;
  sa.held = 0;
  sa.offer = 0;
  sa.signed = 0;
  sa.eapAnswer = 0;
  sa.eapSession = 0;
  sa.fault = 0;
  sa.fragmentsOut = 0;
  sa.fragmentsIn = 0;
  sa.secretsOut = 0;
  sa.secretsIn = 0;
  sa.hashed = 0;
  sa.hashNext = -1;
  sa.indexed = 0;
  sa.halfOpen = 0;
  sa.firstChild = -1;
  sa.connection = -1;
  sa.redirectTo = 0;
  sa.redirectOld = 0;
  sa.iv += IV_LEAP;
  if (connection >= 0) ikeLink(sa, connection);
  for (let kind: u32 = 0; kind < TIMERS_PER_SA; kind++) {
    const when = load<u64>(at + AT_DEADLINES + ((<usize>kind) << 3));
    if (when != 0) deadlineSet(timerSa(index, kind), when);
  }
  return true;
}

function exchangeRestore(sa: IkeSa, at: usize, octets: u32): bool {
  const end = at + <usize>octets;
  for (let part: u32 = 0; part < 4; part++) {
    if (at + 4 > end || load<u32>(at) > <u32>(end - at - 4)) return false;
    const length = load<u32>(at);
    const value = at + 4;
    if (part == 0 && length == sa.keOwnLength && length <= KE_VALUE_MAX) memory.copy(ikeKeOwn(sa), value, length);
    if (part == 1 && length == sa.kePeerLength && length <= KE_VALUE_MAX) memory.copy(ikeKePeer(sa), value, length);
    if (part == 2) sa.secretsOut = secretsRestore(value, length);
    if (part == 3) sa.secretsIn = secretsRestore(value, length);
    at = value + <usize>((length + 3) & ~3);
  }
  return true;
}

function childRestore(link: u32, at: usize, octets: u32): bool {
  const child = childSaAt(link);
  if (child.state != CHILD_STATE_FREE || octets < <u32>AT_ENTRY_CHILD + CHILD_SA_LEAST) return false;
  const from = changetype<ChildSa>(at + AT_ENTRY_CHILD);
  const length = load<u32>(at);
  const entry = octets - <u32>AT_ENTRY_CHILD;
  if (entry > CHILD_SA_MOST || length > NAME_MAX || from.localCount > 32 || from.remoteCount > 32) return false;
  if (childOctets(from) != entry) return false;
  memory.copy(changetype<usize>(child), at + AT_ENTRY_CHILD, entry);
  child.link = link;
  child.next = -1;
  child.nextEvent = -1;
  child.queued = 0;
  child.lingers = 0;
  child.answers = 0;
  // Its IKE_SA, which came before it, says whose configuration its name is of.
  const sa = presentSa(child.sa);
  const connection = sa >= 0 ? ikeSaAt(<u32>sa).connection : -1;
  child.config = connection >= 0 ? childInConnection(connectionAt(<u32>connection), at + AT_NAME, length) : -1;
  if (child.config < 0) {
    zeroize(changetype<usize>(child), entry);
    child.link = link;
    return false;
  }
  for (let kind: u32 = 0; kind < TIMERS_PER_CHILD; kind++) {
    const when = load<u64>(at + AT_DEADLINES + ((<usize>kind) << 3));
    if (when != 0) deadlineSet(timerChild(link, kind), when);
  }
  return true;
}

/** IKE_SAs, and CHILD_SAs, that came back. */
export let restoredIkeSas: u32 = 0;
export let restoredChildSas: u32 = 0;

/** All records are back: lists, indices and counts are built, and what was under way goes on. */
export function ikeRestored(): void {
  restoredIkeSas = 0;
  restoredChildSas = 0;
  ikeSasRestored();
  childSasRestored();
  for (let link: u32 = 0; link < childSaCapacity; link++) {
    const child = childSaAt(link);
    if (child.state == CHILD_STATE_FREE) continue;
    restoredChildSas += 1;
    childConfigAt(<u32>child.config).liveCount += 1;
    childAttach(child, ikeSaAt(<u32>child.sa));
    child.rekeys = presentChild(child.rekeys);
    child.rival = presentChild(child.rival);
    if (child.leftExchange != 0 && presentSa(<i32>(child.leftExchange - 1)) < 0) child.leftExchange = 0;
    const events = child.events;
    child.events = 0;
    eventRaise(child, events);
  }
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if (sa.state != IKE_STATE_FREE) saSettle(sa);
  }
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if (sa.state == IKE_STATE_FREE) continue;
    if (sa.parent == 0) goOn(sa);
    else if (presentSa(<i32>(sa.parent - 1)) < 0) embryoFree(i);
  }
}

function presentChild(link: i32): i32 {
  return link >= 0 && <u32>link < childSaCapacity && childSaAt(<u32>link).state != CHILD_STATE_FREE ? link : -1;
}

function presentSa(index: i32): i32 {
  return index >= 0 && <u32>index < ikeSaCapacity && ikeSaAt(<u32>index).state != IKE_STATE_FREE ? index : -1;
}

/** Its neighbours are there, or forgotten. */
function saSettle(sa: IkeSa): void {
  restoredIkeSas += 1;
  ikeChanged(sa.index);
  // Without its message it answers no duplicate.
  if (load<u64>(ikeResponse(sa)) == 0) sa.inLength = 0;
  sa.outChild = presentChild(sa.outChild);
  sa.inChild = presentChild(sa.inChild);
  sa.followChild = presentChild(sa.followChild);
  sa.outSa = presentSa(sa.outSa);
  sa.inSa = presentSa(sa.inSa);
  sa.followSa = presentSa(sa.followSa);
  sa.older = presentSa(sa.older);
  sa.newOut = presentSa(sa.newOut);
  sa.newIn = presentSa(sa.newIn);
  sa.reauthOld = presentSa(sa.reauthOld);
  sa.reauthNew = presentSa(sa.reauthNew);
  sa.lastHeard = now();
  if (sa.state != IKE_STATE_CONNECTING) identityIndexAdd(sa);
  if (deadlineOf(timerSa(sa.index, TIMER_LIVENESS)) != 0 && sa.connection >= 0)
    deadlineSet(timerSa(sa.index, TIMER_LIVENESS), now() + jitter(connectionAt(<u32>sa.connection).dpdDelay));
  virtualRestore(sa);
}

const wanted: usize = memory.data(16, 8);

/** The peer's virtual IPs are given to it again, in the pools as they are now. */
function virtualRestore(sa: IkeSa): void {
  const held = sa.virtualHeld;
  if (held == 0 || sa.virtualOurs != 0) return;
  sa.virtualHeld = 0;
  for (let family = VIRTUAL_IP4; family <= VIRTUAL_IP6; family++) {
    if ((held & family) == 0) continue;
    memory.copy(wanted, virtualAddress(sa, family), family == VIRTUAL_IP4 ? 4 : 16);
    virtualGrant(sa, family, wanted);
  }
}

/** Goes on with what was under way. */
function goOn(sa: IkeSa): void {
  const asked = sa.inStep;
  if (asked != IN_NONE && asked != IN_CHILD_INSTALL) askedAgain(sa, asked);
  // The peer has agreed: its answer comes once more, and the element has our share still.
  if (sa.outKey != 0) sa.outStep = answeredOf(sa.outStep);
  const step = sa.outStep;
  if (
    step == OUT_CHILD_KEY ||
    step == OUT_CHILD_AGREE ||
    step == OUT_REKEY_KEY ||
    step == OUT_REKEY_AGREE ||
    step == OUT_FOLLOWUP_KEY ||
    step == OUT_FOLLOWUP_AGREE ||
    step == OUT_QCD_RENEW
  )
    return answerLost(sa);
  if (step != OUT_NONE) {
    // A full sequence of repetitions: whatever came meanwhile found nobody.
    sa.outTries = 0;
    sa.outDelay = retransmitTime;
    deadlineSet(timerSa(sa.index, TIMER_RETRANSMIT), now());
  }
  if (step == OUT_NONE && sa.state != IKE_STATE_DELETING) proceed(sa);
}

/** The peer will repeat the request that is in hand: as if it had not come yet. */
function askedAgain(sa: IkeSa, step: u32): void {
  const child = sa.inChild;
  const fresh = sa.inSa;
  sa.inStep = IN_NONE;
  sa.inChild = -1;
  sa.inSa = -1;
  if (step == IN_FOLLOWUP) {
    if (child >= 0) followupAwaitChild(sa, childSaAt(<u32>child));
    else if (fresh >= 0) followupAwaitIke(sa, ikeSaAt(<u32>fresh));
    return;
  }
  if (child >= 0 && childSaAt(<u32>child).state == CHILD_STATE_CREATED) childDown(childSaAt(<u32>child), CAUSE_LOCAL);
  if (fresh >= 0) embryoFree(<u32>fresh);
}

/** What an exchange waited for before it had the peer's answer. */
function answeredOf(step: u32): u32 {
  if (step == OUT_CHILD_AGREE) return OUT_CHILD;
  if (step == OUT_REKEY_AGREE) return OUT_REKEY;
  return step == OUT_FOLLOWUP_AGREE ? OUT_FOLLOWUP : step;
}

/** True when a LINK has a CHILD_SA: one of the local database that has none is to be withdrawn. */
export function linkHasChild(link: u32): bool {
  return link < childSaCapacity && childSaAt(link).state != CHILD_STATE_FREE;
}
