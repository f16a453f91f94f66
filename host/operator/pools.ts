/** `pools`: the pools of virtual IPs and their leases, in the layout of `swanctl --list-pools --leases`. */
import { quoted } from "./quoted.ts";
import type { LeaseStatus, ManagementMessage, PoolCounts } from "./management.ts";

export interface PoolStatus extends PoolCounts {
  leases: Omit<LeaseStatus, "pool">[];
}

/** Joins what the IKE board lists. */
export function mergePools(messages: readonly ManagementMessage[]): PoolStatus[] {
  const pools = new Map<string, PoolStatus>();
  for (const message of messages) {
    if (message.kind === "pool") pools.set(message.pool.name, { ...message.pool, leases: [] });
    if (message.kind !== "lease") continue;
    const { pool, ...lease } = message.lease;
    pools.get(pool)?.leases.push(lease);
  }
  return [...pools.values()];
}

/** The text of `cardcage pools`. */
export function renderPools(pools: readonly PoolStatus[]): string {
  if (pools.length === 0) return "no pools\n";
  return pools
    .map(
      ({ name, first, last, size, online, offline, leases }) =>
        `${name}: ${first} - ${last}   ${online} online, ${offline} offline, ${size} in all\n` +
        leases
          .map(
            ({ address, identity, online: up }) => `  ${address}  ${up ? "online " : "offline"}  ${quoted(identity)}\n`,
          )
          .join(""),
    )
    .join("");
}
