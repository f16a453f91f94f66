/**
 * An IKE core under the fuzzer: RAM, rings and registers (docs/board-abi.md), and what test/entries/ike_fuzz.ts tells of its tables.
 * After every poll the books have to balance.
 */
import { createHash } from "node:crypto";
import * as B from "../../../assembly/abi/board.ts";
import * as F from "../../../assembly/abi/fault.ts";
import * as R from "../../../assembly/abi/ring.ts";
import { violation } from "../../../host/chassis/conservation.ts";
import { encodeItems, type ConfigItem } from "../../../host/chassis/config.ts";
import { ENCR_AES_CBC, type Keys } from "./suite.ts";
import { EVENTS, EVENT_OCTETS } from "../../entries/event_log.ts";

const PAGES = 1024;
const SK_KEY_OCTETS = 64;
const KEY_AI = 1;
const KEY_AR = 2;
const KEY_EI = 3;
const KEY_ER = 4;
const EVENT_INSTALL = 1;
const EVENT_REMOVE = 2;

/** Something that must hold does not. */
export class Broken extends Error {}

export interface SaLook {
  index: number;
  state: number;
  initiator: boolean;
  inId: number;
  outId: number;
  outStep: number;
  inStep: number;
  local: number;
  remote: number;
  localPort: number;
  remotePort: number;
  encryption: number;
  spiI: bigint;
  spiR: bigint;
}

export interface Tables {
  ikeSas: number;
  childSas: number;
  jobs: number;
  secrets: number;
  fragments: number;
  halfOpen: number;
  held: number;
  ram: number;
}

type Exports = Record<string, (...values: number[]) => number>;

export class Core {
  readonly ram: Buffer;
  readonly #view: DataView;
  readonly #wasm: Exports;
  readonly #map: number;
  readonly ikeSas: number;
  readonly name: string;
  /** What its boards hold: SPI, direction and link -> the first octets of its keys. */
  readonly installed = new Map<string, number>();
  #events = 0;
  time = 1_000_000_000n;

