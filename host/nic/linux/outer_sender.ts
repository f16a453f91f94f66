/**
 * Unprotected side, outward: from a source (packet_path.ts) to the socket that fits, octets in place. UDP leaves by the socket
 * bound to its source address and port, several of one peer in one message; ESP by the raw socket, as fragments of anything do, which takes our
 * own outer header, except that a packet too long for the path goes to the protocol-50 socket and is fragmented by the kernel, unless it says don't fragment. AH over
 * IPv4 leaves by the protocol-51 socket, with our own header always (ah_fragments.ts). AH over IPv6 leaves as ESP does, too long a packet by
 * the protocol-51 socket: what the kernel writes there is what the receiver puts together again, and no more of it is covered than what
 * the two headers have in common (RFC 4302 3.3.3.1.2). What policy lets by in clear leaves by a raw socket of its own, not fragmented.
 */

import * as libc from "./libc.ts";
import { FRAGMENT_OCTETS, fragmentsOf } from "./ah_fragments.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import { MessageBatch } from "./message_batch.ts";
import {
  LEAVES_AH,
  LEAVES_RAW,
  LEAVES_UDP,
  REFUSED_PROTOCOL,
  addressLength,
  emptyOuterHeader,
  readClearHeader,
  readOuterHeader,
  socketKey,
} from "./outer_header.ts";
import type { Family } from "./outer_header.ts";
import type { PacketSource } from "./packet_path.ts";
import { SOCKET_AH, SOCKET_BYPASS, SOCKET_ESP, SOCKET_ICMP, SOCKET_RAW, SOCKET_UDP, SOCKET_UDP_DF } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";
import { UdpSegmentation } from "./udp_segmentation.ts";

const BATCH = 64;
/** Packets of a batch: datagrams for one peer leave together (udp_segmentation.ts). */
const PACKETS = 256;
/** A full send queue is waited for, this long and no longer. */
const FULL_MILLISECONDS = 5;
const POLLOUT = 4;

const UDP_SENT = counterIndex("udp_sent");
const UDP_JOINED = counterIndex("udp_sent_joined");
const ESP_SENT = counterIndex("esp_sent");
const ESP_FRAGMENTED = counterIndex("esp_sent_in_fragments");
const AH_SENT = counterIndex("ah_sent");
const AH_FRAGMENTED = counterIndex("ah_sent_in_fragments");
const BYPASSED = counterIndex("bypass_sent");
const SENT: Record<number, number> = {
  [SOCKET_UDP]: UDP_SENT,
  [SOCKET_UDP_DF]: UDP_SENT,
  [SOCKET_RAW]: ESP_SENT,
  [SOCKET_AH]: AH_SENT,
  [SOCKET_BYPASS]: BYPASSED,
};
const MALFORMED = counterIndex("unprotected_tx_malformed");
const OTHER_PROTOCOL = counterIndex("unprotected_tx_other_protocol");
const NO_SOCKET = counterIndex("unprotected_tx_no_socket");
const WOULD_BLOCK = counterIndex("unprotected_tx_would_block");
const TOO_LONG = counterIndex("unprotected_tx_too_long");
const UNREACHABLE = counterIndex("unprotected_tx_unreachable");
const FAILED = counterIndex("unprotected_tx_failed");

/** What has been queued: a message that the kernel refuses is taken apart, or goes in fragments. */
interface Queued {
  address: number;
  length: number;
  family: Family;
  /** Where its destination stands in the source. */
  destinationAt: number;
  port: number;
  tos: number;
  headerOctets: number;
  dontFragment: boolean;
}

const isUdp = ({ kind }: OuterSocket): boolean => kind === SOCKET_UDP || kind === SOCKET_UDP_DF;

export class OuterSender {
  private readonly batch = new MessageBatch(BATCH, 0, 0, PACKETS);
  private readonly single = new MessageBatch(1, 0, 0);
  private readonly segmentation = new UdpSegmentation();
  private readonly queued: Queued[] = Array.from({ length: PACKETS }, () => ({
    address: 0,
    length: 0,
    family: 4,
    destinationAt: 0,
    port: 0,
    tos: 0,
    headerOctets: 0,
    dontFragment: false,
  }));
  /** Packets that are queued; and of each message, and behind the last one, the first of its packets. */
  private packets = 0;
  private readonly firsts = new Uint32Array(BATCH + 1);
  private readonly header = emptyOuterHeader();
  /** Of the source, which may be another board's RAM each time. */
  private octets: Uint8Array = new Uint8Array(0);
  private base = 0;
  private readonly udp = new Map<number | string, OuterSocket>();
  private readonly udpDf = new Map<number | string, OuterSocket>();
  private readonly raw = new Map<number | string, OuterSocket>();
  private readonly ah = new Map<number | string, OuterSocket>();
  /** Whose kernel writes the header: for what is to be fragmented. */
  private readonly espByKernel = new Map<number | string, OuterSocket>();
  private readonly ahByKernel = new Map<number | string, OuterSocket>();
  /** By family; none where no policy lets packets by. */
  private readonly bypass = new Map<Family, OuterSocket>();
  private readonly fragment = new Uint8Array(FRAGMENT_OCTETS);
  private readonly fragmentAddress = libc.addressOf(this.fragment.buffer);
  private readonly pollEntry = new DataView(new ArrayBuffer(8));
  private readonly pollAddress = libc.addressOf(this.pollEntry.buffer);

