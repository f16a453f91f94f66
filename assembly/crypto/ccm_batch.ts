/**
 * AES-CCM (RFC 3610) as ESP and IKEv2 use it (RFC 4309, RFC 5282: nonce of 11 octets, tags of 8, 12 or 16) for batches: up to 16
 * packets of any lengths, under one key or several, in place. The octets are those of ccm.ts.
 *
 * With SIMD the CBC-MACs run abreast, a lane each, and counter mode key by key. CCM authenticates the plaintext, so opening
 * decrypts first and encrypts again what has a wrong tag: the caller never sees unverified plaintext. Constant time.
 *
 * Refuses other tag lengths, and associated data of 2^16 - 2^8 octets and more: such a job is left alone, with `done` 0.
 */
import { equalConstantTime, zeroize } from "../rt/bytes";
import { counterAdd, counterBegin, counterFinish } from "./aes_counter";
import { aesKey } from "./aes_key";
import { LANE_END, LANE_HEAD, LANE_TAIL, laneBegin, laneOf, laneRun, lanesRun, lanesWipe } from "./aes_lanes";
import { ccmOpen, ccmSeal } from "./ccm";
import { CIPHER_BATCH, CONTEXT_KEY, CipherJob, jobOf, nonceOf } from "./job";
import { AES_SLOT_SCHEDULE, keyRecordOctets } from "./key_cache";
import { MAC_NONE } from "./transform";

/** Octets of a nonce (RFC 4309, 4), and the length field's octets minus one in the flags (RFC 3610, 2.2). */
const NONCE_OCTETS: u32 = 11;
const FLAGS: u32 = 3;
/** Associated data from here on have another length field. */
const AAD_LIMIT: u32 = 0xff00;

/** Flags and nonce of the counter blocks, 16 octets a job. */
const prefixes: usize = memory.data(16 * 16, 16);
/** The tags, 16 octets a job: zeros to which MAC and mask are added, in whichever order. */
const tags: usize = memory.data(16 * 16, 16);

/** What a job's `group` says: there is work left to do on it, or not. */
const WANTED: u32 = 1;
const LEFT_ALONE: u32 = 0;

// @ts-ignore: decorator
@inline
function prefixOf(index: u32): usize {
  return prefixes + ((<usize>index) << 4);
}

// @ts-ignore: decorator
@inline
function tagOf(index: u32): usize {
  return tags + ((<usize>index) << 4);
}

function begin(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CCM batch too large");
  memory.fill(tags, 0, 256);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const known = job.tagLength == 16 || job.tagLength == 12 || job.tagLength == 8;
    job.done = 0;
    job.group = known && job.aadLength < AAD_LIMIT ? WANTED : LEFT_ALONE;
    store<u8>(prefixOf(i), <u8>FLAGS);
    memory.copy(prefixOf(i) + 1, nonceOf(job), NONCE_OCTETS);
  }
}

/** Counter mode over the wanted jobs (RFC 3610, 2.3): the mask of the tag is counter 0, the data begin with 1. */
function crypt(list: usize, count: u32, withTags: bool): void {
  let turned: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const first = jobOf(list, i);
    if (first.group == LEFT_ALONE || (turned & (1 << i)) != 0) continue;
    counterBegin(aesKey(<usize>first.context + CONTEXT_KEY));
    for (let k = i; k < count; k++) {
      const job = jobOf(list, k);
      if (job.group == LEFT_ALONE || job.context != first.context) continue;
      turned |= 1 << k;
      if (withTags) counterAdd(prefixOf(k), 0, tagOf(k), 16);
      counterAdd(prefixOf(k), 1, job.data, job.length);
    }
    counterFinish();
  }
}

