/** EXPLANATION messages (abi/explain.ts), as a board gives them. */
import * as abi from "../../assembly/abi/explain.ts";
import {
  CHILD_NAME,
  CONNECTION_NAME,
  POLICY_ACTION,
  POLICY_BYPASS,
  POLICY_DISCARD,
  POLICY_TRAP,
} from "../../assembly/abi/management.ts";
import { PORT_PROTECTED } from "../../assembly/abi/ring.ts";
import { decodeItems } from "../chassis/config.ts";
import { DROP_NAMES, traceName } from "../chassis/vocabulary.ts";
import type { Side } from "../nic/nic.ts";
import { addressText, printable, spiText } from "./identity.ts";

/** Selector values of a clear packet; ports are absent where it shows none. Of ICMP and ICMPv6 type and code stand in both. */
export interface FlowText {
  source: string;
  destination: string;
  protocol: number;
  "source-port"?: number;
  "destination-port"?: number;
}

export type Verdict =
  | "drop"
  | "board"
  | "ike"
  | "consumed"
  | "held"
  | "sent"
  | "fragment"
  | "bypass"
  | "path-mtu"
  | "in-fragments"
  | "lease"
  | "moving"
  | "taught";

const VERDICTS: Record<number, Verdict> = {
  [abi.VERDICT_DROP]: "drop",
  [abi.VERDICT_BOARD]: "board",
  [abi.VERDICT_IKE]: "ike",
  [abi.VERDICT_CONSUMED]: "consumed",
  [abi.VERDICT_HELD]: "held",
  [abi.VERDICT_SENT]: "sent",
  [abi.VERDICT_FRAGMENT]: "fragment",
  [abi.VERDICT_BYPASS]: "bypass",
  [abi.VERDICT_PATH_MTU]: "path-mtu",
  [abi.VERDICT_IN_FRAGMENTS]: "in-fragments",
  [abi.VERDICT_LEASE]: "lease",
  [abi.VERDICT_MOVING]: "moving",
  [abi.VERDICT_TAUGHT]: "taught",
};

const POLICIES: Record<number, "TRAP" | "BYPASS" | "DISCARD"> = {
  [POLICY_TRAP]: "TRAP",
  [POLICY_BYPASS]: "BYPASS",
  [POLICY_DISCARD]: "DISCARD",
};

/** What one board says; what it did not come to is absent. */
export interface Explanation {
  verdict?: Verdict;
  reason?: string;
  step?: string;
  octets?: number;
  spi?: string;
  link?: number;
  slot?: number;
  generation?: number;
  /** As it arrives, then as it was inside. */
  flows: FlowText[];
  direction?: "in" | "out";
  sequence?: bigint;
  edge?: bigint;
  window?: number;
  innerMtu?: number;
  octetsOut?: number;
  side?: Side;
  /** Of a policy without an SA. */
  policy?: "TRAP" | "BYPASS" | "DISCARD";
  connection?: string;
  child?: string;
}

function flowOf(octets: Uint8Array): FlowText {
  if (octets.length !== abi.EXPLAIN_FLOW_OCTETS) throw new RangeError("a flow is cut off");
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const size = octets[abi.EXPLAIN_FLOW_FAMILY] === 6 ? 16 : 4;
  const address = (at: number): string => addressText(octets.subarray(at, at + size));
  const source = view.getUint32(abi.EXPLAIN_FLOW_SOURCE_PORT, true);
  const destination = view.getUint32(abi.EXPLAIN_FLOW_DESTINATION_PORT, true);
  return {
    source: address(abi.EXPLAIN_FLOW_SOURCE),
    destination: address(abi.EXPLAIN_FLOW_DESTINATION),
    protocol: octets[abi.EXPLAIN_FLOW_PROTOCOL]!,
    ...(source < abi.EXPLAIN_NO_PORT ? { "source-port": source } : {}),
    ...(destination < abi.EXPLAIN_NO_PORT ? { "destination-port": destination } : {}),
  };
}

/** Throws RangeError for a body that does not add up. */
export function explanationOf(body: Uint8Array): Explanation {
  const result: Explanation = { flows: [] };
  for (const { type, value } of decodeItems(body)) {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const u32 = (): number => view.getUint32(0, true);
    const u64 = (): bigint => view.getBigUint64(0, true);
    switch (type) {
      case abi.EXPLAIN_VERDICT: {
        const verdict = VERDICTS[u32()];
        if (!verdict) throw new RangeError(`there is no verdict ${u32()}`);
        result.verdict = verdict;
        break;
      }
      case abi.EXPLAIN_REASON:
        result.reason = DROP_NAMES[u32()] ?? `reason_${u32()}`;
        break;
      case abi.EXPLAIN_STEP:
        result.step = traceName(u32());
        break;
      case abi.EXPLAIN_OCTETS:
        result.octets = u32();
        break;
      case abi.EXPLAIN_SPI:
        result.spi = spiText(u32());
        break;
      case abi.EXPLAIN_LINK:
        result.link = u32();
        break;
      case abi.EXPLAIN_SLOT:
        result.slot = u32();
        break;
      case abi.EXPLAIN_GENERATION:
        result.generation = u32();
        break;
      case abi.EXPLAIN_FLOW:
        result.flows.push(flowOf(value));
        break;
      case abi.EXPLAIN_DIRECTION:
        result.direction = u32() === 0 ? "in" : "out";
        break;
      case abi.EXPLAIN_SEQUENCE:
        result.sequence = u64();
        break;
      case abi.EXPLAIN_EDGE:
        result.edge = u64();
        break;
      case abi.EXPLAIN_WINDOW:
        result.window = u32();
        break;
      case abi.EXPLAIN_INNER_MTU:
        result.innerMtu = u32();
        break;
      case abi.EXPLAIN_OCTETS_OUT:
        result.octetsOut = u32();
        break;
      case abi.EXPLAIN_PORT:
        result.side = u32() === PORT_PROTECTED ? "protected" : "unprotected";
        break;
      case POLICY_ACTION: {
        const policy = POLICIES[u32()];
        if (policy) result.policy = policy;
        break;
      }
      case CONNECTION_NAME:
        result.connection = printable(value);
        break;
      case CHILD_NAME:
        result.child = printable(value);
        break;
    }
  }
  return result;
}
