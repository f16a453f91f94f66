/**
 * Protected side: whole IP packets between the TUN device and the rings (packet_path.ts). Where the kernel has segmentation offload, superframes
 * come in and are cut (tun_arrival.ts), and packets are joined on their way out (tun_departure.ts); where it has not, each is read and written in
 * place.
 */

import { FRAME_CAPACITY } from "../../../assembly/abi/frame.ts";
import * as libc from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import type { PacketSink, PacketSource } from "./packet_path.ts";
import { TunArrival } from "./tun_arrival.ts";
import { TunDeparture } from "./tun_departure.ts";

/** Packets read before the other ports get their turn. */
const BATCH = 64;
/** A superframe has as many packets, about: so many reads. */
const SUPERFRAMES = 4;

const TUN_RECEIVED = counterIndex("tun_received");
const TUN_SENT = counterIndex("tun_sent");
const RING_FULL = counterIndex("protected_rx_ring_full");
const NOT_IP = counterIndex("protected_rx_not_ip");
const WOULD_BLOCK = counterIndex("protected_tx_would_block");
const FAILED = counterIndex("protected_tx_failed");

export class TunPort {
  private readonly overflow = new ArrayBuffer(Number(FRAME_CAPACITY));
  private readonly overflowAddress = libc.addressOf(this.overflow);
  private readonly largest: number;
  private readonly arrival: TunArrival | undefined;
  private readonly arrivalAddress: number = 0;
  private readonly departure: TunDeparture | undefined;

  constructor(
    private readonly tun: { fd: number; mtu: number; offload: boolean },
    private readonly sink: PacketSink,
    /** In turn. */
    private readonly sources: readonly PacketSource[],
    private readonly counters: NicCounters,
  ) {
    this.largest = Math.min(tun.mtu, Number(FRAME_CAPACITY));
    if (!tun.offload) return;
    const arrival = new TunArrival();
    this.arrival = arrival;
    this.arrivalAddress = libc.addressOf(arrival.buffer) + TunArrival.OFFSET;
    this.departure = new TunDeparture(tun.fd, (packets) => {
      if (packets > 0) counters.add(TUN_SENT, packets);
      else counters.add(libc.errno() === libc.EAGAIN ? WOULD_BLOCK : FAILED, -packets);
    });
  }

  pending(): boolean {
    for (const source of this.sources) if (source.pending()) return true;
    return false;
  }

  /** Up to a batch from the device: how many packets were taken over. Throws when the device is gone. */
  receive(): number {
    return this.arrival === undefined ? this.receivePackets() : this.receiveSuperframes(this.arrival);
  }

  private receiveSuperframes(arrival: TunArrival): number {
    const { counters } = this;
    let received = 0;
    for (let i = 0, superframes = 0; i < BATCH && superframes < SUPERFRAMES; i++) {
      const length = libc.read(this.tun.fd, this.arrivalAddress, TunArrival.CAPACITY);
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

  private readonly take = (packet: Uint8Array): boolean => {
    const { counters, sink } = this;
    const version = packet.length === 0 ? 0 : packet[0] >>> 4;
    if (packet.length > this.largest || (version !== 4 && version !== 6)) {
      counters.add(NOT_IP, 1);
      return false;
    }
    if (sink.push(packet)) return true;
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

  /** Writes what the rings hold to the device. */
  send(): void {
    for (const source of this.sources) {
      if (this.departure === undefined) this.sendFrom(source);
      else if (source.pending()) this.departure.send(source);
    }
  }

  private sendFrom(source: PacketSource): void {
    const { counters } = this;
    let sent = 0;
    for (let at = source.peek(); at >= 0; at = source.peek()) {
      if (libc.write(this.tun.fd, source.base + at, source.length) === source.length) sent++;
      else counters.add(libc.errno() === libc.EAGAIN ? WOULD_BLOCK : FAILED, 1);
    }
    source.release();
    counters.add(TUN_SENT, sent);
  }
}
