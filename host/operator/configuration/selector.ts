/**
 * Traffic selectors as swanctl.conf writes them: `10.1.0.0/16`, `10.1.0.5`, `10.1.0.5-10.1.0.9`, `dynamic`, each with
 * `[protocol/port]` behind it where narrowed. To SELECTOR_* records of abi/message.ts.
 */
import { isIPv4 } from "node:net";
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../../../assembly/abi/message.ts";
import { addressOctets } from "../../chassis/config.ts";
import { UnsupportedError } from "./value.ts";

const PROTOCOLS: Record<string, number> = { icmp: 1, tcp: 6, udp: 17, sctp: 132 };

/**
 * One selector. `dynamic`: the address that stands for that word. Throws RangeError with a sentence when it is none,
 * UnsupportedError when it is one of IPv6.
 */
export function parseSelector(text: string, dynamic: string | undefined): Uint8Array {
  const match = /^([^[\]]+)(?:\[([^[\]]*)\])?$/.exec(text.trim());
  if (!match) throw new RangeError(`'${text}' is no traffic selector`);
  const [start, end] = parseRange((match[1] as string).trim(), dynamic);
  const [protocol, firstPort, lastPort] = parsePorts(match[2]);
  const record = new Uint8Array(SELECTOR_OCTETS);
  const view = new DataView(record.buffer);
  record[SELECTOR_FAMILY] = 4;
  record[SELECTOR_PROTOCOL] = protocol;
  view.setUint16(SELECTOR_START_PORT, firstPort, true);
  view.setUint16(SELECTOR_END_PORT, lastPort, true);
  record.set(start, SELECTOR_START);
  record.set(end, SELECTOR_END);
  return record;
}

function parseRange(text: string, dynamic: string | undefined): [Uint8Array, Uint8Array] {
  if (text === "dynamic") {
    if (dynamic === undefined) throw new RangeError("'dynamic' wants a single, known address at this end");
    return [addressOctets(dynamic), addressOctets(dynamic)];
  }
  if (text.includes(":"))
    throw new UnsupportedError(`'${text}': IPv6 inside the tunnel is not supported by this gateway`);
  const range = /^([\d.]+)\s*(?:-|\.\.)\s*([\d.]+)$/.exec(text);
  if (range) {
    const [start, end] = [ipv4(range[1] as string, text), ipv4(range[2] as string, text)];
    if (Buffer.compare(start, end) > 0) throw new RangeError(`'${text}': the range ends before it starts`);
    return [start, end];
  }
  const [address, bits = "32", more] = text.split("/");
  const prefix = Number(bits);
  if (more !== undefined || !/^\d{1,2}$/.test(bits) || prefix > 32) throw new RangeError(`'${text}' is no network`);
  const octets = ipv4(address as string, text);
  const number = new DataView(octets.buffer).getUint32(0);
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  const start = new Uint8Array(4);
  const end = new Uint8Array(4);
  new DataView(start.buffer).setUint32(0, (number & mask) >>> 0);
  new DataView(end.buffer).setUint32(0, (number | ~mask) >>> 0);
  return [start, end];
}

function ipv4(address: string, text: string): Uint8Array {
  if (!isIPv4(address)) throw new RangeError(`'${text}' is no IPv4 address or network`);
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
