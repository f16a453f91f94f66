/**
 * The card cage as a parts list: one IKE board, n IPsec boards, a backplane, and sockets for a secure element, NICs and
 * management. It moves octets between RAMs and wires and knows no IPsec.
 *
 *        NIC unprotected                      NIC protected          secure element      operator
 *          |        ^                           |        ^               ^  |             ^  |
 *          v        |                           v        |               |  v             |  v
 *        +-IKE------+---------------------------IKE------+---------------IKE--------------all boards-+
 *        |          +---- all IPsec boards -------------+                                           |
 *        +------------------------- backplane: Ethernet or ATM -------------------------------------+
 *
 * As in the patent, an arriving packet goes to the IKE board (S601); what any board transmits leaves by the NIC of that side (S706).
 * Nothing here blocks: a full ring is a counted drop.
 */
import * as MAP from "../../assembly/abi/board.ts";
import {
  CLASSIFIER_CUT_THROUGH,
  CLASSIFIER_STANDBY,
  CLASSIFY_KIND,
  CLASSIFY_SA,
  CLASSIFY_SA_AWAY,
  CLASSIFY_SA_GONE,
  CLASSIFY_VALUE,
  MANAGEMENT_CLASSIFIED,
  MANAGEMENT_CLASSIFY,
} from "../../assembly/abi/classifier.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import {
  CONNECTION_LOCAL_ADDRESS,
  CHILD_SA_GENERATION,
  CHILD_SA_SLOT,
  EVENT_BOARD_DRAINED,
  EVENT_KIND,
  EVENT_LEFT,
  MANAGEMENT_EVENT,
  MANAGEMENT_HEADER,
  MANAGEMENT_LOCAL_ADDRESSES,
  MANAGEMENT_REPLY,
  MANAGEMENT_SETTLED,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_SECURE_ELEMENT, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { ImageRefused } from "../image/refusal.ts";
import type { Nic, PacketCounters, Side } from "../nic/nic.ts";
import { CELL_BITS } from "./aal5.ts";
import type { Alarm } from "./alarms.ts";
import { Arrivals } from "./arrivals.ts";
import { Checkpoint } from "./checkpoint.ts";
import { Classifier, type ClassifierParts, classifierParts } from "./classifier.ts";
import { createLink, isAtm, type Link, type LinkCounters, type LinkKind } from "./backplane.ts";
import { NS_PER_MS, NS_PER_SECOND } from "./clock.ts";
import { addressOctets, type ConfigItem, encodeItems, itemU32 } from "./config.ts";
import { openControl } from "./control_channel.ts";
import { renderTrace, type TraceEntry } from "./console.ts";
import type { Cage, Drive, LineSwitch, ReceivesIn, ShelfPlace } from "./drive/drive.ts";
import type { LineDevice } from "./drive/line.ts";
import { type EntropySource, SystemEntropy } from "./entropy.ts";
import type { Fault } from "./fault.ts";
import {
  Firmware,
  type ImageEvent,
  type SlotImages,
  slotFits,
  type UpdateOptions,
  type UpdateResult,
} from "./firmware.ts";
import type { SlotFit } from "./flash/fit.ts";
import type { BootChoice, Flash } from "./flash/flash.ts";
import { type Build, type Image, loadImage } from "./image.ts";
import { type FaultOrder, Injection, type StandingFault } from "./injection.ts";
import { type BoardRole, Slot, type SlotState } from "./slot.ts";
import { type BoardEvent, CHASSIS_TRANSACTION, type CrashLimit, Supervisor } from "./supervisor.ts";
import type { FaultSpec } from "./tap/fault_injector.ts";
import type { WireTap } from "./tap/tracer.ts";
import { buildName, CHASSIS_DROP, CHASSIS_DROP_NAMES, DROP_NAMES } from "./vocabulary.ts";

/** The coprocessor that keeps long-term secrets and does public-key work (abi/psa.ts). */
export interface SecureElement {
  handle(request: Uint8Array): Promise<Uint8Array>;
  /** For an element that can be wired to the IKE board's thread. */
  readonly line?: LineDevice;
}

export interface SlotPlan {
  slot: number;
  board: BoardRole;
  /** An image, its name in the image directory, or the path of a .wasm file. Default: the board's name. */
  image?: Image | string;
  /** CONFIG items beyond those that the chassis writes. */
  config?: readonly ConfigItem[];
  /** IPsec board: CHILD_SAs that it takes. Default: the chassis's saCapacity. */
  saCapacity?: number;
  /** IPsec board: which logical board it is. Default: that of its slot. */
  number?: number;
  /** IPsec board: its share among unlike ones, 1 to 100. Default 1. */
  weight?: number;
  /** Threaded drive: boards of the same number share a thread. Default: a thread of its own. */
  thread?: number;
  /** IPsec board: the shelf that it is in. Default: it is here. */
  shelf?: Omit<ShelfPlace, "chassis">;
}

