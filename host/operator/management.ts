/**
 * The management port's messages (abi/management.ts): commands towards a board, and what boards say, as JSON with vici's key
 * names. A message that does not add up is a RangeError, never a guess.
 */
import { CONFIG_ITEM_VALUE } from "../../assembly/abi/config.ts";
import { MANAGEMENT_EXPLANATION } from "../../assembly/abi/explain.ts";
import * as abi from "../../assembly/abi/management.ts";
import {
  MODE_TRANSPORT,
  SA_FLAG_ESN,
  SA_FLAG_UDP_ENCAPSULATION,
  STATUS_DIRECTION,
  STATUS_DROP_KINDS,
  STATUS_DROP_KINDS_COUNT,
  STATUS_DROPS,
  STATUS_INNER_MTU,
  STATUS_LAST_USED,
  STATUS_LINK,
  STATUS_MESSAGE_OCTETS,
  STATUS_OCTETS,
  STATUS_PACKETS,
  STATUS_SEQUENCE,
  STATUS_SPI,
} from "../../assembly/abi/message.ts";
import { type ConfigItem, eachItem, encodeItems } from "../chassis/config.ts";
import { DROP_NAMES } from "../chassis/vocabulary.ts";
import { type Explanation, explanationOf } from "./explanation.ts";
import { addressText, identityText, printable, selectorText, spiText } from "./identity.ts";
import { decodeTransforms, suiteKeys, TRANSFORM_ADDKE, transformName, type TransformValue } from "./transform_name.ts";

/** Text as an item's value. */
export const textValue = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A whole message. */
export function encodeMessage(type: number, transaction: number, items: readonly ConfigItem[] = []): Uint8Array {
  const body = encodeItems(items);
  const message = new Uint8Array(abi.MANAGEMENT_HEADER + body.length);
  const view = new DataView(message.buffer);
  view.setUint16(abi.MANAGEMENT_TYPE, type, true);
  view.setUint32(abi.MANAGEMENT_TRANSACTION, transaction, true);
  view.setUint32(abi.MANAGEMENT_LENGTH, message.length, true);
  message.set(body, abi.MANAGEMENT_HEADER);
  return message;
}

/** The same message under another transaction; the octets are copied. */
export function withTransaction(message: Uint8Array, transaction: number): Uint8Array {
  const copy = message.slice();
  new DataView(copy.buffer).setUint32(abi.MANAGEMENT_TRANSACTION, transaction, true);
  return copy;
}

export interface IkeSaStatus {
  /** Connection. */
  name: string;
  uniqueid: string;
  version: "2";
  state: string;
  initiator: boolean;
  "local-host": string;
  "local-port": string;
  "local-id": string;
  "remote-host": string;
  "remote-port": string;
  "remote-id": string;
  "initiator-spi": string;
  "responder-spi": string;
  /** Its keys come from a postquantum preshared key, too. */
  ppk?: string;
  /** Virtual IPs: ours, the peer's. */
  "local-vips"?: string[];
  "remote-vips"?: string[];
  "eap-method"?: string;
  "local-eap-id"?: string;
  "remote-eap-id"?: string;
  /** Its addresses may change (RFC 4555), and those that the peer told of besides the present one. */
  mobike?: string;
  "remote-addresses"?: string[];
  "nat-local": boolean;
  "nat-remote": boolean;
  /** Nanoseconds on the board's NOW scale. */
  establishedAt: bigint;
  /** encr-alg, encr-keysize, prf-alg, dh-group. */
  suite: Record<string, string>;
}

export interface ChildSaStatus {
  name: string;
  connection: string;
  ikeUniqueId: string;
  uniqueid: string;
  state: string;
  mode: "TUNNEL" | "TRANSPORT";
  protocol: "ESP" | "AH";
  encap: boolean;
  esn: boolean;
  "spi-in": string;
  "spi-out": string;
  link: number;
  slot: number | undefined;
  generation: number | undefined;
  installedAt: bigint;
  "local-ts": string[];
  "remote-ts": string[];
  suite: Record<string, string>;
}

/** One SA, one direction, as an IPsec board counts it. */
export interface SaStatus {
  link: number;
  spi: string;
  direction: "in" | "out";
  packets: number;
  bytes: number;
  /** Nanoseconds on the board's NOW scale; 0 never. */
  lastUsed: bigint;
  sequence: bigint;
  /** By reason, those that are not 0; `other`: of more reasons than a board tells apart for one SA. */
  drops: Record<string, number>;
  /** The largest clear packet that goes whole, octets. */
  innerMtu: number;
}

