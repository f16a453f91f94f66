/**
 * A cipher suite over packets: any transform of transform.ts, by the kernels that its row names.
 *
 * A packet is one run of octets, of ESP (RFC 4303 2) and of IKE (the SK payload, RFC 7296 3.14) alike:
 *
 *     header            data
 *     +--------+--------+---------------------------+---------+
 *     | header | IV     | payload, padding, trailer | ICV     |
 *     +--------+--------+---------------------------+---------+
 *     combined modes:    additional data = header, with the high half of an extended sequence number in the middle
 *     AES-GMAC:          additional data = header | IV | data, likewise (RFC 4543 3.3)
 *     cipher + MAC:      the MAC covers header | IV | data, and the high half of the number behind them (RFC 4303 2.8)
 *
 * A caller fills a CipherJob by suiteJob, and runs lists of them: packets of one transform go through its kernels together,
 * sixteen at a time. Sealing encrypts, then authenticates. Opening verifies first: no octet is decrypted of a packet whose ICV
 * is wrong.
 *
 * The IV of a sealed packet is the caller's 64-bit number, which must never repeat under a key: as it stands for counter
 * modes (8 octets, big-endian), encrypted under the packet's key for CBC, which wants it unpredictable (SP 800-38A, appendix C):
 * its 16 octets are the first block of the chain.
 *
 * Refuses to know padding, sequence numbers and replay.
 */
import { equalConstantTime, storeBE32, zeroize } from "../rt/bytes";
import { cbcDecryptBatch, cbcEncryptBatch } from "./cbc_batch";
import { cbcMacBatch } from "./cbc_mac_batch";
import { ccmOpenBatch, ccmSealBatch } from "./ccm_batch";
import { chachaOpenBatch, chachaSealBatch } from "./chacha_batch";
import { ctrBatch } from "./ctr_batch";
import { gcmOpenBatch, gcmSealBatch } from "./gcm_batch";
import { hmacBatch, hmacKey } from "./hmac_batch";
import {
  CIPHER_BATCH,
  CIPHER_CONTEXT_OCTETS,
  CONTEXT_KEY,
  CONTEXT_MAC,
  CONTEXT_ROW,
  CONTEXT_SALT,
  CipherJob,
  JOB_AAD,
  JOB_SAVED,
  jobOf,
  nonceOf,
} from "./job";
import { keyRecord, keyWipe } from "./key_cache";
import {
  KERNEL_CBC,
  KERNEL_CCM,
  KERNEL_CHACHA20_POLY1305,
  KERNEL_CTR,
  KERNEL_GCM,
  KERNEL_GMAC,
  KERNEL_NULL,
  MAC_HMAC_SHA512,
  MAC_NONE,
  Transform,
} from "./transform";

/** Most packets of a list. */
export const SUITE_LIST_MAX: u32 = 64;

const MAC_OCTETS: u32 = 64;
const macs: usize = memory.data(CIPHER_BATCH * MAC_OCTETS, 16);
/** Jobs still to be run, and those that run together. */
const pending: usize = memory.data(SUITE_LIST_MAX * 4, 16);
const group: usize = memory.data(CIPHER_BATCH * 4, 16);
/** Jobs of a group whose ICV is right. */
const right: usize = memory.data(CIPHER_BATCH * 4, 16);
const single: usize = memory.data(4, 4);
/** The IV of a chain whose first block is the encrypted number. */
const zeros: usize = memory.data(16, 16);

// @ts-ignore: decorator
@inline
function rowOf(context: usize): Transform {
  return changetype<Transform>(<usize>load<u32>(context, CONTEXT_ROW));
}

// @ts-ignore: decorator
@inline
function isHmac(mac: u32): bool {
  return mac != MAC_NONE && mac <= MAC_HMAC_SHA512;
}

/** Takes the keys of a transform: cipher key | salt | integrity key, as KEYMAT has them (RFC 7296 2.17). */
export function suiteInit(context: usize, row: usize, keymat: usize): void {
  const t = changetype<Transform>(row);
  zeroize(context, CIPHER_CONTEXT_OCTETS);
  store<u32>(context, <u32>row, CONTEXT_ROW);
  if (t.keyOctets != 0) keyRecord(context + CONTEXT_KEY, keymat, t.keyOctets);
  memory.copy(context + CONTEXT_SALT, keymat + t.keyOctets, t.saltOctets);
  const key = keymat + t.keyOctets + t.saltOctets;
  if (isHmac(t.mac)) hmacKey(context, t.mac, key, t.integrityKeyOctets);
  else if (t.mac != MAC_NONE) keyRecord(context + CONTEXT_MAC, key, t.integrityKeyOctets);
}

