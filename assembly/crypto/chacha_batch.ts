/**
 * ChaCha20-Poly1305 (RFC 8439 2.8, RFC 7634) over batches of cipher jobs, of any lengths and any contexts.
 *
 * The key is the first 32 octets of the context, the nonce 12 octets in the record, the tag 16 octets. The octets are those of
 * chacha20Poly1305Seal and chacha20Poly1305Open. A job whose tag has another length is left alone, with done = 0: RFC 7634
 * knows no truncated tag.
 */
import { CHACHA20_POLY1305_TAG_OCTETS, chacha20Poly1305Open, chacha20Poly1305Seal } from "./chacha20_poly1305";
import { chachaOpenLanes, chachaSealLanes } from "./chacha_lanes";
import { CIPHER_BATCH, CONTEXT_KEY, jobOf, nonceOf } from "./job";

/** The jobs that are not refused. */
const accepted: usize = memory.data(16 * 4, 16);

if (CIPHER_BATCH != 16) ERROR("the list of accepted jobs was reckoned for batches of 16");

/** Puts the jobs with a whole tag on the list `accepted`; returns how many. */
function accept(list: usize, count: u32): u32 {
  assert(count <= CIPHER_BATCH, "ChaCha20-Poly1305 batch too large");
  let taken: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    job.done = 0;
    if (job.tagLength != CHACHA20_POLY1305_TAG_OCTETS) continue;
    store<u32>(accepted + ((<usize>taken) << 2), <u32>changetype<usize>(job));
    taken += 1;
  }
  return taken;
}

/** Seals `count` (at most CIPHER_BATCH) jobs of the list; returns how many were. */
export function chachaSealBatch(list: usize, count: u32): u32 {
  const taken = accept(list, count);
  if (ASC_FEATURE_SIMD) chachaSealLanes(accepted, taken);
  else {
    for (let i: u32 = 0; i < taken; i++) {
      const job = jobOf(accepted, i);
      const key = <usize>job.context + CONTEXT_KEY;
      chacha20Poly1305Seal(key, nonceOf(job), job.aad, job.aadLength, job.data, job.length, job.tag);
      job.done = 1;
    }
  }
  return taken;
}

/** Opens `count` (at most CIPHER_BATCH) jobs of the list; returns how many had the right tag. */
export function chachaOpenBatch(list: usize, count: u32): u32 {
  const taken = accept(list, count);
  if (ASC_FEATURE_SIMD) return chachaOpenLanes(accepted, taken);
  let done: u32 = 0;
  for (let i: u32 = 0; i < taken; i++) {
    const job = jobOf(accepted, i);
    const key = <usize>job.context + CONTEXT_KEY;
    if (chacha20Poly1305Open(key, nonceOf(job), job.aad, job.aadLength, job.data, job.length, job.tag)) {
      job.done = 1;
      done += 1;
    }
  }
  return done;
}
