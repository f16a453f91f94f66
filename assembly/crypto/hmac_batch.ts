/**
 * HMAC (RFC 2104) over batches of packets: RFC 4868, RFC 2404.
 *
 * A context keeps the chaining states after the two padded keys, so that a packet costs its own blocks, one or two with the
 * padding, and one for the outer hash. Blocks are read where the packet lies; only its last, incomplete one is copied.
 *
 * No address and no branch depends on a key or on the contents of a packet; lengths are public. Refuses to truncate and to
 * compare: the caller knows its ICV length.
 */
import { storeBE64 } from "../rt/bytes";
import { hashBlockOctets, hashCompress, hashOctets, hashStateOctets, HASH_BLOCK_MAX, HASH_STATE_OCTETS } from "./hash";
import { hmacStates } from "./hmac";
import { CIPHER_BATCH, CipherJob, CONTEXT_MAC, CONTEXT_MAC_OUTER, jobOf } from "./job";

/** From one MAC to the next. */
export const HMAC_OCTETS_MAX: usize = 64;

const state: usize = memory.data(HASH_STATE_OCTETS, 16);
/** The packet's incomplete block with its padding, then the outer hash's block. */
const tail: usize = memory.data(2 * HASH_BLOCK_MAX, 16);

/** Writes the states of a key of any length into a context. An unknown hash is a bug of the caller. */
export function hmacKey(context: usize, hash: u32, key: usize, keyOctets: u32): void {
  hmacStates(hash, key, keyOctets, context + CONTEXT_MAC, context + CONTEXT_MAC_OUTER);
}

/** The MAC of one packet to `out`, hashOctets(hash) octets. */
function hmacSingle(hash: u32, job: CipherJob, out: usize): void {
  const block = hashBlockOctets(hash);
  const whole = job.textLength & ~(block - 1);
  const rest = job.textLength - whole;
  memory.copy(state, job.context + CONTEXT_MAC, HASH_STATE_OCTETS);
  if (whole != 0) hashCompress(hash, state, job.text, whole / block);
  const padded: u32 = rest + 1 + (block >>> 3) > block ? 2 * block : block;
  memory.copy(tail, <usize>job.text + whole, rest);
  memory.fill(tail + rest, 0, padded - rest);
  store<u8>(tail + rest, 0x80);
  storeBE64(tail + padded - 8, (<u64>block + job.textLength) << 3);
  hashCompress(hash, state, tail, padded / block);

  const octets = hashOctets(hash);
  memory.fill(tail, 0, block);
  hashStateOctets(hash, state, tail);
  store<u8>(tail + octets, 0x80);
  storeBE64(tail + block - 8, (<u64>block + octets) << 3);
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
  for (let i: u32 = 0; i < count; i++) hmacSingle(hash, jobOf(list, i), macs + <usize>i * HMAC_OCTETS_MAX);
  memory.fill(state, 0, HASH_STATE_OCTETS);
  memory.fill(tail, 0, 2 * HASH_BLOCK_MAX);
}
