/**
 * The journal of the checkpoint (abi/checkpoint.ts): records are sealed into the area as they are written, and opened as they come back.
 *
 *   journalOpen(kind, index)   where the contents of a record go, CHECKPOINT_CONTENTS octets of room, after journalRoom
 *   journalClose(octets)       seals them
 *   journalForget(kind, index) there is none any more
 *   journalRead(record, ...)   opens a record of an earlier epoch, whose contents stand at journalContents then
 *
 * They are sealed with ChaCha20-Poly1305, which takes a third of the time of AES-256-GCM for a few hundred octets where there is no AES
 * instruction, and has no tables that each record would find cold.
 *
 * A nonce never repeats under one key: EPOCH is a generation of the board, SERIAL counts up within it, and the salt of the key is drawn
 * anew in each.
 */
import { MAP_CHECKPOINT, REG_CHECKPOINT } from "../abi/board";
import {
  CHECKPOINT_ALIGNMENT,
  CHECKPOINT_AREA,
  CHECKPOINT_EPOCH,
  CHECKPOINT_HEADER,
  CHECKPOINT_ICV,
  CHECKPOINT_INDEX,
  CHECKPOINT_KIND,
  CHECKPOINT_OCTETS,
  CHECKPOINT_RECORD_MAX,
  CHECKPOINT_SALT,
  CHECKPOINT_SALT_OCTETS,
  CHECKPOINT_SERIAL,
} from "../abi/checkpoint";
import { CHECKPOINT_KEY_OCTETS } from "../abi/psa";
import {
  CHACHA20_POLY1305_CONTEXT_OCTETS,
  chacha20Poly1305Init,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
  chacha20Poly1305Wipe,
} from "../crypto/chacha20_poly1305";
import { drbgGenerate } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { map } from "../rt/map";
import { generation } from "../rt/registers";
import { PACKING_MAX, pack, unpack } from "./packing";

/** Octets that the contents of one record have at most. */
export const CHECKPOINT_CONTENTS: u32 = CHECKPOINT_RECORD_MAX - CHECKPOINT_HEADER - CHECKPOINT_ICV - PACKING_MAX;
if (CHECKPOINT_KEY_OCTETS != CHACHA20_POLY1305_CONTEXT_OCTETS) ERROR("a key of the checkpoint has another size");
/** How contents are packed and sealed, as a number that changes when that does. */
export const JOURNAL_LAYOUT: u32 = 2;
/** In front of the salt: LAYOUT. */
const LAYOUT_OCTETS: u32 = 4;

const nonce: usize = memory.data(12, 4);
const salt: usize = memory.data(CHECKPOINT_SALT_OCTETS, 8);
/** Of the record that was read last. */
const contents: usize = memory.data(CHECKPOINT_RECORD_MAX, 16);

let area: usize = 0;
let own: usize = 0;
let old: usize = 0;
let oldEpoch: u32 = 0;
let used: u32 = 0;
let serial: u64 = 0;
let keyed: bool = false;
let oldKeyed: bool = false;
/** The record that is being written. */
let record: usize = 0;

/** Without `on` nothing is ever written. False when RAM is too small. The DRBG is seeded before. */
export function journalReset(on: bool): bool {
  area = 0;
  used = 0;
  serial = 0;
  keyed = false;
  oldKeyed = false;
  record = 0;
  store<u32>(map + MAP_CHECKPOINT, 0);
  store<u32>(map + REG_CHECKPOINT, 0);
  if (!on) return true;
  area = arenaTake(CHECKPOINT_AREA);
  own = arenaTake(CHACHA20_POLY1305_CONTEXT_OCTETS);
  old = arenaTake(CHACHA20_POLY1305_CONTEXT_OCTETS);
  if (area == 0 || own == 0 || old == 0) return false;
  store<u32>(map + MAP_CHECKPOINT, <u32>area);
  drbgGenerate(salt, CHECKPOINT_SALT_OCTETS);
  return true;
}

/** The salt of this epoch, for which the secure element has the key: CHECKPOINT_SALT_OCTETS. */
export function journalSalt(): usize {
  return salt;
}

/** The key of this epoch is here: its salt is written, in clear, with `layout`, and records may follow. */
export function journalKey(key: usize, layout: u32): void {
  chacha20Poly1305Init(own, key);
  const at = begin(CHECKPOINT_SALT, 0, LAYOUT_OCTETS + CHECKPOINT_SALT_OCTETS);
  store<u32>(at, layout, CHECKPOINT_HEADER);
  memory.copy(at + CHECKPOINT_HEADER + LAYOUT_OCTETS, salt, CHECKPOINT_SALT_OCTETS);
  take(CHECKPOINT_HEADER + LAYOUT_OCTETS + CHECKPOINT_SALT_OCTETS);
  keyed = true;
}

