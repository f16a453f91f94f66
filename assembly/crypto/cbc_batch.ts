/**
 * AES-CBC (SP 800-38A, 6.2; RFC 3602) for batches: up to 16 packets of any lengths, under one key or several, in place.
 *
 * With SIMD, packets are encrypted abreast, a lane each (aes_lanes.ts), and decrypted key by key in runs of 128 blocks, which may
 * be parts of several packets. Without, four packets of a key are encrypted abreast. The octets are those of cbc.ts.
 *
 * Refuses lengths that are not whole blocks: such a job is left alone, with `done` 0.
 */
import { zeroize } from "../rt/bytes";
import { AES_BLOCK, aesEncryptBlocks } from "./aes";
import { FIXSLICE_STATES } from "./aes_fixslice";
import { fixsliceDecrypt } from "./aes_fixslice_inverse";
import { aesKey } from "./aes_key";
import { laneBegin, laneOf, laneRun, lanesRun, lanesWipe } from "./aes_lanes";
import { cbcDecrypt } from "./cbc";
import { CIPHER_BATCH, CONTEXT_KEY, jobOf } from "./job";
import { AES_SLOT_SCHEDULE, SLOT_ROUNDS, keyRecordOctets } from "./key_cache";
import { MAC_NONE } from "./transform";

/** Blocks that are decrypted together. */
const RUN: u32 = FIXSLICE_STATES * 8;
const run: usize = memory.data(128 * 16, 64);
/** Parts of packets in a run: address and blocks, u32 each, of at most as many packets as a batch has. */
const parts: usize = memory.data(16 * 8, 16);
/** The ciphertext blocks before the parts. */
const chains: usize = memory.data(16 * 16, 16);
/** The last ciphertext block of the last run. */
const carried: usize = memory.data(16, 16);

/** Packets abreast in builds without SIMD. */
const ABREAST: u32 = 4;
const rows: usize = memory.data(4 * 8, 16);
const row: usize = memory.data(4 * 16, 16);

/** Marks jobs as done that can be, and as not yet in a group. */
function begin(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CBC batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    job.done = (job.length & 15) == 0 ? 1 : 0;
    job.group = job.done;
  }
}

/** Encrypts the `count` (at most CIPHER_BATCH) jobs of `list`, each with the 16-octet IV at its `iv`. */
export function cbcEncryptBatch(list: usize, count: u32): void {
  begin(list, count);
  if (ASC_FEATURE_SIMD) {
    encryptLanes(list, count);
  } else {
    for (let i: u32 = 0; i < count; i++) {
      if (jobOf(list, i).group != 0) encryptGroup(list, i, count);
    }
    zeroize(row, 64);
  }
}

function encryptLanes(list: usize, count: u32): void {
  for (let keyOctets: u32 = 16; keyOctets <= 32; keyOctets += 8) {
    let lanes: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const job = jobOf(list, i);
      const record = <usize>job.context + CONTEXT_KEY;
      if (job.group == 0 || job.length == 0 || keyRecordOctets(record) != keyOctets) continue;
      const lane = laneOf(lanes++);
      laneBegin(lane, record, job.iv);
      laneRun(lane, job.data, job.length >>> 4);
    }
    lanesRun(lanes, MAC_NONE, true);
    lanesWipe(lanes);
  }
}

