/**
 * CREATE_CHILD_SA for a new IKE_SA (RFC 7296 section 1.3.2, 2.18): the CHILD_SAs move over, the side that asked deletes
 * the old IKE_SA.
 *
 *   HDR, SK { SA, Ni, KEi }  -->
 *                            <--  HDR, SK { SA, Nr, KEr }
 *
 * When both ask at once both are answered, and succession.ts tells who inherits. Refuses with TEMPORARY_FAILURE while an
 * exchange of ours about a CHILD_SA is open, and what is replaced or deleted already (2.25).
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import { IKE_STATE_ESTABLISHED, IKE_STATE_REKEYED, IKE_STATE_REKEYING } from "../../abi/management";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { drbgDraw } from "../../crypto/drbg";
import { loadBE16, storeBE16 } from "../../rt/bytes";
import { deadlineSet } from "../../rt/deadlines";
import { now } from "../../rt/registers";
import { EXCHANGE_CREATE_CHILD_SA, PAYLOAD_KE, PAYLOAD_NONCE, PAYLOAD_SA } from "../../wire/ike_message";
import { KE_HEADER, keCheck, keMethod, keWrite } from "../../wire/ike_payload/ke";
import { nonceCheck, nonceWrite } from "../../wire/ike_payload/nonce";
import {
  NOTIFY_INVALID_KE_PAYLOAD,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_NO_ADDITIONAL_SAS,
  NOTIFY_NO_PROPOSAL_CHOSEN,
  NOTIFY_TEMPORARY_FAILURE,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { PROTOCOL_ID_IKE, saCheck } from "../../wire/ike_payload/sa";
import { addressCopy } from "../../wire/ip_address";
import { connectionAt, connectionTransforms } from "../connection";
import {
  IN_REKEY_AGREE,
  IN_REKEY_KEY,
  IkeSa,
  KE_VALUE_MAX,
  NONCE_OCTETS,
  OUT_CHILD,
  OUT_CHILD_AGREE,
  OUT_CHILD_KEY,
  OUT_DELETE_CHILD,
  OUT_NONE,
  OUT_REKEY,
  OUT_REKEY_AGREE,
  OUT_REKEY_KEY,
  WANT_REKEY,
  ikeKeOwn,
  ikeKePeer,
  ikeLink,
  ikeLocalId,
  ikeMove,
  ikeNonce,
  ikePeerId,
  ikePeerNonce,
  ikeSaAt,
  ikeSaTake,
  ikeSuite,
  jitter,
} from "../ike_sa";
import { jobAgree, jobAgreeKept, jobAgreed, jobDestroy, jobGenerate } from "../job";
import { ikeKeysRekeyed } from "../keymat";
import { CAUSE_DEAD, embryoFree, ikeDown, ikeTemporary, proceed } from "../life";
import { notifyFind, sole, soleLength } from "../negotiation";
import { eapInherit } from "../eap";
import { followsIn, followsOut, suiteAdds } from "../followup";
import {
  EXCHANGES_ALL,
  SUITE_OCTETS,
  Suite,
  proposalFirstKe,
  proposalHasKe,
  proposalIsAnswer,
  proposalSelect,
  proposalsWrite,
  selectedSpi,
  suiteWrite,
} from "../proposal";
import { mismatchTell } from "../proposal_mismatch";
import { reportAlert, text } from "../report";
import { SECOND } from "../settings";
import { successionBorn, successionSettle } from "../succession";
import { TIMER_LIFE, timerSa } from "../timer";
import { requestAnswered, requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { mobikeInherit } from "./ike_auth_mobike";
import { followupAwait, followupKeep, followupLinkTake, followupStart } from "./ike_followup_ke";

const suiteTried: usize = memory.data(64, 8);
const scratch: usize = memory.data(8, 8);

/** The IKE_SA to be: identities, addresses and connection of the old one. */
function embryo(old: IkeSa, initiator: bool): IkeSa | null {
  const sa = ikeSaTake(initiator);
  if (!sa) return null;
  sa.parent = old.index + 1;
  addressCopy(sa.local, old.local);
  addressCopy(sa.remote, old.remote);
  sa.localPort = old.localPort;
  sa.remotePort = old.remotePort;
  sa.nat = old.nat;
  mobikeInherit(sa, old);
  sa.fragments = old.fragments;
  sa.redirect = old.redirect;
  sa.ppk = old.ppk; // SK_d comes from it still
  memory.copy(ikeLocalId(sa), ikeLocalId(old), old.localIdLength);
  sa.localIdLength = old.localIdLength;
  memory.copy(ikePeerId(sa), ikePeerId(old), old.peerIdLength);
  sa.peerIdLength = old.peerIdLength;
  eapInherit(sa, old);
  ikeLink(sa, old.connection);
  drbgDraw(ikeNonce(sa), NONCE_OCTETS);
  return sa;
}

