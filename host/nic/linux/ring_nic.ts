/** A side of the Linux NICs as the thread that opened them has it: a pair of rings with the worker at the other end. */
import type { LineDevice } from "../../chassis/drive/line.ts";
import type { Nic, PacketCounters } from "../nic.ts";
import { type NicCounters, counterIndex, counterSide, isDropCounter } from "./counters.ts";
import type { PacketRing } from "./packet_ring.ts";

export class RingNic implements Nic {
  private receiver: (packets: Uint8Array[]) => void = () => undefined;
  private readonly ringFull: number;

  constructor(
    readonly side: "unprotected" | "protected",
    private readonly receiveRing: PacketRing,
    private readonly transmitRing: PacketRing,
    private readonly counters: NicCounters,
    private readonly wake: () => void,
    private readonly closeAll: () => Promise<void>,
    readonly line: LineDevice,
    private readonly count: () => Record<string, number>,
  ) {
    this.ringFull = counterIndex(`${side}_tx_ring_full`);
  }

  send(packets: Uint8Array[]): void {
    for (const packet of packets) if (!this.transmitRing.push(packet)) this.counters.add(this.ringFull, 1);
    this.wake();
  }

  onReceive(receiver: (packets: Uint8Array[]) => void): void {
    this.receiver = receiver;
  }

  /** Hands over what the worker has received. */
  deliver(): void {
    const packets: Uint8Array[] = [];
    for (let at = this.receiveRing.peek(); at >= 0; at = this.receiveRing.peek()) {
      packets.push(this.receiveRing.view(at, this.receiveRing.length).slice());
    }
    this.receiveRing.release();
    if (packets.length > 0) this.receiver(packets);
  }

  /** Those of its side. */
  packetCounters(): PacketCounters {
    const own = Object.entries(this.count()).filter(([name]) => counterSide(name) === this.side);
    return {
      moved: Object.fromEntries(own.filter(([name]) => !isDropCounter(name))),
      dropped: Object.fromEntries(own.filter(([name]) => isDropCounter(name))),
    };
  }

  close(): Promise<void> {
    return this.closeAll();
  }
}
