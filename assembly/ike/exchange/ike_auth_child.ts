/** The CHILD_SA that IKE_AUTH carries (RFC 7296 section 1.2): which one it is, and where its keys come from (2.17). */
import { CHILDLESS_FORCE, CHILDLESS_PREFER, IKE_STATE_DELETING, UNIQUE_NEVER } from "../../abi/management";
import { CHILD_WANT_CREATE, ChildSa, childNonce, childPeerNonce, childSaAt } from "../child_sa";
import { connectionAt } from "../connection";
import { IkeSa, NONCE_OCTETS, ikeNonce, ikePeerNonce, ikeSaAt } from "../ike_sa";

/** The first one asked for, or null. */
export function firstWanted(sa: IkeSa): ChildSa | null {
  let last: ChildSa | null = null;
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    if ((childSaAt(<u32>i).want & CHILD_WANT_CREATE) != 0) last = childSaAt(<u32>i);
  }
  return last;
}

/** Whether IKE_AUTH goes without a CHILD_SA (RFC 6023). */
export const CHILDLESS_NO: u32 = 0;
export const CHILDLESS_YES: u32 = 1;
/** It would have to, and the peer does not take that. */
export const CHILDLESS_REFUSED: u32 = 2;

export function childless(sa: IkeSa): u32 {
  const policy = connectionAt(<u32>sa.connection).childless;
  const must = policy == CHILDLESS_FORCE || sa.bare != 0;
  if (!must && policy != CHILDLESS_PREFER) return CHILDLESS_NO;
  if (sa.peerChildless != 0) return CHILDLESS_YES;
  return must ? CHILDLESS_REFUSED : CHILDLESS_NO;
}

/** True when the peer can have no other IKE_SA with us that we know of, and may be told so: INITIAL_CONTACT (2.4). */
export function firstContact(sa: IkeSa): bool {
  if (sa.reauthOld >= 0 || connectionAt(<u32>sa.connection).unique == UNIQUE_NEVER) return false;
  for (let i = connectionAt(<u32>sa.connection).firstSa; i >= 0; i = ikeSaAt(<u32>i).connectionNext) {
    if (i != <i32>sa.index && ikeSaAt(<u32>i).state != IKE_STATE_DELETING) return false;
  }
  return true;
}

/** Its keys are made from the IKE_SA's nonces. */
export function firstNonces(child: ChildSa, sa: IkeSa): void {
  memory.copy(childNonce(child), ikeNonce(sa), NONCE_OCTETS);
  memory.copy(childPeerNonce(child), ikePeerNonce(sa), sa.peerNonceLength);
  child.peerNonceLength = sa.peerNonceLength;
}
