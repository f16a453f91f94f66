/**
 * The configured connections and their children, in swanctl.conf's terms, as the operator loads them (CONNECTION_* and
 * CHILD_* items of abi/management.ts).
 *
 * A connection is replaced by loading one of the same name: IKE_SAs of the old one keep it until they end. Refuses what does not
 * fit its fields, with a result and nothing changed.
 */
import {
  CHILD_CLOSE_ACTION,
  CHILD_DPD_ACTION,
  CHILD_INACTIVITY,
  CHILD_ITEMS_MORE,
  CHILD_LIFE_BYTES,
  CHILD_LIFE_PACKETS,
  CHILD_LIFE_TIME,
  CHILD_LOCAL_TS,
  CHILD_MODE,
  CHILD_MODE_DROP,
  CHILD_MODE_PASS,
  CHILD_NAME,
  CHILD_PLACEMENT,
  CHILD_PRIORITY,
  CHILD_PROPOSAL,
  CHILD_PROTOCOL,
  CHILD_RAND_BYTES,
  CHILD_RAND_PACKETS,
  CHILD_RAND_TIME,
  CHILD_REKEY_BYTES,
  CHILD_REKEY_PACKETS,
  CHILD_REKEY_TIME,
  CHILD_REMOTE_TS,
  CHILD_REPLAY_WINDOW,
  CHILD_START_ACTION,
  CHILD_TUNNEL_FLAGS,
  CHILDLESS_NEVER,
  CONNECTION_AUTHORITIES,
  CONNECTION_CHILDLESS,
  CONNECTION_DPD_DELAY,
  CONNECTION_ENCAP,
  CONNECTION_FRAGMENTATION,
  CONNECTION_KEYING_TRIES,
  CONNECTION_LOCAL_ADDRESS,
  CONNECTION_LOCAL_AUTH,
  CONNECTION_LOCAL_ID,
  CONNECTION_LOCAL_NETWORK,
  CONNECTION_MOBIKE,
  CONNECTION_NAME,
  CONNECTION_NAMED,
  CONNECTION_OVER_TIME,
  CONNECTION_PPK,
  CONNECTION_PPK_ID,
  CONNECTION_PROPOSAL,
  CONNECTION_RAND_TIME,
  CONNECTION_REAUTH_TIME,
  CONNECTION_REKEY_TIME,
  CONNECTION_REMOTE_ADDRESS,
  CONNECTION_REMOTE_AUTH,
  CONNECTION_REMOTE_ID,
  CONNECTION_REMOTE_NETWORK,
  CONNECTION_REMOTE_PORT,
  CONNECTION_POOL,
  CONNECTION_SEND_CERT,
  CONNECTION_VIP,
  CONNECTION_UNIQUE,
  PPK_POLICY_REQUIRED,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
  SEND_CERT_NEVER,
  START_TRAP_START,
  TRANSFORM_OCTETS,
  TS_DYNAMIC,
  UNIQUE_KEEP,
  FRAGMENTATION_NO,
} from "../abi/management";
import { PLACEMENT_FIXED, PLACEMENT_HASH, PLACEMENT_POLICY_MASK, PLACEMENT_SLOT_SHIFT } from "../abi/config";
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { MODE_TRANSPORT, SA_FLAGS_TUNNEL, SELECTOR_OCTETS } from "../abi/message";
import { arenaTake } from "../rt/arena";
import {
  itemFirst,
  itemLength,
  itemNext,
  itemType,
  itemU32,
  itemU64,
  itemValue,
  itemsDigest,
  itemsValid,
} from "../rt/items";
import { AUTHORITY_OCTETS } from "../wire/ike_payload/certreq";
import { PROTOCOL_ID_AH, PROTOCOL_ID_ESP } from "../wire/ike_payload/sa";
import { IpAddress, addressAt, addressOctets, addressRead, addressWithin } from "../wire/ip_address";
import { PROTOCOL_AH, PROTOCOL_ESP } from "../wire/ipv4";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { AuthRounds, ROUNDS_OCTETS, roundIdentify, roundOpen, roundsComplete } from "./auth_round";
import { Pool, poolAt, poolByName } from "./pool";
import { TRANSFORM_PROPOSAL } from "./proposal";

