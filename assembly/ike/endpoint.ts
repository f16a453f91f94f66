/**
 * The IKE endpoint (RFC 7296): many peers on one core, sans I/O.
 *
 * What the world did comes in by handle*, what the board must do goes out by ikePollEvent and by frames on the ports
 * UNPROTECTED, SECURE_ELEMENT and MANAGEMENT; time is the NOW register. The walk of a datagram:
 *
 *   1 path.ts takes IP, UDP and marker off            2 header, version, and whose IKE_SA it is, by our own SPI
 *   3 the chain of payloads is validated as a whole   4 duplicates are answered from memory (window.ts)
 *   5 SK is verified and decrypted (sk.ts), fragments wait for the rest (reassembly.ts), the inner chain is validated
 *   6 the exchange's own file goes on
 *
 * Refuses IKEv1.
 */
import {
  DROP_IKE_AUTHENTICATION,
  DROP_IKE_FRAGMENT,
  DROP_IKE_MALFORMED,
  DROP_IKE_MESSAGE_ID,
  DROP_IKE_STATE,
  DROP_IKE_UNKNOWN_SPI,
  DROP_IKE_VERSION,
  DROP_SECURE_ELEMENT_MALFORMED,
  DROP_SECURE_ELEMENT_STALE,
} from "../abi/drop";
import {
  CHILD_STATE_FREE,
  CHILD_STATE_INSTALLING,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_REKEYED,
} from "../abi/management";
import {
  PSA_DESTROY_KEY,
  PSA_EAP_BEGIN,
  PSA_EAP_END,
  PSA_FIELDS,
  PSA_GENERATE_KEY,
  PSA_KEY,
  PSA_OP,
  PSA_QCD_TOKEN,
  PSA_STATUS,
  PSA_SUCCESS,
  PSA_TRANSACTION,
} from "../abi/psa";
import { TRACE_IKE_RECEIVED, TRACE_MASK_IKE } from "../abi/trace";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { Flow } from "../policy/flow";
import { zeroize } from "../rt/bytes";
import { deadlineNext, deadlineSet, deadlineTake, deadlinesReset } from "../rt/deadlines";
import { now } from "../rt/registers";
import { trace } from "../rt/trace";
import {
  EXCHANGE_CREATE_CHILD_SA,
  EXCHANGE_IKE_AUTH,
  EXCHANGE_IKE_FOLLOWUP_KE,
  EXCHANGE_IKE_INTERMEDIATE,
  EXCHANGE_IKE_SA_INIT,
  EXCHANGE_INFORMATIONAL,
  IKE_FLAG_INITIATOR,
  IKE_FLAG_RESPONSE,
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  IKE_SPI_I,
  IKE_SPI_R,
  IKE_VERSION,
  PAYLOAD_HEADER,
  PAYLOAD_NOTIFY,
  PAYLOAD_SA,
  PAYLOAD_SK,
  PAYLOAD_SKF,
  WALK_CRITICAL,
  WALK_OK,
  ikeCheck,
  ikeExchange,
  ikeFlags,
  ikeMessageId,
  messageBegin,
  messageEnd,
  payloadBody,
  payloadFind,
  payloadLength,
  payloadsClear,
  payloadsCritical,
  payloadsWalk,
} from "../wire/ike_message";
import {
  NOTIFY_INVALID_IKE_SPI,
  NOTIFY_INVALID_MAJOR_VERSION,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
  notifyWrite,
} from "../wire/ike_payload/notify";
import { FRAGMENT_FIELDS, fragmentCheck, fragmentNumber, fragmentTotal } from "../wire/ike_payload/encrypted_fragment";
import { PROPOSAL_PROTOCOL, PROTOCOL_ID_IKE, saCheck } from "../wire/ike_payload/sa";
import { changesReset, ikeChanged } from "./changes";
import { ChildSa, childSaAt, childSasReset } from "./child_sa";
import { CHILD_CONFIGS_MAX, childConfigAt, connectionAt, connectionsReset } from "./connection";
import { cookiesReset } from "./cookie";
import { eventNext, eventsReset } from "./event";
import {
  createChildReceive,
  createChildResponderSecret,
  createChildResponderShare,
  createChildResponse,
  createChildSecret,
  createChildShare,
} from "./exchange/create_child_sa";
import { eapAsked, eapCompared, eapOwn, eapSigned, eapStepped, eapVerified } from "./exchange/ike_auth_eap";
import { authFinish, authRequest, authResponse } from "./exchange/ike_auth_initiator";
import { ppkFound, ppkKeys, ppkStart, ppkWithoutSigned } from "./exchange/ike_auth_ppk";
import { authBoth, authChild, authCompare, authGrant, authReceive } from "./exchange/ike_auth_responder";
import {
  followupReceive,
  followupRespond,
  followupResponse,
  followupSecret,
  followupShare,
} from "./exchange/ike_followup_ke";
import {
  intermediateDue,
  intermediateReceive,
  intermediateRespond,
  intermediateResponse,
  intermediateSecret,
  intermediateShare,
} from "./exchange/ike_intermediate";
import { initRequest, initRespond, initResponse, initSecret, initShare } from "./exchange/ike_sa_init";
import { informationalEarly, informationalReceive, informationalResponse, qcdRenew } from "./exchange/informational";
import { mobikeFound } from "./exchange/mobike";
import {
  rekeyReceive,
  rekeyResponderSecret,
  rekeyResponderShare,
  rekeyResponse,
  rekeySecret,
  rekeyable,
  rekeyShare,
} from "./exchange/rekey_ike_sa";
import {
  IN_AUTH_SIGN,
  IN_AUTH_BOTH,
  IN_AUTH_VERIFY,
  IN_CHILD_AGREE,
  IN_CHILD_KEY,
  IN_EAP,
  IN_EAP_AUTH,
  IN_EAP_VERIFY,
  IN_INIT_KEY,
  IN_FOLLOWUP,
  IN_INTERMEDIATE,
  IN_NONE,
  IN_PPK,
  IN_QCD,
  IN_REKEY_AGREE,
  IN_REKEY_KEY,
  IkeSa,
  NAT_REMOTE,
  OUT_AUTH_SIGN,
  OUT_AUTH_VERIFY,
  OUT_CHILD_AGREE,
  OUT_CHILD_KEY,
  OUT_EAP,
  OUT_EAP_AUTH,
  OUT_EAP_VERIFY,
  OUT_INIT,
  OUT_INIT_AGREE,
  OUT_INIT_KEY,
  OUT_FOLLOWUP_AGREE,
  OUT_FOLLOWUP_KEY,
  OUT_INTERMEDIATE_AGREE,
  OUT_INTERMEDIATE_KEY,
  OUT_LOOKUP,
  OUT_NONE,
  OUT_PPK,
  OUT_PPK_AUTH,
  OUT_QCD,
  OUT_QCD_RENEW,
  OUT_REKEY,
  OUT_REKEY_AGREE,
  OUT_REKEY_KEY,
  WANT_DELETE,
  WANT_LIVENESS,
  WANT_REKEY,
  ikeFind,
  ikePeerSpi,
  ikeSaAt,
  ikeSasReset,
} from "./ike_sa";
import { inactivityDue } from "./inactivity";
import { gatewaysReset } from "./gateway";
import {
  Job,
  jobAnswerBegin,
  jobAnswerEnd,
  jobDestroy,
  jobEnd,
  jobFind,
  jobOverdue,
  jobRelease,
  jobsDeadline,
  jobsFlush,
  jobsReset,
  jobsWaiting,
} from "./job";
import {
  CAUSE_DEAD,
  CAUSE_FAILED,
  CAUSE_LOCAL,
  LIFE_REPLACED,
  acquireChild,
  attemptAgain,
  childExpired,
  childDown,
  childLingered,
  childRekey,
  ikeDown,
  ikeFail,
  initiateChild,
  proceed,
} from "./life";
import { keepaliveDue } from "./keepalive";
import { listingBusy } from "./listing";
import { localAddressesReset } from "./local_address";
import { managementHandle, managementReset, managementSettle } from "./operator";
import { pathLocal, pathLocalPort, pathPull, pathRemote, pathRemotePort, pathSend } from "./path";
import { placementSettled } from "./placement";
import { qcdAnswered, qcdKeep, qcdProves, qcdReset, qcdUnknown } from "./qcd";
import { reassemblyReset, reassemblyTake } from "./reassembly";
import { follow } from "./relocate";
import { poolsReset } from "./pool";
import { reauthDue } from "./reauthentication";
import { reportAlert, text } from "./report";
import { roamBusy, roamContinue } from "./roam";
import { secretsReset } from "./secrets";
import { SECOND, childSaCapacity, ikeSaCapacity, settingsReset } from "./settings";
import { skContent, skContentLength, skOpen, skOpenFragment } from "./sk";
import { successionAdopt, successionForced, successionSettle } from "./succession";
import {
  TIMERS_PER_CHILD,
  TIMERS_PER_SA,
  TIMER_CHILD_INACTIVITY,
  TIMER_CHILD_REKEY,
  TIMER_EXPIRE,
  TIMER_KEEPALIVE,
  TIMER_LIFE,
  TIMER_LIVENESS,
  TIMER_REAUTH,
  TIMER_RETRANSMIT,
  timerCount,
  timerSa,
} from "./timer";
import { duplicateDelete } from "./uniqueness";
import { answerTo, requestRepeat, responseBegin, responseRepeat, responseSend } from "./window";

