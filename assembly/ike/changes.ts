/**
 * Which IKE_SAs and CHILD_SAs have changed since they were written to the checkpoint (checkpoint.ts). Whoever changes a state, a message
 * id or an IV says so; what else stands in the records goes along.
 */
import { changed, changesTake } from "../checkpoint/changes";
import { childSaCapacity, ikeSaCapacity } from "./settings";

let ikeSas: usize = 0;
let childSas: usize = 0;

/** Without `kept` nothing is noted. False when RAM is too small. */
export function changesReset(kept: bool): bool {
  ikeSas = kept ? changesTake(ikeSaCapacity) : 0;
  childSas = kept ? changesTake(childSaCapacity) : 0;
  return !kept || (ikeSas != 0 && childSas != 0);
}

export function ikeChanged(index: u32): void {
  changed(ikeSas, index);
}

export function childChanged(link: u32): void {
  changed(childSas, link);
}

/** The lists of checkpoint/changes.ts, 0 none. */
export function ikeChanges(): usize {
  return ikeSas;
}

export function childChanges(): usize {
  return childSas;
}
