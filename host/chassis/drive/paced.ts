/**
 * Lockstep at a pace: the virtual clock goes with the machine's own, at a speed that is chosen. One is real time; a tenth of it is slow
 * motion, in which a class can follow every message.
 *
 * A pump moves the clock, and nobody else: who runs the drive or waits on it waits for the pump. Boards take no virtual time for
 * their work, so what they do is the same at every speed; what takes time is what a network takes.
 */
import { NS_PER_MS } from "../clock.ts";
import { Lockstep } from "./lockstep.ts";

/** Milliseconds from one turn of the pump to the next. */
const TURN_MS = 8;
/** Virtual milliseconds of one turn at most; a machine that does not keep up falls behind, and does not catch up. */
const TURN_MAX_MS = 100;

interface Waiter {
  condition: () => boolean;
  end: bigint;
  resolve: (holds: boolean) => void;
  reject: (error: unknown) => void;
}

export class Paced extends Lockstep {
  readonly #speed: number;
  readonly #waiters = new Set<Waiter>();
  #last = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #turning: Promise<void> = Promise.resolve();
  #closed = false;

  /** `speed`: virtual seconds in a second. */
  constructor(speed: number) {
    super();
    if (!(speed > 0)) throw new RangeError("a speed above 0 is wanted");
    this.#speed = speed;
    this.#schedule();
  }

  override run(milliseconds = 0): Promise<void> {
    return this.until(() => false, milliseconds).then(() => undefined);
  }

  override until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    if (this.#closed) return Promise.resolve(false);
    const end = this.clock.now() + BigInt(Math.round(milliseconds * Number(NS_PER_MS)));
    return new Promise((resolve, reject) => {
      this.#waiters.add({ condition, end, resolve, reject });
    });
  }

  override async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turning;
    for (const waiter of this.#waiters) waiter.resolve(false);
    this.#waiters.clear();
    await super.close();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#turning = this.#turn().finally(() => this.#schedule());
    }, TURN_MS);
  }

  /** Runs for as long as has passed since the last turn, at the speed; those that wait are told as soon as theirs is there. */
  async #turn(): Promise<void> {
    const now = performance.now();
    const passed = Math.min((now - this.#last) * this.#speed, TURN_MAX_MS);
    this.#last = now;
    const until = this.clock.now() + BigInt(Math.round(passed * Number(NS_PER_MS)));
    try {
      do {
        const left = Number(until - this.clock.now()) / Number(NS_PER_MS);
        await super.until(() => this.#tell(), Math.max(left, 0));
      } while (this.clock.now() < until && !this.#closed);
    } catch (error) {
      for (const waiter of this.#waiters) waiter.reject(error);
      this.#waiters.clear();
    }
  }

  /** Tells those whose condition holds or whose time is over; true when there were some, who may have more to do at this instant. */
  #tell(): boolean {
    let told = false;
    for (const waiter of [...this.#waiters]) {
      const holds = waiter.condition();
      if (!holds && waiter.end > this.clock.now()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(holds);
      told = true;
    }
    return told;
  }
}