export function rekeyIkeStart(old: IkeSa): void {
  const c = connectionAt(<u32>old.connection);
  const sa = embryo(old, true);
  if (!sa) return later(old);
  ikeMove(old, IKE_STATE_REKEYING);
  old.outSa = <i32>sa.index;
  old.method = proposalFirstKe(connectionTransforms(c), c.transformCount);
  share(old);
}

function share(old: IkeSa): void {
  old.outStep = OUT_REKEY_KEY;
  if (!jobGenerate(old, true, OUT_REKEY_KEY, old.method)) {
    old.outStep = OUT_NONE;
    rekeyGiveUp(old, 0);
  }
}

function later(old: IkeSa): void {
  deadlineSet(timerSa(old.index, TIMER_LIFE), now() + 3 * SECOND + jitter(10));
}

export function rekeyGiveUp(old: IkeSa, notify: u32): void {
  if (old.outSa >= 0) embryoFree(<u32>old.outSa);
  old.outSa = -1;
  old.want &= ~WANT_REKEY;
  if (notify == NOTIFY_TEMPORARY_FAILURE) ikeTemporary(old);
  // RFC 7296 2.8.2: the peer's own rekey came first.
  if (old.state == IKE_STATE_REKEYED || successionSettle(old)) return;
  reportAlert(old.connection, null, notify, text("the IKE_SA could not be rekeyed"));
  if (old.state == IKE_STATE_REKEYING) ikeMove(old, IKE_STATE_ESTABLISHED);
  later(old);
  proceed(old);
}

/** Our share is here. */
export function rekeyShare(old: IkeSa, key: u32, value: usize, length: u32): void {
  if (length == 0 || length > KE_VALUE_MAX || old.outSa < 0) {
    jobDestroy(key);
    old.outStep = OUT_NONE;
    return rekeyGiveUp(old, 0);
  }
  old.outKey = key;
  const sa = ikeSaAt(<u32>old.outSa);
  const c = connectionAt(<u32>old.connection);
  store<u64>(scratch, sa.spiI);
  const w = requestBegin(old, EXCHANGE_CREATE_CHILD_SA);
  const prf = ikeSuite(old).prf;
  proposalsWrite(w, connectionTransforms(c), c.transformCount, PROTOCOL_ID_IKE, scratch, 8, EXCHANGES_ALL, prf);
  nonceWrite(w, ikeNonce(sa), NONCE_OCTETS);
  keWrite(w, old.method, value, length);
  requestSend(old, w, OUT_REKEY);
}

/** True while we create, rekey or delete a CHILD_SA (RFC 7296 2.25.1). */
function busy(old: IkeSa): bool {
  const step = old.outStep;
  if (followsOut(old) && old.outChild >= 0) return true;
  return step == OUT_CHILD_KEY || step == OUT_CHILD || step == OUT_CHILD_AGREE || step == OUT_DELETE_CHILD;
}

