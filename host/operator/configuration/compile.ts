/**
 * A configuration that has been read, to what the gateway runs on: CONNECTION_LOAD messages, secrets, chassis options, routes.
 * Defaults are swanctl's.
 */
import * as abi from "../../../assembly/abi/management.ts";
import { FRAME_CAPACITY } from "../../../assembly/abi/frame.ts";
import {
  MODE_TRANSPORT,
  MODE_TUNNEL,
  SA_FLAG_DF_CLEAR,
  SA_FLAG_ECN_APART,
  SELECTOR_END,
  SELECTOR_FAMILY,
  SELECTOR_START,
} from "../../../assembly/abi/message.ts";
import { isIPv6 } from "node:net";
import type { LinkKind } from "../../chassis/backplane.ts";
import { addressOctets, type ConfigItem } from "../../chassis/config.ts";
import type { SlotPlan } from "../../chassis/chassis.ts";
import type { ReceivesIn } from "../../chassis/drive/drive.ts";
import { CRASH_LIMIT, type CrashLimit } from "../../chassis/supervisor.ts";
import type { IkeSecret } from "../../secure_element/psk_store.ts";
import type { Credentials } from "../../secure_element/credential_store.ts";
import type { ConnectionPlan, PoolPlan } from "../gateway.ts";
import type { LogSettings } from "../log.ts";
import { encodeMessage, textValue } from "../management.ts";
import { encodeTransforms } from "../transform_name.ts";
import { Authentication } from "./authentication.ts";
import { KEY_SECRETS } from "./authentication_schema.ts";
import { type FlashSettings, readFlash } from "./flash.ts";
import { CredentialFiles, type Passphrase } from "./credential_files.ts";
import { parseIdentity } from "./identity.ts";
import { logSettings } from "./log.ts";
import type { ConfigurationError, Place } from "./parser.ts";
import { placementSlot } from "./placement.ts";
import { Pools } from "./pool.ts";
import type { Listening } from "../metrics_server.ts";
import { type ProposalKind, parseProposals } from "./proposal.ts";
import { Ppks } from "./ppk.ts";
import { EAP_SECRETS, PPK_SECRETS, type Values } from "./schema.ts";
import { networksOf, parseSelector } from "./selector.ts";
import { type PanelSettings, readPanel } from "./panel.ts";
import { readShelves } from "./shelf.ts";
import { isName, UnsupportedError } from "./value.ts";

export interface ChassisSettings {
  name: string;
  slots: SlotPlan[];
  ikeSlot: number;
  link: LinkKind;
  drive: "threaded" | "lockstep";
  build?: "simd" | "base" | "relaxed";
  saCapacity?: number;
  /** PLACEMENT_* of abi/config.ts; absent: round robin. */
  placement?: number;
  fragmentSize?: number;
  retransmitMs?: number;
  /** Transmissions of a request, the first among them. */
  retransmitTries?: number;
  /** Quick crash detection (RFC 6290), and the directory for what it keeps over restarts of the whole. */
  crashDetection: boolean;
  state?: string;
  /** When a board that dies again and again is left offline. */
  crashLimit: CrashLimit;
  /** Sequence numbers that an IPsec board may accept before it asks for more. */
  lease?: number;
  /** When a board comes, SAs are moved to it. */
  rebalance: boolean;
  /** The IKE board takes its SAs back when it restarts; and seconds that IPsec boards go on without one. */
  checkpoint: boolean;
  orphanTime?: number;
  /** Packets of established SAs go to their boards past the IKE board. */
  cutThrough: boolean;
  /** The thread that reads the NICs. */
  receives: ReceivesIn;
  /** Whether faults may be injected by command. */
  faults: boolean;
  /** Whether keys may be written down by command. */
  keyExport: boolean;
  /** Images are booted from a chassis directory. */
  flash?: FlashSettings;
  /** Seconds. */
  keepAlive?: number;
  log: LogSettings;
  /** Where Prometheus may ask. */
  metrics?: Listening;
  /** The front panel; absent: there is none. */
  panel?: PanelSettings;
  ikeSaCapacity?: number;
  /** The TUN device of the protected side. */
  tun: { name: string; mtu: number };
  /** MTU of the unprotected link; the boards' default when absent. */
  unprotectedMtu?: number;
  /** CONFIG_ADJUST_MSS; absent: SYNs stay as they are. */
  adjustMss?: number;
  portIke: number;
  portNatt: number;
}