export interface ChassisOptions {
  /** For people. Default `chassis`. */
  name?: string;
  drive: Drive;
  link: LinkKind;
  /** Slots and their boards, or the number of IPsec boards: the IKE board is in slot 0 then, IPsec boards in 1..n. */
  slots: readonly SlotPlan[] | number;
  /** Default 0. */
  ikeSlot?: number;
  /** Slots have the images that flash booted, whatever the plans say. Default: images are from files. */
  firmware?: { flash: Flash; boot: BootChoice };
  /** Where images are; default: the project's build directory. */
  images?: string;
  /** Default: the fastest of simd and base that the engine validates. */
  build?: Build;
  /** Metered copies of the images run, so that a hung board is found in lockstep, too. They are slower. Default: not. */
  metered?: boolean;
  /** Unprotected local addresses, IPv4 or IPv6. */
  localAddresses?: readonly string[];
  /** Default: none is fitted, requests are dropped and counted. */
  secureElement?: SecureElement;
  /** Default: the operating system's. */
  entropy?: EntropySource;
  /** CHILD_SAs of each IPsec board whose slot says nothing else. Default 4096. */
  saCapacity?: number;
  /** PLACEMENT_* of abi/config.ts. Default: round robin. */
  placement?: number;
  /** CHILD_SAs of the whole gateway. Default 8192. */
  childSaCapacity?: number;
  /** Default 4096. */
  ikeSaCapacity?: number;
  /**
   * The IKE board's SAs are kept for it, and given back when it restarts; needs a secure element. Default: they are. False: it begins anew.
   */
  checkpoint?: boolean;
  /** Packets of established SAs go to their boards past the IKE board (abi/classifier.ts). Default: only while there is none. */
  cutThrough?: boolean;
  /** Threaded drive: which thread reads the NICs. Default: one of their own. */
  receives?: ReceivesIn;
  /** Seconds that IPsec boards go on without an IKE board. Default 60. */
  orphanTime?: number;
  retransmitMs?: number;
  retransmitTries?: number;
  /** Octets of an IP packet with a fragment of an IKE message (RFC 7383). Default 1280. */
  fragmentSize?: number;
  /** Tokens of quick crash detection (RFC 6290) are given and taken. Default: not. */
  crashDetection?: boolean;
  /** MTU of the unprotected link. Default 1500. */
  unprotectedMtu?: number;
  /** Sequence numbers that an IPsec board may use or accept before it asks for more. Default LEASE_DEFAULT. */
  lease?: number;
  /** When a board comes, SAs are moved to it. Default: not. */
  rebalance?: boolean;
  /** CONFIG_ADJUST_MSS. Default: SYNs stay as they are. */
  adjustMss?: number;
  portIke?: number;
  portNatt?: number;
  /** Seconds without a packet until a NAT keepalive; 0 none. Default 20. */
  keepAlive?: number;
  /** CONFIG items for all boards. */
  config?: readonly ConfigItem[];
  /** Check conservation of frames after every poll; a violation is a fault. Default: in lockstep. */
  conservation?: boolean;
  /** Whether faults may be injected by command. Default: not. Tests inject as they like. */
  faults?: boolean;
  /** Keys may be written down for a capture, by command. Default no. */
  keyExport?: boolean;
  /** When a board that dies again and again is left offline. Default CRASH_LIMIT. */
  crashLimit?: CrashLimit;
  /** TRACE_MASK_* bits from power-on. Default 0. */
  traceMask?: number;
}

const IKE_SAS = 4096;
const CHILD_SAS = 8192;
/** CHILD_SAs of an IPsec board of which nothing is said. */
export const SAS = 4096;

/** What the slots of such a chassis take, for its flash; `ramPages` is what each has of RAM. */
export const fitsOf = (
  {
    slots,
    ikeSaCapacity,
    childSaCapacity,
    saCapacity,
  }: Pick<ChassisOptions, "ikeSaCapacity" | "childSaCapacity" | "saCapacity"> & {
    slots: readonly SlotPlan[];
  },
  ramPages: number,
): ReadonlyMap<number, SlotFit> =>
  slotFits(slots, {
    ramPages,
    ikeSas: ikeSaCapacity ?? IKE_SAS,
    childSas: childSaCapacity ?? CHILD_SAS,
    sas: saCapacity ?? SAS,
  });

export interface ManagementPort {
  /** Sends a message; false when it was dropped. */
  send(message: Uint8Array): boolean;
  /** Calls back for every message of the board, but for replies to the chassis's own commands. Returns an unsubscriber. */
  onMessage(callback: (message: Uint8Array) => void): () => void;
}

/** The lamps of a slot. */
export interface Leds {
  /** Steady while online, blinking while the board comes up or goes. */
  ok: "off" | "green" | "blinking";
  /** Red when the board died, or refuses. */
  fail: "off" | "red";
  /** Blinking while packets come; whoever looks sees it for a second. */
  act: "off" | "blinking";
  alarm: "off" | "yellow" | "red";
}

export interface SlotStatus {
  slot: number;
  board: BoardRole;
  image: string;
  /** The images in flash; absent when the chassis does not boot from flash. */
  images?: SlotImages;
  build: string;
  state: SlotState;
  reason: string;
  generation: number;
  restarts: number;
  leds: Leds;
  /** Seconds online, by the drive's clock. */
  uptime: number;
  ram: { total: number; used: number };
  frames: { pool: number; free: number; held: number };
  counters: { polls: number; in: number; originated: number; sent: number; consumed: number; dropped: number };
  /** Packets that came from the NICs past the IKE board, of all generations. */
  cutThrough: number;
  /** The firmware's drops of this generation by name, those that are not 0. */
  drops: Record<string, number>;
  /** The chassis's own drops at this slot by name, those that are not 0. */
  chassisDrops: Record<string, number>;
}

export interface LinkCount extends LinkCounters {
  /** On ATM: cells of those frames, in frame mode those that they would be; 0 on Ethernet. */
  cells: number;
}

export interface LinkStatus {
  slot: number;
  name: string;
  /** Delivered to the board. */
  toBoard: LinkCount;
  /** Sent by the board. */
  fromBoard: LinkCount;
}

