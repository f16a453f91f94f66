/**
 * A look ahead at what the look-up of a batch of clear packets will read of the selector table. Where there are many rows a bucket and the row behind
 * it come from far away, and each is known only when the one before is there; done for one packet after the other, all wait in turn. Here a
 * pass over the whole batch reads all buckets, the next one all rows: none waits for its neighbour. Decides nothing: it takes what stands first in
 * the bucket of a flow, and looks into the combinations of prefix lengths that are asked first.
 */
import { POLL_BATCH } from "../abi/board";
import { Flow, FLOW_OCTETS, flowRead } from "./flow";
import {
  SELECTOR_TABLE_NONE,
  selectorBucketOf,
  selectorFlowIsCached,
  selectorRowValue,
  selectorTableFree,
  selectorTableRows,
} from "./selector_table";

/** Combinations of prefix lengths that are looked into, for each packet. */
const TUPLES: u32 = 2;
/** So many rows are never far away: they, their buckets and what they lead to stay in the caches of the processor. */
const ROWS_NEAR: u32 = 1024;

const flow: usize = memory.data(FLOW_OCTETS, 8);
/** By packet and combination: the address of the bucket, then the number of the row, then the value; 0 and SELECTOR_TABLE_NONE are nothing. */
const found: usize = memory.data(POLL_BATCH * TUPLES * 4, 4);

/** Whether it is worth its while. */
export function selectorAheadPays(): bool {
  return selectorTableRows() - selectorTableFree() > ROWS_NEAR;
}

/** First pass, for packet `i` of less than POLL_BATCH: a sound IP packet of `length` octets, or none when `packet` is 0. */
export function selectorAheadBegin(i: u32, packet: usize, length: u32): void {
  const to = found + <usize>(i * TUPLES * 4);
  const f = changetype<Flow>(flow);
  const wanted = packet != 0 && flowRead(packet, length, f) && !selectorFlowIsCached(f);
  for (let t: u32 = 0; t < TUPLES; t++) store<u32>(to + ((<usize>t) << 2), wanted ? <u32>selectorBucketOf(f, t) : 0);
}

/** The other passes, for the first `count` packets. */
export function selectorAheadGo(count: u32): void {
  const end = found + <usize>(count * TUPLES * 4);
  for (let at = found; at < end; at += 4) {
    const bucket = <usize>load<u32>(at);
    store<u32>(at, bucket != 0 ? load<u32>(bucket) : 0);
  }
  for (let at = found; at < end; at += 4) {
    const row = load<u32>(at);
    store<u32>(at, row != 0 ? selectorRowValue(row) : SELECTOR_TABLE_NONE);
  }
}

/** How many values `count` packets seem to lead to, and each of them; SELECTOR_TABLE_NONE is none. */
export function selectorAheadValues(count: u32): u32 {
  return count * TUPLES;
}

// @ts-ignore: decorator
@inline
export function selectorAheadValue(at: u32): u32 {
  return load<u32>(found + ((<usize>at) << 2));
}
