/**
 * Where the packets of an SA go (RFC 7296 2.23, RFC 4555 3.5): SA_UPDATE from the IKE board gives an SA other ends, keys, counters and
 * window staying as they are; SA_MOVED tells the IKE board that a peer's packets come from elsewhere, and decides nothing.
 *
 * SA_MOVED is told of a packet in UDP whose ICV is right and whose number is above all others of its SA, so that a packet that is
 * replayed moves nobody; without a replay window, of none. In transport mode the ends are the selectors' business, too: REFUSED_MODE
 * when they do not cover the new ones.
 */
import { DROP_CONTROL_MALFORMED } from "../abi/drop";
import {
  DIRECTION_INBOUND,
  MESSAGE_HEADER,
  MESSAGE_SA_MOVED,
  MESSAGE_SA_REFUSED,
  MESSAGE_SA_UPDATED,
  REFUSED_MALFORMED,
  REFUSED_MODE,
  REFUSED_NO_SA,
  SA_DIRECTION,
  SA_ENDS,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_LOCAL_TS_COUNT,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
  SA_SPI,
  SELECTOR_OCTETS,
} from "../abi/message";
import { Frame } from "../bus/frame";
import { drop } from "../bus/port";
import { addressHigh4 } from "../policy/flow";
import {
  addressInRange,
  selectorEndHigh,
  selectorEndLow,
  selectorFamily,
  selectorStartHigh,
  selectorStartLow,
} from "../policy/selector";
import { loadBE32, loadBE64, zeroize } from "../rt/bytes";
import { now } from "../rt/registers";
import { IPV4_DESTINATION, IPV4_SOURCE, ipv4Source } from "../wire/ipv4";
import { IPV6_ADDRESS, IPV6_DESTINATION, IPV6_SOURCE, ipv6SameAddress } from "../wire/ipv6";
import { udpDestinationPort, udpSourcePort } from "../wire/udp";
import { answerShort, reportEnds } from "./control_out";
import { findNamed } from "./local_database";
import { pathMtuStart } from "./path_mtu";
import { rehearsing } from "./rehearsal";
import { SHAPE_IPV6, Sa, isAh, isIpv6, isTransport, remoteAddress6 } from "./sa";

/** Not one of REFUSED_*. */
const ACCEPTED: u32 = 0;
/** Shortest time between two SA_MOVED of one SA, in ns: the message may get lost, and the IKE board may not follow. */
const REPEAT: u64 = 1_000_000_000;

const moved: usize = memory.data(SA_ENDS, 8);

