/**
 * IKE_AUTH (RFC 7296 section 1.2, 2.15) with a shared key, and the first CHILD_SA.
 *
 *   HDR, SK { IDi, [N(INITIAL_CONTACT)], [IDr], AUTH, SAi2, TSi, TSr }  -->
 *                                        <--  HDR, SK { IDr, AUTH, SAr2, TSi, TSr | N(error) }
 *
 * Refuses EAP and signatures with AUTHENTICATION_FAILED. A CHILD_SA that cannot be leaves the IKE_SA up (2.21.2).
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import {
  EVENT_CHILD_UPDOWN,
  EVENT_IKE_UPDOWN,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_FREE,
} from "../../abi/management";
import { Frame, frameAddress } from "../../bus/frame";
import { drop } from "../../bus/port";
import { deadlineSet } from "../../rt/deadlines";
import { equalConstantTime, storeBE32 } from "../../rt/bytes";
import { now } from "../../rt/registers";
import {
  EXCHANGE_IKE_AUTH,
  EXCHANGE_INFORMATIONAL,
  PAYLOAD_AUTH,
  PAYLOAD_IDI,
  PAYLOAD_IDR,
  PAYLOAD_SA,
} from "../../wire/ike_message";
import { AUTH_HEADER, AUTH_METHOD_SHARED_KEY, authCheck, authMethod, authWrite } from "../../wire/ike_payload/auth";
import { ID_IPV4_ADDR, idCheck, idWrite, identityOctets, identityRead } from "../../wire/ike_payload/identification";
import {
  NOTIFY_AUTHENTICATION_FAILED,
  NOTIFY_INITIAL_CONTACT,
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_NO_ADDITIONAL_SAS,
  NOTIFY_TEMPORARY_FAILURE,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { authExpect, authSign } from "../auth";
import { CHILD_WANT_CREATE, ChildSa, childNonce, childPeerNonce, childSaAt } from "../child_sa";
import {
  CONNECTIONS_MAX,
  Connection,
  connectionAt,
  connectionFits,
  connectionLocalId,
  connectionRemoteId,
} from "../connection";
import {
  IN_AUTH_INSTALL,
  IN_AUTH_SIGN,
  IN_AUTH_VERIFY,
  IkeSa,
  NONCE_OCTETS,
  OUT_AUTH,
  OUT_AUTH_SIGN,
  OUT_AUTH_VERIFY,
  OUT_DELETE_IKE,
  ikeKeOwn,
  ikeLink,
  ikeLocalId,
  ikeMove,
  ikeNonce,
  ikePeerId,
  ikePeerNonce,
  ikeSaAt,
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
  answerSaWrite,
  childDefaults,
  heldWalk,
  notifyFind,
  offerChoose,
  offerRefusal,
  offerSaWrite,
  selectorsWrite,
  sole,
  soleLength,
} from "../negotiation";
import { reportAlert, reportSa, text } from "../report";
import { DELETE_TRIES, HALF_OPEN_TIME, ikeSaCapacity } from "../settings";
import { TIMER_EXPIRE, timerSa } from "../timer";
import { requestAnswered, requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";

const offered: usize = memory.data(256, 8);

/** Takes our identity from the connection; our address when none is configured. */
function identify(sa: IkeSa, c: Connection): void {
  if (c.localIdLength != 0) {
    memory.copy(ikeLocalId(sa), connectionLocalId(c), c.localIdLength);
    sa.localIdLength = c.localIdLength;
  } else {
    store<u8>(ikeLocalId(sa), <u8>ID_IPV4_ADDR);
    storeBE32(ikeLocalId(sa) + 1, sa.local);
    sa.localIdLength = 5;
  }
}

/** Initiator: the keys are there; have our AUTH computed. */
export function authStart(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  identify(sa, c);
  memory.copy(ikePeerId(sa), connectionRemoteId(c), c.remoteIdLength);
  sa.peerIdLength = c.remoteIdLength;
  sa.outStep = OUT_AUTH_SIGN;
  if (!authSign(sa, true, OUT_AUTH_SIGN)) ikeFail(sa, 0, text("the secure element is not available"));
}

