/**
 * AUTH with a shared key (RFC 7296 section 2.15), computed by the secure element, which finds the key by the two identities: the
 * owner of the AUTH first.
 *
 * The peer's AUTH is computed in the same way with the roles exchanged, and compared in constant time.
 */
import { PSA_FIELDS, PSA_PSK_AUTH, PSA_PSK_AUTH_BOTH } from "../abi/psa";
import { equalConstantTime } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { AUTH_METHOD_SHARED_KEY, authWrite } from "../wire/ike_payload/auth";
import { authData, authDataLength } from "./auth_data";
import { authOctets, authOctetsLength } from "./auth_octets";
import { IkeSa, ikeLocalId, ikePeerId, ikeSuite } from "./ike_sa";
import { JOB_OCTETS_MAX, jobBegin, jobField, jobPost } from "./job";
import { qcdField } from "./qcd";
import { text } from "./report";

/** Asks for our AUTH, or for what the peer's must be. False: no room. */
export function sharedKeyAsk(sa: IkeSa, ours: bool, out: bool, step: u32): bool {
  const frame = jobBegin(sa, out, step, PSA_PSK_AUTH, 0, ikeSuite(sa).prf);
  if (!frame) return false;
  if (ours) jobField(frame, ikeLocalId(sa), sa.localIdLength);
  jobField(frame, ikePeerId(sa), sa.peerIdLength);
  if (!ours) jobField(frame, ikeLocalId(sa), sa.localIdLength);
  authOctets(frame, sa, ours);
  jobPost(frame);
  return true;
}

/** Octets of the lengths of five fields, and of two SPIs. */
const BOTH_OCTETS: u32 = 5 * 2 + 16;

/** Asks, as responder, for our AUTH, what the peer's must be, and our token (qcd.ts). False: no room, or more than a request holds. */
export function sharedKeyAskBoth(sa: IkeSa, step: u32): bool {
  const octets = sa.localIdLength + sa.peerIdLength + authOctetsLength(sa, true) + authOctetsLength(sa, false);
  if (PSA_FIELDS + BOTH_OCTETS + octets > JOB_OCTETS_MAX) return false;
  const frame = jobBegin(sa, false, step, PSA_PSK_AUTH_BOTH, 0, ikeSuite(sa).prf);
  if (!frame) return false;
  jobField(frame, ikeLocalId(sa), sa.localIdLength);
  jobField(frame, ikePeerId(sa), sa.peerIdLength);
  authOctets(frame, sa, true);
  authOctets(frame, sa, false);
  qcdField(frame, sa);
  jobPost(frame);
  return true;
}

/** Why our AUTH cannot be: 0 it can, or a literal. */
export function sharedKeySigned(value: usize, length: u32): usize {
  return length != 0 ? 0 : text("no shared key for this peer");
}

/** What is wrong with the peer's AUTH in the message in hand, which must be `value`: 0 nothing, or a literal. */
export function sharedKeyVerdict(sa: IkeSa, value: usize, length: u32): usize {
  if (length == 0) return text("no shared key for this peer");
  const auth = authData(sa);
  const same = auth != 0 && authDataLength == length && equalConstantTime(auth, value, length);
  return same ? 0 : text("the peer's AUTH is wrong");
}

export function sharedKeyWrite(w: Writer, value: usize, length: u32): void {
  authWrite(w, AUTH_METHOD_SHARED_KEY, value, length);
}