/** Responder: the request, decrypted. Takes the frame. */
export function rekeyReceive(old: IkeSa, frame: Frame): void {
  if (!rekeyable(old) || old.newIn >= 0 || busy(old) || followsIn(old)) {
    consume(frame);
    return refuse(old, NOTIFY_TEMPORARY_FAILURE, 0);
  }
  const c = connectionAt(<u32>old.connection);
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  const body = sole(PAYLOAD_SA);
  if (
    nonce == 0 ||
    !nonceCheck(nonce, nonceLength) ||
    ke == 0 ||
    !keCheck(ke, keLength) ||
    keLength - KE_HEADER > KE_VALUE_MAX ||
    body == 0 ||
    !saCheck(body, soleLength)
  ) {
    consume(frame);
    return refuse(old, NOTIFY_INVALID_SYNTAX, 0);
  }
  const suite = changetype<Suite>(suiteTried);
  const prf = ikeSuite(old).prf;
  const own = connectionTransforms(c);
  if (!proposalSelect(own, c.transformCount, body, soleLength, PROTOCOL_ID_IKE, 8, EXCHANGES_ALL, suite, prf)) {
    mismatchTell(old.connection, null, own, c.transformCount);
    consume(frame);
    return refuse(old, NOTIFY_NO_PROPOSAL_CHOSEN, 0);
  }
  const peerSpi = load<u64>(selectedSpi);
  if (keMethod(ke) != suite.ke || peerSpi == 0) {
    consume(frame);
    if (peerSpi == 0) return refuse(old, NOTIFY_INVALID_SYNTAX, 0);
    storeBE16(scratch, suite.ke);
    return refuse(old, NOTIFY_INVALID_KE_PAYLOAD, 2);
  }
  const sa = embryo(old, false);
  if (!sa) {
    consume(frame);
    return refuse(old, NOTIFY_NO_ADDITIONAL_SAS, 0);
  }
  sa.spiI = peerSpi;
  memory.copy(changetype<usize>(ikeSuite(sa)), suiteTried, SUITE_OCTETS);
  memory.copy(ikePeerNonce(sa), nonce, nonceLength);
  sa.peerNonceLength = nonceLength;
  memory.copy(ikeKePeer(old), ke + KE_HEADER, keLength - KE_HEADER);
  old.kePeerLength = keLength - KE_HEADER;
  consume(frame);
  old.inSa = <i32>sa.index;
  old.inStep = IN_REKEY_KEY;
  if (!jobGenerate(old, false, IN_REKEY_KEY, suite.ke)) failResponder(old);
}

/** Answers with one notify whose data, if any, stands at scratch. */
function refuse(old: IkeSa, type: u32, dataOctets: u32): void {
  const w = responseBegin(old, EXCHANGE_CREATE_CHILD_SA);
  notifyWrite(w, type, scratch, dataOctets);
  responseSend(old, w);
  proceed(old);
}

function failResponder(old: IkeSa): void {
  if (old.inSa >= 0) embryoFree(<u32>old.inSa);
  old.inSa = -1;
  refuse(old, NOTIFY_TEMPORARY_FAILURE, 0);
  if (rekeyable(old)) successionSettle(old);
}

/** True unless it was replaced or deleted meanwhile. */
export function rekeyable(old: IkeSa): bool {
  return old.state == IKE_STATE_ESTABLISHED || old.state == IKE_STATE_REKEYING;
}

/** Responder: our share is here. */
export function rekeyResponderShare(old: IkeSa, key: u32, value: usize, length: u32): void {
  if (length == 0 || length > KE_VALUE_MAX || old.inSa < 0 || !rekeyable(old)) {
    jobDestroy(key);
    return failResponder(old);
  }
  memory.copy(ikeKeOwn(old), value, length);
  old.keOwnLength = length;
  old.inStep = IN_REKEY_AGREE;
  const method = ikeSuite(ikeSaAt(<u32>old.inSa)).ke;
  if (!jobAgree(old, false, IN_REKEY_AGREE, key, method, ikeKePeer(old), old.kePeerLength)) failResponder(old);
}

/** Responder: the shared secret is here: answer. */
export function rekeyResponderSecret(old: IkeSa, secret: usize, length: u32): void {
  if (length == 0 || length > KE_VALUE_MAX || old.inSa < 0 || !rekeyable(old)) return failResponder(old);
  const sa = ikeSaAt(<u32>old.inSa);
  const adds = suiteAdds(ikeSuite(sa));
  if (!adds) ikeKeysRekeyed(sa, old, secret, length);
  else if (!followupKeep(old, secret, length)) return failResponder(old);
  store<u64>(scratch, sa.spiR);
  const w = responseBegin(old, EXCHANGE_CREATE_CHILD_SA);
  suiteWrite(w, ikeSuite(sa), scratch, 8);
  nonceWrite(w, ikeNonce(sa), NONCE_OCTETS);
  keWrite(w, ikeSuite(sa).ke, ikeKeOwn(old), old.keOwnLength);
  if (adds) return followupAwait(old, w);
  responseSend(old, w);
  successionBorn(old, sa);
}

