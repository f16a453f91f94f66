/**
 * INFORMATIONAL (RFC 7296 section 1.4): liveness, Delete of CHILD_SAs and of the IKE_SA by either side, configuration payloads; what it
 * is to MOBIKE is mobike.ts.
 *
 *   HDR, SK { [D], [N], [CP] }  -->
 *                               <--  HDR, SK { [D], [CP] }
 *
 * Refuses nothing that is well-formed: notifies that mean nothing to us are answered and ignored.
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import { CHILD_STATE_CREATED, CHILD_STATE_DELETING, IKE_STATE_DELETING } from "../../abi/management";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { loadBE32 } from "../../rt/bytes";
import {
  EXCHANGE_INFORMATIONAL,
  PAYLOAD_DELETE,
  Writer,
  payloadBody,
  payloadEnd,
  payloadFind,
  payloadLength,
  write32,
} from "../../wire/ike_message";
import {
  deleteChildBegin,
  deleteChildWrite,
  deleteCheck,
  deleteCount,
  deleteIkeWrite,
  deleteProtocol,
  deleteSpi,
} from "../../wire/ike_payload/delete";
import { NOTIFY_AUTHENTICATION_FAILED, NOTIFY_INVALID_SYNTAX, notifyWrite } from "../../wire/ike_payload/notify";
import { PROTOCOL_ID_AH, PROTOCOL_ID_ESP, PROTOCOL_ID_IKE } from "../../wire/ike_payload/sa";
import { ChildSa, childByPeerSpi, childConfig, childMove, childSaAt } from "../child_sa";
import { EAP_NONE, eapGivenUp } from "../eap";
import { followsOut } from "../followup";
import {
  IkeSa,
  OUT_CHILD,
  OUT_DELETE_CHILD,
  OUT_DELETE_IKE,
  OUT_LIVENESS,
  OUT_MOBIKE,
  OUT_NONE,
  OUT_QCD_RENEW,
  OUT_ROUTABILITY,
  WANT_DELETE,
  WANT_QCD,
  ikeMove,
} from "../ike_sa";
import { CAUSE_FAILED, CAUSE_LOCAL, CAUSE_PEER, childDown, ikeDown, proceed } from "../life";
import { notifyFind } from "../negotiation";
import { authLifetimeRead } from "../reauthentication";
import { qcdAsk, qcdKeep, qcdTake, qcdWrite } from "../qcd";
import { replacementOutboundMove } from "../replacement";
import { reportAlert, reportEap, text } from "../report";
import { DELETE_TRIES } from "../settings";
import { successionAdopt, successionForced } from "../succession";
import { requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { configurationInform } from "./configuration";
import {
  mobikeAnswer,
  mobikeAnswered,
  mobikeMoved,
  mobikeProbeWrite,
  mobikeProbed,
  routabilityAnswered,
} from "./mobike";
import { redirectInform } from "./redirect";

/** Asks whether the peer is alive. */
export function livenessStart(sa: IkeSa): void {
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  mobikeProbeWrite(w, sa);
  requestSend(sa, w, OUT_LIVENESS);
}

/** Deletes one CHILD_SA, both directions (RFC 7296 1.4.1: we name the inbound one). */
export function deleteChildStart(sa: IkeSa, child: ChildSa): void {
  if (child.state == CHILD_STATE_CREATED && child.spiOut == 0) {
    childDown(child, CAUSE_LOCAL);
    return proceed(sa);
  }
  replacementOutboundMove(child);
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  deleteChildWrite(w, childConfig(child).protocol, child.spiIn);
  sa.outChild = <i32>child.link;
  if (child.state != CHILD_STATE_DELETING) childMove(child, CHILD_STATE_DELETING);
  requestSend(sa, w, OUT_DELETE_CHILD);
}

/** Deletes the IKE_SA with all that it has. */
export function deleteIkeStart(sa: IkeSa): void {
  sa.want &= ~WANT_DELETE;
  ikeMove(sa, IKE_STATE_DELETING);
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  deleteIkeWrite(w);
  requestSend(sa, w, OUT_DELETE_IKE);
  sa.outLimit = DELETE_TRIES;
}

/** Gives the peer the token of an IKE_SA that a rekey made (RFC 6290 4.3); first it has to be asked for. */
export function qcdRenewStart(sa: IkeSa): void {
  sa.want &= ~WANT_QCD;
  sa.outStep = OUT_QCD_RENEW;
  if (!qcdAsk(sa, true, OUT_QCD_RENEW)) sa.outStep = OUT_NONE;
}

/** It is here; length 0: there is none. */
export function qcdRenew(sa: IkeSa, value: usize, length: u32): void {
  qcdKeep(sa, value, length);
  sa.outStep = OUT_NONE;
  if (sa.qcdOwn == 0 || sa.state == IKE_STATE_DELETING) return proceed(sa);
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  qcdWrite(w, sa);
  requestSend(sa, w, OUT_LIVENESS);
}

/**
 * A request on an IKE_SA whose IKE_AUTH is not over, decrypted: the initiator may give it up (RFC 7296 section 2.21.2), as it does when
 * EAP has failed, and nothing else. Takes the frame.
 */
