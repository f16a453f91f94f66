/**
 * The supervisor: observes, wipes, restarts with the next generation, announces. It never waits for a board.
 *
 * Boards up and down are told to the IKE board on its MANAGEMENT port. Each generation of an IPsec board has a fresh key for its
 * control messages. When the IKE board restarts, it is given its checkpoint (checkpoint.ts): IPsec boards run on, and are announced
 * with new keys. Without a checkpoint it begins anew, and so do the IPsec boards that an earlier one knew, which still have its SAs. IPsec boards
 * that get no IKE board for a while (ORPHAN_TIME) begin anew as well: nobody ends the life of their SAs.
 *
 * A board that faults is restarted at once; one that faults again soon after waits for 1 s, 2 s, 4 s ... up to a minute. One that
 * has died too often in too short a time is in a crash loop: it stays offline, with a major alarm, until an operator restarts it or puts
 * another board in. A board that refuses service (CONFIG, RAM, self test) stays offline as well: restarting would change nothing.
 */
import { BOARD_CLASS_IKE, BOARD_CLASS_IPSEC, REG_ENTROPY_OCTETS } from "../../assembly/abi/board.ts";
import {
  MANAGEMENT_BOARD_DOWN,
  MANAGEMENT_BOARD_DRAIN,
  MANAGEMENT_BOARD_SETTLED,
  MANAGEMENT_BOARD_UP,
  MANAGEMENT_CONTROL_KEY,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_ORPHANED,
  MANAGEMENT_REBALANCE,
  MANAGEMENT_RESTORE,
  MANAGEMENT_RESTORED,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { NS_PER_SECOND } from "./clock.ts";
import { type Alarm, AlarmPanel } from "./alarms.ts";
import type { Cage, Drive } from "./drive/drive.ts";
import type { EntropySource } from "./entropy.ts";
import { locateFault, type Fault, type TrapReport } from "./fault.ts";
import { ramPages } from "./image.ts";
import { Outbox } from "./outbox.ts";
import type { Slot } from "./slot.ts";
import { refusalName } from "./vocabulary.ts";

export const CONTROL_KEY_OCTETS = 32;
/** Transactions of the chassis's own commands have this bit; their replies go to nobody else. */
export const CHASSIS_TRANSACTION = 0x8000_0000;

/** How long IPsec boards go on without an IKE board, if nothing else is said, ns. */
export const ORPHAN_TIME = 60n * NS_PER_SECOND;
/** Faults in a row after which an IKE board is not given its checkpoint again: that may be what kills it. */
const RESTORE_TRIES = 3;

/** Patience with a board that is drained, ms, and how often the IKE board is told. */
const DRAIN_PATIENCE = 5000;
const DRAIN_TRIES = 12;

const STABLE = 10n * NS_PER_SECOND;
const BACK_OFF_MAX = 60n * NS_PER_SECOND;
/** The same for a board whose shelf is out of reach. */
const LINK_BACK_OFF_MAX = 4n * NS_PER_SECOND;

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
  /** What the IKE board left behind; absent: it begins anew every time. */
  checkpoint?: Checkpoint | undefined;
  /** How long IPsec boards go on without an IKE board, ns. Default ORPHAN_TIME. */
  orphanTime?: bigint | undefined;
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
  readonly #outboxes = new Map<number, Outbox>();
  #transaction = 0;
  /** What the IKE board left behind is not to be trusted: the next one begins anew. */
  #anew = false;
  /** Times without an IKE board, by board. */
  #orphanages = 0;
  /** Ends the wait for another IKE board. */
  #cancelOrphans: (() => void) | undefined;

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
      slot.comesBack = false;
      if (slot.serves) {
        slot.state = "Announce offline";
        this.#down(slot, reason || "taken offline");
      }
      this.#setAdrift(slot);
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
    slot.comesBack = false;
    slot.reason = fault.message;
    this.#parts.announce({ kind: "trap", slot: slot.number, generation, fault });
    if (wasOnline) this.#down(slot, fault.message);
    slot.cancelRestart?.();
    slot.cancelRestart = undefined;
    slot.failed = true;
    // A shelf out of reach is not a board that dies of itself: it is looked for until it is there.
    if (report.kind !== "link" && this.#inCrashLoop(slot)) return this.#setAdrift(slot);
    const stable = wasOnline && drive.clock.now() - slot.onlineSince >= STABLE;
    slot.failures = stable ? 1 : slot.failures + 1;
    const longest = report.kind === "link" ? LINK_BACK_OFF_MAX : BACK_OFF_MAX;
    const delay = slot.failures === 1 ? 0n : NS_PER_SECOND << BigInt(Math.min(slot.failures - 2, 6));
    slot.comesBack = delay === 0n;
    this.#setAdrift(slot);
    if (delay > 0n) this.alarms.raise(slot.number, "board_restarting", fault.message, drive.clock.now());
    slot.cancelRestart = drive.after(
      delay < longest ? delay : longest,
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
    const follows = slot.serves || slot.comesBack;
    slot.comesBack = true;
    if (slot.serves) this.#down(slot, "reset");
    const ike = slot.number === this.#parts.ikeSlot;
    const { checkpoint } = this.#parts;
    // To its last word: what it says while it is being stopped is in the checkpoint, too.
    if (ike && slot.generation > 0) await cage.off(slot.number);
    if (ike && (slot.failures >= RESTORE_TRIES || this.#anew)) checkpoint?.clear();
    if (ike) this.#anew = false;
    const kept = ike && checkpoint && !checkpoint.empty ? checkpoint.records() : [];
    if (slot.generation > 0) slot.restarts += 1;
    slot.generation += 1;
    slot.state = "Announce online";
    slot.reason = "";
    slot.announcedTo = 0;
    const secret = new Uint8Array(REG_ENTROPY_OCTETS);
    entropy.fill(secret);
    if (slot.role === "ipsec") {
      slot.unsettled = 0;
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
      follows,
      conservation: this.#parts.conservation,
    });
    if (slot.generation !== generation || slot.state !== "Announce online") return;
    if (!result.online) {
      if ("fault" in result) return this.faulted(slot, generation, result.fault);
      slot.state = "Offline";
      slot.comesBack = false;
      slot.reason = `refused: ${refusalName(result.refusal)}`;
      slot.failed = true;
      this.alarms.clear(slot.number, "board_restarting");
      this.alarms.raise(slot.number, "board_refused", slot.reason, drive.clock.now());
      this.#setAdrift(slot);
      this.#parts.announce({ kind: "down", slot: slot.number, generation, reason: slot.reason });
      return;
    }
    slot.state = "Online";
    slot.comesBack = false;
    slot.failed = false;
    this.alarms.clear(slot.number, "board_restarting", "board_refused");
    slot.onlineSince = drive.clock.now();
    this.#parts.announce({ kind: "up", slot: slot.number, generation });
    if (!ike) return this.#announceBoard(slot);
    this.#cancelOrphans?.();
    this.#cancelOrphans = undefined;
    // A board may have died meanwhile that used numbers which are not in it.
    const sound = this.#anew ? [] : kept;
    this.#anew = false;
    this.#announceAll(sound.length > 0);
    if (kept.length > 0) this.#restore(slot, sound);
  }

  /**
   * A new IKE board learns of all boards. One that takes its SAs back finds them as they are; for one that begins anew those that an
   * earlier one knew are reset first: they have its SAs.
   */
  #announceAll(restores: boolean): void {
    for (const slot of this.#parts.slots.values()) {
      if (slot.number === this.#parts.ikeSlot || !slot.serves) continue;
      if (slot.announcedTo === 0 || restores) this.#announceBoard(slot);
      else this.#parts.drive.pending(this.restart(slot));
    }
  }

  /** Gives the IKE board its checkpoint back. */
  #restore(slot: Slot, records: readonly Uint8Array[]): void {
    const messages = records.map((record) => this.#message(MANAGEMENT_RESTORE, record));
    messages.push(this.#message(MANAGEMENT_RESTORED, new Uint8Array(0)));
    this.#outbox(slot).post(messages);
  }

  /** There is no IKE board, and none at once: IPsec boards go on beyond their leases. */
  #setAdrift(ike: Slot): void {
    const { slots, ikeSlot, checkpoint } = this.#parts;
    if (ike.number !== ikeSlot || ike.comesBack || !checkpoint || checkpoint.empty) return;
    for (const slot of slots.values()) {
      if (slot.number === ikeSlot || !slot.serves || slot.announcedTo === 0) continue;
      slot.unsettled = ++this.#orphanages;
      const body = new Uint8Array(4);
      new DataView(body.buffer).setUint32(0, slot.unsettled, true);
      this.tell(slot, MANAGEMENT_ORPHANED, body);
    }
  }

  /** A board says that the IKE board knows all leases of the time that was called so. */
  settled(slot: Slot, orphanage: number): void {
    if (slot.unsettled === 0 || slot.unsettled !== orphanage) return;
    slot.unsettled = 0;
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (ike?.state !== "Online" || slot.announcedTo !== ike.generation) return;
    const body = new Uint8Array(8);
    new DataView(body.buffer).setUint32(0, slot.number, true);
    new DataView(body.buffer).setUint32(4, slot.generation, true);
    this.#tellIke(MANAGEMENT_BOARD_SETTLED, body);
  }

  /** The IKE board is gone: without another one in time, the IPsec boards forget its SAs. */
  #orphan(): void {
    const { drive, orphanTime = ORPHAN_TIME, slots, ikeSlot, checkpoint } = this.#parts;
    if (!checkpoint || this.#cancelOrphans) return;
    this.#cancelOrphans = drive.after(orphanTime, () => {
      this.#cancelOrphans = undefined;
      checkpoint.clear();
      for (const slot of slots.values()) {
        if (slot.number !== ikeSlot && slot.serves && slot.announcedTo !== 0) drive.pending(this.restart(slot));
      }
    });
  }

  #announceBoard(slot: Slot): void {
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (ike?.state !== "Online" || slot.role !== "ipsec") return;
    if (slot.announcedTo !== 0) {
      // Under one key nobody begins to count anew.
      slot.controlKey = new Uint8Array(CONTROL_KEY_OCTETS);
      this.#parts.entropy.fill(slot.controlKey);
      this.tell(slot, MANAGEMENT_CONTROL_KEY, slot.controlKey);
    }
    slot.announcedTo = ike.generation;
    const body = new Uint8Array(12 + CONTROL_KEY_OCTETS + 12);
    const view = new DataView(body.buffer);
    view.setUint32(0, slot.number, true);
    view.setUint32(4, slot.generation, true);
    view.setUint32(8, slot.saCapacity, true);
    body.set(slot.controlKey, 12);
    view.setUint32(12 + CONTROL_KEY_OCTETS, slot.weight, true);
    view.setUint32(16 + CONTROL_KEY_OCTETS, slot.boardNumber, true);
    view.setUint32(20 + CONTROL_KEY_OCTETS, slot.unsettled === 0 ? 0 : 1, true);
    this.#tellIke(MANAGEMENT_BOARD_UP, body);
  }

  /** Tells the chassis, and the IKE board if it knew this generation. */
  #down(slot: Slot, reason: string): void {
    this.#parts.announce({ kind: "down", slot: slot.number, generation: slot.generation, reason });
    const ike = this.#parts.slots.get(this.#parts.ikeSlot);
    if (slot === ike) this.#orphan();
    if (slot.unsettled !== 0) {
      // Numbers that it used are known to nobody: no other board may have its SAs.
      slot.unsettled = 0;
      this.#anew = true;
      if (ike?.serves) this.#parts.drive.pending(this.restart(ike));
      return;
    }
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

  /** Tells a board something on its MANAGEMENT port, behind all that it has been told before. */
  tell(slot: Slot, type: number, body: Uint8Array): void {
    this.#outbox(slot).post([this.#message(type, body)]);
  }

  /** The same with a message as it is. */
  post(slot: Slot, message: Uint8Array): void {
    this.#outbox(slot).post([message]);
  }

  #outbox(slot: Slot): Outbox {
    let outbox = this.#outboxes.get(slot.number);
    if (!outbox) {
      outbox = new Outbox(this.#parts.drive, this.#parts.cage, slot);
      this.#outboxes.set(slot.number, outbox);
    }
    return outbox;
  }

  #message(type: number, body: Uint8Array): Uint8Array {
    const message = new Uint8Array(MANAGEMENT_HEADER + body.length);
    const view = new DataView(message.buffer);
    view.setUint16(MANAGEMENT_TYPE, type, true);
    view.setUint32(MANAGEMENT_TRANSACTION, this.transaction(), true);
    view.setUint32(MANAGEMENT_LENGTH, message.length, true);
    message.set(body, MANAGEMENT_HEADER);
    return message;
  }
}
