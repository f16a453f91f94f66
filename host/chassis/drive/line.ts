/**
 * A line: what a device with a thread of its own (the worker of the Linux NICs, the secure element's thread) and the boards' threads give
 * each other past the chassis's thread, in rings of shared memory.
 *
 *   board n   --toDevice-->   device         a ring for each board, so that each has one producer
 *   board     <--toBoard---   device         of the IKE board, where all arrives (S601); of IPsec boards, too, for what a classifier knows to
 *                                            be theirs
 *
 * While OPEN is 0 both ends go the way through the chassis's thread instead: when somebody watches the packets there, a fault of the
 * device is injected, the device is gone, or the IKE board is off. What a ring holds is always taken from it, open or not, so nothing
 * is lost when the way changes; a packet that took the one may overtake a packet that took the other.
 *
 * LINK of a message is the board's generation: a device returns it with its answer, and an answer for an earlier board is dropped.
 */
import { writeSync } from "node:fs";
import type { ClassifierParts } from "../classifier.ts";
import { MessageRing } from "./message_ring.ts";
import { ONLINE, Page } from "./page.ts";

/** Words of a line's control. OPEN is the cage's. */
const OPEN = 0;
/** Messages that the device found no room for. */
const REFUSED = 1;
/** Not 0 from when the device is about to go. */
const CUT = 2;
const CONTROL_OCTETS = 12;

/** How to wake a thread: COUNT, and behind it SLEEPING, not 0 while it sleeps or is about to. */
export interface BellParts {
  memory: SharedArrayBuffer;
  /** Index of COUNT, in words. */
  at: number;
  /** An eventfd(2) to be written to, of a thread that sleeps in poll(2); without one it sleeps on COUNT. */
  descriptor?: number;
}

/** What a board's thread knows of a line. */
export interface BoardLineParts {
  port: number;
  control: SharedArrayBuffer;
  bell: BellParts;
  toDevice: SharedArrayBuffer;
  toBoard?: SharedArrayBuffer;
}

/** What the device's thread knows of it. */
export interface DeviceLineParts {
  port: number;
  control: SharedArrayBuffer;
  toDevice: SharedArrayBuffer[];
  toBoard: SharedArrayBuffer;
  /** Of the board that takes what comes from the device. */
  slot: number;
  page: SharedArrayBuffer;
  /** With cut-through: what the device's classifier is made of, and the IPsec boards. */
  classifier?: ClassifierParts;
  boards: { slot: number; toBoard: SharedArrayBuffer; page: SharedArrayBuffer }[];
}

/** What a device offers that can be wired. */
export interface LineDevice {
  readonly bell: BellParts;
  /** Gives the device its end; called once at most, and before any board has power. */
  wire(line: DeviceLineParts, ends: LineEnds): void;
  /** Messages that it has taken and not answered yet: a chassis with such is not at rest. */
  readonly busy: boolean;
  /** A device with a classifier: tells it what the IKE board says; `done` when no packet goes by what was said before. */
  classify?(message: Uint8Array, done?: () => void): void;
  /** The same for the body of MANAGEMENT_LOCAL_ADDRESSES. */
  classifierAddresses?(items: Uint8Array): void;
}

/** What the device tells the cage. */
export interface LineEnds {
  /** The device is about to go: resolves when no board's thread will ring its bell any more. */
  cut(): Promise<void>;
  /** The device's thread has ended: what the boards had sent to it goes through the chassis's thread. */
  reclaim(): void;
}

export class Doorbell {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #descriptor: number | undefined;
  readonly #one = new BigUint64Array([1n]);

  constructor({ memory, at, descriptor }: BellParts) {
    this.#words = new Int32Array(memory);
    this.#at = at;
    this.#descriptor = descriptor;
  }

