/**
 * What takes what arrives at a device in the thread of the IKE board, where all arrives (S601), instead of in a thread of the device's own. One
 * for all ports of the device; its thread sleeps in it.
 */

import type { Transferable } from "node:worker_threads";
import type { LineProgram } from "./line_program.ts";

export interface LineReceiver {
  /** Whether it reads: a thread that has nothing to do then sleeps by it. */
  readonly reads: boolean;
  /** Once a turn of the thread: what has arrived goes into the rings of the device's lines. `serving`: the IKE board takes packets. Never throws. */
  turn(serving: boolean): void;
  /** Sleeps until something arrives or the thread's eventfd is written to, `milliseconds` at most. */
  sleep(milliseconds: number): void;
}

/** The end of it that the device keeps. */
export interface LineReceiverEnd {
  parts: LineProgram;
  /** Objects of `data` that go to the thread. */
  transfer: Transferable[];
  /** An eventfd(2) that wakes the thread while it sleeps in the receiver. It may be written to for as long as the process lives. */
  descriptor: number;
  /** The thread has ended. */
  ended(): void;
}
