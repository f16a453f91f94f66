/**
 * The key stream of GCM messages in two steps, so that a message can be verified before it is decrypted: first a lead (the
 * mask of the tag, and key stream for the first octets), then the rest.
 *
 * Key stream made ahead of verification is never added to data that fail it.
 */
import { storeBE32 } from "../rt/bytes";
import { aesCtr, aesEncryptBlocks } from "./aes";
import {
  CTR_GROUPS,
  CTR_LEAD_STREAM,
  CTR_LEAD_STREAM_OCTETS,
  addStream,
  ctrContinue,
  ctrLeadBegin,
  ctrLeadsFinish,
  ctrShare,
  ctrShared,
  ctrStream,
} from "./aes_fixslice_ctr";
import { gcmGroups } from "./gcm_key";
import { SLOT_CTR, SLOT_ROUNDS, SLOT_SCHEDULE } from "./key_cache";

/** Octets of a lead: the mask of the tag at STREAM_MASK, key stream after it. */
export const STREAM_LEAD_OCTETS: usize = 128;
export const STREAM_MASK: usize = 16;

/** Blocks of the lead of builds without SIMD: counters 1 to 4, from STREAM_MASK on. */
const BASE_BLOCKS: u32 = 4;
const BASE_STREAM: usize = 32;
const BASE_STREAM_OCTETS: u32 = 48;

const counter: usize = memory.data(16, 16);

/** States that the last blocks of a batch's messages share; at most 16 messages of 8 blocks. */
const row: usize = memory.data(16 * 128, 64);
/** Of each message that is in the row: its octets' address, their number, the place in the row (u32 each). */
const sharers: usize = memory.data(16 * 12, 16);
const SHARER_OCTETS: usize = 12;
let sharerCount: u32 = 0;
let placeCount: u32 = 0;

function setCounter(to: usize, nonce: usize, count: u32): void {
  store<u64>(to, load<u64>(nonce));
  store<u32>(to, load<u32>(nonce, 8), 8);
  storeBE32(to + 12, count);
}

/** Groups of the message's key stream that are made together with its lead when it is alone. */
// @ts-ignore: decorator
@inline
function groupsAhead(length: u32): u32 {
  return length > (CTR_GROUPS << 7) - 32 ? CTR_GROUPS : (length + 32 + 127) >>> 7;
}

/** Begins the message of `nonce` (12 octets) under the key of `slot`. `constant` (128 octets) goes with `lead`. */
export function streamBegin(slot: usize, nonce: usize, constant: usize, lead: usize): void {
  if (ASC_FEATURE_SIMD) {
    gcmGroups(slot, 1);
    ctrLeadBegin(slot + SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), slot + SLOT_CTR, nonce, constant, lead);
  } else {
    const blocks = lead + STREAM_MASK;
    for (let i: u32 = 0; i < BASE_BLOCKS; i++) setCounter(blocks + ((<usize>i) << 4), nonce, i + 1);
    aesEncryptBlocks(slot + SLOT_SCHEDULE, blocks, blocks, BASE_BLOCKS);
  }
}

/** Completes `count` leads that were begun, side by side from `leads` on. */
export function streamLeads(slot: usize, leads: usize, count: u32): void {
  if (ASC_FEATURE_SIMD) ctrLeadsFinish(slot + SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), leads, count);
}

/** Encrypts or decrypts `length` octets in place, given the message's completed lead. */
export function streamApply(slot: usize, nonce: usize, constant: usize, lead: usize, data: usize, length: u32): void {
  if (ASC_FEATURE_SIMD) {
    const first = min<u32>(length, CTR_LEAD_STREAM_OCTETS);
    addStream(data, lead + CTR_LEAD_STREAM, first);
    streamRest(slot, nonce, constant, 1, data + first, length - first);
  } else {
    const stream = lead + BASE_STREAM;
    const first = min<u32>(length, BASE_STREAM_OCTETS);
    for (let i: usize = 0; i < first; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(stream + i));
    if (length > first) {
      setCounter(counter, nonce, 1 + BASE_BLOCKS);
      aesCtr(slot + SLOT_SCHEDULE, counter, data + first, length - first);
    }
  }
}

