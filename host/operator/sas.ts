/**
 * `sas`: what the IKE board knows of its IKE_SAs and CHILD_SAs, joined by SPI with what the IPsec boards count, in the layout of
 * `swanctl --list-sas`. Keys are vici's, plus slot and link.
 */
import { quoted } from "./quoted.ts";
import type { ConnectionStatus, ManagementMessage, SaStatus } from "./management.ts";
import { suiteText } from "./transform_name.ts";

export interface ChildSas {
  name: string;
  uniqueid: string;
  state: string;
  mode: string;
  protocol: string;
  encap: boolean;
  esn: boolean;
  "spi-in": string;
  "spi-out": string;
  suite: Record<string, string>;
  "bytes-in": number;
  "packets-in": number;
  "bytes-out": number;
  "packets-out": number;
  /** Seconds since the last packet; absent when there was none. */
  "use-in"?: number;
  "use-out"?: number;
  /** Packets of this SA that were dropped, by direction and reason. */
  drops: { in: Record<string, number>; out: Record<string, number> };
  /** Seconds since it was installed. */
  "install-time": number;
  "local-ts": string[];
  "remote-ts": string[];
  slot: number | undefined;
  generation: number | undefined;
  link: number;
  /** The largest clear packet that goes whole through it now; absent while no board has it. */
  "inner-mtu"?: number;
}

export interface ConnectionSas {
  name: string;
  /** DOWN when nothing is established or being negotiated. */
  state: string;
  failure?: string;
  uniqueid?: string;
  version?: string;
  initiator?: boolean;
  "local-host"?: string;
  "local-port"?: string;
  "local-id"?: string;
  "remote-host"?: string;
  "remote-port"?: string;
  "remote-id"?: string;
  "initiator-spi"?: string;
  "responder-spi"?: string;
  suite?: Record<string, string>;
  /** Its keys come from a postquantum preshared key, too (RFC 8784). */
  ppk?: string;
  /** Virtual IPs: ours, the peer's. */
  "local-vips"?: string[];
  "remote-vips"?: string[];
  /** It was authenticated by EAP: the method, and the name that we or the peer told. */
  "eap-method"?: string;
  "local-eap-id"?: string;
  "remote-eap-id"?: string;
  /** Its addresses may change (RFC 4555), and those that the peer told of besides the present one. */
  mobike?: string;
  "remote-addresses"?: string[];
  /** Seconds since it was established. */
  established?: number;
  "child-sas": ChildSas[];
}

const seconds = (since: bigint, now: bigint): number =>
  now > since ? Math.floor(Number((now - since) / 1_000_000_000n)) : 0;

/** Joins the boards' lists. `now`: the drive's clock, ns. */
export function mergeSas(
  ike: readonly ManagementMessage[],
  counted: readonly { slot: number; sa: SaStatus }[],
  connections: readonly ConnectionStatus[],
  now: bigint,
): ConnectionSas[] {
  const counters = new Map(counted.map(({ slot, sa }) => [`${slot}/${sa.direction}/${sa.spi}`, sa]));
  const result: ConnectionSas[] = [];
  const byUniqueId = new Map<string, ConnectionSas>();
  for (const message of ike) {
    if (message.kind !== "ike-sa") continue;
    const { establishedAt, "nat-local": _local, "nat-remote": _remote, ...ikeSa } = message.ikeSa;
    const entry: ConnectionSas = { ...ikeSa, established: seconds(establishedAt, now), "child-sas": [] };
    byUniqueId.set(ikeSa.uniqueid, entry);
    result.push(entry);
  }
  for (const message of ike) {
    if (message.kind !== "child-sa") continue;
    const { installedAt, connection: _connection, ikeUniqueId, slot, ...child } = message.childSa;
    const inbound = counters.get(`${slot}/in/${child["spi-in"]}`);
    const outbound = counters.get(`${slot}/out/${child["spi-out"]}`);
    byUniqueId.get(ikeUniqueId)?.["child-sas"].push({
      ...child,
      slot,
      "bytes-in": inbound?.bytes ?? 0,
      "packets-in": inbound?.packets ?? 0,
      "bytes-out": outbound?.bytes ?? 0,
      "packets-out": outbound?.packets ?? 0,
      ...(inbound && inbound.lastUsed > 0n ? { "use-in": seconds(inbound.lastUsed, now) } : {}),
      ...(outbound && outbound.lastUsed > 0n ? { "use-out": seconds(outbound.lastUsed, now) } : {}),
      ...(outbound ? { "inner-mtu": outbound.innerMtu } : {}),
      drops: { in: inbound?.drops ?? {}, out: outbound?.drops ?? {} },
      "install-time": seconds(installedAt, now),
    });
  }
  for (const { name, failure, children, shunts } of connections) {
    // With policies alone there is nothing that could be up.
    if (children.length === 0 && shunts) continue;
    const attempts = result.filter((entry) => entry.name === name);
    // One that is tried again is not up either: why it was not the last time is still to be seen.
    if (failure) for (const entry of attempts) if (entry.state === "CONNECTING") entry.failure = failure;
    if (attempts.length > 0) continue;
    result.push({ name, state: "DOWN", ...(failure ? { failure } : {}), "child-sas": [] });
  }
  return result;
}

