/**
 * What the operator is told (abi/management.ts): replies, events, and the items of IKE_SAs, CHILD_SAs and connections.
 * Keys are never among them.
 */
import { MANAGEMENT_EXPLANATION } from "../abi/explain";
import {
  CHILD_NAME,
  CHILD_SA_FLAGS,
  CHILD_SA_GENERATION,
  CHILD_SA_INSTALLED,
  CHILD_SA_LINK,
  CHILD_SA_LOCAL_TS,
  CHILD_SA_MODE,
  CHILD_SA_PROPOSAL,
  CHILD_SA_PROTOCOL,
  CHILD_SA_REMOTE_TS,
  CHILD_SA_SLOT,
  CHILD_SA_SPI_IN,
  CHILD_SA_SPI_OUT,
  CHILD_SA_STATE,
  CHILD_SA_UNIQUE_ID,
  CONNECTION_FAILURE,
  CONNECTION_NAME,
  EVENT_ALERT,
  EVENT_DNS,
  EVENT_EAP_IDENTITY,
  EVENT_IKE_UPDATE,
  EVENT_KIND,
  EVENT_RESTORED,
  RESTORED_CHILD_SAS,
  RESTORED_IKE_SAS,
  EVENT_MISMATCH,
  EVENT_NOTIFY,
  EVENT_TEXT,
  EVENT_TRANSFORMS_OURS,
  EVENT_TRANSFORMS_THEIRS,
  EVENT_UP,
  EVENT_VIRTUAL_IP,
  IKE_SA_EAP_IDENTITY,
  IKE_SA_EAP_METHOD,
  IKE_SA_ESTABLISHED,
  IKE_SA_INITIATOR,
  IKE_SA_LOCAL,
  IKE_SA_LOCAL_ID,
  IKE_SA_LOCAL_PORT,
  IKE_SA_LOCAL_VIP,
  IKE_SA_MOBIKE,
  IKE_SA_NAT,
  IKE_SA_PEER_ADDRESS,
  IKE_SA_PPK,
  IKE_SA_PROPOSAL,
  IKE_SA_REMOTE,
  IKE_SA_REMOTE_ID,
  IKE_SA_REMOTE_PORT,
  IKE_SA_REMOTE_VIP,
  IKE_SA_SPI_I,
  IKE_SA_SPI_R,
  IKE_SA_STATE,
  IKE_SA_UNIQUE_ID,
  LEASE_ADDRESS,
  LEASE_IDENTITY,
  LEASE_ONLINE,
  LOOKUP_ATTEMPT,
  MANAGEMENT_CHILD_SA,
  MANAGEMENT_CONNECTION,
  MANAGEMENT_EVENT,
  MANAGEMENT_HEADER,
  MANAGEMENT_IKE_SA,
  MANAGEMENT_LEASE,
  MANAGEMENT_LENGTH,
  MANAGEMENT_LOOKUP,
  MANAGEMENT_POLICY,
  MANAGEMENT_POOL,
  MANAGEMENT_REPLY,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  POLICY_ACTION,
  POLICY_HITS_IN,
  POLICY_HITS_OUT,
  POLICY_LOCAL_TS,
  POLICY_PRIORITY,
  POLICY_REMOTE_TS,
  POLICY_SERIAL,
  POOL_NAME,
  POOL_OFFLINE,
  POOL_ONLINE,
  POOL_RANGE,
  POOL_SIZE,
  SHUNT_NAME,
} from "../abi/management";
import { SELECTOR_OCTETS } from "../abi/message";
import { PORT_MANAGEMENT } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { itemWrite, itemWriteU32, itemWriteU64 } from "../rt/items";
import { ChildSa, childConfig, childSelectors, childSuite } from "./child_sa";
import {
  CHILD_CONFIGS_MAX,
  ChildConfig,
  Connection,
  VIRTUAL_IP4,
  VIRTUAL_IP6,
  childConfigAt,
  childName,
  connectionAt,
  connectionName,
  isShunt,
} from "./connection";
import { childFlags, childProtocol } from "./event";
import { IkeSa, ikeEapIdentity, ikeLocalId, ikePeerAddress, ikePeerId, ikeSaAt, ikeSuite } from "./ike_sa";
import {
  INTERNAL_IP4_DNS,
  INTERNAL_IP6_DNS,
  attributeFirst,
  attributeLength,
  attributeNext,
  attributeType,
  attributeValue,
} from "../wire/ike_payload/configuration";
import { NOTIFY_NO_PROPOSAL_CHOSEN } from "../wire/ike_payload/notify";
import { IpAddress, addressOctets, addressOnWire } from "../wire/ip_address";
import { leaseIdentity, leaseIdentityLength, leaseOnline } from "./lease";
import { Pool, poolAddress, poolAddressOctets, poolEnd, poolName, poolOf, poolStart } from "./pool";
import { PPK_USED } from "./ppk";
import { suiteTransforms } from "./proposal";
import { virtualAddress, virtualOctets } from "./virtual_ip";

