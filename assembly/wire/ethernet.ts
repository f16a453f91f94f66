/**
 * Ethernet II header (IEEE 802.3 3.1.1 with a type field), as the internal path's first embodiment carries it: no FCS, no
 * VLAN tag.
 *
 *   +---------------------+---------------------+------------+
 *   | destination MAC, 6  | source MAC, 6       | type, 2    |
 *   +---------------------+---------------------+------------+
 *
 * A frame may carry padding up to 60 octets; the payload's own length counts. Refuses 802.3 length fields: they read as
 * unknown types.
 */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../rt/bytes";

export const ETHERNET_DESTINATION: u32 = 0;
export const ETHERNET_SOURCE: u32 = 6;
export const ETHERNET_TYPE: u32 = 12;
export const ETHERNET_HEADER: u32 = 14;
/** The shortest frame without FCS. */
export const ETHERNET_MINIMUM: u32 = 60;

export function ethernetCheck(length: u32): bool {
  return length >= ETHERNET_HEADER;
}

// @ts-ignore: decorator
@inline
export function ethernetType(p: usize): u32 {
  return loadBE16(p + ETHERNET_TYPE);
}

/** The destination MAC as a 48-bit number. */
// @ts-ignore: decorator
@inline
export function ethernetDestination(p: usize): u64 {
  return macRead(p + ETHERNET_DESTINATION);
}

/** The source MAC as a 48-bit number. */
// @ts-ignore: decorator
@inline
export function ethernetSource(p: usize): u64 {
  return macRead(p + ETHERNET_SOURCE);
}

/** Writes a header; MACs are 48-bit numbers. */
export function ethernetEmit(p: usize, destination: u64, source: u64, type: u32): void {
  macWrite(p + ETHERNET_DESTINATION, destination);
  macWrite(p + ETHERNET_SOURCE, source);
  storeBE16(p + ETHERNET_TYPE, type);
}

// @ts-ignore: decorator
@inline
function macRead(p: usize): u64 {
  return ((<u64>loadBE32(p)) << 16) | (<u64>loadBE16(p + 4));
}

// @ts-ignore: decorator
@inline
function macWrite(p: usize, mac: u64): void {
  storeBE32(p, <u32>(mac >> 16));
  storeBE16(p + 4, (<u32>mac) & 0xffff);
}
