/**
 * CBC chains abreast, for builds with SIMD: up to 16 packets, of one SA or of several, each in a lane of its own of two fixsliced
 * states. A chain alone is one long dependence; eight fill a state, and two states take turns. Where no more than FEW are left,
 * each goes on by itself (aes_block.ts).
 *
 * Lanes under different keys have a schedule of their own in each lane: a word of the fixsliced schedule holds bit b of its
 * octets for lane b, so the lanes' schedules merge by masks. A caller fills in a lane for each packet, sorts, sets the keys and
 * runs: the longest come first, so lanes that have come to their end are the last ones, and the second state rests when it can.
 *
 * Refuses to mix key sizes in a run, and to know what a chain is for: runs of blocks are all that it sees.
 */
import { zeroize } from "../rt/bytes";
import {
  FIXSLICE_SCHEDULE_OCTETS,
  FIXSLICE_STATE,
  fixsliceTranspose,
  prepare,
  round0,
  round1,
  round2,
  round3,
  substitute,
} from "./aes_fixslice";
import { blockChain } from "./aes_block";
import { aesKey } from "./aes_key";
import { AES_PLAIN_OCTETS, AES_SLOT_MASKS, AES_SLOT_PLAIN, AES_SLOT_SCHEDULE, SLOT_ROUNDS } from "./key_cache";
import { MAC_NONE } from "./transform";

/** Lanes of a run. */
export const LANES: u32 = 16;
/** Runs of blocks that make a lane's message. */
const LANE_RUNS: u32 = 5;

/** One packet's chain. */
@unmanaged
export class Lane {
  /** Address of the key record. */
  record: u32;
  /** Address of the 16 octets that the chain begins with, or 0 for zeros. */
  iv: u32;
  /** Blocks of all runs. */
  total: u32;
  /** The caller's: which job it is. */
  job: u32;
  /** With a MAC's key: which of its masks is added to the block at LANE_TAIL, 0 or 16. */
  mask: u32;
  runs: u32;
  /** The run that is under way, and its blocks that are left. */
  run: u32;
  left: u32;
}

/** The runs: address and blocks, u32 each. */
const LANE_RUN: usize = 32;
/** Room for blocks that do not stand in the packet as they are chained: 48 octets to begin with, 16 for the last. */
export const LANE_HEAD: usize = 80;
export const LANE_TAIL: usize = 128;
/** The chain's end. */
export const LANE_END: usize = 144;
const LANE_OCTETS: usize = 160;

const lanes: usize = memory.data(16 * 160, 16);
/** Addresses of the lanes, longest first. */
const order: usize = memory.data(16 * 4, 16);
/** Where each lane, by place, has got to. */
const cursors: usize = memory.data(16 * 4, 16);
/** The chains between steps, 16 octets each by place: two states. */
const states: usize = memory.data(2 * 128, 64);
const merged: usize = memory.data(2 * 1920, 64);
/** So few lanes go on one by one, under schedules of their own. */
const FEW: u32 = 2;
const plains: usize = memory.data(2 * 240, 16);
/** As in aes_fixslice.ts, for two states. */
const signals: usize = memory.data(2 * 272, 64);
const SIGNALS: usize = 272;
const substituted: usize = memory.data(2 * 128, 64);

let rounds: u32 = 0;
/** The schedule of the first state, and how many octets on that of the second is. */
let schedule: usize = 0;
let apart: usize = 0;

/** Lane `index`, in the caller's order. */
// @ts-ignore: decorator
@inline
export function laneOf(index: u32): Lane {
  return changetype<Lane>(lanes + <usize>index * LANE_OCTETS);
}

// @ts-ignore: decorator
@inline
function laneAt(place: u32): Lane {
  return changetype<Lane>(<usize>load<u32>(order + ((<usize>place) << 2)));
}

/** Begins a lane of no blocks yet. */
export function laneBegin(lane: Lane, record: usize, iv: usize): void {
  lane.record = <u32>record;
  lane.iv = <u32>iv;
  lane.total = 0;
  lane.mask = 0;
  lane.runs = 0;
}

/** Adds `blocks` at `address` to a lane's message; 0 blocks add nothing. */
export function laneRun(lane: Lane, address: usize, blocks: u32): void {
  if (blocks == 0) return;
  assert(lane.runs < LANE_RUNS, "runs of a lane");
  const run = changetype<usize>(lane) + LANE_RUN + ((<usize>lane.runs) << 3);
  store<u32>(run, <u32>address);
  store<u32>(run, blocks, 4);
  lane.runs += 1;
  lane.total += blocks;
}