/** The CHILD_SA that IKE_AUTH carries: the first one asked for. */
function firstWanted(sa: IkeSa): ChildSa | null {
  let last: ChildSa | null = null;
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    if ((childSaAt(<u32>i).want & CHILD_WANT_CREATE) != 0) last = childSaAt(<u32>i);
  }
  return last;
}

/** True when the peer can have no other IKE_SA with us that we know of. */
function alone(sa: IkeSa): bool {
  for (let i = connectionAt(<u32>sa.connection).firstSa; i >= 0; i = ikeSaAt(<u32>i).connectionNext) {
    if (i != <i32>sa.index && ikeSaAt(<u32>i).state != IKE_STATE_DELETING) return false;
  }
  return true;
}

/** Initiator: our AUTH is here. */
export function authRequest(sa: IkeSa, auth: usize, length: u32): void {
  const child = firstWanted(sa);
  if (!child) {
    // All that was asked for was taken back meanwhile.
    ikeDown(sa, CAUSE_LOCAL, false);
    return;
  }
  child.want = 0;
  sa.outChild = <i32>child.link;
  const w = requestBegin(sa, EXCHANGE_IKE_AUTH);
  idWrite(w, PAYLOAD_IDI, ikeLocalId(sa), sa.localIdLength);
  if (alone(sa)) notifyWrite(w, NOTIFY_INITIAL_CONTACT, 0, 0);
  if (sa.peerIdLength != 0) idWrite(w, PAYLOAD_IDR, ikePeerId(sa), sa.peerIdLength);
  authWrite(w, AUTH_METHOD_SHARED_KEY, auth, length);
  childDefaults(child, sa);
  offerSaWrite(w, child, false);
  selectorsWrite(w, child);
  requestSend(sa, w, OUT_AUTH);
}

/** Responder: the request, decrypted. Keeps the frame until the AUTH is checked. */
export function authReceive(sa: IkeSa, frame: Frame): void {
  const id = sole(PAYLOAD_IDI);
  const idLength = soleLength;
  const auth = sole(PAYLOAD_AUTH);
  const authLength = soleLength;
  sa.held = frameAddress(frame);
  if (id == 0 || !idCheck(id, idLength)) return fail(sa, NOTIFY_INVALID_SYNTAX, text("IKE_AUTH without a usable IDi"));
  identityRead(id, idLength, ikePeerId(sa));
  sa.peerIdLength = identityOctets(idLength);
  const wanted = sole(PAYLOAD_IDR);
  let wantedLength: u32 = 0;
  if (wanted != 0 && idCheck(wanted, soleLength)) {
    identityRead(wanted, soleLength, offered);
    wantedLength = identityOctets(soleLength);
  }
  const found = byIdentity(sa, wantedLength);
  if (found < 0) return fail(sa, NOTIFY_AUTHENTICATION_FAILED, text("no connection for these identities"));
  if (found != sa.connection) ikeLink(sa, found);
  identify(sa, connectionAt(<u32>found));
  if (auth == 0 || !authCheck(auth, authLength) || authMethod(auth) != AUTH_METHOD_SHARED_KEY) {
    return fail(sa, NOTIFY_AUTHENTICATION_FAILED, text("the peer does not authenticate by shared key"));
  }
  sa.inStep = IN_AUTH_VERIFY;
  if (!authExpect(sa, false, IN_AUTH_VERIFY))
    fail(sa, NOTIFY_AUTHENTICATION_FAILED, text("the secure element is not available"));
}

/** The connection whose identities fit: the present one if it does. */
function byIdentity(sa: IkeSa, wantedLength: u32): i32 {
  if (fits(connectionAt(<u32>sa.connection), sa, wantedLength)) return sa.connection;
  for (let i: u32 = 0; i < CONNECTIONS_MAX; i++) {
    const c = connectionAt(i);
    if (connectionFits(c, sa.local, sa.remote) && fits(c, sa, wantedLength)) return <i32>i;
  }
  return -1;
}

