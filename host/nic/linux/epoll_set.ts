/**
 * The descriptors that a thread sleeps on, through epoll(7): what a call costs does not grow with their number, as it does with poll(2).
 *
 *   struct epoll_event   0 events u32   4 data u64 (packed) on x86-64   8 data u64 on the others
 */
import * as libc from "./libc.ts";
import { NicError } from "./sockets.ts";

const PACKED = process.arch === "x64";
const EVENT = PACKED ? 12 : 16;
const DATA = PACKED ? 4 : 8;
/** Descriptors that one wait tells of; the others come with the next. */
const EVENTS = 64;

export class EpollSet {
  private readonly fd: number;
  private used: readonly number[] = [];
  private readonly events = new DataView(new ArrayBuffer(EVENTS * EVENT));
  private readonly address = libc.addressOf(this.events.buffer);
  private readonly event = new Uint8Array(EVENT);
  /** Of each descriptor, by its place in the set. */
  private ready: Uint32Array = new Uint32Array(0);

  /** `fd`: of epoll_create1(2), which then is closed by whoever has made it. Throws NicError. */
  constructor(fd = newEpoll()) {
    this.fd = fd;
  }

  /**
   * Waits for these descriptors to be readable from now on, and for no others; for `bell`, the place of an eventfd among them, to be written
   * to: it need not be read. Throws NicError.
   */
  use(descriptors: readonly number[], bell: number): void {
    const event = new DataView(this.event.buffer);
    // One that has been closed is not there any more.
    for (const descriptor of this.used) libc.epollCtl(this.fd, libc.EPOLL_CTL_DEL, descriptor, this.event);
    this.used = [...descriptors];
    this.ready = new Uint32Array(descriptors.length);
    descriptors.forEach((descriptor, i) => {
      event.setUint32(0, i === bell ? (libc.POLLIN | libc.EPOLLET) >>> 0 : libc.POLLIN, true);
      event.setUint32(DATA, i, true);
      if (libc.epollCtl(this.fd, libc.EPOLL_CTL_ADD, descriptor, this.event) !== 0)
        throw new NicError(`epoll: errno ${libc.errno()}`, libc.errno());
    });
  }

  /** Sleeps until one is readable or has failed, `milliseconds` at most. Throws NicError. */
  wait(milliseconds: number): void {
    this.ready.fill(0);
    const count = libc.epollWait(this.fd, this.address, EVENTS, milliseconds);
    if (count < 0 && libc.errno() !== libc.EINTR) throw new NicError(`epoll: errno ${libc.errno()}`, libc.errno());
    for (let i = 0; i < count; i++)
      this.ready[this.events.getUint32(i * EVENT + DATA, true)] = this.events.getUint32(i * EVENT, true);
  }

  /** Whether a descriptor was readable, or has failed, when the last wait ended. */
  readable(i: number): boolean {
    return this.ready[i] !== 0;
  }

  failed(i: number): boolean {
    return (this.ready[i] & libc.POLLERR) !== 0;
  }

  close(): void {
    libc.close(this.fd);
  }
}

/** A descriptor of epoll(7). Throws NicError. */
export function newEpoll(): number {
  const fd = libc.epollCreate1(libc.O_CLOEXEC);
  if (fd < 0) throw new NicError(`epoll: errno ${libc.errno()}`, libc.errno());
  return fd;
}
