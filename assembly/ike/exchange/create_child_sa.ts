/**
 * CREATE_CHILD_SA for a further or a rekeyed CHILD_SA (RFC 7296 section 1.3.1, 1.3.3, 2.8).
 *
 *   HDR, SK { [N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr }  -->
 *                                       <--  HDR, SK { SA, Nr, [KEr], TSi, TSr | N(error) }
 *
 * What a new CHILD_SA does to the one that it replaces, and what when both sides rekey at once, is replacement.ts.
 *
 * A CHILD_SA that is asked to be rekeyed while it is being closed, or while its IKE_SA is rekeyed or closed, is refused with
 * TEMPORARY_FAILURE, one that is not there with CHILD_SA_NOT_FOUND (2.25). Told so ourselves, we wait and try again; or we
 * forget what the peer has lost, and ask for a new one.
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import {
  CHILD_STATE_INSTALLED,
  CHILD_STATE_REKEYED,
  CHILD_STATE_REKEYING,
  IKE_STATE_ESTABLISHED,
} from "../../abi/management";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { drbgDraw } from "../../crypto/drbg";
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../../rt/bytes";
import {
  EXCHANGE_CREATE_CHILD_SA,
  EXCHANGE_IKE_FOLLOWUP_KE,
  PAYLOAD_KE,
  PAYLOAD_NONCE,
  Writer,
} from "../../wire/ike_message";
import { KE_HEADER, keCheck, keMethod, keWrite } from "../../wire/ike_payload/ke";
import { nonceCheck, nonceWrite } from "../../wire/ike_payload/nonce";
import {
  NOTIFY_CHILD_SA_NOT_FOUND,
  NOTIFY_INVALID_KE_PAYLOAD,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_NO_ADDITIONAL_SAS,
  NOTIFY_REKEY_SA,
  NOTIFY_TEMPORARY_FAILURE,
  notifyData,
  notifyDataOctets,
  notifyProtocol,
  notifySpi,
  notifySpiOctets,
  notifySpiWrite,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import {
  CHILD_WANT_CREATE,
  CHILD_WANT_DELETE,
  ChildSa,
  childByPeerSpi,
  childConfig,
  childMove,
  childNonce,
  childPeerNonce,
  childSaAt,
  childSuite,
  childTake,
} from "../child_sa";
import { childTransforms } from "../connection";
import { followsIn, followsOut, suiteAdds } from "../followup";
import {
  IN_CHILD_AGREE,
  IN_CHILD_INSTALL,
  IN_CHILD_KEY,
  IkeSa,
  KE_VALUE_MAX,
  NONCE_OCTETS,
  OUT_CHILD,
  OUT_CHILD_AGREE,
  OUT_CHILD_KEY,
  ikeKeOwn,
  ikeKePeer,
} from "../ike_sa";
import { jobAgree, jobAgreeKept, jobAgreed, jobDestroy, jobGenerate } from "../job";
import { childKeys } from "../keymat";
import { CAUSE_LOCAL, CAUSE_PEER, childDown, childFail, childInstall, ikeTemporary, proceed, retry } from "../life";
import {
  agreed,
  answerAccept,
  answerSaWrite,
  childDefaults,
  notifyFind,
  offerChoose,
  offerRefusal,
  offerSaWrite,
  selectorsWrite,
  sole,
  soleLength,
} from "../negotiation";
import { proposalFirstKe, proposalHasKe } from "../proposal";
import { childReplaced, rekeyLater, replacementAnswered, replacementOf, replacementRefused } from "../replacement";
import { reportAlert, text } from "../report";
import { requestAnswered, requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { followupAwait, followupChildRespond, followupKeep, followupLinkTake, followupStart } from "./ike_followup_ke";

const scratch: usize = memory.data(8, 8);

/** Asks for a CHILD_SA that is CREATED. */
export function createChildStart(sa: IkeSa, child: ChildSa): void {
  const config = childConfig(child);
  drbgDraw(childNonce(child), NONCE_OCTETS);
  childDefaults(child, sa);
  sa.outChild = <i32>child.link;
  sa.method = proposalFirstKe(childTransforms(config), config.transformCount);
  share(sa, child);
}

function share(sa: IkeSa, child: ChildSa): void {
  if (sa.method == 0) return buildRequest(sa, child, 0, 0);
  sa.outStep = OUT_CHILD_KEY;
  if (!jobGenerate(sa, true, OUT_CHILD_KEY, sa.method)) {
    sa.outStep = 0;
    createChildGiveUp(sa, child, 0, text("the secure element is not available"));
  }
}

