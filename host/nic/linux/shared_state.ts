/**
 * What the opening thread and the NIC worker share besides descriptors: four packet rings, the counters, and three words.
 *
 *   STOP      the worker is to leave its loop
 *   SLEEPING  the worker is in poll(2), or about to be: who fills a ring then writes to the eventfd
 *   TOLD      the opening thread has been told of received packets and has not looked yet: no second message
 */

import type { OuterSocket } from "./sockets.ts";

export const STATE_STOP = 0;
export const STATE_SLEEPING = 16;
export const STATE_TOLD = 32;
export const STATE_OCTETS = 192;

/** Octets of each ring: about 2700 packets of 1500 octets. */
export const RING_CAPACITY = 4 << 20;

/** workerData of the NIC worker. */
export interface NicWorkerData {
  sockets: OuterSocket[];
  tun: { fd: number; mtu: number };
  wake: number;
  /** Readable when addresses have changed (address_watch.ts). */
  watch: number;
  state: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  unprotectedReceive: SharedArrayBuffer;
  unprotectedTransmit: SharedArrayBuffer;
  protectedReceive: SharedArrayBuffer;
  protectedTransmit: SharedArrayBuffer;
}

/** Messages to the worker, which looks for them when it is woken: the sockets from now on. */
export interface NicWorkerCommand {
  sockets: OuterSocket[];
}

/** Messages from the worker. `sockets`: those of the last command are in use, others no longer. */
export type NicWorkerMessage = { kind: "ready" | "received" | "addresses" | "sockets" | "stopped" };
