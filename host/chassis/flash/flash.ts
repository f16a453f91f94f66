/**
 * The flash of a chassis: two banks (A and B) for each slot, and the boot record that says which of them boot.
 *
 *   write      an image goes into the bank that does not boot; nothing else changes
 *   test       a record: with the next reset these banks boot, once
 *   boot       a record, before anything is powered: the test runs now. At the reset after that it is over
 *   confirm    a record: what is under test boots from now on, and the security counters advance to its
 *   revert     a record: the test is over, what was confirmed boots
 *
 * Images of a set are written one after the other, and tested, confirmed and reverted by a single record each. A power cut at any step
 * leaves the old record or the new one, and every bank that either of them boots is whole (device.ts, record.ts). So the
 * chassis boots the old images or the new ones, all of them.
 *
 * Operations wait for each other. Refuses by name (ImageRefused) before anything is written.
 */
import { createHash } from "node:crypto";
import { FILE_MAX } from "../../image/container.ts";
import { ImageRefused } from "../../image/refusal.ts";
import type { PublicKey } from "../../image/signature.ts";
import { renderVersion } from "../../image/version.ts";
import { type Afterwards, counterOf, endTrial, enter, settle, type Written } from "./change.ts";
import {
  type BankContents,
  type Banks,
  type Chosen,
  chooseConfirmed,
  chooseTrial,
  discord,
  isChosen,
  type SlotChoice,
  TrialRefused,
} from "./choice.ts";
import { type FlashDevice, replaceFile } from "./device.ts";
import { openImage, type OpenedImage } from "./open.ts";
import { type FlashStatus, statusOf } from "./status.ts";
import { checkFit, type SlotFit } from "./fit.ts";
import {
  type Bank,
  BANKS,
  type BootRecord,
  decodeRecord,
  emptyRecord,
  encodeRecord,
  otherBank,
  RECORD_MAX,
  RECORD_SLOTS_MAX,
  type SlotRecord,
} from "./record.ts";

export interface FlashOptions {
  /** Whose images are taken. */
  trusted: readonly PublicKey[];
  /** The slots of the chassis. Default: any slot, and of each the class of the first image that goes into it. */
  slots?: ReadonlyMap<number, SlotFit>;
}

/** An image for a slot. */
export interface FlashRequest {
  slot: number;
  /** The .cci file. */
  octets: Uint8Array;
  /** Default: the bank that does not boot. */
  bank?: Bank;
  /** The set that it comes with (setName()); default: it comes alone. */
  set?: string;
}

export interface BootChoice {
  slots: SlotChoice[];
  /** What boots in the slots under test when the test fails; empty without one. */
  instead: SlotChoice[];
  /** What is worth an operator's attention, a sentence each. */
  notes: string[];
}

const COPIES = ["boot.0", "boot.1"] as const;
/** RAM of a slot whose chassis is not known: all that WebAssembly has. */
const ANY_RAM = 65536;

const bankFile = (slot: number, bank: Bank): string => `slot-${slot}.${bank.toLowerCase()}.cci`;
const digestOf = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

export class Flash {
  readonly #device: FlashDevice;
  readonly #trusted: readonly PublicKey[];
  readonly #fits: ReadonlyMap<number, SlotFit> | undefined;
  /** Undefined: to be read anew, because a write of it failed. */
  #record: BootRecord | undefined;
  /** The copy that is written first: the older one, or the one that is damaged. */
  #firstCopy = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Images that were found sound, by digest: slots often have the same. */
  readonly #known = new Map<string, OpenedImage>();

  private constructor(device: FlashDevice, options: FlashOptions) {
    this.#device = device;
    this.#trusted = options.trusted;
    this.#fits = options.slots;
  }

  /** Reads the boot record; a device without one has nothing flashed. Throws ImageRefused when both copies are damaged. */
  static async open(device: FlashDevice, options: FlashOptions): Promise<Flash> {
    const flash = new Flash(device, options);
    await flash.#load();
    return flash;
  }

