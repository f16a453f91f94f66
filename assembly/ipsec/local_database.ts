/**
 * The local database of an IPsec board (16), its SAD: the SAs that the IKE board gave it (S502), found by SPI for a sealed
 * packet and by selectors for a clear one (S703).
 *
 * Sized at reset by CONFIG_SA_CAPACITY, in CHILD_SAs: as many inbound records, then as many outbound ones. Per CHILD_SA
 * 2 x (192 hot + 512 cold, and 192 of its share of wide ones + 192 of keys) + 1024 of replay bitmap, 64..128 of indices and about
 * 450 of selector table: 3.7 KiB.
 * Expanded keys are a cache that takes what RAM is left, up to one per SA. Refuses to evict SAs: a full table is an answer
 * (REFUSED_TABLE_FULL).
 */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND } from "../abi/message";
import { CIPHER_CONTEXT_OCTETS } from "../crypto/job";
import { keyCacheReset } from "../crypto/key_cache";
import { suiteWipe } from "../crypto/suite";
import { selectorAheadLookup } from "../policy/selector_ahead";
import { SELECTOR_TABLE_NONE, selectorTableRemove, selectorTableReset } from "../policy/selector_table";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { coldHome, coldReset, coldWipe } from "./cold_record";
import { REPLAY_BITMAP_OCTETS } from "./replay";
import { SA_OCTETS, Sa } from "./sa";
import { SPI_INDEX_NONE, spiIndexFind, spiIndexInsert, spiIndexRead, spiIndexRemove, spiIndexTake } from "./spi_index";

/** Pairs of selectors that the table holds per CHILD_SA on average, and at least. */
const PAIRS_PER_CHILD_SA: u32 = 4;
const PAIRS_MIN: u32 = 512;
/** Expanded keys of GCM in the cache (31 KiB each with SIMD), and twice as many of plain AES (2.3 KiB): at most, and at least. */
const EXPANDED_MAX: u32 = 1024;
const EXPANDED_MIN: u32 = 16;
/** CHILD_SAs at most, whatever the RAM. */
export const SA_CAPACITY_MAX: u32 = 131072;

let capacity: u32 = 0;
let hot: usize = 0;
let contexts: usize = 0;
let inboundIndex: usize = 0;
let outboundIndex: usize = 0;
let freeInbound: u32 = 0;
let freeOutbound: u32 = 0;
let live: u32 = 0;

/** Takes room for `childSas` CHILD_SAs (1..SA_CAPACITY_MAX) from the arena; false when RAM is too small. */
export function localDatabaseReset(childSas: u32): bool {
  capacity = childSas;
  live = 0;
  const records = capacity << 1;
  hot = arenaTake(<usize>records * SA_OCTETS);
  contexts = arenaTake(<usize>records * CIPHER_CONTEXT_OCTETS);
  const bitmaps = arenaTake(<usize>capacity * REPLAY_BITMAP_OCTETS);
  inboundIndex = spiIndexTake(capacity);
  outboundIndex = spiIndexTake(capacity);
  if (hot == 0 || !coldReset(records) || contexts == 0 || bitmaps == 0 || inboundIndex == 0 || outboundIndex == 0)
    return false;
  if (!selectorTableReset(max<u32>(capacity * PAIRS_PER_CHILD_SA, PAIRS_MIN))) return false;
  freeInbound = 0;
  freeOutbound = 0;
  for (let i = records; i > 0; i--) {
    const sa = saAt(i - 1);
    sa.number = i - 1;
    sa.cold = coldHome(i - 1);
    sa.context = contextHome(i - 1);
    if (i > capacity) {
      sa.link = freeOutbound;
      freeOutbound = i;
    } else {
      sa.bitmap = bitmaps + <usize>(i - 1) * REPLAY_BITMAP_OCTETS;
      sa.link = freeInbound;
      freeInbound = i;
    }
  }
  // One more for the control messages.
  let expanded = min<u32>(records + 1, EXPANDED_MAX);
  // A cipher's key and a MAC's make two of plain AES in an SA.
  while (!keyCacheReset(expanded, expanded << 1)) {
    if (expanded <= EXPANDED_MIN) return false;
    expanded >>= 1;
  }
  return true;
}

