/**
 * Deadlines: an indexed binary min-heap. Every timer of a core has a small fixed number; setting, moving and clearing one
 * costs log n, the next one to fire costs nothing. Times are nanoseconds on the NOW scale.
 *
 *   times  u64 per id          heap  u32 id per place          places  u32 per id: place + 1, 0 when not set
 */
import { arenaTake } from "./arena";

let times: usize = 0;
let heap: usize = 0;
let places: usize = 0;
let size: u32 = 0;
let capacity: u32 = 0;

/** Makes room for ids 0..count-1, none set; false when RAM is too small. */
export function deadlinesReset(count: u32): bool {
  times = arenaTake(<usize>count * 8);
  heap = arenaTake(<usize>count * 4);
  places = arenaTake(<usize>count * 4);
  size = 0;
  capacity = count;
  return times != 0 && heap != 0 && places != 0;
}

// @ts-ignore: decorator
@inline
function timeAt(place: u32): u64 {
  return load<u64>(times + ((<usize>load<u32>(heap + ((<usize>place) << 2))) << 3));
}

// @ts-ignore: decorator
@inline
function put(place: u32, id: u32): void {
  store<u32>(heap + ((<usize>place) << 2), id);
  store<u32>(places + ((<usize>id) << 2), place + 1);
}

function rise(place: u32, id: u32): void {
  const time = load<u64>(times + ((<usize>id) << 3));
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (timeAt(parent) <= time) break;
    put(place, load<u32>(heap + ((<usize>parent) << 2)));
    place = parent;
  }
  put(place, id);
}

function sink(place: u32, id: u32): void {
  const time = load<u64>(times + ((<usize>id) << 3));
  for (;;) {
    let child = place * 2 + 1;
    if (child >= size) break;
    if (child + 1 < size && timeAt(child + 1) < timeAt(child)) child += 1;
    if (timeAt(child) >= time) break;
    put(place, load<u32>(heap + ((<usize>child) << 2)));
    place = child;
  }
  put(place, id);
}

/** Sets or moves a deadline. */
export function deadlineSet(id: u32, when: u64): void {
  assert(id < capacity, "no such deadline");
  const place = load<u32>(places + ((<usize>id) << 2));
  const before = load<u64>(times + ((<usize>id) << 3));
  store<u64>(times + ((<usize>id) << 3), when);
  if (place == 0) {
    size += 1;
    rise(size - 1, id);
  } else if (when < before) {
    rise(place - 1, id);
  } else {
    sink(place - 1, id);
  }
}

/** Clears a deadline, set or not. */
export function deadlineClear(id: u32): void {
  assert(id < capacity, "no such deadline");
  const place = load<u32>(places + ((<usize>id) << 2));
  if (place == 0) return;
  store<u32>(places + ((<usize>id) << 2), 0);
  size -= 1;
  if (place - 1 == size) return;
  const moved = load<u32>(heap + ((<usize>size) << 2));
  rise(place - 1, moved);
  sink(load<u32>(places + ((<usize>moved) << 2)) - 1, moved);
}

/** When a deadline is, 0: it is not set. */
export function deadlineOf(id: u32): u64 {
  return deadlineIsSet(id) ? load<u64>(times + ((<usize>id) << 3)) : 0;
}

export function deadlineIsSet(id: u32): bool {
  return load<u32>(places + ((<usize>id) << 2)) != 0;
}

/** When the next deadline is, u64.MAX_VALUE: never. */
export function deadlineNext(): u64 {
  return size == 0 ? u64.MAX_VALUE : timeAt(0);
}

/** Takes one deadline that is due at `now`; returns its id, or -1. */
export function deadlineTake(now: u64): i32 {
  if (size == 0 || timeAt(0) > now) return -1;
  const id = load<u32>(heap);
  deadlineClear(id);
  return <i32>id;
}