/** True when records can be written. */
export function journalIsOn(): bool {
  return keyed;
}

/** A poll begins: the chassis has taken what the one before left. */
export function journalPoll(): void {
  used = 0;
  store<u32>(map + REG_CHECKPOINT, 0);
}

/** True when `records` more of any size have room in this poll. */
export function journalRoom(records: u32): bool {
  return CHECKPOINT_AREA - used >= records * CHECKPOINT_RECORD_MAX;
}

function begin(kind: u32, index: u32, octets: u32): usize {
  const at = area + <usize>used;
  store<u32>(at, kind, CHECKPOINT_KIND);
  store<u32>(at, index, CHECKPOINT_INDEX);
  store<u32>(at, octets, CHECKPOINT_OCTETS);
  store<u32>(at, generation(), CHECKPOINT_EPOCH);
  serial += 1;
  store<u64>(at, serial, CHECKPOINT_SERIAL);
  return at;
}

function take(octets: u32): void {
  used += (octets + CHECKPOINT_ALIGNMENT - 1) & ~(CHECKPOINT_ALIGNMENT - 1);
  store<u32>(map + REG_CHECKPOINT, used);
}

/** Where the contents of a record of this KIND and INDEX go; the caller has seen to it that there is room. */
export function journalOpen(kind: u32, index: u32): usize {
  record = begin(kind, index, 0);
  return record + CHECKPOINT_HEADER;
}

/** Packs and seals the record that was opened, with so many octets of contents. */
export function journalClose(octets: u32): void {
  assert(octets <= CHECKPOINT_CONTENTS, "a record of the checkpoint is too long");
  const at = record + CHECKPOINT_HEADER;
  const packed = pack(at, octets);
  store<u32>(record, packed + CHECKPOINT_ICV, CHECKPOINT_OCTETS);
  nonceFor(record);
  chacha20Poly1305Seal(own, nonce, record, CHECKPOINT_HEADER, at, packed, at + packed);
  take(CHECKPOINT_HEADER + packed + CHECKPOINT_ICV);
}

/** The record of this KIND and INDEX is no more. */
export function journalForget(kind: u32, index: u32): void {
  begin(kind, index, 0);
  take(CHECKPOINT_HEADER);
}

/** The key of an earlier epoch is here. */
export function journalOldKey(epoch: u32, key: usize): void {
  oldEpoch = epoch;
  chacha20Poly1305Init(old, key);
  oldKeyed = true;
}

/** True when the records of this epoch can be opened. */
export function journalOldIs(epoch: u32): bool {
  return oldKeyed && oldEpoch == epoch;
}

/** No record of an earlier epoch is expected any more. */
export function journalOldForget(): void {
  if (oldKeyed) chacha20Poly1305Wipe(old);
  oldKeyed = false;
}

/** The octets of a record's contents, which stand at journalContents until journalReadDone; -1: it does not open. What was sealed is wiped. */
export function journalRead(at: usize, length: u32): i32 {
  const octets = load<u32>(at, CHECKPOINT_OCTETS);
  const fits = length >= CHECKPOINT_HEADER + CHECKPOINT_ICV && octets == length - CHECKPOINT_HEADER;
  if (!fits || !oldKeyed || load<u32>(at, CHECKPOINT_EPOCH) != oldEpoch) return -1;
  nonceFor(at);
  const sealed = at + CHECKPOINT_HEADER;
  const packed = octets - CHECKPOINT_ICV;
  const opens = chacha20Poly1305Open(old, nonce, at, CHECKPOINT_HEADER, sealed, packed, sealed + packed);
  const inside = opens ? unpack(sealed, packed, contents, CHECKPOINT_RECORD_MAX) : -1;
  zeroize(sealed, octets);
  if (inside < 0) journalReadDone();
  return inside;
}

export function journalContents(): usize {
  return contents;
}

/** The contents have been taken. */
export function journalReadDone(): void {
  zeroize(contents, CHECKPOINT_RECORD_MAX);
}

function nonceFor(at: usize): void {
  store<u32>(nonce, load<u32>(at, CHECKPOINT_EPOCH));
  store<u64>(nonce, load<u64>(at, CHECKPOINT_SERIAL), 4);
}
