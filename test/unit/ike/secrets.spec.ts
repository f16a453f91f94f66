/** Secrets of rekeys in steps: taken, added to, wiped and given back. */
import {
  SECRETS_MAX,
  secretsAdd,
  secretsAt,
  secretsCopy,
  secretsFirst,
  secretsFree,
  secretsFreeCount,
  secretsMore,
  secretsReset,
  secretsRestore,
  secretsTake,
} from "../../../assembly/ike/secrets";
import { arenaResetAt } from "../../../assembly/rt/arena";

const arena: usize = memory.data(1 << 20, 64);
const secret: usize = memory.data(2400, 8);
const copied: usize = memory.data(2400, 8);

function fresh(): u32 {
  arenaResetAt(arena, 1 << 20);
  memory.fill(secret, 0x77, 2400);
  assert(secretsReset(), "room");
  return secretsFreeCount();
}

describe("secrets", () => {
  it("stand one behind the other", () => {
    fresh();
    const record = secretsTake(secret, 32);
    store<u8>(secret, 1);
    expect(secretsAdd(record, secret, 64)).toBe(true);
    expect(secretsFirst(record)).toBe(32);
    expect(secretsMore(record)).toBe(64);
    expect(load<u8>(secretsAt(record))).toBe(0x77);
    expect(load<u8>(secretsAt(record) + 32)).toBe(1);
  });

  it("are wiped when they are given back", () => {
    const all = fresh();
    const record = secretsTake(secret, 32);
    const at = secretsAt(record);
    secretsFree(record);
    expect(secretsFreeCount()).toBe(all);
    expect(load<u64>(at) | load<u64>(at + 24)).toBe(0);
    secretsFree(0);
    expect(secretsFreeCount()).toBe(all);
  });

  it("come back from a copy, and from nothing else", () => {
    const all = fresh();
    const record = secretsTake(secret, 32);
    store<u8>(secret, 1);
    secretsAdd(record, secret, 64);
    const octets = secretsCopy(record, copied);
    expect(octets).toBe(8 + 96);
    secretsFree(record);
    const again = secretsRestore(copied, octets);
    expect(secretsFirst(again)).toBe(32);
    expect(secretsMore(again)).toBe(64);
    expect(load<u8>(secretsAt(again) + 32)).toBe(1);
    expect(secretsCopy(0, copied)).toBe(0);
    expect(secretsRestore(copied, 0)).toBe(0);
    expect(secretsRestore(copied, octets - 1)).toBe(0);
    store<u32>(copied, 97, 4);
    expect(secretsRestore(copied, octets)).toBe(0);
    expect(secretsFreeCount()).toBe(all - 1);
  });

  it("are no longer than a record, and no more than there are", () => {
    const all = fresh();
    expect(secretsTake(secret, SECRETS_MAX + 1)).toBe(0);
    const record = secretsTake(secret, SECRETS_MAX);
    expect(secretsAdd(record, secret, 1)).toBe(false);
    for (let i: u32 = 1; i < all; i++) assert(secretsTake(secret, 1) != 0, "one more");
    expect(secretsTake(secret, 1)).toBe(0);
    secretsFree(record);
    expect(secretsTake(secret, 1)).toBe(record);
  });
});
