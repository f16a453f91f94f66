/**
 * The selector table: which value (a link, an SA, a policy) a clear packet belongs to (RFC 4301 4.4.1, the outbound half).
 *
 * Selectors of both ends go in; each pair of a local and a remote one becomes a row. Rows are found in three steps:
 *
 *   1. flow cache    direct-mapped by the packet's flow; an entry is good while its epoch is the table's
 *   2. tuple space   one hash probe for each pair of prefix lengths in use, the most specific pair first: the cost follows
 *                    the number of different prefix lengths, not the number of SAs
 *   3. range list    rows whose ranges are no prefixes, in order of specificity; few in practice
 *
 * Of all rows that match, the most specific wins: the longer prefixes (a range counts as the longest prefix that holds all of it),
 * then named protocol and ports before any; among equals the newest, so that a rekeyed SA takes over and the old one is
 * there again should the new one go. One table per board. Refuses to evict: a full table is told to the caller.
 */
import { SELECTOR_OCTETS } from "../abi/message";
import { arenaTake } from "../rt/arena";
import { Flow, FLOW_OCTETS, addressHigh4, flowKind, flowRead } from "./flow";
import {
  addressInRange,
  portInRange,
  selectorEndHigh,
  selectorEndLow,
  selectorEndPort,
  selectorFamily,
  selectorProtocol,
  selectorStartHigh,
  selectorStartLow,
  selectorStartPort,
  selectorsValid,
} from "./selector";

/** What a look-up yields when nothing matches; no value may equal it. */
export const SELECTOR_TABLE_NONE: u32 = 0xffffffff;

/** Pairs of prefix lengths that are hashed; rows of further ones go to the range list. */
const TUPLES_MAX: u32 = 256;
const NO_TUPLE: u32 = 0xffffffff;
const CACHE_ENTRIES: u32 = 4096;

/** One pair of selectors. Links between rows are row number + 1, 0 ends a chain. */
@unmanaged
class Row {
  localStartHigh: u64;
  localStartLow: u64;
  localEndHigh: u64;
  localEndLow: u64;
  remoteStartHigh: u64;
  remoteStartLow: u64;
  remoteEndHigh: u64;
  remoteEndLow: u64;
  localStartPort: u16;
  localEndPort: u16;
  remoteStartPort: u16;
  remoteEndPort: u16;
  protocol: u8;
  family: u8;
  localPrefix: u8;
  remotePrefix: u8;
  value: u32;
  /** Rises with each insertion: newer is larger. */
  serial: u32;
  /** Larger is more specific. */
  specificity: u32;
  /** In its hash bucket, in the range list, or in the free list. */
  next: u32;
  /** Among the rows of equal hash of the value. */
  nextOfValue: u32;
  /** 1 when it stands in the range list. */
  ranged: u32;
}

const ROW_OCTETS: u32 = 104;
if (offsetof<Row>() > ROW_OCTETS) ERROR("size of a selector row");

/** A pair of prefix lengths in use, and how many rows have it. */
@unmanaged
class Tuple {
  family: u8;
  localPrefix: u8;
  remotePrefix: u8;
  reserved: u8;
  rows: u32;
}

const TUPLE_OCTETS: u32 = 8;


@unmanaged
class CacheEntry {
  sourceHigh: u64;
  sourceLow: u64;
  destinationHigh: u64;
  destinationLow: u64;
  kind: u32;
  sourcePort: u32;
  destinationPort: u32;
  value: u32;
  epoch: u32;
}

const CACHE_ENTRY_OCTETS: u32 = 64;

const tuples: usize = memory.data(TUPLES_MAX * TUPLE_OCTETS, 16);
const scratch: usize = memory.data(FLOW_OCTETS, 16);
const rangeHead: usize = memory.data(4, 4);

let rows: usize = 0;
let freeRows: u32 = 0;
let freeHead: u32 = 0;
let buckets: usize = 0;
let valueBuckets: usize = 0;
let bucketMask: u32 = 0;
let tupleCount: u32 = 0;
let cache: usize = 0;
let epoch: u32 = 0;
let serial: u32 = 0;

/**
 * Empties the table and takes it from the arena, with room for `pairs` pairs of one local and one remote selector, about
 * 120 octets each, and 256 KiB of flow cache. False when RAM is too small.
 */
