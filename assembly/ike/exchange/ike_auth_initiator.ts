/**
 * IKE_AUTH as initiator (RFC 7296 section 1.2, 2.15), and the first CHILD_SA.
 *
 *   HDR, SK { IDi, [CERT..], [N(INITIAL_CONTACT)], [CERTREQ], [IDr], AUTH, [CP], SAi2, TSi, TSr }  -->
 *                                        <--  HDR, SK { IDr, [CERT..], AUTH, [CP], SAr2, TSi, TSr | N(error) }
 *
 * With several rounds of authentication (RFC 4739) the CHILD_SA is asked for in the first request and granted in the last answer:
 *
 *   HDR, SK { IDi, .., AUTH, SAi2, TSi, TSr, N(ANOTHER_AUTH_FOLLOWS) }  -->
 *                                        <--  HDR, SK { IDr, AUTH, [N(ANOTHER_AUTH_FOLLOWS)] }
 *   HDR, SK { IDi, AUTH }                -->
 *                                        <--  HDR, SK { SAr2, TSi, TSr }
 *
 * Rounds by EAP are ike_auth_eap.ts. A CHILD_SA that cannot be leaves the IKE_SA up (2.21.2).
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import { AUTH_EAP, EVENT_IKE_UPDOWN, IKE_STATE_DELETING, IKE_STATE_ESTABLISHED } from "../../abi/management";
import { Frame, frameAddress } from "../../bus/frame";
import { drop } from "../../bus/port";
import { deadlineSet } from "../../rt/deadlines";
import { now } from "../../rt/registers";
import {
  EXCHANGE_IKE_AUTH,
  EXCHANGE_INFORMATIONAL,
  PAYLOAD_AUTH,
  PAYLOAD_IDI,
  PAYLOAD_IDR,
  PAYLOAD_SA,
  Writer,
} from "../../wire/ike_message";
import {
  ID_IPV4_ADDR,
  ID_IPV6_ADDR,
  idCheck,
  idWrite,
  identityOctets,
  identityRead,
} from "../../wire/ike_payload/identification";
import {
  NOTIFY_ANOTHER_AUTH_FOLLOWS,
  NOTIFY_AUTHENTICATION_FAILED,
  NOTIFY_INITIAL_CONTACT,
  NOTIFY_MULTIPLE_AUTH_SUPPORTED,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { IPV4_ADDRESS, addressOctets, addressOnWire } from "../../wire/ip_address";
import {
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
import { certRequestWrite } from "../cert_request";
import { ChildSa, childSaAt } from "../child_sa";
import { connectionAt, connectionLocalAuth, connectionRemoteAuth } from "../connection";
import { EAP_DONE, EAP_NONE } from "../eap";
import { FITS_NOT, identityFits, identityWildcard } from "../identity";
import {
  IkeSa,
  OUT_AUTH,
  OUT_AUTH_SIGN,
  OUT_AUTH_VERIFY,
  OUT_DELETE_IKE,
  OUT_QCD,
  ikeLocalId,
  ikeMove,
  ikePeerId,
} from "../ike_sa";
import { childKeys } from "../keymat";
import {
  CAUSE_FAILED,
  CAUSE_LOCAL,
  childDown,
  childFail,
  childInstall,
  heldFree,
  ikeDown,
  ikeFail,
  ikeUp,
  proceed,
} from "../life";
import {
  agreed,
  answerAccept,
  childDefaults,
  heldWalk,
  notifyFind,
  offerSaWrite,
  selectorsWrite,
  sole,
  soleLength,
} from "../negotiation";
import { authLifetimeRead } from "../reauthentication";
import { qcdAsk, qcdTake, qcdWrite } from "../qcd";
import { reportAlert, reportSa, text } from "../report";
import { DELETE_TRIES, HALF_OPEN_TIME } from "../settings";
import { TIMER_EXPIRE, timerSa } from "../timer";
import { requestAnswered, requestBegin, requestDone, requestSend } from "../window";
import { configurationAnswered, configurationAsk } from "./configuration";
import {
  CHILDLESS_NO,
  CHILDLESS_REFUSED,
  CHILDLESS_YES,
  childless,
  firstContact,
  firstNonces,
  firstWanted,
} from "./ike_auth_child";
import { eapGive, eapOnlyWrite, eapProof, eapResponse, eapRound } from "./ike_auth_eap";
import { mobikeAccepted, mobikeOffer } from "./ike_auth_mobike";
import { redirectAuth } from "./redirect";
import { ppkAnswered, ppkStart, ppkWrite } from "./ike_auth_ppk";

/** Takes our identity of this round from the connection; our address when none is configured. */
export function identify(sa: IkeSa): void {
  const round = localRound(sa);
  sa.localIdLength = round.idLength;
  if (round.idLength != 0) {
    memory.copy(ikeLocalId(sa), roundId(round), round.idLength);
    return;
  }
  const octets = addressOctets(sa.local);
  store<u8>(ikeLocalId(sa), <u8>(octets == IPV4_ADDRESS ? ID_IPV4_ADDR : ID_IPV6_ADDR));
  memory.copy(ikeLocalId(sa) + 1, addressOnWire(sa.local), octets);
  sa.localIdLength = 1 + octets;
}

