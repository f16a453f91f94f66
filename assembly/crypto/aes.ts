/**
 * AES with keys of 128, 192 and 256 bits (FIPS 197): single blocks, runs of blocks, and counter mode (SP 800-38A 6.5,
 * with the 32-bit big-endian counter of GCM and RFC 3686).
 *
 * A context holds the number of rounds and the schedule in the form of aes_bitslice.ts. Constant time: key and data
 * reach no address and no branch; key size, lengths and counters are public.
 *
 * Refuses key sizes other than 16, 24 and 32 octets (assert: the table of transforms names no other).
 */
import {
  BITSLICE_SCHEDULE_OCTETS,
  bitsliceDecrypt4,
  bitsliceEncrypt4,
  bitsliceSchedule,
  expandKey,
} from "./aes_bitslice";

/** Octets of a block. */
export const AES_BLOCK: u32 = 16;
/** Octets of a context. */
export const AES_CONTEXT_OCTETS: u32 = 16 + BITSLICE_SCHEDULE_OCTETS;
const SCHEDULE: usize = 16;

const blocks: usize = memory.data(64, 16);

/** Expands `key` (16, 24 or 32 octets) into `context`. */
export function aesInit(context: usize, key: usize, keyOctets: u32): void {
  assert(keyOctets == 16 || keyOctets == 24 || keyOctets == 32, "AES key size");
  const rounds = expandKey(context + SCHEDULE, key, keyOctets);
  bitsliceSchedule(context + SCHEDULE, rounds);
  store<u32>(context, rounds);
}

export function aesWipe(context: usize): void {
  memory.fill(context, 0, AES_CONTEXT_OCTETS);
}

/** Encrypts `count` independent blocks; `input` may be `out`, any alignment. */
export function aesEncryptBlocks(context: usize, input: usize, out: usize, count: u32): void {
  const rounds = load<u32>(context);
  while (count >= 4) {
    bitsliceEncrypt4(context + SCHEDULE, rounds, input, out);
    input += 64;
    out += 64;
    count -= 4;
  }
  if (count == 0) return;
  memory.copy(blocks, input, count << 4);
  bitsliceEncrypt4(context + SCHEDULE, rounds, blocks, blocks);
  memory.copy(out, blocks, count << 4);
  memory.fill(blocks, 0, 64);
}

/** Decrypts `count` independent blocks; `input` may be `out`, any alignment. */
export function aesDecryptBlocks(context: usize, input: usize, out: usize, count: u32): void {
  const rounds = load<u32>(context);
  while (count >= 4) {
    bitsliceDecrypt4(context + SCHEDULE, rounds, input, out);
    input += 64;
    out += 64;
    count -= 4;
  }
  if (count == 0) return;
  memory.copy(blocks, input, count << 4);
  bitsliceDecrypt4(context + SCHEDULE, rounds, blocks, blocks);
  memory.copy(out, blocks, count << 4);
  memory.fill(blocks, 0, 64);
}

export function aesEncryptBlock(context: usize, input: usize, out: usize): void {
  aesEncryptBlocks(context, input, out, 1);
}

export function aesDecryptBlock(context: usize, input: usize, out: usize): void {
  aesDecryptBlocks(context, input, out, 1);
}

/**
 * Counter mode in place over `length` octets. `counter` is the first counter block; its last four octets count
 * (big-endian, wrapping). It is not advanced.
 */
export function aesCtr(context: usize, counter: usize, data: usize, length: u32): void {
  const rounds = load<u32>(context);
  const high = load<u64>(counter);
  const middle = load<u32>(counter, 8);
  let count = bswap<u32>(load<u32>(counter, 12));
  while (length > 0) {
    for (let at = blocks; at < blocks + 64; at += 16) {
      store<u64>(at, high);
      store<u32>(at, middle, 8);
      store<u32>(at, bswap<u32>(count), 12);
      count += 1;
    }
    bitsliceEncrypt4(context + SCHEDULE, rounds, blocks, blocks);
    if (length >= 64) {
      for (let i: usize = 0; i < 64; i += 8) store<u64>(data + i, load<u64>(data + i) ^ load<u64>(blocks + i));
      data += 64;
      length -= 64;
    } else {
      for (let i: usize = 0; i < length; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(blocks + i));
      length = 0;
    }
  }
  memory.fill(blocks, 0, 64);
}