export function selectorTableReset(pairs: u32): bool {
  let size: u32 = 16;
  while (size < pairs) size <<= 1;
  bucketMask = size - 1;
  rows = arenaTake(<usize>pairs * ROW_OCTETS);
  buckets = arenaTake((<usize>size) << 2);
  valueBuckets = arenaTake((<usize>size) << 2);
  cache = arenaTake(CACHE_ENTRIES * CACHE_ENTRY_OCTETS);
  if (rows == 0 || buckets == 0 || valueBuckets == 0 || cache == 0) return false;
  freeRows = pairs;
  freeHead = 0;
  for (let i = pairs; i > 0; i--) {
    rowAt(i).next = freeHead;
    freeHead = i;
  }
  tupleCount = 0;
  store<u32>(rangeHead, 0);
  epoch = 1;
  serial = 0;
  return true;
}

/** Pairs for which there is still room. */
export function selectorTableFree(): u32 {
  return freeRows;
}

/**
 * Inserts every pair of a local and a remote selector (SELECTOR_* records of abi/message.ts, `localCount` from `local` on,
 * `remoteCount` from `remote` on) under `value`. Pairs of different families or protocols can match nothing and are left
 * out. False, with nothing inserted, when a selector is invalid, no pair is left, or the table has too little room.
 */
export function selectorTableInsert(local: usize, localCount: u32, remote: usize, remoteCount: u32, value: u32): bool {
  if (value == SELECTOR_TABLE_NONE) return false;
  if (!selectorsValid(local, localCount) || !selectorsValid(remote, remoteCount)) return false;
  let wanted: u32 = 0;
  for (let i: u32 = 0; i < localCount; i++) {
    for (let j: u32 = 0; j < remoteCount; j++) {
      if (pairs(selectorAt(local, i), selectorAt(remote, j))) wanted += 1;
    }
  }
  if (wanted == 0 || wanted > freeRows) return false;
  serial += 1;
  for (let i: u32 = 0; i < localCount; i++) {
    for (let j: u32 = 0; j < remoteCount; j++) {
      if (pairs(selectorAt(local, i), selectorAt(remote, j))) {
        insertRow(selectorAt(local, i), selectorAt(remote, j), value);
      }
    }
  }
  nextEpoch();
  return true;
}

/** Removes all pairs of `value`; returns how many there were. */
export function selectorTableRemove(value: u32): u32 {
  const bucket = valueBucket(value);
  let removed: u32 = 0;
  let link = bucket;
  while (load<u32>(link) != 0) {
    const number = load<u32>(link);
    const row = rowAt(number);
    if (row.value != value) {
      link = changetype<usize>(row) + offsetof<Row>("nextOfValue");
      continue;
    }
    store<u32>(link, row.nextOfValue);
    unlinkRow(number, row);
    row.next = freeHead;
    freeHead = number;
    freeRows += 1;
    removed += 1;
  }
  if (removed != 0) nextEpoch();
  return removed;
}

/**
 * The value for a clear IPv4 packet with these selector values, or SELECTOR_TABLE_NONE. `source` (the local end) and
 * `destination` are addresses of 4 octets in network order; ports are 0..65535 or PORT_NONE (flow.ts).
 */
export function selectorTableLookup(
  source: usize,
  destination: usize,
  protocol: u32,
  sourcePort: u32,
  destinationPort: u32,
): u32 {
  const flow = changetype<Flow>(scratch);
  flow.sourceHigh = addressHigh4(source);
  flow.sourceLow = 0;
  flow.destinationHigh = addressHigh4(destination);
  flow.destinationLow = 0;
  flow.kind = flowKind(4, protocol);
  flow.sourcePort = sourcePort;
  flow.destinationPort = destinationPort;
  return selectorTableLookupFlow(flow);
}

/**
 * The same for a whole packet that ipv4Check or ipv6Check accepted, `length` its total length: ports as RFC 4301 has them.
 * Nothing covers an IPv6 packet whose extension headers ipv6Walk does not get over.
 */
export function selectorTableLookupPacket(packet: usize, length: u32): u32 {
  const flow = changetype<Flow>(scratch);
  return flowRead(packet, length, flow) ? selectorTableLookupFlow(flow) : SELECTOR_TABLE_NONE;
}

