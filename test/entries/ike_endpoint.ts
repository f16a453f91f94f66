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
  handleMoved,
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
  EVENT_UPDATE,
} from "../../assembly/ike/event";
import { childByLink, childSasFree } from "../../assembly/ike/child_sa";
import { IkeSa, OUT_LIVENESS, ikeCookie2, ikeSaAt, ikeSasFree } from "../../assembly/ike/ike_sa";
import { CAUSE_LOCAL, childDown } from "../../assembly/ike/life";
import { arenaReset, arenaUsed } from "../../assembly/rt/arena";
import { ikeSaCapacity } from "../../assembly/ike/settings";
import { requestBegin, requestSend } from "../../assembly/ike/window";
import { storeBE32 } from "../../assembly/rt/bytes";
import { EXCHANGE_INFORMATIONAL } from "../../assembly/wire/ike_message";
import { notifyWrite } from "../../assembly/wire/ike_payload/notify";
import { addressIpv4 } from "../../assembly/wire/ip_address";
import { IKE_STATE_CONNECTING, IKE_STATE_ESTABLISHED } from "../../assembly/abi/management";
import {
  REFUSED_NO_BOARD,
  SA_ENDS,
  SA_FAMILY,
  SA_KEYMAT,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_SPI,
} from "../../assembly/abi/message";
import { countPoll, entropy, mapReset, refuse, setDeadline, setState } from "../../assembly/rt/registers";
import { REG_ENTROPY_OCTETS } from "../../assembly/abi/board";
import { EVENTS, EVENT_OCTETS } from "./event_log";

/** event_log.ts. */
const log: usize = memory.data(EVENTS * EVENT_OCTETS, 8);
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

/** The first IKE_SA that is up. */
function established(): IkeSa {
  let i: u32 = 0;
  while (ikeSaAt(i).state != IKE_STATE_ESTABLISHED) i += 1;
  return ikeSaAt(i);
}

const notes: usize = memory.data(512, 8);

/** Where inform finds its notifies. */
export function notesAt(): usize {
  return notes;
}

/** An INFORMATIONAL request as nobody here would send it: notifies one behind the other, TYPE u16, LENGTH u16, data. */
export function inform(octets: u32): void {
  const sa = established();
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  for (let p = notes; p < notes + octets; p += 4 + <u32>load<u16>(p, 2)) {
    notifyWrite(w, <u32>load<u16>(p), p + 4, <u32>load<u16>(p, 2));
  }
  requestSend(sa, w, OUT_LIVENESS);
}

/** The COOKIE2 that was sent is another one than is expected back. */
export function spoilCookie2(): void {
  const cookie = ikeCookie2(established());
  store<u8>(cookie, load<u8>(cookie) ^ 1);
}

/** All peers are such that know no NAT traversal. */
export function forgetNatTraversal(): void {
  for (let i: u32 = 0; i < ikeSaCapacity; i++) ikeSaAt(i).natTraversal = 0;
}

/** A board says that the packets of a CHILD_SA come from this IPv4 address and port. */
export function moved(link: u32, spi: u32, remote: u32, port: u32): void {
  const child = childByLink(link);
  const local = child ? addressIpv4(ikeSaAt(<u32>child.sa).local) : 0;
  memory.fill(notes, 0, SA_ENDS);
  store<u32>(notes, link, SA_LINK);
  store<u32>(notes, spi, SA_SPI);
  store<u8>(notes, 4, SA_FAMILY);
  store<u16>(notes, 4500, SA_LOCAL_PORT);
  store<u16>(notes, <u16>port, SA_REMOTE_PORT);
  storeBE32(notes + SA_LOCAL_ADDRESS, local);
  storeBE32(notes + SA_REMOTE_ADDRESS, remote);
  handleMoved(notes);
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

/** Our SPI of an IKE_SA that a rekey has begun and not ended; 0: there is none. */
export function unbornSpi(): u64 {
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if (sa.state == IKE_STATE_CONNECTING && sa.parent != 0) return sa.initiator != 0 ? sa.spiI : sa.spiR;
  }
  return 0;
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
    memory.fill(at + 16, 0, EVENT_OCTETS - 16);
    const kind = load<u32>(e, EVENT_KIND);
    logged += 1;
    if (kind != EVENT_INSTALL && kind != EVENT_UPDATE) continue;
    const record = <usize>load<u32>(e, EVENT_RECORD);
    if (kind == EVENT_INSTALL) store<u32>(at, load<u32>(record, SA_KEYMAT), 16);
    store<u32>(at, load<u16>(record, SA_REMOTE_PORT), 20);
    memory.copy(at + 24, record + SA_LOCAL_ADDRESS, 32);
    if (kind == EVENT_UPDATE) continue;
    if (boards == BOARDS_SILENT) continue;
    const refused = boards == BOARDS_REFUSE ? REFUSED_NO_BOARD : 0;
    handleInstalled(load<u32>(e, EVENT_LINK), load<u32>(e, EVENT_SPI), load<u32>(e, EVENT_DIRECTION), refused);
  }
  portsRefill();
  portsSettle();
  setDeadline(ikeDeadline());
  return 0;
}
