/**
 * Tells the operator which element of which proposal failed to match when no proposal is chosen (RFC 7296 section 2.7): the most
 * asked question of those who set up two gateways. What strangers send is told once a second at most.
 */
import { TRANSFORM_ID, TRANSFORM_KEY_BITS, TRANSFORM_OCTETS, TRANSFORM_TYPE } from "../abi/management";
import { now } from "../rt/registers";
import {
  PROPOSAL_NUMBER,
  transformFirst,
  transformId,
  transformKeyBits,
  transformNext,
  transformType,
} from "../wire/ike_payload/sa";
import { ChildConfig } from "./connection";
import { TRANSFORM_PROPOSAL, mismatchOurs, mismatchTheirs, mismatchType } from "./proposal";
import { reportMismatch } from "./report";
import { SECOND } from "./settings";

/** Transforms of one side that are told. */
const TOLD_MAX: u32 = 16;
const summary: usize = memory.data(4, 4);
const ours: usize = memory.data(TOLD_MAX * TRANSFORM_OCTETS, 8);
const theirs: usize = memory.data(TOLD_MAX * TRANSFORM_OCTETS, 8);
let quietUntil: u64 = 0;

/** After proposalSelect found nothing among `count` transforms of ours at `own`; the message is still in hand. */
export function mismatchTell(connection: i32, child: ChildConfig | null, own: usize, count: u32): void {
  if (!child) {
    if (now() < quietUntil) return;
    quietUntil = now() + SECOND;
  }
  store<u8>(summary, <u8>mismatchType);
  store<u8>(summary, <u8>mismatchOurs, 1);
  store<u8>(summary, mismatchTheirs != 0 ? load<u8>(mismatchTheirs, PROPOSAL_NUMBER) : 0, 2);
  let ourOctets: u32 = 0;
  for (let i: u32 = 0; i < count && ourOctets < TOLD_MAX * TRANSFORM_OCTETS; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (<u32>load<u8>(t, TRANSFORM_PROPOSAL) != mismatchOurs) continue;
    if (<u32>load<u8>(t, TRANSFORM_TYPE) != mismatchType) continue;
    memory.copy(ours + ourOctets, t, TRANSFORM_OCTETS);
    store<u8>(ours + ourOctets, 0, TRANSFORM_PROPOSAL);
    ourOctets += TRANSFORM_OCTETS;
  }
  let theirOctets: u32 = 0;
  let wire: usize = mismatchTheirs != 0 ? transformFirst(mismatchTheirs) : 0;
  for (; wire != 0 && theirOctets < TOLD_MAX * TRANSFORM_OCTETS; wire = transformNext(wire)) {
    if (transformType(wire) != mismatchType) continue;
    const to = theirs + theirOctets;
    store<u64>(to, 0);
    store<u8>(to, <u8>mismatchType, TRANSFORM_TYPE);
    store<u16>(to, <u16>transformId(wire), TRANSFORM_ID);
    store<u16>(to, <u16>transformKeyBits(wire), TRANSFORM_KEY_BITS);
    theirOctets += TRANSFORM_OCTETS;
  }
  reportMismatch(connection, child, summary, ours, ourOctets, theirs, theirOctets);
}
