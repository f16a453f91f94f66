/**
 * The cipher's work on a batch: one job per packet, filled in the order of the packets, run transform by transform (the kernels
 * gain from many packets at once), verdicts read afterwards.
 */
import { POLL_BATCH } from "../abi/board";
import { SA_FLAG_ESN } from "../abi/message";
import { Frame } from "../bus/frame";
import { CIPHER_JOB_OCTETS, CipherJob } from "../crypto/job";
import {
  SUITE_LIST_MAX,
  suiteJob,
  suiteJobCovering,
  suiteJobExtended,
  suiteOpenBatch,
  suiteSealBatch,
} from "../crypto/suite";
import { storeBE32 } from "../rt/bytes";
import { ESP_HEADER } from "../wire/esp";
import { loadCipher } from "./load";
import { Sa, transformOf } from "./sa";

if (POLL_BATCH > SUITE_LIST_MAX) ERROR("a batch of packets is more than the cipher suites take at once");

const jobs: usize = memory.data(POLL_BATCH * CIPHER_JOB_OCTETS, 64);
const opens: usize = memory.data(POLL_BATCH * 4, 16);
const seals: usize = memory.data(POLL_BATCH * 4, 16);
let openCount: u32 = 0;
let sealCount: u32 = 0;

/** The job of the packet at `index` of its batch. */
// @ts-ignore: decorator
@inline
export function jobAt(index: u32): CipherJob {
  return changetype<CipherJob>(jobs + <usize>(index * CIPHER_JOB_OCTETS));
}

/** Forgets the jobs of the batch before. */
export function jobsBegin(): void {
  openCount = 0;
  sealCount = 0;
}

/**
 * Fills a job for the packet whose ESP header begins at `header`, in front of which at least 4 octets are the frame's; `length`
 * octets stand between IV and ICV.
 */
export function jobFill(job: CipherJob, sa: Sa, sequence: u64, header: usize, length: u32, seal: bool): void {
  if ((sa.flags & SA_FLAG_ESN) != 0) suiteJobExtended(job, sa.context, header, length, <u32>(sequence >> 32));
  else suiteJob(job, sa.context, header, ESP_HEADER, length);
  loadCipher(transformOf(sa), length);
  post(job, seal);
}

/**
 * Fills a job for an AH packet: the ICV, which stands at `tag`, covers all of the frame as it is and with extended numbers the high half
 * behind it (RFC 4302 3.3.3.2.2), for which 4 octets of the tailroom are free. `iv`: of AES-GMAC.
 */
export function jobFillCovering(
  job: CipherJob,
  sa: Sa,
  sequence: u64,
  frame: Frame,
  iv: usize,
  tag: usize,
  seal: bool,
): void {
  let covered = frame.length;
  if ((sa.flags & SA_FLAG_ESN) != 0) {
    storeBE32(frame.start + covered, <u32>(sequence >> 32));
    covered += 4;
  }
  suiteJobCovering(job, sa.context, frame.start, covered, iv, tag);
  loadCipher(transformOf(sa), covered);
  post(job, seal);
}

function post(job: CipherJob, seal: bool): void {
  if (seal) {
    store<u32>(seals + ((<usize>sealCount) << 2), <u32>changetype<usize>(job));
    sealCount += 1;
  } else {
    store<u32>(opens + ((<usize>openCount) << 2), <u32>changetype<usize>(job));
    openCount += 1;
  }
}

/** Runs all jobs. Data whose ICV is wrong are left as they came. */
export function jobsRun(): void {
  suiteOpenBatch(opens, openCount);
  suiteSealBatch(seals, sealCount);
}
