/**
 * The firmware's side of a port: take what the chassis filled, post what it shall send, account for every frame.
 *
 * Every frame that receive or originate hands out must come back through exactly one of transmit, consume and drop.
 * REG_HELD follows from the counters: IN + ORIGINATED - SENT - CONSUMED - DROPPED.
 *
 * What MANAGEMENT and SECURE_ELEMENT carry may be keys in the clear (abi/management.ts, abi/psa.ts), and so may a frame that never came
 * to a ring: these are wiped on their way back to the pool, whoever has them last. On CHANNEL keys are sealed in place
 * (channel/control.ts), and who opens them wipes them; packets are nobody's keys, and cost nothing here.
 */
import {
  MAP_PORT_COUNT,
  MAP_PORT_TABLE,
  REG_CONSUMED,
  REG_DROPPED,
  REG_HELD,
  REG_IN,
  REG_ORIGINATED,
  REG_SENT,
} from "../abi/board";
import { DROP_BACKPLANE_CONGESTION } from "../abi/drop";
import { FRAME_CAPACITY } from "../abi/frame";
import {
  DESCRIPTOR_ADDRESS,
  DESCRIPTOR_COOKIE,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_LINK,
  DESCRIPTOR_OCTETS,
  PORT_CHANNEL,
  PORT_COUNT_MAX,
  PORT_ENTRY_OCTETS,
  PORT_MANAGEMENT,
  PORT_RX,
  PORT_SECURE_ELEMENT,
  PORT_TX,
  RING_DESCRIPTORS,
  RING_DONE,
  RING_POSTED,
  RING_SIZE,
  RING_SIZE_CHANNEL,
  RING_SIZE_DATA,
  RING_SIZE_MANAGEMENT,
  RING_SIZE_SECURE_ELEMENT,
  RING_TAKEN,
} from "../abi/ring";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { map } from "../rt/map";
import { countDrop } from "./drop";
import { Frame, frameClear } from "./frame";
import { poolGive, poolTake } from "./pool";

const table: usize = memory.data(PORT_COUNT_MAX * PORT_ENTRY_OCTETS, 16);
/** By port: octets that an empty frame is posted before its usual start. */
const ahead: usize = memory.data(PORT_COUNT_MAX * 4, 4);
let ports: u32 = 0;

/** True of MANAGEMENT, of SECURE_ELEMENT, and of PORT_COUNT_MAX, where the board's own messages are from. */
// @ts-ignore: decorator
@inline
function mayHoldKeys(port: u32): bool {
  return port >= PORT_MANAGEMENT;
}

function sizeOfRing(port: u32): u32 {
  if (port == PORT_CHANNEL) return RING_SIZE_CHANNEL;
  if (port == PORT_MANAGEMENT) return RING_SIZE_MANAGEMENT;
  if (port == PORT_SECURE_ELEMENT) return RING_SIZE_SECURE_ELEMENT;
  return RING_SIZE_DATA;
}

function newRing(size: u32): usize {
  const ring = arenaTake(RING_DESCRIPTORS + size * DESCRIPTOR_OCTETS);
  if (ring != 0) store<u32>(ring + RING_SIZE, size);
  return ring;
}

// @ts-ignore: decorator
@inline
function rxRing(port: u32): usize {
  return <usize>load<u32>(table + port * PORT_ENTRY_OCTETS + PORT_RX);
}

// @ts-ignore: decorator
@inline
function txRing(port: u32): usize {
  return <usize>load<u32>(table + port * PORT_ENTRY_OCTETS + PORT_TX);
}

// @ts-ignore: decorator
@inline
function descriptor(ring: usize, cursor: u32): usize {
  return ring + RING_DESCRIPTORS + <usize>(cursor & (load<u32>(ring + RING_SIZE) - 1)) * DESCRIPTOR_OCTETS;
}

/** Builds `count` ports and posts empty frames on every receive ring; false when RAM is too small. */
export function portsReset(count: u32): bool {
  ports = count;
  for (let port: u32 = 0; port < count; port++) {
    store<u32>(ahead + (port << 2), 0);
    const rx = newRing(sizeOfRing(port));
    const tx = newRing(sizeOfRing(port));
    if (rx == 0 || tx == 0) return false;
    store<u32>(table + port * PORT_ENTRY_OCTETS + PORT_RX, <u32>rx);
    store<u32>(table + port * PORT_ENTRY_OCTETS + PORT_TX, <u32>tx);
  }
  store<u32>(map + MAP_PORT_TABLE, <u32>table);
  store<u32>(map + MAP_PORT_COUNT, count);
  portsRefill();
  return true;
}

