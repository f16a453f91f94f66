/**
 * The bell of the chassis's thread, which boards' threads ring for what they have put into their rings to it.
 *
 * A thread that sleeps is woken by the first who rings. One that dozes has just taken records of the checkpoint or messages of the
 * MANAGEMENT port, of which more will come and none is in a hurry: it wakes by itself, and sooner for what is urgent.
 */
import { whenNotified } from "./wait_async.ts";

const STATE = 0;
/** Calls, and those of them that were urgent. */
const RINGS = 1;
const URGENT = 2;
const OCTETS = 12;

const AWAKE = 0;
const DOZES = 1;
const SLEEPS = 2;

export const chassisBellMemory = (): SharedArrayBuffer => new SharedArrayBuffer(OCTETS);

export class ChassisBell {
  readonly #words: Int32Array;
  #rings = 0;
  #urgent = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Any thread: wakes the chassis's, if it sleeps; if it dozes, for what is urgent. */
  ring(urgent: boolean): void {
    const words = this.#words;
    Atomics.add(words, RINGS, 1);
    if (urgent) Atomics.add(words, URGENT, 1);
    const state = Atomics.load(words, STATE);
    if (state !== SLEEPS && !(urgent && state === DOZES)) return;
    // Who takes the state back wakes: to notify a thread that waits by its event loop is dear.
    if (Atomics.compareExchange(words, STATE, state, AWAKE) === state)
      Atomics.notify(words, state === SLEEPS ? RINGS : URGENT);
  }

  /** The chassis's thread: what rings from now on is heard by the next sleep or doze, at once if it was before that began. */
  listen(): void {
    this.#rings = Atomics.load(this.#words, RINGS);
    this.#urgent = Atomics.load(this.#words, URGENT);
  }

  /** Calls back, in a turn of the event loop of its own, when the bell has rung. */
  sleep(awake: () => void): void {
    this.#rest(SLEEPS, RINGS, this.#rings, undefined, awake);
  }

  /** Calls back when it has rung for what is urgent, or after so many milliseconds. */
  doze(milliseconds: number, awake: () => void): void {
    this.#rest(DOZES, URGENT, this.#urgent, milliseconds, awake);
  }

  #rest(state: number, word: number, heard: number, milliseconds: number | undefined, awake: () => void): void {
    Atomics.store(this.#words, STATE, state);
    whenNotified(this.#words, word, heard, milliseconds, () => {
      Atomics.store(this.#words, STATE, AWAKE);
      awake();
    });
  }
}
