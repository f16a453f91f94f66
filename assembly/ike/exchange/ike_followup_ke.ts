/**
 * IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4): the additional key exchanges of a CREATE_CHILD_SA, for a CHILD_SA or a new IKE_SA, one
 * exchange for each, in the order of their types. What an answer has in N(ADDITIONAL_KEY_EXCHANGE) names the next step:
 *
 *   HDR, SK { SA, Ni, KEi, .. }              -->
 *                                            <--  HDR, SK { SA, Nr, KEr, .., N(ADDITIONAL_KEY_EXCHANGE, link1) }
 *   HDR, SK { KEi(1), N(A.K.E., link1) }     -->
 *                                            <--  HDR, SK { KEr(1), [N(A.K.E., link2)] }
 *
 * After the last of them there are keys. Refuses with STATE_NOT_FOUND what nobody waits for, and with INVALID_SYNTAX values that are
 * unacceptable: either ends the rekey, and leaves what was to be replaced.
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { drbgDraw } from "../../crypto/drbg";
import { EXCHANGE_IKE_FOLLOWUP_KE, PAYLOAD_KE, Writer } from "../../wire/ike_message";
import { KE_HEADER, keCheck, keMethod, keWrite } from "../../wire/ike_payload/ke";
import {
  NOTIFY_ADDITIONAL_KEY_EXCHANGE,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_STATE_NOT_FOUND,
  NOTIFY_TEMPORARY_FAILURE,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { ADDKE_MAX } from "../../wire/ike_payload/sa";
import { ChildSa, childSaAt, childSuite } from "../child_sa";
import {
  followsIn,
  followupAwaitChild,
  followupAwaitIke,
  followupInForget,
  followupOutForget,
  followupResume,
} from "../followup";
import {
  COOKIE_MAX,
  IN_CHILD_INSTALL,
  IN_FOLLOWUP,
  IkeSa,
  KE_VALUE_MAX,
  OUT_FOLLOWUP,
  OUT_FOLLOWUP_AGREE,
  OUT_FOLLOWUP_KEY,
  ikeCookie,
  ikeKeOwn,
  ikeSaAt,
  ikeSuite,
} from "../ike_sa";
import {
  jobAgreeKept,
  jobAgreed,
  jobDestroy,
  jobGenerate,
  jobRespond,
  jobResponded,
  respondedLength,
  respondedSecret,
  respondedSecretLength,
  respondedValue,
} from "../job";
import { childKeys, ikeKeysRekeyed } from "../keymat";
import { CAUSE_LOCAL, childDown, childInstall, embryoFree, proceed } from "../life";
import { agreed, notifyFind, sole, soleLength } from "../negotiation";
import { Suite, suiteAdditional, suiteNextAdditional } from "../proposal";
import { replacementAnswered } from "../replacement";
import { reportAlert, text } from "../report";
import { secretsAdd, secretsAt, secretsFirst, secretsMore, secretsTake } from "../secrets";
import { successionBorn, successionSettle } from "../succession";
import { requestAnswered, requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { createChildFinish, createChildGiveUp } from "./create_child_sa";
import { rekeyFinish, rekeyGiveUp, rekeyable } from "./rekey_ike_sa";

const LINK_OCTETS: u32 = 8;
const link: usize = memory.data(8, 8);

/** Remembers what the answer in hand names the next step by. False: it does not, or by something too long. */
export function followupLinkTake(sa: IkeSa): bool {
  const notify = notifyFind(NOTIFY_ADDITIONAL_KEY_EXCHANGE);
  if (notify == 0) return false;
  const octets = notifyDataOctets(notify, soleLength);
  if (octets > COOKIE_MAX) return false;
  memory.copy(ikeCookie(sa), notifyData(notify), octets);
  sa.cookieLength = octets;
  return true;
}

/** The suite that our rekey, or the one of the peer's in hand, is about. */
function suiteOf(child: i32, sa: i32): Suite {
  return child >= 0 ? childSuite(childSaAt(<u32>child)) : ikeSuite(ikeSaAt(<u32>sa));
}

/** Initiator: the first secret is here, and others are to follow. */
export function followupStart(sa: IkeSa, secret: usize, length: u32): void {
  followupOutForget(sa);
  sa.secretsOut = secretsTake(secret, length);
  sa.additionalNext = 0;
  if (sa.secretsOut == 0) return fail(sa, 0, text("too many rekeys are in their additional key exchanges"));
  next(sa);
}

function next(sa: IkeSa): void {
  const suite = suiteOf(sa.outChild, sa.outSa);
  sa.additionalNext = suiteNextAdditional(suite, sa.additionalNext);
  if (sa.additionalNext >= ADDKE_MAX) return finish(sa);
  sa.method = suiteAdditional(suite, sa.additionalNext);
  exchangeDone(sa);
  sa.outStep = OUT_FOLLOWUP_KEY;
  if (!jobGenerate(sa, true, OUT_FOLLOWUP_KEY, sa.method)) notSent(sa, text("the secure element is not available"));
}