export interface ChassisStatus {
  name: string;
  link: LinkKind;
  drive: "lockstep" | "threaded";
  ikeSlot: number;
  /** Seconds, on the drive's clock. */
  now: number;
  slots: SlotStatus[];
  links: LinkStatus[];
  /** All drops of all slots by name, firmware and chassis together. */
  drops: Record<string, number>;
  /** Of NICs that count. */
  nics: ({ side: Side } & PacketCounters)[];
  faults: (Omit<Fault, "now"> & { now: number })[];
  /** Those that stand, oldest first; `since` in seconds on the drive's clock. */
  alarms: (Omit<Alarm, "since"> & { since: number })[];
  /** The lamp for all of them. */
  alarm: Leds["alarm"];
  /** Faults that were injected and stand. */
  injected: StandingFault[];
}

/** Patience with the secure element, ms of real time. */
const SECURE_ELEMENT_PATIENCE = 20_000n;

const PORT_OF_SIDE: Record<Side, number> = { unprotected: PORT_UNPROTECTED, protected: PORT_PROTECTED };

type Subscribers<T extends unknown[]> = Set<(...args: T) => void>;

function subscribe<T extends unknown[]>(set: Subscribers<T>, callback: (...args: T) => void): () => void {
  set.add(callback);
  return () => set.delete(callback);
}

/** By time, then as they were read. */
export const inOrder = (a: TraceEntry, b: TraceEntry): number =>
  a.now < b.now ? -1 : a.now > b.now ? 1 : a.order - b.order;

const nonZero = (names: readonly string[], counts: readonly number[]): Record<string, number> =>
  Object.fromEntries(counts.flatMap((value, i) => (value > 0 ? [[names[i] ?? `reason_${i}`, value]] : [])));

