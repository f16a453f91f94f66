/**
 * The fault injector: a backplane that loses, duplicates, reorders and damages frames, by chance and repeatably.
 *
 * It sits between the sender's encoder and the receiver's check, so a flipped bit must be found by AAL5's CRC or by
 * the FCS. A reordered frame lets the next one pass, or waits for flush().
 */
import { SeededRandom } from "../entropy.ts";

/** Probabilities in [0, 1], all 0 when left out. */
export interface FaultSpec {
  seed?: number;
  lose?: number;
  duplicate?: number;
  reorder?: number;
  /** One bit of the frame is inverted. */
  flip?: number;
}

/** Where frames go on: `size` octets of `wire` at `at`, valid during the call. */
export type Carry = (from: number, to: number, vc: number, wire: Uint8Array, at: number, size: number) => void;

export class FaultInjector {
  readonly #spec: FaultSpec;
  readonly #random: SeededRandom;
  readonly #next: Carry;
  readonly #lost: (to: number) => void;
  #held: { from: number; to: number; vc: number; wire: Uint8Array }[] = [];

  /** `next` carries on, `lost` counts a loss towards a slot. */
  constructor(spec: FaultSpec, next: Carry, lost: (to: number) => void) {
    this.#spec = spec;
    this.#random = new SeededRandom(spec.seed ?? 1);
    this.#next = next;
    this.#lost = lost;
  }

  #happens(probability: number | undefined): boolean {
    return this.#random.next() < (probability ?? 0);
  }

  readonly carry: Carry = (from, to, vc, wire, at, size) => {
    const lose = this.#happens(this.#spec.lose);
    const flip = this.#happens(this.#spec.flip);
    const reorder = this.#happens(this.#spec.reorder);
    const duplicate = this.#happens(this.#spec.duplicate);
    if (lose) {
      this.#lost(to);
      return;
    }
    if (flip) {
      const bit = this.#random.below(size * 8);
      wire[at + (bit >>> 3)]! ^= 1 << (bit & 7);
    }
    if (reorder) {
      this.#held.push({ from, to, vc, wire: wire.slice(at, at + size) });
      return;
    }
    if (duplicate) {
      const copy = wire.slice(at, at + size);
      this.#next(from, to, vc, wire, at, size);
      this.#next(from, to, vc, copy, 0, size);
    } else {
      this.#next(from, to, vc, wire, at, size);
    }
    this.flush();
  };

  /** Lets the frames that wait go on; false when there are none. */
  flush(): boolean {
    if (this.#held.length === 0) return false;
    const held = this.#held;
    this.#held = [];
    for (const frame of held) this.#next(frame.from, frame.to, frame.vc, frame.wire, 0, frame.wire.length);
    return true;
  }
}
