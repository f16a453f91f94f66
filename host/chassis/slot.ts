/**
 * A slot of the card cage: what is in it, in which state, and what has happened there.
 */
import type { Fault } from "./fault.ts";
import type { ConfigItem } from "./config.ts";
import type { Bank } from "./flash/record.ts";
import type { Image } from "./image.ts";

/** The words that chassis operators know. */
export type SlotState = "Empty" | "Present" | "Announce online" | "Online" | "Announce offline" | "Offline";
export type BoardRole = "ike" | "ipsec";

/** Faults that a slot remembers. */
const HISTORY = 64;

export class Slot {
  state: SlotState = "Empty";
  /** Why the slot is offline; empty when somebody wished it so. */
  reason = "";
  image: Image | undefined;
  /** The bank of flash that the image is from; undefined: it is from a file. */
  bank: Bank | undefined;
  /** RAM of the board in it, in pages of 64 KiB; 0 before it was powered. */
  pages = 0;
  /** Rises with every reset; never repeats while the chassis lives. */
  generation = 0;
  /** NOW when the board came online, ns. */
  onlineSince = 0n;
  /** Resets after the first power-on. */
  restarts = 0;
  /** The last faults, oldest first. */
  readonly faults: Fault[] = [];
  /** Faults in a row, each soon after a restart: the measure of the back-off. */
  failures = 0;
  /** NOW of the faults that count as a crash loop, ns. */
  crashes: bigint[] = [];
  /** True when it is offline because its board died or refuses, or its image was refused: the FAIL lamp. */
  failed = false;
  /** Packets that the board had seen when its lamps were looked at last, and NOW when these were more than before: the ACT lamp. */
  activity = { packets: 0, at: 0n };
  /** IPsec board: CHILD_SAs that it takes, and its share among unlike boards. */
  saCapacity = 0;
  weight = 1;
  /** IPsec board: which logical board it is. */
  boardNumber = 0;
  /** IPsec board: the key of this generation for its control messages. */
  controlKey = new Uint8Array(0);
  /** IPsec board: the generation of the IKE board that was told of this generation, 0 for none. */
  announcedTo = 0;
  /** IPsec board: not 0 while it may have used numbers beyond its leases, without an IKE board, and not told the next one. */
  unsettled = 0;
  /** Ends the wait for a board that is being drained, with the CHILD_SAs that no other board takes. */
  drained: ((left: number) => void) | undefined;
  /** Whoever changes the slot waits for its turn. */
  turn: Promise<void> = Promise.resolve();
  /** True while its board is being restarted at once. */
  comesBack = false;
  /** Cancels a scheduled restart. */
  cancelRestart: (() => void) | undefined;

  constructor(
    readonly number: number,
    public role: BoardRole,
    /** CONFIG items beyond those that the chassis writes. */
    public config: readonly ConfigItem[] = [],
  ) {}

  /** True while its board serves, be it for the last time. */
  get serves(): boolean {
    return this.state === "Online" || this.state === "Announce offline";
  }

  remember(fault: Fault): void {
    this.faults.push(fault);
    if (this.faults.length > HISTORY) this.faults.shift();
  }
}
