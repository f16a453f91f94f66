/** Protected side: whole IP packets between the TUN device and the rings, read and written in place. */

import { FRAME_CAPACITY } from "../../../assembly/abi/frame.ts";
import * as libc from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import type { PacketRing } from "./packet_ring.ts";

/** Packets read before the other ports get their turn. */
const BATCH = 64;

const TUN_RECEIVED = counterIndex("tun_received");
const TUN_SENT = counterIndex("tun_sent");
const RING_FULL = counterIndex("protected_rx_ring_full");
const NOT_IP = counterIndex("protected_rx_not_ip");
const WOULD_BLOCK = counterIndex("protected_tx_would_block");
const FAILED = counterIndex("protected_tx_failed");

export class TunPort {
  private readonly receiveOctets: Uint8Array;
  private readonly receiveBase: number;
  private readonly transmitBase: number;
  private readonly overflow = new ArrayBuffer(Number(FRAME_CAPACITY));
  private readonly overflowAddress = libc.addressOf(this.overflow);
  private readonly largest: number;

  constructor(
    private readonly tun: { fd: number; mtu: number },
    private readonly receiveRing: PacketRing,
    private readonly transmitRing: PacketRing,
    private readonly counters: NicCounters,
  ) {
    this.receiveOctets = new Uint8Array(receiveRing.memory);
    this.receiveBase = libc.addressOf(receiveRing.memory);
    this.transmitBase = libc.addressOf(transmitRing.memory);
    this.largest = Math.min(tun.mtu, Number(FRAME_CAPACITY));
  }

  pending(): boolean {
    return this.transmitRing.pending();
  }

  /** Up to a batch from the device: how many packets are in the ring now. Throws when the device is gone. */
  receive(): number {
    const { receiveRing, counters } = this;
    let received = 0;
    for (let i = 0; i < BATCH; i++) {
      const at = receiveRing.reserve(this.largest);
      const address = at < 0 ? this.overflowAddress : this.receiveBase + at;
      const length = libc.read(this.tun.fd, address, this.largest);
      if (length <= 0) {
        const errno = libc.errno();
        if (length === 0 || errno === libc.EAGAIN || errno === libc.EINTR) break;
        throw new Error(`the TUN device cannot be read: errno ${errno}`);
      }
      if (at < 0) {
        counters.add(RING_FULL, 1);
        continue;
      }
      const version = this.receiveOctets[at] >>> 4;
      if (version !== 4 && version !== 6) {
        counters.add(NOT_IP, 1);
        continue;
      }
      receiveRing.commit(length);
      received++;
    }
    counters.add(TUN_RECEIVED, received);
    return received;
  }

  /** Writes what the ring holds to the device. */
  send(): void {
    const { transmitRing, counters } = this;
    let sent = 0;
    for (let at = transmitRing.peek(); at >= 0; at = transmitRing.peek()) {
      if (libc.write(this.tun.fd, this.transmitBase + at, transmitRing.length) === transmitRing.length) sent++;
      else counters.add(libc.errno() === libc.EAGAIN ? WOULD_BLOCK : FAILED, 1);
    }
    transmitRing.release();
    counters.add(TUN_SENT, sent);
  }
}
