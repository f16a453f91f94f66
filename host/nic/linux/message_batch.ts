/**
 * The array of struct mmsghdr for recvmmsg(2) and sendmmsg(2), with the buffers that it names, in one allocation:
 *
 *      mmsghdr[n] (64)   iovec[n] (16)   sockaddr[n] (32)   control[n] (32)   data[n] (stride)
 *
 *      mmsghdr   0 name  8 namelen  16 iov  24 iovlen  32 control  40 controllen  48 flags  56 octets received or sent
 *
 *    sockaddr_in    0 family  2 port  4 address                      16 octets
 *      sockaddr_in6   0 family  2 port  4 flow label  8 address  24 scope   28 octets
 *
 * Layout of 64-bit Linux. Control data carry one option, the TOS octet or the traffic class.
 */

import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TCLASS,
  IP_TOS,
  MSG_DONTWAIT,
  MSG_TRUNC,
  addressOf,
  recvmmsg,
  sendmmsg,
} from "./libc.ts";
import { addressLength } from "./outer_header.ts";
import type { Family } from "./outer_header.ts";

const HEADER = 64;
const IOVEC = 16;
const NAME = 32;
const SOCKADDR_IN = 16;
const SOCKADDR_IN6 = 28;
const CONTROL = 32;
const CMSG_HEADER = 16;

export class MessageBatch {
  readonly octets: Uint8Array;
  private readonly words: DataView;
  private readonly address: number;
  private readonly iovecs: number;
  private readonly names: number;
  private readonly controls: number;
  private readonly data: number;
  /** Messages queued for send(). */
  queued = 0;

  /**
   * `size` messages; each with `stride` octets of its own, of which the first `headroom` are not received into (for
   * receiving: 0 octets where messages are only sent from elsewhere).
   */
  constructor(
    readonly size: number,
    private readonly stride: number,
    private readonly headroom: number,
  ) {
    this.iovecs = size * HEADER;
    this.names = this.iovecs + size * IOVEC;
    this.controls = this.names + size * NAME;
    this.data = this.controls + size * CONTROL;
    const buffer = new ArrayBuffer(this.data + size * stride);
    this.octets = new Uint8Array(buffer);
    this.words = new DataView(buffer);
    this.address = addressOf(buffer);
    for (let i = 0; i < size; i++) {
      const header = i * HEADER;
      this.setAddress(header, this.names + i * NAME);
      this.setAddress(header + 16, this.iovecs + i * IOVEC);
      this.words.setUint32(header + 24, 1, true);
      this.setAddress(header + 32, this.controls + i * CONTROL);
      if (stride > 0) {
        this.setAddress(this.iovecs + i * IOVEC, this.data + i * stride + headroom);
        this.words.setUint32(this.iovecs + i * IOVEC + 8, stride - headroom, true);
      }
    }
  }

  private setAddress(at: number, offset: number): void {
    this.words.setBigUint64(at, BigInt(this.address + offset), true);
  }

  /** Receives up to a batch without waiting: the number of messages, or -1 with errno set. */
  receive(fd: number): number {
    for (let i = 0; i < this.size; i++) {
      const header = i * HEADER;
      this.words.setUint32(header + 8, NAME, true);
      this.words.setUint32(header + 40, CONTROL, true);
    }
    return recvmmsg(fd, this.address, this.size, MSG_DONTWAIT, 0);
  }

  /** Offset in `octets` of the data of message i, behind its headroom. */
  dataAt(i: number): number {
    return this.data + i * this.stride + this.headroom;
  }

  receivedLength(i: number): number {
    return this.words.getUint32(i * HEADER + 56, true);
  }

  /** Was message i longer than its buffer? */
  truncated(i: number): boolean {
    return (this.words.getUint32(i * HEADER + 48, true) & MSG_TRUNC) !== 0;
  }

  /** Offset in `octets` of the address that message i came from. */
  senderAt(i: number): number {
    const name = this.names + i * NAME;
    return name + (this.words.getUint16(name, true) === AF_INET6 ? 8 : 4);
  }

  senderPort(i: number): number {
    return this.words.getUint16(this.names + i * NAME + 2, false);
  }

  /** TOS octet of received message i; 0 when the kernel did not tell. */
  tos(i: number): number {
    const control = this.controls + i * CONTROL;
    if (this.words.getUint32(i * HEADER + 40, true) <= CMSG_HEADER) return 0;
    const level = this.words.getInt32(control + 8, true);
    const type = this.words.getInt32(control + 12, true);
    if (level === IPPROTO_IP ? type !== IP_TOS : level !== IPPROTO_IPV6 || type !== IPV6_TCLASS) return 0;
    return this.octets[control + CMSG_HEADER];
  }

  /**
   * Queues a message whose octets lie at an absolute address, for the destination at `at` of `octets`; false when the batch is
   * full.
   */
  queue(address: number, length: number, family: Family, octets: Uint8Array, at: number, port: number): boolean {
    if (this.queued === this.size) return false;
    const i = this.queued++;
    const header = i * HEADER;
    const name = this.names + i * NAME;
    this.words.setUint32(header + 8, family === 4 ? SOCKADDR_IN : SOCKADDR_IN6, true);
    this.words.setUint16(name, family === 4 ? AF_INET : AF_INET6, true);
    this.words.setUint16(name + 2, port, false);
    const to = name + (family === 4 ? 4 : 8);
    for (let k = 0; k < addressLength(family); k++) this.octets[to + k] = octets[at + k];
    this.words.setBigUint64(this.iovecs + i * IOVEC, BigInt(address), true);
    this.words.setUint32(this.iovecs + i * IOVEC + 8, length, true);
    this.words.setUint32(header + 40, 0, true);
    return true;
  }

  /** Gives a TOS octet or traffic class to the message that was queued last. */
  mark(family: Family, tos: number): void {
    if (tos === 0) return;
    const i = this.queued - 1;
    const control = this.controls + i * CONTROL;
    this.words.setUint32(i * HEADER + 40, CMSG_HEADER + 8, true);
    this.words.setUint32(control, CMSG_HEADER + 4, true);
    this.words.setUint32(control + 4, 0, true);
    this.words.setInt32(control + 8, family === 4 ? IPPROTO_IP : IPPROTO_IPV6, true);
    this.words.setInt32(control + 12, family === 4 ? IP_TOS : IPV6_TCLASS, true);
    this.words.setInt32(control + 16, tos, true);
  }

  /** Sends queued messages from the `from`th on: how many left, or -1 with errno set for the first of them. */
  send(fd: number, from: number): number {
    return sendmmsg(fd, this.address + from * HEADER, this.queued - from, MSG_DONTWAIT);
  }
}
