/**
 * What is written to a TUN device with IFF_VNET_HDR: packets as they stand behind an empty header, and neighbours of one TCP connection
 * joined to a superframe, which the host stack takes as one packet. No octet of a payload is copied: writev(2) collects them from the
 * ring.
 *
 * Joined is what TCP itself would have sent as one (RFC 9293 3.8): the same headers but for length, sequence number and checksum, one number
 * behind the other, all of a size but the last, ACK and PSH the only flags. Each checksum is verified before it is given up for the
 * superframe's.
 */
import * as libc from "./libc.ts";
import { internetSum } from "./checksum.ts";
import type { PacketSource } from "./packet_path.ts";
import {
  TCP_ACK,
  TCP_ACKNOWLEDGEMENT,
  TCP_CHECKSUM,
  TCP_FLAGS,
  TCP_PSH,
  type TcpPacket,
  emptyTcpPacket,
  get16,
  pseudoSum,
  put16,
  putIpChecksum,
  putIpLength,
  readTcp,
} from "./tcp_header.ts";
import { VNET_GSO_NONE, VNET_GSO_TCPV4, VNET_GSO_TCPV6, VNET_HEADER, VNET_NEEDS_CSUM } from "./tun_arrival.ts";

const SUPERFRAME_MAX = 65535;
const PACKETS_MAX = 64;
const HEADERS_MAX = 128;
const IOVEC = 16;
/** Where the headers of a superframe stand in the scratch memory, behind the header of the device. */
const HEADERS_AT = 16;
const VNET_AT = HEADERS_AT - VNET_HEADER;

export class TunDeparture {
  private readonly scratch = new ArrayBuffer(HEADERS_AT + HEADERS_MAX);
  private readonly octets = new Uint8Array(this.scratch);
  private readonly words = new Uint32Array(this.scratch);
  private readonly scratchAddress = libc.addressOf(this.scratch);
  private readonly vectors = new DataView(new ArrayBuffer((PACKETS_MAX + 1) * IOVEC));
  private readonly vectorsAddress = libc.addressOf(this.vectors.buffer);
  private source!: PacketSource;
  private sourceWords: Uint32Array = new Uint32Array(0);
  /** Packets that have been joined, and octets of their payloads. */
  private count = 0;
  private payload = 0;
  private segment = 0;
  private closed = false;
  /** Where the first one begins, and its length. */
  private firstAt = 0;
  private firstLength = 0;
  private previousAt = 0;
  private readonly first = emptyTcpPacket();
  private readonly next = emptyTcpPacket();

  /** `wrote`: told how many packets a call carried, or how many it failed to, as a negative number. */
  constructor(
    private readonly fd: number,
    private readonly wrote: (packets: number) => void,
  ) {}

  /** Writes all that `source` has, in its order. */
  send(source: PacketSource): void {
    this.source = source;
    const { octets } = source;
    if (this.sourceWords.buffer !== octets.buffer || this.sourceWords.byteOffset !== octets.byteOffset)
      this.sourceWords = new Uint32Array(octets.buffer, octets.byteOffset, octets.length >>> 2);
    for (let at = source.peek(); at >= 0; at = source.peek()) {
      const { length } = source;
      const joinable = this.isJoinable(at, length);
      if (this.count > 0 && joinable && this.join(at, length)) continue;
      this.flush();
      if (joinable) this.begin(at, length);
      else this.write(at, length);
    }
    this.flush();
    source.release();
  }

  /** A TCP packet with data and nothing unusual, its checksum right. */
  private isJoinable(at: number, length: number): boolean {
    const { next, sourceWords } = this;
    const { octets } = this.source;
    if (!readTcp(octets, at, length, next)) return false;
    const { flags, headerOctets, ipOctets, family } = next;
    if ((flags & ~TCP_PSH) !== TCP_ACK || headerOctets > HEADERS_MAX || headerOctets === length) return false;
    const pseudo = pseudoSum(octets, sourceWords, at, family, length - ipOctets);
    return internetSum(octets, sourceWords, at + ipOctets, length - ipOctets, pseudo) === 0xffff;
  }

  private begin(at: number, length: number): void {
    copy(this.next, this.first);
    this.count = 1;
    this.firstAt = this.previousAt = at;
    this.firstLength = length;
    this.segment = this.payload = length - this.next.headerOctets;
    this.closed = (this.next.flags & TCP_PSH) !== 0;
    this.vector(1, this.source.base + at + this.next.headerOctets, this.payload);
  }

