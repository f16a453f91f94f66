/**
 * The lockstep drive: one thread, a virtual clock, every run the same to the last octet.
 *
 * All boards of all its chassis take turns: who has something to do is polled, its transmit rings are drained, its frames
 * go straight into the receive rings of others. When nobody has anything to do at this instant, time jumps to the
 * next moment at which somebody wants it. Answers of the secure element come from outside of virtual time: they are awaited
 * while everything rests, and delivered in the order of the requests.
 *
 * Work takes no virtual time, unless the drive is told what it takes (Work): then every board has a core of its own that is busy for
 * so long after a poll, what the poll made leaves at the end of that, and what comes meanwhile waits in the receive rings.
 *
 * A board that never returns from a poll stops the only thread that there is, and no wall clock can help: only a metered
 * image, which counts down its own fuel (host/image/meter.ts; `metered` of a chassis), is stopped here. The threaded drive has
 * a watchdog.
 */
import { DROP_COUNT } from "../../../assembly/abi/drop.ts";
import { MAP_SIZE, STATE_ONLINE } from "../../../assembly/abi/board.ts";
import { PORT_CHANNEL } from "../../../assembly/abi/ring.ts";
import { Board, DELIVERED, type Outlet, type PowerOn, RING_FULL } from "../board.ts";
import { createLink, type Link, type LinkCounters, type LinkReceiver, reasonOf, WIRE_MAX } from "../backplane.ts";
import { NEVER, NS_PER_MS, VirtualClock } from "../clock.ts";
import { type TraceEntry, TraceReader } from "../console.ts";
import { CrossConnect } from "../cross_connect.ts";
import { BoardFault, type TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";
import { type Carry, FaultInjector, type FaultSpec } from "../tap/fault_injector.ts";
import { FaultyDescriptors, type SlotFaults, type Strike } from "../tap/slot_faults.ts";
import type { WireTap } from "../tap/tracer.ts";
import { CHASSIS_DROP, CHASSIS_DROP_NAMES } from "../vocabulary.ts";
import type { BoardSnapshot, Cage, CagePlan, Drive, LinkSnapshot, PowerResult } from "./drive.ts";

/** Rounds at one instant after which a board is said to be restless. */
const ROUNDS_AT_REST = 200_000;
/** Rounds between two turns of Node's event loop. */
const ROUNDS_PER_BREATH = 64;

/**
 * What a poll of a board takes on the core that the board has for itself, ns. Calls `poll` once, in between or before it counts; `cage` is
 * the number of the chassis in the order in which they were made.
 */
export type Work = (poll: () => void, board: Board, slot: number, cage: number) => number;

interface Alarm {
  at: bigint;
  order: number;
  work: boolean;
  callback: () => void;
}

const noCounters = (): LinkCounters => ({ frames: 0, octets: 0, bits: 0 });

/** What the lockstep drive keeps for one slot. */
class Bay {
  board: Board | undefined;
  generation = 0;
  /** Until when its core is busy; what it has sent by then is still on its transmit rings. */
  busy: bigint | undefined;
  readonly drops = new Array<number>(CHASSIS_DROP_NAMES.length).fill(0);
  readonly links: LinkSnapshot = { toBoard: noCounters(), fromBoard: noCounters() };
  /** The ends of what other slots send here, by slot. */
  readonly receivers = new Map<number, LinkReceiver>();
  readonly trace: TraceReader;
  /** Where its transmitted frames go, and with faulty descriptors: what misses some on the way there. */
  readonly outlet: Outlet;
  faulty: Outlet | undefined;
  faults: SlotFaults = {};
  strike: Strike | undefined;
  /** Packets of the current drain, by port. */
  readonly outbox: Uint8Array[][] = [[], [], [], [], []];

  constructor(
    readonly slot: number,
    channel: (bay: Bay, ram: Uint8Array, start: number, length: number, vc: number) => void,
  ) {
    this.trace = new TraceReader(slot);
    this.outlet = (port, ram, start, length, link) => {
      if (port === PORT_CHANNEL) channel(this, ram, start, length, link);
      else this.outbox[port]!.push(ram.slice(start, start + length));
    };
  }
}

export class LockstepCage implements Cage {
  readonly #plan: CagePlan;
  readonly #clock: VirtualClock;
  readonly #link: Link;
  readonly #bays = new Map<number, Bay>();
  readonly #wire = new Uint8Array(WIRE_MAX);
  /** In cell mode: where cells wait for their turn. */
  readonly #crossConnect: CrossConnect | undefined;
  /** Where units go that left a board. */
  readonly #cross: Carry;
  #injector: FaultInjector | undefined;
  #tap: WireTap | undefined;
  #mask = 0;
  readonly #work: ((poll: () => void, board: Board, slot: number) => number) | undefined;

  constructor(plan: CagePlan, clock: VirtualClock, work?: (poll: () => void, board: Board, slot: number) => number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#work = work;
    this.#link = createLink(plan.link, plan.ikeSlot);
    if (plan.link === "atm-cell") this.#crossConnect = new CrossConnect(this.#arrive);
    this.#cross = this.#crossConnect?.carry ?? this.#arrive;
    for (const slot of plan.slots) {
      this.#bays.set(slot, new Bay(slot, (bay, ram, start, length, vc) => this.#send(bay, ram, start, length, vc)));
    }
  }

  async power(slot: number, image: Image, power: PowerOn): Promise<PowerResult> {
    const bay = this.#bay(slot);
    this.#wipe(bay);
    bay.generation = power.generation;
    bay.trace.restart();
    this.#mask = power.traceMask;
    try {
      const board = new Board(image, power, this.#clock.now(), this.#clock.wall());
      bay.trace.collect(board.traceRing);
      if (board.state !== STATE_ONLINE) {
        const { refusal } = board;
        board.wipe();
        return { online: false, refusal };
      }
      bay.board = board;
      // A new generation has a clock of its own: it runs off as the slot's does, but begins right.
      board.skew(this.#clock.now(), bay.faults.clockRate);
      return { online: true };
    } catch (error) {
      if (!(error instanceof BoardFault)) throw error;
      return { online: false, fault: error.report };
    }
  }

  async off(slot: number): Promise<void> {
    this.#wipe(this.#bay(slot));
  }

  /** `link` is the VC of a frame on an ATM channel: what stands in its descriptor. */
  deliver(slot: number, port: number, packet: Uint8Array, retries = false, link = 0): boolean {
    return this.#put(this.#bay(slot), port, packet, 0, packet.length, link, retries);
  }

  isOnline(slot: number): boolean {
    return this.#bay(slot).board !== undefined;
  }

  countDrop(slot: number, reason: number): void {
    this.#bay(slot).drops[reason]! += 1;
  }

  trace(mask: number): void {
    this.#mask = mask;
    for (const bay of this.#bays.values()) if (bay.board) bay.board.traceMask = mask;
  }

  readTrace(): TraceEntry[] {
    return [...this.#bays.values()].flatMap((bay) => bay.trace.take());
  }

  traceLost(slot?: number): number {
    const bays = slot === undefined ? [...this.#bays.values()] : [this.#bay(slot)];
    return bays.reduce((sum, bay) => sum + bay.trace.lost, 0);
  }

  inject(spec: FaultSpec | undefined): void {
    this.#injector?.flush();
    const lost = (to: number): void => this.countDrop(to, CHASSIS_DROP.injected_loss);
    this.#injector = spec ? new FaultInjector(spec, this.#cross, lost) : undefined;
  }

  afflict(slot: number, faults: SlotFaults): void {
    const bay = this.#bay(slot);
    const lost = (): void => this.countDrop(slot, CHASSIS_DROP.injected_loss);
    bay.faults = faults;
    bay.faulty = FaultyDescriptors.wanted(faults) ? new FaultyDescriptors(faults, bay.outlet, lost).outlet : undefined;
    bay.board?.skew(this.#clock.now(), faults.clockRate, faults.clockAhead);
    // An ended stall leaves full transmit rings.
    if (bay.board) bay.board.wantsPoll = true;
  }

  strike(slot: number, how: Strike): void {
    const bay = this.#bay(slot);
    if (!bay.board) return;
    bay.strike = how;
    bay.board.wantsPoll = true;
  }

  tap(tap: WireTap | undefined): void {
    this.#tap = tap;
  }

  snapshot(slot: number): BoardSnapshot {
    const board = this.#bay(slot).board;
    const map = board ? board.map.slice() : new Uint8Array(MAP_SIZE);
    const drops = board ? board.drops : new Uint8Array(DROP_COUNT * 8);
    const view = new DataView(drops.buffer, drops.byteOffset, drops.byteLength);
    return {
      map: new DataView(map.buffer),
      cutThrough: 0,
      drops: Array.from({ length: drops.length / 8 }, (_, i) => Number(view.getBigUint64(i * 8, true))),
    };
  }

  drops(slot: number): number[] {
    return [...this.#bay(slot).drops];
  }

  linkCounters(slot: number): LinkSnapshot {
    const { toBoard, fromBoard } = this.#bay(slot).links;
    return { toBoard: { ...toBoard }, fromBoard: { ...fromBoard } };
  }

  async close(): Promise<void> {
    for (const bay of this.#bays.values()) this.#wipe(bay);
  }

  /** Gives every board that wants one a poll; true when something moved. */
  turn(): boolean {
    let moved = false;
    const now = this.#clock.now();
    for (const bay of this.#bays.values()) {
      const board = bay.board;
      if (!board) continue;
      if (bay.busy !== undefined) {
        if (bay.busy > now) continue;
        bay.busy = undefined;
        moved = true;
        this.#drain(bay, board);
        this.#empty(bay);
      }
      if (!(board.wantsPoll || board.deadline <= now)) continue;
      moved = true;
      try {
        if (bay.strike) this.#struck(bay, board);
        const took = this.#work?.(() => board.poll(now, this.#clock.wall()), board, bay.slot) ?? 0;
        if (!this.#work) board.poll(now, this.#clock.wall());
        const { checkpoint } = board;
        if (checkpoint.length > 0) this.#plan.events.checkpoint(bay.slot, checkpoint);
        if (took > 0) bay.busy = now + BigInt(Math.ceil(took));
        else this.#drain(bay, board);
      } catch (error) {
        this.#fault(bay, error);
      }
      this.#empty(bay);
    }
    if (this.#crossConnect?.serve()) moved = true;
    return moved;
  }

  /** What a poll has sent leaves. */
  #drain(bay: Bay, board: Board): void {
    if (!bay.faults.stalled) board.drain(bay.faulty ?? bay.outlet);
    if (this.#mask !== 0) bay.trace.collect(board.traceRing);
  }

  /** Releases what a tap holds back; true when there was something. */
  flush(): boolean {
    const flushed = this.#injector?.flush() ?? false;
    return this.#crossConnect?.serve() || flushed;
  }

  /** The earliest moment at which a board wants a poll, or is done with one. */
  deadline(): bigint {
    let earliest = NEVER;
    for (const bay of this.#bays.values()) {
      const deadline = bay.busy ?? bay.board?.deadline ?? NEVER;
      if (deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  /** The earliest moment at which a board is done with a poll. */
  done(): bigint {
    let earliest = NEVER;
    for (const { busy } of this.#bays.values()) if (busy !== undefined && busy < earliest) earliest = busy;
    return earliest;
  }

  /** In lockstep a board that hangs has used up its fuel at once: nobody waits for it. */
  #struck(bay: Bay, board: Board): void {
    if (bay.strike === "hang") {
      throw new BoardFault(bay.slot, { kind: "hung", trapText: "told to hang", stack: "", abort: undefined });
    }
    if (board.strike()) bay.strike = undefined;
  }

  #bay(slot: number): Bay {
    const bay = this.#bays.get(slot);
    if (!bay) throw new RangeError(`there is no slot ${slot}`);
    return bay;
  }

  #wipe(bay: Bay): void {
    bay.board?.wipe();
    bay.board = undefined;
    bay.busy = undefined;
    bay.strike = undefined;
    for (const receiver of bay.receivers.values()) receiver.reset();
  }

  #fault(bay: Bay, error: unknown): void {
    if (!(error instanceof BoardFault)) throw error;
    // The last words: what the trace ring holds beyond the mask's reach.
    if (bay.board) bay.trace.collect(bay.board.traceRing);
    this.#wipe(bay);
    const report: TrapReport = error.report;
    this.#plan.events.faulted(bay.slot, bay.generation, report);
  }

  /** Hands the packets of a drain out, in batches by port. */
  #empty(bay: Bay): void {
    for (let port = 0; port < bay.outbox.length; port++) {
      const packets = bay.outbox[port]!;
      if (packets.length === 0) continue;
      bay.outbox[port] = [];
      this.#plan.events.transmitted(bay.slot, port, packets);
    }
  }

  /** A frame from a CHANNEL transmit ring. */
  #send(bay: Bay, ram: Uint8Array, start: number, length: number, vc: number): void {
    const to = this.#link.route(ram, start, length, vc, bay.slot);
    if (to < 0) {
      bay.drops[reasonOf(to)]! += 1;
      return;
    }
    const peer = this.#bays.get(to);
    if (!peer || bay.faults.linkDown || peer.faults.linkDown) {
      bay.drops[peer ? CHASSIS_DROP.link_down : CHASSIS_DROP.board_offline]! += 1;
      return;
    }
    const size = this.#link.encode(ram, start, length, vc, this.#wire, 0);
    count(bay.links.fromBoard, length, this.#link.bits(size));
    if (!this.#injector) return this.#cross(bay.slot, to, vc, this.#wire, 0, size);
    const unit = this.#link.unit(size);
    for (let at = 0; at < size; at += unit) this.#injector.carry(bay.slot, to, vc, this.#wire, at, unit);
  }

  /** One unit of the link at its far end. */
  readonly #arrive: Carry = (from, to, vc, wire, at, size) => {
    const bay = this.#bay(to);
    this.#tap?.({ now: this.#clock.now(), from, to, vc, wire: wire.slice(at, at + size) });
    let receiver = bay.receivers.get(from);
    if (!receiver) bay.receivers.set(from, (receiver = this.#link.receiver()));
    const length = receiver.take(wire, at, size, vc);
    if (length < 0) {
      bay.drops[reasonOf(length)]! += 1;
      return;
    }
    if (length === 0) return;
    if (this.#put(bay, PORT_CHANNEL, receiver.octets, receiver.start, length, this.#link.vcAtArrival(vc))) {
      count(bay.links.toBoard, length, receiver.bits);
    }
  };

  #put(
    bay: Bay,
    port: number,
    octets: Uint8Array,
    start: number,
    length: number,
    link: number,
    retries = false,
  ): boolean {
    if (!bay.board) {
      if (!retries) bay.drops[CHASSIS_DROP.board_offline]! += 1;
      return false;
    }
    try {
      const result = bay.board.deliver(port, octets, start, length, link);
      if (result === DELIVERED) return true;
      if (retries && result === RING_FULL) return false;
      bay.drops[result === RING_FULL ? CHASSIS_DROP.backplane_congestion : CHASSIS_DROP.frame_too_long]! += 1;
    } catch (error) {
      this.#fault(bay, error);
    }
    return false;
  }
}

function count(counters: LinkCounters, octets: number, bits: number): void {
  counters.frames += 1;
  counters.octets += octets;
  counters.bits += bits;
}

export class Lockstep implements Drive {
  readonly kind = "lockstep";
  readonly clock: VirtualClock;
  readonly #cages: LockstepCage[] = [];
  #made = 0;
  #alarms: Alarm[] = [];
  #order = 0;
  #pending: Promise<() => void>[] = [];

  readonly #work: Work | undefined;

  constructor(clock = new VirtualClock(), work?: Work) {
    this.clock = clock;
    this.#work = work;
  }

  cage(plan: CagePlan): Cage {
    if (plan.shelves && plan.shelves.size > 0)
      throw new RangeError("boards in shelves have a clock that is not virtual");
    const number = this.#made++;
    const work = this.#work;
    const cage = new LockstepCage(plan, this.clock, work && ((poll, board, slot) => work(poll, board, slot, number)));
    this.#cages.push(cage);
    const close = cage.close.bind(cage);
    cage.close = async () => {
      const index = this.#cages.indexOf(cage);
      if (index >= 0) this.#cages.splice(index, 1);
      await close();
    };
    return cage;
  }

  after(delay: bigint, callback: () => void, work = false): () => void {
    const alarm: Alarm = { at: this.clock.now() + delay, order: this.#order++, work, callback };
    // Kept sorted; new alarms mostly belong at the end.
    let index = this.#alarms.length;
    while (index > 0 && this.#alarms[index - 1]!.at > alarm.at) index -= 1;
    this.#alarms.splice(index, 0, alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  pending<T>(promise: Promise<T>, then?: (value: T) => void): void {
    this.#pending.push(promise.then((value) => () => then?.(value)));
  }

  async run(milliseconds?: number): Promise<void> {
    if (milliseconds === undefined) await this.#advance(undefined, undefined);
    else await this.#advance(this.#later(milliseconds), undefined);
  }

  async until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    return this.#advance(this.#later(milliseconds), condition);
  }

  async close(): Promise<void> {
    this.#alarms = [];
    for (const cage of [...this.#cages]) await cage.close();
  }

  #later(milliseconds: number): bigint {
    return this.clock.now() + BigInt(Math.round(milliseconds * Number(NS_PER_MS)));
  }

  /** Settles, then jumps, until the condition holds, `end` is reached, or (without an end) everything rests. */
  async #advance(end: bigint | undefined, condition: (() => boolean) | undefined): Promise<boolean> {
    for (;;) {
      if (await this.#settle(condition)) return true;
      let next = NEVER;
      for (const alarm of this.#alarms) {
        if (end === undefined && !alarm.work) continue;
        next = alarm.at;
        break;
      }
      if (end !== undefined) {
        for (const cage of this.#cages) {
          const deadline = cage.deadline();
          if (deadline < next) next = deadline;
        }
        if (next > end) {
          this.clock.advanceTo(end);
          return false;
        }
      } else {
        for (const cage of this.#cages) {
          const done = cage.done();
          if (done < next) next = done;
        }
        if (next === NEVER) return false;
      }
      this.clock.advanceTo(next);
    }
  }

  /** Runs all that can run without time passing; true as soon as the condition holds. */
  async #settle(condition: (() => boolean) | undefined): Promise<boolean> {
    for (let rounds = 0; ; rounds++) {
      if (condition?.()) return true;
      if (rounds === ROUNDS_AT_REST) throw new Error("a board does not come to rest: it wants a poll again and again");
      let moved = false;
      for (const cage of this.#cages) if (cage.turn()) moved = true;
      if (this.#ring()) moved = true;
      // A microtask for those who await; now and then a turn of the event loop, so that sockets and signals live.
      await (rounds % ROUNDS_PER_BREATH === ROUNDS_PER_BREATH - 1 ? breath() : undefined);
      if (moved) continue;
      for (const cage of this.#cages) if (cage.flush()) moved = true;
      if (moved) continue;
      if (this.#pending.length > 0) {
        const pending = this.#pending;
        this.#pending = [];
        for (const then of await Promise.all(pending)) then();
        continue;
      }
      if (!this.#cages.some((cage) => cage.deadline() <= this.clock.now())) return condition?.() ?? false;
    }
  }

  /** Calls the alarms whose time has come. */
  #ring(): boolean {
    let rang = false;
    while (this.#alarms.length > 0 && this.#alarms[0]!.at <= this.clock.now()) {
      rang = true;
      this.#alarms.shift()!.callback();
    }
    return rang;
  }
}

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
