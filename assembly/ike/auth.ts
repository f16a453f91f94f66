/**
 * AUTH (RFC 7296 section 2.15) with a shared key, computed by the secure element:
 *
 *   octets = own IKE_SA_INIT message | the other side's nonce | prf(SK_p, own ID payload's body)
 *
 * The peer's AUTH is computed in the same way with the roles exchanged, and compared in constant time. The PSK is found
 * by the two identities: the owner of the AUTH first.
 */
import { prf, prfOctets } from "../crypto/prf";
import { identityBody } from "../wire/ike_payload/identification";
import { IDENTITY_MAX } from "../wire/ike_payload/identification";
import {
  IkeSa,
  KEY_PI,
  KEY_PR,
  NONCE_OCTETS,
  ikeInitReceived,
  ikeInitSent,
  ikeKey,
  ikeLocalId,
  ikeNonce,
  ikePeerId,
  ikePeerNonce,
  ikeSuite,
} from "./ike_sa";
import { jobAuth, jobAuthPost } from "./job";

const body: usize = memory.data(IDENTITY_MAX + 8, 8);

/** Asks for our own AUTH. False: no room. */
export function authSign(sa: IkeSa, out: bool, step: u32): bool {
  const id = ikeSuite(sa).prf;
  const frame = jobAuth(sa, out, step, id, ikeLocalId(sa), sa.localIdLength, ikePeerId(sa), sa.peerIdLength);
  if (!frame) return false;
  let at = octetsBegin(frame.start + frame.length, ikeInitSent(sa), sa.initSentLength);
  memory.copy(at, ikePeerNonce(sa), sa.peerNonceLength);
  at += sa.peerNonceLength;
  prf(
    id,
    ikeKey(sa, sa.initiator != 0 ? KEY_PI : KEY_PR),
    prfOctets(id),
    body,
    identityBody(ikeLocalId(sa), sa.localIdLength, body),
    at,
  );
  frame.length += octetsEnd(frame.start + frame.length, at + prfOctets(id));
  jobAuthPost(frame);
  return true;
}

/** Asks for the AUTH that the peer must have sent. False: no room. */
export function authExpect(sa: IkeSa, out: bool, step: u32): bool {
  const id = ikeSuite(sa).prf;
  const frame = jobAuth(sa, out, step, id, ikePeerId(sa), sa.peerIdLength, ikeLocalId(sa), sa.localIdLength);
  if (!frame) return false;
  let at = octetsBegin(frame.start + frame.length, ikeInitReceived(sa), sa.initReceivedLength);
  memory.copy(at, ikeNonce(sa), NONCE_OCTETS);
  at += NONCE_OCTETS;
  prf(
    id,
    ikeKey(sa, sa.initiator != 0 ? KEY_PR : KEY_PI),
    prfOctets(id),
    body,
    identityBody(ikePeerId(sa), sa.peerIdLength, body),
    at,
  );
  frame.length += octetsEnd(frame.start + frame.length, at + prfOctets(id));
  jobAuthPost(frame);
  return true;
}

function octetsBegin(field: usize, message: usize, length: u32): usize {
  memory.copy(field + 2, message, length);
  return field + 2 + length;
}

function octetsEnd(field: usize, end: usize): u32 {
  store<u16>(field, <u16>(end - field - 2));
  return <u32>(end - field);
}
