/**
 * Faults of one slot, injected where the hardware would have them: its link, its descriptors, its clock, its transmit rings.
 *
 * Both drives keep them for each slot; without any a board runs as if this file were not there. Numbers are by chance and
 * repeatable, or by NOW.
 */
import type { Outlet } from "../board.ts";
import { SeededRandom } from "../entropy.ts";

/** All 0, false or absent: nothing is wrong. */
export interface SlotFaults {
  /** Frames to the slot and from it are lost. */
  linkDown?: boolean;
  /** Nothing is taken from the board's transmit rings: they fill, and the pool runs out. */
  stalled?: boolean;
  /** Transmit descriptors: probabilities in [0, 1] that the card misses one, or takes it twice. */
  lose?: number;
  duplicate?: number;
  seed?: number;
  /** Seconds that the board's NOW advances in a second; 1 when absent. */
  clockRate?: number;
  /** Seconds that NOW jumps ahead, once. */
  clockAhead?: number;
}

/** What kills a board: `trap` damages a descriptor in its RAM, `hang` never returns from a poll. */
export type Strike = "trap" | "hang";

/** A card that misses descriptors, or takes them twice. */
export class FaultyDescriptors {
  readonly #lose: number;
  readonly #duplicate: number;
  readonly #random: SeededRandom;
  readonly outlet: Outlet;

  /** `lost` counts. */
  constructor({ lose = 0, duplicate = 0, seed = 1 }: SlotFaults, next: Outlet, lost: () => void) {
    this.#lose = lose;
    this.#duplicate = duplicate;
    this.#random = new SeededRandom(seed);
    this.outlet = (port, ram, start, length, link) => {
      const missed = this.#random.next() < this.#lose;
      const twice = this.#random.next() < this.#duplicate;
      if (missed) return lost();
      next(port, ram, start, length, link);
      if (twice) next(port, ram, start, length, link);
    };
  }

  static wanted({ lose = 0, duplicate = 0 }: SlotFaults): boolean {
    return lose > 0 || duplicate > 0;
  }
}

/**
 * A board's clock that runs off. It never goes back: set right again, it keeps what it is ahead by until the board is reset, as
 * a real one would.
 */
export class SkewedClock {
  readonly #rate: number;
  /** NOW of the chassis and of the board when the rate changed. */
  readonly #since: bigint;
  readonly #base: bigint;

  constructor(now: bigint, before: SkewedClock | undefined, rate = 1, ahead = 0) {
    this.#rate = rate;
    this.#since = now;
    this.#base = (before?.board(now) ?? now) + BigInt(Math.round(ahead * 1e9));
  }

  /** NOW of the board. */
  board(now: bigint): bigint {
    return this.#base + BigInt(Math.round(Number(now - this.#since) * this.#rate));
  }

  /** When the chassis's clock shows what is `at` on the board's; a time without end stays one. */
  chassis(at: bigint, never: bigint): bigint {
    if (at === never) return never;
    if (at <= this.#base) return this.#since;
    return this.#since + BigInt(Math.ceil(Number(at - this.#base) / this.#rate));
  }
}
