/**
 * Who reads the descriptors of the NICs: their worker, or the thread of the IKE board. One at a time, because the rings that what arrives goes
 * into have one producer each.
 *
 *   worker   gives the right away between two of its turns, when a board's thread has asked for it, and takes it again when nobody has it
 *   board    asks when the IKE board begins to serve, gives it back when that ends
 *
 * Of a thread that has been ended the thread that opened the NICs takes the right back.
 */
import { STATE_READER, STATE_WANTED } from "./shared_state.ts";

/** The worker; boards' threads have the numbers from 1 on, each another. */
export const WORKER = 0;
/** Nobody any more: a thread that is in the middle of a turn is to end. */
const NOBODY = -1;

export class ReadingRight {
  /** `words`: of the shared state. */
  constructor(
    private readonly words: Int32Array,
    private readonly who: number,
  ) {}

  get held(): boolean {
    return Atomics.load(this.words, STATE_READER) === this.who;
  }

  /** Board's thread: true when it had not asked yet; then the worker is to be woken. */
  ask(): boolean {
    return Atomics.exchange(this.words, STATE_WANTED, this.who) !== this.who;
  }

  /** Board's thread, or for it: it does not want the right any more. True when it had it; then the worker is to be woken. */
  giveBack(): boolean {
    Atomics.compareExchange(this.words, STATE_WANTED, this.who, WORKER);
    return Atomics.compareExchange(this.words, STATE_READER, this.who, WORKER) === this.who;
  }

  /** The thread that opened the NICs, which are about to go: of the boards' threads none has it any more. */
  static dismiss(words: Int32Array): void {
    const reader = Atomics.load(words, STATE_READER);
    if (reader !== WORKER) Atomics.compareExchange(words, STATE_READER, reader, NOBODY);
  }

  /** Worker: whether a board's thread wants the right. */
  get wanted(): boolean {
    return Atomics.load(this.words, STATE_WANTED) !== WORKER;
  }

  /** Worker, which has it and reads nothing from now on: gives it to who has asked. */
  giveAway(): void {
    Atomics.store(this.words, STATE_READER, Atomics.load(this.words, STATE_WANTED));
  }
}
