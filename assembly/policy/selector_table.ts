/**
 * The selector table: which value (a link, an SA, a policy) a clear packet belongs to (RFC 4301 4.4.1).
 *
 * Selectors of both ends go in; each pair of a local and a remote one becomes a row. Rows are found in three steps:
 *
 *   1. flow cache    direct-mapped by the packet's flow; an entry is good while its epoch is the table's: RFC 4301's decorrelated cache,
 *                    one flow an entry
 *   2. tuple space   each range of addresses or ports counts as the longest prefix that holds all of it; one hash probe for each
 *                    combination of prefix lengths in use, those that come first in the SPD first: the cost follows the number of
 *                    combinations, not of rows
 *   3. overflow      rows of combinations beyond TUPLES_MAX, in order
 *
 * Rows that share all prefixes share a hash chain. Two ranges of one such prefix both lie across its middle, so they overlap: of
 * policies that are disjoint, as RFC 4301's decorrelation makes them, no chain has more than one, whatever their ranges.
 *
 * Of all rows that match, the one of the lowest priority (priority.ts) wins; among equals an SA before a trap, then the newest, so that
 * a rekeyed SA takes over and the old one is there again should the new one go. One table at a time; a board that needs two exchanges
 * them. Refuses to evict: a full table is told to the caller.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../abi/message";
import { arenaTake } from "../rt/arena";
import { storeBE32, storeBE64 } from "../rt/bytes";
import { Flow, FLOW_OCTETS, PORT_NONE, addressHigh4, flowKind, flowRead, flowTurn } from "./flow";
import { ORDER_SA, ORDER_TRAP, priorityLeast, priorityOf } from "./priority";
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

/** Combinations of prefix lengths that are hashed; rows of further ones overflow. */
const TUPLES_MAX: u32 = 512;
const NO_TUPLE: u32 = 0xffffffff;
const CACHE_ENTRIES: u32 = 4096;
/** Where a row stands. */
const PLACE_FREE: u8 = 0;
const PLACE_HASHED: u8 = 1;
const PLACE_OVERFLOW: u8 = 2;
/** In `order` of a row: its priority is a configured one. */
const ORDER_CONFIGURED: u32 = 0x80;

/**
 * One pair of selectors. Links between rows are row number + 1, 0 ends a chain. What a look-up reads of a row of IPv4 stands in its first 64
 * octets, a line of the processor's cache; of IPv6 it reads the lower halves as well.
 */
@unmanaged
class Row {
  localStartHigh: u64;
  localEndHigh: u64;
  remoteStartHigh: u64;
  remoteEndHigh: u64;
  localStartPort: u16;
  localEndPort: u16;
  remoteStartPort: u16;
  remoteEndPort: u16;
  /** Priority, and in the lowest bit whether it is a trap: lower is sooner. */
  rank: u64;
  value: u32;
  /** In its hash bucket, in the overflow, or in the free list. */
  next: u32;
  protocol: u8;
  family: u8;
  /** Lengths of the longest prefixes that hold the ranges. */
  localPrefix: u8;
  remotePrefix: u8;
  localPortPrefix: u8;
  remotePortPrefix: u8;
  /** ORDER_*, with ORDER_CONFIGURED. */
  order: u8;
  /** PLACE_*. */
  place: u8;
  localStartLow: u64;
  localEndLow: u64;
  remoteStartLow: u64;
  remoteEndLow: u64;
  /** Rises with each insertion: newer is larger. */
  serial: u32;
  /** Among the rows of equal hash of the value. */
  nextOfValue: u32;
}

/** Two lines: a row begins with one. */
const ROW_OCTETS: u32 = 128;
if (offsetof<Row>() > ROW_OCTETS) ERROR("size of a selector row");

/** A combination of prefix lengths in use, and how many rows have it. */
@unmanaged
class Tuple {
  /** No row of it has a lower rank. */
  level: u64;
  /** Of LEVEL and all lengths. */
  seed: u64;
  rows: u32;
  family: u8;
  protocolNamed: u8;
  localPrefix: u8;
  remotePrefix: u8;
  localPortPrefix: u8;
  remotePortPrefix: u8;
}

const TUPLE_OCTETS: u32 = 32;
if (offsetof<Tuple>() > TUPLE_OCTETS) ERROR("size of a tuple");


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

const scratch: usize = memory.data(FLOW_OCTETS, 16);
const exchanged: usize = memory.data(64, 8); // SELECTOR_TABLE_ASIDE