/** The same for a flow of either family. */
export function selectorTableLookupFlow(flow: Flow): u32 {
  const hash = hashFlow(flow);
  const entry = changetype<CacheEntry>(cache + <usize>((hash & (CACHE_ENTRIES - 1)) * CACHE_ENTRY_OCTETS));
  if (
    entry.epoch == epoch &&
    entry.sourceHigh == flow.sourceHigh &&
    entry.destinationHigh == flow.destinationHigh &&
    entry.kind == flow.kind &&
    entry.sourcePort == flow.sourcePort &&
    entry.destinationPort == flow.destinationPort &&
    entry.sourceLow == flow.sourceLow &&
    entry.destinationLow == flow.destinationLow
  ) {
    return entry.value;
  }
  const value = search(flow);
  memory.copy(changetype<usize>(entry), changetype<usize>(flow), offsetof<Flow>("destinationPort") + 4);
  entry.value = value;
  entry.epoch = epoch;
  return value;
}

/** Steps 2 and 3, without the cache. */
function search(flow: Flow): u32 {
  let best: u32 = 0;
  const family = flow.kind & 0xff;
  for (let t: u32 = 0; t < tupleCount && best == 0; t++) {
    const tuple = tupleAt(t);
    if (<u32>tuple.family != family) continue;
    const localPrefix = <u32>tuple.localPrefix;
    const remotePrefix = <u32>tuple.remotePrefix;
    let number = load<u32>(
      bucketOf(
        localPrefix,
        remotePrefix,
        flow.sourceHigh & maskHigh(localPrefix),
        flow.sourceLow & maskLow(localPrefix),
        flow.destinationHigh & maskHigh(remotePrefix),
        flow.destinationLow & maskLow(remotePrefix),
      ),
    );
    while (number != 0) {
      const row = rowAt(number);
      if (<u32>row.localPrefix == localPrefix && <u32>row.remotePrefix == remotePrefix && rowMatches(row, flow)) {
        best = number;
        break;
      }
      number = row.next;
    }
  }
  let ranged = load<u32>(rangeHead);
  while (ranged != 0) {
    const row = rowAt(ranged);
    if (best != 0 && before(rowAt(best), row)) break;
    if (rowMatches(row, flow)) {
      best = ranged;
      break;
    }
    ranged = row.next;
  }
  return best == 0 ? SELECTOR_TABLE_NONE : rowAt(best).value;
}

function rowMatches(row: Row, flow: Flow): bool {
  if (<u32>row.family != (flow.kind & 0xff)) return false;
  if (row.protocol != 0 && <u32>row.protocol != flow.kind >> 8) return false;
  return (
    addressInRange(
      flow.destinationHigh,
      flow.destinationLow,
      row.remoteStartHigh,
      row.remoteStartLow,
      row.remoteEndHigh,
      row.remoteEndLow,
    ) &&
    addressInRange(
      flow.sourceHigh,
      flow.sourceLow,
      row.localStartHigh,
      row.localStartLow,
      row.localEndHigh,
      row.localEndLow,
    ) &&
    portInRange(flow.sourcePort, <u32>row.localStartPort, <u32>row.localEndPort) &&
    portInRange(flow.destinationPort, <u32>row.remoteStartPort, <u32>row.remoteEndPort)
  );
}

/** True when `a` is searched before `b`: more specific, or as specific and newer. */
// @ts-ignore: decorator
@inline
function before(a: Row, b: Row): bool {
  return a.specificity > b.specificity || (a.specificity == b.specificity && a.serial >= b.serial);
}

/** A pair that some packet can match. */
function pairs(local: usize, remote: usize): bool {
  const a = selectorProtocol(local);
  const b = selectorProtocol(remote);
  return selectorFamily(local) == selectorFamily(remote) && (a == b || a == 0 || b == 0);
}

