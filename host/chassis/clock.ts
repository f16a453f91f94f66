/**
 * Time for a chassis. NOW is monotonic, WALL is Unix time; both in nanoseconds.
 *
 * The virtual clock moves only when the drive moves it, so simulated hours cost nothing and a run repeats exactly.
 */

export interface Clock {
  /** Monotonic time, ns. Never goes back. */
  now(): bigint;
  /** Unix time, ns. */
  wall(): bigint;
}

export const NS_PER_MS = 1_000_000n;
export const NS_PER_SECOND = 1_000_000_000n;
/** What REG_DEADLINE holds when the firmware wants no call. */
export const NEVER = 0xffff_ffff_ffff_ffffn;

/** The computer's clock. NOW is that of the process, so that all its threads agree on it. */
export class RealClock implements Clock {
  readonly #ahead: bigint;

  /** `ahead`: ns by which NOW is ahead of the process's own, for boards of a chassis elsewhere. */
  constructor(ahead = 0n) {
    this.#ahead = ahead;
  }

  now(): bigint {
    return process.hrtime.bigint() + this.#ahead;
  }

  wall(): bigint {
    return BigInt(Date.now()) * NS_PER_MS;
  }
}

/** A clock that stands still until it is told to advance. */
export class VirtualClock implements Clock {
  #now: bigint;
  readonly #wallOffset: bigint;

  /** `start`: NOW at the beginning, ns. `wall`: Unix time at the beginning, ns (default 2026-01-01T00:00:00Z). */
  constructor(start = NS_PER_SECOND, wall = 1_767_225_600n * NS_PER_SECOND) {
    this.#now = start;
    this.#wallOffset = wall - start;
  }

  now(): bigint {
    return this.#now;
  }

  wall(): bigint {
    return this.#now + this.#wallOffset;
  }

  /** Moves to `when`; a time that has passed already changes nothing. */
  advanceTo(when: bigint): void {
    if (when > this.#now) this.#now = when;
  }
}
