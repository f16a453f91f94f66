/**
 * AES-GCM for batches: up to 16 messages of any lengths, under one key or several.
 *
 * A caller fills CipherJob records (job.ts: nonce, associated data, data, tag of 8, 12 or 16 octets) and passes a list of
 * them. GMAC (RFC 4543) is a job without data. Jobs are grouped by context, so that a group shares schedule and tables; a
 * job whose key no other has goes the way of gcmSeal and gcmOpen.
 *
 * A group's hashes are computed either a lane per message (all advance together: as many steps as the longest has blocks)
 * or message by message with blocks as lanes (fewer steps, but the lanes have to be summed at the end), or long ones the
 * second and the rest the first way: whatever costs least.
 *
 * The octets are those of gcmSeal and gcmOpen. Jobs must not overlap one another, except in context and associated data.
 */
import { equalConstantTime } from "../rt/bytes";
import { gcmOpen, gcmSeal, gcmTagLength, maskTag } from "./gcm";
import { messageBlock, messageBlocks, messageHash } from "./gcm_hash";
import { gcmKey, gcmTable1, gcmTable2 } from "./gcm_key";
import { STREAM_LEAD_OCTETS, streamBatchApply, streamBatchFinish, streamBegin, streamLeads } from "./gcm_stream";
import { LANE_OCTETS, swizzleLastPair, swizzlePairs, transposeOctets } from "./ghash_swizzle";
import { CIPHER_BATCH, CONTEXT_KEY, CipherJob, jobOf, nonceOf } from "./job";

// Costs in 1/16 of a 16-lane multiplication, measured: summing sixteen lanes, or one block by integer code.
const COST_STEP: u32 = 16;
const COST_BLOCK: u32 = 3;
// Two such multiplications that share a table.
const COST_PAIR: u32 = 29;

const leads: usize = memory.data(16 * 128, 64);
const constants: usize = memory.data(16 * 128, 64);
const hashes: usize = memory.data(256, 64);
/** Two hash states: of the blocks at even places from the end, and at odd ones. */
const states: usize = memory.data(512, 64);
const sliced: usize = memory.data(256, 64);
const lanes: usize = memory.data(128, 16);
/** Per lane: a pair of blocks that does not lie in one piece. */
const pairs: usize = memory.data(16 * 32, 16);
const zeros: usize = memory.data(32, 16);
/** Per lane: job index (u32), the message's next block (i32; below 0 in front of it), pairs left of the stretch (u32). */
const cursors: usize = memory.data(16 * 12, 16);
const CURSOR_OCTETS: usize = 12;
const CURSOR_BLOCK: usize = 4;
const CURSOR_LEFT: usize = 8;

// @ts-ignore: decorator
@inline
function leadOf(place: u32): usize {
  return leads + <usize>place * STREAM_LEAD_OCTETS;
}

// @ts-ignore: decorator
@inline
function constantOf(place: u32): usize {
  return constants + ((<usize>place) << 7);
}

/** Writes the first `octets` (8, 12 or 16) of a tag. */
// @ts-ignore: decorator
@inline
function writeTag(to: usize, from: usize, octets: u32): void {
  store<u64>(to, load<u64>(from));
  if (octets >= 12) store<u32>(to, load<u32>(from, 8), 8);
  if (octets == 16) store<u32>(to, load<u32>(from, 12), 12);
}

// @ts-ignore: decorator
@inline
function hashOf(index: u32): usize {
  return hashes + ((<usize>index) << 4);
}

/** Points a lane at the next stretch of pairs of blocks of its message that lie one behind the other. */
function nextStretch(lane: u32, message: CipherJob): void {
  const cursor = cursors + <usize>lane * CURSOR_OCTETS;
  const record = lanes + <usize>lane * LANE_OCTETS;
  const block = load<i32>(cursor, CURSOR_BLOCK);
  const aadBlocks = <i32>((message.aadLength + 15) >>> 4);
  const wholeAad = <i32>(message.aadLength >>> 4);
  const wholeData = aadBlocks + <i32>(message.length >>> 4);
  let count: u32 = 1;
  let at: usize = zeros;
  let distance: u32 = 32;
  if (block < -1) {
    count = (<u32>-block) >>> 1;
    distance = 0;
  } else if (block >= 0 && block + 2 <= wholeAad) {
    at = <usize>message.aad + ((<usize>block) << 4);
    count = (<u32>(wholeAad - block)) >>> 1;
  } else if (block >= aadBlocks && block + 2 <= wholeData) {
    at = <usize>message.data + ((<usize>(block - aadBlocks)) << 4);
    count = (<u32>(wholeData - block)) >>> 1;
  } else {
    at = pairs + ((<usize>lane) << 5);
    messageBlock(block, message.aad, message.aadLength, message.data, message.length, at);
    messageBlock(block + 1, message.aad, message.aadLength, message.data, message.length, at + 16);
  }
  store<i32>(cursor, block + <i32>(count << 1), CURSOR_BLOCK);
  store<u32>(cursor, count, CURSOR_LEFT);
  store<u32>(record, <u32>at);
  store<u32>(record, distance, 4);
}

