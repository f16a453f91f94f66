/**
 * IKE_SA_INIT (RFC 7296 section 1.2): algorithms, nonces and Diffie-Hellman; COOKIE (2.6), INVALID_KE_PAYLOAD (1.2), NAT
 * detection (2.23).
 *
 *   HDR, [N(COOKIE)], SAi1, KEi, Ni, N(NAT_DETECTION_*)  -->
 *                                                       <--  HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*)
 *
 * Nothing is authenticated yet: an error answer ends an attempt, which start_action then repeats. A responder with many
 * half-open IKE_SAs asks for a cookie (cookie.ts, half_open.ts) before it looks at a proposal or keeps anything.
 */
import { CHILDLESS_NEVER, FRAGMENTATION_NO, FRAGMENTATION_YES } from "../../abi/management";
import { DROP_IKE_MALFORMED, DROP_IKE_NO_CONNECTION, DROP_IKE_STATE, DROP_IKE_TABLE_FULL } from "../../abi/drop";
import { drbgDraw } from "../../crypto/drbg";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { deadlineSet } from "../../rt/deadlines";
import { loadBE16, storeBE16 } from "../../rt/bytes";
import { now } from "../../rt/registers";
import {
  EXCHANGE_IKE_SA_INIT,
  IKE_FLAG_RESPONSE,
  IKE_SPI_I,
  IKE_SPI_R,
  PAYLOAD_KE,
  PAYLOAD_NONCE,
  PAYLOAD_SA,
  ikeExchange,
  ikeMessageId,
  messageBegin,
  messageEnd,
} from "../../wire/ike_message";
import { KE_HEADER, keCheck, keMethod, keWrite } from "../../wire/ike_payload/ke";
import { nonceCheck, nonceWrite } from "../../wire/ike_payload/nonce";
import {
  NOTIFY_COOKIE,
  NOTIFY_INVALID_KE_PAYLOAD,
  NOTIFY_CHILDLESS_IKEV2_SUPPORTED,
  NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED,
  NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED,
  NOTIFY_MULTIPLE_AUTH_SUPPORTED,
  NOTIFY_NAT_DETECTION_SOURCE_IP,
  NOTIFY_NO_PROPOSAL_CHOSEN,
  NOTIFY_REDIRECT,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { ADDKE_MAX, PROTOCOL_ID_IKE, saCheck } from "../../wire/ike_payload/sa";
import { addressCopy, addressSource } from "../../wire/ip_address";
import { certRequested, certRequestsWrite } from "../cert_request";
import { Connection, connectionAt, connectionFind, connectionTransforms } from "../connection";
import { COOKIE_OCTETS, cookieCheck, cookieMake } from "../cookie";
import { halfOpenRoom, halfOpenSuspicious } from "../half_open";
import {
  COOKIE_MAX,
  IN_INIT_KEY,
  IN_NONE,
  IkeSa,
  KE_VALUE_MAX,
  NONCE_OCTETS,
  OUT_INIT,
  OUT_INIT_AGREE,
  OUT_INIT_KEY,
  FRAGMENTS_NONE,
  FRAGMENTS_SENT,
  FRAGMENTS_TAKEN,
  INIT_MAX,
  ikeCookie,
  ikeFindInit,
  ikeHalfOpen,
  ikeHash,
  ikeInitReceived,
  ikeInitSent,
  ikeKeOwn,
  ikeKePeer,
  ikeLink,
  ikeNonce,
  ikePeerNonce,
  ikeRequest,
  ikeResponse,
  ikeSaTake,
  ikeSuite,
} from "../ike_sa";
import {
  jobAgree,
  jobDestroy,
  jobGenerate,
  jobRespond,
  jobResponded,
  respondedLength,
  respondedSecret,
  respondedSecretLength,
  respondedValue,
} from "../job";
import { ikeKeys } from "../keymat";
import { CAUSE_LOCAL, ikeDown, ikeFail } from "../life";
import { natDetect, natWrite } from "../nat";
import { notifyFind, sole, soleLength } from "../negotiation";
import { pathLocal, pathLocalPort, pathRemote, pathRemotePort, pathSend } from "../path";
import {
  EXCHANGES_ALL,
  SUITE_OCTETS,
  Suite,
  proposalFirstKe,
  proposalHasKe,
  proposalIsAnswer,
  proposalSelect,
  proposalsAdd,
  proposalsWrite,
  suiteNextAdditional,
  suiteWrite,
} from "../proposal";
import { ppkAccept, ppkAgree, ppkOffer } from "../ppk";
import { mismatchTell } from "../proposal_mismatch";
import { reportAlert, text } from "../report";
import { HALF_OPEN_TIME, portIke, portNatt } from "../settings";
import { signatureHashesRead, signatureHashesWrite } from "../signature_hash";
import { TIMER_EXPIRE, timerSa } from "../timer";
import { requestAnswered, requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { redirectInit, redirectOffer, redirectTake } from "./redirect";
import { intermediateDue, intermediateStart } from "./ike_intermediate";

const RETRIES_MAX: u32 = 4;
const small: usize = memory.data(128, 8);
const cookieGiven: usize = memory.data(40, 8);
const suiteTried: usize = memory.data(64, 8);

/** Initiator: asks the secure element for our share. */
export function initStart(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  sa.method = proposalFirstKe(connectionTransforms(c), c.transformCount);
  drbgDraw(ikeNonce(sa), NONCE_OCTETS);
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + 8 * HALF_OPEN_TIME);
  share(sa);
}

function share(sa: IkeSa): void {
  sa.outStep = OUT_INIT_KEY;
  if (sa.method == 0 || !jobGenerate(sa, true, OUT_INIT_KEY, sa.method)) {
    ikeFail(sa, 0, text("the secure element is not available"));
  }
}

/** Our share is here. */
export function initShare(sa: IkeSa, key: u32, value: usize, length: u32): void {
  sa.outKey = key;
  if (length == 0 || length > KE_VALUE_MAX) {
    ikeFail(sa, 0, text("the secure element gave no usable key share"));
    return;
  }
  memory.copy(ikeKeOwn(sa), value, length);
  sa.keOwnLength = length;
  buildRequest(sa);
}

function buildRequest(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  const w = requestBegin(sa, EXCHANGE_IKE_SA_INIT);
  // RFC 7296 2.6: the cookie comes first.
  if (sa.cookieLength != 0) notifyWrite(w, NOTIFY_COOKIE, ikeCookie(sa), sa.cookieLength);
  proposalsWrite(w, connectionTransforms(c), c.transformCount, PROTOCOL_ID_IKE, 0, 0, EXCHANGES_ALL);
  keWrite(w, sa.method, ikeKeOwn(sa), sa.keOwnLength);
  nonceWrite(w, ikeNonce(sa), NONCE_OCTETS);
  natWrite(w, sa.spiI, sa.spiR, sa.local, sa.localPort, sa.remote, sa.remotePort, c.encap != 0);
  signatureHashesWrite(w);
  if (c.fragmentation != FRAGMENTATION_NO) notifyWrite(w, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, 0, 0);
  if (proposalsAdd(connectionTransforms(c), c.transformCount))
    notifyWrite(w, NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, 0, 0);
  ppkOffer(w, c);
  redirectOffer(w, sa);
  requestSend(sa, w, OUT_INIT);
  memory.copy(ikeInitSent(sa), ikeRequest(sa), sa.outLength);
  sa.initSentLength = sa.outLength;
}

/** Responder: a first message. Takes the frame. */
export function initRequest(frame: Frame): void {
  const p = frame.start;
  const spiI = load<u64>(p, IKE_SPI_I);
  if (spiI == 0 || ikeMessageId(p) != 0 || frame.length > INIT_MAX) {
    drop(frame, DROP_IKE_MALFORMED);
    return;
  }
  const known = ikeFindInit(spiI, pathRemote);
  if (known) {
    // A duplicate; while its first answer is being made, that answer will do.
    if (known.initSentLength != 0) {
      pathSend(ikeInitSent(known), known.initSentLength, known.local, known.localPort, known.remote, known.remotePort);
    }
    consume(frame);
    return;
  }
  const found = connectionFind(pathLocal, pathRemote);
  if (found < 0) {
    drop(frame, DROP_IKE_NO_CONNECTION);
    return;
  }
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  if (nonce == 0 || !nonceCheck(nonce, nonceLength)) return drop(frame, DROP_IKE_MALFORMED);
  if (halfOpenSuspicious(addressSource(pathRemote)) && !cookieBrought(spiI, nonce, nonceLength)) {
    cookieMake(pathRemote, pathRemotePort, spiI, nonce, nonceLength, cookieGiven);
    answer(frame, NOTIFY_COOKIE, cookieGiven, COOKIE_OCTETS);
    return;
  }
  const c = connectionAt(<u32>found);
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  const body = sole(PAYLOAD_SA);
  if (
    ke == 0 ||
    !keCheck(ke, keLength) ||
    keLength - KE_HEADER > KE_VALUE_MAX ||
    body == 0 ||
    !saCheck(body, soleLength)
  ) {
    drop(frame, DROP_IKE_MALFORMED);
    return;
  }
  const suite = changetype<Suite>(suiteTried);
  if (
    !proposalSelect(
      connectionTransforms(c),
      c.transformCount,
      body,
      soleLength,
      PROTOCOL_ID_IKE,
      0,
      EXCHANGES_ALL,
      suite,
    )
  ) {
    mismatchTell(found, null, connectionTransforms(c), c.transformCount);
    refuse(frame, NOTIFY_NO_PROPOSAL_CHOSEN, 0);
    return;
  }
  if (suiteNextAdditional(suite, 0) < ADDKE_MAX && notifyFind(NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED) == 0) {
    reportAlert(
      found,
      null,
      NOTIFY_NO_PROPOSAL_CHOSEN,
      text("the peer offers additional key exchanges, but no IKE_INTERMEDIATE"),
    );
    refuse(frame, NOTIFY_NO_PROPOSAL_CHOSEN, 0);
    return;
  }
  if (keMethod(ke) != suite.ke) {
    storeBE16(small + 120, suite.ke);
    refuse(frame, NOTIFY_INVALID_KE_PAYLOAD, 2);
    return;
  }
  const sa = halfOpenRoom(addressSource(pathRemote)) ? ikeSaTake(false) : null;
  if (!sa) {
    drop(frame, DROP_IKE_TABLE_FULL);
    return;
  }
  sa.spiI = spiI;
  addressCopy(sa.local, pathLocal);
  sa.localPort = pathLocalPort;
  addressCopy(sa.remote, pathRemote);
  sa.remotePort = pathRemotePort;
  memory.copy(changetype<usize>(ikeSuite(sa)), suiteTried, SUITE_OCTETS);
  memory.copy(ikePeerNonce(sa), nonce, nonceLength);
  sa.peerNonceLength = nonceLength;
  memory.copy(ikeKePeer(sa), ke + KE_HEADER, keLength - KE_HEADER);
  sa.kePeerLength = keLength - KE_HEADER;
  memory.copy(ikeInitReceived(sa), p, frame.length);
  sa.initReceivedLength = frame.length;
  drbgDraw(ikeNonce(sa), NONCE_OCTETS);
  sa.peerHashes = signatureHashesRead();
  sa.natTraversal = notifyFind(NOTIFY_NAT_DETECTION_SOURCE_IP) != 0 ? 1 : 0;
  // The request's hashes were made with a responder's SPI of zero.
  sa.nat = natDetect(spiI, 0, sa.local, sa.localPort, sa.remote, sa.remotePort);
  sa.fragments = fragmentation(c);
  ppkAgree(sa, c);
  redirectTake(sa);
  ikeHalfOpen(sa, true);
  ikeHash(sa);
  ikeLink(sa, found);
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HALF_OPEN_TIME);
  consume(frame);
  sa.inStep = IN_INIT_KEY;
  if (!jobRespond(sa, IN_INIT_KEY, suite.ke, ikeKePeer(sa), sa.kePeerLength)) ikeDown(sa, CAUSE_LOCAL, false);
}

