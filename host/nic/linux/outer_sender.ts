/**
 * Unprotected side, outward: from the transmit ring to the socket that fits, octets in place. UDP leaves by the socket
 * bound to its source address and port; ESP by the raw socket, which takes our own outer header, except that a packet
 * too long for the path goes to the protocol-50 socket and is fragmented by the kernel, unless it says don't fragment.
 */

import * as libc from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import { MessageBatch } from "./message_batch.ts";
import {
  LEAVES_RAW,
  LEAVES_UDP,
  REFUSED_PROTOCOL,
  emptyOuterHeader,
  readOuterHeader,
  socketKey,
} from "./outer_header.ts";
import type { Family } from "./outer_header.ts";
import type { PacketRing } from "./packet_ring.ts";
import { SOCKET_ESP, SOCKET_RAW, SOCKET_UDP } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";

const BATCH = 64;
/** A full send queue is waited for, this long and no longer. */
const FULL_MILLISECONDS = 5;
const POLLOUT = 4;

const UDP_SENT = counterIndex("udp_sent");
const ESP_SENT = counterIndex("esp_sent");
const ESP_FRAGMENTED = counterIndex("esp_sent_in_fragments");
const MALFORMED = counterIndex("unprotected_tx_malformed");
const OTHER_PROTOCOL = counterIndex("unprotected_tx_other_protocol");
const NO_SOCKET = counterIndex("unprotected_tx_no_socket");
const WOULD_BLOCK = counterIndex("unprotected_tx_would_block");
const TOO_LONG = counterIndex("unprotected_tx_too_long");
const UNREACHABLE = counterIndex("unprotected_tx_unreachable");
const FAILED = counterIndex("unprotected_tx_failed");

/** An oversized ESP packet is kept track of by its place in the batch. */
interface Queued {
  address: number;
  length: number;
  family: Family;
  /** Where its destination stands in the ring. */
  destinationAt: number;
  tos: number;
  headerOctets: number;
  dontFragment: boolean;
}

export class OuterSender {
  private readonly batch = new MessageBatch(BATCH, 0, 0);
  private readonly single = new MessageBatch(1, 0, 0);
  private readonly queued: Queued[] = Array.from({ length: BATCH }, () => ({
    address: 0,
    length: 0,
    family: 4,
    destinationAt: 0,
    tos: 0,
    headerOctets: 0,
    dontFragment: false,
  }));
  private readonly header = emptyOuterHeader();
  private readonly octets: Uint8Array;
  private readonly base: number;
  private readonly udp = new Map<number | string, OuterSocket>();
  private readonly raw = new Map<number | string, OuterSocket>();
  private readonly esp = new Map<number | string, OuterSocket>();
  private readonly pollEntry = new DataView(new ArrayBuffer(8));
  private readonly pollAddress = libc.addressOf(this.pollEntry.buffer);

  constructor(
    private readonly ring: PacketRing,
    private readonly counters: NicCounters,
  ) {
    this.octets = new Uint8Array(ring.memory);
    this.base = libc.addressOf(ring.memory);
  }

  /** Sends by these sockets from now on. */
  use(sockets: readonly OuterSocket[]): void {
    for (const map of [this.udp, this.raw, this.esp]) map.clear();
    for (const socket of sockets) {
      const sockets = socket.kind === SOCKET_UDP ? this.udp : socket.kind === SOCKET_RAW ? this.raw : this.esp;
      sockets.set(socketKey(socket.address, 0, socket.family, socket.port), socket);
    }
  }

  pending(): boolean {
    return this.ring.pending();
  }

  /** Sends what the ring holds, in its order; neighbours that leave by one socket leave in one call. */
  send(): void {
    const { ring, header, batch } = this;
    let current: OuterSocket | undefined;
    for (let at = ring.peek(); at >= 0; at = ring.peek()) {
      const socket = this.socketOf(at, ring.length);
      if (socket === undefined) continue;
      if (current !== undefined && (socket !== current || batch.queued === BATCH)) this.flush(current);
      current = socket;
      const queued = this.queued[batch.queued];
      const udp = socket.kind === SOCKET_UDP;
      queued.address = this.base + at + (udp ? header.payloadAt : 0);
      queued.length = udp ? header.payloadLength : ring.length;
      queued.family = header.family;
      queued.destinationAt = at + header.destinationAt;
      queued.tos = header.tos;
      queued.headerOctets = header.payloadAt;
      queued.dontFragment = header.dontFragment;
      const port = udp ? header.destinationPort : 0;
      batch.queue(queued.address, queued.length, queued.family, this.octets, queued.destinationAt, port);
      if (udp) batch.mark(queued.family, queued.tos);
    }
    if (current !== undefined) this.flush(current);
    ring.release();
  }

  private socketOf(at: number, length: number): OuterSocket | undefined {
    const { header, counters } = this;
    const verdict = readOuterHeader(this.octets, at, length, header);
    let socket: OuterSocket | undefined;
    const { family, sourceAt, sourcePort } = header;
    if (verdict === LEAVES_UDP) socket = this.udp.get(socketKey(this.octets, at + sourceAt, family, sourcePort));
    else if (verdict === LEAVES_RAW) socket = this.raw.get(socketKey(this.octets, at + sourceAt, family, 0));
    else {
      counters.add(verdict === REFUSED_PROTOCOL ? OTHER_PROTOCOL : MALFORMED, 1);
      return undefined;
    }
    if (socket === undefined) counters.add(NO_SOCKET, 1);
    return socket;
  }

  private flush(socket: OuterSocket): void {
    const { batch, counters } = this;
    const sentCounter = socket.kind === SOCKET_UDP ? UDP_SENT : ESP_SENT;
    let waited = false;
    for (let from = 0; from < batch.queued; ) {
      const sent = batch.send(socket.fd, from);
      if (sent > 0) {
        counters.add(sentCounter, sent);
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
      if (errno === libc.EMSGSIZE && socket.kind === SOCKET_RAW && this.sendFragmented(socket, from)) {
        from++;
        continue;
      }
      counters.add(this.failure(errno), 1);
      from++;
    }
    batch.queued = 0;
  }

  private failure(errno: number): number {
    if (errno === libc.EAGAIN || errno === libc.ENOBUFS) return WOULD_BLOCK;
    if (errno === libc.EMSGSIZE) return TOO_LONG;
    if (errno === libc.ENETUNREACH || errno === libc.EHOSTUNREACH) return UNREACHABLE;
    return FAILED;
  }

  private sendFragmented(raw: OuterSocket, index: number): boolean {
    const queued = this.queued[index];
    const socket = this.esp.get(socketKey(raw.address, 0, raw.family, 0));
    if (queued.dontFragment || socket === undefined || socket.kind !== SOCKET_ESP) return false;
    const payload = queued.length - queued.headerOctets;
    this.single.queued = 0;
    const { family, destinationAt } = queued;
    this.single.queue(queued.address + queued.headerOctets, payload, family, this.octets, destinationAt, 0);
    this.single.mark(family, queued.tos);
    if (this.single.send(socket.fd, 0) !== 1) return false;
    this.counters.add(ESP_FRAGMENTED, 1);
    return true;
  }

  private waitWritable(fd: number): void {
    this.pollEntry.setInt32(0, fd, true);
    this.pollEntry.setInt16(4, POLLOUT, true);
    libc.poll(this.pollAddress, 1, FULL_MILLISECONDS);
  }
}
