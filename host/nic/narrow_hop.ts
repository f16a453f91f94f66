/**
 * A hop of a smaller MTU in the middle of a cable, as routers do it: what may be fragmented is (RFC 791 3.2; IPv4 without DF), of the
 * rest the sender is told (RFC 1191 section 4, RFC 8201; as much of the packet as RFC 1812 and RFC 4443 have quoted).
 */
import { addressOctets } from "../chassis/config.ts";

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const ROUTER4 = addressOctets("198.51.100.254");
const ROUTER6 = addressOctets("2001:db8:fe::1");
const DF = 0x4000;
const MF = 0x2000;

export interface Passage {
  /** What goes on: the packet, or its fragments. */
  on: Uint8Array[];
  /** What goes back to its sender. */
  back?: Uint8Array;
}

/** RFC 1071, as it is to be stored. */
function checksum(octets: Uint8Array, begun = 0): number {
  let sum = begun;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i]! << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Passes a packet over a hop of this MTU. */
export function passNarrowHop(packet: Uint8Array, mtu: number): Passage {
  if (packet.length <= mtu) return { on: [packet] };
  if (packet[0]! >>> 4 === 6) return { on: [], back: tooBig(packet, mtu) };
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  if (view.getUint16(6) & DF) return { on: [], back: fragmentationNeeded(packet, mtu) };
  return { on: fragments(packet, view.getUint16(6), mtu) };
}

function fragments(packet: Uint8Array, field: number, mtu: number): Uint8Array[] {
  const header = (packet[0]! & 15) * 4;
  const step = (mtu - header) & ~7;
  const pieces: Uint8Array[] = [];
  for (let at = header; at < packet.length; at += step) {
    const end = Math.min(at + step, packet.length);
    const piece = new Uint8Array(header + end - at);
    piece.set(packet.subarray(0, header));
    piece.set(packet.subarray(at, end), header);
    const view = new DataView(piece.buffer);
    view.setUint16(2, piece.length);
    view.setUint16(6, (field & 0x1fff) + (at - header) / 8 + (end < packet.length || field & MF ? MF : 0));
    view.setUint16(10, 0);
    view.setUint16(10, checksum(piece.subarray(0, header)));
    pieces.push(piece);
  }
  return pieces;
}

function fragmentationNeeded(packet: Uint8Array, mtu: number): Uint8Array {
  const quote = packet.subarray(0, 576 - IPV4_HEADER - 8);
  const answer = new Uint8Array(IPV4_HEADER + 8 + quote.length);
  const view = new DataView(answer.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, answer.length);
  answer.set([63, 1], 8);
  answer.set(ROUTER4, 12);
  answer.set(packet.subarray(12, 16), 16);
  view.setUint16(10, checksum(answer.subarray(0, IPV4_HEADER)));
  answer.set([3, 4], IPV4_HEADER);
  view.setUint16(IPV4_HEADER + 6, mtu);
  answer.set(quote, IPV4_HEADER + 8);
  view.setUint16(IPV4_HEADER + 2, checksum(answer.subarray(IPV4_HEADER)));
  return answer;
}

function tooBig(packet: Uint8Array, mtu: number): Uint8Array {
  const quote = packet.subarray(0, 1280 - IPV6_HEADER - 8);
  const answer = new Uint8Array(IPV6_HEADER + 8 + quote.length);
  const view = new DataView(answer.buffer);
  const octets = 8 + quote.length;
  view.setUint32(0, 0x60000000);
  view.setUint16(4, octets);
  answer.set([58, 63], 6);
  answer.set(ROUTER6, 8);
  answer.set(packet.subarray(8, 24), 24);
  answer[IPV6_HEADER] = 2;
  view.setUint32(IPV6_HEADER + 4, mtu);
  answer.set(quote, IPV6_HEADER + 8);
  const pseudo = ~checksum(answer.subarray(8, IPV6_HEADER)) & 0xffff;
  view.setUint16(IPV6_HEADER + 2, checksum(answer.subarray(IPV6_HEADER), pseudo + octets + 58));
  return answer;
}
