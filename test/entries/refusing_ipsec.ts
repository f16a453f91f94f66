/** An IPsec board whose power-on self test fails: it refuses service. */
import { BOARD_CLASS_IPSEC, REFUSAL_SELF_TEST } from "../../assembly/abi/board";
import { mapReset, refuse } from "../../assembly/rt/registers";
import { echoPoll, echoReset } from "./echo";

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  echoReset(BOARD_CLASS_IPSEC);
  refuse(REFUSAL_SELF_TEST);
}

export function boardPoll(): u32 {
  return echoPoll();
}
