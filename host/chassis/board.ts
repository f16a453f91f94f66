/**
 * One powered board: its module, its RAM, its map and its rings, seen from the chassis.
 *
 * The chassis touches a board's RAM only where the contract lets it (abi/board.ts, abi/ring.ts): host registers, CONFIG, the
 * `done` cursors, LENGTH and LINK of receive descriptors, and the frames that it owns. Whatever the board wrote is
 * suspect: a cursor or an address outside of what it may be is a fault of the board, never one of the chassis. A
 * Board is used once: a reset is a new Board on new RAM. Needs a little-endian computer, as all engines' hosts are.
 */
import {
  ABI_MAGIC,
  ABI_VERSION,
  MAP_ABI_VERSION,
  MAP_BOARD_CLASS,
  MAP_CHECKPOINT,
  MAP_CONFIG,
  MAP_CONFIG_CAPACITY,
  MAP_DROPS,
  MAP_DROP_COUNT,
  MAP_FAULT,
  MAP_MAGIC,
  MAP_PORT_COUNT,
  MAP_PORT_TABLE,
  MAP_SIZE,
  MAP_TRACE,
  POLL_MORE_WORK,
  REG_CHECKPOINT,
  REG_CONFIG_LENGTH,
  REG_DEADLINE,
  REG_ENTROPY,
  REG_ENTROPY_OCTETS,
  REG_GENERATION,
  REG_NOW,
  REG_REFUSAL,
  REG_SLOT,
  REG_STATE,
  REG_TRACE_MASK,
  REG_WALL,
  STATE_ONLINE,
  STATE_REFUSED,
} from "../../assembly/abi/board.ts";
import { CHECKPOINT_AREA } from "../../assembly/abi/checkpoint.ts";
import { FAULT_ABORT, FAULT_OCTETS } from "../../assembly/abi/fault.ts";
import * as FAULT from "../../assembly/abi/fault.ts";
import { FRAME_STRIDE } from "../../assembly/abi/frame.ts";
import { MANAGEMENT_HEADER } from "../../assembly/abi/management.ts";
import {
  DESCRIPTOR_COOKIE,
  DESCRIPTOR_OCTETS,
  PORT_COUNT_MAX,
  PORT_ENTRY_OCTETS,
  PORT_MANAGEMENT,
  RING_DESCRIPTORS,
  RING_DONE,
  RING_SIZE,
} from "../../assembly/abi/ring.ts";
import { TRACE_OCTETS } from "../../assembly/abi/trace.ts";
import { areWhole } from "./checkpoint_record.ts";
import { NEVER } from "./clock.ts";
import { copyOctets } from "./copy.ts";
import { violation } from "./conservation.ts";
import { FUEL_EXPORT } from "../image/meter.ts";
import { BoardFault, faultText, type TrapReport } from "./fault.ts";
import { type Image, ramPages } from "./image.ts";
import { giveBackRam, takeRam } from "./ram.ts";
import { SkewedClock } from "./tap/slot_faults.ts";
import { boardClassName } from "./vocabulary.ts";

/** What a board is told at power-on. */
export interface PowerOn {
  slot: number;
  generation: number;
  /** RAM in pages of 64 KiB, within what the image can be given; absent: enough for what the firmware holds when CONFIG does not say. */
  pages?: number;
  /** The BOARD_CLASS_* that the slot is meant for. */
  boardClass: number;
  config: Uint8Array;
  /** REG_ENTROPY_OCTETS octets, never used before. */
  entropy: Uint8Array;
  traceMask: number;
  /** Check conservation of frames after every poll. */
  conservation: boolean;
  /** It follows at once on a board that served: what has arrived for that one and was not taken is its. Default: not. */
  follows?: boolean;
}

/** Where a transmitted frame is handed to: `length` octets of `ram` at `start`, valid during the call. */
export type Outlet = (port: number, ram: Uint8Array, start: number, length: number, link: number) => void;

export const DELIVERED = 0;
export const RING_FULL = 1;
export const TOO_LONG = 2;

/** What the firmware takes for capacities that CONFIG does not name. */
const IKE_SAS = 256;
const SAS = 1024;

