/**
 * Traffic selectors as swanctl.conf writes them: `10.1.0.0/16`, `10.1.0.5`, `10.1.0.5-10.1.0.9`, `fd00:a::/64`, `dynamic`, each
 * with `[protocol/port]` behind it where narrowed. To SELECTOR_* records of abi/message.ts.
 */
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

const PROTOCOLS: Record<string, number> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 };

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
  const [protocolWord, portWord = "any"] = text.split("/") as [string, string?];
  const protocol = protocolWord === "any" ? 0 : (PROTOCOLS[protocolWord] ?? Number(protocolWord));
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255)
    throw new RangeError(`'${protocolWord}' is no protocol`);
  if (portWord === "any") return [protocol, 0, 65535];
  const ports = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(portWord);
  const first = Number(ports?.[1]);
  const last = Number(ports?.[2] ?? ports?.[1]);
  if (!ports || first > 65535 || last > 65535 || first > last)
    throw new RangeError(`'${portWord}' is no port or range of ports`);
  if (protocol !== 6 && protocol !== 17 && protocol !== 132) {
    throw new RangeError(`'${text}': ports want tcp, udp or sctp in front`);
  }
  return [protocol, first, last];
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
