/**
 * `explain`: what would become of a packet and why, put together from what the IKE board and then an IPsec board say of it. The walk
 * has a line for each step of the patent's figures 6 and 7 that the packet comes to; the text is rendered from the JSON.
 */
import { type DropReason, dropReason } from "./drop_reason.ts";
import type { Explanation, FlowText } from "./explanation.ts";
import type { ChildSaStatus } from "./management.ts";
import type { Side } from "../nic/nic.ts";

/** Of IKE and of UDP encapsulation, RFC 7296 2.23. */
const PORT_IKE = 500;
const PORT_NATT = 4500;

/** Octets of a packet that may be asked about: what a board's frames hold beside the question. */
export const EXPLAIN_PACKET_MAX = 9900;

export interface WalkStep {
  slot: number;
  board: "ike" | "ipsec";
  /** S601 .. S707. */
  step: string;
  text: string;
}

export interface PacketExplanation {
  verdict:
    | "delivered"
    | "bypassed"
    | "dropped"
    | "held"
    | "taught"
    | "ike"
    | "consumed"
    | "fragment"
    | "path-mtu"
    | "fragmented";
  from: Side;
  octets: number;
  flow?: FlowText;
  /** Of dropped. */
  reason?: string;
  means?: string;
  do?: string;
  child?: {
    name: string;
    connection: string;
    /** Of a policy without an SA. */
    policy?: "TRAP" | "BYPASS" | "DISCARD";
    uniqueid?: string;
    mode?: string;
    protocol?: string;
    encap?: boolean;
    "local-ts"?: string[];
    "remote-ts"?: string[];
    link?: number;
  };
  slot?: number;
  /** What joins the two boards. */
  via?: string;
  /** The chassis's classifier gives it to its board; it does not come to the IKE board. */
  "cut-through"?: boolean;
  sa?: {
    spi: string;
    direction: "in" | "out";
    /** The number that it has or would get. */
    sequence?: string;
    "highest-sequence": string;
    "replay-window"?: number;
    "inner-mtu"?: number;
  };
  /** What is inside a sealed packet that opens. */
  inside?: FlowText;
  out?: { side: Side; octets: number };
  walk: WalkStep[];
}

/** Where a packet arrives when nobody says: sealed ones and IKE come from the unprotected side. */
export function sideOf(packet: Uint8Array): Side {
  const six = (packet[0] ?? 0) >> 4 === 6;
  const protocol = six ? packet[6] : packet[9];
  if (protocol === 50 || protocol === 51) return "unprotected";
  const header = six ? 40 : ((packet[0] ?? 0) & 15) * 4;
  if (protocol !== 17 || packet.length < header + 4) return "protected";
  const port = (packet[header + 2]! << 8) | packet[header + 3]!;
  return port === PORT_IKE || port === PORT_NATT ? "unprotected" : "protected";
}

export interface Asked {
  from: Side;
  octets: number;
  ikeSlot: number;
  /** Name of what joins a slot with the IKE board. */
  via: (slot: number) => string;
  ike: Explanation;
  child?: ChildSaStatus;
  /** The slot that the chassis's classifier gives the packet to. */
  classified?: number;
  /** Absent: the packet does not come to an IPsec board; `offline`: it would, but there is none. */
  ipsec?: Explanation | "offline";
}

