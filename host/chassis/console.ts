/**
 * The console: trace rings (abi/trace.ts) read and told by name.
 *
 * A reader remembers how many entries it has seen; what the ring lost in between is counted, as the ring itself counts.
 */
import {
  TRACE_CAPACITY,
  TRACE_ENTRIES,
  TRACE_ENTRY_A,
  TRACE_ENTRY_B,
  TRACE_ENTRY_C,
  TRACE_ENTRY_D,
  TRACE_ENTRY_EVENT,
  TRACE_ENTRY_NOW,
  TRACE_ENTRY_OCTETS,
  TRACE_TOTAL,
} from "../../assembly/abi/trace.ts";
import { traceName } from "./vocabulary.ts";

export interface TraceEntry {
  slot: number;
  /** ns. */
  now: bigint;
  /** Rises with the order in which entries were read: in lockstep, that in which things happened at one NOW. */
  order: number;
  event: number;
  /** `S605`, `board_up` ... */
  name: string;
  a: number;
  b: number;
  c: number;
  d: number;
}

/** Entries that a reader keeps until they are taken; older ones make room. */
const KEPT = 65536;

let collected = 0;

export class TraceReader {
  readonly #slot: number;
  readonly #capacity: number;
  #seen = 0;
  #entries: TraceEntry[] = [];
  /** Entries that fell off before they were read. */
  lost = 0;

  /** `capacity`: entries of the ring, a power of two. */
  constructor(slot: number, capacity: number = TRACE_CAPACITY) {
    this.#slot = slot;
    this.#capacity = capacity;
  }

  /** A new generation writes a new ring from its beginning. */
  restart(): void {
    this.#seen = 0;
  }

  /** Reads what is new in `ring`. */
  collect(ring: Uint8Array): void {
    if (ring.length === 0) return;
    const at = TRACE_TOTAL;
    if (this.#seen === (ring[at]! | (ring[at + 1]! << 8) | (ring[at + 2]! << 16) | (ring[at + 3]! << 24)) >>> 0) return;
    const view = new DataView(ring.buffer, ring.byteOffset, ring.byteLength);
    const total = view.getUint32(TRACE_TOTAL, true);
    const fresh = (total - this.#seen) >>> 0;
    if (fresh === 0) return;
    const readable = Math.min(fresh, this.#capacity);
    this.lost += fresh - readable;
    for (let i = total - readable; i < total; i++) {
      const at = TRACE_ENTRIES + (i & (this.#capacity - 1)) * TRACE_ENTRY_OCTETS;
      const event = view.getUint32(at + TRACE_ENTRY_EVENT, true);
      this.#entries.push({
        slot: this.#slot,
        now: view.getBigUint64(at + TRACE_ENTRY_NOW, true),
        order: collected++,
        event,
        name: traceName(event),
        a: view.getUint32(at + TRACE_ENTRY_A, true),
        b: view.getUint32(at + TRACE_ENTRY_B, true),
        c: view.getUint32(at + TRACE_ENTRY_C, true),
        d: view.getUint32(at + TRACE_ENTRY_D, true),
      });
    }
    this.#seen = total;
    if (this.#entries.length > KEPT) this.lost += this.#entries.splice(0, this.#entries.length - KEPT).length;
  }

  /** The entries read since the last call. */
  take(): TraceEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}

/** One line for people: time in seconds, slot, name, arguments. */
export function renderTrace(entry: TraceEntry): string {
  const seconds = (Number(entry.now) / 1e9).toFixed(6);
  const numbers = [entry.a, entry.b, entry.c, entry.d]
    .map((value, i) => (i === 0 ? value.toString(16) : value))
    .join(" ");
  return `[${seconds}] slot ${entry.slot} ${entry.name} ${numbers}`;
}