/** A lane for a job's B0, associated data and plaintext (RFC 3610, 2.2). */
function messageLane(job: CipherJob, prefix: usize, index: u32): void {
  const lane = laneOf(index);
  const head = changetype<usize>(lane) + LANE_HEAD;
  const tail = changetype<usize>(lane) + LANE_TAIL;
  laneBegin(lane, <usize>job.context + CONTEXT_KEY, 0);
  memory.fill(head, 0, 64);
  v128.store(head, v128.load(prefix));
  store<u8>(head, <u8>((job.aadLength != 0 ? 0x40 : 0) | (((job.tagLength - 2) >>> 1) << 3) | FLAGS));
  store<u32>(head, bswap<u32>(job.length), 12);
  if (job.aadLength == 0) {
    laneRun(lane, head, 1);
  } else {
    // Two octets of length, then fourteen of the data; what follows is chained where it stands, but for its end.
    const first = min<u32>(job.aadLength, 14);
    store<u16>(head, bswap<u16>(<u16>job.aadLength), 16);
    memory.copy(head + 18, job.aad, first);
    laneRun(lane, head, 2);
    const whole = (job.aadLength - first) >>> 4;
    const rest = (job.aadLength - first) & 15;
    laneRun(lane, <usize>job.aad + first, whole);
    memory.copy(head + 32, <usize>job.aad + first + (whole << 4), rest);
    laneRun(lane, head + 32, rest != 0 ? 1 : 0);
  }
  const whole = job.length >>> 4;
  const rest = job.length & 15;
  laneRun(lane, job.data, whole);
  memory.copy(tail, <usize>job.data + (whole << 4), rest);
  laneRun(lane, tail, rest != 0 ? 1 : 0);
}

/** The CBC-MACs of the wanted jobs, added to `tags`. */
function authenticate(list: usize, count: u32): void {
  for (let keyOctets: u32 = 16; keyOctets <= 32; keyOctets += 8) {
    let lanes: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const job = jobOf(list, i);
      if (job.group == LEFT_ALONE || keyRecordOctets(<usize>job.context + CONTEXT_KEY) != keyOctets) continue;
      messageLane(job, prefixOf(i), lanes);
      laneOf(lanes).job = i;
      lanes += 1;
    }
    lanesRun(lanes, MAC_NONE, false);
    for (let k: u32 = 0; k < lanes; k++) {
      const tag = tagOf(laneOf(k).job);
      v128.store(tag, v128.xor(v128.load(tag), v128.load(changetype<usize>(laneOf(k)) + LANE_END)));
    }
    lanesWipe(lanes);
  }
}

/** Seals the `count` (at most CIPHER_BATCH) jobs of `list`; returns how many were. */
export function ccmSealBatch(list: usize, count: u32): u32 {
  begin(list, count);
  let done: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    authenticate(list, count);
    crypt(list, count, true);
  }
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.group == LEFT_ALONE) continue;
    if (ASC_FEATURE_SIMD) {
      memory.copy(job.tag, tagOf(i), job.tagLength);
    } else {
      const key = aesKey(<usize>job.context + CONTEXT_KEY) + AES_SLOT_SCHEDULE;
      ccmSeal(key, nonceOf(job), NONCE_OCTETS, job.aad, job.aadLength, job.data, job.length, job.tag, job.tagLength);
    }
    job.done = 1;
    done += 1;
  }
  zeroize(tags, 256);
  return done;
}

/** Opens the `count` (at most CIPHER_BATCH) jobs of `list`; returns how many had a right tag. */
export function ccmOpenBatch(list: usize, count: u32): u32 {
  begin(list, count);
  let done: u32 = 0;
  let wrong = false;
  if (ASC_FEATURE_SIMD) {
    crypt(list, count, true);
    authenticate(list, count);
  }
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.group == LEFT_ALONE) continue;
    if (ASC_FEATURE_SIMD) {
      job.done = equalConstantTime(tagOf(i), job.tag, job.tagLength) ? 1 : 0;
      if (job.done != 0) job.group = LEFT_ALONE;
      else wrong = true;
    } else {
      const key = aesKey(<usize>job.context + CONTEXT_KEY) + AES_SLOT_SCHEDULE;
      job.done = ccmOpen(
        key,
        nonceOf(job),
        NONCE_OCTETS,
        job.aad,
        job.aadLength,
        job.data,
        job.length,
        job.tag,
        job.tagLength,
      )
        ? 1
        : 0;
    }
    done += job.done;
  }
  if (ASC_FEATURE_SIMD) {
    if (wrong) crypt(list, count, false);
  }
  zeroize(tags, 256);
  return done;
}
