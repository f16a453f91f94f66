/** `placement`, of the chassis and of a child: how a CHILD_SA finds its IPsec board (S402), as PLACEMENT_* of abi/config.ts. */
import {
  PLACEMENT_FIXED,
  PLACEMENT_HASH,
  PLACEMENT_LEAST_LOADED,
  PLACEMENT_POLICY_MASK,
  PLACEMENT_ROUND_ROBIN,
  PLACEMENT_SLOT_SHIFT,
} from "../../../assembly/abi/config.ts";
import { FABRIC_SLOT_MAX } from "../../../assembly/abi/fabric.ts";
import { word } from "./value.ts";

const POLICIES = {
  "round-robin": PLACEMENT_ROUND_ROBIN,
  "least-loaded": PLACEMENT_LEAST_LOADED,
  hash: PLACEMENT_HASH,
};

const policy = word(POLICIES);
const childWord = word({ ...POLICIES, "slot N": 0 });

/** Of the chassis: a policy. */
export const chassisPlacement = policy;

/** Of a child: a policy of its own, or `slot 3`. */
export function childPlacement(text: string): number {
  const slot = /^slot\s+(\d{1,3})$/.exec(text)?.[1];
  if (slot === undefined) return text === "slot N" ? policy(text) : childWord(text);
  if (Number(slot) >= FABRIC_SLOT_MAX) throw new RangeError(`'${text}': slots are 0 to ${FABRIC_SLOT_MAX - 1}`);
  return PLACEMENT_FIXED | (Number(slot) << PLACEMENT_SLOT_SHIFT);
}

/** The slot of a fixed placement. */
export const placementSlot = (placement: number): number | undefined =>
  (placement & PLACEMENT_POLICY_MASK) === PLACEMENT_FIXED ? placement >>> PLACEMENT_SLOT_SHIFT : undefined;
