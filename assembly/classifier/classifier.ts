/**
 * What the chassis's classifier decides: to which board a packet that arrives belongs (abi/classifier.ts). It holds what the IKE board has told
 * it of its local database and of its SPD, and decides as that would: by the SPI what comes sealed from the unprotected network, by the
 * selectors what comes in clear from the protected one. Whatever is not an established SA's plain case is the IKE board's (S601): IKE, fragments,
 * ICMP, what is damaged, what a policy without an SA covers.
 *
 *   entries   by LINK, 16 octets: SPI in u32, slot u32, generation u32, reserved
 */
import {
  CLASSIFY_CLEAR,
  CLASSIFY_GENERATION,
  CLASSIFY_KIND,
  CLASSIFY_LOCALS,
  CLASSIFY_MAX,
  CLASSIFY_ORDER,
  CLASSIFY_POLICY,
  CLASSIFY_POLICY_GONE,
  CLASSIFY_PRIORITY,
  CLASSIFY_REMOTES,
  CLASSIFY_SA,
  CLASSIFY_SA_AWAY,
  CLASSIFY_SA_GONE,
  CLASSIFY_SELECTORS,
  CLASSIFY_SERIAL,
  CLASSIFY_SLOT,
  CLASSIFY_SPI,
  CLASSIFY_VALUE,
} from "../abi/classifier";
import { LINK_MASK, LINK_MAX, SA_SELECTORS_MAX, SELECTOR_OCTETS } from "../abi/message";
import { PORT_UNPROTECTED } from "../abi/ring";
import { isLocalAddress, isLocalAddress6, portNatt } from "../policy/local_address";
import { ORDER_SA } from "../policy/priority";
import {
  selectorTableInsert,
  selectorTableLookupPacket,
  selectorTableRemove,
  selectorTableResetFor,
} from "../policy/selector_table";
import { arenaReset, arenaResetAt, arenaTake } from "../rt/arena";
import { AH_HEADER, ahSpi } from "../wire/ah";
import { ESP_HEADER, espSpi } from "../wire/esp";
import {
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Destination,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
} from "../wire/ipv4";
import {
  IPV6_DESTINATION,
  WALK_DONE,
  ipv6Check,
  ipv6TotalLength,
  ipv6Walk,
  ipv6WalkFragmented,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";
import { UDP_HEADER, udpCheck, udpDestinationPort, udpHasChecksum, udpLength } from "../wire/udp";

/** No board: the packet is the IKE board's. */
export const CLASSIFIED_NONE: u32 = 0xffffffff;

const ENTRY_OCTETS: u32 = 16;
const ENTRY_SPI: u32 = 0;
const ENTRY_SLOT: u32 = 4;
const ENTRY_GENERATION: u32 = 8;

let entries: usize = 0;
let links: u32 = 0;
/** A selector found no room: what goes out in clear is the IKE board's, until all is told anew. */
let incomplete: bool = false;
/** GENERATION of the board that the last packet belongs to. */
let generation: u32 = 0;

/** Empties it, with room for `count` CHILD_SAs; false when memory is too small. */
export function classifierReset(count: u32): bool {
  if (count == 0 || count > LINK_MAX) return false;
  if (links == 0) arenaReset();
  else arenaResetAt(__heap_base, (<usize>memory.size()) << 16);
  links = count;
  incomplete = false;
  entries = arenaTake(<usize>count * ENTRY_OCTETS);
  return entries != 0 && selectorTableResetFor(count);
}

/** Takes what the IKE board says, `octets` octets at `m`, as it stands on its MANAGEMENT port; false when that makes no sense. */
export function classifierTake(m: usize, octets: u32): bool {
  if (octets < CLASSIFY_SPI) return false;
  const kind = load<u32>(m, CLASSIFY_KIND);
  const value = load<u32>(m, CLASSIFY_VALUE);
  if (kind == CLASSIFY_CLEAR) return classifierReset(links);
  if (kind == CLASSIFY_SA_GONE) return value < links && forget(value);
  if (kind == CLASSIFY_SA_AWAY) return value < links && away(value);
  if (kind == CLASSIFY_POLICY_GONE) return value >= LINK_MAX && selectorTableRemove(value) != 0;
  if (kind != CLASSIFY_SA && kind != CLASSIFY_POLICY) return false;
  if (octets < CLASSIFY_SELECTORS || octets > CLASSIFY_MAX) return false;
  const locals = load<u32>(m, CLASSIFY_LOCALS);
  const remotes = load<u32>(m, CLASSIFY_REMOTES);
  if (locals > SA_SELECTORS_MAX || remotes > SA_SELECTORS_MAX) return false;
  if (octets != CLASSIFY_SELECTORS + (locals + remotes) * SELECTOR_OCTETS) return false;
  if (kind == CLASSIFY_POLICY)
    return value >= LINK_MAX && insert(m, locals, remotes, value, load<u32>(m, CLASSIFY_ORDER));
  const spi = load<u32>(m, CLASSIFY_SPI);
  if (value >= links || (spi != 0 && (spi & LINK_MASK) != value)) return false;
  forget(value);
  const entry = entryOf(value);
  store<u32>(entry, spi, ENTRY_SPI);
  store<u32>(entry, load<u32>(m, CLASSIFY_SLOT), ENTRY_SLOT);
  store<u32>(entry, load<u32>(m, CLASSIFY_GENERATION), ENTRY_GENERATION);
  return insert(m, locals, remotes, value, ORDER_SA);
}

function insert(m: usize, locals: u32, remotes: u32, value: u32, order: u32): bool {
  const local = m + CLASSIFY_SELECTORS;
  const remote = local + <usize>(locals * SELECTOR_OCTETS);
  const priority = load<u32>(m, CLASSIFY_PRIORITY);
  const serial = load<u32>(m, CLASSIFY_SERIAL);
  if (selectorTableInsert(local, locals, remote, remotes, value, order, priority, serial)) return true;
  incomplete = true;
  return false;
}

function away(link: u32): bool {
  store<u32>(entryOf(link), 0, ENTRY_SPI);
  return true;
}

function forget(link: u32): bool {
  selectorTableRemove(link);
  return away(link);
}

// @ts-ignore: decorator
@inline
function entryOf(link: u32): usize {
  return entries + <usize>(link * ENTRY_OCTETS);
}

/** The slot of the board that the packet of `length` octets at `p` belongs to, or CLASSIFIED_NONE; `port`: where it arrived. */
export function classify(port: u32, p: usize, length: u32): u32 {
  if (length == 0) return CLASSIFIED_NONE;
  const six = (<u32>load<u8>(p)) >> 4 == 6;
  if (six ? !ipv6Check(p, length) : !ipv4Check(p, length)) return CLASSIFIED_NONE;
  const octets = six ? ipv6TotalLength(p) : ipv4TotalLength(p);
  if (six && ipv6Walk(p, octets) != WALK_DONE) return CLASSIFIED_NONE;
  if (port == PORT_UNPROTECTED) return six ? sealed6(p, octets) : sealed4(p, octets);
  if (incomplete) return CLASSIFIED_NONE;
  const value = selectorTableLookupPacket(p, octets);
  return value < links ? boardOf(value) : CLASSIFIED_NONE;
}

/** GENERATION of the board that classify() named last. */
export function classifiedGeneration(): u32 {
  return generation;
}

function boardOf(link: u32): u32 {
  const entry = entryOf(link);
  if (load<u32>(entry, ENTRY_SPI) == 0) return CLASSIFIED_NONE;
  generation = load<u32>(entry, ENTRY_GENERATION);
  return load<u32>(entry, ENTRY_SLOT);
}

function sealed4(p: usize, octets: u32): u32 {
  if (!isLocalAddress(ipv4Destination(p)) || ipv4IsFragment(p)) return CLASSIFIED_NONE;
  const header = ipv4HeaderOctets(p);
  return sealed(ipv4Protocol(p), p + header, octets - header, false);
}

function sealed6(p: usize, octets: u32): u32 {
  if (!isLocalAddress6(p + IPV6_DESTINATION) || ipv6WalkFragmented()) return CLASSIFIED_NONE;
  const header = ipv6WalkOctets();
  return sealed(ipv6WalkProtocol(), p + header, octets - header, true);
}

/** By the SPI of ESP, AH, or ESP in UDP (RFC 3948 2.1) at `payload`; over IPv6 a datagram has a checksum (RFC 8200 8.1). */
function sealed(protocol: u32, payload: usize, octets: u32, six: bool): u32 {
  if (protocol == PROTOCOL_ESP) return octets < ESP_HEADER ? CLASSIFIED_NONE : bySpi(espSpi(payload));
  if (protocol == PROTOCOL_AH) return octets < AH_HEADER ? CLASSIFIED_NONE : bySpi(ahSpi(payload));
  if (protocol != PROTOCOL_UDP || !udpCheck(payload, octets)) return CLASSIFIED_NONE;
  if (udpDestinationPort(payload) != portNatt() || (six && !udpHasChecksum(payload))) return CLASSIFIED_NONE;
  return udpLength(payload) < UDP_HEADER + ESP_HEADER ? CLASSIFIED_NONE : bySpi(espSpi(payload + UDP_HEADER));
}

function bySpi(spi: u32): u32 {
  const link = spi & LINK_MASK;
  if (spi == 0 || link >= links || load<u32>(entryOf(link), ENTRY_SPI) != spi) return CLASSIFIED_NONE;
  return boardOf(link);
}