/** Encrypts the jobs from `first` on that have its context, four at a time; whichever ends makes room for the next. */
function encryptGroup(list: usize, first: u32, count: u32): void {
  const context = jobOf(list, first).context;
  const schedule = aesKey(<usize>context + CONTEXT_KEY) + AES_SLOT_SCHEDULE;
  let next = first;
  let active: u32 = 0;
  for (;;) {
    for (; active < ABREAST && next < count; next++) {
      const job = jobOf(list, next);
      if (job.group == 0 || job.context != context) continue;
      job.group = 0;
      if (job.length == 0) continue;
      store<u32>(rows + ((<usize>active) << 3), job.data);
      store<u32>(rows + ((<usize>active) << 3), job.data + job.length, 4);
      memory.copy(row + ((<usize>active) << 4), job.iv, AES_BLOCK);
      active += 1;
    }
    if (active == 0) return;
    for (let i: usize = 0; i < active; i++) {
      const data = <usize>load<u32>(rows + (i << 3));
      const block = row + (i << 4);
      store<u64>(block, load<u64>(block) ^ load<u64>(data));
      store<u64>(block, load<u64>(block, 8) ^ load<u64>(data, 8), 8);
    }
    aesEncryptBlocks(schedule, row, row, active);
    // From the last on, so that one that ends is replaced by one that has been written.
    for (let i = active; i > 0; i--) {
      const at = rows + ((<usize>(i - 1)) << 3);
      const block = row + ((<usize>(i - 1)) << 4);
      const data = load<u32>(at);
      memory.copy(data, block, AES_BLOCK);
      store<u32>(at, data + AES_BLOCK);
      if (data + AES_BLOCK != load<u32>(at, 4)) continue;
      active -= 1;
      memory.copy(at, rows + ((<usize>active) << 3), 8);
      memory.copy(block, row + ((<usize>active) << 4), AES_BLOCK);
    }
  }
}

/** Decrypts the `count` (at most CIPHER_BATCH) jobs of `list`, each with the 16-octet IV at its `iv`. */
export function cbcDecryptBatch(list: usize, count: u32): void {
  begin(list, count);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.group == 0) continue;
    const slot = aesKey(<usize>job.context + CONTEXT_KEY);
    if (ASC_FEATURE_SIMD) decryptGroup(list, i, count, slot);
    else cbcDecrypt(slot + AES_SLOT_SCHEDULE, job.iv, job.data, job.length);
  }
  if (ASC_FEATURE_SIMD) zeroize(run, RUN << 4);
}

/** Decrypts the jobs from `first` on that have its context. */
function decryptGroup(list: usize, first: u32, count: u32, slot: usize): void {
  const context = jobOf(list, first).context;
  let used: u32 = 0;
  let partCount: u32 = 0;
  for (let i = first; i < count; i++) {
    const job = jobOf(list, i);
    if (job.group == 0 || job.context != context) continue;
    job.group = 0;
    let data = <usize>job.data;
    let left = job.length >>> 4;
    let chain = <usize>job.iv;
    while (left > 0) {
      if (used == RUN) {
        decryptRun(slot, used, partCount);
        used = 0;
        partCount = 0;
      }
      const blocks = min<u32>(left, RUN - used);
      store<u32>(parts + ((<usize>partCount) << 3), <u32>data);
      store<u32>(parts + ((<usize>partCount) << 3), blocks, 4);
      v128.store(chains + ((<usize>partCount) << 4), v128.load(chain));
      memory.copy(run + ((<usize>used) << 4), data, (<usize>blocks) << 4);
      partCount += 1;
      used += blocks;
      data += (<usize>blocks) << 4;
      left -= blocks;
      chain = carried;
    }
  }
  if (used > 0) decryptRun(slot, used, partCount);
}

/** Decrypts a run of `used` blocks and writes its parts, each block with the ciphertext before it added. */
function decryptRun(slot: usize, used: u32, partCount: u32): void {
  const rounds = load<u32>(slot, SLOT_ROUNDS);
  fixsliceDecrypt(run, (used + 7) >>> 3, slot + AES_SLOT_SCHEDULE, rounds);
  const start =
    rounds == 12
      ? i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
      : i8x16(0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7);
  let from = run;
  for (let i: usize = 0; i < partCount; i++) {
    let data = <usize>load<u32>(parts + (i << 3));
    let before = v128.load(chains + (i << 4));
    for (const end = data + ((<usize>load<u32>(parts + (i << 3), 4)) << 4); data < end; data += 16, from += 16) {
      const block = v128.load(data);
      v128.store(data, v128.xor(i8x16.swizzle(v128.load(from), start), before));
      before = block;
    }
    v128.store(carried, before);
  }
}
