/**
 * An AH packet that is too long for its path, in fragments (RFC 791 section 2.3). The kernel fragments what it puts a header on itself,
 * and that would be another one than the ICV covers. Refuses options, of which later fragments would have some and not others.
 */

import { IPV4_HEADER, headerChecksum } from "./outer_header.ts";

/** Octets that every path takes, whatever its tunnels. */
export const FRAGMENT_OCTETS = 1280;
const MORE_FRAGMENTS = 0x2000;

/** The fragments of a whole IPv4 packet, or nothing when it has options. */
export function fragmentsOf(packet: Uint8Array): Uint8Array[] {
  if ((packet[0] & 15) * 4 !== IPV4_HEADER) return [];
  const step = (FRAGMENT_OCTETS - IPV4_HEADER) & ~7;
  const fragments: Uint8Array[] = [];
  for (let at = IPV4_HEADER; at < packet.length; at += step) {
    const end = Math.min(at + step, packet.length);
    const fragment = new Uint8Array(IPV4_HEADER + end - at);
    fragment.set(packet.subarray(0, IPV4_HEADER));
    fragment.set(packet.subarray(at, end), IPV4_HEADER);
    const words = new DataView(fragment.buffer);
    words.setUint16(2, fragment.length);
    words.setUint16(6, (end < packet.length ? MORE_FRAGMENTS : 0) | ((at - IPV4_HEADER) >> 3));
    words.setUint16(10, 0);
    words.setUint16(10, headerChecksum(fragment, 0, IPV4_HEADER));
    fragments.push(fragment);
  }
  return fragments;
}
