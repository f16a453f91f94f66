/**
 * IKE_AUTH by EAP (RFC 7296 section 2.16): the initiator leaves its AUTH out, and is asked by the responder until the method is through.
 *
 *   HDR, SK { IDi, [CERTREQ], [IDr], SAi2, TSi, TSr, [N(EAP_ONLY_AUTHENTICATION)] }  -->
 *                                        <--  HDR, SK { IDr, [CERT..], [AUTH], EAP(request) }
 *   HDR, SK { EAP(response) }            -->
 *                                        <--  HDR, SK { EAP(request) | EAP(success) | EAP(failure), N(AUTHENTICATION_FAILED) }
 *   HDR, SK { AUTH }                     -->
 *                                        <--  HDR, SK { AUTH, SAr2, TSi, TSr }
 *
 * The last two AUTHs are made with the method's MSK, or, if it makes none, with SK_pi and SK_pr. The responder leaves its first AUTH out
 * where both ends are configured to authenticate by EAP (RFC 5998), which goes with methods that authenticate both. It is one round of
 * the initiator's among others (RFC 4739); further ones of the responder's do not go with it.
 *
 * A packet that is malformed, not due, or one too many ends the IKE_SA. The peer hears of a failure what EAP says, the operator why.
 */
import { AUTH_EAP, AUTH_SHARED_KEY } from "../../abi/management";
import { EAP_FAILED, EAP_SUCCEEDED, PSA_FIELDS } from "../../abi/psa";
import { Frame } from "../../bus/frame";
import { deadlineSet } from "../../rt/deadlines";
import { now } from "../../rt/registers";
import { EXCHANGE_IKE_AUTH, PAYLOAD_EAP, PAYLOAD_IDR, Writer } from "../../wire/ike_message";
import { EAP_RESPONSE, eapCheck, eapCode, eapWrite } from "../../wire/ike_payload/eap";
import { AUTH_METHOD_SHARED_KEY, authWrite } from "../../wire/ike_payload/auth";
import { idCheck, idWrite, identityOctets, identityRead } from "../../wire/ike_payload/identification";
import {
  NOTIFY_AUTHENTICATION_FAILED,
  NOTIFY_EAP_ONLY_AUTHENTICATION,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { authWay, localRound, peerRound } from "../auth";
import { roundAt, roundId } from "../auth_round";
import { connectionAt, connectionLocalAuth, connectionRemoteAuth } from "../connection";
import {
  EAP_DONE,
  EAP_OPEN,
  EAP_RUNNING,
  eapAuthAsk,
  eapAuthFits,
  eapBegin,
  eapFault,
  eapForget,
  eapKeep,
  eapKeptWrite,
  eapOutcome,
  eapPacket,
  eapPacketLength,
  eapStep,
  eapTake,
} from "../eap";
import { FITS_NOT, identityFits } from "../identity";
import {
  IN_EAP,
  IN_EAP_AUTH,
  IN_EAP_VERIFY,
  IkeSa,
  OUT_AUTH,
  OUT_EAP,
  OUT_EAP_AUTH,
  OUT_EAP_VERIFY,
  ikeLocalId,
  ikePeerId,
} from "../ike_sa";
import { jobAnswerKeep } from "../job";
import { CAUSE_FAILED, CAUSE_LOCAL, heldFree, ikeDown, ikeFail, signedFree } from "../life";
import { heldWalk, notifyFind, sole, soleLength } from "../negotiation";
import { reportEap, text } from "../report";
import { HALF_OPEN_TIME } from "../settings";
import { TIMER_EXPIRE, timerSa } from "../timer";
import { requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { abandon, authRequest, roundDone, roundSent } from "./ike_auth_initiator";
import { ppkAnswered, ppkWrite } from "./ike_auth_ppk";
import { own, refuse, roundDone as responderRoundDone, roundVerified } from "./ike_auth_responder";

/** Both ends authenticate by EAP alone: one round, which is both sides'. */
function alone(sa: IkeSa): bool {
  const c = connectionAt(<u32>sa.connection);
  return roundAt(connectionLocalAuth(c), 0).way == AUTH_EAP && roundAt(connectionRemoteAuth(c), 0).way == AUTH_EAP;
}

/** The EAP packet of the message in hand, its octets in soleLength; 0: there is none that may be from that end. */
function packet(sa: IkeSa): usize {
  const eap = sole(PAYLOAD_EAP);
  if (eap == 0 || !eapCheck(eap, soleLength)) return 0;
  if (sa.initiator == 0) return eapCode(eap) == EAP_RESPONSE ? eap : 0;
  return eapCode(eap) != EAP_RESPONSE ? eap : 0;
}

/** Initiator: a round by EAP begins, with a request without AUTH. */
export function eapRound(sa: IkeSa): void {
  sa.eap = EAP_OPEN;
  authRequest(sa, 0, 0);
}

/** Tells the responder that we take EAP alone, if we do. */
export function eapOnlyWrite(w: Writer, sa: IkeSa): void {
  if (alone(sa)) notifyWrite(w, NOTIFY_EAP_ONLY_AUTHENTICATION, 0, 0);
}

/** An answer without AUTH, in hand and held, while a round by EAP is under way. */
export function eapResponse(sa: IkeSa): void {
  if (sa.eap == EAP_DONE || sole(PAYLOAD_EAP) == 0) {
    const error = notifyFind(0);
    return ikeFail(sa, error != 0 ? notifyType(error) : 0, text("the peer refused IKE_AUTH"));
  }
  if (sa.eap == EAP_OPEN && sa.peerRounds == 0) {
    const refusal = introduced(sa);
    if (refusal != 0) return abandon(sa, refusal);
  }
  eapGive(sa);
}

/** The responder's first answer without AUTH: it may leave it out for EAP alone, and tells who it is. 0, or a literal. */
function introduced(sa: IkeSa): usize {
  if (!alone(sa)) return text("the peer does not authenticate in the way that is configured");
  const id = sole(PAYLOAD_IDR);
  if (id == 0 || !idCheck(id, soleLength)) return text("IKE_AUTH without a usable IDr");
  identityRead(id, soleLength, ikePeerId(sa));
  sa.peerIdLength = identityOctets(soleLength);
  const round = peerRound(sa);
  if (identityFits(roundId(round), round.idLength, ikePeerId(sa), sa.peerIdLength) == FITS_NOT)
    return text("the peer has another identity than configured");
  return ppkAnswered(sa);
}

/** Gives the packet of the answer in hand to the method. */
export function eapGive(sa: IkeSa): void {
  const eap = packet(sa);
  const length = soleLength;
  if (eap == 0) return abandon(sa, text("IKE_AUTH without a usable EAP packet"));
  const begins = sa.eap == EAP_OPEN;
  sa.outStep = OUT_EAP;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HALF_OPEN_TIME);
  const posted = begins ? eapBegin(sa, localRound(sa), OUT_EAP, eap, length) : eapStep(sa, OUT_EAP, eap, length);
  if (!posted) return abandon(sa, text("the secure element is not available"));
  sa.eap = EAP_RUNNING;
  heldFree(sa);
}

/** Ends an exchange of ours that is not the last; the CHILD_SA waits. */
function next(sa: IkeSa): void {
  const link = sa.outChild;
  requestDone(sa);
  sa.outChild = link;
}

/** The method's answer to the responder is here. */
export function eapStepped(sa: IkeSa, key: u32, value: usize, length: u32): void {
  eapTake(sa, key, value, length);
  if (eapOutcome == EAP_FAILED) {
    reportEap(sa, NOTIFY_AUTHENTICATION_FAILED, eapFault(sa));
    return ikeDown(sa, CAUSE_FAILED, false);
  }
  next(sa);
  if (eapOutcome == EAP_SUCCEEDED) {
    sa.eap = EAP_DONE;
    sa.outStep = OUT_EAP_AUTH;
    if (!eapAuthAsk(sa, true, OUT_EAP_AUTH)) ikeFail(sa, 0, text("the secure element is not available"));
    return;
  }
  const w = requestBegin(sa, EXCHANGE_IKE_AUTH);
  eapWrite(w, eapPacket, eapPacketLength);
  requestSend(sa, w, OUT_AUTH);
}

/** Our AUTH of the round is here. */
export function eapSigned(sa: IkeSa, value: usize, length: u32): void {
  if (length == 0) return ikeFail(sa, 0, text("the secure element could not go on with EAP"));
  const link = sa.outChild;
  const w = requestBegin(sa, EXCHANGE_IKE_AUTH);
  authWrite(w, AUTH_METHOD_SHARED_KEY, value, length);
  roundSent(w, sa);
  requestSend(sa, w, OUT_AUTH);
  sa.outChild = link;
}

/** The answer in hand and held has the responder's AUTH of the round. */
export function eapProof(sa: IkeSa): void {
  if (authWay() != AUTH_SHARED_KEY) return abandon(sa, text("the peer's AUTH is not one made by EAP"));
  sa.outStep = OUT_EAP_VERIFY;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HALF_OPEN_TIME);
  if (!eapAuthAsk(sa, false, OUT_EAP_VERIFY)) abandon(sa, text("the secure element is not available"));
}

