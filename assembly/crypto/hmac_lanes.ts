/**
 * HMAC (RFC 2104) of a batch with packets as lanes of the abreast kernels, for builds with SIMD.
 *
 * A lane takes a packet through its whole blocks, read where the packet lies, its last one or two with the padding, and the
 * block of the outer hash, then the next packet, longest first. All lanes advance together by as many blocks as the one nearest
 * to its next stage has left. A lane that is alone leaves the vectors and goes on in the scalar kernel, which is faster then.
 *
 * Addresses and branches depend on lengths alone. Refuses more jobs than CIPHER_BATCH.
 */
import { zeroize } from "../rt/bytes";
import { hashBlockOctets, hashCompress, hashStateOctets, HASH_BLOCK_MAX, HASH_SHA1, HASH_STATE_OCTETS } from "./hash";
import { outerBlock, tailBlocks } from "./hmac_pad";
import { CIPHER_BATCH, CONTEXT_MAC, CONTEXT_MAC_OUTER, jobOf } from "./job";
import { sha1Abreast, sha1AbreastWipe } from "./sha1_abreast";
import { sha256Abreast, sha2AbreastWipe, sha512Abreast } from "./sha2_abreast";

/** Chaining states, word by word, a lane beside the other. */
const states: usize = memory.data(8 * 16, 64);
/** One lane's chaining state in a row. */
const state: usize = memory.data(HASH_STATE_OCTETS, 16);
/** Addresses of the lanes' next blocks, u32, and distances to the ones behind. */
const lanes: usize = memory.data(32, 16);
/** Per lane: job (place in the list), stage, blocks left of the stage: u32. */
const cursors: usize = memory.data(4 * 16, 16);
const CURSOR_STAGE: usize = 4;
const CURSOR_LEFT: usize = 8;
/** Per lane two blocks: the padded end of the packet, or the outer hash's block. */
const tails: usize = memory.data(4 * 2 * HASH_BLOCK_MAX, 16);
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

/** A row of words becomes a lane's column. */
function putColumn(wide: bool, lane: u32, from: usize): void {
  if (wide) {
    const column = states + ((<usize>lane) << 3);
    for (let i: usize = 0; i < 64; i += 8) store<u64>(column + 2 * i, load<u64>(from + i));
  } else {
    const column = states + ((<usize>lane) << 2);
    for (let i: usize = 0; i < 32; i += 4) store<u32>(column + 4 * i, load<u32>(from + i));
  }
}

/** A lane's column becomes the row `state`. */
function takeColumn(wide: bool, lane: u32): void {
  if (wide) {
    const column = states + ((<usize>lane) << 3);
    for (let i: usize = 0; i < 64; i += 8) store<u64>(state + i, load<u64>(column + 2 * i));
  } else {
    const column = states + ((<usize>lane) << 2);
    for (let i: usize = 0; i < 32; i += 4) store<u32>(state + i, load<u32>(column + 4 * i));
  }
}

/** Points a lane at the `blocks` blocks of its next stage. */
function enter(lane: u32, stage: u32, at: usize, blocks: u32, distance: u32): void {
  store<u32>(cursorOf(lane), stage, CURSOR_STAGE);
  store<u32>(cursorOf(lane), blocks, CURSOR_LEFT);
  store<u32>(lanes + ((<usize>lane) << 2), <u32>at);
  store<u32>(lanes + ((<usize>lane) << 2), distance, 16);
}

function enterTail(hash: u32, lane: u32, list: usize, block: u32): void {
  const tail = tails + <usize>(lane * 2 * HASH_BLOCK_MAX);
  enter(lane, STAGE_TAIL, tail, tailBlocks(hash, jobOf(list, load<u32>(cursorOf(lane))), tail), block);
}

/** Gives a lane the job at place `index` of the list. */
function begin(hash: u32, lane: u32, list: usize, index: u32, block: u32): void {
  const job = jobOf(list, index);
  store<u32>(cursorOf(lane), index);
  putColumn(block == 128, lane, <usize>job.context + CONTEXT_MAC);
  const whole = job.textLength / block;
  if (whole != 0) enter(lane, STAGE_WHOLE, job.text, whole, block);
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
  enter(lane, STAGE_OUTER, tail, 1, block);
  return true;
}

/** The blocks that a lane has left of its stage, in the scalar kernel. */
function alone(hash: u32, lane: u32, wide: bool): void {
  takeColumn(wide, lane);
  hashCompress(hash, state, load<u32>(lanes + ((<usize>lane) << 2)), load<u32>(cursorOf(lane), CURSOR_LEFT));
  putColumn(wide, lane, state);
}

/** The MACs of `count` jobs; contract of hmacBatch. */
export function hmacLanes(hash: u32, list: usize, count: u32, macs: usize): void {
  const block = hashBlockOctets(hash);
  const wide = block == 128;
  const width: u32 = wide ? 2 : 4;
  sort(list, count);
  let next: u32 = 0;
  let live: u32 = 0;
  for (let lane: u32 = 0; lane < 4; lane++) {
    if (lane < width && next < count) {
      begin(hash, lane, list, load<u32>(order + ((<usize>next) << 2)), block);
      next += 1;
      live += 1;
    } else enter(lane, STAGE_IDLE, idle, u32.MAX_VALUE, 0);
  }
  while (live != 0) {
    let steps: u32 = u32.MAX_VALUE;
    let nearest: u32 = 0;
    for (let lane: u32 = 0; lane < width; lane++) {
      const left = load<u32>(cursorOf(lane), CURSOR_LEFT);
      if (left < steps) {
        steps = left;
        nearest = lane;
      }
    }
    if (live == 1) alone(hash, nearest, wide);
    else if (wide) sha512Abreast(states, lanes, steps);
    else if (hash == HASH_SHA1) sha1Abreast(states, lanes, steps);
    else sha256Abreast(states, lanes, steps);
    for (let lane: u32 = 0; lane < width; lane++) {
      const cursor = cursorOf(lane);
      if (load<u32>(cursor, CURSOR_STAGE) == STAGE_IDLE) continue;
      const left = load<u32>(cursor, CURSOR_LEFT) - steps;
      store<u32>(cursor, left, CURSOR_LEFT);
      if (left != 0 || advance(hash, lane, list, macs, block)) continue;
      if (next < count) {
        begin(hash, lane, list, load<u32>(order + ((<usize>next) << 2)), block);
        next += 1;
      } else {
        enter(lane, STAGE_IDLE, idle, u32.MAX_VALUE, 0);
        live -= 1;
      }
    }
  }
  zeroize(states, 8 * 16);
  zeroize(state, HASH_STATE_OCTETS);
  zeroize(tails, 4 * 2 * HASH_BLOCK_MAX);
  if (hash == HASH_SHA1) sha1AbreastWipe();
  else sha2AbreastWipe();
}
