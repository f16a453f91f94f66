/**
 * The boot record: which bank of every slot boots, what is under test, and how far the security counters are.
 *
 * All of a chassis is in one record, so that one write switches any number of slots. There are two copies (boot.0 and boot.1), as
 * U-Boot keeps its environment; every change writes both, one after the other, and the newest whole one counts. Little-endian:
 *
 *      0        4        5        6        7        8                    16
 *      +--------+--------+--------+--------+--------+--------------------+
 *      | CCR1   | slots  | trial  | outcome| slot of| sequence u64       |
 *      |        |        | state  |        | outcome|                    |
 *   16 +--------+--------+--------+--------+--------+--------------------+   for each slot, 144 octets
 *      | slot   | confir-| trial  | 0      | security counter of the slot|
 *      | u8     | med    | bank   |        | u32                         |
 *   +8 +--------+--------+--------+--------+-----------------------------+
 *      | board class, ASCII, padded with 0 to 16                         |
 *  +24 +-----------------------------------------------------------------+   bank A, and at +84 bank B
 *      | state  | 0 0 0  | security counter | version of 8 octets         |
 *      | SHA-256 of the file, 32 octets                                  |
 *      | set: the first 12 octets of its SHA-256, 0 alone                |
 *      +-----------------------------------------------------------------+
 *      | SHA-256 of all this: finds accidents, not attackers             |
 *      +-----------------------------------------------------------------+
 *
 * A bank is 0 none, 1 A, 2 B. Whoever can write the directory can write a record: the counters guard against images that are
 * offered, not against the directory's owner.
 */
import { createHash } from "node:crypto";
import { readVersion, type Version, writeVersion } from "../../image/version.ts";

export type Bank = "A" | "B";
export const BANKS: readonly Bank[] = ["A", "B"];
export const otherBank = (bank: Bank): Bank => (bank === "A" ? "B" : "A");

/** What was flashed into a bank. */
export interface BankRecord {
  /** It has been confirmed once, so it may be fallen back to. */
  proven: boolean;
  securityCounter: number;
  version: Version;
  /** Of the whole file, hexadecimal. */
  sha256: string;
  /** The set that it came with, hexadecimal; "" when it came alone. */
  set: string;
}

export interface SlotRecord {
  slot: number;
  boardClass: string;
  /** What boots. */
  confirmed: Bank | undefined;
  /** What is under test, or will be. */
  trial: Bank | undefined;
  /** Images with an older counter are refused. */
  securityCounter: number;
  banks: Partial<Record<Bank, BankRecord>>;
}

/** pending: it begins with the next reset; running: it has begun. */
export type TrialState = "none" | "pending" | "running";
const TRIAL_STATES: readonly TrialState[] = ["none", "pending", "running"];

/** How the last test ended. */
export type Outcome = "none" | "confirmed" | "reverted" | "not_confirmed" | "refused" | "board_failed" | "replaced";
const OUTCOMES: readonly Outcome[] = [
  "none",
  "confirmed",
  "reverted",
  "not_confirmed",
  "refused",
  "board_failed",
  "replaced",
];

export interface BootRecord {
  sequence: bigint;
  trial: TrialState;
  outcome: Outcome;
  /** The slot that the outcome is due to. */
  outcomeSlot: number | undefined;
  slots: SlotRecord[];
}

export const emptyRecord = (): BootRecord => ({
  sequence: 0n,
  trial: "none",
  outcome: "none",
  outcomeSlot: undefined,
  slots: [],
});

const MAGIC = "CCR1";
const HEADER = 16;
const SLOT = 144;
const BANK = 60;
const BANK_AT = 24;
const CLASS_AT = 8;
const CLASS = 16;
const SET = 12;
const DIGEST = 32;
const NO_SLOT = 255;
export const RECORD_SLOTS_MAX = 64;
export const RECORD_MAX = HEADER + RECORD_SLOTS_MAX * SLOT + DIGEST;

const digest = (octets: Uint8Array): Buffer => createHash("sha256").update(octets).digest();
const bankCode = (bank: Bank | undefined): number => (bank === undefined ? 0 : bank === "A" ? 1 : 2);
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

