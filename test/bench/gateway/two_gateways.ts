/**
 * Two gateways in threads, moon and sun, that have negotiated a CHILD_SA for each of their boards; NICs in memory (memory_nic.ts) on all
 * sides. A burst of clear packets is sealed by moon, and what came of it is opened by sun: that all of it arrives, and as it was, is
 * checked every time.
 */
import assert from "node:assert/strict";
import type { LinkKind } from "../../../host/chassis/backplane.ts";
import type { ChassisOptions } from "../../../host/chassis/chassis.ts";
import type { CagePlan } from "../../../host/chassis/drive/drive.ts";
import { THREAD } from "../../../host/chassis/drive/page.ts";
import { Threaded } from "../../../host/chassis/drive/threaded.ts";
import type { ThreadedCage } from "../../../host/chassis/drive/threaded_cage.ts";
import { udpPacket } from "../../../host/demo/packets.ts";
import { type SiteName, siteConfiguration } from "../../../host/demo/pair.ts";
import type { Side } from "../../../host/nic/nic.ts";
import { loadConfigurationText, renderError } from "../../../host/operator/configuration/configuration.ts";
import { Gateway } from "../../../host/operator/gateway.ts";
import { MemoryNic } from "./memory_nic.ts";
import { threadTime } from "./thread_time.ts";

/** The drive, with its cages for whoever wants to know their threads. */
class OpenThreaded extends Threaded {
  readonly cages: ThreadedCage[] = [];

  override cage(plan: CagePlan): ThreadedCage {
    const cage = super.cage(plan);
    this.cages.push(cage);
    return cage;
  }
}

/** What a burst took, ns. */
export interface BurstTime {
  packets: number;
  /** From the first packet in to the last one out. */
  wall: number;
  /** Processor time of the IKE board's thread and of each IPsec board's. */
  ike: number;
  boards: number[];
}

export interface GatewaysPlan {
  boards: number;
  links: LinkKind;
  esp: string;
  /** Established traffic goes past the IKE board. */
  cutThrough: boolean;
  /** More of moon's configuration, and of its chassis. */
  connections?: string;
  secrets?: string;
  chassis?: Partial<ChassisOptions>;
}

/** As long as a gateway's are (threaded.ts): longer ones do not stay in the processor's caches, and are slower by far. */
export const RING_OCTETS = 1 << 20;
/** Of a burst, and what is kept of it. */
export const BURST_OCTETS = 12 << 20;
const PATIENCE_MS = 30_000;
/**
 * Packets in a gateway at a time. Of those that are opened as many as a board holds of an SA that waits for its lease
 * (assembly/ipsec/lease.ts): after the pause between two bursts leases are those of a slow SA.
 */
const IN_FLIGHT: Record<SiteName, number> = { moon: 512, sun: 256 };
/** What the thread that fills and empties the NICs leaves to others, ms. */
const PAUSE_MS = 0.05;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

export class TwoGateways {
  readonly plan: GatewaysPlan;
  readonly nics: Record<SiteName, Record<Side, MemoryNic>>;
  readonly gateways: Record<SiteName, Gateway>;
  readonly #drive = new OpenThreaded({ ringOctets: RING_OCTETS });
  #up = 0;

