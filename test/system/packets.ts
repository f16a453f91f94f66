/**
 * Clear packets of the hosts behind the gateways: IPv4 (RFC 791) with UDP (RFC 768), TCP (RFC 9293) or ICMP echo (RFC 792), all
 * checksums right, and a payload that can be recognised wherever it shows up.
 */

export type Address = readonly [number, number, number, number];
/** `bare`: an experimental protocol (RFC 3692), so that a packet may be a header and nothing else. */
export type Transport = "udp" | "tcp" | "icmp" | "bare";

/** What no sealed packet may contain. */
export const PATTERN = Buffer.from("in clear: cardcage ");

const HEADER: Record<Transport, number> = { udp: 8, tcp: 20, icmp: 8, bare: 0 };
const PROTOCOL: Record<Transport, number> = { udp: 17, tcp: 6, icmp: 1, bare: 253 };

/** The smallest packet of a transport, octets. */
export const smallest = (transport: Transport): number => 20 + HEADER[transport];

/** The Internet checksum (RFC 1071) of octets that follow a sum already begun. */
export function internetChecksum(octets: Uint8Array, begun = 0): number {
  let sum = begun;
  for (let i = 0; i < octets.length; i++) sum += i & 1 ? octets[i]! : octets[i]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A whole packet of `octets` octets, at least smallest(transport); `serial` makes it unlike any other. */
export function clearPacket(
  transport: Transport,
  from: Address,
  to: Address,
  octets: number,
  serial: number,
): Uint8Array {
  if (octets < smallest(transport)) throw new RangeError(`${octets} octets are too few for ${transport}`);
  const packet = Buffer.alloc(octets);
  packet[0] = 0x45;
  packet.writeUInt16BE(octets, 2);
  packet.writeUInt16BE(serial & 0xffff, 4);
  packet[8] = 64;
  packet[9] = PROTOCOL[transport];
  packet.set(from, 12);
  packet.set(to, 16);
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, 20)), 10);
  const segment = packet.subarray(20);
  const payload = segment.subarray(HEADER[transport]);
  for (let i = 0; i < payload.length; i++) payload[i] = PATTERN[i % PATTERN.length]!;
  if (payload.length >= PATTERN.length + 4) payload.writeUInt32BE(serial, payload.length - 4);
  // The sum over the pseudo header: addresses, protocol, length (RFC 9293 section 3.1); ICMP has none.
  let pseudo = 0;
  if (transport === "udp" || transport === "tcp") {
    pseudo = PROTOCOL[transport] + segment.length;
    for (let i = 12; i < 20; i += 2) pseudo += packet.readUInt16BE(i);
    segment.writeUInt16BE(5000, 0);
    segment.writeUInt16BE(7, 2);
  }
  if (transport === "udp") {
    segment.writeUInt16BE(segment.length, 4);
    segment.writeUInt16BE(internetChecksum(segment, pseudo) || 0xffff, 6);
  } else if (transport === "tcp") {
    segment.writeUInt32BE(serial, 4);
    segment[12] = 5 << 4;
    segment[13] = 0x18;
    segment.writeUInt16BE(65535, 14);
    segment.writeUInt16BE(internetChecksum(segment, pseudo), 16);
  } else if (transport === "icmp") {
    segment[0] = 8;
    segment.writeUInt16BE(serial & 0xffff, 6);
    segment.writeUInt16BE(internetChecksum(segment), 2);
  }
  return packet;
}

/** An IPv6 packet (RFC 8200) with UDP between fd00:`net`::`host` addresses, of at least 48 octets. */
export function clearPacket6(
  from: readonly [number, number],
  to: readonly [number, number],
  octets: number,
  serial: number,
): Uint8Array {
  const packet = Buffer.alloc(octets);
  packet[0] = 0x60;
  packet.writeUInt16BE(octets - 40, 4);
  packet[6] = 17;
  packet[7] = 64;
  packet.set([0xfd, 0, 0, from[0], 0, from[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 8);
  packet.set([0xfd, 0, 0, to[0], 0, to[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], 24);
  const segment = packet.subarray(40);
  segment.writeUInt16BE(5000, 0);
  segment.writeUInt16BE(7, 2);
  segment.writeUInt16BE(segment.length, 4);
  const payload = segment.subarray(8);
  for (let i = 0; i < payload.length; i++) payload[i] = PATTERN[i % PATTERN.length]!;
  if (payload.length >= PATTERN.length + 4) payload.writeUInt32BE(serial, payload.length - 4);
  segment.writeUInt16BE(datagramChecksum6(packet), 6);
  return packet;
}

/** The checksum of the datagram behind an IPv6 header whose checksum is 0 (RFC 8200 section 8.1). */
export function datagramChecksum6(packet: Buffer): number {
  let pseudo = 17 + packet.length - 40;
  for (let i = 8; i < 40; i += 2) pseudo += packet.readUInt16BE(i);
  return internetChecksum(packet.subarray(40), pseudo) || 0xffff;
}

const outerHeader = (octets: Buffer): [octets: number, protocol: number] =>
  octets[0]! >>> 4 === 6 ? [40, octets[6]!] : [(octets[0]! & 15) * 4, octets[9]!];

/** What a packet on the WAN is. */
export type WanKind = "ike" | "ike-natt" | "esp" | "esp-udp" | "keepalive" | "other";

export function wanKind(packet: Uint8Array): WanKind {
  const octets = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const [header, protocol] = outerHeader(octets);
  if (protocol === 50) return "esp";
  if (protocol !== 17) return "other";
  const ports = [octets.readUInt16BE(header), octets.readUInt16BE(header + 2)];
  if (ports.includes(500)) return "ike";
  if (!ports.includes(4500)) return "other";
  if (octets.length === header + 9) return "keepalive";
  return octets.readUInt32BE(header + 8) === 0 ? "ike-natt" : "esp-udp";
}

/** SPI of an ESP packet, plain or in UDP. */
export function spiOf(packet: Uint8Array): number {
  const octets = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const [header] = outerHeader(octets);
  return octets.readUInt32BE(header + (wanKind(packet) === "esp-udp" ? 8 : 0));
}