export { handleUsed } from "./inactivity";
export { handleMoved, handleNotUpdated } from "./relocate";
export { handleExpiring, handleInstalled, handleSaLost, setChildPlacement } from "./placement";

const small: usize = memory.data(64, 8);

/**
 * Builds all tables from CONFIG, with `kept` for the checkpoint; false when CONFIG is malformed or RAM too small. The DRBG is seeded before.
 */
export function ikeReset(kept: bool = false): bool {
  if (!settingsReset()) return false;
  eventsReset();
  managementReset();
  cookiesReset();
  gatewaysReset();
  qcdReset();
  return (
    localAddressesReset() &&
    changesReset(kept) &&
    poolsReset() &&
    connectionsReset() &&
    ikeSasReset() &&
    childSasReset() &&
    jobsReset() &&
    reassemblyReset() &&
    secretsReset() &&
    deadlinesReset(timerCount())
  );
}

/** A whole IP packet to UDP 500 or 4500, the marker still there. Takes the frame. */
export function handleDatagram(frame: Frame): void {
  if (!pathPull(frame)) return;
  const p = frame.start;
  if (!ikeCheck(p, frame.length)) return drop(frame, DROP_IKE_MALFORMED);
  trace(TRACE_MASK_IKE, TRACE_IKE_RECEIVED, ikeExchange(p), ikeMessageId(p), ikeFlags(p), frame.length);
  const major = (<u32>load<u8>(p, IKE_VERSION)) >> 4;
  const flags = ikeFlags(p);
  if (major != 2) {
    // RFC 7296 2.5: a request of a higher version is told ours, without protection.
    if (major > 2 && (flags & IKE_FLAG_RESPONSE) == 0) {
      notifyPlain(p, NOTIFY_INVALID_MAJOR_VERSION, 0);
    }
    return drop(frame, DROP_IKE_VERSION);
  }
  const spiR = load<u64>(p, IKE_SPI_R);
  const exchange = ikeExchange(p);
  if (
    exchange == EXCHANGE_IKE_SA_INIT &&
    spiR == 0 &&
    (flags & (IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR)) == IKE_FLAG_INITIATOR
  ) {
    const walk = walkOuter(frame);
    if (walk == WALK_CRITICAL) notifyPlain(p, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, payloadsCritical());
    if (walk != WALK_OK) return drop(frame, DROP_IKE_MALFORMED);
    initRequest(frame);
    return;
  }
  const fromInitiator = (flags & IKE_FLAG_INITIATOR) != 0;
  const sa = ikeFind(fromInitiator ? spiR : load<u64>(p, IKE_SPI_I));
  if (!sa || (sa.initiator != 0) == fromInitiator) {
    if (!sa) qcdUnknown(p);
    return drop(frame, DROP_IKE_UNKNOWN_SPI);
  }
  const peerSpi = fromInitiator ? load<u64>(p, IKE_SPI_I) : spiR;
  if (ikePeerSpi(sa) != peerSpi && !(sa.outStep == OUT_INIT && sa.state == IKE_STATE_CONNECTING))
    return drop(frame, DROP_IKE_UNKNOWN_SPI);
  // Begun by a rekey: it has no keys, and the peer has not heard of it.
  if (sa.parent != 0) return drop(frame, DROP_IKE_STATE);
  if ((flags & IKE_FLAG_RESPONSE) != 0) response(sa, frame);
  else request(sa, frame);
}

