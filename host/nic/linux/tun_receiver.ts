/**
 * Protected side, inward: whole IP packets from the TUN device to where they belong (packet_path.ts). Where the kernel has segmentation offload,
 * superframes come in and are cut (tun_arrival.ts); where it has not, each packet is read in place.
 */

import { FRAME_CAPACITY } from "../../../assembly/abi/frame.ts";
import * as libc from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import type { PacketSink } from "./packet_path.ts";
import { TunArrival } from "./tun_arrival.ts";

/** Packets read before the other ports get their turn. */
const BATCH = 64;
/** A superframe has as many packets, about: so many reads. */
const SUPERFRAMES = 4;

const TUN_RECEIVED = counterIndex("tun_received");
const RING_FULL = counterIndex("protected_rx_ring_full");
const NOT_IP = counterIndex("protected_rx_not_ip");

export class TunReceiver {
  private readonly overflow = new ArrayBuffer(Number(FRAME_CAPACITY));
  private readonly overflowAddress = libc.addressOf(this.overflow);
  private readonly largest: number;
  private readonly arrival: TunArrival | undefined;
  private readonly arrivalBase: number = 0;

  constructor(
    private readonly tun: { fd: number; mtu: number; offload: boolean },
    private readonly sink: PacketSink,
    private readonly counters: NicCounters,
  ) {
    this.largest = Math.min(tun.mtu, Number(FRAME_CAPACITY));
    if (!tun.offload) return;
    const arrival = new TunArrival();
    this.arrival = arrival;
    this.arrivalBase = libc.addressOf(arrival.buffer);
  }

  /** Up to a batch from the device: how many packets were taken over. Throws when the device is gone. */
  receive(): number {
    return this.arrival === undefined ? this.receivePackets() : this.receiveSuperframes(this.arrival);
  }

  private receiveSuperframes(arrival: TunArrival): number {
    const { counters } = this;
    let received = 0;
    for (let i = 0, superframes = 0; i < BATCH && superframes < SUPERFRAMES; i++) {
      const length = libc.read(this.tun.fd, this.arrivalBase + TunArrival.OFFSET, TunArrival.CAPACITY);
      if (length <= 0) {
        this.checkDevice(length);
        break;
      }
      if (arrival.isSuperframe) superframes++;
      const taken = arrival.cut(length, this.take);
      if (taken < 0) counters.add(NOT_IP, 1);
      else received += taken;
    }
    counters.add(TUN_RECEIVED, received);
    return received;
  }

  private readonly take = (at: number, length: number): boolean => {
    const { counters, sink } = this;
    const arrival = this.arrival!;
    const version = length === 0 ? 0 : arrival.octets[at] >>> 4;
    if (length > this.largest || (version !== 4 && version !== 6)) {
      counters.add(NOT_IP, 1);
      return false;
    }
    if (sink.push(this.arrivalBase + at, length)) return true;
    counters.add(RING_FULL, 1);
    return false;
  };

  /** After a read that gave nothing. */
  private checkDevice(length: number): void {
    const errno = libc.errno();
    if (length !== 0 && errno !== libc.EAGAIN && errno !== libc.EINTR)
      throw new Error(`the TUN device cannot be read: errno ${errno}`);
  }

  private receivePackets(): number {
    const { sink, counters } = this;
    let received = 0;
    for (let i = 0; i < BATCH; i++) {
      const room = sink.reserve(this.largest);
      const address = room === 0 ? this.overflowAddress : room;
      const length = libc.read(this.tun.fd, address, this.largest);
      if (length <= 0) {
        this.checkDevice(length);
        break;
      }
      if (room === 0) {
        counters.add(RING_FULL, 1);
        continue;
      }
      const version = sink.version();
      if (version !== 4 && version !== 6) {
        counters.add(NOT_IP, 1);
        continue;
      }
      if (sink.commit(length)) received++;
      else counters.add(RING_FULL, 1);
    }
    counters.add(TUN_RECEIVED, received);
    return received;
  }
}
