/**
 * The path of an IKE message: IPv4 or IPv6, UDP 500 or 4500 with the non-ESP marker (RFC 7296 section 2.23, 3.1; RFC 3948 2.2).
 *
 * pull takes the headers off a received packet and remembers whence it came; send puts them in front of a copy of a
 * retained message. Refuses fragments, foreign addresses, IPv6 sources that cannot be answered, and over IPv6 a UDP checksum that is
 * wrong or missing, each for its reason.
 */
import {
  DROP_IKE_MALFORMED,
  DROP_IKE_NO_CONNECTION,
  DROP_IP_FRAGMENT,
  DROP_IP_MALFORMED,
  DROP_IP_NOT_FOR_US,
  DROP_IPV6_EXTENSION,
  DROP_PROTOCOL_UNKNOWN,
  DROP_UDP_MALFORMED,
  DROP_UDP_PORT,
} from "../abi/drop";
import { PORT_UNPROTECTED } from "../abi/ring";
import { TRACE_IKE_SENT, TRACE_MASK_IKE } from "../abi/trace";
import { Frame, framePull, framePush } from "../bus/frame";
import { consume, drop, originate, transmit } from "../bus/port";
import { trace } from "../rt/trace";
import { loadBE32 } from "../rt/bytes";
import { IKE_LENGTH, ikeExchange, ikeFlags, ikeMessageId } from "../wire/ike_message";
import {
  FAMILY_IPV4,
  IpAddress,
  addressFamily,
  addressIpv4,
  addressIsLinkLocal,
  addressOnWire,
  addressRead,
  addressSetIpv4,
  addressTravels,
} from "../wire/ip_address";
import {
  IPV4_HEADER,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Destination,
  ipv4Emit,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Source,
  ipv4TotalLength,
} from "../wire/ipv4";
import {
  IPV6_ADDRESS,
  IPV6_DESTINATION,
  IPV6_HEADER,
  IPV6_SOURCE,
  WALK_DONE,
  ipv6Check,
  ipv6Emit,
  ipv6TotalLength,
  ipv6Walk,
  ipv6WalkFragmented,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";
import {
  UDP_HEADER,
  udpCheck,
  udpChecksumRight6,
  udpDestinationPort,
  udpEmit,
  udpEmitChecksum,
  udpEmitChecksum6,
  udpLength,
  udpSourcePort,
} from "../wire/udp";
import { isLocalAddress } from "./local_address";
import { portIke, portNatt } from "./settings";

export const NON_ESP_MARKER: u32 = 4;
const TTL: u32 = 64;

/** Of the datagram that pathPull took last. */
export const pathLocal: IpAddress = changetype<IpAddress>(memory.data(16, 8));
export const pathRemote: IpAddress = changetype<IpAddress>(memory.data(16, 8));
export let pathLocalPort: u32 = 0;
export let pathRemotePort: u32 = 0;

let identification: u32 = 0;

/** Leaves the IKE message alone in the frame. False: the frame is gone already, dropped or consumed. */
export function pathPull(frame: Frame): bool {
  const ip = frame.start;
  const ipv6 = frame.length != 0 && load<u8>(ip) >> 4 == 6;
  if (ipv6 ? !pullIpv6(frame) : !pullIpv4(frame)) return false;
  if (!isLocalAddress(pathLocal)) return refuse(frame, DROP_IP_NOT_FOR_US);
  if (!udpCheck(frame.start, frame.length)) return refuse(frame, DROP_UDP_MALFORMED);
  if (ipv6 && !udpChecksumRight6(ip, frame.start)) return refuse(frame, DROP_UDP_MALFORMED);
  pathLocalPort = udpDestinationPort(frame.start);
  pathRemotePort = udpSourcePort(frame.start);
  frame.length = udpLength(frame.start);
  framePull(frame, UDP_HEADER);
  if (pathLocalPort == portIke) return true;
  if (pathLocalPort != portNatt) return refuse(frame, DROP_UDP_PORT);
  if (frame.length == 1 && load<u8>(frame.start) == 0xff) {
    // NAT keepalive (RFC 3948 2.3).
    consume(frame);
    return false;
  }
  if (frame.length < NON_ESP_MARKER || load<u32>(frame.start) != 0) return refuse(frame, DROP_IKE_MALFORMED);
  framePull(frame, NON_ESP_MARKER);
  return true;
}

function pullIpv4(frame: Frame): bool {
  const p = frame.start;
  if (!ipv4Check(p, frame.length)) return refuse(frame, DROP_IP_MALFORMED);
  if (ipv4IsFragment(p)) return refuse(frame, DROP_IP_FRAGMENT);
  if (ipv4Protocol(p) != PROTOCOL_UDP) return refuse(frame, DROP_PROTOCOL_UNKNOWN);
  addressSetIpv4(pathLocal, ipv4Destination(p));
  addressSetIpv4(pathRemote, ipv4Source(p));
  frame.length = ipv4TotalLength(p);
  framePull(frame, ipv4HeaderOctets(p));
  return true;
}

function pullIpv6(frame: Frame): bool {
  const p = frame.start;
  if (!ipv6Check(p, frame.length)) return refuse(frame, DROP_IP_MALFORMED);
  frame.length = ipv6TotalLength(p);
  if (ipv6Walk(p, frame.length) != WALK_DONE) return refuse(frame, DROP_IPV6_EXTENSION);
  if (ipv6WalkFragmented()) return refuse(frame, DROP_IP_FRAGMENT);
  if (ipv6WalkProtocol() != PROTOCOL_UDP) return refuse(frame, DROP_PROTOCOL_UNKNOWN);
  addressRead(pathLocal, p + IPV6_DESTINATION, IPV6_ADDRESS);
  addressRead(pathRemote, p + IPV6_SOURCE, IPV6_ADDRESS);
  if (!addressTravels(pathLocal) || !addressTravels(pathRemote)) return refuse(frame, DROP_IP_MALFORMED);
  // An answer would not know its link.
  if (addressIsLinkLocal(pathRemote)) return refuse(frame, DROP_IKE_NO_CONNECTION);
  framePull(frame, ipv6WalkOctets());
  return true;
}

function refuse(frame: Frame, reason: u32): bool {
  drop(frame, reason);
  return false;
}

/** Sends a copy of `length` octets of IKE message. A pool that is empty loses it as the network might. */
export function pathSend(
  message: usize,
  length: u32,
  local: IpAddress,
  localPort: u32,
  remote: IpAddress,
  remotePort: u32,
): void {
  if (length == 0) return;
  const frame = originate();
  if (!frame) return;
  memory.copy(frame.start, message, length);
  frame.length = length;
  trace(TRACE_MASK_IKE, TRACE_IKE_SENT, ikeExchange(message), ikeMessageId(message), ikeFlags(message), length);
  if (localPort == portNatt) store<u32>(framePush(frame, NON_ESP_MARKER), 0);
  wrap(frame, local, localPort, remote, remotePort);
}

/** Sends every one of the messages that stand one behind the other in `length` octets. */
export function pathSendAll(
  messages: usize,
  length: u32,
  local: IpAddress,
  localPort: u32,
  remote: IpAddress,
  remotePort: u32,
): void {
  for (let at: u32 = 0; at < length; ) {
    const octets = loadBE32(messages + at + IKE_LENGTH);
    pathSend(messages + at, octets, local, localPort, remote, remotePort);
    at += octets;
  }
}

/** What stands in front of an IKE message on its way to that address, at most. */
export function pathOverhead(remote: IpAddress): u32 {
  return (addressFamily(remote) == FAMILY_IPV4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER + NON_ESP_MARKER;
}

/** Puts UDP and IP in front of a payload and lets it go. */
function wrap(frame: Frame, local: IpAddress, localPort: u32, remote: IpAddress, remotePort: u32): void {
  const udp = framePush(frame, UDP_HEADER);
  udpEmit(udp, localPort, remotePort, frame.length);
  if (addressFamily(remote) == FAMILY_IPV4) {
    udpEmitChecksum(udp, addressIpv4(local), addressIpv4(remote));
    const ip = framePush(frame, IPV4_HEADER);
    identification = (identification + 1) & 0xffff;
    ipv4Emit(ip, frame.length, PROTOCOL_UDP, addressIpv4(local), addressIpv4(remote), TTL, 0, false, identification);
  } else {
    const octets = frame.length;
    const ip = framePush(frame, IPV6_HEADER);
    ipv6Emit(ip, octets, PROTOCOL_UDP, addressOnWire(local), addressOnWire(remote), TTL, 0, 0);
    udpEmitChecksum6(ip, udp);
  }
  transmit(PORT_UNPROTECTED, frame);
}

/** Sends a NAT keepalive: one octet ff (RFC 3948 section 2.3). */
export function pathSendKeepalive(local: IpAddress, localPort: u32, remote: IpAddress, remotePort: u32): void {
  const frame = originate();
  if (!frame) return;
  store<u8>(frame.start, 0xff);
  frame.length = 1;
  wrap(frame, local, localPort, remote, remotePort);
}
