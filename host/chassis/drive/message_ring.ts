/**
 * A ring of messages between two threads: one producer, one consumer, no lock, over a SharedArrayBuffer.
 *
 *   control   HEAD u32 at 0 (producer's), TAIL u32 at 64 (consumer's): free-running octet positions, on lines of their own
 *   data      from 128, a power of two of octets: messages, each at a multiple of 16
 *
 *   message   +-----------+-----------+-----------+-----------+---------------- - - -
 *             | LENGTH    | PORT      | LINK      | FROM      | octets
 *             +-----------+-----------+-----------+-----------+---------------- - - -
 *
 * A message is never split: where it does not fit before the end, a LENGTH of all ones sends the reader to the start.
 * A full ring refuses; it never blocks. A thread that dies leaves a ring that its successor can go on with, because HEAD
 * and TAIL move last.
 */
const HEAD = 0;
const TAIL = 16;
const DATA = 128;
const HEADER = 16;
const SKIP = 0xffff_ffff;

/** Memory for a ring of `capacity` octets, a power of two. */
export function ringMemory(capacity: number): SharedArrayBuffer {
  if ((capacity & (capacity - 1)) !== 0) throw new RangeError(`a ring's capacity is a power of two, not ${capacity}`);
  return new SharedArrayBuffer(DATA + capacity);
}

export class MessageRing {
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  readonly #capacity: number;
  /** The octets that positions refer to. */
  readonly octets: Uint8Array;
  /** Where the reserved message starts, in words; and where the next would. */
  #reserved = 0;
  #position = 0;
  /** Of the message that peek found. */
  at = 0;
  length = 0;
  port = 0;
  link = 0;
  from = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, DATA / 4);
    this.octets = new Uint8Array(memory, DATA);
    this.#words = new Uint32Array(memory, DATA);
    this.#capacity = this.octets.length;
  }

  /** Producer: room for a message of up to `limit` octets. Returns the position for its octets, -1 when there is none. */
  reserve(limit: number): number {
    const head = Atomics.load(this.#control, HEAD) >>> 0;
    const used = (head - (Atomics.load(this.#control, TAIL) >>> 0)) >>> 0;
    const need = (HEADER + limit + 15) & ~15;
    let at = head & (this.#capacity - 1);
    let position = head;
    if (at + need > this.#capacity) {
      const skipped = this.#capacity - at;
      if (used + skipped + need > this.#capacity) return -1;
      this.#words[at >>> 2] = SKIP;
      position = (head + skipped) >>> 0;
      at = 0;
    } else if (used + need > this.#capacity) {
      return -1;
    }
    this.#reserved = at >>> 2;
    this.#position = position;
    return at + HEADER;
  }

  /** Producer: hands over the reserved message, whose octets have been written. */
  commit(length: number, port: number, link: number, from: number): void {
    const words = this.#words;
    const at = this.#reserved;
    words[at] = length;
    words[at + 1] = port;
    words[at + 2] = link;
    words[at + 3] = from;
    Atomics.store(this.#control, HEAD, this.#position + ((HEADER + length + 15) & ~15));
  }

  /** Producer: copies source[start, start + length) in; false when the ring is full. */
  push(port: number, link: number, from: number, source: Uint8Array, start: number, length: number): boolean {
    const at = this.reserve(length);
    if (at < 0) return false;
    this.octets.set(start === 0 && length === source.length ? source : source.subarray(start, start + length), at);
    this.commit(length, port, link, from);
    return true;
  }

  /** Consumer: looks at the oldest message, whose fields stand in this object then; false when there is none. */
  peek(): boolean {
    let tail = Atomics.load(this.#control, TAIL) >>> 0;
    if (tail === Atomics.load(this.#control, HEAD) >>> 0) return false;
    let at = tail & (this.#capacity - 1);
    if (this.#words[at >>> 2] === SKIP) {
      tail = (tail + this.#capacity - at) >>> 0;
      Atomics.store(this.#control, TAIL, tail);
      at = 0;
    }
    const words = this.#words;
    this.length = words[at >>> 2]!;
    this.port = words[(at >>> 2) + 1]!;
    this.link = words[(at >>> 2) + 2]!;
    this.from = words[(at >>> 2) + 3]!;
    this.at = at + HEADER;
    return true;
  }

  /** Consumer: done with the message that peek found. */
  release(): void {
    const tail = Atomics.load(this.#control, TAIL);
    Atomics.store(this.#control, TAIL, tail + ((HEADER + this.length + 15) & ~15));
  }

  get empty(): boolean {
    return Atomics.load(this.#control, TAIL) === Atomics.load(this.#control, HEAD);
  }
}
