/**
 * What the IKE core tells the board about CHILD_SAs and traps, one record at a time.
 *
 * What is to be told is kept as bits of the CHILD_SA and of the child's configuration, strung together in order: there is
 * no queue that could overflow. A CHILD_SA's keys are wiped once both its records were told, and its table entry is free
 * once its removal was.
 *
 *   EVENT_INSTALL   LINK, SPI, DIRECTION, RECORD: an SA record of abi/message.ts; PLACEMENT: PLACEMENT_* of its child, PEER: u64, a
 *                   digest of the peer's identity
 *   EVENT_REMOVE    LINK, SPI, DIRECTION
 *   EVENT_QUERY     LINK: when its SAs were last used
 *   EVENT_UPDATE    LINK, SPI, DIRECTION, RECORD: SA ends of abi/message.ts
 *   EVENT_TRAP      LINK: index of the child's configuration, UP; ACTION: POLICY_TRAP, POLICY_BYPASS or POLICY_DISCARD, PRIORITY;
 *                   RECORD: selectors, LOCAL and REMOTE: how many
 */
import { CHILD_MODE_PASS, POLICY_BYPASS, POLICY_DISCARD, POLICY_TRAP } from "../abi/management";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  SA_DIRECTION,
  SA_ENCRYPTION,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAG_ESN,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_HARD_OCTETS,
  SA_HARD_PACKETS,
  SA_INTEGRITY,
  SA_KEYMAT,
  SA_KEYMAT_LENGTH,
  SA_KEYMAT_MAX,
  SA_KEY_BITS,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_LOCAL_TS_COUNT,
  SA_MODE,
  SA_PRIORITY,
  SA_PROTOCOL,
  SA_RECORD_MAX,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_REMOTE_TS_COUNT,
  SA_REPLAY_WINDOW,
  SA_SELECTORS,
  SA_SOFT_OCTETS,
  SA_SOFT_PACKETS,
  SA_SPI,
  SELECTOR_OCTETS,
} from "../abi/message";
import { Transform } from "../crypto/transform";
import { zeroize } from "../rt/bytes";
import { addressFamily, addressOctets, addressOnWire } from "../wire/ip_address";
import { PROTOCOL_ID_AH } from "../wire/ike_payload/sa";
import { PROTOCOL_AH, PROTOCOL_ESP } from "../wire/ipv4";
import {
  CHILD_EVENT_INSTALL_IN,
  CHILD_EVENT_INSTALL_OUT,
  CHILD_EVENT_QUERY,
  CHILD_EVENT_REMOVE_OUT,
  CHILD_EVENT_UPDATE_IN,
  CHILD_EVENT_UPDATE_OUT,
  ChildSa,
  childConfig,
  childKeymat,
  childRecycle,
  childSaAt,
  childSelectors,
  childSuite,
  childWipe,
} from "./child_sa";
import { childChanged } from "./changes";
import {
  ChildConfig,
  TS_MAX,
  childConfigAt,
  childConfigsEnd,
  connectionAt,
  connectionEncap,
  connectionRelease,
  isShunt,
} from "./connection";
import { trapTs } from "./dynamic_ts";
import { identityDigest } from "./identity_index";
import { ikeSaAt } from "./ike_sa";
import { suiteRow } from "./proposal";

export const EVENT_INSTALL: u32 = 1;
export const EVENT_REMOVE: u32 = 2;
export const EVENT_TRAP: u32 = 3;
export const EVENT_QUERY: u32 = 4;
export const EVENT_UPDATE: u32 = 5;

/** The record that ikePollEvent returns. */
export const EVENT_KIND: u32 = 0;
export const EVENT_LINK: u32 = 4;
export const EVENT_SPI: u32 = 8;
export const EVENT_DIRECTION: u32 = 12;
export const EVENT_RECORD: u32 = 16;
export const EVENT_UP: u32 = 20;
export const EVENT_LOCAL: u32 = 24;
export const EVENT_REMOTE: u32 = 28;
export const EVENT_ACTION: u32 = 32;
export const EVENT_PRIORITY: u32 = 36;
export const EVENT_PEER: u32 = 40; // u64
export const EVENT_PLACEMENT: u32 = 48;
export const EVENT_OCTETS: u32 = 56;

const event: usize = memory.data(EVENT_OCTETS, 8);
const record: usize = memory.data(SA_RECORD_MAX, 16);
const traps: usize = memory.data(2 * TS_MAX * SELECTOR_OCTETS, 8);

let first: i32 = -1;
let last: i32 = -1;
let trapsWaiting: u32 = 0;

export function eventsReset(): void {
  first = -1;
  last = -1;
  trapsWaiting = 0;
}

