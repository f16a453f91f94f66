/**
 * The backplane: the internal bus (83) that carries the internal path (13) between the IKE board and the IPsec boards.
 *
 * It is a star: a slot reaches the IKE board's slot and that one reaches all, whatever a board writes on its CHANNEL port,
 * so that a board gone wild cannot speak for another. A link kind (ethernet.ts, atm.ts, atm_cells.ts) knows how a frame
 * looks on the wire, where it goes, and how to tell that it arrived whole. Both drives use the same link code; they differ in
 * what lies between the two ends: nothing, or a ring in shared memory.
 *
 *   CHANNEL transmit ring -> route -> encode -> (faults, taps) -> receiver -> CHANNEL receive ring
 *
 * What crosses at once is a unit: a whole frame, or in cell mode one cell of it.
 */
import { LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { FRAME_STRIDE } from "../../assembly/abi/frame.ts";
import { cellsOctets } from "./aal5.ts";
import { AtmLink } from "./atm.ts";
import { AtmCellLink } from "./atm_cells.ts";
import { EthernetLink } from "./ethernet.ts";

/** `atm` crosses the backplane as whole AAL5 PDUs (frame mode), `atm-cell` as 53-octet cells. The firmware cannot tell. */
export type LinkKind = "ethernet" | "atm" | "atm-cell";

/** True where slots are named by virtual channels. */
export const isAtm = (kind: LinkKind): boolean => kind !== "ethernet";

/** The longest frame in its wire form: a whole frame of board RAM plus what the hardware adds, cut into cells. */
export const WIRE_MAX = cellsOctets(FRAME_STRIDE);

/**
 * How one kind of link spells frames. Where a result may fail, a negative number -1 - r tells chassis drop reason r
 * (CHASSIS_DROP), so that the packet path allocates nothing.
 */
export interface Link {
  readonly kind: LinkKind;
  /** Value of CONFIG_LINK_KIND. */
  readonly code: number;
  /** Room that encode wants for a frame of `length` octets. */
  wireOctets(length: number): number;
  /** Writes the wire form of the frame at source[start, start + length) to `wire` at `at`; returns its octets. */
  encode(source: Uint8Array, start: number, length: number, vc: number, wire: Uint8Array, at: number): number;
  /**
   * Makes the wire form of the frame that stands at wire[at, at + length) in place, but for its check sequence, and returns its octets; `sum` puts that
   * in. Not where a wire form is not a frame with something behind.
   */
  finish?(wire: Uint8Array, at: number, length: number): number;
  sum?(wire: Uint8Array, at: number, size: number): void;
  /** The slot that a frame from slot `from` goes to, by the frame as its board wrote it and by its VC; or a reason. */
  route(source: Uint8Array, start: number, length: number, vc: number, from: number): number;
  /** Octets that cross at once, of a wire form of `size` octets. */
  unit(size: number): number;
  /** The far end of the link, for what one slot sends there. */
  receiver(): LinkReceiver;
  /** The VC under which the frame arrives; 0 where there are none. */
  vcAtArrival(vc: number): number;
  /** Bits that the wire form costs on a real line. */
  bits(size: number): number;
  /** The link of a slot to the IKE board, for people: `ethernet 02:43:43:00:00:03` or `atm 0/35`. */
  describe(slot: number): string;
}

/** The far end of a link, for one sender: checks units, and knows when a frame is whole. */
export interface LinkReceiver {
  /** Where the frame stands that take() told of, until the next take(). */
  octets: Uint8Array;
  start: number;
  /** What that frame cost on the line. */
  bits: number;
  /** Takes one unit, `summed` when it has a check sequence. Returns the octets of a frame that it makes whole, 0 for none yet, or a reason. */
  take(wire: Uint8Array, at: number, size: number, vc: number, summed?: boolean): number;
  /** Forgets a frame that has begun: another board sits at this end. */
  reset(): void;
}

export const refusedFor = (reason: number): number => -1 - reason;
export const reasonOf = (refused: number): number => -1 - refused;

/** Builds the link code for `kind`. */
export function createLink(kind: LinkKind, ikeSlot: number): Link {
  if (kind === "ethernet") return new EthernetLink(LINK_ETHERNET, ikeSlot);
  return kind === "atm" ? new AtmLink(LINK_ATM, ikeSlot) : new AtmCellLink(LINK_ATM, ikeSlot);
}

/** What passed over one slot's link, in one direction. */
export interface LinkCounters {
  frames: number;
  /** Octets of frame, as the board wrote them. */
  octets: number;
  /** Bits on the wire with all that the link adds. */
  bits: number;
}
