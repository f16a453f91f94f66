/**
 * Kinds of values that settings have: each turns text into a value, or throws RangeError with a sentence. Those of the chassis section say
 * besides what they are in JSON (json_schema.ts).
 */
import { isIP, isIPv6 } from "node:net";
import { addressOctets } from "../../chassis/config.ts";
import { SHELF_PORT } from "../../chassis/remote/shelf_port.ts";
import { nearest } from "./nearest.ts";

/** What a value is in JSON: its schema (draft 07), and the text as such a value, where it is no string. */
export interface JsonKind {
  schema: Readonly<Record<string, unknown>>;
  plain?: (text: string) => unknown;
}

export type Reader<T> = ((text: string) => T) & { json?: JsonKind };

export const withJson = <T>(read: (text: string) => T, json: JsonKind): Reader<T> =>
  Object.assign((text: string): T => read(text), { json });

/** Text by a pattern. */
const pattern = (source: RegExp): JsonKind => ({ schema: { type: "string", pattern: source.source } });

/** A word out of a closed set; `hints` name the right word for classic mistakes. */
export class WordError extends RangeError {
  readonly nearest: string | undefined;

  constructor(message: string, near?: string) {
    super(message);
    this.nearest = near;
  }
}

/** What swanctl knows and this gateway does not do: the rest of the configuration may still be usable without it. */
export class UnsupportedError extends RangeError {}

/** `known`: of a word that swanctl has and we do not, what is done here. */
export function word<T>(
  words: Readonly<Record<string, T>>,
  hints: Readonly<Record<string, string>> = {},
  known: (text: string) => string | undefined = () => undefined,
): Reader<T> {
  const read = (text: string): T => {
    if (Object.hasOwn(words, text)) return words[text] as T;
    const why = known(text);
    if (why) throw new RangeError(`'${text}' is known to swanctl, but not supported by this gateway: ${why}`);
    const near = hints[text] ?? nearest(text, Object.keys(words));
    throw new WordError(`'${text}' is none of ${Object.keys(words).join(", ")}`, near);
  };
  return withJson(read, { schema: { enum: Object.keys(words) } });
}

const truth = word({
  yes: true,
  true: true,
  enabled: true,
  on: true,
  "1": true,
  no: false,
  false: false,
  disabled: false,
  off: false,
  "0": false,
});
export const boolean = withJson(truth, { schema: { type: "boolean" }, plain: truth });

const TIME_UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

const TIME = /^(\d{1,9})\s*([smhd]?)$/;

/** Seconds: `30`, `30s`, `10m`, `4h`, `1d`. */
export const time = withJson(readTime, pattern(TIME));

function readTime(text: string): number {
  const match = TIME.exec(text);
  if (!match) throw new RangeError(`'${text}' is no time: a number with s, m, h or d behind it`);
  const value = Number(match[1]) * (TIME_UNITS[match[2] || "s"] as number);
  if (value > 0xffffffff) throw new RangeError(`'${text}' is longer than a hundred years`);
  return value;
}

const SIZE_UNITS: Record<string, bigint> = { "": 1n, k: 1024n, m: 1024n ** 2n, g: 1024n ** 3n, t: 1024n ** 4n };

const SIZE = /^(\d{1,15})\s*([kKmMgGtT]?)$/;

/** A count of octets or packets: `1000000`, `500m`, `2g`. */
export const size = withJson(readSize, pattern(SIZE));

function readSize(text: string): bigint {
  const match = SIZE.exec(text);
  if (!match) throw new RangeError(`'${text}' is no amount: a number with k, m, g or t behind it`);
  return BigInt(match[1] as string) * (SIZE_UNITS[(match[2] as string).toLowerCase()] as bigint);
}

export function integer(low: number, high: number): Reader<number> {
  const read = (text: string): number => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= low && value <= high)) throw new RangeError(`'${text}' is no number from ${low} to ${high}`);
    return value;
  };
  return withJson(read, { schema: { type: "integer", minimum: low, maximum: high }, plain: plainNumber });
}

/** What is no number stays text, which no schema of numbers takes. */
const plainNumber = (text: string): number | string => (/^\d{1,10}$/.test(text) ? Number(text) : text);

export const text = withJson((value: string): string => value, { schema: { type: "string" } });

const parts = (value: string): string[] =>
  value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** A comma-separated list. */
export function list<T>(each: Reader<T>): Reader<T[]> {
  const read = (value: string): T[] => parts(value).map((part) => each(part));
  if (each.json === undefined) return read;
  const { schema, plain = (part: string) => part } = each.json;
  return withJson(read, { schema: { type: "array", items: schema }, plain: (value) => parts(value).map(plain) });
}

const LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
const NAME = new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)*${LABEL}\\.?$`);

/** True for what may be a DNS name, and is no mistyped address: its last label is no number. */
export const isName = (value: string): boolean => NAME.test(value) && !/(^|\.)\d+\.?$/.test(value);

/** An address of the peer's, a name to look up, or `%any`. */
export function peer(value: string): string | undefined {
  return isName(value) ? value : address(value);
}

const ANY: Record<string, string | undefined> = {
  "%any": undefined,
  "0.0.0.0": undefined,
  "%any4": "0.0.0.0/0",
  "%any6": "::/0",
  "::": "::/0",
};

const isMapped = (octets: Uint8Array): boolean =>
  octets.length === 16 && octets.every((octet, at) => at >= 12 || octet === (at < 10 ? 0 : 0xff));

/** An address, or a network as `address/prefix`; undefined: any of either family. */
export function address(value: string): string | undefined {
  if (value in ANY) return ANY[value];
  const [own, prefix, more] = value.split("/") as [string, string?, string?];
  if (isIP(own.split("%")[0] as string) === 0) {
    if (value.includes("-")) throw new RangeError(`'${value}': ranges are not supported here; networks are`);
    const why = isName(value) ? "; names of our own are not looked up by this gateway" : "";
    throw new RangeError(`'${value}' is no IP address${why}`);
  }
  if (/^fe[89ab]/i.test(own))
    throw new RangeError(`'${value}': a link-local address means nothing without its link; use a global one`);
  if (own.includes("%")) throw new RangeError(`'${value}': only link-local addresses have a zone`);
  if (isMapped(addressOctets(own))) throw new RangeError(`'${value}': an IPv4 address is written without '::ffff:'`);
  if (prefix === undefined) return own;
  const bits = isIPv6(own) ? 128 : 32;
  if (more !== undefined || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    throw new RangeError(`'${value}' is no network`);
  return Number(prefix) === bits ? own : value;
}

const LISTENING = /^(?:(?:\[([^\]]+)\]|([^:\]]+)):)?(\d{1,5})$/;

/** Where to listen: a port of this machine's own, `address:port` or `[address]:port`. */
export const listening = withJson(readListening, pattern(LISTENING));

function readListening(value: string): { host: string; port: number } {
  const match = LISTENING.exec(value);
  const host = match?.[1] ?? match?.[2] ?? "127.0.0.1";
  const port = Number(match?.[3]);
  if (!match || isIP(host) === 0 || !(port >= 1 && port <= 65535))
    throw new RangeError(`'${value}' is no place to listen: 9814, 192.0.2.1:9814 and [2001:db8::1]:9814 are`);
  return { host, port };
}

const BROWSER_HOST = /^(?:\[([^\]]+)\]|([^:\[\]]+))(?::(\d{1,5}))?$/;

/** As a browser names whom it asks: `gateway.example`, `gateway.example:8443`, `[2001:db8::1]`. */
export const browserHost = withJson((value) => {
  const match = BROWSER_HOST.exec(value);
  const known = match?.[1] === undefined ? isIP(match?.[2] ?? "") === 4 || isName(match?.[2] ?? "") : isIPv6(match[1]);
  if (!known || Number(match?.[3] ?? 1) > 65535)
    throw new RangeError(`'${value}' is no name that a browser asks for: gateway.example and gateway.example:8443 are`);
  return value;
}, pattern(BROWSER_HOST));

const SHELF_PLACE = /^(?:\[([^\]]+)\]|([^:\[\]]+))(?::(\d{1,5}))?$/;

/** Where a shelf is: `192.0.2.9`, `[2001:db8::9]:9815`, `shelf.example:9815`. */
export const remoteShelf = withJson((value) => shelfPlace(value), pattern(SHELF_PLACE));

/** The same; a shelf itself may listen at port 0, any. */
export function shelfPlace(value: string, least = 1): { host: string; port: number } {
  const match = SHELF_PLACE.exec(value);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3] ?? SHELF_PORT);
  const known = match?.[1] === undefined ? isIP(host) === 4 || isName(host) : isIPv6(host);
  if (!known || !(port >= least && port <= 65535))
    throw new RangeError(
      `'${value}' is no place of a shelf: 192.0.2.9, [2001:db8::9] and shelf.example:${SHELF_PORT} are`,
    );
  return { host, port };
}

/** A virtual IP to ask for: octets, all 0 any. */
export function virtualIp(value: string): Uint8Array {
  const text = { "%any": "0.0.0.0", "%any4": "0.0.0.0", "%any6": "::" }[value] ?? value;
  if (isIP(text) === 0 || text.includes("%"))
    throw new RangeError(`'${value}' is no address: 0.0.0.0 and :: ask for any`);
  return addressOctets(text);
}

/** Accepts only what the gateway does anyway: `ours` says which words those are. */
export function fixed(ours: readonly string[], why: string): (text: string) => string {
  return (value) => {
    if (ours.includes(value)) return value;
    throw new RangeError(`'${value}' is known to swanctl, but not supported by this gateway: ${why}`);
  };
}