/** Name servers that one event tells of. */
const SERVERS_MAX: u32 = 8;
const scratch: usize = memory.data(256, 8);
let frame: Frame | null = null;
let at: usize = 0;

/** Address of a literal, to be told later. */
// @ts-ignore: decorator
@inline
export function text(literal: string): usize {
  return changetype<usize>(literal);
}

function begin(type: u32, transaction: u32): bool {
  frame = originate();
  const f = frame;
  if (!f) return false;
  store<u32>(f.start, type, MANAGEMENT_TYPE);
  store<u32>(f.start, transaction, MANAGEMENT_TRANSACTION);
  at = f.start + MANAGEMENT_HEADER;
  return true;
}

function end(): void {
  const f = frame;
  if (!f) return;
  f.length = <u32>(at - f.start);
  store<u32>(f.start, f.length, MANAGEMENT_LENGTH);
  transmit(PORT_MANAGEMENT, f);
  frame = null;
}

function put(type: u32, value: u32): void {
  at = itemWriteU32(at, type, value);
}

function putOctets(type: u32, p: usize, length: u32): void {
  at = itemWrite(at, type, p, length);
}

function putAddress(type: u32, address: IpAddress): void {
  putOctets(type, addressOnWire(address), addressOctets(address));
}

function putText(type: u32, literal: usize): void {
  if (literal == 0) return;
  const length = min<u32>(load<u32>(literal - 4) >>> 1, 255); // rtSize of the literal, in octets
  for (let i: u32 = 0; i < length; i++) store<u8>(scratch + i, load<u8>(literal + (i << 1)));
  putOctets(type, scratch, length);
}

function putConnection(c: Connection): void {
  putOctets(CONNECTION_NAME, connectionName(c), c.nameLength);
}

function putChild(k: ChildConfig): void {
  putOctets(CHILD_NAME, childName(k), k.nameLength);
}

function putEnds(sa: IkeSa): void {
  putAddress(IKE_SA_LOCAL, sa.local);
  put(IKE_SA_LOCAL_PORT, sa.localPort);
  putAddress(IKE_SA_REMOTE, sa.remote);
  put(IKE_SA_REMOTE_PORT, sa.remotePort);
}

export function reply(transaction: u32, result: u32): void {
  if (!begin(MANAGEMENT_REPLY, transaction)) return;
  store<u32>(at, result);
  at += 4;
  end();
}

/** Tells that an IKE_SA, or with `child` a CHILD_SA, went up or down or was rekeyed: EVENT_*. */
export function reportSa(kind: u32, up: bool, sa: IkeSa, child: ChildSa | null): void {
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, kind);
  put(EVENT_UP, up ? 1 : 0);
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  put(IKE_SA_UNIQUE_ID, sa.uniqueId);
  if (child) {
    putChild(childConfig(child));
    put(CHILD_SA_UNIQUE_ID, child.uniqueId);
    put(CHILD_SA_SPI_IN, child.spiIn);
    put(CHILD_SA_SPI_OUT, child.spiOut);
    put(CHILD_SA_LINK, child.link);
  }
  end();
}

/** Tells that an IKE_SA and its CHILD_SAs go elsewhere. */
export function reportMove(sa: IkeSa): void {
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_IKE_UPDATE);
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  put(IKE_SA_UNIQUE_ID, sa.uniqueId);
  putEnds(sa);
  end();
}

/** Tells that an attempt failed, and keeps why with the connection. `notify` 0: none was involved. */
export function reportAlert(connection: i32, child: ChildConfig | null, notify: u32, literal: usize): void {
  if (connection >= 0) connectionAt(<u32>connection).failure = literal;
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_ALERT);
  if (connection >= 0) putConnection(connectionAt(<u32>connection));
  if (child) putChild(child);
  if (notify != 0) put(EVENT_NOTIFY, notify);
  putText(EVENT_TEXT, literal);
  end();
}

/** Tells that EAP failed, and whose: an alert with the EAP identity, as far as it is known. */
export function reportEap(sa: IkeSa, notify: u32, literal: usize): void {
  if (sa.connection >= 0) connectionAt(<u32>sa.connection).failure = literal;
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_ALERT);
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  if (notify != 0) put(EVENT_NOTIFY, notify);
  if (sa.eapIdentityLength != 0) putOctets(EVENT_EAP_IDENTITY, ikeEapIdentity(sa), sa.eapIdentityLength);
  putText(EVENT_TEXT, literal);
  end();
}

