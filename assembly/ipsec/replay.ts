/**
 * Anti-replay (RFC 4303 3.4.3) by the bitmap of RFC 6479: a ring of 64-bit words, one word more than the window needs, so
 * that moving the window clears words and shifts nothing.
 *
 * Asked twice per packet: before the ICV (replayCheck), and once it has proved right (replayCommit), because a twin may sit
 * in the same batch. Refuses windows beyond REPLAY_WINDOW_MAX.
 */
import { SA_FLAG_ESN } from "../abi/message";
import { Sa } from "./sa";

export const REPLAY_WINDOW_MAX: u32 = 4096;
/** Octets of bitmap that an SA has: 128 words hold 65. */
export const REPLAY_BITMAP_OCTETS: u32 = 1024;

/** Number that no packet has. */
export const REPLAY_NO_SEQUENCE: u64 = 0;

/** Opens a window of `window` packets behind `edge`. Every number up to `edge` counts as seen. */
export function replayReset(sa: Sa, window: u32, edge: u64): void {
  let words: u32 = 2;
  while ((words - 1) << 6 < window) words <<= 1;
  sa.window = window;
  sa.bitmapMask = words - 1;
  sa.sequence = edge;
  memory.fill(sa.bitmap, 0xff, (<usize>words) << 3);
  // Bits beyond the edge are not seen yet.
  store<u64>(word(sa, edge), u64.MAX_VALUE >> (63 - (edge & 63)));
}

/** Moves the edge up to `edge` at least; every number up to it counts as seen. */
export function replayAdvance(sa: Sa, edge: u64): void {
  if (edge > sa.sequence) replayReset(sa, sa.window, edge);
}

/** Words of 64 numbers that the window touches, the one with its right edge first. */
export function replayWords(sa: Sa): u32 {
  const words = ((sa.window + 63) >> 6) + 1;
  return <u32>min<u64>(<u64>words, (sa.sequence >> 6) + 1);
}

/** The word `back` words before that of the right edge. */
export function replayWord(sa: Sa, back: u32): u64 {
  return load<u64>(word(sa, sa.sequence - ((<u64>back) << 6)));
}

/** Sets it. */
export function replayWordPut(sa: Sa, back: u32, bits: u64): void {
  store<u64>(word(sa, sa.sequence - ((<u64>back) << 6)), bits);
}

/**
 * The 64-bit number of a packet from its low 32 bits: as they are without ESN, by RFC 4303 appendix A2.2 with it.
 * REPLAY_NO_SEQUENCE when there is none.
 */
export function replaySequence(sa: Sa, low: u32): u64 {
  if ((sa.flags & SA_FLAG_ESN) == 0) return <u64>low;
  const window = max<u32>(sa.window, 64);
  const edgeLow = <u32>sa.sequence;
  let high = <u32>(sa.sequence >> 32);
  const bottom = edgeLow - window + 1;
  if (edgeLow >= window - 1) {
    if (low < bottom) {
      if (high == u32.MAX_VALUE) return REPLAY_NO_SEQUENCE;
      high += 1;
    }
  } else if (low >= bottom) {
    if (high == 0) return REPLAY_NO_SEQUENCE;
    high -= 1;
  }
  return ((<u64>high) << 32) | (<u64>low);
}

/** True when `sequence` is neither seen nor too old. */
export function replayCheck(sa: Sa, sequence: u64): bool {
  if (sa.window == 0) return true;
  if (sequence == REPLAY_NO_SEQUENCE) return false;
  if (sequence > sa.sequence) return true;
  if (sa.sequence - sequence >= <u64>sa.window) return false;
  return ((load<u64>(word(sa, sequence)) >> (sequence & 63)) & 1) == 0;
}

/** Marks `sequence` as seen and moves the window; false when it has been seen since replayCheck. */
export function replayCommit(sa: Sa, sequence: u64): bool {
  if (!replayCheck(sa, sequence)) return false;
  if (sequence > sa.sequence) {
    if (sa.window != 0) {
      const words = min<u64>((sequence >> 6) - (sa.sequence >> 6), <u64>sa.bitmapMask + 1);
      for (let i: u64 = 0; i < words; i++) store<u64>(word(sa, sequence - (i << 6)), 0);
    }
    sa.sequence = sequence;
  }
  if (sa.window != 0) {
    const at = word(sa, sequence);
    store<u64>(at, load<u64>(at) | ((<u64>1) << (sequence & 63)));
  }
  return true;
}

// @ts-ignore: decorator
@inline
function word(sa: Sa, sequence: u64): usize {
  return sa.bitmap + ((<usize>((<u32>(sequence >> 6)) & sa.bitmapMask)) << 3);
}
