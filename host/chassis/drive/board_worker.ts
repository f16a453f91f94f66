/**
 * A board's thread: fills the receive rings from shared memory, polls, drains the transmit rings into shared memory, sleeps.
 *
 * Backplane frames go straight to the peer's thread: encoded here, checked there. The order of one turn:
 *
 *   messages of the chassis, frames of the peers, packets of the devices -> receive rings -> boardPoll ->
 *     transmit rings -> rings of peers, devices and chassis
 *
 * A receive ring that is still full after a poll costs a frame (backplane_congestion); nothing waits for it.
 */
import { readlinkSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { STATE_ONLINE } from "../../../assembly/abi/board.ts";
import { CHECKPOINT_ALIGNMENT, CHECKPOINT_HEADER, CHECKPOINT_OCTETS } from "../../../assembly/abi/checkpoint.ts";
import { PORT_CHANNEL, PORT_SECURE_ELEMENT } from "../../../assembly/abi/ring.ts";
import { Board, type Outlet, RING_FULL, TOO_LONG } from "../board.ts";
import { createLink, reasonOf, WIRE_MAX } from "../backplane.ts";
import { RealClock } from "../clock.ts";
import { BoardFault } from "../fault.ts";
import { type Carry, FaultInjector } from "../tap/fault_injector.ts";
import { FaultyDescriptors, type SlotFaults } from "../tap/slot_faults.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import { copyOctets } from "../copy.ts";
import {
  PORT_CHANNEL_UNSUMMED,
  PORT_CHECKPOINT,
  PORT_TAP,
  type PowerOrder,
  type ThreadParts,
  type ThreadReport,
} from "./board_thread.ts";
import { BoardLine, type LineSender, type LineSenderParts, type OpenLineSender } from "./line.ts";
import { MessageRing } from "./message_ring.ts";
import {
  AFFLICTION,
  DOORBELL,
  INJECTION,
  LINK_DOWN,
  ONLINE,
  ORDER,
  ORDER_RUN,
  Page,
  SLEEPING,
  STRIKE,
  STRIKES,
  TAKES_UNSUMMED,
  TAPPED,
  THREAD,
  TRACE_MASK,
  TURNS,
} from "./page.ts";

/** Turns between two publications of the map while the board is busy. */
const TURNS_PER_PUBLICATION = 32;
/** Longest sleep, ms. */
const SLEEP_MAX = 1000;
/** Messages taken from one ring in one turn. */
const BATCH = 256;
/** Messages after which a ring's reader is let at them though the turn goes on: it has a core of its own, perhaps. */
const PUBLISHED_AT_ONCE = 32;
/** Cells of a frame of usual size: what a turn takes in cell mode. */
const CELLS_PER_FRAME = 32;

const parts = workerData as ThreadParts;
const page = new Page(parts.page);
const { words } = page;
const bell = new Int32Array(parts.bell);
const clock = new RealClock(parts.clockAhead);
const link = createLink(parts.link, parts.ikeSlot);
const isIpsec = parts.slot !== parts.ikeSlot;
const inCells = parts.link === "atm-cell";
const scratch = new Uint8Array(WIRE_MAX);

/** What comes from one peer. */
class Inlet {
  readonly ring: MessageRing;
  readonly receiver = link.receiver();
  /** Octets of the oldest message that have been taken: in cell mode a message is the cells of a PDU. */
  taken = 0;
  /** Octets of a whole frame of the receiver's that waits for room in the receive ring. */
  whole = 0;
  /** No more of it in this turn. */
  rests = false;
  constructor(memory: SharedArrayBuffer) {
    this.ring = new MessageRing(memory);
  }

  restart(): void {
    this.taken = 0;
    this.whole = 0;
    this.receiver.reset();
  }
}

class Peer {
  readonly slot: number;
  readonly out: MessageRing;
  readonly inlet: Inlet;
  readonly page: Page;
  touched = false;
  /** Messages that its thread does not see yet. */
  unpublished = 0;
  constructor(from: ThreadParts["peers"][number]) {
    this.slot = from.slot;
    this.out = new MessageRing(from.out);
    this.inlet = new Inlet(from.in);
    this.page = new Page(from.page);
  }
}

const down = new MessageRing(parts.down);
let downBlocked = false;
const up = new MessageRing(parts.up);
const peers = parts.peers.map((peer) => new Peer(peer));
const lines = await Promise.all(
  parts.lines.map(async (line) => new BoardLine(line, line.sender && (await openSender(line.sender)))),
);
/** By port. */
const lineOf: (BoardLine | undefined)[] = [];
for (const line of lines) lineOf[line.port] = line;
let generation = 0;
/** Of the board that is there. */
let eights: BigInt64Array = new BigInt64Array(0);
const peerOf = new Map(peers.map((peer) => [peer.slot, peer]));
let upTouched = false;

async function openSender({ program, data }: LineSenderParts): Promise<LineSender> {
  const { openLineSender } = (await import(program)) as { openLineSender: OpenLineSender };
  return openLineSender(data);
}

function countDrop(reason: number): void {
  page.drops[reason]! += 1;
}

function countLink(first: number, octets: number, bits: number): void {
  page.links[first]! += 1;
  page.links[first + 1]! += octets;
  page.links[first + 2]! += bits;
}

function report(message: ThreadReport): void {
  parentPort!.postMessage(message);
}

/** Puts a wire form on its way to a peer's thread. */
const carry: Carry = (from, to, vc, wire, at, size) => {
  const peer = peerOf.get(to)!;
  if (peer.out.push(PORT_CHANNEL, vc, from, wire, at, size)) peer.touched = true;
  else countDrop(CHASSIS_DROP.backplane_congestion);
};

let injector: FaultInjector | undefined;
let injection = 0;

function refreshInjector(): void {
  const version = Atomics.load(words, INJECTION);
  if (version === injection) return;
  injection = version;
  injector?.flush();
  const spec = page.injection;
  const lost = (): void => countDrop(CHASSIS_DROP.injected_loss);
  injector = spec && new FaultInjector({ ...spec, seed: (spec.seed ?? 1) + parts.slot }, carry, lost);
}

let faults: SlotFaults = {};
let afflicted = 0;
/** With faulty descriptors: what misses some frames on their way to the outlet. */
let faulty: Outlet | undefined;

/** Takes over what the chassis ordered to be wrong with the slot, if it is new. */
function refreshFaults(board: Board, ahead = true): void {
  const version = Atomics.load(words, AFFLICTION);
  if (version === afflicted && ahead) return;
  afflicted = version;
  faults = page.faults;
  const lost = (): void => countDrop(CHASSIS_DROP.injected_loss);
  faulty = FaultyDescriptors.wanted(faults) ? new FaultyDescriptors(faults, outlet, lost).outlet : undefined;
  board.skew(clock.now(), faults.clockRate, ahead ? faults.clockAhead : 0);
}

/** Kills the board as it was told to. */
function strike(board: Board): void {
  const how = STRIKES[Atomics.load(words, STRIKE) - 1];
  // The chassis's watchdog ends the thread.
  while (how === "hang");
  if (board.strike()) Atomics.store(words, STRIKE, 0);
}

/** A frame from the CHANNEL transmit ring. */
function send(ram: Uint8Array, start: number, length: number, vc: number): void {
  const to = link.route(ram, start, length, vc, parts.slot);
  if (to < 0) return countDrop(reasonOf(to));
  const peer = peerOf.get(to);
  if (words[LINK_DOWN] !== 0 || (peer && peer.page.words[LINK_DOWN] !== 0)) return countDrop(CHASSIS_DROP.link_down);
  if (!peer || Atomics.load(peer.page.words, ONLINE) === 0) return countDrop(CHASSIS_DROP.board_offline);
  if (injector) {
    const size = link.encode(ram, start, length, vc, scratch, 0);
    countLink(3, length, link.bits(size));
    const unit = link.unit(size);
    for (let at = 0; at < size; at += unit) injector.carry(parts.slot, to, vc, scratch, at, unit);
    return;
  }
  // All cells of a PDU or none: half of one would only cost the ring's room.
  const { out } = peer;
  const at = out.reserve(link.wireOctets(length), start);
  if (at < 0) return countDrop(CHASSIS_DROP.backplane_congestion);
  let size: number;
  let port = PORT_CHANNEL as number;
  if (link.finish !== undefined && peer.page.words[TAKES_UNSUMMED] !== 0) {
    copyOctets(ram, eights, start, out.octets, out.eights, at, length);
    size = link.finish(out.octets, at, length);
    port = PORT_CHANNEL_UNSUMMED;
  } else {
    size = link.encode(ram, start, length, vc, out.octets, at);
  }
  countLink(3, length, link.bits(size));
  out.append(size, port, vc, parts.slot);
  peer.touched = true;
  if (++peer.unpublished < PUBLISHED_AT_ONCE) return;
  peer.unpublished = 0;
  out.publish();
}

const outlet: Outlet = (port, ram, start, length, vc) => {
  if (port === PORT_CHANNEL) return send(ram, start, length, vc);
  const line = lineOf[port];
  if (line !== undefined && line.open) {
    if (!line.send(ram, eights, start, length, generation, parts.slot)) countDrop(CHASSIS_DROP.backplane_congestion);
  } else if (up.push(port, vc, parts.slot, ram, start, length)) upTouched = true;
  else countDrop(CHASSIS_DROP.backplane_congestion);
};

function ringBells(): void {
  for (const peer of peers) {
    if (!peer.touched) continue;
    peer.touched = false;
    peer.unpublished = 0;
    peer.out.publish();
    peer.page.ring();
  }
  for (const line of lines) line.ring();
  if (!upTouched) return;
  upTouched = false;
  Atomics.add(bell, 0, 1);
  if (Atomics.load(bell, 1) !== 0) Atomics.notify(bell, 0);
}

/**
 * Hands the records of a poll to the chassis before anything leaves that the poll sent. A full ring is waited for: the chassis's thread
 * empties it, or ends this one.
 */
function keep(records: Uint8Array): void {
  for (let at = 0; at < records.length; ) {
    const octets = CHECKPOINT_HEADER + load32(records, at + CHECKPOINT_OCTETS);
    const length = Math.min(octets, records.length - at);
    while (!up.push(PORT_CHECKPOINT, 0, parts.slot, records, at, length)) {
      upTouched = true;
      ringBells();
      Atomics.wait(waiting, 0, 0, 1);
    }
    upTouched = true;
    at += Math.ceil(octets / CHECKPOINT_ALIGNMENT) * CHECKPOINT_ALIGNMENT;
  }
}

/** Nobody ever notifies it: to sleep for a moment. */
const waiting = new Int32Array(new SharedArrayBuffer(4));

const load32 = (octets: Uint8Array, at: number): number =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength).getUint32(at, true);