export const CONNECTIONS_MAX: u32 = 128;
export const CHILD_CONFIGS_MAX: u32 = 256;
export const NAME_MAX: u32 = 64;
export const ADDRESSES_MAX: u32 = 4;
export const TRANSFORMS_MAX: u32 = 64;
export const TS_MAX: u32 = 16;
/** Authorities that a connection asks the peer for. */
export const AUTHORITIES_MAX: u32 = 32;
/** Octets of a PPK_ID. */
export const PPK_ID_MAX: u32 = 255;
export const CONNECTION_POOLS_MAX: u32 = 8;
/** Families of virtual IPs, as bits. */
export const VIRTUAL_IP4: u32 = 1;
export const VIRTUAL_IP6: u32 = 2;


@unmanaged
export class Connection {
  index: u32;
  used: u32;
  /** Unloaded or replaced: takes no new IKE_SA, goes when its last one does. */
  retired: u32;
  digest: u64;
  nameLength: u32;
  localCount: u32;
  remoteCount: u32;
  remotePort: u32;
  transformCount: u32;
  rekeyTime: u32;
  overTime: u32;
  randTime: u32;
  dpdDelay: u32;
  encap: u32;
  /** SEND_CERT_*. */
  sendCert: u32;
  authorityCount: u32;
  /** FRAGMENTATION_*. */
  fragmentation: u32;
  /** CHILDLESS_*. */
  childless: u32;
  /** PPK_POLICY_*, and octets of the PPK_ID that we offer, 0 none (RFC 8784). */
  ppk: u32;
  ppkIdLength: u32;
  /** Address of the literal that says why the last attempt failed, 0 none. */
  failure: usize;
  firstSa: i32;
  saCount: u32;
  /** Virtual IPs to ask for: octets of each family at C_VIP4 and C_VIP6, all 0 any; VIRTUAL_IP4 and VIRTUAL_IP6. */
  vips: u32;
  /** Pools that peers get theirs from. */
  poolCount: u32;

  /** 0: its IKE_SAs are not reauthenticated. */
  reauthTime: u32;
  /** UNIQUE_*. */
  unique: u32;
  /** Sequences of retransmissions of an attempt; 0: no end. */
  keyingTries: u32;
  /** 1: the peer's addresses are those of names, as far as a lookup has found any. */
  named: u32;
  /** Addresses of the peer's that are single ones: it is named by them, and initiated to. */
  remoteSingles: u32;
  /** Redirects that were followed, since when (RFC 5685 10). */
  redirects: u32;
  redirectSince: u64;
  /** 1: MOBIKE is offered and taken (RFC 4555). */
  mobike: u32;
  /** Children with something to negotiate; with shunts alone a connection is no peer's. */
  negotiable: u32;
  shunts: u32;
}

const C_NAME: usize = offsetof<Connection>();
const C_LOCAL: usize = (C_NAME + NAME_MAX + 7) & ~7;
const C_REMOTE: usize = C_LOCAL + ADDRESSES_MAX * IPV6_ADDRESS;
const C_TRANSFORMS: usize = C_REMOTE + ADDRESSES_MAX * IPV6_ADDRESS;
const C_LOCAL_AUTH: usize = (C_TRANSFORMS + TRANSFORMS_MAX * TRANSFORM_OCTETS + 7) & ~7;
const C_REMOTE_AUTH: usize = C_LOCAL_AUTH + ROUNDS_OCTETS;
const C_AUTHORITIES: usize = C_REMOTE_AUTH + ROUNDS_OCTETS;
const C_PPK_ID: usize = C_AUTHORITIES + AUTHORITIES_MAX * AUTHORITY_OCTETS;
const C_POOLS: usize = (C_PPK_ID + PPK_ID_MAX + 3) & ~3;
const C_VIP4: usize = C_POOLS + CONNECTION_POOLS_MAX * 4;
const C_VIP6: usize = C_VIP4 + 4;
/** Of each address. */
const C_LOCAL_PREFIXES: usize = C_VIP6 + 16;
const C_REMOTE_PREFIXES: usize = C_LOCAL_PREFIXES + ADDRESSES_MAX;
const C_OCTETS: usize = (C_REMOTE_PREFIXES + ADDRESSES_MAX + 7) & ~7;