function sort(count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const lane = laneOf(i);
    let place = i;
    for (; place > 0 && laneAt(place - 1).total < lane.total; place--) {
      store<u32>(order + ((<usize>place) << 2), load<u32>(order + ((<usize>(place - 1)) << 2)));
    }
    store<u32>(order + ((<usize>place) << 2), <u32>changetype<usize>(lane));
  }
}

/** Adds the schedule of a key in lane `place` to the merged schedule of its state. */
function merge(from: usize, place: u32): void {
  const mask = i8x16.splat(<i8>((<u32>1) << (place & 7)));
  const to = merged + <usize>(place >>> 3) * FIXSLICE_SCHEDULE_OCTETS;
  const octets = <usize>(rounds + 1) * FIXSLICE_STATE;
  for (let i: usize = 0; i < octets; i += 16) {
    v128.store(to + i, v128.bitselect(v128.load(from + i), v128.load(to + i), mask));
  }
}

/** Looks the lanes' keys up, makes the schedules, and adds a MAC's masks to last blocks. */
function keys(count: u32, mac: u32): void {
  let distinct = false;
  for (let place: u32 = 1; place < count; place++) {
    if (laneAt(place).record != laneAt(0).record) distinct = true;
  }
  let slot: usize = 0;
  let record: u32 = 0;
  for (let place: u32 = 0; place < count; place++) {
    const lane = laneAt(place);
    if (slot == 0 || lane.record != record) {
      record = lane.record;
      slot = aesKey(record, mac);
    }
    if (place == 0) rounds = load<u32>(slot, SLOT_ROUNDS);
    assert(load<u32>(slot, SLOT_ROUNDS) == rounds, "lanes of one key size");
    if (place < FEW) memory.copy(plains + <usize>place * AES_PLAIN_OCTETS, slot + AES_SLOT_PLAIN, AES_PLAIN_OCTETS);
    if (distinct && count > FEW) merge(slot + AES_SLOT_SCHEDULE, place);
    if (mac != MAC_NONE) {
      const tail = changetype<usize>(lane) + LANE_TAIL;
      v128.store(tail, v128.xor(v128.load(tail), v128.load(slot + AES_SLOT_MASKS + lane.mask)));
    }
  }
  schedule = distinct ? merged : slot + AES_SLOT_SCHEDULE;
  apart = distinct ? FIXSLICE_SCHEDULE_OCTETS : 0;
}

/** SubBytes of the states up to `end`, into `substituted`. */
function substituteAll(end: usize): void {
  for (let at = states, to = signals; at < end; at += FIXSLICE_STATE, to += SIGNALS) prepare(at, to);
  for (
    let at = states, from = signals, to = substituted;
    at < end;
    at += FIXSLICE_STATE, from += SIGNALS, to += FIXSLICE_STATE
  ) {
    substitute(at, from, to);
  }
}

/** A round of the states up to `end` that ends in the layout of `layout`; `key` is the first state's round key. */
function round(end: usize, key: usize, layout: u32): void {
  substituteAll(end);
  let at = states;
  let from = substituted;
  switch (layout) {
    case 0:
      for (; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE, key += apart) round0(at, from, key);
      break;
    case 1:
      for (; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE, key += apart) round1(at, from, key);
      break;
    case 2:
      for (; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE, key += apart) round2(at, from, key);
      break;
    default:
      for (; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE, key += apart) round3(at, from, key);
  }
}

/** Adds round keys to what stands at `from`, into the states up to `end`. */
function addKeys(from: usize, end: usize, key: usize): void {
  for (let at = states; at < end; at += FIXSLICE_STATE, from += FIXSLICE_STATE, key += apart) {
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 16) {
      v128.store(at + i, v128.xor(v128.load(from + i), v128.load(key + i)));
    }
  }
}