/**
 * Tells that a peer's proposals had nothing in common with ours: transform type and the two proposals' numbers in 3 octets at
 * `summary`, and the transforms of that type.
 */
export function reportMismatch(
  connection: i32,
  child: ChildConfig | null,
  summary: usize,
  ours: usize,
  ourOctets: u32,
  theirs: usize,
  theirOctets: u32,
): void {
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_ALERT);
  putConnection(connectionAt(<u32>connection));
  if (child) putChild(child);
  put(EVENT_NOTIFY, NOTIFY_NO_PROPOSAL_CHOSEN);
  putOctets(EVENT_MISMATCH, summary, 3);
  putOctets(EVENT_TRANSFORMS_OURS, ours, ourOctets);
  putOctets(EVENT_TRANSFORMS_THEIRS, theirs, theirOctets);
  end();
}

export function reportIkeSa(transaction: u32, sa: IkeSa): void {
  if (!begin(MANAGEMENT_IKE_SA, transaction)) return;
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  put(IKE_SA_UNIQUE_ID, sa.uniqueId);
  put(IKE_SA_STATE, sa.state);
  store<u64>(scratch, sa.spiI);
  putOctets(IKE_SA_SPI_I, scratch, 8);
  store<u64>(scratch, sa.spiR);
  putOctets(IKE_SA_SPI_R, scratch, 8);
  put(IKE_SA_INITIATOR, sa.initiator);
  putEnds(sa);
  putOctets(IKE_SA_LOCAL_ID, ikeLocalId(sa), sa.localIdLength);
  putOctets(IKE_SA_REMOTE_ID, ikePeerId(sa), sa.peerIdLength);
  if (ikeSuite(sa).encryption != 0) putOctets(IKE_SA_PROPOSAL, scratch, suiteTransforms(ikeSuite(sa), scratch));
  at = itemWriteU64(at, IKE_SA_ESTABLISHED, sa.established);
  put(IKE_SA_NAT, sa.nat);
  put(IKE_SA_PPK, sa.ppk == PPK_USED ? 1 : 0);
  put(IKE_SA_MOBIKE, sa.mobike);
  for (let i: u32 = 0; i < sa.peerAddressCount; i++) putAddress(IKE_SA_PEER_ADDRESS, ikePeerAddress(sa, i));
  if (sa.eapMethod != 0) {
    put(IKE_SA_EAP_METHOD, sa.eapMethod);
    putOctets(IKE_SA_EAP_IDENTITY, ikeEapIdentity(sa), sa.eapIdentityLength);
  }
  putVirtualIps(sa);
  end();
}

function putVirtualIps(sa: IkeSa): void {
  const type = sa.virtualOurs != 0 ? IKE_SA_LOCAL_VIP : IKE_SA_REMOTE_VIP;
  for (let family = VIRTUAL_IP4; family <= VIRTUAL_IP6; family <<= 1)
    if ((sa.virtualHeld & family) != 0) putOctets(type, virtualAddress(sa, family), virtualOctets(family));
}

/** Tells that our virtual IPs are there, with the name servers of the configuration payload at `body` up to `last`, or gone. */
export function reportVirtualIp(sa: IkeSa, up: bool, body: usize, last: usize): void {
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_VIRTUAL_IP);
  put(EVENT_UP, up ? 1 : 0);
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  putVirtualIps(sa);
  let servers: u32 = 0;
  for (let a = up ? attributeFirst(body, last) : 0; a != 0 && servers < SERVERS_MAX; a = attributeNext(a, last)) {
    const type = attributeType(a);
    const octets = attributeLength(a);
    if (!(type == INTERNAL_IP4_DNS && octets == 4) && !(type == INTERNAL_IP6_DNS && octets == 16)) continue;
    putOctets(EVENT_DNS, attributeValue(a), octets);
    servers += 1;
  }
  end();
}

/** SAs have come back from the checkpoint. */
export function reportRestored(ikeSas: u32, childSas: u32): void {
  if (!begin(MANAGEMENT_EVENT, 0)) return;
  put(EVENT_KIND, EVENT_RESTORED);
  put(RESTORED_IKE_SAS, ikeSas);
  put(RESTORED_CHILD_SAS, childSas);
  end();
}

export function reportPool(transaction: u32, pool: Pool): void {
  if (!begin(MANAGEMENT_POOL, transaction)) return;
  const octets = poolAddressOctets(pool);
  putOctets(POOL_NAME, poolName(pool), pool.nameLength);
  memory.copy(scratch, poolStart(pool), octets);
  memory.copy(scratch + octets, poolEnd(pool), octets);
  putOctets(POOL_RANGE, scratch, 2 * octets);
  put(POOL_SIZE, pool.size);
  put(POOL_ONLINE, pool.online);
  put(POOL_OFFLINE, pool.given - pool.online);
  end();
}