@unmanaged
export class ChildConfig {
  index: u32;
  used: u32;
  connection: u32;
  nameLength: u32;
  transformCount: u32;
  localCount: u32;
  remoteCount: u32;
  startAction: u32;
  dpdAction: u32;
  closeAction: u32;
  rekeyTime: u32;
  lifeTime: u32;
  randTime: u32;
  replayWindow: u32;
  rekeyPackets: u64;
  rekeyBytes: u64;
  /** CHILD_SAs of this configuration, whatever their state. */
  liveCount: u32;
  /** Failed attempts in a row. */
  failures: u32;
  /** 1: dpd_action or close_action wants it back, until it is up or the operator ends it. */
  wanted: u32;
  /** Whether EVENT_TRAP told of it, and whether it waits to tell. */
  trapped: u32;
  trapEvent: u32;

  lifePackets: u64;
  lifeBytes: u64;
  randPackets: u64;
  randBytes: u64;
  /** Seconds without a packet after which a CHILD_SA is deleted, 0 never. */
  inactivity: u32;

  /** MODE_*, CHILD_MODE_*. */
  mode: u32;
  /** Of its policies, 0 by its selectors. */
  priority: u32;
  /** PROTOCOL_ID_ESP or PROTOCOL_ID_AH: of its proposals. */
  protocol: u32;
  /** Of SA_FLAGS_TUNNEL. */
  tunnelFlags: u32;
  /** PLACEMENT_* of abi/config.ts. */
  placement: u32;
}

const K_NAME: usize = offsetof<ChildConfig>();
const K_TRANSFORMS: usize = K_NAME + NAME_MAX;
const K_LOCAL: usize = K_TRANSFORMS + TRANSFORMS_MAX * TRANSFORM_OCTETS;
const K_REMOTE: usize = K_LOCAL + TS_MAX * SELECTOR_OCTETS;
const K_OCTETS: usize = K_REMOTE + TS_MAX * SELECTOR_OCTETS;

let connections: usize = 0;
let children: usize = 0;
/** Behind these no entry is in use: what is looked for in a message's time is looked for among those before. */
export let connectionsEnd: u32 = 0;
export let childConfigsEnd: u32 = 0;

export function connectionsReset(): bool {
  connections = arenaTake(CONNECTIONS_MAX * C_OCTETS);
  children = arenaTake(CHILD_CONFIGS_MAX * K_OCTETS);
  if (connections == 0 || children == 0) return false;
  connectionsEnd = 0;
  childConfigsEnd = 0;
  for (let i: u32 = 0; i < CONNECTIONS_MAX; i++) connectionAt(i).index = i;
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) childConfigAt(i).index = i;
  return true;
}

// @ts-ignore: decorator
@inline
export function connectionAt(i: u32): Connection {
  return changetype<Connection>(connections + <usize>i * C_OCTETS);
}

// @ts-ignore: decorator
@inline
export function childConfigAt(i: u32): ChildConfig {
  return changetype<ChildConfig>(children + <usize>i * K_OCTETS);
}

