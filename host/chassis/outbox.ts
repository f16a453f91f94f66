/**
 * What the chassis tells a board on its MANAGEMENT port: in order, and as often as it takes while the same generation serves. A full ring, or a
 * thread that has just ended, delays what follows; nothing is lost, so no drop is counted. A board that takes nothing for
 * PAUSES is told no more.
 */
import { PORT_MANAGEMENT } from "../../assembly/abi/ring.ts";
import type { Cage, Drive } from "./drive/drive.ts";
import type { Slot } from "./slot.ts";

/** Pause while the ring is full, ns; and how many of them a board may take. */
const PAUSE = 1_000_000n;
const PAUSES = 10_000;

export class Outbox {
  readonly #drive: Drive;
  readonly #cage: Cage;
  readonly #slot: Slot;
  #generation = 0;
  #messages: Uint8Array[] = [];
  #next = 0;
  #pauses = 0;
  #waits = false;

  constructor(drive: Drive, cage: Cage, slot: Slot) {
    this.#drive = drive;
    this.#cage = cage;
    this.#slot = slot;
  }

  /** Tells the board in the slot, of the generation that is there now. */
  post(messages: readonly Uint8Array[]): void {
    if (this.#generation !== this.#slot.generation) {
      this.#generation = this.#slot.generation;
      this.#messages = [];
      this.#next = 0;
      this.#pauses = 0;
    }
    for (const message of messages) this.#messages.push(message);
    if (!this.#waits) this.#pump();
  }

  #pump(): void {
    while (this.#next < this.#messages.length) {
      if (!this.#slot.serves || this.#slot.generation !== this.#generation) return;
      const { number } = this.#slot;
      if (this.#cage.deliver(number, PORT_MANAGEMENT, this.#messages[this.#next]!, true)) {
        this.#next += 1;
        this.#pauses = 0;
        continue;
      }
      this.#pauses += 1;
      if (this.#pauses > PAUSES) break;
      this.#waits = true;
      this.#drive.after(
        PAUSE,
        () => {
          this.#waits = false;
          this.#pump();
        },
        true,
      );
      return;
    }
    this.#messages = [];
    this.#next = 0;
  }
}
