/** What operations make of a boot record: changes of it that are written as one (flash.ts). */
import type { ImageFacts } from "../../image/image_file.ts";
import { type Bank, type BootRecord, otherBank, type Outcome, type SlotRecord } from "./record.ts";

/** What becomes of an image that was written: nothing, a test at the next reset, or it boots from then on without one. */
export type Afterwards = "nothing" | "test" | "confirm";

/** An image that was written into a bank. */
export interface Written {
  slot: number;
  bank: Bank;
  facts: ImageFacts;
  /** Of the file, hexadecimal. */
  sha256: string;
  /** "" alone. */
  set: string;
}

/** The counter below which a slot takes no image: its own, or that of the slots of its class when it is new. */
export function counterOf(record: BootRecord, slot: number, boardClass: string): number {
  const own = record.slots.find((entry) => entry.slot === slot);
  if (own) return own.securityCounter;
  const others = record.slots.filter((entry) => entry.boardClass === boardClass && entry.confirmed);
  return others.length === 0 ? 0 : Math.min(...others.map(({ securityCounter }) => securityCounter));
}

/** The test is over. */
export function endTrial(record: BootRecord, outcome: Outcome, slot?: number): void {
  record.trial = "none";
  record.outcome = outcome;
  record.outcomeSlot = slot;
  for (const entry of record.slots) entry.trial = undefined;
}

/** A bank boots from now on. */
export function settle(entry: SlotRecord, bank: Bank): void {
  const written = entry.banks[bank]!;
  written.proven = true;
  entry.confirmed = bank;
  entry.securityCounter = Math.max(entry.securityCounter, written.securityCounter);
}

/** Enters what was written into a bank. */
export function enter(record: BootRecord, { slot, bank, facts, sha256, set }: Written, afterwards: Afterwards): void {
  const { boardClass, securityCounter, version } = facts;
  let entry = record.slots.find((other) => other.slot === slot);
  if (!entry) {
    const floor = counterOf(record, slot, boardClass);
    entry = { slot, boardClass, confirmed: undefined, trial: undefined, securityCounter: floor, banks: {} };
    record.slots.push(entry);
  }
  entry.boardClass = boardClass;
  // A confirmed bank is written only when it was damaged and the other one boots: that is confirmed now.
  if (entry.confirmed === bank) entry.confirmed = entry.banks[otherBank(bank)]?.proven ? otherBank(bank) : undefined;
  entry.banks[bank] = { proven: false, securityCounter, version, sha256, set };
  if (afterwards === "test") entry.trial = bank;
  if (afterwards === "confirm") settle(entry, bank);
}
