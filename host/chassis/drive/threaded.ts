/**
 * The threaded drive: boards in workers, each with RAM of its own, real time, packets through rings in shared memory. A board has a thread to
 * itself, unless the plan lets it share one: that saves waking where processors are few, and a board that hangs then takes the others along.
 *
 *   chassis thread  --down--> board thread 0 (IKE) --channel--> board thread n
 *        ^                        |    ^----------channel----------|   |
 *        +----------up------------+                                    |
 *        +----------up-------------------------------------------------+
 *
 * Devices with threads of their own, the Linux NICs and the secure element, are wired to the boards' threads (line.ts): what they say to
 * each other passes the chassis's thread only while somebody there wants to see it.
 *
 * The chassis's thread moves what is left between devices and boards and never waits for anybody: it goes on through the event loop
 * while there are packets and sleeps on a doorbell otherwise (chassis_bell.ts), for a moment at least behind what is in no hurry. A board's
 * thread that shows no sign of life for a while is terminated and its board restarted, like one that trapped.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { PORT_COUNT_MAX, PORT_SECURE_ELEMENT } from "../../../assembly/abi/ring.ts";
import { threadFile } from "../../thread/thread_file.ts";
import type { PowerOn } from "../board.ts";
import { RealClock } from "../clock.ts";
import { type TraceEntry, TraceReader } from "../console.ts";
import type { TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";
import type { FaultSpec } from "../tap/fault_injector.ts";
import type { SlotFaults, Strike } from "../tap/slot_faults.ts";
import type { WireTap } from "../tap/tracer.ts";
import { CHASSIS_DROP, CHASSIS_DROP_NAMES } from "../vocabulary.ts";
import {
  type PeerParts,
  PORT_CHECKPOINT,
  PORT_TAP,
  waitsForOthers,
  type PowerOrder,
  type CageParts,
  type RemoteThreadParts,
  type SlotParts,
  type ThreadParts,
  type ThreadReport,
} from "./board_thread.ts";
import type { BoardSnapshot, Cage, CagePlan, Drive, LinkSnapshot, LineSwitch, PowerResult } from "./drive.ts";
import type { ClassifierParts } from "../classifier.ts";
import { type BoardLineParts, type DeviceLineParts, LineControl, type LineDevice } from "./line.ts";
import { ChassisBell, chassisBellMemory } from "./chassis_bell.ts";
import { MessageRing, ringMemory } from "./message_ring.ts";
import {
  doorbellMemory,
  ONLINE,
  ORDER,
  ORDER_RUN,
  ORDER_STOP,
  ORDERS,
  Page,
  type PageParts,
  pageParts,
  SERVED,
  SLEEPING,
  STRIKE,
  STRIKES,
  TAPPED,
  TRACE_LOST,
  TRACE_MASK,
  TRACE_MIRROR,
  TURNS,
} from "./page.ts";

export interface ThreadedOptions {
  /** Octets of each ring in shared memory, a power of two. Default 1 MiB. */
  ringOctets?: number;
  /** Microseconds that a thread spins before it sleeps. Default 20, or 2 when there are fewer than four processors. */
  spin?: number;
  /** Milliseconds without a sign of life after which a board is declared hung. Default 5000. */
  hangMs?: number;
}

/** Messages taken from one board in one go. */
const BATCH = 512;
/** Fruitless turns of the event loop before the chassis's thread sleeps. */
const PATIENCE = 4;
/** Milliseconds that records of the checkpoint and messages of the MANAGEMENT port wait for others, at most. */
const DOZE_MS = 2;
/** Milliseconds that a board's thread has to stop and wipe. */
const STOP_MS = 2000;
/** Milliseconds that a board may take to come online. */
const BOOT_MS = 30_000;
/** Octets that received packets are cut from. */
const CHUNK = 65536;
const TIMER_MAX = 2 ** 31 - 1;

/** Something that happens later. */
interface Timer {
  work: boolean;
  cancel: () => void;
}

/** What a turn of the chassis's thread has moved: nothing, what waits for others, packets. */
type Moved = 0 | 1 | 2;
const NOTHING = 0;
const UNHURRIED = 1;
const PACKETS = 2;

/** Received packets: copied out of shared memory into chunks, many to an allocation. */
class PacketStore {
  #chunk = new Uint8Array(CHUNK);
  #used = 0;

