/**
 * Which of two new SAs is redundant when both ends rekeyed the same one at once (RFC 7296 section 2.8.1, 2.8.2): that whose
 * exchange had the lowest of the four nonces. "Lowest" is octet by octet; a nonce that ends first is the lower one.
 */
import { ChildSa, childNonce, childPeerNonce } from "./child_sa";
import { IkeSa, NONCE_OCTETS, ikeNonce, ikePeerNonce } from "./ike_sa";

function compare(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const difference = memory.compare(a, b, min<u32>(aLength, bLength));
  return difference != 0 ? difference : <i32>aLength - <i32>bLength;
}

let lowestLength: u32 = 0;

/** The lower nonce of one exchange: ours, of NONCE_OCTETS, and the peer's. Its length is left in lowestLength. */
function lowest(ours: usize, theirs: usize, theirLength: u32): usize {
  const own = compare(ours, NONCE_OCTETS, theirs, theirLength) <= 0;
  lowestLength = own ? NONCE_OCTETS : theirLength;
  return own ? ours : theirs;
}

/** True when `child` and not `other` is the redundant one. */
export function childIsRedundant(child: ChildSa, other: ChildSa): bool {
  const a = lowest(childNonce(child), childPeerNonce(child), child.peerNonceLength);
  const aLength = lowestLength;
  const b = lowest(childNonce(other), childPeerNonce(other), other.peerNonceLength);
  return compare(a, aLength, b, lowestLength) < 0;
}

/** True when `sa` and not `other` is the redundant one. */
export function ikeIsRedundant(sa: IkeSa, other: IkeSa): bool {
  const a = lowest(ikeNonce(sa), ikePeerNonce(sa), sa.peerNonceLength);
  const aLength = lowestLength;
  const b = lowest(ikeNonce(other), ikePeerNonce(other), other.peerNonceLength);
  return compare(a, aLength, b, lowestLength) < 0;
}
