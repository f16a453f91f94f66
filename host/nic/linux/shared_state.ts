/**
 * What the opening thread and the NIC worker share besides descriptors: four packet rings, the counters, and a few words.
 *
 *   STOP      the worker is to leave its loop
 *   BELL      counts who rang
 *   SLEEPING  the worker is in poll(2), or about to be: who fills a ring then writes to the eventfd
 *   TOLD      the opening thread has been told of received packets and has not looked yet: no second message
 *   READER    who reads what arrives, WANTED who is to (reading_right.ts)
 *   COMMANDS  counts commands: a board's thread looks for them when it has changed
 */

import type { DeviceLineParts } from "../../chassis/drive/line.ts";

export const STATE_STOP = 0;
/** Counts calls of its doorbell; behind it SLEEPING, as chassis/drive/line.ts wants them. */
export const STATE_BELL = 15;
export const STATE_SLEEPING = 16;
export const STATE_TOLD = 32;
export const STATE_READER = 33;
export const STATE_WANTED = 34;
export const STATE_COMMANDS = 35;
export const STATE_OCTETS = 192;

/** Octets of each ring: about 2700 packets of 1500 octets. */
export const RING_CAPACITY = 4 << 20;

export interface TunParts {
  fd: number;
  mtu: number;
  offload: boolean;
}

/** workerData of the NIC worker. */
export interface NicWorkerData {
  /** SharedSockets. */
  sockets: SharedArrayBuffer;
  tun: TunParts;
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

/**
 * Messages to the worker and to a board's thread that reads: a line to the boards' threads, or what the classifier is told. `answer`: the number of the answer that is
 * wanted, 0 for none.
 */
export type NicCommand =
  | { line: DeviceLineParts }
  | { classify: Uint8Array; answer: number }
  | { classifierAddresses: Uint8Array };

/** What both tell: packets have come for the opening thread; the command that wanted this answer is in force. */
export type ReceptionMessage = { kind: "received" } | { kind: "classified"; answer: number };

/** Messages from the worker. `sockets`: those that the table names in this version are in use, others no longer. */
export type NicMessage =
  | ReceptionMessage
  | { kind: "ready" | "addresses" | "stopped" }
  | { kind: "sockets"; version: number };
