/**
 * AES-CCM (RFC 3610) as ESP and IKEv2 use it (RFC 4309, RFC 5282: nonce of 11 octets, tags of 8, 12 or 16) for batches: up to 16
 * packets of any lengths, under one key or several, in place. The octets are those of ccm.ts.
 *
 * Refuses other tag lengths: such a job is left alone, with `done` 0.
 */
import { AES_CONTEXT_OCTETS, aesInit, aesWipe } from "./aes";
import { ccmOpen, ccmSeal } from "./ccm";
import { CIPHER_BATCH, CONTEXT_KEY, CipherJob, jobOf, nonceOf } from "./job";
import { keyRecordOctets } from "./key_cache";

/** Octets of a nonce (RFC 4309, 4). */
const NONCE_OCTETS: u32 = 11;

const expanded: usize = memory.data(AES_CONTEXT_OCTETS, 16);

/** Expands the job's key. False: a tag length that ESP does not know. */
function begin(job: CipherJob): bool {
  job.done = 0;
  if (job.tagLength != 16 && job.tagLength != 12 && job.tagLength != 8) return false;
  const record = <usize>job.context + CONTEXT_KEY;
  aesInit(expanded, record, keyRecordOctets(record));
  return true;
}

/** Seals the `count` (at most CIPHER_BATCH) jobs of `list`; returns how many were. */
export function ccmSealBatch(list: usize, count: u32): u32 {
  assert(count <= CIPHER_BATCH, "CCM batch too large");
  let done: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (!begin(job)) continue;
    const nonce = nonceOf(job);
    if (ccmSeal(expanded, nonce, NONCE_OCTETS, job.aad, job.aadLength, job.data, job.length, job.tag, job.tagLength)) {
      job.done = 1;
      done += 1;
    }
  }
  aesWipe(expanded);
  return done;
}

/** Opens the `count` (at most CIPHER_BATCH) jobs of `list`; returns how many had a right tag. */
export function ccmOpenBatch(list: usize, count: u32): u32 {
  assert(count <= CIPHER_BATCH, "CCM batch too large");
  let done: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (!begin(job)) continue;
    const nonce = nonceOf(job);
    if (ccmOpen(expanded, nonce, NONCE_OCTETS, job.aad, job.aadLength, job.data, job.length, job.tag, job.tagLength)) {
      job.done = 1;
      done += 1;
    }
  }
  aesWipe(expanded);
  return done;
}
