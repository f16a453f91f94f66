/**
 * AES-CBC (SP 800-38A, 6.2; RFC 3602) for batches: up to 16 packets of any lengths, under one key or several, in place.
 *
 * The octets are those of cbc.ts. A job whose length is not whole blocks is left alone, with `done` 0.
 */
import { AES_CONTEXT_OCTETS, aesInit, aesWipe } from "./aes";
import { cbcDecrypt, cbcEncrypt } from "./cbc";
import { CIPHER_BATCH, CONTEXT_KEY, jobOf } from "./job";
import { keyRecordOctets } from "./key_cache";

const expanded: usize = memory.data(AES_CONTEXT_OCTETS, 16);

/** Encrypts the `count` (at most CIPHER_BATCH) jobs of `list`, each with the 16-octet IV at its `iv`. */
export function cbcEncryptBatch(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CBC batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const record = <usize>job.context + CONTEXT_KEY;
    aesInit(expanded, record, keyRecordOctets(record));
    job.done = cbcEncrypt(expanded, job.iv, job.data, job.length) ? 1 : 0;
  }
  aesWipe(expanded);
}

/** Decrypts the `count` (at most CIPHER_BATCH) jobs of `list`. */
export function cbcDecryptBatch(list: usize, count: u32): void {
  assert(count <= CIPHER_BATCH, "CBC batch too large");
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const record = <usize>job.context + CONTEXT_KEY;
    aesInit(expanded, record, keyRecordOctets(record));
    job.done = cbcDecrypt(expanded, job.iv, job.data, job.length) ? 1 : 0;
  }
  aesWipe(expanded);
}
