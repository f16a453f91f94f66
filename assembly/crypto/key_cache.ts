/**
 * The cache of expanded keys: a bounded number of slots that hold what is derived from a key (schedules, tables), so that
 * an SA keeps no more than the key itself.
 *
 * A key record is 48 octets in the SA: the key, the slot that it last had, and a ticket. Tickets are given once and never
 * again, so a slot whose ticket equals the record's holds that key's expansion and no other's; a look-up is one comparison.
 * A record whose slot went to another key gets a slot anew (second chance, by the clock) and the caller expands again: that
 * costs time, never correctness. A record may be moved; wiping it wipes its slot.
 *
 * Refuses to know what an expansion is: a slot is handed out zeroed, so nothing of the key before is left in it.
 */
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { FIXSLICE_SCHEDULE_OCTETS } from "./aes_fixslice";
import { CTR_TABLE_OCTETS } from "./aes_fixslice_ctr";
import { AES_CONTEXT_OCTETS } from "./aes";
import { POWERS_OCTETS } from "./ghash";
import { SWIZZLE_TABLE_OCTETS } from "./ghash_swizzle";

/** Octets of a key record. */
export const KEY_RECORD_OCTETS: u32 = 48;
const RECORD_KEY_OCTETS: usize = 32;
const RECORD_SLOT: usize = 36;
const RECORD_TICKET: usize = 40;

// A slot: ticket (u64), referenced (u32), built (u32), rounds (u32), powers (u32); then the expansion.
const SLOT_TICKET: usize = 0;
const SLOT_REFERENCED: usize = 8;
/** Bits of what has been built: the owner's own. */
export const SLOT_BUILT: usize = 12;
/** AES rounds. */
export const SLOT_ROUNDS: usize = 16;
/** How many powers of H there are. */
export const SLOT_POWERS: usize = 20;
const SLOT_HEADER: usize = 64;
/** Where the expansion begins: powers of H, the schedule, then the tables of builds with SIMD. */
export const SLOT_H: usize = SLOT_HEADER;
export const SLOT_SCHEDULE: usize = SLOT_H + POWERS_OCTETS;
export const SLOT_CTR: usize = SLOT_SCHEDULE + FIXSLICE_SCHEDULE_OCTETS;
export const SLOT_TABLE_1: usize = SLOT_CTR + CTR_TABLE_OCTETS;
export const SLOT_TABLE_16: usize = SLOT_TABLE_1 + SWIZZLE_TABLE_OCTETS;
const SLOT_END: usize = SLOT_TABLE_16 + SWIZZLE_TABLE_OCTETS;
/** Octets of a slot in this build. */
export const KEY_SLOT_OCTETS: usize = ASC_FEATURE_SIMD ? SLOT_END : SLOT_SCHEDULE + AES_CONTEXT_OCTETS;

/** Slots that exist without any being asked for: the packets of a batch are worked off key by key, so two suffice. */
const OWN_SLOTS: u32 = 2;
const ownSlots: usize = memory.data(2 * 23296, 64);

// Set by the first use: an initial value that is not a literal would need a start section, which a board may not have.
let base: usize = 0;
let slots: u32 = 0;
let hand: u32 = 0;
let lastTicket: u64 = 0;
let misses: u64 = 0;

/**
 * Makes room for `count` expanded keys (KEY_SLOT_OCTETS each, from the arena), at reset. False when RAM is too small. With 0,
 * or without ever being called, two slots exist.
 */
export function keyCacheReset(count: u32): bool {
  zeroize(ownSlots, <usize>OWN_SLOTS * KEY_SLOT_OCTETS);
  base = ownSlots;
  slots = OWN_SLOTS;
  hand = 0;
  misses = 0;
  if (count <= OWN_SLOTS) return true;
  const room = arenaTake(<usize>count * KEY_SLOT_OCTETS);
  if (room == 0) return false;
  base = room;
  slots = count;
  return true;
}

/** How often a key had to be expanded since the reset. */
export function keyCacheMisses(): u64 {
  return misses;
}

/** Writes a key record for `key` (at most 32 octets). Nothing is expanded yet. */
export function keyRecord(record: usize, key: usize, keyOctets: u32): void {
  assert(keyOctets <= 32, "key too long for a key record");
  memory.fill(record, 0, KEY_RECORD_OCTETS);
  memory.copy(record, key, keyOctets);
  lastTicket += 1;
  store<u32>(record, keyOctets, RECORD_KEY_OCTETS);
  store<u64>(record, lastTicket, RECORD_TICKET);
}

export function keyRecordOctets(record: usize): u32 {
  return load<u32>(record, RECORD_KEY_OCTETS);
}

/** The slot that holds the record's expansion, or a zeroed one that is the record's from now on. */
export function keySlot(record: usize): usize {
  if (slots == 0) keyCacheReset(0);
  const ticket = load<u64>(record, RECORD_TICKET);
  const last = load<u32>(record, RECORD_SLOT);
  if (last < slots) {
    const slot = base + <usize>last * KEY_SLOT_OCTETS;
    if (load<u64>(slot, SLOT_TICKET) == ticket) {
      store<u32>(slot, 1, SLOT_REFERENCED);
      return slot;
    }
  }
  misses += 1;
  for (;;) {
    const slot = base + <usize>hand * KEY_SLOT_OCTETS;
    const index = hand;
    hand = hand + 1 == slots ? 0 : hand + 1;
    if (load<u32>(slot, SLOT_REFERENCED) != 0) {
      store<u32>(slot, 0, SLOT_REFERENCED);
      continue;
    }
    zeroize(slot, KEY_SLOT_OCTETS);
    store<u64>(slot, ticket, SLOT_TICKET);
    store<u32>(slot, 1, SLOT_REFERENCED);
    store<u32>(record, index, RECORD_SLOT);
    return slot;
  }
}

/** Wipes the record, and its expansion where there is one. */
export function keyWipe(record: usize): void {
  const last = load<u32>(record, RECORD_SLOT);
  const ticket = load<u64>(record, RECORD_TICKET);
  if (last < slots && ticket != 0) {
    const slot = base + <usize>last * KEY_SLOT_OCTETS;
    if (load<u64>(slot, SLOT_TICKET) == ticket) zeroize(slot, KEY_SLOT_OCTETS);
  }
  zeroize(record, KEY_RECORD_OCTETS);
}
