/**
 * HMAC (RFC 2104) of a batch with packets as lanes of the abreast kernels, for builds with SIMD.
 *
 * A lane takes a packet through its whole blocks, read where the packet lies, its last one or two with the padding, and the
 * block of the outer hash, then the next packet, longest first. All lanes advance together by as many blocks as the one nearest
 * to its next stage has left. SHA-2 has two groups of lanes while there are packets for both; the last ones are brought together
 * in the first. A lane that is alone leaves the vectors and goes on in the scalar kernel, which is faster then.
 *
 * Addresses and branches depend on lengths alone. Refuses more jobs than CIPHER_BATCH.
 */
import { zeroize } from "../rt/bytes";
import {
  hashBlockOctets,
  hashCompress,
  hashStateOctets,
  HASH_BLOCK_MAX,
  HASH_SHA1,
  HASH_SHA256,
  HASH_STATE_OCTETS,
} from "./hash";
import { outerBlock, tailBlocks } from "./hmac_pad";
import { CIPHER_BATCH, CONTEXT_MAC, CONTEXT_MAC_OUTER, jobOf } from "./job";
import { sha1Abreast, sha1AbreastWipe } from "./sha1_abreast";
import {
  ABREAST_LANES_OCTETS,
  ABREAST_STATE_OCTETS,
  sha256Abreast,
  sha256AbreastTwice,
  sha2AbreastWipe,
  sha512Abreast,
  sha512AbreastTwice,
} from "./sha2_abreast";

/** Most lanes: eight with SHA-256; SHA-1 and SHA-512 have four. */
const LANES_MAX: usize = 8;

/** Chaining states of two groups of lanes, word by word, a lane beside the other. */
const states: usize = memory.data(2 * ABREAST_STATE_OCTETS, 64);
/** One lane's chaining state in a row. */
const state: usize = memory.data(HASH_STATE_OCTETS, 16);
/** For each group addresses of the lanes' next blocks, u32, and distances to the ones behind. */
const lanes: usize = memory.data(2 * ABREAST_LANES_OCTETS, 16);
/** Per lane: job (place in the list), stage, blocks left of the stage: u32. */
const cursors: usize = memory.data(LANES_MAX * 16, 16);
const CURSOR_STAGE: usize = 4;
const CURSOR_LEFT: usize = 8;
/** Per lane two blocks: the padded end of the packet, or the outer hash's block. */
const tails: usize = memory.data(LANES_MAX * 2 * HASH_BLOCK_MAX, 16);
/** Places in the list, u32, longest packet first. */
const order: usize = memory.data(CIPHER_BATCH * 4, 16);
/** What an idle lane hashes. */
const idle: usize = memory.data(HASH_BLOCK_MAX, 16);

const STAGE_IDLE: u32 = 0;
const STAGE_WHOLE: u32 = 1;
const STAGE_TAIL: u32 = 2;
const STAGE_OUTER: u32 = 3;

// @ts-ignore: decorator
@inline
function cursorOf(lane: u32): usize {
  return cursors + ((<usize>lane) << 4);
}

/** Writes the places of `count` jobs to `order`, longest text first. */
function sort(list: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const length = jobOf(list, i).textLength;
    let at = order + ((<usize>i) << 2);
    for (; at > order && jobOf(list, load<u32>(at - 4)).textLength < length; at -= 4) {
      store<u32>(at, load<u32>(at - 4));
    }
    store<u32>(at, i);
  }
}

/** Where a lane's words stand in `states`, 16 octets apart; `wide` for words of 64 bits, of which a vector has two. */
// @ts-ignore: decorator
@inline
function columnOf(wide: bool, lane: u32): usize {
  if (wide) return states + (lane >>> 1) * ABREAST_STATE_OCTETS + ((lane & 1) << 3);
  return states + (lane >>> 2) * ABREAST_STATE_OCTETS + ((lane & 3) << 2);
}

/** Where a lane's address stands in `lanes`, its distance 16 octets behind. */
// @ts-ignore: decorator
@inline
function addressOf(wide: bool, lane: u32): usize {
  if (wide) return lanes + (lane >>> 1) * ABREAST_LANES_OCTETS + ((lane & 1) << 2);
  return lanes + (lane >>> 2) * ABREAST_LANES_OCTETS + ((lane & 3) << 2);
}

/** A row of words becomes a lane's column. */
function putColumn(wide: bool, lane: u32, from: usize): void {
  const column = columnOf(wide, lane);
  if (wide) for (let i: usize = 0; i < 64; i += 8) store<u64>(column + 2 * i, load<u64>(from + i));
  else for (let i: usize = 0; i < 32; i += 4) store<u32>(column + 4 * i, load<u32>(from + i));
}

/** A lane's column becomes the row `state`. */
function takeColumn(wide: bool, lane: u32): void {
  const column = columnOf(wide, lane);
  if (wide) for (let i: usize = 0; i < 64; i += 8) store<u64>(state + i, load<u64>(column + 2 * i));
  else for (let i: usize = 0; i < 32; i += 4) store<u32>(state + i, load<u32>(column + 4 * i));
}

/** Points a lane at the `left` blocks of its next stage. */
function enter(wide: bool, lane: u32, stage: u32, at: usize, left: u32): void {
  store<u32>(cursorOf(lane), stage, CURSOR_STAGE);
  store<u32>(cursorOf(lane), left, CURSOR_LEFT);
  store<u32>(addressOf(wide, lane), <u32>at);
  store<u32>(addressOf(wide, lane), stage == STAGE_IDLE ? 0 : wide ? 128 : 64, 16);
}

/** A lane without a packet keeps the others company. */
function rest(wide: bool, lane: u32): void {
  enter(wide, lane, STAGE_IDLE, idle, u32.MAX_VALUE);
}

