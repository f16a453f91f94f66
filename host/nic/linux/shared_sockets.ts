/**
 * The sockets of the unprotected side as the NICs' worker and the boards' threads have them: a table in shared memory, written by the thread
 * that opens the sockets. The boards' threads look before they send, the worker when it is woken.
 *
 *   words   VERSION: odd while the table is being written; LENGTH in octets
 *   text    JSON, from octet 8
 *
 * A descriptor is closed only after all threads have had a turn since the table was written without it (LineEnds.passed).
 */
import type { OuterSocket } from "./sockets.ts";

const VERSION = 0;
const LENGTH = 1;
const TEXT = 8;
/** Room for the sockets of 64 addresses, as many as a board takes. */
const OCTETS = 1 << 17;

interface Written {
  fd: number;
  kind: number;
  family: 4 | 6;
  address: number[];
  port: number;
}

export class SharedSockets {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #text: Uint8Array;
  /** VERSION of what `changed` gave last. */
  seen = 0;

  constructor(memory = new SharedArrayBuffer(OCTETS)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, TEXT / 4);
    this.#text = new Uint8Array(memory, TEXT);
  }

  /** The sockets from now on, and the VERSION of that. Throws RangeError when there are too many. */
  write(sockets: readonly OuterSocket[]): number {
    const written = sockets.map(({ address, ...socket }): Written => ({ ...socket, address: [...address] }));
    const text = Buffer.from(JSON.stringify(written));
    if (text.length > this.#text.length)
      throw new RangeError(`${sockets.length} sockets are more than boards are told of`);
    Atomics.add(this.#words, VERSION, 1);
    this.#text.set(text);
    Atomics.store(this.#words, LENGTH, text.length);
    return Atomics.add(this.#words, VERSION, 1) + 1;
  }

  /** The sockets, when they are others than at the last call. */
  changed(): OuterSocket[] | undefined {
    const version = Atomics.load(this.#words, VERSION);
    if (version === this.seen) return undefined;
    for (let now = version; ; now = Atomics.load(this.#words, VERSION)) {
      if ((now & 1) !== 0) continue;
      const text = Buffer.from(this.#text.slice(0, Atomics.load(this.#words, LENGTH))).toString();
      if (Atomics.load(this.#words, VERSION) !== now) continue;
      this.seen = now;
      const sockets = text === "" ? [] : (JSON.parse(text) as Written[]);
      return sockets.map(({ address, ...socket }) => ({ ...socket, address: Uint8Array.from(address) }));
    }
  }
}