function walkOuter(frame: Frame): u32 {
  payloadsClear();
  return payloadsWalk(
    <u32>load<u8>(frame.start, IKE_NEXT_PAYLOAD),
    frame.start + IKE_HEADER,
    frame.start + frame.length,
  );
}

/** Answers outside of any IKE_SA with one notify; `payload` is its one octet of data, 0 none. */
function notifyPlain(p: usize, type: u32, payload: u32): void {
  const flags = IKE_FLAG_RESPONSE | ((ikeFlags(p) & IKE_FLAG_INITIATOR) ^ IKE_FLAG_INITIATOR);
  const w = messageBegin(
    small,
    60,
    load<u64>(p, IKE_SPI_I),
    load<u64>(p, IKE_SPI_R),
    ikeExchange(p),
    flags,
    ikeMessageId(p),
  );
  store<u8>(small, <u8>payload, 62);
  notifyWrite(w, type, small + 62, payload != 0 ? 1 : 0);
  pathSend(small, messageEnd(w), pathLocal, pathLocalPort, pathRemote, pathRemotePort);
}

let openResult: u32 = 0;

/**
 * Validates, verifies and decrypts a protected message. Returns the frame with the whole of it, null when that is not all here:
 * the frame is gone then. openResult tells of its inside.
 */
