/** The board's drop counters, one u64 per reason of abi/drop.ts. */
import { MAP_DROPS, MAP_DROP_COUNT } from "../abi/board";
import { DROP_COUNT } from "../abi/drop";
import { map } from "../rt/map";

const counters: usize = memory.data(DROP_COUNT * 8, 16);

export function dropsReset(): void {
  memory.fill(counters, 0, DROP_COUNT * 8);
  store<u32>(map + MAP_DROPS, <u32>counters);
  store<u32>(map + MAP_DROP_COUNT, DROP_COUNT);
}

export function countDrop(reason: u32): void {
  assert(reason < DROP_COUNT, "undeclared drop reason");
  const counter = counters + <usize>(reason << 3);
  store<u64>(counter, load<u64>(counter) + 1);
}
