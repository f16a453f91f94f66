/** The echo board (echo.ts) as an IKE board. */
import { BOARD_CLASS_IKE } from "../../assembly/abi/board";
import { mapReset } from "../../assembly/rt/registers";
import { echoPoll, echoReset } from "./echo";

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IKE);
}

export function boardReset(): void {
  echoReset(BOARD_CLASS_IKE);
}

export function boardPoll(): u32 {
  return echoPoll();
}
