/**
 * Which entries of a table have changed since they were written to the checkpoint: each at most once, in the order in which they changed
 * first. One list for each table; its records are
 *
 *   0 first u32   4 last u32, index + 1, 0 none   8 capacity u32   12 reserved   16 entries: next u32, index + 1, of the last one LAST
 *
 * and behind them one octet for each entry: 1 when the checkpoint has it.
 */
import { arenaTake } from "../rt/arena";

const FIRST: u32 = 0;
const END: u32 = 4;
const CAPACITY: u32 = 8;
const ENTRIES: u32 = 16;
const LAST: u32 = 0xffffffff;

/** A list for `capacity` entries; 0 when RAM is too small. */
export function changesTake(capacity: u32): usize {
  const changes = arenaTake(<usize>ENTRIES + <usize>capacity * 5);
  if (changes != 0) store<u32>(changes, capacity, CAPACITY);
  return changes;
}

/** An entry has changed. Nothing happens while there is no list (0). */
// @ts-ignore: decorator
@inline
export function changed(changes: usize, index: u32): void {
  if (changes != 0) add(changes, index);
}

function add(changes: usize, index: u32): void {
  const entry = changes + ENTRIES + ((<usize>index) << 2);
  if (load<u32>(entry) != 0) return;
  store<u32>(entry, LAST);
  const last = load<u32>(changes, END);
  if (last == 0) store<u32>(changes, index + 1, FIRST);
  else store<u32>(changes + ENTRIES + ((<usize>(last - 1)) << 2), index + 1);
  store<u32>(changes, index + 1, END);
}

/** The entry that changed first, which is off the list then; -1: none has. */
export function changesNext(changes: usize): i32 {
  const first = changes != 0 ? load<u32>(changes, FIRST) : 0;
  if (first == 0) return -1;
  const entry = changes + ENTRIES + ((<usize>(first - 1)) << 2);
  const next = load<u32>(entry);
  store<u32>(entry, 0);
  store<u32>(changes, next == LAST ? 0 : next, FIRST);
  if (next == LAST) store<u32>(changes, 0, END);
  return <i32>(first - 1);
}

/** True when an entry has changed. */
export function changesPending(changes: usize): bool {
  return changes != 0 && load<u32>(changes, FIRST) != 0;
}

/** Whether the checkpoint has an entry, as it is noted from now on; returns what was noted before. */
export function changesKept(changes: usize, index: u32, kept: bool): bool {
  const note = changes + ENTRIES + ((<usize>load<u32>(changes, CAPACITY)) << 2) + <usize>index;
  const before = load<u8>(note) != 0;
  store<u8>(note, kept ? 1 : 0);
  return before;
}
