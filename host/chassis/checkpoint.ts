/**
 * The checkpoint of the IKE board (assembly/abi/checkpoint.ts), as the chassis keeps it: the newest record of each KIND and INDEX, sealed
 * under a key of the secure element, and the salts of the epochs that they are of. It lives as long as the chassis has power; SAs do not
 * live longer.
 *
 * Bounded: no more records than the board's tables have entries. One of no such entry is refused and counted.
 */
import {
  CHECKPOINT_CHILD_SA,
  CHECKPOINT_EPOCH,
  CHECKPOINT_HEADER,
  CHECKPOINT_IKE_SA,
  CHECKPOINT_INDEX,
  CHECKPOINT_KIND,
  CHECKPOINT_LINK,
  CHECKPOINT_SALT,
} from "../../assembly/abi/checkpoint.ts";
import { recordEnd, recordOctets, viewOf } from "./checkpoint_record.ts";

/** Arrays are as long as a multiple of it, and a record says itself where it ends: one that replaces another has another length. */
const ARRAY_OCTETS = 256;
/** Arrays of one length are cut from one piece of memory of about so many octets: to make an array costs more than to fill it. */
const PIECE_OCTETS = 65536;
const KINDS = CHECKPOINT_LINK + 1;

export class Checkpoint {
  /** By KIND, then by INDEX; a kind's from its first record on. */
  readonly #records: (Uint8Array | undefined)[][] = Array.from({ length: KINDS }, () => []);
  /** Arrays that hold no record, by length in ARRAY_OCTETS. What was needed once is kept until everything is forgotten. */
  #spare: Uint8Array[][] = [];
  readonly #salts = new Map<number, Uint8Array>();
  readonly #capacity: { ikeSas: number; childSas: number };
  /** Records, salts aside. */
  size = 0;
  /** Records that were refused. */
  malformed = 0;

  constructor(capacity: { ikeSas: number; childSas: number }) {
    this.#capacity = capacity;
  }

  /** Takes records that a poll has left, whole ones, one behind the other. The octets are copied. */
  take(octets: Uint8Array): void {
    const view = viewOf(octets);
    let salted = false;
    for (let at = 0; at < octets.length; at = recordEnd(view, at)) {
      const kind = view.getUint32(at + CHECKPOINT_KIND, true);
      const length = recordOctets(view, at);
      if (kind === CHECKPOINT_SALT) {
        this.#salts.set(view.getUint32(at + CHECKPOINT_EPOCH, true), octets.slice(at, at + length));
        salted = true;
      } else {
        this.#keep(octets, view, at, length, kind);
      }
    }
    // Once for all of them: it looks at every record, and a poll has room for tens of thousands of salts.
    if (salted) this.#forgetSalts();
  }

  #keep(octets: Uint8Array, view: DataView, at: number, length: number, kind: number): void {
    const index = view.getUint32(at + CHECKPOINT_INDEX, true);
    const child = kind === CHECKPOINT_CHILD_SA || kind === CHECKPOINT_LINK;
    const limit = child ? this.#capacity.childSas : this.#capacity.ikeSas;
    if (kind < CHECKPOINT_IKE_SA || kind > CHECKPOINT_LINK || index >= limit) {
      this.malformed += 1;
      return;
    }
    const records = this.#records[kind]!;
    const before = records[index];
    // Without contents it says that there is none any more.
    if (length === CHECKPOINT_HEADER) {
      if (before === undefined) return;
      records[index] = undefined;
      this.#spareOf(before.length / ARRAY_OCTETS).push(before);
      this.size -= 1;
      return;
    }
    const room = Math.ceil(length / ARRAY_OCTETS);
    let kept = before;
    if (kept === undefined || kept.length !== room * ARRAY_OCTETS) {
      kept = this.#array(room);
      if (records.length === 0) records.length = limit;
      records[index] = kept;
      if (before === undefined) this.size += 1;
      else this.#spareOf(before.length / ARRAY_OCTETS).push(before);
    }
    kept.set(octets.subarray(at, at + length));
  }

  #spareOf(room: number): Uint8Array[] {
    return (this.#spare[room] ??= []);
  }

  /** An array of so many ARRAY_OCTETS. */
  #array(room: number): Uint8Array {
    const spare = this.#spareOf(room);
    if (spare.length === 0) {
      const octets = room * ARRAY_OCTETS;
      const piece = new Uint8Array(Math.floor(PIECE_OCTETS / octets) * octets);
      for (let at = piece.length - octets; at >= 0; at -= octets) spare.push(piece.subarray(at, at + octets));
    }
    return spare.pop()!;
  }

  /** Salts that no record is of any more, but for the newest. */
  #forgetSalts(): void {
    const newest = Math.max(...this.#salts.keys());
    const used = new Set<number>();
    for (const records of this.#records) for (const record of records) if (record) used.add(epochOf(record));
    for (const epoch of this.#salts.keys()) if (epoch !== newest && !used.has(epoch)) this.#salts.delete(epoch);
  }

  /** True when there is nothing to take back. */
  get empty(): boolean {
    return this.size === 0;
  }

  /** Copies of all of it, in the order in which a board takes it back: by KIND, and within that by epoch, the salt first. */
  records(): Uint8Array[] {
    const all: Uint8Array[] = [];
    for (const records of this.#records) {
      const byEpoch = new Map<number, Uint8Array[]>();
      for (const record of records) {
        if (!record) continue;
        const epoch = epochOf(record);
        const same = byEpoch.get(epoch);
        if (same) same.push(record);
        else byEpoch.set(epoch, [record]);
      }
      for (const [epoch, records] of byEpoch) {
        const salt = this.#salts.get(epoch);
        if (salt) all.push(salt, ...records.map((record) => record.slice(0, recordOctets(viewOf(record), 0))));
      }
    }
    return all;
  }

  /** Forgets everything: the next IKE board begins anew. */
  clear(): void {
    for (const records of this.#records) records.length = 0;
    this.#spare = [];
    this.size = 0;
    this.#salts.clear();
  }
}

const epochOf = (record: Uint8Array): number => viewOf(record).getUint32(CHECKPOINT_EPOCH, true);
