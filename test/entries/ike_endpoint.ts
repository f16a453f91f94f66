/** The IKE core alone on a board: confirms every CHILD_SA itself. For stories of two endpoints without IPsec boards. */
import { BOARD_CLASS_IKE, REFUSAL_CONFIG, STATE_ONLINE } from "../../assembly/abi/board";
import { PORT_COUNT_IKE, PORT_MANAGEMENT, PORT_SECURE_ELEMENT, PORT_UNPROTECTED } from "../../assembly/abi/ring";
import { dropsReset } from "../../assembly/bus/drop";
import { poolReset } from "../../assembly/bus/pool";
import { portsReclaim, portsRefill, portsReset, portsSettle, receive } from "../../assembly/bus/port";
import { drbgSeed } from "../../assembly/crypto/drbg";
import {
  handleDatagram,
  handleInstalled,
  handleManagement,
  handleSecureElement,
  handleTimeout,
  ikeDeadline,
  ikePollEvent,
  ikeReset,
} from "../../assembly/ike/endpoint";
import {
  EVENT_DIRECTION,
  EVENT_INSTALL,
  EVENT_KIND,
  EVENT_LINK,
  EVENT_RECORD,
  EVENT_SPI,
} from "../../assembly/ike/event";
import { arenaReset } from "../../assembly/rt/arena";
import { SA_KEYMAT } from "../../assembly/abi/message";
import { countPoll, entropy, mapReset, refuse, setDeadline, setState } from "../../assembly/rt/registers";
import { REG_ENTROPY_OCTETS } from "../../assembly/abi/board";

/** The last EVENTS events: kind, link, SPI, direction, first 4 octets of KEYMAT. */
const EVENTS: u32 = 64;
const log: usize = memory.data(64 * 20, 8);
let logged: u32 = 0;

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IKE);
}

export function boardReset(): void {
  mapReset(BOARD_CLASS_IKE);
  arenaReset();
  dropsReset();
  poolReset();
  portsReset(PORT_COUNT_IKE);
  drbgSeed(entropy(), REG_ENTROPY_OCTETS);
  if (!ikeReset()) return refuse(REFUSAL_CONFIG);
  setDeadline(u64.MAX_VALUE);
  setState(STATE_ONLINE);
}

export function eventLog(): usize {
  return log;
}

export function eventCount(): u32 {
  return logged;
}

export function boardPoll(): u32 {
  countPoll();
  portsReclaim();
  handleTimeout();
  for (let f = receive(PORT_MANAGEMENT); f; f = receive(PORT_MANAGEMENT)) handleManagement(f);
  for (let f = receive(PORT_SECURE_ELEMENT); f; f = receive(PORT_SECURE_ELEMENT)) handleSecureElement(f);
  for (let f = receive(PORT_UNPROTECTED); f; f = receive(PORT_UNPROTECTED)) handleDatagram(f);
  for (let e = ikePollEvent(); e != 0; e = ikePollEvent()) {
    const at = log + <usize>(logged % EVENTS) * 20;
    memory.copy(at, e + EVENT_KIND, 16);
    store<u32>(at, 0, 16);
    const kind = load<u32>(e, EVENT_KIND);
    if (kind == EVENT_INSTALL) store<u32>(at, load<u32>(<usize>load<u32>(e, EVENT_RECORD), SA_KEYMAT), 16);
    logged += 1;
    if (kind == EVENT_INSTALL)
      handleInstalled(load<u32>(e, EVENT_LINK), load<u32>(e, EVENT_SPI), load<u32>(e, EVENT_DIRECTION), 0);
  }
  portsRefill();
  portsSettle();
  setDeadline(ikeDeadline());
  return 0;
}