let tuples: usize = 0;
let overflowHead: usize = 0;
let rows: usize = 0;
let rowCount: u32 = 0;
let freeRows: u32 = 0;
let freeHead: u32 = 0;
let buckets: usize = 0;
let valueBuckets: usize = 0;
let bucketMask: u32 = 0;
let tupleCount: u32 = 0;
let cache: usize = 0;
let epoch: u32 = 0;
let serial: u32 = 0;

/** Pairs of selectors that a CHILD_SA has on average at most; one with more takes from the others. */
const PAIRS_PER_LINK: u32 = 2;
/** Pairs that traps and shunts have together at most. */
const PAIRS_OF_CHILDREN: u32 = 2048;

/** The table with room for the policies of `links` CHILD_SAs and of the configured children; false when RAM is too small. */
export function selectorTableResetFor(links: u32): bool {
  return selectorTableReset(links * PAIRS_PER_LINK + PAIRS_OF_CHILDREN);
}

/**
 * Empties the table and takes it from the arena, with room for `pairs` pairs of one local and one remote selector, about
 * 144 octets each, and 256 KiB of flow cache. False when RAM is too small.
 */
export function selectorTableReset(pairs: u32): bool {
  let size: u32 = 16;
  while (size < pairs) size <<= 1;
  bucketMask = size - 1;
  rows = arenaTake(<usize>pairs * ROW_OCTETS);
  buckets = arenaTake((<usize>size) << 2);
  valueBuckets = arenaTake((<usize>size) << 2);
  cache = arenaTake(CACHE_ENTRIES * CACHE_ENTRY_OCTETS);
  tuples = arenaTake(TUPLES_MAX * TUPLE_OCTETS);
  overflowHead = arenaTake(4);
  if (rows == 0 || buckets == 0 || valueBuckets == 0 || cache == 0 || tuples == 0 || overflowHead == 0) return false;
  rowCount = pairs;
  freeRows = pairs;
  freeHead = 0;
  for (let i = pairs; i > 0; i--) {
    rowAt(i).next = freeHead;
    rowAt(i).place = PLACE_FREE;
    freeHead = i;
  }
  tupleCount = 0;
  store<u32>(overflowHead, 0);
  epoch = 1;
  serial = 0;
  return true;
}

/** A table that is put aside. */
@unmanaged
class Aside {
  tuples: usize;
  overflowHead: usize;
  rows: usize;
  buckets: usize;
  valueBuckets: usize;
  cache: usize;
  rowCount: u32;
  freeRows: u32;
  freeHead: u32;
  bucketMask: u32;
  tupleCount: u32;
  epoch: u32;
  serial: u32;
}

/** Octets that hold a table that is put aside. */
export const SELECTOR_TABLE_ASIDE: u32 = 64;
if (offsetof<Aside>() > SELECTOR_TABLE_ASIDE) ERROR("size of a table that is put aside");

/**
 * Puts the table aside into the SELECTOR_TABLE_ASIDE octets at `at`, and takes the one that was there instead; where all are zero it is one
 * that selectorTableReset has to make.
 */
export function selectorTableExchange(at: usize): void {
  const aside = changetype<Aside>(at);
  const other = changetype<Aside>(exchanged);
  memory.copy(exchanged, at, SELECTOR_TABLE_ASIDE);
  aside.tuples = tuples;
  aside.overflowHead = overflowHead;
  aside.rows = rows;
  aside.buckets = buckets;
  aside.valueBuckets = valueBuckets;
  aside.cache = cache;
  aside.rowCount = rowCount;
  aside.freeRows = freeRows;
  aside.freeHead = freeHead;
  aside.bucketMask = bucketMask;
  aside.tupleCount = tupleCount;
  aside.epoch = epoch;
  aside.serial = serial;
  tuples = other.tuples;
  overflowHead = other.overflowHead;
  rows = other.rows;
  buckets = other.buckets;
  valueBuckets = other.valueBuckets;
  cache = other.cache;
  rowCount = other.rowCount;
  freeRows = other.freeRows;
  freeHead = other.freeHead;
  bucketMask = other.bucketMask;
  tupleCount = other.tupleCount;
  epoch = other.epoch;
  serial = other.serial;
}

/** Pairs for which there is still room. */
export function selectorTableFree(): u32 {
  return freeRows;
}

/**
 * Inserts every pair of a local and a remote selector (SELECTOR_* records of abi/message.ts, `localCount` from `local` on,
 * `remoteCount` from `remote` on) under `value`. Pairs of different families or protocols can match nothing and are left
 * out. `order`: ORDER_*; `priority`: the configured one, 0 none (priority.ts); `numbered`: for a copy of another table, the serial number that
 * they have there. False, with nothing inserted, when a selector is invalid, no pair is left, or the table has too little room.
 */
