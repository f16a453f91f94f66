/**
 * What comes to a board: messages of the chassis, frames of its peers on the backplane, packets of devices, from rings of shared memory into
 * the board's receive rings.
 *
 * Frames of peers were encoded by the peer's thread, and are checked here. A receive ring that is still full after a poll costs a frame
 * (backplane_congestion); nothing waits for it.
 */
import { PORT_CHANNEL, PORT_MANAGEMENT, PORT_SECURE_ELEMENT } from "../../../assembly/abi/ring.ts";
import { reasonOf } from "../backplane.ts";
import { type Board, RING_FULL, TOO_LONG } from "../board.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import { PORT_CHANNEL_UNSUMMED, PORT_TAP } from "./board_thread.ts";
import type { BoardLine } from "./line.ts";
import type { MessageRing } from "./message_ring.ts";
import { TAPPED } from "./page.ts";
import type { Inlet, SlotWiring } from "./slot_wiring.ts";

/** Messages taken from one ring in one turn. */
const BATCH = 256;
/** Cells of a frame of usual size: what a turn takes in cell mode. */
const CELLS_PER_FRAME = 32;

export class ReceivePath {
  readonly #wiring: SlotWiring;
  #downBlocked = false;

  constructor(wiring: SlotWiring) {
    this.#wiring = wiring;
  }

  /** A new board begins: what had come for the one before is not its, but packets of devices where it `follows` that at once. */
  restart(follows: boolean): void {
    const { down, peers, lines } = this.#wiring;
    this.#downBlocked = false;
    this.#discard(down);
    for (const { inlet } of peers) {
      inlet.restart();
      this.#discard(inlet.ring);
    }
    for (const line of lines) {
      line.blocked = false;
      // An answer is for who asked.
      if (line.in && (line.port === PORT_SECURE_ELEMENT || !follows)) this.#discard(line.in);
    }
  }

  /** One turn's worth. */
  take(board: Board): void {
    const { inCells, peers, lines } = this.#wiring;
    // Peers first: what one says because of what the chassis or a device has said comes behind that.
    if (inCells) this.#takeCells(board);
    else for (const { inlet } of peers) this.#takeFrames(board, inlet);
    for (const line of lines) this.#takePackets(board, line);
    this.#takeDown(board);
  }

  /** Delivers one message of the chassis or of a device; false leaves it where it is. */
  #deliver(board: Board, ring: MessageRing, again: boolean): boolean {
    const result = board.deliver(ring.port, ring.octets, ring.at, ring.length, 0, ring.eights);
    if (result === RING_FULL) {
      if (!again) return false;
      this.#wiring.countDrop(CHASSIS_DROP.backplane_congestion);
    } else if (result === TOO_LONG) {
      this.#wiring.countDrop(CHASSIS_DROP.frame_too_long);
    }
    // An answer of the secure element has secrets: they are the board's from here on.
    if (ring.port === PORT_SECURE_ELEMENT) ring.wipe();
    return true;
  }

  /** Takes one unit of the oldest message of a peer; false when what it completed finds no room. */
  #arrive(board: Board, inlet: Inlet): boolean {
    const wiring = this.#wiring;
    const { link } = wiring;
    const { ring, receiver } = inlet;
    const unit = link.unit(ring.length);
    const again = inlet.whole > 0;
    if (!again) {
      const at = ring.at + inlet.taken;
      const summed = ring.port !== PORT_CHANNEL_UNSUMMED;
      if (wiring.page.words[TAPPED] !== 0) {
        // Who looks at the wire sees the frame as it would be there.
        if (!summed) link.sum?.(ring.octets, at, unit);
        if (wiring.up.push(PORT_TAP, ring.link, ring.from, ring.octets, at, unit)) wiring.touchUp(PORT_TAP);
      }
      inlet.whole = receiver.take(ring.octets, at, unit, ring.link, summed);
    }
    if (inlet.whole > 0) {
      const vc = link.vcAtArrival(ring.link);
      const whole = receiver.octets === ring.octets ? ring.eights : undefined;
      const result = board.deliver(PORT_CHANNEL, receiver.octets, receiver.start, inlet.whole, vc, whole);
      if (result === RING_FULL && !again) return false;
      if (result === RING_FULL) wiring.countDrop(CHASSIS_DROP.backplane_congestion);
      else if (result === TOO_LONG) wiring.countDrop(CHASSIS_DROP.frame_too_long);
      else wiring.countLink(0, inlet.whole, receiver.bits);
    } else if (inlet.whole < 0) {
      wiring.countDrop(reasonOf(inlet.whole));
    }
    inlet.whole = 0;
    inlet.taken += unit;
    if (inlet.taken < ring.length) return true;
    inlet.taken = 0;
    ring.pass();
    return true;
  }

  #takeDown(board: Board): void {
    const { down } = this.#wiring;
    for (let i = 0; i < BATCH && down.peek(); i++) {
      if (!this.#deliver(board, down, this.#downBlocked)) {
        this.#downBlocked = true;
        board.wantsPoll = true;
        break;
      }
      this.#downBlocked = false;
      down.pass();
    }
    down.settle();
  }

  #takePackets(board: Board, line: BoardLine): void {
    const ring = line.in;
    if (ring === undefined) return;
    const { generation, isIpsec, page } = this.#wiring;
    for (let i = 0; i < BATCH && ring.peek(); i++) {
      if (ring.port === PORT_SECURE_ELEMENT && ring.link !== generation) {
        this.#wiring.countDrop(CHASSIS_DROP.secure_element_stale);
        ring.wipe();
      } else if (!this.#deliver(board, ring, line.blocked)) {
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

  #takeFrames(board: Board, inlet: Inlet): void {
    const { ring } = inlet;
    for (let i = 0; i < BATCH && ring.peek(); i++) {
      if (this.#arrive(board, inlet)) continue;
      board.wantsPoll = true;
      break;
    }
    ring.settle();
  }

  /** The same in cell mode: a cell of every peer in turn, as an output port that several inputs share serves them. */
  #takeCells(board: Board): void {
    const { peers } = this.#wiring;
    for (const { inlet } of peers) inlet.rests = false;
    for (let cells = 0, busy = true; busy && cells < BATCH * CELLS_PER_FRAME; ) {
      busy = false;
      for (const { inlet } of peers) {
        if (inlet.rests || !inlet.ring.peek()) continue;
        cells += 1;
        inlet.rests = !this.#arrive(board, inlet);
        if (inlet.rests) board.wantsPoll = true;
        else busy = true;
      }
    }
    for (const { inlet } of peers) inlet.ring.settle();
  }

  /** What came while no board was there to take it. */
  #discard(ring: MessageRing): void {
    while (ring.peek()) {
      const { port } = ring;
      const secret = port === PORT_SECURE_ELEMENT;
      if (secret) ring.wipe();
      ring.release();
      // Each board is told anew (outbox.ts).
      if (port === PORT_MANAGEMENT) continue;
      this.#wiring.countDrop(secret ? CHASSIS_DROP.secure_element_stale : CHASSIS_DROP.board_offline);
    }
  }
}