/** Wipes the keys, and what the cache holds of them. A context that never had any is left zero. */
export function suiteWipe(context: usize): void {
  if (load<u32>(context, CONTEXT_ROW) != 0) {
    const t = rowOf(context);
    if (t.keyOctets != 0) keyWipe(context + CONTEXT_KEY);
    if (t.mac != MAC_NONE && !isHmac(t.mac)) keyWipe(context + CONTEXT_MAC);
  }
  zeroize(context, CIPHER_CONTEXT_OCTETS);
}

/** KEYMAT of one direction, in octets. */
// @ts-ignore: decorator
@inline
export function suiteKeymatOctets(row: usize): u32 {
  const t = changetype<Transform>(row);
  return t.keyOctets + t.saltOctets + t.integrityKeyOctets;
}

/**
 * Fills `job` for the packet whose header of `headerOctets` begins at `header`; IV, `length` octets of data and ICV follow it.
 */
export function suiteJob(job: CipherJob, context: usize, header: usize, headerOctets: u32, length: u32): void {
  const t = rowOf(context);
  const iv = header + headerOctets;
  const data = iv + t.ivOctets;
  job.context = <u32>context;
  job.iv = <u32>iv;
  job.aad = <u32>header;
  job.aadLength = headerOctets;
  job.data = <u32>data;
  job.length = length;
  job.tag = <u32>(data + length);
  job.tagLength = t.icvOctets;
  job.text = <u32>header;
  job.textLength = headerOctets + t.ivOctets + length;
  job.done = 0;
  const nonce = nonceOf(job);
  if (t.kernel == KERNEL_CCM) {
    store<u32>(nonce, load<u32>(context, CONTEXT_SALT));
    store<u64>(nonce, load<u64>(iv), 3);
  } else if (t.ivOctets == 8) {
    store<u32>(nonce, load<u32>(context, CONTEXT_SALT));
    store<u64>(nonce, load<u64>(iv), 4);
  }
  if (t.kernel == KERNEL_GMAC) {
    job.aadLength = job.textLength;
    job.length = 0;
  }
}

/**
 * The same for ESP with extended sequence numbers (RFC 4303 2.2.1), whose high half is authenticated without being sent; the
 * header has 8 octets. Where a kernel wants it among the packet's octets it is put there, and taken away by the run. The 4
 * octets before the header must belong to the packet's buffer.
 */
export function suiteJobExtended(job: CipherJob, context: usize, header: usize, length: u32, high: u32): void {
  suiteJob(job, context, header, 8, length);
  const t = rowOf(context);
  const saved = changetype<usize>(job) + JOB_SAVED;
  if (t.kernel == KERNEL_GMAC) {
    // SPI | high | low | IV | data, in one run.
    store<u32>(saved, load<u32>(header - 4));
    store<u32>(saved, load<u32>(header), 4);
    store<u32>(header - 4, load<u32>(header));
    storeBE32(header, high);
    job.aad = <u32>(header - 4);
    job.aadLength += 4;
  } else if (t.mac == MAC_NONE) {
    const aad = changetype<usize>(job) + JOB_AAD;
    store<u32>(aad, load<u32>(header));
    storeBE32(aad + 4, high);
    store<u32>(aad, load<u32>(header, 4), 8);
    job.aad = <u32>aad;
    job.aadLength = 12;
  } else {
    const icv = <usize>job.tag;
    memory.copy(saved, icv, t.icvOctets);
    storeBE32(icv, high);
    job.tag = <u32>saved;
    job.textLength += 4;
  }
}

/**
 * Fills `job` for a transform that authenticates and does nothing else (transformFindAh): it covers `length` octets from `text` on, among
 * which is the IV at `iv`, where there is one. The ICV stands at `tag`; when that is among them, it is zero.
 */
export function suiteJobCovering(
  job: CipherJob,
  context: usize,
  text: usize,
  length: u32,
  iv: usize,
  tag: usize,
): void {
  const t = rowOf(context);
  job.context = <u32>context;
  job.iv = <u32>iv;
  job.aad = <u32>text;
  job.aadLength = length;
  job.data = <u32>(text + length);
  job.length = 0;
  job.tag = <u32>tag;
  job.tagLength = t.icvOctets;
  job.text = <u32>text;
  job.textLength = length;
  job.done = 0;
  if (t.ivOctets == 0) return;
  const nonce = nonceOf(job);
  store<u32>(nonce, load<u32>(context, CONTEXT_SALT));
  store<u64>(nonce, load<u64>(iv), 4);
}

/** Puts back what suiteJobExtended moved; sealing gets its ICV to its place thereby. */
function restore(job: CipherJob, t: Transform): void {
  const saved = changetype<usize>(job) + JOB_SAVED;
  if (t.kernel == KERNEL_GMAC) {
    const header = <usize>job.text;
    if (job.aad == job.text) return;
    store<u32>(header - 4, load<u32>(saved));
    store<u32>(header, load<u32>(saved, 4));
  } else if (job.tag == <u32>saved) {
    memory.copy(<usize>job.data + job.length, saved, job.tagLength);
  }
}

