/**
 * Writing the trace ring (abi/trace.ts). A masked event costs one load and one branch.
 */
import { REG_NOW, REG_TRACE_MASK } from "../abi/board";
import {
  TRACE_CAPACITY,
  TRACE_ENTRIES,
  TRACE_ENTRY_A,
  TRACE_ENTRY_B,
  TRACE_ENTRY_C,
  TRACE_ENTRY_D,
  TRACE_ENTRY_EVENT,
  TRACE_ENTRY_NOW,
  TRACE_ENTRY_OCTETS,
  TRACE_OCTETS,
  TRACE_TOTAL,
} from "../abi/trace";
import { map } from "./map";

const ring: usize = memory.data(TRACE_OCTETS, 64);

export function traceRing(): usize {
  return ring;
}

/** True when events of `mask` (TRACE_MASK_*) are written. */
// @ts-ignore: decorator
@inline
export function tracing(mask: u32): bool {
  return (load<u32>(map + REG_TRACE_MASK) & mask) != 0;
}

/** Writes one event if `mask` is on. */
// @ts-ignore: decorator
@inline
export function trace(mask: u32, event: u32, a: u32, b: u32 = 0, c: u32 = 0, d: u32 = 0): void {
  if (tracing(mask)) write(event, a, b, c, d);
}

function write(event: u32, a: u32, b: u32, c: u32, d: u32): void {
  const total = load<u32>(ring + TRACE_TOTAL);
  const entry = ring + TRACE_ENTRIES + (total & (TRACE_CAPACITY - 1)) * TRACE_ENTRY_OCTETS;
  store<u64>(entry + TRACE_ENTRY_NOW, load<u64>(map + REG_NOW));
  store<u32>(entry + TRACE_ENTRY_EVENT, event);
  store<u32>(entry + TRACE_ENTRY_A, a);
  store<u32>(entry + TRACE_ENTRY_B, b);
  store<u32>(entry + TRACE_ENTRY_C, c);
  store<u32>(entry + TRACE_ENTRY_D, d);
  store<u32>(ring + TRACE_TOTAL, total + 1);
}