export function selectorTableInsert(
  local: usize,
  localCount: u32,
  remote: usize,
  remoteCount: u32,
  value: u32,
  order: u32 = ORDER_SA,
  priority: u32 = 0,
  numbered: u32 = 0,
): bool {
  if (value == SELECTOR_TABLE_NONE) return false;
  if (!selectorsValid(local, localCount) || !selectorsValid(remote, remoteCount)) return false;
  let wanted: u32 = 0;
  for (let i: u32 = 0; i < localCount; i++) {
    for (let j: u32 = 0; j < remoteCount; j++) {
      if (pairs(selectorAt(local, i), selectorAt(remote, j))) wanted += 1;
    }
  }
  if (wanted == 0 || wanted > freeRows) return false;
  serial = numbered != 0 ? numbered : serial + 1;
  for (let i: u32 = 0; i < localCount; i++) {
    for (let j: u32 = 0; j < remoteCount; j++) {
      if (pairs(selectorAt(local, i), selectorAt(remote, j))) {
        insertRow(selectorAt(local, i), selectorAt(remote, j), value, order, priority);
      }
    }
  }
  nextEpoch();
  return true;
}

/** The serial number under which the pairs of `value` were inserted; 0: there are none. */
export function selectorTableSerial(value: u32): u32 {
  for (let number = load<u32>(valueBucket(value)); number != 0; number = rowAt(number).nextOfValue) {
    if (rowAt(number).value == value) return rowAt(number).serial;
  }
  return 0;
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
    row.place = PLACE_FREE;
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

/** The same for a packet that comes from the remote end: what selects it are its addresses and ports turned about. */
export function selectorTableLookupInbound(packet: usize, length: u32): u32 {
  const flow = changetype<Flow>(scratch);
  if (!flowRead(packet, length, flow)) return SELECTOR_TABLE_NONE;
  flowTurn(flow);
  return selectorTableLookupFlow(flow);
}

/** Rows that there may be, in use or not. */
export function selectorTableRows(): u32 {
  return rowCount;
}

/** What selectorTableRow read of the row. */
export let rowPriority: u32 = 0;
export let rowSerial: u32 = 0;

/**
 * The value of row `index`, with its two selectors (SELECTOR_* records) at `local` and `remote`; SELECTOR_TABLE_NONE when it is
 * not in use. Rows come in no order.
 */
export function selectorTableRow(index: u32, local: usize, remote: usize): u32 {
  const row = rowAt(index + 1);
  if (row.place == PLACE_FREE) return SELECTOR_TABLE_NONE;
  writeEnd(local, row, row.localStartPort, row.localEndPort);
  writeAddress(local + SELECTOR_START, row, row.localStartHigh, row.localStartLow);
  writeAddress(local + SELECTOR_END, row, row.localEndHigh, row.localEndLow);
  writeEnd(remote, row, row.remoteStartPort, row.remoteEndPort);
  writeAddress(remote + SELECTOR_START, row, row.remoteStartHigh, row.remoteStartLow);
  writeAddress(remote + SELECTOR_END, row, row.remoteEndHigh, row.remoteEndLow);
  rowPriority = <u32>(row.rank >> 1);
  rowSerial = row.serial;
  return row.value;
}

/** One end of a row as a SELECTOR_* record, but for its addresses. */
function writeEnd(to: usize, row: Row, startPort: u16, endPort: u16): void {
  memory.fill(to, 0, SELECTOR_OCTETS);
  store<u8>(to, row.family, SELECTOR_FAMILY);
  store<u8>(to, row.protocol, SELECTOR_PROTOCOL);
  store<u16>(to, startPort, SELECTOR_START_PORT);
  store<u16>(to, endPort, SELECTOR_END_PORT);
}

function writeAddress(to: usize, row: Row, high: u64, low: u64): void {
  if (row.family == 4) return storeBE32(to, <u32>(high >> 32));
  storeBE64(to, high);
  storeBE64(to + 8, low);
}

/** The value for a flow of either family. */
export function selectorTableLookupFlow(flow: Flow): u32 {
  selectorFlowHash(flow);
  return selectorTableLookupHashed(flow);
}

/** The same for a flow that selectorFlowHash was given. */
export function selectorTableLookupHashed(flow: Flow): u32 {
  const entry = cacheEntryOf(flow);
  if (isOf(entry, flow)) return entry.value;
  const value = search(flow);
  entry.sourceHigh = flow.sourceHigh;
  entry.sourceLow = flow.sourceLow;
  entry.destinationHigh = flow.destinationHigh;
  entry.destinationLow = flow.destinationLow;
  entry.kind = flow.kind;
  entry.sourcePort = flow.sourcePort;
  entry.destinationPort = flow.destinationPort;
  entry.value = value;
  entry.epoch = epoch;
  return value;
}

/** Notes in a flow where the cache has it. */
// @ts-ignore: decorator
@inline
export function selectorFlowHash(flow: Flow): void {
  flow.hash = hashFlow(flow);
}

/** For a look ahead (selector_ahead.ts), of a flow that selectorFlowHash was given: reads its entry of the cache. */
// @ts-ignore: decorator
@inline
export function selectorFlowRead(flow: Flow): u32 {
  return cacheEntryOf(flow).epoch;
}

/** The same: the flow's value if it is in the cache, else SELECTOR_TABLE_NONE. */
// @ts-ignore: decorator
@inline
export function selectorFlowValue(flow: Flow): u32 {
  const entry = cacheEntryOf(flow);
  return isOf(entry, flow) ? entry.value : SELECTOR_TABLE_NONE;
}

/** The same: the addresses of the flow's buckets in the combinations that are asked first of its family, `most` at most, go to `to`; how many. */
export function selectorBuckets(flow: Flow, to: usize, most: u32): u32 {
  const family = flow.kind & 0xff;
  let count: u32 = 0;
  for (let t: u32 = 0; t < tupleCount && count < most; t++) {
    const tuple = tupleAt(t);
    if (<u32>tuple.family != family) continue;
    store<u32>(to + ((<usize>count) << 2), <u32>bucketOfTuple(tuple, flow));
    count += 1;
  }
  return count;
}

/** The same: whether a row, by its number, is one that the flow meets; its value; and the number of the next one in its bucket, 0 none. */
export function selectorRowCovers(number: u32, flow: Flow): bool {
  return rowMatches(rowAt(number), flow);
}

// @ts-ignore: decorator
@inline
export function selectorRowValue(number: u32): u32 {
  return rowAt(number).value;
}

// @ts-ignore: decorator
@inline
export function selectorRowNext(number: u32): u32 {
  return rowAt(number).next;
}

// @ts-ignore: decorator
@inline
function cacheEntryOf(flow: Flow): CacheEntry {
  return changetype<CacheEntry>(cache + <usize>((flow.hash & (CACHE_ENTRIES - 1)) * CACHE_ENTRY_OCTETS));
}

// @ts-ignore: decorator
@inline
function isOf(entry: CacheEntry, flow: Flow): bool {
  return (
    entry.epoch == epoch &&
    entry.sourceHigh == flow.sourceHigh &&
    entry.destinationHigh == flow.destinationHigh &&
    entry.kind == flow.kind &&
    entry.sourcePort == flow.sourcePort &&
    entry.destinationPort == flow.destinationPort &&
    entry.sourceLow == flow.sourceLow &&
    entry.destinationLow == flow.destinationLow
  );
}

// @ts-ignore: decorator
@inline
function bucketOfTuple(tuple: Tuple, flow: Flow): usize {
  const localPrefix = <u32>tuple.localPrefix;
  const remotePrefix = <u32>tuple.remotePrefix;
  return bucketOf(
    tuple.seed,
    flow.sourceHigh & maskHigh(localPrefix),
    flow.sourceLow & maskLow(localPrefix),
    flow.destinationHigh & maskHigh(remotePrefix),
    flow.destinationLow & maskLow(remotePrefix),
    restOf(
      tuple.protocolNamed != 0 ? flow.kind >> 8 : 0,
      flow.sourcePort & maskPort(tuple.localPortPrefix),
      flow.destinationPort & maskPort(tuple.remotePortPrefix),
    ),
  );
}

/** Steps 2 and 3, without the cache. */
function search(flow: Flow): u32 {
  let best: u32 = 0;
  const family = flow.kind & 0xff;
  for (let t: u32 = 0; t < tupleCount; t++) {
    const tuple = tupleAt(t);
    if (best != 0 && rowAt(best).rank < tuple.level) break;
    if (<u32>tuple.family != family) continue;
    let number = load<u32>(bucketOfTuple(tuple, flow));
    // A chain is in order: its first row that matches is its best one, whatever tuple it is of.
    while (number != 0 && !rowMatches(rowAt(number), flow)) number = rowAt(number).next;
    if (number != 0 && (best == 0 || before(rowAt(number), rowAt(best)))) best = number;
  }
  let number = load<u32>(overflowHead);
  while (number != 0) {
    const row = rowAt(number);
    if (best != 0 && before(rowAt(best), row)) break;
    if (rowMatches(row, flow)) {
      best = number;
      break;
    }
    number = row.next;
  }
  return best == 0 ? SELECTOR_TABLE_NONE : rowAt(best).value;
}

function rowMatches(row: Row, flow: Flow): bool {
  if (<u32>row.family != (flow.kind & 0xff)) return false;
  if (row.protocol != 0 && <u32>row.protocol != flow.kind >> 8) return false;
  if (!portInRange(flow.sourcePort, <u32>row.localStartPort, <u32>row.localEndPort)) return false;
  if (!portInRange(flow.destinationPort, <u32>row.remoteStartPort, <u32>row.remoteEndPort)) return false;
  if (row.family == 4) {
    return (
      flow.destinationHigh >= row.remoteStartHigh &&
      flow.destinationHigh <= row.remoteEndHigh &&
      flow.sourceHigh >= row.localStartHigh &&
      flow.sourceHigh <= row.localEndHigh
    );
  }
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
    )
  );
}

