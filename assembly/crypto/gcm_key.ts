/**
 * The expansion of a GCM key in its cache slot: AES schedule, powers of H, and in builds with SIMD the tables of counter mode
 * and of GHASH. Parts are built when first wanted.
 */
import { AES_CONTEXT_OCTETS, aesEncryptBlock, aesInit } from "./aes";
import { expandKey } from "./aes_bitslice";
import { fixsliceSchedule } from "./aes_fixslice";
import { CTR_TABLE_GROUPS, ctrTable, fixsliceEncryptBlock } from "./aes_fixslice_ctr";
import { POWER_OCTETS, ghashFirstPower, ghashPowers } from "./ghash";
import { SWIZZLE_TABLE_OCTETS, swizzleTable } from "./ghash_swizzle";
import {
  SLOT_BUILT,
  SLOT_CTR,
  SLOT_GROUPS,
  SLOT_H,
  SLOT_POWERS,
  SLOT_ROUNDS,
  SLOT_SCHEDULE,
  SLOT_TABLE_1,
  SLOT_TABLE_16,
  SLOT_TABLE_2,
  keyRecordOctets,
  keySlot,
  slotWritten,
} from "./key_cache";

const BUILT_SCHEDULE: u32 = 1;
const BUILT_TABLE_1: u32 = 2;
const BUILT_TABLE_16: u32 = 4;
const BUILT_TABLE_2: u32 = 8;

const plain: usize = memory.data(240, 16);
const block: usize = memory.data(16, 16);

/** The slot of a GCM context, with its schedule and H itself. */
export function gcmKey(context: usize): usize {
  const slot = keySlot(context);
  if (load<u32>(slot, SLOT_BUILT) != 0) return slot;
  const keyOctets = keyRecordOctets(context);
  memory.fill(block, 0, 16);
  if (ASC_FEATURE_SIMD) {
    slotWritten(slot, SLOT_CTR);
    const rounds = expandKey(plain, context, keyOctets);
    fixsliceSchedule(plain, rounds, slot + SLOT_SCHEDULE);
    memory.fill(plain, 0, 240);
    store<u32>(slot, rounds, SLOT_ROUNDS);
    fixsliceEncryptBlock(slot + SLOT_SCHEDULE, rounds, block, block);
  } else {
    slotWritten(slot, SLOT_SCHEDULE + AES_CONTEXT_OCTETS);
    aesInit(slot + SLOT_SCHEDULE, context, keyOctets);
    aesEncryptBlock(slot + SLOT_SCHEDULE, block, block);
  }
  ghashFirstPower(slot + SLOT_H, block);
  memory.fill(block, 0, 16);
  store<u32>(slot, 1, SLOT_POWERS);
  store<u32>(slot, BUILT_SCHEDULE, SLOT_BUILT);
  return slot;
}

/** The first `count` groups of the table of counter mode, all of it where a message has more. */
// @ts-ignore: decorator
@inline
export function gcmGroups(slot: usize, count: u32): void {
  if (load<u32>(slot, SLOT_GROUPS) < min<u32>(count, CTR_TABLE_GROUPS)) buildGroups(slot, count);
}

function buildGroups(slot: usize, count: u32): void {
  const have = load<u32>(slot, SLOT_GROUPS);
  const want = min<u32>(count, CTR_TABLE_GROUPS);
  slotWritten(slot, SLOT_CTR + ((<usize>want) << 7));
  ctrTable(slot + SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), slot + SLOT_CTR, have, want);
  store<u32>(slot, want, SLOT_GROUPS);
}

/** True before any message's hash has used the key: it may be the only one. */
export function gcmUnused(slot: usize): bool {
  return load<u32>(slot, SLOT_POWERS) == 1;
}

/** The first `count` (at most 16) powers of H. */
export function gcmPowers(slot: usize, count: u32): usize {
  const have = load<u32>(slot, SLOT_POWERS);
  if (have < count) {
    ghashPowers(slot + SLOT_H, have, count);
    store<u32>(slot, count, SLOT_POWERS);
  }
  return slot + SLOT_H;
}

/** The look-up table of H. */
export function gcmTable1(slot: usize): usize {
  const built = load<u32>(slot, SLOT_BUILT);
  if ((built & BUILT_TABLE_1) == 0) {
    slotWritten(slot, SLOT_TABLE_1 + SWIZZLE_TABLE_OCTETS);
    swizzleTable(load<u64>(slot, SLOT_H), load<u64>(slot, SLOT_H + 8), slot + SLOT_TABLE_1);
    store<u32>(slot, built | BUILT_TABLE_1, SLOT_BUILT);
  }
  return slot + SLOT_TABLE_1;
}

/** The look-up table of H^16. */
export function gcmTable16(slot: usize): usize {
  const built = load<u32>(slot, SLOT_BUILT);
  if ((built & BUILT_TABLE_16) == 0) {
    slotWritten(slot, SLOT_TABLE_16 + SWIZZLE_TABLE_OCTETS);
    const power = gcmPowers(slot, 16) + 15 * POWER_OCTETS;
    swizzleTable(load<u64>(power), load<u64>(power, 8), slot + SLOT_TABLE_16);
    store<u32>(slot, built | BUILT_TABLE_16, SLOT_BUILT);
  }
  return slot + SLOT_TABLE_16;
}

/** The look-up table of H^2. */
export function gcmTable2(slot: usize): usize {
  const built = load<u32>(slot, SLOT_BUILT);
  if ((built & BUILT_TABLE_2) == 0) {
    slotWritten(slot, SLOT_TABLE_2 + SWIZZLE_TABLE_OCTETS);
    const power = gcmPowers(slot, 2) + POWER_OCTETS;
    swizzleTable(load<u64>(power), load<u64>(power, 8), slot + SLOT_TABLE_2);
    store<u32>(slot, built | BUILT_TABLE_2, SLOT_BUILT);
  }
  return slot + SLOT_TABLE_2;
}