export function connectionName(c: Connection): usize {
  return changetype<usize>(c) + C_NAME;
}
export function connectionTransforms(c: Connection): usize {
  return changetype<usize>(c) + C_TRANSFORMS;
}
/** How we authenticate, and how the peer does. */
export function connectionLocalAuth(c: Connection): AuthRounds {
  return changetype<AuthRounds>(changetype<usize>(c) + C_LOCAL_AUTH);
}
export function connectionRemoteAuth(c: Connection): AuthRounds {
  return changetype<AuthRounds>(changetype<usize>(c) + C_REMOTE_AUTH);
}
/** Authorities of CERTREQ: authorityCount times AUTHORITY_OCTETS. */
export function connectionAuthorities(c: Connection): usize {
  return changetype<usize>(c) + C_AUTHORITIES;
}
export function connectionPpkId(c: Connection): usize {
  return changetype<usize>(c) + C_PPK_ID;
}
export function connectionPool(c: Connection, i: u32): Pool {
  return poolAt(load<u32>(changetype<usize>(c) + C_POOLS + <usize>(i << 2)));
}
/** The virtual IP of a family that is asked for, 4 or 16 octets; all 0 any. */
export function connectionVip(c: Connection, family: u32): usize {
  return changetype<usize>(c) + (family == VIRTUAL_IP4 ? C_VIP4 : C_VIP6);
}
/** Address `i` of ours, of the peer's. */
export function connectionLocal(c: Connection, i: u32): IpAddress {
  return addressAt(changetype<usize>(c) + C_LOCAL + <usize>(i * IPV6_ADDRESS));
}
export function connectionRemote(c: Connection, i: u32): IpAddress {
  return addressAt(changetype<usize>(c) + C_REMOTE + <usize>(i * IPV6_ADDRESS));
}
/** How many bits of it count: all of a single address, fewer of a network. */
export function connectionLocalPrefix(c: Connection, i: u32): u32 {
  return <u32>load<u8>(changetype<usize>(c) + C_LOCAL_PREFIXES + i);
}
export function connectionRemotePrefix(c: Connection, i: u32): u32 {
  return <u32>load<u8>(changetype<usize>(c) + C_REMOTE_PREFIXES + i);
}
export function childName(k: ChildConfig): usize {
  return changetype<usize>(k) + K_NAME;
}
export function childTransforms(k: ChildConfig): usize {
  return changetype<usize>(k) + K_TRANSFORMS;
}
export function childLocalTs(k: ChildConfig): usize {
  return changetype<usize>(k) + K_LOCAL;
}
export function childRemoteTs(k: ChildConfig): usize {
  return changetype<usize>(k) + K_REMOTE;
}

export function connectionEncap(i: u32): bool {
  return connectionAt(i).encap != 0;
}

/** True when the connection may be used between these two addresses. */
export function connectionFits(c: Connection, local: IpAddress, remote: IpAddress): bool {
  if (c.used == 0 || c.retired != 0 || shuntsAlone(c)) return false;
  if (c.named != 0 && c.remoteCount == 0) return false;
  const base = changetype<usize>(c);
  return (
    addressAmong(local, c.localCount, base + C_LOCAL, base + C_LOCAL_PREFIXES) &&
    addressAmong(remote, c.remoteCount, base + C_REMOTE, base + C_REMOTE_PREFIXES)
  );
}

/** True when all of its children are shunts: there is nothing to negotiate. */
export function shuntsAlone(c: Connection): bool {
  return c.shunts != 0 && c.negotiable == 0;
}

/** True for a child that is a policy without an SA. */
// @ts-ignore: decorator
@inline
export function isShunt(k: ChildConfig): bool {
  return k.mode >= CHILD_MODE_PASS;
}

/** Where there are none, all are meant. */
function addressAmong(a: IpAddress, count: u32, addresses: usize, prefixes: usize): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (addressWithin(a, addressAt(addresses + <usize>(i * IPV6_ADDRESS)), <u32>load<u8>(prefixes + i))) return true;
  }
  return count == 0;
}

/** Index of the first connection between these addresses, or -1. Those that name the peer come first. */
export function connectionFind(local: IpAddress, remote: IpAddress): i32 {
  let open = -1;
  for (let i: u32 = 0; i < connectionsEnd; i++) {
    const c = connectionAt(i);
    if (!connectionFits(c, local, remote)) continue;
    if (c.remoteSingles != 0) return <i32>i;
    if (open < 0) open = <i32>i;
  }
  return open;
}

export function connectionByName(name: usize, length: u32): i32 {
  for (let i: u32 = 0; i < connectionsEnd; i++) {
    const c = connectionAt(i);
    if (
      c.used != 0 &&
      c.retired == 0 &&
      c.nameLength == length &&
      memory.compare(connectionName(c), name, length) == 0
    ) {
      return <i32>i;
    }
  }
  return -1;
}

export function childByName(name: usize, length: u32): i32 {
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || connectionAt(k.connection).retired != 0 || k.nameLength != length) continue;
    if (memory.compare(childName(k), name, length) == 0) return <i32>i;
  }
  return -1;
}

/** The child of this name that a connection has, or -1. */
export function childInConnection(c: Connection, name: usize, length: u32): i32 {
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || k.connection != c.index || k.nameLength != length) continue;
    if (memory.compare(childName(k), name, length) == 0) return <i32>i;
  }
  return -1;
}

