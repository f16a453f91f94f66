/** The cage's end of a line (line.ts): opens and closes it, and knows when nobody uses it any more. */
import type { Bay } from "./bay.ts";
import type { LineSwitch } from "./drive.ts";
import { LineControl, type LineDevice } from "./line.ts";
import type { MessageRing } from "./message_ring.ts";

/** Milliseconds that a board's thread has to end its turn. */
const TURN_MS = 2000;

/** A device that is wired to the boards' threads. */
export class Line implements LineSwitch {
  readonly control = new LineControl();
  /** Slots whose boards send to the device, and where they do so by a ring, that. */
  readonly bays: Bay[] = [];
  readonly toDevice = new Map<Bay, MessageRing>();
  #cut = false;

  constructor(
    readonly port: number,
    readonly device: LineDevice,
  ) {}

  get open(): boolean {
    return this.control.open;
  }

  set open(open: boolean) {
    if (this.#cut || open === this.control.open) return;
    this.control.open = open;
  }

  get resting(): boolean {
    return this.#cut || (!this.device.busy && [...this.toDevice.values()].every((ring) => ring.empty));
  }

  /** Nobody uses the line from now on; resolves when no board's thread is still about to ring the device's bell. */
  async cut(): Promise<void> {
    this.#cut = true;
    this.control.end();
    await this.passed();
  }

  /** Resolves when each board's thread has ended the turn that it is in, or sleeps. */
  async passed(): Promise<void> {
    const before = this.bays.map((bay) => ({ bay, worker: bay.thread.worker, turns: bay.thread.turns }));
    const passed = ({ bay, worker, turns }: (typeof before)[number]): boolean =>
      !bay.running || bay.thread.worker !== worker || bay.thread.sleeps || bay.thread.turns !== turns;
    for (let waited = 0; waited < TURN_MS && !before.every(passed); waited++) await sleep(1);
  }
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
