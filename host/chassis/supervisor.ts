/**
 * The supervisor: observes, wipes, restarts with the next generation, announces. It never waits for a board.
 *
 * Boards up and down are told to the IKE board on its MANAGEMENT port. Each generation of an IPsec board has a fresh key for its
 * control messages, whose sequence numbers start anew with every IKE board; so when the IKE board restarts, IPsec
 * boards whose key has been used are reset as well, and announced with their new keys.
 *
 * A board that faults is restarted at once; one that faults again soon after waits for 1 s, 2 s, 4 s ... up to a minute. One that
 * has died too often in too short a time is in a crash loop: it stays offline, with a major alarm, until an operator restarts it or puts
 * another board in. A board that refuses service (CONFIG, RAM, self test) stays offline as well: restarting would change nothing.
 */
import { BOARD_CLASS_IKE, BOARD_CLASS_IPSEC, REG_ENTROPY_OCTETS } from "../../assembly/abi/board.ts";
import {
  MANAGEMENT_BOARD_DOWN,
  MANAGEMENT_BOARD_DRAIN,
  MANAGEMENT_BOARD_UP,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_REBALANCE,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management.ts";
import { PORT_MANAGEMENT } from "../../assembly/abi/ring.ts";
import { NS_PER_SECOND } from "./clock.ts";
import { type Alarm, AlarmPanel } from "./alarms.ts";
import type { Cage, Drive } from "./drive/drive.ts";
import type { EntropySource } from "./entropy.ts";
import { locateFault, type Fault, type TrapReport } from "./fault.ts";
import { ramPages } from "./image.ts";
import type { Slot } from "./slot.ts";
import { refusalName } from "./vocabulary.ts";

export const CONTROL_KEY_OCTETS = 32;
/** Transactions of the chassis's own commands have this bit; their replies go to nobody else. */
export const CHASSIS_TRANSACTION = 0x8000_0000;

/** Pause, ns, and number of repetitions of an announcement that found the IKE board's management ring full. */
const TELL_PAUSE = 10_000_000n;
const TELL_TRIES = 1000;

/** Patience with a board that is drained, ms, and how often the IKE board is told. */
const DRAIN_PATIENCE = 5000;
const DRAIN_TRIES = 12;

const STABLE = 10n * NS_PER_SECOND;
const BACK_OFF_MAX = 60n * NS_PER_SECOND;

/** What makes a crash loop: so many faults within so many seconds. */
export interface CrashLimit {
  crashes: number;
  seconds: number;
}

/** With the pauses of the back-off, a board that dies as it comes up reaches the tenth fault after four minutes. */
export const CRASH_LIMIT: CrashLimit = { crashes: 10, seconds: 600 };

export type BoardEvent =
  | { kind: "up"; slot: number; generation: number }
  | { kind: "down"; slot: number; generation: number; reason: string }
  | { kind: "trap"; slot: number; generation: number; fault: Fault }
  | { kind: "alarm"; slot: number; generation: number; alarm: Alarm; raised: boolean };

export interface SupervisorParts {
  drive: Drive;
  cage: Cage;
  slots: ReadonlyMap<number, Slot>;
  ikeSlot: number;
  entropy: EntropySource;
  /** What the IKE board is configured to hold: IKE_SAs and CHILD_SAs. */
  capacity: { ikeSas: number; childSas: number };
  conservation: boolean;
  crashLimit?: CrashLimit;
  traceMask(): number;
  /** The CONFIG of a slot's next generation. */
  configOf(slot: Slot): Uint8Array;
  announce(event: BoardEvent): void;
}

export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly alarms: AlarmPanel;
  #transaction = 0;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.alarms = new AlarmPanel((alarm, raised) => {
      const generation = parts.slots.get(alarm.slot)?.generation ?? 0;
      parts.announce({ kind: "alarm", slot: alarm.slot, generation, alarm, raised });
    });
  }

  /** Resets a slot: fresh RAM, next generation. Resolves when the board is online or has failed; see the slot's state. */
  restart(slot: Slot): Promise<void> {
    return this.#inTurn(slot, () => this.#bringUp(slot));
  }

  /** What was wrong with a slot is looked after: its crashes and alarms are forgotten. */
  forgive(slot: Slot): void {
    slot.failures = 0;
    slot.crashes = [];
    slot.failed = false;
    this.alarms.clear(slot.number, "crash_loop", "board_refused", "board_restarting");
  }

  /**
   * The SAs of an IPsec board go to the others, without loss. Resolves to the number of CHILD_SAs that no other board takes; the board serves
   * on until somebody takes it offline, or resumes it.
   */
  async drain(slot: Slot): Promise<number> {
    const { drive, slots, ikeSlot } = this.#parts;
    const ike = slots.get(ikeSlot);
    if (slot.role !== "ipsec" || slot.state !== "Online") return 0;
    if (ike?.state !== "Online" || slot.announcedTo !== ike.generation) return 0;
    slot.state = "Announce offline";
    let left: number | undefined;
    slot.drained = (links) => (left = links);
    const { generation } = slot;
    const current = (): boolean => slot.generation === generation && slot.state === "Announce offline";
    for (let tries = 0; tries < DRAIN_TRIES && current() && left === undefined; tries++) {
      this.#tellDrain(slot, true);
      await drive.until(() => left !== undefined || !current(), DRAIN_PATIENCE);
    }
    slot.drained = undefined;
    return left ?? (current() ? Infinity : 0);
  }

  /** A board that was drained serves again. */
  resume(slot: Slot): void {
    if (slot.state !== "Announce offline") return;
    slot.state = "Online";
    this.#tellDrain(slot, false);
  }

  #tellDrain(slot: Slot, off: boolean): void {
    const body = new DataView(new ArrayBuffer(12));
    body.setUint32(0, slot.number, true);
    body.setUint32(4, slot.generation, true);
    body.setUint32(8, off ? 1 : 0, true);
    this.#tellIke(MANAGEMENT_BOARD_DRAIN, new Uint8Array(body.buffer));
  }

  /** All boards shall carry their share of the CHILD_SAs. */
  rebalance(): void {
    this.#tellIke(MANAGEMENT_REBALANCE, new Uint8Array(0));
  }

  /** Takes a slot offline and wipes its board. */
  offline(slot: Slot, reason = ""): Promise<void> {
    return this.#inTurn(slot, async () => {
      slot.cancelRestart?.();
      if (slot.serves) {
        slot.state = "Announce offline";
        this.#down(slot, reason || "taken offline");
      }
      await this.#parts.cage.off(slot.number);
      if (slot.image) slot.state = "Offline";
      slot.reason = reason;
      this.forgive(slot);
    });
  }

  /** A board died by itself; the cage has wiped it. */
  faulted(slot: Slot, generation: number, report: TrapReport): void {
    if (generation !== slot.generation || !slot.image) return;
    const { drive } = this.#parts;
    const wasOnline = slot.serves;
    const fault = locateFault(report, slot.image, slot.number, generation, drive.clock.now());
    slot.remember(fault);
    slot.state = "Offline";
    slot.reason = fault.message;
    this.#parts.announce({ kind: "trap", slot: slot.number, generation, fault });
    if (wasOnline) this.#down(slot, fault.message);
    slot.cancelRestart?.();
    slot.cancelRestart = undefined;
    slot.failed = true;
    if (this.#inCrashLoop(slot)) return;
    const stable = wasOnline && drive.clock.now() - slot.onlineSince >= STABLE;
    slot.failures = stable ? 1 : slot.failures + 1;
    const delay = slot.failures === 1 ? 0n : NS_PER_SECOND << BigInt(Math.min(slot.failures - 2, 6));
    if (delay > 0n) this.alarms.raise(slot.number, "board_restarting", fault.message, drive.clock.now());
    slot.cancelRestart = drive.after(
      delay < BACK_OFF_MAX ? delay : BACK_OFF_MAX,
      () => drive.pending(this.restart(slot)),
      delay === 0n,
    );
  }

  /** Counts a fault; true when it is one too many, and the alarm is raised. */
  #inCrashLoop(slot: Slot): boolean {
    const { crashes, seconds } = this.#parts.crashLimit ?? CRASH_LIMIT;
    const now = this.#parts.drive.clock.now();
    const since = now - BigInt(seconds) * NS_PER_SECOND;
    slot.crashes = [...slot.crashes.filter((at) => at > since), now];
    if (slot.crashes.length < crashes) return false;
    const said = slot.reason;
    slot.reason = `crash loop: ${said}`;
    this.alarms.clear(slot.number, "board_restarting");
    this.alarms.raise(slot.number, "crash_loop", `${crashes} faults in ${seconds} s, the last: ${said}`, now);
    return true;
  }

  /** The next transaction number of the chassis's own. */
  transaction(): number {
    this.#transaction = (this.#transaction + 1) & 0x7fff_ffff;
    return (CHASSIS_TRANSACTION | this.#transaction) >>> 0;
  }

  #inTurn(slot: Slot, action: () => Promise<void>): Promise<void> {
    const result = slot.turn.then(action);
    slot.turn = result.catch(() => undefined);
    return result;
  }

  async #bringUp(slot: Slot): Promise<void> {
    const { cage, drive, entropy } = this.#parts;
    if (!slot.image) throw new Error(`slot ${slot.number} is empty`);
    slot.cancelRestart?.();
    slot.cancelRestart = undefined;
    if (slot.serves) this.#down(slot, "reset");
    if (slot.generation > 0) slot.restarts += 1;
    slot.generation += 1;
    slot.state = "Announce online";
    slot.reason = "";
    slot.announcedTo = 0;
    const secret = new Uint8Array(REG_ENTROPY_OCTETS);
    entropy.fill(secret);
    if (slot.role === "ipsec") {
      slot.controlKey = new Uint8Array(CONTROL_KEY_OCTETS);
      entropy.fill(slot.controlKey);
    }
    const { generation } = slot;
    const { ikeSas, childSas } = this.#parts.capacity;
    slot.pages =
      slot.role === "ike" ? ramPages(slot.image, ikeSas, childSas) : ramPages(slot.image, 0, slot.saCapacity);
    const result = await cage.power(slot.number, slot.image, {
      pages: slot.pages,
      slot: slot.number,
      generation,
      boardClass: slot.role === "ike" ? BOARD_CLASS_IKE : BOARD_CLASS_IPSEC,
      config: this.#parts.configOf(slot),
      entropy: secret,
      traceMask: this.#parts.traceMask(),
      conservation: this.#parts.conservation,
    });
    if (slot.generation !== generation || slot.state !== "Announce online") return;
    if (!result.online) {
      if ("fault" in result) return this.faulted(slot, generation, result.fault);
      slot.state = "Offline";
      slot.reason = `refused: ${refusalName(result.refusal)}`;
      slot.failed = true;
      this.alarms.clear(slot.number, "board_restarting");
      this.alarms.raise(slot.number, "board_refused", slot.reason, drive.clock.now());
      this.#parts.announce({ kind: "down", slot: slot.number, generation, reason: slot.reason });
      return;
    }
    slot.state = "Online";
    slot.failed = false;
    this.alarms.clear(slot.number, "board_restarting", "board_refused");
    slot.onlineSince = drive.clock.now();
    this.#parts.announce({ kind: "up", slot: slot.number, generation });
    if (slot.number === this.#parts.ikeSlot) this.#announceAll();
    else this.#announceBoard(slot);
  }

  /** A new IKE board learns of all boards; those whose key an earlier one has used get a new one first. */
  #announceAll(): void {
    for (const slot of this.#parts.slots.values()) {
      if (slot.number === this.#parts.ikeSlot || slot.state !== "Online") continue;
      if (slot.announcedTo === 0) this.#announceBoard(slot);
      else this.#parts.drive.pending(this.restart(slot));
    }
  }

  #announceBoard(slot: Slot): void {
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (ike?.state !== "Online" || slot.role !== "ipsec") return;
    slot.announcedTo = ike.generation;
    const body = new Uint8Array(12 + CONTROL_KEY_OCTETS + 8);
    const view = new DataView(body.buffer);
    view.setUint32(0, slot.number, true);
    view.setUint32(4, slot.generation, true);
    view.setUint32(8, slot.saCapacity, true);
    body.set(slot.controlKey, 12);
    view.setUint32(12 + CONTROL_KEY_OCTETS, slot.weight, true);
    view.setUint32(16 + CONTROL_KEY_OCTETS, slot.boardNumber, true);
    this.#tellIke(MANAGEMENT_BOARD_UP, body);
  }

  /** Tells the chassis, and the IKE board if it knew this generation. */
  #down(slot: Slot, reason: string): void {
    this.#parts.announce({ kind: "down", slot: slot.number, generation: slot.generation, reason });
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (slot.role !== "ipsec" || ike?.state !== "Online" || slot.announcedTo !== ike.generation) return;
    const body = new Uint8Array(8);
    new DataView(body.buffer).setUint32(0, slot.number, true);
    new DataView(body.buffer).setUint32(4, slot.generation, true);
    this.#tellIke(MANAGEMENT_BOARD_DOWN, body);
  }

  #tellIke(type: number, body: Uint8Array): void {
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (ike) this.tell(ike, type, body);
  }

  /** Tells a board something on its MANAGEMENT port. */
  tell(slot: Slot, type: number, body: Uint8Array): void {
    const message = new Uint8Array(MANAGEMENT_HEADER + body.length);
    const view = new DataView(message.buffer);
    view.setUint16(MANAGEMENT_TYPE, type, true);
    view.setUint32(MANAGEMENT_TRANSACTION, this.transaction(), true);
    view.setUint32(MANAGEMENT_LENGTH, message.length, true);
    message.set(body, MANAGEMENT_HEADER);
    this.#deliver(slot, message, slot.generation, TELL_TRIES);
  }

  /** A full management ring must not lose an announcement: it is repeated while the board is the same. */
  #deliver(slot: Slot, message: Uint8Array, generation: number, tries: number): void {
    const { cage, drive } = this.#parts;
    if (cage.deliver(slot.number, PORT_MANAGEMENT, message) || tries === 0) return;
    drive.after(TELL_PAUSE, () => {
      if (slot.state === "Online" && slot.generation === generation)
        this.#deliver(slot, message, generation, tries - 1);
    });
  }
}
