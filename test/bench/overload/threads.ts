/**
 * The same in threads, on the clock: moon is offered more than it has just been measured to carry, by a NIC in memory; its CHILD_SA is
 * rekeyed and initiators shake hands with it meanwhile. One packet in SAMPLE goes on to sun, which opens it: from host to host.
 *
 * What comes out depends on who else is on the machine, and so does what is carried: it is measured before and behind, in the same run. What
 * does not depend on that is checked: each packet that was offered is sealed or counted as a drop, none is sealed twice, what sun opens is what
 * was sent, IKE is served, boards hold nothing at the end.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { LinkKind } from "../../../host/chassis/backplane.ts";
import { MARK, udpPacket } from "../../../host/demo/packets.ts";
import { Storm, STORM_SECRET, stormConnection } from "../effects/storm.ts";
import { threadTime } from "../gateway/thread_time.ts";
import { TwoGateways } from "../gateway/two_gateways.ts";

const OCTETS = 400;
/** One sealed packet in so many is opened by sun. */
const SAMPLE = 64;
/** Packets in moon while it is measured what it carries: as many as keep its boards busy, and as find room. */
const IN_FLIGHT = 1536;
const TICK_MS = 1;
/** What a thread that had no core for a while offers at once at most, ms. */
const ARREARS_MS = 10;
/** Between two handshakes, and of an initiator that waits for an answer. */
const HANDSHAKE_MS = 250;
const RETRANSMISSION_MS = 500;
/** Between two rekeyings at least. */
const REKEY_MS = 1000;
const PATIENCE_MS = 30_000;
/** Looks at which nothing has come out, when it may be that all has. */
const QUIET = 100;
const CAPACITY = { childSaCapacity: 4096, saCapacity: 4096, ikeSaCapacity: 4096 };
const NUMBER_AT = 28 + MARK.length;
const NUMBERS = 1 << 16;
const UDP = 17;
const ESP = 50;

export interface ThreadsPlan {
  link: LinkKind;
  /** Of what is carried. */
  factor: number;
  slices: number;
  /** Of each slice, and of measuring what is carried. */
  milliseconds: number;
  measuring: number;
}

export interface ThreadsSlice {
  /** Packets/s that were offered, and that came out. */
  offered: number;
  rate: number;
  /** That came out for each second of processor time of both boards' threads: whoever else is on the machine. */
  perSecond: number;
  /** ms from host to host, of those that sun opened. */
  median: number;
  p99: number;
  longest: number;
}

export interface ThreadsOverload {
  /** Packets/s in closed loop before and behind, and for each second of processor time before. */
  carried: [number, number];
  perSecond: number;
  slices: ThreadsSlice[];
  /** Packets, from the first that was offered to the last that came out. */
  offered: number;
  sealed: number;
  opened: number;
  /** Of moon, meanwhile, by reason. */
  drops: Record<string, number>;
  /** ms that each handshake and each rekeying took. */
  handshakes: number[];
  rekeyings: number[];
  retransmissions: number;
  failures: string[];
  faults: number;
  held: number;
  /** Octets of RAM that moon's boards use more, and that this process has more than after the first slice: in all, and of its own heap. */
  grown: number;
  resident: number;
  heap: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

class Load {
  offered = 0;
  sealed = 0;
  opened = 0;
  latencies: number[] = [];
  readonly rekeyings: number[] = [];
  readonly storm: Storm;
  readonly #gateways: TwoGateways;
  readonly #packet = Buffer.from(udpPacket("10.1.1.5", "10.2.1.9", 0, OCTETS));
  readonly #sentAt = new Float64Array(NUMBERS);
  /** The newest number of each outbound SA. */
  readonly #numbers = new Map<number, number>();
  /** When the rekeying under way was asked for; 0 none. */
  #rekeying = 0;

