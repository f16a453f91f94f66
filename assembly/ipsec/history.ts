/**
 * The history of an SA: what another board needs to go on exactly where this one stopped (abi/message.ts, HISTORY_*). Written when the
 * SA is given up (SA_RELEASE), read when it is installed for the first time.
 */
import {
  DIRECTION_INBOUND,
  HISTORY_LAST_USED,
  HISTORY_OCTETS,
  HISTORY_PACKETS,
  HISTORY_WINDOW,
  HISTORY_WORDS_MAX,
} from "../abi/message";
import { replayWord, replayWordPut, replayWords } from "./replay";
import { Sa } from "./sa";

const COUNTERS: u32 = HISTORY_WINDOW >> 3;

/** Writes the history of an SA to `p`; returns its words. */
export function historyWrite(p: usize, sa: Sa): u32 {
  store<u64>(p, sa.packets, HISTORY_PACKETS);
  store<u64>(p, sa.octets, HISTORY_OCTETS);
  store<u64>(p, sa.lastUsed, HISTORY_LAST_USED);
  if (<u32>sa.direction != DIRECTION_INBOUND || sa.window == 0) return COUNTERS;
  const words = replayWords(sa);
  for (let i: u32 = 0; i < words; i++) store<u64>(p + HISTORY_WINDOW + ((<usize>i) << 3), replayWord(sa, i));
  return COUNTERS + words;
}

/** Takes over a history of `words` words: the SA's sequence number and window are set, all up to it counting as seen. */
export function historyTake(sa: Sa, p: usize, words: u32): void {
  if (words < COUNTERS || words > HISTORY_WORDS_MAX) return;
  sa.packets = load<u64>(p, HISTORY_PACKETS);
  sa.octets = load<u64>(p, HISTORY_OCTETS);
  sa.lastUsed = load<u64>(p, HISTORY_LAST_USED);
  if (<u32>sa.direction != DIRECTION_INBOUND || sa.window == 0) return;
  const seen = min<u32>(words - COUNTERS, replayWords(sa));
  for (let i: u32 = 0; i < seen; i++) replayWordPut(sa, i, load<u64>(p + HISTORY_WINDOW + ((<usize>i) << 3)));
}