/** Delivers one message of the chassis or of a device; RING_FULL leaves it where it is. */
function deliver(board: Board, ring: MessageRing, again: boolean): boolean {
  const result = board.deliver(ring.port, ring.octets, ring.at, ring.length, 0, ring.eights);
  if (result === RING_FULL) {
    if (!again) return false;
    countDrop(CHASSIS_DROP.backplane_congestion);
  } else if (result === TOO_LONG) {
    countDrop(CHASSIS_DROP.frame_too_long);
  }
  // An answer of the secure element has secrets: they are the board's from here on.
  if (ring.port === PORT_SECURE_ELEMENT) ring.wipe();
  return true;
}

/** Takes one unit of the oldest message of a peer; false when what it completed finds no room. */
function arrive(board: Board, inlet: Inlet): boolean {
  const { ring, receiver } = inlet;
  const unit = link.unit(ring.length);
  const again = inlet.whole > 0;
  if (!again) {
    const at = ring.at + inlet.taken;
    const summed = ring.port !== PORT_CHANNEL_UNSUMMED;
    if (words[TAPPED] !== 0) {
      // Who looks at the wire sees the frame as it would be there.
      if (!summed) link.sum?.(ring.octets, at, unit);
      if (up.push(PORT_TAP, ring.link, ring.from, ring.octets, at, unit)) upTouched = true;
    }
    inlet.whole = receiver.take(ring.octets, at, unit, ring.link, summed);
  }
  if (inlet.whole > 0) {
    const vc = link.vcAtArrival(ring.link);
    const whole = receiver.octets === ring.octets ? ring.eights : undefined;
    const result = board.deliver(PORT_CHANNEL, receiver.octets, receiver.start, inlet.whole, vc, whole);
    if (result === RING_FULL && !again) return false;
    if (result === RING_FULL) countDrop(CHASSIS_DROP.backplane_congestion);
    else if (result === TOO_LONG) countDrop(CHASSIS_DROP.frame_too_long);
    else countLink(0, inlet.whole, receiver.bits);
  } else if (inlet.whole < 0) {
    countDrop(reasonOf(inlet.whole));
  }
  inlet.whole = 0;
  inlet.taken += unit;
  if (inlet.taken < ring.length) return true;
  inlet.taken = 0;
  ring.pass();
  return true;
}

