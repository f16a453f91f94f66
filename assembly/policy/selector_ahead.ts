/**
 * A look ahead at what the look-ups of a batch of clear packets will read of the selector table, and the look-up of those packets. An entry of the
 * flow cache, a bucket and the row behind it come from far away where there are many flows or rows, and each is known only when the one before is
 * there; done for one packet after the other, all wait in turn. Here a pass over the whole batch reads all entries, the next one all buckets, then
 * all rows: none waits for its neighbour. Decides nothing: it takes the first row of a flow's bucket that covers the flow, and looks into
 * the combinations of prefix lengths that are asked first. What stays is each packet's flow, which its look-up need not read again.
 */
import { POLL_BATCH } from "../abi/board";
import { Flow, FLOW_OCTETS, flowRead } from "./flow";
import {
  SELECTOR_TABLE_NONE,
  selectorBuckets,
  selectorFlowHash,
  selectorFlowRead,
  selectorFlowValue,
  selectorRowCovers,
  selectorRowNext,
  selectorRowValue,
  selectorTableFree,
  selectorTableLookupHashed,
  selectorTableLookupPacket,
  selectorTableRows,
} from "./selector_table";

/** Combinations of prefix lengths that are looked into, for each packet, and rows of a bucket. */
const TUPLES: u32 = 2;
const DEPTH: u32 = 3;
/** So many rows are never far away: they, their buckets and what they lead to stay in the caches of the processor. */
const ROWS_NEAR: u32 = 1024;

/** By packet: its address, and its flow. */
const packets: usize = memory.data(POLL_BATCH * 4, 4);
const flows: usize = memory.data(POLL_BATCH * FLOW_OCTETS, 64);
/** By packet and combination: the address of the bucket, then the number of the row that is to be looked at, 0 none; and whose they are. */
const places: usize = memory.data(POLL_BATCH * TUPLES * 4, 4);
const owners: usize = memory.data(POLL_BATCH * TUPLES * 4, 4);
/** What the flows seem to lead to, in no order. */
const values: usize = memory.data(POLL_BATCH * TUPLES * 4, 4);
/** What is read ahead is written here, so that it is not left out; read by nobody. */
const foreseen: usize = memory.data(4, 4);

let count: u32 = 0;
/** The first packet that has not been looked up. */
let next: u32 = 0;
let placeCount: u32 = 0;
let valueCount: u32 = 0;

// @ts-ignore: decorator
@inline
function flowAt(i: u32): Flow {
  return changetype<Flow>(flows + <usize>(i * FLOW_OCTETS));
}

/** There is no batch, or another one begins. */
export function selectorAheadClear(): void {
  count = 0;
  next = 0;
  valueCount = 0;
}

/** The next packet of the batch, one of POLL_BATCH at most, of IPv6 one that ipv6Check accepted; it stays as it is until it has been looked up. */
export function selectorAheadAdd(packet: usize, length: u32): void {
  if (count == POLL_BATCH) return;
  const flow = flowAt(count);
  if (!flowRead(packet, length, flow)) return;
  selectorFlowHash(flow);
  store<u32>(word(packets, count), <u32>packet);
  count += 1;
}

/** The batch is complete: reads what its look-ups will read. */
export function selectorAheadGo(): void {
  let read: u32 = 0;
  for (let i: u32 = 0; i < count; i++) read ^= selectorFlowRead(flowAt(i));
  store<u32>(foreseen, read);
  if (selectorTableRows() - selectorTableFree() <= ROWS_NEAR) return;
  placeCount = 0;
  for (let i: u32 = 0; i < count; i++) {
    const flow = flowAt(i);
    const value = selectorFlowValue(flow);
    if (value != SELECTOR_TABLE_NONE) {
      found(value);
      continue;
    }
    const more = selectorBuckets(flow, word(places, placeCount), TUPLES);
    for (let end = placeCount + more; placeCount < end; placeCount++) store<u32>(word(owners, placeCount), i);
  }
  for (let at: u32 = 0; at < placeCount; at++) {
    store<u32>(word(places, at), load<u32>(<usize>load<u32>(word(places, at))));
  }
  for (let depth: u32 = 0; depth < DEPTH && placeCount != 0; depth++) rowsAhead();
}

/** Reads all rows that are to be looked at; what is left then are those that stand behind one that does not cover its flow. */
function rowsAhead(): void {
  let read: u32 = 0;
  for (let at: u32 = 0; at < placeCount; at++) {
    const row = load<u32>(word(places, at));
    if (row != 0) read ^= selectorRowValue(row);
  }
  store<u32>(foreseen, read);
  let left: u32 = 0;
  for (let at: u32 = 0; at < placeCount; at++) {
    const row = load<u32>(word(places, at));
    if (row == 0) continue;
    const owner = load<u32>(word(owners, at));
    if (selectorRowCovers(row, flowAt(owner))) {
      found(selectorRowValue(row));
      continue;
    }
    store<u32>(word(places, left), selectorRowNext(row));
    store<u32>(word(owners, left), owner);
    left += 1;
  }
  placeCount = left;
}

// @ts-ignore: decorator
@inline
function word(list: usize, at: u32): usize {
  return list + ((<usize>at) << 2);
}

// @ts-ignore: decorator
@inline
function found(value: u32): void {
  store<u32>(word(values, valueCount), value);
  valueCount += 1;
}

/** How many values the batch seems to lead to that are far away, and each of them. */
export function selectorAheadValues(): u32 {
  return valueCount;
}

// @ts-ignore: decorator
@inline
export function selectorAheadValue(at: u32): u32 {
  return load<u32>(word(values, at));
}

/** selectorTableLookupPacket, with what is known of the packet if it is one of the batch; those are looked up in their order, and once. */
export function selectorAheadLookup(packet: usize, length: u32): u32 {
  for (let i = next; i < count; i++) {
    if (<usize>load<u32>(word(packets, i)) != packet) continue;
    next = i + 1;
    return selectorTableLookupHashed(flowAt(i));
  }
  return selectorTableLookupPacket(packet, length);
}
