/**
 * Data through moon, which is measured, and sun, whose work takes no time: as many packets one way as the other, so that moon seals half of
 * them and opens half. Each has a number of its own; what arrives is compared with what was sent.
 */
import assert from "node:assert/strict";
import type { Pair, Site } from "../../../host/demo/pair.ts";
import { MARK, udpPacket } from "../../../host/demo/packets.ts";
import type { Cores } from "./cores.ts";

const NUMBER_AT = 28 + MARK.length;
/** Templates that take turns; the number is written anew in each packet. */
const FLOWS = 16;
/** Packets that may be under way: older ones that have not come are lost. */
const REMEMBERED = 65536;
/** Between two looks at what is owed, ns. */
const TICK = 5_000n;

/** In which what is under way arrives, ms: many times what full rings hold. */
const UNDER_WAY = 10;

type Way = "seal" | "open";
const WAYS: readonly Way[] = ["seal", "open"];

export interface Passage {
  /** Packets that came out, and virtual seconds. */
  packets: number;
  seconds: number;
  /** Packets that were sent and did not come out, those under way among them. */
  missing: number;
  /** How much `counter` rose meanwhile. */
  counted: number;
  /** From the host that sent to the host that it came to, microseconds, in order. */
  latencies: number[];
}

export class Flow {
  /** Of something else that goes on. */
  counter: () => number = () => 0;
  /** Packets from the beginning on. */
  sent = 0;
  arrived = 0;
  readonly #pair: Pair;
  readonly #drive: Cores;
  readonly #packets: Record<Way, Buffer[]>;
  readonly #octets: number;
  /** NOW when a packet was sent, by number. */
  readonly #sentAt = new Map<number, bigint>();
  #number = 0;
  #latencies: number[] = [];
  #offered = 0;
  /** Closed loop: packets that should be under way and are not. */
  readonly #owed: Record<Way, number> = { seal: 0, open: 0 };
  #loop = false;
  #running = false;
  /** Open loop: packets a second, both ways together. */
  #rate = 0;
  #due = 0;

  constructor(pair: Pair, drive: Cores, octets: number, nets = 1) {
    this.#pair = pair;
    this.#drive = drive;
    this.#octets = octets;
    const flows = (from: number, to: number): Buffer[] =>
      Array.from({ length: Math.max(FLOWS, nets) }, (_, i) => {
        const net = (i % nets) + 1;
        return Buffer.from(udpPacket(`10.${from}.${net}.5`, `10.${to}.${net}.9`, i, octets));
      });
    this.#packets = { seal: flows(1, 2), open: flows(2, 1) };
    pair.sun.chassis.onTransmit("protected", (packet) => this.#arrive(packet, "seal", pair.sun));
    pair.moon.chassis.onTransmit("protected", (packet) => this.#arrive(packet, "open", pair.moon));
  }

  /** `window` packets are under way all the time, for so many virtual milliseconds. */
  async saturate(window: number, milliseconds: number): Promise<Passage> {
    this.#loop = true;
    for (const way of WAYS) this.#owed[way] = window / 2;
    return this.#measure(milliseconds);
  }

  /** `rate` packets a second arrive, whatever becomes of them; they go on arriving unless `last`. */
  async offer(rate: number, milliseconds: number, last = true): Promise<Passage> {
    this.#loop = false;
    for (const way of WAYS) this.#owed[way] = 0;
    this.#rate = rate;
    return this.#measure(milliseconds, last);
  }

  async #measure(milliseconds: number, last = true): Promise<Passage> {
    if (!this.#running) {
      this.#running = true;
      this.#due = 0;
      this.#tick();
      // What is measured begins when the rings have filled.
      await this.#drive.run(milliseconds / 5);
    }
    this.#latencies = [];
    this.#offered = 0;
    const [start, counted, arrived] = [this.#drive.clock.now(), this.counter(), this.arrived];
    await this.#drive.run(milliseconds);
    const seconds = Number(this.#drive.clock.now() - start) / 1e9;
    const latencies = this.#latencies.sort((a, b) => a - b);
    this.#latencies = [];
    const packets = this.arrived - arrived;
    const passage = {
      packets,
      seconds,
      missing: this.#offered - packets,
      counted: this.counter() - counted,
      latencies,
    };
    if (!last) return passage;
    this.#running = false;
    // What comes later yet, where the machine has taken the processor away in a poll that time is measured by, is still one that was sent.
    await this.#drive.run(UNDER_WAY);
    return passage;
  }

  /** All that was sent has arrived or been counted as a drop, and no board holds any of it. Throws when not: once nothing is under way. */
  settled(): void {
    const sites = [this.#pair.moon, this.#pair.sun].map(({ chassis }) => chassis.show());
    const dropped = sites.reduce((sum, { drops }) => sum + Object.values(drops).reduce((all, n) => all + n, 0), 0);
    const missing = this.sent - this.arrived;
    // Of what was dropped some was there before, or was not of this flow.
    assert.ok(missing <= dropped, `${missing} packets do not arrive, ${dropped} are counted as drops`);
    for (const { slots } of sites)
      for (const { slot, frames } of slots) assert.equal(frames.held, 0, `slot ${slot} holds frames`);
  }

  /** No more packets arrive. */
  stop(): void {
    this.#running = false;
  }

  #tick(): void {
    if (!this.#running) return;
    if (this.#rate > 0 && !this.#loop) {
      this.#due += (this.#rate * Number(TICK)) / 1e9;
      for (; this.#due >= 1; this.#due -= 1) this.#send(WAYS[this.#number & 1]!);
    }
    for (const way of WAYS) while (this.#owed[way] > 0 && this.#send(way)) this.#owed[way] -= 1;
    this.#drive.after(TICK, () => this.#tick());
  }

  #send(way: Way): boolean {
    const number = this.#number++;
    this.#sentAt.delete(number - REMEMBERED);
    const packets = this.#packets[way];
    const packet = packets[(number >> 1) % packets.length]!;
    packet.writeUInt32BE(number, NUMBER_AT);
    this.#sentAt.set(number, this.#drive.clock.now());
    this.#offered += 1;
    this.sent += 1;
    if ((way === "seal" ? this.#pair.moon : this.#pair.sun).send(packet)) return true;
    this.#sentAt.delete(number);
    if (this.#loop) this.#offered -= 1;
    return false;
  }

  #arrive(packet: Uint8Array, way: Way, site: Site): void {
    site.received.length = 0;
    const number = new DataView(packet.buffer, packet.byteOffset).getUint32(NUMBER_AT);
    const sent = this.#sentAt.get(number);
    assert.ok(sent !== undefined, `packet ${number} arrives twice, or was never sent`);
    this.#sentAt.delete(number);
    const packets = this.#packets[way];
    const template = packets[(number >> 1) % packets.length]!;
    assert.ok(
      packet.length === this.#octets &&
        template
          .subarray(NUMBER_AT + 4)
          .equals(Buffer.from(packet.buffer, packet.byteOffset, packet.length).subarray(NUMBER_AT + 4)),
      "a packet is another one than was sent",
    );
    this.arrived += 1;
    this.#latencies.push(Number(this.#drive.clock.now() - sent) / 1e3);
    if (!this.#loop || !this.#running) return;
    if (!this.#send(way)) this.#owed[way] += 1;
  }
}