export interface ConnectionStatus {
  name: string;
  children: string[];
  /** Children that are policies without an SA (mode = pass, mode = drop), where there are some. */
  shunts?: string[];
  /** Why the last attempt failed; empty when none did. */
  failure: string;
}

/** An IPsec board as the IKE board places CHILD_SAs on it. */
export interface PlacedBoard {
  slot: number;
  generation: number;
  /** Which logical board it is. */
  number: number;
  /** CHILD_SAs that are placed on it, and that it takes. */
  sas: number;
  capacity: number;
  weight: number;
  /** Work a second, in the units of docs/placement.md: 1,000,000,000 is a busy processor. */
  load: number;
  /** A second. */
  packets: number;
  octets: number;
  /** Since the IKE board is up: rounds over this slot, SAs compared, and disagreements that were repaired. */
  audit: { rounds: number; compared: number; unknown: number; misplaced: number; missing: number };
}

export interface ManagementEvent {
  kind: string;
  connection?: string;
  child?: string;
  up?: boolean;
  notify?: number;
  text?: string;
  /** Of the end that was asked by EAP. */
  "eap-id"?: string;
  /** Of ike-update: where the SAs go now. */
  "local-host"?: string;
  "local-port"?: string;
  "remote-host"?: string;
  "remote-port"?: string;
  "spi-in"?: string;
  "spi-out"?: string;
  link?: number;
  slot?: number;
  generation?: number;
  "virtual-ips"?: string[];
  dns?: string[];
  /** Of restored: how many came back from the checkpoint. */
  "ike-sas"?: number;
  "child-sas"?: number;
}

/** A pool as the board counts it. */
export interface PoolCounts {
  name: string;
  first: string;
  last: string;
  size: number;
  online: number;
  offline: number;
}

export interface LeaseStatus {
  pool: string;
  address: string;
  identity: string;
  online: boolean;
}

/** A row of the SPD, as the IKE board has it. */
export interface PolicyRow {
  /** TRAP: PROTECT without an SA. */
  action: "PROTECT" | "TRAP" | "BYPASS" | "DISCARD";
  priority: number;
  serial: number;
  /** Child, and its connection. */
  name: string;
  connection: string;
  "local-ts": string;
  "remote-ts": string;
  /** Of an SA's. */
  uniqueid?: string;
  link?: number;
  slot?: number;
  /** Of one without an SA: packets that met it. */
  "packets-out"?: number;
  "packets-in"?: number;
}

/** What Wireshark opens an IKE_SA's messages with. Whoever has them wipes them. */
export interface IkeKeys {
  /** 16 digits in hexadecimal each. */
  initiatorSpi: string;
  responderSpi: string;
  transforms: TransformValue[];
  /** SK_ei and SK_er with their salts, SK_ai and SK_ar; the latter are empty with a combined mode. */
  ei: Uint8Array;
  er: Uint8Array;
  ai: Uint8Array;
  ar: Uint8Array;
}

export type ManagementMessage = { transaction: number } & (
  | { kind: "reply"; result: number }
  | { kind: "ike-sa"; ikeSa: IkeSaStatus }
  | { kind: "child-sa"; childSa: ChildSaStatus }
  | { kind: "sa"; sa: SaStatus }
  | { kind: "connection"; connection: ConnectionStatus }
  | { kind: "policy"; policy: PolicyRow }
  | { kind: "pool"; pool: PoolCounts }
  | { kind: "lease"; lease: LeaseStatus }
  | { kind: "boards"; boards: PlacedBoard[] }
  | { kind: "event"; event: ManagementEvent }
  | { kind: "explanation"; explanation: Explanation }
  | { kind: "lookup"; connection: string; attempt: number }
  | { kind: "ike-keys"; keys: IkeKeys }
);

const namesOf = (prefix: string): Map<number, string> =>
  new Map(
    Object.entries(abi).flatMap(([identifier, value]) =>
      identifier.startsWith(prefix) && typeof value === "number" ? [[value, identifier.slice(prefix.length)]] : [],
    ),
  );
