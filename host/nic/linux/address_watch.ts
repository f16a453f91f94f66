/**
 * A netlink socket (rtnetlink(7)) that becomes readable when an address comes or goes, or an interface goes up or down. What it says is
 * not read, but thrown away: what there is now, interfaces.ts tells.
 */

import * as libc from "./libc.ts";
import { NicError } from "./sockets.ts";

const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;

/** Opens it. Throws NicError. */
export function openAddressWatch(): number {
  const flags = libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC;
  const fd = libc.socket(libc.AF_NETLINK, flags, libc.NETLINK_ROUTE);
  if (fd < 0) throw new NicError(`netlink socket: errno ${libc.errno()}`, libc.errno());
  const name = new Uint8Array(12);
  const view = new DataView(name.buffer);
  view.setUint16(0, libc.AF_NETLINK, true);
  view.setUint32(8, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, true);
  if (libc.bind(fd, name, name.length) !== 0) {
    const errno = libc.errno();
    libc.close(fd);
    throw new NicError(`netlink socket: errno ${errno}`, errno);
  }
  return fd;
}

/** Takes everything off it; `buffer` is the address of `octets` octets. What overflowed meanwhile (ENOBUFS) has been told of all the same. */
export function drainAddressWatch(fd: number, buffer: number, octets: number): void {
  while (libc.read(fd, buffer, octets) > 0 || libc.errno() === libc.ENOBUFS || libc.errno() === libc.EINTR);
}
