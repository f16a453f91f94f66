/**
 * From an SPI to a record number: open addressing. Keys are 64 bits: an inbound SA is named by its SPI, an outbound one by SPI and
 * link, for its SPI is the peer's choice. Key and number stand side by side, so that a look-up among very many SAs misses the
 * processor's cache once and not twice.
 *
 * Twice as many slots as records, linear probing, removal by shifting back: no slot is ever left as a marker, so look-ups
 * do not slow down over years of rekeying. An index stands at the address that spiIndexTake gave.
 */
import { arenaTake } from "../rt/arena";


@unmanaged
class Index {
  mask: u32;
  entries: usize;
}

/** An entry: key u64, 0 none; number u32; 4 octets of nothing. */
const ENTRY_SHIFT: usize = 4;
const ENTRY_NUMBER: usize = 8;

/** Value for "not there". */
export const SPI_INDEX_NONE: u32 = 0xffffffff;

/** Takes an index for `records` records from the arena; 0 when RAM is too small. */
export function spiIndexTake(records: u32): usize {
  let size: u32 = 16;
  while (size < records << 1) size <<= 1;
  const index = arenaTake(offsetof<Index>());
  const entries = arenaTake((<usize>size) << ENTRY_SHIFT);
  if (index == 0 || entries == 0) return 0;
  const i = changetype<Index>(index);
  i.mask = size - 1;
  i.entries = entries;
  return index;
}

/** The number under `key` (never 0), or SPI_INDEX_NONE. */
export function spiIndexFind(index: usize, key: u64): u32 {
  const i = changetype<Index>(index);
  let at = home(key, i.mask);
  let found = keyAt(i, at);
  while (found != key && found != 0) {
    at = (at + 1) & i.mask;
    found = keyAt(i, at);
  }
  return found == 0 ? SPI_INDEX_NONE : numberAt(i, at);
}

/** What stands where a look-up of `key` begins. */
export function spiIndexRead(index: usize, key: u64): u64 {
  const i = changetype<Index>(index);
  return keyAt(i, home(key, i.mask));
}

/** Puts `number` under `key`, which is not there yet. The index has more slots than there are records. */
export function spiIndexInsert(index: usize, key: u64, number: u32): void {
  const i = changetype<Index>(index);
  let at = home(key, i.mask);
  while (keyAt(i, at) != 0) at = (at + 1) & i.mask;
  put(i, at, key, number);
}

/** Removes `key` if it is there. */
export function spiIndexRemove(index: usize, key: u64): void {
  const i = changetype<Index>(index);
  let hole = home(key, i.mask);
  while (keyAt(i, hole) != key) {
    if (keyAt(i, hole) == 0) return;
    hole = (hole + 1) & i.mask;
  }
  let at = hole;
  for (;;) {
    at = (at + 1) & i.mask;
    const candidate = keyAt(i, at);
    if (candidate == 0) break;
    // It may move into the hole unless its home lies behind the hole.
    if (((at - home(candidate, i.mask)) & i.mask) >= ((at - hole) & i.mask)) {
      put(i, hole, candidate, numberAt(i, at));
      hole = at;
    }
  }
  put(i, hole, 0, 0);
}

// @ts-ignore: decorator
@inline
function home(key: u64, mask: u32): u32 {
  return (<u32>((key * 0x9e3779b97f4a7c15) >> 32)) & mask;
}

// @ts-ignore: decorator
@inline
function keyAt(i: Index, at: u32): u64 {
  return load<u64>(i.entries + ((<usize>at) << ENTRY_SHIFT));
}

// @ts-ignore: decorator
@inline
function numberAt(i: Index, at: u32): u32 {
  return load<u32>(i.entries + ((<usize>at) << ENTRY_SHIFT), ENTRY_NUMBER);
}

// @ts-ignore: decorator
@inline
function put(i: Index, at: u32, key: u64, number: u32): void {
  const entry = i.entries + ((<usize>at) << ENTRY_SHIFT);
  store<u64>(entry, key);
  store<u32>(entry, number, ENTRY_NUMBER);
}
