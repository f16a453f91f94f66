/** Whose a packet is that was asked about (abi/explain.ts): the CHILD_SA of its link, or the configured child of the trap or shunt that it met. */
import { RESULT_MALFORMED, RESULT_OK } from "../abi/management";
import { childByLink } from "./child_sa";
import { CHILD_CONFIGS_MAX, childConfigAt } from "./connection";
import { reply, reportChildSa, reportName } from "./report";

/** Ends the answer to EXPLAIN. `link` and `child`: -1 none. `sound`: the command was understood. */
export function explained(transaction: u32, sound: bool, link: i32, child: i32): void {
  if (link >= 0) {
    const sa = childByLink(<u32>link);
    if (sa && sa.sa >= 0) reportChildSa(transaction, sa);
  } else if (child >= 0 && <u32>child < CHILD_CONFIGS_MAX && childConfigAt(<u32>child).used != 0) {
    reportName(transaction, childConfigAt(<u32>child));
  }
  reply(transaction, sound ? RESULT_OK : RESULT_MALFORMED);
}
