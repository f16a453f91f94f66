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
  fixsliceStream,
  fixsliceTranspose,
} from "./aes_fixslice";

/** Groups of a whole table, and its octets. */
export const CTR_TABLE_GROUPS: u32 = 32;
export const CTR_TABLE_OCTETS: u32 = CTR_TABLE_GROUPS * 128;
/** Octets of a packet's constant. */
export const CTR_CONSTANT_OCTETS: usize = 128;
/** Octets of a lead; the mask of the tag is at 16, the key stream of the first data octets at 32. */
export const CTR_LEAD_OCTETS: usize = 128;
export const CTR_LEAD_MASK: usize = 16;
export const CTR_LEAD_STREAM: usize = 32;
export const CTR_LEAD_STREAM_OCTETS: u32 = 96;
/** Groups that are worked on together. */
export const CTR_GROUPS: u32 = 16;

const states: usize = memory.data(CTR_GROUPS * 128, 64);
const zeroKey: usize = memory.data(128, 64);

/** The mask of octet 15 in the layout of the start. */
// @ts-ignore: decorator
@inline
function lastOctet(rounds: u32): v128 {
  return fixsliceLayout(i8x16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1), 0 - rounds);
}

/** Fills groups `first` to `end` - 1 of `table` (4 KiB) from a fixsliced schedule. A message takes as many as it is long, from group 0 on. */
export function ctrTable(schedule: usize, rounds: u32, table: usize, first: u32, end: u32): void {
  const mask = lastOctet(rounds);
  for (let group = first; group < end; group++) {
    const at = table + ((<usize>group) << 7);
    // Octet b of a word's octet 15 is block b, whose counter is 8 * group + b.
    v128.store(at, i8x16.splat(<i8>0xaa));
    v128.store(at, i8x16.splat(<i8>0xcc), 16);
    v128.store(at, i8x16.splat(<i8>0xf0), 32);
    for (let bit: u32 = 3; bit < 8; bit++) {
      v128.store(at + ((<usize>bit) << 4), i8x16.splat(<i8>(0 - ((group >>> (bit - 3)) & 1))));
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

/** Counters of `count` groups from `group` on, after round 1, into the states at `to`. */
function groupStates(table: usize, constant: usize, group: u32, count: u32, to: usize): void {
  let contribution = table + ((<usize>(group % CTR_TABLE_GROUPS)) << 7);
  for (const end = to + ((<usize>count) << 7); to < end; to += 128, contribution += 128) {
    for (let i: usize = 0; i < 128; i += 32) {
      v128.store(to + i, v128.xor(v128.load(constant + i), v128.load(contribution + i)));
      v128.store(to + i, v128.xor(v128.load(constant + i, 16), v128.load(contribution + i, 16)), 16);
    }
  }
}

/** Begins lead `lead` of the packet of `nonce` (12 octets). */
export function ctrLeadBegin(
  schedule: usize,
  rounds: u32,
  table: usize,
  nonce: usize,
  constant: usize,
  lead: usize,
): void {
  packetConstant(schedule, rounds, nonce, 0, constant);
  groupStates(table, constant, 0, 1, lead);
}

/** Finishes `count` leads side by side: together they cost half of what they cost one by one. */
export function ctrLeadsFinish(schedule: usize, rounds: u32, leads: usize, count: u32): void {
  fixsliceStream(leads, count, schedule, rounds, 0, 0);
}

/** Key stream of the first `count` (at most CTR_GROUPS) groups of the packet of `nonce`, the lead first, into `stream`. */
export function ctrStream(
  schedule: usize,
  rounds: u32,
  table: usize,
  nonce: usize,
  constant: usize,
  stream: usize,
  count: u32,
): void {
  packetConstant(schedule, rounds, nonce, 0, constant);
  groupStates(table, constant, 0, count, stream);
  fixsliceStream(stream, count, schedule, rounds, 0, 0);
}

/** Adds `length` octets of `stream` to `data`. */
export function addStream(data: usize, stream: usize, length: u32): void {
  while (length >= 16) {
    v128.store(data, v128.xor(v128.load(data), v128.load(stream)));
    data += 16;
    stream += 16;
    length -= 16;
  }
  for (let i: usize = 0; i < length; i++) store<u8>(data + i, load<u8>(data + i) ^ load<u8>(stream + i));
}

/**
 * Encrypts or decrypts in place what begins with the first block of group `group` (at least 1). `constant` is the packet's,
 * and is overwritten when the packet has more than 256 blocks.
 */
export function ctrContinue(
  schedule: usize,
  rounds: u32,
  table: usize,
  nonce: usize,
  constant: usize,
  group: u32,
  data: usize,
  length: u32,
): void {
  while (length > 0) {
    if (group % CTR_TABLE_GROUPS == 0) packetConstant(schedule, rounds, nonce, group << 3, constant);
    const count = min<u32>(min<u32>(CTR_TABLE_GROUPS - (group % CTR_TABLE_GROUPS), CTR_GROUPS), (length + 127) >>> 7);
    groupStates(table, constant, group, count, states);
    const octets = min<u32>(length, count << 7);
    const whole = octets >>> 7;
    fixsliceStream(states, count, schedule, rounds, data, whole);
    // What is left over is less than a group.
    addStream(data + ((<usize>whole) << 7), states + ((<usize>whole) << 7), octets & 127);
    data += octets;
    length -= octets;
    group += count;
  }
}

/** Stores a word of a state, or adds its blocks to those that are there. */
// @ts-ignore: decorator
@inline
function putWord(to: usize, word: v128, fresh: bool): void {
  v128.store(to, fresh ? word : v128.or(v128.load(to), word));
}

/**
 * Puts the first `blocks` (1 to 8) blocks of group `group`, after round 1, to places `place` and on of a row of states (eight
 * places each) that packets share: what a packet lacks to a whole group would be work for nothing. The row is filled from
 * its beginning.
 */
export function ctrShare(
  schedule: usize,
  rounds: u32,
  table: usize,
  nonce: usize,
  constant: usize,
  group: u32,
  row: usize,
  place: u32,
  blocks: u32,
): void {
  if (group % CTR_TABLE_GROUPS == 0) packetConstant(schedule, rounds, nonce, group << 3, constant);
  const contribution = table + ((<usize>(group % CTR_TABLE_GROUPS)) << 7);
  const up = <i32>(place & 7);
  const bits: u32 = (1 << blocks) - 1;
  const to = row + ((<usize>(place >>> 3)) << 7);
  const mask = i8x16.splat(<i8>(bits << up));
  for (let i: usize = 0; i < 128; i += 16) {
    const word = v128.xor(v128.load(constant + i), v128.load(contribution + i));
    putWord(to + i, v128.and(i64x2.shl(word, up), mask), up == 0);
  }
  if (<u32>up + blocks <= 8) return;
  const rest = i8x16.splat(<i8>(bits >>> (8 - up)));
  for (let i: usize = 0; i < 128; i += 16) {
    const word = v128.xor(v128.load(constant + i), v128.load(contribution + i));
    putWord(to + 128 + i, v128.and(i64x2.shr_u(word, 8 - up), rest), true);
  }
}

/** From a row of `count` shared states to its blocks. */
export function ctrShared(schedule: usize, rounds: u32, row: usize, count: u32): void {
  fixsliceStream(row, count, schedule, rounds, 0, 0);
}

/** Encrypts the block `input` into `out`, for keys and self tests: seven eighths of the work are idle. */
export function fixsliceEncryptBlock(schedule: usize, rounds: u32, input: usize, out: usize): void {
  fixsliceSpread(fixsliceLayout(v128.load(input), 0 - rounds), states);
  for (let i: usize = 0; i < 128; i += 16) {
    v128.store(states + i, v128.xor(v128.load(states + i), v128.load(schedule + i)));
  }
  fixsliceFirstRound(states, schedule + FIXSLICE_STATE, rounds);
  fixsliceRounds(states, 1, schedule, rounds);
  fixsliceTranspose(states);
  v128.store(out, v128.load(states));
}
