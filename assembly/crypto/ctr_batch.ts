/**
 * AES-CTR (RFC 3686) for batches: up to 16 packets of any lengths, under one key or several, in place.
 *
 * Counter block = nonce (4 octets) | IV (8) | block counter from 1; the first twelve stand at a job's JOB_NONCE. Encryption is
 * decryption. The octets are those of ctr.ts.
 */
import { AES_CONTEXT_OCTETS, aesInit, aesWipe } from "./aes";
import { ctrCrypt } from "./ctr";
import { CIPHER_BATCH, CONTEXT_KEY, jobOf, nonceOf } from "./job";
import { keyRecordOctets } from "./key_cache";

const expanded: usize = memory.data(AES_CONTEXT_OCTETS, 16);

/** Encrypts or decrypts the `count` (at most CIPHER_BATCH) jobs of `list`. */
export function ctrBatch(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CTR batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const record = <usize>job.context + CONTEXT_KEY;
    const nonce = nonceOf(job);
    aesInit(expanded, record, keyRecordOctets(record));
    ctrCrypt(expanded, nonce, nonce + 4, job.data, job.length);
    job.done = 1;
  }
  aesWipe(expanded);
}
