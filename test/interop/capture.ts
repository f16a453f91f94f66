/** What was on the wire outside: tcpdump writes it down, and it is counted from the classic pcap file (magic a1b2c3d4, LINKTYPE_ETHERNET). */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addressText } from "../../host/operator/identity.ts";
import { Program, until } from "./process.ts";
import type { World } from "./world.ts";

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

/** Writes down what comes and goes outside of side b's gateway, each packet as soon as it is seen, until `end`. */
export async function captureWan(world: World): Promise<{ file: string; end: () => Promise<void> }> {
  const file = join(world.directory, "wan.pcap");
  const words = ["-U", "--immediate-mode", "-n", "-i", "wan0", "-w", file];
  const program = ["netns", "exec", world.topology.gateway("b"), "tcpdump", ...words];
  const tcpdump = new Program("ip", program, join(world.directory, "tcpdump.log"));
  await until("tcpdump listens", 10, () => tcpdump.log.includes("listening on"));
  return { file, end: async () => void (await tcpdump.stop("SIGINT")) };
}

interface Captured {
  octets: Buffer;
  words: DataView;
  /** Where an IP packet of 28 octets at least begins, and whether it is IPv6. */
  packets: { packet: number; ipv6: boolean }[];
}

function readCapture(path: string): Captured {
  const octets = readFileSync(path);
  const words = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (words.getUint32(0, true) !== 0xa1b2c3d4) throw new Error(`${path} is no little-endian pcap file`);
  const packets: Captured["packets"] = [];
  for (let at = FILE_HEADER; at + RECORD_HEADER <= octets.length; ) {
    const captured = words.getUint32(at + 8, true);
    const packet = at + RECORD_HEADER + ETHERNET_HEADER;
    at += RECORD_HEADER + captured;
    const type = captured < ETHERNET_HEADER + 28 ? 0 : words.getUint16(packet - 2);
    if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) packets.push({ packet, ipv6: type === ETHERTYPE_IPV6 });
  }
  return { octets, words, packets };
}

/** How many IPv4 packets from `source` there are with each TOS and DF: "0xba DF". */
export function countMarks(path: string, source: string): Record<string, number> {
  const { octets, words, packets } = readCapture(path);
  const seen: Record<string, number> = {};
  for (const { packet, ipv6 } of packets) {
    if (ipv6 || addressText(octets.subarray(packet + 12, packet + 16)) !== source) continue;
    const marks = `0x${words.getUint8(packet + 1).toString(16)}${words.getUint8(packet + 6) & 0x40 ? " DF" : ""}`;
    seen[marks] = (seen[marks] ?? 0) + 1;
  }
  return seen;
}

/** ICMPv6 behind hop-by-hop options, as a report of multicast listeners is (RFC 3810 section 5). */
function isListenerReport(words: DataView, packet: number): boolean {
  return words.getUint8(packet + 6) === 0 && words.getUint8(packet + 40) === ICMPV6;
}

export function countOuter(path: string): OuterCount {
  const { octets, words, packets } = readCapture(path);
  const seen: OuterCount = { esp: {}, ah: {}, espInUdp: 0, ike: 0, clear: 0 };
  for (const { packet, ipv6 } of packets) {
    const protocol = words.getUint8(packet + (ipv6 ? 6 : 9));
    // Neighbour discovery and the like is the kernel's.
    if (ipv6 && (protocol === ICMPV6 || isListenerReport(words, packet))) continue;
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