const NOTHING = new Uint8Array(0);
/** Polls that the power-on self test may take. */
const SELF_TEST_POLLS = 10_000;
/** Largest ring that the chassis believes in. */
const RING_LIMIT = 65536;
/** What one call of a metered image may use: loop turns and calls. */
const FUEL_PER_CALL = 50_000_000n;

export class Board {
  /** RAM, and the same in eights. */
  readonly u8: Uint8Array;
  readonly u64: BigInt64Array;
  readonly #u32: Uint32Array;
  readonly #view: DataView;
  /** Absent once it is wiped. */
  #memory: WebAssembly.Memory | undefined;
  readonly #poll: () => number;
  readonly #fuel: WebAssembly.Global | undefined;
  readonly #slot: number;
  readonly #conservation: boolean;
  #clock: SkewedClock | undefined;
  #map = 0;
  #ports = 0;
  #mapView: Uint8Array | undefined;
  #dropsView: Uint8Array | undefined;
  #traceView: Uint8Array | undefined;
  readonly #rx = new Uint32Array(PORT_COUNT_MAX);
  readonly #tx = new Uint32Array(PORT_COUNT_MAX);
  readonly #rxSize = new Uint32Array(PORT_COUNT_MAX);
  readonly #txSize = new Uint32Array(PORT_COUNT_MAX);
  /** True when the last poll left work, or something was delivered since. */
  wantsPoll = true;

  /**
   * Gives the image fresh RAM, writes the registers and resets the board, until it is online or refuses.
   * Throws BoardFault when it traps or breaks the contract.
   */
  constructor(image: Image, power: PowerOn, now: bigint, wall: bigint) {
    const pages = power.pages ?? ramPages(image, IKE_SAS, SAS);
    const memory = takeRam(pages);
    this.#memory = memory;
    this.u8 = new Uint8Array(memory.buffer);
    this.u64 = new BigInt64Array(memory.buffer);
    this.#u32 = new Uint32Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#slot = power.slot;
    this.#conservation = power.conservation;
    const [outer, inner] = image.memoryImport;
    const instance = this.#guard(() => new WebAssembly.Instance(image.module, { [outer]: { [inner]: memory } }));
    const exports = instance.exports as Record<string, unknown>;
    const fuel = exports[FUEL_EXPORT];
    this.#fuel = fuel instanceof WebAssembly.Global ? fuel : undefined;
    this.#poll = exports.boardPoll as () => number;
    try {
      this.#powerOn(exports, power, now, wall);
    } catch (error) {
      this.wipe(); // CONFIG and ENTROPY may be there already
      throw error;
    }
    this.wantsPoll = true;
  }

  #powerOn(exports: Record<string, unknown>, power: PowerOn, now: bigint, wall: bigint): void {
    this.#map = this.#call(exports.boardMap as () => number) >>> 0;
    this.#checkMap(power.boardClass);
    this.#writeRegisters(power, now, wall);
    this.#call(exports.boardReset as () => void);
    this.#checkMap(power.boardClass);
    this.#readPorts();
    for (let polls = 0; this.state !== STATE_ONLINE && this.state !== STATE_REFUSED; polls++) {
      if (polls === SELF_TEST_POLLS) this.#fail("contract", "the self test does not end");
      this.poll(now, wall);
    }
    if (this.state === STATE_ONLINE && this.#ports === 0) this.#fail("contract", "the board is online without ports");
  }

  get state(): number {
    return this.#u32[(this.#map + REG_STATE) >>> 2]!;
  }

  get refusal(): number {
    return this.#u32[(this.#map + REG_REFUSAL) >>> 2]!;
  }

  get ports(): number {
    return this.#ports;
  }

  /** When the firmware wants to be polled, ns on the chassis's NOW scale; NEVER for not at all. */
  get deadline(): bigint {
    const deadline = this.#view.getBigUint64(this.#map + REG_DEADLINE, true);
    return this.#clock ? this.#clock.chassis(deadline, NEVER) : deadline;
  }