  copy(source: Uint8Array, at: number, length: number): Uint8Array {
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(Math.max(CHUNK, length));
      this.#used = 0;
    }
    const packet = this.#chunk.subarray(this.#used, this.#used + length);
    packet.set(source.subarray(at, at + length));
    this.#used += length;
    return packet;
  }
}

/** A thread, and the slots that it serves. */
class BoardThread {
  readonly doorbell = doorbellMemory();
  readonly words = new Int32Array(this.doorbell);
  readonly bays: Bay[] = [];
  worker: Worker | undefined;
  turnsSeen = -1;
  turnsSince = 0;

  get turns(): number {
    return Atomics.load(this.words, TURNS);
  }

  get sleeps(): boolean {
    return Atomics.load(this.words, SLEEPING) !== 0;
  }

  /** It counts as alive from now on, whatever it does. */
  restartWatch(): void {
    this.turnsSeen = -1;
    this.turnsSince = performance.now();
  }
}

/** What the threaded drive keeps for one slot. */
class Bay {
  readonly pageParts: PageParts;
  readonly page: Page;
  readonly downBuffer: SharedArrayBuffer;
  readonly upBuffer: SharedArrayBuffer;
  readonly down: MessageRing;
  readonly up: MessageRing;
  readonly peers: PeerParts[] = [];
  readonly lines: { parts: BoardLineParts; device: LineDevice }[] = [];
  /** What comes to the board from its peers and from devices. */
  readonly channels: MessageRing[] = [];
  readonly drops = new Array<number>(CHASSIS_DROP_NAMES.length).fill(0);
  readonly trace: TraceReader;
  generation = 0;
  /** True from the order to power until the thread says that it has ended. */
  running = false;
  /** True while the chassis's thread has put something in since the last bell. */
  touched = false;
  settle: ((result: PowerResult) => void) | undefined;
  stopped: (() => void) | undefined;

  constructor(
    readonly slot: number,
    readonly thread: BoardThread,
    ringOctets: number,
  ) {
    this.pageParts = pageParts(thread.doorbell);
    this.page = new Page(this.pageParts);
    thread.bays.push(this);
    this.downBuffer = ringMemory(ringOctets);
    this.upBuffer = ringMemory(ringOctets);
    this.down = new MessageRing(this.downBuffer);
    this.up = new MessageRing(this.upBuffer);
    this.trace = new TraceReader(slot, TRACE_MIRROR);
  }
}

/** A device that is wired to the boards' threads. */
class Line implements LineSwitch {
  readonly control = new LineControl();
  /** Slots whose boards send to the device, and where they do so by a ring, that. */
  readonly bays: Bay[] = [];
  readonly toDevice = new Map<Bay, MessageRing>();
  #cut = false;

  constructor(
    readonly port: number,
    readonly device: LineDevice,
  ) {}

  get open(): boolean {
    return this.control.open;
  }

  set open(open: boolean) {
    if (this.#cut || open === this.control.open) return;
    this.control.open = open;
  }

  get resting(): boolean {
    return this.#cut || (!this.device.busy && [...this.toDevice.values()].every((ring) => ring.empty));
  }

  /** Nobody uses the line from now on; resolves when no board's thread is still about to ring the device's bell. */
  async cut(): Promise<void> {
    this.#cut = true;
    this.control.end();
    await this.passed();
  }

  /** Resolves when each board's thread has ended the turn that it is in, or sleeps. */
  async passed(): Promise<void> {
    const before = this.bays.map((bay) => ({ bay, worker: bay.thread.worker, turns: bay.thread.turns }));
    const passed = ({ bay, worker, turns }: (typeof before)[number]): boolean =>
      !bay.running || bay.thread.worker !== worker || bay.thread.sleeps || bay.thread.turns !== turns;
    for (let waited = 0; waited < STOP_MS && !before.every(passed); waited++) await sleep(1);
  }
}

export class ThreadedCage implements Cage {
  readonly #plan: CagePlan;
  readonly #drive: Threaded;
  readonly #threads = new Set<BoardThread>();
  readonly #bays = new Map<number, Bay>();
  readonly #lines: Line[] = [];
  readonly #ringOctets: number;
  readonly #store = new PacketStore();
  #tap: WireTap | undefined;
  #bellsDue = false;
  #closed = false;