export interface Configuration {
  connections: ConnectionPlan[];
  pools: PoolPlan[];
  secrets: IkeSecret[];
  credentials: Credentials;
  chassis: ChassisSettings;
  /** Unprotected addresses of our own that connections name; `%any` among them: all that this machine has. */
  localAddresses: string[];
  /** Outer addresses of peers that connections name: their path must not lead into the tunnel. */
  remoteAddresses: string[];
  /** Networks behind the peers, such as `10.2.0.0/24`: what the protected side routes to us. */
  routes: string[];
  /** Some child is mode = pass: packets leave in clear. */
  bypass: boolean;
  /** Of these, those of connections that ask for virtual IPs: their packets have one as source, while there is one. */
  virtualRoutes: ReadonlyMap<string, readonly string[]>;
  /** Of routes to peers themselves (transport mode): the address that our own packets have, where one is configured. */
  sources: Record<string, string>;
}

const HOUR = 3600;
/** What the IKE board's tables hold (assembly/ike/connection.ts); more is refused here, where file and line are known. */
const CONNECTIONS_MAX = 128;
const CHILDREN_MAX = 256;
const ADDRESSES_MAX = 4;
const NAME_MAX = 64;
/** IANA protocol number of AH. */
const PROTOCOL_AH = 51;
/** `%any` in a secret (psk_store.ts). */
const ANY_IDENTITY = Uint8Array.of(0);
const DEFAULT_TUN = { name: "cardcage0", mtu: 1400 };

/** mode = pass and mode = drop. */
const isShunt = ({ values }: Values): boolean => values["mode"] === "pass" || values["mode"] === "drop";

const isNetwork = (address: string): boolean => address.includes("/");

/** An address and the length of its prefix. */
function networkOctets(network: string): Uint8Array {
  const [address, prefix] = network.split("/") as [string, string];
  return Uint8Array.of(...addressOctets(address), Number(prefix));
}

class Compiler {
  readonly errors: ConfigurationError[] = [];
  readonly authentication: Authentication;
  readonly localAddresses = new Set<string>();
  readonly remoteAddresses = new Set<string>();
  readonly routes = new Set<string>();
  readonly sources = new Map<string, string>();
  bypass = false;
  /** What the secrets section has. */
  readonly secrets: readonly IkeSecret[];
  readonly ppks: Ppks;
  readonly pools: Pools;
  /** By connection, of those with virtual IPs of ours. */
  readonly virtualRoutes = new Map<string, Set<string>>();

  readonly #directory: string | undefined;

  constructor(root: Values, directory: string | undefined) {
    this.#directory = directory;
    const files = new CredentialFiles(directory, this.passphrases(root), (file, message) =>
      this.errors.push({ file, line: 1, word: file, message, warning: true }),
    );
    this.secrets = [...(root.sections.get("secrets")?.sections.values() ?? [])]
      .filter(({ name }) => !KEY_SECRETS.test(name))
      .map((section) => this.secret(section));
    this.authentication = new Authentication(root, files, this.secrets, this.errors);
    this.ppks = new Ppks(this.secrets, this.errors);
    this.pools = new Pools(root.sections.get("pools"), this.errors);
  }

  /** What opens encrypted private keys. */
  passphrases(root: Values): Passphrase[] {
    const sections = [...(root.sections.get("secrets")?.sections.values() ?? [])];
    return sections.flatMap((section) => {
      if (!KEY_SECRETS.test(section.name)) return [];
      const file = section.values["file"] as string | undefined;
      if (file === undefined) this.error(section, section.name, `secret '${section.name}' names no file`);
      return file === undefined ? [] : [{ file, secret: this.octets(section) }];
    });
  }

  error(place: Place, word: string, message: string, near?: string): void {
    this.errors.push({ file: place.file, line: place.line, word, message, ...(near ? { nearest: near } : {}) });
  }

  /** Where a setting stands, or else its section. */
  place(section: Values, setting: string): Place {
    return section.settings.get(setting) ?? section;
  }

  name(section: Values): void {
    if (Buffer.byteLength(section.name) > NAME_MAX) {
      this.error(section, section.name, `the name '${section.name}' is longer than ${NAME_MAX} octets`);
    }
  }

