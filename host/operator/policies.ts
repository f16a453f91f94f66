/**
 * `policies`: the SPD in its order (RFC 4301 section 4.4.1), the first policy that covers a packet first: what the IKE board lists, joined
 * with what the IPsec boards count of the SAs.
 */
import type { ManagementMessage, PolicyRow, SaStatus } from "./management.ts";

export interface PolicyStatus {
  action: "PROTECT" | "BYPASS" | "DISCARD";
  /** The lower the sooner. */
  priority: number;
  /** Child, and its connection. */
  name: string;
  connection: string;
  "local-ts": string;
  "remote-ts": string;
  /** PROTECT: INSTALLED with an SA, TRAP without one, which the first packet asks for. */
  state?: "INSTALLED" | "TRAP";
  /** Of the CHILD_SA that protects, and where it is. */
  uniqueid?: string;
  link?: number;
  slot?: number;
  /** To the unprotected side, and from there: of all pairs of the child's selectors, or of the CHILD_SA's, together. */
  "packets-out": number;
  "packets-in": number;
}

/** Among equals an SA comes before the trap that asks for one, then the newer. */
const inOrder = (a: PolicyRow, b: PolicyRow): number =>
  a.priority - b.priority || Number(a.action === "TRAP") - Number(b.action === "TRAP") || b.serial - a.serial;

/** Joins the boards' lists. */
export function mergePolicies(
  messages: readonly ManagementMessage[],
  counted: readonly { slot: number; sa: SaStatus }[],
): PolicyStatus[] {
  const packets = new Map(counted.map(({ slot, sa }) => [`${slot}/${sa.direction}/${sa.link}`, sa.packets]));
  const rows = messages.flatMap((message) => (message.kind === "policy" ? [message.policy] : []));
  return rows.sort(inOrder).map(({ action, serial: _serial, ...row }) => {
    const shown = { action: action === "TRAP" ? ("PROTECT" as const) : action, ...row };
    const count = (direction: "in" | "out"): number => packets.get(`${row.slot}/${direction}/${row.link}`) ?? 0;
    if (action === "PROTECT") {
      return { ...shown, state: "INSTALLED", "packets-out": count("out"), "packets-in": count("in") };
    }
    const counts = { "packets-out": row["packets-out"] ?? 0, "packets-in": row["packets-in"] ?? 0 };
    return { ...shown, ...(action === "TRAP" ? { state: "TRAP" as const } : {}), ...counts };
  });
}

/** The rows of the text of `cardcage policies`, the head first. */
export function policyRows(policies: readonly PolicyStatus[]): string[][] {
  const rows = policies.map((policy) => [
    String(policy.priority),
    policy.action,
    policy["local-ts"],
    policy["remote-ts"],
    `${policy.connection}/${policy.name}`,
    policy.state === undefined ? "" : policy.state === "TRAP" ? "trap" : `#${policy.uniqueid}, slot ${policy.slot}`,
    String(policy["packets-out"]),
    String(policy["packets-in"]),
  ]);
  return [["PRIORITY", "ACTION", "LOCAL", "REMOTE", "CHILD", "SA", "OUT", "IN"], ...rows];
}
