/**
 * LLC/SNAP encapsulation of routed protocols over AAL5 (RFC 2684 5.1), as the internal path's second embodiment carries
 * it (C 11, C 21): 8 octets where IP-in-IP over Ethernet takes 34.
 *
 *   +----------------+-------------+------------+
 *   | LLC AA-AA-03   | OUI, 3      | PID, 2     |
 *   +----------------+-------------+------------+
 *
 * OUI 00-00-00 says that the PID is an EtherType. Refuses every other OUI (bridged protocols, RFC 2684 5.2).
 */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../rt/bytes";

export const LLC_SNAP_PID: u32 = 6;
export const LLC_SNAP_HEADER: u32 = 8;

const LLC: u32 = 0xaaaa0300; // LLC and the first octet of the OUI, big-endian

/** True when the header is there, is SNAP, and its OUI names EtherTypes. */
export function llcSnapCheck(p: usize, length: u32): bool {
  return length >= LLC_SNAP_HEADER && loadBE32(p) == LLC && load<u16>(p, 4) == 0;
}

// @ts-ignore: decorator
@inline
export function llcSnapPid(p: usize): u32 {
  return loadBE16(p + LLC_SNAP_PID);
}

export function llcSnapEmit(p: usize, pid: u32): void {
  storeBE32(p, LLC);
  store<u16>(p, 0, 4);
  storeBE16(p + LLC_SNAP_PID, pid);
}