/** Replaces a CHILD_SA: a new one is asked for in its name. */
export function rekeyChildStart(sa: IkeSa, old: ChildSa): void {
  if (old.state != CHILD_STATE_INSTALLED) return;
  const theirs = replacementOf(old, false);
  if (theirs) return theirs.state == CHILD_STATE_INSTALLED ? childReplaced(old) : rekeyLater(old);
  const child = childTake(sa, old.config, true);
  if (!child) return rekeyLater(old);
  childMove(old, CHILD_STATE_REKEYING);
  child.rekeys = <i32>old.link;
  child.replaces = 1;
  createChildStart(sa, child);
}

/** Our share is here; length 0: it is not. */
export function createChildShare(sa: IkeSa, key: u32, value: usize, length: u32): void {
  if (sa.outChild < 0) {
    // Taken back meanwhile.
    jobDestroy(key);
    sa.outStep = 0;
    return proceed(sa);
  }
  const child = childSaAt(<u32>sa.outChild);
  if (length == 0 || length > KE_VALUE_MAX) {
    sa.outStep = 0;
    return createChildGiveUp(sa, child, 0, text("the secure element gave no usable key share"));
  }
  sa.outKey = key;
  buildRequest(sa, child, value, length);
}

function buildRequest(sa: IkeSa, child: ChildSa, ke: usize, keLength: u32): void {
  const w = requestBegin(sa, EXCHANGE_CREATE_CHILD_SA);
  const config = childConfig(child);
  sa.deletedSpi = 0;
  if (child.rekeys >= 0) {
    // The SPI that we expect in inbound packets of the old one (RFC 7296 1.3.3).
    storeBE32(scratch, childSaAt(<u32>child.rekeys).spiIn);
    notifySpiWrite(w, config.protocol, scratch, 4, NOTIFY_REKEY_SA, 0, 0);
  }
  offerSaWrite(w, child, true);
  nonceWrite(w, childNonce(child), NONCE_OCTETS);
  if (keLength != 0) keWrite(w, sa.method, ke, keLength);
  selectorsWrite(w, child);
  requestSend(sa, w, OUT_CHILD);
}

/** The CHILD_SA that we asked for will not be. */
export function createChildGiveUp(sa: IkeSa, child: ChildSa, notify: u32, literal: usize): void {
  const old = child.rekeys >= 0 ? childSaAt(<u32>child.rekeys) : null;
  if (notify == NOTIFY_TEMPORARY_FAILURE) ikeTemporary(sa);
  if (old && notify == NOTIFY_CHILD_SA_NOT_FOUND && child.rival < 0) {
    // RFC 7296 2.25: the peer has it no more. It goes without a word, and a new one is asked for from scratch.
    reportAlert(sa.connection, childConfig(child), notify, literal);
    child.rekeys = -1;
    child.replaces = 0;
    childDown(old, CAUSE_LOCAL);
    child.want |= CHILD_WANT_CREATE;
    return proceed(sa);
  }
  if (child.spiOut == 0 && (child.rival >= 0 || (child.want & CHILD_WANT_DELETE) != 0)) {
    // RFC 7296 2.8.1: the peer's own rekey came first, which we know by having answered it.
    childDown(child, CAUSE_LOCAL);
  } else {
    const again = notify == NOTIFY_TEMPORARY_FAILURE && child.replaces == 0 && sa.terminated == 0;
    const config = childConfig(child);
    childFail(child, notify, literal);
    if (again) retry(config);
  }
  if (old) replacementRefused(old);
  proceed(sa);
}

