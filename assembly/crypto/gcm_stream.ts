/**
 * The key stream of one GCM message in two steps, so that a message can be verified before it is decrypted: the lead (mask of
 * the tag and the first data octets' key stream), then the rest.
 */
import { ctrApply, ctrLead } from "./aes_fixslice_ctr";
import { aesCtr, aesEncryptBlocks } from "./aes";
import { storeBE32 } from "../rt/bytes";
import { SLOT_CTR, SLOT_ROUNDS, SLOT_SCHEDULE } from "./key_cache";

/** Octets of a lead. */
export const STREAM_LEAD_OCTETS: usize = 256;
/** Where in a lead the mask of the tag is. */
export const STREAM_LEAD_MASK: usize = 16;

/** Blocks of the lead of builds without SIMD: counters 1 to 4, from STREAM_LEAD_MASK on. */
const BASE_BLOCKS: u32 = 4;
const BASE_STREAM_OCTETS: u32 = 48;

const counter: usize = memory.data(16, 16);

function setCounter(to: usize, nonce: usize, count: u32): void {
  store<u64>(to, load<u64>(nonce));
  store<u32>(to, load<u32>(nonce, 8), 8);
  storeBE32(to + 12, count);
}

/** Prepares the message of `nonce` (12 octets) under the key of `slot`. */
export function streamLead(slot: usize, nonce: usize, lead: usize): void {
  if (ASC_FEATURE_SIMD) {
    ctrLead(slot + SLOT_SCHEDULE, load<u32>(slot, SLOT_ROUNDS), slot + SLOT_CTR, nonce, lead);
  } else {
    const blocks = lead + STREAM_LEAD_MASK;
    for (let i: u32 = 0; i < BASE_BLOCKS; i++) setCounter(blocks + (<usize>i << 4), nonce, i + 1);
    aesEncryptBlocks(slot + SLOT_SCHEDULE, blocks, blocks, BASE_BLOCKS);
  }
}

/** Encrypts or decrypts `length` octets in place and spends the lead. */
export function streamApply(slot: usize, nonce: usize, lead: usize, data: usize, length: u32): void {
  if (ASC_FEATURE_SIMD) {
    ctrApply(
      slot + SLOT_SCHEDULE,
      load<u32>(slot, SLOT_ROUNDS),
      slot + SLOT_CTR,
      nonce,
      lead,
      data,
      length,
    );
  } else {
    const stream = lead + STREAM_LEAD_MASK + 16;
    const first = min<u32>(length, BASE_STREAM_OCTETS);
    for (let i: usize = 0; i < first; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(stream + i));
    if (length > first) {
      setCounter(counter, nonce, 2 + BASE_BLOCKS - 1);
      aesCtr(slot + SLOT_SCHEDULE, counter, data + first, length - first);
    }
  }
}
