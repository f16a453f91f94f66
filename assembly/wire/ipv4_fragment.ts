/**
 * A packet of IPv4 in fragments (RFC 791 section 3.2): the header of the later ones has those options alone that ask for it, the high
 * bit of their type set. Refuses nothing: whether a packet may be fragmented is the caller's to know.
 */
import { storeBE16 } from "../rt/bytes";
import {
  IPV4_CHECKSUM,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_MF,
  IPV4_TOTAL_LENGTH,
  ipv4Checksum,
  ipv4HeaderOctets,
} from "./ipv4";

const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_COPIED: u32 = 0x80;

/** Writes to `p` the header of the later fragments of `packet`, to be completed by ipv4FragmentMend; its octets, at most packet's. */
export function ipv4LaterHeader(p: usize, packet: usize): u32 {
  memory.copy(p, packet, IPV4_HEADER);
  const end = ipv4HeaderOctets(packet);
  let length = IPV4_HEADER;
  for (let at = IPV4_HEADER; at < end; ) {
    const type = <u32>load<u8>(packet + at);
    if (type == OPTION_END) break;
    if (type == OPTION_NOP) {
      at += 1;
      continue;
    }
    const octets = at + 1 < end ? <u32>load<u8>(packet + at, 1) : 0;
    if (octets < 2 || octets > end - at) break;
    if ((type & OPTION_COPIED) != 0) {
      memory.copy(p + length, packet + at, octets);
      length += octets;
    }
    at += octets;
  }
  while ((length & 3) != 0) {
    store<u8>(p + length, <u8>OPTION_END);
    length += 1;
  }
  store<u8>(p, <u8>(0x40 | (length >> 2)));
  return length;
}

/** Completes a fragment of `length` octets whose payload stands `offset` octets, a multiple of 8, into the packet's. */
export function ipv4FragmentMend(p: usize, length: u32, offset: u32, more: bool): void {
  storeBE16(p + IPV4_TOTAL_LENGTH, length);
  storeBE16(p + IPV4_FRAGMENT, (more ? IPV4_MF : 0) | (offset >> 3));
  store<u16>(p, 0, IPV4_CHECKSUM);
  storeBE16(p + IPV4_CHECKSUM, ipv4Checksum(p, ipv4HeaderOctets(p)));
}