/** The text of `cardcage sas`. `link`: the kind of backplane. */
export function renderSas(sas: readonly ConnectionSas[], link: string): string {
  if (sas.length === 0) return "no connections\n";
  const lines: string[] = [];
  for (const ike of sas) {
    if (ike.state === "DOWN") {
      lines.push(`${ike.name}: DOWN${attempt(ike)}`);
      continue;
    }
    const spis = `${ike["initiator-spi"]}_i${ike.initiator ? "*" : ""} ${ike["responder-spi"]}_r${ike.initiator ? "" : "*"}`;
    lines.push(`${ike.name}: #${ike.uniqueid}, ${ike.state}, IKEv${ike.version}, ${spis}${attempt(ike)}`);
    const vips = (addresses: readonly string[] | undefined): string => (addresses ? ` [${addresses.join(" ")}]` : "");
    lines.push(
      `  local  ${whose(ike["local-id"])}${ike["local-host"]}[${ike["local-port"]}]${vips(ike["local-vips"])}` +
        `   remote ${whose(ike["remote-id"])}${ike["remote-host"]}[${ike["remote-port"]}]${vips(ike["remote-vips"])}`,
    );
    if (ike.mobike === "yes") lines.push(`  MOBIKE${elsewhere(ike["remote-addresses"] ?? [])}`);
    const suite = ike.suite ? suiteText(ike.suite) : "";
    if (suite !== "") lines.push(`  ${suite}${ike.ppk === "yes" ? "/PPK" : ""}`);
    if (ike["eap-method"]) {
      const end = ike["remote-eap-id"] === undefined ? "local" : "remote";
      lines.push(`  EAP-${ike["eap-method"]}, ${end} ${quoted(ike[`${end}-eap-id`] ?? "")}`);
    }
    for (const child of ike["child-sas"]) {
      if (child["remote-ts"].length === 0) {
        // Nothing is agreed on yet: no suite, no selectors, no board.
        lines.push(`  ${child.name}: #${child.uniqueid}, ${child.state}, ${child.mode}`);
        continue;
      }
      const encap = child.encap ? " in UDP" : "";
      const place = child.slot === undefined ? "not placed" : `slot ${child.slot} via ${link}${vcOf(link, child.slot)}`;
      lines.push(
        `  ${child.name}: #${child.uniqueid}, ${child.state}, ${child.mode}${encap}, ` +
          `${child.protocol}:${suiteText(child.suite)}   ${place}${mtuText(child["inner-mtu"])}`,
      );
      lines.push(
        direction("in ", child["spi-in"], child["bytes-in"], child["packets-in"], child["use-in"], child.drops.in),
      );
      lines.push(
        direction("out", child["spi-out"], child["bytes-out"], child["packets-out"], child["use-out"], child.drops.out),
      );
      lines.push(`    local   ${child["local-ts"].join(" ")}   remote ${child["remote-ts"].join(" ")}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Why a connection is not up, as far as an attempt has shown it. */
const attempt = ({ failure }: ConnectionSas): string => (failure ? `, last attempt: ${failure}` : "");

/** An identity in front of an address; nothing before the peer, or we, have said one. */
const whose = (id: string | undefined): string => (id ? `${quoted(id)} @ ` : "");

const elsewhere = (addresses: readonly string[]): string =>
  addresses.length === 0 ? "" : `, the peer also at ${addresses.join(", ")}`;

const mtuText = (mtu: number | undefined): string => (mtu === undefined ? "" : `   inner mtu ${mtu}`);

/** Virtual channel between the IKE board and a slot (abi/fabric.ts). */
const vcOf = (link: string, slot: number): string => (link.startsWith("atm") ? ` 0/${32 + slot}` : "");

function direction(
  way: string,
  spi: string,
  bytes: number,
  packets: number,
  use: number | undefined,
  drops: Record<string, number>,
): string {
  const ago = use === undefined ? "never used" : `${use}s ago`;
  return `    ${way} ${spi}, ${bytes} bytes, ${packets} packets, ${ago}   drops ${dropsText(drops)}`;
}

/** How many in all, and of which reasons. */
function dropsText(drops: Record<string, number>): string {
  const reasons = Object.entries(drops);
  const all = reasons.reduce((sum, [, count]) => sum + count, 0);
  return all === 0 ? "0" : `${all} (${reasons.map(([reason, count]) => `${reason} ${count}`).join(", ")})`;
}