function open(sa: IkeSa, frame: Frame): Frame | null {
  const walk = walkOuter(frame);
  const fragment = payloadFind(PAYLOAD_SKF) == 0;
  if (walk != WALK_OK || (!fragment && payloadFind(PAYLOAD_SK) != 0)) {
    drop(frame, DROP_IKE_MALFORMED);
    return null;
  }
  const body = payloadBody(0);
  const length = payloadLength(0);
  const next = <u32>load<u8>(body - PAYLOAD_HEADER);
  if (fragment && !fragmentCheck(body, length, next)) {
    drop(frame, DROP_IKE_FRAGMENT);
    return null;
  }
  const p = frame.start;
  if (!(fragment ? skOpenFragment(sa, p, body, length) : skOpen(sa, p, body, length))) {
    drop(frame, DROP_IKE_AUTHENTICATION);
    return null;
  }
  frame.scratch0 = next;
  frame.scratch1 = <u32>skContent;
  frame.scratch2 = skContentLength;
  sa.lastHeard = now();
  ikeChanged(sa.index);
  let all: Frame | null = frame;
  if (fragment) {
    const number = fragmentNumber(body);
    const total = fragmentTotal(body);
    all = reassemblyTake(sa, (ikeFlags(p) & IKE_FLAG_RESPONSE) != 0, ikeMessageId(p), frame, number, total);
    if (!all) return null;
  }
  payloadsClear();
  openResult = payloadsWalk(all.scratch0, <usize>all.scratch1, <usize>(all.scratch1 + all.scratch2));
  return all;
}

