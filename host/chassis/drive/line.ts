/**
 * A line: what a device with a thread of its own (the worker of the Linux NICs, the secure element's thread) and the boards' threads give
 * each other past the chassis's thread, in rings of shared memory.
 *
 *   board n   --toDevice-->   device         a ring for each board, so that each has one producer; or none, where the device has a sender for
 *                                            boards' threads: what a board sends then goes out from its own thread, past the device's
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
import { copyOctets } from "../copy.ts";
import type { LineProgram } from "./line_program.ts";
import type { LineReceiverEnd } from "./line_receiver.ts";
import { MessageRing } from "./message_ring.ts";
import { ONLINE, Page, type PageParts } from "./page.ts";

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

/** What sends for a board to a device, in the board's thread. */
export interface LineSender {
  /**
   * Sends packets in their order: for each i below `count`, `lengths[i]` octets of `ram` from `starts[i]` on. The octets are the caller's again
   * afterwards. Never throws: what cannot be sent is dropped and counted.
   */
  send(ram: Uint8Array, starts: Uint32Array, lengths: Uint32Array, count: number): void;
}

/** What a board's thread knows of a line: a ring to the device, or what sends to it. */
export interface BoardLineParts {
  port: number;
  control: SharedArrayBuffer;
  bell: BellParts;
  toDevice?: SharedArrayBuffer;
  sender?: LineProgram;
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
  page: PageParts;
  /** With cut-through: what the device's classifier is made of, and the IPsec boards. */
  classifier?: ClassifierParts;
  boards: { slot: number; toBoard: SharedArrayBuffer; page: PageParts }[];
}

/** What a device offers that can be wired. */
export interface LineDevice {
  readonly bell: BellParts;
  /** Gives the device its end; called once at most, and before any board has power. */
  wire(line: DeviceLineParts, ends: LineEnds): void;
  /** Messages that it has taken and not answered yet: a chassis with such is not at rest. */
  readonly busy: boolean;
  /** A device that can be sent to from any thread: the parts of a new thread of the board in `slot`, for `port`. */
  sender?(slot: number, port: number): LineProgram;
  /** A device that can be received from in the IKE board's thread: what a new one of those needs. Until it is there, and when it has ended, the device's does. */
  receiver?(): LineReceiverEnd;
  /** A device with a classifier: tells it what the IKE board says; `done` when no packet goes by what was said before. */
  classify?(message: Uint8Array, done?: () => void): void;
  /** The same for the body of MANAGEMENT_LOCAL_ADDRESSES. */
  classifierAddresses?(items: Uint8Array): void;
}

/** What the device tells the cage. */
export interface LineEnds {
  /** The device is about to go: resolves when no board's thread will ring its bell or send any more. */
  cut(): Promise<void>;
  /** Resolves when no board's thread is in the middle of a turn that it was in at the call. */
  passed(): Promise<void>;
  /** Wakes the thread of the board that all goes to: it looks at what the device has to say to its receiver. */
  wake(): void;
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

/** Packets of a board that wait for its sender at most. */
const UNSENT_MAX = 256;

/** A line as a board's thread has it. */
export class BoardLine {
  readonly port: number;
  readonly in: MessageRing | undefined;
  /** The oldest message has found no room in the board once. */
  blocked = false;
  readonly #out: MessageRing | undefined;
  readonly #sender: LineSender | undefined;
  readonly #control: LineControl;
  readonly #bell: Doorbell;
  /** True while something has been put in since the last bell. */
  #touched = false;
  /** What the sender has not been given yet, in the board's RAM: it stays as it is until the board is polled again. */
  #ram: Uint8Array = new Uint8Array(0);
  readonly #starts = new Uint32Array(UNSENT_MAX);
  readonly #lengths = new Uint32Array(UNSENT_MAX);
  #unsent = 0;

  /** `sender` where the parts name one. */
  constructor(parts: BoardLineParts, sender?: LineSender) {
    this.port = parts.port;
    this.#out = parts.toDevice && new MessageRing(parts.toDevice);
    this.in = parts.toBoard && new MessageRing(parts.toBoard);
    this.#sender = sender;
    this.#control = new LineControl(parts.control);
    this.#bell = new Doorbell(parts.bell);
  }

  get open(): boolean {
    return this.#control.open;
  }

  /** A packet in the board's RAM is for the device; false when there is no room. It leaves with the next bell. */
  send(
    ram: Uint8Array,
    eights: BigInt64Array,
    start: number,
    length: number,
    generation: number,
    slot: number,
  ): boolean {
    if (this.#sender !== undefined) {
      if (this.#unsent === UNSENT_MAX || ram !== this.#ram) this.#flush();
      this.#ram = ram;
      this.#starts[this.#unsent] = start;
      this.#lengths[this.#unsent] = length;
      this.#unsent += 1;
      return true;
    }
    const out = this.#out!;
    const at = out.reserve(length, start);
    if (at < 0) return false;
    copyOctets(ram, eights, start, out.octets, out.eights, at, length);
    out.append(length, this.port, generation, slot);
    this.#touched = true;
    return true;
  }

  /**
   * Hands over what is for the device: sends it, or wakes the device if there is something. The bell is not rung when the line has been cut: the
   * descriptor may be another's by now.
   */
  ring(): void {
    if (this.#unsent > 0) this.#flush();
    if (!this.#touched) return;
    this.#touched = false;
    this.#out!.publish();
    if (!this.#control.cut) this.#bell.ring();
  }

  /** The board's RAM is about to be another's, and what has not left by now does not. */
  forget(): void {
    this.#unsent = 0;
    this.#ram = new Uint8Array(0);
  }

  #flush(): void {
    const count = this.#unsent;
    this.#unsent = 0;
    if (count > 0) this.#sender!.send(this.#ram, this.#starts, this.#lengths, count);
  }
}

/** The way from a device to one board. */
export class BoardEntrance {
  readonly slot: number;
  readonly ring: MessageRing;
  readonly page: Page;
  touched = false;

  constructor(slot: number, toBoard: SharedArrayBuffer, page: PageParts) {
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
