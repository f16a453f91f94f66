/**
 * The NICs' reading end in the thread of the IKE board, where all arrives (S601): who processes a packet has read it, no other thread is woken
 * for it, and while the board has its hands full what arrives waits in the kernel. The worker reads while there is no IKE board.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { DeviceLineParts } from "../../chassis/drive/line.ts";
import type { OpenLine } from "../../chassis/drive/line_program.ts";
import type { LineReceiver } from "../../chassis/drive/line_receiver.ts";
import { Doorbell } from "../../chassis/drive/line.ts";
import { NicCounters } from "./counters.ts";
import { EpollSet } from "./epoll_set.ts";
import { ReadingRight } from "./reading_right.ts";
import { Reception, type ReceptionParts } from "./reception.ts";
import { type NicCommand, type ReceptionMessage, STATE_BELL, STATE_COMMANDS } from "./shared_state.ts";
import { SharedSockets } from "./shared_sockets.ts";

/** What the thread that opened the NICs says. */
export interface LineReceiverData extends ReceptionParts {
  lines: DeviceLineParts[];
  /** SharedSockets. */
  sockets: SharedArrayBuffer;
  /** The worker's eventfd, and the one that wakes the board's thread. */
  worker: number;
  wake: number;
  /** For its sleep; closed when the thread has ended, however that happens. */
  epoll: number;
  /** Of this receiver alone (NicCounters). */
  counters: SharedArrayBuffer;
  /** Its number (reading_right.ts). */
  who: number;
  /** To the thread that opened the NICs. */
  port: MessagePort;
}

/** Turns of a busy thread between two looks at what has arrived. */
const TURNS_PER_LOOK = 2;

class NicReceiver implements LineReceiver {
  private readonly state: Int32Array;
  private readonly worker: Doorbell;
  private readonly right: ReadingRight;
  private readonly sockets: SharedSockets;
  private readonly reception: Reception;
  private readonly port: MessagePort;
  private commands = 0;
  private turns = 0;
  /** A wait has ended since the last look. */
  private waited = false;
  private failed = false;

  constructor(data: LineReceiverData) {
    this.state = new Int32Array(data.state);
    this.worker = new Doorbell({ memory: data.state, at: STATE_BELL, descriptor: data.worker });
    this.right = new ReadingRight(this.state, data.who);
    this.sockets = new SharedSockets(data.sockets);
    this.reception = new Reception(data, new NicCounters(data.counters), [data.wake], new EpollSet(data.epoll));
    for (const line of data.lines) this.reception.wire(line);
    this.port = data.port;
  }

  get reads(): boolean {
    return this.reception.reads;
  }

  turn(serving: boolean): void {
    const { reception, right } = this;
    if (Atomics.load(this.state, STATE_COMMANDS) !== this.commands) this.obey();
    if (!right.held) {
      reception.reads = false;
      if (serving && !this.failed && !reception.cut && right.ask()) this.worker.ring();
      return;
    }
    if (!serving) return this.giveBack();
    const changed = this.sockets.changed();
    if (changed !== undefined) reception.use(changed);
    if (!reception.reads) reception.reads = true;
    if (!this.waited) {
      this.turns += 1;
      if (this.turns < TURNS_PER_LOOK) return;
      reception.wait(0);
    }
    this.waited = false;
    this.turns = 0;
    try {
      reception.receive();
    } catch {
      // The worker finds the same, and says so.
      this.failed = true;
      return this.giveBack();
    }
    if (reception.tell()) this.say({ kind: "received" });
  }

  sleep(milliseconds: number): void {
    this.reception.wait(milliseconds);
    this.waited = true;
  }

  private giveBack(): void {
    this.reception.reads = false;
    this.waited = false;
    if (this.right.giveBack()) this.worker.ring();
  }

  private obey(): void {
    this.commands = Atomics.load(this.state, STATE_COMMANDS);
    for (let got = receiveMessageOnPort(this.port); got !== undefined; got = receiveMessageOnPort(this.port)) {
      const answer = this.reception.obey(got.message as NicCommand);
      if (answer !== 0) this.say({ kind: "classified", answer });
    }
  }

  private say(message: ReceptionMessage): void {
    this.port.postMessage(message);
  }
}

export const open: OpenLine<LineReceiver> = (data) => new NicReceiver(data as LineReceiverData);
