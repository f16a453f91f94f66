/**
 * The shared page of a slot: what a board's thread and the chassis's thread tell each other beside packets.
 *
 *      0   words: orders of the chassis, state of the board
 *     64   fault injection: seed and four probabilities, f64
 *    128   link counters: frames, octets, bits to the board; the same from it, f64
 *    192   faults of the slot, f64: seed, two probabilities, rate of the clock, seconds ahead, stalled
 *    240   packets that devices gave to an IPsec board directly, f64
 *    256   drops counted by the board's thread, by CHASSIS_DROP, f64
 *    512   copy of the board map
 *    768   copy of the drop counters
 *   2048   mirror of the trace ring, longer than the original, because its reader comes by less often
 *
 * Every field has one writer. A 64-bit float is written at once on the machines that run Node, and counts exactly to 2^53.
 *
 * The doorbell is the thread's, in memory of its own: boards that share a thread have a page each and one doorbell.
 */
import { writeSync } from "node:fs";
import { MAP_SIZE } from "../../../assembly/abi/board.ts";
import { DROP_COUNT } from "../../../assembly/abi/drop.ts";
import { TRACE_ENTRIES, TRACE_ENTRY_OCTETS, TRACE_CAPACITY, TRACE_TOTAL } from "../../../assembly/abi/trace.ts";
import type { FaultSpec } from "../tap/fault_injector.ts";
import type { SlotFaults, Strike } from "../tap/slot_faults.ts";

/** Word indices of a thread's doorbell. RINGS counts calls; a thread sleeps on it, or in a system call that a write to DESCRIPTOR ends. */
export const RINGS = 0;
export const SLEEPING = 1;
/** Counts turns of the thread: it lives. */
export const TURNS = 2;
/** Counts messages that the chassis has put into the thread's port. */
export const ORDERS = 3;
/** Slot that the thread serves just now: which one hangs, if it hangs. */
export const SERVED = 4;
/** An eventfd(2). */
export const DESCRIPTOR = 5;
/** SLEEPING: how. */
export const AWAKE = 0;
export const ON_RINGS = 1;
export const ON_DESCRIPTOR = 2;
const DOORBELL_OCTETS = 64;

/** Word indices of a page. */
/** ORDER_*: the chassis's. */
export const ORDER = 2;
/** While a board takes packets, its GENERATION. */
export const ONLINE = 3;
export const TRACE_MASK = 4;
export const TAPPED = 5;
/** Counts changes of the injection; its low bit tells whether there is one. */
export const INJECTION = 6;
export const TRACE_LOST = 8;
/** Not 0 while the slot's link is down. */
export const LINK_DOWN = 9;
/** Counts changes of the slot's faults. */
export const AFFLICTION = 10;
/** STRIKES index + 1 of what shall kill the board; the board's thread takes it back. */
export const STRIKE = 11;

/** Number of the board's thread as Linux counts threads, for whoever asks what processor time it takes; 0 elsewhere. */
export const THREAD = 12;
/** Not 0 where what takes the slot's frames of the backplane takes them without a check sequence, too. */
export const TAKES_UNSUMMED = 13;

export const STRIKES: readonly Strike[] = ["trap", "hang"];

export const ORDER_STOP = 0;
export const ORDER_RUN = 1;

const INJECTION_AT = 64;
const LINKS_AT = 128;
const FAULTS_AT = 192;
const CUT_THROUGH_AT = 240;
const DROPS_AT = 256;
const MAP_AT = 512;
const FIRMWARE_DROPS_AT = 768;
const TRACE_AT = 2048;
export const TRACE_MIRROR = 16384;

if (FIRMWARE_DROPS_AT + DROP_COUNT * 8 > TRACE_AT) throw new Error("the page has no room for all drop counters");

/** A page, and the doorbell of the thread that serves its slot. */
export interface PageParts {
  memory: SharedArrayBuffer;
  doorbell: SharedArrayBuffer;
}

export function doorbellMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(DOORBELL_OCTETS);
}

const one = new BigUint64Array([1n]);

/** Wakes the thread of a doorbell, if it sleeps. */
export function ringDoorbell(doorbell: Int32Array): void {
  Atomics.add(doorbell, RINGS, 1);
  const how = Atomics.load(doorbell, SLEEPING);
  if (how === ON_RINGS) Atomics.notify(doorbell, RINGS);
  // Whoever takes the flag back wakes: the others need not.
  if (how !== ON_DESCRIPTOR || Atomics.compareExchange(doorbell, SLEEPING, how, AWAKE) !== how) return;
  writeSync(doorbell[DESCRIPTOR]!, one);
}

export function pageParts(doorbell = doorbellMemory()): PageParts {
  return { memory: new SharedArrayBuffer(TRACE_AT + TRACE_ENTRIES + TRACE_MIRROR * TRACE_ENTRY_OCTETS), doorbell };
}

export class Page {
  readonly words: Int32Array;
  /** Of the slot's thread. */
  readonly doorbell: Int32Array;
  readonly links: Float64Array;
  /** One number: packets that came past the IKE board. */
  readonly cutThrough: Float64Array;
  readonly drops: Float64Array;
  readonly map: Uint8Array;
  readonly firmwareDrops: Uint8Array;
  readonly trace: Uint8Array;
  readonly #injection: Float64Array;
  readonly #faults: Float64Array;
  #traceSeen = 0;
  #traceTaken = 0;