/** Adds CHILD_EVENT_* bits to what is to be told of a CHILD_SA. */
export function eventRaise(child: ChildSa, bits: u32): void {
  child.events |= bits;
  childChanged(child.link);
  if (child.queued != 0) return;
  child.queued = 1;
  child.nextEvent = -1;
  if (last < 0) first = <i32>child.link;
  else childSaAt(<u32>last).nextEvent = <i32>child.link;
  last = <i32>child.link;
}

/** Tells of a trap that is set or gone, or of a shunt, if that is news. */
export function eventTrap(config: ChildConfig, up: bool): void {
  const value: u32 = up ? 1 : 0;
  if (config.trapped == value) return;
  config.trapped = value;
  if (config.trapEvent == 0) trapsWaiting += 1;
  config.trapEvent = 1;
}

/** The address of the next record, valid until the next call, or 0. */
export function eventNext(): usize {
  zeroize(record + SA_KEYMAT, SA_KEYMAT_MAX);
  if (trapsWaiting != 0) {
    const told = trapNext();
    if (told != 0) return told;
  }
  while (first >= 0) {
    const child = childSaAt(<u32>first);
    const events = child.events;
    if (events == 0) {
      first = child.nextEvent;
      if (first < 0) last = -1;
      child.queued = 0;
      child.nextEvent = -1;
      // Detached and told: nothing names it any more.
      if (child.sa < 0 && child.lingers == 0) childRecycle(child);
      continue;
    }
    // Inbound before outbound, so that we can receive before we send.
    const bit = events & (0 - events);
    child.events = events & ~bit;
    childChanged(child.link);
    if (bit == CHILD_EVENT_INSTALL_IN || bit == CHILD_EVENT_INSTALL_OUT) {
      if (child.sa < 0) continue;
      const outbound = bit == CHILD_EVENT_INSTALL_OUT;
      recordFill(child, outbound);
      child.there |= bit;
      if (child.there == (CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT)) childWipe(child);
      store<u32>(event + EVENT_PLACEMENT, childConfig(child).placement);
      store<u64>(event + EVENT_PEER, identityDigest(ikeSaAt(<u32>child.sa)));
      return tell(EVENT_INSTALL, child, outbound);
    }
    if (bit == CHILD_EVENT_QUERY) return tell(EVENT_QUERY, child, false);
    if (bit == CHILD_EVENT_UPDATE_IN || bit == CHILD_EVENT_UPDATE_OUT) {
      // What the boards have not been told of yet, they are told with its present ends.
      if (child.sa < 0 || (child.there & (bit >> 5)) == 0) continue;
      endsFill(child, bit == CHILD_EVENT_UPDATE_OUT);
      return tell(EVENT_UPDATE, child, bit == CHILD_EVENT_UPDATE_OUT);
    }
    return tell(EVENT_REMOVE, child, bit == CHILD_EVENT_REMOVE_OUT);
  }
  return 0;
}

function tell(kind: u32, child: ChildSa, outbound: bool): usize {
  store<u32>(event + EVENT_KIND, kind);
  store<u32>(event + EVENT_LINK, child.link);
  store<u32>(event + EVENT_SPI, outbound ? child.spiOut : child.spiIn);
  store<u32>(event + EVENT_DIRECTION, outbound ? DIRECTION_OUTBOUND : DIRECTION_INBOUND);
  store<u32>(event + EVENT_RECORD, kind == EVENT_REMOVE ? 0 : <u32>record);
  return event;
}

function trapNext(): usize {
  for (let i: u32 = 0; i < childConfigsEnd; i++) {
    const config = childConfigAt(i);
    if (config.used == 0 || config.trapEvent == 0) continue;
    config.trapEvent = 0;
    trapsWaiting -= 1;
    const localCount = trapTs(config, true, traps);
    const remoteCount = trapTs(config, false, traps + localCount * SELECTOR_OCTETS);
    store<u32>(event + EVENT_KIND, EVENT_TRAP);
    store<u32>(event + EVENT_LINK, i);
    store<u32>(event + EVENT_SPI, 0);
    store<u32>(event + EVENT_DIRECTION, DIRECTION_OUTBOUND);
    store<u32>(event + EVENT_RECORD, <u32>traps);
    store<u32>(event + EVENT_UP, config.trapped);
    store<u32>(event + EVENT_LOCAL, localCount);
    store<u32>(event + EVENT_REMOTE, remoteCount);
    store<u32>(event + EVENT_ACTION, childAction(config));
    store<u32>(event + EVENT_PRIORITY, config.priority);
    connectionRelease(connectionAt(config.connection));
    return event;
  }
  trapsWaiting = 0;
  return 0;
}

