/**
 * The threaded drive: boards in workers, each with RAM of its own, real time, packets through rings in shared memory. A board has a thread to
 * itself, unless the plan lets it share one: that saves waking where processors are few, and a board that hangs then takes the others along.
 *
 *   chassis thread  --down--> board thread 0 (IKE) --channel--> board thread n
 *        ^                        |    ^----------channel----------|   |
 *        +----------up------------+                                    |
 *        +----------up-------------------------------------------------+
 *
 * Devices with threads of their own, the Linux NICs and the secure element, are wired to the boards' threads (line.ts): what they say to
 * each other passes the chassis's thread only while somebody there wants to see it.
 *
 * The chassis's thread moves what is left between devices and boards and never waits for anybody: it goes on through the event loop
 * while there are packets and sleeps on a doorbell otherwise (chassis_bell.ts), for a moment at least behind what is in no hurry. A board's
 * thread that shows no sign of life for a while is terminated and its board restarted, like one that trapped.
 */
import { availableParallelism } from "node:os";
import { RealClock } from "../clock.ts";
import { ChassisBell, chassisBellMemory } from "./chassis_bell.ts";
import type { CagePlan, Drive } from "./drive.ts";
import { type Moved, NOTHING, ThreadedCage, UNHURRIED } from "./threaded_cage.ts";

export interface ThreadedOptions {
  /** Octets of each ring in shared memory, a power of two. Default 1 MiB. */
  ringOctets?: number;
  /** Microseconds that a thread spins before it sleeps. Default 20, or 2 when there are fewer than four processors. */
  spin?: number;
  /** Milliseconds without a sign of life after which a board is declared hung. Default 5000. */
  hangMs?: number;
}

/** Fruitless turns of the event loop before the chassis's thread sleeps. */
const PATIENCE = 4;
/** Milliseconds that records of the checkpoint and messages of the MANAGEMENT port wait for others, at most. */
const DOZE_MS = 5;
const TIMER_MAX = 2 ** 31 - 1;

/** Something that happens later. */
interface Timer {
  work: boolean;
  cancel: () => void;
}

export class Threaded implements Drive {
  readonly kind = "threaded";
  readonly clock = new RealClock();
  /** The chassis's thread's. */
  readonly bell = chassisBellMemory();
  readonly spin: number;
  readonly #bell = new ChassisBell(this.bell);
  readonly #ringOctets: number;
  readonly #hangMs: number;
  readonly #cages = new Set<ThreadedCage>();
  readonly #timers = new Set<Timer>();
  readonly #watchers = new Set<() => void>();
  #watchdog: NodeJS.Timeout | undefined;
  /** Ends a wait of `until` with what its condition says now. */
  readonly #giveUps = new Set<() => void>();
  #pending = 0;
  #idle = 0;
  #pumping = false;

  constructor(options: ThreadedOptions = {}) {
    this.spin = options.spin ?? (availableParallelism() < 4 ? 2 : 20);
    this.#ringOctets = options.ringOctets ?? 1 << 20;
    this.#hangMs = options.hangMs ?? 5000;
  }

  cage(plan: CagePlan): ThreadedCage {
    const cage = new ThreadedCage(plan, this, this.#ringOctets);
    this.#cages.add(cage);
    const close = cage.close.bind(cage);
    cage.close = async () => {
      await close();
      this.#cages.delete(cage);
      if (this.#cages.size > 0) return;
      clearInterval(this.#watchdog);
      this.#watchdog = undefined;
      this.#bell.ring(true);
    };
    this.#watchdog ??= setInterval(() => this.#watch(), 250).unref();
    if (!this.#pumping) {
      this.#pumping = true;
      setImmediate(this.#pump);
    }
    return cage;
  }

  after(delay: bigint, callback: () => void, work = false): () => void {
    const timer: Timer = { work, cancel: () => undefined };
    const fire = (): void => {
      this.#timers.delete(timer);
      callback();
    };
    if (delay <= 0n) {
      // At once means within this turn of the event loop: a cable without latency must not cost a timer's millisecond.
      const immediate = setImmediate(fire);
      timer.cancel = () => clearImmediate(immediate);
    } else {
      const timeout = setTimeout(fire, Math.min(Number(delay) / 1e6, TIMER_MAX));
      timer.cancel = () => clearTimeout(timeout);
    }
    this.#timers.add(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  pending<T>(promise: Promise<T>, then?: (value: T) => void): void {
    this.#pending += 1;
    void promise.then((value) => then?.(value)).finally(() => (this.#pending -= 1));
  }

  async run(milliseconds?: number): Promise<void> {
    if (milliseconds !== undefined) return sleep(milliseconds);
    // Seen at rest twice in a row, with time between: a bell may be on its way.
    for (let rests = 0; rests < 2; ) {
      await sleep(1);
      rests = this.#resting ? rests + 1 : 0;
    }
  }

  async until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    if (condition()) return true;
    return new Promise((resolve, reject) => {
      const check = (last: boolean): void => {
        let holds = false;
        try {
          holds = condition();
        } catch (error) {
          reject(error as Error);
          last = true;
        }
        if (!holds && !last) return;
        clearTimeout(limit);
        clearInterval(ticks);
        this.#watchers.delete(watcher);
        this.#giveUps.delete(giveUp);
        resolve(holds);
      };
      const giveUp = (): void => check(true);
      const watcher = (): void => check(false);
      const limit = setTimeout(giveUp, milliseconds);
      const ticks = setInterval(watcher, 2);
      this.#watchers.add(watcher);
      this.#giveUps.add(giveUp);
      // What is waited for does not wait for others.
      this.#bell.ring(true);
    });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    // Whoever still waits has waited enough: a timer left behind would keep the process.
    for (const giveUp of [...this.#giveUps]) giveUp();
    await Promise.all([...this.#cages].map((cage) => cage.close()));
  }

  get #resting(): boolean {
    if (this.#pending > 0 || [...this.#timers].some((timer) => timer.work)) return false;
    return [...this.#cages].every((cage) => cage.resting);
  }

  #watch(): void {
    for (const cage of this.#cages) cage.watch(this.#hangMs);
  }

  /** One turn of the chassis's thread. */
  readonly #pump = (): void => {
    if (this.#cages.size === 0) {
      this.#pumping = false;
      return;
    }
    this.#bell.listen();
    let moved: Moved = NOTHING;
    for (const cage of this.#cages) moved = Math.max(moved, cage.drain()) as Moved;
    if (moved !== NOTHING) for (const watcher of [...this.#watchers]) watcher();
    if (moved === UNHURRIED && this.#watchers.size === 0) {
      this.#idle = PATIENCE;
      this.#bell.doze(DOZE_MS, this.#pump);
      return;
    }
    this.#idle = moved === NOTHING ? this.#idle + 1 : 0;
    if (this.#idle < PATIENCE) {
      setImmediate(this.#pump);
      return;
    }
    this.#idle = 0;
    this.#bell.sleep(this.#pump);
  };
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
