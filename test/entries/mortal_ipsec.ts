/** The echo board (echo.ts) as an IPsec board that traps on a MANAGEMENT message that begins with D1h. */
import { BOARD_CLASS_IPSEC, MAP_PORT_TABLE } from "../../assembly/abi/board";
import {
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_OCTETS,
  PORT_ENTRY_OCTETS,
  PORT_MANAGEMENT,
  RING_DESCRIPTORS,
  RING_DONE,
  RING_SIZE,
  RING_TAKEN,
} from "../../assembly/abi/ring";
import { map } from "../../assembly/rt/map";
import { mapReset } from "../../assembly/rt/registers";
import { echoPoll, echoReset } from "./echo";

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  echoReset(BOARD_CLASS_IPSEC);
}

export function boardPoll(): u32 {
  const ring = <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + PORT_MANAGEMENT * PORT_ENTRY_OCTETS);
  const taken = load<u32>(ring + RING_TAKEN);
  if (taken != load<u32>(ring + RING_DONE)) {
    const index = <usize>(taken & (load<u32>(ring + RING_SIZE) - 1));
    const descriptor = ring + RING_DESCRIPTORS + index * DESCRIPTOR_OCTETS;
    if (load<u16>(<usize>load<u32>(descriptor + DESCRIPTOR_ADDRESS)) == 0xd1) unreachable();
  }
  return echoPoll();
}
