/**
 * Outbound policy on the IKE board: which clear packets are protected, and by which link (RFC 4301 section 4.4.1).
 *
 * Values of the selector table: a LINK for an SA that is in place; TRAP_POLICY | child for a configured child without one,
 * whose first packet raises an acquire. What matches nothing is discarded.
 */
import { SA_LOCAL_TS_COUNT, SA_REMOTE_TS_COUNT, SA_SELECTORS, SELECTOR_OCTETS } from "../abi/message";
import { selectorTableInsert, selectorTableRemove, selectorTableReset } from "../policy/selector_table";

/** Marks the value of a trap policy. */
export const TRAP_POLICY: u32 = 0x80000000;
/** Configured children that may have trap policies. */
const TRAPS_MAX: u32 = 1024;

/** Pairs of selectors that a CHILD_SA has on average at most; one with more takes from the others. */
const PAIRS_PER_LINK: u32 = 2;

/** Room for the policies of `links` CHILD_SAs and of the traps; false when RAM is too small. */
export function policyReset(links: u32): bool {
  return selectorTableReset(links * PAIRS_PER_LINK + TRAPS_MAX);
}

/** The SA of `link` takes over what its selectors cover. `record`: the outbound SA record. */
export function policyInsert(record: usize, link: u32): bool {
  const local = <u32>load<u8>(record + SA_LOCAL_TS_COUNT);
  const remote = <u32>load<u8>(record + SA_REMOTE_TS_COUNT);
  const selectors = record + SA_SELECTORS;
  return selectorTableInsert(selectors, local, selectors + <usize>local * SELECTOR_OCTETS, remote, link);
}

export function policyRemove(link: u32): void {
  selectorTableRemove(link);
}

/** A trap for configured child `child`. */
export function trapInsert(child: u32, local: usize, localCount: u32, remote: usize, remoteCount: u32): bool {
  return selectorTableInsert(local, localCount, remote, remoteCount, TRAP_POLICY | child);
}

export function trapRemove(child: u32): void {
  selectorTableRemove(TRAP_POLICY | child);
}
