/**
 * AH packet format (RFC 4302 section 2), and what its ICV takes for zero in the headers in front of it (section 3.3.3.1, appendix A).
 *
 *   +-------------+----------------+-----------+----------+----------+------------------------+---------------+
 *   | next header | payload length | reserved  | SPI u32  | seq. u32 | ICV (AES-GMAC: IV|ICV) | padding       |
 *   +-------------+----------------+-----------+----------+----------+------------------------+---------------+
 *     payload length: the whole in words of 4 octets, less 2        padding: to words of 4, over IPv6 of 8 octets
 *
 *   zero in IPv4   TOS, flags, fragment offset, TTL, checksum; options that may change on the way, the whole of each
 *   zero in IPv6   class, flow label, hop limit; of hop-by-hop and destination options whose type says that they may change, the data
 *
 * Addresses are those of the packet at its destination: a source route that is not at its end is refused, and so are options of IPv4
 * that appendix A does not class.
 */
import { loadBE32, storeBE32, storeBE16 } from "../rt/bytes";
import { IPV4_CHECKSUM, IPV4_FRAGMENT, IPV4_HEADER, IPV4_TOS, IPV4_TTL } from "./ipv4";
import { EXTENSION_DESTINATION, EXTENSION_HOP_BY_HOP, IPV6_HEADER, IPV6_HOP_LIMIT, IPV6_NEXT_HEADER } from "./ipv6";

export const AH_LENGTH: u32 = 1;
export const AH_SPI: u32 = 4;
export const AH_SEQUENCE: u32 = 8;
/** Octets in front of the ICV field. */
export const AH_HEADER: u32 = 12;

const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
/** Loose and strict source route. */
const OPTION_LSRR: u32 = 131;
const OPTION_SSRR: u32 = 137;

/** Appendix A1: options that do not change; what of it has a length. */
const IMMUTABLE: u32 = 5;
// prettier-ignore
const immutable: usize = memory.data<u8>([
  130, // security
  133, // extended security
  134, // commercial security
  148, // router alert
  149, // sender directed multi-destination delivery
]);

/** Those that do, and the experimental and superseded ones, which count as if they did. */
const MUTABLE: u32 = 15;
// prettier-ignore
const mutable: usize = memory.data<u8>([
  131, 137, // source routes
  68, // time stamp
  7, // record route
  82, // traceroute
  136, 11, 12, 145, 10, 205, 142, 15, 144, 147, // stream id, MTU probe and reply, and what never had a standard
]);

/** The third bit of an option's type in IPv6: its data may change on the way (RFC 8200 4.2). */
const OPTION6_MUTABLE: u32 = 0x20;
const OPTION6_PAD1: u32 = 0;

/** Octets of the whole header, as it says itself. */
// @ts-ignore: decorator
@inline
export function ahOctets(p: usize): u32 {
  return (<u32>load<u8>(p, AH_LENGTH) + 2) << 2;
}

// @ts-ignore: decorator
@inline
export function ahSpi(p: usize): u32 {
  return loadBE32(p + AH_SPI);
}

/** The low 32 bits of the sequence number. */
// @ts-ignore: decorator
@inline
export function ahSequence(p: usize): u32 {
  return loadBE32(p + AH_SEQUENCE);
}

/** Octets of a header whose ICV field holds `icv` octets (section 2.6). */
// @ts-ignore: decorator
@inline
export function ahPadded(icv: u32, six: bool): u32 {
  return six ? (AH_HEADER + icv + 7) & ~7 : (AH_HEADER + icv + 3) & ~3;
}

/** True when a header of `octets` is one with an ICV field of `icv`. Over IPv4, too, some pad to words of 8. */
// @ts-ignore: decorator
@inline
export function ahLengthFits(octets: u32, icv: u32, six: bool): bool {
  return octets == ahPadded(icv, six) || octets == ahPadded(icv, true);
}

/** Writes a header of `octets` with ICV and padding zero. */
export function ahEmit(p: usize, nextHeader: u32, octets: u32, spi: u32, sequence: u32): void {
  memory.fill(p, 0, octets);
  store<u8>(p, <u8>nextHeader);
  store<u8>(p, <u8>((octets >> 2) - 2), AH_LENGTH);
  storeBE32(p + AH_SPI, spi);
  storeBE32(p + AH_SEQUENCE, sequence);
}

/** Puts zeros where they stand for the ICV in an IPv4 header of `headers` octets that ipv4Check accepted; false: an option is refused. */
export function ahMute4(p: usize, headers: u32): bool {
  store<u8>(p, 0, IPV4_TOS);
  storeBE16(p + IPV4_FRAGMENT, 0);
  store<u8>(p, 0, IPV4_TTL);
  storeBE16(p + IPV4_CHECKSUM, 0);
  let at = IPV4_HEADER;
  while (at < headers) {
    const option = p + at;
    const type = <u32>load<u8>(option);
    if (type == OPTION_END) return true;
    if (type == OPTION_NOP) {
      at += 1;
      continue;
    }
    if (headers - at < 2) return false;
    const octets = <u32>load<u8>(option, 1);
    if (octets < 2 || octets > headers - at) return false;
    if (isRoute(type) && !routeEnded(option, octets)) return false;
    if (isOf(mutable, MUTABLE, type)) memory.fill(option, 0, octets);
    else if (!isOf(immutable, IMMUTABLE, type)) return false;
    at += octets;
  }
  return true;
}

function isRoute(type: u32): bool {
  return type == OPTION_LSRR || type == OPTION_SSRR;
}

/** True when the pointer of a source route is behind its last address: the destination is the last one (RFC 791 3.1). */
function routeEnded(option: usize, octets: u32): bool {
  return octets > 2 && <u32>load<u8>(option, 2) > octets;
}

function isOf(list: usize, count: u32, type: u32): bool {
  for (let i: u32 = 0; i < count; i++) if (<u32>load<u8>(list + i) == type) return true;
  return false;
}

/** The same for IPv6 and the extension headers up to `headers` octets, over which ipv6Walk has gone. */
export function ahMute6(p: usize, headers: u32): bool {
  storeBE32(p, 0x60000000);
  store<u8>(p, 0, IPV6_HOP_LIMIT);
  let kind = <u32>load<u8>(p, IPV6_NEXT_HEADER);
  let at = IPV6_HEADER;
  while (at < headers) {
    const extension = p + at;
    const octets = (<u32>load<u8>(extension, 1) + 1) << 3;
    if (octets > headers - at) return false;
    // A routing header has no segments left, or the walk would have stopped: it stays as it is.
    const options = kind == EXTENSION_HOP_BY_HOP || kind == EXTENSION_DESTINATION;
    if (options && !muteOptions(extension + 2, octets - 2)) return false;
    kind = <u32>load<u8>(extension);
    at += octets;
  }
  return true;
}

function muteOptions(options: usize, length: u32): bool {
  let at: u32 = 0;
  while (at < length) {
    const type = <u32>load<u8>(options + at);
    if (type == OPTION6_PAD1) {
      at += 1;
      continue;
    }
    if (length - at < 2) return false;
    const octets = <u32>load<u8>(options + at, 1);
    if (octets > length - at - 2) return false;
    if ((type & OPTION6_MUTABLE) != 0) memory.fill(options + at + 2, 0, octets);
    at += 2 + octets;
  }
  return true;
}
