/**
 * ICMP errors about our own sealed packets: fragmentation needed (RFC 1191), packet too big (RFC 8201). The board that has the SA
 * decides whether it is true (ipsec/path_mtu.ts); here the quoted packet is read, and the SA found by its outbound SPI.
 *
 * Refuses an error that does not quote a packet from the address that it comes to, that is of neither ESP nor AH, by itself or in UDP
 * from our port, that is quoted without its sequence number, or that was no larger than what is said to fit.
 */
import { DROP_ICMP_QUOTE } from "../abi/drop";
import {
  DIRECTION_OUTBOUND,
  MESSAGE_HEADER,
  MESSAGE_PATH_MTU,
  PATH_MTU_MESSAGE_OCTETS,
  PATH_MTU_OCTETS,
  PATH_MTU_SEQUENCE,
  SA_DIRECTION,
  SA_ENDS,
  SA_FAMILY,
  SA_FLAGS,
  SA_FLAG_UDP_ENCAPSULATION,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_PROTOCOL,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_SPI,
} from "../abi/message";
import { originate } from "../bus/port";
import { loadBE16, loadBE32 } from "../rt/bytes";
import { icmpRight, isFragmentationNeeded } from "../wire/icmp";
import { PROTOCOL_ICMPV6, icmpv6Right, isPacketTooBig } from "../wire/icmpv6";
import {
  IPV4_DESTINATION,
  IPV4_HEADER,
  IPV4_SOURCE,
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
  ipv4FragmentOffset,
  ipv4HeaderOctets,
  ipv4Protocol,
  ipv4TotalLength,
} from "../wire/ipv4";
import {
  EXTENSION_FRAGMENT,
  IPV6_ADDRESS,
  IPV6_DESTINATION,
  IPV6_FRAGMENT_HEADER,
  IPV6_FRAGMENT_OFFSET,
  IPV6_HEADER,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
  ipv6SameAddress,
  ipv6TotalLength,
} from "../wire/ipv6";
import { UDP_HEADER, udpDestinationPort, udpSourcePort } from "../wire/udp";
import { boardIsOnline } from "./board_table";
import { sendControl, writeHeader } from "./control_out";
import { LINK_LIVE, Link, linkNumber } from "./local_database";
import { portNatt } from "../policy/local_address";
import { outboundIndexNext } from "./outbound_index";

/** ICMP and ICMPv6: the header, the last four octets of which have the MTU. */
const ICMP_HEADER: u32 = 8;
/** Peers that may have chosen one SPI, and be asked. */
const LINKS_MAX: u32 = 4;
/** RFC 1191 section 7: what routers that tell no MTU are likely to have. */
const PLATEAU_ETHERNET: u32 = 1492;
const PLATEAU_ARPANET: u32 = 1006;
const PLATEAU_LEAST: u32 = 576;

/** What the quoted packet has, as SA ends of abi/message.ts. */
const quoted: usize = memory.data(SA_ENDS, 8);
let mtu: u32 = 0;
let sequence: u32 = 0;

/** True for an ICMP error of this kind: `protocol` is that of the packet, its `octets` of payload stand at `payload`. */
export function isPathMtu(protocol: u32, ipv6: bool, payload: usize, octets: u32): bool {
  if (octets < ICMP_HEADER) return false;
  if (ipv6) return protocol == PROTOCOL_ICMPV6 && isPacketTooBig(payload);
  return protocol == PROTOCOL_ICMP && isFragmentationNeeded(payload);
}

/**
 * Takes such an error, the packet at `p`, its message of `octets` at `payload`: 0, and the boards of the SAs that it may be about are
 * told; or a drop reason.
 */
export function pathMtuLearn(p: usize, payload: usize, octets: u32): u32 {
  const ipv6 = (<u32>load<u8>(p)) >> 4 == 6;
  if (!(ipv6 ? icmpv6Right(p, payload, octets) : icmpRight(payload, octets))) return DROP_ICMP_QUOTE;
  memory.fill(quoted, 0, SA_ENDS);
  const quote = payload + ICMP_HEADER;
  const length = octets - ICMP_HEADER;
  const spi = ipv6 ? read6(p, payload, quote, length) : read4(p, payload, quote, length);
  if (spi == 0) return DROP_ICMP_QUOTE;
  let told: u32 = 0;
  let link = outboundIndexNext(spi, null);
  for (let i: u32 = 0; link && i < LINKS_MAX; i++) {
    if (link.stateOut == LINK_LIVE && boardIsOnline(link.slot, link.generation)) {
      tell(link, spi);
      told += 1;
    }
    link = outboundIndexNext(spi, link);
  }
  return told != 0 ? 0 : DROP_ICMP_QUOTE;
}

