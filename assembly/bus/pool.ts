/**
 * The pool of frames: FRAME_COUNT of them, taken from the arena at reset, free ones in a stack.
 */
import { MAP_FRAMES, REG_FREE } from "../abi/board";
import { FRAME_COUNT, FRAME_STRIDE } from "../abi/frame";
import { arenaTake } from "../rt/arena";
import { map } from "../rt/map";
import { Frame, frameClear } from "./frame";

let base: usize = 0;
let stack: usize = 0;
let free: u32 = 0;

/** Builds the pool; false when RAM is too small. */
export function poolReset(): bool {
  base = arenaTake(FRAME_COUNT * FRAME_STRIDE);
  stack = arenaTake(FRAME_COUNT * 4);
  if (base == 0 || stack == 0) return false;
  free = FRAME_COUNT;
  for (let i: u32 = 0; i < FRAME_COUNT; i++) {
    store<u32>(stack + (i << 2), <u32>(base + <usize>(FRAME_COUNT - 1 - i) * FRAME_STRIDE));
  }
  store<u32>(map + MAP_FRAMES, FRAME_COUNT);
  store<u32>(map + REG_FREE, free);
  return true;
}

/** A cleared frame, or null when the pool is empty. */
export function poolTake(): Frame | null {
  if (free == 0) return null;
  free -= 1;
  store<u32>(map + REG_FREE, free);
  const frame = changetype<Frame>(<usize>load<u32>(stack + (free << 2)));
  frameClear(frame);
  return frame;
}

export function poolGive(frame: Frame): void {
  assert(free < FRAME_COUNT, "frame given back twice");
  store<u32>(stack + (free << 2), <u32>changetype<usize>(frame));
  free += 1;
  store<u32>(map + REG_FREE, free);
}

export function poolFree(): u32 {
  return free;
}