  /** Wakes the thread, if it sleeps. */
  ring(): void {
    Atomics.add(this.#words, this.#at, 1);
    // Whoever takes the flag back wakes: the others need not.
    if (Atomics.exchange(this.#words, this.#at + 1, 0) === 0) return;
    if (this.#descriptor === undefined) Atomics.notify(this.#words, this.#at);
    else writeSync(this.#descriptor, this.#one);
  }
}

export class LineControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer(CONTROL_OCTETS)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  get open(): boolean {
    return Atomics.load(this.#words, OPEN) !== 0;
  }

  set open(open: boolean) {
    Atomics.store(this.#words, OPEN, open ? 1 : 0);
  }

  get cut(): boolean {
    return Atomics.load(this.#words, CUT) !== 0;
  }

  /** Closes the line for good: whoever has not rung its bell by now does not. */
  end(): void {
    Atomics.store(this.#words, CUT, 1);
    this.open = false;
  }

  /** Device: counts what found no room. */
  refuse(): void {
    Atomics.add(this.#words, REFUSED, 1);
  }

  get refused(): number {
    return Atomics.load(this.#words, REFUSED) >>> 0;
  }
}

/** A line as a board's thread has it. */
export class BoardLine {
  readonly port: number;
  readonly out: MessageRing;
  readonly in: MessageRing | undefined;
  /** True while something has been put in since the last bell. */
  touched = false;
  /** The oldest message has found no room in the board once. */
  blocked = false;
  readonly #control: LineControl;
  readonly #bell: Doorbell;

  constructor(parts: BoardLineParts) {
    this.port = parts.port;
    this.out = new MessageRing(parts.toDevice);
    this.in = parts.toBoard && new MessageRing(parts.toBoard);
    this.#control = new LineControl(parts.control);
    this.#bell = new Doorbell(parts.bell);
  }

  get open(): boolean {
    return this.#control.open;
  }

  /**
   * Hands over what is for the device, and wakes it if there is something. Not when the line has been cut: the descriptor may be another's by
   * now.
   */
  ring(): void {
    if (!this.touched) return;
    this.touched = false;
    this.out.publish();
    if (!this.#control.cut) this.#bell.ring();
  }
}

/** The way from a device to one board. */
export class BoardEntrance {
  readonly slot: number;
  readonly ring: MessageRing;
  readonly page: Page;
  touched = false;

  constructor(slot: number, toBoard: SharedArrayBuffer, page: SharedArrayBuffer) {
    this.slot = slot;
    this.ring = new MessageRing(toBoard);
    this.page = new Page(page);
  }

  /** GENERATION of the board that takes packets there, 0: there is none. */
  get generation(): number {
    return Atomics.load(this.page.words, ONLINE);
  }

  /** Wakes the board's thread, if there is something for it. */
  wake(): void {
    if (!this.touched) return;
    this.touched = false;
    this.page.ring();
  }
}

/** A line as the device's thread has it. */
export class DeviceLine {
  readonly port: number;
  readonly in: readonly MessageRing[];
  readonly control: LineControl;
  /** Of the board that takes all that arrives. */
  readonly board: BoardEntrance;
  /** Of those that take what is theirs, by slot. */
  readonly boards: readonly (BoardEntrance | undefined)[];

  constructor(parts: DeviceLineParts) {
    this.port = parts.port;
    this.in = parts.toDevice.map((memory) => new MessageRing(memory));
    this.board = new BoardEntrance(parts.slot, parts.toBoard, parts.page);
    this.control = new LineControl(parts.control);
    const boards: (BoardEntrance | undefined)[] = [];
    for (const { slot, toBoard, page } of parts.boards) boards[slot] = new BoardEntrance(slot, toBoard, page);
    this.boards = boards;
  }

  /** Whether what arrives is to go to its board directly. */
  get open(): boolean {
    return this.control.open && this.board.generation !== 0;
  }

  /** Wakes the boards' threads, where there is something for them. */
  ring(): void {
    this.board.wake();
    for (const board of this.boards) board?.wake();
  }
}
