/**
 * A board for tests of the chassis: it sends back what it gets. echo_ike.ts and echo_ipsec.ts are its two classes.
 *
 *   UNPROTECTED      leaves on PROTECTED; but C4h, VC u32 (little-endian), frame: the frame leaves on CHANNEL
 *   PROTECTED        leaves on UNPROTECTED
 *   CHANNEL          leaves on PROTECTED
 *   SECURE_ELEMENT   leaves on MANAGEMENT: the answer shows
 *   MANAGEMENT       by its first u16:
 *     1, 2             a board is up or down: consumed, traced as board_up or board_down with slot and generation
 *     A1h              its u32 at 4 is a delay in ms: a deadline is set, and the message comes back when it has come
 *     5Eh              leaves on SECURE_ELEMENT
 *     21               a board is to be drained: the IKE board says that it is, with as many CHILD_SAs left as it was told
 *     1Eh              its u32 at 4 is how many are left from now on; consumed
 *     other            comes back
 */
import { POLL_BATCH, POLL_MORE_WORK, POLL_TRANSMIT_READY, STATE_ONLINE } from "../../assembly/abi/board";
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_COUNT_IPSEC,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_SECURE_ELEMENT,
  PORT_UNPROTECTED,
} from "../../assembly/abi/ring";
import { BOARD_CLASS_IKE } from "../../assembly/abi/board";
import {
  CHILD_SA_GENERATION,
  CHILD_SA_SLOT,
  EVENT_BOARD_DRAINED,
  EVENT_KIND,
  EVENT_LEFT,
  MANAGEMENT_BOARD_DRAIN,
  MANAGEMENT_EVENT,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management";
import {
  STEP_S601,
  TRACE_BOARD_DOWN,
  TRACE_BOARD_UP,
  TRACE_MASK_BOARD,
  TRACE_MASK_PACKET,
} from "../../assembly/abi/trace";
import { dropsReset } from "../../assembly/bus/drop";
import { Frame, framePull } from "../../assembly/bus/frame";
import { poolReset } from "../../assembly/bus/pool";
import {
  consume,
  portPending,
  portsDrained,
  portsReclaim,
  portsRefill,
  portsReset,
  portsSettle,
  receive,
  transmit,
} from "../../assembly/bus/port";
import { arenaReset } from "../../assembly/rt/arena";
import { itemWriteU32 } from "../../assembly/rt/items";
import { countPoll, mapReset, now, setDeadline, setState } from "../../assembly/rt/registers";
import { trace } from "../../assembly/rt/trace";

const TO_CHANNEL: u8 = 0xc4;
const TO_CHANNEL_HEADER: u32 = 5;
const MESSAGE_DELAY: u32 = 0xa1;
const MESSAGE_TO_SECURE_ELEMENT: u32 = 0x5e;
const MESSAGE_LEFT: u32 = 0x1e;

let ports: u32 = 0;
let delayed: Frame | null = null;
let due: u64 = 0;
let left: u32 = 0;

export function echoReset(boardClass: u32): void {
  mapReset(boardClass);
  arenaReset();
  dropsReset();
  poolReset();
  ports = boardClass == BOARD_CLASS_IKE ? PORT_COUNT_IKE : PORT_COUNT_IPSEC;
  portsReset(ports);
  setDeadline(u64.MAX_VALUE);
  due = u64.MAX_VALUE;
  left = 0;
  setState(STATE_ONLINE);
}

export function echoPoll(): u32 {
  countPoll();
  portsReclaim();
  let more = false;
  for (let port: u32 = 0; port < ports; port++) {
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      const frame = receive(port);
      if (!frame) break;
      echo(port, frame);
    }
    if (portPending(port) > 0) more = true;
  }
  if (delayed && due <= now()) {
    transmit(PORT_MANAGEMENT, delayed!);
    delayed = null;
    due = u64.MAX_VALUE;
  }
  setDeadline(due);
  portsRefill();
  portsSettle();
  return (portsDrained() ? 0 : POLL_TRANSMIT_READY) | (more ? POLL_MORE_WORK : 0);
}

function echo(port: u32, frame: Frame): void {
  if (port == PORT_MANAGEMENT) return echoMessage(frame);
  if (port == PORT_SECURE_ELEMENT) {
    transmit(PORT_MANAGEMENT, frame);
    return;
  }
  trace(TRACE_MASK_PACKET, STEP_S601, 0, 0, frame.length, port);
  if (port == PORT_PROTECTED) {
    transmit(PORT_UNPROTECTED, frame);
  } else if (port == PORT_UNPROTECTED && frame.length > TO_CHANNEL_HEADER && load<u8>(frame.start) == TO_CHANNEL) {
    const vc = load<u32>(frame.start + 1);
    framePull(frame, TO_CHANNEL_HEADER);
    transmit(PORT_CHANNEL, frame, vc);
  } else {
    transmit(PORT_PROTECTED, frame);
  }
}

function echoMessage(frame: Frame): void {
  const type = frame.length >= 8 ? <u32>load<u16>(frame.start) : 0;
  if (type == 1 || type == 2) {
    const slot = frame.length >= 20 ? load<u32>(frame.start + 12) : 0;
    const generation = frame.length >= 20 ? load<u32>(frame.start + 16) : 0;
    trace(TRACE_MASK_BOARD, type == 1 ? TRACE_BOARD_UP : TRACE_BOARD_DOWN, slot, generation);
    consume(frame);
  } else if (type == MESSAGE_DELAY && !delayed) {
    delayed = frame;
    due = now() + <u64>load<u32>(frame.start + 4) * 1000000;
  } else if (type == MANAGEMENT_BOARD_DRAIN && ports == PORT_COUNT_IKE && frame.length >= 24) {
    if (load<u32>(frame.start + 20) == 0) return consume(frame);
    sayDrained(frame, load<u32>(frame.start + 12), load<u32>(frame.start + 16));
  } else if (type == MESSAGE_LEFT) {
    left = load<u32>(frame.start + 4);
    consume(frame);
  } else if (type == MESSAGE_TO_SECURE_ELEMENT && ports == PORT_COUNT_IKE) {
    transmit(PORT_SECURE_ELEMENT, frame);
  } else {
    transmit(PORT_MANAGEMENT, frame);
  }
}

/** A board has no SAs any more, but for those that no other board takes. */
function sayDrained(frame: Frame, slot: u32, generation: u32): void {
  const m = frame.start;
  let p = m + MANAGEMENT_HEADER;
  p = itemWriteU32(p, EVENT_KIND, EVENT_BOARD_DRAINED);
  p = itemWriteU32(p, CHILD_SA_SLOT, slot);
  p = itemWriteU32(p, CHILD_SA_GENERATION, generation);
  p = itemWriteU32(p, EVENT_LEFT, left);
  frame.length = <u32>(p - m);
  store<u32>(m + MANAGEMENT_TYPE, MANAGEMENT_EVENT);
  store<u32>(m + MANAGEMENT_TRANSACTION, 0);
  store<u32>(m + MANAGEMENT_LENGTH, frame.length);
  transmit(PORT_MANAGEMENT, frame);
}