/** Records of both directions; saAt takes 0 .. localDatabaseRecords() - 1. */
export function localDatabaseRecords(): u32 {
  return capacity << 1;
}

/** SAs in use, both directions counted. */
export function localDatabaseLive(): u32 {
  return live;
}

/** The record of this number; free when its SPI is 0. */
// @ts-ignore: decorator
@inline
export function saAt(number: u32): Sa {
  return changetype<Sa>(hot + <usize>number * SA_OCTETS);
}

/** Where the keys of the record of this number stand. */
// @ts-ignore: decorator
@inline
export function contextHome(number: u32): usize {
  return contexts + <usize>number * CIPHER_CONTEXT_OCTETS;
}

/** For a look ahead (sa_ahead.ts): reads where the index has this SPI. */
export function readInbound(spi: u32): u64 {
  return spiIndexRead(inboundIndex, <u64>spi);
}

/** S703 for a sealed packet: the inbound SA of this SPI, or null. */
export function findInbound(spi: u32): Sa | null {
  const number = spiIndexFind(inboundIndex, <u64>spi);
  return number == SPI_INDEX_NONE ? null : saAt(number);
}

/** S703 for a clear packet that ipv4Check or ipv6Check accepted: the outbound SA whose selectors cover it, or null. */
export function findOutbound(packet: usize, length: u32): Sa | null {
  const number = selectorAheadLookup(packet, length);
  return number == SELECTOR_TABLE_NONE ? null : saAt(number);
}

/** The SA that the IKE board means, or null. Only the link tells outbound SAs of different peers under one SPI apart. */
export function findNamed(spi: u32, direction: u32, link: u32): Sa | null {
  if (spi == 0) return null;
  if (direction == DIRECTION_INBOUND) {
    const sa = findInbound(spi);
    return sa && sa.link == link ? sa : null;
  }
  if (direction != DIRECTION_OUTBOUND) return null;
  const number = spiIndexFind(outboundIndex, outboundKey(spi, link));
  return number == SPI_INDEX_NONE ? null : saAt(number);
}

/** A free record under its name, or null when the table is full. The SPI is not 0 and not in use. */
export function takeSa(spi: u32, direction: u32, link: u32): Sa | null {
  const free = direction == DIRECTION_INBOUND ? freeInbound : freeOutbound;
  if (free == 0) return null;
  const sa = saAt(free - 1);
  if (direction == DIRECTION_INBOUND) {
    freeInbound = sa.link;
    spiIndexInsert(inboundIndex, <u64>spi, sa.number);
  } else {
    freeOutbound = sa.link;
    spiIndexInsert(outboundIndex, outboundKey(spi, link), sa.number);
  }
  sa.spi = spi;
  sa.link = link;
  sa.direction = <u8>direction;
  live += 1;
  return sa;
}

/** Removes an SA and wipes all of it: key schedule, KEYMAT, salt, replay window. */
export function removeSa(sa: Sa): void {
  const number = sa.number;
  const context = sa.context;
  const bitmap = sa.bitmap;
  const inbound = <u32>sa.direction == DIRECTION_INBOUND;
  if (inbound) {
    spiIndexRemove(inboundIndex, <u64>sa.spi);
    zeroize(bitmap, REPLAY_BITMAP_OCTETS);
  } else {
    spiIndexRemove(outboundIndex, outboundKey(sa.spi, sa.link));
    selectorTableRemove(number);
  }
  suiteWipe(context);
  coldWipe(sa);
  zeroize(changetype<usize>(sa), SA_OCTETS);
  sa.number = number;
  sa.cold = coldHome(number);
  sa.context = context;
  sa.bitmap = bitmap;
  if (inbound) {
    sa.link = freeInbound;
    freeInbound = number + 1;
  } else {
    sa.link = freeOutbound;
    freeOutbound = number + 1;
  }
  live -= 1;
}

// @ts-ignore: decorator
@inline
function outboundKey(spi: u32, link: u32): u64 {
  return ((<u64>link) << 32) | (<u64>spi);
}