  constructor(
    private readonly source: PacketSource,
    private readonly counters: NicCounters,
  ) {}

  /** Sends by these sockets from now on. */
  use(sockets: readonly OuterSocket[]): void {
    for (const map of [this.udp, this.udpDf, this.raw, this.ah, this.espByKernel, this.ahByKernel]) map.clear();
    this.bypass.clear();
    for (const socket of sockets) {
      const { kind, family, address, port } = socket;
      if (kind === SOCKET_ICMP) continue;
      const key = socketKey(address, 0, family, port);
      if (kind === SOCKET_UDP) this.udp.set(key, socket);
      else if (kind === SOCKET_UDP_DF) this.udpDf.set(key, socket);
      else if (kind === SOCKET_BYPASS) this.bypass.set(family, socket);
      else if (kind === SOCKET_ESP) this.espByKernel.set(key, socket);
      else if (kind === SOCKET_AH) (family === 4 ? this.ah : this.ahByKernel).set(key, socket);
      else {
        this.raw.set(key, socket);
        if (family === 6) this.ah.set(key, { ...socket, kind: SOCKET_AH });
      }
    }
  }

  pending(): boolean {
    return this.source.pending();
  }

  /** Sends what the source has, in its order; neighbours that leave by one socket leave in one call. */
  send(): void {
    const { header, source } = this;
    this.octets = source.octets;
    this.base = source.base;
    let current: OuterSocket | undefined;
    for (let at = source.peek(); at >= 0; at = source.peek()) {
      const socket = this.socketOf(at, source.length);
      if (socket === undefined) continue;
      const udp = isUdp(socket);
      if (current !== undefined && (socket !== current || this.full)) this.flush(current);
      current = socket;
      const queued = this.queued[this.packets];
      queued.address = this.base + at + (udp ? header.payloadAt : 0);
      queued.length = udp ? header.payloadLength : source.length;
      queued.family = header.family;
      queued.destinationAt = at + header.destinationAt;
      queued.port = udp ? header.destinationPort : 0;
      queued.tos = header.tos;
      queued.headerOctets = header.payloadAt;
      queued.dontFragment = header.dontFragment || header.fragment;
      this.queue(queued, udp);
    }
    if (current !== undefined) this.flush(current);
    source.release();
  }

  private get full(): boolean {
    return this.batch.queued === BATCH || this.packets === PACKETS;
  }

  /** Puts the next one of `queued` into the batch, with the one before it if they may leave together. */
  private queue(queued: Queued, udp: boolean): void {
    const { batch, segmentation } = this;
    const { address, length } = queued;
    const before = this.packets === 0 ? undefined : this.queued[this.packets - 1];
    this.packets += 1;
    if (udp && before !== undefined && this.isForSamePeer(queued, before) && segmentation.joins(length)) {
      // The first one that joins makes it a message of several.
      if (this.packets - this.firsts[batch.queued - 1] === 2) batch.cut(before.length);
      batch.extend(address, length);
      return;
    }
    this.firsts[batch.queued] = this.packets - 1;
    batch.queue(address, length, queued.family, this.octets, queued.destinationAt, queued.port);
    if (!udp) return;
    batch.mark(queued.family, queued.tos);
    segmentation.begin(length);
  }

  private isForSamePeer(a: Queued, b: Queued): boolean {
    if (a.port !== b.port || a.tos !== b.tos || a.family !== b.family) return false;
    const { octets } = this;
    for (let i = 0; i < addressLength(a.family); i++)
      if (octets[a.destinationAt + i] !== octets[b.destinationAt + i]) return false;
    return true;
  }

  private socketOf(at: number, length: number): OuterSocket | undefined {
    const { header, counters } = this;
    const verdict = readOuterHeader(this.octets, at, length, header);
    let socket: OuterSocket | undefined;
    const { family, sourceAt, sourcePort } = header;
    if (verdict === LEAVES_UDP) {
      const sockets = header.dontFragment ? this.udpDf : this.udp;
      socket = sockets.get(socketKey(this.octets, at + sourceAt, family, sourcePort));
    } else if (verdict === LEAVES_RAW) socket = this.raw.get(socketKey(this.octets, at + sourceAt, family, 0));
    else if (verdict === LEAVES_AH) socket = this.ah.get(socketKey(this.octets, at + sourceAt, family, 0));
    // What is not of an end of ours, sealed or of IKE, policy lets by: of our own datagrams those from another port than these.
    if (socket !== undefined) return socket;
    if (this.bypass.size > 0 && readClearHeader(this.octets, at, length, header)) {
      const clear = this.bypass.get(header.family);
      if (clear !== undefined) return clear;
    }
    if (verdict > 0) counters.add(NO_SOCKET, 1);
    else counters.add(verdict === REFUSED_PROTOCOL ? OTHER_PROTOCOL : MALFORMED, 1);
    return undefined;
  }