  connection(section: Values): ConnectionPlan {
    const v = section.values as Record<string, never>;
    this.name(section);
    const children = [...(section.sections.get("children")?.sections.values() ?? [])];
    // Policies alone are between no two peers: nobody authenticates, and no address is listened on for them.
    const shunts = children.length > 0 && children.every(isShunt);
    const items: ConfigItem[] = [{ type: abi.CONNECTION_NAME, value: textValue(section.name) }];
    const add = (type: number, value: Uint8Array | number): void => void items.push({ type, value });
    const local = this.addresses(v["local_addrs"]);
    const peers = this.addresses(v["remote_addrs"]);
    const named = peers.some(isName);
    const remote = peers.filter((word) => !isName(word));
    for (const [setting, list] of [
      ["local_addrs", local],
      ["remote_addrs", peers],
    ] as const) {
      if (list.length > ADDRESSES_MAX) {
        this.error(this.place(section, setting), setting, `${setting}: more than ${ADDRESSES_MAX} addresses`);
      }
    }
    if (local.length === 0 && !shunts) this.localAddresses.add("%any");
    for (const address of local) {
      if (!shunts) this.localAddresses.add(address);
      if (isNetwork(address)) add(abi.CONNECTION_LOCAL_NETWORK, networkOctets(address));
      else add(abi.CONNECTION_LOCAL_ADDRESS, addressOctets(address));
    }
    const single = remote.filter((address) => !isNetwork(address));
    if (!shunts) for (const address of single) this.remoteAddresses.add(address);
    for (const address of remote) {
      if (isNetwork(address)) add(abi.CONNECTION_REMOTE_NETWORK, networkOctets(address));
      else add(abi.CONNECTION_REMOTE_ADDRESS, addressOctets(address));
    }
    if (!named) this.families(section, local, remote);
    if (named && !shunts) add(abi.CONNECTION_NAMED, 1);
    if (v["remote_port"] !== undefined) add(abi.CONNECTION_REMOTE_PORT, v["remote_port"]);
    this.proposals(section, "proposals", "ike", (value) => add(abi.CONNECTION_PROPOSAL, value));
    if (!shunts) this.authentication.connection(section, local, add);
    // swanctl's rules: what is reauthenticated is not rekeyed unless asked for; over_time is a tenth of the larger time.
    const reauth = (v["reauth_time"] as number | undefined) ?? 0;
    const rekey = (v["rekey_time"] as number | undefined) ?? (reauth > 0 ? 0 : 4 * HOUR);
    const longer = Math.max(rekey, reauth);
    const over = (v["over_time"] as number | undefined) ?? Math.floor(longer / 10);
    add(abi.CONNECTION_REKEY_TIME, rekey);
    add(abi.CONNECTION_REAUTH_TIME, reauth);
    add(abi.CONNECTION_OVER_TIME, over);
    add(abi.CONNECTION_RAND_TIME, (v["rand_time"] as number | undefined) ?? Math.min(over, Math.floor(longer / 2)));
    if (v["keyingtries"] !== undefined) add(abi.CONNECTION_KEYING_TRIES, v["keyingtries"]);
    if (v["dpd_timeout"] !== undefined) {
      const message = "dpd_timeout: IKEv2 has none, the retransmissions of a request decide: it is left out";
      const { file, line } = this.place(section, "dpd_timeout");
      this.errors.push({ file, line, word: "dpd_timeout", message, warning: true });
    }
    if (v["unique"] !== undefined) add(abi.CONNECTION_UNIQUE, v["unique"]);
    add(abi.CONNECTION_DPD_DELAY, (v["dpd_delay"] as number | undefined) ?? 0);
    add(abi.CONNECTION_ENCAP, v["encap"] ? 1 : 0);
    add(abi.CONNECTION_MOBIKE, v["mobike"] === false ? 0 : 1);
    this.ppks.connection(section, add);
    if (v["childless"] !== undefined) add(abi.CONNECTION_CHILDLESS, v["childless"]);
    if (v["fragmentation"] !== undefined) add(abi.CONNECTION_FRAGMENTATION, v["fragmentation"]);
    const ah = children.find(({ values }) => values["ah_proposals"] !== undefined);
    if (v["encap"] && ah) {
      const message = "ah_proposals: encap = yes puts ESP into UDP, and there is no AH in UDP";
      this.error(this.place(ah, "ah_proposals"), "ah_proposals", message);
    }
    if (children.length === 0) this.error(section, section.name, `connection '${section.name}' has no children`);
    const pooled = this.pools.connection(section, add);
    const remotes =
      pooled.length > 0
        ? pooled
        : (named ? [] : single.slice(0, 1)).map((address) => `${address}/${isIPv6(address) ? 128 : 32}`);
    items.push(...this.children(section, children, remotes));
    const load = encodeMessage(abi.MANAGEMENT_CONNECTION_LOAD, 0, items);
    if (load.length > FRAME_CAPACITY) {
      const message = `connection '${section.name}' does not fit one message to the board (${load.length} of ${FRAME_CAPACITY} octets): split its children over connections`;
      this.error(section, section.name, message);
    }
    return { name: section.name, load, ...(named && !shunts ? { names: peers } : {}) };
  }

  /** Without one family at both ends no packet goes between them. */
  families(section: Values, local: readonly string[], remote: readonly string[]): void {
    if (local.length === 0 || remote.length === 0) return;
    if (remote.some((peer) => local.some((own) => isIPv6(own.split("/")[0]!) === isIPv6(peer.split("/")[0]!)))) return;
    const message = "remote_addrs: no address is of the family of one in local_addrs";
    this.error(this.place(section, "remote_addrs"), "remote_addrs", message);
  }

  addresses(value: unknown): string[] {
    return ((value ?? []) as (string | undefined)[]).filter((address) => address !== undefined);
  }

