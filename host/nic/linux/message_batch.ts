/**
 * The array of struct mmsghdr for recvmmsg(2) and sendmmsg(2), with the buffers that it names, in one allocation:
 *
 *      mmsghdr[n] (64)   iovec[m] (16)   sockaddr[n] (32)   control[n] (64)   data[n] (stride)
 *
 *      mmsghdr   0 name  8 namelen  16 iov  24 iovlen  32 control  40 controllen  48 flags  56 octets received or sent
 *
 *    sockaddr_in    0 family  2 port  4 address                      16 octets
 *      sockaddr_in6   0 family  2 port  4 flow label  8 address  24 scope   28 octets
 *
 * Layout of 64-bit Linux. Control data carry two options: the TOS octet or the traffic class, and the size of the segments of a message that
 * is several datagrams in one piece, each of that size but the last (UDP_SEGMENT, UDP_GRO).
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
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
  addressOf,
  putPointer,
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
const CONTROL = 64;
const CMSG_HEADER = 16;
/** Of an option of up to eight octets. */
const CMSG = 24;

export class MessageBatch {
  readonly octets: Uint8Array;
  private readonly words: DataView;
  private readonly address: number;
  private readonly iovecs: number;
  private readonly names: number;
  private readonly controls: number;
  private readonly data: number;
  /** Messages queued for send(), and the pieces that they are made of. */
  queued = 0;
  private used = 0;

  /**
   * `size` messages; each with `stride` octets of its own, of which the first `headroom` are not received into (for
   * receiving: 0 octets where messages are only sent from elsewhere). `pieces`: of all messages together, for sending.
   */
  constructor(
    readonly size: number,
    private readonly stride: number,
    private readonly headroom: number,
    private readonly pieces = size,
  ) {
    this.iovecs = size * HEADER;
    this.names = this.iovecs + pieces * IOVEC;
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
    putPointer(this.words, at, this.address + offset);
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

  /** Where what stands at `at` of `octets` lies in memory. */
  addressAt(at: number): number {
    return this.address + at;
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
    const v4 = this.option(i, IPPROTO_IP, IP_TOS);
    const at = v4 !== 0 ? v4 : this.option(i, IPPROTO_IPV6, IPV6_TCLASS);
    return at === 0 ? 0 : this.octets[at];
  }

  /** Octets of each datagram, but the last one, of received message i that is several in one piece; 0: it is one. */
  segment(i: number): number {
    const at = this.option(i, SOL_UDP, UDP_GRO);
    return at === 0 ? 0 : this.words.getInt32(at, true);
  }

  /** Where the value of an option of received message i stands; 0: it has none. */
  private option(i: number, level: number, type: number): number {
    const { words } = this;
    const end = this.controls + i * CONTROL + Math.min(CONTROL, words.getUint32(i * HEADER + 40, true));
    for (let at = this.controls + i * CONTROL; at + CMSG_HEADER < end; ) {
      const length = words.getUint32(at, true);
      if (length <= CMSG_HEADER) return 0;
      if (words.getInt32(at + 8, true) === level && words.getInt32(at + 12, true) === type) return at + CMSG_HEADER;
      at += (length + 7) & ~7;
    }
    return 0;
  }

  /**
   * Queues a message whose octets lie at an absolute address, for the destination at `at` of `octets`; false when the batch is
   * full.
   */
  queue(address: number, length: number, family: Family, octets: Uint8Array, at: number, port: number): boolean {
    if (this.queued === 0) this.used = 0;
    if (this.queued === this.size || this.used === this.pieces) return false;
    const i = this.queued++;
    const piece = this.iovecs + this.used++ * IOVEC;
    const header = i * HEADER;
    const name = this.names + i * NAME;
    this.words.setUint32(header + 8, family === 4 ? SOCKADDR_IN : SOCKADDR_IN6, true);
    this.words.setUint16(name, family === 4 ? AF_INET : AF_INET6, true);
    this.words.setUint16(name + 2, port, false);
    const to = name + (family === 4 ? 4 : 8);
    for (let k = 0; k < addressLength(family); k++) this.octets[to + k] = octets[at + k];
    this.setAddress(header + 16, piece);
    this.words.setUint32(header + 24, 1, true);
    putPointer(this.words, piece, address);
    this.words.setUint32(piece + 8, length, true);
    this.words.setUint32(header + 40, 0, true);
    return true;
  }

  /** Puts more octets behind those of the message that was queued last; false when the batch is full. */
  extend(address: number, length: number): boolean {
    if (this.used === this.pieces) return false;
    const piece = this.iovecs + this.used++ * IOVEC;
    const header = (this.queued - 1) * HEADER;
    this.words.setUint32(header + 24, this.words.getUint32(header + 24, true) + 1, true);
    putPointer(this.words, piece, address);
    this.words.setUint32(piece + 8, length, true);
    return true;
  }

  /** Gives a TOS octet or traffic class to the message that was queued last. */
  mark(family: Family, tos: number): void {
    if (tos === 0) return;
    if (family === 4) this.words.setInt32(this.addOption(IPPROTO_IP, IP_TOS, 4), tos, true);
    else this.words.setInt32(this.addOption(IPPROTO_IPV6, IPV6_TCLASS, 4), tos, true);
  }

  /** The message that was queued last, and extended, leaves as datagrams of so many octets each. */
  cut(segment: number): void {
    this.words.setUint16(this.addOption(SOL_UDP, UDP_SEGMENT, 2), segment, true);
  }

  private addOption(level: number, type: number, octets: number): number {
    const header = (this.queued - 1) * HEADER;
    const taken = this.words.getUint32(header + 40, true);
    const control = this.controls + (this.queued - 1) * CONTROL + taken;
    this.words.setUint32(header + 40, taken + CMSG, true);
    this.words.setUint32(control, CMSG_HEADER + octets, true);
    this.words.setUint32(control + 4, 0, true);
    this.words.setInt32(control + 8, level, true);
    this.words.setInt32(control + 12, type, true);
    return control + CMSG_HEADER;
  }

  /** Sends queued messages from the `from`th on: how many left, or -1 with errno set for the first of them. */
  send(fd: number, from: number): number {
    return sendmmsg(fd, this.address + from * HEADER, this.queued - from, MSG_DONTWAIT);
  }
}
