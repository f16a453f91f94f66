/**
 * AUTH with a shared key (RFC 7296 section 2.15), computed by the secure element, which finds the key by the two identities: the
 * owner of the AUTH first.
 *
 * The peer's AUTH is computed in the same way with the roles exchanged, and compared in constant time.
 */
import { PSA_PSK_AUTH } from "../abi/psa";
import { equalConstantTime } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { AUTH_METHOD_SHARED_KEY, authWrite } from "../wire/ike_payload/auth";
import { authData, authDataLength } from "./auth_data";
import { authOctets } from "./auth_octets";
import { IkeSa, ikeLocalId, ikePeerId, ikeSuite } from "./ike_sa";
import { jobBegin, jobField, jobPost } from "./job";
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