/** Hashes of the jobs of `group` with at most `most` blocks, a lane each, two blocks of each at a time. */
function hashAbreast(list: usize, count: u32, group: u32, most: u32, slot: usize): void {
  let used: u32 = 0;
  let longest: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const message = jobOf(list, i);
    if (message.group != group) continue;
    const blocks = messageBlocks(message.aadLength, message.length);
    if (blocks > most) continue;
    const cursor = cursors + <usize>used * CURSOR_OCTETS;
    store<u32>(cursor, i);
    store<u32>(cursor, blocks, CURSOR_BLOCK);
    longest = max(longest, (blocks + 1) >>> 1);
    used += 1;
  }
  if (used == 0) return;
  for (let lane: u32 = 0; lane < CIPHER_BATCH; lane++) {
    const record = lanes + <usize>lane * LANE_OCTETS;
    const cursor = cursors + <usize>lane * CURSOR_OCTETS;
    if (lane < used) {
      // Zeros in front change nothing: all messages end together.
      store<i32>(cursor, load<i32>(cursor, CURSOR_BLOCK) - <i32>(longest << 1), CURSOR_BLOCK);
      nextStretch(lane, jobOf(list, load<u32>(cursor)));
    } else {
      store<u32>(record, <u32>zeros);
      store<u32>(record, 0, 4);
    }
  }
  memory.fill(states, 0, 512);
  const table1 = gcmTable1(slot);
  const table2 = gcmTable2(slot);
  for (let left = longest - 1; left > 0; ) {
    let steps = left;
    for (let lane: u32 = 0; lane < used; lane++) {
      steps = min(steps, load<u32>(cursors + <usize>lane * CURSOR_OCTETS, CURSOR_LEFT));
    }
    swizzlePairs(table2, states, lanes, steps);
    left -= steps;
    for (let lane: u32 = 0; lane < used; lane++) {
      const cursor = cursors + <usize>lane * CURSOR_OCTETS;
      const rest = load<u32>(cursor, CURSOR_LEFT) - steps;
      store<u32>(cursor, rest, CURSOR_LEFT);
      if (rest == 0) nextStretch(lane, jobOf(list, load<u32>(cursor)));
    }
  }
  swizzleLastPair(table2, table1, states, lanes);
  transposeOctets(states, sliced);
  for (let lane: u32 = 0; lane < used; lane++) {
    const to = hashOf(load<u32>(cursors + <usize>lane * CURSOR_OCTETS));
    v128.store(to, v128.load(sliced + ((<usize>lane) << 4)));
  }
}

/** What hashing a message of `blocks` blocks on its own costs. */
// @ts-ignore: decorator
@inline
function costAlone(blocks: u32): u32 {
  if (blocks <= 16) return blocks * COST_BLOCK;
  return ((blocks + 15) >>> 4) * COST_STEP + 16 * COST_BLOCK;
}

/** Tags, still without their masks, of the jobs of `group` into `hashes`. */
function hashGroup(list: usize, count: u32, group: u32, slot: usize): void {
  // A message of more than `most` blocks is hashed alone, the others abreast.
  let most: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    let best: u32 = u32.MAX_VALUE;
    for (let candidate: i32 = -1; candidate < <i32>count; candidate++) {
      let limit: u32 = 0;
      if (candidate >= 0) {
        const chosen = jobOf(list, candidate);
        if (chosen.group != group) continue;
        limit = messageBlocks(chosen.aadLength, chosen.length);
      }
      let cost = ((limit + 1) >>> 1) * COST_PAIR;
      for (let i: u32 = 0; i < count; i++) {
        const message = jobOf(list, i);
        if (message.group != group) continue;
        const blocks = messageBlocks(message.aadLength, message.length);
        if (blocks > limit) cost += costAlone(blocks);
      }
      if (cost < best) {
        best = cost;
        most = limit;
      }
    }
  }
  for (let i: u32 = 0; i < count; i++) {
    const message = jobOf(list, i);
    if (message.group != group) continue;
    if (messageBlocks(message.aadLength, message.length) > most) {
      messageHash(slot, message.aad, message.aadLength, message.data, message.length, hashOf(i));
    }
  }
  if (ASC_FEATURE_SIMD) {
    if (most != 0) hashAbreast(list, count, group, most, slot);
  }
}