/** Responder: the request, decrypted. Takes the frame. */
export function createChildReceive(sa: IkeSa, frame: Frame): void {
  if (sa.state != IKE_STATE_ESTABLISHED || followsIn(sa)) {
    // Being rekeyed or deleted (RFC 7296 2.25.2), or the peer is not through with another one.
    consume(frame);
    return refuse(sa, NOTIFY_TEMPORARY_FAILURE);
  }
  const notify = notifyFind(NOTIFY_REKEY_SA);
  let old: ChildSa | null = null;
  if (notify != 0) {
    const spi = notifySpiOctets(notify) == 4 ? loadBE32(notifySpi(notify)) : 0;
    const protocol = notifyProtocol(notify);
    old = childByPeerSpi(sa, protocol, spi);
    if (!old || old.state >= CHILD_STATE_REKEYED || (old.want & CHILD_WANT_DELETE) != 0) {
      // Gone; or on its way out, deleted or replaced already.
      consume(frame);
      // Or not there yet: the answer that brings it may be on its way.
      const temporary = old != null || sa.outStep == OUT_CHILD || (followsOut(sa) && sa.outChild >= 0);
      return refuseOld(sa, temporary ? NOTIFY_TEMPORARY_FAILURE : NOTIFY_CHILD_SA_NOT_FOUND, protocol, spi);
    }
  }
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  if (
    nonce == 0 ||
    !nonceCheck(nonce, nonceLength) ||
    (ke != 0 && (!keCheck(ke, keLength) || keLength - KE_HEADER > KE_VALUE_MAX))
  ) {
    consume(frame);
    return refuse(sa, NOTIFY_INVALID_SYNTAX);
  }
  const child = offerChoose(sa, old ? old.config : -1, true);
  if (!child) {
    consume(frame);
    return refuse(sa, offerRefusal);
  }
  drbgDraw(childNonce(child), NONCE_OCTETS);
  memory.copy(childPeerNonce(child), nonce, nonceLength);
  child.peerNonceLength = nonceLength;
  const method = childSuite(child).ke;
  if (method != 0 && (ke == 0 || keMethod(ke) != method)) {
    consume(frame);
    childDown(child, CAUSE_LOCAL);
    storeBE16(scratch, method);
    const w = responseBegin(sa, EXCHANGE_CREATE_CHILD_SA);
    notifyWrite(w, NOTIFY_INVALID_KE_PAYLOAD, scratch, 2);
    responseSend(sa, w);
    return;
  }
  if (old) {
    // Ours may be under way: the nonces will tell whose stays (RFC 7296 2.25.1).
    const ours = replacementOf(old, true);
    if (ours) ours.rival = <i32>child.link;
    child.rekeys = <i32>old.link;
  }
  sa.inChild = <i32>child.link;
  if (method == 0) {
    consume(frame);
    return install(sa, child, 0, 0);
  }
  memory.copy(ikeKePeer(sa), ke + KE_HEADER, keLength - KE_HEADER);
  sa.kePeerLength = keLength - KE_HEADER;
  consume(frame);
  sa.inStep = IN_CHILD_KEY;
  if (!jobGenerate(sa, false, IN_CHILD_KEY, method)) failResponder(sa, child);
}

function failResponder(sa: IkeSa, child: ChildSa): void {
  childDown(child, CAUSE_LOCAL);
  refuse(sa, NOTIFY_TEMPORARY_FAILURE);
}

/** Answers with one notify. */
function refuse(sa: IkeSa, type: u32, exchange: u32 = EXCHANGE_CREATE_CHILD_SA): void {
  const w = responseBegin(sa, exchange);
  notifyWrite(w, type, 0, 0);
  responseSend(sa, w);
  proceed(sa);
}

/** The same, about the SA that is to be rekeyed, as the peer named it. */
function refuseOld(sa: IkeSa, type: u32, protocol: u32, spi: u32): void {
  const w = responseBegin(sa, EXCHANGE_CREATE_CHILD_SA);
  storeBE32(scratch, spi);
  if (spi != 0) notifySpiWrite(w, protocol, scratch, 4, type, 0, 0);
  else notifyWrite(w, type, 0, 0);
  responseSend(sa, w);
  proceed(sa);
}

/** Responder: our share is here. */
export function createChildResponderShare(sa: IkeSa, key: u32, value: usize, length: u32): void {
  if (sa.inChild < 0) {
    jobDestroy(key);
    return refuse(sa, NOTIFY_TEMPORARY_FAILURE);
  }
  const child = childSaAt(<u32>sa.inChild);
  if (length == 0 || length > KE_VALUE_MAX) return failResponder(sa, child);
  memory.copy(ikeKeOwn(sa), value, length);
  sa.keOwnLength = length;
  sa.inStep = IN_CHILD_AGREE;
  if (!jobAgree(sa, false, IN_CHILD_AGREE, key, childSuite(child).ke, ikeKePeer(sa), sa.kePeerLength))
    failResponder(sa, child);
}

/** Responder: the shared secret is here. */
export function createChildResponderSecret(sa: IkeSa, secret: usize, length: u32): void {
  if (sa.inChild < 0) return refuse(sa, NOTIFY_TEMPORARY_FAILURE);
  const child = childSaAt(<u32>sa.inChild);
  if (length == 0 || length > KE_VALUE_MAX) return failResponder(sa, child);
  if (!suiteAdds(childSuite(child))) return install(sa, child, secret, length);
  if (!followupKeep(sa, secret, length)) return failResponder(sa, child);
  followupAwait(sa, respondBegin(sa, child));
}

function install(sa: IkeSa, child: ChildSa, secret: usize, length: u32): void {
  childKeys(child, sa, secret, length);
  agreed(child);
  sa.inStep = IN_CHILD_INSTALL;
  childInstall(child);
}

/** Responder: the boards have it; now the peer may know. */
export function createChildRespond(sa: IkeSa, child: ChildSa): void {
  if (suiteAdds(childSuite(child))) return followupChildRespond(sa, child);
  responseSend(sa, respondBegin(sa, child));
  replacementAnswered(child);
  proceed(sa);
}

