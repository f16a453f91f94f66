/**
 * Established IKE_SAs by the two identities that they are between, so that INITIAL_CONTACT (RFC 7296 section 2.4) finds the
 * others of a peer without looking at everybody's.
 *
 * A user of EAP is one by the name that was proved, too: IDi alone is what the peer says of itself.
 *
 * Chains of a hash that a secret of this board varies. Those of one pair of identities are in one chain, the last one first.
 */
import { drbgU32 } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { identitySame } from "./identity";
import { IkeSa, ikeEapIdentity, ikeLocalId, ikePeerId, ikeSaAt } from "./ike_sa";

let buckets: usize = 0;
let mask: u32 = 0;
let key: u32 = 0;

/** Makes room for `capacity` IKE_SAs; false when RAM is too small. */
export function identityIndexReset(capacity: u32): bool {
  let size: u32 = 64;
  while (size < capacity) size <<= 1;
  mask = size - 1;
  key = drbgU32();
  buckets = arenaTake((<usize>size) << 2);
  if (buckets == 0) return false;
  memory.fill(buckets, 0xff, (<usize>size) << 2);
  return true;
}

/** One step of a keyed hash of octets that a peer chooses. */
export function mix(hash: u32, p: usize, length: u32): u32 {
  for (let i: u32 = 0; i < length; i++) hash = (hash ^ (<u32>load<u8>(p + i))) * 0x01000193;
  return (hash ^ length) * 0x01000193;
}

function bucketOf(sa: IkeSa): usize {
  let hash = mix(key, ikeLocalId(sa), sa.localIdLength);
  hash = mix(hash, ikePeerId(sa), sa.peerIdLength);
  hash ^= hash >> 15;
  return buckets + ((<usize>(hash & mask)) << 2);
}

/**
 * The peer of an IKE_SA as a number: the same for all IKE_SAs of one identity (with EAP of the one that was proved), wherever it comes
 * from, and on every IKE board. FNV-1a of 64 bits; what it is used for must not mind two peers with the same.
 */
export function identityDigest(sa: IkeSa): u64 {
  const eap = sa.eapIdentityLength != 0;
  const identity = eap ? ikeEapIdentity(sa) : ikePeerId(sa);
  const length = eap ? sa.eapIdentityLength : sa.peerIdLength;
  let digest: u64 = 0xcbf29ce484222325;
  for (let i: u32 = 0; i < length; i++) digest = (digest ^ (<u64>load<u8>(identity + i))) * 0x100000001b3;
  return digest;
}

/** Puts in an IKE_SA whose identities are settled; again is the same as once. */
export function identityIndexAdd(sa: IkeSa): void {
  if (sa.indexed != 0) return;
  const bucket = bucketOf(sa);
  const first = load<i32>(bucket);
  sa.indexed = <u32>bucket;
  sa.identityNext = first;
  sa.identityPrevious = -1;
  if (first >= 0) ikeSaAt(<u32>first).identityPrevious = <i32>sa.index;
  store<i32>(bucket, <i32>sa.index);
}

export function identityIndexRemove(sa: IkeSa): void {
  if (sa.indexed == 0) return;
  if (sa.identityNext >= 0) ikeSaAt(<u32>sa.identityNext).identityPrevious = sa.identityPrevious;
  if (sa.identityPrevious >= 0) ikeSaAt(<u32>sa.identityPrevious).identityNext = sa.identityNext;
  else store<i32>(sa.indexed, sa.identityNext);
  sa.indexed = 0;
}

/** The first IKE_SA between the identities of `sa` that is in the index, or -1; it may be `sa` itself. */
export function identityFirst(sa: IkeSa): i32 {
  return alike(load<i32>(bucketOf(sa)), sa);
}

/** The next one behind `at`, which must still be in the index; -1 at the end. */
export function identityNext(at: IkeSa, sa: IkeSa): i32 {
  return alike(at.identityNext, sa);
}

function alike(i: i32, sa: IkeSa): i32 {
  while (i >= 0) {
    const other = ikeSaAt(<u32>i);
    if (
      identitySame(ikeLocalId(other), other.localIdLength, ikeLocalId(sa), sa.localIdLength) &&
      identitySame(ikePeerId(other), other.peerIdLength, ikePeerId(sa), sa.peerIdLength) &&
      identitySame(ikeEapIdentity(other), other.eapIdentityLength, ikeEapIdentity(sa), sa.eapIdentityLength)
    )
      return i;
    i = other.identityNext;
  }
  return -1;
}
