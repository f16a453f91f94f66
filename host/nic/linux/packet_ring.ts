/**
 * A ring of whole packets between two threads, over a SharedArrayBuffer: one producer, one consumer, no lock.
 *
 *      octet 0            64                128
 *      | written . . . .  | taken . . . .   | records ...                                  |
 *
 *      record:  | length u32 | octets ... | padding to 8 |         SKIP in `length`: go on at the start of the records
 *
 * `written` and `taken` are free-running counts of octets modulo 2^32, each stored by one side only and on a cache line
 * of its own. A record never wraps, so that a system call can read or write it in place. A full ring refuses the packet;
 * the caller counts it. The ring does not wake anybody: that is the business of whoever owns the two threads.
 */

const WRITTEN = 0;
const TAKEN = 16;
const RECORDS = 128;
const RECORD_HEADER = 4;
const SKIP = 0xffffffff;

/** Octets of shared memory for a ring of `capacity` octets, which must be a power of two. */
export function packetRingOctets(capacity: number): number {
  return RECORDS + capacity;
}

function align(octets: number): number {
  return (octets + 7) & ~7;
}

export class PacketRing {
  readonly capacity: number;
  private readonly cursors: Int32Array;
  private readonly lengths: Uint32Array;
  private readonly octets: Uint8Array;
  /** The producer's reservation: where its record begins and the count of octets skipped in front of it. */
  private reserved = 0;
  private skipped = 0;
  /** The consumer's reading position; it runs ahead of `taken` until release(). */
  private position: number;
  /** Length of the packet that peek() has found last. */
  length = 0;

  constructor(readonly memory: SharedArrayBuffer) {
    this.capacity = memory.byteLength - RECORDS;
    if (this.capacity < 1024 || (this.capacity & (this.capacity - 1)) !== 0) {
      throw new RangeError(`packet ring: capacity ${this.capacity} is not a power of two of at least 1024`);
    }
    this.cursors = new Int32Array(memory, 0, 32);
    this.lengths = new Uint32Array(memory, RECORDS, this.capacity >>> 2);
    this.octets = new Uint8Array(memory);
    this.position = Atomics.load(this.cursors, TAKEN) >>> 0;
  }

  /** Producer: room for a packet of up to `octets`; its offset in the shared memory, or -1 when the ring is full. */
  reserve(octets: number): number {
    const need = align(RECORD_HEADER + octets);
    const written = Atomics.load(this.cursors, WRITTEN) >>> 0;
    const used = (written - (Atomics.load(this.cursors, TAKEN) >>> 0)) >>> 0;
    const at = written & (this.capacity - 1);
    const tail = this.capacity - at;
    this.skipped = need > tail ? tail : 0;
    if (used + this.skipped + need > this.capacity) return -1;
    if (this.skipped !== 0) this.lengths[at >>> 2] = SKIP;
    this.reserved = this.skipped !== 0 ? 0 : at;
    return RECORDS + this.reserved + RECORD_HEADER;
  }

  /** Producer: publishes the reserved packet, which turned out to have `octets` (not more than were reserved). */
  commit(octets: number): void {
    this.lengths[this.reserved >>> 2] = octets;
    const written = Atomics.load(this.cursors, WRITTEN);
    Atomics.store(this.cursors, WRITTEN, (written + this.skipped + align(RECORD_HEADER + octets)) | 0);
  }

  /** Producer: copies a packet in; false when the ring is full. */
  push(packet: Uint8Array): boolean {
    const at = this.reserve(packet.length);
    if (at < 0) return false;
    this.octets.set(packet, at);
    this.commit(packet.length);
    return true;
  }

  /** Consumer: offset in the shared memory of the next unread packet, its length in `length`; -1 when there is none. */
  peek(): number {
    const written = Atomics.load(this.cursors, WRITTEN) >>> 0;
    if (this.position === written) return -1;
    let at = this.position & (this.capacity - 1);
    if (this.lengths[at >>> 2] === SKIP) {
      this.position = (this.position + this.capacity - at) >>> 0;
      at = 0;
    }
    this.length = this.lengths[at >>> 2];
    this.position = (this.position + align(RECORD_HEADER + this.length)) >>> 0;
    return RECORDS + at + RECORD_HEADER;
  }

  /** Consumer: gives the room of every peeked packet back. */
  release(): void {
    Atomics.store(this.cursors, TAKEN, this.position | 0);
  }

  /** Consumer: is there a packet that has not been peeked? */
  pending(): boolean {
    return Atomics.load(this.cursors, WRITTEN) >>> 0 !== this.position;
  }

  /** The octets from `offset` on, in place: valid until release(). */
  view(offset: number, length: number): Uint8Array {
    return this.octets.subarray(offset, offset + length);
  }
}
