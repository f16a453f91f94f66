/**
 * The Ethernet backplane (first embodiment): a switch that knows one MAC address per slot.
 *
 *   +-----------------+------------+-----------+---------------------+---------+
 *   | destination MAC | source MAC | EtherType | payload             | FCS 32  |
 *   +-----------------+------------+-----------+---------------------+---------+
 *    0                 6            12          14
 *
 * The frame check sequence (IEEE 802.3 3.2.9) is computed on sending and checked on arrival. The switch learns nothing: a slot's
 * address follows from its number (abi/fabric.ts), a frame with another source address is dropped, and IPsec slots reach
 * the IKE board's slot only. Short frames are not padded to 60 octets, but counted on the wire as if they were, with
 * preamble and gap. Refuses broadcast and multicast.
 */
import * as zlib from "node:zlib";
import { FABRIC_MAC_HIGH, FABRIC_SLOT_MAX } from "../../assembly/abi/fabric.ts";
import type { Link, LinkReceiver } from "./backplane.ts";
import { FrameReceiver } from "./frame_receiver.ts";
import { CHASSIS_DROP } from "./vocabulary.ts";

const HEADER = 14;
const FCS = 4;
/** Preamble and start delimiter 8, gap 12. */
const LINE_OVERHEAD = 20;
const MINIMUM = 64;

/** zlib.crc32 is the engine's, and younger than Node 20.0; where it is missing, the table below serves. */
const nativeCrc = (zlib as { crc32?: (data: Uint8Array) => number }).crc32;
const TABLE = fcsTable();

function fcsTable(): Int32Array {
  const table = new Int32Array(256);
  for (let octet = 0; octet < 256; octet++) {
    let crc = octet;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[octet] = crc;
  }
  return table;
}

/** CRC-32 of IEEE 802.3, octet by octet. */
export function fcsByTable(octets: Uint8Array, start: number, end: number): number {
  let crc = -1;
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ octets[i]!) & 255]!;
  return ~crc >>> 0;
}

/** CRC-32 of IEEE 802.3 over octets [start, end). */
export function fcs(octets: Uint8Array, start: number, end: number): number {
  return nativeCrc ? nativeCrc(octets.subarray(start, end)) : fcsByTable(octets, start, end);
}

/** The slot whose MAC address stands at `at`, or -1. */
function slotOfMac(octets: Uint8Array, at: number): number {
  const high = ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
  const slot = (octets[at + 4]! << 8) | octets[at + 5]!;
  return high === FABRIC_MAC_HIGH && slot < FABRIC_SLOT_MAX ? slot : -1;
}

export class EthernetLink implements Link {
  readonly kind = "ethernet";
  readonly code: number;
  readonly #ikeSlot: number;

  constructor(code: number, ikeSlot: number) {
    this.code = code;
    this.#ikeSlot = ikeSlot;
  }

  wireOctets(length: number): number {
    return length + FCS;
  }

  encode(source: Uint8Array, start: number, length: number, _vc: number, wire: Uint8Array, at: number): number {
    wire.set(source.subarray(start, start + length), at);
    this.sum(wire, at, length + FCS);
    return length + FCS;
  }

  finish(_wire: Uint8Array, _at: number, length: number): number {
    return length + FCS;
  }

  sum(wire: Uint8Array, at: number, size: number): void {
    const end = at + size - FCS;
    const crc = fcs(wire, at, end);
    wire[end] = crc & 255;
    wire[end + 1] = (crc >>> 8) & 255;
    wire[end + 2] = (crc >>> 16) & 255;
    wire[end + 3] = crc >>> 24;
  }

  route(source: Uint8Array, start: number, length: number, _vc: number, from: number): number {
    if (length < HEADER) return -1 - CHASSIS_DROP.ethernet_malformed;
    if (slotOfMac(source, start + 6) !== from) return -1 - CHASSIS_DROP.ethernet_source;
    const to = slotOfMac(source, start);
    if (to < 0 || to === from || (to !== this.#ikeSlot && from !== this.#ikeSlot)) {
      return -1 - CHASSIS_DROP.ethernet_destination;
    }
    return to;
  }

  unit(size: number): number {
    return size;
  }

  receiver(): LinkReceiver {
    return new FrameReceiver(check, (size) => this.bits(size));
  }

  vcAtArrival(): number {
    return 0;
  }

  bits(size: number): number {
    return (Math.max(size, MINIMUM) + LINE_OVERHEAD) * 8;
  }

  describe(slot: number): string {
    const octets = [24, 16, 8, 0].map((shift) => (FABRIC_MAC_HIGH >>> shift) & 255).concat(slot >>> 8, slot & 255);
    return `ethernet ${octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":")}`;
  }
}

function check(wire: Uint8Array, at: number, size: number, summed: boolean): number {
  if (size < HEADER + FCS) return -1 - CHASSIS_DROP.ethernet_malformed;
  if (!summed) return size - FCS;
  const end = at + size - FCS;
  const crc = (wire[end]! | (wire[end + 1]! << 8) | (wire[end + 2]! << 16) | (wire[end + 3]! << 24)) >>> 0;
  return fcs(wire, at, end) === crc ? size - FCS : -1 - CHASSIS_DROP.ethernet_fcs;
}
