/**
 * AES-CTR (RFC 3686) for batches: up to 16 packets of any lengths, under one key or several, in place.
 *
 * Counter block = nonce (4 octets) | IV (8) | block counter from 1; the first twelve stand at a job's JOB_NONCE. Encryption is
 * decryption. Jobs are worked off key by key. The octets are those of ctr.ts.
 *
 * Refuses nothing, and authenticates nothing.
 */
import { counterAdd, counterBegin, counterFinish } from "./aes_counter";
import { aesKey } from "./aes_key";
import { ctrCrypt } from "./ctr";
import { CIPHER_BATCH, CONTEXT_KEY, jobOf, nonceOf } from "./job";
import { AES_SLOT_SCHEDULE } from "./key_cache";

/** Encrypts or decrypts the `count` (at most CIPHER_BATCH) jobs of `list`. */
export function ctrBatch(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CTR batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    job.done = 1;
    job.group = 1;
  }
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.group == 0) continue;
    const slot = aesKey(<usize>job.context + CONTEXT_KEY);
    if (ASC_FEATURE_SIMD) {
      counterBegin(slot);
      for (let k = i; k < count; k++) {
        const other = jobOf(list, k);
        if (other.context != job.context) continue;
        other.group = 0;
        counterAdd(nonceOf(other), 1, other.data, other.length);
      }
      counterFinish();
    } else {
      const nonce = nonceOf(job);
      ctrCrypt(slot + AES_SLOT_SCHEDULE, nonce, nonce + 4, job.data, job.length);
    }
  }
}
