/** Unprotected side, inward: from the UDP and raw sockets into the ring that packet_path.ts chooses, as whole IP packets. */

import { FRAME_CAPACITY } from "../../../assembly/abi/frame.ts";
import { EAGAIN, EINTR, errno } from "./libc.ts";
import { counterIndex } from "./counters.ts";
import type { NicCounters } from "./counters.ts";
import { MessageBatch } from "./message_batch.ts";
import { PROTOCOL_AH, PROTOCOL_ESP, PROTOCOL_UDP, headerOctets, writeOuterHeader } from "./outer_header.ts";
import type { Arrival } from "./outer_header.ts";
import type { PacketSink } from "./packet_path.ts";
import { SOCKET_AH, SOCKET_ESP, SOCKET_ICMP, SOCKET_UDP, icmpOf } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";

const BATCH = 64;
/** Datagrams may come in pieces of several, with up to so many octets (UDP_GRO). */
const PIECES = 8;
const PIECE_OCTETS = 65536;
/** In front of each receive buffer: room for the header that the kernel has taken off (48 octets at most). */
const HEADROOM = 48;

const RECEIVED: Record<number, number> = {
  [SOCKET_UDP]: counterIndex("udp_received"),
  [SOCKET_ESP]: counterIndex("esp_received"),
  [SOCKET_AH]: counterIndex("ah_received"),
  [SOCKET_ICMP]: counterIndex("icmp_received"),
};
const PROTOCOL: Record<number, number> = {
  [SOCKET_ESP]: PROTOCOL_ESP,
  [SOCKET_AH]: PROTOCOL_AH,
};
const JOINED = counterIndex("udp_received_joined");
const RING_FULL = counterIndex("unprotected_rx_ring_full");
const TOO_LONG = counterIndex("unprotected_rx_too_long");

/** Of ICMP destination unreachable (RFC 792) the one code that the boards have a use for. */
function isFragmentationNeeded(octets: Uint8Array, at: number, length: number): boolean {
  const icmp = (octets[at] & 15) * 4;
  return length >= icmp + 8 && octets[at + icmp] === 3 && octets[at + icmp + 1] === 4;
}

export class OuterReceiver {
  private readonly raw = new MessageBatch(BATCH, HEADROOM + Number(FRAME_CAPACITY), HEADROOM);
  private readonly udp = new MessageBatch(PIECES, HEADROOM + PIECE_OCTETS, HEADROOM);
  private readonly arrival: Arrival = {
    octets: this.raw.octets,
    sourceAt: 0,
    sourcePort: 0,
    destination: new Uint8Array(0),
    destinationPort: 0,
    tos: 0,
  };

  constructor(
    private readonly sink: PacketSink,
    private readonly counters: NicCounters,
  ) {}

  /** One batch from a socket: how many packets were taken over, or -1 when the socket has failed. */
  receive(socket: OuterSocket): number {
    const batch = socket.kind === SOCKET_UDP ? this.udp : this.raw;
    const count = batch.receive(socket.fd);
    if (count < 0) return errno() === EAGAIN || errno() === EINTR ? 0 : -1;
    this.arrival.octets = batch.octets;
    let received = 0;
    for (let i = 0; i < count; i++) {
      const piece = socket.kind === SOCKET_UDP ? this.acceptDatagrams(socket, i) : this.acceptRaw(socket, i);
      received += piece;
    }
    this.counters.add(RECEIVED[socket.kind], received);
    return received;
  }

  /** A datagram, or several of one sender, each as long as the first but the last. */
  private acceptDatagrams(socket: OuterSocket, i: number): number {
    const batch = this.udp;
    const length = batch.receivedLength(i);
    const segment = batch.segment(i);
    if (batch.truncated(i)) return this.refuse(TOO_LONG);
    this.arrivesFrom(batch, socket, i);
    const at = batch.dataAt(i);
    if (segment === 0 || length <= segment) return this.acceptWithHeader(batch, socket, PROTOCOL_UDP, at, length);
    let received = 0;
    // Each header is written over what stands before its datagram: the one that has been taken.
    for (let done = 0; done < length; done += segment)
      received += this.acceptWithHeader(batch, socket, PROTOCOL_UDP, at + done, Math.min(segment, length - done));
    this.counters.add(JOINED, received);
    return received;
  }

  private acceptRaw(socket: OuterSocket, i: number): number {
    const batch = this.raw;
    const at = batch.dataAt(i);
    const length = batch.receivedLength(i);
    const icmp = socket.kind === SOCKET_ICMP;
    if (icmp && socket.family === 4 && !isFragmentationNeeded(batch.octets, at, length)) return 0;
    if (batch.truncated(i)) return this.refuse(TOO_LONG);
    // A raw socket of IPv4 gives the header that was there.
    if (socket.family === 4) return this.push(batch, at, length);
    this.arrivesFrom(batch, socket, i);
    return this.acceptWithHeader(batch, socket, icmp ? icmpOf(socket.family) : PROTOCOL[socket.kind], at, length);
  }

  private arrivesFrom(batch: MessageBatch, socket: OuterSocket, i: number): void {
    const { arrival } = this;
    arrival.sourceAt = batch.senderAt(i);
    arrival.sourcePort = batch.senderPort(i);
    arrival.destination = socket.address;
    arrival.destinationPort = socket.port;
    arrival.tos = batch.tos(i);
  }

  /** What the kernel has taken the header off. */
  private acceptWithHeader(
    batch: MessageBatch,
    socket: OuterSocket,
    protocol: number,
    at: number,
    length: number,
  ): number {
    const header = headerOctets(socket.family, protocol);
    writeOuterHeader(socket.family, protocol, this.arrival, at - header, length);
    return this.push(batch, at - header, header + length);
  }

  private push(batch: MessageBatch, at: number, length: number): number {
    if (length > FRAME_CAPACITY) return this.refuse(TOO_LONG);
    if (this.sink.push(batch.addressAt(at), length)) return 1;
    return this.refuse(RING_FULL);
  }

  private refuse(reason: number): number {
    this.counters.add(reason, 1);
    return 0;
  }
}
