/**
 * The octets that an AUTH payload authenticates (RFC 7296 section 2.15):
 *
 *   own IKE_SA_INIT message | the other side's nonce | prf(SK_p, own ID payload's body) | IntAuth (int_auth.ts)
 *
 * A further round (RFC 4739) has the same with its own identity.
 */
import { Frame } from "../bus/frame";
import { prf, prfOctets } from "../crypto/prf";
import { IDENTITY_MAX, identityBody } from "../wire/ike_payload/identification";
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
import { intAuthOctets, intAuthWrite } from "./int_auth";

const body: usize = memory.data(IDENTITY_MAX + 8, 8);

/** How many they are. */
export function authOctetsLength(sa: IkeSa, ours: bool): u32 {
  const digest = prfOctets(ikeSuite(sa).prf);
  return (
    digest + intAuthOctets(sa) + (ours ? sa.initSentLength + sa.peerNonceLength : sa.initReceivedLength + NONCE_OCTETS)
  );
}

/** Appends those of our AUTH, or the peer's, to a request to the secure element, as a field. */
export function authOctets(frame: Frame, sa: IkeSa, ours: bool): void {
  const id = ikeSuite(sa).prf;
  const field = frame.start + frame.length;
  const message = ours ? sa.initSentLength : sa.initReceivedLength;
  const nonce = ours ? sa.peerNonceLength : NONCE_OCTETS;
  const identity = ours ? ikeLocalId(sa) : ikePeerId(sa);
  const identityLength = ours ? sa.localIdLength : sa.peerIdLength;
  const key = ikeKey(sa, ours == (sa.initiator != 0) ? KEY_PI : KEY_PR);
  let at = field + 2;
  memory.copy(at, ours ? ikeInitSent(sa) : ikeInitReceived(sa), message);
  at += message;
  memory.copy(at, ours ? ikePeerNonce(sa) : ikeNonce(sa), nonce);
  at += nonce;
  prf(id, key, prfOctets(id), body, identityBody(identity, identityLength, body), at);
  at += prfOctets(id);
  intAuthWrite(sa, at);
  at += intAuthOctets(sa);
  store<u16>(field, <u16>(at - field - 2));
  frame.length += <u32>(at - field);
}