  /** From `now` on the board's clock runs at another rate, and is ahead by so many seconds more. */
  skew(now: bigint, rate = 1, ahead = 0): void {
    if (this.#clock || rate !== 1 || ahead !== 0) this.#clock = new SkewedClock(now, this.#clock, rate, ahead);
    this.wantsPoll = true;
  }

  /**
   * Damages the board's RAM as a failing memory would: the record of the frame that it takes next lies outside of RAM, so that the
   * firmware itself traps. False when no descriptor is free for it.
   */
  strike(): boolean {
    const message = new Uint8Array(MANAGEMENT_HEADER);
    if (this.deliver(PORT_MANAGEMENT, message, 0, message.length, 0) !== DELIVERED) return false;
    const ring = this.#rx[PORT_MANAGEMENT]!;
    const newest = this.#u32[(ring + RING_DONE) >>> 2]! - 1;
    const index = newest & (this.#rxSize[PORT_MANAGEMENT]! - 1);
    this.#u32[(ring + RING_DESCRIPTORS + index * DESCRIPTOR_OCTETS + DESCRIPTOR_COOKIE) >>> 2] = 0xffff_fff0;
    return true;
  }

  set traceMask(mask: number) {
    this.#u32[(this.#map + REG_TRACE_MASK) >>> 2] = mask;
  }

  /** The map and its registers, in place: of a board that has had its reset. */
  get map(): Uint8Array {
    return (this.#mapView ??= this.u8.subarray(this.#map, this.#map + MAP_SIZE));
  }

  /** The drop counters, in place: u64 each. Empty when the firmware has none. */
  get drops(): Uint8Array {
    const count = Math.min(this.#field(MAP_DROP_COUNT), 256);
    return (this.#dropsView = this.#region(this.#field(MAP_DROPS), count * 8, this.#dropsView));
  }

  /** The trace ring, in place. Empty when the firmware has none. */
  get traceRing(): Uint8Array {
    const address = this.#field(MAP_TRACE);
    return (this.#traceView = this.#region(address, address === 0 ? 0 : TRACE_OCTETS, this.#traceView));
  }

  /**
   * Fills the next empty frame of a port's receive ring with source[start, start + length).
   * Returns DELIVERED, RING_FULL (none is posted) or TOO_LONG. `eights`: the source's memory from the same first octet on.
   */
  deliver(
    port: number,
    source: Uint8Array,
    start: number,
    length: number,
    link: number,
    eights?: BigInt64Array,
  ): number {
    if (port >= this.#ports) return TOO_LONG;
    const u32 = this.#u32;
    const ring = this.#rx[port]!;
    const size = this.#rxSize[port]!;
    const done = u32[(ring + 32) >>> 2]!;
    const ready = (u32[(ring + 16) >>> 2]! - done) >>> 0;
    if (ready === 0) return RING_FULL;
    if (ready > size) this.#fail("contract", `port ${port}: the receive ring's cursors disagree`);
    const descriptor = (ring + RING_DESCRIPTORS + (done & (size - 1)) * DESCRIPTOR_OCTETS) >>> 2;
    const address = u32[descriptor]!;
    const capacity = u32[descriptor + 1]!;
    if (length > capacity) return TOO_LONG;
    if (capacity > FRAME_STRIDE || address + capacity > this.u8.length) {
      this.#fail("contract", `port ${port}: a posted frame lies outside of RAM`);
    }
    if (eights !== undefined) copyOctets(source, eights, start, this.u8, this.u64, address, length);
    else
      this.u8.set(start === 0 && length === source.length ? source : source.subarray(start, start + length), address);
    u32[descriptor + 1] = length;
    u32[descriptor + 2] = link;
    u32[(ring + 32) >>> 2] = done + 1;
    this.wantsPoll = true;
    return DELIVERED;
  }

  /** Empty frames that a port's receive ring offers. */
  room(port: number): number {
    if (port >= this.#ports) return 0;
    const ring = this.#rx[port]!;
    return (this.#u32[(ring + 16) >>> 2]! - this.#u32[(ring + 32) >>> 2]!) >>> 0;
  }

  /** Calls boardPoll once at the given time; returns its bits. Throws BoardFault when it traps. */
  poll(now: bigint, wall: bigint): number {
    const own = this.#clock ? this.#clock.board(now) : now;
    this.#view.setBigUint64(this.#map + REG_NOW, own, true);
    this.#view.setBigUint64(this.#map + REG_WALL, wall + own - now, true);
    this.wantsPoll = false;
    const bits = this.#call(this.#poll);
    if (bits & POLL_MORE_WORK) this.wantsPoll = true;
    if (this.#conservation && this.#ports > 0) {
      const broken = this.#violation();
      if (broken) this.#fail("conservation", broken);
    }
    return bits;
  }

  /** Hands every transmitted frame to `outlet`, port by port; returns how many there were. */
  drain(outlet: Outlet): number {
    const u32 = this.#u32;
    let frames = 0;
    for (let port = 0; port < this.#ports; port++) {
      const ring = this.#tx[port]!;
      const size = this.#txSize[port]!;
      const posted = u32[(ring + 16) >>> 2]!;
      let done = u32[(ring + 32) >>> 2]!;
      if (posted === done) continue;
      if ((posted - done) >>> 0 > size) this.#fail("contract", `port ${port}: the transmit ring's cursors disagree`);
      while (done !== posted) {
        const descriptor = (ring + RING_DESCRIPTORS + (done & (size - 1)) * DESCRIPTOR_OCTETS) >>> 2;
        const address = u32[descriptor]!;
        const length = u32[descriptor + 1]!;
        if (length > FRAME_STRIDE || address + length > this.u8.length) {
          this.#fail("contract", `port ${port}: a transmitted frame lies outside of RAM`);
        }
        outlet(port, this.u8, address, length, u32[descriptor + 2]!);
        done = (done + 1) >>> 0;
        frames += 1;
      }
      u32[(ring + 32) >>> 2] = done;
    }
    return frames;
  }

  /**
   * What the last poll left for the checkpoint (abi/checkpoint.ts), whole records, in place; to be taken before the transmit rings are drained.
   * Throws BoardFault when it is something else: nothing may leave whose effect is not kept.
   */
  get checkpoint(): Uint8Array {
    const octets = this.#field(REG_CHECKPOINT);
    if (octets === 0) return NOTHING;
    const address = this.#field(MAP_CHECKPOINT);
    if (octets > CHECKPOINT_AREA || address + octets > this.u8.length) {
      this.#fail("contract", "the checkpoint lies outside of its area");
    }
    const records = this.u8.subarray(address, address + octets);
    if (!areWhole(records)) this.#fail("contract", "the checkpoint is not whole records");
    return records;
  }

  /** Overwrites the RAM and gives it back: nothing of a board outlives it. The object is of no use afterwards. */
  wipe(): void {
    const memory = this.#memory;
    this.#memory = undefined;
    if (memory) giveBackRam(memory);
  }

  #violation(): string | undefined {
    try {
      return violation(this.#view, this.#map);
    } catch {
      return "the map points outside of RAM";
    }
  }

  #field(offset: number): number {
    return this.#u32[(this.#map + offset) >>> 2]!;
  }

  /** A range of RAM, or an empty one when it does not lie in RAM; `last` when that is the same. */
  #region(address: number, octets: number, last?: Uint8Array): Uint8Array {
    if (last?.byteOffset === address && last.length === octets) return last;
    const inside = address + octets <= this.u8.length;
    return inside ? this.u8.subarray(address, address + octets) : this.u8.subarray(0, 0);
  }

  #checkMap(boardClass: number): void {
    if (this.#map % 8 !== 0 || this.#map + MAP_SIZE > this.u8.length) {
      this.#fail("contract", `boardMap returned ${this.#map}, which is no place for a map`);
    }
    if (this.#field(MAP_MAGIC) !== ABI_MAGIC) this.#fail("contract", "the map's magic is wrong: not a board");
    const version = this.#field(MAP_ABI_VERSION);
    if (version !== ABI_VERSION) {
      this.#fail("contract", `the board speaks ABI version ${version}, this chassis ${ABI_VERSION}`);
    }
    const found = this.#field(MAP_BOARD_CLASS);
    if (found !== boardClass) {
      const wanted = boardClassName(boardClass);
      this.#fail("contract", `the image is of class ${boardClassName(found)}, the slot is for ${wanted}`);
    }
  }

  #writeRegisters(power: PowerOn, now: bigint, wall: bigint): void {
    const address = this.#field(MAP_CONFIG);
    const capacity = this.#field(MAP_CONFIG_CAPACITY);
    if (power.config.length > capacity || address + capacity > this.u8.length) {
      this.#fail("contract", `CONFIG of ${power.config.length} octets does not fit into the board's ${capacity}`);
    }
    if (power.entropy.length !== REG_ENTROPY_OCTETS) throw new RangeError("ENTROPY has a fixed size");
    this.u8.set(power.config, address);
    this.u8.set(power.entropy, this.#map + REG_ENTROPY);
    this.#view.setBigUint64(this.#map + REG_NOW, now, true);
    this.#view.setBigUint64(this.#map + REG_WALL, wall, true);
    this.#u32[(this.#map + REG_GENERATION) >>> 2] = power.generation;
    this.#u32[(this.#map + REG_SLOT) >>> 2] = power.slot;
    this.#u32[(this.#map + REG_CONFIG_LENGTH) >>> 2] = power.config.length;
    this.#u32[(this.#map + REG_TRACE_MASK) >>> 2] = power.traceMask;
  }

  /** Reads the port table once: rings do not move after reset, so a board cannot point the chassis elsewhere later. */
  #readPorts(): void {
    if (this.state === STATE_REFUSED) return;
    const count = this.#field(MAP_PORT_COUNT);
    const table = this.#field(MAP_PORT_TABLE);
    if (count > PORT_COUNT_MAX || table % 4 !== 0 || table + count * PORT_ENTRY_OCTETS > this.u8.length) {
      this.#fail("contract", `the port table of ${count} ports at ${table} is not one`);
    }
    for (let port = 0; port < count; port++) {
      const entry = (table + port * PORT_ENTRY_OCTETS) >>> 2;
      this.#rx[port] = this.#u32[entry]!;
      this.#tx[port] = this.#u32[entry + 1]!;
      this.#rxSize[port] = this.#ringSize(port, this.#rx[port]!);
      this.#txSize[port] = this.#ringSize(port, this.#tx[port]!);
    }
    this.#ports = count;
  }

  #ringSize(port: number, ring: number): number {
    const size = ring % 4 === 0 && ring + RING_DESCRIPTORS <= this.u8.length ? this.#u32[(ring + RING_SIZE) >>> 2]! : 0;
    const end = ring + RING_DESCRIPTORS + size * DESCRIPTOR_OCTETS;
    if (size === 0 || size > RING_LIMIT || (size & (size - 1)) !== 0 || end > this.u8.length) {
      this.#fail("contract", `port ${port}: the ring at ${ring} has ${size} descriptors`);
    }
    return size;
  }

  #call<T>(entry: () => T): T {
    if (this.#fuel) this.#fuel.value = FUEL_PER_CALL;
    return this.#guard(entry);
  }

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new BoardFault(this.#slot, this.#trapReport(error as Error));
    }
  }

  #fail(kind: TrapReport["kind"], message: string): never {
    throw new BoardFault(this.#slot, { kind, trapText: message, stack: "", abort: undefined });
  }

  /** What the board left behind: the fault record when an abort wrote one, and the engine's words. */
  #trapReport(error: Error): TrapReport {
    const report: TrapReport = { kind: "trap", trapText: error.message, stack: error.stack ?? "", abort: undefined };
    if (this.#fuel && (this.#fuel.value as bigint) < 0n) {
      return { ...report, kind: "hung", trapText: `no end after ${FUEL_PER_CALL} calls and turns of loops` };
    }
    const address = this.#map === 0 ? 0 : this.#field(MAP_FAULT);
    const record = this.#region(address, address === 0 ? 0 : FAULT_OCTETS);
    if (record.length === 0) return report;
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    if (view.getUint32(FAULT.FAULT_KIND, true) !== FAULT_ABORT) return report;
    const text = (at: number, length: number, limit: number): string =>
      faultText(record.subarray(at, at + Math.min(view.getUint32(length, true), limit)));
    report.kind = "abort";
    report.abort = {
      file: text(FAULT.FAULT_FILE, FAULT.FAULT_FILE_LENGTH, FAULT.FAULT_FILE_MAX),
      line: view.getUint32(FAULT.FAULT_LINE, true),
      column: view.getUint32(FAULT.FAULT_COLUMN, true),
      message: text(FAULT.FAULT_MESSAGE, FAULT.FAULT_MESSAGE_LENGTH, FAULT.FAULT_MESSAGE_MAX),
    };
    return report;
  }
}
