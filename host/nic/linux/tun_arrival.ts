/**
 * What a TUN device with IFF_VNET_HDR gives (struct virtio_net_hdr, virtio 1.2 section 5.1.6): packets whose checksum is to be completed, and
 * superframes of TCP that are to be cut, for each packet of ESP is one that fits the path.
 *
 *    0 flags u8   1 gso_type u8   2 hdr_len u16   4 gso_size u16   6 csum_start u16   8 csum_offset u16          little endian
 *
 * Each packet is finished where it lies: the headers of the next one are written over the end of the one before, which has gone.
 */
import { internetSum } from "./checksum.ts";
import {
  TCP_CHECKSUM,
  TCP_CWR,
  TCP_FIN,
  TCP_FLAGS,
  TCP_PSH,
  TCP_SEQUENCE,
  emptyTcpPacket,
  get16,
  pseudoSum,
  put16,
  put32,
  putIpChecksum,
  putIpLength,
  readTcp,
} from "./tcp_header.ts";

export const VNET_HEADER = 10;
export const VNET_NEEDS_CSUM = 1;
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
/** A superframe at most. */
const SUPERFRAME_MAX = 65535;
/** The header stands in front of a packet at a multiple of 16. */
const PACKET_AT = 16;
const HEADERS_MAX = 128;

export class TunArrival {
  readonly buffer = new ArrayBuffer(PACKET_AT + SUPERFRAME_MAX + 1);
  /** From its start on a read(2) puts header and packet, CAPACITY octets at most. */
  static readonly OFFSET = PACKET_AT - VNET_HEADER;
  static readonly CAPACITY = VNET_HEADER + SUPERFRAME_MAX;
  readonly octets = new Uint8Array(this.buffer);
  private readonly words = new Uint32Array(this.buffer);
  private readonly packet = emptyTcpPacket();
  private readonly headers = new Uint8Array(HEADERS_MAX);

  /** Whether what was read, `length` octets with the header, is one packet or several that are longer together. */
  get isSuperframe(): boolean {
    return this.octets[TunArrival.OFFSET + 1] !== VNET_GSO_NONE;
  }

  /**
   * Gives each packet of what was read, `length` octets with the header, to `take`, its place in `octets` and its length; how many it took. -1:
   * nothing that this device was asked for.
   */
  cut(length: number, take: (at: number, length: number) => boolean): number {
    const { octets } = this;
    const header = TunArrival.OFFSET;
    const type = octets[header + 1]!;
    const size = length - VNET_HEADER;
    if (type === VNET_GSO_NONE) {
      if ((octets[header]! & VNET_NEEDS_CSUM) !== 0 && !this.complete(size)) return -1;
      return take(PACKET_AT, size) ? 1 : 0;
    }
    const segment = octets[header + 4]! | (octets[header + 5]! << 8);
    if (type !== VNET_GSO_TCPV4 && type !== VNET_GSO_TCPV6) return -1;
    if (segment === 0 || !readTcp(octets, PACKET_AT, size, this.packet)) return -1;
    return this.cutTcp(size, segment, take);
  }

  /** Completes the checksum of a packet that has that of its pseudo-header only; false when it does not lie in the packet. */
  private complete(size: number): boolean {
    const { octets, words } = this;
    const start = octets[TunArrival.OFFSET + 6]! | (octets[TunArrival.OFFSET + 7]! << 8);
    const field = start + (octets[TunArrival.OFFSET + 8]! | (octets[TunArrival.OFFSET + 9]! << 8));
    if (field + 2 > size) return false;
    const sum = ~internetSum(octets, words, PACKET_AT + start, size - start) & 0xffff;
    // 0 says "none" in UDP, and is the same number otherwise.
    put16(octets, PACKET_AT + field, sum || 0xffff);
    return true;
  }

  private cutTcp(size: number, segment: number, take: (at: number, length: number) => boolean): number {
    const { octets, words, packet } = this;
    const { family, ipOctets, headerOctets, sequence, flags } = packet;
    if (headerOctets > HEADERS_MAX) return -1;
    const headers = this.headers;
    headers.set(octets.subarray(PACKET_AT, PACKET_AT + headerOctets));
    const identification = get16(octets, PACKET_AT + 4);
    const payload = size - headerOctets;
    let taken = 0;
    for (let done = 0, i = 0; done < payload; done += segment, i++) {
      const part = Math.min(segment, payload - done);
      const last = done + part === payload;
      const at = PACKET_AT + done;
      const tcp = at + ipOctets;
      if (i > 0) for (let k = 0; k < headerOctets; k++) octets[at + k] = headers[k]!;
      putIpLength(octets, at, family, headerOctets + part);
      if (family === 4) {
        put16(octets, at + 4, (identification + i) & 0xffff);
        putIpChecksum(octets, words, at);
      }
      put32(octets, tcp + TCP_SEQUENCE, (sequence + done) >>> 0);
      // What ends a push or the connection is in the last, what answers a congestion mark in the first (RFC 3168 6.1.2).
      octets[tcp + TCP_FLAGS] = flags & (last ? 0xff : ~(TCP_FIN | TCP_PSH)) & (i === 0 ? 0xff : ~TCP_CWR);
      put16(octets, tcp + TCP_CHECKSUM, 0);
      const octetsOfTcp = headerOctets - ipOctets + part;
      const pseudo = pseudoSum(octets, words, at, family, octetsOfTcp);
      put16(octets, tcp + TCP_CHECKSUM, ~internetSum(octets, words, tcp, octetsOfTcp, pseudo) & 0xffff);
      if (take(at, headerOctets + part)) taken++;
    }
    return taken;
  }
}