/**
 * What arrives at a port has `octets` of header to be taken off: from now on what stands behind begins at a multiple of eight octets, as it did in
 * the RAM that it came from, and the chassis copies from one such place to the other at its best. To be called before anything has arrived.
 */
export function portHeader(port: u32, octets: u32): void {
  const shift = octets & 7;
  store<u32>(ahead + (port << 2), shift);
  const ring = rxRing(port);
  for (let i = load<u32>(ring + RING_DONE); i != load<u32>(ring + RING_POSTED); i++) {
    const d = descriptor(ring, i);
    const frame = changetype<Frame>(<usize>load<u32>(d + DESCRIPTOR_COOKIE));
    store<u32>(d + DESCRIPTOR_ADDRESS, <u32>frame.start - shift);
  }
}

/** Posts empty frames until the receive rings are full or the pool is empty. */
export function portsRefill(): void {
  for (let port: u32 = 0; port < ports; port++) {
    const ring = rxRing(port);
    const size = load<u32>(ring + RING_SIZE);
    const shift = load<u32>(ahead + (port << 2));
    let posted = load<u32>(ring + RING_POSTED);
    const taken = load<u32>(ring + RING_TAKEN);
    while (posted - taken < size) {
      const frame = poolTake();
      if (!frame) break;
      const d = descriptor(ring, posted);
      store<u32>(d + DESCRIPTOR_ADDRESS, <u32>frame.start - shift);
      store<u32>(d + DESCRIPTOR_LENGTH, FRAME_CAPACITY);
      store<u32>(d + DESCRIPTOR_LINK, 0);
      store<u32>(d + DESCRIPTOR_COOKIE, <u32>changetype<usize>(frame));
      posted += 1;
    }
    store<u32>(ring + RING_POSTED, posted);
  }
}

/** Takes back the frames of every transmit ring that the chassis has drained, wiped where they may have held keys. */
export function portsReclaim(): void {
  for (let port: u32 = 0; port < ports; port++) {
    const ring = txRing(port);
    const done = load<u32>(ring + RING_DONE);
    const secret = mayHoldKeys(port);
    let taken = load<u32>(ring + RING_TAKEN);
    while (taken != done) {
      const frame = changetype<Frame>(<usize>load<u32>(descriptor(ring, taken) + DESCRIPTOR_COOKIE));
      if (secret) zeroize(frame.start, frame.length);
      poolGive(frame);
      taken += 1;
    }
    store<u32>(ring + RING_TAKEN, taken);
  }
}

/** Frames that wait on a port's receive ring. */
export function portPending(port: u32): u32 {
  const ring = rxRing(port);
  return load<u32>(ring + RING_DONE) - load<u32>(ring + RING_TAKEN);
}

/** Of the `i`th frame that waits on a port's receive ring: to be looked at ahead of its turn, in place. */
// @ts-ignore: decorator
@inline
function pendingDescriptor(port: u32, i: u32): usize {
  const ring = rxRing(port);
  return descriptor(ring, load<u32>(ring + RING_TAKEN) + i);
}

/** Where its octets begin. */
export function pendingStart(port: u32, i: u32): usize {
  return <usize>load<u32>(pendingDescriptor(port, i) + DESCRIPTOR_ADDRESS);
}

/** How many there are, as the chassis says. */
export function pendingLength(port: u32, i: u32): u32 {
  return min<u32>(load<u32>(pendingDescriptor(port, i) + DESCRIPTOR_LENGTH), FRAME_CAPACITY);
}

/** The next received frame, now the caller's, or null. */
export function receive(port: u32): Frame | null {
  const ring = rxRing(port);
  const taken = load<u32>(ring + RING_TAKEN);
  if (taken == load<u32>(ring + RING_DONE)) return null;
  const d = descriptor(ring, taken);
  const frame = changetype<Frame>(<usize>load<u32>(d + DESCRIPTOR_COOKIE));
  frame.start = <usize>load<u32>(d + DESCRIPTOR_ADDRESS);
  // The chassis owns this field; a length beyond the frame is its fault, cut it before it becomes ours.
  frame.length = min<u32>(load<u32>(d + DESCRIPTOR_LENGTH), FRAME_CAPACITY);
  frame.link = load<u32>(d + DESCRIPTOR_LINK);
  frame.port = port;
  store<u32>(ring + RING_TAKEN, taken + 1);
  count(REG_IN);
  return frame;
}

