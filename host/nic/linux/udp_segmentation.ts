/**
 * Which datagrams leave in one piece: the kernel takes several for one peer as one message, each as long as the first but the last, carries them
 * through its stack as one packet and cuts them where they leave it (UDP_SEGMENT, udp(7)), or not at all when the receiver takes them joined
 * (UDP_GRO).
 *
 * A kernel refuses it where the device cannot write checksums, and for segments that exceed the path MTU, which go as fragments when they go
 * alone: for a while nothing of that size is joined then.
 */
import { EINVAL, EIO, EMSGSIZE } from "./libc.ts";

/** Most segments of a message, and most octets: an IP packet with its headers has 65535. */
const SEGMENTS_MAX = 64;
const OCTETS_MAX = 65000;
/** Milliseconds for which a refusal is believed: paths change. */
const REFUSED_MS = 10_000;

export class UdpSegmentation {
  /** Of the message that is open, octets of a segment; 0: nothing joins it. */
  private segment = 0;
  private octets = 0;
  private count = 0;
  /** Segments of so many octets and more have been refused, and until when that is believed. */
  private refusedFrom = 0;
  private refusedUntil = 0;

  /** A message begins with a datagram of `length` octets. */
  begin(length: number): void {
    this.segment = length;
    this.octets = length;
    this.count = 1;
    if (this.refusedUntil === 0 || length < this.refusedFrom) return;
    if (performance.now() < this.refusedUntil) this.segment = 0;
    else this.refusedUntil = 0;
  }

  /** Nothing joins what has been queued. */
  end(): void {
    this.segment = 0;
  }

  /** True when a datagram of `length` octets for the same peer may join the message. The caller joins it then. */
  joins(length: number): boolean {
    const { segment } = this;
    if (length > segment || length === 0) return false;
    if (this.count === SEGMENTS_MAX || this.octets + length > OCTETS_MAX) return false;
    this.count += 1;
    this.octets += length;
    if (length < segment) this.segment = 0;
    return true;
  }

  /** A message of several was not taken: true when each may be taken alone, for all that `errno` says. */
  refused(errno: number, segment: number): boolean {
    if (errno !== EINVAL && errno !== EMSGSIZE && errno !== EIO) return false;
    const now = performance.now();
    const from = errno === EIO ? 0 : segment;
    this.refusedFrom = now < this.refusedUntil ? Math.min(this.refusedFrom, from) : from;
    this.refusedUntil = now + REFUSED_MS;
    return true;
  }
}
