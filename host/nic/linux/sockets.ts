/**
 * The sockets of the unprotected side, one set per local address of either family:
 *
 *   udp ike, udp natt    bound to address and port, so that source and destination are known without asking
 *   udp df               of IPv4, the same address and port: sends what says don't fragment, which is a matter of the socket; receives nothing,
 *                        because it is connected to itself
 *   esp                  raw, protocol 50, bound to the address: receives ESP; sends what must be fragmented
 *   raw                  raw, IPPROTO_RAW: sends ESP with the outer header that the firmware wrote, receives nothing; of IPv6
 *                        AH as well
 *   ah                   raw, protocol 51, bound to the address: receives AH; of IPv4 sends it with its own header, of IPv6 what must
 *                        be fragmented (outer_sender.ts)
 *   icmp                 raw, protocol 1 or 58, bound to the address, sends nothing: receives ICMP destination unreachable, ICMPv6 packet
 *                        too big, for the path MTU
 *
 * and, where policies let packets by in clear, one for each family:
 *
 *   bypass               raw, IPPROTO_RAW, bound to nothing: sends whole packets as they stand, on the path beside the tunnel
 *                        (bypass_routes.ts)
 *
 * A raw socket of IPv6 takes the header off what it gives (RFC 3542 section 3); its traffic class comes beside.
 *
 * UDP_ENCAP is not set: on port 4500 the kernel must leave ESP to us. Outgoing datagrams may be fragmented
 * (IP_PMTUDISC_DONT): a lost fragment is retransmitted by IKE, a refused one is not. Refuses link-local addresses, which mean nothing without their link.
 */

