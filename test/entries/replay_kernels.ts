/** The anti-replay window of one SA as bare exports, for vector tests on the host. */
import "../../assembly/rt/fault";
import {
  replayCheck,
  replayCommit,
  replayReset,
  replaySequence,
  REPLAY_BITMAP_OCTETS,
} from "../../assembly/ipsec/replay";
import { Sa, SA_OCTETS } from "../../assembly/ipsec/sa";

const record: usize = memory.data(SA_OCTETS, 16);
const bitmap: usize = memory.data(REPLAY_BITMAP_OCTETS, 16);

/** Opens a window of `window` packets (0: none), without extended sequence numbers. */
export function replayBegin(window: u32): void {
  memory.fill(record, 0, SA_OCTETS);
  const sa = changetype<Sa>(record);
  sa.bitmap = bitmap;
  replayReset(sa, window, 0);
}

/** True when a packet whose ICV is right passes the window, and is seen from then on. */
export function replayPass(low: u32): bool {
  const sa = changetype<Sa>(record);
  const sequence = replaySequence(sa, low);
  return replayCheck(sa, sequence) && replayCommit(sa, sequence);
}

/** First address that the module itself does not use. */
export function kernelHeap(): usize {
  return (__heap_base + 63) & ~63;
}