/** What comes of fragmentation (RFC 7383 2.3) with a peer whose message is in hand: FRAGMENTS_*. */
function fragmentation(c: Connection): u32 {
  if (c.fragmentation == FRAGMENTATION_NO || notifyFind(NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED) == 0) {
    return FRAGMENTS_NONE;
  }
  return c.fragmentation == FRAGMENTATION_YES ? FRAGMENTS_SENT : FRAGMENTS_TAKEN;
}

/** True when the first message in hand brings a cookie that we gave for it. */
function cookieBrought(spiI: u64, nonce: usize, nonceLength: u32): bool {
  const notify = notifyFind(NOTIFY_COOKIE);
  if (notify == 0) return false;
  const octets = notifyDataOctets(notify, soleLength);
  return cookieCheck(notifyData(notify), octets, pathRemote, pathRemotePort, spiI, nonce, nonceLength);
}

/** Refuses a first message. The data of the notify, if any, stands at small + 120. */
function refuse(frame: Frame, type: u32, dataOctets: u32): void {
  answer(frame, type, small + 120, dataOctets);
}

/** Answers a first message with one notify, keeping nothing. */
function answer(frame: Frame, type: u32, data: usize, dataOctets: u32): void {
  const p = frame.start;
  const w = messageBegin(
    small,
    100,
    load<u64>(p, IKE_SPI_I),
    load<u64>(p, IKE_SPI_R),
    ikeExchange(p),
    IKE_FLAG_RESPONSE,
    ikeMessageId(p),
  );
  notifyWrite(w, type, data, dataOctets);
  pathSend(small, messageEnd(w), pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  consume(frame);
}

/** Responder: our share and the shared secret are here, unless the peer's value was unacceptable (RFC 6989), which is not answered. */
export function initRespond(sa: IkeSa, value: usize, length: u32): void {
  if (!jobResponded(value, length, KE_VALUE_MAX)) {
    ikeDown(sa, CAUSE_LOCAL, false);
    return;
  }
  memory.copy(ikeKeOwn(sa), respondedValue, respondedLength);
  sa.keOwnLength = respondedLength;
  buildResponse(sa);
  ikeKeys(sa, respondedSecret, respondedSecretLength);
  sa.inStep = IN_NONE;
}

function buildResponse(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  const w = responseBegin(sa, EXCHANGE_IKE_SA_INIT);
  suiteWrite(w, ikeSuite(sa), 0, 0);
  keWrite(w, ikeSuite(sa).ke, ikeKeOwn(sa), sa.keOwnLength);
  nonceWrite(w, ikeNonce(sa), NONCE_OCTETS);
  natWrite(w, sa.spiI, sa.spiR, sa.local, sa.localPort, sa.remote, sa.remotePort, c.encap != 0);
  certRequestsWrite(w, sa);
  if (sa.peerHashes != 0) signatureHashesWrite(w);
  notifyWrite(w, NOTIFY_MULTIPLE_AUTH_SUPPORTED, 0, 0);
  if (c.childless != CHILDLESS_NEVER) notifyWrite(w, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, 0, 0);
  if (sa.fragments != FRAGMENTS_NONE) notifyWrite(w, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, 0, 0);
  if (intermediateDue(sa)) notifyWrite(w, NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, 0, 0);
  ppkAccept(w, sa);
  responseSend(sa, w);
  memory.copy(ikeInitSent(sa), ikeResponse(sa), sa.inLength);
  sa.initSentLength = sa.inLength;
}

/** Initiator: an answer. Takes the frame. */
export function initResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_INIT) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  const p = frame.start;
  const c = connectionAt(<u32>sa.connection);
  const cookie = notifyFind(NOTIFY_COOKIE);
  if (cookie != 0) {
    const octets = notifyDataOctets(cookie, soleLength);
    if (octets == 0 || octets > COOKIE_MAX || ++sa.retries > RETRIES_MAX) {
      drop(frame, DROP_IKE_MALFORMED);
      return;
    }
    memory.copy(ikeCookie(sa), notifyData(cookie), octets);
    sa.cookieLength = octets;
    consume(frame);
    buildRequest(sa);
    return;
  }
  const redirect = notifyFind(NOTIFY_REDIRECT);
  if (redirect != 0) return redirectInit(sa, frame, redirect);
  const error = notifyFind(0);
  if (error != 0) {
    const type = notifyType(error);
    const method = notifyDataOctets(error, soleLength) == 2 ? loadBE16(notifyData(error)) : 0;
    consume(frame);
    // RFC 7296 1.2: try again with the group that the responder wants, if it is one that we offered.
    if (
      type == NOTIFY_INVALID_KE_PAYLOAD &&
      method != sa.method &&
      proposalHasKe(connectionTransforms(c), c.transformCount, method) &&
      ++sa.retries <= RETRIES_MAX
    ) {
      requestAnswered(sa);
      jobDestroy(sa.outKey);
      sa.outKey = 0;
      sa.method = method;
      share(sa);
      return;
    }
    ikeFail(sa, type, text("the peer refused IKE_SA_INIT"));
    return;
  }
  const nonce = sole(PAYLOAD_NONCE);
  const nonceLength = soleLength;
  const ke = sole(PAYLOAD_KE);
  const keLength = soleLength;
  const body = sole(PAYLOAD_SA);
  const spiR = load<u64>(p, IKE_SPI_R);
  if (
    spiR == 0 ||
    frame.length > INIT_MAX ||
    nonce == 0 ||
    !nonceCheck(nonce, nonceLength) ||
    ke == 0 ||
    !keCheck(ke, keLength) ||
    keLength - KE_HEADER > KE_VALUE_MAX ||
    keMethod(ke) != sa.method ||
    body == 0 ||
    !saCheck(body, soleLength)
  ) {
    drop(frame, DROP_IKE_MALFORMED);
    return;
  }
  if (
    !proposalIsAnswer(body, soleLength) ||
    !proposalSelect(
      connectionTransforms(c),
      c.transformCount,
      body,
      soleLength,
      PROTOCOL_ID_IKE,
      0,
      EXCHANGES_ALL,
      ikeSuite(sa),
    ) ||
    ikeSuite(sa).ke != sa.method
  ) {
    consume(frame);
    ikeFail(sa, NOTIFY_NO_PROPOSAL_CHOSEN, text("the peer chose an IKE proposal that was not offered"));
    return;
  }
  if (intermediateDue(sa) && notifyFind(NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED) == 0) {
    consume(frame);
    ikeFail(sa, NOTIFY_NO_PROPOSAL_CHOSEN, text("the peer chose additional key exchanges, but no IKE_INTERMEDIATE"));
    return;
  }
  sa.spiR = spiR;
  memory.copy(ikePeerNonce(sa), nonce, nonceLength);
  sa.peerNonceLength = nonceLength;
  memory.copy(ikeInitReceived(sa), p, frame.length);
  sa.initReceivedLength = frame.length;
  sa.peerHashes = signatureHashesRead();
  sa.certAsked = certRequested() ? 1 : 0;
  sa.peerChildless = notifyFind(NOTIFY_CHILDLESS_IKEV2_SUPPORTED) != 0 ? 1 : 0;
  sa.peerMultiple = notifyFind(NOTIFY_MULTIPLE_AUTH_SUPPORTED) != 0 ? 1 : 0;
  sa.fragments = fragmentation(c);
  ppkAgree(sa, c);
  sa.natTraversal = notifyFind(NOTIFY_NAT_DETECTION_SOURCE_IP) != 0 ? 1 : 0;
  sa.nat = natDetect(sa.spiI, sa.spiR, sa.local, sa.localPort, sa.remote, sa.remotePort);
  requestDone(sa);
  sa.outStep = OUT_INIT_AGREE;
  const key = sa.outKey;
  sa.outKey = 0;
  const posted = jobAgree(sa, true, OUT_INIT_AGREE, key, sa.method, ke + KE_HEADER, keLength - KE_HEADER);
  consume(frame);
  if (!posted) ikeFail(sa, 0, text("the secure element is not available"));
}

/** Initiator: the shared secret is here. */
export function initSecret(sa: IkeSa, secret: usize, length: u32): void {
  ikeKeys(sa, secret, length);
  const c = connectionAt(<u32>sa.connection);
  // RFC 7296 2.23: with a NAT, and when told to pretend one, everything from IKE_AUTH on goes by port 4500; with MOBIKE also where
  // a NAT may yet come to be (RFC 4555 3.3).
  const floats = sa.nat != 0 || c.encap != 0 || (c.mobike != 0 && sa.natTraversal != 0);
  if (floats && sa.localPort != portNatt) {
    sa.localPort = portNatt;
    if (sa.remotePort == portIke) sa.remotePort = portNatt;
  }
  intermediateStart(sa);
}