  constructor(name: string, module: WebAssembly.Module, entropy: string, ikeSas: number, config: ConfigItem[]) {
    this.name = name;
    this.ikeSas = ikeSas;
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    this.ram = Buffer.from(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#wasm = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
    this.#map = this.#wasm.boardMap!();
    const octets = encodeItems(config);
    this.ram.set(octets, this.#u32(this.#map + B.MAP_CONFIG));
    this.#view.setUint32(this.#map + B.REG_CONFIG_LENGTH, octets.length, true);
    this.ram.set(createHash("sha512").update(entropy).digest(), this.#map + B.REG_ENTROPY);
    this.#wasm.boardReset!();
    if (this.#u32(this.#map + B.REG_STATE) !== B.STATE_ONLINE) throw new Broken(`${name} refuses its configuration`);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #ring(port: number, side: number): number {
    return this.#u32(this.#u32(this.#map + B.MAP_PORT_TABLE) + port * R.PORT_ENTRY_OCTETS + side);
  }

  push(port: number, octets: Uint8Array): void {
    const ring = this.#ring(port, R.PORT_RX);
    const done = this.#u32(ring + R.RING_DONE);
    if (done === this.#u32(ring + R.RING_POSTED)) throw new Broken(`${this.name}: no frame is posted on port ${port}`);
    const d = ring + R.RING_DESCRIPTORS + (done & (this.#u32(ring) - 1)) * R.DESCRIPTOR_OCTETS;
    this.ram.set(octets, this.#u32(d));
    this.#view.setUint32(d + 4, octets.length, true);
    this.#view.setUint32(ring + R.RING_DONE, done + 1, true);
  }

  /** What it has put on a port's transmit ring. */
  pull(port: number): Buffer[] {
    const ring = this.#ring(port, R.PORT_TX);
    let done = this.#u32(ring + R.RING_DONE);
    const posted = this.#u32(ring + R.RING_POSTED);
    if (done === posted) return [];
    const out: Buffer[] = [];
    for (; done !== posted; done = (done + 1) >>> 0) {
      const d = ring + R.RING_DESCRIPTORS + (done & (this.#u32(ring) - 1)) * R.DESCRIPTOR_OCTETS;
      const at = this.#u32(d);
      out.push(Buffer.from(this.ram.subarray(at, at + this.#u32(d + 4))));
    }
    this.#view.setUint32(ring + R.RING_DONE, done, true);
    return out;
  }

  poll(): void {
    this.#view.setBigUint64(this.#map + B.REG_NOW, this.time, true);
    try {
      this.#wasm.boardPoll!();
    } catch (error) {
      throw new Broken(`${this.name} traps: ${this.#fault()}${(error as Error).stack ?? ""}`);
    }
    const wrong = violation(this.#view, this.#map);
    if (wrong !== undefined) throw new Broken(`${this.name}: ${wrong}`);
    this.#look();
  }

  /** What the fault record says, when the firmware stopped itself. */
  #fault(): string {
    const at = this.#wasm.faultAt!();
    if (this.#u32(at + F.FAULT_KIND) === F.FAULT_NONE) return "";
    const text = (octets: number, length: number): string =>
      this.ram.toString("latin1", at + octets, at + octets + this.#u32(at + length));
    const place = text(F.FAULT_FILE, F.FAULT_FILE_LENGTH);
    return `${text(F.FAULT_MESSAGE, F.FAULT_MESSAGE_LENGTH)} at ${place}:${this.#u32(at + F.FAULT_LINE)}\n`;
  }

  #look(): void {
    const count = this.#wasm.eventCount!();
    if (count - this.#events > EVENTS) throw new Broken(`${this.name}: the event log overran`);
    const log = this.#wasm.eventLog!();
    for (; this.#events < count; this.#events++) {
      const at = log + (this.#events % EVENTS) * EVENT_OCTETS;
      const kind = this.#u32(at);
      const sa = `${this.#u32(at + 8)}:${this.#u32(at + 12)}:${this.#u32(at + 4)}`;
      if (kind === EVENT_INSTALL) {
        if (this.installed.has(sa)) throw new Broken(`${this.name}: SA ${sa} is installed twice`);
        this.installed.set(sa, this.#u32(at + 16));
      } else if (kind === EVENT_REMOVE && !this.installed.delete(sa)) {
        throw new Broken(`${this.name}: SA ${sa} is removed, but was not there`);
      }
    }
  }

  /** When it wants to be polled. */
  get deadline(): bigint {
    return this.#view.getBigUint64(this.#map + B.REG_DEADLINE, true);
  }

  get dropped(): number {
    return Number(this.#view.getBigUint64(this.#map + B.REG_DROPPED, true));
  }

  setBoards(mode: number): void {
    this.#wasm.setBoards!(mode);
  }

  acquire(index: number): void {
    this.#wasm.acquire!(index);
  }

  sa(index: number): SaLook {
    const at = this.#wasm.lookAt!(index);
    return {
      index,
      state: this.#u32(at),
      initiator: this.#u32(at + 4) !== 0,
      inId: this.#u32(at + 8),
      outId: this.#u32(at + 12),
      outStep: this.#u32(at + 16),
      inStep: this.#u32(at + 20),
      local: this.#u32(at + 24),
      remote: this.#u32(at + 28),
      localPort: this.#u32(at + 32),
      remotePort: this.#u32(at + 36),
      encryption: this.#u32(at + 40),
      spiI: this.#view.getBigUint64(at + 64, false),
      spiR: this.#view.getBigUint64(at + 72, false),
    };
  }

  /** The peer's keys of an IKE_SA, or ours. */
  keys({ index, initiator, encryption }: SaLook, ours: boolean): Keys {
    const initiators = ours === initiator;
    const key = (n: number, octets: number): Buffer => {
      const at = this.#wasm.keyAt!(index, n);
      return Buffer.from(this.ram.subarray(at, at + octets));
    };
    const cbc = encryption === ENCR_AES_CBC;
    return {
      encryption,
      cipher: key(initiators ? KEY_EI : KEY_ER, cbc ? 32 : 36),
      integrity: cbc ? key(initiators ? KEY_AI : KEY_AR, 32) : Buffer.alloc(0),
    };
  }

  /** All seven SK_* keys as they stand in RAM. */
  keyBlock(index: number): Buffer {
    const at = this.#wasm.keyAt!(index, 0);
    return Buffer.from(this.ram.subarray(at, at + 7 * SK_KEY_OCTETS));
  }

  get halfOpen(): number {
    return this.#wasm.halfOpen!();
  }

  /** How much of each table is free, or in use. */
  tables(): Tables {
    const wasm = this.#wasm;
    return {
      ikeSas: wasm.freeIkeSas!(),
      childSas: wasm.freeChildSas!(),
      jobs: wasm.freeJobs!(),
      secrets: wasm.freeSecrets!(),
      fragments: wasm.heldFragments!(),
      halfOpen: wasm.halfOpen!(),
      held: this.#u32(this.#map + B.REG_HELD),
      ram: wasm.memoryUsed!(),
    };
  }
}
