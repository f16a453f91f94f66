/**
 * A ring of messages between two threads: one producer, one consumer, no lock, over a SharedArrayBuffer.
 *
 *   control   HEAD u32 at 0 (producer's), TAIL u32 at 64 (consumer's): free-running octet positions, on lines of their own
 *   data      from 128, a power of two of octets: messages, each at a multiple of 16
 *
 *   message   +-----------+----------+----------+-----------+-----------+-------------+------------- - - -
 *             | LENGTH    | PORT u16 | GAP u16  | LINK      | FROM      | GAP octets  | octets
 *             +-----------+----------+----------+-----------+-----------+-------------+------------- - - -
 *
 * GAP is 0 to 7: octets stand at the same remainder of eight as where they came from, because the engine copies to and from shared memory
 * octet by octet otherwise, at a third of the speed.
 *
 * HEAD and TAIL may be moved for each message (commit, release) or for many at a time (append and publish, pass and settle): a store that the
 * other thread shall see waits for all stores before it.
 *
 * A message is never split: where it does not fit before the end, a LENGTH of all ones sends the reader to the start.
 * A consumer takes one message after the other (peek, release), or looks at several before it gives their room back (ahead,
 * releaseSeen); not both by turns.
 *
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

const GAP_SHIFT = 16;
const PORT_MASK = 0xffff;

export class MessageRing {
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  readonly #capacity: number;
  /** The octets that positions refer to; and the same in eights. */
  readonly octets: Uint8Array;
  readonly eights: BigInt64Array;
  /** Where the reserved message starts, in words; its octets' distance from its header; where it begins in the count of octets. */
  #reserved = 0;
  #gap = 0;
  #position = 0;
  /** Producer: octets appended and not published. Consumer: octets passed and not given back. */
  #appended = 0;
  #passed = 0;
  /** Consumer: octets that the message takes that was found last. */
  #taken = 0;
  /** Consumer: behind what ahead has found last. */
  #seen = 0;
  /** Of the message that peek found. */
  at = 0;
  length = 0;
  port = 0;
  link = 0;
  from = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, DATA / 4);
    this.octets = new Uint8Array(memory, DATA);
    this.eights = new BigInt64Array(memory, DATA);
    this.#words = new Uint32Array(memory, DATA);
    this.#capacity = this.octets.length;
    this.#seen = Atomics.load(this.#control, TAIL) >>> 0;
  }

  /**
   * Producer: room for a message of up to `limit` octets, which come from a place that leaves the remainder of `start` when divided by eight.
   * Returns the position for its octets, -1 when there is none.
   */
  reserve(limit: number, start = 0): number {
    const head = ((Atomics.load(this.#control, HEAD) >>> 0) + this.#appended) >>> 0;
    const used = (head - (Atomics.load(this.#control, TAIL) >>> 0)) >>> 0;
    const gap = start & 7;
    const need = (HEADER + gap + limit + 15) & ~15;
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
    this.#gap = gap;
    this.#position = position;
    return at + HEADER + gap;
  }

  /** Producer: the reserved message's octets have been written; it is handed over with the next publish. */
  append(length: number, port: number, link: number, from: number): void {
    const words = this.#words;
    const at = this.#reserved;
    words[at] = length;
    words[at + 1] = port | (this.#gap << GAP_SHIFT);
    words[at + 2] = link;
    words[at + 3] = from;
    const end = this.#position + ((HEADER + this.#gap + length + 15) & ~15);
    this.#appended = (end - (Atomics.load(this.#control, HEAD) >>> 0)) >>> 0;
  }

  /** Producer: hands over what has been appended. */
  publish(): void {
    if (this.#appended === 0) return;
    Atomics.store(this.#control, HEAD, (Atomics.load(this.#control, HEAD) + this.#appended) | 0);
    this.#appended = 0;
  }

  /** Producer: hands over the reserved message, whose octets have been written, and all before it. */
  commit(length: number, port: number, link: number, from: number): void {
    this.append(length, port, link, from);
    this.publish();
  }

  /** Producer: copies source[start, start + length) in; false when the ring is full. */
  push(port: number, link: number, from: number, source: Uint8Array, start: number, length: number): boolean {
    const at = this.reserve(length, start + source.byteOffset);
    if (at < 0) return false;
    this.octets.set(start === 0 && length === source.length ? source : source.subarray(start, start + length), at);
    this.commit(length, port, link, from);
    return true;
  }

  /** Consumer: looks at the oldest message, whose fields stand in this object then; false when there is none. */
  peek(): boolean {
    const tail = ((Atomics.load(this.#control, TAIL) >>> 0) + this.#passed) >>> 0;
    if (tail === Atomics.load(this.#control, HEAD) >>> 0) return false;
    let at = tail & (this.#capacity - 1);
    if (this.#words[at >>> 2] === SKIP) {
      this.#passed += this.#capacity - at;
      at = 0;
    }
    this.#read(at);
    return true;
  }

  /** Consumer: looks at the message behind the last one that it looked at, without giving room back; false when there is none. */
  ahead(): boolean {
    let position = this.#seen;
    if (position === Atomics.load(this.#control, HEAD) >>> 0) return false;
    let at = position & (this.#capacity - 1);
    if (this.#words[at >>> 2] === SKIP) {
      position = (position + this.#capacity - at) >>> 0;
      at = 0;
    }
    this.#read(at);
    this.#seen = (position + this.#taken) >>> 0;
    return true;
  }

  /** Consumer: done with all messages that ahead has found. */
  releaseSeen(): void {
    Atomics.store(this.#control, TAIL, this.#seen | 0);
  }

  /** Consumer: is there a message that ahead has not found? */
  get unseen(): boolean {
    return this.#seen !== Atomics.load(this.#control, HEAD) >>> 0;
  }

  /** Consumer: overwrites the octets of the message that was found last: they are secret. */
  wipe(): void {
    this.octets.fill(0, this.at, this.at + this.length);
  }

  #read(at: number): void {
    const words = this.#words;
    const length = words[at >>> 2]!;
    const port = words[(at >>> 2) + 1]!;
    const gap = port >>> GAP_SHIFT;
    this.length = length;
    this.port = port & PORT_MASK;
    this.link = words[(at >>> 2) + 2]!;
    this.from = words[(at >>> 2) + 3]!;
    this.at = at + HEADER + gap;
    this.#taken = (HEADER + gap + length + 15) & ~15;
  }

  /** Consumer: done with the message that peek found; its room is given back with the next settle. */
  pass(): void {
    this.#passed += this.#taken;
  }

  /** Consumer: gives back the room of all that has been passed. */
  settle(): void {
    if (this.#passed === 0) return;
    Atomics.store(this.#control, TAIL, (Atomics.load(this.#control, TAIL) + this.#passed) | 0);
    this.#passed = 0;
  }

  /** Consumer: done with the message that peek found, and with all before it. */
  release(): void {
    this.pass();
    this.settle();
  }

  /** Consumer: nothing is there that has not been passed. */
  get empty(): boolean {
    return ((Atomics.load(this.#control, TAIL) + this.#passed) | 0) === Atomics.load(this.#control, HEAD);
  }
}