function fits(c: Connection, sa: IkeSa, wantedLength: u32): bool {
  if (c.remoteIdLength != 0 && !same(connectionRemoteId(c), c.remoteIdLength, ikePeerId(sa), sa.peerIdLength))
    return false;
  if (wantedLength == 0 || c.localIdLength == 0) return true;
  return same(connectionLocalId(c), c.localIdLength, offered, wantedLength);
}

function same(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}

/** Responder: refuses the IKE_SA and says so. */
function fail(sa: IkeSa, notify: u32, literal: usize): void {
  heldFree(sa);
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  notifyWrite(w, notify, 0, 0);
  responseSend(sa, w);
  reportAlert(sa.connection, null, notify, literal);
  ikeDown(sa, CAUSE_LOCAL, true);
}

/** Compares the AUTH of the held message with what it must be. */
function verified(sa: IkeSa, expected: usize, length: u32): bool {
  heldWalk(changetype<Frame>(sa.held));
  const auth = sole(PAYLOAD_AUTH);
  return auth != 0 && soleLength == AUTH_HEADER + length && equalConstantTime(auth + AUTH_HEADER, expected, length);
}

/** Responder: what the peer's AUTH must be; length 0: the secure element knows no such key. */
export function authCompare(sa: IkeSa, expected: usize, length: u32): void {
  if (length == 0 || !verified(sa, expected, length)) {
    return fail(
      sa,
      NOTIFY_AUTHENTICATION_FAILED,
      length == 0 ? text("no shared key for this peer") : text("the peer's AUTH is wrong"),
    );
  }
  if (notifyFind(NOTIFY_INITIAL_CONTACT) != 0) forgetOthers(sa);
  sa.inStep = IN_AUTH_SIGN;
  if (!authSign(sa, false, IN_AUTH_SIGN))
    fail(sa, NOTIFY_AUTHENTICATION_FAILED, text("the secure element is not available"));
}

/** RFC 7296 2.4: the peer knows of no other IKE_SA between these identities; those that we have are dead. */
function forgetOthers(sa: IkeSa): void {
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const other = ikeSaAt(i);
    const state = other.state;
    if (state == IKE_STATE_FREE || state == IKE_STATE_CONNECTING || state == IKE_STATE_DELETING) continue;
    if (!same(ikeLocalId(other), other.localIdLength, ikeLocalId(sa), sa.localIdLength)) continue;
    if (!same(ikePeerId(other), other.peerIdLength, ikePeerId(sa), sa.peerIdLength)) continue;
    ikeDown(other, CAUSE_LOCAL, false);
  }
}

/** Responder: our AUTH is here; choose the CHILD_SA and have it installed before we answer. */
export function authChild(sa: IkeSa, auth: usize, length: u32): void {
  if (length == 0 || length > 64) return fail(sa, NOTIFY_AUTHENTICATION_FAILED, text("no shared key for this peer"));
  memory.copy(ikeKeOwn(sa), auth, length);
  sa.keOwnLength = length;
  heldWalk(changetype<Frame>(sa.held));
  if (sole(PAYLOAD_SA) == 0) {
    heldFree(sa);
    return authRespond(sa, null, 0);
  }
  const child = offerChoose(sa, -1, false);
  heldFree(sa);
  if (!child) return authRespond(sa, null, offerRefusal);
  noncesTake(child, sa);
  childKeys(child, sa, 0, 0);
  agreed(child);
  sa.inChild = <i32>child.link;
  sa.inStep = IN_AUTH_INSTALL;
  childInstall(child);
}

/** The first CHILD_SA's keys are made from the IKE_SA's nonces (RFC 7296 2.17). */
function noncesTake(child: ChildSa, sa: IkeSa): void {
  memory.copy(childNonce(child), ikeNonce(sa), NONCE_OCTETS);
  memory.copy(childPeerNonce(child), ikePeerNonce(sa), sa.peerNonceLength);
  child.peerNonceLength = sa.peerNonceLength;
}

