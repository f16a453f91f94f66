/**
 * Traffic selectors as swanctl.conf writes them: `10.1.0.0/16`, `10.1.0.5`, `10.1.0.5-10.1.0.9`, `fd00:a::/64`, `dynamic`, each
 * with `[protocol/port]` behind it where narrowed. To SELECTOR_* records of abi/message.ts.
 *
 * Protocols and ports are numbers or the system's names of them (getservent(3)), ports also ranges, or `opaque` for packets that show
 * none (RFC 4301 4.4.1.1). Of ICMP, ICMPv6 and the mobility header a number below 256 is a type, one above it a type (high octet) and
 * code.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../../../assembly/abi/message.ts";
import { TS_DYNAMIC } from "../../../assembly/abi/management.ts";
import { addressOctets } from "../../chassis/config.ts";
import { addressText } from "../identity.ts";

const PROTOCOLS: Record<string, number> = {
  ...{
    icmp: 1,
    igmp: 2,
    ipip: 4,
    tcp: 6,
    egp: 8,
    igp: 9,
    udp: 17,
    dccp: 33,
    ipv6: 41,
    rsvp: 46,
    gre: 47,
    esp: 50,
    ah: 51,
  },
  ...{
    icmpv6: 58,
    "ipv6-icmp": 58,
    eigrp: 88,
    ospf: 89,
    ipcomp: 108,
    vrrp: 112,
    l2tp: 115,
    sctp: 132,
    "mobility-header": 135,
  },
};

/** RFC 4301 4.4.1.1: which protocols have ports, and which a type, with a code or without. */
const PORTED: ReadonlySet<number> = new Set([6, 17, 132]);
const TYPED: ReadonlySet<number> = new Set([1, 58, 135]);
const MOBILITY = 135;

/** One selector; `dynamic` is of no family, the board puts addresses there. Throws RangeError with a sentence when it is none. */
export function parseSelector(text: string): Uint8Array {
  const match = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(text.trim());
  if (!match) throw new RangeError(`'${text}' is no traffic selector`);
  const word = (match[1] as string).trim();
  const [start, end] = word === "dynamic" ? [new Uint8Array(0), new Uint8Array(0)] : parseRange(word);
  const [protocol, firstPort, lastPort] = parsePorts(match[2]);
  const record = new Uint8Array(SELECTOR_OCTETS);
  const view = new DataView(record.buffer);
  record[SELECTOR_FAMILY] = word === "dynamic" ? TS_DYNAMIC : start.length === 16 ? 6 : 4;
  record[SELECTOR_PROTOCOL] = protocol;
  view.setUint16(SELECTOR_START_PORT, firstPort, true);
  view.setUint16(SELECTOR_END_PORT, lastPort, true);
  record.set(start, SELECTOR_START);
  record.set(end, SELECTOR_END);
  return record;
}

/** First and last address of a network, a range, or an address. */
export function parseRange(text: string): [Uint8Array, Uint8Array] {
  const range = /^([\da-f.:]+?)\s*(?:-|\.\.)\s*([\da-f.:]+)$/i.exec(text);
  if (range) {
    const [start, end] = [octetsOf(range[1] as string, text), octetsOf(range[2] as string, text)];
    if (start.length !== end.length) throw new RangeError(`'${text}' is of two families`);
    if (Buffer.compare(start, end) > 0) throw new RangeError(`'${text}': the range ends before it starts`);
    return [start, end];
  }
  const [address, length, more] = text.split("/");
  const octets = octetsOf(address as string, text);
  const prefix = length === undefined ? octets.length * 8 : Number(length);
  if (more !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length)) || prefix > octets.length * 8)
    throw new RangeError(`'${text}' is no network`);
  // Octet by octet: how many of its bits belong to the host.
  const host = (at: number): number => 0xff >>> Math.min(8, Math.max(0, prefix - at * 8));
  return [octets.map((octet, at) => octet & ~host(at)), octets.map((octet, at) => octet | host(at))];
}

function octetsOf(address: string, text: string): Uint8Array {
  if (isIP(address) === 0 || address.includes("%")) throw new RangeError(`'${text}' is no address or network`);
  return addressOctets(address);
}

