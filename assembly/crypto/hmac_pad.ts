/**
 * The blocks of an HMAC (RFC 2104) that do not lie in the packet: its incomplete end with the padding of FIPS 180-4, 5.1, and
 * the inner digest as the outer hash takes it. A block of key stands before each of the two, and counts.
 *
 * Refuses to compress.
 */
import { storeBE64 } from "../rt/bytes";
import { hashBlockOctets, hashOctets, hashStateOctets } from "./hash";
import { CipherJob } from "./job";

/** Writes the end of a job's text, padded, to `to`, two blocks of room, and returns how many blocks it takes: 1 or 2. */
export function tailBlocks(hash: u32, job: CipherJob, to: usize): u32 {
  const block = hashBlockOctets(hash);
  const rest = job.textLength & (block - 1);
  const from = <usize>job.text + job.textLength - rest;
  const blocks: u32 = rest + 1 + (block >>> 3) > block ? 2 : 1;
  const end = to + blocks * block;
  // By words, and octet by octet only within the last: an end is too short for a call of memory.copy.
  let at: u32 = 0;
  for (; at + 8 <= rest; at += 8) store<u64>(to + at, load<u64>(from + at));
  let last: u64 = 0x80;
  for (let i = rest; i > at; i--) last = (last << 8) | load<u8>(from + i - 1);
  store<u64>(to + at, last);
  for (let p = to + at + 8; p < end - 8; p += 8) store<u64>(p, 0);
  storeBE64(end - 8, (<u64>block + job.textLength) << 3);
  return blocks;
}

/** Writes the one block of the outer hash, given the inner hash's chaining state. */
export function outerBlock(hash: u32, state: usize, to: usize): void {
  const block = hashBlockOctets(hash);
  const octets = hashOctets(hash);
  const end = to + block;
  for (let p = to + (octets & ~7); p < end - 8; p += 8) store<u64>(p, 0);
  hashStateOctets(hash, state, to);
  store<u8>(to + octets, 0x80);
  storeBE64(end - 8, (<u64>block + octets) << 3);
}