/** Encrypts the first state or both: blocks in the layout of the start become blocks as they are. */
function encrypt(both: bool): void {
  const end = states + (both ? 2 * FIXSLICE_STATE : FIXSLICE_STATE);
  for (let at = states; at < end; at += FIXSLICE_STATE) fixsliceTranspose(at);
  addKeys(states, end, schedule);
  let key = schedule + FIXSLICE_STATE;
  for (let i: u32 = 1; i < rounds; i++, key += FIXSLICE_STATE) round(end, key, (i - rounds) & 3);
  substituteAll(end);
  addKeys(substituted, end, key);
  for (let at = states; at < end; at += FIXSLICE_STATE) fixsliceTranspose(at);
}

/** `blocks` steps of the first `active` lanes. With `write`, each block is replaced by what it became. */
function advance(active: u32, blocks: u32, write: bool): void {
  // The layout of the start, as fixsliceLayout has it.
  const start =
    rounds == 12
      ? i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
      : i8x16(0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7);
  const end = cursors + ((<usize>active) << 2);
  const octets = (<usize>blocks) << 4;
  for (let offset: usize = 0; offset < octets; offset += 16) {
    for (let cursor = cursors, at = states; cursor < end; cursor += 4, at += 16) {
      const block = v128.load(<usize>load<u32>(cursor) + offset);
      v128.store(at, i8x16.swizzle(v128.xor(v128.load(at), block), start));
    }
    encrypt(active > 8);
    if (write) {
      for (let cursor = cursors, at = states; cursor < end; cursor += 4, at += 16) {
        v128.store(<usize>load<u32>(cursor) + offset, v128.load(at));
      }
    }
  }
  for (let cursor = cursors; cursor < end; cursor += 4) store<u32>(cursor, load<u32>(cursor) + <u32>octets);
}

/** The same for so few lanes that a state would be nearly idle. */
function advanceFew(active: u32, blocks: u32, write: bool): void {
  for (let place: u32 = 0; place < active; place++) {
    const cursor = cursors + ((<usize>place) << 2);
    const data = <usize>load<u32>(cursor);
    const chain = states + ((<usize>place) << 4);
    blockChain(plains + <usize>place * AES_PLAIN_OCTETS, rounds, chain, data, blocks, write);
    store<u32>(cursor, <u32>data + (blocks << 4));
  }
}

/** Goes on to the lane's next run. */
function nextRun(lane: Lane, place: u32): void {
  const run = changetype<usize>(lane) + LANE_RUN + ((<usize>lane.run) << 3);
  store<u32>(cursors + ((<usize>place) << 2), load<u32>(run));
  lane.left = load<u32>(run, 4);
  lane.run += 1;
}

/**
 * Runs the first `count` (at most LANES) lanes to their ends, with `write` in place, and leaves each chain's end at LANE_END. The
 * keys are those of `mac`, or of a cipher with MAC_NONE.
 */
export function lanesRun(count: u32, mac: u32, write: bool): void {
  if (count == 0) return;
  sort(count);
  keys(count, mac);
  memory.fill(states, 0, 2 * FIXSLICE_STATE);
  let active = count;
  for (let place: u32 = 0; place < count; place++) {
    const lane = laneAt(place);
    if (lane.iv != 0) memory.copy(states + ((<usize>place) << 4), lane.iv, 16);
    lane.run = 0;
    if (lane.runs != 0) nextRun(lane, place);
    else active -= 1;
  }
  while (active > 0) {
    let blocks = laneAt(0).left;
    for (let place: u32 = 1; place < active; place++) blocks = min<u32>(blocks, laneAt(place).left);
    if (active > FEW) advance(active, blocks, write);
    else advanceFew(active, blocks, write);
    for (let place: u32 = 0; place < active; place++) {
      const lane = laneAt(place);
      lane.left -= blocks;
      if (lane.left != 0) continue;
      if (lane.run < lane.runs) nextRun(lane, place);
      else v128.store(changetype<usize>(lane) + LANE_END, v128.load(states + ((<usize>place) << 4)));
    }
    while (active > 0 && laneAt(active - 1).left == 0) active -= 1;
  }
  if (apart != 0) zeroize(merged, 2 * FIXSLICE_SCHEDULE_OCTETS);
  zeroize(plains, FEW * AES_PLAIN_OCTETS);
  zeroize(states, 2 * FIXSLICE_STATE);
  zeroize(signals, 2 * SIGNALS);
  zeroize(substituted, 2 * FIXSLICE_STATE);
}

/** Wipes what the lanes hold of texts and MACs. */
export function lanesWipe(count: u32): void {
  zeroize(lanes, <usize>count * LANE_OCTETS);
}