/** What it must be is here. */
export function eapVerified(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  if (!eapAuthFits(sa, value, length)) return abandon(sa, text("the peer's AUTH is wrong"));
  if (alone(sa)) sa.peerRounds += 1;
  eapForget(sa);
  roundDone(sa);
}

/** Responder: a round by EAP begins, its request in hand and held. */
export function eapOffer(sa: IkeSa): void {
  sa.eap = EAP_OPEN;
  sa.inStep = IN_EAP;
  if (!eapBegin(sa, peerRound(sa), IN_EAP, 0, 0)) refuse(sa, text("the secure element is not available"));
}

/** A further request of the round, in hand and held. */
export function eapReceive(sa: IkeSa): void {
  if (sa.eap == EAP_DONE) {
    if (authWay() != AUTH_SHARED_KEY) return refuse(sa, text("the peer's AUTH is not one made by EAP"));
    sa.inStep = IN_EAP_VERIFY;
    if (!eapAuthAsk(sa, false, IN_EAP_VERIFY)) refuse(sa, text("the secure element is not available"));
    return;
  }
  const eap = packet(sa);
  if (eap == 0) return refuse(sa, text("IKE_AUTH without a usable EAP packet"));
  sa.inStep = IN_EAP;
  if (!eapStep(sa, IN_EAP, eap, soleLength)) refuse(sa, text("the secure element is not available"));
}