export function informationalEarly(sa: IkeSa, frame: Frame): void {
  if (notifyFind(NOTIFY_AUTHENTICATION_FAILED) == 0) return drop(frame, DROP_IKE_STATE);
  consume(frame);
  responseSend(sa, responseBegin(sa, EXCHANGE_INFORMATIONAL));
  if (sa.eap != EAP_NONE) reportEap(sa, NOTIFY_AUTHENTICATION_FAILED, eapGivenUp(sa));
  else
    reportAlert(
      sa.connection,
      null,
      NOTIFY_AUTHENTICATION_FAILED,
      text("the peer gives up: one of us is not authenticated"),
    );
  ikeDown(sa, CAUSE_LOCAL, true);
}

/** A request, decrypted. Takes the frame. */
export function informationalReceive(sa: IkeSa, frame: Frame): void {
  let all = false;
  const failed = notifyFind(NOTIFY_AUTHENTICATION_FAILED) != 0;
  for (let i = payloadFind(PAYLOAD_DELETE); i >= 0; i = payloadFind(PAYLOAD_DELETE, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    if (!deleteCheck(body, payloadLength(<u32>i))) {
      consume(frame);
      const bad = responseBegin(sa, EXCHANGE_INFORMATIONAL);
      notifyWrite(bad, NOTIFY_INVALID_SYNTAX, 0, 0);
      return responseSend(sa, bad);
    }
    if (deleteProtocol(body) == PROTOCOL_ID_IKE) all = true;
  }
  if (!all && !failed) {
    successionAdopt(sa);
    authLifetimeRead(sa);
  }
  const w = responseBegin(sa, EXCHANGE_INFORMATIONAL);
  if (!all) configurationInform(w, sa);
  // An IKE_SA's Delete takes its CHILD_SAs with it and is answered empty.
  if (!all) {
    answer(sa, w, PROTOCOL_ID_ESP);
    answer(sa, w, PROTOCOL_ID_AH);
  }
  if (!all && !failed) mobikeAnswer(w, sa);
  responseSend(sa, w);
  if (all || failed) {
    consume(frame);
    if (failed)
      reportAlert(
        sa.connection,
        null,
        NOTIFY_AUTHENTICATION_FAILED,
        text("the peer says that we are not authenticated"),
      );
    // RFC 7296 2.8.2: with a rekey of the peer's under way, that is what the Delete is about.
    if (!failed) successionForced(sa);
    ikeDown(sa, failed ? CAUSE_FAILED : CAUSE_PEER, true);
    return;
  }
  qcdTake(sa);
  redirectInform(sa);
  for (let i = payloadFind(PAYLOAD_DELETE); i >= 0; i = payloadFind(PAYLOAD_DELETE, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    for (let n: u32 = 0; n < deleteCount(body); n++) {
      const child = childByPeerSpi(sa, deleteProtocol(body), loadBE32(deleteSpi(body, n)));
      if (child) childDown(child, CAUSE_PEER);
      else if (sa.outStep == OUT_CHILD || followsOut(sa)) sa.deletedSpi = loadBE32(deleteSpi(body, n));
    }
  }
  consume(frame);
  mobikeMoved(sa);
  proceed(sa);
}

/** Writes the Delete that answers those of one protocol in the message in hand, if there are any. */
function answer(sa: IkeSa, w: Writer, protocol: u32): void {
  let spis: u32 = 0;
  for (let i = payloadFind(PAYLOAD_DELETE); i >= 0; i = payloadFind(PAYLOAD_DELETE, <u32>i + 1)) {
    if (deleteProtocol(payloadBody(<u32>i)) == protocol) spis += answered(sa, payloadBody(<u32>i), null);
  }
  if (spis == 0) return;
  deleteChildBegin(w, protocol, spis);
  for (let i = payloadFind(PAYLOAD_DELETE); i >= 0; i = payloadFind(PAYLOAD_DELETE, <u32>i + 1)) {
    if (deleteProtocol(payloadBody(<u32>i)) == protocol) answered(sa, payloadBody(<u32>i), w);
  }
  payloadEnd(w);
}

/**
 * Counts, and with a writer writes, the SPIs that our answer to a Delete names: our inbound one of each pair, but of those
 * that we are deleting ourselves (RFC 7296 1.4.1). An SPI that stands twice in the message counts twice, as it was asked.
 */
function answered(sa: IkeSa, body: usize, w: Writer | null): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < deleteCount(body); i++) {
    const child = childByPeerSpi(sa, deleteProtocol(body), loadBE32(deleteSpi(body, i)));
    if (!child || child.state == CHILD_STATE_DELETING) continue;
    n += 1;
    if (w) write32(w, child.spiIn);
  }
  return n;
}

/** An answer, decrypted. Takes the frame. */
export function informationalResponse(sa: IkeSa, frame: Frame): void {
  const step = sa.outStep;
  const moves = step == OUT_MOBIKE || step == OUT_ROUTABILITY;
  if (!moves && step != OUT_LIVENESS && step != OUT_DELETE_CHILD && step != OUT_DELETE_IKE) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  const link = sa.outChild;
  requestDone(sa);
  if (step == OUT_MOBIKE) mobikeAnswered(sa);
  else if (step == OUT_ROUTABILITY) routabilityAnswered(sa);
  else if (step == OUT_LIVENESS) mobikeProbed(sa);
  consume(frame);
  if (step == OUT_DELETE_IKE) return ikeDown(sa, sa.endCause, false);
  if (step == OUT_DELETE_CHILD && link >= 0) childDown(childSaAt(<u32>link), CAUSE_LOCAL);
  proceed(sa);
}