/** The keys are there; have our AUTH computed. */
export function authStart(sa: IkeSa): void {
  const round = peerRound(sa);
  memory.copy(ikePeerId(sa), roundId(round), round.idLength);
  // A pattern is nobody's identity: whose it is, the peer will tell.
  sa.peerIdLength = identityWildcard(roundId(round), round.idLength) ? 0 : round.idLength;
  sa.outStep = OUT_QCD;
  if (!qcdAsk(sa, true, OUT_QCD)) ppkStart(sa);
}

/** Has our AUTH of this round computed. */
export function nextRound(sa: IkeSa): void {
  identify(sa);
  if (localRound(sa).way == AUTH_EAP) return eapRound(sa);
  sa.outStep = OUT_AUTH_SIGN;
  if (!authSign(sa, true, OUT_AUTH_SIGN)) ikeFail(sa, 0, text("the secure element is not available"));
}

/** Our AUTH is here; of a round by EAP there is none yet. */
export function authRequest(sa: IkeSa, auth: usize, length: u32): void {
  const eap = sa.eap != EAP_NONE;
  const fault = eap ? 0 : authSigned(sa, auth, length);
  if (fault != 0) return ikeFail(sa, 0, fault);
  const first = sa.localRounds == 0;
  const without = first ? childless(sa) : CHILDLESS_NO;
  if (without == CHILDLESS_REFUSED) {
    return ikeFail(sa, 0, text("the peer does not take an IKE_SA without a CHILD_SA"));
  }
  const wanted = first ? firstWanted(sa) : null;
  const child: ChildSa | null = without == CHILDLESS_YES ? null : wanted;
  if (first && !wanted && sa.bare == 0) {
    // All that was asked for was taken back meanwhile.
    ikeDown(sa, CAUSE_LOCAL, false);
    return;
  }
  const w = requestBegin(sa, EXCHANGE_IKE_AUTH);
  idWrite(w, PAYLOAD_IDI, ikeLocalId(sa), sa.localIdLength);
  if (!eap) authProofWrite(w, sa, auth, length);
  if (child) {
    child.want = 0;
    sa.outChild = <i32>child.link;
  }
  if (first) {
    if (firstContact(sa)) notifyWrite(w, NOTIFY_INITIAL_CONTACT, 0, 0);
    certRequestWrite(w, connectionAt(<u32>sa.connection));
    if (sa.peerIdLength != 0) idWrite(w, PAYLOAD_IDR, ikePeerId(sa), sa.peerIdLength);
  }
  if (!eap) authPayloadWrite(w, sa, auth, length);
  if (first) configurationAsk(w, sa);
  if (child) {
    childDefaults(child, sa);
    offerSaWrite(w, child, false);
    selectorsWrite(w, child);
  }
  if (first) notifyWrite(w, NOTIFY_MULTIPLE_AUTH_SUPPORTED, 0, 0);
  if (eap) eapOnlyWrite(w, sa);
  ppkWrite(w, sa);
  if (first) mobikeOffer(w, sa);
  if (!eap) roundSent(w, sa);
  if (w.overflow != 0) return ikeFail(sa, 0, text("IKE_AUTH with its certificates is longer than a message may be"));
  requestSend(sa, w, OUT_AUTH);
}

/** A round of ours ends with this request; tells of the next one. */
export function roundSent(w: Writer, sa: IkeSa): void {
  sa.localRounds += 1;
  if (sa.localRounds == connectionLocalAuth(connectionAt(<u32>sa.connection)).count) qcdWrite(w, sa);
  if (sa.localRounds < connectionLocalAuth(connectionAt(<u32>sa.connection)).count)
    notifyWrite(w, NOTIFY_ANOTHER_AUTH_FOLLOWS, 0, 0);
}