  /** What the record says; banks are not looked at. */
  get status(): FlashStatus {
    return statusOf(this.#record ?? emptyRecord());
  }

  /** The same, with every bank read and verified. */
  inspect(): Promise<FlashStatus> {
    return this.#inTurn(async () => {
      const banks = await this.#banks(await this.#current());
      const { status } = this;
      for (const slot of status.slots) {
        for (const bank of BANKS) {
          const contents = banks(slot.slot, bank);
          if (slot[bank] && contents instanceof ImageRefused) slot[bank].problem = contents.message;
        }
      }
      return status;
    });
  }

  /**
   * A reset of the chassis: what boots in every slot. A test that was running is over; one that was pending runs from here on,
   * which is on record before this returns.
   */
  boot(): Promise<BootChoice> {
    return this.#inTurn(async () => {
      const notes: string[] = [];
      let record = await this.#current();
      if (record.trial === "running") {
        record = await this.#change((next) => endTrial(next, "not_confirmed"));
        notes.push("the images under test were not confirmed: back to the ones before");
      }
      const banks = await this.#banks(record);
      if (record.trial === "pending") {
        try {
          const begun = await this.#begin(record, banks);
          return { ...begun, notes: [...notes, ...notesOf(begun.slots), "images are under test"] };
        } catch (error) {
          if (!(error instanceof TrialRefused)) throw error;
          await this.#change((next) => endTrial(next, "refused", error.slot));
          const where = error.slot === undefined ? "" : `slot ${error.slot}: `;
          notes.push(`the test does not begin: ${where}${error.message}`);
        }
      }
      const choices = chooseConfirmed(record, this.#slots(record), banks);
      return { slots: choices, instead: [], notes: [...notes, ...notesOf(choices)] };
    });
  }

  /** Writes images into banks that do not boot; all of them are looked at before the first is written. Returns the banks. */
  write(
    requests: readonly FlashRequest[],
    afterwards: Afterwards,
  ): Promise<{ slot: number; bank: Bank; version: string }[]> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      if (record.trial === "running" || (record.trial === "pending" && afterwards === "confirm"))
        throw new ImageRefused("test_running", "images are under test: confirm or revert them first");
      const taken = await this.#take(record, requests);
      if (afterwards !== "nothing") await this.#checkTogether(record, taken);
      // A test that is to come must not find another image in its place.
      const touched = taken.some(({ slot }) => record.slots.find((entry) => entry.slot === slot)?.trial);
      if (touched) await this.#change((next) => endTrial(next, "replaced"));
      for (const { slot, bank, octets } of taken) await replaceFile(this.#device, bankFile(slot, bank), octets);
      await this.#change((next) => {
        for (const request of taken) enter(next, written(request), afterwards);
        if (afterwards === "test") next.trial = "pending";
      });
      return taken.map(({ slot, bank, file }) => ({ slot, bank, version: renderVersion(file.facts.version) }));
    });
  }

  /** The banks of these slots that do not boot are tested with the next reset, beside those of a test that is pending already. */
  test(slots: readonly number[]): Promise<{ slot: number; bank: Bank; version: string }[]> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      if (record.trial === "running") throw new ImageRefused("test_running");
      const banks = await this.#banks(record);
      const tested = slots.map((slot) => {
        const bank = this.#spareBank(record, slot, banks);
        const contents = banks(slot, bank);
        if (contents instanceof ImageRefused) throw contents;
        return { slot, bank, version: renderVersion(contents.file.facts.version) };
      });
      const set = (next: BootRecord): void => {
        next.trial = "pending";
        for (const { slot, bank } of tested) next.slots.find((entry) => entry.slot === slot)!.trial = bank;
      };
      const wanted = structuredClone(record);
      set(wanted);
      try {
        chooseTrial(wanted, this.#slots(record), banks);
      } catch (error) {
        throw error instanceof TrialRefused ? error.refused : error;
      }
      await this.#change(set);
      return tested;
    });
  }

  /**
   * A pending test begins now, in a chassis that runs: what its slots are to be powered with, and with what instead when it fails.
   * Throws ImageRefused.
   */
  begin(): Promise<{ slots: Chosen[]; instead: SlotChoice[] }> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      if (record.trial !== "pending") throw new ImageRefused("no_test", "no test of images is pending");
      try {
        const { slots, instead } = await this.#begin(record, await this.#banks(record));
        return { slots: slots.filter(isChosen).filter(({ why }) => why === "trial"), instead };
      } catch (error) {
        if (!(error instanceof TrialRefused)) throw error;
        await this.#change((next) => endTrial(next, "refused", error.slot));
        throw error.refused;
      }
    });
  }

  /** What a slot has at this moment: what is under test while a test runs, else what is confirmed. */
  choice(slot: number): Promise<SlotChoice> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      const choose = record.trial === "running" ? chooseTrial : chooseConfirmed;
      const found = choose(record, this.#slots(record), await this.#banks(record)).find((other) => other.slot === slot);
      return found ?? { slot, refused: new ImageRefused("no_slot", `the chassis has no slot ${slot}`) };
    });
  }

  /** What is under test boots from now on; the security counters advance. Returns its slots. */
  confirm(): Promise<number[]> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      if (record.trial === "pending")
        throw new ImageRefused("no_test", "the test has not begun: it does with the next reset");
      if (record.trial === "none") throw new ImageRefused("no_test");
      const slots = record.slots.filter(({ trial }) => trial).map(({ slot }) => slot);
      await this.#change((next) => {
        for (const entry of next.slots) if (entry.trial) settle(entry, entry.trial);
        endTrial(next, "confirmed");
      });
      return slots;
    });
  }

  /** The test is over, or does not begin. Returns what boots in its slots instead. */
  revert(outcome: "reverted" | "board_failed" = "reverted", slot?: number): Promise<SlotChoice[]> {
    return this.#inTurn(async () => {
      const record = await this.#current();
      if (record.trial === "none") throw new ImageRefused("no_test");
      const tested = record.slots.filter(({ trial }) => trial).map((entry) => entry.slot);
      const next = await this.#change((changed) => endTrial(changed, outcome, slot));
      return chooseConfirmed(next, this.#slots(next), await this.#banks(next)).filter((choice) =>
        tested.includes(choice.slot),
      );
    });
  }

  /** The test that is pending runs from here on. Throws TrialRefused. */
  async #begin(record: BootRecord, banks: Banks): Promise<{ slots: SlotChoice[]; instead: SlotChoice[] }> {
    const slots = chooseTrial(record, this.#slots(record), banks);
    const tested = slots.filter((choice) => isChosen(choice) && choice.why === "trial").map(({ slot }) => slot);
    const instead = chooseConfirmed(record, this.#slots(record), banks).filter(({ slot }) => tested.includes(slot));
    await this.#change((next) => void (next.trial = "running"));
    return { slots, instead };
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #load(): Promise<BootRecord> {
    const read = await Promise.all(
      COPIES.map((name) => this.#device.read(name, RECORD_MAX).catch(() => new Uint8Array(0))),
    );
    const [first, second] = read.map(decodeRecord);
    if (!first && !second && read.some((octets) => octets !== undefined)) throw new ImageRefused("record_damaged");
    this.#firstCopy = !first || (second && first.sequence <= second.sequence) ? 0 : 1;
    const newest = first && second ? (first.sequence >= second.sequence ? first : second) : (first ?? second);
    return (this.#record = newest ?? emptyRecord());
  }

  async #current(): Promise<BootRecord> {
    return this.#record ?? (await this.#load());
  }

  /** Changes the record, in both copies; it counts as soon as the first is written. */
  async #change(change: (next: BootRecord) => void): Promise<BootRecord> {
    const next = structuredClone(await this.#current());
    change(next);
    next.sequence += 1n;
    const octets = encodeRecord(next);
    // Whichever copy a failing device leaves behind has to be read again.
    this.#record = undefined;
    await replaceFile(this.#device, COPIES[this.#firstCopy] as string, octets);
    await replaceFile(this.#device, COPIES[1 - this.#firstCopy] as string, octets);
    return (this.#record = next);
  }

  #slots(record: BootRecord): number[] {
    return this.#fits ? [...this.#fits.keys()] : record.slots.map(({ slot }) => slot);
  }

  /** Throws ImageRefused for a slot that the chassis does not have. */
  #fit(record: BootRecord, slot: number, boardClass: string): SlotFit {
    if (this.#fits) {
      const fit = this.#fits.get(slot);
      if (!fit) throw new ImageRefused("no_slot", `the chassis has no slot ${slot}`);
      return fit;
    }
    if (!Number.isInteger(slot) || slot < 0 || slot >= RECORD_SLOTS_MAX)
      throw new ImageRefused("no_slot", `slots are 0 to ${RECORD_SLOTS_MAX - 1}`);
    const known = record.slots.find((entry) => entry.slot === slot);
    return { boardClass: known?.boardClass ?? boardClass, ramPages: ANY_RAM, ikeSas: 0, sas: 0 };
  }

  /** An image that may go into a slot. Throws ImageRefused. */
  #open(record: BootRecord, slot: number, octets: Uint8Array): OpenedImage {
    const digest = digestOf(octets);
    const sound = this.#known.get(digest) ?? openImage(octets, this.#trusted);
    this.#known.set(digest, sound);
    const { facts } = sound.file;
    checkFit(facts, slot, this.#fit(record, slot, facts.boardClass), counterOf(record, slot, facts.boardClass));
    return sound;
  }

  /** All banks, read and verified. */
  async #banks(record: BootRecord): Promise<Banks> {
    const contents = new Map<string, BankContents>();
    for (const entry of record.slots) {
      for (const bank of BANKS) contents.set(bankFile(entry.slot, bank), await this.#bank(record, entry, bank));
    }
    const flashed = new Set(record.slots.flatMap(({ banks }) => BANKS.map((bank) => banks[bank]?.sha256)));
    for (const digest of this.#known.keys()) if (!flashed.has(digest)) this.#known.delete(digest);
    return (slot, bank) =>
      contents.get(bankFile(slot, bank)) ?? new ImageRefused("no_image", `slot ${slot} ${bank} is empty`);
  }

  async #bank(record: BootRecord, entry: SlotRecord, bank: Bank): Promise<BankContents> {
    const written = entry.banks[bank];
    if (!written) return new ImageRefused("no_image", `slot ${entry.slot} ${bank} is empty`);
    try {
      const octets = await this.#device.read(bankFile(entry.slot, bank), FILE_MAX).catch(() => undefined);
      if (!octets) throw new ImageRefused("no_image", `slot ${entry.slot} ${bank} cannot be read`);
      if (digestOf(octets) !== written.sha256)
        throw new ImageRefused("not_flashed", `slot ${entry.slot} ${bank} does not hold what was flashed into it`);
      return this.#open(record, entry.slot, octets);
    } catch (error) {
      if (error instanceof ImageRefused) return error;
      throw error;
    }
  }

  /** The bank of a slot that does not boot. */
  #spareBank(record: BootRecord, slot: number, banks: Banks): Bank {
    const choice = chooseConfirmed(record, this.#slots(record), banks).find((other) => other.slot === slot);
    if (choice && isChosen(choice)) return otherBank(choice.bank);
    const confirmed = record.slots.find((entry) => entry.slot === slot)?.confirmed;
    return confirmed ? otherBank(confirmed) : "A";
  }

  /** Opens every request and gives it its bank. Throws ImageRefused. */
  async #take(
    record: BootRecord,
    requests: readonly FlashRequest[],
  ): Promise<(FlashRequest & OpenedImage & { bank: Bank })[]> {
    const banks = await this.#banks(record);
    return requests.map((request, i) => {
      const { slot } = request;
      if (requests.findIndex((other) => other.slot === slot) !== i) throw new RangeError(`two images for slot ${slot}`);
      const opened = this.#open(record, slot, request.octets);
      const spare = this.#spareBank(record, slot, banks);
      const occupied = record.slots.some((entry) => entry.slot === slot && entry.confirmed);
      const bank = request.bank ?? spare;
      if (bank !== spare && occupied)
        throw new ImageRefused("bank_in_use", `slot ${slot} boots from ${bank}: the image goes into ${spare}`);
      return { ...request, bank, ...opened };
    });
  }

  /** With these images in place of what boots, and of what is to be tested: do all go together? Throws ImageRefused. */
  async #checkTogether(
    record: BootRecord,
    taken: readonly (OpenedImage & { slot: number; bank: Bank })[],
  ): Promise<void> {
    const banks = await this.#banks(record);
    const replaced = taken.some(({ slot }) => record.slots.find((entry) => entry.slot === slot)?.trial);
    const slots = [...new Set([...this.#slots(record), ...taken.map(({ slot }) => slot)])];
    const before =
      record.trial === "pending" && !replaced
        ? chooseTrial(record, slots, banks)
        : chooseConfirmed(record, slots, banks);
    const choices = before.map((choice): SlotChoice => {
      const request = taken.find(({ slot }) => slot === choice.slot);
      return request ? { ...request, why: "trial" } : choice;
    });
    const refused = discord(choices);
    if (refused) throw refused;
  }
}

/** What a request is on record. */
const written = ({ slot, bank, octets, file, set }: FlashRequest & OpenedImage & { bank: Bank }): Written => ({
  slot,
  bank,
  facts: file.facts,
  sha256: digestOf(octets),
  set: set ?? "",
});

const notesOf = (choices: readonly SlotChoice[]): string[] =>
  choices.flatMap((choice) =>
    isChosen(choice)
      ? choice.refused
        ? [`slot ${choice.slot}: back to ${choice.bank}: ${choice.refused.message}`]
        : []
      : [`slot ${choice.slot}: ${choice.refused.message}`],
  );
