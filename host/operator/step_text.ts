/**
 * Entries of boards' trace rings (abi/trace.ts) in words: IKE messages, and the steps of the patent's flowcharts. S4xx and S5xx are about an
 * SA, S6xx and S7xx about a packet.
 */
import {
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_FREE,
  IKE_STATE_REKEYED,
  IKE_STATE_REKEYING,
} from "../../assembly/abi/management.ts";
import type { TraceEntry } from "../chassis/console.ts";
import { spiText } from "./identity.ts";

/** IKEv2 exchange types (RFC 7296 section 3.1, RFC 9242, RFC 9370). */
const EXCHANGES: Record<number, string> = {
  34: "IKE_SA_INIT",
  35: "IKE_AUTH",
  36: "CREATE_CHILD_SA",
  37: "INFORMATIONAL",
  43: "IKE_INTERMEDIATE",
  44: "IKE_FOLLOWUP_KE",
};
const RESPONSE = 0x20;

const ikeMessage = ({ a, b, c, d }: TraceEntry): string =>
  `${EXCHANGES[a] ?? `exchange ${a}`} ${c & RESPONSE ? "response" : "request"}, message id ${b}, ${d} octets`;

const SIDES = ["unprotected", "protected"];

/** Of a negotiation: the IKE messages, and the steps of figures 4 and 5. */
const NEGOTIATION: Record<string, (entry: TraceEntry) => string> = {
  ike_sent: (entry) => `sends ${ikeMessage(entry)}`,
  ike_received: (entry) => `receives ${ikeMessage(entry)}`,
  S401: ({ a, b }) => `S401  has negotiated a CHILD_SA: SPI ${spiText(a)} in, ${spiText(b)} out`,
  S402: ({ a, b }) => `S402  selects slot ${b} for SPI ${spiText(a)}`,
  S403: ({ a, b, c }) => `S403  links SPI ${spiText(a)} with slot ${b}, generation ${c}`,
  S404: ({ a, b }) => `S404  transfers SPI ${spiText(a)} to slot ${b}`,
  S501: ({ a }) => `S501  receives the SA of SPI ${spiText(a)}`,
  S502: () => "S502  stores it in its local database",
};

/** Of a packet: the steps of figures 6 and 7. */
const PACKET: Record<string, (entry: TraceEntry) => string> = {
  S601: ({ c, d }) => `IKE board receives ${c} octets on the ${SIDES[d]} side`,
  S602: ({ a }) => (a ? `looks SPI ${spiText(a)} up in its local database` : "looks the packet's selectors up"),
  S603: ({ a }) => `finds the entry, SPI ${spiText(a)}`,
  S604: ({ b }) => `which names the board in slot ${b}`,
  S605: ({ b, c }) => `packs it into a capsule, ${c} octets, and hands it to slot ${b}`,
  S606: () => "no entry: discards",
  S701: ({ c }) => `IPsec board receives the capsule, ${c} octets`,
  S702: ({ c }) => `takes the capsule off, ${c} octets are left`,
  S703: ({ a }) =>
    a ? `looks SPI ${spiText(a)} up in its own database` : "looks the selectors up in its own database",
  S704: ({ a }) => `finds the SA, SPI ${spiText(a)}`,
  S705: ({ b, c }) => `${c ? "seals" : "verifies and opens"} it, sequence number ${b}`,
  S706: ({ c, d }) => `sends ${c} octets to the ${SIDES[d]} network itself`,
  S707: () => "no entry: discards",
};

/** A step of a negotiation in words; undefined when the entry is none. */
export const negotiationText = (entry: TraceEntry): string | undefined => NEGOTIATION[entry.name]?.(entry);

/** A step of a packet in words; undefined when the entry is none. */
export const packetText = (entry: TraceEntry): string | undefined => PACKET[entry.name]?.(entry);

const IKE_STATES: Record<number, string> = {
  [IKE_STATE_FREE]: "free",
  [IKE_STATE_CONNECTING]: "CONNECTING",
  [IKE_STATE_ESTABLISHED]: "ESTABLISHED",
  [IKE_STATE_REKEYING]: "REKEYING",
  [IKE_STATE_REKEYED]: "REKEYED",
  [IKE_STATE_DELETING]: "DELETING",
};
const ikeState = (state: number): string => IKE_STATES[state] ?? `state ${state}`;

/** What is neither of a negotiation nor a step of a packet's way. */
const OTHER: Record<string, (entry: TraceEntry) => string> = {
  board_reset: ({ b }) => `comes out of reset, generation ${b}`,
  self_test: ({ a }) => `self-test ${a === 1 ? "passed" : "FAILED"}`,
  board_up: ({ a, b }) => `is told that slot ${a} is up, generation ${b}`,
  board_down: ({ a, b }) => `is told that slot ${a} is down, generation ${b}`,
  ike_state: ({ a, b, c }) => `IKE_SA ${a}: ${ikeState(b)} > ${ikeState(c)}`,
  bypassed: ({ c, d }) => `past the IPsec boards by policy: ${c} octets to the ${SIDES[d]} network`,
};

/** Any entry that this host knows in words; undefined of a board that writes others. */
export const entryText = (entry: TraceEntry): string | undefined =>
  (NEGOTIATION[entry.name] ?? PACKET[entry.name] ?? OTHER[entry.name])?.(entry);
