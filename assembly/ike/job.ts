/**
 * Jobs: what the secure element does for an exchange (abi/psa.ts). The exchange is parked in a step; the answer finds it by
 * TRANSACTION, which names job and generation, and by the IKE_SA's own generation.
 *
 * Requests leave at most JOBS_PER_POLL at a time, so that the port's ring cannot overflow; the rest wait in order. An
 * answer that does not come within JOB_TIME is one that failed: jobs are kept in the order in which they were begun.
 */
import { FRAME_CAPACITY } from "../abi/frame";
import {
  PSA_ALGORITHM,
  PSA_DESTROY_KEY,
  PSA_FIELDS,
  PSA_GENERATE_KEY,
  PSA_KEY,
  PSA_OP,
  PSA_KEY_AGREEMENT_KEPT,
  PSA_RAW_KEY_AGREEMENT,
  PSA_RESPOND_KEY,
  PSA_TRANSACTION,
} from "../abi/psa";
import { PORT_SECURE_ELEMENT } from "../abi/ring";
import { Frame, frameAddress } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { journalIsOn } from "../checkpoint/journal";
import { arenaTake } from "../rt/arena";
import { now } from "../rt/registers";
import { IkeSa } from "./ike_sa";
import { JOB_TIME } from "./settings";

/** Octets of a request at most. */
export const JOB_OCTETS_MAX: u32 = FRAME_CAPACITY;
const JOBS_PER_POLL: u32 = 24;
const JOBS: u32 = 1024;


@unmanaged
export class Job {
  generation: u32;
  op: u32; // 0 free
  sa: u32;
  saGeneration: u32;
  /** 1: the exchange that we initiated, 0: the peer's. */
  out: u32;
  step: u32;
  /** When it has failed, ns; the jobs begun before and after it, -1 none. */
  due: u64;
  older: i32;
  newer: i32;
}

const JOB_OCTETS: usize = offsetof<Job>();
let table: usize = 0;
let stack: usize = 0;
let free: u32 = 0;
let posted: u32 = 0;
let first: usize = 0;
let last: usize = 0;
let oldest: i32 = -1;
let newest: i32 = -1;

export function jobsReset(): bool {
  table = arenaTake(<usize>JOBS * JOB_OCTETS);
  stack = arenaTake(<usize>JOBS * 4);
  if (table == 0 || stack == 0) return false;
  free = JOBS;
  posted = 0;
  first = 0;
  last = 0;
  oldest = -1;
  newest = -1;
  for (let i: u32 = 0; i < JOBS; i++) store<u32>(stack + ((<usize>i) << 2), JOBS - 1 - i);
  return true;
}

function jobAt(i: u32): Job {
  return changetype<Job>(table + <usize>i * JOB_OCTETS);
}

/** Starts a request; null when jobs or frames are exhausted. Add fields, then jobPost. */
export function jobBegin(sa: IkeSa, out: bool, step: u32, op: u32, key: u32, algorithm: u32): Frame | null {
  if (free == 0) return null;
  const frame = originate();
  if (!frame) return null;
  free -= 1;
  const i = load<u32>(stack + ((<usize>free) << 2));
  const job = jobAt(i);
  job.generation = (job.generation + 1) & 0xffff;
  if (job.generation == 0) job.generation = 1;
  job.op = op;
  job.sa = sa.index;
  job.saGeneration = sa.generation;
  job.out = out ? 1 : 0;
  job.step = step;
  job.due = now() + JOB_TIME;
  job.older = newest;
  job.newer = -1;
  if (newest < 0) oldest = <i32>i;
  else jobAt(<u32>newest).newer = <i32>i;
  newest = <i32>i;
  jobHeader(frame, op, (job.generation << 16) | i, key, algorithm);
  return frame;
}

/** Begins a request that no exchange waits for; `transaction` names none of the jobs here. */
export function jobHeader(frame: Frame, op: u32, transaction: u32, key: u32, algorithm: u32): void {
  store<u32>(frame.start, op, PSA_OP);
  store<u32>(frame.start, transaction, PSA_TRANSACTION);
  store<u32>(frame.start, key, PSA_KEY);
  store<u32>(frame.start, algorithm, PSA_ALGORITHM);
  frame.length = PSA_FIELDS;
}

/** Appends a field; the caller has seen to it that the request keeps within JOB_OCTETS_MAX. */
export function jobField(frame: Frame, p: usize, length: u32): void {
  const at = frame.start + frame.length;
  store<u16>(at, <u16>length);
  memory.copy(at + 2, p, length);
  frame.length += 2 + length;
}

export function jobPost(frame: Frame): void {
  if (posted < JOBS_PER_POLL && first == 0) {
    posted += 1;
    transmit(PORT_SECURE_ELEMENT, frame);
    return;
  }
  frame.next = 0;
  if (last == 0) first = frameAddress(frame);
  else changetype<Frame>(last).next = frameAddress(frame);
  last = frameAddress(frame);
}

/** Once per poll: lets the next requests go. */
export function jobsFlush(): void {
  posted = 0;
  while (first != 0 && posted < JOBS_PER_POLL) {
    const frame = changetype<Frame>(first);
    first = frame.next;
    if (first == 0) last = 0;
    frame.next = 0;
    posted += 1;
    transmit(PORT_SECURE_ELEMENT, frame);
  }
}

/** True when requests wait for the next poll. */
export function jobsWaiting(): bool {
  return first != 0;
}

