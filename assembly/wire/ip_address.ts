/**
 * An IP address of either family: 16 octets in network order, IPv4 as an IPv4-mapped one (RFC 4291 section 2.5.5.2).
 *
 *   +------------------------------------------+---------+----------------+
 *   | 0, 80 bits                               |  ff ff  |  IPv4 address  |
 *   +------------------------------------------+---------+----------------+
 *
 * On the wire and in records IPv4 has its four octets. Mapped addresses do not travel (draft-itojun-v6ops-v4mapped-harmful):
 * a packet with one is refused where it arrives, so that nobody speaks for an IPv4 peer with it.
 */
import { loadBE32, storeBE32 } from "../rt/bytes";
import { IPV6_ADDRESS } from "./ipv6";

export const IPV4_ADDRESS: u32 = 4;
export const FAMILY_IPV4: u32 = 4;
export const FAMILY_IPV6: u32 = 6;
const IPV4_AT: u32 = 12;
/** The second half of a mapped address without its IPv4 octets, as it stands in memory. */
const MAPPED: u64 = 0xffff0000;

/** Both halves as they stand in memory. Assigning copies the reference: addressCopy copies the address. */
@unmanaged
export class IpAddress {
  high: u64;
  low: u64;

  // @ts-ignore: decorator
  @inline
  @operator("==")
  equals(other: IpAddress): bool {
    return this.high == other.high && this.low == other.low;
  }

  // @ts-ignore: decorator
  @inline
  @operator("!=")
  differs(other: IpAddress): bool {
    return this.high != other.high || this.low != other.low;
  }
}

// @ts-ignore: decorator
@inline
export function addressAt(p: usize): IpAddress {
  return changetype<IpAddress>(p);
}

// @ts-ignore: decorator
@inline
export function addressCopy(to: IpAddress, from: IpAddress): void {
  to.high = from.high;
  to.low = from.low;
}

/** The unspecified address, which is nobody's: what a record that was filled with zeros holds. */
// @ts-ignore: decorator
@inline
export function addressIsNone(a: IpAddress): bool {
  return (a.high | a.low) == 0;
}

/** FAMILY_*. */
// @ts-ignore: decorator
@inline
export function addressFamily(a: IpAddress): u32 {
  return a.high == 0 && (a.low & 0xffffffff) == MAPPED ? FAMILY_IPV4 : FAMILY_IPV6;
}

/** Octets of it on the wire: 4 or 16. */
// @ts-ignore: decorator
@inline
export function addressOctets(a: IpAddress): u32 {
  return addressFamily(a) == FAMILY_IPV4 ? IPV4_ADDRESS : IPV6_ADDRESS;
}

/** Where they stand. */
// @ts-ignore: decorator
@inline
export function addressOnWire(a: IpAddress): usize {
  return changetype<usize>(a) + (addressFamily(a) == FAMILY_IPV4 ? IPV4_AT : 0);
}

/** Takes an address of 4 or 16 octets; false for any other length. */
export function addressRead(a: IpAddress, p: usize, octets: u32): bool {
  if (octets == IPV4_ADDRESS) addressSetIpv4(a, loadBE32(p));
  else if (octets == IPV6_ADDRESS) memory.copy(changetype<usize>(a), p, IPV6_ADDRESS);
  else return false;
  return true;
}

/** `number`: 10.1.2.3 is 0x0a010203. */
// @ts-ignore: decorator
@inline
export function addressSetIpv4(a: IpAddress, number: u32): void {
  a.high = 0;
  a.low = MAPPED;
  storeBE32(changetype<usize>(a) + IPV4_AT, number);
}

/** The number of an IPv4 address. */
// @ts-ignore: decorator
@inline
export function addressIpv4(a: IpAddress): u32 {
  return loadBE32(changetype<usize>(a) + IPV4_AT);
}

/**
 * What counts as one source: an IPv4 address, or the /64 of an IPv6 one, of which whoever has one has them all. Addresses below
 * ::/64 have none of their own (RFC 4291 section 2.5) and stand for themselves.
 */
// @ts-ignore: decorator
@inline
export function addressSource(a: IpAddress): u64 {
  return a.high != 0 ? a.high : a.low;
}

/**
 * False for what no node sends from over IPv6: a mapped address, the unspecified one, multicast (RFC 4291 sections 2.5.2, 2.7).
 */
export function addressTravels(a: IpAddress): bool {
  return addressFamily(a) == FAMILY_IPV6 && !addressIsNone(a) && (a.high & 0xff) != 0xff;
}

/** fe80::/10 (RFC 4291 section 2.5.6): means nothing without the link that it is on. */
// @ts-ignore: decorator
@inline
export function addressIsLinkLocal(a: IpAddress): bool {
  return (a.high & 0xc0ff) == 0x80fe;
}

/** Bits of an IPv4 address in front of its own. */
const MAPPED_BITS: u32 = 96;

/** True when a prefix of so many bits leaves nothing of the address open. */
// @ts-ignore: decorator
@inline
export function addressWhole(a: IpAddress, prefix: u32): bool {
  return prefix == addressOctets(a) << 3;
}

/** True when `a` is of the family of `network` and has its first `prefix` bits, counted as on the wire. */
export function addressWithin(a: IpAddress, network: IpAddress, prefix: u32): bool {
  if (addressFamily(a) != addressFamily(network)) return false;
  const bits = addressFamily(a) == FAMILY_IPV4 ? prefix + MAPPED_BITS : prefix;
  const high = bswap<u64>(a.high ^ network.high);
  const low = bswap<u64>(a.low ^ network.low);
  if (bits <= 64) return bits == 0 || high >> (64 - bits) == 0;
  return high == 0 && low >> (128 - bits) == 0;
}
