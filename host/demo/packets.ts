/** Packets of hosts behind the gateways: IPv4 with UDP, checksums and all, each with a number of its own in the payload. */

/** Payload starts with this, then a u32 number: no such octets may be seen on the WAN. */
export const MARK = Buffer.from("cardcage in the clear");

function checksum(octets: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] as number) << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const IPV4_HEADER = 20;
const UDP_HEADER = 8;
/** The smallest packet that holds mark and number. */
export const PACKET_MIN = IPV4_HEADER + UDP_HEADER + MARK.length + 4;

/** A UDP packet of `octets` octets in all, at least PACKET_MIN; addresses as text. */
export function udpPacket(source: string, destination: string, number: number, octets: number): Uint8Array {
  const packet = Buffer.alloc(Math.max(octets, PACKET_MIN));
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(number & 0xffff, 4);
  packet[8] = 64;
  packet[9] = 17;
  packet.set(source.split(".").map(Number), 12);
  packet.set(destination.split(".").map(Number), 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, IPV4_HEADER)), 10);
  const udp = packet.subarray(IPV4_HEADER);
  udp.writeUInt16BE(40000 + (number % 1000), 0);
  udp.writeUInt16BE(7, 2);
  udp.writeUInt16BE(udp.length, 4);
  MARK.copy(udp, UDP_HEADER);
  udp.writeUInt32BE(number, UDP_HEADER + MARK.length);
  for (let i = UDP_HEADER + MARK.length + 4; i < udp.length; i++) udp[i] = (i * 7 + number) & 255;
  const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, 17, udp.length >>> 8, udp.length & 255])]);
  const sum = checksum(udp, ~checksum(pseudo) & 0xffff);
  udp.writeUInt16BE(sum === 0 ? 0xffff : sum, 6);
  return packet;
}
