/**
 * IKE_INTERMEDIATE (RFC 9242) for additional key exchanges of a first IKE_SA (RFC 9370 section 2.2.2), one exchange for each, in the
 * order of their types, between IKE_SA_INIT and IKE_AUTH:
 *
 *   HDR, SK { KEi(n) }  -->
 *                       <--  HDR, SK { KEr(n) }
 *
 * After each of them all keys are new. Nobody is authenticated yet: AUTH covers these messages, too (int_auth.ts). With a KEM the
 * initiator's value is its encapsulation key, the responder's a ciphertext. What is wrong ends the IKE_SA.
 */
import { DROP_IKE_STATE } from "../../abi/drop";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { EXCHANGE_IKE_INTERMEDIATE, PAYLOAD_KE } from "../../wire/ike_message";
import { KE_HEADER, keCheck, keMethod, keWrite } from "../../wire/ike_payload/ke";
import { NOTIFY_INVALID_SYNTAX, notifyType, notifyWrite } from "../../wire/ike_payload/notify";
import { ADDKE_MAX } from "../../wire/ike_payload/sa";
import { intAuthAdd } from "../int_auth";
import {
  IN_INTERMEDIATE,
  IkeSa,
  KE_VALUE_MAX,
  OUT_INTERMEDIATE,
  OUT_INTERMEDIATE_AGREE,
  OUT_INTERMEDIATE_KEY,
  ikeSuite,
} from "../ike_sa";
import {
  jobAgree,
  jobGenerate,
  jobRespond,
  jobResponded,
  respondedLength,
  respondedSecret,
  respondedSecretLength,
  respondedValue,
} from "../job";
import { ikeKeysAdded } from "../keymat";
import { CAUSE_LOCAL, ikeDown, ikeFail } from "../life";
import { notifyFind, sole, soleLength } from "../negotiation";
import { suiteAdditional, suiteNextAdditional } from "../proposal";
import { reportAlert, text } from "../report";
import { requestBegin, requestDone, requestSend, responseBegin, responseSend } from "../window";
import { authStart } from "./ike_auth_initiator";

/** True when an additional key exchange is next, and not IKE_AUTH. */
export function intermediateDue(sa: IkeSa): bool {
  return suiteNextAdditional(ikeSuite(sa), sa.additionalNext) < ADDKE_MAX;
}

/** The method of the one that is next. */
function due(sa: IkeSa): u32 {
  sa.additionalNext = suiteNextAdditional(ikeSuite(sa), sa.additionalNext);
  return suiteAdditional(ikeSuite(sa), sa.additionalNext);
}

/** Initiator: the keys are there; on with the next exchange. */
export function intermediateStart(sa: IkeSa): void {
  if (!intermediateDue(sa)) return authStart(sa);
  sa.method = due(sa);
  sa.outStep = OUT_INTERMEDIATE_KEY;
  if (!jobGenerate(sa, true, OUT_INTERMEDIATE_KEY, sa.method))
    ikeFail(sa, 0, text("the secure element is not available"));
}

/** Our share is here. */
export function intermediateShare(sa: IkeSa, key: u32, value: usize, length: u32): void {
  sa.outKey = key;
  if (length == 0 || length > KE_VALUE_MAX) return ikeFail(sa, 0, text("the secure element gave no usable key share"));
  const w = requestBegin(sa, EXCHANGE_IKE_INTERMEDIATE);
  keWrite(w, sa.method, value, length);
  requestSend(sa, w, OUT_INTERMEDIATE);
}

/** The answer, decrypted. Takes the frame. */
export function intermediateResponse(sa: IkeSa, frame: Frame): void {
  if (sa.outStep != OUT_INTERMEDIATE) {
    drop(frame, DROP_IKE_STATE);
    return;
  }
  intAuthAdd(sa, false, frame.start, frame.scratch0, <usize>frame.scratch1, frame.scratch2);
  const error = notifyFind(0);
  const ke = sole(PAYLOAD_KE);
  const length = soleLength;
  const good = error == 0 && ke != 0 && keCheck(ke, length) && keMethod(ke) == sa.method;
  if (!good || length - KE_HEADER > KE_VALUE_MAX) {
    const type = error != 0 ? notifyType(error) : NOTIFY_INVALID_SYNTAX;
    consume(frame);
    return ikeFail(sa, type, text("the peer refused an additional key exchange"));
  }
  requestDone(sa);
  sa.outStep = OUT_INTERMEDIATE_AGREE;
  const key = sa.outKey;
  sa.outKey = 0;
  const posted = jobAgree(sa, true, OUT_INTERMEDIATE_AGREE, key, sa.method, ke + KE_HEADER, length - KE_HEADER);
  consume(frame);
  if (!posted) ikeFail(sa, 0, text("the secure element is not available"));
}

/** The shared secret is here; length 0: it is not. */
export function intermediateSecret(sa: IkeSa, secret: usize, length: u32): void {
  if (length == 0 || length > KE_VALUE_MAX) return ikeFail(sa, 0, text("an additional key exchange failed"));
  ikeKeysAdded(sa, secret, length);
  sa.additionalNext += 1;
  intermediateStart(sa);
}

/** Responder: a request, decrypted. Takes the frame. */
export function intermediateReceive(sa: IkeSa, frame: Frame): void {
  const method = due(sa);
  intAuthAdd(sa, false, frame.start, frame.scratch0, <usize>frame.scratch1, frame.scratch2);
  const ke = sole(PAYLOAD_KE);
  const length = soleLength;
  const good = ke != 0 && keCheck(ke, length) && keMethod(ke) == method && length - KE_HEADER <= KE_VALUE_MAX;
  sa.inStep = IN_INTERMEDIATE;
  const posted = good && jobRespond(sa, IN_INTERMEDIATE, method, ke + KE_HEADER, length - KE_HEADER);
  consume(frame);
  if (!posted) refuse(sa, text("the peer's additional key exchange is not what was agreed on"));
}

/** The secure element has answered the peer's share; length 0: it could not. */
export function intermediateRespond(sa: IkeSa, value: usize, length: u32): void {
  if (!jobResponded(value, length, KE_VALUE_MAX))
    return refuse(sa, text("the peer's value of an additional key exchange is unacceptable"));
  const w = responseBegin(sa, EXCHANGE_IKE_INTERMEDIATE);
  keWrite(w, suiteAdditional(ikeSuite(sa), sa.additionalNext), respondedValue, respondedLength);
  responseSend(sa, w);
  ikeKeysAdded(sa, respondedSecret, respondedSecretLength);
  sa.additionalNext += 1;
}

function refuse(sa: IkeSa, literal: usize): void {
  const w = responseBegin(sa, EXCHANGE_IKE_INTERMEDIATE);
  notifyWrite(w, NOTIFY_INVALID_SYNTAX, 0, 0);
  responseSend(sa, w);
  reportAlert(sa.connection, null, NOTIFY_INVALID_SYNTAX, literal);
  ikeDown(sa, CAUSE_LOCAL, true);
}