/** Asks for a share of `method`. False: no room, the exchange cannot go on. */
export function jobGenerate(sa: IkeSa, out: bool, step: u32, method: u32): bool {
  const frame = jobBegin(sa, out, step, PSA_GENERATE_KEY, 0, method);
  if (!frame) return false;
  jobPost(frame);
  return true;
}

/** Asks for the shared secret of our share `key` with the peer's public value. */
export function jobAgree(sa: IkeSa, out: bool, step: u32, key: u32, method: u32, value: usize, length: u32): bool {
  const frame = jobBegin(sa, out, step, PSA_RAW_KEY_AGREEMENT, key, method);
  if (!frame) return false;
  jobField(frame, value, length);
  jobPost(frame);
  return true;
}

/**
 * The same for a rekey of ours. Of a board that keeps a checkpoint the share stays until jobAgreed: the peer has agreed, and a successor
 * that has lost the answer asks again (checkpoint.ts).
 */
export function jobAgreeKept(sa: IkeSa, step: u32, key: u32, method: u32, value: usize, length: u32): bool {
  if (!journalIsOn()) return jobAgree(sa, true, step, key, method, value, length);
  const frame = jobBegin(sa, true, step, PSA_KEY_AGREEMENT_KEPT, key, method);
  if (!frame) return false;
  sa.outKey = key;
  jobField(frame, value, length);
  jobPost(frame);
  return true;
}

/** The shared secret of jobAgreeKept is here, or will never be. */
export function jobAgreed(sa: IkeSa): void {
  jobDestroy(sa.outKey);
  sa.outKey = 0;
}

/** Asks for a share and, with the peer's public value, the shared secret at once. */
export function jobRespond(sa: IkeSa, step: u32, method: u32, value: usize, length: u32): bool {
  const frame = jobBegin(sa, false, step, PSA_RESPOND_KEY, 0, method);
  if (!frame) return false;
  jobField(frame, value, length);
  jobPost(frame);
  return true;
}

/** Public value and secret of the answer to jobRespond, which are set by jobResponded. */
export let respondedValue: usize = 0;
export let respondedLength: u32 = 0;
export let respondedSecret: usize = 0;
export let respondedSecretLength: u32 = 0;

/** Takes the answer to jobRespond apart; false when the element could not, or gave more than `longest` octets of either. */
export function jobResponded(value: usize, length: u32, longest: u32): bool {
  if (length < 2) return false;
  respondedLength = <u32>load<u16>(value);
  if (respondedLength == 0 || respondedLength > longest || respondedLength + 2 >= length) return false;
  respondedValue = value + 2;
  respondedSecret = respondedValue + respondedLength;
  respondedSecretLength = length - 2 - respondedLength;
  return respondedSecretLength <= longest;
}

/** The answer in hand: who wants it beyond the call that brings it, keeps it. */
let answer: usize = 0;
let kept: bool = false;

/** An answer is about to be given to an exchange. */
export function jobAnswerBegin(frame: Frame): void {
  answer = frameAddress(frame);
  kept = false;
}

/** Octets of the field that jobAnswerField has found. */
export let answerFieldLength: u32 = 0;

/** The field of the answer in hand that begins at `p`, where the one before it ended; 0 when there is none. */
export function jobAnswerField(p: usize): usize {
  answerFieldLength = 0;
  const frame = changetype<Frame>(answer);
  const end = frame.start + frame.length;
  if (p + 2 > end || p + 2 + <usize>load<u16>(p) > end) return 0;
  answerFieldLength = <u32>load<u16>(p);
  return p + 2;
}

/** Takes the answer in hand over: its frame, which the taker consumes. */
export function jobAnswerKeep(): usize {
  assert(answer != 0 && !kept, "no answer to keep");
  kept = true;
  return answer;
}

/** True when the answer still belongs to who brought it. */
export function jobAnswerEnd(): bool {
  answer = 0;
  return !kept;
}

/** Has a share destroyed that will not be used. */
export function jobDestroy(key: u32): void {
  jobRelease(PSA_DESTROY_KEY, key);
}

/** Has the element let go of what `key` names; nobody waits for the answer (TRANSACTION 0). */
export function jobRelease(op: u32, key: u32): void {
  if (key == 0) return;
  const frame = originate();
  if (!frame) return;
  jobHeader(frame, op, 0, key, 0);
  jobPost(frame);
}

/** A job whose answer is overdue at `time`, or null. The caller ends it with jobEnd. */
export function jobOverdue(time: u64): Job | null {
  if (oldest < 0) return null;
  const job = jobAt(<u32>oldest);
  return job.due <= time ? job : null;
}

/** When the next job will be overdue, ns; u64.MAX_VALUE when none waits. */
export function jobsDeadline(): u64 {
  return oldest < 0 ? u64.MAX_VALUE : jobAt(<u32>oldest).due;
}

/** The job that an answer's TRANSACTION and OP name, or null. The caller ends it with jobEnd. */
export function jobFind(transaction: u32, op: u32): Job | null {
  const i = transaction & 0xffff;
  if (i >= JOBS) return null;
  const job = jobAt(i);
  return job.op == op && op != 0 && job.generation == transaction >>> 16 ? job : null;
}

export function jobEnd(job: Job): void {
  job.op = 0;
  if (job.older < 0) oldest = job.newer;
  else jobAt(<u32>job.older).newer = job.newer;
  if (job.newer < 0) newest = job.older;
  else jobAt(<u32>job.newer).older = job.older;
  store<u32>(stack + ((<usize>free) << 2), <u32>((changetype<usize>(job) - table) / JOB_OCTETS));
  free += 1;
}

/** Jobs that are free. */
export function jobsFreeCount(): u32 {
  return free;
}