// @ts-ignore: decorator
@inline
function streamRest(slot: usize, nonce: usize, constant: usize, group: u32, data: usize, length: u32): void {
  if (length == 0) return;
  gcmGroups(slot, group + ((length + 127) >>> 7));
  const rounds = load<u32>(slot, SLOT_ROUNDS);
  ctrContinue(slot + SLOT_SCHEDULE, rounds, slot + SLOT_CTR, nonce, constant, group, data, length);
}

/**
 * Encrypts or decrypts one of several messages under the same key, like streamApply; its last octets only when the messages
 * (at most 16) are finished by streamBatchFinish.
 */
export function streamBatchApply(
  slot: usize,
  nonce: usize,
  constant: usize,
  lead: usize,
  data: usize,
  length: u32,
): void {
  if (!ASC_FEATURE_SIMD) {
    streamApply(slot, nonce, constant, lead, data, length);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    const first = min<u32>(length, CTR_LEAD_STREAM_OCTETS);
    addStream(data, lead + CTR_LEAD_STREAM, first);
    const whole = (length - first) & ~127;
    streamRest(slot, nonce, constant, 1, data + first, whole);
    const rest = length - first - whole;
    if (rest == 0) return;
    const sharer = sharers + <usize>sharerCount * SHARER_OCTETS;
    store<u32>(sharer, <u32>data + first + whole);
    store<u32>(sharer, rest, 4);
    store<u32>(sharer, placeCount, 8);
    const rounds = load<u32>(slot, SLOT_ROUNDS);
    const group = 1 + (whole >>> 7);
    const blocks = (rest + 15) >>> 4;
    gcmGroups(slot, group + 1);
    ctrShare(slot + SLOT_SCHEDULE, rounds, slot + SLOT_CTR, nonce, constant, group, row, placeCount, blocks);
    placeCount += blocks;
    sharerCount += 1;
  }
}

/** Finishes the messages of streamBatchApply. */
export function streamBatchFinish(slot: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (sharerCount == 0) return;
    const states = (placeCount + 7) >>> 3;
    ctrShared(slot + SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), row, states);
    for (let i: u32 = 0; i < sharerCount; i++) {
      const sharer = sharers + <usize>i * SHARER_OCTETS;
      addStream(load<u32>(sharer), row + ((<usize>load<u32>(sharer, 8)) << 4), load<u32>(sharer, 4));
    }
    memory.fill(row, 0, (<usize>states) << 7);
    sharerCount = 0;
    placeCount = 0;
  }
}

/** A message that is alone: its lead, with the key stream of up to 2016 octets after it (STREAM_ALONE_OCTETS). */
export const STREAM_ALONE_OCTETS: usize = 2048;

export function streamAlone(slot: usize, nonce: usize, constant: usize, stream: usize, length: u32): void {
  if (ASC_FEATURE_SIMD) {
    const groups = groupsAhead(length);
    gcmGroups(slot, groups);
    const rounds = load<u32>(slot, SLOT_ROUNDS);
    ctrStream(slot + SLOT_SCHEDULE, rounds, slot + SLOT_CTR, nonce, constant, stream, groups);
  } else {
    streamBegin(slot, nonce, constant, stream);
  }
}

/** Encrypts or decrypts a message after streamAlone. */
export function streamAloneApply(
  slot: usize,
  nonce: usize,
  constant: usize,
  stream: usize,
  data: usize,
  length: u32,
): void {
  if (ASC_FEATURE_SIMD) {
    const groups = groupsAhead(length);
    const first = min<u32>(length, (groups << 7) - 32);
    addStream(data, stream + CTR_LEAD_STREAM, first);
    streamRest(slot, nonce, constant, groups, data + first, length - first);
  } else {
    streamApply(slot, nonce, constant, stream, data, length);
  }
}

/** Wipes the key stream that streamAlone left. */
export function streamWipe(stream: usize, length: u32): void {
  const octets: usize = ASC_FEATURE_SIMD ? groupsAhead(length) << 7 : STREAM_LEAD_OCTETS;
  for (let i: usize = 0; i < octets; i += 32) {
    store<u64>(stream + i, 0);
    store<u64>(stream + i, 0, 8);
    store<u64>(stream + i, 0, 16);
    store<u64>(stream + i, 0, 24);
  }
}
