/**
 * The IKE core alone on a board: confirms, refuses or ignores every CHILD_SA itself, as it is told. For stories of two
 * endpoints without IPsec boards.
 */
import { BOARD_CLASS_IKE, REFUSAL_CONFIG, STATE_ONLINE } from "../../assembly/abi/board";
import { PORT_COUNT_IKE, PORT_MANAGEMENT, PORT_SECURE_ELEMENT, PORT_UNPROTECTED } from "../../assembly/abi/ring";
import { dropsReset } from "../../assembly/bus/drop";
import { poolReset } from "../../assembly/bus/pool";
import { portsReclaim, portsRefill, portsReset, portsSettle, receive } from "../../assembly/bus/port";
import { drbgSeed } from "../../assembly/crypto/drbg";
import {
  handleAcquire,
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
import { childByLink, childSasFree } from "../../assembly/ike/child_sa";
import { ikeSasFree } from "../../assembly/ike/ike_sa";
import { CAUSE_LOCAL, childDown } from "../../assembly/ike/life";
import { arenaReset, arenaUsed } from "../../assembly/rt/arena";
import { REFUSED_NO_BOARD, SA_KEYMAT, SA_REMOTE_PORT } from "../../assembly/abi/message";
import { countPoll, entropy, mapReset, refuse, setDeadline, setState } from "../../assembly/rt/registers";
import { REG_ENTROPY_OCTETS } from "../../assembly/abi/board";

/** The last EVENTS events: kind, link, SPI, direction, first 4 octets of KEYMAT, remote port. */
const EVENTS: u32 = 512;
const EVENT_OCTETS: u32 = 24;
const log: usize = memory.data(512 * 24, 8);
let logged: u32 = 0;

const BOARDS_REFUSE: u32 = 1;
const BOARDS_SILENT: u32 = 2;
let boards: u32 = 0;

/** What becomes of installs: 0 confirmed, 1 refused, 2 never answered. */
export function setBoards(mode: u32): void {
  boards = mode;
}

/** The CHILD_SA `link` is gone here, and the peer is not told. */
export function forgetChild(link: u32): void {
  const child = childByLink(link);
  if (child) childDown(child, CAUSE_LOCAL);
}

/** Traffic for the configured child `index` that has no SA. */
export function acquire(index: u32): void {
  handleAcquire(index);
}

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

/** Octets of memory that are in use, from 0. */
export function memoryUsed(): usize {
  return arenaUsed();
}

/** Records of IKE_SAs and of CHILD_SAs that are free. */
export function freeIkeSas(): u32 {
  return ikeSasFree();
}

export function freeChildSas(): u32 {
  return childSasFree();
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
    const at = log + <usize>(logged % EVENTS) * EVENT_OCTETS;
    memory.copy(at, e + EVENT_KIND, 16);
    store<u64>(at, 0, 16);
    const kind = load<u32>(e, EVENT_KIND);
    logged += 1;
    if (kind != EVENT_INSTALL) continue;
    const record = <usize>load<u32>(e, EVENT_RECORD);
    store<u32>(at, load<u32>(record, SA_KEYMAT), 16);
    store<u32>(at, load<u16>(record, SA_REMOTE_PORT), 20);
    if (boards == BOARDS_SILENT) continue;
    const refused = boards == BOARDS_REFUSE ? REFUSED_NO_BOARD : 0;
    handleInstalled(load<u32>(e, EVENT_LINK), load<u32>(e, EVENT_SPI), load<u32>(e, EVENT_DIRECTION), refused);
  }
  portsRefill();
  portsSettle();
  setDeadline(ikeDeadline());
  return 0;
}