  constructor({ memory, doorbell }: PageParts) {
    this.words = new Int32Array(memory, 0, 16);
    this.doorbell = new Int32Array(doorbell);
    this.#injection = new Float64Array(memory, INJECTION_AT, 5);
    this.links = new Float64Array(memory, LINKS_AT, 6);
    this.cutThrough = new Float64Array(memory, CUT_THROUGH_AT, 1);
    this.#faults = new Float64Array(memory, FAULTS_AT, 6);
    this.drops = new Float64Array(memory, DROPS_AT, 32);
    this.map = new Uint8Array(memory, MAP_AT, MAP_SIZE);
    this.firmwareDrops = new Uint8Array(memory, FIRMWARE_DROPS_AT, DROP_COUNT * 8);
    this.trace = new Uint8Array(memory, TRACE_AT);
  }

  /** Wakes the slot's thread. */
  ring(): void {
    ringDoorbell(this.doorbell);
  }

  setInjection(spec: FaultSpec | undefined): void {
    const values = spec ? [spec.seed ?? 1, spec.lose ?? 0, spec.duplicate ?? 0, spec.reorder ?? 0, spec.flip ?? 0] : [];
    this.#injection.set(values);
    const version = (Atomics.load(this.words, INJECTION) | 1) + 1;
    Atomics.store(this.words, INJECTION, version + (spec ? 1 : 0));
  }

  get injection(): FaultSpec | undefined {
    if ((Atomics.load(this.words, INJECTION) & 1) === 0) return undefined;
    const [seed, lose, duplicate, reorder, flip] = this.#injection as unknown as number[];
    return { seed: seed!, lose: lose!, duplicate: duplicate!, reorder: reorder!, flip: flip! };
  }

  setFaults(faults: SlotFaults): void {
    const { seed = 1, lose = 0, duplicate = 0, clockRate = 1, clockAhead = 0 } = faults;
    this.#faults.set([seed, lose, duplicate, clockRate, clockAhead, faults.stalled ? 1 : 0]);
    Atomics.store(this.words, LINK_DOWN, faults.linkDown ? 1 : 0);
    Atomics.add(this.words, AFFLICTION, 1);
  }

  get faults(): SlotFaults {
    if (Atomics.load(this.words, AFFLICTION) === 0) return {};
    const [seed, lose, duplicate, clockRate, clockAhead, stalled] = this.#faults as unknown as number[];
    const numbers = { seed: seed!, lose: lose!, duplicate: duplicate!, clockRate: clockRate!, clockAhead: clockAhead! };
    return { ...numbers, stalled: stalled !== 0 };
  }

  /** Board's thread: a new generation has an empty trace ring. */
  traceRestart(): void {
    this.#traceSeen = 0;
  }

  /** Board's thread: copies what is new in the board's trace ring. */
  mirrorTrace(ring: Uint8Array): void {
    if (ring.length === 0) return;
    const total = readU32(ring, TRACE_TOTAL);
    const fresh = (total - this.#traceSeen) >>> 0;
    if (fresh === 0) return;
    const readable = Math.min(fresh, TRACE_CAPACITY);
    if (fresh > readable) Atomics.add(this.words, TRACE_LOST, fresh - readable);
    let mirrored = readU32(this.trace, TRACE_TOTAL);
    for (let i = (total - readable) >>> 0; i !== total; i = (i + 1) >>> 0) {
      const from = TRACE_ENTRIES + (i & (TRACE_CAPACITY - 1)) * TRACE_ENTRY_OCTETS;
      const to = TRACE_ENTRIES + (mirrored & (TRACE_MIRROR - 1)) * TRACE_ENTRY_OCTETS;
      this.trace.set(ring.subarray(from, from + TRACE_ENTRY_OCTETS), to);
      mirrored = (mirrored + 1) >>> 0;
    }
    this.#traceSeen = total;
    this.#traceMirrored(mirrored);
  }

  /** Whoever carries the mirror elsewhere: up to `portion` entries that were not taken yet; those that fell off it are counted. */
  takeTrace(portion: number): Uint8Array {
    const total = readU32(this.trace, TRACE_TOTAL);
    const fresh = (total - this.#traceTaken) >>> 0;
    const readable = Math.min(fresh, TRACE_MIRROR);
    if (fresh > readable) Atomics.add(this.words, TRACE_LOST, fresh - readable);
    const first = (total - readable) >>> 0;
    const count = Math.min(readable, portion);
    const entries = new Uint8Array(count * TRACE_ENTRY_OCTETS);
    for (let i = 0; i < count; i++) {
      const from = TRACE_ENTRIES + ((first + i) & (TRACE_MIRROR - 1)) * TRACE_ENTRY_OCTETS;
      entries.set(this.trace.subarray(from, from + TRACE_ENTRY_OCTETS), i * TRACE_ENTRY_OCTETS);
    }
    this.#traceTaken = (first + count) >>> 0;
    return entries;
  }

  /** Adds entries that were taken from another page. */
  putTrace(entries: Uint8Array): void {
    let mirrored = readU32(this.trace, TRACE_TOTAL);
    for (let from = 0; from < entries.length; from += TRACE_ENTRY_OCTETS) {
      const to = TRACE_ENTRIES + (mirrored & (TRACE_MIRROR - 1)) * TRACE_ENTRY_OCTETS;
      this.trace.set(entries.subarray(from, from + TRACE_ENTRY_OCTETS), to);
      mirrored = (mirrored + 1) >>> 0;
    }
    if (entries.length > 0) this.#traceMirrored(mirrored);
  }

  #traceMirrored(total: number): void {
    const control = new Int32Array(this.trace.buffer, this.trace.byteOffset, TRACE_ENTRIES / 4);
    Atomics.store(control, TRACE_TOTAL, total | 0);
  }
}

function readU32(octets: Uint8Array, at: number): number {
  return (octets[at]! | (octets[at + 1]! << 8) | (octets[at + 2]! << 16) | (octets[at + 3]! << 24)) >>> 0;
}
