/**
 * The ATM backplane in cell mode: what atm.ts carries as whole PDUs crosses here as cells, each for itself.
 *
 * The sender's card cuts the PDU into 53-octet cells (aal5.ts), the cross-connect passes them on, those of several VCs in turn
 * (cross_connect.ts), and the receiver's card has a reassembly buffer for each VC that ends at it: as many as there are slots, each as
 * long as the longest frame. A cell may name no other VC than the one it came on.
 *
 *   fault of a cell                  is found by          counted as
 *   bit of the header                HEC                  atm_hec (cells), and the PDU as one that misses a cell
 *   lost, doubled                    LENGTH               aal5_length
 *   swapped, bit of the payload      CRC                  aal5_crc
 *   lost last cell                   two PDUs as one      aal5_length or aal5_crc, or aal5_oversize beyond the buffer
 */
import { FRAME_STRIDE } from "../../assembly/abi/frame.ts";
import {
  CELL_BAD_HEC,
  CELL_BITS,
  CELL_OCTETS,
  CELL_OTHER_VC,
  cellsOctets,
  CPCS_BAD_CRC,
  CPCS_TOO_LONG,
  cpcsOctets,
  cpcsSeal,
  Reassembler,
  segment,
} from "./aal5.ts";
import { AtmLink } from "./atm.ts";
import type { LinkKind, LinkReceiver } from "./backplane.ts";
import { CHASSIS_DROP } from "./vocabulary.ts";

/** The longest PDU: a whole frame of board RAM. */
const PDU_MAX = cpcsOctets(FRAME_STRIDE);

export class AtmCellLink extends AtmLink {
  override readonly kind: LinkKind = "atm-cell";
  readonly #pdu = new Uint8Array(PDU_MAX);

  /** A wire form is cells. */
  override readonly finish = undefined;
  override readonly sum = undefined;

  override wireOctets(length: number): number {
    return cellsOctets(length);
  }

  override encode(source: Uint8Array, start: number, length: number, vc: number, wire: Uint8Array, at: number): number {
    this.#pdu.set(source.subarray(start, start + length));
    return segment(this.#pdu, 0, cpcsSeal(this.#pdu, 0, length), vc, wire, at);
  }

  override unit(): number {
    return CELL_OCTETS;
  }

  override receiver(): LinkReceiver {
    return new CellReceiver();
  }

  override bits(size: number): number {
    return (size / CELL_OCTETS) * CELL_BITS;
  }
}

/** The reassembly of one VC. */
class CellReceiver implements LinkReceiver {
  readonly #reassembler = new Reassembler(PDU_MAX);
  readonly octets = this.#reassembler.octets;
  readonly start = 0;
  bits = 0;

  take(wire: Uint8Array, at: number, _size: number, vc: number): number {
    const result = this.#reassembler.push(wire, at, vc);
    if (result >= 0) {
      this.bits = (cellsOctets(result) / CELL_OCTETS) * CELL_BITS;
      return result;
    }
    return -1 - REASONS[-result]!;
  }

  reset(): void {
    this.#reassembler.reset();
    this.octets.fill(0);
  }
}

/** Chassis drop reasons by a verdict of the reassembly, negated. */
const REASONS: readonly number[] = (() => {
  const reasons = new Array<number>(6).fill(CHASSIS_DROP.aal5_length);
  reasons[-CPCS_BAD_CRC] = CHASSIS_DROP.aal5_crc;
  reasons[-CELL_BAD_HEC] = CHASSIS_DROP.atm_hec;
  reasons[-CELL_OTHER_VC] = CHASSIS_DROP.atm_unknown_vc;
  reasons[-CPCS_TOO_LONG] = CHASSIS_DROP.aal5_oversize;
  return reasons;
})();
