/**
 * Waits for the doorbell of a slot's page from within an event loop: whoever stands in for a board has sockets to look after, too.
 */
import { type Page, RINGS, SLEEPING, TURNS } from "../drive/page.ts";
import { whenNotified } from "../drive/wait_async.ts";

/** Longest sleep, ms. */
const SLEEP_MAX = 500;

export class Doorbell {
  readonly #page: Page;
  readonly #turn: () => boolean;
  #runs = false;

  /** `turn` does what there is to do, in a bounded portion; true when there may be more. */
  constructor(page: Page, turn: () => boolean) {
    this.#page = page;
    this.#turn = turn;
  }

  start(): void {
    this.#runs = true;
    this.#next();
  }

  stop(): void {
    this.#runs = false;
  }

  readonly #next = (): void => {
    if (!this.#runs) return;
    const { doorbell } = this.#page;
    const heard = Atomics.load(doorbell, RINGS);
    Atomics.add(doorbell, TURNS, 1);
    if (this.#turn()) {
      // Sockets have their turn in between.
      setImmediate(this.#next);
      return;
    }
    Atomics.store(doorbell, SLEEPING, 1);
    whenNotified(doorbell, RINGS, heard, SLEEP_MAX, this.#awake);
  };

  readonly #awake = (): void => {
    Atomics.store(this.#page.doorbell, SLEEPING, 0);
    this.#next();
  };
}