function enterTail(hash: u32, lane: u32, list: usize, block: u32): void {
  const tail = tails + <usize>(lane * 2 * HASH_BLOCK_MAX);
  enter(block == 128, lane, STAGE_TAIL, tail, tailBlocks(hash, jobOf(list, load<u32>(cursorOf(lane))), tail));
}

/** Gives a lane the job at place `index` of the list. */
function begin(hash: u32, lane: u32, list: usize, index: u32, block: u32): void {
  const job = jobOf(list, index);
  store<u32>(cursorOf(lane), index);
  putColumn(block == 128, lane, <usize>job.context + CONTEXT_MAC);
  const whole = job.textLength / block;
  if (whole != 0) enter(block == 128, lane, STAGE_WHOLE, job.text, whole);
  else enterTail(hash, lane, list, block);
}

/** Takes a lane whose stage is through to its packet's next one; false when the MAC is written. */
function advance(hash: u32, lane: u32, list: usize, macs: usize, block: u32): bool {
  const stage = load<u32>(cursorOf(lane), CURSOR_STAGE);
  if (stage == STAGE_WHOLE) {
    enterTail(hash, lane, list, block);
    return true;
  }
  const index = load<u32>(cursorOf(lane));
  takeColumn(block == 128, lane);
  if (stage == STAGE_OUTER) {
    hashStateOctets(hash, state, macs + ((<usize>index) << 6));
    return false;
  }
  const tail = tails + <usize>(lane * 2 * HASH_BLOCK_MAX);
  outerBlock(hash, state, tail);
  putColumn(block == 128, lane, <usize>jobOf(list, index).context + CONTEXT_MAC_OUTER);
  enter(block == 128, lane, STAGE_OUTER, tail, 1);
  return true;
}

/** The blocks that a lane has left of its stage, in the scalar kernel. */
function alone(hash: u32, lane: u32, wide: bool): void {
  takeColumn(wide, lane);
  hashCompress(hash, state, load<u32>(addressOf(wide, lane)), load<u32>(cursorOf(lane), CURSOR_LEFT));
  putColumn(wide, lane, state);
}

/** Brings the live lanes of the second group, which the first has room for, into the first. */
function gather(wide: bool, width: u32): void {
  let to: u32 = 0;
  for (let lane = width; lane < 2 * width; lane++) {
    if (load<u32>(cursorOf(lane), CURSOR_STAGE) == STAGE_IDLE) continue;
    while (load<u32>(cursorOf(to), CURSOR_STAGE) != STAGE_IDLE) to += 1;
    takeColumn(wide, lane);
    putColumn(wide, to, state);
    store<u32>(cursorOf(to), load<u32>(cursorOf(lane)));
    const at = load<u32>(addressOf(wide, lane));
    enter(wide, to, load<u32>(cursorOf(lane), CURSOR_STAGE), at, load<u32>(cursorOf(lane), CURSOR_LEFT));
    rest(wide, lane);
  }
}

/** Takes the first group, or both, `steps` blocks on. */
function step(hash: u32, both: bool, steps: u32): void {
  if (hash == HASH_SHA1) sha1Abreast(states, lanes, steps);
  else if (hash == HASH_SHA256) {
    if (both) sha256AbreastTwice(states, lanes, steps);
    else sha256Abreast(states, lanes, steps);
  } else if (both) sha512AbreastTwice(states, lanes, steps);
  else sha512Abreast(states, lanes, steps);
}

/** The MACs of `count` jobs; contract of hmacBatch. */
export function hmacLanes(hash: u32, list: usize, count: u32, macs: usize): void {
  const block = hashBlockOctets(hash);
  const wide = block == 128;
  const width: u32 = wide ? 2 : 4;
  // Two groups take little longer than one and a half, one after the other.
  let both = hash != HASH_SHA1 && count > width + (width >>> 1);
  let used: u32 = both ? 2 * width : width;
  sort(list, count);
  let next: u32 = 0;
  let live: u32 = 0;
  for (let lane: u32 = 0; lane < used; lane++) {
    if (next < count) {
      begin(hash, lane, list, load<u32>(order + ((<usize>next) << 2)), block);
      next += 1;
      live += 1;
    } else rest(wide, lane);
  }
  while (live != 0) {
    if (both && live <= width) {
      gather(wide, width);
      both = false;
      used = width;
    }
    let steps: u32 = u32.MAX_VALUE;
    let nearest: u32 = 0;
    for (let lane: u32 = 0; lane < used; lane++) {
      const left = load<u32>(cursorOf(lane), CURSOR_LEFT);
      if (left < steps) {
        steps = left;
        nearest = lane;
      }
    }
    if (live == 1) alone(hash, nearest, wide);
    else step(hash, both, steps);
    for (let lane: u32 = 0; lane < used; lane++) {
      const cursor = cursorOf(lane);
      if (load<u32>(cursor, CURSOR_STAGE) == STAGE_IDLE) continue;
      const left = load<u32>(cursor, CURSOR_LEFT) - steps;
      store<u32>(cursor, left, CURSOR_LEFT);
      if (left != 0 || advance(hash, lane, list, macs, block)) continue;
      if (next < count) {
        begin(hash, lane, list, load<u32>(order + ((<usize>next) << 2)), block);
        next += 1;
      } else {
        rest(wide, lane);
        live -= 1;
      }
    }
  }
  zeroize(states, 2 * ABREAST_STATE_OCTETS);
  zeroize(state, HASH_STATE_OCTETS);
  zeroize(tails, LANES_MAX * 2 * HASH_BLOCK_MAX);
  if (hash == HASH_SHA1) sha1AbreastWipe();
  else sha2AbreastWipe();
}