/** Moves messages of the chassis into the board. */
function fillDown(board: Board): void {
  for (let i = 0; i < BATCH && down.peek(); i++) {
    if (!deliver(board, down, downBlocked)) {
      downBlocked = true;
      board.wantsPoll = true;
      break;
    }
    downBlocked = false;
    down.pass();
  }
  down.settle();
}

/** Moves messages of one device into the board. */
function fillLine(board: Board, line: BoardLine): void {
  const ring = line.in;
  if (ring === undefined) return;
  for (let i = 0; i < BATCH && ring.peek(); i++) {
    if (ring.port === PORT_SECURE_ELEMENT && ring.link !== generation) {
      countDrop(CHASSIS_DROP.secure_element_stale);
      ring.wipe();
    } else if (!deliver(board, ring, line.blocked)) {
      line.blocked = true;
      board.wantsPoll = true;
      break;
    } else if (isIpsec) {
      page.cutThrough[0]! += 1;
    }
    line.blocked = false;
    ring.pass();
  }
  ring.settle();
}

/** Moves frames of one peer into the board. */
function fill(board: Board, inlet: Inlet): void {
  const { ring } = inlet;
  for (let i = 0; i < BATCH && ring.peek(); i++) {
    if (arrive(board, inlet)) continue;
    board.wantsPoll = true;
    break;
  }
  ring.settle();
}

