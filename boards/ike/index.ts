/**
 * The IKE board (11, 81): main loop.
 */
import { BOARD_CLASS_IKE, POLL_MORE_WORK, POLL_TRANSMIT_READY, STATE_ONLINE } from "../../assembly/abi/board";
import { PORT_COUNT_IKE } from "../../assembly/abi/ring";
import { arenaReset } from "../../assembly/rt/arena";
import { countPoll, mapReset, setDeadline, setState } from "../../assembly/rt/registers";
import { dropsReset } from "../../assembly/bus/drop";
import { poolReset } from "../../assembly/bus/pool";
import { portsDrained, portsReclaim, portsRefill, portsReset, portsSettle } from "../../assembly/bus/port";

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IKE);
}

export function boardReset(): void {
  mapReset(BOARD_CLASS_IKE);
  arenaReset();
  dropsReset();
  poolReset();
  portsReset(PORT_COUNT_IKE);
  setDeadline(u64.MAX_VALUE);
  setState(STATE_ONLINE);
}

export function boardPoll(): u32 {
  countPoll();
  portsReclaim();
  portsRefill();
  portsSettle();
  return (portsDrained() ? 0 : POLL_TRANSMIT_READY) | (false ? POLL_MORE_WORK : 0);
}
