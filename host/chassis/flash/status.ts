/** What the boot record says, for people and programs. */
import { renderVersion } from "../../image/version.ts";
import type { Bank, BootRecord, Outcome, SlotRecord, TrialState } from "./record.ts";

export interface BankStatus {
  version: string;
  securityCounter: number;
  /** Hexadecimal, of the file. */
  sha256: string;
  /** "" alone. */
  set: string;
  proven: boolean;
  /** Why it does not boot; absent when it is sound, or was not looked at. */
  problem?: string;
}

export interface FlashSlotStatus {
  slot: number;
  boardClass: string;
  confirmed: Bank | null;
  trial: Bank | null;
  securityCounter: number;
  A: BankStatus | null;
  B: BankStatus | null;
}

export interface FlashStatus {
  /** Of the test: none, pending (it begins with the next reset), running. */
  trial: TrialState;
  /** How the last test ended, and the slot that it was due to. */
  outcome: Outcome;
  outcomeSlot: number | null;
  slots: FlashSlotStatus[];
}

/** Banks are not looked at. */
export const statusOf = ({ trial, outcome, outcomeSlot, slots }: BootRecord): FlashStatus => ({
  trial,
  outcome,
  outcomeSlot: outcomeSlot ?? null,
  slots: slots.map((entry) => ({
    slot: entry.slot,
    boardClass: entry.boardClass,
    confirmed: entry.confirmed ?? null,
    trial: entry.trial ?? null,
    securityCounter: entry.securityCounter,
    A: bankStatus(entry, "A"),
    B: bankStatus(entry, "B"),
  })),
});

function bankStatus(entry: SlotRecord, bank: Bank): BankStatus | null {
  const written = entry.banks[bank];
  if (!written) return null;
  const { version, securityCounter, sha256, set, proven } = written;
  return { version: renderVersion(version), securityCounter, sha256, set, proven };
}
