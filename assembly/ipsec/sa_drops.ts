/**
 * Why packets of an SA were dropped: the first SA_DROP_KINDS reasons that it meets, each with its count, in the SA's own record. An
 * SA's `drops` counts them all; what is more than these is of yet other reasons, or beyond COUNT_MAX of one.
 *
 *    31                                              8 7            0
 *   +-------------------------------------------------+--------------+
 *   | count                                           | reason       |   SA_DROP_KINDS words from Sa.kinds on; 0: free
 *   +-------------------------------------------------+--------------+
 */
import { DROP_COUNT } from "../abi/drop";
import { STATUS_DROP_KINDS } from "../abi/message";
import { SA_DROP_KINDS, Sa } from "./sa";

const COUNT_MAX: u32 = 0xffffff;

if (DROP_COUNT > 256) ERROR("a drop reason does not fit into an octet");

// @ts-ignore: decorator
@inline
function kinds(sa: Sa): usize {
  return changetype<usize>(sa) + offsetof<Sa>("kinds");
}

export function saDropsReset(sa: Sa): void {
  sa.drops = 0;
  memory.fill(kinds(sa), 0, SA_DROP_KINDS * 4);
}

/** Counts a packet of the SA that was dropped for `reason`. */
export function saDropsCount(sa: Sa, reason: u32): void {
  sa.drops += 1;
  const first = kinds(sa);
  for (let at = first; at < first + SA_DROP_KINDS * 4; at += 4) {
    const word = load<u32>(at);
    if (word != 0 && (word & 0xff) != reason) continue;
    if (word >> 8 != COUNT_MAX) store<u32>(at, (((word >> 8) + 1) << 8) | reason);
    return;
  }
}

/** Writes the words into a status message at `p`. */
export function saDropsWrite(p: usize, sa: Sa): void {
  memory.copy(p + STATUS_DROP_KINDS, kinds(sa), SA_DROP_KINDS * 4);
}