/** Responder: answers; with a CHILD_SA that is installed, or with the notify that says why there is none. */
export function authRespond(sa: IkeSa, child: ChildSa | null, notify: u32): void {
  const w = responseBegin(sa, EXCHANGE_IKE_AUTH);
  idWrite(w, PAYLOAD_IDR, ikeLocalId(sa), sa.localIdLength);
  authWrite(w, AUTH_METHOD_SHARED_KEY, ikeKeOwn(sa), sa.keOwnLength);
  if (child) {
    answerSaWrite(w, child);
    selectorsWrite(w, child);
  } else if (notify != 0) {
    notifyWrite(w, notify, 0, 0);
  }
  responseSend(sa, w);
  ikeUp(sa);
  reportSa(EVENT_IKE_UPDOWN, true, sa, null);
  if (child) reportSa(EVENT_CHILD_UPDOWN, true, sa, child);
  else if (notify != 0) reportAlert(sa.connection, null, notify, text("the CHILD_SA of IKE_AUTH was refused"));
  proceed(sa);
}

/** Responder: no board took the CHILD_SA, or with `late` none has said so in time. */
export function authRefused(sa: IkeSa, child: ChildSa, late: bool): void {
  childDown(child, CAUSE_LOCAL);
  authRespond(sa, null, late ? NOTIFY_TEMPORARY_FAILURE : NOTIFY_NO_ADDITIONAL_SAS);
}

/** Initiator: the answer, decrypted. Keeps the frame until the AUTH is checked. */
export function authResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_AUTH) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  sa.held = frameAddress(frame);
  requestAnswered(sa);
  const auth = sole(PAYLOAD_AUTH);
  const authLength = soleLength;
  const id = sole(PAYLOAD_IDR);
  if (auth == 0 || id == 0) {
    const error = notifyFind(0);
    ikeFail(sa, error != 0 ? notifyType(error) : 0, text("the peer refused IKE_AUTH"));
    return;
  }
  if (!authCheck(auth, authLength) || authMethod(auth) != AUTH_METHOD_SHARED_KEY || !idCheck(id, soleLength))
    return abandon(sa, text("the peer does not authenticate by shared key"));
  const c = connectionAt(<u32>sa.connection);
  identityRead(id, soleLength, ikePeerId(sa));
  sa.peerIdLength = identityOctets(soleLength);
  if (!fits(c, sa, 0)) return abandon(sa, text("the peer has another identity than configured"));
  sa.outStep = OUT_AUTH_VERIFY;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + HALF_OPEN_TIME);
  if (!authExpect(sa, true, OUT_AUTH_VERIFY)) abandon(sa, text("the secure element is not available"));
}

/** Initiator: tells the responder, which takes the IKE_SA for good, that it is not (RFC 7296 2.21.2). */
function abandon(sa: IkeSa, literal: usize): void {
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

/** Initiator: what the peer's AUTH must be. */
export function authFinish(sa: IkeSa, expected: usize, length: u32): void {
  if (length == 0 || !verified(sa, expected, length)) {
    return abandon(sa, length == 0 ? text("no shared key for this peer") : text("the peer's AUTH is wrong"));
  }
  const link = sa.outChild;
  requestDone(sa);
  ikeUp(sa);
  reportSa(EVENT_IKE_UPDOWN, true, sa, null);
  if (link >= 0) {
    const child = childSaAt(<u32>link);
    const error = sole(PAYLOAD_SA) == 0 ? notifyFind(0) : 0;
    if (sole(PAYLOAD_SA) == 0) {
      childFail(child, error != 0 ? notifyType(error) : 0, text("the peer refused the CHILD_SA"));
    } else {
      const refusal = answerAccept(child, false);
      if (refusal != 0) {
        childFail(child, refusal, text("the peer granted what was not offered"));
      } else {
        noncesTake(child, sa);
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
