/**
 * A NIC in memory that is wired to the boards' threads as the Linux NICs are (host/chassis/drive/line.ts): what is put in stands in the IKE
 * board's ring, what the boards send stands in rings of theirs until somebody looks. It has no thread: whoever looks now and then moves
 * what there is. With cut-through it has a classifier, as the worker of the Linux NICs has.
 */
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { Classifier } from "../../../host/chassis/classifier.ts";
import { type BoardEntrance, DeviceLine, type LineDevice } from "../../../host/chassis/drive/line.ts";
import type { Nic, Side } from "../../../host/nic/nic.ts";

export class MemoryNic implements Nic {
  readonly line: LineDevice;
  #line: DeviceLine | undefined;
  #classifier: Classifier | undefined;
  #receive: (packets: Uint8Array[]) => void = () => undefined;
  /** Came through the chassis's thread, while the line was closed. */
  readonly #slow: Uint8Array[] = [];
  /** What stood in the boards' rings. */
  readonly #found: Uint8Array[] = [];

  constructor(readonly side: Side) {
    // Never asleep, so that nobody rings.
    const bell = { memory: new SharedArrayBuffer(8), at: 0 };
    this.line = {
      bell,
      busy: false,
      wire: (parts) => {
        this.#line = new DeviceLine(parts);
        this.#classifier = parts.classifier && new Classifier(parts.classifier);
      },
      classify: (message, done) => {
        this.#classifier?.take(message);
        done?.();
      },
      classifierAddresses: (items) => this.#classifier?.setLocalAddresses(items),
    };
  }

  get port(): number {
    return this.side === "protected" ? PORT_PROTECTED : PORT_UNPROTECTED;
  }

  send(packets: Uint8Array[]): void {
    this.#slow.push(...packets);
  }

  onReceive(callback: (packets: Uint8Array[]) => void): void {
    this.#receive = callback;
  }

  /** Packets arrive. Throws RangeError when the ring has no room. */
  arrive(packets: readonly Uint8Array[]): void {
    const line = this.#line;
    if (!line?.open) return this.#receive(packets.map((packet) => packet.slice()));
    for (const packet of packets) {
      const board = this.#boardOf(line, packet);
      if (!board.ring.push(this.port, 0, board.slot, packet, 0, packet.length))
        throw new RangeError("a burst is longer than a board's ring");
      board.touched = true;
    }
    line.ring();
  }

  /** A packet arrives; false when there is no room, which the line counts, as it does for a Linux NIC. Its board wakes with the next `wake`. */
  offer(packet: Uint8Array): boolean {
    const line = this.#line;
    if (!line?.open) throw new Error("the line is closed");
    const board = this.#boardOf(line, packet);
    const taken = board.ring.push(this.port, 0, board.slot, packet, 0, packet.length);
    if (taken) board.touched = true;
    else line.control.refuse();
    return taken;
  }

  /** Wakes the boards that something was offered to. */
  wake(): void {
    this.#line?.ring();
  }

  /** Looks at all that the boards have sent, in place, and gives the room back; what came through the chassis's thread is copied. */
  look(at: (octets: Uint8Array, start: number, length: number) => void): void {
    for (const packet of this.#slow.splice(0)) at(packet, 0, packet.length);
    for (const packet of this.#found.splice(0)) at(packet, 0, packet.length);
    for (const ring of this.#line?.in ?? []) {
      for (; ring.peek(); ring.pass()) at(ring.octets, ring.at, ring.length);
      ring.settle();
    }
  }

  #boardOf(line: DeviceLine, packet: Uint8Array): BoardEntrance {
    const classifier = this.#classifier;
    const slot = classifier?.board(line.port, packet) ?? -1;
    const board = slot < 0 ? undefined : line.boards[slot];
    return board?.generation === classifier?.generation ? (board ?? line.board) : line.board;
  }

  /** How many packets the boards have sent that have not been taken. */
  get waiting(): number {
    for (const ring of this.#line?.in ?? []) {
      for (; ring.peek(); ring.pass())
        this.#found.push(Uint8Array.prototype.slice.call(ring.octets, ring.at, ring.at + ring.length));
      ring.settle();
    }
    return this.#slow.length + this.#found.length;
  }

  /** Takes what the boards have sent, of each board in its order. */
  take(): Uint8Array[] {
    if (this.waiting === 0) return [];
    return [...this.#slow.splice(0), ...this.#found.splice(0)];
  }

  async close(): Promise<void> {
    this.#line = undefined;
  }
}