function request(sa: IkeSa, frame: Frame): void {
  const p = frame.start;
  const id = ikeMessageId(p);
  const exchange = ikeExchange(p);
  // Twice: the response that is retained, or is being made (RFC 7296 2.1).
  if (id + 1 == sa.inId) {
    // Of a fragmented request the first fragment alone is answered (RFC 7383 2.6.1).
    if (laterFragment(frame)) return consume(frame);
    // To whence it came (RFC 7296 2.11): a NAT may have moved the peer since, or it tries its addresses.
    if (sa.mobike != 0 || ((sa.nat & NAT_REMOTE) != 0 && sa.local == pathLocal))
      answerTo(sa, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
    responseRepeat(sa);
    return consume(frame);
  }
  if (id != sa.inId || exchange == EXCHANGE_IKE_SA_INIT) return drop(frame, DROP_IKE_MESSAGE_ID);
  if (sa.inStep != IN_NONE) return consume(frame);
  if (
    sa.state == IKE_STATE_CONNECTING &&
    (sa.initiator != 0 || (exchange != due(sa) && exchange != EXCHANGE_INFORMATIONAL))
  )
    return drop(frame, DROP_IKE_STATE);
  if (sa.state != IKE_STATE_CONNECTING && (exchange == EXCHANGE_IKE_AUTH || exchange == EXCHANGE_IKE_INTERMEDIATE))
    return drop(frame, DROP_IKE_STATE);
  const all = open(sa, frame);
  if (!all) return;
  frame = all;
  answerTo(sa, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  follow(sa);
  if (openResult != WALK_OK) {
    const w = responseBegin(sa, exchange);
    store<u8>(small, <u8>payloadsCritical());
    if (openResult == WALK_CRITICAL) notifyWrite(w, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, small, 1);
    else notifyWrite(w, NOTIFY_INVALID_SYNTAX, 0, 0);
    responseSend(sa, w);
    consume(frame);
    if (sa.state == IKE_STATE_CONNECTING) ikeDown(sa, CAUSE_LOCAL, true);
    return;
  }
  if (exchange == EXCHANGE_IKE_AUTH) authReceive(sa, frame);
  else if (exchange == EXCHANGE_IKE_INTERMEDIATE) intermediateReceive(sa, frame);
  else if (exchange == EXCHANGE_INFORMATIONAL && sa.state == IKE_STATE_CONNECTING) informationalEarly(sa, frame);
  else if (exchange == EXCHANGE_INFORMATIONAL) informationalReceive(sa, frame);
  else if (exchange == EXCHANGE_CREATE_CHILD_SA) {
    successionAdopt(sa);
    if (namesIkeSa()) rekeyReceive(sa, frame);
    else createChildReceive(sa, frame);
  } else if (exchange == EXCHANGE_IKE_FOLLOWUP_KE) followupReceive(sa, frame);
  else drop(frame, DROP_IKE_STATE);
}

/** The exchange that a responder that is not authenticated yet waits for. */
function due(sa: IkeSa): u32 {
  return intermediateDue(sa) ? EXCHANGE_IKE_INTERMEDIATE : EXCHANGE_IKE_AUTH;
}

/** True when the SA payload in hand proposes an IKE_SA. */
function namesIkeSa(): bool {
  const i = payloadFind(PAYLOAD_SA);
  if (i < 0) return false;
  const body = payloadBody(<u32>i);
  return saCheck(body, payloadLength(<u32>i)) && <u32>load<u8>(body, PROPOSAL_PROTOCOL) == PROTOCOL_ID_IKE;
}

function response(sa: IkeSa, frame: Frame): void {
  const p = frame.start;
  const exchange = ikeExchange(p);
  if (sa.outStep == OUT_NONE || ikeMessageId(p) != sa.outId || sa.outTries == 0)
    return drop(frame, DROP_IKE_MESSAGE_ID);
  if (exchange == EXCHANGE_IKE_SA_INIT) {
    if (sa.outStep != OUT_INIT) return drop(frame, DROP_IKE_STATE);
    if (walkOuter(frame) != WALK_OK) return drop(frame, DROP_IKE_MALFORMED);
    return initResponse(sa, frame);
  }
  if (<u32>load<u8>(p, IKE_NEXT_PAYLOAD) == PAYLOAD_NOTIFY) return lost(sa, frame);
  const step = sa.outStep;
  if (step == OUT_INIT || step == OUT_AUTH_VERIFY || step == OUT_EAP || step == OUT_EAP_VERIFY)
    return drop(frame, DROP_IKE_STATE);
  const all = open(sa, frame);
  if (!all) return;
  frame = all;
  follow(sa);
  if (sa.established != 0) mobikeFound(sa);
  if (openResult != WALK_OK) {
    // Authenticated nonsense: this IKE_SA cannot go on (RFC 7296 2.21.3).
    consume(frame);
    reportAlert(sa.connection, null, NOTIFY_INVALID_SYNTAX, text("the peer's response is malformed"));
    ikeDown(sa, CAUSE_FAILED, false);
    return;
  }
  if (exchange == EXCHANGE_IKE_AUTH) authResponse(sa, frame);
  else if (exchange == EXCHANGE_IKE_INTERMEDIATE) intermediateResponse(sa, frame);
  else if (exchange == EXCHANGE_INFORMATIONAL) informationalResponse(sa, frame);
  else if (exchange == EXCHANGE_CREATE_CHILD_SA) {
    if (sa.outStep == OUT_REKEY) rekeyResponse(sa, frame);
    else createChildResponse(sa, frame);
  } else if (exchange == EXCHANGE_IKE_FOLLOWUP_KE) followupResponse(sa, frame);
  else drop(frame, DROP_IKE_STATE);
}

/** An answer in the clear: with the peer's token it tells that the peer has lost the IKE_SA (RFC 6290 4.4). */
function lost(sa: IkeSa, frame: Frame): void {
  if (walkOuter(frame) != WALK_OK || !qcdProves(sa)) return drop(frame, DROP_IKE_AUTHENTICATION);
  consume(frame);
  reportAlert(sa.connection, null, NOTIFY_INVALID_IKE_SPI, text("the peer has lost its SAs, as its token proves"));
  ikeDown(sa, CAUSE_DEAD, false);
}

/** An answer of the secure element. Takes the frame; secrets in it are wiped. */
export function handleSecureElement(frame: Frame): void {
  if (frame.length < PSA_FIELDS) return drop(frame, DROP_SECURE_ELEMENT_MALFORMED);
  const p = frame.start;
  const op = <u32>load<u16>(p, PSA_OP);
  const transaction = load<u32>(p, PSA_TRANSACTION);
  if (transaction == 0 && (op == PSA_DESTROY_KEY || op == PSA_EAP_END)) return consume(frame);
  if (op == PSA_QCD_TOKEN && qcdAnswered(frame, load<i32>(p, PSA_STATUS) == PSA_SUCCESS)) return consume(frame);
  const job = jobFind(transaction, op);
  const key = load<u32>(p, PSA_KEY);
  const good = load<i32>(p, PSA_STATUS) == PSA_SUCCESS;
  if (!job) return stale(frame, op, key, good);
  const sa = ikeSaAt(job.sa);
  const out = job.out != 0;
  const step = job.step;
  if (!answered(job)) return stale(frame, op, key, good);
  let value: usize = 0;
  let length: u32 = 0;
  if (good) {
    if (frame.length >= PSA_FIELDS + 2) length = <u32>load<u16>(p, PSA_FIELDS);
    if (length == 0 || length > frame.length - PSA_FIELDS - 2) length = 0;
    value = p + PSA_FIELDS + 2;
  }
  jobAnswerBegin(frame);
  if (out) dispatchOut(sa, step, key, value, length);
  else dispatchIn(sa, step, key, value, length);
  if (!jobAnswerEnd()) return;
  zeroize(p, frame.length);
  consume(frame);
}

/** Ends a job; true when an exchange still waits for it. */
function answered(job: Job): bool {
  const sa = ikeSaAt(job.sa);
  ikeChanged(sa.index);
  const current = sa.generation == job.saGeneration && (job.out != 0 ? sa.outStep : sa.inStep) == job.step;
  jobEnd(job);
  return current;
}

/** The secure element does not answer: the exchanges that wait for it fail, and a late answer finds nobody. */
function jobsExpire(time: u64): void {
  for (let job = jobOverdue(time); job; job = jobOverdue(time)) {
    const sa = ikeSaAt(job.sa);
    const out = job.out != 0;
    const step = job.step;
    if (!answered(job)) continue;
    reportAlert(sa.connection, null, 0, text("the secure element does not answer"));
    if (out) dispatchOut(sa, step, 0, 0, 0);
    else dispatchIn(sa, step, 0, 0, 0);
  }
}

function stale(frame: Frame, op: u32, key: u32, good: bool): void {
  if (op == PSA_GENERATE_KEY && good) jobDestroy(key);
  if (op == PSA_EAP_BEGIN && good) jobRelease(PSA_EAP_END, key);
  zeroize(frame.start, frame.length);
  drop(frame, DROP_SECURE_ELEMENT_STALE);
}

/** `length` 0: the element could not. */
function dispatchOut(sa: IkeSa, step: u32, key: u32, value: usize, length: u32): void {
  switch (step) {
    case OUT_INIT_KEY:
      return initShare(sa, key, value, length);
    case OUT_INIT_AGREE:
      if (length == 0) return ikeFail(sa, 0, text("the key exchange of IKE_SA_INIT failed"));
      return initSecret(sa, value, length);
    case OUT_AUTH_SIGN:
      return authRequest(sa, value, length);
    case OUT_AUTH_VERIFY:
      return authFinish(sa, value, length);
    case OUT_INTERMEDIATE_KEY:
      return intermediateShare(sa, key, value, length);
    case OUT_INTERMEDIATE_AGREE:
      return intermediateSecret(sa, value, length);
    case OUT_FOLLOWUP_KEY:
      return followupShare(sa, key, value, length);
    case OUT_FOLLOWUP_AGREE:
      return followupSecret(sa, value, length);
    case OUT_QCD: {
      qcdKeep(sa, value, length);
      return ppkStart(sa);
    }
    case OUT_QCD_RENEW:
      return qcdRenew(sa, value, length);
    case OUT_PPK_AUTH:
      return ppkWithoutSigned(sa, value, length);
    case OUT_PPK:
      return ppkKeys(sa, value, length);
    case OUT_EAP:
      return eapStepped(sa, key, value, length);
    case OUT_EAP_AUTH:
      return eapSigned(sa, value, length);
    case OUT_EAP_VERIFY:
      return eapVerified(sa, value, length);
    case OUT_CHILD_KEY:
      return createChildShare(sa, key, value, length);
    case OUT_CHILD_AGREE:
      return createChildSecret(sa, value, length);
    case OUT_REKEY_KEY:
      return rekeyShare(sa, key, value, length);
    case OUT_REKEY_AGREE:
      return rekeySecret(sa, value, length);
    default:
      return;
  }
}

function dispatchIn(sa: IkeSa, step: u32, key: u32, value: usize, length: u32): void {
  switch (step) {
    case IN_INIT_KEY:
      return initRespond(sa, value, length);
    case IN_AUTH_BOTH:
      return authBoth(sa, value, length);
    case IN_AUTH_VERIFY:
      return authCompare(sa, value, length);
    case IN_INTERMEDIATE:
      return intermediateRespond(sa, value, length);
    case IN_FOLLOWUP:
      return followupRespond(sa, value, length);
    case IN_QCD: {
      qcdKeep(sa, value, length);
      return authGrant(sa);
    }
    case IN_PPK:
      return ppkFound(sa, value, length);
    case IN_AUTH_SIGN:
      return authChild(sa, value, length);
    case IN_EAP:
      return eapAsked(sa, key, value, length);
    case IN_EAP_VERIFY:
      return eapCompared(sa, value, length);
    case IN_EAP_AUTH:
      return eapOwn(sa, value, length);
    case IN_CHILD_KEY:
      return createChildResponderShare(sa, key, value, length);
    case IN_CHILD_AGREE:
      return createChildResponderSecret(sa, value, length);
    case IN_REKEY_KEY:
      return rekeyResponderShare(sa, key, value, length);
    case IN_REKEY_AGREE:
      return rekeyResponderSecret(sa, value, length);
    default:
      return;
  }
}

/** What an exchange that we initiated waits for from the secure element will not come: it fails. */
export function answerLost(sa: IkeSa): void {
  dispatchOut(sa, sa.outStep, 0, 0, 0);
}

function isFragment(frame: Frame): bool {
  return <u32>load<u8>(frame.start, IKE_NEXT_PAYLOAD) == PAYLOAD_SKF;
}

/** True for a fragment that is not the first of its message. */
function laterFragment(frame: Frame): bool {
  const body = frame.start + IKE_HEADER + PAYLOAD_HEADER;
  return isFragment(frame) && frame.length > IKE_HEADER + PAYLOAD_HEADER + FRAGMENT_FIELDS && fragmentNumber(body) != 1;
}

/** Traffic for a configured child that has no SA, or none that covers it. `flow`: the packet's selector values, or null. */
export function handleAcquire(childConfigIndex: u32, flow: Flow | null = null): void {
  if (childConfigIndex < CHILD_CONFIGS_MAX) acquireChild(childConfigAt(childConfigIndex), flow);
}

/** A command of the operator's. Takes the frame; what it does not know it answers with RESULT_UNSUPPORTED. */
export function handleManagement(frame: Frame): void {
  managementHandle(frame);
}

/** Once per poll: what is due, and what waits for room. */
export function handleTimeout(): void {
  jobsFlush();
  const time = now();
  jobsExpire(time);
  for (let id = deadlineTake(time); id >= 0; id = deadlineTake(time)) timerDue(<u32>id);
  roamContinue();
  managementSettle();
}

/** Instead of handleTimeout while the board takes its SAs back: nothing is due but what has to leave. */
export function handleRestoring(): void {
  jobsFlush();
}

/** When handleTimeout is next needed (ns on the NOW scale). */
export function ikeDeadline(): u64 {
  return jobsWaiting() || listingBusy() || roamBusy() ? now() : min<u64>(deadlineNext(), jobsDeadline());
}

/** The next event record (event.ts), or 0. */
export function ikePollEvent(): usize {
  return eventNext();
}

function timerDue(id: u32): void {
  const sas = ikeSaCapacity * TIMERS_PER_SA;
  if (id < sas) return timerDueSa(ikeSaAt(id / TIMERS_PER_SA), id % TIMERS_PER_SA);
  if (id < sas + childSaCapacity * TIMERS_PER_CHILD) {
    const child = childSaAt((id - sas) / TIMERS_PER_CHILD);
    const kind = (id - sas) % TIMERS_PER_CHILD;
    if (child.lingers != 0) childLingered(child);
    if (child.state == CHILD_STATE_FREE || child.sa < 0) return;
    if (kind == TIMER_CHILD_REKEY) childRekey(child);
    else if (kind == TIMER_CHILD_INACTIVITY) inactivityDue(child);
    else if (child.state == CHILD_STATE_INSTALLING) placementSettled(child, true);
    else if (ikeSaAt(<u32>child.sa).followChild == <i32>child.link) childForgotten(child);
    else childExpired(child);
    return;
  }
  initiateChild(childConfigAt(id - sas - childSaCapacity * TIMERS_PER_CHILD));
}

/** The peer has not come back for a CHILD_SA in its additional key exchanges. */
function childForgotten(child: ChildSa): void {
  const sa = ikeSaAt(<u32>child.sa);
  childDown(child, CAUSE_LOCAL);
  proceed(sa);
}

/** The same for a new IKE_SA. */
function ikeForgotten(sa: IkeSa): void {
  const old = ikeSaAt(sa.parent - 1);
  ikeDown(sa, CAUSE_LOCAL, false);
  if (rekeyable(old)) successionSettle(old);
  proceed(old);
}

function timerDueSa(sa: IkeSa, kind: u32): void {
  const c = sa.connection >= 0 ? connectionAt(<u32>sa.connection) : null;
  if (kind == TIMER_RETRANSMIT) {
    if (sa.outStep == OUT_NONE || requestRepeat(sa)) return;
    if (sa.state == IKE_STATE_DELETING) return ikeDown(sa, sa.endCause, false);
    if (sa.state == IKE_STATE_CONNECTING && attemptAgain(sa)) return;
    if (successionForced(sa)) return ikeDown(sa, CAUSE_LOCAL, false);
    reportAlert(sa.connection, null, 0, text("the peer does not answer"));
    ikeDown(sa, sa.state == IKE_STATE_CONNECTING ? CAUSE_FAILED : CAUSE_DEAD, false);
  } else if (kind == TIMER_EXPIRE) {
    if (sa.state == IKE_STATE_CONNECTING && sa.parent != 0) return ikeForgotten(sa);
    if (sa.outStep == OUT_LOOKUP) return ikeFail(sa, 0, text("the peer's name was not looked up in time"));
    if (sa.state == IKE_STATE_CONNECTING && sa.initiator != 0) return ikeFail(sa, 0, text("the attempt took too long"));
    if (sa.state == IKE_STATE_CONNECTING || sa.state == IKE_STATE_DELETING) ikeDown(sa, CAUSE_LOCAL, false);
    else if (sa.duplicate != 0) duplicateDelete(sa);
    else if (sa.state == IKE_STATE_REKEYED) {
      sa.want |= WANT_DELETE;
      proceed(sa);
    }
  } else if (kind == TIMER_KEEPALIVE) {
    keepaliveDue(sa);
  } else if (kind == TIMER_LIVENESS) {
    if (!c || c.dpdDelay == 0 || sa.state == IKE_STATE_DELETING) return;
    const delay = <u64>c.dpdDelay * SECOND;
    if (now() - sa.lastHeard >= delay) {
      if (sa.outStep == OUT_NONE) sa.want |= WANT_LIVENESS;
      deadlineSet(timerSa(sa.index, TIMER_LIVENESS), now() + delay);
      proceed(sa);
    } else {
      deadlineSet(timerSa(sa.index, TIMER_LIVENESS), sa.lastHeard + delay);
    }
  } else if (kind == TIMER_REAUTH) {
    ikeChanged(sa.index);
    reauthDue(sa);
  } else if (kind == TIMER_LIFE) {
    ikeChanged(sa.index);
    if (!c || sa.lifeStage == LIFE_REPLACED || sa.state == IKE_STATE_DELETING) return;
    // First the rekey; over_time later, if that did not happen, the end.
    if (sa.lifeStage == 0) {
      sa.lifeStage = 1;
      if (c.overTime != 0) sa.lifeEnd = now() + <u64>c.overTime * SECOND;
    }
    if (sa.lifeEnd != 0 && now() >= sa.lifeEnd) {
      sa.want |= WANT_DELETE;
      sa.endCause = CAUSE_FAILED;
    } else {
      sa.want |= WANT_REKEY;
      if (sa.lifeEnd != 0) deadlineSet(timerSa(sa.index, TIMER_LIFE), sa.lifeEnd);
    }
    proceed(sa);
  }
}