/** Moves the first job of `pending` and those of its transform to `group`; returns how many, at most CIPHER_BATCH. */
function nextGroup(count: u32): u32 {
  const row = load<u32>(<usize>jobOf(pending, 0).context, CONTEXT_ROW);
  let taken: u32 = 0;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const address = load<u32>(pending + ((<usize>i) << 2));
    if (taken < CIPHER_BATCH && load<u32>(<usize>changetype<CipherJob>(<usize>address).context, CONTEXT_ROW) == row) {
      store<u32>(group + ((<usize>taken) << 2), address);
      taken += 1;
    } else {
      store<u32>(pending + ((<usize>kept) << 2), address);
      kept += 1;
    }
  }
  return taken;
}

/** MACs of the jobs of a list, MAC_OCTETS apart. */
function authenticate(t: Transform, list: usize, count: u32): void {
  if (isHmac(t.mac)) hmacBatch(t.mac, list, count, macs);
  else cbcMacBatch(t.mac, list, count, macs);
}

function sealGroup(t: Transform, count: u32): void {
  switch (t.kernel) {
    case KERNEL_GCM:
    case KERNEL_GMAC:
      gcmSealBatch(group, count);
      return;
    case KERNEL_CCM:
      ccmSealBatch(group, count);
      return;
    case KERNEL_CHACHA20_POLY1305:
      chachaSealBatch(group, count);
      return;
    case KERNEL_CBC:
      for (let i: u32 = 0; i < count; i++) {
        const job = jobOf(group, i);
        job.data = job.iv;
        job.iv = <u32>zeros;
        job.length += 16;
      }
      cbcEncryptBatch(group, count);
      for (let i: u32 = 0; i < count; i++) {
        const job = jobOf(group, i);
        job.iv = job.data;
        job.data += 16;
        job.length -= 16;
      }
      break;
    case KERNEL_CTR:
      ctrBatch(group, count);
      break;
  }
  authenticate(t, group, count);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(group, i);
    memory.copy(<usize>job.tag, macs + <usize>(i * MAC_OCTETS), job.tagLength);
    job.done = 1;
  }
}

function openGroup(t: Transform, count: u32): void {
  switch (t.kernel) {
    case KERNEL_GCM:
    case KERNEL_GMAC:
      gcmOpenBatch(group, count);
      return;
    case KERNEL_CCM:
      ccmOpenBatch(group, count);
      return;
    case KERNEL_CHACHA20_POLY1305:
      chachaOpenBatch(group, count);
      return;
  }
  authenticate(t, group, count);
  let good: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(group, i);
    if (!equalConstantTime(macs + <usize>(i * MAC_OCTETS), <usize>job.tag, job.tagLength)) continue;
    job.done = 1;
    store<u32>(right + ((<usize>good) << 2), <u32>changetype<usize>(job));
    good += 1;
  }
  if (good == 0 || t.kernel == KERNEL_NULL) return;
  if (t.kernel == KERNEL_CBC) cbcDecryptBatch(right, good);
  else ctrBatch(right, good);
}

/** True when the row's cipher takes data of this length. */
// @ts-ignore: decorator
@inline
function fits(job: CipherJob): bool {
  return rowOf(<usize>job.context).kernel != KERNEL_CBC || (job.length & 15) == 0;
}

function run(list: usize, count: u32, seal: bool): u32 {
  assert(count <= SUITE_LIST_MAX, "more packets than a list of a cipher suite takes");
  let left: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    job.done = 0;
    if (!fits(job)) continue;
    store<u32>(pending + ((<usize>left) << 2), <u32>changetype<usize>(job));
    left += 1;
  }
  while (left != 0) {
    const taken = nextGroup(left);
    left -= taken;
    const t = rowOf(<usize>jobOf(group, 0).context);
    if (seal) sealGroup(t, taken);
    else openGroup(t, taken);
  }
  memory.fill(macs, 0, CIPHER_BATCH * MAC_OCTETS);
  let done: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    restore(job, rowOf(<usize>job.context));
    done += job.done;
  }
  return done;
}

/** Seals the jobs of a list, of any transforms; returns how many were. CBC refuses data that are not whole blocks. */
export function suiteSealBatch(list: usize, count: u32): u32 {
  return run(list, count, true);
}

/** Opens the jobs of a list, of any transforms; returns how many ICVs were right. The others' data are as they came. */
export function suiteOpenBatch(list: usize, count: u32): u32 {
  return run(list, count, false);
}

/** One packet. */
export function suiteSeal(job: CipherJob): bool {
  store<u32>(single, <u32>changetype<usize>(job));
  return run(single, 1, true) == 1;
}

export function suiteOpen(job: CipherJob): bool {
  store<u32>(single, <u32>changetype<usize>(job));
  return run(single, 1, false) == 1;
}
