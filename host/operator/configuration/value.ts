/** Kinds of values that settings have: each turns text into a value, or throws RangeError with a sentence. */
import { isIP, isIPv6 } from "node:net";
import { addressOctets } from "../../chassis/config.ts";
import { nearest } from "./nearest.ts";

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
): (text: string) => T {
  return (text) => {
    if (Object.hasOwn(words, text)) return words[text] as T;
    const why = known(text);
    if (why) throw new RangeError(`'${text}' is known to swanctl, but not supported by this gateway: ${why}`);
    const near = hints[text] ?? nearest(text, Object.keys(words));
    throw new WordError(`'${text}' is none of ${Object.keys(words).join(", ")}`, near);
  };
}

export const boolean = word({
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

const TIME_UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

/** Seconds: `30`, `30s`, `10m`, `4h`, `1d`. */
export function time(text: string): number {
  const match = /^(\d{1,9})\s*([smhd]?)$/.exec(text);
  if (!match) throw new RangeError(`'${text}' is no time: a number with s, m, h or d behind it`);
  const value = Number(match[1]) * (TIME_UNITS[match[2] || "s"] as number);
  if (value > 0xffffffff) throw new RangeError(`'${text}' is longer than a hundred years`);
  return value;
}

const SIZE_UNITS: Record<string, bigint> = { "": 1n, k: 1024n, m: 1024n ** 2n, g: 1024n ** 3n, t: 1024n ** 4n };

/** A count of octets or packets: `1000000`, `500m`, `2g`. */
export function size(text: string): bigint {
  const match = /^(\d{1,15})\s*([kmgt]?)$/i.exec(text);
  if (!match) throw new RangeError(`'${text}' is no amount: a number with k, m, g or t behind it`);
  return BigInt(match[1] as string) * (SIZE_UNITS[(match[2] as string).toLowerCase()] as bigint);
}

export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= low && value <= high)) throw new RangeError(`'${text}' is no number from ${low} to ${high}`);
    return value;
  };
}

export const text = (value: string): string => value;

/** A comma-separated list. */
export function list<T>(each: (text: string) => T): (text: string) => T[] {
  return (value) =>
    value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(each);
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

/** Where to listen: a port of this machine's own, `address:port` or `[address]:port`. */
export function listening(value: string): { host: string; port: number } {
  const match = /^(?:(?:\[([^\]]+)\]|([^:\]]+)):)?(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2] ?? "127.0.0.1";
  const port = Number(match?.[3]);
  if (!match || isIP(host) === 0 || !(port >= 1 && port <= 65535))
    throw new RangeError(`'${value}' is no place to listen: 9814, 192.0.2.1:9814 and [2001:db8::1]:9814 are`);
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
