/**
 * Contents of the checkpoint's records without their zeros: a table's entry has room for the longest names, keys and selectors, and most of it
 * is empty. What is not written is not sealed, copied and kept either.
 *
 *      +----------------------------------+------------------------------------+----------+
 *      | words of 8 octets that are not 0 | a bit for each word: 1, it is here | OCTETS   |
 *      +----------------------------------+------------------------------------+----------+
 *
 * OCTETS u32 are those of the contents, the last word of which is filled up with zeros; the bits of a word's octet begin with the least
 * significant one. The length of a record tells how many words are zero, and nothing of the others.
 */
import { zeroize } from "../rt/bytes";

const BITS_MAX: u32 = 160;
/** Octets of contents at most. */
export const PACKED_MAX: u32 = BITS_MAX * 64;
/** What packing adds at most: to contents without a zero. */
export const PACKING_MAX: u32 = 7 + BITS_MAX + 4;

const bits: usize = memory.data(BITS_MAX, 8);

/** Packs `octets` at `at` in place, with room for PACKING_MAX more behind them; returns how many there are then. Of what was there nothing is left behind. */
export function pack(at: usize, octets: u32): u32 {
  assert(octets <= PACKED_MAX, "contents that are too long to be packed");
  const words = (octets + 7) >>> 3;
  memory.fill(at + octets, 0, ((<usize>words) << 3) - octets);
  const marks = (words + 7) >>> 3;
  let to = at;
  for (let mark: u32 = 0; mark < marks; mark++) {
    const last = min<u32>(words - (mark << 3), 8);
    const from = at + ((<usize>mark) << 6);
    let set: u32 = 0;
    for (let i: u32 = 0; i < last; i++) {
      const word = load<u64>(from + ((<usize>i) << 3));
      store<u64>(to, word);
      const here = <u32>(word != 0);
      to += here << 3;
      set |= here << i;
    }
    store<u8>(bits + mark, <u8>set);
  }
  memory.copy(to, bits, marks);
  store<u32>(to + marks, octets);
  const end = to + marks + 4;
  const was = at + ((<usize>words) << 3);
  if (was > end) zeroize(end, <u32>(was - end));
  return <u32>(end - at);
}

/** Unpacks `octets` at `from` to `to`, which has `room`; returns how many come out, -1 when they do not add up. */
export function unpack(from: usize, octets: u32, to: usize, room: u32): i32 {
  if (octets < 4) return -1;
  const whole = load<u32>(from + octets - 4);
  const words = (whole + 7) >>> 3;
  const marks = (words + 7) >>> 3;
  if (whole > PACKED_MAX || words << 3 > room || marks + 4 > octets) return -1;
  const end = from + octets - 4 - marks;
  let at = from;
  for (let i: u32 = 0; i < words; i++) {
    const here = (((<u32>load<u8>(end + (i >>> 3))) >>> (i & 7)) & 1) != 0;
    if (here && at + 8 > end) return -1;
    store<u64>(to + ((<usize>i) << 3), here ? load<u64>(at) : 0);
    if (here) at += 8;
  }
  return at == end ? <i32>whole : -1;
}
