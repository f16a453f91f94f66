/**
 * Which image boots in which slot.
 *
 *   1  under test: its images, if all of them are sound and fit; else the test is over
 *   2  confirmed: the confirmed bank of each slot
 *   3  a confirmed bank that is not sound (bit rot): the other bank, if it was confirmed once and still fits. Images of one set
 *      fall back together: all slots of the set, or none
 *   4  nothing: the slot stays off, with the reason
 *
 * A pure function of the record and of what the banks hold.
 */
import type { ImageFile } from "../../image/image_file.ts";
import { ImageRefused } from "../../image/refusal.ts";
import type { Image } from "../image.ts";
import { checkDependencies } from "./fit.ts";
import { type Bank, type BootRecord, otherBank, type SlotRecord } from "./record.ts";

/** A bank that was read: a sound image that fits its slot, or why not. */
export type BankContents = { file: ImageFile; image: Image } | ImageRefused;

export interface Chosen {
  slot: number;
  bank: Bank;
  file: ImageFile;
  image: Image;
  /** fallback: the confirmed bank is not sound, which `refused` tells of. */
  why: "trial" | "confirmed" | "fallback";
  refused?: ImageRefused;
}

export interface NotChosen {
  slot: number;
  refused: ImageRefused;
}

export type SlotChoice = Chosen | NotChosen;

export const isChosen = (choice: SlotChoice): choice is Chosen => "bank" in choice;

/** What a bank of a slot holds. */
export type Banks = (slot: number, bank: Bank) => BankContents;

const sound = (contents: BankContents): contents is Exclude<BankContents, ImageRefused> =>
  !(contents instanceof ImageRefused);

const chosenOf = (choices: readonly SlotChoice[]): { slot: number; facts: ImageFile["facts"] }[] =>
  choices.filter(isChosen).map(({ slot, file }) => ({ slot, facts: file.facts }));

/** Do these go together? The refusal, or undefined. */
export function discord(choices: readonly SlotChoice[]): ImageRefused | undefined {
  try {
    checkDependencies(chosenOf(choices));
    return undefined;
  } catch (error) {
    if (error instanceof ImageRefused) return error;
    throw error;
  }
}

function confirmedOf(slot: number, record: SlotRecord | undefined, banks: Banks): SlotChoice {
  if (!record?.confirmed)
    return { slot, refused: new ImageRefused("no_image", `nothing was flashed into slot ${slot}`) };
  const contents = banks(slot, record.confirmed);
  return sound(contents)
    ? { slot, bank: record.confirmed, ...contents, why: "confirmed" }
    : { slot, refused: contents };
}

/** What boots without a test. */
export function chooseConfirmed(record: BootRecord, slots: readonly number[], banks: Banks): SlotChoice[] {
  const recordOf = (slot: number): SlotRecord | undefined => record.slots.find((entry) => entry.slot === slot);
  const setOf = (slot: number): string => {
    const entry = recordOf(slot);
    return (entry?.confirmed && entry.banks[entry.confirmed]?.set) || "";
  };
  let choices = slots.map((slot) => confirmedOf(slot, recordOf(slot), banks));
  for (const { slot, refused } of choices.filter((choice): choice is NotChosen => !isChosen(choice))) {
    const now = choices.find((choice) => choice.slot === slot)!;
    if (isChosen(now)) continue; // its set has fallen back already
    const set = setOf(slot);
    const group = set === "" ? [slot] : slots.filter((other) => setOf(other) === set);
    const fallen = group.map((member) => fallBack(member, recordOf(member), banks, refused));
    if (!fallen.every((choice) => choice !== undefined)) continue;
    const attempt = choices.map((choice) => fallen.find((other) => other.slot === choice.slot) ?? choice);
    if (!discord(attempt)) choices = attempt;
  }
  return choices;
}

function fallBack(
  slot: number,
  record: SlotRecord | undefined,
  banks: Banks,
  refused: ImageRefused,
): Chosen | undefined {
  if (!record?.confirmed) return undefined;
  const bank = otherBank(record.confirmed);
  // What is under test, or was and failed, is nothing to fall back to.
  if (!record.banks[bank]?.proven || record.trial === bank) return undefined;
  const contents = banks(slot, bank);
  return sound(contents) ? { slot, bank, ...contents, why: "fallback", refused } : undefined;
}

/** What boots with the test that the record has. Throws ImageRefused, with the slot, when it cannot be. */
export function chooseTrial(record: BootRecord, slots: readonly number[], banks: Banks): SlotChoice[] {
  const choices = chooseConfirmed(record, slots, banks).map((choice): SlotChoice => {
    const bank = record.slots.find((entry) => entry.slot === choice.slot)?.trial;
    if (!bank) return choice;
    const contents = banks(choice.slot, bank);
    if (!sound(contents)) throw new TrialRefused(choice.slot, contents);
    return { slot: choice.slot, bank, ...contents, why: "trial" };
  });
  const refused = discord(choices);
  if (refused) throw new TrialRefused(undefined, refused);
  return choices;
}

/** A test cannot begin. */
export class TrialRefused extends Error {
  override name = "TrialRefused";
  constructor(
    readonly slot: number | undefined,
    readonly refused: ImageRefused,
  ) {
    super(refused.message);
  }
}
