/**
 * The board map and its registers (abi/board.ts): how firmware reads time, generation and CONFIG, and tells its state.
 */
import {
  ABI_MAGIC,
  ABI_VERSION,
  BUILD_BASE,
  BUILD_RELAXED,
  BUILD_SIMD,
  MAP_ABI_VERSION,
  MAP_BOARD_CLASS,
  MAP_BUILD,
  MAP_CONFIG,
  MAP_CONFIG_CAPACITY,
  MAP_FAULT,
  MAP_MAGIC,
  MAP_RAM_USED,
  MAP_SIZE,
  MAP_SIZE_FIELD,
  MAP_TRACE,
  REG_CONFIG_LENGTH,
  REG_DEADLINE,
  REG_ENTROPY,
  REG_GENERATION,
  REG_NOW,
  REG_POLLS,
  REG_REFUSAL,
  REG_SLOT,
  REG_STATE,
  REG_WALL,
  STATE_REFUSED,
} from "../abi/board";
import { CONFIG_MAX } from "../abi/config";
import { arenaUsed } from "./arena";
import { faultRecord } from "./fault";
import { traceRing } from "./trace";
import { map } from "./map";

const config: usize = memory.data(CONFIG_MAX, 16);

/** Fills the constant part of the map; idempotent, because the chassis asks for the map before reset. */
export function mapReset(boardClass: u32): usize {
  store<u32>(map + MAP_MAGIC, ABI_MAGIC);
  store<u32>(map + MAP_ABI_VERSION, ABI_VERSION);
  store<u32>(map + MAP_BOARD_CLASS, boardClass);
  store<u32>(map + MAP_SIZE_FIELD, MAP_SIZE);
  store<u32>(map + MAP_CONFIG, <u32>config);
  store<u32>(map + MAP_CONFIG_CAPACITY, CONFIG_MAX);
  store<u32>(map + MAP_FAULT, <u32>faultRecord());
  store<u32>(map + MAP_TRACE, <u32>traceRing());
  store<u32>(map + MAP_BUILD, ASC_FEATURE_SIMD ? (ASC_FEATURE_RELAXED_SIMD ? BUILD_RELAXED : BUILD_SIMD) : BUILD_BASE);
  return map;
}

/** Monotonic time in nanoseconds, as the chassis last wrote it. */
// @ts-ignore: decorator
@inline
export function now(): u64 {
  return load<u64>(map + REG_NOW);
}

/** Unix time in nanoseconds. */
// @ts-ignore: decorator
@inline
export function wallClock(): u64 {
  return load<u64>(map + REG_WALL);
}

// @ts-ignore: decorator
@inline
export function generation(): u32 {
  return load<u32>(map + REG_GENERATION);
}

// @ts-ignore: decorator
@inline
export function slot(): u32 {
  return load<u32>(map + REG_SLOT);
}

/** Address of the REG_ENTROPY_OCTETS octets of entropy; wipe them once used. */
export function entropy(): usize {
  return map + REG_ENTROPY;
}

export function configAddress(): usize {
  return config;
}

export function configLength(): u32 {
  return min<u32>(load<u32>(map + REG_CONFIG_LENGTH), CONFIG_MAX);
}

export function setState(state: u32): void {
  store<u32>(map + REG_STATE, state);
  store<u32>(map + MAP_RAM_USED, <u32>arenaUsed());
}

export function state(): u32 {
  return load<u32>(map + REG_STATE);
}

/** The board will not serve; the chassis shows why. */
export function refuse(reason: u32): void {
  store<u32>(map + REG_REFUSAL, reason);
  setState(STATE_REFUSED);
}

/** Asks to be polled at `when` (ns on the NOW scale) even if nothing arrives. u64.MAX_VALUE: never. */
export function setDeadline(when: u64): void {
  store<u64>(map + REG_DEADLINE, when);
}

/** What setDeadline said last. */
export function deadline(): u64 {
  return load<u64>(map + REG_DEADLINE);
}

export function countPoll(): void {
  store<u64>(map + REG_POLLS, load<u64>(map + REG_POLLS) + 1);
}