/** True when `a` comes before `b`: of a lower rank, or of the same and newer. */
// @ts-ignore: decorator
@inline
function before(a: Row, b: Row): bool {
  return a.rank < b.rank || (a.rank == b.rank && a.serial >= b.serial);
}

/** A pair that some packet can match. */
function pairs(local: usize, remote: usize): bool {
  const a = selectorProtocol(local);
  const b = selectorProtocol(remote);
  return selectorFamily(local) == selectorFamily(remote) && (a == b || a == 0 || b == 0);
}

function insertRow(local: usize, remote: usize, value: u32, order: u32, priority: u32): void {
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
  const localPort = portPrefix(row.localStartPort, row.localEndPort);
  const remotePort = portPrefix(row.remoteStartPort, row.remoteEndPort);
  row.localPortPrefix = <u8>localPort;
  row.remotePortPrefix = <u8>remotePort;
  row.value = value;
  row.serial = serial;
  row.order = <u8>(priority != 0 ? order | ORDER_CONFIGURED : order);
  if (priority == 0)
    priority = priorityOf(order, localPrefix + remotePrefix, row.protocol != 0, localPort + remotePort);
  row.rank = ((<u64>priority) << 1) | (order == ORDER_TRAP ? 1 : 0);
  row.place = countTuple(row) ? PLACE_HASHED : PLACE_OVERFLOW;
  let link = headOf(row);
  while (load<u32>(link) != 0 && !before(row, rowAt(load<u32>(link)))) link = nextOf(rowAt(load<u32>(link)));
  row.next = load<u32>(link);
  store<u32>(link, number);
  const bucket = valueBucket(value);
  row.nextOfValue = load<u32>(bucket);
  store<u32>(bucket, number);
}

