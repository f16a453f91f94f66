/**
 * The backplane: the internal bus (83) that carries the internal path (13) between the IKE board and the IPsec boards.
 *
 * It is a star: a slot reaches the IKE board's slot and that one reaches all, whatever a board writes on its CHANNEL port,
 * so that a board gone wild cannot speak for another. A link kind (ethernet.ts, atm.ts) knows how a frame looks
 * on the wire, where it goes, and how to tell that it arrived whole. Both drives use the same link code; they differ in
 * what lies between the two ends: nothing, or a ring in shared memory.
 *
 *   CHANNEL transmit ring -> encode -> route -> (taps) -> decode -> CHANNEL receive ring
 */
import { LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { FRAME_STRIDE } from "../../assembly/abi/frame.ts";
import { AtmLink } from "./atm.ts";
import { EthernetLink } from "./ethernet.ts";

export type LinkKind = "ethernet" | "atm";

/** The longest frame in its wire form: a whole frame of board RAM plus what the hardware adds. */
export const WIRE_MAX = FRAME_STRIDE + 64;

/**
 * How one kind of link spells frames. Where a result may fail, a negative number -1 - r tells chassis drop reason r
 * (CHASSIS_DROP), so that the packet path allocates nothing.
 */
export interface Link {
  readonly kind: LinkKind;
  /** Value of CONFIG_LINK_KIND. */
  readonly code: number;
  /** Writes the wire form of the frame at source[start, start + length) to `wire` at `at`; returns its octets. */
  encode(source: Uint8Array, start: number, length: number, wire: Uint8Array, at: number): number;
  /** The slot that a frame from slot `from` goes to, by the frame as its board wrote it and by its VC; or a reason. */
  route(source: Uint8Array, start: number, length: number, vc: number, from: number): number;
  /** Checks a wire form; returns the octets of frame at its front, or a reason. */
  decode(wire: Uint8Array, at: number, size: number): number;
  /** The VC under which the frame arrives; 0 where there are none. */
  vcAtArrival(vc: number): number;
  /** Bits that the wire form costs on a real line. */
  bits(size: number): number;
  /** The link of a slot to the IKE board, for people: `ethernet 02:43:43:00:00:03` or `atm 0/35`. */
  describe(slot: number): string;
}

export const refusedFor = (reason: number): number => -1 - reason;
export const reasonOf = (refused: number): number => -1 - refused;

/** Builds the link code for `kind`. */
export function createLink(kind: LinkKind, ikeSlot: number): Link {
  return kind === "atm" ? new AtmLink(LINK_ATM, ikeSlot) : new EthernetLink(LINK_ETHERNET, ikeSlot);
}

/** What passed over one slot's link, in one direction. */
export interface LinkCounters {
  frames: number;
  /** Octets of frame, as the board wrote them. */
  octets: number;
  /** Bits on the wire with all that the link adds. */
  bits: number;
}