export function encodeRecord({ sequence, trial, outcome, outcomeSlot, slots }: BootRecord): Uint8Array {
  const octets = new Uint8Array(HEADER + slots.length * SLOT + DIGEST);
  const view = new DataView(octets.buffer);
  octets.set(Buffer.from(MAGIC, "latin1"));
  octets[4] = slots.length;
  octets[5] = TRIAL_STATES.indexOf(trial);
  octets[6] = OUTCOMES.indexOf(outcome);
  octets[7] = outcomeSlot ?? NO_SLOT;
  view.setBigUint64(8, sequence, true);
  slots.forEach((slot, i) => {
    const at = HEADER + i * SLOT;
    octets[at] = slot.slot;
    octets[at + 1] = bankCode(slot.confirmed);
    octets[at + 2] = bankCode(slot.trial);
    view.setUint32(at + 4, slot.securityCounter, true);
    octets.set(Buffer.from(slot.boardClass, "latin1"), at + CLASS_AT);
    for (const bank of BANKS) {
      const entry = slot.banks[bank];
      if (!entry) continue;
      const base = at + BANK_AT + (bank === "A" ? 0 : BANK);
      octets[base] = entry.proven ? 2 : 1;
      view.setUint32(base + 4, entry.securityCounter, true);
      writeVersion(view, base + 8, entry.version);
      octets.set(Buffer.from(entry.sha256, "hex"), base + 16);
      octets.set(Buffer.from(entry.set, "hex"), base + 48);
    }
  });
  octets.set(digest(octets.subarray(0, octets.length - DIGEST)), octets.length - DIGEST);
  return octets;
}

/** A record, or undefined for octets that are none, whole. */
export function decodeRecord(octets: Uint8Array | undefined): BootRecord | undefined {
  if (!octets || octets.length < HEADER + DIGEST) return undefined;
  const end = octets.length - DIGEST;
  if (!digest(octets.subarray(0, end)).equals(octets.subarray(end))) return undefined;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const count = octets[4]!;
  const trial = TRIAL_STATES[octets[5]!];
  const outcome = OUTCOMES[octets[6]!];
  if (Buffer.from(octets.subarray(0, 4)).toString("latin1") !== MAGIC || !trial || !outcome) return undefined;
  if (count > RECORD_SLOTS_MAX || end !== HEADER + count * SLOT) return undefined;
  const slots: SlotRecord[] = [];
  for (let i = 0; i < count; i++) {
    const slot = decodeSlot(octets, view, HEADER + i * SLOT);
    if (!slot || slots.some((other) => other.slot === slot.slot)) return undefined;
    slots.push(slot);
  }
  const outcomeSlot = octets[7] === NO_SLOT ? undefined : octets[7];
  return { sequence: view.getBigUint64(8, true), trial, outcome, outcomeSlot, slots };
}

function decodeSlot(octets: Uint8Array, view: DataView, at: number): SlotRecord | undefined {
  const codes = [octets[at + 1]!, octets[at + 2]!];
  if (octets[at]! >= RECORD_SLOTS_MAX || codes.some((code) => code > 2)) return undefined;
  const [confirmed, trial] = codes.map((code) => (code === 0 ? undefined : BANKS[code - 1])) as [Bank?, Bank?];
  const banks: Partial<Record<Bank, BankRecord>> = {};
  for (const bank of BANKS) {
    const base = at + BANK_AT + (bank === "A" ? 0 : BANK);
    const state = octets[base]!;
    if (state > 2) return undefined;
    if (state === 0) continue;
    const set = octets.subarray(base + 48, base + 48 + SET);
    banks[bank] = {
      proven: state === 2,
      securityCounter: view.getUint32(base + 4, true),
      version: readVersion(view, base + 8),
      sha256: hex(octets.subarray(base + 16, base + 48)),
      set: set.every((octet) => octet === 0) ? "" : hex(set),
    };
  }
  if ((confirmed && !banks[confirmed]) || (trial && !banks[trial])) return undefined;
  const boardClass = Buffer.from(octets.subarray(at + CLASS_AT, at + CLASS_AT + CLASS)).toString("latin1");
  return {
    slot: octets[at]!,
    boardClass: boardClass.replace(/\0+$/, ""),
    confirmed,
    trial,
    securityCounter: view.getUint32(at + 4, true),
    banks,
  };
}

/** What a set is called in a record. */
export const setName = (sha256: Uint8Array): string => hex(sha256.subarray(0, SET));