/** Takes a row out of its bucket or of the overflow. */
function unlinkRow(number: u32, row: Row): void {
  let link = headOf(row);
  while (load<u32>(link) != number) {
    assert(load<u32>(link) != 0, "a row is not where it belongs");
    link = nextOf(rowAt(load<u32>(link)));
  }
  store<u32>(link, row.next);
  if (row.place == PLACE_HASHED) uncountTuple(row);
}

/** Address of the link to the first row of the chain that `row` belongs to. */
function headOf(row: Row): usize {
  if (row.place == PLACE_OVERFLOW) return overflowHead;
  const localPrefix = <u32>row.localPrefix;
  const remotePrefix = <u32>row.remotePrefix;
  return bucketOf(
    seedOf(row),
    row.localStartHigh & maskHigh(localPrefix),
    row.localStartLow & maskLow(localPrefix),
    row.remoteStartHigh & maskHigh(remotePrefix),
    row.remoteStartLow & maskLow(remotePrefix),
    restOf(
      row.protocol,
      portStart(row.localStartPort, row.localEndPort) & maskPort(row.localPortPrefix),
      portStart(row.remoteStartPort, row.remoteEndPort) & maskPort(row.remotePortPrefix),
    ),
  );
}

/** No row with the lengths and the order of this one has a lower rank. */
function levelOf(row: Row): u64 {
  const order = <u32>row.order;
  if ((order & ORDER_CONFIGURED) != 0) return row.rank & ~1;
  return (<u64>priorityLeast(order, <u32>row.localPrefix + <u32>row.remotePrefix)) << 1;
}

