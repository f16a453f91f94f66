/**
 * What an IKE_SA asks the secure element for EAP (RFC 7296 section 2.16), and what it takes from its answers. The method, its secrets
 * and its MSK stay in there, as a session; from here packets go in, and packets and AUTH data come out.
 *
 * A session ends with the round that it is for, or with the IKE_SA.
 */
import { EAP_WE_ASKED } from "../abi/management";
import {
  EAP_AUTHENTICATOR,
  EAP_CONTINUES,
  EAP_FAILED,
  EAP_IDENTITY,
  EAP_IDENTITY_LENGTH,
  EAP_METHOD,
  EAP_OUTCOME,
  EAP_PEER,
  EAP_REASON,
  EAP_REASON_CERTIFICATE,
  EAP_REASON_IDENTITY,
  EAP_REASON_MALFORMED,
  EAP_REASON_NO_METHOD,
  EAP_REASON_NO_SECRET,
  EAP_REASON_PROOF,
  EAP_REASON_REFUSED,
  EAP_REASON_TLS,
  EAP_REASON_TOO_LONG,
  EAP_REASON_UNEXPECTED,
  EAP_SUCCEEDED,
  PSA_EAP_AUTH,
  PSA_EAP_BEGIN,
  PSA_EAP_END,
  PSA_EAP_STEP,
  PSA_FIELDS,
} from "../abi/psa";
import { Frame } from "../bus/frame";
import { consume } from "../bus/port";
import { prfOctets } from "../crypto/prf";
import { equalConstantTime, zeroize } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { EAP_OCTETS_MAX, eapCheck, eapWrite } from "../wire/ike_payload/eap";
import { authData, authDataLength } from "./auth_data";
import { authOctets } from "./auth_octets";
import { AuthRound } from "./auth_round";
import { signatureFault } from "./auth_signature";
import {
  EAP_IDENTITY_MAX,
  IkeSa,
  KEY_PI,
  KEY_PR,
  ikeEapIdentity,
  ikeKey,
  ikeLocalId,
  ikePeerId,
  ikeSuite,
} from "./ike_sa";
import { jobAnswerKeep, jobBegin, jobField, jobPost, jobRelease } from "./job";
import { text } from "./report";

/** No round by EAP is under way; the first packet is due; more are; the method is through, and the AUTHs made with it are due. */
export const EAP_NONE: u32 = 0;
export const EAP_OPEN: u32 = 1;
export const EAP_RUNNING: u32 = 2;
export const EAP_DONE: u32 = 3;

/** Begins the session of a round; as the EAP peer with the packet that has come. False: no room. */
export function eapBegin(sa: IkeSa, round: AuthRound, step: u32, packet: usize, length: u32): bool {
  const asked = sa.initiator != 0;
  const frame = jobBegin(sa, asked, step, PSA_EAP_BEGIN, round.key, asked ? EAP_PEER : EAP_AUTHENTICATOR);
  if (!frame) return false;
  if (asked) jobField(frame, ikeLocalId(sa), sa.localIdLength);
  jobField(frame, ikePeerId(sa), sa.peerIdLength);
  if (!asked) jobField(frame, ikeLocalId(sa), sa.localIdLength);
  jobField(frame, packet, length);
  jobPost(frame);
  return true;
}

/** Gives the session the packet that has come. False: no room. */
export function eapStep(sa: IkeSa, step: u32, packet: usize, length: u32): bool {
  const frame = jobBegin(sa, sa.initiator != 0, step, PSA_EAP_STEP, sa.eapSession, 0);
  if (!frame) return false;
  jobField(frame, packet, length);
  jobPost(frame);
  return true;
}

/** Asks for our AUTH of the round, or for what the peer's must be. False: no room. */
export function eapAuthAsk(sa: IkeSa, ours: bool, step: u32): bool {
  const prf = ikeSuite(sa).prf;
  const frame = jobBegin(sa, sa.initiator != 0, step, PSA_EAP_AUTH, sa.eapSession, prf);
  if (!frame) return false;
  jobField(frame, ikeKey(sa, ours == (sa.initiator != 0) ? KEY_PI : KEY_PR), prfOctets(prf));
  authOctets(frame, sa, ours);
  jobPost(frame);
  return true;
}

/** True when the peer's AUTH in the message in hand is `value`. */
export function eapAuthFits(sa: IkeSa, value: usize, length: u32): bool {
  const auth = authData(sa);
  return length != 0 && auth != 0 && authDataLength == length && equalConstantTime(auth, value, length);
}

/** What the last answer taken says: EAP_CONTINUES.., and the packet to send, of length 0 none. */
export let eapOutcome: u32 = 0;
export let eapPacket: usize = 0;
export let eapPacketLength: u32 = 0;

let reason: u32 = 0;