const IKE_STATES = namesOf("IKE_STATE_");
const CHILD_STATES = namesOf("CHILD_STATE_");
export const EVENT_KINDS: ReadonlyMap<number, string> = new Map([
  [abi.EVENT_IKE_UPDOWN, "ike-updown"],
  [abi.EVENT_IKE_REKEY, "ike-rekey"],
  [abi.EVENT_CHILD_UPDOWN, "child-updown"],
  [abi.EVENT_CHILD_REKEY, "child-rekey"],
  [abi.EVENT_ALERT, "alert"],
  [abi.EVENT_SA_PLACED, "sa-placed"],
  [abi.EVENT_SA_MOVED, "sa-moved"],
  [abi.EVENT_BOARD_DRAINED, "board-drained"],
  [abi.EVENT_RESTORED, "restored"],
  [abi.EVENT_SA_REFUSED, "sa-refused"],
  [abi.EVENT_VIRTUAL_IP, "virtual-ip"],
  [abi.EVENT_IKE_UPDATE, "ike-update"],
]);

const NOTHING = new Uint8Array(0);

/** Items of one message, by type, with typed access. */
class Items {
  readonly #octets: Uint8Array;
  /** Of each item TYPE, where its value starts, and where that ends: what nobody asks for is not cut out. */
  readonly #places: number[] = [];

