/**
 * The SPD on the IKE board (RFC 4301 section 4.4.1): which clear packets are protected, and by which link, which ones pass beside the
 * IPsec boards, which ones end here. One table serves both directions: SPD-O by a packet's flow, SPD-I by the same turned about.
 *
 * Values of the selector table: a LINK for an SA that is in place; TRAP_POLICY, BYPASS_POLICY or DISCARD_POLICY | child for what a
 * configured child without one says. What matches nothing is discarded.
 */
import { POLICY_BYPASS, POLICY_DISCARD, POLICY_PROTECT, POLICY_TRAP } from "../abi/management";
import {
  LINK_MAX,
  SA_LOCAL_TS_COUNT,
  SA_PRIORITY,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
  SELECTOR_OCTETS,
} from "../abi/message";
import { ORDER_BYPASS, ORDER_DISCARD, ORDER_SA, ORDER_TRAP } from "../policy/priority";
import { selectorTableInsert, selectorTableRemove, selectorTableResetFor } from "../policy/selector_table";
import { classifierPolicy, classifierPolicyGone } from "./classifier";

/** Marks the value of a trap policy: PROTECT, and the first packet raises an acquire. */
export const TRAP_POLICY: u32 = 0x80000000;
export const BYPASS_POLICY: u32 = 0x40000000;
export const DISCARD_POLICY: u32 = 0x20000000;
const KINDS: u32 = TRAP_POLICY | BYPASS_POLICY | DISCARD_POLICY;
/** Configured children. */
const CHILDREN_MAX: u32 = 256;

/** Packets that met the policy of a child without an SA, u64: to the unprotected side, then from there. */
const hits: usize = memory.data(CHILDREN_MAX * 16, 8);

/** Room for the policies of `links` CHILD_SAs and of the configured children; false when RAM is too small. */
export function policyReset(links: u32): bool {
  memory.fill(hits, 0, CHILDREN_MAX * 16);
  return selectorTableResetFor(links);
}

/** The SA of `link` takes over what its selectors cover. `record`: the outbound SA record. */
export function policyInsert(record: usize, link: u32): bool {
  const local = <u32>load<u8>(record + SA_LOCAL_TS_COUNT);
  const remote = <u32>load<u8>(record + SA_REMOTE_TS_COUNT);
  const selectors = record + SA_SELECTORS;
  const priority = load<u32>(record + SA_PRIORITY);
  return selectorTableInsert(
    selectors,
    local,
    selectors + <usize>local * SELECTOR_OCTETS,
    remote,
    link,
    ORDER_SA,
    priority,
  );
}

export function policyRemove(link: u32): void {
  selectorTableRemove(link);
}

/**
 * Puts the policy of a configured child without an SA in force. `action`: POLICY_TRAP, POLICY_BYPASS or POLICY_DISCARD; `priority`: the
 * configured one, 0 none. False, with nothing in force, when there is no room or its selectors can match no packet.
 */
export function childPolicyInsert(
  child: u32,
  action: u32,
  priority: u32,
  local: usize,
  localCount: u32,
  remote: usize,
  remoteCount: u32,
): bool {
  if (child >= CHILDREN_MAX) return false;
  memory.fill(hits + ((<usize>child) << 4), 0, 16);
  const value = valueOf(child, action);
  const order = orderOf(action);
  if (!selectorTableInsert(local, localCount, remote, remoteCount, value, order, priority)) return false;
  classifierPolicy(value, order, priority, local, localCount, remote, remoteCount);
  return true;
}

export function childPolicyRemove(child: u32, action: u32): void {
  const value = valueOf(child, action);
  if (selectorTableRemove(value) != 0) classifierPolicyGone(value);
}

function valueOf(child: u32, action: u32): u32 {
  if (action == POLICY_TRAP) return TRAP_POLICY | child;
  return (action == POLICY_BYPASS ? BYPASS_POLICY : DISCARD_POLICY) | child;
}

function orderOf(action: u32): u32 {
  if (action == POLICY_TRAP) return ORDER_TRAP;
  return action == POLICY_BYPASS ? ORDER_BYPASS : ORDER_DISCARD;
}

/** True when a value of the table is that of a link. */
// @ts-ignore: decorator
@inline
export function isLink(value: u32): bool {
  return value < LINK_MAX;
}

/** POLICY_* of a value of the table. */
export function policyAction(value: u32): u32 {
  if (isLink(value)) return POLICY_PROTECT;
  if ((value & TRAP_POLICY) != 0) return POLICY_TRAP;
  return (value & BYPASS_POLICY) != 0 ? POLICY_BYPASS : POLICY_DISCARD;
}

/** ORDER_* of a value of the table. */
export function policyOrder(value: u32): u32 {
  return isLink(value) ? ORDER_SA : orderOf(policyAction(value));
}

/** The child whose policy without an SA a value names. */
// @ts-ignore: decorator
@inline
export function policyChild(value: u32): u32 {
  return value & ~KINDS;
}

/** Counts a packet to the policy of a child without an SA. */
// @ts-ignore: decorator
@inline
export function policyHit(value: u32, inbound: bool): void {
  const counter = hits + ((<usize>policyChild(value)) << 4) + (inbound ? 8 : 0);
  store<u64>(counter, load<u64>(counter) + 1);
}

export function policyHits(value: u32, inbound: bool): u64 {
  return load<u64>(hits + ((<usize>policyChild(value)) << 4) + (inbound ? 8 : 0));
}