function parsePorts(text: string | undefined): [number, number, number] {
  if (text === undefined || text === "" || text === "any" || text === "any/any") return [0, 0, 65535];
  const [protocolWord, portWord = "any", more] = text.split("/") as [string, string?, string?];
  const protocol = ["any", ""].includes(protocolWord) ? 0 : (PROTOCOLS[protocolWord] ?? numberOf(protocolWord, 255));
  if (protocol === undefined) throw new RangeError(`'${protocolWord}' is no protocol`);
  if (portWord === "any" || portWord === "") return [protocol, 0, 65535];
  if (more !== undefined) throw new RangeError(`'${text}' is no protocol and port`);
  if (portWord === "opaque") return [protocol, 65535, 0];
  if (TYPED.has(protocol)) return [protocol, ...typeRange(portWord, protocol)];
  if (!PORTED.has(protocol))
    throw new RangeError(`'${text}': ports want tcp, udp or sctp in front, types icmp or icmpv6`);
  const [firstWord, lastWord = firstWord, beyond] = portWord.split("-") as [string, string?, string?];
  // A service may have a dash in its name.
  const whole = servicePort(portWord, protocolWord);
  const first = whole ?? numberOf(firstWord, 65535);
  const last = whole ?? numberOf(lastWord, 65535);
  const bad = beyond !== undefined && whole === undefined;
  if (bad || first === undefined || last === undefined || first > last)
    throw new RangeError(`'${portWord}' is no port, service or range of ports`);
  return [protocol, first, last];
}

const numberOf = (word: string, most: number): number | undefined =>
  /^\d{1,5}$/.test(word) && Number(word) <= most ? Number(word) : undefined;

/** First and last of a type, of a type and code, or of a range of either. */
function typeRange(word: string, protocol: number): [number, number] {
  const [firstWord, lastWord = firstWord, more] = word.split("-") as [string, string?, string?];
  const first = numberOf(firstWord, 65535);
  const last = numberOf(lastWord, 65535);
  if (more !== undefined || first === undefined || last === undefined)
    throw new RangeError(`'${word}' is no type, or type and code, of a message`);
  const start = first < 256 ? first << 8 : first;
  const end = last < 256 ? (last << 8) | 0xff : last;
  if (protocol === MOBILITY && (first > 255 || last > 255))
    throw new RangeError(`'${word}': the mobility header has types from 0 to 255, and no codes`);
  if (start > end) throw new RangeError(`'${word}': the range ends before it starts`);
  return [start, end];
}

let services: Map<string, number> | undefined;

/** The port of a service by the system's list, which need not be there. */
function servicePort(name: string, protocol: string): number | undefined {
  if (!services) {
    services = new Map();
    for (const line of readServices().split("\n")) {
      const match = /^(\S+)\s+(\d+)\/(\w+)([^#]*)/.exec(line);
      if (!match) continue;
      const [, first, port, of, aliases] = match as unknown as [string, string, string, string, string];
      for (const one of [first, ...aliases.trim().split(/\s+/)]) services.set(`${one}/${of}`, Number(port));
    }
  }
  return services.get(`${name}/${protocol}`);
}

function readServices(): string {
  try {
    return readFileSync("/etc/services", "utf8");
  } catch {
    return "";
  }
}

/** The networks that a selector's range consists of, as `address/prefix`. */
export function networksOf(selector: Uint8Array): string[] {
  const octets = selector[SELECTOR_FAMILY] === 6 ? 16 : 4;
  const at = (offset: number): Uint8Array => selector.subarray(offset, offset + octets);
  return rangeNetworks(at(SELECTOR_START), at(SELECTOR_END));
}

/** The networks that a range of addresses consists of. */
export function rangeNetworks(first: Uint8Array, last: Uint8Array): string[] {
  const octets = first.length;
  const number = (address: Uint8Array): bigint => BigInt(`0x${Buffer.from(address).toString("hex")}`);
  let start = number(first);
  const end = number(last);
  const networks: string[] = [];
  while (start <= end) {
    let bits = 0;
    const whole = (size: bigint): boolean => start % size === 0n && start + size - 1n <= end;
    while (bits < octets * 8 && whole(1n << BigInt(bits + 1))) bits += 1;
    const address = Buffer.from(start.toString(16).padStart(octets * 2, "0"), "hex");
    networks.push(`${addressText(address)}/${octets * 8 - bits}`);
    start += 1n << BigInt(bits);
  }
  return networks;
}
