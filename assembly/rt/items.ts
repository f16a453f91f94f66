/**
 * Items: the TYPE, LENGTH, value sequences of CONFIG and of management bodies (abi/config.ts). A walk never leaves its
 * range; a sequence that does not add up is told apart from one that ended.
 *
 *   let item = itemFirst(start, end);
 *   while (item != 0) { ... item = itemNext(item, end); }
 */
import { CONFIG_ITEM_LENGTH, CONFIG_ITEM_TYPE, CONFIG_ITEM_VALUE } from "../abi/config";

/** True when the sequence from `start` consists of whole items up to exactly `end`. */
export function itemsValid(start: usize, end: usize): bool {
  let p = start;
  while (p < end) {
    if (end - p < CONFIG_ITEM_VALUE) return false;
    const octets = (CONFIG_ITEM_VALUE + <usize>load<u16>(p, CONFIG_ITEM_LENGTH) + 3) & ~3;
    if (end - p < octets) return false;
    p += octets;
  }
  return p == end;
}

/** The first item of a sequence that itemsValid accepted, or 0. */
export function itemFirst(start: usize, end: usize): usize {
  return start < end ? start : 0;
}

/** The item behind `item`, or 0. */
export function itemNext(item: usize, end: usize): usize {
  const next = item + ((CONFIG_ITEM_VALUE + <usize>itemLength(item) + 3) & ~3);
  return next < end ? next : 0;
}

// @ts-ignore: decorator
@inline
export function itemType(item: usize): u32 {
  return <u32>load<u16>(item, CONFIG_ITEM_TYPE);
}

// @ts-ignore: decorator
@inline
export function itemLength(item: usize): u32 {
  return <u32>load<u16>(item, CONFIG_ITEM_LENGTH);
}

// @ts-ignore: decorator
@inline
export function itemValue(item: usize): usize {
  return item + CONFIG_ITEM_VALUE;
}

/** A u32 value; an item shorter than 4 octets counts as 0. */
export function itemU32(item: usize): u32 {
  return itemLength(item) >= 4 ? load<u32>(item, CONFIG_ITEM_VALUE) : 0;
}

/** A u64 value, or a u32 one widened. */
export function itemU64(item: usize): u64 {
  return itemLength(item) >= 8 ? load<u64>(item, CONFIG_ITEM_VALUE) : <u64>itemU32(item);
}

/** Finds the first item of `type`, or 0. */
export function itemFind(start: usize, end: usize, type: u32): usize {
  let item = itemFirst(start, end);
  while (item != 0 && itemType(item) != type) item = itemNext(item, end);
  return item;
}

/** Appends an item with `length` octets from `value`; returns the address behind it. The caller knows that it fits. */
export function itemWrite(to: usize, type: u32, value: usize, length: u32): usize {
  store<u16>(to, <u16>type, CONFIG_ITEM_TYPE);
  store<u16>(to, <u16>length, CONFIG_ITEM_LENGTH);
  memory.copy(to + CONFIG_ITEM_VALUE, value, length);
  const end = to + CONFIG_ITEM_VALUE + length;
  const padded = (end + 3) & ~3;
  memory.fill(end, 0, padded - end);
  return padded;
}

export function itemWriteU32(to: usize, type: u32, value: u32): usize {
  store<u16>(to, <u16>type, CONFIG_ITEM_TYPE);
  store<u16>(to, 4, CONFIG_ITEM_LENGTH);
  store<u32>(to, value, CONFIG_ITEM_VALUE);
  return to + CONFIG_ITEM_VALUE + 4;
}

export function itemWriteU64(to: usize, type: u32, value: u64): usize {
  store<u16>(to, <u16>type, CONFIG_ITEM_TYPE);
  store<u16>(to, 8, CONFIG_ITEM_LENGTH);
  store<u64>(to, value, CONFIG_ITEM_VALUE);
  return to + CONFIG_ITEM_VALUE + 8;
}

/** FNV-1a of a sequence: tells the same from another one. */
export function itemsDigest(p: usize, end: usize): u64 {
  let h: u64 = 0xcbf29ce484222325;
  for (; p < end; p++) h = (h ^ (<u64>load<u8>(p))) * 0x100000001b3;
  return h;
}