/** SA_UPDATE, opened. Takes the frame. */
export function handleUpdate(frame: Frame, transaction: u32): void {
  if (frame.length < MESSAGE_HEADER + SA_ENDS) {
    zeroize(frame.start, frame.length);
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  const ends = frame.start + MESSAGE_HEADER;
  const link = load<u32>(ends, SA_LINK);
  const spi = load<u32>(ends, SA_SPI);
  const direction = <u32>load<u8>(ends, SA_DIRECTION);
  const sa = findNamed(spi, direction, link);
  const refused = sa ? update(sa, ends) : REFUSED_NO_SA;
  const type = refused == ACCEPTED ? MESSAGE_SA_UPDATED : MESSAGE_SA_REFUSED;
  answerShort(frame, type, transaction, link, spi, direction, refused);
}

/** Gives an SA other ends; 0 or REFUSED_*. */
function update(sa: Sa, ends: usize): u32 {
  const malformed = endsExamine(ends, isAh(sa));
  if (malformed != ACCEPTED) return malformed;
  if (isTransport(sa)) {
    const selectors = sa.cold + SA_SELECTORS;
    const locals = <u32>load<u8>(sa.cold, SA_LOCAL_TS_COUNT);
    const remotes = <u32>load<u8>(sa.cold, SA_REMOTE_TS_COUNT);
    if (!endsCovered(ends, selectors, locals, remotes)) return REFUSED_MODE;
  }
  endsTake(sa, ends);
  const flags =
    ((<u32>sa.flags) & ~SA_FLAG_UDP_ENCAPSULATION) | ((<u32>load<u8>(ends, SA_FLAGS)) & SA_FLAG_UDP_ENCAPSULATION);
  sa.flags = <u8>flags;
  sa.shape = <u16>(((<u32>sa.shape) & ~SHAPE_IPV6) | (load<u8>(ends, SA_FAMILY) == 6 ? SHAPE_IPV6 : 0));
  pathMtuStart(sa);
  const cold = sa.cold;
  store<u8>(cold, sa.flags, SA_FLAGS);
  store<u8>(cold, load<u8>(ends, SA_FAMILY), SA_FAMILY);
  memory.copy(cold + SA_LOCAL_PORT, ends + SA_LOCAL_PORT, SA_ENDS - SA_LOCAL_PORT);
  return ACCEPTED;
}

/** Takes the addresses and ports of a record, or of ends, into what every packet needs. */
export function endsTake(sa: Sa, ends: usize): void {
  const four = load<u8>(ends, SA_FAMILY) == 4;
  sa.localAddress = four ? loadBE32(ends + SA_LOCAL_ADDRESS) : 0;
  sa.remoteAddress = four ? loadBE32(ends + SA_REMOTE_ADDRESS) : 0;
  sa.localPort = load<u16>(ends, SA_LOCAL_PORT);
  sa.remotePort = load<u16>(ends, SA_REMOTE_PORT);
  if (<u32>sa.direction == DIRECTION_INBOUND) sa.movedAt = 0;
}

/** What can be said of the ends in a record by themselves, for `ah` or ESP: 0 or REFUSED_*. There is no AH in UDP. */
export function endsExamine(ends: usize, ah: bool): u32 {
  const family = <u32>load<u8>(ends, SA_FAMILY);
  if (family != 4 && family != 6) return REFUSED_MODE;
  if (!addressGiven(ends + SA_LOCAL_ADDRESS, family) || !addressGiven(ends + SA_REMOTE_ADDRESS, family)) {
    return REFUSED_MALFORMED;
  }
  const encapsulated = ((<u32>load<u8>(ends, SA_FLAGS)) & SA_FLAG_UDP_ENCAPSULATION) != 0;
  if (encapsulated && ah) return REFUSED_MODE;
  if (encapsulated && (load<u16>(ends, SA_LOCAL_PORT) == 0 || load<u16>(ends, SA_REMOTE_PORT) == 0)) {
    return REFUSED_MALFORMED;
  }
  return ACCEPTED;
}

/** True when the selectors, local ones first, hold both ends: without them no packet of transport mode could be the SA's. */
export function endsCovered(ends: usize, selectors: usize, locals: u32, remotes: u32): bool {
  const family = <u32>load<u8>(ends, SA_FAMILY);
  const remote = selectors + <usize>(locals * SELECTOR_OCTETS);
  return (
    covers(selectors, locals, family, ends + SA_LOCAL_ADDRESS) &&
    covers(remote, remotes, family, ends + SA_REMOTE_ADDRESS)
  );
}

/** True when an address of this family is not all zeros. */
function addressGiven(address: usize, family: u32): bool {
  return load<u32>(address) != 0 || (family == 6 && (load<u32>(address, 4) | load<u64>(address, 8)) != 0);
}

/** True when one of `count` selectors holds the address. */
function covers(selectors: usize, count: u32, family: u32, address: usize): bool {
  const high = family == 4 ? addressHigh4(address) : loadBE64(address);
  const low: u64 = family == 4 ? 0 : loadBE64(address + 8);
  for (let i: u32 = 0; i < count; i++) {
    const selector = selectors + <usize>(i * SELECTOR_OCTETS);
    if (
      selectorFamily(selector) == family &&
      addressInRange(
        high,
        low,
        selectorStartHigh(selector),
        selectorStartLow(selector),
        selectorEndHigh(selector),
        selectorEndLow(selector),
      )
    ) {
      return true;
    }
  }
  return false;
}

/**
 * The newest authentic packet of an inbound SA came in UDP, its headers stand at `outer`, `headers` octets of IP among them: whether
 * from where the SA says is looked at here.
 */
export function noteSource(sa: Sa, outer: usize, headers: u32): void {
  if (rehearsing()) return;
  const six = (<u32>load<u8>(outer)) >> 4 == 6;
  const udp = outer + headers;
  const same =
    six == isIpv6(sa) &&
    (six ? ipv6SameAddress(outer + IPV6_SOURCE, remoteAddress6(sa)) : ipv4Source(outer) == sa.remoteAddress);
  if (same && udpSourcePort(udp) == <u32>sa.remotePort) return;
  const time = now();
  if (sa.movedAt != 0 && time - sa.movedAt < REPEAT) return;
  const ends = moved;
  memory.fill(ends, 0, SA_ENDS);
  store<u32>(ends, sa.link, SA_LINK);
  store<u32>(ends, sa.spi, SA_SPI);
  store<u8>(ends, <u8>DIRECTION_INBOUND, SA_DIRECTION);
  store<u8>(ends, <u8>SA_FLAG_UDP_ENCAPSULATION, SA_FLAGS);
  store<u8>(ends, six ? 6 : 4, SA_FAMILY);
  store<u16>(ends, <u16>udpDestinationPort(udp), SA_LOCAL_PORT);
  store<u16>(ends, <u16>udpSourcePort(udp), SA_REMOTE_PORT);
  const octets = six ? IPV6_ADDRESS : 4;
  memory.copy(ends + SA_LOCAL_ADDRESS, outer + (six ? IPV6_DESTINATION : IPV4_DESTINATION), octets);
  memory.copy(ends + SA_REMOTE_ADDRESS, outer + (six ? IPV6_SOURCE : IPV4_SOURCE), octets);
  if (reportEnds(MESSAGE_SA_MOVED, ends)) sa.movedAt = time;
}
