/**
 * The arena: RAM beyond the static data, taken once at reset and never given back.
 *
 * Tables are sized by CONFIG, so a board whose RAM is too small for its configuration refuses service at reset
 * (REFUSAL_RAM); it never runs out later. Refuses to free.
 */
let next: usize = 0;
let limit: usize = 0;
let exhausted: bool = false;
/** Nothing in the range was ever written: a reset comes with fresh RAM, and pages that nobody touches cost nothing. */
let fresh: bool = false;

/** Empties the arena; the first thing that boardReset does. */
export function arenaReset(): void {
  arenaResetAt(__heap_base, <usize>min<u64>((<u64>memory.size()) << 16, u32.MAX_VALUE));
  fresh = true;
}

/** The same over a range of the caller's: for programs that keep a heap of their own, such as unit tests. */
export function arenaResetAt(start: usize, end: usize): void {
  next = (start + 63) & ~63;
  limit = end;
  exhausted = false;
  fresh = false;
}

/** Takes `octets` zeroed octets aligned to 64, or 0 when RAM is exhausted. */
export function arenaTake(octets: usize): usize {
  const start = next;
  const end = <u64>start + <u64>octets;
  if (end > <u64>limit) {
    exhausted = true;
    return 0;
  }
  next = (<usize>end + 63) & ~63;
  if (!fresh) memory.fill(start, 0, octets);
  return start;
}

/** True when some table did not fit since arenaReset. */
export function arenaExhausted(): bool {
  return exhausted;
}

/** Octets in use, from address 0. */
export function arenaUsed(): usize {
  return next;
}