/** POLICY_* of a configured child without an SA. */
function childAction(config: ChildConfig): u32 {
  if (!isShunt(config)) return POLICY_TRAP;
  return config.mode == CHILD_MODE_PASS ? POLICY_BYPASS : POLICY_DISCARD;
}

/** SA_FLAG_* of a CHILD_SA. */
export function childFlags(child: ChildSa): u32 {
  let flags: u32 = childSuite(child).esn != 0 ? SA_FLAG_ESN : 0;
  if (child.sa >= 0 && childProtocol(child) == PROTOCOL_ESP) {
    const sa = ikeSaAt(<u32>child.sa);
    // RFC 7296 2.23: ESP goes in UDP when there is a NAT, or when we were told to pretend that there is one.
    if (sa.nat != 0 || (sa.connection >= 0 && connectionEncap(<u32>sa.connection))) flags |= SA_FLAG_UDP_ENCAPSULATION;
  }
  return flags;
}

/** SA_PROTOCOL of a CHILD_SA. */
export function childProtocol(child: ChildSa): u32 {
  return childConfig(child).protocol == PROTOCOL_ID_AH ? PROTOCOL_AH : PROTOCOL_ESP;
}

/** Fills in the ends of one SA: the record up to SA_ENDS, as far as it counts for them. */
function endsFill(child: ChildSa, outbound: bool): void {
  const sa = ikeSaAt(<u32>child.sa);
  memory.fill(record, 0, SA_SELECTORS);
  store<u32>(record, child.link, SA_LINK);
  store<u32>(record, outbound ? child.spiOut : child.spiIn, SA_SPI);
  store<u8>(record, <u8>(outbound ? DIRECTION_OUTBOUND : DIRECTION_INBOUND), SA_DIRECTION);
  store<u8>(record, <u8>childFlags(child), SA_FLAGS);
  store<u8>(record, <u8>addressFamily(sa.remote), SA_FAMILY);
  store<u16>(record, <u16>sa.localPort, SA_LOCAL_PORT);
  store<u16>(record, <u16>sa.remotePort, SA_REMOTE_PORT);
  memory.copy(record + SA_LOCAL_ADDRESS, addressOnWire(sa.local), addressOctets(sa.local));
  memory.copy(record + SA_REMOTE_ADDRESS, addressOnWire(sa.remote), addressOctets(sa.remote));
}

function recordFill(child: ChildSa, outbound: bool): void {
  const suite = childSuite(child);
  const config = childConfig(child);
  const row = changetype<Transform>(suiteRow(suite));
  endsFill(child, outbound);
  store<u8>(record, <u8>(childFlags(child) | config.tunnelFlags), SA_FLAGS);
  store<u8>(record, <u8>childProtocol(child), SA_PROTOCOL);
  store<u8>(record, <u8>child.mode, SA_MODE);
  store<u16>(record, <u16>suite.encryption, SA_ENCRYPTION);
  store<u16>(record, <u16>suite.keyBits, SA_KEY_BITS);
  store<u16>(record, <u16>suite.integrity, SA_INTEGRITY);
  store<u16>(record, <u16>config.replayWindow, SA_REPLAY_WINDOW);
  store<u8>(record, <u8>child.localCount, SA_LOCAL_TS_COUNT);
  store<u8>(record, <u8>child.remoteCount, SA_REMOTE_TS_COUNT);
  const keymat = row.keyOctets + row.saltOctets + row.integrityKeyOctets;
  store<u16>(record, <u16>keymat, SA_KEYMAT_LENGTH);
  store<u32>(record, config.priority, SA_PRIORITY);
  store<u64>(record, child.softPackets, SA_SOFT_PACKETS);
  store<u64>(record, child.softOctets, SA_SOFT_OCTETS);
  store<u64>(record, config.lifePackets, SA_HARD_PACKETS);
  store<u64>(record, config.lifeBytes, SA_HARD_OCTETS);
  memory.copy(record + SA_KEYMAT, childKeymat(child, outbound), keymat);
  memory.copy(record + SA_SELECTORS, childSelectors(child), (child.localCount + child.remoteCount) * SELECTOR_OCTETS);
}

/** Takes directions (CHILD_EVENT_INSTALL_*) of a CHILD_SA off the boards; what they were not told of needs no removal. */
export function eventRemove(child: ChildSa, directions: u32): void {
  child.events &= ~directions;
  const gone = child.there & directions;
  child.there &= ~directions;
  eventRaise(child, gone << 2);
}

/** Tells the boards where the SAs of a CHILD_SA go now, as far as they have them. */
export function eventUpdate(child: ChildSa): void {
  const there = child.there & (CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT);
  if (there != 0) eventRaise(child, there << 5);
}
