/**
 * CONFIG items (abi/config.ts): TYPE u16, LENGTH u16, value, padded to a multiple of 4. The same shape serves the bodies of
 * management messages.
 */
import { isIPv4, isIPv6 } from "node:net";
import { CONFIG_ITEM_VALUE } from "../../assembly/abi/config.ts";

export interface ConfigItem {
  type: number;
  /** Octets as they stand, or a u32. */
  value: Uint8Array | number;
}

const valueOf = (item: ConfigItem): Uint8Array => {
  if (typeof item.value !== "number") return item.value;
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, item.value, true);
  return octets;
};

/** Octets of items. Throws RangeError for a value longer than 65535 octets. */
export function encodeItems(items: readonly ConfigItem[]): Uint8Array {
  const values = items.map(valueOf);
  const size = values.reduce((sum, value) => sum + CONFIG_ITEM_VALUE + ((value.length + 3) & ~3), 0);
  const octets = new Uint8Array(size);
  const view = new DataView(octets.buffer);
  let at = 0;
  values.forEach((value, index) => {
    const type = items[index]!.type;
    if (value.length > 65535) throw new RangeError(`item ${type}: ${value.length} octets do not fit in one item`);
    view.setUint16(at, type, true);
    view.setUint16(at + 2, value.length, true);
    octets.set(value, at + CONFIG_ITEM_VALUE);
    at += CONFIG_ITEM_VALUE + ((value.length + 3) & ~3);
  });
  return octets;
}

/** Calls back for each item: its type, where its value starts, and where that ends. Throws RangeError when they do not add up. */
export function eachItem(octets: Uint8Array, take: (type: number, start: number, end: number) => void): void {
  const { length } = octets;
  for (let at = 0; at < length; ) {
    const start = at + CONFIG_ITEM_VALUE;
    const end = start <= length ? start + (octets[at + 2]! | (octets[at + 3]! << 8)) : Infinity;
    if (end > length) throw new RangeError(`the item at ${at} is cut off`);
    take(octets[at]! | (octets[at + 1]! << 8), start, end);
    at = start + ((end - start + 3) & ~3);
  }
}

/** Items of octets; throws RangeError when they do not add up. */
export function decodeItems(octets: Uint8Array): { type: number; value: Uint8Array }[] {
  const items: { type: number; value: Uint8Array }[] = [];
  eachItem(octets, (type, start, end) => items.push({ type, value: octets.subarray(start, end) }));
  return items;
}

/** The number of the first item of a type, without decoding the others; undefined when there is none, or it is cut off. */
export function itemU32(octets: Uint8Array, type: number): number | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  for (let at = 0; at + CONFIG_ITEM_VALUE + 4 <= octets.length; ) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === type)
      return length === 4 ? view.getUint32(at + CONFIG_ITEM_VALUE, true) : undefined;
    at += CONFIG_ITEM_VALUE + ((length + 3) & ~3);
  }
  return undefined;
}

/** An address in network order: 4 octets for IPv4, 16 for IPv6. Throws RangeError for anything else. */
export function addressOctets(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address) || address.includes("%")) throw new RangeError(`'${address}' is not an IP address`);
  // An IPv4 tail counts as two groups.
  const tail = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text = tail
    ? address.slice(0, tail.index) +
      [(+tail[1]! << 8) | +tail[2]!, (+tail[3]! << 8) | +tail[4]!].map((group) => group.toString(16)).join(":")
    : address;
  const [front, back] = text
    .split("::")
    .map((half) => (half ? half.split(":").map((group) => parseInt(group, 16)) : []));
  const groups = back ? [...front!, ...Array<number>(8 - front!.length - back.length).fill(0), ...back] : front!;
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255]));
}
