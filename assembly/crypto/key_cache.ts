/**
 * The cache of expanded keys: a bounded number of slots that hold what is derived from a key (schedules, tables), so that
 * an SA keeps no more than the key itself.
 *
 * There are two pools: slots of GCM keys, with the tables of counter mode and of GHASH, and small ones of plain AES keys (CBC,
 * CTR, CCM, CMAC, XCBC). A key record is 48 octets in the SA: the key, the slot that it last had in each pool, and a ticket.
 * Tickets are given once and never again, so a slot whose ticket equals the record's holds that key's expansion and no other's;
 * a look-up is one comparison. A record whose slot went to another key gets a slot anew and the caller expands again: that costs time, never
 * correctness. A slot's address holds until the next look-up. A record may be moved; wiping it wipes its slots.
 *
 * Which slot that is: once a pool has no unused ones a key is on trial, in the first TRIAL slots, in turn; one that comes again while fewer keys
 * were given slots than the pool has is there to stay, in the others (second chance, by the clock). So keys of very many SAs that all are
 * used now and then do not drive out those of the busy ones, and slots that are written all the time stay in the processor's caches (as
 * 2Q does it: Johnson and Shasha, 1994; the list of who was there lately is a stamp in each record).
 *
 * Refuses to know what an expansion is: a slot is handed out zeroed, so nothing of the key before is left in it, and its owner says how far
 * it writes: a key of which little was built, as one of a few messages, leaves little to wipe.
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
/** Of the key, u16. */
const RECORD_KEY_OCTETS: usize = 32;
/** How many slots had been given when the record was given one, u16. */
const RECORD_STAMP: usize = 34;
/** The number of the record's slot, u16 for each pool; KEY_SLOTS_MAX, it never had one. */
const RECORD_SLOTS: usize = 36;
const RECORD_TICKET: usize = 40;
/** Most slots of a pool, by the room in a record. */
export const KEY_SLOTS_MAX: u32 = 65535;

// A slot: ticket (u64), referenced (u32), built (u32), rounds (u32), powers (u32), groups (u32), end (u32); then the expansion.
const SLOT_TICKET: usize = 0;
const SLOT_REFERENCED: usize = 8;
/** Bits of what has been built: the owner's own. */
export const SLOT_BUILT: usize = 12;
/** AES rounds. */
export const SLOT_ROUNDS: usize = 16;
/** How many powers of H there are. */
export const SLOT_POWERS: usize = 20;
/** How many groups the table of counter mode has. */
export const SLOT_GROUPS: usize = 24;
/** Behind it nothing was written: what is wiped is no more than that. */
const SLOT_WRITTEN: usize = 28;
const SLOT_HEADER: usize = 64;
/** Where a GCM key's expansion begins: powers of H, the schedule, then the tables of builds with SIMD. */
export const SLOT_H: usize = SLOT_HEADER;
export const SLOT_SCHEDULE: usize = SLOT_H + POWERS_OCTETS;
export const SLOT_CTR: usize = SLOT_SCHEDULE + FIXSLICE_SCHEDULE_OCTETS;
export const SLOT_TABLE_16: usize = SLOT_CTR + CTR_TABLE_OCTETS;
export const SLOT_TABLE_1: usize = SLOT_TABLE_16 + SWIZZLE_TABLE_OCTETS;
export const SLOT_TABLE_2: usize = SLOT_TABLE_1 + SWIZZLE_TABLE_OCTETS;
const SLOT_END: usize = SLOT_TABLE_2 + SWIZZLE_TABLE_OCTETS;
/** Octets of a GCM slot in this build. */
export const KEY_SLOT_OCTETS: usize = ASC_FEATURE_SIMD ? SLOT_END : SLOT_SCHEDULE + AES_CONTEXT_OCTETS;
/** In a slot of plain AES: the masks of CMAC or XCBC (32 octets), then the schedule, or aes.ts's context in builds without SIMD. */
export const AES_SLOT_MASKS: usize = SLOT_HEADER;
export const AES_SLOT_SCHEDULE: usize = AES_SLOT_MASKS + 32;
/** In builds with SIMD, the schedule of single blocks behind that of many. */
export const AES_SLOT_PLAIN: usize = AES_SLOT_SCHEDULE + FIXSLICE_SCHEDULE_OCTETS;
export const AES_PLAIN_OCTETS: u32 = 240;
/** Octets of a slot of plain AES in this build. */
export const AES_SLOT_OCTETS: usize =
  AES_SLOT_SCHEDULE + (ASC_FEATURE_SIMD ? FIXSLICE_SCHEDULE_OCTETS + AES_PLAIN_OCTETS : AES_CONTEXT_OCTETS);

