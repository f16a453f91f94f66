/**
 * The checkpoint of the IKE board (assembly/abi/checkpoint.ts), as the chassis keeps it: the newest record of each KIND and INDEX, sealed
 * under a key of the secure element, and the salts of the epochs that they are of. It lives as long as the chassis has power; SAs do not
 * live longer.
 *
 * Bounded: no more records than the board's tables have entries. What does not add up is refused and counted.
 */
import {
  CHECKPOINT_ALIGNMENT,
  CHECKPOINT_CHILD_SA,
  CHECKPOINT_EPOCH,
  CHECKPOINT_HEADER,
  CHECKPOINT_IKE_SA,
  CHECKPOINT_INDEX,
  CHECKPOINT_KIND,
  CHECKPOINT_LINK,
  CHECKPOINT_OCTETS,
  CHECKPOINT_RECORD_MAX,
  CHECKPOINT_SALT,
} from "../../assembly/abi/checkpoint.ts";

/** Arrays of records that are there no more, kept for others of the same kind: to make one costs more than to fill it. */
const SPARE_MAX = 64;
/** Arrays are as long as a multiple of it, and a record says itself where it ends: one that replaces another has another length. */
const ARRAY_OCTETS = 256;

export class Checkpoint {
  /** By KIND, then by INDEX. */
  readonly #records = new Map<number, Map<number, Uint8Array>>();
  readonly #spare = new Map<number, Uint8Array[]>();
  readonly #salts = new Map<number, Uint8Array>();
  readonly #capacity: { ikeSas: number; childSas: number };
  /** Records that were refused. */
  malformed = 0;

  constructor(capacity: { ikeSas: number; childSas: number }) {
    this.#capacity = capacity;
  }

  /** Takes the records that a poll has left, one behind the other. The octets are copied. */
  take(octets: Uint8Array): void {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    for (let at = 0; at < octets.length; ) {
      const length =
        at + CHECKPOINT_HEADER <= octets.length
          ? CHECKPOINT_HEADER + view.getUint32(at + CHECKPOINT_OCTETS, true)
          : CHECKPOINT_RECORD_MAX + 1;
      // Where one ends is not known, then, and where the next one begins is not either.
      if (length > CHECKPOINT_RECORD_MAX || at + length > octets.length) {
        this.malformed += 1;
        return;
      }
      this.#keep(octets.subarray(at, at + length), view, at);
      at += Math.ceil(length / CHECKPOINT_ALIGNMENT) * CHECKPOINT_ALIGNMENT;
    }
  }

  #keep(record: Uint8Array, view: DataView, at: number): void {
    const kind = view.getUint32(at + CHECKPOINT_KIND, true);
    const index = view.getUint32(at + CHECKPOINT_INDEX, true);
    if (kind === CHECKPOINT_SALT) {
      this.#salts.set(view.getUint32(at + CHECKPOINT_EPOCH, true), record.slice());
      this.#forgetSalts();
      return;
    }
    const child = kind === CHECKPOINT_CHILD_SA || kind === CHECKPOINT_LINK;
    const limit = child ? this.#capacity.childSas : this.#capacity.ikeSas;
    if (kind < CHECKPOINT_IKE_SA || kind > CHECKPOINT_LINK || index >= limit) {
      this.malformed += 1;
      return;
    }
    let records = this.#records.get(kind);
    if (!records) this.#records.set(kind, (records = new Map()));
    const before = records.get(index);
    // Without contents it says that there is none any more.
    if (record.length === CHECKPOINT_HEADER) {
      records.delete(index);
      if (before && this.#spareOf(kind).length < SPARE_MAX) this.#spareOf(kind).push(before);
      return;
    }
    const room = Math.ceil(record.length / ARRAY_OCTETS) * ARRAY_OCTETS;
    const kept = before?.length === room ? before : this.#reuse(kind, room);
    kept.set(record);
    if (kept !== before) records.set(index, kept);
  }

  #spareOf(kind: number): Uint8Array[] {
    let spare = this.#spare.get(kind);
    if (!spare) this.#spare.set(kind, (spare = []));
    return spare;
  }

  /** An array of `octets`: one that is spare if it fits. */
  #reuse(kind: number, octets: number): Uint8Array {
    const spare = this.#spareOf(kind).pop();
    return spare?.length === octets ? spare : new Uint8Array(octets);
  }

  /** Salts that no record is of any more, but for the newest. */
  #forgetSalts(): void {
    const newest = Math.max(...this.#salts.keys());
    const used = new Set<number>();
    for (const records of this.#records.values()) for (const record of records.values()) used.add(epochOf(record));
    for (const epoch of this.#salts.keys()) if (epoch !== newest && !used.has(epoch)) this.#salts.delete(epoch);
  }

  /** True when there is nothing to take back. */
  get empty(): boolean {
    return this.size === 0;
  }

  /** Records, salts aside. */
  get size(): number {
    let size = 0;
    for (const records of this.#records.values()) size += records.size;
    return size;
  }

  /** Copies of all of it, in the order in which a board takes it back: by KIND, and within that by epoch, the salt first. */
  records(): Uint8Array[] {
    const all: Uint8Array[] = [];
    for (const kind of [...this.#records.keys()].sort((a, b) => a - b)) {
      const byEpoch = new Map<number, Uint8Array[]>();
      for (const record of this.#records.get(kind)!.values()) {
        const epoch = epochOf(record);
        const same = byEpoch.get(epoch);
        if (same) same.push(record);
        else byEpoch.set(epoch, [record]);
      }
      for (const [epoch, records] of byEpoch) {
        const salt = this.#salts.get(epoch);
        if (salt) all.push(salt, ...records.map((record) => record.slice(0, octetsOf(record))));
      }
    }
    return all;
  }

  /** Forgets everything: the next IKE board begins anew. */
  clear(): void {
    this.#records.clear();
    this.#spare.clear();
    this.#salts.clear();
  }
}

/** A record with its header. */
function octetsOf(record: Uint8Array): number {
  return CHECKPOINT_HEADER + new DataView(record.buffer, record.byteOffset).getUint32(CHECKPOINT_OCTETS, true);
}

function epochOf(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset).getUint32(CHECKPOINT_EPOCH, true);
}
