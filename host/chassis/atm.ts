/**
 * The ATM backplane (second embodiment, claims 11 and 21): one PVC per IPsec board, cross-connected to the IKE board.
 *
 * Slot n and the IKE board's slot are the ends of VC 0/(32 + n): both see the same VPI/VCI. The firmware hands over an LLC/SNAP
 * payload and a VC; the AAL5 trailer and its CRC-32 are computed on sending and checked on arrival. A PDU crosses
 * the backplane in frame mode, and is counted as the cells that it would be: 424 bits for each 48 octets. Cell mode is
 * atm_cells.ts.
 */
import { FABRIC_SLOT_MAX, FABRIC_VCI_BASE } from "../../assembly/abi/fabric.ts";
import { CELL_BITS, CELL_PAYLOAD, cpcsOctets, CPCS_BAD_CRC, cpcsFinish, cpcsOpen, cpcsSeal, cpcsSum } from "./aal5.ts";
import type { Link, LinkKind, LinkReceiver } from "./backplane.ts";
import { FrameReceiver } from "./frame_receiver.ts";
import { CHASSIS_DROP } from "./vocabulary.ts";

export class AtmLink implements Link {
  readonly kind: LinkKind = "atm";
  readonly code: number;
  readonly #ikeSlot: number;

  constructor(code: number, ikeSlot: number) {
    this.code = code;
    this.#ikeSlot = ikeSlot;
  }

  wireOctets(length: number): number {
    return cpcsOctets(length);
  }

  encode(source: Uint8Array, start: number, length: number, _vc: number, wire: Uint8Array, at: number): number {
    wire.set(source.subarray(start, start + length), at);
    return cpcsSeal(wire, at, length);
  }

  finish?(wire: Uint8Array, at: number, length: number): number {
    return cpcsFinish(wire, at, length);
  }

  sum?(wire: Uint8Array, at: number, size: number): void {
    cpcsSum(wire, at, size);
  }

  /** The cross-connect: a VC's other end. */
  route(_source: Uint8Array, _start: number, _length: number, vc: number, from: number): number {
    const slot = vc - FABRIC_VCI_BASE;
    if (slot < 0 || slot >= FABRIC_SLOT_MAX || slot === this.#ikeSlot) return -1 - CHASSIS_DROP.atm_unknown_vc;
    if (from === this.#ikeSlot) return slot;
    return from === slot ? this.#ikeSlot : -1 - CHASSIS_DROP.atm_unknown_vc;
  }

  unit(size: number): number {
    return size;
  }

  receiver(): LinkReceiver {
    return new FrameReceiver(check, (size) => this.bits(size));
  }

  vcAtArrival(vc: number): number {
    return vc;
  }

  bits(size: number): number {
    return (size / CELL_PAYLOAD) * CELL_BITS;
  }

  describe(slot: number): string {
    return `atm 0/${FABRIC_VCI_BASE + slot}`;
  }
}

function check(wire: Uint8Array, at: number, size: number, summed: boolean): number {
  const payload = cpcsOpen(wire, at, size, summed);
  if (payload >= 0) return payload;
  return -1 - (payload === CPCS_BAD_CRC ? CHASSIS_DROP.aal5_crc : CHASSIS_DROP.aal5_length);
}