/** The answer, decrypted. Keeps the frame until the AUTH is checked. */
export function authResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_AUTH) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  sa.held = frameAddress(frame);
  requestAnswered(sa);
  const rounds = connectionRemoteAuth(connectionAt(<u32>sa.connection)).count;
  if (sole(PAYLOAD_AUTH) == 0) {
    if (sa.eap != EAP_NONE) return eapResponse(sa);
    const error = notifyFind(0);
    // All of the peer's rounds are over: what is left is the CHILD_SA, which may be refused.
    if (
      sa.peerRounds == rounds &&
      (sole(PAYLOAD_SA) != 0 || error == 0 || notifyType(error) != NOTIFY_AUTHENTICATION_FAILED)
    )
      return roundDone(sa);
    ikeFail(sa, error != 0 ? notifyType(error) : 0, text("the peer refused IKE_AUTH"));
    return;
  }
  if (sa.eap == EAP_DONE) return eapProof(sa);
  if (sa.peerRounds >= rounds) return abandon(sa, text("the peer authenticates once more than is configured"));
  const round = peerRound(sa);
  const id = sole(PAYLOAD_IDR);
  if (id == 0 || !idCheck(id, soleLength)) return abandon(sa, text("IKE_AUTH without a usable IDr"));
  identityRead(id, soleLength, ikePeerId(sa));
  sa.peerIdLength = identityOctets(soleLength);
  if (!authWayFits(round, authWay()))
    return abandon(sa, text("the peer does not authenticate in the way that is configured"));
  if (identityFits(roundId(round), round.idLength, ikePeerId(sa), sa.peerIdLength) == FITS_NOT)
    return abandon(sa, text("the peer has another identity than configured"));
  const refusal = ppkAnswered(sa);
  if (refusal != 0) return abandon(sa, refusal);
  sa.outStep = OUT_AUTH_VERIFY;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HALF_OPEN_TIME);
  if (!authVerify(sa, true, OUT_AUTH_VERIFY)) abandon(sa, text("the secure element is not available"));
}

/** Tells the responder, which takes the IKE_SA for good, that it is not (RFC 7296 2.21.2). */
export function abandon(sa: IkeSa, literal: usize): void {
  heldFree(sa);
  reportAlert(sa.connection, null, NOTIFY_AUTHENTICATION_FAILED, literal);
  while (sa.firstChild >= 0) childDown(childSaAt(<u32>sa.firstChild), CAUSE_FAILED);
  requestDone(sa);
  ikeMove(sa, IKE_STATE_DELETING);
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  notifyWrite(w, NOTIFY_AUTHENTICATION_FAILED, 0, 0);
  requestSend(sa, w, OUT_DELETE_IKE);
  sa.outLimit = DELETE_TRIES;
}

/** The secure element has looked at the peer's AUTH. */
export function authFinish(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  const fault = authVerdict(sa, value, length);
  if (fault != 0) return abandon(sa, fault);
  sa.peerRounds += 1;
  roundDone(sa);
}

/** An answer that is good: another round, or the CHILD_SA; what EAP asks comes first. */
export function roundDone(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  const more = notifyFind(NOTIFY_ANOTHER_AUTH_FOLLOWS) != 0;
  if (more != sa.peerRounds < connectionRemoteAuth(c).count)
    return abandon(sa, text("the peer authenticates in another number of rounds than is configured"));
  if (sa.eap != EAP_NONE) return eapGive(sa);
  const another = sa.localRounds < connectionLocalAuth(c).count;
  if (another && sa.peerMultiple == 0) return abandon(sa, text("the peer knows of one round of authentication only"));
  const link = sa.outChild;
  requestDone(sa);
  if (another || more) {
    heldFree(sa);
    sa.outChild = link;
    if (another) return nextRound(sa);
    // It is the peer's turn alone: it wants a request to answer to.
    requestSend(sa, requestBegin(sa, EXCHANGE_IKE_AUTH), OUT_AUTH);
    return;
  }
  complete(sa, link);
}

function complete(sa: IkeSa, link: i32): void {
  mobikeAccepted(sa);
  ikeUp(sa);
  authLifetimeRead(sa);
  reportSa(EVENT_IKE_UPDOWN, true, sa, null);
  qcdTake(sa);
  if (redirectAuth(sa, link)) return heldFree(sa);
  configurationAnswered(sa);
  if (link >= 0) {
    const child = childSaAt(<u32>link);
    const error = sole(PAYLOAD_SA) == 0 ? notifyFind(0) : 0;
    if (sole(PAYLOAD_SA) == 0) {
      childFail(child, error != 0 ? notifyType(error) : 0, text("the peer refused the CHILD_SA"));
    } else {
      const refusal = answerAccept(sa, child, false);
      if (refusal != 0) {
        childFail(child, refusal, text("the peer granted what was not offered"));
      } else {
        firstNonces(child, sa);
        childKeys(child, sa, 0, 0);
        agreed(child);
        childInstall(child);
      }
    }
  }
  heldFree(sa);
  assert(sa.state == IKE_STATE_ESTABLISHED);
  proceed(sa);
}