/** Initiator: the answer, decrypted. Takes the frame. */
export function rekeyResponse(old: IkeSa, frame: Frame): void {
  if (old.outStep != OUT_REKEY || old.outSa < 0) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  const c = connectionAt(<u32>old.connection);
  const sa = ikeSaAt(<u32>old.outSa);
  const key = old.outKey;
  old.outKey = 0;
  const error = notifyFind(0);
  if (error != 0) {
    const type = notifyType(error);
    const method = notifyDataOctets(error, soleLength) == 2 ? loadBE16(notifyData(error)) : 0;
    consume(frame);
    jobDestroy(key);
    requestDone(old);
    old.outSa = <i32>sa.index;
    if (
      type == NOTIFY_INVALID_KE_PAYLOAD &&
      method != old.method &&
      proposalHasKe(connectionTransforms(c), c.transformCount, method)
    ) {
      old.method = method;
      return share(old);
    }
    return rekeyGiveUp(old, type);
  }
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  const body = sole(PAYLOAD_SA);
  const good =
    nonce != 0 &&
    nonceCheck(nonce, nonceLength) &&
    ke != 0 &&
    keCheck(ke, keLength) &&
    keMethod(ke) == old.method &&
    body != 0 &&
    saCheck(body, soleLength) &&
    proposalIsAnswer(body, soleLength) &&
    proposalSelect(
      connectionTransforms(c),
      c.transformCount,
      body,
      soleLength,
      PROTOCOL_ID_IKE,
      8,
      EXCHANGES_ALL,
      ikeSuite(sa),
    ) &&
    ikeSuite(sa).ke == old.method &&
    load<u64>(selectedSpi) != 0 &&
    (!suiteAdds(ikeSuite(sa)) || followupLinkTake(old));
  if (!good) {
    consume(frame);
    jobDestroy(key);
    requestDone(old);
    old.outSa = <i32>sa.index;
    return rekeyGiveUp(old, NOTIFY_INVALID_SYNTAX);
  }
  sa.spiR = load<u64>(selectedSpi);
  memory.copy(ikePeerNonce(sa), nonce, nonceLength);
  sa.peerNonceLength = nonceLength;
  requestAnswered(old);
  old.outStep = OUT_REKEY_AGREE;
  const posted = jobAgreeKept(old, OUT_REKEY_AGREE, key, old.method, ke + KE_HEADER, keLength - KE_HEADER);
  consume(frame);
  if (!posted) rekeySecret(old, 0, 0);
}

/** Initiator: the shared secret is here. */
export function rekeySecret(old: IkeSa, secret: usize, length: u32): void {
  jobAgreed(old);
  const good = length != 0 && length <= KE_VALUE_MAX && old.outSa >= 0;
  if (good && suiteAdds(ikeSuite(ikeSaAt(<u32>old.outSa)))) return followupStart(old, secret, length);
  rekeyFinish(old, secret, length, 0);
}

/** All secrets are here: `length` octets of the first, and `more` of the additional key exchanges behind it. */
export function rekeyFinish(old: IkeSa, secret: usize, length: u32, more: u32): void {
  const index = old.outSa;
  requestDone(old);
  old.outSa = index;
  if (length == 0 || length > KE_VALUE_MAX || index < 0) {
    // The peer has moved over to where we cannot follow: nothing can be said about the CHILD_SAs any more.
    reportAlert(old.connection, null, 0, text("the IKE_SA could not be rekeyed"));
    ikeDown(old, CAUSE_DEAD, false);
    return;
  }
  const sa = ikeSaAt(<u32>index);
  ikeKeysRekeyed(sa, old, secret, length, more);
  old.outSa = -1;
  old.temporarySince = 0;
  successionBorn(old, sa);
}
