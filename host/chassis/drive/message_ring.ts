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
 * Each side reads its own word as plain memory, and the other's when what it saw of it last is not enough.
 *
 * A message is never split: where it does not fit before the end, a LENGTH of all ones sends the reader to the start.
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
  /** What was last seen of the other side's word: producer's of TAIL, consumer's of HEAD. */
  #tail: number;
  #head: number;
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
    this.#tail = Atomics.load(this.#control, TAIL);
    this.#head = Atomics.load(this.#control, HEAD);
  }

  /**
   * Producer: room for a message of up to `limit` octets, which come from a place that leaves the remainder of `start` when divided by eight.
   * Returns the position for its octets, -1 when there is none.
   */
  reserve(limit: number, start = 0): number {
    const capacity = this.#capacity;
    const head = (this.#control[HEAD]! + this.#appended) | 0;
    const gap = start & 7;
    const need = (HEADER + gap + limit + 15) & ~15;
    const at = head & (capacity - 1);
    // Octets to the start, where the message does not fit before the end.
    const skipped = at + need > capacity ? capacity - at : 0;
    if (((head - this.#tail) >>> 0) + skipped + need > capacity) {
      this.#tail = Atomics.load(this.#control, TAIL);
      if (((head - this.#tail) >>> 0) + skipped + need > capacity) return -1;
    }
    if (skipped > 0) this.#words[at >>> 2] = SKIP;
    const place = skipped > 0 ? 0 : at;
    this.#reserved = place >>> 2;
    this.#gap = gap;
    this.#position = (head + skipped) >>> 0;
    return place + HEADER + gap;
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
    this.#appended = (end - this.#control[HEAD]!) >>> 0;
  }

  /** Producer: begins where another one has ended, in whose place it is from now on. */
  resume(): void {
    this.#appended = 0;
    this.#tail = Atomics.load(this.#control, TAIL);
  }

  /** Producer: hands over what has been appended. */
  publish(): void {
    if (this.#appended === 0) return;
    Atomics.store(this.#control, HEAD, (this.#control[HEAD]! + this.#appended) | 0);
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

  /** Producer: a quarter of the ring or more has not been taken. */
  get filling(): boolean {
    const used = (Atomics.load(this.#control, HEAD) - Atomics.load(this.#control, TAIL)) >>> 0;
    return used >= this.#capacity >>> 2;
  }

  /** Consumer: looks at the oldest message, whose fields stand in this object then; false when there is none. */
  peek(): boolean {
    const tail = (this.#control[TAIL]! + this.#passed) | 0;
    // Messages that this object has not seen may have been taken by another one: then what it saw lies behind.
    const seen = (this.#head - tail) >>> 0;
    if (seen === 0 || seen > this.#capacity) {
      this.#head = Atomics.load(this.#control, HEAD);
      if (tail === this.#head) return false;
    }
    let at = tail & (this.#capacity - 1);
    if (this.#words[at >>> 2] === SKIP) {
      this.#passed += this.#capacity - at;
      at = 0;
    }
    this.#read(at);
    return true;
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
    Atomics.store(this.#control, TAIL, (this.#control[TAIL]! + this.#passed) | 0);
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
