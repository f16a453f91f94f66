/**
 * A board's thread: fills the receive rings from shared memory, polls, drains the transmit rings into shared memory, sleeps.
 *
 * Backplane frames go straight to the peer's thread: encoded here, checked there. The order of one turn:
 *
 *   messages of the chassis and frames of the peers -> receive rings -> boardPoll -> transmit rings -> rings of peers and chassis
 *
 * A receive ring that is still full after a poll costs a frame (backplane_congestion); nothing waits for it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { STATE_ONLINE } from "../../../assembly/abi/board.ts";
import { PORT_CHANNEL } from "../../../assembly/abi/ring.ts";
import { Board, type Outlet, RING_FULL, TOO_LONG } from "../board.ts";
import { createLink, reasonOf, WIRE_MAX } from "../backplane.ts";
import { RealClock } from "../clock.ts";
import { BoardFault } from "../fault.ts";
import { type Carry, FaultInjector } from "../tap/fault_injector.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import { PORT_TAP, type PowerOrder, type ThreadParts, type ThreadReport } from "./board_thread.ts";
import { MessageRing } from "./message_ring.ts";
import { DOORBELL, INJECTION, ONLINE, ORDER, ORDER_RUN, Page, SLEEPING, TAPPED, TRACE_MASK, TURNS } from "./page.ts";

/** Turns between two publications of the map while the board is busy. */
const TURNS_PER_PUBLICATION = 32;
/** Longest sleep, ms. */
const SLEEP_MAX = 1000;
/** Messages taken from one ring in one turn. */
const BATCH = 256;

const parts = workerData as ThreadParts;
const page = new Page(parts.page);
const { words } = page;
const bell = new Int32Array(parts.bell);
const clock = new RealClock();
const link = createLink(parts.link, parts.ikeSlot);
const scratch = new Uint8Array(WIRE_MAX);

/** An inbound ring, and whether its oldest message found a full receive ring in the last turn. */
class Inlet {
  readonly ring: MessageRing;
  blocked = false;
  constructor(memory: SharedArrayBuffer) {
    this.ring = new MessageRing(memory);
  }
}

class Peer {
  readonly slot: number;
  readonly out: MessageRing;
  readonly inlet: Inlet;
  readonly page: Page;
  touched = false;
  constructor(from: ThreadParts["peers"][number]) {
    this.slot = from.slot;
    this.out = new MessageRing(from.out);
    this.inlet = new Inlet(from.in);
    this.page = new Page(from.page);
  }
}

const down = new Inlet(parts.down);
const up = new MessageRing(parts.up);
const peers = parts.peers.map((peer) => new Peer(peer));
const peerOf = new Map(peers.map((peer) => [peer.slot, peer]));
let upTouched = false;

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

/** A frame from the CHANNEL transmit ring. */
function send(ram: Uint8Array, start: number, length: number, vc: number): void {
  const to = link.route(ram, start, length, vc, parts.slot);
  if (to < 0) return countDrop(reasonOf(to));
  const peer = peerOf.get(to);
  if (!peer || Atomics.load(peer.page.words, ONLINE) === 0) return countDrop(CHASSIS_DROP.board_offline);
  if (injector) {
    const size = link.encode(ram, start, length, scratch, 0);
    countLink(3, length, link.bits(size));
    return injector.carry(parts.slot, to, vc, scratch, 0, size);
  }
  const at = peer.out.reserve(length + 64);
  if (at < 0) return countDrop(CHASSIS_DROP.backplane_congestion);
  const size = link.encode(ram, start, length, peer.out.octets, at);
  countLink(3, length, link.bits(size));
  peer.out.commit(size, PORT_CHANNEL, vc, parts.slot);
  peer.touched = true;
}

const outlet: Outlet = (port, ram, start, length, vc) => {
  if (port === PORT_CHANNEL) send(ram, start, length, vc);
  else if (up.push(port, vc, parts.slot, ram, start, length)) upTouched = true;
  else countDrop(CHASSIS_DROP.backplane_congestion);
};

