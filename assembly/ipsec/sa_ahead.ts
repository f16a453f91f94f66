/**
 * A look ahead at the SAs that a batch of packets meets: what a packet needs of its SA stands in six lines of the processor's cache, which come from
 * far away where there are very many SAs. Done for one packet after the other, each waits for all of its own; here a pass reads the entries
 * of the index for all, the next one all SAs, and none waits for its neighbour. Decides nothing. The selector table has such passes of its own
 * (policy/selector_ahead.ts), which lead here.
 */
import { POLL_BATCH } from "../abi/board";
import { SA_SELECTORS } from "../abi/message";
import { coldHome } from "./cold_record";
import { contextHome, findInbound, localDatabaseLive, readInbound, saAt } from "./local_database";

/** So many SAs, both directions counted, are never far away. */
const SAS_NEAR: u32 = 2048;

/** Of the sealed packets their SPIs, then of all packets the numbers of the SAs. */
const list: usize = memory.data(POLL_BATCH * 2 * 4, 4);
/** What is read ahead is written here, so that it is not left out; read by nobody. */
const foreseen: usize = memory.data(8, 8);

let count: u32 = 0;

/** There is no batch, or another one begins. */
export function saAheadClear(): void {
  count = 0;
}

/** Whether it is worth its while. */
export function saAheadPays(): bool {
  return localDatabaseLive() > SAS_NEAR;
}

/** The SPI of a sealed packet of the batch, one of POLL_BATCH at most: all of them, before saAheadFind. */
export function saAheadSpi(spi: u32): void {
  put(spi);
}

/** All SPIs are there: finds their SAs. */
export function saAheadFind(): void {
  let read: u64 = 0;
  for (let i: u32 = 0; i < count; i++) read ^= readInbound(load<u32>(word(i)));
  store<u64>(foreseen, read);
  let found: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const sa = findInbound(load<u32>(word(i)));
    if (!sa) continue;
    store<u32>(word(found), sa.number);
    found += 1;
  }
  count = found;
}

/** An SA that a clear packet of the batch seems to lead to; behind saAheadFind. */
export function saAheadNumber(number: u32): void {
  put(number);
}

/** Reads what their packets will read of all SAs. */
export function saAheadGo(): void {
  let read: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const number = load<u32>(word(i));
    const sa = changetype<usize>(saAt(number));
    const context = contextHome(number);
    read ^= load<u64>(sa) ^ load<u64>(sa, 64) ^ load<u64>(sa, 128);
    read ^= load<u64>(context) ^ load<u64>(context, 64) ^ load<u64>(coldHome(number), SA_SELECTORS);
  }
  store<u64>(foreseen, read);
}

// @ts-ignore: decorator
@inline
function word(i: u32): usize {
  return list + ((<usize>i) << 2);
}

function put(value: u32): void {
  if (count == POLL_BATCH * 2) return;
  store<u32>(word(count), value);
  count += 1;
}
