/**
 * Where packets are taken from and put: a ring of the thread that opened the NICs (packet_ring.ts), one of a board's thread
 * (chassis/drive/line.ts), or a board's RAM, in the board's thread. All are read and written in place by system calls.
 */
import type { Classifier } from "../../chassis/classifier.ts";
import type { BoardEntrance, DeviceLine } from "../../chassis/drive/line.ts";
import * as libc from "./libc.ts";
import type { PacketRing } from "./packet_ring.ts";

/** What is to leave. Offsets are of `octets`, which begin at `base`. */
export interface PacketSource {
  readonly octets: Uint8Array;
  readonly base: number;
  /** Length of the packet that peek() has found last. */
  readonly length: number;
  /** Offset of the next packet that has not been peeked; -1 when there is none. */
  peek(): number;
  /** Gives the room of every peeked packet back. */
  release(): void;
  pending(): boolean;
}

/** Where what arrives goes. */
export interface PacketSink {
  /** Room for a packet of up to `octets`: its address, or 0 when there is none. */
  reserve(octets: number): number;
  /** IP version of the packet that stands in the reserved room. */
  version(): number;
  /** Publishes it with the length that it turned out to have; false when there is no room where it belongs. */
  commit(octets: number): boolean;
  /** Copies a packet in that stands at an address; false when there is no room. */
  push(address: number, octets: number): boolean;
}

/** The ring of the thread that opened the NICs. */
export class ThreadSource implements PacketSource {
  readonly octets: Uint8Array;
  readonly base: number;

  constructor(private readonly ring: PacketRing) {
    this.octets = new Uint8Array(ring.memory);
    this.base = libc.addressOf(ring.memory);
  }

  get length(): number {
    return this.ring.length;
  }

  peek(): number {
    return this.ring.peek();
  }

  release(): void {
    this.ring.release();
  }

  pending(): boolean {
    return this.ring.pending();
  }
}

/** What a board has for the NIC, where it stands in the board's RAM. */
export class RamSource implements PacketSource {
  octets: Uint8Array = new Uint8Array(0);
  base = 0;
  length = 0;
  private starts: Uint32Array = new Uint32Array(0);
  private lengths: Uint32Array = new Uint32Array(0);
  private count = 0;
  private next = 0;

  /** Has `count` packets of `ram`, which stays what it is until they have left. */
  hold(ram: Uint8Array, starts: Uint32Array, lengths: Uint32Array, count: number): void {
    if (ram !== this.octets) {
      this.octets = ram;
      this.base = libc.addressNow(ram.buffer) + ram.byteOffset;
    }
    this.starts = starts;
    this.lengths = lengths;
    this.count = count;
    this.next = 0;
  }

  peek(): number {
    if (this.next === this.count) return -1;
    this.length = this.lengths[this.next];
    return this.starts[this.next++];
  }

  release(): void {
    this.count = this.next = 0;
  }

  pending(): boolean {
    return this.next < this.count;
  }
}

/** A ring of a board's thread, and where it stands in memory. */
class Way {
  readonly octets: Uint8Array;
  readonly base: number;

  constructor(
    readonly board: BoardEntrance,
    private readonly port: number,
  ) {
    this.octets = board.ring.octets;
    this.base = libc.addressOf(this.octets.buffer) + this.octets.byteOffset;
  }

  commit(octets: number): void {
    this.board.ring.commit(octets, this.port, 0, this.board.slot);
    this.board.touched = true;
  }
}

/**
 * Boards' threads while the line to them is open, else the thread that opened the NICs. With a classifier a packet goes to the IPsec board whose
 * it is, without or when that does not know it to the IKE board. Room is reserved where the last packet went: most follow one another.
 */
export class ArrivalSink implements PacketSink {
  private readonly base: number;
  private readonly threadOctets: Uint8Array;
  private line: DeviceLine | undefined;
  private classifier: Classifier | undefined;
  private ike: Way | undefined;
  private ways: (Way | undefined)[] = [];
  /** Where the last packet went. */
  private last: Way | undefined;
  /** Of the reserved room; undefined: the thread's ring. */
  private way: Way | undefined;
  private at = 0;
  /** Packets that the thread has not been told of. */
  untold = 0;

  constructor(private readonly ring: PacketRing) {
    this.threadOctets = new Uint8Array(ring.memory);
    this.base = libc.addressOf(ring.memory);
  }

  wire(line: DeviceLine, classifier?: Classifier): void {
    this.line = line;
    this.ike = new Way(line.board, line.port);
    this.ways = line.boards.map((board) => board && new Way(board, line.port));
    this.classifier = line.boards.length > 0 ? classifier : undefined;
  }

  /** Another thread has put packets into the same rings, and does so no more. */
  resume(): void {
    this.ike?.board.ring.resume();
    for (const way of this.ways) way?.board.ring.resume();
  }

  reserve(octets: number): number {
    const { line } = this;
    let way: Way | undefined;
    if (line !== undefined && line.control.open) {
      if (this.classifier !== undefined) way = this.last;
      if (way === undefined && line.board.generation !== 0) way = this.ike;
    }
    return this.reserveAt(way, octets);
  }

  private reserveAt(way: Way | undefined, octets: number): number {
    this.way = way;
    this.at = way !== undefined ? way.board.ring.reserve(octets) : this.ring.reserve(octets);
    if (this.at < 0) return 0;
    return (way !== undefined ? way.base : this.base) + this.at;
  }

  version(): number {
    return (this.way !== undefined ? this.way.octets : this.threadOctets)[this.at] >>> 4;
  }

  commit(octets: number): boolean {
    const { line, classifier, at } = this;
    if (classifier !== undefined && line!.control.open) {
      const from = this.way !== undefined ? this.way.octets : this.threadOctets;
      const way = this.whose(classifier, from, at, octets);
      if (way !== this.way) {
        const address = (this.way !== undefined ? this.way.base : this.base) + at;
        const room = this.reserveAt(way, octets);
        if (room === 0) return false;
        libc.memcpy(room, address, octets);
      }
      this.last = way;
    }
    if (this.way !== undefined) {
      this.way.commit(octets);
    } else {
      this.ring.commit(octets);
      this.untold++;
    }
    return true;
  }

  /** Where a packet is to go. */
  private whose(classifier: Classifier, from: Uint8Array, at: number, octets: number): Way | undefined {
    const slot = classifier.board(this.line!.port, from, at, octets);
    if (slot >= 0) {
      const way = this.ways[slot];
      if (way !== undefined && way.board.generation === classifier.generation) return way;
    }
    return this.line!.board.generation !== 0 ? this.ike : undefined;
  }

  push(address: number, octets: number): boolean {
    const room = this.reserve(octets);
    if (room === 0) return false;
    libc.memcpy(room, address, octets);
    return this.commit(octets);
  }

  /** Wakes the boards' threads, where there is something for them; true when there is something for the other one. */
  tell(): boolean {
    this.line?.ring();
    const told = this.untold > 0;
    this.untold = 0;
    return told;
  }
}
