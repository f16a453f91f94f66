/**
 * Identities, addresses, SPIs and selectors as text. What a peer says of itself is hostile until escaped: text leaves here with
 * every control character and non-ASCII octet written as \xNN, so that no terminal or log acts on it.
 */
import { TS_DYNAMIC } from "../../assembly/abi/management.ts";
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../../assembly/abi/message.ts";
import { distinguishedNameText } from "./configuration/distinguished_name.ts";

/** RFC 7296 section 3.5. */
const ID_IPV4_ADDR = 1;
const ID_FQDN = 2;
const ID_RFC822_ADDR = 3;
const ID_IPV6_ADDR = 5;
const ID_DER_ASN1_DN = 9;

/** ASCII as it stands, everything else as \xNN: of all octets, or of those from `start` to `end`. */
export function printable(octets: Uint8Array, start = 0, end = octets.length): string {
  let text = "";
  for (let i = start; i < end; i++) {
    const octet = octets[i]!;
    text +=
      octet >= 0x20 && octet < 0x7f && octet !== 0x5c
        ? String.fromCharCode(octet)
        : `\\x${octet.toString(16).padStart(2, "0")}`;
  }
  return text;
}

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** An SPI, eight digits. The engine's own conversion costs ten times as much, and events name many. */
export const spiText = (spi: number): string =>
  `${HEX[spi >>> 24]}${HEX[(spi >>> 16) & 255]}${HEX[(spi >>> 8) & 255]}${HEX[spi & 255]}`;

/** `192.0.2.1`, `2001:db8:0:0:0:0:0:1`. */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) throw new RangeError(`an address of ${octets.length} octets`);
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((octets[i] as number) << 8) | (octets[i + 1] as number)).toString(16));
  return groups.join(":");
}

/** An identification payload's type and data as text; empty for none. */
export function identityText(octets: Uint8Array): string {
  if (octets.length === 0) return "";
  const type = octets[0] as number;
  const data = octets.subarray(1);
  if ((type === ID_IPV4_ADDR && data.length === 4) || (type === ID_IPV6_ADDR && data.length === 16))
    return addressText(data);
  if (type === ID_FQDN || type === ID_RFC822_ADDR) return printable(data);
  if (type === ID_DER_ASN1_DN) {
    const name = distinguishedNameText(data, printable);
    if (name) return name;
  }
  return `{${type}}:${Buffer.from(data).toString("hex")}`;
}

const isLow = (octets: Uint8Array, from: number): boolean => octets.subarray(from).every((octet) => octet === 0);

/** Prefix length when start..end is one network, else undefined. */
function prefixOf(start: Uint8Array, end: Uint8Array): number | undefined {
  let bits = 0;
  for (let i = 0; i < start.length; i++) {
    const difference = (start[i] as number) ^ (end[i] as number);
    if (difference === 0) {
      bits += 8;
      continue;
    }
    // One run of low bits that are 0 in start and 1 in end.
    if ((difference & (difference + 1)) !== 0 || ((start[i] as number) & difference) !== 0) return undefined;
    bits += Math.clz32(difference) - 24;
    return isLow(start, i + 1) && end.subarray(i + 1).every((octet) => octet === 255) ? bits : undefined;
  }
  return bits;
}

/** ICMP, ICMPv6 and the mobility header have a type (high octet) and a code where others have a port. */
const TYPED: ReadonlySet<number> = new Set([1, 58, 135]);

const portText = (first: number, last: number): string => (first === last ? `${first}` : `${first}-${last}`);

/** `8` is a type of any code, `8(0)` a type and code, as strongSwan writes them. */
function typeText(first: number, last: number): string {
  const whole = (first & 0xff) === 0 && (last & 0xff) === 0xff;
  if (whole) return portText(first >>> 8, last >>> 8);
  const one = (value: number): string => `${value >>> 8}(${value & 0xff})`;
  return first === last ? one(first) : `${one(first)}-${one(last)}`;
}

/** A SELECTOR_* record: `10.1.0.0/16`, `10.1.0.5..10.1.0.9`, `dynamic`, with `[tcp/80]` where narrowed. Throws RangeError if cut off. */
export function selectorText(octets: Uint8Array): string {
  if (octets.length !== SELECTOR_OCTETS) throw new RangeError("a selector is cut off");
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const size = octets[SELECTOR_FAMILY] === 6 ? 16 : 4;
  const start = octets.subarray(SELECTOR_START, SELECTOR_START + size);
  const end = octets.subarray(SELECTOR_END, SELECTOR_END + size);
  const prefix = prefixOf(start, end);
  const range =
    octets[SELECTOR_FAMILY] === TS_DYNAMIC
      ? "dynamic"
      : prefix === undefined
        ? `${addressText(start)}..${addressText(end)}`
        : `${addressText(start)}/${prefix}`;
  const protocol = octets[SELECTOR_PROTOCOL] as number;
  const first = view.getUint16(SELECTOR_START_PORT, true);
  const last = view.getUint16(SELECTOR_END_PORT, true);
  const anyPort = first === 0 && last === 65535;
  const opaque = first === 65535 && last === 0;
  if (protocol === 0 && anyPort) return range;
  const name =
    ({ 0: "", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp" } as Record<number, string>)[protocol] ??
    String(protocol);
  const text = TYPED.has(protocol) ? typeText : portText;
  const ports = anyPort ? "" : opaque ? "/opaque" : `/${text(first, last)}`;
  return `${range}[${name}${ports}]`;
}
