/**
 * What a board in a shelf publishes, and what was counted for it there, on its way to the page of its slot in the chassis.
 *
 *   the board's map, its drop counters, link counters (6 f64), chassis drops (f64 each), trace entries that were lost (u32),
 *   frames of the chassis that arrived and that did not (f64 each), trace entries
 *
 * Counters rise while the connection lives and begin at 0 with the next one; those of the chassis's page go on rising.
 */
import { TRACE_ENTRY_OCTETS } from "../../../assembly/abi/trace.ts";
import { type Page, TRACE_LOST } from "../drive/page.ts";
import { CHASSIS_DROP_NAMES } from "../vocabulary.ts";
import { MessageError } from "./control_message.ts";

const DROPS = CHASSIS_DROP_NAMES.length;
/** Trace entries of one message; more wait for the next. */
export const TRACE_PORTION = 2048;

/** The outcome of frames that the chassis sent. */
export interface Outcome {
  accepted: number;
  lost: number;
}

/** `drops`: the chassis drops of the slot as the shelf counts them, by reason. */
export function encodeState(page: Page, drops: readonly number[], outcome: Outcome, traceLost: number): Buffer {
  const trace = page.takeTrace(TRACE_PORTION);
  const numbers = new Float64Array(6 + DROPS + 3);
  numbers.set(page.links, 0);
  numbers.set(drops, 6);
  numbers.set([traceLost, outcome.accepted, outcome.lost], 6 + DROPS);
  return Buffer.concat([page.map, page.firmwareDrops, Buffer.from(numbers.buffer), trace]);
}

/** The chassis's end: knows what the same connection has told before. */
export class PublishedState {
  readonly #page: Page;
  readonly #before = new Float64Array(6 + DROPS + 1);
  readonly outcome: Outcome = { accepted: 0, lost: 0 };

  constructor(page: Page) {
    this.#page = page;
  }

  /** Takes a state over into the page. Throws MessageError. */
  take(body: Buffer): void {
    const page = this.#page;
    const mapEnd = page.map.length;
    const dropsEnd = mapEnd + page.firmwareDrops.length;
    const numbers = new Float64Array(6 + DROPS + 3);
    const end = dropsEnd + numbers.byteLength;
    if (body.length < end || (body.length - end) % TRACE_ENTRY_OCTETS !== 0)
      throw new MessageError(`a published state of ${body.length} octets`);
    new Uint8Array(numbers.buffer).set(body.subarray(dropsEnd, end));
    const before = this.#before;
    for (let i = 0; i < numbers.length; i++) {
      const value = numbers[i]!;
      if (!Number.isSafeInteger(value) || value < (before[i] ?? 0)) throw new MessageError("a counter that fell");
    }
    page.map.set(body.subarray(0, mapEnd));
    page.firmwareDrops.set(body.subarray(mapEnd, dropsEnd));
    for (let i = 0; i < 6; i++) page.links[i]! += numbers[i]! - before[i]!;
    for (let i = 0; i < DROPS; i++) page.drops[i]! += numbers[6 + i]! - before[6 + i]!;
    Atomics.add(page.words, TRACE_LOST, numbers[6 + DROPS]! - before[6 + DROPS]!);
    page.putTrace(body.subarray(end));
    before.set(numbers.subarray(0, before.length));
    this.outcome.accepted = numbers[7 + DROPS]!;
    this.outcome.lost = numbers[8 + DROPS]!;
  }
}
