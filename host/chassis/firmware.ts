/**
 * The firmware of a chassis that boots from flash: which image every slot has, tests of new ones, updates while it runs.
 *
 *   update   write into the bank that does not boot -> [drain the board -> power off -> power on with the new image -> watch it]
 *            for each slot of the test, IPsec boards first -> confirm, or leave it under test
 *   failure  a board under test that refuses service, traps or hangs: all slots of the test get back what they had, at once
 *
 * The test is on record before the first new image has power, and its end after the last one has: a power cut in between boots what
 * was confirmed. Nothing is refused after a board was touched; what can be refused is refused before (flash.ts).
 */
import { ImageRefused } from "../image/refusal.ts";
import { renderVersion } from "../image/version.ts";
import type { Drive } from "./drive/drive.ts";
import { type Chosen, isChosen, type SlotChoice } from "./flash/choice.ts";
import type { SlotFit } from "./flash/fit.ts";
import type { BootChoice, Flash, FlashRequest } from "./flash/flash.ts";
import type { FlashSlotStatus } from "./flash/status.ts";
import type { Bank } from "./flash/record.ts";
import type { Slot } from "./slot.ts";
import type { BoardEvent, Supervisor } from "./supervisor.ts";

/** How long a board under test is watched before the next one's turn, ms of the drive's clock. */
const WATCH = 2000;
/** How long a failed test may take until its boards are up again with what they had. */
const REVERT_PATIENCE = 60_000;

export interface FirmwareParts {
  flash: Flash;
  slots: ReadonlyMap<number, Slot>;
  supervisor: Pick<Supervisor, "restart" | "offline" | "forgive" | "alarms">;
  drive: Drive;
  /**
   * Takes a board out of service, its SAs going to other boards before. Resolves to 0 when it has no power any more; to the number of
   * CHILD_SAs that no other board takes when it serves on for them, which it does unless `force` says otherwise.
   */
  vacate(slot: number, force: boolean): Promise<number>;
  announce(event: ImageEvent): void;
}

/** What becomes of the image of a slot. */
export interface ImageEvent {
  slot: number;
  bank: Bank | null;
  version: string;
  state: "flashed" | "testing" | "confirmed" | "reverted";
  text?: string;
}

export interface UpdateOptions {
  /** Confirm when the boards were watched and are well. Default: leave them under test. */
  confirm?: boolean;
  /** How long each board is watched, ms. Default 2000. */
  watch?: number;
  /** Also boards with CHILD_SAs that no other board takes, which lose what arrives meanwhile. Default: these are left alone. */
  force?: boolean;
}

export interface UpdateResult {
  outcome: "confirmed" | "testing" | "reverted";
  slots: { slot: number; bank: Bank; version: string }[];
  /** Why it was reverted. */
  reason?: string;
}

/** Images of one slot, for status. */
export interface SlotImages {
  /** What the board in it has; null when nothing boots. */
  bank: Bank | null;
  /** That is under test. */
  testing: boolean;
  A: string | null;
  B: string | null;
}

/** A test that runs: what its slots get when it fails. */
interface Running {
  instead: readonly SlotChoice[];
  /** Slots whose boards have the new image. */
  tested: Set<number>;
  /** Resolves when a failure has been answered: every slot has what it had. */
  failure?: { reason: string; answered: Promise<void> };
}

const versionOf = (choice: SlotChoice): string => (isChosen(choice) ? renderVersion(choice.file.facts.version) : "");

export class Firmware {
  readonly #parts: FirmwareParts;
  #running: Running | undefined;
  #busy = false;

  /** Puts what booted into the slots; nothing has power yet. */
  constructor(parts: FirmwareParts, boot: BootChoice) {
    this.#parts = parts;
    for (const choice of boot.slots) {
      const slot = parts.slots.get(choice.slot);
      if (!slot) continue;
      slot.state = "Present";
      this.#fit(slot, choice);
    }
    if (boot.instead.length > 0) {
      this.#running = { instead: boot.instead, tested: new Set(boot.instead.map(({ slot }) => slot)) };
    }
  }

  get flash(): Flash {
    return this.#parts.flash;
  }

  /** Are images under test? */
  get testing(): boolean {
    return this.#running !== undefined;
  }