/** Takes the addresses that a lookup has found in place of those that there were; RESULT_*. None of one that is malformed. */
export function connectionFound(c: Connection, start: usize, end: usize): u32 {
  const base = changetype<usize>(c);
  c.remoteCount = 0;
  c.remoteSingles = 0;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    if (itemType(item) != CONNECTION_REMOTE_ADDRESS) continue;
    const result = addressItem(item, base + C_REMOTE, base + C_REMOTE_PREFIXES, c.remoteCount, false);
    if (result != RESULT_OK) {
      c.remoteCount = 0;
      c.remoteSingles = 0;
      return result;
    }
    c.remoteCount += 1;
    c.remoteSingles += 1;
  }
  return RESULT_OK;
}

/** Index of the connection that connectionLoad filled or found. */
export let loadedConnection: u32 = 0;
/** True when connectionLoad found the very same connection loaded already. */
export let loadedBefore: bool = false;

/** Loads a connection from the items from `start` to `end`; RESULT_*. The one that it replaces is the caller's to retire. */
export function connectionLoad(start: usize, end: usize): u32 {
  if (!itemsValid(start, end)) return RESULT_MALFORMED;
  loadedBefore = false;
  let c: Connection | null = null;
  for (let i: u32 = 0; i < CONNECTIONS_MAX && !c; i++) if (connectionAt(i).used == 0) c = connectionAt(i);
  if (!c) return RESULT_TABLE_FULL;
  const index = c.index;
  memory.fill(changetype<usize>(c), 0, C_OCTETS);
  c.index = index;
  c.firstSa = -1;
  // The same connection loaded again changes nothing.
  c.digest = itemsDigest(start, end);
  c.remotePort = 0;
  c.keyingTries = 1;
  c.mobike = 1;
  const result = itemsRead(c, start, end);
  if (result == RESULT_OK) {
    const before = connectionByName(connectionName(c), c.nameLength);
    if (before < 0 || connectionAt(<u32>before).digest != c.digest) {
      c.used = 1;
      connectionsEnd = max<u32>(connectionsEnd, index + 1);
      loadedConnection = index;
      return RESULT_OK;
    }
    loadedConnection = <u32>before;
    loadedBefore = true;
  }
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const k = childConfigAt(i);
    if (k.used != 0 && k.connection == index) k.used = 0;
  }
  return result;
}

function itemsRead(c: Connection, start: usize, end: usize): u32 {
  let k: ChildConfig | null = null;
  let proposals: u32 = 0;
  let childProposals: u32 = 0;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    const type = itemType(item);
    let result: u32 = RESULT_OK;
    if (type == CHILD_NAME) {
      if (k && !childComplete(c, k)) return RESULT_MALFORMED;
      k = childTake(c.index);
      if (!k) return RESULT_TABLE_FULL;
      childProposals = 0;
      result = nameRead(item, childName(k));
      k.nameLength = itemLength(item);
    } else if (type == CHILD_PROPOSAL) {
      if (!k) return RESULT_MALFORMED;
      childProposals += 1;
      result = transformsRead(item, childTransforms(k), k.transformCount, childProposals);
      k.transformCount += itemLength(item) / TRANSFORM_OCTETS;
    } else if (type > CHILD_NAME && (type < CONNECTION_LOCAL_AUTH || type >= CHILD_ITEMS_MORE)) {
      if (!k) return RESULT_MALFORMED;
      result = childItem(k, item);
    } else if (type == CONNECTION_PROPOSAL) {
      proposals += 1;
      result = transformsRead(item, connectionTransforms(c), c.transformCount, proposals);
      c.transformCount += itemLength(item) / TRANSFORM_OCTETS;
    } else {
      result = connectionItem(c, item);
    }
    if (result != RESULT_OK) return result;
  }
  if (k && !childComplete(c, k)) return RESULT_MALFORMED;
  roundsComplete(connectionLocalAuth(c));
  roundsComplete(connectionRemoteAuth(c));
  return c.nameLength != 0 && c.transformCount != 0 ? RESULT_OK : RESULT_MALFORMED;
}