function insertRow(local: usize, remote: usize, value: u32): void {
  const number = freeHead;
  const row = rowAt(number);
  freeHead = row.next;
  freeRows -= 1;
  row.localStartHigh = selectorStartHigh(local);
  row.localStartLow = selectorStartLow(local);
  row.localEndHigh = selectorEndHigh(local);
  row.localEndLow = selectorEndLow(local);
  row.remoteStartHigh = selectorStartHigh(remote);
  row.remoteStartLow = selectorStartLow(remote);
  row.remoteEndHigh = selectorEndHigh(remote);
  row.remoteEndLow = selectorEndLow(remote);
  row.localStartPort = <u16>selectorStartPort(local);
  row.localEndPort = <u16>selectorEndPort(local);
  row.remoteStartPort = <u16>selectorStartPort(remote);
  row.remoteEndPort = <u16>selectorEndPort(remote);
  row.family = <u8>selectorFamily(local);
  row.protocol = <u8>(selectorProtocol(local) | selectorProtocol(remote));
  const bits: u32 = row.family == 4 ? 32 : 128;
  const localPrefix = prefixOf(row.localStartHigh, row.localStartLow, row.localEndHigh, row.localEndLow, bits);
  const remotePrefix = prefixOf(row.remoteStartHigh, row.remoteStartLow, row.remoteEndHigh, row.remoteEndLow, bits);
  row.localPrefix = <u8>localPrefix;
  row.remotePrefix = <u8>remotePrefix;
  row.value = value;
  row.serial = serial;
  row.specificity =
    ((localPrefix + remotePrefix) << 16) |
    (localPrefix << 8) |
    (row.protocol != 0 ? 4 : 0) |
    (anyPort(row.localStartPort, row.localEndPort) ? 0 : 2) |
    (anyPort(row.remoteStartPort, row.remoteEndPort) ? 0 : 1);
  const whole =
    isPrefix(row.localStartHigh, row.localStartLow, row.localEndHigh, row.localEndLow, localPrefix, bits) &&
    isPrefix(row.remoteStartHigh, row.remoteStartLow, row.remoteEndHigh, row.remoteEndLow, remotePrefix, bits);
  row.ranged = whole && countTuple(<u32>row.family, localPrefix, remotePrefix) ? 0 : 1;
  let link = headOf(row);
  while (load<u32>(link) != 0 && !before(row, rowAt(load<u32>(link)))) link = nextOf(rowAt(load<u32>(link)));
  row.next = load<u32>(link);
  store<u32>(link, number);
  const bucket = valueBucket(value);
  row.nextOfValue = load<u32>(bucket);
  store<u32>(bucket, number);
}

/** Takes a row out of its bucket or of the range list. */
function unlinkRow(number: u32, row: Row): void {
  let link = headOf(row);
  while (load<u32>(link) != number) {
    assert(load<u32>(link) != 0, "a row is not where it belongs");
    link = nextOf(rowAt(load<u32>(link)));
  }
  store<u32>(link, row.next);
  if (row.ranged == 0) uncountTuple(<u32>row.family, <u32>row.localPrefix, <u32>row.remotePrefix);
}

/** Address of the link to the first row of the chain that `row` belongs to. */
function headOf(row: Row): usize {
  if (row.ranged) return rangeHead;
  return bucketOf(
    <u32>row.localPrefix,
    <u32>row.remotePrefix,
    row.localStartHigh,
    row.localStartLow,
    row.remoteStartHigh,
    row.remoteStartLow,
  );
}

/** Counts a row to its tuple; makes the tuple in its order when it is new. False when there are too many. */
function countTuple(family: u32, localPrefix: u32, remotePrefix: u32): bool {
  const found = findTuple(family, localPrefix, remotePrefix);
  if (found != NO_TUPLE) {
    tupleAt(found).rows += 1;
    return true;
  }
  if (tupleCount == TUPLES_MAX) return false;
  let at: u32 = 0;
  const order = tupleOrder(localPrefix, remotePrefix);
  while (at < tupleCount && tupleOrder(tupleAt(at).localPrefix, tupleAt(at).remotePrefix) >= order) at++;
  const p = tuples + <usize>(at * TUPLE_OCTETS);
  memory.copy(p + TUPLE_OCTETS, p, <usize>((tupleCount - at) * TUPLE_OCTETS));
  const tuple = changetype<Tuple>(p);
  tuple.family = <u8>family;
  tuple.localPrefix = <u8>localPrefix;
  tuple.remotePrefix = <u8>remotePrefix;
  tuple.rows = 1;
  tupleCount += 1;
  return true;
}

function uncountTuple(family: u32, localPrefix: u32, remotePrefix: u32): void {
  const found = findTuple(family, localPrefix, remotePrefix);
  assert(found != NO_TUPLE, "a row without its tuple");
  const tuple = tupleAt(found);
  tuple.rows -= 1;
  if (tuple.rows != 0) return;
  const p = tuples + <usize>(found * TUPLE_OCTETS);
  tupleCount -= 1;
  memory.copy(p, p + TUPLE_OCTETS, <usize>((tupleCount - found) * TUPLE_OCTETS));
}

function findTuple(family: u32, localPrefix: u32, remotePrefix: u32): u32 {
  for (let i: u32 = 0; i < tupleCount; i++) {
    const tuple = tupleAt(i);
    if (
      <u32>tuple.family == family &&
      <u32>tuple.localPrefix == localPrefix &&
      <u32>tuple.remotePrefix == remotePrefix
    ) {
      return i;
    }
  }
  return NO_TUPLE;
}