/** Joins the answers of both boards. */
export function explainPacket({ from, octets, ikeSlot, via, ike, child, classified, ipsec }: Asked): PacketExplanation {
  const walk: WalkStep[] = [];
  const result: PacketExplanation = { verdict: "dropped", from, octets: ike.octets ?? octets, walk };
  const [flow] = ike.flows;
  if (flow) result.flow = flow;
  const here = (step: string, text: string): void => void walk.push({ slot: ikeSlot, board: "ike", step, text });
  const drop = (slot: number, board: "ike" | "ipsec", step: string, reason: string): PacketExplanation => {
    walk.push({ slot, board, step, text: `dropped: ${reason}` });
    const { means, do: remedy } = dropReason(reason) ?? ({ means: "", do: "" } satisfies DropReason);
    return Object.assign(result, { verdict: "dropped", reason, means, do: remedy });
  };
  const what = flow ? `: ${flowText(flow)}` : "";
  here("S601", `a packet of ${result.octets} octets arrives on the ${from} side${what}`);
  const looked = ike.step !== undefined && ike.step >= "S602";
  if (child) {
    const { name, connection, uniqueid, mode, protocol, encap, link } = child;
    result.child = {
      name,
      connection,
      uniqueid,
      mode,
      protocol,
      encap,
      "local-ts": child["local-ts"],
      "remote-ts": child["remote-ts"],
      link,
    };
  } else if (ike.child !== undefined) {
    result.child = { name: ike.child, connection: ike.connection ?? "", ...(ike.policy ? { policy: ike.policy } : {}) };
  }
  const name = result.child
    ? `child ${result.child.name} of ${result.child.connection}`
    : "a child that is being replaced";
  const sealed = from === "unprotected" && ike.spi !== undefined && ike.reason !== "protection_missing";
  if (looked && sealed) here("S602", `looks SPI ${ike.spi} up in its local database`);
  if (looked && !sealed) {
    const about = from === "unprotected" ? ", as of one that comes in clear" : "";
    here("S602", `looks the packet's selectors up among the policies${about}`);
  }
  if (ike.link !== undefined) {
    const selectors = child ? `, ${child["local-ts"].join(" ")} === ${child["remote-ts"].join(" ")}` : "";
    here("S603", `finds ${name}${selectors}${ike.spi === undefined ? ", by which it is PROTECT" : `; SPI ${ike.spi}`}`);
  } else if (ike.child !== undefined) {
    const policy = { TRAP: "which has no SA yet", BYPASS: "BYPASS", DISCARD: "DISCARD" }[ike.policy ?? "TRAP"];
    here("S603", `finds ${name}: ${policy}`);
  }
  switch (ike.verdict) {
    case "drop":
      return drop(ikeSlot, "ike", "S606", ike.reason ?? "unknown");
    case "ike":
      here("S601", "it is a message of IKE: the IKE board takes it itself");
      return Object.assign(result, { verdict: "ike" });
    case "consumed":
      here("S601", "it is a NAT keepalive: it has done its work by arriving");
      return Object.assign(result, { verdict: "consumed" });
    case "fragment":
      here(
        "S601",
        "it is a fragment to us: it waits for the others, and what is put together of them is looked at anew",
      );
      return Object.assign(result, { verdict: "fragment" });
    case "bypass":
      result.out = { side: from === "protected" ? "unprotected" : "protected", octets: result.octets };
      here("S603", `sends it to the ${result.out.side} network as it stands, past the IPsec boards`);
      return Object.assign(result, { verdict: "bypassed" });
    case "path-mtu":
      here(
        "S601",
        "it is an ICMP error about a packet that was too big: the board that has its SA decides whether to believe it",
      );
      return Object.assign(result, { verdict: "path-mtu" });
    case "held":
      here("S603", "an SA is negotiated, and this packet waits for it, 10 s at most");
      return Object.assign(result, { verdict: "held" });
    case "moving":
      here("S604", "the SA is on its way from one board to another: this packet waits for it, and goes after it");
      return Object.assign(result, { verdict: "held" });
    case "taught":
      here("S604", "the SA's board is gone: another one is given the SA, and this packet behind it");
      return Object.assign(result, { verdict: "taught" });
  }
  const slot = ike.slot ?? 0;
  result.slot = slot;
  const cutThrough = classified === slot;
  if (cutThrough) result["cut-through"] = true;
  else result.via = via(slot);
  here("S604", `the SA is on the board in slot ${slot}`);
  if (ipsec === "offline" || !ipsec) return drop(slot, "ipsec", "S701", "board_offline");
  const there = (step: string, text: string): void => void walk.push({ slot, board: "ipsec", step, text });
  if (cutThrough) {
    here(
      "S605",
      "has told the classifier of the chassis, which hands the packet over itself: it does not come to the IKE board",
    );
    there("S702", "takes it from the NIC, without a capsule");
  } else {
    here("S605", `packs it into a capsule and hands it over by ${result.via}`);
    there("S702", "takes the capsule off");
  }
  there(
    "S703",
    ipsec.direction === "out" || ipsec.spi === undefined
      ? "looks the selectors up in its own database"
      : `looks SPI ${ipsec.spi} up in its own database`,
  );
  if (ipsec.verdict === "drop" && ipsec.step === "S707") return drop(slot, "ipsec", "S707", ipsec.reason ?? "unknown");
  if (ipsec.direction !== undefined) {
    const { spi = "", direction, sequence, edge = 0n, window, innerMtu } = ipsec;
    result.sa = {
      spi,
      direction,
      ...(sequence === undefined ? {} : { sequence: String(sequence) }),
      "highest-sequence": String(edge),
      ...(window === undefined ? {} : { "replay-window": window }),
      ...(innerMtu === undefined ? {} : { "inner-mtu": innerMtu }),
    };
    const limits = [
      `highest number so far ${edge}`,
      ...(window === undefined ? [] : [window === 0 ? "no replay window" : `replay window ${window}`]),
      ...(innerMtu === undefined ? [] : [`inner MTU ${innerMtu}`]),
    ];
    there("S704", `finds the ${direction}bound SA, SPI ${spi}: ${limits.join(", ")}`);
    const number = sequence === undefined ? "" : `, sequence number ${sequence}`;
    if (ipsec.verdict !== "drop" || sequence !== undefined) {
      there("S705", direction === "in" ? `verifies and opens it${number}` : `seals it${number}`);
    }
    const inside = ipsec.flows[1];
    if (inside) {
      result.inside = inside;
      there("S705", `inside: ${flowText(inside)}`);
    }
  }
  if (ipsec.verdict === "drop") return drop(slot, "ipsec", "S705", ipsec.reason ?? "unknown");
  if (ipsec.verdict === "lease") {
    there(
      "S705",
      "its number is beyond what the board may accept yet: it waits for the IKE board's leave, 1 s at most",
    );
    return Object.assign(result, { verdict: "held" });
  }
  if (ipsec.verdict === "consumed") {
    there("S705", "there is nothing inside to be sent on: it has done its work by arriving");
    return Object.assign(result, { verdict: "consumed" });
  }
  if (ipsec.verdict === "in-fragments") {
    there("S706", "it is larger than the path takes, and may be fragmented: sends it in fragments itself");
    return Object.assign(result, { verdict: "fragmented" });
  }
  result.out = { side: ipsec.side ?? "unprotected", octets: ipsec.octetsOut ?? 0 };
  there("S706", `sends ${result.out.octets} octets to the ${result.out.side} network itself`);
  return Object.assign(result, { verdict: "delivered" });
}