function seedOf(row: Row): u64 {
  const lengths =
    ((<u64>row.localPrefix) << 32) |
    ((<u64>row.remotePrefix) << 24) |
    ((<u64>row.localPortPrefix) << 16) |
    ((<u64>row.remotePortPrefix) << 8) |
    (row.protocol != 0 ? 1 : 0);
  return mix(mix(<u64>row.family, levelOf(row)), lengths);
}

/** Counts a row to its tuple; makes the tuple in its order when it is new. False when there are too many. */
function countTuple(row: Row): bool {
  const found = findTuple(row);
  if (found != NO_TUPLE) {
    tupleAt(found).rows += 1;
    return true;
  }
  if (tupleCount == TUPLES_MAX) return false;
  let at: u32 = 0;
  const level = levelOf(row);
  while (at < tupleCount && tupleAt(at).level <= level) at++;
  const p = tuples + <usize>(at * TUPLE_OCTETS);
  memory.copy(p + TUPLE_OCTETS, p, <usize>((tupleCount - at) * TUPLE_OCTETS));
  const tuple = changetype<Tuple>(p);
  tuple.level = level;
  tuple.seed = seedOf(row);
  tuple.family = row.family;
  tuple.protocolNamed = row.protocol != 0 ? 1 : 0;
  tuple.localPrefix = row.localPrefix;
  tuple.remotePrefix = row.remotePrefix;
  tuple.localPortPrefix = row.localPortPrefix;
  tuple.remotePortPrefix = row.remotePortPrefix;
  tuple.rows = 1;
  tupleCount += 1;
  return true;
}

function uncountTuple(row: Row): void {
  const found = findTuple(row);
  assert(found != NO_TUPLE, "a row without its tuple");
  const tuple = tupleAt(found);
  tuple.rows -= 1;
  if (tuple.rows != 0) return;
  const p = tuples + <usize>(found * TUPLE_OCTETS);
  tupleCount -= 1;
  memory.copy(p, p + TUPLE_OCTETS, <usize>((tupleCount - found) * TUPLE_OCTETS));
}

function findTuple(row: Row): u32 {
  const level = levelOf(row);
  for (let i: u32 = 0; i < tupleCount; i++) {
    const tuple = tupleAt(i);
    if (
      tuple.level == level &&
      tuple.family == row.family &&
      tuple.localPrefix == row.localPrefix &&
      tuple.remotePrefix == row.remotePrefix &&
      tuple.localPortPrefix == row.localPortPrefix &&
      tuple.remotePortPrefix == row.remotePortPrefix &&
      (tuple.protocolNamed != 0) == (row.protocol != 0)
    ) {
      return i;
    }
  }
  return NO_TUPLE;
}

/** Length of the longest prefix that holds all of a range: exact when the range is a prefix. */
function prefixOf(startHigh: u64, startLow: u64, endHigh: u64, endLow: u64, bits: u32): u32 {
  const high = startHigh ^ endHigh;
  if (high != 0) return <u32>clz<u64>(high);
  const low = startLow ^ endLow;
  return min<u32>(bits, 64 + (low == 0 ? 64 : <u32>clz<u64>(low)));
}

/** The same for ports. OPAQUE is the one port PORT_NONE. */
function portPrefix(start: u16, end: u16): u32 {
  if (start > end) return 16;
  return start == end ? 16 : clz<u32>((<u32>start) ^ (<u32>end)) - 16;
}

// @ts-ignore: decorator
@inline
function portStart(start: u16, end: u16): u32 {
  return start > end ? PORT_NONE : start;
}

/** The bits of a port that a prefix fixes; with any of them the one that tells PORT_NONE. */
// @ts-ignore: decorator
@inline
function maskPort(prefix: u32): u32 {
  return prefix == 0 ? 0 : 0x1ffff & (u32.MAX_VALUE << (16 - prefix));
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

/** Protocol and ports in one word. */
// @ts-ignore: decorator
@inline
function restOf(protocol: u32, localPort: u32, remotePort: u32): u64 {
  return ((<u64>protocol) << 48) | ((<u64>localPort) << 24) | (<u64>remotePort);
}

// @ts-ignore: decorator
@inline
function bucketOf(seed: u64, localHigh: u64, localLow: u64, remoteHigh: u64, remoteLow: u64, rest: u64): usize {
  let hash = mix(seed ^ rest, localHigh);
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