/** The same in cell mode: a cell of every peer in turn, as an output port that several inputs share serves them. */
function fillCells(board: Board): void {
  for (const { inlet } of peers) inlet.rests = false;
  for (let cells = 0, busy = true; busy && cells < BATCH * CELLS_PER_FRAME; ) {
    busy = false;
    for (const { inlet } of peers) {
      if (inlet.rests || !inlet.ring.peek()) continue;
      cells += 1;
      inlet.rests = !arrive(board, inlet);
      if (inlet.rests) board.wantsPoll = true;
      else busy = true;
    }
  }
  for (const { inlet } of peers) inlet.ring.settle();
}

/** What came while no board was there to take it. */
function discard(ring: MessageRing): void {
  while (ring.peek()) {
    const secret = ring.port === PORT_SECURE_ELEMENT;
    if (secret) ring.wipe();
    ring.release();
    countDrop(secret ? CHASSIS_DROP.secure_element_stale : CHASSIS_DROP.board_offline);
  }
}

function publish(board: Board): void {
  page.map.set(board.map);
  page.firmwareDrops.set(board.drops.subarray(0, page.firmwareDrops.length));
  page.mirrorTrace(board.traceRing);
}

const inletsEmpty = (): boolean =>
  down.empty && peers.every((peer) => peer.inlet.ring.empty) && lines.every((line) => line.in?.empty ?? true);