/** The SPI of a quoted packet of IPv4, the rest in `quoted`; 0 when it is none of ours. */
function read4(p: usize, payload: usize, quote: usize, length: u32): u32 {
  if (length < IPV4_HEADER || (<u32>load<u8>(quote)) >> 4 != 4) return 0;
  const header = ipv4HeaderOctets(quote);
  if (header < IPV4_HEADER || header > length || ipv4FragmentOffset(quote) != 0) return 0;
  if (load<u32>(quote, IPV4_SOURCE) != load<u32>(p, IPV4_DESTINATION)) return 0;
  const total = ipv4TotalLength(quote);
  mtu = loadBE16(payload + 6);
  if (mtu == 0) mtu = plateauBelow(total);
  if (mtu >= total) return 0;
  store<u8>(quoted, 4, SA_FAMILY);
  memory.copy(quoted + SA_LOCAL_ADDRESS, quote + IPV4_SOURCE, 4);
  memory.copy(quoted + SA_REMOTE_ADDRESS, quote + IPV4_DESTINATION, 4);
  return readSealed(ipv4Protocol(quote), quote + header, length - header);
}

/** The same of IPv6, behind a fragment header, too. */
function read6(p: usize, payload: usize, quote: usize, length: u32): u32 {
  if (length < IPV6_HEADER || (<u32>load<u8>(quote)) >> 4 != 6) return 0;
  if (!ipv6SameAddress(quote + IPV6_SOURCE, p + IPV6_DESTINATION)) return 0;
  mtu = loadBE32(payload + 4);
  if (mtu >= ipv6TotalLength(quote)) return 0;
  let header = IPV6_HEADER;
  let protocol = <u32>load<u8>(quote, IPV6_NEXT_HEADER);
  if (protocol == EXTENSION_FRAGMENT) {
    const fragment = quote + IPV6_HEADER;
    header += IPV6_FRAGMENT_HEADER;
    if (length < header || loadBE16(fragment + IPV6_FRAGMENT_OFFSET) >> 3 != 0) return 0;
    protocol = <u32>load<u8>(fragment);
  }
  store<u8>(quoted, 6, SA_FAMILY);
  memory.copy(quoted + SA_LOCAL_ADDRESS, quote + IPV6_SOURCE, IPV6_ADDRESS);
  memory.copy(quoted + SA_REMOTE_ADDRESS, quote + IPV6_DESTINATION, IPV6_ADDRESS);
  return readSealed(protocol, quote + header, length - header);
}

/** The SPI of a sealed packet, `octets` of which stand at `p`; 0 when it is none of ours, or its number is cut off. */
function readSealed(protocol: u32, p: usize, octets: u32): u32 {
  let at: u32 = 0;
  if (protocol == PROTOCOL_UDP) {
    if (octets < UDP_HEADER || udpSourcePort(p) != portNatt()) return 0;
    store<u8>(quoted, <u8>SA_FLAG_UDP_ENCAPSULATION, SA_FLAGS);
    store<u16>(quoted, <u16>udpSourcePort(p), SA_LOCAL_PORT);
    store<u16>(quoted, <u16>udpDestinationPort(p), SA_REMOTE_PORT);
    at = UDP_HEADER;
    protocol = PROTOCOL_ESP;
  } else if (protocol == PROTOCOL_AH) {
    at = 4;
  } else if (protocol != PROTOCOL_ESP) {
    return 0;
  }
  if (octets < at + 8) return 0;
  store<u8>(quoted, <u8>protocol, SA_PROTOCOL);
  sequence = loadBE32(p + at + 4);
  return loadBE32(p + at);
}

/** RFC 1191 section 5: a router that tells no MTU has one below what did not fit. */
function plateauBelow(total: u32): u32 {
  if (total > PLATEAU_ETHERNET) return PLATEAU_ETHERNET;
  return total > PLATEAU_ARPANET ? PLATEAU_ARPANET : PLATEAU_LEAST;
}

/** Hands it to the board of a link. Should the message get lost, the next packet that is too big brings another. */
function tell(link: Link, spi: u32): void {
  const frame = originate();
  if (!frame) return;
  const m = frame.start;
  frame.length = PATH_MTU_MESSAGE_OCTETS;
  writeHeader(frame, MESSAGE_PATH_MTU, 0);
  memory.copy(m + MESSAGE_HEADER, quoted, SA_ENDS);
  store<u32>(m + MESSAGE_HEADER, linkNumber(link), SA_LINK);
  store<u32>(m + MESSAGE_HEADER, spi, SA_SPI);
  store<u8>(m + MESSAGE_HEADER, <u8>DIRECTION_OUTBOUND, SA_DIRECTION);
  store<u32>(m, mtu, PATH_MTU_OCTETS);
  store<u32>(m, sequence, PATH_MTU_SEQUENCE);
  sendControl(frame, link.slot);
}