  constructor(plan: GatewaysPlan) {
    this.plan = plan;
    const nics = (): Record<Side, MemoryNic> => ({
      unprotected: new MemoryNic("unprotected"),
      protected: new MemoryNic("protected"),
    });
    this.nics = { moon: nics(), sun: nics() };
    this.gateways = { moon: this.#gateway("moon"), sun: this.#gateway("sun") };
  }

  #gateway(name: SiteName): Gateway {
    const { boards, links, esp, cutThrough } = this.plan;
    const nets = Array.from({ length: boards }, (_, i) => i + 1);
    const { connections: more = "", secrets: known = "", chassis: room = {} } = name === "moon" ? this.plan : {};
    const own = { connections: { [name]: more }, secrets: { [name]: known } };
    const settings = { boards, links: { moon: links, sun: links }, esp, nets, ...own };
    const loaded = loadConfigurationText(siteConfiguration(name, settings), `${name}.conf`);
    if ("errors" in loaded) throw new Error(loaded.errors.map(renderError).join("\n"));
    const { chassis, connections, pools, secrets, localAddresses } = loaded.configuration;
    const { link, slots, ikeSlot } = chassis;
    const plan = { name, drive: this.#drive, conservation: false, cutThrough, ...room };
    const gateway = new Gateway({ ...plan, link, slots, ikeSlot, connections, pools, secrets, localAddresses });
    gateway.attach(this.nics[name].unprotected);
    gateway.attach(this.nics[name].protected);
    gateway.onEvent((event) => {
      if (event.kind === "child-updown" && "up" in event) this.#up += event.up ? 1 : -1;
    });
    return gateway;
  }

  /** Powers both, and negotiates. Throws when that takes too long. */
  async establish(): Promise<void> {
    const { moon, sun } = this.gateways;
    await moon.start();
    await sun.start();
    const cross = (): void => {
      this.nics.sun.unprotected.arrive(this.nics.moon.unprotected.take());
      this.nics.moon.unprotected.arrive(this.nics.sun.unprotected.take());
    };
    const wire = setInterval(cross, 1);
    try {
      for (const { name } of await moon.connections()) if (name.startsWith("moon-sun")) await moon.initiate(name);
      const all = await this.#drive.until(() => this.#up >= 2 * this.plan.boards, PATIENCE_MS);
      assert.ok(all, `${this.#up} of ${2 * this.plan.boards} ends of CHILD_SAs are up`);
      await this.#drive.run(50); // the last answers
      cross();
    } finally {
      clearInterval(wire);
    }
  }

  /** Clear packets of `octets` octets behind moon, for all boards in turn. */
  clear(count: number, octets: number): Uint8Array[] {
    return Array.from({ length: count }, (_, i) => {
      const net = (i % this.plan.boards) + 1;
      return udpPacket(`10.1.${net}.5`, `10.2.${net}.9`, i, octets);
    });
  }

  /** moon seals them. */
  async seal(packets: readonly Uint8Array[]): Promise<{ time: BurstTime; sealed: Uint8Array[] }> {
    const time = await this.#burst("moon", "protected", "unprotected", packets);
    return { time: time.time, sealed: time.out };
  }

  /** sun opens what moon has sealed of `clear`. */
  async open(sealed: readonly Uint8Array[], clear: readonly Uint8Array[]): Promise<BurstTime> {
    const { time, out } = await this.#burst("sun", "unprotected", "protected", sealed);
    const opened = out.map((packet) => Buffer.from(packet).toString("latin1")).sort();
    const wanted = clear.map((packet) => Buffer.from(packet).toString("latin1")).sort();
    assert.ok(
      opened.every((packet, i) => packet === wanted[i]),
      "a packet is another one than was sealed",
    );
    return time;
  }

  async #burst(
    site: SiteName,
    from: Side,
    to: Side,
    packets: readonly Uint8Array[],
  ): Promise<{ time: BurstTime; out: Uint8Array[] }> {
    const nics = this.nics[site];
    const threads = this.threads(site);
    const before = threads.map(threadTime);
    const inFlight = IN_FLIGHT[site];
    const start = performance.now();
    for (let sent = 0, waiting = 0; waiting < packets.length; waiting = nics[to].waiting) {
      const more = Math.min(packets.length, waiting + inFlight) - sent;
      if (more >= inFlight / 2 || (more > 0 && sent + more === packets.length)) {
        nics[from].arrive(packets.slice(sent, sent + more));
        sent += more;
      }
      if (performance.now() - start > PATIENCE_MS)
        throw new Error(`${waiting} of ${packets.length} packets came out: ${this.#drops(site)}`);
      Atomics.wait(PAUSE, 0, 0, PAUSE_MS);
    }
    const wall = (performance.now() - start) * 1e6;
    await this.#drive.run(2); // until the threads sleep: what they do after the last packet is part of the burst
    const [ike, ...boards] = threads.map((thread, i) => threadTime(thread) - before[i]!);
    const out = nics[to].take();
    assert.equal(out.length, packets.length);
    return { time: { packets: out.length, wall, ike: ike!, boards }, out };
  }

  /** Of the IKE board, then of the IPsec boards. */
  threads(site: SiteName): number[] {
    const cage = this.#drive.cages[site === "moon" ? 0 : 1]!;
    return Array.from({ length: this.plan.boards + 1 }, (_, slot) =>
      Atomics.load(cage.wiring(slot).page.words, THREAD),
    );
  }

  #drops(site: SiteName): string {
    return JSON.stringify(this.gateways[site].chassis.show().drops);
  }

  async close(): Promise<void> {
    await this.gateways.moon.close();
    await this.gateways.sun.close();
    await this.#drive.close();
  }
}
