/**
 * An IPsec board for tests that dies of certain MANAGEMENT messages, and is otherwise the echo board (echo.ts).
 *
 *   first u16   D0h assertion   D1h unreachable   D2h access out of bounds   D3h division by zero
 *               D4h endless recursion   D5h a receive cursor is corrupted   D6h a frame is lost from the books
 *               D7h endless loop
 *               D8h of what it leaves as its checkpoint: as many octets as the u32 at 4 says, those behind it and then zeros
 */
import {
  BOARD_CLASS_IPSEC,
  MAP_CHECKPOINT,
  MAP_PORT_TABLE,
  REG_CHECKPOINT,
  REG_FREE,
  REG_ORIGINATED,
} from "../../assembly/abi/board";
import {
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OCTETS,
  PORT_ENTRY_OCTETS,
  PORT_MANAGEMENT,
  PORT_UNPROTECTED,
  RING_DESCRIPTORS,
  RING_DONE,
  RING_POSTED,
  RING_SIZE,
  RING_TAKEN,
} from "../../assembly/abi/ring";
import { map } from "../../assembly/rt/map";
import { mapReset } from "../../assembly/rt/registers";
import { echoPoll, echoReset } from "./echo";

const AREA: u32 = 65536;
const area: usize = memory.data(65536, 8); // AREA

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  echoReset(BOARD_CLASS_IPSEC);
}

export function boardPoll(): u32 {
  store<u32>(map + REG_CHECKPOINT, 0);
  const ring = <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + PORT_MANAGEMENT * PORT_ENTRY_OCTETS);
  const taken = load<u32>(ring + RING_TAKEN);
  if (taken != load<u32>(ring + RING_DONE)) {
    const index = <usize>(taken & (load<u32>(ring + RING_SIZE) - 1));
    const descriptor = ring + RING_DESCRIPTORS + index * DESCRIPTOR_OCTETS;
    const message = <usize>load<u32>(descriptor + DESCRIPTOR_ADDRESS);
    const how = <u32>load<u16>(message);
    if (how == 0xd8) leave(message, load<u32>(descriptor + DESCRIPTOR_LENGTH));
    else die(how);
  }
  return echoPoll();
}

function leave(message: usize, length: u32): void {
  memory.fill(area, 0, AREA);
  memory.copy(area, message + 8, length - 8);
  store<u32>(map + MAP_CHECKPOINT, <u32>area);
  store<u32>(map + REG_CHECKPOINT, load<u32>(message + 4));
}

function die(how: u32): void {
  if (how == 0xd0) assert(how == 0, "told to die");
  if (how == 0xd1) unreachable();
  if (how == 0xd2) store<u32>(0xfffffff0, how);
  if (how == 0xd3) store<u32>(map + REG_FREE, how / load<u32>(map + 240));
  if (how == 0xd4) recurse(how);
  if (how == 0xd5) {
    const ring = <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + PORT_UNPROTECTED * PORT_ENTRY_OCTETS);
    store<u32>(ring + RING_POSTED, load<u32>(ring + RING_POSTED) + 100000);
  }
  if (how == 0xd7) hang();
  if (how == 0xd6) store<u64>(map + REG_ORIGINATED, load<u64>(map + REG_ORIGINATED) + 1);
}

/** Calls itself for ever, and keeps the engine from seeing that. */
function recurse(depth: u32): u32 {
  if (load<u32>(map + 244) == 0xffffffff) return depth;
  return recurse(depth + 1) + load<u32>(map + 244);
}

/** Turns for ever; the store keeps the loop from being empty. */
function hang(): void {
  while (true) store<u32>(map + 244, load<u32>(map + 244) + 1);
}