  /** Adds the packet to those that have been joined; false when it does not follow them. */
  private join(at: number, length: number): boolean {
    const { first, next } = this;
    const part = length - next.headerOctets;
    if (this.closed || this.count === PACKETS_MAX || part > this.segment) return false;
    if (first.headerOctets + this.payload + part > SUPERFRAME_MAX) return false;
    if (next.sequence !== (first.sequence + this.payload) >>> 0 || !this.isSameFlow(at)) return false;
    this.count += 1;
    this.payload += part;
    this.previousAt = at;
    this.closed = part < this.segment || (next.flags & TCP_PSH) !== 0;
    first.flags |= next.flags;
    this.vector(this.count, this.source.base + at + next.headerOctets, part);
    return true;
  }

  /** The headers are those of the first one, but for lengths, sequence number and checksums. */
  private isSameFlow(at: number): boolean {
    const { first, next, firstAt } = this;
    const { octets } = this.source;
    if (first.family !== next.family || first.headerOctets !== next.headerOctets) return false;
    const tcp = first.ipOctets;
    if (first.family === 4) {
      // TOS, DF, TTL; identifications rise by one where they mean something (RFC 6864).
      if (octets[firstAt + 1] !== octets[at + 1] || octets[firstAt + 6] !== octets[at + 6]) return false;
      if (octets[firstAt + 8] !== octets[at + 8]) return false;
      const step = (get16(octets, at + 4) - get16(octets, this.previousAt + 4)) & 0xffff;
      if (!first.dontFragment && step !== 1) return false;
      if (!same(octets, firstAt, at, 12, 20)) return false;
    } else if (!same(octets, firstAt, at, 0, 4) || !same(octets, firstAt, at, 7, 40)) {
      return false;
    }
    // Ports; acknowledgement and offset; window; options.
    return (
      same(octets, firstAt, at, tcp, tcp + 4) &&
      same(octets, firstAt, at, tcp + TCP_ACKNOWLEDGEMENT, tcp + TCP_FLAGS) &&
      same(octets, firstAt, at, tcp + TCP_FLAGS + 1, tcp + TCP_CHECKSUM) &&
      same(octets, firstAt, at, tcp + TCP_CHECKSUM + 2, first.headerOctets)
    );
  }

  private flush(): void {
    const { count } = this;
    if (count === 0) return;
    this.count = 0;
    if (count === 1) return this.write(this.firstAt, this.firstLength);
    const { octets, words, first, payload } = this;
    const { family, ipOctets, headerOctets } = first;
    const source = this.source.octets;
    for (let i = 0; i < headerOctets; i++) octets[HEADERS_AT + i] = source[this.firstAt + i]!;
    this.header(VNET_NEEDS_CSUM, family === 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6, headerOctets, this.segment, ipOctets);
    putIpLength(octets, HEADERS_AT, family, headerOctets + payload);
    if (family === 4) putIpChecksum(octets, words, HEADERS_AT);
    octets[HEADERS_AT + ipOctets + TCP_FLAGS] = first.flags;
    const pseudo = pseudoSum(octets, words, HEADERS_AT, family, headerOctets - ipOctets + payload);
    put16(octets, HEADERS_AT + ipOctets + TCP_CHECKSUM, pseudo);
    this.vector(0, this.scratchAddress + VNET_AT, VNET_HEADER + headerOctets);
    this.writev(count + 1, VNET_HEADER + headerOctets + payload, count);
  }

  /** One packet as it stands. */
  private write(at: number, length: number): void {
    this.header(0, VNET_GSO_NONE, 0, 0, 0);
    this.vector(0, this.scratchAddress + VNET_AT, VNET_HEADER);
    this.vector(1, this.source.base + at, length);
    this.writev(2, VNET_HEADER + length, 1);
  }

  private header(flags: number, type: number, headerOctets: number, segment: number, checksumStart: number): void {
    const { octets } = this;
    const fields = [headerOctets, segment, checksumStart, flags === 0 ? 0 : TCP_CHECKSUM];
    octets[VNET_AT] = flags;
    octets[VNET_AT + 1] = type;
    for (let i = 0; i < fields.length; i++) {
      octets[VNET_AT + 2 + 2 * i] = fields[i]! & 0xff;
      octets[VNET_AT + 3 + 2 * i] = fields[i]! >>> 8;
    }
  }

  private vector(i: number, address: number, length: number): void {
    libc.putPointer(this.vectors, i * IOVEC, address);
    this.vectors.setUint32(i * IOVEC + 8, length, true);
  }

  private writev(vectors: number, octets: number, packets: number): void {
    this.wrote(libc.writev(this.fd, this.vectorsAddress, vectors) === octets ? packets : -packets);
  }
}

function copy(from: TcpPacket, to: TcpPacket): void {
  to.family = from.family;
  to.ipOctets = from.ipOctets;
  to.headerOctets = from.headerOctets;
  to.sequence = from.sequence;
  to.flags = from.flags;
  to.dontFragment = from.dontFragment;
}

/** Whether two packets have the same octets from `start` to `end` behind their first ones. */
function same(octets: Uint8Array, a: number, b: number, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (octets[a + i] !== octets[b + i]) return false;
  return true;
}
