/**
 * What the opening thread and the NIC worker share besides descriptors: four packet rings, the counters, and a few words.
 *
 *   STOP      the worker is to leave its loop
 *   BELL      counts who rang
 *   SLEEPING  the worker is in poll(2), or about to be: who fills a ring then writes to the eventfd
 *   TOLD      the opening thread has been told of received packets and has not looked yet: no second message
 */

import type { DeviceLineParts } from "../../chassis/drive/line.ts";

export const STATE_STOP = 0;
/** Counts calls of its doorbell; behind it SLEEPING, as chassis/drive/line.ts wants them. */
export const STATE_BELL = 15;
export const STATE_SLEEPING = 16;
export const STATE_TOLD = 32;
export const STATE_OCTETS = 192;

/** Octets of each ring: about 2700 packets of 1500 octets. */
export const RING_CAPACITY = 4 << 20;

/** workerData of the NIC worker. */
export interface NicWorkerData {
  /** SharedSockets. */
  sockets: SharedArrayBuffer;
  tun: { fd: number; mtu: number; offload: boolean };
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

/** Messages to the worker, which looks for them when it is woken: a line to the boards' threads, or what its classifier is told. */
export type NicWorkerCommand =
  | { line: DeviceLineParts }
  | { classify: Uint8Array; answer: boolean }
  | { classifierAddresses: Uint8Array };

/**
 * Messages from the worker. `sockets`: those that the table names in this version are in use, others no longer; `classified`: the next command that wanted an
 * answer is in force.
 */
export type NicWorkerMessage =
  | { kind: "ready" | "received" | "addresses" | "classified" | "stopped" }
  | { kind: "sockets"; version: number };
