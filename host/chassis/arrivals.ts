/**
 * Packets that arrive while the IKE board restarts: they wait here for its next generation, in their order. Bounded: what is more, and what
 * has waited for too long, is dropped and counted as any packet that meets no board.
 */
import { NS_PER_MS } from "./clock.ts";

/** Packets that wait at most, and how long, ns: who sent them has not sent them again yet. */
const HELD_MAX = 2048;
const WAIT_MAX = 1000n * NS_PER_MS;

export class Arrivals {
  readonly #deliver: (port: number, packet: Uint8Array) => void;
  readonly #lost: () => void;
  #held: { port: number; packet: Uint8Array; at: bigint }[] = [];

  /** `deliver`: gives a packet to the board; `lost`: counts one that none has taken. */
  constructor(deliver: (port: number, packet: Uint8Array) => void, lost: () => void) {
    this.#deliver = deliver;
    this.#lost = lost;
  }

  /** Keeps a packet; its octets are copied. False when there is no room. */
  hold(port: number, packet: Uint8Array, now: bigint): boolean {
    if (this.#held.length === HELD_MAX) return false;
    this.#held.push({ port, packet: packet.slice(), at: now });
    return true;
  }

  /** The board is there. */
  release(now: bigint): void {
    const held = this.#held;
    this.#held = [];
    for (const { port, packet, at } of held) {
      if (now - at > WAIT_MAX) this.#lost();
      else this.#deliver(port, packet);
    }
  }

  /** No board comes. */
  drop(): void {
    for (let i = this.#held.length; i > 0; i--) this.#lost();
    this.#held = [];
  }
}
