/**
 * AUTH with a signature (RFC 7296 section 2.15, RFC 4754, RFC 7427, RFC 8420), made and verified by the secure element, which has
 * the private keys and knows whom to trust; certificates go with it in CERT payloads (3.6, RFC 7670).
 *
 * Nothing of a certificate is read here. What the element says of the peer's is told to the operator in a sentence; the peer hears
 * AUTHENTICATION_FAILED.
 */
import { SEND_CERT_ALWAYS, SEND_CERT_NEVER } from "../abi/management";
import {
  PSA_FIELDS,
  PSA_SIGN_AUTH,
  PSA_VERIFY_AUTH,
  SIGN_CERTIFICATES,
  SIGN_DONE,
  SIGN_LENGTH,
  SIGN_METHOD,
  SIGN_NO_COMMON_HASH,
  SIGN_REASON,
  VERDICT_EXPIRED,
  VERDICT_GOOD,
  VERDICT_IDENTITY,
  VERDICT_KEY_USAGE,
  VERDICT_MALFORMED,
  VERDICT_NOT_YET_VALID,
  VERDICT_NO_CERTIFICATE,
  VERDICT_NO_PATH,
  VERDICT_PATH,
  VERDICT_REVOCATION_UNKNOWN,
  VERDICT_REVOKED,
  VERDICT_SCHEME,
  VERDICT_SCHEME_REFUSED,
  VERDICT_SIGNATURE,
  VERDICT_WEAK,
} from "../abi/psa";
import { PAYLOAD_AUTH, PAYLOAD_CERT, Writer, payloadBody, payloadFind, payloadLength } from "../wire/ike_message";
import { authMethod, authWrite } from "../wire/ike_payload/auth";
import { CERT_HEADER, certCheck, certWrite } from "../wire/ike_payload/cert";
import { authData, authDataLength } from "./auth_data";
import { authOctets, authOctetsLength } from "./auth_octets";
import { AuthRound } from "./auth_round";
import { connectionAt } from "./connection";
import { IkeSa, ikePeerId } from "./ike_sa";
import { JOB_OCTETS_MAX, jobBegin, jobField, jobPost } from "./job";
import { sole } from "./negotiation";
import { text } from "./report";

/** Asks for our signature with the round's credential. False: no room. */
export function signatureSign(sa: IkeSa, round: AuthRound, out: bool, step: u32): bool {
  const frame = jobBegin(sa, out, step, PSA_SIGN_AUTH, round.key, sa.peerHashes);
  if (!frame) return false;
  authOctets(frame, sa, true);
  jobPost(frame);
  return true;
}

/** Why our signature cannot be: 0 it can, or a literal. Checks the answer's form, too. */
export function signatureSigned(value: usize, length: u32): usize {
  if (length == 0) return text("the secure element could not sign");
  const reason = <u32>load<u8>(value, SIGN_REASON);
  if (reason == SIGN_NO_COMMON_HASH) return text("our private key can make no signature that the peer takes");
  if (reason != SIGN_DONE || length < SIGN_CERTIFICATES) return text("no private key to authenticate with");
  let at: u32 = SIGN_CERTIFICATES + <u32>load<u16>(value, SIGN_LENGTH);
  while (at + 2 <= length) {
    const octets = <u32>load<u16>(value + at);
    if (octets <= CERT_HEADER) break;
    at += 2 + octets;
  }
  return at == length ? 0 : text("the secure element could not sign");
}

/** Writes our certificates, if they are asked for or sent in any case. */
export function signatureProofWrite(w: Writer, sa: IkeSa, value: usize, length: u32): void {
  const policy = connectionAt(<u32>sa.connection).sendCert;
  if (policy == SEND_CERT_NEVER || (policy != SEND_CERT_ALWAYS && sa.certAsked == 0)) return;
  let at: u32 = SIGN_CERTIFICATES + <u32>load<u16>(value, SIGN_LENGTH);
  while (at < length) {
    const octets = <u32>load<u16>(value + at);
    certWrite(w, value + at + 2, octets);
    at += 2 + octets;
  }
}

export function signatureWrite(w: Writer, value: usize): void {
  authWrite(w, <u32>load<u8>(value, SIGN_METHOD), value + SIGN_CERTIFICATES, <u32>load<u16>(value, SIGN_LENGTH));
}

/** Has the signature in the message in hand verified, with the certificates that came with it. False: no room. */
export function signatureVerify(sa: IkeSa, round: AuthRound, out: bool, step: u32): bool {
  const data = authData(sa);
  const dataLength = authDataLength;
  let left: i32 = JOB_OCTETS_MAX - PSA_FIELDS - 6;
  left -= <i32>(sa.peerIdLength + dataLength + authOctetsLength(sa, false));
  if (left < 0) return false;
  const frame = jobBegin(sa, out, step, PSA_VERIFY_AUTH, round.key, authMethod(sole(PAYLOAD_AUTH)));
  if (!frame) return false;
  jobField(frame, ikePeerId(sa), sa.peerIdLength);
  jobField(frame, data, dataLength);
  authOctets(frame, sa, false);
  for (let i = payloadFind(PAYLOAD_CERT); i >= 0; i = payloadFind(PAYLOAD_CERT, <u32>i + 1)) {
    const length = payloadLength(<u32>i);
    // What finds no room would be an authority's at best: the path is looked for without it.
    if (!certCheck(payloadBody(<u32>i), length) || <i32>(length + 2) > left) continue;
    left -= <i32>(length + 2);
    jobField(frame, payloadBody(<u32>i), length);
  }
  jobPost(frame);
  return true;
}

/** What is wrong with the peer's signature: 0 nothing, or a literal. */
export function signatureVerdict(value: usize, length: u32): usize {
  if (length != 1) return text("the secure element could not verify the peer's signature");
  return signatureFault(<u32>load<u8>(value));
}

/** What a verdict says: 0 it is good, or a literal. */
export function signatureFault(verdict: u32): usize {
  switch (verdict) {
    case VERDICT_GOOD:
      return 0;
    case VERDICT_SIGNATURE:
      return text("the peer's signature is wrong");
    case VERDICT_SCHEME:
      return text("the peer's signature is of a scheme that does not go with its key");
    case VERDICT_SCHEME_REFUSED:
      return text("the peer's signature, or one in its certificates' path, is not as 'auth' asks for");
    case VERDICT_NO_CERTIFICATE:
      return text("the peer sent no certificate, and none of it is configured");
    case VERDICT_MALFORMED:
      return text("the peer's certificates are malformed, or too many");
    case VERDICT_NO_PATH:
      return text("the peer's certificate leads to no trusted authority");
    case VERDICT_EXPIRED:
      return text("a certificate of the peer's path has expired");
    case VERDICT_NOT_YET_VALID:
      return text("a certificate of the peer's path is not yet valid");
    case VERDICT_REVOKED:
      return text("a certificate of the peer's path is revoked");
    case VERDICT_REVOCATION_UNKNOWN:
      return text("nothing current tells that the peer's certificate is not revoked");
    case VERDICT_IDENTITY:
      return text("the peer's certificate is not one of its identity");
    case VERDICT_PATH:
      return text("constraints or extensions forbid the peer's certificate path");
    case VERDICT_KEY_USAGE:
      return text("the key of the peer's certificate is not one to sign with");
    case VERDICT_WEAK:
      return text("a key or hash of the peer's certificate path is too weak");
    default:
      return text("the peer's certificate is refused");
  }
}
