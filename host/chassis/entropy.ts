/**
 * Where ENTROPY registers and control keys are filled from.
 */
import { randomFillSync } from "node:crypto";

export interface EntropySource {
  /** Fills all octets. */
  fill(octets: Uint8Array): void;
}

/** The operating system's generator: the only source that a gateway in service may use. */
export class SystemEntropy implements EntropySource {
  fill(octets: Uint8Array): void {
    randomFillSync(octets);
  }
}

/** Mulberry32: a small seeded generator for cables, fault injectors and repeatable stories. Not for keys. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }
}

/** Predictable octets, so that a story repeats to the last octet. Whoever knows the seed knows every key: tests only. */
export class SeededEntropy implements EntropySource {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  fill(octets: Uint8Array): void {
    for (let i = 0; i < octets.length; i++) octets[i] = this.#random.below(256);
  }
}
