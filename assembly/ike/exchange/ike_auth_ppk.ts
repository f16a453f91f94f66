/**
 * IKE_AUTH with a postquantum preshared key (RFC 8784 section 3):
 *
 *   HDR, SK { IDi, .., AUTH, .., N(PPK_IDENTITY, PPK_ID), [N(NO_PPK_AUTH)] }  -->
 *                                                   <--  HDR, SK { IDr, AUTH, .., [N(PPK_IDENTITY)] }
 *
 * An initiator that may do without sends a second AUTH, made with the keys of the key exchange alone, in NO_PPK_AUTH. A responder
 * that does not know the PPK takes that one, and answers without PPK_IDENTITY.
 */
import { PPK_POLICY_REQUIRED } from "../../abi/management";
import { Frame } from "../../bus/frame";
import { Writer } from "../../wire/ike_message";
import {
  NOTIFY_NO_PPK_AUTH,
  NOTIFY_PPK_IDENTITY,
  notifyData,
  notifyDataOctets,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { PSA_FIELDS } from "../../abi/psa";
import { authSign, authSigned, proofData, proofDataLength } from "../auth";
import { connectionAt, connectionPpkId } from "../connection";
import { IN_PPK, IkeSa, OUT_PPK, OUT_PPK_AUTH } from "../ike_sa";
import { jobAnswerKeep } from "../job";
import { ikeFail, signedFree } from "../life";
import { heldWalk, notifyFind, soleLength } from "../negotiation";
import {
  PPK_AGREED,
  PPK_DECLINED,
  PPK_NONE,
  PPK_OFFERED,
  ppkAsk,
  ppkIdOctets,
  ppkIdentityWrite,
  ppkKeep,
  ppkTake,
  ppkTakeBack,
} from "../ppk";
import { reportAlert, text } from "../report";
import { identify, nextRound } from "./ike_auth_initiator";
import { firstChoose, refuse } from "./ike_auth_responder";

function required(sa: IkeSa): bool {
  return connectionAt(<u32>sa.connection).ppk == PPK_POLICY_REQUIRED;
}

/** Initiator, before IKE_AUTH: what a PPK asks for comes first. */
export function ppkStart(sa: IkeSa): void {
  if (sa.ppk != PPK_AGREED) {
    if (required(sa)) return ikeFail(sa, 0, text("the peer uses no PPK, and ppk_required asks for one"));
    return nextRound(sa);
  }
  if (required(sa)) return ask(sa);
  identify(sa);
  sa.outStep = OUT_PPK_AUTH;
  if (!authSign(sa, true, OUT_PPK_AUTH)) ikeFail(sa, 0, text("the secure element is not available"));
}

/** Our AUTH for a peer that does not know the PPK is here. */
export function ppkWithoutSigned(sa: IkeSa, value: usize, length: u32): void {
  const fault = authSigned(sa, value, length);
  if (fault != 0) return ikeFail(sa, 0, fault);
  sa.signed = jobAnswerKeep();
  ask(sa);
}

function ask(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  sa.outStep = OUT_PPK;
  if (!ppkAsk(sa, true, OUT_PPK, connectionPpkId(c), c.ppkIdLength))
    ikeFail(sa, 0, text("the secure element is not available"));
}

/** The keys of our PPK are here; length 0: there is no such PPK. */
export function ppkKeys(sa: IkeSa, value: usize, length: u32): void {
  if (ppkTake(sa, value, length)) sa.ppk = PPK_OFFERED;
  else {
    if (required(sa)) return ikeFail(sa, 0, text("there is no PPK of the name in ppk_id"));
    reportAlert(sa.connection, null, 0, text("there is no PPK of the name in ppk_id: the IKE_SA does without"));
    sa.ppk = PPK_NONE;
    signedFree(sa);
  }
  nextRound(sa);
}

/** Writes what goes with our AUTH, as either end. */
export function ppkWrite(w: Writer, sa: IkeSa): void {
  ppkIdentityWrite(w, sa, connectionAt(<u32>sa.connection));
  if (sa.initiator == 0 || sa.signed == 0) return;
  const answer = changetype<Frame>(sa.signed).start + PSA_FIELDS;
  notifyWrite(
    w,
    NOTIFY_NO_PPK_AUTH,
    proofData(sa, answer + 2),
    proofDataLength(sa, answer + 2, <u32>load<u16>(answer)),
  );
  signedFree(sa);
}

/** Initiator: takes from the answer in hand, which has an AUTH, whether the peer uses the PPK; 0, or a literal that refuses it. */
export function ppkAnswered(sa: IkeSa): usize {
  if (sa.ppk != PPK_OFFERED) return 0;
  if (notifyFind(NOTIFY_PPK_IDENTITY) != 0) ppkKeep(sa);
  else {
    if (required(sa)) return text("the peer does not know the PPK, and ppk_required asks for one");
    ppkTakeBack(sa);
  }
  return 0;
}

/** Responder: goes on with the first request, in hand and held. */
export function ppkReceive(sa: IkeSa): void {
  const name = sa.ppk == PPK_AGREED ? notifyFind(NOTIFY_PPK_IDENTITY) : 0;
  if (name == 0) {
    sa.ppk = PPK_NONE;
    return firstChoose(sa);
  }
  const data = notifyData(name);
  const octets = ppkIdOctets(data, notifyDataOctets(name, soleLength));
  if (octets == 0) return unknown(sa);
  sa.inStep = IN_PPK;
  if (!ppkAsk(sa, false, IN_PPK, data + 1, octets)) refuse(sa, text("the secure element is not available"));
}

/** The keys of the peer's PPK are here; length 0: there is no such PPK. */
export function ppkFound(sa: IkeSa, value: usize, length: u32): void {
  heldWalk(changetype<Frame>(sa.held));
  if (!ppkTake(sa, value, length)) return unknown(sa);
  ppkKeep(sa);
  firstChoose(sa);
}

function unknown(sa: IkeSa): void {
  sa.ppk = PPK_DECLINED;
  if (notifyFind(NOTIFY_NO_PPK_AUTH) == 0)
    return refuse(sa, text("the peer's PPK is not known here, and it does not do without"));
  firstChoose(sa);
}
