/**
 * Clear packets that wait for the SA which they made the IKE board ask for: the first one of every trap, HELD_MAX in all, in the
 * frames that they came in, for HOLD_TIME at most. It goes on as soon as its selectors lead to an SA, or to a policy without one.
 *
 * Refuses further packets of a trap that has one waiting: they are dropped as no_sa_acquiring.
 */
import { DROP_NO_SA_ACQUIRING } from "../abi/drop";
import { Frame, frameAddress } from "../bus/frame";
import { drop } from "../bus/port";
import { SELECTOR_TABLE_NONE, selectorTableLookupPacket } from "../policy/selector_table";
import { now } from "../rt/registers";
import { TRAP_POLICY } from "./policy";

const HELD_MAX: u32 = 32;
const HOLD_TIME: u64 = 10_000_000_000;

/** Entries: frame address u32, 0 free; index of the configured child u32; end of patience u64. */
const ENTRY: usize = 16;
const table: usize = memory.data(32 * 16, 8);
let count: u32 = 0;
/** True when an SA has come into use since heldNext looked last. */
let news: bool = false;

export function heldReset(): void {
  memory.fill(table, 0, <usize>HELD_MAX * ENTRY);
  count = 0;
  news = false;
}

/** True when a packet may wait for the SA of a configured child: none does, and there is room. */
export function holds(child: u32): bool {
  return place(child) != 0;
}

/** A free entry for a packet of the child, or 0. */
function place(child: u32): usize {
  let free: usize = 0;
  for (let i: u32 = 0; i < HELD_MAX; i++) {
    const entry = table + <usize>i * ENTRY;
    if (load<u32>(entry) == 0) free = entry;
    else if (load<u32>(entry, 4) == child) return 0;
  }
  return free;
}

/** Keeps the frame for the SA of a configured child. False: it is the caller's still. */
export function hold(frame: Frame, child: u32): bool {
  const free = place(child);
  if (free == 0) return false;
  store<u32>(free, <u32>frameAddress(frame));
  store<u32>(free, child, 4);
  store<u64>(free, now() + HOLD_TIME, 8);
  count += 1;
  return true;
}

/** An outbound SA is in use: somebody may have waited for it. */
export function heldWake(): void {
  news = true;
}

function take(entry: usize): Frame {
  const frame = changetype<Frame>(<usize>load<u32>(entry));
  store<u32>(entry, 0);
  count -= 1;
  return frame;
}

/** A frame whose SA is there now: the caller's again; null: there is none. */
export function heldNext(): Frame | null {
  if (!news) return null;
  for (let i: u32 = 0; i < HELD_MAX && count != 0; i++) {
    const entry = table + <usize>i * ENTRY;
    if (load<u32>(entry) == 0) continue;
    const frame = changetype<Frame>(<usize>load<u32>(entry));
    const value = selectorTableLookupPacket(frame.start, frame.length);
    if (value != SELECTOR_TABLE_NONE && (value & TRAP_POLICY) == 0) return take(entry);
  }
  news = false;
  return null;
}

/** Drops those that have waited for too long; returns when to come again. */
export function heldTimeout(): u64 {
  let deadline: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < HELD_MAX && count != 0; i++) {
    const entry = table + <usize>i * ENTRY;
    if (load<u32>(entry) == 0) continue;
    if (load<u64>(entry, 8) <= now()) drop(take(entry), DROP_NO_SA_ACQUIRING);
    else deadline = min<u64>(deadline, load<u64>(entry, 8));
  }
  return deadline;
}
