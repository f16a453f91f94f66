/**
 * What another configuration changes in a gateway that runs: `cardcage reload`.
 *
 * A connection is unchanged when what the IKE board would be told of it is, octet for octet; it is then not told anything, and its SAs,
 * timers and trap policies stay as they are. One that changed is loaded anew: SAs that stand keep what they were negotiated with,
 * what is negotiated from now on has the new settings. One that is gone has its SAs deleted at the peer. Secrets and credentials are
 * replaced as a whole; they are used by the next authentication and are compared by digest alone.
 *
 * What the hardware is fitted with at power-on (the chassis section, pools that exist, bypassing where there was none) cannot change under a
 * gateway: such a difference is named, and pools and bypassing, which connections depend on, refuse the reload.
 */
import { createHmac, randomBytes } from "node:crypto";
import * as abi from "../../assembly/abi/management.ts";
import { decodeItems } from "../chassis/config.ts";
import type { Configuration } from "./configuration/compile.ts";
import type { ConfigurationError } from "./configuration/parser.ts";

export interface ChangedChild {
  name: string;
  /** Of a child that stays: the settings that differ, as management.ts of the board ABI names them. */
  settings: string[];
}

export interface ChangedConnection {
  name: string;
  settings: string[];
  children: { added: string[]; removed: string[]; changed: ChangedChild[] };
}

export interface Difference {
  connections: { added: string[]; removed: string[]; changed: ChangedConnection[]; unchanged: string[] };
  poolsAdded: string[];
  secretsChanged: boolean;
  credentialsChanged: boolean;
  routes: { added: string[]; removed: string[] };
  /** Settings that count from the next start on. */
  atRestart: string[];
}

export interface ReloadResult {
  file: string;
  applied: boolean;
  /** Of the configuration; errors among them refuse it. */
  problems: (ConfigurationError & { text: string })[];
  /** Why a sound configuration is not applied. */
  refused: string[];
  /** Absent when the file is wrong. */
  difference?: Difference;
}

/** Secrets are compared by what nobody can compute elsewhere, so that none has to be kept. */
const KEY = randomBytes(32);

/** What of a configuration the next one is compared with: no secret, no key. */
export interface Loaded {
  connections: ReadonlyMap<string, { load: Uint8Array; names: string }>;
  pools: ReadonlyMap<string, Uint8Array>;
  secrets: string;
  credentials: string;
  routes: readonly string[];
  bypass: boolean;
  chassis: ReadonlyMap<string, string>;
}

function fingerprint(value: unknown): string {
  const octets = JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return { octets: Buffer.from(inner).toString("base64") };
    if (inner instanceof Map) return [...inner];
    if (inner instanceof Set) return [...inner];
    return typeof inner === "bigint" ? `${inner}n` : inner;
  });
  return createHmac("sha256", KEY).update(octets).digest("hex");
}

const octetsEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export function loadedOf(configuration: Configuration): Loaded {
  const { connections, pools, secrets, credentials, routes, bypass, chassis } = configuration;
  return {
    connections: new Map(
      connections.map(({ name, load, names = [] }) => [name, { load: load.slice(), names: names.join(",") }]),
    ),
    pools: new Map(pools.map(({ name, load }) => [name, load.slice()])),
    secrets: fingerprint(secrets),
    credentials: fingerprint(credentials),
    routes: [...routes],
    bypass,
    chassis: new Map(Object.entries(chassis).map(([setting, value]) => [setting, fingerprint(value)])),
  };
}

const SETTINGS = new Map<string, string>();
for (const [name, value] of Object.entries(abi)) {
  const match = /^(CONNECTION|CHILD)_(?!SA_|STATE_|MODE_|ITEMS_)(\w+)$/.exec(name);
  if (match && typeof value === "number") SETTINGS.set(`${match[1]}/${value}`, match[2]!.toLowerCase());
}

/** The items of a CONNECTION_LOAD: its own by type, and those of each child. */
interface Parts {
  own: Map<number, string>;
  children: Map<string, Map<number, string>>;
}

function partsOf(load: Uint8Array): Parts {
  const parts: Parts = { own: new Map(), children: new Map() };
  let into = parts.own;
  for (const { type, value } of decodeItems(load.subarray(abi.MANAGEMENT_HEADER))) {
    if (type === abi.CHILD_NAME) {
      into = new Map();
      parts.children.set(Buffer.from(value).toString("utf8"), into);
    }
    into.set(type, `${into.get(type) ?? ""} ${Buffer.from(value).toString("hex")}`);
  }
  return parts;
}

function settingsThatDiffer(kind: string, before: Map<number, string>, after: Map<number, string>): string[] {
  const types = new Set([...before.keys(), ...after.keys()]);
  return [...types]
    .filter((type) => before.get(type) !== after.get(type))
    .map((type) => SETTINGS.get(`${kind}/${type}`) ?? SETTINGS.get(`CONNECTION/${type}`) ?? `item ${type}`);
}