  proposals(section: Values, setting: string, kind: ProposalKind, add: (value: Uint8Array) => void): void {
    const { proposals, errors } = parseProposals((section.values[setting] as string | undefined) ?? "default", kind);
    const { file, line } = this.place(section, setting);
    for (const error of errors) {
      this.errors.push({
        ...error,
        file,
        line,
        message: error.warning ? `${error.message}: it is left out` : error.message,
      });
    }
    for (const proposal of proposals) add(encodeTransforms(proposal));
  }

  route(connection: Values, network: string): void {
    this.routes.add(network);
    if (connection.values["vips"] === undefined) return;
    const networks = this.virtualRoutes.get(connection.name) ?? new Set();
    this.virtualRoutes.set(connection.name, networks.add(network));
  }

  /**
   * The items of all children. One that asks for what is not done here is left out where the connection has another. `remotes`: the
   * networks that `dynamic` stands for at the peer's end.
   */
  children(connection: Values, sections: readonly Values[], remotes: readonly string[]): ConfigItem[] {
    const items: ConfigItem[] = [];
    const leftOut: ConfigurationError[] = [];
    for (const section of sections) {
      const before = this.errors.length;
      const child = this.child(connection, section, remotes);
      const faults = this.errors.slice(before).filter(({ warning }) => !warning);
      if (faults.length === 0) items.push(...child);
      else if (faults.every(({ unsupported }) => unsupported)) leftOut.push(...faults);
    }
    if (items.length === 0) return items;
    for (const fault of leftOut) {
      fault.warning = true;
      fault.message += `: a child of connection '${connection.name}' is left out`;
    }
    return items;
  }

  child(connection: Values, section: Values, remotes: readonly string[]): ConfigItem[] {
    if (isShunt(section)) return this.shunt(section);
    const v = section.values as Record<string, never>;
    const items: ConfigItem[] = [];
    const routes: string[] = [];
    const add = (type: number, value: Uint8Array | number): void => void items.push({ type, value });
    this.name(section);
    add(abi.CHILD_NAME, textValue(section.name));
    if (v["ah_proposals"] === undefined) {
      this.proposals(section, "esp_proposals", "esp", (value) => add(abi.CHILD_PROPOSAL, value));
    } else {
      add(abi.CHILD_PROTOCOL, PROTOCOL_AH);
      this.proposals(section, "ah_proposals", "ah", (value) => add(abi.CHILD_PROPOSAL, value));
      if (v["esp_proposals"] !== undefined) {
        const message = "a child has ah_proposals or esp_proposals: the one protocol around the other is not done";
        this.error(this.place(section, "ah_proposals"), "ah_proposals", message);
      }
    }
    const transport = v["mode"] === "transport";
    if (transport) {
      const given = this.addresses(connection.values["local_addrs"]);
      // Where networks say which of ours are meant, it may be any of them.
      const local = given.some(isNetwork) ? [] : given;
      const peers = this.addresses(connection.values["remote_addrs"]);
      const remote = peers.filter((word) => !isName(word) && !isNetwork(word));
      this.hosts(section, "local_ts", local, (value) => add(abi.CHILD_LOCAL_TS, value));
      this.hosts(section, "remote_ts", remote, (value) => add(abi.CHILD_REMOTE_TS, value));
      if (remote.length === 0 || remote.length < peers.length) {
        const message = "mode = transport wants the peer's address in remote_addrs: our own packets are routed by it";
        this.error(this.place(section, "mode"), "transport", message);
      }
      for (const address of remote) {
        const route = `${address}/${isIPv6(address) ? 128 : 32}`;
        routes.push(route);
        const own = local.filter((ours) => isIPv6(ours) === isIPv6(address));
        if (own.length === 1) this.sources.set(route, own[0]!);
      }
    } else {
      this.selectors(section, "local_ts", (value) => add(abi.CHILD_LOCAL_TS, value));
      this.selectors(section, "remote_ts", (value) => {
        add(abi.CHILD_REMOTE_TS, value);
        routes.push(...(value[SELECTOR_FAMILY] === abi.TS_DYNAMIC ? remotes : networksOf(value)));
      });
    }
    // swanctl's rules: life_time is rekey_time and a tenth, rand_time is what lies between; without a rekey_time, an hour.
    const life = v["life_time"] as number | undefined;
    const rekey = (v["rekey_time"] as number | undefined) ?? (life === undefined ? HOUR : Math.floor((life * 10) / 11));
    const lifeTime = life ?? Math.floor((rekey * 11) / 10);
    if (rekey > 0 && lifeTime <= rekey) {
      this.error(this.place(section, "life_time"), String(lifeTime), "life_time must be longer than rekey_time");
    }
    add(abi.CHILD_MODE, transport ? MODE_TRANSPORT : MODE_TUNNEL);
    add(abi.CHILD_TUNNEL_FLAGS, tunnelFlags(v));
    if (v["priority"]) add(abi.CHILD_PRIORITY, v["priority"]);
    if (v["placement"] !== undefined) add(abi.CHILD_PLACEMENT, v["placement"]);
    add(abi.CHILD_REKEY_TIME, rekey);
    add(abi.CHILD_LIFE_TIME, lifeTime);
    add(abi.CHILD_RAND_TIME, (v["rand_time"] as number | undefined) ?? Math.max(0, lifeTime - rekey));
    add(abi.CHILD_START_ACTION, (v["start_action"] as number | undefined) ?? abi.START_NONE);
    add(abi.CHILD_DPD_ACTION, (v["dpd_action"] as number | undefined) ?? abi.START_NONE);
    add(abi.CHILD_CLOSE_ACTION, (v["close_action"] as number | undefined) ?? abi.START_NONE);
    add(abi.CHILD_REPLAY_WINDOW, (v["replay_window"] as number | undefined) ?? 32);
    this.amounts(section, "bytes", [abi.CHILD_REKEY_BYTES, abi.CHILD_LIFE_BYTES, abi.CHILD_RAND_BYTES], add);
    this.amounts(section, "packets", [abi.CHILD_REKEY_PACKETS, abi.CHILD_LIFE_PACKETS, abi.CHILD_RAND_PACKETS], add);
    add(abi.CHILD_INACTIVITY, (v["inactivity"] as number | undefined) ?? 0);
    if (items.some(({ type }) => type === abi.CHILD_PROPOSAL))
      for (const network of routes) this.route(connection, network);
    return items;
  }

