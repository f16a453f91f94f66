/**
 * ChaCha20-Poly1305 (RFC 8439, 2.8) over a list of jobs, for builds with SIMD: the blocks of all packets stand in one queue, four
 * of them make a run, and each run takes blocks of Poly1305 along.
 *
 *     queue:   one-time keys of all packets | blocks of packet 0 | blocks of packet 1 | ...
 *     MAC:     follows packet by packet, as far as keys and, when sealing, ciphertext are there
 *
 * Opening puts keystream, not plaintext, aside while the MAC is computed, and decrypts after the comparison: nothing is decrypted
 * of a packet whose tag is wrong. Constant time. Refuses nothing: chacha_batch.ts does.
 */
import { equalConstantTime } from "../rt/bytes";
import { chacha20XorBlock } from "./chacha20";
import {
  CHACHA20_INPUT_OCTETS,
  CHACHA20_LANE_OCTETS,
  CHACHA20_LANES,
  CHACHA20_POLY_MAX,
  chacha20Input,
  chacha20Next,
  chacha20Run,
} from "./chacha20_simd";
import { CIPHER_BATCH, CONTEXT_KEY, CipherJob, jobOf, nonceOf } from "./job";
import { poly1305Final, poly1305Init, poly1305Padded, POLY1305_CONTEXT_OCTETS } from "./poly1305";

const BLOCK: u32 = 64;
/** Keystream put aside for packets that are opened together, in blocks; what a longer packet has beyond is decrypted last. */
const ASIDE_BLOCKS: u32 = 256;
/** A run has at most so many lanes that they are made one by one: that is faster then. */
const FEW: u32 = 2;

const keys: usize = memory.data(16 * 64, 16);
const aside: usize = memory.data(256 * 64, 16);
const input: usize = memory.data(CHACHA20_INPUT_OCTETS, 16);
const lanes: usize = memory.data(32, 16);
const laneKeys: usize = memory.data(16, 16);
const laneNonces: usize = memory.data(64, 16);
/** Per lane: a block that ends in the middle; where it belongs and how many octets it has, 0: none. */
const ends: usize = memory.data(256, 16);
const endPlaces: usize = memory.data(32, 16);
const zeros: usize = memory.data(64, 16);
const poly: usize = memory.data(POLY1305_CONTEXT_OCTETS, 16);
const lengths: usize = memory.data(16, 16);
const computed: usize = memory.data(16, 16);

if (CIPHER_BATCH != 16) ERROR("the one-time keys were reckoned for batches of 16");

// The MAC's place: packet, octets of its data that are absorbed, whether it has begun.
let macJob: u32 = 0;
let macAt: u32 = 0;
let macBegun: bool = false;
let opened: u32 = 0;

/** Blocks of a job in the queue. */
// @ts-ignore: decorator
@inline
function blocksOf(job: CipherJob, seal: bool): u32 {
  const blocks = (job.length >>> 6) + ((job.length & 63) != 0 ? 1 : 0);
  return seal ? blocks : min<u32>(blocks, ASIDE_BLOCKS);
}

// @ts-ignore: decorator
@inline
function keyOf(job: CipherJob): usize {
  return <usize>job.context + CONTEXT_KEY;
}

// @ts-ignore: decorator
@inline
function lay(lane: u32, job: CipherJob, counter: u32, from: usize, to: usize): void {
  const record = lanes + <usize>lane * CHACHA20_LANE_OCTETS;
  store<u32>(record, <u32>from);
  store<u32>(record, <u32>to, 4);
  store<u32>(laneKeys + ((<usize>lane) << 2), <u32>keyOf(job));
  v128.store(laneNonces + ((<usize>lane) << 4), i32x4.replace_lane(v128.load(nonceOf(job) - 4), 0, counter));
  store<u32>(endPlaces + ((<usize>lane) << 3), 0, 4);
}

/** Lays a block of data. */
// @ts-ignore: decorator
@inline
function layData(lane: u32, job: CipherJob, block: u32, seal: bool): void {
  const at = block << 6;
  if (!seal) {
    lay(lane, job, block + 1, zeros, aside + job.group + at);
    return;
  }
  const place = <usize>(job.data + at);
  const rest = job.length - at;
  if (rest >= BLOCK) {
    lay(lane, job, block + 1, place, place);
    return;
  }
  const end = ends + ((<usize>lane) << 6);
  memory.copy(end, place, rest);
  lay(lane, job, block + 1, end, end);
  store<u32>(endPlaces + ((<usize>lane) << 3), <u32>place);
  store<u32>(endPlaces + ((<usize>lane) << 3), rest, 4);
}