function changeOf(name: string, before: Uint8Array, after: Uint8Array): ChangedConnection {
  const [old, now] = [partsOf(before), partsOf(after)];
  const changed = [...now.children].flatMap(([child, items]): ChangedChild[] => {
    const was = old.children.get(child);
    const settings = was ? settingsThatDiffer("CHILD", was, items) : [];
    return settings.length > 0 ? [{ name: child, settings }] : [];
  });
  return {
    name,
    settings: settingsThatDiffer("CONNECTION", old.own, now.own),
    children: { ...addedAndRemoved(old.children, now.children), changed },
  };
}

interface Names {
  keys(): IterableIterator<string>;
  has(name: string): boolean;
}

const addedAndRemoved = (before: Names, after: Names): { added: string[]; removed: string[] } => ({
  added: [...after.keys()].filter((name) => !before.has(name)),
  removed: [...before.keys()].filter((name) => !after.has(name)),
});

/** What `after` changes of `before`, and why it cannot be applied while the gateway runs: empty when it can. */
export function differenceOf(before: Loaded, after: Loaded): { difference: Difference; refused: string[] } {
  const { added, removed } = addedAndRemoved(before.connections, after.connections);
  const changed: ChangedConnection[] = [];
  const unchanged: string[] = [];
  for (const [name, { load, names }] of after.connections) {
    const was = before.connections.get(name);
    if (!was) continue;
    if (was.names === names && octetsEqual(was.load, load)) unchanged.push(name);
    else {
      const change = changeOf(name, was.load, load);
      if (was.names !== names) change.settings.push("remote_addrs");
      changed.push(change);
    }
  }
  const pools = addedAndRemoved(before.pools, after.pools);
  const refused = [...after.pools].flatMap(([name, load]) => {
    const was = before.pools.get(name);
    return was && !octetsEqual(was, load) ? [`pool '${name}' is another one: that wants a restart`] : [];
  });
  for (const name of pools.removed) refused.push(`pool '${name}' is gone: that wants a restart`);
  if (after.bypass && !before.bypass) refused.push("mode = pass, where there was none: that wants a restart");
  const settings = new Set([...before.chassis.keys(), ...after.chassis.keys()]);
  return {
    refused,
    difference: {
      connections: { added, removed, changed, unchanged },
      poolsAdded: pools.added,
      secretsChanged: before.secrets !== after.secrets,
      credentialsChanged: before.credentials !== after.credentials,
      routes: addedAndRemoved(new Set(before.routes), new Set(after.routes)),
      atRestart: [...settings]
        .filter((setting) => before.chassis.get(setting) !== after.chassis.get(setting))
        .map((setting) => `chassis ${setting}`),
    },
  };
}

const words = (settings: readonly string[]): string => (settings.length === 0 ? "" : `: ${settings.join(", ")}`);

function changeText({ name, settings, children }: ChangedConnection): string {
  const lines = [`~ connection ${name}${words(settings)}`];
  for (const child of children.added) lines.push(`  + child ${child}`);
  for (const child of children.removed) lines.push(`  - child ${child}`);
  for (const child of children.changed) lines.push(`  ~ child ${child.name}${words(child.settings)}`);
  return lines.join("\n");
}

/** The text of `cardcage reload`. */
export function renderReload({ file, applied, refused, problems, difference }: ReloadResult): string {
  if (!difference) return `${problems.map(({ text }) => `${text}\n`).join("")}${file}: is wrong; nothing was touched\n`;
  const { connections, poolsAdded, secretsChanged, credentialsChanged, routes, atRestart } = difference;
  const lines = [
    ...problems.map(({ text }) => `warning: ${text}`),
    ...connections.added.map((name) => `+ connection ${name}`),
    ...connections.removed.map((name) => `- connection ${name}`),
    ...connections.changed.map(changeText),
    ...poolsAdded.map((name) => `+ pool ${name}`),
    ...routes.added.map((route) => `+ route ${route}`),
    ...routes.removed.map((route) => `- route ${route}`),
    ...(secretsChanged ? ["~ secrets"] : []),
    ...(credentialsChanged ? ["~ keys, certificates or authorities"] : []),
    ...atRestart.map((setting) => `  ${setting}: from the next start on`),
    ...refused.map((reason) => `refused: ${reason}`),
  ];
  const kept = connections.unchanged.length;
  const end = refused.length > 0 ? "nothing was touched" : applied ? "applied" : "not applied";
  return `${lines.map((line) => `${line}\n`).join("")}${file}: ${kept} connections unchanged; ${end}\n`;
}