/** Takes the answer to eapBegin or eapStep; one that is not well-formed is a failure. */
export function eapTake(sa: IkeSa, key: u32, value: usize, length: u32): void {
  eapOutcome = EAP_FAILED;
  eapPacketLength = 0;
  reason = 0;
  if (length < EAP_IDENTITY) return;
  const identity = <u32>load<u8>(value, EAP_IDENTITY_LENGTH);
  const packet = EAP_IDENTITY + identity;
  if (packet > length || (packet < length && !eapCheck(value + packet, length - packet))) return;
  eapOutcome = <u32>load<u8>(value, EAP_OUTCOME);
  reason = <u32>load<u8>(value, EAP_REASON);
  sa.eapForeseen = eapOutcome == EAP_CONTINUES ? reason : 0;
  eapPacket = value + packet;
  eapPacketLength = length - packet;
  sa.eapSession = eapOutcome <= EAP_SUCCEEDED ? key : 0;
  const method = <u32>load<u8>(value, EAP_METHOD);
  sa.eapMethod = method != 0 && sa.initiator == 0 ? method | EAP_WE_ASKED : method;
  sa.eapIdentityLength = min(identity, EAP_IDENTITY_MAX);
  memory.copy(ikeEapIdentity(sa), value + EAP_IDENTITY, sa.eapIdentityLength);
  // The other end waits for a packet for as long as the method goes on.
  if (eapOutcome == EAP_CONTINUES && eapPacketLength == 0) eapOutcome = EAP_FAILED;
}

/** Keeps the answer in hand: its packet waits to be sent. */
export function eapKeep(sa: IkeSa): void {
  sa.eapAnswer = jobAnswerKeep();
}

/** Writes the packet that waits. */
export function eapKeptWrite(w: Writer, sa: IkeSa): void {
  const value = changetype<Frame>(sa.eapAnswer).start + PSA_FIELDS + 2;
  const packet = EAP_IDENTITY + <u32>load<u8>(value, EAP_IDENTITY_LENGTH);
  eapWrite(w, value + packet, min<u32>(<u32>load<u16>(value - 2) - packet, EAP_OCTETS_MAX));
  eapKeptFree(sa);
}

function eapKeptFree(sa: IkeSa): void {
  if (sa.eapAnswer == 0) return;
  const frame = changetype<Frame>(sa.eapAnswer);
  zeroize(frame.start, frame.length);
  consume(frame);
  sa.eapAnswer = 0;
}

/** The round is over, or the IKE_SA is: so is the session. */
export function eapForget(sa: IkeSa): void {
  eapKeptFree(sa);
  jobRelease(PSA_EAP_END, sa.eapSession);
  sa.eapSession = 0;
  sa.eap = EAP_NONE;
}

/** What a rekeyed IKE_SA takes over. */
export function eapInherit(sa: IkeSa, old: IkeSa): void {
  sa.eapMethod = old.eapMethod;
  sa.eapIdentityLength = old.eapIdentityLength;
  memory.copy(ikeEapIdentity(sa), ikeEapIdentity(old), old.eapIdentityLength);
}

/** Why the peer has ended EAP, for the operator: a literal. */
export function eapGivenUp(sa: IkeSa): usize {
  reason = sa.eapForeseen != 0 ? sa.eapForeseen : EAP_REASON_REFUSED;
  return eapFault(sa);
}

/** Why the last answer taken is a failure, for the operator: a literal. */
export function eapFault(sa: IkeSa): usize {
  const asked = sa.initiator != 0;
  if (reason >= EAP_REASON_CERTIFICATE) return signatureFault(reason - EAP_REASON_CERTIFICATE);
  switch (reason) {
    case EAP_REASON_MALFORMED:
      return text("the peer's EAP packet is malformed");
    case EAP_REASON_UNEXPECTED:
      return text("the peer's EAP packet is not the one that is due");
    case EAP_REASON_TOO_LONG:
      return text("EAP takes more packets, or longer ones, than a method needs");
    case EAP_REASON_NO_METHOD:
      return text("no EAP method in common with the peer");
    case EAP_REASON_NO_SECRET:
      return asked ? text("no secret for our EAP identity") : text("no secret for the peer's EAP identity");
    case EAP_REASON_IDENTITY:
      return text("the peer has another EAP identity than configured");
    case EAP_REASON_PROOF:
      return asked
        ? text("the peer's EAP server does not know our password")
        : text("the peer's password is wrong (EAP)");
    case EAP_REASON_REFUSED:
      return asked ? text("the peer refuses our EAP identity or password") : text("the peer has ended EAP");
    case EAP_REASON_TLS:
      return text("the TLS handshake of EAP-TLS failed");
    default:
      return text("the secure element could not go on with EAP");
  }
}