  /** Throws RangeError when they do not add up. */
  constructor(octets: Uint8Array) {
    this.#octets = octets;
    eachItem(octets, (type, start, end) => this.#places.push(type, start, end));
  }

  has(type: number): boolean {
    return this.#find(type) >= 0;
  }

  all(type: number): Uint8Array[] {
    const values: Uint8Array[] = [];
    const places = this.#places;
    for (let i = 0; i < places.length; i += 3)
      if (places[i] === type) values.push(this.#octets.subarray(places[i + 1], places[i + 2]));
    return values;
  }

  octets(type: number): Uint8Array {
    const i = this.#find(type);
    return i < 0 ? NOTHING : this.#octets.subarray(this.#places[i + 1], this.#places[i + 2]);
  }

  text(type: number): string {
    const i = this.#find(type);
    return i < 0 ? "" : printable(this.#octets, this.#places[i + 1], this.#places[i + 2]);
  }

  u32(type: number): number {
    const i = this.#find(type);
    if (i < 0) return 0;
    const at = this.#places[i + 1]!;
    const length = this.#places[i + 2]! - at;
    if (length === 0) return 0;
    if (length < 4) throw new RangeError(`item ${type} is no number`);
    const octets = this.#octets;
    return (octets[at]! | (octets[at + 1]! << 8) | (octets[at + 2]! << 16) | (octets[at + 3]! << 24)) >>> 0;
  }

  u64(type: number): bigint {
    const value = this.octets(type);
    if (value.length < 8) return BigInt(this.u32(type));
    return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
  }

  /** Index of the first item of a type in #places, -1: there is none. */
  #find(type: number): number {
    const places = this.#places;
    for (let i = 0; i < places.length; i += 3) if (places[i] === type) return i;
    return -1;
  }
}

const optional = <T>(items: Items, type: number, read: () => T): T | undefined =>
  items.has(type) ? read() : undefined;

/** A list of addresses under `key`; nothing when there are none. */
const addresses = <K extends string>(items: Items, key: K, type: number): { [P in K]?: string[] } =>
  (items.has(type) ? { [key]: items.all(type).map(addressText) } : {}) as { [P in K]?: string[] };

function poolOf(items: Items): PoolCounts {
  const range = items.octets(abi.POOL_RANGE);
  return {
    name: items.text(abi.POOL_NAME),
    first: addressText(range.subarray(0, range.length / 2)),
    last: addressText(range.subarray(range.length / 2)),
    size: items.u32(abi.POOL_SIZE),
    online: items.u32(abi.POOL_ONLINE),
    offline: items.u32(abi.POOL_OFFLINE),
  };
}

const POLICY_ACTIONS: Record<number, PolicyRow["action"]> = {
  [abi.POLICY_PROTECT]: "PROTECT",
  [abi.POLICY_TRAP]: "TRAP",
  [abi.POLICY_BYPASS]: "BYPASS",
  [abi.POLICY_DISCARD]: "DISCARD",
};

function policyOf(items: Items): PolicyRow {
  const action = POLICY_ACTIONS[items.u32(abi.POLICY_ACTION)];
  if (!action) throw new RangeError("a policy of an unknown action");
  return {
    action,
    priority: items.u32(abi.POLICY_PRIORITY),
    serial: items.u32(abi.POLICY_SERIAL),
    name: items.text(abi.CHILD_NAME),
    connection: items.text(abi.CONNECTION_NAME),
    "local-ts": selectorText(items.octets(abi.POLICY_LOCAL_TS)),
    "remote-ts": selectorText(items.octets(abi.POLICY_REMOTE_TS)),
    ...(items.has(abi.CHILD_SA_LINK)
      ? {
          uniqueid: String(items.u32(abi.CHILD_SA_UNIQUE_ID)),
          link: items.u32(abi.CHILD_SA_LINK),
          slot: items.u32(abi.CHILD_SA_SLOT),
        }
      : {
          "packets-out": Number(items.u64(abi.POLICY_HITS_OUT)),
          "packets-in": Number(items.u64(abi.POLICY_HITS_IN)),
        }),
  };
}

function leaseOf(items: Items): LeaseStatus {
  return {
    pool: items.text(abi.POOL_NAME),
    address: addressText(items.octets(abi.LEASE_ADDRESS)),
    identity: identityText(items.octets(abi.LEASE_IDENTITY)),
    online: items.u32(abi.LEASE_ONLINE) === 1,
  };
}

function ikeSaOf(items: Items): IkeSaStatus {
  const nat = items.u32(abi.IKE_SA_NAT);
  const hex = (type: number) => Buffer.from(items.octets(type)).toString("hex");
  return {
    name: items.text(abi.CONNECTION_NAME),
    uniqueid: String(items.u32(abi.IKE_SA_UNIQUE_ID)),
    version: "2",
    state: IKE_STATES.get(items.u32(abi.IKE_SA_STATE)) ?? "UNKNOWN",
    initiator: items.u32(abi.IKE_SA_INITIATOR) === 1,
    "local-host": addressText(items.octets(abi.IKE_SA_LOCAL)),
    "local-port": String(items.u32(abi.IKE_SA_LOCAL_PORT)),
    "local-id": identityText(items.octets(abi.IKE_SA_LOCAL_ID)),
    "remote-host": addressText(items.octets(abi.IKE_SA_REMOTE)),
    "remote-port": String(items.u32(abi.IKE_SA_REMOTE_PORT)),
    "remote-id": identityText(items.octets(abi.IKE_SA_REMOTE_ID)),
    "initiator-spi": hex(abi.IKE_SA_SPI_I),
    "responder-spi": hex(abi.IKE_SA_SPI_R),
    ...(items.u32(abi.IKE_SA_PPK) === 1 ? { ppk: "yes" } : {}),
    ...addresses(items, "local-vips", abi.IKE_SA_LOCAL_VIP),
    ...addresses(items, "remote-vips", abi.IKE_SA_REMOTE_VIP),
    ...eapOf(items),
    ...(items.u32(abi.IKE_SA_MOBIKE) === 1
      ? { mobike: "yes", "remote-addresses": items.all(abi.IKE_SA_PEER_ADDRESS).map(addressText) }
      : {}),
    "nat-local": (nat & 1) !== 0,
    "nat-remote": (nat & 2) !== 0,
    establishedAt: items.u64(abi.IKE_SA_ESTABLISHED),
    suite: suiteKeys(decodeTransforms(items.octets(abi.IKE_SA_PROPOSAL))),
  };
}

const hexadecimal = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

function ikeKeysOf(items: Items): IkeKeys {
  return {
    initiatorSpi: hexadecimal(items.octets(abi.IKE_SA_SPI_I)),
    responderSpi: hexadecimal(items.octets(abi.IKE_SA_SPI_R)),
    transforms: decodeTransforms(items.octets(abi.IKE_SA_PROPOSAL)),
    ei: items.octets(abi.IKE_KEY_EI),
    er: items.octets(abi.IKE_KEY_ER),
    ai: items.octets(abi.IKE_KEY_AI),
    ar: items.octets(abi.IKE_KEY_AR),
  };
}

const EAP_METHODS: Record<number, string> = { 4: "MD5", 13: "TLS", 26: "MSCHAPV2" };

/** By which method, and who was asked. */
function eapOf(items: Items): Pick<IkeSaStatus, "eap-method" | "local-eap-id" | "remote-eap-id"> {
  if (!items.has(abi.IKE_SA_EAP_METHOD)) return {};
  const value = items.u32(abi.IKE_SA_EAP_METHOD);
  const method = value & ~abi.EAP_WE_ASKED;
  const name = value === method ? "local-eap-id" : "remote-eap-id";
  const identity = printable(items.octets(abi.IKE_SA_EAP_IDENTITY));
  return { "eap-method": EAP_METHODS[method] ?? String(method), [name]: identity };
}

/** IANA protocol number. */
const PROTOCOL_AH = 51;

function childSaOf(items: Items): ChildSaStatus {
  const flags = items.u32(abi.CHILD_SA_FLAGS);
  return {
    name: items.text(abi.CHILD_NAME),
    connection: items.text(abi.CONNECTION_NAME),
    ikeUniqueId: String(items.u32(abi.IKE_SA_UNIQUE_ID)),
    uniqueid: String(items.u32(abi.CHILD_SA_UNIQUE_ID)),
    state: CHILD_STATES.get(items.u32(abi.CHILD_SA_STATE)) ?? "UNKNOWN",
    mode: items.u32(abi.CHILD_SA_MODE) === MODE_TRANSPORT ? "TRANSPORT" : "TUNNEL",
    protocol: items.u32(abi.CHILD_SA_PROTOCOL) === PROTOCOL_AH ? "AH" : "ESP",
    encap: (flags & SA_FLAG_UDP_ENCAPSULATION) !== 0,
    esn: (flags & SA_FLAG_ESN) !== 0,
    "spi-in": spiText(items.u32(abi.CHILD_SA_SPI_IN)),
    "spi-out": spiText(items.u32(abi.CHILD_SA_SPI_OUT)),
    link: items.u32(abi.CHILD_SA_LINK),
    slot: optional(items, abi.CHILD_SA_SLOT, () => items.u32(abi.CHILD_SA_SLOT)),
    generation: optional(items, abi.CHILD_SA_GENERATION, () => items.u32(abi.CHILD_SA_GENERATION)),
    installedAt: items.u64(abi.CHILD_SA_INSTALLED),
    "local-ts": items.all(abi.CHILD_SA_LOCAL_TS).map(selectorText),
    "remote-ts": items.all(abi.CHILD_SA_REMOTE_TS).map(selectorText),
    suite: suiteKeys(decodeTransforms(items.octets(abi.CHILD_SA_PROPOSAL))),
  };
}

function eventOf(items: Items): ManagementEvent {
  const event: ManagementEvent = { kind: EVENT_KINDS.get(items.u32(abi.EVENT_KIND)) ?? "log" };
  if (items.has(abi.CONNECTION_NAME)) event.connection = items.text(abi.CONNECTION_NAME);
  if (items.has(abi.CHILD_NAME)) event.child = items.text(abi.CHILD_NAME);
  if (items.has(abi.EVENT_UP)) event.up = items.u32(abi.EVENT_UP) === 1;
  if (items.has(abi.EVENT_NOTIFY)) event.notify = items.u32(abi.EVENT_NOTIFY);
  if (items.has(abi.EVENT_TEXT)) event.text = items.text(abi.EVENT_TEXT);
  if (items.has(abi.EVENT_EAP_IDENTITY)) event["eap-id"] = printable(items.octets(abi.EVENT_EAP_IDENTITY));
  if (items.has(abi.EVENT_MISMATCH)) {
    event.text = mismatchText(
      items.octets(abi.EVENT_MISMATCH),
      decodeTransforms(items.octets(abi.EVENT_TRANSFORMS_OURS)),
      decodeTransforms(items.octets(abi.EVENT_TRANSFORMS_THEIRS)),
    );
  }
  if (items.has(abi.IKE_SA_REMOTE)) {
    event["local-host"] = addressText(items.octets(abi.IKE_SA_LOCAL));
    event["local-port"] = String(items.u32(abi.IKE_SA_LOCAL_PORT));
    event["remote-host"] = addressText(items.octets(abi.IKE_SA_REMOTE));
    event["remote-port"] = String(items.u32(abi.IKE_SA_REMOTE_PORT));
  }
  if (items.has(abi.CHILD_SA_SPI_IN)) event["spi-in"] = spiText(items.u32(abi.CHILD_SA_SPI_IN));
  if (items.has(abi.CHILD_SA_SPI_OUT)) event["spi-out"] = spiText(items.u32(abi.CHILD_SA_SPI_OUT));
  if (items.has(abi.EVENT_AUDIT)) event.text = auditText(items.u32(abi.EVENT_AUDIT), items.u32(abi.CHILD_SA_SLOT));
  if (items.has(abi.RESTORED_IKE_SAS)) event["ike-sas"] = items.u32(abi.RESTORED_IKE_SAS);
  if (items.has(abi.RESTORED_CHILD_SAS)) event["child-sas"] = items.u32(abi.RESTORED_CHILD_SAS);
  if (items.has(abi.CHILD_SA_LINK)) event.link = items.u32(abi.CHILD_SA_LINK);
  if (items.has(abi.CHILD_SA_SLOT)) event.slot = items.u32(abi.CHILD_SA_SLOT);
  Object.assign(event, addresses(items, "virtual-ips", abi.IKE_SA_LOCAL_VIP), addresses(items, "dns", abi.EVENT_DNS));
  if (items.has(abi.CHILD_SA_GENERATION)) event.generation = items.u32(abi.CHILD_SA_GENERATION);
  return event;
}

/** What the audit of the local databases found, and did. */
function auditText(found: number, slot: number): string {
  if (found === abi.AUDIT_UNKNOWN) return `audit: slot ${slot} had an SA that no CHILD_SA has: removed there`;
  if (found === abi.AUDIT_MISPLACED) return `audit: slot ${slot} had an SA whose place is another board: removed there`;
  return `audit: slot ${slot} did not have an SA whose place it is: given anew`;
}

/** A sequence of items, an item of type `opens` beginning each part. */
function partsOf(octets: Uint8Array, opens: number): Items[] {
  const starts: number[] = [];
  eachItem(octets, (type, start) => {
    if (type === opens) starts.push(start - CONFIG_ITEM_VALUE);
  });
  return starts.map((start, i) => new Items(octets.subarray(start, starts[i + 1])));
}

function boardOf(items: Items): PlacedBoard {
  const u64 = (type: number): number => Number(items.u64(type));
  return {
    slot: items.u32(abi.BOARD_SLOT),
    generation: items.u32(abi.BOARD_GENERATION),
    number: items.u32(abi.BOARD_NUMBER),
    sas: items.u32(abi.BOARD_SAS),
    capacity: items.u32(abi.BOARD_CAPACITY),
    weight: items.u32(abi.BOARD_WEIGHT),
    load: u64(abi.BOARD_WORK),
    packets: u64(abi.BOARD_PACKETS),
    octets: u64(abi.BOARD_OCTETS),
    audit: {
      rounds: u64(abi.BOARD_AUDIT_ROUNDS),
      compared: u64(abi.BOARD_AUDIT_COMPARED),
      unknown: items.u32(abi.BOARD_AUDIT_UNKNOWN),
      misplaced: items.u32(abi.BOARD_AUDIT_MISPLACED),
      missing: items.u32(abi.BOARD_AUDIT_MISSING),
    },
  };
}

const TYPES = ["", "encryption", "PRF", "integrity", "key exchange", "ESN"];

/** Which element of which proposal failed to match. */
function mismatchText(
  [type = 0, ours = 0, theirs = 0]: Uint8Array,
  own: readonly TransformValue[],
  peers: readonly TransformValue[],
): string {
  if (type === 0) return "the peer has no proposal of this protocol";
  const names = (transforms: readonly TransformValue[]): string =>
    transforms
      .map(({ id, keyBits }) => `${id === 0 ? "NONE" : transformName(type, id)}${keyBits > 0 ? `-${keyBits}` : ""}`)
      .join(" ") || "none";
  const additional = type >= TRANSFORM_ADDKE ? `additional key exchange ${type - TRANSFORM_ADDKE + 1}` : undefined;
  const what = TYPES[type] ?? additional;
  return `no ${what} in common: our proposal ${ours} has ${names(own)}, the peer's proposal ${theirs} has ${names(peers)}`;
}

function saDrops(view: DataView): Record<string, number> {
  let other = Number(view.getBigUint64(STATUS_DROPS, true));
  const drops: Record<string, number> = {};
  for (let i = 0; i < STATUS_DROP_KINDS_COUNT; i++) {
    const word = view.getUint32(STATUS_DROP_KINDS + 4 * i, true);
    const count = word >>> 8;
    if (count === 0) continue;
    drops[DROP_NAMES[word & 0xff] ?? `reason_${word & 0xff}`] = count;
    other -= count;
  }
  return other > 0 ? { ...drops, other } : drops;
}

function saOf(octets: Uint8Array): SaStatus {
  if (octets.length < STATUS_MESSAGE_OCTETS) throw new RangeError("an SA status is cut off");
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  return {
    link: view.getUint32(STATUS_LINK, true),
    spi: spiText(view.getUint32(STATUS_SPI, true)),
    direction: view.getUint32(STATUS_DIRECTION, true) === 0 ? "in" : "out",
    packets: Number(view.getBigUint64(STATUS_PACKETS, true)),
    bytes: Number(view.getBigUint64(STATUS_OCTETS, true)),
    lastUsed: view.getBigUint64(STATUS_LAST_USED, true),
    sequence: view.getBigUint64(STATUS_SEQUENCE, true),
    drops: saDrops(view),
    innerMtu: view.getUint32(STATUS_INNER_MTU, true),
  };
}

/** What a board said. Throws RangeError when it does not add up. */
export function decodeMessage(message: Uint8Array): ManagementMessage {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.length < abi.MANAGEMENT_HEADER || view.getUint32(abi.MANAGEMENT_LENGTH, true) !== message.length) {
    throw new RangeError("a management message of the wrong length");
  }
  const type = view.getUint16(abi.MANAGEMENT_TYPE, true);
  const transaction = view.getUint32(abi.MANAGEMENT_TRANSACTION, true);
  const body = message.subarray(abi.MANAGEMENT_HEADER);
  switch (type) {
    case abi.MANAGEMENT_REPLY:
      if (body.length < 4) throw new RangeError("a reply is cut off");
      return { transaction, kind: "reply", result: view.getUint32(abi.MANAGEMENT_HEADER, true) };
    case abi.MANAGEMENT_IKE_SA:
      return { transaction, kind: "ike-sa", ikeSa: ikeSaOf(new Items(body)) };
    case abi.MANAGEMENT_CHILD_SA:
      return { transaction, kind: "child-sa", childSa: childSaOf(new Items(body)) };
    case abi.MANAGEMENT_SA:
      return { transaction, kind: "sa", sa: saOf(body) };
    case abi.MANAGEMENT_CONNECTION: {
      const items = new Items(body);
      return {
        transaction,
        kind: "connection",
        connection: {
          name: items.text(abi.CONNECTION_NAME),
          children: items.all(abi.CHILD_NAME).map((name) => printable(name)),
          ...(items.has(abi.SHUNT_NAME) ? { shunts: items.all(abi.SHUNT_NAME).map((name) => printable(name)) } : {}),
          failure: items.text(abi.CONNECTION_FAILURE),
        },
      };
    }
    case MANAGEMENT_EXPLANATION:
      return { transaction, kind: "explanation", explanation: explanationOf(body) };
    case abi.MANAGEMENT_BOARDS:
      return { transaction, kind: "boards", boards: partsOf(body, abi.BOARD_SLOT).map(boardOf) };
    case abi.MANAGEMENT_POLICY:
      return { transaction, kind: "policy", policy: policyOf(new Items(body)) };
    case abi.MANAGEMENT_POOL:
      return { transaction, kind: "pool", pool: poolOf(new Items(body)) };
    case abi.MANAGEMENT_LEASE:
      return { transaction, kind: "lease", lease: leaseOf(new Items(body)) };
    case abi.MANAGEMENT_LOOKUP: {
      const items = new Items(body);
      const connection = items.text(abi.CONNECTION_NAME);
      return { transaction, kind: "lookup", connection, attempt: items.u32(abi.LOOKUP_ATTEMPT) };
    }
    case abi.MANAGEMENT_IKE_KEYS:
      return { transaction, kind: "ike-keys", keys: ikeKeysOf(new Items(body)) };
    case abi.MANAGEMENT_EVENT:
      return { transaction, kind: "event", event: eventOf(new Items(body)) };
    default:
      throw new RangeError(`a management message of unknown type ${type}`);
  }
}