/** Slots of each pool that exist without any being asked for: the packets of a batch are worked off key by key, so two suffice. */
const OWN_SLOTS: u32 = 2;
const ownGcmSlots: usize = memory.data(2 * 31488, 64);
const ownAesSlots: usize = memory.data(2 * 2304, 64);

/** Slots in which keys are on trial, and of a pool that has some. */
const TRIAL: u32 = 16;
const TRIAL_POOL: u32 = 128;

/** Slots of one size. */
@unmanaged
class Pool {
  base: usize;
  octets: usize;
  slots: u32;
  /** Of them, those for keys on trial. */
  trial: u32;
  /** The next one of those. */
  next: u32;
  /** The clock's hand: which of the others is looked at next. */
  hand: u32;
  /** Slots from here on have not been used. */
  unused: u32;
}

const pools: usize = memory.data(2 * 32, 16);
if (offsetof<Pool>() > 32) ERROR("size of a pool");
const GCM_POOL: u32 = 0;
const AES_POOL: u32 = 1;

let lastTicket: u64 = 0;
let misses: u64 = 0;

// @ts-ignore: decorator
@inline
function poolOf(kind: u32): Pool {
  return changetype<Pool>(pools + ((<usize>kind) << 5));
}

/** Gives a pool `count` slots at `room`, all of them free. */
function poolReset(pool: Pool, octets: usize, room: usize, count: u32): void {
  pool.base = room;
  pool.octets = octets;
  pool.slots = count;
  pool.trial = count < TRIAL_POOL ? 0 : TRIAL;
  pool.next = 0;
  pool.hand = pool.trial;
  pool.unused = pool.trial;
}

/** Octets of `count` slots from the arena. */
function poolOctets(octets: usize, count: u32): usize {
  return count <= OWN_SLOTS ? 0 : (<usize>count * octets + 63) & ~63;
}

/**
 * Makes room for `gcmSlots` expanded GCM keys (KEY_SLOT_OCTETS each, from the arena) and `aesSlots` of plain AES (AES_SLOT_OCTETS
 * each), at reset. False when RAM is too small, with nothing taken, or a number above KEY_SLOTS_MAX. With 0, or without ever
 * being called, two of a kind exist.
 */
export function keyCacheReset(gcmSlots: u32, aesSlots: u32): bool {
  zeroize(ownGcmSlots, <usize>OWN_SLOTS * KEY_SLOT_OCTETS);
  zeroize(ownAesSlots, <usize>OWN_SLOTS * AES_SLOT_OCTETS);
  poolReset(poolOf(GCM_POOL), KEY_SLOT_OCTETS, ownGcmSlots, OWN_SLOTS);
  poolReset(poolOf(AES_POOL), AES_SLOT_OCTETS, ownAesSlots, OWN_SLOTS);
  misses = 0;
  if (gcmSlots > KEY_SLOTS_MAX || aesSlots > KEY_SLOTS_MAX) return false;
  const gcmOctets = poolOctets(KEY_SLOT_OCTETS, gcmSlots);
  const aesOctets = poolOctets(AES_SLOT_OCTETS, aesSlots);
  if (gcmOctets + aesOctets == 0) return true;
  const room = arenaTake(gcmOctets + aesOctets);
  if (room == 0) return false;
  if (gcmOctets != 0) poolReset(poolOf(GCM_POOL), KEY_SLOT_OCTETS, room, gcmSlots);
  if (aesOctets != 0) poolReset(poolOf(AES_POOL), AES_SLOT_OCTETS, room + gcmOctets, aesSlots);
  return true;
}

/** How often a key had to be expanded since the reset. */
export function keyCacheMisses(): u64 {
  return misses;
}

/** Its owner is about to write to a slot as far as `end`, a place in it. */
// @ts-ignore: decorator
@inline
export function slotWritten(slot: usize, end: usize): void {
  if (load<u32>(slot, SLOT_WRITTEN) < <u32>end) store<u32>(slot, <u32>end, SLOT_WRITTEN);
}

