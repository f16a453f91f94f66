/**
 * How records of the checkpoint (assembly/abi/checkpoint.ts) stand one behind the other in a board's RAM, and in what is made of it. What a
 * board left is looked at once, where it is taken out of RAM (board.ts): behind that there are whole records only.
 */
import {
  CHECKPOINT_ALIGNMENT,
  CHECKPOINT_HEADER,
  CHECKPOINT_OCTETS,
  CHECKPOINT_RECORD_MAX,
} from "../../assembly/abi/checkpoint.ts";

export const viewOf = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

/** Octets of the record at `at`, its header included. */
export function recordOctets(view: DataView, at: number): number {
  return CHECKPOINT_HEADER + view.getUint32(at + CHECKPOINT_OCTETS, true);
}

/** Where the record at `at` ends, and the one behind it begins; at the latest where `view` ends. */
export function recordEnd(view: DataView, at: number): number {
  const octets = Math.ceil(recordOctets(view, at) / CHECKPOINT_ALIGNMENT) * CHECKPOINT_ALIGNMENT;
  return Math.min(at + octets, view.byteLength);
}

/** True when `octets` are records, none cut, and none longer than one may be. */
export function areWhole(octets: Uint8Array): boolean {
  const view = viewOf(octets);
  for (let at = 0; at < octets.length; at = recordEnd(view, at)) {
    if (at + CHECKPOINT_HEADER > octets.length) return false;
    const length = recordOctets(view, at);
    if (length > CHECKPOINT_RECORD_MAX || at + length > octets.length) return false;
  }
  return true;
}
