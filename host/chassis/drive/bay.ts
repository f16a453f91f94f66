/** What the threaded drive keeps for each slot and for each thread: the shared memory, and what has become of the worker. */
import type { Worker } from "node:worker_threads";
import { TraceReader } from "../console.ts";
import { CHASSIS_DROP_NAMES } from "../vocabulary.ts";
import type { PeerParts } from "./board_thread.ts";
import type { PowerResult } from "./drive.ts";
import type { BoardLineParts, LineDevice } from "./line.ts";
import type { LineReceiverEnd } from "./line_receiver.ts";
import { MessageRing, ringMemory } from "./message_ring.ts";
import {
  doorbellMemory,
  Page,
  type PageParts,
  pageParts,
  ringDoorbell,
  SLEEPING,
  TRACE_MIRROR,
  TURNS,
} from "./page.ts";

/** A thread, and the slots that it serves. */
export class BoardThread {
  readonly doorbell = doorbellMemory();
  readonly words = new Int32Array(this.doorbell);
  readonly bays: Bay[] = [];
  worker: Worker | undefined;
  /** The device has been given to the thread to receive from. */
  receiver: LineReceiverEnd | undefined;
  turnsSeen = -1;
  turnsSince = 0;

  get turns(): number {
    return Atomics.load(this.words, TURNS);
  }

  get sleeps(): boolean {
    return Atomics.load(this.words, SLEEPING) !== 0;
  }

  /** Ends the thread; its device is told when it has ended. */
  async terminate(): Promise<void> {
    const { worker, receiver } = this;
    this.worker = this.receiver = undefined;
    const ended = worker?.terminate();
    // While it sleeps in a system call it does not end.
    ringDoorbell(this.words);
    await ended;
    receiver?.ended();
  }

  /** It counts as alive from now on, whatever it does. */
  restartWatch(): void {
    this.turnsSeen = -1;
    this.turnsSince = performance.now();
  }
}

/** What the threaded drive keeps for one slot. */
export class Bay {
  readonly pageParts: PageParts;
  readonly page: Page;
  readonly downBuffer: SharedArrayBuffer;
  readonly upBuffer: SharedArrayBuffer;
  readonly down: MessageRing;
  readonly up: MessageRing;
  readonly peers: PeerParts[] = [];
  readonly lines: { parts: BoardLineParts; device: LineDevice }[] = [];
  /** What comes to the board from its peers and from devices. */
  readonly channels: MessageRing[] = [];
  readonly drops = new Array<number>(CHASSIS_DROP_NAMES.length).fill(0);
  readonly trace: TraceReader;
  generation = 0;
  /** True from the order to power until the thread says that it has ended. */
  running = false;
  /** True while the chassis's thread has put something in since the last bell. */
  touched = false;
  settle: ((result: PowerResult) => void) | undefined;
  stopped: (() => void) | undefined;

  constructor(
    readonly slot: number,
    readonly thread: BoardThread,
    ringOctets: number,
  ) {
    this.pageParts = pageParts(thread.doorbell);
    this.page = new Page(this.pageParts);
    thread.bays.push(this);
    this.downBuffer = ringMemory(ringOctets);
    this.upBuffer = ringMemory(ringOctets);
    this.down = new MessageRing(this.downBuffer);
    this.up = new MessageRing(this.upBuffer);
    this.trace = new TraceReader(slot, TRACE_MIRROR);
  }
}
