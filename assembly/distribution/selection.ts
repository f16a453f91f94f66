/**
 * S402: choosing the IPsec board for a new SA. Round robin over the boards that are online and have room, so that the
 * load spreads; every choice is made once per CHILD_SA, because an SA has one home board.
 */
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { boardHasRoom } from "./board_table";

/** No board can take another SA. */
export const SELECTION_NONE: u32 = 0xffffffff;

let last: u32 = 0;

export function selectionReset(): void {
  last = 0;
}

/** The slot for the next CHILD_SA, or SELECTION_NONE. */
export function selectBoard(): u32 {
  for (let i: u32 = 1; i <= FABRIC_SLOT_MAX; i++) {
    const slot = (last + i) % FABRIC_SLOT_MAX;
    if (boardHasRoom(slot)) {
      last = slot;
      return slot;
    }
  }
  return SELECTION_NONE;
}
