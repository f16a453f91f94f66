/**
 * Pools of virtual IPs, in swanctl's terms: a range of addresses of one family, and the attributes that go out with them (RFC 7296
 * 3.15.1), which are octets here. They are loaded before the connections that name them.
 *
 * An IKE_SA holds one address of a family at most, so of a large range as many are used as there can be IKE_SAs. Refuses a pool
 * whose addresses do not fit the table of leases, and other contents under a name that is there.
 */
import {
  POOL_ATTRIBUTE,
  POOL_NAME,
  POOL_RANGE,
  RESULT_MALFORMED,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../abi/management";
import { arenaTake } from "../rt/arena";
import { loadBE32, loadBE64, storeBE16, storeBE32, storeBE64 } from "../rt/bytes";
import { itemFirst, itemLength, itemNext, itemType, itemValue, itemsDigest } from "../rt/items";
import { ATTRIBUTE_HEADER } from "../wire/ike_payload/configuration";
import { LeaseRange, leasesClaim, leasesReset } from "./lease";
import { ikeSaCapacity } from "./settings";

export const POOLS_MAX: u32 = 32;
const NAME_MAX: u32 = 64;
/** Octets of a pool's attributes, as they go out. */
const ATTRIBUTES_MAX: u32 = 512;
/** Leases beyond two for each IKE_SA, so that several small pools fit. */
const LEASES_MORE: u32 = 1024;


@unmanaged
export class Pool extends LeaseRange {
  nameLength: u32; // 0: not used
  /** 4 or 6. */
  family: u32;
  attributesLength: u32;
  digest: u64;
}

const P_NAME: usize = offsetof<Pool>();
/** First and last address, 16 octets each, of IPv4 the first four count. */
const P_START: usize = P_NAME + NAME_MAX;
const P_END: usize = P_START + 16;
const P_ATTRIBUTES: usize = P_END + 16;
const POOL_OCTETS: usize = (P_ATTRIBUTES + ATTRIBUTES_MAX + 7) & ~7;

let pools: usize = 0;

export function poolsReset(): bool {
  pools = arenaTake(POOLS_MAX * POOL_OCTETS);
  return pools != 0 && leasesReset(2 * ikeSaCapacity + LEASES_MORE);
}

// @ts-ignore: decorator
@inline
export function poolAt(i: u32): Pool {
  return changetype<Pool>(pools + <usize>i * POOL_OCTETS);
}
export function poolName(pool: Pool): usize {
  return changetype<usize>(pool) + P_NAME;
}
export function poolStart(pool: Pool): usize {
  return changetype<usize>(pool) + P_START;
}
export function poolEnd(pool: Pool): usize {
  return changetype<usize>(pool) + P_END;
}
/** Attributes, one behind the other as they go out, attributesLength octets. */
export function poolAttributes(pool: Pool): usize {
  return changetype<usize>(pool) + P_ATTRIBUTES;
}
export function poolAddressOctets(pool: Pool): u32 {
  return pool.family == 4 ? 4 : 16;
}

/** Index of the pool of this name, or -1. */
export function poolByName(name: usize, length: u32): i32 {
  for (let i: u32 = 0; i < POOLS_MAX; i++) {
    const pool = poolAt(i);
    if (pool.nameLength == length && length != 0 && memory.compare(poolName(pool), name, length) == 0) return <i32>i;
  }
  return -1;
}

/** Loads a pool from the items from `start` to `end`, which are whole; RESULT_*. */
export function poolLoad(start: usize, end: usize): u32 {
  let pool: Pool | null = null;
  for (let i: u32 = 0; i < POOLS_MAX && !pool; i++) if (poolAt(i).nameLength == 0) pool = poolAt(i);
  if (!pool) return RESULT_TABLE_FULL;
  memory.fill(changetype<usize>(pool), 0, POOL_OCTETS);
  const result = itemsRead(pool, start, end);
  const length = pool.nameLength;
  pool.nameLength = 0;
  if (result != RESULT_OK) return result;
  if (length == 0 || pool.family == 0) return RESULT_MALFORMED;
  pool.digest = itemsDigest(start, end);
  const before = poolByName(poolName(pool), length);
  if (before >= 0) return poolAt(<u32>before).digest == pool.digest ? RESULT_OK : RESULT_UNSUPPORTED;
  if (!leasesClaim(pool, rangeSize(pool))) return RESULT_TABLE_FULL;
  pool.nameLength = length;
  return RESULT_OK;
}

function itemsRead(pool: Pool, start: usize, end: usize): u32 {
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    let result: u32 = RESULT_UNSUPPORTED;
    if (itemType(item) == POOL_NAME) {
      pool.nameLength = itemLength(item);
      if (pool.nameLength == 0 || pool.nameLength > NAME_MAX) return RESULT_MALFORMED;
      memory.copy(poolName(pool), itemValue(item), pool.nameLength);
      result = RESULT_OK;
    } else if (itemType(item) == POOL_RANGE) result = rangeRead(pool, item);
    else if (itemType(item) == POOL_ATTRIBUTE) result = attributeRead(pool, item);
    if (result != RESULT_OK) return result;
  }
  return RESULT_OK;
}