  constructor(gateways: TwoGateways) {
    this.#gateways = gateways;
    const { moon } = gateways.gateways;
    this.storm = new Storm(
      (packet) => {
        const taken = gateways.nics.moon.unprotected.offer(packet);
        gateways.nics.moon.unprotected.wake();
        return taken;
      },
      (callback) => void setTimeout(callback, TICK_MS),
    );
    this.storm.now = () => performance.now();
    this.storm.patience = (callback) => void setTimeout(callback, RETRANSMISSION_MS).unref();
    moon.onEvent((event) => {
      if (event.kind !== "child-rekey" || !("child" in event) || event.child !== "net-1" || this.#rekeying === 0)
        return;
      this.rekeyings.push(performance.now() - this.#rekeying);
      this.#rekeying = 0;
    });
  }

  get rekeying(): boolean {
    return this.#rekeying !== 0;
  }

  async rekey(): Promise<void> {
    this.#rekeying = performance.now();
    await this.#gateways.gateways.moon.rekey("net-1");
  }

  /** So many packets arrive; how many found room. */
  offer(count: number): number {
    const nic = this.#gateways.nics.moon.protected;
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const number = this.offered++;
      this.#packet.writeUInt32BE(number, NUMBER_AT);
      this.#sentAt[number & (NUMBERS - 1)] = performance.now();
      if (nic.offer(this.#packet)) taken += 1;
    }
    nic.wake();
    return taken;
  }

  /** Takes what has come out everywhere to where it goes. */
  carry(): void {
    const { moon, sun } = this.#gateways.nics;
    const toSun: Uint8Array[] = [];
    const toMoon: Uint8Array[] = [];
    moon.unprotected.look((octets, at, length) => {
      if (octets[at + 9] === ESP) {
        if (this.#isSealed(octets, at) % SAMPLE === 0) toSun.push(octets.slice(at, at + length));
      } else {
        assert.equal(octets[at + 9], UDP, "neither ESP nor IKE");
        const packet = octets.slice(at, at + length);
        if (!this.storm.take(packet)) toSun.push(packet);
      }
    });
    sun.unprotected.look((octets, at, length) => void toMoon.push(octets.slice(at, at + length)));
    sun.protected.look((octets, at, length) => this.#isOpened(octets.subarray(at, at + length)));
    for (const packet of toSun) sun.unprotected.offer(packet);
    for (const packet of toMoon) moon.unprotected.offer(packet);
    sun.unprotected.wake();
    moon.unprotected.wake();
  }

  #isSealed(octets: Uint8Array, at: number): number {
    const view = new DataView(octets.buffer, octets.byteOffset + at, 28);
    const [spi, number] = [view.getUint32(20), view.getUint32(24)];
    assert.ok(number > (this.#numbers.get(spi) ?? 0), "a number is used twice, or packets are out of order");
    this.#numbers.set(spi, number);
    this.sealed += 1;
    return this.sealed;
  }

  #isOpened(packet: Uint8Array): void {
    const octets = Buffer.from(packet.buffer, packet.byteOffset, packet.length);
    const number = octets.readUInt32BE(NUMBER_AT);
    this.latencies.push(performance.now() - this.#sentAt[number & (NUMBERS - 1)]!);
    assert.ok(
      octets.length === OCTETS && octets.subarray(NUMBER_AT + 4).equals(this.#packet.subarray(NUMBER_AT + 4)),
      "a packet is another one than was sent",
    );
    this.opened += 1;
  }
}

interface Rate {
  offered: number;
  rate: number;
  perSecond: number;
}

/** `step` now and then, until `least` packets have come out as well; what has been offered and sealed meanwhile, a second. */
async function during(
  gateways: TwoGateways,
  load: Load,
  milliseconds: number,
  step: () => void,
  least = 0,
): Promise<Rate> {
  const spent = (): number => gateways.threads("moon").reduce((sum, thread) => sum + threadTime(thread), 0);
  const [offered, sealed, before, start] = [load.offered, load.sealed, spent(), performance.now()];
  while (performance.now() - start < milliseconds || load.sealed - sealed < least) {
    assert.ok(performance.now() - start < milliseconds + PATIENCE_MS, "nothing comes out");
    step();
    load.carry();
    await sleep(TICK_MS);
  }
  const [seconds, out] = [(performance.now() - start) / 1e3, load.sealed - sealed];
  return {
    offered: (load.offered - offered) / seconds,
    rate: out / seconds,
    perSecond: (out * 1e9) / (spent() - before),
  };
}

/** What moon carries: IN_FLIGHT packets are in it all the time. */
async function carried(gateways: TwoGateways, load: Load, milliseconds: number): Promise<Rate> {
  const [offered, sealed] = [load.offered, load.sealed];
  const refill = (): void => {
    load.offer(Math.max(IN_FLIGHT - (load.offered - offered) + (load.sealed - sealed), 0));
  };
  const rate = await during(gateways, load, milliseconds, refill, IN_FLIGHT);
  await empty(gateways, load);
  return rate;
}

/** Until nothing comes out any more, and what was offered has come out or is counted as a drop: or for PATIENCE_MS. */
async function empty(gateways: TwoGateways, load: Load): Promise<void> {
  const { chassis } = gateways.gateways.moon;
  const missing = (): number =>
    load.offered - load.sealed - Object.values(chassis.show().drops).reduce((sum, count) => sum + count, 0);
  const start = performance.now();
  for (let quiet = 0, out = -1; quiet < QUIET || missing() > 0; await sleep(TICK_MS)) {
    load.carry();
    quiet = load.sealed + load.opened === out ? quiet + 1 : 0;
    out = load.sealed + load.opened;
    if (performance.now() - start > PATIENCE_MS) return;
  }
}

/** `factor` times what moon carries is offered for `slices` slices of `milliseconds` ms on the clock. */
export async function overloadThreads(plan: ThreadsPlan): Promise<ThreadsOverload> {
  const { link, factor, slices, milliseconds, measuring } = plan;
  const own = { connections: stormConnection(), secrets: STORM_SECRET, chassis: CAPACITY };
  const gateways = new TwoGateways({ boards: 1, links: link, esp: "aes128gcm16", cutThrough: false, ...own });
  try {
    await gateways.establish();
    const { moon } = gateways.gateways;
    const load = new Load(gateways);
    const { storm } = load;
    // The engine compiles what is used.
    await carried(gateways, load, measuring);
    const before = await carried(gateways, load, measuring);
    const drops = (): Record<string, number> => ({ ...moon.chassis.show().drops });
    const ram = (): number => moon.chassis.show().slots.reduce((sum, { ram: octets }) => sum + octets.used, 0);
    const memory = (): NodeJS.MemoryUsage => {
      collect();
      return process.memoryUsage();
    };
    const [had, used, offered, sealed, opened] = [drops(), ram(), load.offered, load.sealed, load.opened];

    const result: ThreadsSlice[] = [];
    let first = memory();
    let last = performance.now();
    let due = 0;
    let [handshakeAt, rekeyAt] = [last, last + REKEY_MS / 10];
    const step = (): void => {
      const now = performance.now();
      due += (factor * before.rate * Math.min(now - last, ARREARS_MS)) / 1e3;
      last = now;
      load.offer(Math.floor(due));
      due -= Math.floor(due);
      if (now >= handshakeAt) {
        handshakeAt = now + HANDSHAKE_MS;
        storm.begin(1);
        storm.end();
      }
      if (now < rekeyAt || load.rekeying) return;
      rekeyAt = now + REKEY_MS;
      void load.rekey();
    };
    for (let i = 0; i < slices; i++) {
      load.latencies = [];
      const rate = await during(gateways, load, milliseconds, step);
      const latencies = load.latencies.sort((a, b) => a - b);
      const at = (part: number): number => latencies[Math.floor((latencies.length - 1) * part)] ?? NaN;
      result.push({ ...rate, median: at(0.5), p99: at(0.99), longest: at(1) });
      if (i === 0) first = memory();
    }
    const end = memory();
    await empty(gateways, load);
    // What is under way of IKE is done, and what waits in boards comes out.
    const done = (): boolean => !load.rekeying && storm.times.length + storm.failures.length === storm.begun;
    for (const start = performance.now(); !done() && performance.now() - start < PATIENCE_MS; await sleep(TICK_MS))
      load.carry();
    await empty(gateways, load);
    const { slots } = moon.chassis.show();
    const lost = Object.entries(drops()).map(([reason, count]) => [reason, count - (had[reason] ?? 0)] as const);
    const sums = [load.offered - offered, load.sealed - sealed, load.opened - opened] as const;
    const [grown, held] = [ram() - used, slots.reduce((sum, { frames }) => sum + frames.held, 0)];
    const behind = await carried(gateways, load, measuring);
    return {
      carried: [before.rate, behind.rate],
      perSecond: before.perSecond,
      slices: result,
      offered: sums[0],
      sealed: sums[1],
      opened: sums[2],
      drops: Object.fromEntries(lost.filter(([, count]) => count > 0)),
      handshakes: storm.times,
      rekeyings: load.rekeyings,
      retransmissions: storm.retransmissions,
      failures: [
        ...storm.failures,
        ...(done()
          ? []
          : [`${storm.begun - storm.times.length - storm.failures.length} handshakes, or a rekeying, do not end`]),
      ],
      faults: moon.chassis.faults.length,
      held,
      grown,
      resident: end.rss - first.rss,
      heap: end.heapUsed - first.heapUsed,
    };
  } finally {
    await gateways.close();
  }
}

/** A lease may be late where threads wait for a core: nothing bounds how long. */
const KNOWN = ["backplane_congestion", "lease_wait"];

/** What does not depend on the machine and must not be; empty when nothing of it is. */
export function offencesOfThreads(result: ThreadsOverload): string[] {
  const { offered, sealed, opened, drops, handshakes, rekeyings, failures, faults, held, grown } = result;
  const wrong: string[] = [];
  const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
  if (sealed === 0 || opened === 0) wrong.push(`${sealed} packets are sealed, ${opened} opened`);
  // Control messages and IKE's may be lost as well, and are sent again.
  if (dropped < offered - sealed)
    wrong.push(`${offered - sealed} packets do not come out, ${dropped} are counted as drops`);
  for (const [reason, count] of Object.entries(drops))
    if (!KNOWN.includes(reason)) wrong.push(`${count} drops for the reason ${reason}`);
  if (handshakes.length === 0) wrong.push("nobody's handshake is done");
  if (rekeyings.length === 0) wrong.push("a CHILD_SA was not rekeyed");
  if (faults !== 0) wrong.push(`${faults} boards fail`);
  if (held !== 0) wrong.push(`${held} frames are held when all is over`);
  if (grown !== 0) wrong.push(`boards use ${grown} octets more`);
  wrong.push(...failures.map((failure) => `IKE fails: ${failure}`));
  return wrong;
}