export function reportLease(transaction: u32, lease: u32): void {
  if (!begin(MANAGEMENT_LEASE, transaction)) return;
  const pool = poolOf(lease);
  putOctets(POOL_NAME, poolName(pool), pool.nameLength);
  poolAddress(pool, lease, scratch);
  putOctets(LEASE_ADDRESS, scratch, poolAddressOctets(pool));
  putOctets(LEASE_IDENTITY, leaseIdentity(lease), leaseIdentityLength(lease));
  put(LEASE_ONLINE, leaseOnline(lease) ? 1 : 0);
  end();
}

export function reportChildSa(transaction: u32, child: ChildSa): void {
  if (!begin(MANAGEMENT_CHILD_SA, transaction)) return;
  const sa = ikeSaAt(<u32>child.sa);
  if (sa.connection >= 0) putConnection(connectionAt(<u32>sa.connection));
  putChild(childConfig(child));
  put(IKE_SA_UNIQUE_ID, sa.uniqueId);
  put(CHILD_SA_UNIQUE_ID, child.uniqueId);
  put(CHILD_SA_STATE, child.state);
  put(CHILD_SA_SPI_IN, child.spiIn);
  put(CHILD_SA_SPI_OUT, child.spiOut);
  put(CHILD_SA_LINK, child.link);
  if (child.placed != 0) {
    put(CHILD_SA_SLOT, child.slot);
    put(CHILD_SA_GENERATION, child.boardGeneration);
  }
  if (childSuite(child).protocol != 0)
    putOctets(CHILD_SA_PROPOSAL, scratch, suiteTransforms(childSuite(child), scratch));
  for (let i: u32 = 0; i < child.localCount + child.remoteCount; i++) {
    const type = i < child.localCount ? CHILD_SA_LOCAL_TS : CHILD_SA_REMOTE_TS;
    putOctets(type, childSelectors(child) + <usize>i * SELECTOR_OCTETS, SELECTOR_OCTETS);
  }
  put(CHILD_SA_MODE, child.mode);
  put(CHILD_SA_PROTOCOL, childProtocol(child));
  put(CHILD_SA_FLAGS, childFlags(child));
  at = itemWriteU64(at, CHILD_SA_INSTALLED, child.installed);
  end();
}

/** Asks for the addresses of the peer's names, for an attempt. */
export function reportLookup(c: Connection, attempt: u32): void {
  if (!begin(MANAGEMENT_LOOKUP, 0)) return;
  putConnection(c);
  put(LOOKUP_ATTEMPT, attempt);
  end();
}

/** The names of a child that a packet would be its first of. */
export function reportName(transaction: u32, k: ChildConfig): void {
  if (!begin(MANAGEMENT_EXPLANATION, transaction)) return;
  putConnection(connectionAt(k.connection));
  putChild(k);
  end();
}

/** A row of the SPD: of a CHILD_SA, or of a configured child without one. */
export function reportPolicy(
  transaction: u32,
  k: ChildConfig,
  child: ChildSa | null,
  slot: u32,
  action: u32,
  priority: u32,
  serial: u32,
  local: usize,
  remote: usize,
  hitsOut: u64,
  hitsIn: u64,
): void {
  if (!begin(MANAGEMENT_POLICY, transaction)) return;
  putConnection(connectionAt(k.connection));
  putChild(k);
  put(POLICY_ACTION, action);
  put(POLICY_PRIORITY, priority);
  put(POLICY_SERIAL, serial);
  putOctets(POLICY_LOCAL_TS, local, SELECTOR_OCTETS);
  putOctets(POLICY_REMOTE_TS, remote, SELECTOR_OCTETS);
  if (child) {
    put(CHILD_SA_UNIQUE_ID, child.uniqueId);
    put(CHILD_SA_LINK, child.link);
    put(CHILD_SA_SLOT, slot);
  } else {
    at = itemWriteU64(at, POLICY_HITS_OUT, hitsOut);
    at = itemWriteU64(at, POLICY_HITS_IN, hitsIn);
  }
  end();
}

export function reportConnection(transaction: u32, c: Connection): void {
  if (!begin(MANAGEMENT_CONNECTION, transaction)) return;
  putConnection(c);
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || k.connection != c.index) continue;
    if (isShunt(k)) putOctets(SHUNT_NAME, childName(k), k.nameLength);
    else putChild(k);
  }
  putText(CONNECTION_FAILURE, c.failure);
  end();
}
