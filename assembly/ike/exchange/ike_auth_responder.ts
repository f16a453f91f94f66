/**
 * IKE_AUTH as responder (RFC 7296 section 1.2, 2.15), in rounds (RFC 4739; ike_auth_initiator.ts shows them), and the first CHILD_SA.
 *
 *   1 who it is: IDi, and the connection that it fits      4 after the last round: the CHILD_SA of the first request,
 *   2 its AUTH is verified                                   which is installed before we answer
 *   3 ours is computed                                     5 the answer
 *
 * Refuses what it cannot verify with AUTHENTICATION_FAILED and no word more; the operator is told why. A CHILD_SA that cannot be
 * leaves the IKE_SA up (2.21.2).
 */
import {
  AUTH_EAP,
  AUTH_PUBLIC_KEY,
  AUTH_SHARED_KEY,
  EVENT_CHILD_UPDOWN,
  EVENT_IKE_UPDOWN,
  PPK_POLICY_REQUIRED,
} from "../../abi/management";
import { PSA_FIELDS } from "../../abi/psa";
import { Frame, frameAddress } from "../../bus/frame";
import { EXCHANGE_IKE_AUTH, PAYLOAD_IDI, PAYLOAD_IDR, PAYLOAD_SA, Writer } from "../../wire/ike_message";
import { idCheck, idWrite, identityOctets, identityRead } from "../../wire/ike_payload/identification";
import {
  NOTIFY_ANOTHER_AUTH_FOLLOWS,
  NOTIFY_AUTHENTICATION_FAILED,
  NOTIFY_EAP_ONLY_AUTHENTICATION,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_MULTIPLE_AUTH_SUPPORTED,
  NOTIFY_NO_ADDITIONAL_SAS,
  NOTIFY_TEMPORARY_FAILURE,
  NOTIFY_UNEXPECTED_NAT_DETECTED,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import {
  WAY_UNKNOWN,
  authPayloadWrite,
  authProofWrite,
  authSign,
  authSigned,
  authVerdict,
  authVerify,
  authWay,
  authWayFits,
  localRound,
  peerRound,
} from "../auth";
import { roundId } from "../auth_round";
import { sharedKeyAskBoth, sharedKeyVerdict } from "../auth_shared_key";
import { certRequested } from "../cert_request";
import { ChildSa } from "../child_sa";
import { connectionAt, connectionLocalAuth, connectionRemoteAuth } from "../connection";
import { connectionChoose } from "../connection_choice";
import { EAP_NONE } from "../eap";
import { FITS_NOT, identityFits } from "../identity";
import {
  IN_AUTH_BOTH,
  IN_AUTH_INSTALL,
  IN_AUTH_SIGN,
  IN_AUTH_VERIFY,
  IN_QCD,
  IkeSa,
  ikeLink,
  ikeLocalId,
  ikePeerId,
} from "../ike_sa";
import { answerFieldLength, jobAnswerField, jobAnswerKeep } from "../job";
import { childKeys } from "../keymat";
import {
  CAUSE_LOCAL,
  childDown,
  childInstall,
  heldFree,
  ikeDown,
  ikeUp,
  offerFree,
  proceed,
  signedFree,
} from "../life";
import {
  agreed,
  answerSaWrite,
  heldWalk,
  notifyFind,
  offerChoose,
  offerRefusal,
  selectorsWrite,
  sole,
  soleLength,
} from "../negotiation";
import { PPK_USED } from "../ppk";
import { qcdAsk, qcdKeep, qcdTake, qcdWrite } from "../qcd";
import { authLifetimeWrite, reauthSuspect } from "../reauthentication";
import { reportAlert, reportSa, text } from "../report";
import { uniqueAllows } from "../uniqueness";
import { responseBegin, responseSend } from "../window";
import { configurationGrant, configurationReplyWrite } from "./configuration";
import { firstNonces } from "./ike_auth_child";
import { eapAnswerWrite, eapOffer, eapReceive, eapSignedWrite } from "./ike_auth_eap";
import { identify } from "./ike_auth_initiator";
import { mobikeAccept, mobikeOffered } from "./ike_auth_mobike";
import { ppkReceive, ppkWrite } from "./ike_auth_ppk";

/** Connections whose trust a peer may be tried with. */
const CHOICES_MAX: u32 = 4;

const wanted: usize = memory.data(256, 8);

/** A request, decrypted. Keeps the frame until the AUTH is checked. */
export function authReceive(sa: IkeSa, frame: Frame): void {
  sa.held = frameAddress(frame);
  if (sa.offer == 0) return firstReceive(sa);
  if (sa.eap != EAP_NONE) return eapReceive(sa);
  const rounds = connectionRemoteAuth(connectionAt(<u32>sa.connection)).count;
  if (sa.peerRounds == rounds) {
    // The peer is through: it gives us the occasion to answer.
    sa.peerAnother = 0;
    return own(sa);
  }
  if (!peerIdentity(sa)) return fail(sa, NOTIFY_INVALID_SYNTAX, text("IKE_AUTH without a usable IDi"));
  const round = peerRound(sa);
  if (identityFits(roundId(round), round.idLength, ikePeerId(sa), sa.peerIdLength) == FITS_NOT)
    return refuse(sa, text("the peer has another identity than configured"));
  verify(sa);
}

function peerIdentity(sa: IkeSa): bool {
  const id = sole(PAYLOAD_IDI);
  if (id == 0 || !idCheck(id, soleLength)) return false;
  identityRead(id, soleLength, ikePeerId(sa));
  sa.peerIdLength = identityOctets(soleLength);
  return true;
}

function firstReceive(sa: IkeSa): void {
  if (!peerIdentity(sa)) return fail(sa, NOTIFY_INVALID_SYNTAX, text("IKE_AUTH without a usable IDi"));
  if (notifyFind(NOTIFY_MULTIPLE_AUTH_SUPPORTED) != 0) sa.peerMultiple = 1;
  if (notifyFind(NOTIFY_EAP_ONLY_AUTHENTICATION) != 0) sa.eapOnly = 1;
  sa.certAsked = certRequested() ? 1 : 0;
  if (!mobikeOffered(sa))
    return fail(sa, NOTIFY_UNEXPECTED_NAT_DETECTED, text("the peer forbids NATs, and there is one on the way"));
  if (authWay() == WAY_UNKNOWN) return refuse(sa, text("the peer does not authenticate in a way that is known here"));
  ppkReceive(sa);
}

/** It is known whether the peer uses a PPK: now for whom it means. The request is in hand. */
export function firstChoose(sa: IkeSa): void {
  if (!choose(sa, false)) refuse(sa, text("no connection for these identities and this way of authentication"));
}

/** Goes on with the connection that the peer in its first message is meant by; `again`: the next best. False: there is none. */
function choose(sa: IkeSa, again: bool): bool {
  const id = sole(PAYLOAD_IDR);
  let wantedLength: u32 = 0;
  if (id != 0 && idCheck(id, soleLength)) {
    identityRead(id, soleLength, wanted);
    wantedLength = identityOctets(soleLength);
  }
  const found = connectionChoose(sa, wanted, wantedLength, authWay(), again);
  if (found < 0) return false;
  if (found != sa.connection) ikeLink(sa, found);
  if (sa.peerMultiple == 0 && connectionLocalAuth(connectionAt(<u32>found)).count > 1)
    refuse(sa, text("the peer knows of one round of authentication only"));
  else verify(sa);
  return true;
}

/** The peer is not the connection's: another one's, whom the same identities fit, it may be. Tells why it was not the first. */
function otherwise(sa: IkeSa, literal: usize): void {
  if (sa.fault == 0) sa.fault = literal;
  if (sa.peerRounds == 0 && sa.offer == 0 && ++sa.choices < CHOICES_MAX && choose(sa, true)) return;
  refuse(sa, sa.fault);
}

function verify(sa: IkeSa): void {
  if (connectionAt(<u32>sa.connection).ppk == PPK_POLICY_REQUIRED && sa.ppk != PPK_USED)
    return otherwise(sa, text("the peer uses no PPK that is known here, and ppk_required asks for one"));
  if (!authWayFits(peerRound(sa), authWay()))
    return refuse(sa, text("the peer does not authenticate in the way that is configured"));
  if (sa.localRounds < connectionLocalAuth(connectionAt(<u32>sa.connection)).count) identify(sa);
  if (authWay() == AUTH_EAP) return eapOffer(sa);
  sa.inStep = IN_AUTH_BOTH;
  if (sharedKeyAlone(sa) && sharedKeyAskBoth(sa, IN_AUTH_BOTH)) return;
  sa.inStep = IN_AUTH_VERIFY;
  if (!authVerify(sa, false, IN_AUTH_VERIFY)) refuse(sa, text("the secure element is not available"));
}

/** True when both ends have one round, with a shared key: one request to the secure element is all that they need. */
function sharedKeyAlone(sa: IkeSa): bool {
  if (authWay() != AUTH_SHARED_KEY || sa.offer != 0) return false;
  const c = connectionAt(<u32>sa.connection);
  if (connectionRemoteAuth(c).count != 1 || connectionLocalAuth(c).count != 1) return false;
  const way = localRound(sa).way;
  return way != AUTH_PUBLIC_KEY && way != AUTH_EAP;
}

/** Refuses the IKE_SA and says so. */
function fail(sa: IkeSa, notify: u32, literal: usize): void {
  heldFree(sa);
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  notifyWrite(w, notify, 0, 0);
  responseSend(sa, w);
  reportAlert(sa.connection, null, notify, literal);
  ikeDown(sa, CAUSE_LOCAL, true);
}

export function refuse(sa: IkeSa, literal: usize): void {
  fail(sa, NOTIFY_AUTHENTICATION_FAILED, literal);
}

/** The secure element has looked at the peer's AUTH. */
export function authCompare(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  const fault = authVerdict(sa, value, length);
  // A shared key is found by the identities, whatever the connection.
  if (fault != 0) return authWay() == AUTH_SHARED_KEY ? refuse(sa, fault) : otherwise(sa, fault);
  if (!roundVerified(sa)) return miscounted(sa);
  own(sa);
}

/** Both AUTHs are here, and our token: ours is the field in hand, which is nothing when there is no key. */
export function authBoth(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  const theirs = length != 0 ? jobAnswerField(value + length) : 0;
  const theirsLength = length != 0 ? answerFieldLength : 0;
  const fault = sharedKeyVerdict(sa, theirs, theirsLength);
  if (fault != 0) return refuse(sa, fault);
  if (!roundVerified(sa)) return miscounted(sa);
  const token = jobAnswerField(theirs + theirsLength);
  qcdKeep(sa, token, answerFieldLength);
  sa.signed = jobAnswerKeep();
  sa.offer = sa.held;
  sa.held = 0;
  authGrant(sa);
}

function miscounted(sa: IkeSa): void {
  otherwise(sa, text("the peer authenticates in another number of rounds than is configured"));
}

/** The peer's round, whose last request is in hand, is good. False: it has more, or fewer, than is configured. */
export function roundVerified(sa: IkeSa): bool {
  const another = notifyFind(NOTIFY_ANOTHER_AUTH_FOLLOWS) != 0;
  const rounds = connectionRemoteAuth(connectionAt(<u32>sa.connection)).count;
  if (another != sa.peerRounds + 1 < rounds) return false;
  sa.peerRounds += 1;
  sa.peerAnother = another ? 1 : 0;
  if (!another) qcdTake(sa);
  return true;
}

/** Our turn: our AUTH of this round, if there is one left. Of EAP alone there is none before the method is through. */
export function own(sa: IkeSa): void {
  if (sa.localRounds == connectionLocalAuth(connectionAt(<u32>sa.connection)).count) return roundDone(sa);
  if (localRound(sa).way == AUTH_EAP) return roundDone(sa);
  identify(sa);
  sa.inStep = IN_AUTH_SIGN;
  if (!authSign(sa, false, IN_AUTH_SIGN)) refuse(sa, text("the secure element is not available"));
}

/** Our AUTH is here. */
export function authChild(sa: IkeSa, value: usize, length: u32): void {
  const fault = authSigned(sa, value, length);
  if (fault != 0) return refuse(sa, fault);
  sa.signed = jobAnswerKeep();
  roundDone(sa);
}

export function roundDone(sa: IkeSa): void {
  if (sa.offer == 0) {
    sa.offer = sa.held;
    sa.held = 0;
  }
  heldFree(sa);
  if (sa.eapAnswer != 0) return roundAnswer(sa);
  const done = sa.localRounds + (sa.signed != 0 ? 1 : 0);
  if (sa.peerAnother != 0 || done < connectionLocalAuth(connectionAt(<u32>sa.connection)).count) return roundAnswer(sa);
  sa.inStep = IN_QCD;
  if (!qcdAsk(sa, false, IN_QCD)) authGrant(sa);
}

/** Our token is here, or there is none: the last answer can be made. */
export function authGrant(sa: IkeSa): void {
  heldWalk(changetype<Frame>(sa.offer));
  if (!uniqueAllows(sa)) return refuse(sa, text("the peer has an IKE_SA from elsewhere, and unique = keep"));
  reauthSuspect(sa);
  grant(sa);
}

/** Answers a round that is not the last. */
function roundAnswer(sa: IkeSa): void {
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  signedWrite(w, sa);
  if (sa.eapAnswer != 0) eapAnswerWrite(w, sa);
  else if (sa.localRounds < connectionLocalAuth(connectionAt(<u32>sa.connection)).count)
    notifyWrite(w, NOTIFY_ANOTHER_AUTH_FOLLOWS, 0, 0);
  if (w.overflow != 0) return refuse(sa, text("IKE_AUTH with its certificates is longer than a message may be"));
  responseSend(sa, w);
}

/** Writes IDr, what proves it, and AUTH, if this round of ours has not been sent. */
function signedWrite(w: Writer, sa: IkeSa): void {
  if (sa.signed == 0 || eapSignedWrite(w, sa)) return;
  const answer = changetype<Frame>(sa.signed).start + PSA_FIELDS;
  const length = <u32>load<u16>(answer);
  idWrite(w, PAYLOAD_IDR, ikeLocalId(sa), sa.localIdLength);
  authProofWrite(w, sa, answer + 2, length);
  authPayloadWrite(w, sa, answer + 2, length);
  ppkWrite(w, sa);
  signedFree(sa);
  sa.localRounds += 1;
}

/** Chooses the CHILD_SA that the first request asked for, and has it installed before we answer. */
function grant(sa: IkeSa): void {
  const failed = configurationGrant(sa);
  if (failed != 0) {
    offerFree(sa);
    return authRespond(sa, null, failed);
  }
  if (sole(PAYLOAD_SA) == 0) {
    offerFree(sa);
    return authRespond(sa, null, 0);
  }
  const child = offerChoose(sa, -1, false);
  offerFree(sa);
  if (!child) return authRespond(sa, null, offerRefusal);
  firstNonces(child, sa);
  childKeys(child, sa, 0, 0);
  agreed(child);
  sa.inChild = <i32>child.link;
  sa.inStep = IN_AUTH_INSTALL;
  childInstall(child);
}

/** The last answer: with a CHILD_SA that is installed, or with the notify that says why there is none. */
export function authRespond(sa: IkeSa, child: ChildSa | null, notify: u32): void {
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  signedWrite(w, sa);
  qcdWrite(w, sa);
  configurationReplyWrite(w, sa);
  if (child) {
    answerSaWrite(w, child);
    selectorsWrite(w, child);
  } else if (notify != 0) {
    notifyWrite(w, notify, 0, 0);
  }
  authLifetimeWrite(w, sa);
  mobikeAccept(w, sa);
  if (w.overflow != 0) return refuse(sa, text("IKE_AUTH with its certificates is longer than a message may be"));
  responseSend(sa, w);
  ikeUp(sa);
  reportSa(EVENT_IKE_UPDOWN, true, sa, null);
  if (child) reportSa(EVENT_CHILD_UPDOWN, true, sa, child);
  else if (notify != 0) reportAlert(sa.connection, null, notify, text("the CHILD_SA of IKE_AUTH was refused"));
  proceed(sa);
}

/** No board took the CHILD_SA, or with `late` none has said so in time. */
export function authRefused(sa: IkeSa, child: ChildSa, late: bool): void {
  childDown(child, CAUSE_LOCAL);
  authRespond(sa, null, late ? NOTIFY_TEMPORARY_FAILURE : NOTIFY_NO_ADDITIONAL_SAS);
}