  private flush(socket: OuterSocket): void {
    const { batch, counters, firsts } = this;
    firsts[batch.queued] = this.packets;
    this.segmentation.end();
    let waited = false;
    for (let from = 0; from < batch.queued; ) {
      const sent = batch.send(socket.fd, from);
      if (sent > 0) {
        this.count(socket, from, from + sent);
        from += sent;
        continue;
      }
      const errno = libc.errno();
      if (errno === libc.EINTR) continue;
      if ((errno === libc.EAGAIN || errno === libc.ENOBUFS) && !waited) {
        waited = true;
        this.waitWritable(socket.fd);
        continue;
      }
      const first = firsts[from];
      const packets = firsts[from + 1] - first;
      if (packets > 1 && this.segmentation.refused(errno, this.queued[first].length)) {
        for (let i = first; i < first + packets; i++) this.sendAlone(socket, this.queued[i]);
      } else if (errno !== libc.EMSGSIZE || !this.sendFragmented(socket, first)) {
        counters.add(this.failure(errno), packets);
      }
      from++;
    }
    batch.queued = 0;
    this.packets = 0;
  }

  /** Messages [from, end) have left. */
  private count(socket: OuterSocket, from: number, end: number): void {
    const { counters, firsts } = this;
    counters.add(SENT[socket.kind], firsts[end] - firsts[from]);
    if (firsts[end] - firsts[from] === end - from) return;
    for (let i = from; i < end; i++) {
      const packets = firsts[i + 1] - firsts[i];
      if (packets > 1) counters.add(UDP_JOINED, packets);
    }
  }

  /** A datagram of a message that was not taken as a whole. */
  private sendAlone(socket: OuterSocket, queued: Queued): void {
    const { single, counters } = this;
    const { address, length, family, destinationAt, port, tos } = queued;
    for (let waited = false; ; waited = true) {
      single.queued = 0;
      single.queue(address, length, family, this.octets, destinationAt, port);
      single.mark(family, tos);
      if (single.send(socket.fd, 0) === 1) return counters.add(SENT[socket.kind], 1);
      const errno = libc.errno();
      const full = errno === libc.EAGAIN || errno === libc.ENOBUFS;
      if (waited || !(full || errno === libc.EINTR)) return counters.add(this.failure(errno), 1);
      if (full) this.waitWritable(socket.fd);
    }
  }

  private failure(errno: number): number {
    if (errno === libc.EAGAIN || errno === libc.ENOBUFS) return WOULD_BLOCK;
    if (errno === libc.EMSGSIZE) return TOO_LONG;
    if (errno === libc.ENETUNREACH || errno === libc.EHOSTUNREACH) return UNREACHABLE;
    return FAILED;
  }

  /** A packet that is too long for its path goes in fragments, if it may; false: it does not go. */
  private sendFragmented(socket: OuterSocket, index: number): boolean {
    const { kind, family } = socket;
    if (isUdp(socket) || kind === SOCKET_BYPASS || this.queued[index].dontFragment) return false;
    const ah = kind === SOCKET_AH;
    const sent = ah && family === 4 ? this.sendAhFragments(socket, index) : this.sendByKernel(socket, index);
    if (sent) this.counters.add(ah ? AH_FRAGMENTED : ESP_FRAGMENTED, 1);
    return sent;
  }

  /** The kernel writes the header anew, which ESP's ICV does not cover, and AH's over IPv6 only where the two are the same. */
  private sendByKernel(raw: OuterSocket, index: number): boolean {
    const queued = this.queued[index];
    const sockets = raw.kind === SOCKET_AH ? this.ahByKernel : this.espByKernel;
    const socket = sockets.get(socketKey(raw.address, 0, raw.family, 0));
    if (socket === undefined) return false;
    const payload = queued.length - queued.headerOctets;
    this.single.queued = 0;
    const { family, destinationAt } = queued;
    this.single.queue(queued.address + queued.headerOctets, payload, family, this.octets, destinationAt, 0);
    this.single.mark(family, queued.tos);
    return this.single.send(socket.fd, 0) === 1;
  }

  private sendAhFragments(socket: OuterSocket, index: number): boolean {
    const { address, length, family, destinationAt } = this.queued[index];
    const at = address - this.base;
    const fragments = fragmentsOf(this.octets.subarray(at, at + length));
    for (const fragment of fragments) {
      this.fragment.set(fragment);
      this.single.queued = 0;
      this.single.queue(this.fragmentAddress, fragment.length, family, this.octets, destinationAt, 0);
      if (this.single.send(socket.fd, 0) !== 1) return false;
    }
    return fragments.length > 0;
  }

  private waitWritable(fd: number): void {
    this.pollEntry.setInt32(0, fd, true);
    this.pollEntry.setInt16(4, POLLOUT, true);
    libc.poll(this.pollAddress, 1, FULL_MILLISECONDS);
  }
}
