/**
 * Pools of virtual IPs, in swanctl's words: `pools { NAME { addrs = 10.3.0.0/24, dns = 10.2.0.53 } }`, and what a connection has of
 * them. To MANAGEMENT_POOL_LOAD messages; attributes are put here as they go out (RFC 7296 section 3.15.1).
 */
import * as abi from "../../../assembly/abi/management.ts";
import { addressOctets, type ConfigItem } from "../../chassis/config.ts";
import type { PoolPlan } from "../gateway.ts";
import { encodeMessage, textValue } from "../management.ts";
import { nearest } from "./nearest.ts";
import type { ConfigurationError } from "./parser.ts";
import type { SectionSchema, Values } from "./schema.ts";
import { parseRange, rangeNetworks } from "./selector.ts";
import { list, text } from "./value.ts";

const POOLS_MAX = 32;
/** Pools of one connection (assembly/ike/connection.ts). */
const CONNECTION_POOLS_MAX = 8;

/** Attribute types by setting and family; 0: there is none. The last two are those of Cisco's Unity, as strongSwan sends them. */
const ATTRIBUTES: Record<string, { v4: number; v6: number; subnet?: true; unity?: true }> = {
  dns: { v4: 3, v6: 10 },
  nbns: { v4: 4, v6: 0 },
  dhcp: { v4: 6, v6: 12 },
  netmask: { v4: 2, v6: 0 },
  subnet: { v4: 13, v6: 15, subnet: true },
  split_include: { v4: 28676, v6: 0, subnet: true, unity: true },
  split_exclude: { v4: 28678, v6: 0, subnet: true, unity: true },
};

export const POOL: SectionSchema = {
  settings: { addrs: text, ...Object.fromEntries(Object.keys(ATTRIBUTES).map((name) => [name, list(text)])) },
  unsupported: ["address", "server"],
};

/** The value of an attribute. Throws RangeError with a sentence when it is none. */
function attributeOctets(setting: string, value: string): Uint8Array {
  const { v4, v6, subnet, unity } = ATTRIBUTES[setting]!;
  const [first, last] = parseRange(value);
  if (!subnet && Buffer.compare(first, last) !== 0) throw new RangeError(`'${value}' is no single address`);
  const type = first.length === 4 ? v4 : v6;
  if (type === 0) throw new RangeError(`'${value}': there is no such attribute for IPv6`);
  const head = [type & 0xff, type >> 8];
  if (!subnet) return Uint8Array.of(...head, ...first);
  const networks = rangeNetworks(first, last);
  if (networks.length !== 1) throw new RangeError(`'${value}' is no network`);
  const prefix = Number(networks[0]!.split("/")[1]);
  if (first.length === 16) return Uint8Array.of(...head, ...first, prefix);
  const mask = [0, 8, 16, 24].map((bit) => (0xff00 >> Math.min(8, Math.max(0, prefix - bit))) & 0xff);
  return Uint8Array.of(...head, ...first, ...mask, ...(unity ? new Array<number>(6).fill(0) : []));
}

/** First and last address that are given out: of a network neither its own nor IPv4's broadcast address, as with strongSwan. */
function poolRange(addrs: string): [Uint8Array, Uint8Array] {
  const [first, last] = parseRange(addrs);
  const [address, length] = addrs.split("/");
  if (length === undefined || first.length * 8 - Number(length) < 2) return [first, last];
  const own = addressOctets(address as string);
  const start =
    Buffer.compare(own, first) === 0 ? first.map((octet, i) => (i === first.length - 1 ? octet | 1 : octet)) : own;
  const end = first.length === 4 ? last.map((octet, i) => (i === 3 ? octet & 0xfe : octet)) : last;
  return [start, end];
}

export class Pools {
  readonly plans: PoolPlan[] = [];
  /** The networks of each pool. */
  readonly #networks = new Map<string, string[]>();
  readonly #errors: ConfigurationError[];

  constructor(section: Values | undefined, errors: ConfigurationError[]) {
    this.#errors = errors;
    for (const pool of section?.sections.values() ?? []) this.#pool(pool);
    if (section && this.plans.length > POOLS_MAX)
      this.#error(section, "pools", "pools", `more than ${POOLS_MAX} pools`);
  }

  #error(section: Values, setting: string, word: string, message: string, near?: string): void {
    const { file, line } = section.settings.get(setting) ?? section;
    this.#errors.push({ file, line, word, message, ...(near === undefined ? {} : { nearest: near }) });
  }

  #pool(section: Values): void {
    const { name } = section;
    const items: ConfigItem[] = [{ type: abi.POOL_NAME, value: textValue(name) }];
    const addrs = section.values["addrs"] as string | undefined;
    if (addrs === undefined) return this.#error(section, "addrs", name, `pool '${name}' has no addrs`);
    if (textValue(name).length > 64) return this.#error(section, name, name, "the name is longer than 64 octets");
    try {
      const [first, last] = poolRange(addrs);
      items.push({ type: abi.POOL_RANGE, value: Uint8Array.of(...first, ...last) });
      this.#networks.set(name, rangeNetworks(...parseRange(addrs)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.#error(section, "addrs", addrs, `addrs: ${error.message}`);
    }
    for (const setting of Object.keys(ATTRIBUTES)) {
      for (const value of (section.values[setting] as string[] | undefined) ?? []) {
        try {
          items.push({ type: abi.POOL_ATTRIBUTE, value: attributeOctets(setting, value) });
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          this.#error(section, setting, value, `${setting}: ${error.message}`);
        }
      }
    }
    this.plans.push({ name, load: encodeMessage(abi.MANAGEMENT_POOL_LOAD, 0, items) });
  }

  /** The items of a connection: the addresses that it asks for, and the pools that it gives of. The networks of those pools. */
  connection(section: Values, add: (type: number, value: Uint8Array) => void): string[] {
    const vips = (section.values["vips"] as Uint8Array[] | undefined) ?? [];
    const pools = (section.values["pools"] as string[] | undefined) ?? [];
    if (new Set(vips.map(({ length }) => length)).size < vips.length)
      this.#error(section, "vips", "vips", "vips: more than one address of a family");
    if (pools.length > CONNECTION_POOLS_MAX)
      this.#error(section, "pools", "pools", `pools: more than ${CONNECTION_POOLS_MAX} pools`);
    for (const vip of vips) add(abi.CONNECTION_VIP, vip);
    return pools.flatMap((name) => {
      const networks = this.#networks.get(name);
      if (networks) add(abi.CONNECTION_POOL, textValue(name));
      else
        this.#error(
          section,
          "pools",
          name,
          `pools: there is no pool '${name}'`,
          nearest(name, [...this.#networks.keys()]),
        );
      return networks ?? [];
    });
  }
}