import * as libc from "./libc.ts";
import { addressOctets } from "../../chassis/config.ts";
import { BYPASS_MARK } from "./bypass_routes.ts";
import { OWN_MARK } from "./own_routes.ts";
import { PROTOCOL_AH, PROTOCOL_ESP, PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from "./outer_header.ts";
import type { Family } from "./outer_header.ts";

/** Octets of socket buffer asked for; without CAP_NET_ADMIN the kernel gives net.core.rmem_max at most. */
const BUFFER_OCTETS = 8 << 20;

export const SOCKET_UDP = 0;
export const SOCKET_ESP = 1;
export const SOCKET_RAW = 2;
export const SOCKET_AH = 3;
export const SOCKET_BYPASS = 4;
export const SOCKET_ICMP = 5;
export const SOCKET_UDP_DF = 6;

/** Whether anything arrives by sockets of a kind. */
export const receives = (kind: number): boolean =>
  kind !== SOCKET_RAW && kind !== SOCKET_BYPASS && kind !== SOCKET_UDP_DF;

/** One socket, as the worker needs it. */
export interface OuterSocket {
  fd: number;
  kind: number;
  family: Family;
  address: Uint8Array;
  /** 0 unless UDP. */
  port: number;
}

/** A system call that failed, told in the words of whoever has to mend it. */
export class NicError extends Error {
  constructor(
    message: string,
    readonly errno: number,
  ) {
    super(message);
    this.name = "NicError";
  }
}

function integer(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setInt32(0, value, true);
  return octets;
}

function setInteger(fd: number, level: number, option: number, value: number): boolean {
  return libc.setsockopt(fd, level, option, integer(value), 4) === 0;
}

function socketAddress(address: Uint8Array, port: number): Uint8Array {
  const ipv6 = address.length === 16;
  const octets = new Uint8Array(ipv6 ? 28 : 16);
  const view = new DataView(octets.buffer);
  view.setUint16(0, ipv6 ? libc.AF_INET6 : libc.AF_INET, true);
  view.setUint16(2, port, false);
  octets.set(address, ipv6 ? 8 : 4);
  return octets;
}

function explain(what: string, errno: number): NicError {
  switch (errno) {
    case libc.EPERM:
      return new NicError(
        `${what}: not permitted, CAP_NET_RAW is missing (run as root, or grant the capability)`,
        errno,
      );
    case libc.EACCES:
      return new NicError(
        `${what}: not permitted, CAP_NET_BIND_SERVICE is missing for a port below 1024 (run as root)`,
        errno,
      );
    case libc.EADDRINUSE:
      return new NicError(`${what}: already in use, another IKE daemon is running on this address`, errno);
    case libc.EADDRNOTAVAIL:
      return new NicError(`${what}: this machine has no such address`, errno);
    default:
      return new NicError(`${what}: errno ${errno}`, errno);
  }
}

function enlarge(fd: number): void {
  for (const [force, plain] of [
    [libc.SO_RCVBUFFORCE, libc.SO_RCVBUF],
    [libc.SO_SNDBUFFORCE, libc.SO_SNDBUF],
  ]) {
    if (!setInteger(fd, libc.SOL_SOCKET, force, BUFFER_OCTETS)) setInteger(fd, libc.SOL_SOCKET, plain, BUFFER_OCTETS);
  }
}

const ICMP_UNREACHABLE = 3;
const ICMPV6_TOO_BIG = 2;

/** The protocol of ICMP. */
export const icmpOf = (family: Family): number => (family === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);

/** Protocol of the other raw sockets. */
const RAW_PROTOCOL: Record<number, number> = {
  [SOCKET_ESP]: PROTOCOL_ESP,
  [SOCKET_RAW]: libc.IPPROTO_RAW,
  [SOCKET_AH]: PROTOCOL_AH,
};

/**
 * Datagrams may be fragmented; the TOS octet or traffic class of what arrives is told. Datagrams that arrive one behind the other may be given in
 * one piece, where the kernel can do that.
 */
function setFamilyOptions(fd: number, kind: number, family: Family): void {
  if (kind === SOCKET_UDP) setInteger(fd, libc.SOL_UDP, libc.UDP_GRO, 1);
  if (family === 4) {
    const df = kind === SOCKET_UDP_DF ? libc.IP_PMTUDISC_PROBE : libc.IP_PMTUDISC_DONT;
    setInteger(fd, libc.IPPROTO_IP, libc.IP_MTU_DISCOVER, df);
    if (kind === SOCKET_UDP) setInteger(fd, libc.IPPROTO_IP, libc.IP_RECVTOS, 1);
    if (kind === SOCKET_AH) setInteger(fd, libc.IPPROTO_IP, libc.IP_HDRINCL, 1);
    return;
  }
  setInteger(fd, libc.IPPROTO_IPV6, libc.IPV6_V6ONLY, 1);
  setInteger(fd, libc.IPPROTO_IPV6, libc.IPV6_MTU_DISCOVER, libc.IP_PMTUDISC_DONT);
  if (kind !== SOCKET_RAW) setInteger(fd, libc.IPPROTO_IPV6, libc.IPV6_RECVTCLASS, 1);
}

/** Of ICMP only what tells a path MTU, as far as the kernel can tell it apart: a bit is set for each type that is not wanted. */
function filterIcmp(fd: number, family: Family): boolean {
  if (family === 4) return setInteger(fd, libc.SOL_RAW, libc.ICMP_FILTER, ~(1 << ICMP_UNREACHABLE));
  const blocked = new Uint32Array(8).fill(0xffffffff);
  blocked[0] = ~(1 << ICMPV6_TOO_BIG) >>> 0;
  return libc.setsockopt(fd, libc.IPPROTO_ICMPV6, libc.ICMP6_FILTER, new Uint8Array(blocked.buffer), 32) === 0;
}

/** Lets another socket of ours have the same address and port; nobody else's. */
function share(fd: number, on: boolean): void {
  setInteger(fd, libc.SOL_SOCKET, libc.SO_REUSEADDR, on ? 1 : 0);
}

/** The socket of `udp`'s address and port, of IPv4, that says don't fragment. Throws NicError; then it is not open. */
export function openDfSocket(udp: OuterSocket, text: string): OuterSocket {
  const { family, address, port } = udp;
  const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  const failed = (): NicError => explain(`UDP ${text} port ${port}, a second time`, libc.errno());
  if (fd < 0) throw failed();
  enlarge(fd);
  setInteger(fd, libc.SOL_SOCKET, libc.SO_MARK, OWN_MARK);
  setFamilyOptions(fd, SOCKET_UDP_DF, family);
  const own = socketAddress(address, port);
  share(udp.fd, true);
  share(fd, true);
  const bound = libc.bind(fd, own, own.length) === 0 && libc.connect(fd, own, own.length) === 0;
  const error = bound ? undefined : failed();
  share(udp.fd, false);
  share(fd, false);
  if (error === undefined) return { fd, kind: SOCKET_UDP_DF, family, address, port };
  libc.close(fd);
  throw error;
}

function openSocket(kind: number, text: string, port: number): OuterSocket {
  const address = addressOctets(text);
  const family = address.length === 16 ? 6 : 4;
  const flags = libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC;
  const what = kind === SOCKET_UDP ? `UDP ${text} port ${port}` : `raw IPv${family} socket on ${text}`;
  const domain = family === 6 ? libc.AF_INET6 : libc.AF_INET;
  const fd =
    kind === SOCKET_UDP
      ? libc.socket(domain, libc.SOCK_DGRAM | flags, 0)
      : libc.socket(domain, libc.SOCK_RAW | flags, kind === SOCKET_ICMP ? icmpOf(family) : RAW_PROTOCOL[kind]);
  if (fd < 0) throw explain(what, libc.errno());
  enlarge(fd);
  setInteger(fd, libc.SOL_SOCKET, libc.SO_MARK, OWN_MARK);
  setFamilyOptions(fd, kind, family);
  if (kind === SOCKET_ICMP && !filterIcmp(fd, family)) {
    const errno = libc.errno();
    libc.close(fd);
    throw explain(what, errno);
  }
  const bound = socketAddress(address, port);
  if (libc.bind(fd, bound, bound.length) !== 0) {
    const errno = libc.errno();
    libc.close(fd);
    throw explain(what, errno);
  }
  return { fd, kind, family, address, port };
}

/**
 * Opens the sockets of every address. Throws NicError that says which one failed and why; then none is left open.
 * Throws RangeError when an address is none.
 */
export function openOuterSockets(addresses: readonly string[], portIke: number, portNatt: number): OuterSocket[] {
  for (const address of addresses) {
    addressOctets(address);
    if (/^fe[89ab]/i.test(address)) throw new RangeError(`${address} is link-local: it means nothing without its link`);
  }
  if (addresses.length === 0) throw new RangeError("no local address to listen on");
  if (portIke === portNatt) throw new RangeError(`the ports for IKE and for NAT traversal are both ${portIke}`);
  const sockets: OuterSocket[] = [];
  try {
    for (const address of new Set(addresses)) {
      for (const port of [portIke, portNatt]) {
        const udp = openSocket(SOCKET_UDP, address, port);
        sockets.push(udp);
        if (udp.family === 4) sockets.push(openDfSocket(udp, address));
      }
      sockets.push(openSocket(SOCKET_ESP, address, 0));
      sockets.push(openSocket(SOCKET_RAW, address, 0));
      sockets.push(openSocket(SOCKET_AH, address, 0));
      sockets.push(openSocket(SOCKET_ICMP, address, 0));
    }
  } catch (error) {
    for (const opened of sockets) libc.close(opened.fd);
    throw error;
  }
  return sockets;
}

/** Opens the sockets that send in clear; a family that this machine has not is left out. Throws NicError as openOuterSockets does. */
export function openBypassSockets(): OuterSocket[] {
  const sockets: OuterSocket[] = [];
  for (const family of [4, 6] as const) {
    const domain = family === 6 ? libc.AF_INET6 : libc.AF_INET;
    const fd = libc.socket(domain, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, libc.IPPROTO_RAW);
    if (fd < 0 && family === 6) continue;
    if (fd < 0) throw explain("raw IPv4 socket for packets in clear", libc.errno());
    enlarge(fd);
    setInteger(fd, libc.SOL_SOCKET, libc.SO_MARK, BYPASS_MARK);
    setFamilyOptions(fd, SOCKET_RAW, family);
    sockets.push({ fd, kind: SOCKET_BYPASS, family, address: new Uint8Array(family === 6 ? 16 : 4), port: 0 });
  }
  return sockets;
}

/** Packets that the kernel dropped because a socket's receive buffer was full (SK_MEMINFO_DROPS). */
export function kernelDrops(sockets: readonly OuterSocket[]): number {
  let drops = 0;
  for (const { fd, kind } of sockets) {
    const values = new Uint8Array(36);
    if (!receives(kind)) continue;
    if (libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_MEMINFO, values, integer(values.length)) === 0) {
      drops += new DataView(values.buffer).getUint32(32, true);
    }
  }
  return drops;
}
