/**
 * Leases of virtual IPs: one record for each address of each pool (pool.ts), taken from one table when the pool is loaded, and
 * found again by the peer's identity.
 *
 * An address is on its pool's list while no IKE_SA holds it. The list begins with those that were never given, then come those
 * that are free the longest; an identity that comes back gets its last one as long as nobody else did. Two IKE_SAs of one
 * identity share a lease when their peer is at the same address, as it is when an IKE_SA is made anew; else each has its own.
 */
import { drbgU32 } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { IDENTITY_MAX } from "../wire/ike_payload/identification";
import { IpAddress, addressAt, addressCopy } from "../wire/ip_address";
import { mix } from "./identity_index";

/** What a pool has of the table; at the beginning of its record. */
@unmanaged
export class LeaseRange {
  /** Its first lease, and how many there are. */
  base: u32;
  size: u32;
  /** Those that no IKE_SA holds, -1 none. */
  first: i32;
  last: i32;
  /** Held by an IKE_SA; given once, whether held or not. */
  online: u32;
  given: u32;
}


@unmanaged
class Lease {
  /** IKE_SAs that hold it. */
  holders: u32;
  /** 0: never given. */
  identityLength: u32;
  next: i32;
  previous: i32;
  hashNext: i32;
  /** The peer's outer address. */
  remoteHigh: u64;
  remoteLow: u64;

  get remote(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<Lease>("remoteHigh"));
  }
}

const AT_IDENTITY: usize = offsetof<Lease>();
const LEASE_OCTETS: usize = (AT_IDENTITY + IDENTITY_MAX + 7) & ~7;
const NONE: i32 = -1;

let table: usize = 0;
let capacity: u32 = 0;
let claimed: u32 = 0;
let buckets: usize = 0;
let mask: u32 = 0;
let key: u32 = 0;

/** Makes room for `count` leases. */
export function leasesReset(count: u32): bool {
  table = arenaTake(<usize>count * LEASE_OCTETS);
  let size: u32 = 64;
  while (size < count) size <<= 1;
  buckets = arenaTake((<usize>size) << 2);
  if (table == 0 || buckets == 0) return false;
  memory.fill(buckets, 0xff, (<usize>size) << 2);
  mask = size - 1;
  key = drbgU32();
  capacity = count;
  claimed = 0;
  return true;
}

/** Leases of all pools. */
export function leasesClaimed(): u32 {
  return claimed;
}

function leaseAt(i: u32): Lease {
  return changetype<Lease>(table + <usize>i * LEASE_OCTETS);
}

export function leaseIdentity(i: u32): usize {
  return changetype<usize>(leaseAt(i)) + AT_IDENTITY;
}

/** 0: it was never given. */
export function leaseIdentityLength(i: u32): u32 {
  return leaseAt(i).identityLength;
}

export function leaseOnline(i: u32): bool {
  return leaseAt(i).holders != 0;
}

/** Takes `size` records for a pool; false when there are too few. */
export function leasesClaim(range: LeaseRange, size: u32): bool {
  if (size > capacity - claimed) return false;
  range.base = claimed;
  range.size = size;
  range.first = NONE;
  range.last = NONE;
  range.online = 0;
  range.given = 0;
  claimed += size;
  for (let i = range.base; i < claimed; i++) {
    memory.fill(changetype<usize>(leaseAt(i)), 0, LEASE_OCTETS);
    append(range, i);
  }
  return true;
}

function append(range: LeaseRange, i: u32): void {
  const lease = leaseAt(i);
  lease.next = NONE;
  lease.previous = range.last;
  if (range.last >= 0) leaseAt(<u32>range.last).next = <i32>i;
  else range.first = <i32>i;
  range.last = <i32>i;
}

function unlink(range: LeaseRange, i: u32): void {
  const lease = leaseAt(i);
  if (lease.next >= 0) leaseAt(<u32>lease.next).previous = lease.previous;
  else range.last = lease.previous;
  if (lease.previous >= 0) leaseAt(<u32>lease.previous).next = lease.next;
  else range.first = lease.next;
}

function bucketOf(base: u32, identity: usize, length: u32): usize {
  let hash = mix(key ^ (base * 0x9e3779b1), identity, length);
  hash ^= hash >> 15;
  return buckets + ((<usize>(hash & mask)) << 2);
}

function belongs(i: u32, identity: usize, length: u32): bool {
  return leaseAt(i).identityLength == length && memory.compare(leaseIdentity(i), identity, length) == 0;
}

/** Gives a free lease another identity. */
function give(range: LeaseRange, i: u32, identity: usize, length: u32): void {
  if (belongs(i, identity, length)) return;
  const lease = leaseAt(i);
  if (lease.identityLength != 0) unhash(range, i);
  else range.given += 1;
  memory.copy(leaseIdentity(i), identity, length);
  lease.identityLength = length;
  const bucket = bucketOf(range.base, identity, length);
  lease.hashNext = load<i32>(bucket);
  store<i32>(bucket, <i32>i);
}

function unhash(range: LeaseRange, i: u32): void {
  let at = bucketOf(range.base, leaseIdentity(i), leaseAt(i).identityLength);
  while (load<i32>(at) != <i32>i) {
    assert(load<i32>(at) >= 0, "a lease is missing in its bucket");
    at = changetype<usize>(leaseAt(<u32>load<i32>(at))) + offsetof<Lease>("hashNext");
  }
  store<i32>(at, leaseAt(i).hashNext);
}

/** The lease that this identity has, or had; -1 none. */
function leaseFind(range: LeaseRange, identity: usize, length: u32, remote: IpAddress): i32 {
  let last: i32 = NONE;
  let i = load<i32>(bucketOf(range.base, identity, length));
  while (i >= 0) {
    const lease = leaseAt(<u32>i);
    if (<u32>i - range.base < range.size && belongs(<u32>i, identity, length)) {
      if (lease.holders != 0 && lease.remote == remote) return i;
      if (lease.holders == 0) last = i;
    }
    i = lease.hashNext;
  }
  return last;
}

/**
 * A lease for a peer, held by one more IKE_SA; -1: none is free. `wanted`: the lease that the peer would like, which it gets when
 * that is free and nobody else's; -1 any.
 */
export function leaseTake(range: LeaseRange, identity: usize, length: u32, remote: IpAddress, wanted: i32): i32 {
  let i = leaseFind(range, identity, length, remote);
  if (i < 0 && wanted >= 0 && leaseAt(<u32>wanted).holders == 0 && leaseAt(<u32>wanted).identityLength == 0) i = wanted;
  if (i < 0) i = range.first;
  if (i < 0) return NONE;
  const lease = leaseAt(<u32>i);
  if (lease.holders == 0) {
    unlink(range, <u32>i);
    give(range, <u32>i, identity, length);
    range.online += 1;
  }
  addressCopy(lease.remote, remote);
  lease.holders += 1;
  return i;
}

/** An IKE_SA holds it no longer. */
export function leaseRelease(range: LeaseRange, i: u32): void {
  const lease = leaseAt(i);
  assert(lease.holders != 0, "a lease is released more often than taken");
  lease.holders -= 1;
  if (lease.holders != 0) return;
  range.online -= 1;
  append(range, i);
}
