/**
 * What the operator is told of policies: the answer to LIST_POLICIES (abi/management.ts), with the names that this core has for what
 * the board's SPD knows by number; and that one is not in force.
 */
import { RESULT_OK } from "../abi/management";
import { ChildSa, childByLink, childConfig } from "./child_sa";
import { CHILD_CONFIGS_MAX, childConfigAt } from "./connection";
import { reply, reportAlert, reportPolicy, text } from "./report";

/**
 * One row. `link`: its CHILD_SA, with its slot, or -1, and then `config` is the configured child. Selectors are SELECTOR_* records.
 */
export function policyReport(
  transaction: u32,
  link: i32,
  config: u32,
  slot: u32,
  action: u32,
  priority: u32,
  serial: u32,
  local: usize,
  remote: usize,
  hitsOut: u64,
  hitsIn: u64,
): void {
  if (link < 0 && config >= CHILD_CONFIGS_MAX) return;
  let child: ChildSa | null = null;
  if (link >= 0) child = childByLink(<u32>link);
  if (link >= 0 && !child) return;
  const k = child ? childConfig(child) : childConfigAt(config);
  reportPolicy(transaction, k, child, slot, action, priority, serial, local, remote, hitsOut, hitsIn);
}

/** All were told. */
export function policiesReported(transaction: u32): void {
  reply(transaction, RESULT_OK);
}

/** The policy of a configured child is not in force: the table is full, or its selectors pair in no packet. */
export function policyRefused(config: u32): void {
  const k = childConfigAt(config);
  reportAlert(
    <i32>k.connection,
    k,
    0,
    text("the policy is not in force: no room for it, or its selectors match no packet"),
  );
}