/** The exchange in hand is over, what it was about is not. */
function exchangeDone(sa: IkeSa): void {
  const child = sa.outChild;
  const to = sa.outSa;
  requestDone(sa);
  sa.outChild = child;
  sa.outSa = to;
}

/** Our share is here; length 0: it is not. */
export function followupShare(sa: IkeSa, key: u32, value: usize, length: u32): void {
  if (length == 0 || length > KE_VALUE_MAX || (sa.outChild < 0 && sa.outSa < 0)) {
    jobDestroy(key);
    return notSent(sa, text("the secure element gave no usable key share"));
  }
  sa.outKey = key;
  const w = requestBegin(sa, EXCHANGE_IKE_FOLLOWUP_KE);
  keWrite(w, sa.method, value, length);
  notifyWrite(w, NOTIFY_ADDITIONAL_KEY_EXCHANGE, ikeCookie(sa), sa.cookieLength);
  requestSend(sa, w, OUT_FOLLOWUP);
}

/** The rekey fails before its next request: that one has no message id. */
function notSent(sa: IkeSa, literal: usize): void {
  sa.outId -= 1;
  fail(sa, 0, literal);
}

/** The rekey fails; the exchange in hand is over. */
function fail(sa: IkeSa, notify: u32, literal: usize): void {
  followupOutForget(sa);
  exchangeDone(sa);
  if (sa.outChild >= 0) {
    const child = childSaAt(<u32>sa.outChild);
    sa.outChild = -1;
    // The peer has not got it either.
    child.spiOut = 0;
    return createChildGiveUp(sa, child, notify, literal);
  }
  if (sa.outSa >= 0) return rekeyGiveUp(sa, notify);
  proceed(sa);
}

/** The answer, decrypted. Takes the frame. */
export function followupResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_FOLLOWUP) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  requestAnswered(sa);
  const key = sa.outKey;
  sa.outKey = 0;
  if (sa.outChild < 0 && sa.outSa < 0) {
    // Taken back meanwhile: the peer will forget.
    consume(frame);
    jobDestroy(key);
    return fail(sa, 0, 0);
  }
  const error = notifyFind(0);
  if (error != 0) {
    const type = notifyType(error);
    consume(frame);
    jobDestroy(key);
    return fail(sa, type, text("the peer refused an additional key exchange"));
  }
  const ke = sole(PAYLOAD_KE);
  const length = soleLength;
  const last = suiteNextAdditional(suiteOf(sa.outChild, sa.outSa), sa.additionalNext + 1) >= ADDKE_MAX;
  const good = ke != 0 && keCheck(ke, length) && keMethod(ke) == sa.method && length - KE_HEADER <= KE_VALUE_MAX;
  if (!good || (!last && !followupLinkTake(sa))) {
    consume(frame);
    jobDestroy(key);
    return fail(sa, NOTIFY_INVALID_SYNTAX, text("the peer's answer to an additional key exchange is malformed"));
  }
  sa.outStep = OUT_FOLLOWUP_AGREE;
  const posted = jobAgreeKept(sa, OUT_FOLLOWUP_AGREE, key, sa.method, ke + KE_HEADER, length - KE_HEADER);
  consume(frame);
  if (!posted) followupSecret(sa, 0, 0);
}

/** A shared secret is here; length 0: it is not. */
export function followupSecret(sa: IkeSa, secret: usize, length: u32): void {
  jobAgreed(sa);
  const wanted = sa.outChild >= 0 || sa.outSa >= 0;
  if (!wanted || length == 0 || !secretsAdd(sa.secretsOut, secret, length))
    return fail(sa, 0, text("an additional key exchange failed"));
  sa.additionalNext += 1;
  next(sa);
}

function finish(sa: IkeSa): void {
  const record = sa.secretsOut;
  const secret = secretsAt(record);
  if (sa.outChild >= 0) {
    createChildFinish(sa, childSaAt(<u32>sa.outChild), secret, secretsFirst(record), secretsMore(record));
  } else {
    rekeyFinish(sa, secret, secretsFirst(record), secretsMore(record));
  }
  followupOutForget(sa);
}

/** Writes what names the next step. */
function linkWrite(w: Writer, sa: IkeSa): void {
  drbgDraw(link, LINK_OCTETS);
  sa.followLink = load<u64>(link);
  notifyWrite(w, NOTIFY_ADDITIONAL_KEY_EXCHANGE, link, LINK_OCTETS);
}

/** Responder: keeps the first secret, others are to follow. False: no room. */
export function followupKeep(sa: IkeSa, secret: usize, length: u32): bool {
  followupInForget(sa);
  sa.secretsIn = secretsTake(secret, length);
  sa.followNext = 0;
  return sa.secretsIn != 0;
}

