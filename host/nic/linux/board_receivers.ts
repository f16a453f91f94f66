/**
 * The receivers in boards' threads (line_receiver.ts) as the thread that opened the NICs keeps them: what a new one is given, what all and the worker are
 * told, and who has answered.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { DeviceLineParts, LineEnds } from "../../chassis/drive/line.ts";
import type { LineReceiverEnd } from "../../chassis/drive/line_receiver.ts";
import { threadFile } from "../../thread/thread_file.ts";
import { NIC_COUNTERS_OCTETS, NicCounters } from "./counters.ts";
import { newEpoll } from "./epoll_set.ts";
import * as libc from "./libc.ts";
import type { LineReceiverData } from "./line_receiver.ts";
import { ReadingRight, WORKER } from "./reading_right.ts";
import type { NicCommand, NicWorkerData, ReceptionMessage } from "./shared_state.ts";
import { STATE_COMMANDS } from "./shared_state.ts";
import { keepWakeDescriptor, takeWakeDescriptor } from "./wake_descriptor.ts";

interface Receiver {
  port: MessagePort;
  counters: NicCounters;
}

/** A command that somebody waits for. */
interface Awaited {
  /** Who has not answered yet. */
  left: Set<number>;
  done: () => void;
}

export class BoardReceivers {
  private readonly state: Int32Array;
  /** By number (reading_right.ts). */
  private readonly receivers = new Map<number, Receiver>();
  private readonly lines: DeviceLineParts[] = [];
  private ends: LineEnds | undefined;
  private numbers = WORKER;
  private readonly awaited = new Map<number, Awaited>();
  private answers = 0;
  /** What those counted that are no more. */
  private readonly before = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));

  /** `parts`: the worker's; `command` gives it one, `rouse` wakes it; `received`: packets have come for this thread. */
  constructor(
    private readonly parts: NicWorkerData,
    private readonly command: (command: NicCommand) => void,
    private readonly rouse: () => void,
    private readonly received: () => void,
  ) {
    this.state = new Int32Array(parts.state);
  }

  /** Those that begin from now on have this line, too. */
  wire(line: DeviceLineParts, ends: LineEnds): void {
    this.lines.push(line);
    this.ends = ends;
  }

  /** What a new thread of the IKE board needs. */
  open(): LineReceiverEnd {
    const who = ++this.numbers;
    const { port1: port, port2: theirs } = new MessageChannel();
    const counters = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
    this.receivers.set(who, { port, counters });
    port.on("message", (message: ReceptionMessage) => this.heard(who, message));
    port.unref();
    const descriptor = takeWakeDescriptor();
    const epoll = newEpoll();
    const { tun, sockets, state, unprotectedReceive, protectedReceive, wake: worker } = this.parts;
    const shared = { tun, sockets, state, unprotectedReceive, protectedReceive, worker };
    const data: LineReceiverData = {
      ...shared,
      lines: [...this.lines],
      wake: descriptor,
      epoll,
      counters: counters.memory,
      who,
      port: theirs,
    };
    return {
      parts: { program: threadFile(new URL("./line_receiver.ts", import.meta.url)).href, data },
      transfer: [theirs],
      descriptor,
      ended: () => {
        this.receivers.delete(who);
        this.before.addAll(counters);
        port.close();
        libc.close(epoll);
        keepWakeDescriptor(descriptor);
        for (const number of [...this.awaited.keys()]) this.answered(number, who);
        if (new ReadingRight(this.state, who).giveBack()) this.rouse();
      },
    };
  }

  /** Tells the worker and all receivers; `done` when each has it in force. */
  tell(message: { classify: Uint8Array } | { classifierAddresses: Uint8Array }, done?: () => void): void {
    let answer = 0;
    if (done !== undefined) {
      answer = ++this.answers;
      this.awaited.set(answer, { left: new Set([WORKER, ...this.receivers.keys()]), done });
    }
    const command: NicCommand = "classify" in message ? { ...message, answer } : message;
    this.command(command);
    if (this.receivers.size === 0) return;
    for (const { port } of this.receivers.values()) port.postMessage(command);
    Atomics.add(this.state, STATE_COMMANDS, 1);
    this.wake();
  }

  /** What the worker, or a receiver, says. */
  heard(who: number, message: ReceptionMessage): void {
    if (message.kind === "classified") this.answered(message.answer, who);
    else this.received();
  }

  private answered(number: number, who: number): void {
    const awaited = this.awaited.get(number);
    if (awaited === undefined || !awaited.left.delete(who) || awaited.left.size > 0) return;
    this.awaited.delete(number);
    awaited.done();
  }

  /** A receiver that sleeps looks at what it is told. */
  wake(): void {
    if (this.receivers.size > 0) this.ends?.wake();
  }

  get counters(): NicCounters[] {
    return [this.before, ...[...this.receivers.values()].map(({ counters }) => counters)];
  }
}