/** Numbers the groups in `group`: 1 for the first job's context, and so on; 0 for a refused job. Returns how many. */
function groupJobs(list: usize, count: u32): u32 {
  let groups: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const message = jobOf(list, i);
    message.done = 0;
    message.group = 0;
    if (!gcmTagLength(message.tagLength)) continue;
    for (let k: u32 = 0; k < i; k++) {
      const other = jobOf(list, k);
      if (other.context == message.context && other.group != 0) {
        message.group = other.group;
        break;
      }
    }
    if (message.group == 0) {
      groups += 1;
      message.group = groups;
    }
  }
  return groups;
}

/** The leads of a group's jobs, in the jobs' order from the first place on. */
function beginGroup(list: usize, count: u32, group: u32): usize {
  let slot: usize = 0;
  let place: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const message = jobOf(list, i);
    if (message.group != group) continue;
    if (slot == 0) slot = gcmKey(<usize>message.context + CONTEXT_KEY);
    streamBegin(slot, nonceOf(message), constantOf(place), leadOf(place));
    place += 1;
  }
  streamLeads(slot, leads, place);
  return slot;
}

/** Encrypts or decrypts a job in place, given its place in the group; its end when the group is finished. */
// @ts-ignore: decorator
@inline
function applyJob(slot: usize, message: CipherJob, place: u32): void {
  streamBatchApply(slot, nonceOf(message), constantOf(place), leadOf(place), message.data, message.length);
}

/** The only job of a group, or `count` when it has several. */
function loneJob(list: usize, count: u32, group: u32): u32 {
  let found = count;
  for (let i: u32 = 0; i < count; i++) {
    if (jobOf(list, i).group != group) continue;
    if (found != count) return count;
    found = i;
  }
  return found;
}

/** Seals a job that shares its key with no other: its key stream is made in one go. */
function sealAlone(message: CipherJob): void {
  const context = <usize>message.context + CONTEXT_KEY;
  gcmSeal(context, nonceOf(message), message.aad, message.aadLength, message.data, message.length, hashes);
  writeTag(message.tag, hashes, message.tagLength);
}

/** Opens such a job. */
function openAlone(message: CipherJob): bool {
  const context = <usize>message.context + CONTEXT_KEY;
  return gcmOpen(
    context,
    nonceOf(message),
    message.aad,
    message.aadLength,
    message.data,
    message.length,
    message.tag,
    message.tagLength,
  );
}

/** Seals `count` (at most CIPHER_BATCH) jobs; returns how many were. */
export function gcmSealBatch(list: usize, count: u32): u32 {
  assert(count <= CIPHER_BATCH, "GCM batch too large");
  let done: u32 = 0;
  const groups = groupJobs(list, count);
  for (let group: u32 = 1; group <= groups; group++) {
    const lone = loneJob(list, count, group);
    if (lone < count) {
      sealAlone(jobOf(list, lone));
      jobOf(list, lone).done = 1;
      done += 1;
      continue;
    }
    const slot = beginGroup(list, count, group);
    let place: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const message = jobOf(list, i);
      if (message.group == group) applyJob(slot, message, place++);
    }
    streamBatchFinish(slot);
    hashGroup(list, count, group, slot);
    place = 0;
    for (let i: u32 = 0; i < count; i++) {
      const message = jobOf(list, i);
      if (message.group != group) continue;
      maskTag(hashOf(i), leadOf(place++));
      writeTag(message.tag, hashOf(i), message.tagLength);
      message.done = 1;
      done += 1;
    }
  }
  memory.fill(leads, 0, <usize>CIPHER_BATCH * STREAM_LEAD_OCTETS);
  return done;
}

/** Opens `count` (at most CIPHER_BATCH) jobs, each verified before it is decrypted; returns how many were right. */
export function gcmOpenBatch(list: usize, count: u32): u32 {
  assert(count <= CIPHER_BATCH, "GCM batch too large");
  let done: u32 = 0;
  const groups = groupJobs(list, count);
  for (let group: u32 = 1; group <= groups; group++) {
    const lone = loneJob(list, count, group);
    if (lone < count) {
      if (openAlone(jobOf(list, lone))) {
        jobOf(list, lone).done = 1;
        done += 1;
      }
      continue;
    }
    const slot = beginGroup(list, count, group);
    hashGroup(list, count, group, slot);
    let place: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const message = jobOf(list, i);
      if (message.group != group) continue;
      maskTag(hashOf(i), leadOf(place));
      if (equalConstantTime(hashOf(i), message.tag, message.tagLength)) {
        applyJob(slot, message, place);
        message.done = 1;
        done += 1;
      }
      place += 1;
    }
    streamBatchFinish(slot);
  }
  memory.fill(leads, 0, <usize>CIPHER_BATCH * STREAM_LEAD_OCTETS);
  memory.fill(hashes, 0, 256);
  return done;
}
