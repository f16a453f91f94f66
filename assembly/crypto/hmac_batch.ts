/**
 * HMAC (RFC 2104) over batches of packets: RFC 4868, RFC 2404.
 *
 * A context keeps the chaining states after the two padded keys, so that a packet costs its own blocks, one or two with the
 * padding, and one for the outer hash. Blocks are read where the packet lies; only its last, incomplete one is copied. With
 * SIMD packets go abreast (hmac_lanes.ts); one packet alone, and every packet without SIMD, takes the scalar kernel.
 *
 * No address and no branch depends on a key or on the contents of a packet; lengths are public. Refuses to truncate and to
 * compare: the caller knows its ICV length.
 */
import { hashBlockOctets, hashCompress, hashStateOctets, HASH_BLOCK_MAX, HASH_STATE_OCTETS } from "./hash";
import { hmacStates } from "./hmac";
import { hmacLanes } from "./hmac_lanes";
import { outerBlock, tailBlocks } from "./hmac_pad";
import { CIPHER_BATCH, CipherJob, CONTEXT_MAC, CONTEXT_MAC_OUTER, jobOf } from "./job";

/** From one MAC to the next. */
export const HMAC_OCTETS_MAX: usize = 64;

const state: usize = memory.data(HASH_STATE_OCTETS, 16);
/** The padded end of the packet, then the outer hash's block. */
const tail: usize = memory.data(2 * HASH_BLOCK_MAX, 16);

/** Writes the states of a key of any length into a context. An unknown hash is a bug of the caller. */
export function hmacKey(context: usize, hash: u32, key: usize, keyOctets: u32): void {
  hmacStates(hash, key, keyOctets, context + CONTEXT_MAC, context + CONTEXT_MAC_OUTER);
}

/** The MAC of one packet to `out`, hashOctets(hash) octets. */
function hmacSingle(hash: u32, job: CipherJob, out: usize): void {
  const whole = job.textLength / hashBlockOctets(hash);
  memory.copy(state, job.context + CONTEXT_MAC, HASH_STATE_OCTETS);
  if (whole != 0) hashCompress(hash, state, job.text, whole);
  hashCompress(hash, state, tail, tailBlocks(hash, job, tail));
  outerBlock(hash, state, tail);
  memory.copy(state, job.context + CONTEXT_MAC_OUTER, HASH_STATE_OCTETS);
  hashCompress(hash, state, tail, 1);
  hashStateOctets(hash, state, out);
}

/**
 * The MACs of the texts of `count` jobs (at most CIPHER_BATCH), in list order to `macs`, HMAC_OCTETS_MAX apart, whole:
 * hashOctets(hash) octets of each place are written. Contexts are of hmacKey with the same hash.
 */
export function hmacBatch(hash: u32, list: usize, count: u32, macs: usize): void {
  assert(count <= CIPHER_BATCH, "HMAC batch too large");
  if (ASC_FEATURE_SIMD) {
    if (count > 1) {
      hmacLanes(hash, list, count, macs);
      return;
    }
  }
  for (let i: u32 = 0; i < count; i++) hmacSingle(hash, jobOf(list, i), macs + <usize>i * HMAC_OCTETS_MAX);
  memory.fill(state, 0, HASH_STATE_OCTETS);
  memory.fill(tail, 0, 2 * HASH_BLOCK_MAX);
}
