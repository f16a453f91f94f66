/**
 * The links that are between two boards (move.ts), and what their SAs did so far (abi/message.ts, HISTORY_*): kept from the answer of
 * the one board until that of the other. MOVES links at a time, so that what they need is bounded.
 */
import { DIRECTION_INBOUND, HISTORY_WORDS_MAX } from "../abi/message";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { Link, linkNumber } from "./local_database";

/** Links that are moved at a time. */
export const MOVES: u32 = 32;
const HISTORY_OCTETS: u32 = HISTORY_WORDS_MAX * 8;


@unmanaged
export class Passage {
  /** LINK + 1; 0: free. */
  link: u32;
  /** Where it goes: a slot, or SELECTION_NONE for the one that is chosen then. */
  target: u32;
  /** How often its board was asked to give it up. */
  tries: u32;
  /** Words of history of each direction; 0: there is none. */
  wordsIn: u32;
  wordsOut: u32;
}

const passages: usize = memory.data(MOVES * offsetof<Passage>(), 4);
let histories: usize = 0;
let used: u32 = 0;
/** True when a link may have come to rest: packets may have waited for it. */
let news: bool = false;

export function historyReset(): bool {
  memory.fill(passages, 0, MOVES * offsetof<Passage>());
  used = 0;
  news = false;
  histories = arenaTake(MOVES * 2 * HISTORY_OCTETS);
  return histories != 0;
}

// @ts-ignore: decorator
@inline
export function passageAt(i: u32): Passage {
  return changetype<Passage>(passages + <usize>i * offsetof<Passage>());
}

/** A passage for a link that has none, or null: all are taken. */
export function passageBegin(link: Link, target: u32): Passage | null {
  for (let i: u32 = 0; i < MOVES; i++) {
    const passage = passageAt(i);
    if (passage.link != 0) continue;
    passage.link = linkNumber(link) + 1;
    passage.target = target;
    passage.tries = 0;
    passage.wordsIn = 0;
    passage.wordsOut = 0;
    link.passage = 1;
    used += 1;
    return passage;
  }
  return null;
}

/** The passage of a link, or null. */
export function passageOf(link: Link): Passage | null {
  if (link.passage == 0) return null;
  const number = linkNumber(link) + 1;
  for (let i: u32 = 0; i < MOVES; i++) if (passageAt(i).link == number) return passageAt(i);
  return null;
}

/** Links that are between two boards now. */
export function passagesUsed(): u32 {
  return used;
}

/** Keeps `words` words at `p` for one direction. */
export function historyPut(passage: Passage, direction: u32, p: usize, words: u32): void {
  if (words > HISTORY_WORDS_MAX) return;
  if (direction == DIRECTION_INBOUND) passage.wordsIn = words;
  else passage.wordsOut = words;
  memory.copy(historyOf(passage, direction), p, (<usize>words) << 3);
}

/** Where the history of one direction stands. */
export function historyOf(passage: Passage, direction: u32): usize {
  const i = (changetype<usize>(passage) - passages) / offsetof<Passage>();
  return histories + (i * 2 + direction) * HISTORY_OCTETS;
}

/** The link has arrived, or is gone: its passage is free again. */
export function passageEnd(link: Link): void {
  const passage = passageOf(link);
  link.passage = 0;
  if (!passage) return;
  news = true;
  zeroize(historyOf(passage, DIRECTION_INBOUND), 2 * HISTORY_OCTETS);
  passage.link = 0;
  used -= 1;
}

/** A link has come to rest. */
export function passageSettled(): void {
  news = true;
}

/** True when one has since the last call. */
export function passageNews(): bool {
  const was = news;
  news = false;
  return was;
}