export class Chassis {
  readonly name: string;
  readonly drive: Drive;
  readonly ikeSlot: number;
  readonly #options: ChassisOptions;
  readonly #slots = new Map<number, Slot>();
  readonly #shelves = new Map<number, ShelfPlace>();
  readonly #link: Link;
  readonly #cage: Cage;
  readonly #supervisor: Supervisor;
  readonly #injection: Injection;
  readonly #checkpoint: Checkpoint | undefined;
  readonly #classifier: Classifier | undefined;
  #classifierParts: ClassifierParts | undefined;
  /** Devices that have classifiers of their own. */
  readonly #classifying = new Set<LineDevice>();
  /** Packets that went to the board of a slot past the IKE board. */
  readonly #cutThrough = new Map<number, number>();
  readonly #arrivals: Arrivals;
  /** Devices that are wired to the boards past this thread, by port. */
  readonly #lines = new Map<number, LineSwitch>();
  readonly #nics: Record<Side, Nic[]> = { unprotected: [], protected: [] };
  readonly #transmit: Record<Side, Subscribers<[Uint8Array, number]>> = {
    unprotected: new Set(),
    protected: new Set(),
  };
  readonly #arriving: Record<Side, Subscribers<[Uint8Array]>> = { unprotected: new Set(), protected: new Set() };
  readonly #messages = new Map<number, Subscribers<[Uint8Array]>>();
  readonly #events: Subscribers<[BoardEvent]> = new Set();
  readonly #imageEvents: Subscribers<[ImageEvent]> = new Set();
  /** Images in flash, when the chassis boots from there. */
  readonly firmware: Firmware | undefined;
  #localAddresses: readonly string[];
  #traceMask: number;
  #closed = false;

  /** Assembles the chassis; nothing has power yet. Throws ImageError for a bad image, RangeError for a bad plan. */
  constructor(options: ChassisOptions) {
    this.#options = options;
    this.name = options.name ?? "chassis";
    this.drive = options.drive;
    this.ikeSlot = options.ikeSlot ?? 0;
    this.#localAddresses = options.localAddresses ?? [];
    this.#traceMask = options.traceMask ?? 0;
    this.#link = createLink(options.link, this.ikeSlot);
    const threads = new Map<number, number>();
    for (const plan of this.#plans()) {
      if (this.#slots.has(plan.slot)) throw new RangeError(`slot ${plan.slot} is planned twice`);
      const slot = new Slot(plan.slot, plan.board, plan.config);
      slot.saCapacity = plan.saCapacity ?? options.saCapacity ?? SAS;
      slot.boardNumber = plan.number ?? plan.slot;
      slot.weight = plan.weight ?? CONFIG.BOARD_WEIGHT_DEFAULT;
      if (plan.thread !== undefined && !plan.shelf) threads.set(plan.slot, plan.thread);
      if (plan.shelf) this.#shelves.set(plan.slot, { ...plan.shelf, chassis: this.name });
      if (!options.firmware) {
        slot.image = this.#imageOf(plan.image ?? plan.board);
        slot.state = "Present";
      }
      this.#slots.set(plan.slot, slot);
    }
    if (this.#shelves.size > 0 && (options.link !== "ethernet" || this.#shelves.has(this.ikeSlot)))
      throw new RangeError(`${this.name}: shelves have IPsec boards, and are reached over Ethernet`);
    if (this.#slots.get(this.ikeSlot)?.role !== "ike") throw new RangeError(`slot ${this.ikeSlot} has no IKE board`);
    const capacity = { ikeSas: options.ikeSaCapacity ?? IKE_SAS, childSas: options.childSaCapacity ?? CHILD_SAS };
    this.#checkpoint = options.secureElement && options.checkpoint !== false ? new Checkpoint(capacity) : undefined;
    this.#classifier = this.#fitClassifier(capacity.childSas);
    this.#cage = options.drive.cage({
      link: options.link,
      ikeSlot: this.ikeSlot,
      slots: [...this.#slots.keys()],
      shelves: this.#shelves,
      threads,
      ...(options.receives === undefined ? {} : { receives: options.receives }),
      events: {
        transmitted: (slot, port, packets) => this.#transmitted(slot, port, packets),
        checkpoint: (slot, records) => {
          if (slot === this.ikeSlot) this.#checkpoint?.take(records);
        },
        faulted: (slot, generation, report) => this.#supervisor.faulted(this.#slot(slot), generation, report),
      },
    });
    this.#arrivals = new Arrivals(
      (port, packet) => this.#cage.deliver(this.ikeSlot, port, packet),
      () => this.#cage.countDrop(this.ikeSlot, CHASSIS_DROP.board_offline),
    );
    this.#supervisor = new Supervisor({
      drive: options.drive,
      cage: this.#cage,
      slots: this.#slots,
      ikeSlot: this.ikeSlot,
      entropy: options.entropy ?? new SystemEntropy(),
      capacity,
      checkpoint: this.#checkpoint,
      orphanTime: options.orphanTime === undefined ? undefined : BigInt(options.orphanTime) * NS_PER_SECOND,
      conservation: options.conservation ?? options.drive.kind === "lockstep",
      ...(options.crashLimit === undefined ? {} : { crashLimit: options.crashLimit }),
      traceMask: () => this.#traceMask,
      configOf: (slot) => this.#configOf(slot),
      announce: (event) => {
        if (event.slot === this.ikeSlot) this.#settleArrivals();
        this.firmware?.observe(event);
        this.#events.forEach((callback) => callback(event));
      },
    });
    this.#injection = new Injection({
      drive: options.drive,
      cage: this.#cage,
      alarms: this.#supervisor.alarms,
      ikeSlot: this.ikeSlot,
      slots: new Set(this.#slots.keys()),
      changed: () => this.#switchLines(),
    });
    this.#wire(PORT_SECURE_ELEMENT, options.secureElement?.line);
    this.firmware =
      options.firmware &&
      new Firmware(
        {
          flash: options.firmware.flash,
          slots: this.#slots,
          supervisor: this.#supervisor,
          drive: options.drive,
          vacate: (slot, force) => this.#vacate(this.#slot(slot), force),
          announce: (event) => this.#imageEvents.forEach((callback) => callback(event)),
        },
        options.firmware.boot,
      );
  }

  /** Powers all boards that are present; resolves when each is Online or Offline (see show()). */
  async powerOn(): Promise<void> {
    const present = [...this.#slots.values()].filter((slot) => slot.image && slot.state !== "Online");
    await Promise.all(present.map((slot) => this.#supervisor.restart(slot)));
  }

  /** Wipes all boards and frees what the drive keeps for this chassis. The NICs stay open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const slot of this.#slots.values()) slot.cancelRestart?.();
    await this.#cage.close();
    for (const slot of this.#slots.values()) if (slot.image) slot.state = "Offline";
  }

  /** Wipes a board and starts it again with the next generation. Ends a crash loop, and clears its alarm. */
  reset(slot: number): Promise<void> {
    return this.online(slot);
  }

  /**
   * Moves all SAs of a board to the others, and loses nothing; resolves to the CHILD_SAs that no other board takes. The board serves on
   * until it is taken offline, or resumed.
   */
  drain(slot: number): Promise<number> {
    return this.#supervisor.drain(this.#slot(slot));
  }

  /** A board that was drained serves again. */
  resume(slot: number): void {
    this.#supervisor.resume(this.#slot(slot));
  }

  /** Spreads the CHILD_SAs over the boards anew. */
  rebalance(): void {
    this.#supervisor.rebalance();
  }

  /** Takes a board offline: its SAs go to other boards as far as there are any, it is announced down, then wiped. */
  async offline(slot: number): Promise<void> {
    const bay = this.#slot(slot);
    await this.#supervisor.drain(bay);
    await this.#supervisor.offline(bay);
  }

  /**
   * Takes a board offline behind its SAs. With CHILD_SAs that no other board takes it goes only if `force` says so, else it serves on;
   * resolves to their number then, and to 0 when it is gone.
   */
  async #vacate(bay: Slot, force: boolean): Promise<number> {
    const left = await this.#supervisor.drain(bay);
    if (left > 0 && !force) {
      this.#supervisor.resume(bay);
      return left;
    }
    await this.#supervisor.offline(bay);
    return 0;
  }

  /** Pulls a board out without notice: what was on it is lost. */
  async pull(slot: number): Promise<void> {
    const bay = this.#slot(slot);
    await this.#supervisor.offline(bay, "pulled");
    bay.image = undefined;
    bay.bank = undefined;
    bay.state = "Empty";
    bay.reason = "";
  }

  /** Powers a board that is present or offline. */
  async online(slot: number): Promise<void> {
    const bay = this.#slot(slot);
    // Flash had nothing for it when it was looked at last.
    if (this.firmware && !bay.image && bay.state !== "Empty") await this.insert(slot, bay.role);
    this.#supervisor.forgive(bay);
    return this.#supervisor.restart(bay);
  }

  /** Takes a board offline and out of its slot. */
  async eject(slot: number): Promise<void> {
    const bay = this.#slot(slot);
    await this.offline(slot);
    bay.image = undefined;
    bay.bank = undefined;
    bay.state = "Empty";
  }

  /**
   * Puts an image into a slot; a board that was there goes offline first. `online` powers it. In a chassis that boots from flash a board
   * is inserted by its name, and has the image that flash has for its slot. Throws ImageError for a bad image and ImageRefused, and leaves
   * the slot as it was.
   */
  async insert(slot: number, image: Image | string): Promise<void> {
    const bay = this.#slot(slot);
    if (this.firmware && image !== bay.role)
      throw new ImageRefused("unsigned", `slot ${slot} boots from flash: 'flash' puts an image there`);
    const booted = await this.firmware?.choice(slot);
    const checked = booted ? booted.image : this.#imageOf(image);
    if (bay.image) await this.offline(slot);
    bay.image = checked;
    bay.bank = booted?.bank;
    this.#supervisor.alarms.clear(slot, "image_refused", "image_fallback");
    bay.state = "Present";
    bay.reason = "";
    this.#supervisor.forgive(bay);
  }

  /**
   * Gives a board of the running chassis another firmware image (a .cci file), in its other bank of flash: drains it, powers it with the new
   * image, watches it, and confirms it if wished; a board that fails gets its old image back. Throws ImageRefused before the board
   * is touched, RangeError in a chassis without flash.
   */
  update(slot: number, octets: Uint8Array, options: UpdateOptions = {}): Promise<UpdateResult> {
    if (!this.firmware) throw new RangeError(`${this.name}: does not boot from flash`);
    return this.firmware.update([{ slot, octets }], options);
  }

  /** Calls back for what becomes of images in flash. Returns an unsubscriber. */
  onImage(callback: (event: ImageEvent) => void): () => void {
    return subscribe(this.#imageEvents, callback);
  }

  /** Whether some of its boards are elsewhere, and may come later. */
  get hasShelves(): boolean {
    return this.#shelves.size > 0;
  }

  get localAddresses(): readonly string[] {
    return this.#localAddresses;
  }

  /** The unprotected local addresses are others now: all boards are told, and those that start later know. */
  setLocalAddresses(addresses: readonly string[]): void {
    this.#localAddresses = [...addresses];
    const items = addresses.map((address) => ({ type: CONNECTION_LOCAL_ADDRESS, value: addressOctets(address) }));
    const body = encodeItems(items);
    this.#classifier?.setLocalAddresses(body);
    for (const device of this.#classifying) device.classifierAddresses?.(body);
    for (const slot of this.#slots.values()) {
      if (slot.serves) this.#supervisor.tell(slot, MANAGEMENT_LOCAL_ADDRESSES, body);
    }
  }

  /**
   * A packet arrives from the network of that side; it goes to the IKE board, or waits for it while it restarts. False when dropped and
   * counted.
   */
  receive(side: Side, packet: Uint8Array): boolean {
    for (const callback of this.#arriving[side]) callback(packet);
    const ike = this.#slot(this.ikeSlot);
    const gone = !this.#cage.isOnline(this.ikeSlot);
    const slot = this.classified(side, packet);
    if (slot !== undefined) {
      this.#cutThrough.set(slot, (this.#cutThrough.get(slot) ?? 0) + 1);
      return this.#cage.deliver(slot, PORT_OF_SIDE[side], packet);
    }
    const waits = gone && (ike.serves || ike.comesBack);
    if (waits && this.#arrivals.hold(PORT_OF_SIDE[side], packet, this.drive.clock.now())) return true;
    return this.#cage.deliver(this.ikeSlot, PORT_OF_SIDE[side], packet);
  }

  /**
   * The slot whose board has the SA of an arriving packet, as the IKE board has said, where such a packet goes there directly; undefined:
   * the IKE board is to look at it.
   */
  classified(side: Side, packet: Uint8Array): number | undefined {
    const classifier = this.#classifier;
    if (!classifier || (this.#options.cutThrough !== true && this.#cage.isOnline(this.ikeSlot))) return undefined;
    const number = classifier.board(PORT_OF_SIDE[side], packet);
    const slot = number < 0 || this.#shelves.has(number) ? undefined : this.#slots.get(number);
    return slot?.generation === classifier.generation && this.#cage.isOnline(number) ? number : undefined;
  }

  /** Of a chassis with a checkpoint, or with cut-through. */
  #fitClassifier(links: number): Classifier | undefined {
    if (this.#classifierMode === 0) return undefined;
    this.#classifierParts = classifierParts(links, encodeItems(this.#addressItems()), this.#options.build);
    return new Classifier(this.#classifierParts);
  }

  get #classifierMode(): number {
    if (this.#options.cutThrough === true) return CLASSIFIER_CUT_THROUGH;
    return this.#checkpoint ? CLASSIFIER_STANDBY : 0;
  }

  /** What the IKE board says to the classifier. */
  #classify(message: Uint8Array): void {
    this.#classifier?.take(message);
    // Only where packets pass it by does it have to know when they do no more.
    if (this.#options.cutThrough !== true) return;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const kind = message.length < CLASSIFY_VALUE + 4 ? CLASSIFY_SA : view.getUint32(CLASSIFY_KIND, true);
    if (kind !== CLASSIFY_SA_AWAY && kind !== CLASSIFY_SA_GONE) {
      for (const device of this.#classifying) device.classify!(message);
      return;
    }
    const link = message.slice(CLASSIFY_VALUE, CLASSIFY_VALUE + 4);
    let left = this.#classifying.size;
    const done = (): void => {
      left -= 1;
      if (left <= 0) this.#supervisor.tell(this.#slot(this.ikeSlot), MANAGEMENT_CLASSIFIED, link);
    };
    for (const device of this.#classifying) device.classify!(message, done);
    if (this.#classifying.size === 0) done();
  }

  /** Packets that have waited for the IKE board go to it, or nowhere. */
  #settleArrivals(): void {
    const ike = this.#slot(this.ikeSlot);
    if (ike.serves) this.#arrivals.release(this.drive.clock.now());
    else if (!ike.comesBack) this.#arrivals.drop();
  }

  /** Calls back for every packet that arrives from the network of that side, before a board has it. Returns an unsubscriber. */
  onReceive(side: Side, callback: (packet: Uint8Array) => void): () => void {
    return this.#watch(this.#arriving[side], callback);
  }

  /** Calls back for every packet that a board transmits to that side. Returns an unsubscriber. */
  onTransmit(side: Side, callback: (packet: Uint8Array, slot: number) => void): () => void {
    return this.#watch(this.#transmit[side], callback);
  }

  /** Plugs a NIC into its side: both directions. */
  attach(nic: Nic): void {
    this.#nics[nic.side].push(nic);
    this.#wire(PORT_OF_SIDE[nic.side], nic.line);
    nic.onReceive((packets) => {
      for (const packet of packets) this.receive(nic.side, packet);
    });
  }

  /** The next IKE board begins anew: what this one has is not kept for it, but for what changes from now on. */
  forgetCheckpoint(): void {
    this.#checkpoint?.clear();
  }

  /** Tells a board something on its MANAGEMENT port behind all that it has been told before: it waits for room, and is not lost. */
  tell(slot: number, message: Uint8Array): void {
    this.#supervisor.post(this.#slot(slot), message);
  }

  #wire(port: number, device: LineDevice | undefined): void {
    const parts = port === PORT_SECURE_ELEMENT || this.#options.cutThrough !== true ? undefined : this.#classifierParts;
    const line = device && this.#cage.connect?.(port, device, parts);
    if (line) this.#lines.set(port, line);
    if (line && parts && device.classify) this.#classifying.add(device);
    this.#switchLines();
  }

  /** A line is open while nobody wants to see, in this thread, what passes. */
  #switchLines(): void {
    for (const [port, line] of this.#lines) line.open = this.#isUnwatched(port);
  }

  #isUnwatched(port: number): boolean {
    if (port === PORT_SECURE_ELEMENT) return !this.#injection.afflictsElement;
    const side: Side = port === PORT_UNPROTECTED ? "unprotected" : "protected";
    return this.#nics[side].length === 1 && this.#arriving[side].size === 0 && this.#transmit[side].size === 0;
  }

  #watch<T extends unknown[]>(watchers: Subscribers<T>, callback: (...args: T) => void): () => void {
    const end = subscribe(watchers, callback);
    this.#switchLines();
    return () => {
      end();
      this.#switchLines();
    };
  }

  /** A board's MANAGEMENT port. */
  management(slot: number): ManagementPort {
    this.#slot(slot);
    let subscribers = this.#messages.get(slot);
    if (!subscribers) this.#messages.set(slot, (subscribers = new Set()));
    const all = subscribers;
    return {
      send: (message) => this.#cage.deliver(slot, PORT_MANAGEMENT, message),
      onMessage: (callback) => subscribe(all, callback),
    };
  }

  /** Calls back when a board comes up, goes down or traps. Returns an unsubscriber. */
  onBoard(callback: (event: BoardEvent) => void): () => void {
    return subscribe(this.#events, callback);
  }

  /** Runs: see Drive.run. All chassis on the same drive run along. */
  run(milliseconds?: number): Promise<void> {
    return this.drive.run(milliseconds);
  }

  /** Runs until the condition holds (true) or the time is over (false). */
  until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    return this.drive.until(condition, milliseconds);
  }

  /** Chooses what boards write to their trace rings: TRACE_MASK_* bits. */
  trace(mask: number): void {
    this.#traceMask = mask;
    this.#cage.trace(mask);
  }

  /** Trace entries of all slots since the last call, by time. */
  readTrace(): TraceEntry[] {
    return this.#cage.readTrace().sort(inOrder);
  }

  /** The same as lines for people. */
  console(): string[] {
    return this.readTrace().map(renderTrace);
  }

  /** Trace entries that fell off a ring before they were read; of all slots, or of one. */
  traceLost(slot?: number): number {
    return this.#cage.traceLost(slot);
  }

  /** Makes the backplane lose, duplicate, reorder or damage frames; without a spec it is sound again. */
  inject(spec?: FaultSpec): void {
    this.#cage.inject(spec);
  }

  /** Lets something go wrong (injection.ts). Throws RangeError for what cannot be. */
  injectFault(order: FaultOrder): void {
    this.#injection.order(order);
  }

  /** Ends all faults that were injected. */
  clearFaults(): void {
    this.#injection.clear();
  }

  /** Whether faults may be injected by command. */
  get faultsAllowed(): boolean {
    return this.#options.faults ?? false;
  }

  /** Whether keys may be written down by command. */
  get keysAllowed(): boolean {
    return this.#options.keyExport === true;
  }

  /** A control message to an IPsec board in clear, which the caller wipes. Undefined when it is none, or keys may not leave the chassis. */
  openControl(slot: number, sealed: Uint8Array): Buffer | undefined {
    return this.keysAllowed ? openControl(this.#slot(slot).controlKey, sealed) : undefined;
  }

  /** Shows every frame on the backplane to `tap`; without one the tap is taken off. */
  tap(tap?: WireTap): void {
    this.#cage.tap(tap);
  }

  get faults(): readonly Fault[] {
    return [...this.#slots.values()]
      .flatMap((slot) => slot.faults)
      .sort((a, b) => (a.now < b.now ? -1 : a.now > b.now ? 1 : 0));
  }

  /** Everything there is to see, as JSON. */
  show(): ChassisStatus {
    const slots = [...this.#slots.values()].map((slot) => this.#showSlot(slot));
    const drops: Record<string, number> = {};
    for (const slot of slots) {
      for (const [name, value] of [...Object.entries(slot.drops), ...Object.entries(slot.chassisDrops)]) {
        drops[name] = (drops[name] ?? 0) + value;
      }
    }
    return {
      name: this.name,
      link: this.#options.link,
      drive: this.drive.kind,
      ikeSlot: this.ikeSlot,
      now: Number(this.drive.clock.now()) / 1e9,
      slots,
      links: slots.map(({ slot }) => {
        const { toBoard, fromBoard } = this.#cage.linkCounters(slot);
        const hub = `${isAtm(this.#options.link) ? "atm" : "ethernet"} hub`;
        const shelf = this.#shelves.get(slot);
        const via = shelf ? ` via ${shelf.host.includes(":") ? `[${shelf.host}]` : shelf.host}:${shelf.port}` : "";
        const name = slot === this.ikeSlot ? hub : `${this.#link.describe(slot)}${via}`;
        return { slot, name, toBoard: this.#counted(toBoard), fromBoard: this.#counted(fromBoard) };
      }),
      drops,
      nics: [...this.#nics.unprotected, ...this.#nics.protected].flatMap((nic) =>
        nic.packetCounters ? [{ side: nic.side, ...nic.packetCounters() }] : [],
      ),
      faults: this.faults.map((fault) => ({ ...fault, now: Number(fault.now) / 1e9 })),
      alarms: this.#supervisor.alarms.standing.map((alarm) => ({ ...alarm, since: Number(alarm.since) / 1e9 })),
      alarm: this.#supervisor.alarms.lamp(),
      injected: this.#injection.standing,
    };
  }

  #counted(counters: LinkCounters): LinkCount {
    return { ...counters, cells: isAtm(this.#options.link) ? counters.bits / CELL_BITS : 0 };
  }

  #showSlot(slot: Slot): SlotStatus {
    const { map, drops, cutThrough } = this.#cage.snapshot(slot.number);
    const u32 = (at: number): number => map.getUint32(at, true);
    const u64 = (at: number): number => Number(map.getBigUint64(at, true));
    const online = slot.serves;
    return {
      slot: slot.number,
      board: slot.role,
      image: slot.image?.name ?? "",
      ...(this.firmware ? { images: this.firmware.show(slot) } : {}),
      build: online ? buildName(u32(MAP.MAP_BUILD)) : "",
      state: slot.state,
      reason: slot.reason,
      generation: slot.generation,
      restarts: slot.restarts,
      leds: this.#leds(slot, online ? u64(MAP.REG_IN) + u64(MAP.REG_ORIGINATED) : 0),
      uptime: online ? Number(this.drive.clock.now() - slot.onlineSince) / 1e9 : 0,
      ram: { total: slot.pages * 65536, used: u32(MAP.MAP_RAM_USED) },
      frames: { pool: u32(MAP.MAP_FRAMES), free: u32(MAP.REG_FREE), held: u32(MAP.REG_HELD) },
      counters: {
        polls: u64(MAP.REG_POLLS),
        in: u64(MAP.REG_IN),
        originated: u64(MAP.REG_ORIGINATED),
        sent: u64(MAP.REG_SENT),
        consumed: u64(MAP.REG_CONSUMED),
        dropped: u64(MAP.REG_DROPPED),
      },
      cutThrough: (this.#cutThrough.get(slot.number) ?? 0) + cutThrough,
      drops: nonZero(DROP_NAMES, drops),
      chassisDrops: nonZero(CHASSIS_DROP_NAMES, this.#cage.drops(slot.number)),
    };
  }

  #leds(slot: Slot, packets: number): Leds {
    const turning = slot.state === "Announce online" || slot.state === "Announce offline";
    const now = this.drive.clock.now();
    if (packets !== slot.activity.packets) slot.activity = { packets, at: now };
    const act = packets > 0 && now - slot.activity.at < NS_PER_SECOND;
    return {
      ok: slot.state === "Online" ? "green" : turning ? "blinking" : "off",
      fail: slot.failed && slot.state === "Offline" ? "red" : "off",
      act: act ? "blinking" : "off",
      alarm: this.#supervisor.alarms.lamp(slot.number),
    };
  }

  #plans(): readonly SlotPlan[] {
    const { slots } = this.#options;
    if (typeof slots !== "number") return slots;
    const numbers = Array.from({ length: slots + 1 }, (_, i) => i);
    return numbers.map((slot) => ({ slot, board: slot === this.ikeSlot ? "ike" : "ipsec" }));
  }

  #imageOf(image: Image | string): Image {
    if (typeof image !== "string") return image;
    return loadImage(image, {
      ...(this.#options.images === undefined ? {} : { directory: this.#options.images }),
      ...(this.#options.build === undefined ? {} : { force: this.#options.build }),
      ...(this.#options.metered === undefined ? {} : { metered: this.#options.metered }),
    });
  }

  #slot(number: number): Slot {
    const slot = this.#slots.get(number);
    if (!slot) throw new RangeError(`${this.name}: there is no slot ${number}`);
    return slot;
  }

  /** What every board is told, what its kind is told, and what the caller adds. */
  #configOf(slot: Slot): Uint8Array {
    const options = this.#options;
    const items: ConfigItem[] = [
      { type: CONFIG.CONFIG_LINK_KIND, value: this.#link.code },
      { type: CONFIG.CONFIG_IKE_SLOT, value: this.ikeSlot },
    ];
    items.push(...this.#addressItems());
    const optional = (type: number, value: number | undefined): void => {
      if (value !== undefined) items.push({ type, value });
    };
    if (slot.role === "ipsec") {
      items.push({ type: CONFIG.CONFIG_CONTROL_KEY, value: slot.controlKey });
      items.push({ type: CONFIG.CONFIG_SA_CAPACITY, value: slot.saCapacity });
      optional(CONFIG.CONFIG_UNPROTECTED_MTU, options.unprotectedMtu);
      optional(CONFIG.CONFIG_ADJUST_MSS, options.adjustMss);
    } else {
      items.push({ type: CONFIG.CONFIG_SA_CAPACITY, value: options.childSaCapacity ?? CHILD_SAS });
      items.push({ type: CONFIG.CONFIG_IKE_SA_CAPACITY, value: options.ikeSaCapacity ?? IKE_SAS });
      optional(CONFIG.CONFIG_PLACEMENT, options.placement);
      optional(CONFIG.CONFIG_LEASE, options.lease);
      if (this.#checkpoint) {
        const wish = this.#checkpoint.empty ? CONFIG.CHECKPOINT_KEEP : CONFIG.CHECKPOINT_RESTORE;
        items.push({ type: CONFIG.CONFIG_CHECKPOINT, value: wish });
      }
      optional(CONFIG.CONFIG_REBALANCE, options.rebalance ? 1 : undefined);
      optional(CONFIG.CONFIG_RETRANSMIT_MS, options.retransmitMs);
      optional(CONFIG.CONFIG_RETRANSMIT_TRIES, options.retransmitTries);
      optional(CONFIG.CONFIG_FRAGMENT_SIZE, options.fragmentSize);
      optional(CONFIG.CONFIG_CRASH_DETECTION, options.crashDetection ? 1 : undefined);
      optional(CONFIG.CONFIG_KEEPALIVE, options.keepAlive);
      optional(CONFIG.CONFIG_KEY_EXPORT, this.keysAllowed ? 1 : undefined);
    }
    optional(CONFIG.CONFIG_CLASSIFIER, this.#classifierMode || undefined);
    return encodeItems([...items, ...(options.config ?? []), ...slot.config]);
  }

  /** What is addressed to the gateway: CONFIG items of everything that looks at packets. */
  #addressItems(): ConfigItem[] {
    const { portIke, portNatt } = this.#options;
    return [
      ...this.#localAddresses.map((address) => ({ type: CONFIG.CONFIG_LOCAL_ADDRESS, value: addressOctets(address) })),
      ...(portIke === undefined ? [] : [{ type: CONFIG.CONFIG_PORT_IKE, value: portIke }]),
      ...(portNatt === undefined ? [] : [{ type: CONFIG.CONFIG_PORT_NATT, value: portNatt }]),
    ];
  }

  #transmitted(slot: number, port: number, packets: Uint8Array[]): void {
    if (port === PORT_UNPROTECTED) this.#send("unprotected", slot, packets);
    else if (port === PORT_PROTECTED) this.#send("protected", slot, packets);
    else if (port === PORT_SECURE_ELEMENT) for (const request of packets) this.#askSecureElement(slot, request);
    else if (port === PORT_MANAGEMENT) for (const message of packets) this.#message(slot, message);
  }

  #send(side: Side, slot: number, packets: Uint8Array[]): void {
    for (const callback of this.#transmit[side]) for (const packet of packets) callback(packet, slot);
    for (const nic of this.#nics[side]) nic.send(packets);
  }

  #message(slot: number, message: Uint8Array): void {
    if (message.length >= MANAGEMENT_HEADER) {
      const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
      const own = view.getUint32(MANAGEMENT_TRANSACTION, true) >= CHASSIS_TRANSACTION;
      const type = view.getUint16(MANAGEMENT_TYPE, true);
      if (own && type === MANAGEMENT_REPLY) return;
      if (type === MANAGEMENT_SETTLED && message.length >= MANAGEMENT_HEADER + 4)
        return this.#supervisor.settled(this.#slot(slot), view.getUint32(MANAGEMENT_HEADER, true));
      if (type === MANAGEMENT_CLASSIFY) return slot === this.ikeSlot ? this.#classify(message) : undefined;
      if (slot === this.ikeSlot && type === MANAGEMENT_EVENT) this.#noteDrained(message);
    }
    this.#messages.get(slot)?.forEach((callback) => callback(message));
  }

  /** A board has given its SAs away. */
  #noteDrained(message: Uint8Array): void {
    const body = message.subarray(MANAGEMENT_HEADER);
    if (itemU32(body, EVENT_KIND) !== EVENT_BOARD_DRAINED) return;
    const slot = this.#slots.get(itemU32(body, CHILD_SA_SLOT) ?? -1);
    if (slot?.generation === itemU32(body, CHILD_SA_GENERATION)) slot?.drained?.(itemU32(body, EVENT_LEFT) ?? 0);
  }

  /** Hands a request over; its answer goes back to the same generation of the board, in whatever order answers come. */
  #askSecureElement(slot: number, request: Uint8Array): void {
    const element = this.#options.secureElement;
    if (!element) return this.#cage.countDrop(slot, CHASSIS_DROP.secure_element_absent);
    const { generation } = this.#slot(slot);
    const fault = this.#injection.answer();
    this.drive.pending(patiently(element, request), (answer) => {
      if (fault === "lost" || fault > SECURE_ELEMENT_PATIENCE * NS_PER_MS)
        return this.#answered(slot, generation, undefined);
      if (fault === 0n) return this.#answered(slot, generation, answer);
      this.drive.after(fault, () => this.#answered(slot, generation, answer), true);
    });
  }

  #answered(slot: number, generation: number, answer: Uint8Array | undefined): void {
    if (this.#closed) return;
    if (!answer) this.#cage.countDrop(slot, CHASSIS_DROP.secure_element_failed);
    else if (this.#slot(slot).generation !== generation) this.#cage.countDrop(slot, CHASSIS_DROP.secure_element_stale);
    else this.#cage.deliver(slot, PORT_SECURE_ELEMENT, answer);
  }
}

/** The element's answer, or undefined when it fails or takes too long. */
async function patiently(element: SecureElement, request: Uint8Array): Promise<Uint8Array | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Number(SECURE_ELEMENT_PATIENCE), undefined);
    timer.unref();
  });
  try {
    return await Promise.race([element.handle(request), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