const PROTOCOLS: Record<number, string> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  50: "esp",
  51: "ah",
  58: "icmpv6",
  132: "sctp",
};

/** `udp 10.1.0.5[53] > 10.2.0.9[4000]`, `icmp type 8 code 0 10.1.0.5 > 10.2.0.9`. */
export function flowText({ source, destination, protocol, ...ports }: FlowText): string {
  const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`;
  const from = ports["source-port"];
  const to = ports["destination-port"];
  if ((protocol === 1 || protocol === 58) && from !== undefined) {
    return `${name} type ${from >> 8} code ${from & 255} ${source} > ${destination}`;
  }
  const port = (value: number | undefined): string => (value === undefined ? "" : `[${value}]`);
  return `${name} ${source}${port(from)} > ${destination}${port(to)}`;
}

const ENDINGS: Record<PacketExplanation["verdict"], string> = {
  delivered: "delivered",
  bypassed: "passes in clear",
  dropped: "dropped",
  held: "waits for its SA",
  taught: "goes with its SA to another board",
  ike: "taken by the IKE board",
  consumed: "consumed",
  fragment: "waits for other fragments",
  "path-mtu": "taken by the IKE board",
  fragmented: "delivered in fragments",
};

/** One packet on one line, and where it was dropped what that means and what to do. */
export function renderVerdict({
  from,
  octets,
  flow,
  inside,
  child,
  slot,
  sa,
  verdict,
  ...rest
}: PacketExplanation): string {
  const what = flow ? flowText(flow) : "a packet";
  const by = [
    ...(child ? [`child ${child.name} of ${child.connection}`] : []),
    ...(slot === undefined ? [] : [`slot ${slot}`]),
    ...(sa ? [`SPI ${sa.spi}`] : []),
  ];
  const line =
    `${from}  ${what}, ${octets} octets${inside ? `, inside ${flowText(inside)}` : ""}: ` +
    `${ENDINGS[verdict]}${rest.reason === undefined ? "" : `: ${rest.reason}`}${by.length > 0 ? ` (${by.join(", ")})` : ""}`;
  return [line, ...[rest.means, rest.do].filter((text) => text).map((text) => `  ${text}`)].join("\n");
}

/** The text of `cardcage explain`. */
export function renderExplanation(explanation: PacketExplanation): string {
  const { walk, verdict, reason, means, do: remedy } = explanation;
  const board = { ike: "IKE board", ipsec: "IPsec board" };
  const lines = walk.map(({ step, slot, board: kind, text }) => `${step}  slot ${slot}, ${board[kind]}: ${text}`);
  lines.push("", reason === undefined ? ENDINGS[verdict] : `${ENDINGS[verdict]}: ${reason}`);
  if (means) lines.push(`  ${means}`);
  if (remedy) lines.push(`  ${remedy}`);
  return `${lines.join("\n")}\n`;
}
