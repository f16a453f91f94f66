/**
 * The C library through koffi: the system calls of the NICs and the numbers of Linux's headers that go with them.
 *
 * Memory that the kernel reads or writes is passed as an address (a number: user space ends below 2^47), because most of
 * it is named inside structures. V8 does not move the store of an ArrayBuffer or a SharedArrayBuffer, and addressOf()
 * keeps it. Refuses big-endian and 32-bit machines, whose structures are laid out differently.
 */

import koffi from "koffi";
import { endianness } from "node:os";

const WIDE = ["x64", "arm64", "riscv64", "loong64"];
if (process.platform !== "linux" || endianness() !== "LE" || !WIDE.includes(process.arch)) {
  throw new Error(
    `the Linux NICs need Linux on a 64-bit little-endian machine, this is ${process.platform} on ${process.arch}`,
  );
}

const library = koffi.load(null);

export const socket = library.func("int socket(int, int, int)") as (
  domain: number,
  type: number,
  protocol: number,
) => number;
export const bind = library.func("int bind(int, void *, uint)") as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const connect = library.func("int connect(int, void *, uint)") as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const send = library.func("long send(int, void *, size_t, int)") as (
  fd: number,
  octets: Uint8Array,
  length: number,
  flags: number,
) => number;
export const setsockopt = library.func("int setsockopt(int, int, int, void *, uint)") as (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: number,
) => number;
export const getsockopt = library.func("int getsockopt(int, int, int, void *, void *)") as (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: Uint8Array,
) => number;
export const open = library.func("int open(str, int)") as (path: string, flags: number) => number;
export const close = library.func("int close(int)") as (fd: number) => number;
export const ioctl = library.func("int ioctl(int, ulong, void *)") as (
  fd: number,
  request: number,
  argument: Uint8Array,
) => number;
export const eventfd = library.func("int eventfd(uint, int)") as (initial: number, flags: number) => number;
export const read = library.func("long read(int, uintptr_t, size_t)") as (
  fd: number,
  address: number,
  octets: number,
) => number;
export const write = library.func("long write(int, uintptr_t, size_t)") as (
  fd: number,
  address: number,
  octets: number,
) => number;
export const writev = library.func("long writev(int, uintptr_t, int)") as (
  fd: number,
  vectors: number,
  count: number,
) => number;
/** ioctl(2) whose argument is a number. */
export const ioctlNumber = library.func("int ioctl(int, ulong, ulong)") as (
  fd: number,
  request: number,
  argument: number,
) => number;
export const poll = library.func("int poll(uintptr_t, ulong, int)") as (
  table: number,
  count: number,
  timeout: number,
) => number;
export const epollCreate1 = library.func("int epoll_create1(int)") as (flags: number) => number;
export const epollCtl = library.func("int epoll_ctl(int, int, int, void *)") as (
  epoll: number,
  operation: number,
  fd: number,
  event: Uint8Array,
) => number;
export const epollWait = library.func("int epoll_wait(int, uintptr_t, int, int)") as (
  epoll: number,
  events: number,
  count: number,
  timeout: number,
) => number;
export const recvmmsg = library.func("int recvmmsg(int, uintptr_t, uint, int, uintptr_t)") as (
  fd: number,
  messages: number,
  count: number,
  flags: number,
  timeout: number,
) => number;
export const sendmmsg = library.func("int sendmmsg(int, uintptr_t, uint, int)") as (
  fd: number,
  messages: number,
  count: number,
  flags: number,
) => number;
/**
 * Between memories of which the engine copies octet by octet (chassis/copy.ts), at a tenth of its time for a packet of usual size. The caller
 * has seen that both ranges are there.
 */
export const memcpy = library.func("uintptr_t memcpy(uintptr_t, uintptr_t, size_t)") as (
  to: number,
  from: number,
  octets: number,
) => number;
const memset = library.func("uintptr_t memset(void *, int, size_t)") as (
  p: Uint8Array,
  value: number,
  octets: number,
) => number | bigint;

/** The errno of the last call of this thread. */
export const errno: () => number = koffi.errno;

/**
 * Buffers whose address has been taken. An address is nothing that the garbage collector knows, and a variable that is not
 * read again keeps nothing alive once the optimiser has seen to it: so they stay until their thread ends.
 */
const pinned: ArrayBufferLike[] = [];

/** Where the first octet of a buffer lies, which from now on lives as long as the thread. For few and long-lived buffers. */
export function addressOf(buffer: ArrayBufferLike): number {
  pinned.push(buffer);
  return addressNow(buffer);
}

/** The same for as long as the caller holds the buffer, reads it again and again, and no longer. */
export function addressNow(buffer: ArrayBufferLike): number {
  return Number(memset(new Uint8Array(buffer), 0, 0));
}

/** Writes an address where the kernel reads a pointer, and leaves nothing to the garbage collector. */
export function putPointer(view: DataView, at: number, address: number): void {
  view.setUint32(at, address, true);
  view.setUint32(at + 4, address / 2 ** 32, true);
}

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EACCES = 13;
export const EBUSY = 16;
export const EINVAL = 22;
export const EMSGSIZE = 90;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;

export const O_RDWR = 2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
export const MSG_NOSIGNAL = 0x4000;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_RAW = 255;
export const IPPROTO_ICMPV6 = 58;
export const SOL_RAW = 255;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const ICMP_FILTER = 1;
export const ICMP6_FILTER = 1;
export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_SNDBUF = 7;
export const SO_REUSEADDR = 2;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_MARK = 36;
export const IP_HDRINCL = 3;
export const SO_MEMINFO = 55;
export const IP_TOS = 1;
export const IP_MTU_DISCOVER = 10;
export const IP_PMTUDISC_DONT = 0;
/** DF, whatever the kernel believes of the path. */
export const IP_PMTUDISC_PROBE = 3;
export const IP_RECVTOS = 13;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVTCLASS = 66;
export const IPV6_TCLASS = 67;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLLET = 0x80000000;
/** EPOLLIN, EPOLLERR and EPOLLHUP have the same values. */
export const POLLIN = 1;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;
export const TUNSETIFF = 0x400454ca;
export const IFF_TUN = 1;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;
export const TUNSETOFFLOAD = 0x400454d0;
export const TUN_F_CSUM = 1;
export const TUN_F_TSO4 = 2;
export const TUN_F_TSO6 = 4;
