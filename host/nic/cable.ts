/**
 * A cable between two gateways: two NICs in memory with a wide-area network's manners between them.
 *
 * Packets take time, get lost, doubled, overtaken and damaged, by chance from a seed and on the clock of a drive: in lockstep
 * the same every time. A packet that is reordered takes `reorderMs` longer, so that later ones pass it.
 */
import type { Drive } from "../chassis/drive/drive.ts";
import { SeededRandom } from "../chassis/entropy.ts";
import { passNarrowHop } from "./narrow_hop.ts";
import type { Nic, PacketCounters, Side } from "./nic.ts";

export interface CableOptions {
  /** Default `unprotected`. */
  side?: Side;
  /** One way, ms. Default 0. */
  latencyMs?: number;
  /** Probabilities in [0, 1]. Default 0. */
  lose?: number;
  duplicate?: number;
  reorder?: number;
  /** Of the narrowest hop, in octets (narrow_hop.ts). Default: whatever is sent passes. */
  mtu?: number;
  /** One bit of the packet is inverted. */
  flip?: number;
  /** What a reordered packet is late by, ms. Default: twice the latency, at least 1. */
  reorderMs?: number;
  seed?: number;
}

/** What happened in one direction. */
export interface CableCounters {
  sent: number;
  delivered: number;
  lost: number;
  duplicated: number;
  reordered: number;
  flipped: number;
}

type Receiver = (packets: Uint8Array[]) => void;

class CableEnd implements Nic {
  readonly side: Side;
  readonly counters: CableCounters = { sent: 0, delivered: 0, lost: 0, duplicated: 0, reordered: 0, flipped: 0 };
  readonly #carry: (end: CableEnd, packets: Uint8Array[]) => void;
  receiver: Receiver | undefined;
  open = true;

  constructor(side: Side, carry: (end: CableEnd, packets: Uint8Array[]) => void) {
    this.side = side;
    this.#carry = carry;
  }

  send(packets: Uint8Array[]): void {
    this.counters.sent += packets.length;
    this.#carry(this, packets);
  }

  onReceive(callback: Receiver): void {
    this.receiver = callback;
  }

  packetCounters(): PacketCounters {
    const { lost, ...moved } = this.counters;
    return { moved, dropped: { lost } };
  }

  async close(): Promise<void> {
    this.open = false;
    this.receiver = undefined;
  }
}

export class Cable {
  /** The two NICs. Each counts what it sent: counters of `a` are those of the direction from a to b. */
  readonly a: Nic & { readonly counters: CableCounters };
  readonly b: Nic & { readonly counters: CableCounters };
  /** What the cable does from now on. */
  options: CableOptions;
  /** Sees every packet that is sent, before anything happens to it; false takes it off the cable, and counts it lost. */
  filter: ((packet: Uint8Array, from: "a" | "b") => boolean | void) | undefined;
  /** Plugged in on both ends; while it is not, all packets are lost. */
  connected = true;
  readonly #drive: Pick<Drive, "after">;
  readonly #random: SeededRandom;
  readonly #ends: [CableEnd, CableEnd];

  constructor(drive: Pick<Drive, "after">, options: CableOptions = {}) {
    this.#drive = drive;
    this.options = options;
    this.#random = new SeededRandom(options.seed ?? 1);
    const side = options.side ?? "unprotected";
    const carry = (end: CableEnd, packets: Uint8Array[]): void => this.#carry(end, packets);
    this.#ends = [new CableEnd(side, carry), new CableEnd(side, carry)];
    [this.a, this.b] = this.#ends;
  }

  #happens(probability: number | undefined): boolean {
    return this.#random.next() < (probability ?? 0);
  }

  #carry(from: CableEnd, packets: Uint8Array[]): void {
    const to = this.#ends[from === this.#ends[0] ? 1 : 0];
    const { latencyMs = 0, reorderMs = Math.max(1, 2 * latencyMs) } = this.options;
    const inTime: Uint8Array[] = [];
    const late: Uint8Array[] = [];
    for (const packet of packets) {
      const kept = this.filter?.(packet, from === this.#ends[0] ? "a" : "b") ?? true;
      const lose = this.#happens(this.options.lose);
      const duplicate = this.#happens(this.options.duplicate);
      const reorder = this.#happens(this.options.reorder);
      const flip = this.#happens(this.options.flip);
      if (!kept || lose || !this.connected || !to.open) {
        from.counters.lost += 1;
        continue;
      }
      const { on, back } = this.options.mtu ? passNarrowHop(packet, this.options.mtu) : { on: [packet] };
      if (back) {
        from.counters.lost += 1;
        this.#tell(from, back, latencyMs);
        continue;
      }
      if (on.length > 1) {
        inTime.push(...on);
        continue;
      }
      let carried = packet;
      if (flip && packet.length > 0) {
        from.counters.flipped += 1;
        carried = packet.slice();
        const bit = this.#random.below(carried.length * 8);
        carried[bit >>> 3]! ^= 1 << (bit & 7);
      }
      if (reorder) from.counters.reordered += 1;
      (reorder ? late : inTime).push(carried);
      if (duplicate) {
        from.counters.duplicated += 1;
        inTime.push(carried.slice());
      }
    }
    this.#arrive(from, to, inTime, latencyMs);
    this.#arrive(from, to, late, latencyMs + reorderMs);
  }

  /** A router on the way answers the sender. */
  #tell(sender: CableEnd, packet: Uint8Array, delayMs: number): void {
    this.#drive.after(BigInt(Math.round(delayMs * 1e6)), () => sender.receiver?.([packet]), true);
  }

  #arrive(from: CableEnd, to: CableEnd, packets: Uint8Array[], delayMs: number): void {
    if (packets.length === 0) return;
    this.#drive.after(
      BigInt(Math.round(delayMs * 1e6)),
      () => {
        if (!to.receiver) {
          from.counters.lost += packets.length;
          return;
        }
        from.counters.delivered += packets.length;
        to.receiver(packets);
      },
      true,
    );
  }
}