  show(slot: Slot): SlotImages {
    const entry: FlashSlotStatus | undefined = this.flash.status.slots.find((other) => other.slot === slot.number);
    return {
      bank: slot.bank ?? null,
      testing: this.#running !== undefined && entry?.trial !== null && entry?.trial !== undefined,
      A: entry?.A?.version ?? null,
      B: entry?.B?.version ?? null,
    };
  }

  /** A board came up or went down: one that is under test has failed when it does not serve. */
  observe(event: BoardEvent): void {
    const running = this.#running;
    if (!running || running.failure || !running.tested.has(event.slot)) return;
    const { slot } = event;
    if (event.kind === "trap") this.#fail(running, slot, `slot ${slot}: ${event.fault.kind}: ${event.fault.message}`);
    else if (event.kind === "down" && this.#parts.slots.get(slot)?.state === "Offline")
      this.#fail(running, slot, `slot ${slot}: ${event.reason}`);
  }

  /** What flash has for a slot at this moment, under test or not. Throws ImageRefused when that is nothing. */
  async choice(slot: number): Promise<Chosen> {
    const choice = await this.flash.choice(slot);
    if (!isChosen(choice)) throw choice.refused;
    return choice;
  }

  /** Writes images into banks that do not boot, and leaves it at that. Throws ImageRefused. */
  async write(requests: readonly FlashRequest[]): Promise<UpdateResult["slots"]> {
    const written = await this.flash.write(requests, "nothing");
    for (const one of written) this.#tell({ ...one, state: "flashed" });
    return written;
  }

  /** New images for boards of the running chassis, one board after the other. Throws ImageRefused before any of them is touched. */
  update(requests: readonly FlashRequest[], options: UpdateOptions = {}): Promise<UpdateResult> {
    return this.#alone(async () => {
      const written = await this.flash.write(requests, "test");
      for (const one of written) this.#tell({ ...one, state: "flashed" });
      return this.#test(options);
    });
  }

  /** The banks of these slots that do not boot get power, under test. */
  test(slots: readonly number[], options: UpdateOptions = {}): Promise<UpdateResult> {
    return this.#alone(async () => {
      await this.flash.test(slots);
      return this.#test(options);
    });
  }

  /** What is under test stays. Throws ImageRefused. */
  confirm(): Promise<number[]> {
    return this.#alone(() => this.#confirm());
  }

  /** The test is over: its boards get back what they had. Throws ImageRefused. */
  revert(): Promise<number[]> {
    return this.#alone(async () => {
      const choices = await this.flash.revert();
      // A failure from here on is no longer the test's.
      const running = this.#running;
      this.#running = undefined;
      for (const choice of choices) {
        if (!running?.tested.has(choice.slot)) continue;
        await this.#parts.vacate(choice.slot, true);
        await this.#putBack(choice);
      }
      return choices.map(({ slot }) => slot);
    });
  }

  async #confirm(): Promise<number[]> {
    // The end of a test that failed may not have reached a failing device: it must not be confirmed for that.
    if (!this.#running || this.#running.failure) throw new ImageRefused("no_test");
    const slots = await this.flash.confirm();
    this.#running = undefined;
    for (const slot of slots) this.#tellOf(slot, "confirmed");
    return slots;
  }

  /** Begins the pending test: board by board, IPsec boards first, so that the IKE board finds them as it goes on. */
  async #test({ confirm = false, watch = WATCH, force = false }: UpdateOptions): Promise<UpdateResult> {
    const { slots: parts, drive, supervisor } = this.#parts;
    const { slots, instead } = await this.flash.begin();
    const running: Running = { instead, tested: new Set() };
    this.#running = running;
    const order = [...slots].sort((a, b) => rank(parts.get(a.slot)) - rank(parts.get(b.slot)) || a.slot - b.slot);
    const result = order.map((choice) => ({ slot: choice.slot, bank: choice.bank, version: versionOf(choice) }));
    for (const choice of order) {
      const slot = parts.get(choice.slot);
      if (!slot || running.failure) break;
      const left = await this.#parts.vacate(choice.slot, force);
      if (running.failure) break;
      if (left > 0) {
        this.#fail(running, choice.slot, `slot ${choice.slot}: ${stuck(left)}`, "reverted");
        break;
      }
      running.tested.add(choice.slot);
      this.#fit(slot, choice);
      supervisor.forgive(slot);
      this.#tellOf(choice.slot, "testing");
      await supervisor.restart(slot);
      await drive.until(() => running.failure !== undefined, watch);
    }
    const { failure } = running;
    if (failure) {
      let answered = false;
      drive.pending(failure.answered.then(() => void (answered = true)));
      await drive.until(() => answered, REVERT_PATIENCE);
      return { outcome: "reverted", slots: result, reason: failure.reason };
    }
    if (!confirm) return { outcome: "testing", slots: result };
    await this.#confirm();
    return { outcome: "confirmed", slots: result };
  }

  /**
   * The test has failed. Every slot that has its new image has the old one before this returns, so that whatever restarts a board
   * restarts it with that.
   */
  #fail(running: Running, slot: number, reason: string, outcome: "reverted" | "board_failed" = "board_failed"): void {
    const { slots, drive, flash } = this.#parts;
    const back = running.instead.filter((choice) => running.tested.has(choice.slot));
    for (const choice of back) {
      const bay = slots.get(choice.slot);
      if (bay && isChosen(choice)) bay.image = choice.image;
    }
    const answer = async (): Promise<void> => {
      // A device that fails here leaves the test on record: the next reset ends it.
      await flash.revert(outcome, slot).catch(() => undefined);
      if (this.#running === running) this.#running = undefined;
      for (const choice of back) await this.#putBack(choice, reason);
    };
    running.failure = { reason, answered: answer() };
    drive.pending(running.failure.answered);
  }

  /** A slot gets power with what it had; without that it stays off. */
  async #putBack(choice: SlotChoice, reason?: string): Promise<void> {
    const { slots, supervisor } = this.#parts;
    const bay = slots.get(choice.slot);
    if (!bay) return;
    if (isChosen(choice)) {
      this.#fit(bay, choice);
      supervisor.forgive(bay);
      await supervisor.restart(bay);
    } else {
      await supervisor.offline(bay);
      this.#fit(bay, choice);
    }
    this.#tellOf(choice.slot, "reverted", reason);
  }

  /** Gives a slot the image of a choice; one without is off, with the reason. */
  #fit(slot: Slot, choice: SlotChoice): void {
    const { alarms } = this.#parts.supervisor;
    const now = this.#parts.drive.clock.now();
    alarms.clear(slot.number, "image_refused", "image_fallback");
    if (isChosen(choice)) {
      slot.bank = choice.bank;
      slot.image = choice.image;
      if (choice.refused) alarms.raise(slot.number, "image_fallback", choice.refused.message, now);
      return;
    }
    slot.bank = undefined;
    slot.image = undefined;
    slot.state = "Offline";
    slot.reason = `image refused: ${choice.refused.message}`;
    slot.failed = true;
    alarms.raise(slot.number, "image_refused", choice.refused.message, now);
  }

  #tellOf(slot: number, state: ImageEvent["state"], text?: string): void {
    const bank = this.#parts.slots.get(slot)?.bank ?? null;
    const entry = this.flash.status.slots.find((other) => other.slot === slot);
    const version = (bank && entry?.[bank]?.version) ?? "";
    this.#tell({ slot, bank, version, state, ...(text === undefined ? {} : { text }) });
  }

  #tell({ slot, bank, version, state, text }: ImageEvent): void {
    this.#parts.announce({ slot, bank, version, state, ...(text === undefined ? {} : { text }) });
  }

  async #alone<T>(action: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new ImageRefused("test_running", "images are being changed at this moment");
    this.#busy = true;
    try {
      return await action();
    } finally {
      this.#busy = false;
    }
  }
}

const stuck = (left: number): string =>
  `it has ${Number.isFinite(left) ? `${left} CHILD_SAs that no other board takes` : "CHILD_SAs that do not move"}; force loses what arrives for them meanwhile`;

const rank = (slot: Slot | undefined): number => (slot?.role === "ike" ? 1 : 0);

/** What the slots of a chassis take, for its flash. */
export function slotFits(
  plans: readonly { slot: number; board: string; saCapacity?: number }[],
  { ramPages, ikeSas, childSas, sas }: { ramPages: number; ikeSas: number; childSas: number; sas: number },
): Map<number, SlotFit> {
  return new Map(
    plans.map(({ slot, board, saCapacity = sas }) => [
      slot,
      board === "ike"
        ? { boardClass: board, ramPages, ikeSas, sas: childSas }
        : { boardClass: board, ramPages, ikeSas: 0, sas: saCapacity },
    ]),
  );
}