function childTake(connection: u32): ChildConfig | null {
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) {
    const k = childConfigAt(i);
    if (k.used != 0) continue;
    memory.fill(changetype<usize>(k), 0, K_OCTETS);
    k.index = i;
    k.used = 1;
    childConfigsEnd = max<u32>(childConfigsEnd, i + 1);
    k.connection = connection;
    k.replayWindow = 32;
    k.protocol = PROTOCOL_ID_ESP;
    return k;
  }
  return null;
}

function childComplete(c: Connection, k: ChildConfig): bool {
  if (isShunt(k)) c.shunts += 1;
  else c.negotiable += 1;
  return k.nameLength != 0 && (k.transformCount != 0 || isShunt(k));
}

function nameRead(item: usize, to: usize): u32 {
  const length = itemLength(item);
  if (length == 0 || length > NAME_MAX) return RESULT_MALFORMED;
  memory.copy(to, itemValue(item), length);
  return RESULT_OK;
}

function transformsRead(item: usize, to: usize, count: u32, number: u32): u32 {
  const length = itemLength(item);
  if (length == 0 || length % TRANSFORM_OCTETS != 0) return RESULT_MALFORMED;
  const more = length / TRANSFORM_OCTETS;
  if (count + more > TRANSFORMS_MAX || number > 255) return RESULT_TABLE_FULL;
  const at = to + <usize>count * TRANSFORM_OCTETS;
  memory.copy(at, itemValue(item), length);
  for (let i: u32 = 0; i < more; i++) store<u8>(at + <usize>i * TRANSFORM_OCTETS, <u8>number, TRANSFORM_PROPOSAL);
  return RESULT_OK;
}

/** An address, of a network with its prefix length behind it. */
function addressItem(item: usize, to: usize, prefixes: usize, count: u32, network: bool): u32 {
  if (count >= ADDRESSES_MAX) return RESULT_TABLE_FULL;
  const octets = network ? itemLength(item) - 1 : itemLength(item);
  const address = addressAt(to + <usize>(count * IPV6_ADDRESS));
  if (!addressRead(address, itemValue(item), octets)) return RESULT_MALFORMED;
  const bits = addressOctets(address) << 3;
  const prefix = network ? <u32>load<u8>(itemValue(item) + octets) : bits;
  store<u8>(prefixes + count, <u8>prefix);
  return prefix <= bits ? RESULT_OK : RESULT_MALFORMED;
}

function authoritiesItem(c: Connection, item: usize): u32 {
  const length = itemLength(item);
  if (length == 0 || length % AUTHORITY_OCTETS != 0) return RESULT_MALFORMED;
  if (length > AUTHORITIES_MAX * AUTHORITY_OCTETS) return RESULT_TABLE_FULL;
  memory.copy(connectionAuthorities(c), itemValue(item), length);
  c.authorityCount = length / AUTHORITY_OCTETS;
  return RESULT_OK;
}

