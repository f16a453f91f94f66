/**
 * AUTH (RFC 7296 section 2.15): which way a round of authentication goes. Each way is a file of its own (auth_shared_key.ts,
 * auth_signature.ts; EAP, whose rounds are exchanges of their own, has eap.ts); what the exchange needs of it is here: to ask the secure
 * element, and to take its answer.
 */
import { AUTH_ANY, AUTH_EAP, AUTH_PUBLIC_KEY, AUTH_SHARED_KEY } from "../abi/management";
import { SIGN_CERTIFICATES, SIGN_LENGTH } from "../abi/psa";
import { PAYLOAD_AUTH, Writer, payloadFind } from "../wire/ike_message";
import {
  AUTH_METHOD_DIGITAL_SIGNATURE,
  AUTH_METHOD_ECDSA_256,
  AUTH_METHOD_ECDSA_384,
  AUTH_METHOD_ECDSA_521,
  AUTH_METHOD_RSA,
  AUTH_METHOD_SHARED_KEY,
  authCheck,
  authMethod,
} from "../wire/ike_payload/auth";
import { AuthRound, roundAt } from "./auth_round";
import { sharedKeyAsk, sharedKeySigned, sharedKeyVerdict, sharedKeyWrite } from "./auth_shared_key";
import {
  signatureProofWrite,
  signatureSign,
  signatureSigned,
  signatureVerdict,
  signatureVerify,
  signatureWrite,
} from "./auth_signature";
import { connectionAt, connectionLocalAuth, connectionRemoteAuth } from "./connection";
import { IkeSa } from "./ike_sa";
import { sole, soleLength } from "./negotiation";

/** No way that we know. */
export const WAY_UNKNOWN: u32 = u32.MAX_VALUE;

/** Our round that is next, or at hand. */
export function localRound(sa: IkeSa): AuthRound {
  return roundAt(connectionLocalAuth(connectionAt(<u32>sa.connection)), sa.localRounds);
}

/** The peer's. */
export function peerRound(sa: IkeSa): AuthRound {
  return roundAt(connectionRemoteAuth(connectionAt(<u32>sa.connection)), sa.peerRounds);
}

/** The way of the AUTH payload in the message in hand, EAP without one; WAY_UNKNOWN: none that we know, or not well-formed. */
export function authWay(): u32 {
  if (payloadFind(PAYLOAD_AUTH) < 0) return AUTH_EAP;
  const auth = sole(PAYLOAD_AUTH);
  if (auth == 0 || !authCheck(auth, soleLength)) return WAY_UNKNOWN;
  switch (authMethod(auth)) {
    case AUTH_METHOD_SHARED_KEY:
      return AUTH_SHARED_KEY;
    case AUTH_METHOD_RSA:
    case AUTH_METHOD_ECDSA_256:
    case AUTH_METHOD_ECDSA_384:
    case AUTH_METHOD_ECDSA_521:
    case AUTH_METHOD_DIGITAL_SIGNATURE:
      return AUTH_PUBLIC_KEY;
    default:
      return WAY_UNKNOWN;
  }
}

/** May the peer go that way in this round? By EAP only when it has to: methods and secrets are those of such a round. */
export function authWayFits(round: AuthRound, way: u32): bool {
  return round.way == way || (round.way == AUTH_ANY && way != AUTH_EAP && way != WAY_UNKNOWN);
}

/** Asks for our AUTH of this round. False: no room. */
export function authSign(sa: IkeSa, out: bool, step: u32): bool {
  const round = localRound(sa);
  return round.way == AUTH_PUBLIC_KEY ? signatureSign(sa, round, out, step) : sharedKeyAsk(sa, true, out, step);
}

/** The answer to authSign: 0 it is there, or a literal that says why not. */
export function authSigned(sa: IkeSa, value: usize, length: u32): usize {
  return localRound(sa).way == AUTH_PUBLIC_KEY ? signatureSigned(value, length) : sharedKeySigned(value, length);
}

/** Writes the payloads that go in front of AUTH with it: certificates. */
export function authProofWrite(w: Writer, sa: IkeSa, value: usize, length: u32): void {
  if (localRound(sa).way == AUTH_PUBLIC_KEY) signatureProofWrite(w, sa, value, length);
}

/** Writes our AUTH. */
export function authPayloadWrite(w: Writer, sa: IkeSa, value: usize, length: u32): void {
  if (localRound(sa).way == AUTH_PUBLIC_KEY) signatureWrite(w, value);
  else sharedKeyWrite(w, value, length);
}

/** The authentication data of a good answer to authSign, and their octets. */
export function proofData(sa: IkeSa, value: usize): usize {
  return localRound(sa).way == AUTH_PUBLIC_KEY ? value + SIGN_CERTIFICATES : value;
}

export function proofDataLength(sa: IkeSa, value: usize, length: u32): u32 {
  return localRound(sa).way == AUTH_PUBLIC_KEY ? <u32>load<u16>(value, SIGN_LENGTH) : length;
}

/** Has the peer's AUTH in the message in hand verified. False: no room. */
export function authVerify(sa: IkeSa, out: bool, step: u32): bool {
  if (authWay() == AUTH_PUBLIC_KEY) return signatureVerify(sa, peerRound(sa), out, step);
  return sharedKeyAsk(sa, false, out, step);
}

/** The answer to authVerify, that message in hand again: 0 it is good, or a literal that says what is wrong. */
export function authVerdict(sa: IkeSa, value: usize, length: u32): usize {
  return authWay() == AUTH_PUBLIC_KEY ? signatureVerdict(value, length) : sharedKeyVerdict(sa, value, length);
}