function rangeRead(pool: Pool, item: usize): u32 {
  const octets = itemLength(item) >> 1;
  if (itemLength(item) != 8 && itemLength(item) != 32) return RESULT_MALFORMED;
  pool.family = octets == 4 ? 4 : 6;
  memory.copy(poolStart(pool), itemValue(item), octets);
  memory.copy(poolEnd(pool), itemValue(item) + octets, octets);
  return memory.compare(poolStart(pool), poolEnd(pool), 16) <= 0 ? RESULT_OK : RESULT_MALFORMED;
}

function attributeRead(pool: Pool, item: usize): u32 {
  if (itemLength(item) < 2) return RESULT_MALFORMED;
  const octets = itemLength(item) - 2;
  if (octets > ATTRIBUTES_MAX || pool.attributesLength + ATTRIBUTE_HEADER + octets > ATTRIBUTES_MAX)
    return RESULT_TABLE_FULL;
  const at = poolAttributes(pool) + pool.attributesLength;
  storeBE16(at, load<u16>(itemValue(item)));
  storeBE16(at + 2, octets);
  memory.copy(at + ATTRIBUTE_HEADER, itemValue(item) + 2, octets);
  pool.attributesLength += ATTRIBUTE_HEADER + octets;
  return RESULT_OK;
}

/** Addresses from the first to the last, as many as IKE_SAs at most. */
function rangeSize(pool: Pool): u32 {
  const last = place(pool, poolEnd(pool));
  return last < <u64>ikeSaCapacity ? <u32>last + 1 : ikeSaCapacity;
}

/** How far an address that is not below the pool's first one is behind it; what does not fit is far. */
function place(pool: Pool, address: usize): u64 {
  const start = poolStart(pool);
  if (pool.family == 4) return <u64>(loadBE32(address) - loadBE32(start));
  const low = loadBE64(address + 8) - loadBE64(start + 8);
  const high = loadBE64(address) - loadBE64(start) - (loadBE64(address + 8) < loadBE64(start + 8) ? 1 : 0);
  return high == 0 ? low : u64.MAX_VALUE;
}

/** The lease of an address, 4 or 16 octets as of the pool's family; -1: it is none of the pool's. */
export function poolLease(pool: Pool, address: usize): i32 {
  if (memory.compare(address, poolStart(pool), poolAddressOctets(pool)) < 0) return -1;
  const at = place(pool, address);
  return at < <u64>pool.size ? <i32>(pool.base + <u32>at) : -1;
}

/** Writes the address of a lease of the pool's: poolAddressOctets. */
export function poolAddress(pool: Pool, lease: u32, to: usize): void {
  const start = poolStart(pool);
  const at = lease - pool.base;
  if (pool.family == 4) return storeBE32(to, loadBE32(start) + at);
  const low = loadBE64(start + 8) + <u64>at;
  storeBE64(to, loadBE64(start) + (low < <u64>at ? 1 : 0));
  storeBE64(to + 8, low);
}

/** The pool that a lease is of. */
export function poolOf(lease: u32): Pool {
  for (let i: u32 = 0; i < POOLS_MAX; i++) {
    const pool = poolAt(i);
    if (pool.nameLength != 0 && lease - pool.base < pool.size) return pool;
  }
  assert(false, "a lease is of no pool");
  return poolAt(0);
}
