/**
 * One packet of a batch, as the cipher kernels see it, and the context that an SA keeps for them.
 *
 * A batch is a list of addresses of such records, at most CIPHER_BATCH of them, of one SA or of several with the same transform,
 * in mixed lengths. Lists and not arrays, so that whoever sorts packets by transform, or leaves out those whose ICV was wrong,
 * moves four octets a packet. The packets of a batch must not overlap.
 *
 * A context (what an SA keeps of its keys; everything expanded from them lives in the bounded cache of key_cache.ts):
 *
 *     0                     48       52        56   64                       128                     192
 *     +---------------------+--------+---------+----+------------------------+-----------------------+
 *     | key record (cipher) | salt   | row u32 |    | HMAC: inner state      | HMAC: outer state     |
 *     |                     |        |         |    | CMAC, XCBC: key record |                       |
 *     +---------------------+--------+---------+----+------------------------+-----------------------+
 *
 * Refuses to know ESP and IKE: what lies where in a packet is suite.ts's business.
 */

/** Most packets of a kernel's call. */
export const CIPHER_BATCH: u32 = 16;

/** 128 octets, aligned to 16. Addresses are in u32, lengths in octets. */
@unmanaged
export class CipherJob {
  /** Address of the context. */
  context: u32;
  /** Address of the explicit IV; CBC reads its 16 octets from there. */
  iv: u32;
  /** Additional authenticated data of a combined mode. */
  aad: u32;
  aadLength: u32;
  /** What is encrypted or decrypted in place. */
  data: u32;
  length: u32;
  /** The ICV: written when sealing, compared when opening. */
  tag: u32;
  tagLength: u32;
  /** What a separate integrity transform covers. */
  text: u32;
  textLength: u32;
  /** Out: 1 when sealed, or when opened with a right ICV; 0 otherwise, and then no octet of `data` was changed. */
  done: u32;
  /** For the kernel while a call is under way. */
  group: u32;
}

/** The nonce, 16 octets inside the record: GCM and ChaCha20-Poly1305 read 12, CCM 11, CTR 12 (nonce | IV). */
export const JOB_NONCE: usize = 48;
/** Room for additional authenticated data that do not stand in the packet as they are authenticated, 16 octets. */
export const JOB_AAD: usize = 64;
/** Room for octets of the packet that are put back afterwards, 32 octets. */
export const JOB_SAVED: usize = 80;
/** From one record to the next. */
export const CIPHER_JOB_OCTETS: u32 = 128;

if (offsetof<CipherJob>() > JOB_NONCE) ERROR("the fields of a cipher job outgrew their place");

/** Offsets of a context. */
export const CONTEXT_KEY: usize = 0;
export const CONTEXT_SALT: usize = 48;
export const CONTEXT_ROW: usize = 52;
export const CONTEXT_MAC: usize = 64;
export const CONTEXT_MAC_OUTER: usize = 128;
/** Octets of a context, alignment 16. */
export const CIPHER_CONTEXT_OCTETS: u32 = 192;

/** The record at place `index` of a list. */
// @ts-ignore: decorator
@inline
export function jobOf(list: usize, index: u32): CipherJob {
  return changetype<CipherJob>(<usize>load<u32>(list + ((<usize>index) << 2)));
}

/** Address of a job's nonce. */
// @ts-ignore: decorator
@inline
export function nonceOf(job: CipherJob): usize {
  return changetype<usize>(job) + JOB_NONCE;
}
