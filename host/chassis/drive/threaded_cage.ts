/**
 * One chassis of the threaded drive: its boards' threads, the rings between them, and the chassis's end of those. The chassis's thread moves what
 * is left between devices and boards and never waits for anybody.
 */
import { Worker } from "node:worker_threads";
import { PORT_COUNT_MAX, PORT_SECURE_ELEMENT } from "../../../assembly/abi/ring.ts";
import { threadFile } from "../../thread/thread_file.ts";
import type { PowerOn } from "../board.ts";
import type { ClassifierParts } from "../classifier.ts";
import type { Clock } from "../clock.ts";
import type { TraceEntry } from "../console.ts";
import type { TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";
import type { FaultSpec } from "../tap/fault_injector.ts";
import type { SlotFaults, Strike } from "../tap/slot_faults.ts";
import type { WireTap } from "../tap/tracer.ts";
import { CHASSIS_DROP } from "../vocabulary.ts";
import { Bay, BoardThread } from "./bay.ts";
import {
  type CageParts,
  type PeerParts,
  PORT_CHECKPOINT,
  PORT_TAP,
  type PowerOrder,
  type RemoteThreadParts,
  type SlotParts,
  type ThreadParts,
  type ThreadReport,
  waitsForOthers,
} from "./board_thread.ts";
import type { BoardSnapshot, Cage, CagePlan, LineSwitch, LinkSnapshot, PowerResult } from "./drive.ts";
import type { BoardLineParts, DeviceLineParts, LineDevice } from "./line.ts";
import { Line } from "./line_switch.ts";
import { MessageRing, ringMemory } from "./message_ring.ts";
import { PacketStore } from "./packet_store.ts";
import {
  AWAKE,
  DESCRIPTOR,
  ONLINE,
  ORDER,
  ORDER_RUN,
  ORDER_STOP,
  ORDERS,
  type Page,
  SERVED,
  SLEEPING,
  STRIKE,
  STRIKES,
  TAPPED,
  TRACE_LOST,
  TRACE_MASK,
} from "./page.ts";

/** What a cage has of its drive. */
export interface CageDrive {
  readonly clock: Clock;
  /** The chassis's thread's (chassis_bell.ts). */
  readonly bell: SharedArrayBuffer;
  /** Microseconds that a board's thread spins before it sleeps. */
  readonly spin: number;
}

/** Messages taken from one board in one go. */
const BATCH = 512;
/** Milliseconds that a board's thread has to stop and wipe. */
const STOP_MS = 2000;
/** Milliseconds that a board may take to come online. */
const BOOT_MS = 30_000;

/** What a turn of the chassis's thread has moved: nothing, what waits for others, packets. */
export type Moved = 0 | 1 | 2;
export const NOTHING = 0;
export const UNHURRIED = 1;
const PACKETS = 2;

export class ThreadedCage implements Cage {
  readonly #plan: CagePlan;
  readonly #drive: CageDrive;
  readonly #threads = new Set<BoardThread>();
  readonly #bays = new Map<number, Bay>();
  readonly #lines: Line[] = [];
  readonly #ringOctets: number;
  readonly #store = new PacketStore();
  #tap: WireTap | undefined;
  #bellsDue = false;
  #closed = false;

  constructor(plan: CagePlan, drive: CageDrive, ringOctets: number) {
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
      {
        cut: () => line.cut(),
        passed: () => line.passed(),
        wake: () => ike.page.ring(),
        reclaim: () => this.#reclaim(line),
      },
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
        await thread.terminate();
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
      : this.#threadParts(thread, cage, slots);
    const program = new URL(shelf ? "../remote/remote_worker.ts" : "./board_worker.ts", import.meta.url);
    Atomics.store(thread.words, ORDERS, 0);
    const transferList = thread.receiver?.transfer ?? [];
    const worker = new Worker(threadFile(program), { workerData, transferList, execArgv: [] });
    const died = (text: string): void => {
      if (thread.worker !== worker) return;
      this.#lost(thread, { kind: "trap", trapText: text, stack: "", abort: undefined });
    };
    worker.on("message", (report: ThreadReport) => this.#reported(this.#bay(report.slot), worker, report));
    worker.on("error", (error) => died(`the board's thread failed: ${error.message}`));
    worker.on("exit", (code) => died(`the board's thread ended with code ${code}`));
    return worker;
  }

  /** Of a thread of this process; that of the IKE board is given the devices that are to be received from there. */
  #threadParts(thread: BoardThread, cage: CageParts, slots: SlotParts[]): ThreadParts {
    const { spin } = this.#drive;
    const parts: ThreadParts = { cage, doorbell: thread.doorbell, slots, spin };
    const ike = this.#bay(this.#plan.ikeSlot);
    if (this.#plan.receives !== "ike-board" || ike.thread !== thread) return parts;
    const receiver = ike.lines.find(({ device }) => device.receiver)?.device.receiver!();
    if (receiver === undefined) return parts;
    thread.receiver = receiver;
    Atomics.store(thread.words, DESCRIPTOR, receiver.descriptor);
    return { ...parts, receiver: receiver.parts };
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
    // Who reports is alive, however long ago its last turn began: a board comes up in one.
    bay.thread.restartWatch();
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
    const ended = thread.terminate();
    Atomics.store(thread.words, SLEEPING, AWAKE);
    const running = thread.bays.filter((bay) => bay.running);
    const served = Atomics.load(thread.words, SERVED);
    const cause = running.find((bay) => bay.slot === served) ?? running[0];
    for (const bay of thread.bays) {
      bay.running = false;
      Atomics.store(bay.page.words, ONLINE, 0);
      bay.page.map.fill(0);
      bay.page.firmwareDrops.fill(0);
    }
    void ended;
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
      const giveUp = (): void => {
        // A thread hears nothing while it boots the board of another of its slots; of one that does not end, the watchdog knows.
        if (bay.thread.bays.some((one) => one !== bay && one.settle)) {
          timer = setTimeout(giveUp, STOP_MS);
          return;
        }
        this.#lost(bay.thread, { kind: "hung", trapText: "did not stop", stack: "", abort: undefined });
        resolve();
      };
      timer = setTimeout(giveUp, STOP_MS);
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