// @ts-ignore: decorator
@inline
function tupleOrder(localPrefix: u32, remotePrefix: u32): u32 {
  return ((localPrefix + remotePrefix) << 8) | localPrefix;
}

/** Length of the longest prefix that holds all of a range: exact when the range is a prefix. */
function prefixOf(startHigh: u64, startLow: u64, endHigh: u64, endLow: u64, bits: u32): u32 {
  const high = startHigh ^ endHigh;
  if (high != 0) return <u32>clz<u64>(high);
  const low = startLow ^ endLow;
  return min<u32>(bits, 64 + (low == 0 ? 64 : <u32>clz<u64>(low)));
}

/** True when the range is all of the prefix that prefixOf gave. */
function isPrefix(startHigh: u64, startLow: u64, endHigh: u64, endLow: u64, prefix: u32, bits: u32): bool {
  // Of an IPv4 address only the upper 32 bits of HIGH are in use.
  const usedHigh: u64 = bits == 32 ? 0xffffffff00000000 : u64.MAX_VALUE;
  const usedLow: u64 = bits == 32 ? 0 : u64.MAX_VALUE;
  const restHigh = ~maskHigh(prefix) & usedHigh;
  const restLow = ~maskLow(prefix) & usedLow;
  return (
    (startHigh & restHigh) == 0 &&
    (startLow & restLow) == 0 &&
    (endHigh & restHigh) == restHigh &&
    (endLow & restLow) == restLow
  );
}

// @ts-ignore: decorator
@inline
function maskHigh(prefix: u32): u64 {
  if (prefix >= 64) return u64.MAX_VALUE;
  const rest: u64 = 64 - prefix;
  return prefix == 0 ? 0 : u64.MAX_VALUE << rest;
}

// @ts-ignore: decorator
@inline
function maskLow(prefix: u32): u64 {
  if (prefix <= 64) return 0;
  const rest: u64 = 128 - prefix;
  return u64.MAX_VALUE << rest;
}

function anyPort(start: u16, end: u16): bool {
  return start == 0 && end == 65535;
}

// @ts-ignore: decorator
@inline
function mix(hash: u64, word: u64): u64 {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

// @ts-ignore: decorator
@inline
function hashFlow(flow: Flow): u32 {
  let hash = mix(<u64>flow.kind, flow.sourceHigh);
  hash = mix(hash, flow.destinationHigh);
  hash = mix(hash, flow.sourceLow ^ rotl<u64>(flow.destinationLow, 32));
  hash = mix(hash, ((<u64>flow.sourcePort) << 32) | (<u64>flow.destinationPort));
  return <u32>hash;
}

// @ts-ignore: decorator
@inline
function bucketOf(
  localPrefix: u32,
  remotePrefix: u32,
  localHigh: u64,
  localLow: u64,
  remoteHigh: u64,
  remoteLow: u64,
): usize {
  let hash = mix(<u64>((localPrefix << 8) | remotePrefix), localHigh);
  hash = mix(hash, remoteHigh);
  hash = mix(hash, localLow ^ rotl<u64>(remoteLow, 32));
  return buckets + ((<usize>((<u32>hash) & bucketMask)) << 2);
}

// @ts-ignore: decorator
@inline
function valueBucket(value: u32): usize {
  return valueBuckets + ((<usize>((value * 0x9e3779b1) & bucketMask)) << 2);
}

// @ts-ignore: decorator
@inline
function rowAt(number: u32): Row {
  return changetype<Row>(rows + <usize>(number - 1) * ROW_OCTETS);
}

// @ts-ignore: decorator
@inline
function nextOf(row: Row): usize {
  return changetype<usize>(row) + offsetof<Row>("next");
}

// @ts-ignore: decorator
@inline
function tupleAt(index: u32): Tuple {
  return changetype<Tuple>(tuples + <usize>(index * TUPLE_OCTETS));
}

// @ts-ignore: decorator
@inline
function selectorAt(selectors: usize, index: u32): usize {
  return selectors + <usize>(index * SELECTOR_OCTETS);
}

/** Flow cache entries of older epochs no longer count. */
function nextEpoch(): void {
  epoch += 1;
  if (epoch == 0) {
    memory.fill(cache, 0, CACHE_ENTRIES * CACHE_ENTRY_OCTETS);
    epoch = 1;
  }
}