function respondBegin(sa: IkeSa, child: ChildSa): Writer {
  const w = responseBegin(sa, EXCHANGE_CREATE_CHILD_SA);
  answerSaWrite(w, child);
  nonceWrite(w, childNonce(child), NONCE_OCTETS);
  if (childSuite(child).ke != 0) keWrite(w, childSuite(child).ke, ikeKeOwn(sa), sa.keOwnLength);
  selectorsWrite(w, child);
  return w;
}

/** Responder: no board took it, or with `late` none has said so in time. */
export function createChildRefused(sa: IkeSa, child: ChildSa, late: bool): void {
  const exchange = suiteAdds(childSuite(child)) ? EXCHANGE_IKE_FOLLOWUP_KE : EXCHANGE_CREATE_CHILD_SA;
  childDown(child, CAUSE_LOCAL);
  refuse(sa, late ? NOTIFY_TEMPORARY_FAILURE : NOTIFY_NO_ADDITIONAL_SAS, exchange);
}

/** Initiator: the answer, decrypted. Takes the frame. */
export function createChildResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_CHILD) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  requestAnswered(sa);
  if (sa.outChild < 0) {
    // Taken back meanwhile: the peer will be told by the Delete of its IKE_SA, or forget.
    consume(frame);
    jobDestroy(sa.outKey);
    sa.outKey = 0;
    requestDone(sa);
    return proceed(sa);
  }
  const child = childSaAt(<u32>sa.outChild);
  const config = childConfig(child);
  const key = sa.outKey;
  sa.outKey = 0;
  const error = notifyFind(0);
  if (error != 0) {
    const type = notifyType(error);
    const method = notifyDataOctets(error, soleLength) == 2 ? loadBE16(notifyData(error)) : 0;
    consume(frame);
    jobDestroy(key);
    requestDone(sa);
    if (
      type == NOTIFY_INVALID_KE_PAYLOAD &&
      method != sa.method &&
      proposalHasKe(childTransforms(config), config.transformCount, method)
    ) {
      sa.outChild = <i32>child.link;
      sa.method = method;
      return share(sa, child);
    }
    return createChildGiveUp(sa, child, type, text("the peer refused the CHILD_SA"));
  }
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  let refusal: u32 = NOTIFY_INVALID_SYNTAX;
  if (nonce != 0 && nonceCheck(nonce, nonceLength) && (ke == 0 || keCheck(ke, keLength)))
    refusal = answerAccept(sa, child, true);
  const method = childSuite(child).ke;
  if (refusal == 0 && method != 0 && (ke == 0 || keMethod(ke) != method || method != sa.method || key == 0))
    refusal = NOTIFY_INVALID_SYNTAX;
  if (refusal == 0 && suiteAdds(childSuite(child)) && !followupLinkTake(sa)) refusal = NOTIFY_INVALID_SYNTAX;
  if (refusal != 0) {
    consume(frame);
    jobDestroy(key);
    requestDone(sa);
    return createChildGiveUp(sa, child, refusal, text("the peer granted what was not offered"));
  }
  memory.copy(childPeerNonce(child), nonce, nonceLength);
  child.peerNonceLength = nonceLength;
  if (method == 0) {
    consume(frame);
    jobDestroy(key);
    return createChildFinish(sa, child, 0, 0, 0);
  }
  sa.outStep = OUT_CHILD_AGREE;
  const posted = jobAgreeKept(sa, OUT_CHILD_AGREE, key, method, ke + KE_HEADER, keLength - KE_HEADER);
  consume(frame);
  if (!posted) createChildSecret(sa, 0, 0);
}

/** Initiator: the shared secret is here; length 0: it is not. */
export function createChildSecret(sa: IkeSa, secret: usize, length: u32): void {
  jobAgreed(sa);
  if (sa.outChild < 0) {
    requestDone(sa);
    return proceed(sa);
  }
  const child = childSaAt(<u32>sa.outChild);
  if (length == 0 || length > KE_VALUE_MAX) {
    requestDone(sa);
    return createChildGiveUp(sa, child, 0, text("the key exchange of the CHILD_SA failed"));
  }
  if (suiteAdds(childSuite(child))) return followupStart(sa, secret, length);
  createChildFinish(sa, child, secret, length, 0);
}

/** All secrets are here: `length` octets of the first, and `more` of the additional key exchanges behind it. */
export function createChildFinish(sa: IkeSa, child: ChildSa, secret: usize, length: u32, more: u32): void {
  childKeys(child, sa, secret, length, more);
  agreed(child);
  requestDone(sa);
  sa.temporarySince = 0;
  if (child.spiOut == sa.deletedSpi) {
    // The peer's Delete overtook its answer.
    childDown(child, CAUSE_PEER);
    return proceed(sa);
  }
  // Taken back meanwhile: deleted without having been in use.
  if ((child.want & CHILD_WANT_DELETE) == 0) childInstall(child);
  proceed(sa);
}