  constructor(plan: CagePlan, drive: Threaded, ringOctets: number) {
    this.#plan = plan;
    this.#drive = drive;
    this.#ringOctets = ringOctets;
    const shared = new Map<number, BoardThread>();
    for (const slot of plan.slots) {
      const number = plan.threads?.get(slot);
      const thread = (number !== undefined && shared.get(number)) || new BoardThread();
      if (number !== undefined) shared.set(number, thread);
      this.#threads.add(thread);
      this.#bays.set(slot, new Bay(slot, thread, ringOctets));
    }
    const ike = this.#bay(plan.ikeSlot);
    for (const bay of this.#bays.values()) {
      if (bay === ike) continue;
      const toBoard = ringMemory(ringOctets);
      const toIke = ringMemory(ringOctets);
      ike.peers.push({ slot: bay.slot, out: toBoard, in: toIke, page: bay.pageParts });
      bay.peers.push({ slot: ike.slot, out: toIke, in: toBoard, page: ike.pageParts });
      ike.channels.push(new MessageRing(toIke));
      bay.channels.push(new MessageRing(toBoard));
    }
  }

  connect(port: number, device: LineDevice, classifier?: ClassifierParts): LineSwitch | undefined {
    // A thread is given its rings when it starts.
    if ([...this.#threads].some((thread) => thread.worker !== undefined)) return undefined;
    if (this.#lines.some((line) => line.port === port)) return undefined;
    const line = new Line(port, device);
    const ike = this.#bay(this.#plan.ikeSlot);
    const toBoard = ringMemory(this.#ringOctets);
    const memories: SharedArrayBuffer[] = [];
    const boards: DeviceLineParts["boards"] = [];
    for (const bay of port === PORT_SECURE_ELEMENT ? [ike] : this.#bays.values()) {
      // What stands in for a board in a shelf sends through the chassis's thread.
      if (this.#plan.shelves?.has(bay.slot)) continue;
      line.bays.push(bay);
      const parts: BoardLineParts = { port, control: line.control.memory, bell: device.bell };
      if (!device.sender) {
        parts.toDevice = ringMemory(this.#ringOctets);
        memories.push(parts.toDevice);
        line.toDevice.set(bay, new MessageRing(parts.toDevice));
      }
      bay.lines.push({ parts, device });
      if (bay === ike) {
        parts.toBoard = toBoard;
      } else if (classifier) {
        const direct = ringMemory(this.#ringOctets);
        parts.toBoard = direct;
        bay.channels.push(new MessageRing(direct));
        boards.push({ slot: bay.slot, toBoard: direct, page: bay.pageParts });
      }
    }
    ike.channels.push(new MessageRing(toBoard));
    this.#lines.push(line);
    device.wire(
      {
        port,
        control: line.control.memory,
        toDevice: memories,
        toBoard,
        slot: ike.slot,
        page: ike.pageParts,
        ...(classifier ? { classifier } : {}),
        boards,
      },
      { cut: () => line.cut(), passed: () => line.passed(), reclaim: () => this.#reclaim(line) },
    );
    return line;
  }

  async power(slot: number, image: Image, power: PowerOn): Promise<PowerResult> {
    const bay = this.#bay(slot);
    await this.#stop(bay);
    // A restart that was under way when everything ended: nobody would end its thread.
    if (this.#closed) return { online: false, refusal: 0 };
    const { thread } = bay;
    const worker = (thread.worker ??= this.#start(thread));
    bay.generation = power.generation;
    bay.running = true;
    thread.restartWatch();
    Atomics.store(bay.page.words, TRACE_MASK, power.traceMask);
    Atomics.store(bay.page.words, STRIKE, 0);
    Atomics.store(bay.page.words, ORDER, ORDER_RUN);
    const order: PowerOrder = { slot, image, power };
    return new Promise((resolve) => {
      bay.settle = resolve;
      worker.postMessage(order);
      Atomics.add(thread.words, ORDERS, 1);
      bay.page.ring();
    });
  }

  async off(slot: number): Promise<void> {
    await this.#stop(this.#bay(slot));
  }

  deliver(slot: number, port: number, packet: Uint8Array, retries = false): boolean {
    const bay = this.#bay(slot);
    if (Atomics.load(bay.page.words, ONLINE) === 0) {
      if (!retries) bay.drops[CHASSIS_DROP.board_offline]! += 1;
      return false;
    }
    if (!bay.down.push(port, 0, slot, packet, 0, packet.length)) {
      if (!retries) bay.drops[CHASSIS_DROP.backplane_congestion]! += 1;
      // A full ring is no reason to let its reader sleep.
      bay.page.ring();
      return false;
    }
    bay.touched = true;
    if (!this.#bellsDue) {
      // One bell for all that this turn of the event loop delivers.
      this.#bellsDue = true;
      queueMicrotask(() => this.#ringBells());
    }
    return true;
  }

  isOnline(slot: number): boolean {
    return Atomics.load(this.#bay(slot).page.words, ONLINE) !== 0;
  }

  countDrop(slot: number, reason: number): void {
    this.#bay(slot).drops[reason]! += 1;
  }

  trace(mask: number): void {
    for (const bay of this.#bays.values()) {
      Atomics.store(bay.page.words, TRACE_MASK, mask);
      bay.page.ring();
    }
  }

  readTrace(): TraceEntry[] {
    this.#collect();
    return [...this.#bays.values()].flatMap((bay) => bay.trace.take());
  }

  traceLost(slot?: number): number {
    const bays = slot === undefined ? [...this.#bays.values()] : [this.#bay(slot)];
    return bays.reduce((sum, bay) => sum + bay.trace.lost + Atomics.load(bay.page.words, TRACE_LOST), 0);
  }

  inject(spec: FaultSpec | undefined): void {
    for (const bay of this.#bays.values()) {
      bay.page.setInjection(spec);
      bay.page.ring();
    }
  }

  afflict(slot: number, faults: SlotFaults): void {
    const { page } = this.#bay(slot);
    page.setFaults(faults);
    page.ring();
  }

  strike(slot: number, how: Strike): void {
    const { page } = this.#bay(slot);
    Atomics.store(page.words, STRIKE, 1 + STRIKES.indexOf(how));
    page.ring();
  }

  tap(tap: WireTap | undefined): void {
    this.#tap = tap;
    for (const bay of this.#bays.values()) Atomics.store(bay.page.words, TAPPED, tap ? 1 : 0);
  }

  snapshot(slot: number): BoardSnapshot {
    const { page } = this.#bay(slot);
    const map = new Uint8Array(page.map.length);
    map.set(page.map);
    const drops = new DataView(page.firmwareDrops.slice().buffer);
    return {
      map: new DataView(map.buffer),
      cutThrough: page.cutThrough[0]!,
      drops: Array.from({ length: drops.byteLength / 8 }, (_, i) => Number(drops.getBigUint64(i * 8, true))),
    };
  }

  drops(slot: number): number[] {
    const bay = this.#bay(slot);
    const drops = bay.drops.map((count, reason) => count + bay.page.drops[reason]!);
    if (slot === this.#plan.ikeSlot) {
      for (const { control } of this.#lines) drops[CHASSIS_DROP.backplane_congestion]! += control.refused;
    }
    return drops;
  }

  linkCounters(slot: number): LinkSnapshot {
    const links = this.#bay(slot).page.links;
    const at = (first: number) => ({ frames: links[first]!, octets: links[first + 1]!, bits: links[first + 2]! });
    return { toBoard: at(0), fromBoard: at(3) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(
      [...this.#threads].map(async (thread) => {
        await Promise.all(thread.bays.map((bay) => this.#stop(bay)));
        const { worker } = thread;
        thread.worker = undefined;
        await worker?.terminate();
      }),
    );
  }

  /** Takes what the boards sent. */
  drain(): Moved {
    let moved: Moved = NOTHING;
    for (const bay of this.#bays.values()) {
      const { up } = bay;
      if (up.empty) continue;
      const batches: (Uint8Array[] | undefined)[] = new Array(PORT_COUNT_MAX);
      let taken = 0;
      for (; taken < BATCH && up.peek(); taken++) {
        if (!waitsForOthers(up.port)) moved = PACKETS;
        if (up.port === PORT_CHECKPOINT) {
          this.#plan.events.checkpoint(bay.slot, up.octets.subarray(up.at, up.at + up.length));
          up.release();
          continue;
        }
        const packet = this.#store.copy(up.octets, up.at, up.length);
        const { port, link, from } = up;
        if (port === PORT_SECURE_ELEMENT) up.wipe();
        up.release();
        if (port === PORT_TAP) {
          this.#tap?.({ now: this.#drive.clock.now(), from, to: bay.slot, vc: link, wire: packet });
        } else {
          (batches[port] ??= []).push(packet);
        }
      }
      if (taken === 0) continue;
      if (moved === NOTHING) moved = UNHURRIED;
      for (let port = 0; port < PORT_COUNT_MAX; port++) {
        const packets = batches[port];
        if (packets) this.#plan.events.transmitted(bay.slot, port, packets);
      }
    }
    this.#collect();
    if (this.#bellsDue) this.#ringBells();
    return moved;
  }

  /** True when every ring is empty and every running thread sleeps. */
  get resting(): boolean {
    for (const bay of this.#bays.values()) {
      if (bay.settle || !bay.up.empty) return false;
      if (!bay.running) continue;
      if (!bay.down.empty || !bay.channels.every((ring) => ring.empty)) return false;
      if (!bay.thread.sleeps) return false;
    }
    return this.#lines.every((line) => line.resting);
  }

  /** Ends threads that show no sign of life. */
  watch(hangMs: number): void {
    const now = performance.now();
    for (const thread of this.#threads) {
      const { turns } = thread;
      const running = thread.bays.filter((bay) => bay.running);
      if (running.length === 0 || turns !== thread.turnsSeen || thread.sleeps) {
        thread.turnsSeen = turns;
        thread.turnsSince = now;
      } else {
        // A thread that is being started loads the engine and the loader first, on a machine that may have more to do.
        const limit = running.some((bay) => bay.settle) ? Math.max(hangMs, BOOT_MS) : hangMs;
        if (now - thread.turnsSince <= limit) continue;
        this.#lost(thread, { kind: "hung", trapText: `no poll ended for ${limit} ms`, stack: "", abort: undefined });
      }
    }
  }

  #bay(slot: number): Bay {
    const bay = this.#bays.get(slot);
    if (!bay) throw new RangeError(`there is no slot ${slot}`);
    return bay;
  }

  /** What boards have for a device that is gone takes the way through the chassis's thread. */
  #reclaim(line: Line): void {
    for (const [bay, ring] of line.toDevice) {
      const packets: Uint8Array[] = [];
      for (; ring.peek(); ring.release()) packets.push(this.#store.copy(ring.octets, ring.at, ring.length));
      if (packets.length > 0) this.#plan.events.transmitted(bay.slot, line.port, packets);
    }
  }

  #ringBells(): void {
    this.#bellsDue = false;
    for (const bay of this.#bays.values()) {
      if (!bay.touched) continue;
      bay.touched = false;
      bay.page.ring();
    }
  }

  #collect(): void {
    for (const bay of this.#bays.values()) bay.trace.collect(bay.page.trace);
  }

  /** What a slot shares with others, for whoever stands in for its board: its page, and its rings to the slots that it reaches. */
  wiring(slot: number): { page: Page; peers: readonly PeerParts[] } {
    const { page, peers } = this.#bay(slot);
    return { page, peers };
  }

  /** Starts a thread; it waits for orders and serves one generation after the other in its slots. */
  #start(thread: BoardThread): Worker {
    const cage: CageParts = {
      ikeSlot: this.#plan.ikeSlot,
      link: this.#plan.link,
      bell: this.#drive.bell,
      clockAhead: this.#plan.clockAhead ?? 0n,
    };
    const slots = thread.bays.map((bay) => this.#slotParts(bay));
    const shelf = this.#plan.shelves?.get(thread.bays[0]!.slot);
    const workerData = shelf
      ? ({ cage, slot: slots[0]!, shelf } satisfies RemoteThreadParts)
      : ({ cage, doorbell: thread.doorbell, slots, spin: this.#drive.spin } satisfies ThreadParts);
    const program = new URL(shelf ? "../remote/remote_worker.ts" : "./board_worker.ts", import.meta.url);
    Atomics.store(thread.words, ORDERS, 0);
    const worker = new Worker(threadFile(program), { workerData, execArgv: [] });
    const died = (text: string): void => {
      if (thread.worker !== worker) return;
      this.#lost(thread, { kind: "trap", trapText: text, stack: "", abort: undefined });
    };
    worker.on("message", (report: ThreadReport) => this.#reported(this.#bay(report.slot), worker, report));
    worker.on("error", (error) => died(`the board's thread failed: ${error.message}`));
    worker.on("exit", (code) => died(`the board's thread ended with code ${code}`));
    return worker;
  }

  #slotParts(bay: Bay): SlotParts {
    return {
      slot: bay.slot,
      page: bay.pageParts,
      down: bay.downBuffer,
      up: bay.upBuffer,
      peers: bay.peers,
      lines: bay.lines.map(({ parts, device }) => {
        const sender = device.sender?.(bay.slot, parts.port);
        return sender ? { ...parts, sender } : parts;
      }),
    };
  }

  #reported(bay: Bay, worker: Worker, report: ThreadReport): void {
    if (bay.thread.worker !== worker || report.generation !== bay.generation) return;
    if (report.kind === "online") return this.#settle(bay, { online: true });
    bay.running = false;
    // What the board sent before it ended is sent.
    while (this.drain() !== NOTHING);
    if (report.kind === "refused") this.#settle(bay, { online: false, refusal: report.refusal });
    else if (report.kind === "stopped") bay.stopped?.();
    else this.#ended(bay, report.report);
  }

  /** The thread itself is gone, or must go, because of the board that it was serving; what its boards held goes with it. */
  #lost(thread: BoardThread, report: TrapReport): void {
    const { worker } = thread;
    thread.worker = undefined;
    Atomics.store(thread.words, SLEEPING, 0);
    const running = thread.bays.filter((bay) => bay.running);
    const served = Atomics.load(thread.words, SERVED);
    const cause = running.find((bay) => bay.slot === served) ?? running[0];
    for (const bay of thread.bays) {
      bay.running = false;
      Atomics.store(bay.page.words, ONLINE, 0);
      bay.page.map.fill(0);
      bay.page.firmwareDrops.fill(0);
    }
    void worker?.terminate();
    // What they said before is heard: of the checkpoint all counts.
    while (this.drain() !== NOTHING);
    for (const bay of running) this.#ended(bay, bay === cause ? report : endedWith(cause!.slot));
  }

  #ended(bay: Bay, report: TrapReport): void {
    if (bay.stopped) return bay.stopped();
    if (bay.settle) return this.#settle(bay, { online: false, fault: report });
    if (!this.#closed) this.#plan.events.faulted(bay.slot, bay.generation, report);
  }

  #settle(bay: Bay, result: PowerResult): void {
    const { settle } = bay;
    bay.settle = undefined;
    settle?.(result);
  }

  /** Orders a running board to stop and wipe; ends its thread when it does not. */
  async #stop(bay: Bay): Promise<void> {
    if (!bay.running) return;
    Atomics.store(bay.page.words, ORDER, ORDER_STOP);
    bay.page.ring();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      bay.stopped = resolve;
      timer = setTimeout(() => {
        this.#lost(bay.thread, { kind: "hung", trapText: "did not stop", stack: "", abort: undefined });
        resolve();
      }, STOP_MS);
    });
    clearTimeout(timer);
    bay.stopped = undefined;
    if (bay.settle) this.#settle(bay, { online: false, refusal: 0 });
  }
}

/** Of a board that was not the cause. */
const endedWith = (slot: number): TrapReport => ({
  kind: "thread",
  trapText: `the board of slot ${slot}, in the same thread, died with the thread`,
  stack: "",
  abort: undefined,
});

export class Threaded implements Drive {
  readonly kind = "threaded";
  readonly clock = new RealClock();
  /** The chassis's thread's. */
  readonly bell = chassisBellMemory();
  readonly spin: number;
  readonly #bell = new ChassisBell(this.bell);
  readonly #ringOctets: number;
  readonly #hangMs: number;
  readonly #cages = new Set<ThreadedCage>();
  readonly #timers = new Set<Timer>();
  readonly #watchers = new Set<() => void>();
  #watchdog: NodeJS.Timeout | undefined;
  /** Ends a wait of `until` with what its condition says now. */
  readonly #giveUps = new Set<() => void>();
  #pending = 0;
  #idle = 0;
  #pumping = false;

  constructor(options: ThreadedOptions = {}) {
    this.spin = options.spin ?? (availableParallelism() < 4 ? 2 : 20);
    this.#ringOctets = options.ringOctets ?? 1 << 20;
    this.#hangMs = options.hangMs ?? 5000;
  }

  cage(plan: CagePlan): ThreadedCage {
    const cage = new ThreadedCage(plan, this, this.#ringOctets);
    this.#cages.add(cage);
    const close = cage.close.bind(cage);
    cage.close = async () => {
      await close();
      this.#cages.delete(cage);
      if (this.#cages.size > 0) return;
      clearInterval(this.#watchdog);
      this.#watchdog = undefined;
      this.#bell.ring(true);
    };
    this.#watchdog ??= setInterval(() => this.#watch(), 250).unref();
    if (!this.#pumping) {
      this.#pumping = true;
      setImmediate(this.#pump);
    }
    return cage;
  }

  after(delay: bigint, callback: () => void, work = false): () => void {
    const timer: Timer = { work, cancel: () => undefined };
    const fire = (): void => {
      this.#timers.delete(timer);
      callback();
    };
    if (delay <= 0n) {
      // At once means within this turn of the event loop: a cable without latency must not cost a timer's millisecond.
      const immediate = setImmediate(fire);
      timer.cancel = () => clearImmediate(immediate);
    } else {
      const timeout = setTimeout(fire, Math.min(Number(delay) / 1e6, TIMER_MAX));
      timer.cancel = () => clearTimeout(timeout);
    }
    this.#timers.add(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  pending<T>(promise: Promise<T>, then?: (value: T) => void): void {
    this.#pending += 1;
    void promise.then((value) => then?.(value)).finally(() => (this.#pending -= 1));
  }

  async run(milliseconds?: number): Promise<void> {
    if (milliseconds !== undefined) return sleep(milliseconds);
    // Seen at rest twice in a row, with time between: a bell may be on its way.
    for (let rests = 0; rests < 2; ) {
      await sleep(1);
      rests = this.#resting ? rests + 1 : 0;
    }
  }

  async until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    if (condition()) return true;
    return new Promise((resolve, reject) => {
      const check = (last: boolean): void => {
        let holds = false;
        try {
          holds = condition();
        } catch (error) {
          reject(error as Error);
          last = true;
        }
        if (!holds && !last) return;
        clearTimeout(limit);
        clearInterval(ticks);
        this.#watchers.delete(watcher);
        this.#giveUps.delete(giveUp);
        resolve(holds);
      };
      const giveUp = (): void => check(true);
      const watcher = (): void => check(false);
      const limit = setTimeout(giveUp, milliseconds);
      const ticks = setInterval(watcher, 2);
      this.#watchers.add(watcher);
      this.#giveUps.add(giveUp);
      // What is waited for does not wait for others.
      this.#bell.ring(true);
    });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    // Whoever still waits has waited enough: a timer left behind would keep the process.
    for (const giveUp of [...this.#giveUps]) giveUp();
    await Promise.all([...this.#cages].map((cage) => cage.close()));
  }

  get #resting(): boolean {
    if (this.#pending > 0 || [...this.#timers].some((timer) => timer.work)) return false;
    return [...this.#cages].every((cage) => cage.resting);
  }

  #watch(): void {
    for (const cage of this.#cages) cage.watch(this.#hangMs);
  }

  /** One turn of the chassis's thread. */
  readonly #pump = (): void => {
    if (this.#cages.size === 0) {
      this.#pumping = false;
      return;
    }
    this.#bell.listen();
    let moved: Moved = NOTHING;
    for (const cage of this.#cages) moved = Math.max(moved, cage.drain()) as Moved;
    if (moved !== NOTHING) for (const watcher of [...this.#watchers]) watcher();
    if (moved === UNHURRIED && this.#watchers.size === 0) {
      this.#idle = PATIENCE;
      this.#bell.doze(DOZE_MS, this.#pump);
      return;
    }
    this.#idle = moved === NOTHING ? this.#idle + 1 : 0;
    if (this.#idle < PATIENCE) {
      setImmediate(this.#pump);
      return;
    }
    this.#idle = 0;
    this.#bell.sleep(this.#pump);
  };
}

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
