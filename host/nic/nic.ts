/**
 * What every network interface looks like to the chassis: a memory cable, a capture file, or a Linux device.
 *
 * A packet is a whole IP packet, from its IP header on. Both directions move batches. An array that is handed over
 * belongs to the receiver, its packets as well: the sender does not touch them again. A NIC never blocks; what it cannot
 * send it drops and counts itself.
 */

import type { LineDevice } from "../chassis/drive/line.ts";

/** The two sides of the gateway: unprotected is the insecure network (17), protected the one behind it. */
export type Side = "unprotected" | "protected";

/** What a NIC has moved and what it has dropped, packets by name. */
export interface PacketCounters {
  moved: Record<string, number>;
  dropped: Record<string, number>;
}

export interface Nic {
  readonly side: Side;
  /** For a NIC that can be wired to the boards' threads; what it receives then goes there while the line is open. */
  readonly line?: LineDevice;
  /** Sends packets, in order. */
  send(packets: Uint8Array[]): void;
  /** Says who receives arriving packets; one receiver at a time. */
  onReceive(callback: (packets: Uint8Array[]) => void): void;
  /** Absent where nobody counts. */
  packetCounters?(): PacketCounters;
  close(): Promise<void>;
}