function ringBells(): void {
  for (const peer of peers) {
    if (!peer.touched) continue;
    peer.touched = false;
    peer.page.ring();
  }
  if (!upTouched) return;
  upTouched = false;
  Atomics.add(bell, 0, 1);
  if (Atomics.load(bell, 1) !== 0) Atomics.notify(bell, 0);
}

/** Delivers one message; RING_FULL leaves it where it is. */
function deliver(board: Board, ring: MessageRing, again: boolean): boolean {
  let { length } = ring;
  if (ring.port === PORT_CHANNEL) {
    if (Atomics.load(words, TAPPED) !== 0 && !again) {
      if (up.push(PORT_TAP, ring.link, ring.from, ring.octets, ring.at, length)) upTouched = true;
    }
    length = link.decode(ring.octets, ring.at, ring.length);
    if (length < 0) {
      countDrop(reasonOf(length));
      return true;
    }
  }
  const vc = ring.port === PORT_CHANNEL ? link.vcAtArrival(ring.link) : 0;
  const result = board.deliver(ring.port, ring.octets, ring.at, length, vc);
  if (result === RING_FULL) {
    if (!again) return false;
    countDrop(CHASSIS_DROP.backplane_congestion);
  } else if (result === TOO_LONG) {
    countDrop(CHASSIS_DROP.frame_too_long);
  } else if (ring.port === PORT_CHANNEL) {
    countLink(0, length, link.bits(ring.length));
  }
  return true;
}

/** Moves messages of one inlet into the board. */
function fill(board: Board, inlet: Inlet): void {
  const { ring } = inlet;
  for (let i = 0; i < BATCH && ring.peek(); i++) {
    if (!deliver(board, ring, inlet.blocked)) {
      inlet.blocked = true;
      board.wantsPoll = true;
      return;
    }
    inlet.blocked = false;
    ring.release();
  }
}

/** What came while no board was there to take it. */
function discard(inlet: Inlet): void {
  inlet.blocked = false;
  while (inlet.ring.peek()) {
    inlet.ring.release();
    countDrop(CHASSIS_DROP.board_offline);
  }
}

function publish(board: Board): void {
  page.map.set(board.map);
  page.firmwareDrops.set(board.drops.subarray(0, page.firmwareDrops.length));
  page.mirrorTrace(board.traceRing);
}

const inletsEmpty = (): boolean => down.ring.empty && peers.every((peer) => peer.inlet.ring.empty);

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
    fill(board, down);
    for (const peer of peers) fill(board, peer.inlet);
    // After the messages: what the chassis ordered before it delivered one is in force for that one.
    refreshInjector();
    const wanted = Atomics.load(words, TRACE_MASK);
    if (wanted !== mask) board.traceMask = mask = wanted;
    const now = clock.now();
    if (board.wantsPoll || board.deadline <= now) {
      board.poll(now, clock.wall());
      board.drain(outlet);
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
  const { generation } = on;
  let board: Board | undefined;
  try {
    page.traceRestart();
    board = new Board(image, on, clock.now(), clock.wall());
    discard(down);
    for (const peer of peers) discard(peer.inlet);
    publish(board);
    if (board.state !== STATE_ONLINE) {
      const { refusal } = board;
      board.wipe();
      return report({ kind: "refused", generation, refusal });
    }
    Atomics.store(words, ONLINE, 1);
    report({ kind: "online", generation });
    run(board);
    Atomics.store(words, ONLINE, 0);
    board.wipe();
    report({ kind: "stopped", generation });
  } catch (error) {
    Atomics.store(words, ONLINE, 0);
    if (board) {
      publish(board);
      board.wipe();
    }
    if (!(error instanceof BoardFault)) throw error;
    report({ kind: "fault", generation, report: error.report });
  } finally {
    page.map.fill(0);
    page.firmwareDrops.fill(0);
  }
}

parentPort!.on("message", power);