/** Sends the answer `w`, with which the peer's rekey of a CHILD_SA, or for a new IKE_SA, is not over. */
export function followupAwait(sa: IkeSa, w: Writer): void {
  const child = sa.inChild;
  const to = sa.inSa;
  linkWrite(w, sa);
  responseSend(sa, w);
  if (child >= 0) followupAwaitChild(sa, childSaAt(<u32>child));
  else followupAwaitIke(sa, ikeSaAt(<u32>to));
}

/** The peer's next step, decrypted. Takes the frame. */
export function followupReceive(sa: IkeSa, frame: Frame): void {
  const notify = notifyFind(NOTIFY_ADDITIONAL_KEY_EXCHANGE);
  const named =
    notify != 0 &&
    notifyDataOctets(notify, soleLength) == LINK_OCTETS &&
    load<u64>(notifyData(notify)) == sa.followLink;
  if (!followsIn(sa) || !named) {
    consume(frame);
    return refuse(sa, NOTIFY_STATE_NOT_FOUND);
  }
  followupResume(sa);
  const suite = suiteOf(sa.inChild, sa.inSa);
  sa.followNext = suiteNextAdditional(suite, sa.followNext);
  const method = suiteAdditional(suite, sa.followNext);
  const ke = sole(PAYLOAD_KE);
  const length = soleLength;
  const good = ke != 0 && keCheck(ke, length) && keMethod(ke) == method && length - KE_HEADER <= KE_VALUE_MAX;
  sa.inStep = IN_FOLLOWUP;
  const posted = good && jobRespond(sa, IN_FOLLOWUP, method, ke + KE_HEADER, length - KE_HEADER);
  consume(frame);
  if (!posted) giveUp(sa, good ? NOTIFY_TEMPORARY_FAILURE : NOTIFY_INVALID_SYNTAX);
}

/** The secure element has answered the peer's share; length 0: it could not. */
export function followupRespond(sa: IkeSa, value: usize, length: u32): void {
  if (sa.inChild < 0 && (sa.inSa < 0 || !rekeyable(sa))) return giveUp(sa, NOTIFY_TEMPORARY_FAILURE);
  if (!jobResponded(value, length, KE_VALUE_MAX)) {
    reportAlert(
      sa.connection,
      null,
      NOTIFY_INVALID_SYNTAX,
      text("the peer's value of an additional key exchange is unacceptable"),
    );
    return giveUp(sa, NOTIFY_INVALID_SYNTAX);
  }
  if (!secretsAdd(sa.secretsIn, respondedSecret, respondedSecretLength)) return giveUp(sa, NOTIFY_TEMPORARY_FAILURE);
  memory.copy(ikeKeOwn(sa), respondedValue, respondedLength);
  sa.keOwnLength = respondedLength;
  const suite = suiteOf(sa.inChild, sa.inSa);
  const method = suiteAdditional(suite, sa.followNext);
  if (suiteNextAdditional(suite, sa.followNext + 1) < ADDKE_MAX) {
    sa.followNext += 1;
    const w = responseBegin(sa, EXCHANGE_IKE_FOLLOWUP_KE);
    keWrite(w, method, ikeKeOwn(sa), sa.keOwnLength);
    return followupAwait(sa, w);
  }
  const record = sa.secretsIn;
  const secret = secretsAt(record);
  if (sa.inChild >= 0) {
    const child = childSaAt(<u32>sa.inChild);
    childKeys(child, sa, secret, secretsFirst(record), secretsMore(record));
    followupInForget(sa);
    agreed(child);
    sa.inStep = IN_CHILD_INSTALL;
    return childInstall(child);
  }
  const to = ikeSaAt(<u32>sa.inSa);
  ikeKeysRekeyed(to, sa, secret, secretsFirst(record), secretsMore(record));
  followupInForget(sa);
  answer(sa, method);
  successionBorn(sa, to);
}

/** The last answer. */
function answer(sa: IkeSa, method: u32): void {
  const w = responseBegin(sa, EXCHANGE_IKE_FOLLOWUP_KE);
  keWrite(w, method, ikeKeOwn(sa), sa.keOwnLength);
  responseSend(sa, w);
}

/** Responder: the boards have the CHILD_SA; now the peer may know. */
export function followupChildRespond(sa: IkeSa, child: ChildSa): void {
  answer(sa, suiteAdditional(childSuite(child), sa.followNext));
  replacementAnswered(child);
  proceed(sa);
}

/** The peer's rekey ends here. */
function giveUp(sa: IkeSa, notify: u32): void {
  const child = sa.inChild;
  const to = sa.inSa;
  followupInForget(sa);
  if (child >= 0) childDown(childSaAt(<u32>child), CAUSE_LOCAL);
  sa.inSa = -1;
  if (to >= 0) embryoFree(<u32>to);
  refuse(sa, notify);
  if (to >= 0 && rekeyable(sa)) successionSettle(sa);
}

/** Answers with one notify. */
function refuse(sa: IkeSa, type: u32): void {
  const w = responseBegin(sa, EXCHANGE_IKE_FOLLOWUP_KE);
  notifyWrite(w, type, 0, 0);
  responseSend(sa, w);
  proceed(sa);
}
