/** Counts what was on the wire, from a classic pcap file (magic a1b2c3d4, LINKTYPE_ETHERNET), as tcpdump -w writes it. */

import { readFileSync } from "node:fs";
import { addressText } from "../../host/operator/identity.ts";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ICMPV6 = 58;

export interface OuterCount {
  /** ESP packets by "source destination". */
  esp: Record<string, number>;
  /** The same of AH. */
  ah: Record<string, number>;
  /** Datagrams on port 4500 without the non-ESP marker, longer than a keepalive. */
  espInUdp: number;
  ike: number;
  /** Packets that are neither ESP, AH nor IKE: nothing else should be on this wire. */
  clear: number;
}

export function countOuter(path: string): OuterCount {
  const octets = readFileSync(path);
  const words = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (words.getUint32(0, true) !== 0xa1b2c3d4) throw new Error(`${path} is no little-endian pcap file`);
  const seen: OuterCount = { esp: {}, ah: {}, espInUdp: 0, ike: 0, clear: 0 };
  for (let at = FILE_HEADER; at + RECORD_HEADER <= octets.length; ) {
    const captured = words.getUint32(at + 8, true);
    const packet = at + RECORD_HEADER + ETHERNET_HEADER;
    at += RECORD_HEADER + captured;
    const type = captured < ETHERNET_HEADER + 28 ? 0 : words.getUint16(packet - 2);
    if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) continue;
    const ipv6 = type === ETHERTYPE_IPV6;
    const protocol = words.getUint8(packet + (ipv6 ? 6 : 9));
    // Neighbour discovery and the like is the kernel's.
    if (ipv6 && protocol === ICMPV6) continue;
    const payload = packet + (ipv6 ? 40 : (words.getUint8(packet) & 15) * 4);
    if (protocol === 50 || protocol === 51) {
      const [source, octetsOf] = ipv6 ? [packet + 8, 16] : [packet + 12, 4];
      const [from, to] = [source, source + octetsOf].map((p) => addressText(octets.subarray(p, p + octetsOf)));
      const pair = `${from} ${to}`;
      const sealed = protocol === 50 ? seen.esp : seen.ah;
      sealed[pair] = (sealed[pair] ?? 0) + 1;
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