  /** A policy without an SA: BYPASS or DISCARD, in force as soon as it is loaded. */
  shunt(section: Values): ConfigItem[] {
    const v = section.values as Record<string, never>;
    const items: ConfigItem[] = [];
    const add = (type: number, value: Uint8Array | number): void => void items.push({ type, value });
    const drop = v["mode"] === "drop";
    if (!drop) this.bypass = true;
    this.name(section);
    add(abi.CHILD_NAME, textValue(section.name));
    add(abi.CHILD_MODE, drop ? abi.CHILD_MODE_DROP : abi.CHILD_MODE_PASS);
    if (v["priority"]) add(abi.CHILD_PRIORITY, v["priority"]);
    const families = new Set<number | undefined>();
    this.selectors(section, "local_ts", (value) => {
      add(abi.CHILD_LOCAL_TS, value);
      families.add(value[SELECTOR_FAMILY]);
    });
    let common = families.has(abi.TS_DYNAMIC);
    this.selectors(section, "remote_ts", (value) => {
      add(abi.CHILD_REMOTE_TS, value);
      const family = value[SELECTOR_FAMILY];
      common ||= family === abi.TS_DYNAMIC || families.has(family);
      // What is to be discarded has to come here; where all of a family is meant, the host goes on routing it.
      if (drop && family !== abi.TS_DYNAMIC)
        for (const network of networksOf(value)) if (!network.endsWith("/0")) this.routes.add(network);
    });
    if (families.size > 0 && items.some(({ type }) => type === abi.CHILD_REMOTE_TS) && !common)
      this.error(section, section.name, `child '${section.name}': local_ts and remote_ts are of different families`);
    const start = v["start_action"] as number | undefined;
    if (start !== undefined && (start & abi.START_START) !== 0) {
      const message = `start_action: mode = ${v["mode"] as string} negotiates nothing, its policy is put in force`;
      const word = section.settings.get("start_action")?.value ?? "start";
      this.error(this.place(section, "start_action"), word, message, "trap");
    }
    if (start === abi.START_NONE) {
      const message = `start_action = none: the policy of '${section.name}' is never in force`;
      const { file, line } = this.place(section, "start_action");
      this.errors.push({ file, line, word: "none", message, warning: true, nearest: "trap" });
    }
    add(abi.CHILD_START_ACTION, start ?? abi.START_TRAP);
    return items;
  }

  /** rekey_, life_ and rand_ of octets or packets: the rules of times, without a default. */
  amounts(
    section: Values,
    of: "bytes" | "packets",
    [rekeyType, lifeType, randType]: readonly [number, number, number],
    add: (type: number, value: Uint8Array) => void,
  ): void {
    const given = (what: string): bigint | undefined => section.values[`${what}_${of}`] as bigint | undefined;
    const life = given("life");
    const rekey = given("rekey") ?? (life === undefined ? 0n : (life * 10n) / 11n);
    const end = life ?? (rekey * 11n) / 10n;
    if (end > 0n && end <= rekey) {
      this.error(this.place(section, `life_${of}`), String(end), `life_${of} must be more than rekey_${of}`);
    }
    if (rekey > 0n) add(rekeyType, u64(rekey));
    if (end > 0n) add(lifeType, u64(end));
    if (rekey > 0n) add(randType, u64(given("rand") ?? (end > rekey ? end - rekey : 0n)));
  }