/** An empty frame for a packet of the board's own making, or null when the pool is empty. */
export function originate(): Frame | null {
  const frame = poolTake();
  if (frame) {
    frame.port = PORT_COUNT_MAX;
    count(REG_ORIGINATED);
  }
  return frame;
}

/** Posts a frame for the chassis to send; drops it for congestion when the ring is full. True when posted. */
export function transmit(port: u32, frame: Frame, link: u32 = 0): bool {
  const ring = txRing(port);
  const posted = load<u32>(ring + RING_POSTED);
  if (posted - load<u32>(ring + RING_TAKEN) >= load<u32>(ring + RING_SIZE)) {
    drop(frame, DROP_BACKPLANE_CONGESTION);
    return false;
  }
  const d = descriptor(ring, posted);
  store<u32>(d + DESCRIPTOR_ADDRESS, <u32>frame.start);
  store<u32>(d + DESCRIPTOR_LENGTH, frame.length);
  store<u32>(d + DESCRIPTOR_LINK, link);
  store<u32>(d + DESCRIPTOR_COOKIE, <u32>changetype<usize>(frame));
  store<u32>(ring + RING_POSTED, posted + 1);
  count(REG_SENT);
  return true;
}

/**
 * Takes back what was posted on a transmit ring since the chassis looked at it: the addresses of the frames, in their order, are at `to`
 * (4 octets each, as many as the ring is long), with their LINK and the port. They are the caller's again, as received ones are. How many.
 */
export function recall(port: u32, to: usize): u32 {
  const ring = txRing(port);
  const done = load<u32>(ring + RING_DONE);
  const frames = load<u32>(ring + RING_POSTED) - done;
  for (let i: u32 = 0; i < frames; i++) {
    const d = descriptor(ring, done + i);
    const frame = changetype<Frame>(<usize>load<u32>(d + DESCRIPTOR_COOKIE));
    frame.link = load<u32>(d + DESCRIPTOR_LINK);
    frame.port = port;
    store<u32>(to + ((<usize>i) << 2), <u32>changetype<usize>(frame));
  }
  store<u32>(ring + RING_POSTED, done);
  store<u64>(map + REG_SENT, load<u64>(map + REG_SENT) - <u64>frames);
  return frames;
}

/** Frames that a port's transmit ring still takes in this poll. */
export function transmitRoom(port: u32): u32 {
  const ring = txRing(port);
  return load<u32>(ring + RING_SIZE) - (load<u32>(ring + RING_POSTED) - load<u32>(ring + RING_TAKEN));
}

/** True when nothing waits to be drained on any transmit ring. */
export function portsDrained(): bool {
  for (let port: u32 = 0; port < ports; port++) {
    const ring = txRing(port);
    if (load<u32>(ring + RING_DONE) != load<u32>(ring + RING_POSTED)) return false;
  }
  return true;
}

/** The frame has served its purpose on this board. */
export function consume(frame: Frame): void {
  count(REG_CONSUMED);
  giveBack(frame);
}

/** The frame ends here for a declared reason (abi/drop.ts). */
export function drop(frame: Frame, reason: u32): void {
  countDrop(reason);
  count(REG_DROPPED);
  giveBack(frame);
}

function giveBack(frame: Frame): void {
  if (mayHoldKeys(frame.port)) zeroize(frame.start, frame.length);
  frameClear(frame);
  poolGive(frame);
}

/** Writes REG_HELD; the last thing that boardPoll does. */
export function portsSettle(): void {
  const inside = load<u64>(map + REG_IN) + load<u64>(map + REG_ORIGINATED);
  const gone = load<u64>(map + REG_SENT) + load<u64>(map + REG_CONSUMED) + load<u64>(map + REG_DROPPED);
  assert(inside >= gone, "a frame ended twice");
  store<u32>(map + REG_HELD, <u32>(inside - gone));
}

// @ts-ignore: decorator
@inline
function count(register: u32): void {
  store<u64>(map + register, load<u64>(map + register) + 1);
}