/** The method's next packet is here. */
export function eapAsked(sa: IkeSa, key: u32, value: usize, length: u32): void {
  eapTake(sa, key, value, length);
  if (eapOutcome == EAP_FAILED || eapPacketLength == 0) return failed(sa);
  if (eapOutcome == EAP_SUCCEEDED) sa.eap = EAP_DONE;
  eapKeep(sa);
  if (sa.eap == EAP_OPEN) return own(sa);
  responderRoundDone(sa);
}

/** EAP has failed: its last packet goes with AUTHENTICATION_FAILED, and nothing that says more. */
function failed(sa: IkeSa): void {
  heldFree(sa);
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  if (eapPacketLength != 0) eapWrite(w, eapPacket, eapPacketLength);
  notifyWrite(w, NOTIFY_AUTHENTICATION_FAILED, 0, 0);
  responseSend(sa, w);
  reportEap(sa, NOTIFY_AUTHENTICATION_FAILED, eapFault(sa));
  ikeDown(sa, CAUSE_LOCAL, true);
}

/** Writes the packet that waits; who we are stands in front of the first one, AUTH or not (RFC 5998 section 4). */
export function eapAnswerWrite(w: Writer, sa: IkeSa): void {
  if (sa.eap == EAP_OPEN) {
    if (alone(sa)) {
      idWrite(w, PAYLOAD_IDR, ikeLocalId(sa), sa.localIdLength);
      ppkWrite(w, sa);
    }
    sa.eap = EAP_RUNNING;
  }
  eapKeptWrite(w, sa);
}

/** What the initiator's AUTH of the round must be is here. */
export function eapCompared(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  if (!eapAuthFits(sa, value, length)) return refuse(sa, text("the peer's AUTH is wrong"));
  if (!roundVerified(sa))
    return refuse(sa, text("the peer authenticates in another number of rounds than is configured"));
  sa.inStep = IN_EAP_AUTH;
  if (!eapAuthAsk(sa, true, IN_EAP_AUTH)) refuse(sa, text("the secure element is not available"));
}

/** Our AUTH of the round is here. */
export function eapOwn(sa: IkeSa, value: usize, length: u32): void {
  if (length == 0) return refuse(sa, text("the secure element could not go on with EAP"));
  sa.signed = jobAnswerKeep();
  responderRoundDone(sa);
}

/** Writes it, if it is what waits: the round is over. False: what waits is not of a round by EAP. */
export function eapSignedWrite(w: Writer, sa: IkeSa): bool {
  if (sa.eap != EAP_DONE) return false;
  const answer = changetype<Frame>(sa.signed).start + PSA_FIELDS;
  authWrite(w, AUTH_METHOD_SHARED_KEY, answer + 2, <u32>load<u16>(answer));
  signedFree(sa);
  if (alone(sa)) sa.localRounds += 1;
  eapForget(sa);
  return true;
}
