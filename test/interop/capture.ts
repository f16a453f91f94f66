/** Counts what was on the wire, from a classic pcap file (magic a1b2c3d4, LINKTYPE_ETHERNET), as tcpdump -w writes it. */

import { readFileSync } from "node:fs";
import { formatIpv4 } from "../../host/nic/linux/outer_header.ts";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;

export interface OuterCount {
  /** ESP packets by "source destination". */
  esp: Record<string, number>;
  /** Datagrams on port 4500 without the non-ESP marker, longer than a keepalive. */
  espInUdp: number;
  ike: number;
  /** IPv4 packets that are neither ESP nor IKE: nothing else should be on this wire. */
  clear: number;
}

export function countOuter(path: string): OuterCount {
  const octets = readFileSync(path);
  const words = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (words.getUint32(0, true) !== 0xa1b2c3d4) throw new Error(`${path} is no little-endian pcap file`);
  const seen: OuterCount = { esp: {}, espInUdp: 0, ike: 0, clear: 0 };
  for (let at = FILE_HEADER; at + RECORD_HEADER <= octets.length; ) {
    const captured = words.getUint32(at + 8, true);
    const packet = at + RECORD_HEADER + ETHERNET_HEADER;
    at += RECORD_HEADER + captured;
    if (captured < ETHERNET_HEADER + 28 || words.getUint16(packet - 2) !== 0x0800) continue;
    const protocol = words.getUint8(packet + 9);
    const payload = packet + (words.getUint8(packet) & 15) * 4;
    if (protocol === 50) {
      const pair = `${formatIpv4(words.getUint32(packet + 12))} ${formatIpv4(words.getUint32(packet + 16))}`;
      seen.esp[pair] = (seen.esp[pair] ?? 0) + 1;
    } else if (protocol === 17) {
      const ports = [words.getUint16(payload), words.getUint16(payload + 2)];
      const marker = ports.includes(4500) && words.getUint16(payload + 4) >= 12 ? words.getUint32(payload + 8) : 0;
      if (marker !== 0) seen.espInUdp++;
      else if (ports.includes(500) || ports.includes(4500)) seen.ike++;
      else seen.clear++;
    } else {
      seen.clear++;
    }
  }
  return seen;
}
