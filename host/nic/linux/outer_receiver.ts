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
/** In front of each receive buffer: room for the header that the kernel has taken off (48 octets at most). */
const HEADROOM = 48;

const RECEIVED: Record<number, number> = {
  [SOCKET_UDP]: counterIndex("udp_received"),
  [SOCKET_ESP]: counterIndex("esp_received"),
  [SOCKET_AH]: counterIndex("ah_received"),
  [SOCKET_ICMP]: counterIndex("icmp_received"),
};
const PROTOCOL: Record<number, number> = {
  [SOCKET_UDP]: PROTOCOL_UDP,
  [SOCKET_ESP]: PROTOCOL_ESP,
  [SOCKET_AH]: PROTOCOL_AH,
};
const RING_FULL = counterIndex("unprotected_rx_ring_full");
const TOO_LONG = counterIndex("unprotected_rx_too_long");

/** Of ICMP destination unreachable (RFC 792) the one code that the boards have a use for. */
function isFragmentationNeeded(octets: Uint8Array, at: number, length: number): boolean {
  const icmp = (octets[at] & 15) * 4;
  return length >= icmp + 8 && octets[at + icmp] === 3 && octets[at + icmp + 1] === 4;
}

export class OuterReceiver {
  private readonly batch = new MessageBatch(BATCH, HEADROOM + Number(FRAME_CAPACITY), HEADROOM);
  private readonly arrival: Arrival = {
    octets: this.batch.octets,
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
    const count = this.batch.receive(socket.fd);
    if (count < 0) return errno() === EAGAIN || errno() === EINTR ? 0 : -1;
    let received = 0;
    for (let i = 0; i < count; i++) received += this.accept(socket, i);
    this.counters.add(RECEIVED[socket.kind], received);
    return received;
  }

  private accept(socket: OuterSocket, i: number): number {
    const { batch, counters } = this;
    let at = batch.dataAt(i);
    let length = batch.receivedLength(i);
    // A raw socket of IPv4 gives the header that was there.
    const icmp = socket.kind === SOCKET_ICMP;
    const protocol = icmp ? icmpOf(socket.family) : PROTOCOL[socket.kind];
    if (icmp && socket.family === 4 && !isFragmentationNeeded(batch.octets, at, length)) return 0;
    const written = protocol === PROTOCOL_UDP || socket.family === 6;
    const header = written ? headerOctets(socket.family, protocol) : 0;
    if (batch.truncated(i) || header + length > FRAME_CAPACITY) {
      counters.add(TOO_LONG, 1);
      return 0;
    }
    if (written) {
      at -= header;
      this.arrival.sourceAt = batch.senderAt(i);
      this.arrival.sourcePort = batch.senderPort(i);
      this.arrival.destination = socket.address;
      this.arrival.destinationPort = socket.port;
      this.arrival.tos = batch.tos(i);
      writeOuterHeader(socket.family, protocol, this.arrival, at, length);
      length += header;
    }
    if (this.sink.push(batch.octets.subarray(at, at + length))) return 1;
    counters.add(RING_FULL, 1);
    return 0;
  }
}
