/**
 * adjust_mss: the maximum segment size (RFC 9293 3.7.1) that two hosts tell each other in their SYNs, lowered to what a tunnel carries
 * whole, or to a fixed one, in both directions. For hosts whose path MTU discovery does not work. Off unless CONFIG says otherwise.
 *
 * Lowers only; a SYN without the option stays without it. The checksum is corrected by the difference (RFC 1624).
 */
import { ADJUST_MSS_TO_MTU, CONFIG_ADJUST_MSS } from "../abi/config";
import { loadBE16, storeBE16 } from "../rt/bytes";
import { itemFind, itemU32 } from "../rt/items";
import { IPV4_HEADER, PROTOCOL_TCP, ipv4FragmentOffset, ipv4HeaderOctets, ipv4Protocol } from "../wire/ipv4";
import {
  IPV6_HEADER,
  WALK_DONE,
  ipv6Walk,
  ipv6WalkFragmentOffset,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";

const TCP_HEADER: u32 = 20;
const TCP_DATA_OFFSET: u32 = 12;
const TCP_FLAGS: u32 = 13;
const TCP_CHECKSUM: u32 = 16;
const FLAG_SYN: u32 = 2;
const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_MSS: u32 = 2;
const OPTION_MSS_OCTETS: u32 = 4;

/** 0: SYNs stay as they are. */
let setting: u32 = 0;

/** Reads CONFIG. */
export function mssReset(start: usize, end: usize): void {
  const item = itemFind(start, end, CONFIG_ADJUST_MSS);
  setting = item != 0 ? itemU32(item) : 0;
}

// @ts-ignore: decorator
@inline
export function mssAdjusted(): bool {
  return setting != 0;
}

/** Lowers the MSS of a clear packet of `length` octets at `p`, if it is a SYN with one, for an inner MTU of `mtu`. */
export function mssLower(p: usize, length: u32, mtu: u32): void {
  const six = (<u32>load<u8>(p)) >> 4 == 6;
  let header: u32;
  if (six) {
    if (ipv6Walk(p, length) != WALK_DONE || ipv6WalkProtocol() != PROTOCOL_TCP || ipv6WalkFragmentOffset() != 0) return;
    header = ipv6WalkOctets();
  } else {
    if (ipv4Protocol(p) != PROTOCOL_TCP || ipv4FragmentOffset(p) != 0) return;
    header = ipv4HeaderOctets(p);
  }
  if (length - header < TCP_HEADER) return;
  const tcp = p + header;
  if (((<u32>load<u8>(tcp, TCP_FLAGS)) & FLAG_SYN) == 0) return;
  const end = ((<u32>load<u8>(tcp, TCP_DATA_OFFSET)) >> 4) << 2;
  if (end > length - header) return;
  const around = (six ? IPV6_HEADER : IPV4_HEADER) + TCP_HEADER;
  const most = setting == ADJUST_MSS_TO_MTU ? mtu - around : setting;
  for (let at = TCP_HEADER; at < end; ) {
    const kind = <u32>load<u8>(tcp + at);
    if (kind == OPTION_END) return;
    if (kind == OPTION_NOP) {
      at += 1;
      continue;
    }
    const octets = at + 1 < end ? <u32>load<u8>(tcp + at, 1) : 0;
    if (octets < 2 || octets > end - at) return;
    if (kind == OPTION_MSS && octets == OPTION_MSS_OCTETS) {
      lower(tcp, at + 2, most);
      return;
    }
    at += octets;
  }
}

function lower(tcp: usize, at: u32, most: u32): void {
  const told = loadBE16(tcp + at);
  if (told <= most) return;
  storeBE16(tcp + at, most);
  // At an odd offset the octets count in each other's place.
  const odd = (at & 1) != 0;
  const before = odd ? swap(told) : told;
  const after = odd ? swap(most) : most;
  let sum = (loadBE16(tcp + TCP_CHECKSUM) ^ 0xffff) + (before ^ 0xffff) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  storeBE16(tcp + TCP_CHECKSUM, sum ^ 0xffff);
}

// @ts-ignore: decorator
@inline
function swap(word: u32): u32 {
  return ((word & 0xff) << 8) | (word >> 8);
}
