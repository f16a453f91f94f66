/** The far end of a link whose units are whole frames: nothing has to be put together. */
import type { LinkReceiver } from "./backplane.ts";

/** `check` gives the octets of frame at a wire form's front, or a reason. */
export class FrameReceiver implements LinkReceiver {
  octets: Uint8Array = new Uint8Array(0);
  start = 0;
  bits = 0;
  readonly #check: (wire: Uint8Array, at: number, size: number, summed: boolean) => number;
  readonly #bits: (size: number) => number;

  constructor(
    check: (wire: Uint8Array, at: number, size: number, summed: boolean) => number,
    bits: (size: number) => number,
  ) {
    this.#check = check;
    this.#bits = bits;
  }

  take(wire: Uint8Array, at: number, size: number, _vc: number, summed = true): number {
    this.octets = wire;
    this.start = at;
    this.bits = this.#bits(size);
    return this.#check(wire, at, size, summed);
  }

  reset(): void {}
}