function wipe(slot: usize): void {
  zeroize(slot, max<u32>(<u32>SLOT_HEADER, load<u32>(slot, SLOT_WRITTEN)));
}

/** Writes a key record for `key` (at most 32 octets). Nothing is expanded yet. */
export function keyRecord(record: usize, key: usize, keyOctets: u32): void {
  assert(keyOctets <= 32, "key too long for a key record");
  memory.fill(record, 0, KEY_RECORD_OCTETS);
  memory.copy(record, key, keyOctets);
  lastTicket += 1;
  store<u16>(record, <u16>keyOctets, RECORD_KEY_OCTETS);
  store<u32>(record, 0xffffffff, RECORD_SLOTS);
  store<u64>(record, lastTicket, RECORD_TICKET);
}

export function keyRecordOctets(record: usize): u32 {
  return <u32>load<u16>(record, RECORD_KEY_OCTETS);
}

/** The slot of pool `kind` that holds the record's expansion, or 0. */
// @ts-ignore: decorator
@inline
function held(record: usize, kind: u32): usize {
  const pool = poolOf(kind);
  const last = <u32>load<u16>(record + ((<usize>kind) << 1), RECORD_SLOTS);
  if (last >= pool.slots) return 0;
  const slot = pool.base + <usize>last * pool.octets;
  return load<u64>(slot, SLOT_TICKET) == load<u64>(record, RECORD_TICKET) ? slot : 0;
}

function give(record: usize, kind: u32): usize {
  if (poolOf(kind).slots == 0) keyCacheReset(0, 0);
  const pool = poolOf(kind);
  const index = choose(pool, record, kind);
  misses += 1;
  const slot = pool.base + <usize>index * pool.octets;
  wipe(slot);
  store<u64>(slot, load<u64>(record, RECORD_TICKET), SLOT_TICKET);
  store<u32>(slot, 1, SLOT_REFERENCED);
  store<u16>(record + ((<usize>kind) << 1), <u16>index, RECORD_SLOTS);
  store<u16>(record, <u16>misses, RECORD_STAMP);
  return slot;
}

/** The number of the slot that a record gets which has none. */
function choose(pool: Pool, record: usize, kind: u32): u32 {
  if (pool.unused != pool.slots) {
    pool.unused += 1;
    return pool.unused - 1;
  }
  // The stamp of very long ago may look like one of late: that key is there to stay too early.
  const since = (<u32>misses - <u32>load<u16>(record, RECORD_STAMP)) & 0xffff;
  const isNew = <u32>load<u16>(record + ((<usize>kind) << 1), RECORD_SLOTS) == KEY_SLOTS_MAX;
  if (pool.trial != 0 && (isNew || since > pool.slots)) {
    const index = pool.next;
    pool.next = index + 1 == pool.trial ? 0 : index + 1;
    return index;
  }
  let index: u32 = 0;
  let referenced: u32 = 1;
  while (referenced != 0) {
    index = pool.hand;
    const slot = pool.base + <usize>index * pool.octets;
    pool.hand = index + 1 == pool.slots ? pool.trial : index + 1;
    referenced = load<u32>(slot, SLOT_REFERENCED);
    store<u32>(slot, 0, SLOT_REFERENCED);
  }
  return index;
}

// @ts-ignore: decorator
@inline
function slotOf(record: usize, kind: u32): usize {
  const slot = held(record, kind);
  if (slot == 0) return give(record, kind);
  store<u32>(slot, 1, SLOT_REFERENCED);
  return slot;
}

/** The GCM slot that holds the record's expansion, or a zeroed one that is the record's from now on. */
export function keySlot(record: usize): usize {
  return slotOf(record, GCM_POOL);
}

/** The same of plain AES. */
export function aesSlot(record: usize): usize {
  return slotOf(record, AES_POOL);
}

/** Wipes the record, and its expansions where there are any. */
export function keyWipe(record: usize): void {
  if (load<u64>(record, RECORD_TICKET) != 0) {
    for (let kind = GCM_POOL; kind <= AES_POOL; kind++) {
      const slot = held(record, kind);
      if (slot != 0) wipe(slot);
    }
  }
  zeroize(record, KEY_RECORD_OCTETS);
}