/** Whether a job has four more whole blocks in the queue. */
// @ts-ignore: decorator
@inline
function fourMore(job: CipherJob, block: u32, seal: bool): bool {
  if (seal) return job.length >>> 6 >= block + CHACHA20_LANES;
  return blocksOf(job, false) - block >= CHACHA20_LANES;
}

/** Lays four whole blocks of data behind the four that were laid last. */
// @ts-ignore: decorator
@inline
function layOnward(job: CipherJob, block: u32, seal: bool): void {
  const data = job.data + (block << 6);
  const put = <u32>aside + job.group + (block << 6);
  for (let lane: u32 = 0; lane < CHACHA20_LANES; lane++) {
    const record = lanes + <usize>lane * CHACHA20_LANE_OCTETS;
    store<u32>(record, seal ? data + (lane << 6) : <u32>zeros);
    store<u32>(record, (seal ? data : put) + (lane << 6), 4);
    store<u32>(endPlaces + ((<usize>lane) << 3), 0, 4);
  }
}

/** Ends the MAC of a job, and seals or opens it. */
function finish(job: CipherJob, index: u32, seal: bool): void {
  if (!macBegun) begin(job, index);
  poly1305Padded(poly, <usize>(job.data + macAt), job.length - macAt);
  store<u64>(lengths, <u64>job.aadLength);
  store<u64>(lengths, <u64>job.length, 8);
  poly1305Final(poly, lengths, 16, computed);
  macAt = 0;
  macBegun = false;
  if (seal) {
    memory.copy(<usize>job.tag, computed, 16);
    job.done = 1;
  } else if (equalConstantTime(computed, <usize>job.tag, 16)) {
    decrypt(job);
    job.done = 1;
    opened += 1;
  }
}

function begin(job: CipherJob, index: u32): void {
  poly1305Init(poly, keys + ((<usize>index) << 6));
  poly1305Padded(poly, job.aad, job.aadLength);
  macBegun = true;
}

/** Exclusive-ors a job's data with the keystream that was put aside, and what is left with keystream of its own. */
function decrypt(job: CipherJob): void {
  const stream = aside + <usize>job.group;
  const data = <usize>job.data;
  const length = min<u32>(job.length, ASIDE_BLOCKS * BLOCK);
  let i: u32 = 0;
  for (; i + 16 <= length; i += 16) v128.store(data + i, v128.xor(v128.load(data + i), v128.load(stream + i)));
  for (; i < length; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(stream + i));
  for (let counter = ASIDE_BLOCKS + 1; i < job.length; i += BLOCK) {
    const rest = min<u32>(job.length - i, BLOCK);
    memory.copy(ends, data + i, rest);
    chacha20XorBlock(keyOf(job), nonceOf(job), counter++, ends);
    memory.copy(data + i, ends, rest);
  }
}

/**
 * Whole blocks that the MAC can absorb now, with `keyed` one-time keys made, and the data up to block `block` of job `at`.
 * Ends the MAC of jobs that have nothing left.
 */
function macBlocks(list: usize, count: u32, seal: bool, keyed: u32, at: u32, block: u32): u32 {
  while (macJob < count && macJob < keyed) {
    const job = jobOf(list, macJob);
    if (!macBegun) begin(job, macJob);
    const whole = job.length & ~15;
    let have: u32 = whole;
    if (seal) {
      if (macJob > at) have = 0;
      else if (macJob == at) have = min<u32>(whole, block << 6);
    }
    if (have > macAt) return min<u32>((have - macAt) >>> 4, CHACHA20_POLY_MAX);
    if (macJob > at || (macJob == at && block < blocksOf(job, seal))) return 0;
    finish(job, macJob, seal);
    macJob += 1;
  }
  return 0;
}

