/**
 * The life of boards in one slot, one generation after the other, in the thread that serves the slot. A turn of a board:
 *
 *   messages of the chassis, frames of the peers, packets of the devices -> receive rings -> boardPoll ->
 *     transmit rings -> rings of peers, devices and chassis
 */
import { STATE_ONLINE } from "../../../assembly/abi/board.ts";
import { Board } from "../board.ts";
import type { Clock } from "../clock.ts";
import { BoardFault } from "../fault.ts";
import type { SlotFaults } from "../tap/slot_faults.ts";
import { ReceivePath } from "./receive_path.ts";
import type { PowerOrder, ThreadReport } from "./board_thread.ts";
import { TransmitPath } from "./transmit_path.ts";
import { AFFLICTION, ONLINE, ORDER, ORDER_RUN, STRIKE, STRIKES, TRACE_MASK } from "./page.ts";
import type { SlotWiring } from "./slot_wiring.ts";

/** Turns between two publications of the map while the board is busy. */
const TURNS_PER_PUBLICATION = 32;

export class SlotLoop {
  readonly wiring: SlotWiring;
  readonly #clock: Clock;
  readonly #report: (report: ThreadReport) => void;
  readonly #receive: ReceivePath;
  readonly #transmit: TransmitPath;
  #board: Board | undefined;
  #faults: SlotFaults = {};
  #afflicted = 0;
  #traceMask = -1;
  #turns = 0;
  /** Polls since the map was published. */
  #unpublished = 0;

  constructor(wiring: SlotWiring, clock: Clock, report: (report: ThreadReport) => void) {
    this.wiring = wiring;
    this.#clock = clock;
    this.#report = report;
    this.#receive = new ReceivePath(wiring);
    this.#transmit = new TransmitPath(wiring);
  }

  /** When its board wants a turn without being asked, ns; undefined without a board. */
  get deadline(): bigint | undefined {
    return this.#board?.deadline;
  }

  /** Powers an image, and reports how that went. Whatever ran in the slot has been stopped. */
  power({ image, power }: PowerOrder): void {
    const { wiring } = this;
    wiring.generation = power.generation;
    wiring.page.traceRestart();
    let board: Board;
    try {
      board = new Board(image, power, this.#clock.now(), this.#clock.wall());
    } catch (error) {
      return this.#bury(error);
    }
    this.#board = board;
    wiring.eights = board.u64;
    this.#receive.restart(power.follows ?? false);
    this.#publish(board);
    if (board.state !== STATE_ONLINE) {
      const { refusal } = board;
      this.#end();
      return this.#say({ kind: "refused", refusal });
    }
    // A new generation has a clock of its own: it runs off as the slot's does, but begins right.
    this.#refreshFaults(board, false);
    this.#traceMask = -1;
    Atomics.store(wiring.page.words, ONLINE, power.generation);
    this.#say({ kind: "online" });
  }

  /** One turn of the board, if there is one; true when there may be more to do. */
  turn(): boolean {
    const board = this.#board;
    if (board === undefined) return false;
    try {
      return this.#turn(board);
    } catch (error) {
      this.#bury(error);
      return false;
    }
  }

  /** Before the thread sleeps: what somebody may want to see of the board. */
  rest(): void {
    if (this.#board !== undefined && this.#unpublished > 0) this.#publish(this.#board);
  }

  #turn(board: Board): boolean {
    const { wiring } = this;
    const { page } = wiring;
    const { words } = page;
    if (Atomics.load(words, ORDER) !== ORDER_RUN) {
      Atomics.store(words, ONLINE, 0);
      this.#end();
      this.#say({ kind: "stopped" });
      return false;
    }
    this.#turns += 1;
    this.#receive.take(board);
    // After the messages: what the chassis ordered before it delivered one is in force for that one.
    this.#transmit.refreshInjector();
    this.#refreshFaults(board);
    if (Atomics.load(words, STRIKE) !== 0) this.#strike(board);
    const mask = Atomics.load(words, TRACE_MASK);
    if (mask !== this.#traceMask) board.traceMask = this.#traceMask = mask;
    const now = this.#clock.now();
    if (board.wantsPoll || board.deadline <= now) {
      board.poll(now, this.#clock.wall());
      this.#transmit.keep(board.checkpoint);
      if (!this.#faults.stalled) this.#transmit.take(board);
      wiring.ringBells();
      if (mask !== 0) page.mirrorTrace(board.traceRing);
      this.#unpublished += 1;
      if (this.#turns % TURNS_PER_PUBLICATION === 0) this.#publish(board);
      return true;
    }
    if (this.#transmit.flush()) wiring.ringBells();
    if (!wiring.empty) return true;
    // A tapped frame may have gone up without a poll.
    if (wiring.upTouched) wiring.ringBells();
    return false;
  }

  /** The board died. */
  #bury(error: unknown): void {
    Atomics.store(this.wiring.page.words, ONLINE, 0);
    // What it sent before is sent, some of it from its RAM.
    this.wiring.ringBells();
    if (this.#board) this.#publish(this.#board);
    this.#end();
    if (!(error instanceof BoardFault)) throw error;
    this.#say({ kind: "fault", report: error.report });
  }

  /** The board is no more. */
  #end(): void {
    const { wiring } = this;
    this.#board?.wipe();
    this.#board = undefined;
    for (const line of wiring.lines) line.forget();
    wiring.eights = new BigInt64Array(0);
    wiring.page.map.fill(0);
    wiring.page.firmwareDrops.fill(0);
  }

  #say(what: ReportOf<ThreadReport>): void {
    const { slot, generation } = this.wiring;
    this.#report({ slot, generation, ...what });
  }

  /** Takes over what the chassis ordered to be wrong with the slot, if it is new. */
  #refreshFaults(board: Board, ahead = true): void {
    const { page } = this.wiring;
    const version = Atomics.load(page.words, AFFLICTION);
    if (version === this.#afflicted && ahead) return;
    this.#afflicted = version;
    this.#faults = page.faults;
    this.#transmit.useFaults(this.#faults);
    board.skew(this.#clock.now(), this.#faults.clockRate, ahead ? this.#faults.clockAhead : 0);
  }

  /** Kills the board as it was told to. */
  #strike(board: Board): void {
    const { words } = this.wiring.page;
    const how = STRIKES[Atomics.load(words, STRIKE) - 1];
    // The chassis's watchdog ends the thread.
    while (how === "hang");
    if (board.strike()) Atomics.store(words, STRIKE, 0);
  }

  #publish(board: Board): void {
    const { page } = this.wiring;
    this.#unpublished = 0;
    page.map.set(board.map);
    page.firmwareDrops.set(board.drops.subarray(0, page.firmwareDrops.length));
    page.mirrorTrace(board.traceRing);
  }
}

/** A report without what every report has. */
type ReportOf<T> = T extends unknown ? Omit<T, "slot" | "generation"> : never;
