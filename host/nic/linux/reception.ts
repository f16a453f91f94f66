/**
 * What arrives at both sides: sockets and TUN device -> the rings of boards' threads, or of the thread that opened the NICs (packet_path.ts). Part of
 * whichever thread reads (reading_right.ts), which sleeps here as well.
 */
import { PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { Classifier } from "../../chassis/classifier.ts";
import { DeviceLine, type DeviceLineParts } from "../../chassis/drive/line.ts";
import { type NicCounters, counterIndex } from "./counters.ts";
import { EpollSet } from "./epoll_set.ts";
import { OuterReceiver } from "./outer_receiver.ts";
import { ArrivalSink } from "./packet_path.ts";
import { PacketRing } from "./packet_ring.ts";
import type { ReadingRight } from "./reading_right.ts";
import { type NicCommand, STATE_TOLD, type TunParts } from "./shared_state.ts";
import { type OuterSocket, receives } from "./sockets.ts";
import { TunReceiver } from "./tun_receiver.ts";

/** Room for the five sockets that receive of 64 addresses, as many as a board takes. */
const SOCKETS_MAX = 320;
/** Among the thread's own descriptors: the eventfd by which it is woken. */
const BELL = 0;
const RECEIVE_FAILED = counterIndex("receive_failed");

export interface ReceptionParts {
  state: SharedArrayBuffer;
  tun: TunParts;
  /** Rings of the thread that opened the NICs. */
  unprotectedReceive: SharedArrayBuffer;
  protectedReceive: SharedArrayBuffer;
}

export class Reception {
  private readonly unprotected: ArrivalSink;
  private readonly clear: ArrivalSink;
  private readonly outer: OuterReceiver;
  private readonly inner: TunReceiver;
  /** Of both sides. */
  private classifier: Classifier | undefined;
  private readonly lines: DeviceLine[] = [];
  private sockets: OuterSocket[] = [];
  private reading = false;
  private readonly state: Int32Array;

  /** `own`: what the thread sleeps on besides, its eventfd first. */
  constructor(
    private readonly parts: ReceptionParts,
    private readonly counters: NicCounters,
    private readonly own: readonly number[],
    private readonly descriptors = new EpollSet(),
  ) {
    this.state = new Int32Array(parts.state);
    this.unprotected = new ArrivalSink(new PacketRing(parts.unprotectedReceive));
    this.clear = new ArrivalSink(new PacketRing(parts.protectedReceive));
    this.outer = new OuterReceiver(this.unprotected, counters);
    this.inner = new TunReceiver(parts.tun, this.clear, counters);
    this.descriptors.use(own, BELL);
  }

  /** What arrives at a side goes to the boards' threads from now on. */
  wire(parts: DeviceLineParts): void {
    const line = new DeviceLine(parts);
    this.lines.push(line);
    if (parts.classifier) this.classifier ??= new Classifier(parts.classifier);
    (line.port === PORT_UNPROTECTED ? this.unprotected : this.clear).wire(line, this.classifier);
  }

  /** Carries a command out; the number of the answer that it wants, 0 for none. */
  obey(command: NicCommand): number {
    if ("line" in command) {
      this.wire(command.line);
      return 0;
    }
    if ("classify" in command) {
      this.classifier?.take(command.classify);
      return command.answer;
    }
    this.classifier?.setLocalAddresses(command.classifierAddresses);
    return 0;
  }

  /** The sockets from now on. */
  use(all: readonly OuterSocket[]): void {
    this.sockets = all.filter(({ kind }) => receives(kind)).slice(0, SOCKETS_MAX);
    if (this.reading) this.sleepOnAll();
  }

  /** Begins to read, or ends. What the thread that had the right before has put into the rings is seen. */
  set reads(reads: boolean) {
    if (reads === this.reading) return;
    this.reading = reads;
    if (!reads) {
      this.descriptors.use(this.own, BELL);
      return;
    }
    this.unprotected.resume();
    this.clear.resume();
    this.sleepOnAll();
  }

  get reads(): boolean {
    return this.reading;
  }

  /** The worker's: whether share() has something to do. */
  mustShare(right: ReadingRight): boolean {
    return right.held && this.reading === right.wanted;
  }

  /** The worker's: gives its right to read away where that is wanted, and takes it when nobody has it. */
  share(right: ReadingRight): void {
    if (!right.held) return;
    this.reads = !right.wanted;
    if (this.reads) return;
    right.giveAway();
    for (const { board } of this.lines) board.page.ring();
  }

  /** Nobody rings for, or is rung by, the boards any more. */
  get cut(): boolean {
    return this.lines.some(({ control }) => control.cut);
  }

  private sleepOnAll(): void {
    const { own, parts, sockets } = this;
    this.descriptors.use([...own, parts.tun.fd, ...sockets.map(({ fd }) => fd)], BELL);
  }

  /** Sleeps until there is something to receive, or one of the thread's own descriptors is readable; 0 ms: looks only. */
  wait(milliseconds: number): void {
    this.descriptors.wait(milliseconds);
  }

  /** Whether one of the thread's own descriptors was readable when the last wait ended. */
  readable(own: number): boolean {
    return this.descriptors.readable(own);
  }

  /** Takes a batch from each descriptor that was readable when the last wait ended. Throws when the TUN device is gone. */
  receive(): void {
    if (!this.reading) return;
    const { descriptors, sockets } = this;
    const tun = this.own.length;
    if (descriptors.readable(tun)) {
      if (descriptors.failed(tun)) throw new Error("the TUN device is gone");
      this.inner.receive();
    }
    for (let i = 0; i < sockets.length; i++) {
      if (!descriptors.readable(tun + 1 + i)) continue;
      if (this.outer.receive(sockets[i]) < 0) this.counters.add(RECEIVE_FAILED, 1);
    }
  }

  /** Wakes the boards' threads, where there is something for them; true when the thread that opened the NICs is to be told of something for it. */
  tell(): boolean {
    const untold = this.unprotected.tell();
    return (this.clear.tell() || untold) && Atomics.exchange(this.state, STATE_TOLD, 1) === 0;
  }

  close(): void {
    this.descriptors.close();
  }
}
