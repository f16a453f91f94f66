/**
 * The packet that `cardcage explain` is asked about: hexadecimal digits, a frame of a capture file, or made of addresses, protocol and
 * ports, with zeros inside and all checksums right.
 */
import { readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { addressOctets } from "../chassis/config.ts";
import { CaptureError, capturedPacket } from "./pcap.ts";

/** What is wrong with the words of a command line. */
export class PacketError extends Error {}

export interface PacketWords {
  src?: string;
  dst?: string;
  proto?: string;
  sport?: string;
  dport?: string;
  icmpType?: string;
  size?: string;
  df?: boolean;
  frame?: string;
}

const PROTOCOLS: Record<string, number> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  icmp6: 58,
  sctp: 132,
};
/** Octets of the header of the next layer. */
const HEADERS: Record<number, number> = { 1: 8, 6: 20, 17: 8, 50: 8, 51: 12, 58: 8, 132: 12 };
const PACKET_MAX = 9216;

/** The packet that the words name. Throws PacketError. */
export function packetOfWords(word: string | undefined, words: PacketWords): Uint8Array {
  if (word === undefined) return built(words);
  for (const name of ["src", "dst", "proto", "sport", "dport", "icmpType", "size"] as const) {
    if (words[name] !== undefined) throw new PacketError("either a packet or a file, or --src, --dst and so on");
  }
  const digits = word.replace(/^0x/i, "").replace(/[\s:]/g, "");
  if (/^([0-9a-f]{2})+$/i.test(digits) && words.frame === undefined) return Buffer.from(digits, "hex");
  try {
    return capturedPacket(readFileSync(word), number("--frame", words.frame, 1, 1, Number.MAX_SAFE_INTEGER));
  } catch (error) {
    if (error instanceof CaptureError) throw new PacketError(`${word}: ${error.message}`);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new PacketError(`'${word}' is no packet in hexadecimal, and no file that can be read (${code})`);
  }
}

function number(name: string, text: string | undefined, standard: number, least: number, most: number): number {
  if (text === undefined) return standard;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new PacketError(`${name} wants a number from ${least} to ${most}`);
  }
  return value;
}

function built(words: PacketWords): Uint8Array {
  const { src, dst } = words;
  if (src === undefined || dst === undefined) throw new PacketError("a packet, a file, or --src and --dst are wanted");
  const six = isIPv6(src);
  if (!six && !isIPv4(src)) throw new PacketError(`--src: '${src}' is not an IP address`);
  if (six ? !isIPv6(dst) : !isIPv4(dst)) throw new PacketError(`--dst: '${dst}' is not an IPv${six ? 6 : 4} address`);
  const ports = words.sport !== undefined || words.dport !== undefined;
  const standard = words.icmpType !== undefined ? (six ? "icmpv6" : "icmp") : ports ? "udp" : six ? "icmpv6" : "icmp";
  const name = words.proto?.toLowerCase() ?? standard;
  const protocol = PROTOCOLS[name] ?? number("--proto", name, 0, 0, 255);
  const icmp = protocol === 1 || protocol === 58;
  if (ports && ![6, 17, 132].includes(protocol)) throw new PacketError(`${name} has no ports`);
  if (words.icmpType !== undefined && !icmp) throw new PacketError(`${name} has no ICMP type`);
  if (words.df && six) throw new PacketError("--df: IPv6 packets are never fragmented on the way");
  const header = six ? 40 : 20;
  const least = header + (HEADERS[protocol] ?? 0);
  const size = number("--size", words.size, Math.max(least, header + 64), least, PACKET_MAX);

  const packet = Buffer.alloc(size);
  const source = addressOctets(src);
  const destination = addressOctets(dst);
  if (six) {
    packet[0] = 0x60;
    packet.writeUInt16BE(size - header, 4);
    packet[6] = protocol;
    packet[7] = 64;
    packet.set(source, 8);
    packet.set(destination, 24);
  } else {
    packet[0] = 0x45;
    packet.writeUInt16BE(size, 2);
    packet[6] = words.df ? 0x40 : 0;
    packet[8] = 64;
    packet[9] = protocol;
    packet.set(source, 12);
    packet.set(destination, 16);
    packet.writeUInt16BE(checksum([packet.subarray(0, header)]), 10);
  }
  const segment = packet.subarray(header);
  if ([6, 17, 132].includes(protocol)) {
    segment.writeUInt16BE(number("--sport", words.sport, 40000, 0, 65535), 0);
    segment.writeUInt16BE(number("--dport", words.dport, 40000, 0, 65535), 2);
  }
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(segment.length, 0);
  pseudo[7] = protocol;
  const covered = [source, destination, pseudo, segment];
  if (protocol === 17) {
    segment.writeUInt16BE(segment.length, 4);
    segment.writeUInt16BE(checksum(covered) || 0xffff, 6);
  } else if (protocol === 6) {
    segment[12] = 5 << 4;
    segment[13] = 2; // SYN
    segment.writeUInt16BE(65535, 14);
    segment.writeUInt16BE(checksum(covered), 16);
  } else if (icmp) {
    segment[0] = number("--icmp-type", words.icmpType, six ? 128 : 8, 0, 255);
    segment.writeUInt16BE(checksum(six ? covered : [segment]), 2);
  }
  return packet;
}

/** The Internet checksum (RFC 1071) over parts of even length but the last. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) part.forEach((octet, i) => (sum += i & 1 ? octet : octet << 8));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
