/**
 * AES counter mode for GCM (SP 800-38D, 6.5) on the fixsliced kernel, eight blocks at once, for builds with SIMD.
 *
 * Counter blocks of one packet differ in their last octets only, so nearly all of round 1 is the same for the whole packet.
 * MixColumns is linear: the state after round 1 is a constant of the packet, with the last octet's S-box output left out,
 * plus what that octet contributes. The contribution depends on the key and on the block counter's last octet, which is
 * public: 32 groups of eight counters, 128 octets each, make a table of 4 KiB a key. The constant is made anew every
 * 256 blocks.
 *
 * Counters 0 to 7 are the first group: counter 1 encrypts to the mask of the tag, 2 to 7 to the first 96 octets of key
 * stream, and 0 is not used. The caller keeps that group (a "lead") while it verifies.
 */
import {
  FIXSLICE_STATE,
  fixsliceFirstRound,
  fixsliceLayout,
  fixsliceRounds,
  fixsliceSpread,
  fixsliceSubBytes,
  fixsliceTranspose,
} from "./aes_fixslice";

/** Octets of the table of a key. */
export const CTR_TABLE_OCTETS: u32 = 4096;
/** Octets of a lead: the first group's output, then the packet's constant. The mask of the tag is at 16. */
export const CTR_LEAD_OCTETS: usize = 256;
/** Where in a lead the key stream of the first data octets begins, and how many octets it holds. */
export const CTR_LEAD_STREAM: usize = 32;
export const CTR_LEAD_STREAM_OCTETS: u32 = 96;
const LEAD_CONSTANT: usize = 128;

const state: usize = memory.data(128, 64);
const zeroKey: usize = memory.data(128, 64);

/** The mask of octet 15 in the layout of the start. */
// @ts-ignore: decorator
@inline
function lastOctet(rounds: u32): v128 {
  return fixsliceLayout(i8x16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1), 0 - rounds);
}

/** Fills `table` (4 KiB) from a fixsliced schedule. */
export function ctrTable(schedule: usize, rounds: u32, table: usize): void {
  const mask = lastOctet(rounds);
  for (let group: u32 = 0; group < 32; group++) {
    const at = table + (<usize>group << 7);
    // Octet b of a word's octet 15 is block b, whose counter is 8 * group + b.
    v128.store(at, i8x16.splat(<i8>0xaa));
    v128.store(at, i8x16.splat(<i8>0xcc), 16);
    v128.store(at, i8x16.splat(<i8>0xf0), 32);
    for (let bit: u32 = 3; bit < 8; bit++) {
      v128.store(at + (<usize>bit << 4), i8x16.splat(<i8>(0 - ((group >>> (bit - 3)) & 1))));
    }
    for (let i: usize = 0; i < 128; i += 16) {
      // Octets that are zero pass the S-box, which lacks its constant, as zero.
      v128.store(at + i, v128.and(v128.xor(v128.load(at + i), v128.load(schedule + i)), mask));
    }
    fixsliceFirstRound(at, zeroKey, rounds);
  }
}

/** The constant of the counters `count` (a multiple of 256) to `count` + 255, into `to` (128 octets). */
function packetConstant(schedule: usize, rounds: u32, nonce: usize, count: u32, to: usize): void {
  let block = i32x4(0, 0, 0, 0);
  block = i64x2.replace_lane(block, 0, load<u64>(nonce));
  block = i32x4.replace_lane(block, 2, load<u32>(nonce, 8));
  block = i32x4.replace_lane(block, 3, bswap<u32>(count));
  fixsliceSpread(fixsliceLayout(block, 0 - rounds), to);
  const mask = lastOctet(rounds);
  for (let i: usize = 0; i < 128; i += 16) {
    v128.store(to + i, v128.andnot(v128.xor(v128.load(to + i), v128.load(schedule + i)), mask));
  }
  fixsliceFirstRound(to, schedule + FIXSLICE_STATE, rounds);
}

/** Key stream of a group: eight blocks into `to`. */
// @ts-ignore: decorator
@inline
function groupStream(schedule: usize, rounds: u32, table: usize, constant: usize, group: u32, to: usize): void {
  const contribution = table + (<usize>(group & 31) << 7);
  for (let i: usize = 0; i < 128; i += 32) {
    v128.store(to + i, v128.xor(v128.load(constant + i), v128.load(contribution + i)));
    v128.store(to + i, v128.xor(v128.load(constant + i, 16), v128.load(contribution + i, 16)), 16);
  }
  fixsliceRounds(to, schedule, rounds);
  fixsliceTranspose(to);
}

/** Prepares the packet of `nonce` (12 octets): first group and constant into `lead`. */
export function ctrLead(schedule: usize, rounds: u32, table: usize, nonce: usize, lead: usize): void {
  packetConstant(schedule, rounds, nonce, 0, lead + LEAD_CONSTANT);
  groupStream(schedule, rounds, table, lead + LEAD_CONSTANT, 0, lead);
}

/** Adds `length` octets of `stream` to `data`. */
function addStream(data: usize, stream: usize, length: u32): void {
  while (length >= 16) {
    v128.store(data, v128.xor(v128.load(data), v128.load(stream)));
    data += 16;
    stream += 16;
    length -= 16;
  }
  for (let i: usize = 0; i < length; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(stream + i));
}

/** Encrypts or decrypts a packet in place, given its lead. Spends the lead: its constant is overwritten. */
export function ctrApply(
  schedule: usize,
  rounds: u32,
  table: usize,
  nonce: usize,
  lead: usize,
  data: usize,
  length: u32,
): void {
  const first = min<u32>(length, CTR_LEAD_STREAM_OCTETS);
  addStream(data, lead + CTR_LEAD_STREAM, first);
  data += first;
  length -= first;
  for (let group: u32 = 1; length > 0; group++) {
    if ((group & 31) == 0) packetConstant(schedule, rounds, nonce, group << 3, lead + LEAD_CONSTANT);
    groupStream(schedule, rounds, table, lead + LEAD_CONSTANT, group, state);
    const octets = min<u32>(length, 128);
    addStream(data, state, octets);
    data += octets;
    length -= octets;
  }
}

/** Encrypts the block `input` into `out`, for keys and self tests: seven eighths of the work are idle. */
export function fixsliceEncryptBlock(schedule: usize, rounds: u32, input: usize, out: usize): void {
  fixsliceSpread(fixsliceLayout(v128.load(input), 0 - rounds), state);
  for (let i: usize = 0; i < 128; i += 16) {
    v128.store(state + i, v128.xor(v128.load(state + i), v128.load(schedule + i)));
  }
  fixsliceFirstRound(state, schedule + FIXSLICE_STATE, rounds);
  fixsliceRounds(state, schedule, rounds);
  fixsliceTranspose(state);
  v128.store(out, v128.load(state));
}