/** Spins a moment, then sleeps until the doorbell rings or the deadline comes. */
function rest(deadline: bigint, heard: number): void {
  const spinEnd = performance.now() + parts.spin / 1000;
  do {
    for (let i = 0; i < 64; i++) if (Atomics.load(words, DOORBELL) !== heard) return;
  } while (performance.now() < spinEnd);
  const left = deadline - clock.now();
  if (left <= 0n || !inletsEmpty()) return;
  Atomics.store(words, SLEEPING, 1);
  Atomics.wait(words, DOORBELL, heard, left > 1_000_000_000n ? SLEEP_MAX : Number(left) / 1e6);
  Atomics.store(words, SLEEPING, 0);
}

/** Runs a board until the chassis orders to stop. Throws BoardFault when it dies. */
function run(board: Board): void {
  let mask = -1;
  for (let turns = 1; Atomics.load(words, ORDER) === ORDER_RUN; turns++) {
    const heard = Atomics.load(words, DOORBELL);
    Atomics.add(words, TURNS, 1);
    // Peers first: what one says because of what the chassis or a device has said comes behind that.
    if (inCells) fillCells(board);
    else for (const peer of peers) fill(board, peer.inlet);
    for (const line of lines) fillLine(board, line);
    fillDown(board);
    // After the messages: what the chassis ordered before it delivered one is in force for that one.
    refreshInjector();
    refreshFaults(board);
    if (Atomics.load(words, STRIKE) !== 0) strike(board);
    const wanted = Atomics.load(words, TRACE_MASK);
    if (wanted !== mask) board.traceMask = mask = wanted;
    const now = clock.now();
    if (board.wantsPoll || board.deadline <= now) {
      board.poll(now, clock.wall());
      keep(board.checkpoint);
      if (!faults.stalled) board.drain(faulty ?? outlet);
      ringBells();
      if (mask !== 0) page.mirrorTrace(board.traceRing);
      if (turns % TURNS_PER_PUBLICATION === 0) publish(board);
      continue;
    }
    const flushed = injector?.flush() ?? false;
    if (flushed) ringBells();
    if (!inletsEmpty()) continue;
    // A tapped frame may have gone up without a poll.
    if (upTouched) ringBells();
    publish(board);
    rest(board.deadline, heard);
  }
}

function power({ image, power: on }: PowerOrder): void {
  ({ generation } = on);
  let board: Board | undefined;
  try {
    page.traceRestart();
    board = new Board(image, on, clock.now(), clock.wall());
    eights = board.u64;
    downBlocked = false;
    discard(down);
    for (const { inlet } of peers) {
      inlet.restart();
      discard(inlet.ring);
    }
    for (const line of lines) {
      line.blocked = false;
      // An answer is for who asked. A packet that arrived when the board died is its successor's, if that comes at once.
      if (line.in && (line.port === PORT_SECURE_ELEMENT || !on.follows)) discard(line.in);
    }
    publish(board);
    if (board.state !== STATE_ONLINE) {
      const { refusal } = board;
      board.wipe();
      return report({ kind: "refused", generation, refusal });
    }
    // A new generation has a clock of its own: it runs off as the slot's does, but begins right.
    refreshFaults(board, false);
    Atomics.store(words, ONLINE, generation);
    report({ kind: "online", generation });
    run(board);
    Atomics.store(words, ONLINE, 0);
    board.wipe();
    report({ kind: "stopped", generation });
  } catch (error) {
    Atomics.store(words, ONLINE, 0);
    // What it sent before it died is sent, some of it from its RAM.
    ringBells();
    if (board) {
      publish(board);
      board.wipe();
    }
    if (!(error instanceof BoardFault)) throw error;
    report({ kind: "fault", generation, report: error.report });
  } finally {
    for (const line of lines) line.forget();
    eights = new BigInt64Array(0);
    page.map.fill(0);
    page.firmwareDrops.fill(0);
  }
}

/** This thread's number; 0 where there is no such file. */
function threadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return 0;
  }
}

Atomics.store(words, THREAD, threadNumber());
Atomics.store(words, TAKES_UNSUMMED, 1);
parentPort!.on("message", power);
