/** Pools and leases: loading and its refusals; who gets which address, keeps it, and when it goes to another. */
import {
  POOL_ATTRIBUTE,
  POOL_NAME,
  POOL_RANGE,
  RESULT_MALFORMED,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../../../assembly/abi/management";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { leaseIdentityLength, leaseOnline, leaseRelease, leaseTake } from "../../../assembly/ike/lease";
import { poolAddress, poolAt, poolByName, poolLease, poolLoad, poolOf, poolsReset } from "../../../assembly/ike/pool";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { loadBE32, storeBE32 } from "../../../assembly/rt/bytes";
import { itemWrite } from "../../../assembly/rt/items";
import { addressAt, addressSetIpv4 } from "../../../assembly/wire/ip_address";

const arena: usize = memory.data(2 << 20, 64);
const items: usize = memory.data(4096, 8);
const scratch: usize = memory.data(600, 8);
const REMOTE: u32 = 0xc0000201;
const remoteAddress: usize = memory.data(16, 8);

function fresh(): void {
  memory.fill(scratch, 0x5a, 64);
  drbgSeed(scratch, 64);
  arenaResetAt(arena, 2 << 20);
  assert(poolsReset(), "room");
}

/** The items of a pool whose name is one letter, from `first` to `last`. */
function described(name: u8, first: u32, last: u32): usize {
  store<u8>(scratch, name);
  const at = itemWrite(items, POOL_NAME, scratch, 1);
  storeBE32(scratch, first);
  storeBE32(scratch + 4, last);
  return itemWrite(at, POOL_RANGE, scratch, 8);
}

function taken(pool: u32, identity: u8, remote: u32 = REMOTE, wanted: i32 = -1): i32 {
  memory.fill(scratch, identity, 20);
  addressSetIpv4(addressAt(remoteAddress), remote);
  return leaseTake(poolAt(pool), scratch, 20, addressAt(remoteAddress), wanted);
}

function address(lease: i32): u32 {
  poolAddress(poolOf(<u32>lease), <u32>lease, scratch);
  return loadBE32(scratch);
}

describe("a pool", () => {
  it("is found by its name, and loads again unchanged only", () => {
    fresh();
    expect(poolLoad(items, described(0x61, 0x0a030001, 0x0a030004))).toBe(RESULT_OK);
    expect(poolLoad(items, described(0x61, 0x0a030001, 0x0a030004))).toBe(RESULT_OK);
    expect(poolLoad(items, described(0x61, 0x0a030001, 0x0a030005))).toBe(RESULT_UNSUPPORTED);
    store<u8>(scratch, 0x61);
    expect(poolByName(scratch, 1)).toBe(0);
    store<u8>(scratch, 0x62);
    expect(poolByName(scratch, 1)).toBe(-1);
    expect(poolByName(scratch, 0)).toBe(-1);
    expect(poolAt(0).size).toBe(4);
  });

  it("of a large network is as large as there can be IKE_SAs", () => {
    fresh();
    expect(poolLoad(items, described(0x61, 0, 0xffffffff))).toBe(RESULT_OK);
    expect(poolAt(0).size).toBe(256);
  });

  it("that does not fit the table is refused", () => {
    fresh();
    for (let i: u8 = 0; i < 6; i++) expect(poolLoad(items, described(0x61 + i, 0, 0xffff))).toBe(RESULT_OK);
    expect(poolLoad(items, described(0x70, 0, 0xffff))).toBe(RESULT_TABLE_FULL);
    store<u8>(scratch, 0x70);
    expect(poolByName(scratch, 1)).toBe(-1);
  });

  it("without name or range, backwards, or with a range of two families is malformed", () => {
    fresh();
    expect(poolLoad(items, items)).toBe(RESULT_MALFORMED);
    expect(poolLoad(items, itemWrite(items, POOL_NAME, scratch, 1))).toBe(RESULT_MALFORMED);
    expect(poolLoad(items, described(0x61, 5, 4))).toBe(RESULT_MALFORMED);
    expect(poolLoad(items, itemWrite(itemWrite(items, POOL_NAME, scratch, 1), POOL_RANGE, scratch, 20))).toBe(
      RESULT_MALFORMED,
    );
    expect(poolLoad(items, itemWrite(items, POOL_NAME, scratch, 65))).toBe(RESULT_MALFORMED);
    expect(poolLoad(items, itemWrite(items, 1, scratch, 4))).toBe(RESULT_UNSUPPORTED);
  });

  it("has room for so many attributes, whatever their length says", () => {
    fresh();
    const at = described(0x61, 1, 9);
    expect(poolLoad(items, itemWrite(at, POOL_ATTRIBUTE, scratch, 1))).toBe(RESULT_MALFORMED);
    expect(poolLoad(items, itemWrite(at, POOL_ATTRIBUTE, scratch, 511))).toBe(RESULT_TABLE_FULL);
    expect(poolLoad(items, itemWrite(at, POOL_ATTRIBUTE, scratch, 510))).toBe(RESULT_OK);
  });

  it("of IPv6 counts across the middle of an address", () => {
    fresh();
    store<u8>(scratch, 0x61);
    const at = itemWrite(items, POOL_NAME, scratch, 1);
    // fd00::ffff:ffff:ffff:fffe to fd00:0:0:1::2
    memory.fill(scratch, 0, 32);
    store<u8>(scratch, 0xfd);
    memory.fill(scratch + 8, 0xff, 7);
    store<u8>(scratch, 0xfe, 15);
    store<u8>(scratch, 0xfd, 16);
    store<u8>(scratch, 1, 23);
    store<u8>(scratch, 2, 31);
    expect(poolLoad(items, itemWrite(at, POOL_RANGE, scratch, 32))).toBe(RESULT_OK);
    expect(poolAt(0).size).toBe(5);
    poolAddress(poolAt(0), 3, scratch);
    expect(load<u8>(scratch, 7)).toBe(1);
    expect(load<u8>(scratch, 15)).toBe(1);
    expect(poolLease(poolAt(0), scratch)).toBe(3);
    store<u8>(scratch, 3, 15);
    expect(poolLease(poolAt(0), scratch)).toBe(-1);
  });
});

describe("a lease", () => {
  it("is of one peer, and there are no more than addresses", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030002));
    expect(address(taken(0, 1))).toBe(0x0a030001);
    expect(address(taken(0, 2))).toBe(0x0a030002);
    expect(taken(0, 3)).toBe(-1);
    expect(poolAt(0).online).toBe(2);
  });

  it("is kept for who had it, until all others are taken", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030003));
    const first = taken(0, 1);
    leaseRelease(poolAt(0), <u32>first);
    expect(leaseOnline(<u32>first)).toBe(false);
    const second = taken(0, 2);
    expect(second).not.toBe(first);
    expect(taken(0, 1)).toBe(first);
    leaseRelease(poolAt(0), <u32>first);
    expect(taken(0, 3)).not.toBe(first);
    expect(taken(0, 4)).toBe(first, "the only one left");
    expect(taken(0, 1)).toBe(-1, "who had it before comes too late");
    expect(poolAt(0).given).toBe(3);
  });

  it("is shared by IKE_SAs of one peer, and free when the last has gone", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030003));
    const lease = taken(0, 1);
    expect(taken(0, 1)).toBe(lease);
    expect(poolAt(0).online).toBe(1);
    leaseRelease(poolAt(0), <u32>lease);
    expect(leaseOnline(<u32>lease)).toBe(true);
    leaseRelease(poolAt(0), <u32>lease);
    expect(leaseOnline(<u32>lease)).toBe(false);
    expect(poolAt(0).online).toBe(0);
  });

  it("is not shared with somebody elsewhere who has the same identity", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030003));
    expect(taken(0, 1)).not.toBe(taken(0, 1, REMOTE + 1));
  });

  it("is the one that was asked for, when it is nobody's", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030003));
    storeBE32(scratch, 0x0a030003);
    const wanted = poolLease(poolAt(0), scratch);
    expect(taken(0, 1, REMOTE, wanted)).toBe(wanted);
    expect(taken(0, 2, REMOTE, wanted)).not.toBe(wanted);
    leaseRelease(poolAt(0), <u32>wanted);
    expect(taken(0, 3, REMOTE, wanted)).not.toBe(wanted, "it is kept for its last peer");
    storeBE32(scratch, 0x0a030004);
    expect(poolLease(poolAt(0), scratch)).toBe(-1);
    storeBE32(scratch, 0x0a030000);
    expect(poolLease(poolAt(0), scratch)).toBe(-1);
  });

  it("of one pool is none of another's", () => {
    fresh();
    poolLoad(items, described(0x61, 0x0a030001, 0x0a030002));
    poolLoad(items, described(0x62, 0x0a040001, 0x0a040002));
    expect(address(taken(0, 1))).toBe(0x0a030001);
    expect(address(taken(1, 1))).toBe(0x0a040001);
    expect(leaseIdentityLength(1)).toBe(0);
  });
});
