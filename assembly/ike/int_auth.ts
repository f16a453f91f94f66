/**
 * IntAuth (RFC 9242 section 3.3.2): what AUTH authenticates of the IKE_INTERMEDIATE exchanges, for each direction a chain
 *
 *   IntAuth(n) = prf(SK_p(n), [IntAuth(n - 1)] | A | P)
 *   A          the message from its header through the generic header of SK, as if it was not encrypted and not in fragments: both
 *              lengths count A and P alone
 *   P          the inner payloads
 *
 * SK_p(n) is the sender's key that is in use when the message is sent: SK_pi of the initiator's, SK_pr of the responder's.
 */
import { PRF_CONTEXT_OCTETS, prfFinal, prfInit, prfOctets, prfUpdate } from "../crypto/prf";
import { storeBE16, storeBE32, zeroize } from "../rt/bytes";
import {
  IKE_HEADER,
  IKE_LENGTH,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_HEADER,
  PAYLOAD_LENGTH,
  PAYLOAD_SK,
} from "../wire/ike_message";
import { IkeSa, KEY_PI, KEY_PR, ikeIntAuth, ikeKey, ikeSuite } from "./ike_sa";

const context: usize = memory.data(PRF_CONTEXT_OCTETS, 16);
const chunk: usize = memory.data(IKE_HEADER + PAYLOAD_HEADER, 8);

/**
 * Adds a message of ours, or of the peer's, with this IKE header, whose first inner payload is of type `first`; the inner payloads are
 * `length` octets at `content`.
 */
export function intAuthAdd(sa: IkeSa, ours: bool, header: usize, first: u32, content: usize, length: u32): void {
  const id = ikeSuite(sa).prf;
  const octets = prfOctets(id);
  const chain = ikeIntAuth(sa, ours);
  memory.copy(chunk, header, IKE_HEADER);
  store<u8>(chunk, <u8>PAYLOAD_SK, IKE_NEXT_PAYLOAD);
  storeBE32(chunk + IKE_LENGTH, IKE_HEADER + PAYLOAD_HEADER + length);
  store<u16>(chunk, <u16>first, IKE_HEADER);
  storeBE16(chunk + IKE_HEADER + PAYLOAD_LENGTH, PAYLOAD_HEADER + length);
  prfInit(context, id, ikeKey(sa, ours == (sa.initiator != 0) ? KEY_PI : KEY_PR), octets);
  if ((ours ? sa.intermediateSent : sa.intermediateReceived) != 0) prfUpdate(context, chain, octets);
  prfUpdate(context, chunk, IKE_HEADER + PAYLOAD_HEADER);
  prfUpdate(context, content, length);
  prfFinal(context, chain);
  zeroize(context, PRF_CONTEXT_OCTETS);
  if (ours) sa.intermediateSent += 1;
  else sa.intermediateReceived += 1;
}

/** Octets that intAuthWrite writes. */
export function intAuthOctets(sa: IkeSa): u32 {
  return sa.intermediateSent != 0 ? 2 * prfOctets(ikeSuite(sa).prf) + 4 : 0;
}

/** Writes IntAuth_i | IntAuth_r | the message id of the first IKE_AUTH, if there was an IKE_INTERMEDIATE exchange at all. */
export function intAuthWrite(sa: IkeSa, to: usize): void {
  if (sa.intermediateSent == 0) return;
  const octets = prfOctets(ikeSuite(sa).prf);
  const initiator = sa.initiator != 0;
  memory.copy(to, ikeIntAuth(sa, initiator), octets);
  memory.copy(to + octets, ikeIntAuth(sa, !initiator), octets);
  storeBE32(to + 2 * octets, sa.intermediateSent + 1);
}
