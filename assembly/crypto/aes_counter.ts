/**
 * AES counter mode over several packets under one key, for builds with SIMD: counter blocks of 12 octets | 32-bit counter
 * (RFC 3686, 4; RFC 4309, 4), eight to a fixsliced state, 16 states in turn.
 *
 * Eight counters in a row differ from their first only in its last octets, so a state of them is written bitsliced, without a
 * transposition; what is left of a packet behind its last eight shares states with what is left of others.
 *
 * Begin with the key, add packets, finish. Refuses to mix keys, and to keep key stream.
 */
import { zeroize } from "../rt/bytes";
import {
  FIXSLICE_STATE,
  FIXSLICE_STATES,
  fixsliceFirstRound,
  fixsliceLayout,
  fixsliceRounds,
  fixsliceSpread,
  fixsliceTranspose,
} from "./aes_fixslice";
import { addStream } from "./aes_fixslice_ctr";
import { AES_SLOT_SCHEDULE, SLOT_ROUNDS } from "./key_cache";

const states: usize = memory.data(16 * 128, 64);
const carry: usize = memory.data(128, 64);
/** What the key stream is added to: place in `states`, address, octets (u32 each); at most one for each block. */
const pieces: usize = memory.data(128 * 12, 16);
const PIECE_OCTETS: usize = 12;

let schedule: usize = 0;
let rounds: u32 = 0;
let stateCount: u32 = 0;
let pieceCount: u32 = 0;
/** The state that left-over blocks share (its address, 0: none) and the blocks in it. */
let shared: usize = 0;
let sharedBlocks: u32 = 0;

/** Begins with the key of an AES slot. Its address must hold until counterFinish. */
export function counterBegin(slot: usize): void {
  schedule = slot + AES_SLOT_SCHEDULE;
  rounds = load<u32>(slot, SLOT_ROUNDS);
  stateCount = 0;
  pieceCount = 0;
  shared = 0;
}

// @ts-ignore: decorator
@inline
function counterBlock(prefix: usize, count: u32): v128 {
  const low = i64x2.replace_lane(i64x2.splat(0), 0, load<u64>(prefix));
  return fixsliceLayout(
    i32x4.replace_lane(i32x4.replace_lane(low, 2, load<u32>(prefix, 8)), 3, bswap<u32>(count)),
    0 - rounds,
  );
}

/** Bit `bit` of the last octets of eight counters that begin with `first` in 0..7, wrapping, as octet 15 of a word. */
// @ts-ignore: decorator
@inline
function lowBits(pattern: u32, first: u32, mask: v128): v128 {
  return v128.and(i8x16.splat(<i8>((pattern >>> first) | (pattern << (8 - first)))), mask);
}

/** The state of the counters `count` to `count` + 7. */
function counterState(prefix: usize, count: u32, to: usize): void {
  const first = count & 7;
  fixsliceSpread(counterBlock(prefix, count - first), to);
  if (first != 0) {
    // Lanes from 8 - first on have counted over.
    fixsliceSpread(counterBlock(prefix, count - first + 8), carry);
    const over = i8x16.splat(<i8>((0xff << (8 - first)) & 0xff));
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 16) {
      v128.store(to + i, v128.bitselect(v128.load(carry + i), v128.load(to + i), over));
    }
  }
  const mask = fixsliceLayout(i8x16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1), 0 - rounds);
  v128.store(to, v128.xor(v128.load(to), lowBits(0xaa, first, mask)));
  v128.store(to, v128.xor(v128.load(to, 16), lowBits(0xcc, first, mask)), 16);
  v128.store(to, v128.xor(v128.load(to, 32), lowBits(0xf0, first, mask)), 32);
}

function closeShared(): void {
  if (shared == 0) return;
  fixsliceTranspose(shared);
  shared = 0;
}

/** Makes the key stream of the states and adds it. */
function flush(): void {
  closeShared();
  const end = states + <usize>stateCount * FIXSLICE_STATE;
  for (let at = states; at < end; at += FIXSLICE_STATE) {
    for (let i: usize = 0; i < FIXSLICE_STATE; i += 16) {
      v128.store(at + i, v128.xor(v128.load(at + i), v128.load(schedule + i)));
    }
    fixsliceFirstRound(at, schedule + FIXSLICE_STATE, rounds);
  }
  fixsliceRounds(states, stateCount, schedule, rounds);
  for (let at = states; at < end; at += FIXSLICE_STATE) fixsliceTranspose(at);
  const last = pieces + <usize>pieceCount * PIECE_OCTETS;
  for (let at = pieces; at < last; at += PIECE_OCTETS) addStream(load<u32>(at, 4), load<u32>(at), load<u32>(at, 8));
  stateCount = 0;
  pieceCount = 0;
}

function takeState(): usize {
  if (stateCount == FIXSLICE_STATES) flush();
  stateCount += 1;
  return states + <usize>(stateCount - 1) * FIXSLICE_STATE;
}

function piece(stream: usize, data: usize, octets: u32): void {
  const at = pieces + <usize>pieceCount * PIECE_OCTETS;
  store<u32>(at, <u32>stream);
  store<u32>(at, <u32>data, 4);
  store<u32>(at, octets, 8);
  pieceCount += 1;
}

/**
 * Adds the key stream from counter `count` on of the packet of `prefix` (12 octets) to `length` octets of `data`, by counterFinish
 * at the latest.
 */
export function counterAdd(prefix: usize, count: u32, data: usize, length: u32): void {
  while (length > 112) {
    const octets = min<u32>(length, 128);
    const to = takeState();
    counterState(prefix, count, to);
    piece(to, data, octets);
    count += 8;
    data += octets;
    length -= octets;
  }
  if (length == 0) return;
  const blocks = (length + 15) >>> 4;
  if (shared == 0 || sharedBlocks + blocks > 8) {
    closeShared();
    shared = takeState();
    sharedBlocks = 0;
  }
  const to = shared + ((<usize>sharedBlocks) << 4);
  for (let i: u32 = 0; i < blocks; i++) v128.store(to + ((<usize>i) << 4), counterBlock(prefix, count + i));
  piece(to, data, length);
  sharedBlocks += blocks;
}

/** Adds what has not been added yet, and wipes the key stream. */
export function counterFinish(): void {
  if (stateCount != 0) flush();
  zeroize(states, <usize>FIXSLICE_STATES * FIXSLICE_STATE);
}
