/**
 * Descriptors of eventfd(2) that any thread writes to at any time, to wake the one that sleeps on it. Such a one is never closed, because its
 * number would be another's then: it is kept for the next who wants one, who is woken in vain at worst.
 */
import * as libc from "./libc.ts";
import { NicError } from "./sockets.ts";

const kept: number[] = [];

/** One that nobody sleeps on. Throws NicError. */
export function takeWakeDescriptor(): number {
  const descriptor = kept.pop() ?? libc.eventfd(0, libc.O_NONBLOCK | libc.O_CLOEXEC);
  if (descriptor < 0) throw new NicError(`eventfd: errno ${libc.errno()}`, libc.errno());
  return descriptor;
}

/** Nobody sleeps on it any more. */
export function keepWakeDescriptor(descriptor: number): void {
  kept.push(descriptor);
}