  /** The selectors of a child in transport mode: addresses of that end, with protocol and ports where narrowed. */
  hosts(section: Values, setting: string, ends: readonly string[], add: (value: Uint8Array) => void): void {
    this.selectors(section, setting, (value) => {
      add(value);
      if (value[SELECTOR_FAMILY] === abi.TS_DYNAMIC) return;
      const octets = value[SELECTOR_FAMILY] === 6 ? 16 : 4;
      const start = value.subarray(SELECTOR_START, SELECTOR_START + octets);
      const end = value.subarray(SELECTOR_END, SELECTOR_END + octets);
      const known = ends.length === 0 || ends.some((address) => Buffer.compare(addressOctets(address), start) === 0);
      if (known && Buffer.compare(start, end) === 0) return;
      const whose = setting === "local_ts" ? "local_addrs" : "remote_addrs";
      const message = `${setting}: in transport mode the selectors are the addresses of the two ends, those of ${whose}`;
      this.error(this.place(section, setting), section.values[setting] as string, message);
    });
  }

  selectors(section: Values, setting: string, add: (value: Uint8Array) => void): void {
    const words = ((section.values[setting] as string | undefined) ?? "dynamic").split(",").map((word) => word.trim());
    if (words.length > 16) {
      this.error(this.place(section, setting), setting, `${setting}: more than 16 selectors`);
      return;
    }
    const { file, line } = this.place(section, setting);
    const unsupported: ConfigurationError[] = [];
    let usable = 0;
    for (const word of words) {
      try {
        add(parseSelector(word));
        usable += 1;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        const fault = { file, line, word, message: `${setting}: ${error.message}` };
        if (error instanceof UnsupportedError) unsupported.push({ ...fault, unsupported: true });
        else this.errors.push(fault);
      }
    }
    const left = ": it is left out, its packets are not protected";
    for (const fault of unsupported) {
      this.errors.push(usable === 0 ? fault : { ...fault, warning: true, message: fault.message + left });
    }
  }

  /** Do all connections together fit the board, and is every child found by its name? */
  tables(root: Values): void {
    const connections = [...(root.sections.get("connections")?.sections.values() ?? [])];
    const children = connections.flatMap((connection) =>
      [...(connection.sections.get("children")?.sections.values() ?? [])].map((child) => ({ connection, child })),
    );
    const last = connections.at(-1) ?? root;
    if (connections.length > CONNECTIONS_MAX) this.error(last, last.name, `more than ${CONNECTIONS_MAX} connections`);
    if (children.length > CHILDREN_MAX) this.error(last, last.name, `more than ${CHILDREN_MAX} children`);
    const first = new Map<string, string>();
    for (const { connection, child } of children) {
      const other = first.get(child.name);
      if (other === undefined) first.set(child.name, connection.name);
      else {
        const message = `child '${child.name}' has the name of one of connection '${other}': commands by that name mean the other`;
        this.errors.push({ file: child.file, line: child.line, word: child.name, message, warning: true });
      }
    }
  }

  secret(section: Values): IkeSecret {
    const identities: Uint8Array[] = [];
    for (const [name, value] of Object.entries(section.values)) {
      if (!name.startsWith("id")) continue;
      try {
        identities.push(parseIdentity(value as string) ?? ANY_IDENTITY);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.error(this.place(section, name), value as string, error.message);
      }
    }
    const ppk = PPK_SECRETS.test(section.name) ? { ppk: true } : {};
    const eap = EAP_SECRETS.test(section.name) ? { eap: true } : {};
    return { identities, secret: this.octets(section), ...ppk, ...eap };
  }

  /** The value of a secret. */
  octets(section: Values): Uint8Array {
    const text = section.values["secret"] as string | undefined;
    if (!text) this.error(section, section.name, `secret '${section.name}' has no value`);
    try {
      return secretOctets(text ?? "");
    } catch {
      const message = "the secret is neither text, hexadecimal (0x) nor base64 (0s)";
      this.error(this.place(section, "secret"), section.name, message);
      return new Uint8Array(0);
    }
  }

  /** strongswan.conf's retransmit_timeout and retransmit_tries: its tries are those behind the first transmission. */
  retransmission(section: Values | undefined): Pick<ChassisSettings, "retransmitMs" | "retransmitTries"> {
    const { retransmit_timeout: seconds, retransmit_tries: tries } = (section?.values ?? {}) as Record<string, number>;
    if (seconds !== undefined && (seconds < 1 || seconds > 60))
      this.error(
        this.place(section as Values, "retransmit_timeout"),
        `${seconds}`,
        "retransmit_timeout is 1 s to 60 s",
      );
    return {
      ...(seconds === undefined ? {} : { retransmitMs: seconds * 1000 }),
      ...(tries === undefined ? {} : { retransmitTries: tries + 1 }),
    };
  }