/** Seals or opens `count` jobs whose keystream fits aside. */
function run(list: usize, count: u32, seal: bool): void {
  macJob = 0;
  macAt = 0;
  macBegun = false;
  let keyed: u32 = 0;
  let at: u32 = 0;
  let block: u32 = 0;
  // The input's lanes are the four blocks before `nextBlock` of `nextJob`.
  let nextJob: u32 = u32.MAX_VALUE;
  let nextBlock: u32 = 0;
  for (;;) {
    const keyedBefore = keyed;
    const atBefore = at;
    const blockBefore = block;
    let used: u32 = 0;
    for (; used < CHACHA20_LANES && keyed < count; used++) {
      lay(used, jobOf(list, keyed), 0, zeros, keys + ((<usize>keyed) << 6));
      keyed += 1;
    }
    const fromKeys = used;
    let job = jobOf(list, at);
    const onward = nextJob == at && nextBlock == block && fourMore(job, block, seal);
    if (onward) {
      layOnward(job, block, seal);
      chacha20Next(input);
      used = CHACHA20_LANES;
      block += CHACHA20_LANES;
    }
    while (used < CHACHA20_LANES) {
      if (block == blocksOf(job, seal)) {
        at += 1;
        if (at == count) break;
        block = 0;
        job = jobOf(list, at);
        continue;
      }
      layData(used, job, block, seal);
      used += 1;
      block += 1;
    }
    if (used == 0) break;
    const message = macBlocks(list, count, seal, keyedBefore, atBefore, blockBefore);
    if (used <= FEW && message == 0) {
      for (let lane: u32 = 0; lane < used; lane++) {
        const record = lanes + <usize>lane * CHACHA20_LANE_OCTETS;
        const to = <usize>load<u32>(record, 4);
        if (load<u32>(record) != <u32>to) memory.fill(to, 0, BLOCK);
        const nonce = laneNonces + ((<usize>lane) << 4);
        chacha20XorBlock(load<u32>(laneKeys + ((<usize>lane) << 2)), nonce + 4, load<u32>(nonce), to);
      }
    } else {
      if (!onward) {
        for (let lane = used; lane < CHACHA20_LANES; lane++) {
          lay(lane, jobOf(list, 0), 0, zeros, ends + ((<usize>lane) << 6));
        }
        chacha20Input(input, laneKeys, laneNonces);
      }
      nextJob = used == CHACHA20_LANES && fromKeys == 0 && block >= CHACHA20_LANES ? at : u32.MAX_VALUE;
      nextBlock = block;
      const from = message != 0 ? <usize>(jobOf(list, macJob).data + macAt) : 0;
      chacha20Run(input, lanes, poly, from, message);
      macAt += message << 4;
    }
    if (seal) {
      for (let lane: u32 = 0; lane < used; lane++) {
        const place = endPlaces + ((<usize>lane) << 3);
        const rest = load<u32>(place, 4);
        if (rest != 0) memory.copy(<usize>load<u32>(place), ends + ((<usize>lane) << 6), rest);
      }
    }
    if (at == count) break;
  }
  for (; macJob < count; macJob++) finish(jobOf(list, macJob), macJob, seal);
}

/** Seals the jobs of a list, at most CIPHER_BATCH. */
export function chachaSealLanes(list: usize, count: u32): void {
  if (count != 0) run(list, count, true);
  forget(0);
}

/** Opens the jobs of a list, at most CIPHER_BATCH: those whose tag is right; returns how many. */
export function chachaOpenLanes(list: usize, count: u32): u32 {
  opened = 0;
  let most: u32 = 0;
  for (let first: u32 = 0; first < count; ) {
    let blocks: u32 = 0;
    let end = first;
    for (; end < count; end++) {
      const job = jobOf(list, end);
      const more = blocksOf(job, false);
      if (end != first && blocks + more > ASIDE_BLOCKS) break;
      job.group = blocks << 6;
      blocks += more;
    }
    run(list + ((<usize>first) << 2), end - first, false);
    most = max(most, blocks);
    first = end;
  }
  forget(most << 6);
  return opened;
}

/** Wipes keys and keystream. */
function forget(octetsAside: u32): void {
  memory.fill(aside, 0, octetsAside);
  memory.fill(keys, 0, 16 * 64);
  memory.fill(input, 0, CHACHA20_INPUT_OCTETS);
  memory.fill(ends, 0, 256);
}
