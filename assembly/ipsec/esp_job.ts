/**
 * The cipher's work on a batch: one job per packet, filled in the order of the packets, run kernel by kernel (a batch kernel
 * shares the key's expansion between packets of one SA), verdicts read afterwards.
 *
 *      0           4           8           12          16          20          24          28          32
 *     +-----------+-----------+-----------+-----------+-----------+-----------+-----------+-----------+
 *     | nonce: salt, 64-bit IV            | kernel job| AAD: SPI, sequence (8 or 12 octets)| data      |
 *     +-----------+-----------+-----------+-----------+-----------+-----------+-----------+-----------+
 *     | length    |
 *     +-----------+
 */
import { POLL_BATCH } from "../abi/board";
import { SA_FLAG_ESN } from "../abi/message";
import { GCM_BATCH, GCM_JOB_OCTETS, GcmJob, gcmOpenBatch, gcmSealBatch } from "../crypto/gcm_batch";
import { storeBE32 } from "../rt/bytes";
import { Sa, transformOf } from "./sa";


@unmanaged
export class EspJob {
  salt: u32;
  ivLow: u32;
  ivHigh: u32;
  kernelJob: usize;
  aad0: u32;
  aad1: u32;
  aad2: u32;
  /** The text between IV and ICV; the ICV follows it. */
  data: usize;
  length: u32;
}

const JOB_OCTETS: u32 = 64;
const jobs: usize = memory.data(POLL_BATCH * JOB_OCTETS, 64);
const opens: usize = memory.data(POLL_BATCH * GCM_JOB_OCTETS, 16);
const seals: usize = memory.data(POLL_BATCH * GCM_JOB_OCTETS, 16);
let openCount: u32 = 0;
let sealCount: u32 = 0;

/** The job of the packet at `index` of its batch. */
// @ts-ignore: decorator
@inline
export function jobAt(index: u32): EspJob {
  return changetype<EspJob>(jobs + <usize>(index * JOB_OCTETS));
}

/** Forgets the jobs of the batch before. */
export function jobsBegin(): void {
  openCount = 0;
  sealCount = 0;
}

/** Fills a job; `iv` is the address of the IV in the packet, `data` and `length` are the text between IV and ICV. */
export function jobFill(job: EspJob, sa: Sa, sequence: u64, iv: usize, data: usize, length: u32, seal: bool): void {
  // RFC 4106 section 4: salt, then IV. Section 5: SPI and all of the sequence number that is in use.
  job.salt = sa.salt;
  job.ivLow = load<u32>(iv);
  job.ivHigh = load<u32>(iv, 4);
  job.data = data;
  job.length = length;
  const aad = changetype<usize>(job) + offsetof<EspJob>("aad0");
  storeBE32(aad, sa.spi);
  let aadLength: u32 = 8;
  if ((sa.flags & SA_FLAG_ESN) != 0) {
    storeBE32(aad + 4, <u32>(sequence >> 32));
    storeBE32(aad + 8, <u32>sequence);
    aadLength = 12;
  } else {
    storeBE32(aad + 4, <u32>sequence);
  }
  let kernelJob: usize = 0;
  if (seal) {
    kernelJob = seals + <usize>(sealCount * GCM_JOB_OCTETS);
    sealCount += 1;
  } else {
    kernelJob = opens + <usize>(openCount * GCM_JOB_OCTETS);
    openCount += 1;
  }
  job.kernelJob = kernelJob;
  const gcm = changetype<GcmJob>(kernelJob);
  gcm.context = <u32>sa.context;
  gcm.nonce = <u32>changetype<usize>(job);
  gcm.aad = <u32>aad;
  gcm.aadLength = aadLength;
  gcm.data = <u32>data;
  gcm.length = length;
  gcm.tag = <u32>(data + length);
  gcm.tagLength = transformOf(sa).icvOctets;
  gcm.done = 0;
  gcm.reserved = 0;
}

/** Runs all jobs. Data whose ICV is wrong are left as they came. */
export function jobsRun(): void {
  for (let i: u32 = 0; i < openCount; i += GCM_BATCH) {
    gcmOpenBatch(opens + <usize>(i * GCM_JOB_OCTETS), min<u32>(GCM_BATCH, openCount - i));
  }
  for (let i: u32 = 0; i < sealCount; i += GCM_BATCH) {
    gcmSealBatch(seals + <usize>(i * GCM_JOB_OCTETS), min<u32>(GCM_BATCH, sealCount - i));
  }
}

/** True when the job has been done: for a packet to open, when its ICV is right. */
// @ts-ignore: decorator
@inline
export function jobDone(job: EspJob): bool {
  return changetype<GcmJob>(job.kernelJob).done != 0;
}