  /** `links`, and of an ATM backplane its mode. */
  link(section: Values | undefined): LinkKind {
    const { links = "ethernet", atm_mode: mode } = (section?.values ?? {}) as {
      links?: "ethernet" | "atm" | "remote";
      atm_mode?: LinkKind;
    };
    if (mode !== undefined && links !== "atm")
      this.error(this.place(section as Values, "atm_mode"), "atm_mode", "atm_mode wants links = atm");
    // What leaves for a shelf is IP in IP over Ethernet.
    return links === "atm" ? (mode ?? links) : "ethernet";
  }

  /** What is fitted where: `1 = ipsec` and `1 { board = ipsec ... }`. */
  slots(section: Values | undefined, drive: string | undefined): SlotPlan[] {
    const plans = Object.entries(section?.values ?? {}).map(
      ([slot, board]) => ({ slot: Number(slot), board }) as SlotPlan,
    );
    for (const bay of section?.sections.values() ?? []) {
      const { board, number, weight, sa_capacity: saCapacity, thread } = bay.values as Partial<Record<string, never>>;
      if (section?.settings.has(bay.name)) this.error(bay, bay.name, `slot ${bay.name} is fitted twice`);
      if (board === undefined) this.error(bay, bay.name, `slot ${bay.name}: which board? board = ipsec`);
      for (const setting of ["number", "weight", "sa_capacity", "remote"]) {
        if (board !== "ike" || bay.values[setting] === undefined) continue;
        this.error(
          this.place(bay, setting),
          setting,
          `${setting}: is of IPsec boards, and slot ${bay.name} has the IKE board`,
        );
      }
      if (thread !== undefined && bay.values["remote"] !== undefined)
        this.error(this.place(bay, "thread"), "thread", `thread: the board of slot ${bay.name} is in a shelf`);
      if (thread !== undefined && drive === "lockstep")
        this.error(this.place(bay, "thread"), "thread", "thread: drive = lockstep has one for all boards");
      plans.push({
        slot: Number(bay.name),
        board: board ?? "ipsec",
        ...(number === undefined ? {} : { number }),
        ...(weight === undefined ? {} : { weight }),
        ...(saCapacity === undefined ? {} : { saCapacity }),
        ...(thread === undefined ? {} : { thread }),
      });
    }
    return plans.sort((a, b) => a.slot - b.slot);
  }

  /** A child with a fixed place wants an IPsec board there. */
  placements(root: Values, { slots }: ChassisSettings): void {
    for (const connection of root.sections.get("connections")?.sections.values() ?? []) {
      for (const child of connection.sections.get("children")?.sections.values() ?? []) {
        const slot = placementSlot((child.values["placement"] as number | undefined) ?? 0);
        if (slot === undefined || slots.some((plan) => (plan.number ?? plan.slot) === slot && plan.board === "ipsec"))
          continue;
        const message = `placement: the chassis has no IPsec board in slot ${slot}`;
        this.error(this.place(child, "placement"), `slot ${slot}`, message);
      }
    }
  }

