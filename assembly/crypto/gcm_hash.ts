/**
 * GHASH of one GCM message: associated data and ciphertext, each padded with zeros to whole blocks, then the block of their
 * lengths (SP 800-38D, 7.1). Reads neither past the data nor before them.
 */
import { storeBE64 } from "../rt/bytes";
import { gcmPowers, gcmTable16, gcmUnused } from "./gcm_key";
import { POWERS, ghashSum } from "./ghash";
import { LANE_OCTETS, swizzleSteps, transposeOctets } from "./ghash_swizzle";

const group: usize = memory.data(256, 64);
const state: usize = memory.data(256, 64);
const lastBlocks: usize = memory.data(256, 64);
const lanes: usize = memory.data(128, 16);

/** Blocks of a message, the length block included. */
export function messageBlocks(aadLength: u32, length: u32): u32 {
  return ((aadLength + 15) >>> 4) + ((length + 15) >>> 4) + 1;
}

/** Copies `octets` (less than 16) to a block filled up with zeros. */
function padBlock(to: usize, from: usize, octets: u32): void {
  store<u64>(to, 0);
  store<u64>(to, 0, 8);
  for (let i: usize = 0; i < octets; i++) store<u8>(to + i, load<u8>(from + i));
}

/** Writes the block of lengths. */
function lengthBlock(to: usize, aadLength: u32, length: u32): void {
  storeBE64(to, (<u64>aadLength) << 3);
  storeBE64(to + 8, (<u64>length) << 3);
}

/** Copies block `index` of the message to `to`; blocks before the first are zero. */
export function messageBlock(index: i32, aad: usize, aadLength: u32, data: usize, length: u32, to: usize): void {
  const aadBlocks = <i32>((aadLength + 15) >>> 4);
  let from = aad;
  let rest = aadLength;
  let at = index;
  if (index >= aadBlocks) {
    from = data;
    rest = length;
    at = index - aadBlocks;
    if (at >= <i32>((length + 15) >>> 4)) {
      lengthBlock(to, aadLength, length);
      return;
    }
  }
  if (at < 0) {
    padBlock(to, from, 0);
    return;
  }
  from += (<usize>at) << 4;
  rest -= (<u32>at) << 4;
  if (rest >= 16) {
    store<u64>(to, load<u64>(from));
    store<u64>(to, load<u64>(from, 8), 8);
  } else {
    padBlock(to, from, rest);
  }
}

/** Address of blocks `first` to `first` + 15 where they lie whole in the message's own octets; else 0. */
// @ts-ignore: decorator
@inline
function wholeGroup(first: i32, aad: usize, aadLength: u32, data: usize, length: u32): usize {
  if (first < 0) return 0;
  const end = <u32>first + 16;
  if (end <= aadLength >>> 4) return aad + ((<usize>first) << 4);
  const aadBlocks = (aadLength + 15) >>> 4;
  if (<u32>first >= aadBlocks && end <= aadBlocks + (length >>> 4))
    return data + ((<usize>(<u32>first - aadBlocks)) << 4);
  return 0;
}

/** Blocks `first` to `first` + `count` - 1 of the message into `group`. */
function gather(first: i32, count: i32, aad: usize, aadLength: u32, data: usize, length: u32): void {
  for (let i: i32 = 0; i < count; i++) {
    messageBlock(first + i, aad, aadLength, data, length, group + ((<usize>i) << 4));
  }
}

/** The hash by `most` blocks a step, with as many powers of H. The first step takes what is over, so that all others are whole. */
function hashBySteps(
  slot: usize,
  blocks: i32,
  most: i32,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  out: usize,
): void {
  const powers = gcmPowers(slot, min<i32>(blocks, most));
  memory.fill(out, 0, 16);
  let step = ((blocks - 1) % most) + 1;
  for (let first: i32 = 0; first < blocks; first += step, step = most) {
    gather(first, step, aad, aadLength, data, length);
    store<u64>(group, load<u64>(group) ^ load<u64>(out));
    store<u64>(group, load<u64>(group, 8) ^ load<u64>(out, 8), 8);
    ghashSum(group, step, powers, out);
  }
}

/** The hash of more than POWERS blocks: of all but the last 16, by the table of H^16, then of these. */
function hashByTable(slot: usize, blocks: i32, aad: usize, aadLength: u32, data: usize, length: u32, out: usize): void {
  // Zero blocks in front change nothing, so the first group is filled up with them.
  const last = blocks - 16;
  let first = -(-blocks & 15);
  memory.fill(state, 0, 256);
  const table = gcmTable16(slot);
  while (first < last) {
    let at = wholeGroup(first, aad, aadLength, data, length);
    let steps: u32 = 1;
    let next = first + 16;
    if (at == 0) {
      gather(first, 16, aad, aadLength, data, length);
      at = group;
    } else {
      const start = at;
      while (next < last && wholeGroup(next, aad, aadLength, data, length) == start + ((<usize>steps) << 8)) {
        steps += 1;
        next += 16;
      }
    }
    for (let i: usize = 0; i < 16; i++) {
      store<u32>(lanes + i * LANE_OCTETS, <u32>(at + (i << 4)));
      store<u32>(lanes + i * LANE_OCTETS, 256, 4);
    }
    swizzleSteps(table, state, lanes, steps);
    first = next;
  }
  gather(first, 16, aad, aadLength, data, length);
  transposeOctets(state, lastBlocks);
  for (let i: usize = 0; i < 256; i += 16) {
    v128.store(group + i, v128.xor(v128.load(group + i), v128.load(lastBlocks + i)));
  }
  ghashSum(group, 16, gcmPowers(slot, 16), out);
}

/** Of a key that may have no other message, powers of H, and blocks up to which it does with them: to build more would cost more than it saves. */
const FEW_POWERS: i32 = 4;
const FEW_BLOCKS: i32 = 64;

/** The hash of a message under the key of `slot`, into `out` (16 octets). */
export function messageHash(slot: usize, aad: usize, aadLength: u32, data: usize, length: u32, out: usize): void {
  const blocks = <i32>messageBlocks(aadLength, length);
  if (blocks <= FEW_BLOCKS && gcmUnused(slot)) {
    hashBySteps(slot, blocks, FEW_POWERS, aad, aadLength, data, length, out);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    if (blocks > <i32>POWERS) {
      hashByTable(slot, blocks, aad, aadLength, data, length, out);
      return;
    }
  }
  hashBySteps(slot, blocks, <i32>POWERS, aad, aadLength, data, length, out);
}
