/**
 * What the Linux NICs count. Each counter has one writer, so that no atomic addition is needed: the worker or the thread that opened the NICs,
 * and what boards' threads send is counted apart and added up when it is read; a double is stored and read whole on the 64-bit machines that the NICs run on.
 */

import type { Side } from "../nic.ts";

const MOVED = [
  // received and handed over
  "udp_received",
  // of these, in pieces of several
  "udp_received_joined",
  "esp_received",
  "ah_received",
  "icmp_received",
  "tun_received",
  // sent
  "udp_sent",
  // of these, in calls for several
  "udp_sent_joined",
  "esp_sent",
  "esp_sent_in_fragments",
  "ah_sent",
  "ah_sent_in_fragments",
  "bypass_sent",
  "tun_sent",
] as const;

const DROPPED = [
  // on the way in
  "unprotected_rx_ring_full",
  "unprotected_rx_too_long",
  "protected_rx_ring_full",
  "protected_rx_not_ip",
  "receive_failed",
  // on the way out
  "unprotected_tx_ring_full",
  "unprotected_tx_malformed",
  "unprotected_tx_other_protocol",
  "unprotected_tx_no_socket",
  "unprotected_tx_would_block",
  "unprotected_tx_too_long",
  "unprotected_tx_unreachable",
  "unprotected_tx_failed",
  "protected_tx_ring_full",
  "protected_tx_would_block",
  "protected_tx_failed",
] as const;

export const NIC_COUNTERS = [...MOVED, ...DROPPED] as const;

export type NicCounter = (typeof NIC_COUNTERS)[number];

export const NIC_COUNTERS_OCTETS = NIC_COUNTERS.length * 8;

export class NicCounters {
  private readonly values: Float64Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.values = new Float64Array(memory, 0, NIC_COUNTERS.length);
  }

  add(index: number, count: number): void {
    this.values[index] += count;
  }

  /** Adds all of another one's. */
  addAll(other: NicCounters): void {
    for (let i = 0; i < this.values.length; i++) this.values[i] += other.values[i];
  }

  /** The sums of several, by name. */
  static total(all: readonly NicCounters[]): Record<NicCounter, number> {
    const sum = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
    for (const counters of all) sum.addAll(counters);
    return sum.read();
  }

  /** All counters by name. */
  read(): Record<NicCounter, number> {
    return Object.fromEntries(NIC_COUNTERS.map((name, index) => [name, this.values[index]])) as Record<
      NicCounter,
      number
    >;
  }
}

/** The side that a counter is of. */
export function counterSide(name: string): Side {
  return name.startsWith("tun_") || name.startsWith("protected_") ? "protected" : "unprotected";
}

/** Whether a counter, of these or of the kernel's, is of packets that went nowhere. */
export function isDropCounter(name: string): boolean {
  return !(MOVED as readonly string[]).includes(name);
}

/** Index of a counter: looked up once, when a module is loaded. */
export function counterIndex(name: NicCounter): number {
  return NIC_COUNTERS.indexOf(name);
}
