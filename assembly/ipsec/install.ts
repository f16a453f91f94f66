/**
 * S501/S502: what the IKE board asks of the local database, and the answers (abi/message.ts).
 *
 * Requests are idempotent. An SA installed once more under the same KEYMAT keeps its counters and its window and takes over
 * what may change: lease, limits, end points, selectors, a higher sequence number. Under another KEYMAT it is a new SA in the
 * old one's place, whose keys are wiped; under the same KEYMAT another transform is refused. A refusal names its reason and
 * leaves what there was. One that comes from another board brings its history (history.ts); SA_RELEASE sends it there.
 *
 * In transport mode the selectors must cover the SA's own ends, or no packet could ever be its own: REFUSED_MODE otherwise.
 * Refuses AH in UDP and transforms without a kernel. The request's plaintext is wiped with the answer.
 */
import { DROP_CONTROL_MALFORMED } from "../abi/drop";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  HISTORY_WORDS_MAX,
  LEASE_SERIAL,
  LINK_MAX,
  MESSAGE_AUDIT,
  MESSAGE_CURRENT_VERSION,
  MESSAGE_HEADER,
  MESSAGE_LEASE,
  MESSAGE_PATH_MTU,
  MESSAGE_PING,
  MESSAGE_PONG,
  MESSAGE_SA_INSTALL,
  MESSAGE_SA_INSTALLED,
  MESSAGE_SA_QUERY,
  MESSAGE_SA_REFUSED,
  MESSAGE_SA_RELEASE,
  MESSAGE_SA_REMOVE,
  MESSAGE_SA_REMOVED,
  MESSAGE_SA_REMOVE_ALL,
  MESSAGE_SA_UPDATE,
  MESSAGE_TRANSACTION,
  MESSAGE_TYPE,
  MESSAGE_VERSION,
  MODE_TRANSPORT,
  MODE_TUNNEL,
  REFUSED_MALFORMED,
  REFUSED_MODE,
  REFUSED_SPI_IN_USE,
  REFUSED_TABLE_FULL,
  REFUSED_TRANSFORM,
  REQUEST_DIRECTION,
  REQUEST_LINK,
  REQUEST_OCTETS,
  REQUEST_SPI,
  SA_DIRECTION,
  SA_ENCRYPTION,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAGS_TUNNEL,
  SA_FLAG_ESN,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_HARD_OCTETS,
  SA_HARD_PACKETS,
  SA_HISTORY_WORDS,
  SA_INTEGRITY,
  SA_KEYMAT,
  SA_KEYMAT_LENGTH,
  SA_KEY_BITS,
  SA_LEASE,
  SA_LINK,
  SA_LOCAL_TS_COUNT,
  SA_MODE,
  SA_PROTOCOL,
  SA_REMOTE_TS_COUNT,
  SA_REPLAY_WINDOW,
  SA_PRIORITY,
  SA_SELECTORS,
  SA_SELECTORS_MAX,
  SA_SEQUENCE,
  SA_SOFT_OCTETS,
  SA_SOFT_PACKETS,
  SA_SPI,
  SELECTOR_END_PORT,
  SELECTOR_OCTETS,
  SELECTOR_START_PORT,
} from "../abi/message";
import { STEP_S501, STEP_S502, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { suiteInit, suiteKeymatOctets, suiteWipe } from "../crypto/suite";
import { ENCR_NONE, transformFind, transformFindAh } from "../crypto/transform";
import { selectorsValid } from "../policy/selector";
import { ORDER_SA } from "../policy/priority";
import { selectorTableInsert, selectorTableRemove } from "../policy/selector_table";
import { equalConstantTime, zeroize } from "../rt/bytes";
import { trace } from "../rt/trace";
import { ESP_SPI_MINIMUM } from "../wire/esp";
import { PROTOCOL_AH, PROTOCOL_ESP } from "../wire/ipv4";
import { handleAudit } from "./audit";
import { coldFits, coldPut } from "./cold_record";
import { answerPlain, answerReleased, answerShort, answerStatus } from "./control_out";
import { historyTake } from "./history";
import { leaseStart, leaseTake, leaseTold } from "./lease";
import { leaseAwaited } from "./lease_held";
import { findInbound, findNamed, localDatabaseRecords, removeSa, saAt, takeSa } from "./local_database";
import { handlePathMtu, pathMtuStart } from "./path_mtu";
import { goOn } from "./process";
import { REPLAY_WINDOW_MAX, replayAdvance, replayReset } from "./replay";
import { SHAPE_AH, SHAPE_IPV6, SHAPE_OWN_LEASE, SHAPE_PORTS, SHAPE_TRANSPORT, Sa } from "./sa";
import { saDropsReset } from "./sa_drops";
import { endsCovered, endsExamine, endsTake, handleUpdate } from "./update";

/** LINK of the answer to SA_REMOVE_ALL. */
const ALL_LINKS: u32 = 0xffffffff;
/** Not one of REFUSED_*. */
const ACCEPTED: u32 = 0;

/** Handles an opened control message (controlOpen has checked MESSAGE_LENGTH); answers it in the same frame, or drops it. */
export function handleControl(frame: Frame): void {
  const p = frame.start;
  const type = <u32>load<u16>(p, MESSAGE_TYPE);
  const transaction = load<u32>(p, MESSAGE_TRANSACTION);
  if (type == MESSAGE_SA_INSTALL) {
    handleInstall(frame, transaction);
  } else if (<u32>load<u16>(p, MESSAGE_VERSION) != MESSAGE_CURRENT_VERSION) {
    refuse(frame);
  } else if (type == MESSAGE_SA_UPDATE) {
    handleUpdate(frame, transaction);
  } else if (type == MESSAGE_PATH_MTU) {
    handlePathMtu(frame);
  } else if (type == MESSAGE_LEASE && frame.length >= LEASE_SERIAL) {
    const sa = leaseTake(p);
    consume(frame);
    if (sa) {
      goOn(sa);
      leaseTold(sa);
    }
  } else if (type == MESSAGE_AUDIT) {
    handleAudit(frame, transaction);
  } else if (type == MESSAGE_PING) {
    answerPlain(frame, MESSAGE_PONG, transaction);
  } else if (type == MESSAGE_SA_REMOVE_ALL) {
    removeAll();
    answerShort(frame, MESSAGE_SA_REMOVED, transaction, ALL_LINKS, 0, 0, 0);
  } else if (
    (type == MESSAGE_SA_REMOVE || type == MESSAGE_SA_QUERY || type == MESSAGE_SA_RELEASE) &&
    frame.length >= REQUEST_OCTETS
  ) {
    handleNamed(frame, type, transaction);
  } else {
    refuse(frame);
  }
}

/** True when an opened control message asks for an SA to be given up: what has arrived for it goes first. */
export function givesUp(frame: Frame): bool {
  return <u32>load<u16>(frame.start, MESSAGE_TYPE) == MESSAGE_SA_RELEASE;
}

/** True for an opened control message that brings a lease. */
export function leases(frame: Frame): bool {
  return <u32>load<u16>(frame.start, MESSAGE_TYPE) == MESSAGE_LEASE;
}

/** Drops a message that nobody could make sense of an answer to; wiped, because it may be an SA that went wrong. */
function refuse(frame: Frame): void {
  zeroize(frame.start, frame.length);
  drop(frame, DROP_CONTROL_MALFORMED);
}

/** Removes and wipes every SA. */
export function removeAll(): void {
  const records = localDatabaseRecords();
  for (let i: u32 = 0; i < records; i++) {
    const sa = saAt(i);
    if (sa.spi != 0) removeSa(sa);
  }
}

/**
 * SA_REMOVE, SA_QUERY, SA_RELEASE. An SA that is not here is answered SA_REMOVED to the first two. One whose packets wait for a lease is
 * not given up yet: the lease is on its way, and the IKE board asks again.
 */
function handleNamed(frame: Frame, type: u32, transaction: u32): void {
  const p = frame.start;
  const spi = load<u32>(p, REQUEST_SPI);
  const direction = load<u32>(p, REQUEST_DIRECTION);
  const link = load<u32>(p, REQUEST_LINK);
  const sa = findNamed(spi, direction, link);
  if (sa && type == MESSAGE_SA_QUERY) {
    answerStatus(frame, transaction, sa);
    return;
  }
  if (type == MESSAGE_SA_RELEASE) {
    if (sa && leaseAwaited(sa)) {
      consume(frame);
      return;
    }
    answerReleased(frame, transaction, link, spi, direction, sa);
    if (sa) removeSa(sa);
    return;
  }
  if (sa) removeSa(sa);
  answerShort(frame, MESSAGE_SA_REMOVED, transaction, link, spi, direction, 0);
}

function handleInstall(frame: Frame, transaction: u32): void {
  const record = frame.start + MESSAGE_HEADER;
  const length = frame.length - MESSAGE_HEADER;
  if (length < SA_SELECTORS) {
    refuse(frame);
    return;
  }
  const link = load<u32>(record, SA_LINK);
  const spi = load<u32>(record, SA_SPI);
  const direction = <u32>load<u8>(record, SA_DIRECTION);
  trace(TRACE_MASK_ESTABLISH, STEP_S501, spi, 0, direction);
  const version = <u32>load<u16>(frame.start, MESSAGE_VERSION);
  const refused = version == MESSAGE_CURRENT_VERSION ? install(record, length) : REFUSED_MALFORMED;
  if (refused == ACCEPTED) {
    trace(TRACE_MASK_ESTABLISH, STEP_S502, spi, 0, direction);
    answerShort(frame, MESSAGE_SA_INSTALLED, transaction, link, spi, direction, 0);
  } else {
    answerShort(frame, MESSAGE_SA_REFUSED, transaction, link, spi, direction, refused);
  }
}

/** Stores the SA of a record of `length` octets; 0 or REFUSED_*. */
export function install(record: usize, length: u32): u32 {
  const malformed = examine(record, length);
  if (malformed != ACCEPTED) return malformed;
  const row = findTransform(record);
  if (row == 0) return REFUSED_TRANSFORM;
  if (<u32>load<u16>(record, SA_KEYMAT_LENGTH) != suiteKeymatOctets(row)) return REFUSED_MALFORMED;

  const spi = load<u32>(record, SA_SPI);
  const link = load<u32>(record, SA_LINK);
  const direction = <u32>load<u8>(record, SA_DIRECTION);
  let sa = findNamed(spi, direction, link);
  if (!sa && direction == DIRECTION_INBOUND && findInbound(spi)) return REFUSED_SPI_IN_USE;
  // Under another transform the numbers would start anew, and with them the nonces of one and the same key.
  if (sa && !sameTransform(sa, record) && sameKeymat(sa, record)) return REFUSED_MALFORMED;
  const fresh = sa == null;
  if (!sa) sa = takeSa(spi, direction, link);
  if (!sa) return REFUSED_TABLE_FULL;
  if (!coldFits(sa, recordOctets(record))) {
    if (fresh) removeSa(sa);
    return REFUSED_TABLE_FULL;
  }
  if (direction == DIRECTION_OUTBOUND && !placeSelectors(sa, record, fresh)) {
    if (fresh) removeSa(sa);
    return REFUSED_TABLE_FULL;
  }
  if (fresh || !sameKeymat(sa, record)) {
    key(sa, record, row);
    historyTake(sa, record + recordOctets(record), <u32>load<u16>(record, SA_HISTORY_WORDS));
  } else {
    refresh(sa, record);
  }
  sa.flags = load<u8>(record, SA_FLAGS);
  leaseStart(sa, load<u64>(record, SA_LEASE));
  sa.shape = <u16>(shapeOf(record) | ((<u32>sa.shape) & SHAPE_OWN_LEASE));
  endsTake(sa, record);
  sa.softPackets = load<u64>(record, SA_SOFT_PACKETS);
  sa.softOctets = load<u64>(record, SA_SOFT_OCTETS);
  sa.hardPackets = load<u64>(record, SA_HARD_PACKETS);
  sa.hardOctets = load<u64>(record, SA_HARD_OCTETS);
  pathMtuStart(sa);
  coldPut(sa, record, recordOctets(record));
  return ACCEPTED;
}

/** The transform that a record asks for, or 0. */
function findTransform(record: usize): usize {
  const encryption = <u32>load<u16>(record, SA_ENCRYPTION);
  const keyBits = <u32>load<u16>(record, SA_KEY_BITS);
  const integrity = <u32>load<u16>(record, SA_INTEGRITY);
  if (<u32>load<u8>(record, SA_PROTOCOL) == PROTOCOL_ESP) return transformFind(encryption, keyBits, integrity);
  return encryption == ENCR_NONE && keyBits == 0 ? transformFindAh(integrity) : 0;
}

/** What can be said of a record without the database and the transforms. */
function examine(record: usize, length: u32): u32 {
  const locals = <u32>load<u8>(record, SA_LOCAL_TS_COUNT);
  const remotes = <u32>load<u8>(record, SA_REMOTE_TS_COUNT);
  if (locals == 0 || remotes == 0 || locals + remotes > SA_SELECTORS_MAX) return REFUSED_MALFORMED;
  const words = <u32>load<u16>(record, SA_HISTORY_WORDS);
  if (words > HISTORY_WORDS_MAX || length < recordOctets(record) + (words << 3)) return REFUSED_MALFORMED;
  if (!selectorsValid(record + SA_SELECTORS, locals + remotes)) return REFUSED_MALFORMED;
  if (
    load<u32>(record, SA_SPI) < ESP_SPI_MINIMUM ||
    load<u32>(record, SA_LINK) >= LINK_MAX ||
    <u32>load<u8>(record, SA_DIRECTION) > DIRECTION_OUTBOUND ||
    ((<u32>load<u8>(record, SA_FLAGS)) & ~(SA_FLAG_ESN | SA_FLAG_UDP_ENCAPSULATION | SA_FLAGS_TUNNEL)) != 0 ||
    <u32>load<u16>(record, SA_REPLAY_WINDOW) > REPLAY_WINDOW_MAX
  ) {
    return REFUSED_MALFORMED;
  }
  const protocol = <u32>load<u8>(record, SA_PROTOCOL);
  if (protocol != PROTOCOL_ESP && protocol != PROTOCOL_AH) return REFUSED_TRANSFORM;
  const mode = <u32>load<u8>(record, SA_MODE);
  if (mode != MODE_TUNNEL && mode != MODE_TRANSPORT) return REFUSED_MODE;
  const ends = endsExamine(record, protocol == PROTOCOL_AH);
  if (ends != ACCEPTED) return ends;
  return mode == MODE_TUNNEL || endsCovered(record, record + SA_SELECTORS, locals, remotes) ? ACCEPTED : REFUSED_MODE;
}

/** SHAPE_* of a record that examine accepted. */
function shapeOf(record: usize): u32 {
  return (
    (<u32>load<u8>(record, SA_MODE) == MODE_TRANSPORT ? SHAPE_TRANSPORT : 0) |
    (<u32>load<u8>(record, SA_PROTOCOL) == PROTOCOL_AH ? SHAPE_AH : 0) |
    (load<u8>(record, SA_FAMILY) == 6 ? SHAPE_IPV6 : 0) |
    (namesPorts(record) ? SHAPE_PORTS : 0)
  );
}

/** True when a selector of a record covers some ports and not others. */
function namesPorts(record: usize): bool {
  const end = record + recordOctets(record);
  for (let selector = record + SA_SELECTORS; selector < end; selector += SELECTOR_OCTETS) {
    if (load<u16>(selector, SELECTOR_START_PORT) != 0 || load<u16>(selector, SELECTOR_END_PORT) != 0xffff) return true;
  }
  return false;
}

/** Octets of a record with as many selectors as it says. */
function recordOctets(record: usize): u32 {
  return (
    SA_SELECTORS +
    (<u32>load<u8>(record, SA_LOCAL_TS_COUNT) + <u32>load<u8>(record, SA_REMOTE_TS_COUNT)) * SELECTOR_OCTETS
  );
}

/** Puts the record's selectors into the table in place of the SA's; false, with the old ones there, when it is full. */
function placeSelectors(sa: Sa, record: usize, fresh: bool): bool {
  if (!fresh) {
    if (sameSelectors(sa.cold, record)) return true;
    selectorTableRemove(sa.number);
  }
  if (insertSelectors(record, sa.number)) return true;
  if (!fresh) insertSelectors(sa.cold, sa.number);
  return false;
}

function insertSelectors(record: usize, number: u32): bool {
  const locals = <u32>load<u8>(record, SA_LOCAL_TS_COUNT);
  const remotes = <u32>load<u8>(record, SA_REMOTE_TS_COUNT);
  const local = record + SA_SELECTORS;
  const remote = local + <usize>(locals * SELECTOR_OCTETS);
  return selectorTableInsert(local, locals, remote, remotes, number, ORDER_SA, load<u32>(record, SA_PRIORITY));
}

function sameSelectors(a: usize, b: usize): bool {
  return (
    load<u16>(a, SA_LOCAL_TS_COUNT) == load<u16>(b, SA_LOCAL_TS_COUNT) &&
    load<u32>(a, SA_PRIORITY) == load<u32>(b, SA_PRIORITY) &&
    memory.compare(a + SA_SELECTORS, b + SA_SELECTORS, recordOctets(a) - SA_SELECTORS) == 0
  );
}

/** True when a record asks for the transform of the SA that is there. */
function sameTransform(sa: Sa, record: usize): bool {
  return (
    load<u8>(sa.cold, SA_PROTOCOL) == load<u8>(record, SA_PROTOCOL) &&
    load<u32>(sa.cold, SA_ENCRYPTION) == load<u32>(record, SA_ENCRYPTION) && // with SA_KEY_BITS
    load<u16>(sa.cold, SA_INTEGRITY) == load<u16>(record, SA_INTEGRITY) &&
    ((<u32>sa.flags) & SA_FLAG_ESN) == ((<u32>load<u8>(record, SA_FLAGS)) & SA_FLAG_ESN)
  );
}

/** True when a record brings the KEYMAT of the SA that is there. */
function sameKeymat(sa: Sa, record: usize): bool {
  const length = <u32>load<u16>(record, SA_KEYMAT_LENGTH);
  return (
    <u32>load<u16>(sa.cold, SA_KEYMAT_LENGTH) == length &&
    equalConstantTime(sa.cold + SA_KEYMAT, record + SA_KEYMAT, length)
  );
}

/** A new SA: keys, counters, window. */
function key(sa: Sa, record: usize, row: usize): void {
  suiteWipe(sa.context);
  sa.transform = row;
  suiteInit(sa.context, row, record + SA_KEYMAT);
  sa.packets = 0;
  sa.octets = 0;
  sa.lastUsed = 0;
  saDropsReset(sa);
  sa.expiringAt = 0;
  sa.sequence = load<u64>(record, SA_SEQUENCE);
  if (<u32>sa.direction == DIRECTION_INBOUND) replayReset(sa, <u32>load<u16>(record, SA_REPLAY_WINDOW), sa.sequence);
}

/** The same SA once more: its numbers only rise. */
function refresh(sa: Sa, record: usize): void {
  const sequence = load<u64>(record, SA_SEQUENCE);
  if (<u32>sa.direction == DIRECTION_OUTBOUND) {
    sa.sequence = max<u64>(sa.sequence, sequence);
    return;
  }
  const window = <u32>load<u16>(record, SA_REPLAY_WINDOW);
  if (window == sa.window) replayAdvance(sa, sequence);
  else replayReset(sa, window, max<u64>(sa.sequence, sequence));
}