  chassis(section: Values | undefined, file: string): ChassisSettings {
    const v = (section?.values ?? {}) as Record<string, never>;
    const shelves = section && readShelves(section, this.#directory, (...what) => this.error(...what));
    const fitted = this.slots(section?.sections.get("slots"), v["drive"]).map((plan) => {
      const shelf = shelves?.get(plan.slot);
      return shelf && plan.board === "ipsec" ? { ...plan, shelf } : plan;
    });
    const slots: SlotPlan[] =
      fitted.length > 0
        ? fitted
        : [
            { slot: 0, board: "ike" },
            { slot: 1, board: "ipsec" },
            { slot: 2, board: "ipsec" },
          ];
    const place = section?.sections.get("slots") ?? section ?? { file, line: 1 };
    const ike = slots.filter(({ board }) => board === "ike");
    if (ike.length !== 1) this.error(place, "slots", `a chassis has one IKE board; here are ${ike.length}`);
    if (ike.length === slots.length) this.error(place, "slots", "a chassis wants at least one IPsec board");
    const guarded = section?.sections.get("protected")?.values as Record<string, never> | undefined;
    const open = section?.sections.get("unprotected")?.values as Record<string, never> | undefined;
    const tun = guarded?.["tun"] ?? DEFAULT_TUN.name;
    const flash = section && readFlash(section, this.#directory, (...what) => this.error(...what));
    const panel = section && readPanel(section, this.#directory, (...what) => this.error(...what));
    if (!/^[A-Za-z0-9_.-]{1,15}$/.test(tun)) this.error(place, tun, `'${tun}' is no name of a network device`);
    return {
      name: v["name"] ?? "cardcage",
      slots,
      ikeSlot: ike[0]?.slot ?? 0,
      link: this.link(section),
      drive: v["drive"] ?? "threaded",
      ...(v["build"] === undefined ? {} : { build: v["build"] }),
      ...(v["sa_capacity"] === undefined ? {} : { saCapacity: v["sa_capacity"] }),
      ...(v["placement"] === undefined ? {} : { placement: v["placement"] }),
      ...(v["fragment_size"] === undefined ? {} : { fragmentSize: v["fragment_size"] }),
      ...this.retransmission(section),
      ...(v["lease"] === undefined ? {} : { lease: v["lease"] }),
      rebalance: v["rebalance"] ?? true,
      checkpoint: v["checkpoint"] ?? true,
      ...(v["orphan_time"] === undefined ? {} : { orphanTime: v["orphan_time"] }),
      cutThrough: v["cut_through"] ?? false,
      receives: v["receive"] ?? "own-thread",
      crashDetection: v["crash_detection"] ?? true,
      crashLimit: {
        crashes: v["crash_limit"] ?? CRASH_LIMIT.crashes,
        seconds: v["crash_window"] ?? CRASH_LIMIT.seconds,
      },
      faults: v["faults"] ?? false,
      keyExport: v["key_export"] ?? false,
      log: logSettings(section?.sections.get("log")),
      ...(v["state"] === undefined ? {} : { state: v["state"] }),
      ...(flash ? { flash } : {}),
      ...(v["keep_alive"] === undefined ? {} : { keepAlive: v["keep_alive"] }),
      ...(v["metrics"] === undefined ? {} : { metrics: v["metrics"] }),
      ...(panel ? { panel } : {}),
      ...(v["ike_sa_capacity"] === undefined ? {} : { ikeSaCapacity: v["ike_sa_capacity"] }),
      tun: { name: tun, mtu: guarded?.["mtu"] ?? DEFAULT_TUN.mtu },
      ...(guarded?.["adjust_mss"] === undefined ? {} : { adjustMss: guarded["adjust_mss"] }),
      ...(open?.["mtu"] === undefined ? {} : { unprotectedMtu: open["mtu"] }),
      portIke: open?.["port_ike"] ?? 500,
      portNatt: open?.["port_natt"] ?? 4500,
    };
  }
}

/** SA_FLAGS_TUNNEL of copy_df, copy_ecn and copy_dscp of a child. */
function tunnelFlags(child: Readonly<Record<string, unknown>>): number {
  const flags = (child["copy_dscp"] as number | undefined) ?? 0;
  const df = child["copy_df"] === false ? SA_FLAG_DF_CLEAR : 0;
  return flags | df | (child["copy_ecn"] === false ? SA_FLAG_ECN_APART : 0);
}

function u64(value: bigint): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, value, true);
  return octets;
}

/** swanctl's spellings of a secret: text, 0x hexadecimal, 0s base64; X and S may be capitals. */
function secretOctets(text: string): Uint8Array {
  const form = text.slice(0, 2).toLowerCase();
  if (form === "0x") {
    if (!/^0x([0-9a-f]{2})+$/i.test(text)) throw new RangeError("hexadecimal");
    return new Uint8Array(Buffer.from(text.slice(2), "hex"));
  }
  if (form === "0s") {
    if (!/^0s[A-Z0-9+/]+={0,2}$/i.test(text)) throw new RangeError("base64");
    return new Uint8Array(Buffer.from(text.slice(2), "base64"));
  }
  return new TextEncoder().encode(text);
}

/** Compiles what schema.ts read. `directory`: where the file lies that it is from, with the directories of keys and certificates. */
export function compile(
  root: Values,
  directory?: string,
): { configuration: Configuration; errors: ConfigurationError[] } {
  const compiler = new Compiler(root, directory);
  const connections = [...(root.sections.get("connections")?.sections.values() ?? [])].map((section) =>
    compiler.connection(section),
  );
  const chassis = compiler.chassis(root.sections.get("chassis"), root.file);
  if (connections.length === 0) compiler.error(root, "connections", "no connections are configured");
  compiler.placements(root, chassis);
  compiler.tables(root);
  if (compiler.localAddresses.size === 0) compiler.localAddresses.add("%any");
  return {
    configuration: {
      connections,
      pools: compiler.pools.plans,
      secrets: [...compiler.secrets],
      credentials: compiler.authentication.credentials,
      chassis,
      localAddresses: [...compiler.localAddresses],
      remoteAddresses: [...compiler.remoteAddresses],
      routes: [...compiler.routes],
      bypass: compiler.bypass,
      virtualRoutes: new Map([...compiler.virtualRoutes].map(([name, networks]) => [name, [...networks]])),
      sources: Object.fromEntries(compiler.sources),
    },
    errors: compiler.errors,
  };
}
