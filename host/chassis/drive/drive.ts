/**
 * A drive makes boards run. Lockstep and threaded are the two; a story told on one can be told on the other.
 *
 * One drive may run several chassis: two gateways on a cable share its clock. A cage is what a drive keeps for one chassis:
 * the powered boards of its slots and the backplane between them. The chassis decides, the cage carries out; what happens by
 * itself comes back through CageEvents.
 */
import type { PowerOn } from "../board.ts";
import type { LinkCounters, LinkKind } from "../backplane.ts";
import type { Clock } from "../clock.ts";
import type { TraceEntry } from "../console.ts";
import type { TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";
import type { FaultSpec } from "../tap/fault_injector.ts";
import type { SlotFaults, Strike } from "../tap/slot_faults.ts";
import type { WireTap } from "../tap/tracer.ts";
import type { ClassifierParts } from "../classifier.ts";
import type { LineDevice } from "./line.ts";

/** Where the board of a slot is, when it is not here: a shelf (host/chassis/remote/). */
export interface ShelfPlace {
  host: string;
  port: number;
  /** The file of the key that both ends have. */
  keyFile: string;
  /** By what name the shelf knows this chassis. */
  chassis: string;
}

/** The thread that takes what arrives at the NICs: one of their own, or that of the IKE board. */
export type ReceivesIn = "own-thread" | "ike-board";

export interface CagePlan {
  link: LinkKind;
  ikeSlot: number;
  /** Slot numbers in use. */
  slots: readonly number[];
  /** Slots whose boards are in shelves. Default: none. */
  shelves?: ReadonlyMap<number, ShelfPlace>;
  /** Threaded drive: slots of the same number have one thread, and their turn in the order of `slots`. Default: a thread of its own. */
  threads?: ReadonlyMap<number, number>;
  /** Threaded drive: where what arrives at a device is taken, if the device lets itself be received from elsewhere. Default: in the device's thread. */
  receives?: ReceivesIn;
  /** ns by which the boards' NOW is ahead of this process's clock. Default 0. */
  clockAhead?: bigint;
  events: CageEvents;
}

export interface CageEvents {
  /** A board transmitted on a port other than CHANNEL. The packets belong to the receiver. */
  transmitted(slot: number, port: number, packets: Uint8Array[]): void;
  /** What a poll of the IKE board left for the checkpoint, before anything leaves that it sent. The octets are valid during the call. */
  checkpoint(slot: number, records: Uint8Array): void;
  /** A board died; it has been wiped. */
  faulted(slot: number, generation: number, report: TrapReport): void;
}

export type PowerResult = { online: true } | { online: false; refusal: number } | { online: false; fault: TrapReport };

/** A copy of what a board publishes. */
export interface BoardSnapshot {
  /** The map with its registers, MAP_SIZE octets; all zero while nothing is powered. */
  map: DataView;
  /** Drop counters by reason. */
  drops: number[];
  /** Packets that a device gave to an IPsec board directly. */
  cutThrough: number;
}

export interface LinkSnapshot {
  toBoard: LinkCounters;
  fromBoard: LinkCounters;
}

/** A device that is wired to the boards past the chassis's thread. */
export interface LineSwitch {
  /** While it is not open, packets pass the chassis's thread. */
  open: boolean;
}

export interface Cage {
  /**
   * Wires a device with a thread of its own to a port of the boards; closed at first. Undefined when that cannot be: a board has had power
   * already, the port has a device, or everything is one thread (a drive without `connect`). With a classifier the device gives IPsec boards
   * what that says is theirs, whoever else is online.
   */
  connect?(port: number, device: LineDevice, classifier?: ClassifierParts): LineSwitch | undefined;
  /** Wipes what runs in the slot, if anything, and powers the image; resolves when it is online or has failed. */
  power(slot: number, image: Image, power: PowerOn): Promise<PowerResult>;
  /** Stops and wipes. */
  off(slot: number): Promise<void>;
  /** True while a board serves in the slot: of one that has just died the news may be on its way. */
  isOnline(slot: number): boolean;
  /** Puts a packet on a port's receive ring; false when it was dropped, and counted unless the caller `retries`. The octets are copied. */
  deliver(slot: number, port: number, packet: Uint8Array, retries?: boolean): boolean;
  countDrop(slot: number, reason: number): void;
  trace(mask: number): void;
  readTrace(): TraceEntry[];
  /** Of one slot, or of all. */
  traceLost(slot?: number): number;
  inject(spec: FaultSpec | undefined): void;
  /** What is wrong with a slot from now on, in place of what was; {} for nothing. A clock that is ahead stays so. */
  afflict(slot: number, faults: SlotFaults): void;
  /** Kills the board of a slot, from within. */
  strike(slot: number, how: Strike): void;
  tap(tap: WireTap | undefined): void;
  snapshot(slot: number): BoardSnapshot;
  /** Chassis drop counters of the slot, by CHASSIS_DROP index. */
  drops(slot: number): number[];
  linkCounters(slot: number): LinkSnapshot;
  close(): Promise<void>;
}

export interface Drive {
  readonly kind: "lockstep" | "threaded";
  readonly clock: Clock;
  cage(plan: CagePlan): Cage;
  /** Calls back after `delay` ns on the drive's clock; returns a function that cancels. `work`: rest waits for it. */
  after(delay: bigint, callback: () => void, work?: boolean): () => void;
  /**
   * Something from outside that a rest must wait for: an answer of the secure element, a restart. Calls `then` with what
   * it resolves to: threaded at once, in lockstep when nothing else moves, in the order of the calls. It must not reject.
   */
  pending<T>(promise: Promise<T>, then?: (value: T) => void): void;
  /**
   * Without an argument: runs until the system rests, that is until nothing moves, no packet is on a cable and no answer is
   * outstanding; timers of the firmware that lie in the future do not count. With `milliseconds`: runs for that long.
   */
  run(milliseconds?: number): Promise<void>;
  /** Runs until `condition` holds (true) or `milliseconds` are over (false). */
  until(condition: () => boolean, milliseconds: number): Promise<boolean>;
  /** Ends all cages and timers. */
  close(): Promise<void>;
}