function connectionItem(c: Connection, item: usize): u32 {
  const base = changetype<usize>(c);
  switch (itemType(item)) {
    case CONNECTION_NAME: {
      c.nameLength = itemLength(item);
      return nameRead(item, base + C_NAME);
    }
    case CONNECTION_LOCAL_ADDRESS:
    case CONNECTION_LOCAL_NETWORK: {
      const network = itemType(item) == CONNECTION_LOCAL_NETWORK;
      const result = addressItem(item, base + C_LOCAL, base + C_LOCAL_PREFIXES, c.localCount, network);
      c.localCount += 1;
      return result;
    }
    case CONNECTION_REMOTE_ADDRESS:
    case CONNECTION_REMOTE_NETWORK: {
      const network = itemType(item) == CONNECTION_REMOTE_NETWORK;
      const result = addressItem(item, base + C_REMOTE, base + C_REMOTE_PREFIXES, c.remoteCount, network);
      if (!network) c.remoteSingles += 1;
      c.remoteCount += 1;
      return result;
    }
    case CONNECTION_LOCAL_AUTH:
      return roundOpen(connectionLocalAuth(c), item, true);
    case CONNECTION_REMOTE_AUTH:
      return roundOpen(connectionRemoteAuth(c), item, false);
    case CONNECTION_LOCAL_ID:
      return roundIdentify(connectionLocalAuth(c), item);
    case CONNECTION_REMOTE_ID:
      return roundIdentify(connectionRemoteAuth(c), item);
    case CONNECTION_SEND_CERT: {
      c.sendCert = itemU32(item);
      return c.sendCert <= SEND_CERT_NEVER ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_AUTHORITIES:
      return authoritiesItem(c, item);
    case CONNECTION_REMOTE_PORT: {
      c.remotePort = itemU32(item);
      return c.remotePort < 65536 ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_REKEY_TIME: {
      c.rekeyTime = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_OVER_TIME: {
      c.overTime = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_RAND_TIME: {
      c.randTime = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_DPD_DELAY: {
      c.dpdDelay = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_ENCAP: {
      c.encap = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_MOBIKE: {
      c.mobike = itemU32(item);
      return c.mobike <= 1 ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_PPK: {
      c.ppk = itemU32(item);
      return c.ppk <= PPK_POLICY_REQUIRED ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_PPK_ID: {
      c.ppkIdLength = itemLength(item);
      if (c.ppkIdLength == 0 || c.ppkIdLength > PPK_ID_MAX) return RESULT_MALFORMED;
      memory.copy(base + C_PPK_ID, itemValue(item), c.ppkIdLength);
      return RESULT_OK;
    }
    case CONNECTION_CHILDLESS: {
      c.childless = itemU32(item);
      return c.childless <= CHILDLESS_NEVER ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_VIP:
      return vipItem(c, item);
    case CONNECTION_POOL:
      return poolItem(c, item);
    case CONNECTION_REAUTH_TIME: {
      c.reauthTime = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_KEYING_TRIES: {
      c.keyingTries = itemU32(item);
      return RESULT_OK;
    }
    case CONNECTION_NAMED: {
      c.named = itemU32(item);
      return c.named <= 1 ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_UNIQUE: {
      c.unique = itemU32(item);
      return c.unique <= UNIQUE_KEEP ? RESULT_OK : RESULT_MALFORMED;
    }
    case CONNECTION_FRAGMENTATION: {
      c.fragmentation = itemU32(item);
      return c.fragmentation <= FRAGMENTATION_NO ? RESULT_OK : RESULT_MALFORMED;
    }
    default:
      return RESULT_UNSUPPORTED;
  }
}

function vipItem(c: Connection, item: usize): u32 {
  const length = itemLength(item);
  if (length != 4 && length != 16) return RESULT_MALFORMED;
  const family = length == 4 ? VIRTUAL_IP4 : VIRTUAL_IP6;
  if ((c.vips & family) != 0) return RESULT_TABLE_FULL;
  c.vips |= family;
  memory.copy(connectionVip(c, family), itemValue(item), length);
  return RESULT_OK;
}

function poolItem(c: Connection, item: usize): u32 {
  if (c.poolCount >= CONNECTION_POOLS_MAX) return RESULT_TABLE_FULL;
  const pool = poolByName(itemValue(item), itemLength(item));
  if (pool < 0) return RESULT_NOT_FOUND;
  store<u32>(changetype<usize>(c) + C_POOLS + <usize>(c.poolCount << 2), <u32>pool);
  c.poolCount += 1;
  return RESULT_OK;
}

function selectorItem(item: usize, to: usize, count: u32): u32 {
  if (itemLength(item) != SELECTOR_OCTETS) return RESULT_MALFORMED;
  if (count >= TS_MAX) return RESULT_TABLE_FULL;
  const family = load<u8>(itemValue(item));
  if (family != 4 && family != 6 && family != TS_DYNAMIC) return RESULT_MALFORMED;
  memory.copy(to + <usize>count * SELECTOR_OCTETS, itemValue(item), SELECTOR_OCTETS);
  return RESULT_OK;
}

function childItem(k: ChildConfig, item: usize): u32 {
  const base = changetype<usize>(k);
  const value = itemU32(item);
  switch (itemType(item)) {
    case CHILD_LOCAL_TS: {
      const result = selectorItem(item, base + K_LOCAL, k.localCount);
      k.localCount += 1;
      return result;
    }
    case CHILD_REMOTE_TS: {
      const result = selectorItem(item, base + K_REMOTE, k.remoteCount);
      k.remoteCount += 1;
      return result;
    }
    case CHILD_MODE: {
      k.mode = value;
      return value <= MODE_TRANSPORT || value == CHILD_MODE_PASS || value == CHILD_MODE_DROP
        ? RESULT_OK
        : RESULT_UNSUPPORTED;
    }
    case CHILD_PRIORITY: {
      k.priority = value;
      return RESULT_OK;
    }
    case CHILD_PLACEMENT: {
      k.placement = value;
      const policy = value & PLACEMENT_POLICY_MASK;
      const slot = value >> PLACEMENT_SLOT_SHIFT;
      if (policy != PLACEMENT_FIXED) return value <= PLACEMENT_HASH ? RESULT_OK : RESULT_UNSUPPORTED;
      return slot < FABRIC_SLOT_MAX ? RESULT_OK : RESULT_MALFORMED;
    }
    case CHILD_START_ACTION: {
      k.startAction = value;
      return value <= START_TRAP_START ? RESULT_OK : RESULT_MALFORMED;
    }
    case CHILD_DPD_ACTION: {
      k.dpdAction = value;
      return value <= START_TRAP_START ? RESULT_OK : RESULT_MALFORMED;
    }
    case CHILD_CLOSE_ACTION: {
      k.closeAction = value;
      return value <= START_TRAP_START ? RESULT_OK : RESULT_MALFORMED;
    }
    case CHILD_REKEY_TIME: {
      k.rekeyTime = value;
      return RESULT_OK;
    }
    case CHILD_LIFE_TIME: {
      k.lifeTime = value;
      return RESULT_OK;
    }
    case CHILD_RAND_TIME: {
      k.randTime = value;
      return RESULT_OK;
    }
    case CHILD_REPLAY_WINDOW: {
      k.replayWindow = value;
      return value < 65536 ? RESULT_OK : RESULT_MALFORMED;
    }
    case CHILD_TUNNEL_FLAGS: {
      k.tunnelFlags = value;
      return (value & ~SA_FLAGS_TUNNEL) == 0 ? RESULT_OK : RESULT_UNSUPPORTED;
    }
    case CHILD_PROTOCOL: {
      k.protocol = value == PROTOCOL_AH ? PROTOCOL_ID_AH : PROTOCOL_ID_ESP;
      return value == PROTOCOL_AH || value == PROTOCOL_ESP ? RESULT_OK : RESULT_UNSUPPORTED;
    }
    case CHILD_REKEY_PACKETS: {
      k.rekeyPackets = itemU64(item);
      return RESULT_OK;
    }
    case CHILD_LIFE_PACKETS: {
      k.lifePackets = itemU64(item);
      return RESULT_OK;
    }
    case CHILD_LIFE_BYTES: {
      k.lifeBytes = itemU64(item);
      return RESULT_OK;
    }
    case CHILD_RAND_PACKETS: {
      k.randPackets = itemU64(item);
      return RESULT_OK;
    }
    case CHILD_RAND_BYTES: {
      k.randBytes = itemU64(item);
      return RESULT_OK;
    }
    case CHILD_INACTIVITY: {
      k.inactivity = value;
      return RESULT_OK;
    }
    case CHILD_REKEY_BYTES: {
      k.rekeyBytes = itemU64(item);
      return RESULT_OK;
    }
    default:
      return RESULT_UNSUPPORTED;
  }
}

/** Frees a retired connection once nothing refers to it. */
export function connectionRelease(c: Connection): void {
  if (c.used == 0 || c.retired == 0 || c.saCount != 0) return;
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const k = childConfigAt(i);
    if (k.used != 0 && k.connection == c.index && (k.liveCount != 0 || k.trapEvent != 0)) return;
  }
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const k = childConfigAt(i);
    if (k.used != 0 && k.connection == c.index) k.used = 0;
  }
  c.used = 0;
  while (connectionsEnd != 0 && connectionAt(connectionsEnd - 1).used == 0) connectionsEnd -= 1;
  while (childConfigsEnd != 0 && childConfigAt(childConfigsEnd - 1).used == 0) childConfigsEnd -= 1;
}
