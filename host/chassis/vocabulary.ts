/**
 * Names that people read, taken from the identifiers of the contract: a name can never disagree with its constant.
 * DROP_ICV is shown as `icv`, STEP_S605 as `S605`, TRACE_BOARD_UP as `board_up`.
 */
import * as board from "../../assembly/abi/board.ts";
import * as drop from "../../assembly/abi/drop.ts";
import * as trace from "../../assembly/abi/trace.ts";

/** Names of all numeric constants of `table` that start with `prefix`, by value. */
function namesByValue(table: Record<string, unknown>, prefix: string, except: RegExp = /^$/): Map<number, string> {
  const names = new Map<number, string>();
  for (const [identifier, value] of Object.entries(table)) {
    if (identifier.startsWith(prefix) && typeof value === "number" && !except.test(identifier)) {
      names.set(value, identifier.slice(prefix.length).toLowerCase());
    }
  }
  return names;
}

const firmwareDrops = namesByValue(drop, "DROP_", /^DROP_COUNT$/);

/** Names of the firmware's drop reasons, by reason. */
export const DROP_NAMES: readonly string[] = Array.from(
  { length: drop.DROP_COUNT },
  (_, reason) => firmwareDrops.get(reason) ?? `reason_${reason}`,
);

/**
 * Why the chassis itself dropped something. Where the firmware has the same reason, it has the same name.
 * The order is that of the counters in memory.
 */
export const CHASSIS_DROP_NAMES = [
  "board_offline", // nobody to deliver to
  "backplane_congestion", // a ring towards a board, or from one, is full
  "frame_too_long", // longer than what the port takes
  "aal5_crc",
  "aal5_length", // the CPCS trailer disagrees with the PDU
  "atm_unknown_vc", // no cross-connection for the VC
  "ethernet_fcs",
  "ethernet_malformed", // shorter than a header
  "ethernet_source", // not the MAC of the slot that sent it
  "ethernet_destination", // no slot has this MAC, or the two slots may not speak
  "injected_loss", // the fault injector took it
  "secure_element_absent", // none is fitted
  "secure_element_failed", // the element gave no answer
  "secure_element_stale", // the answer came for an earlier generation
  "atm_hec", // a cell, not a packet: its header is damaged
  "aal5_oversize", // cells of a PDU beyond what a board takes
  "link_down", // a fault that was injected: the link to a slot carries nothing
  "remote_lost", // the network between a shelf and its chassis lost a frame
  "remote_forged", // a datagram on that network that the other end did not seal
  "remote_replayed", // one that had come before, or was given up as lost
] as const;

export type ChassisDrop = (typeof CHASSIS_DROP_NAMES)[number];

/** Index of a chassis drop reason among the counters. */
export const CHASSIS_DROP = Object.fromEntries(CHASSIS_DROP_NAMES.map((name, index) => [name, index])) as Record<
  ChassisDrop,
  number
>;

const steps = namesByValue(trace, "STEP_");
const events = namesByValue(trace, "TRACE_", /^TRACE_(TOTAL|ENTRIES|CAPACITY|OCTETS|ENTRY_.*|MASK_.*)$/);

/** Name of a trace event: `S605` for a step of the patent, else such as `board_up`. */
export function traceName(event: number): string {
  return steps.get(event)?.toUpperCase() ?? events.get(event) ?? `event_${event}`;
}

/** Trace mask bits by name: establish, packet, ike, board. */
export const TRACE_MASKS: ReadonlyMap<string, number> = new Map(
  [...namesByValue(trace, "TRACE_MASK_")].map(([bit, name]) => [name, bit]),
);

const states = namesByValue(board, "STATE_");
const refusals = namesByValue(board, "REFUSAL_");
const builds = namesByValue(board, "BUILD_");
const classes = namesByValue(board, "BOARD_CLASS_");

export const boardStateName = (state: number): string => states.get(state) ?? `state_${state}`;
export const refusalName = (reason: number): string => refusals.get(reason) ?? `refusal_${reason}`;
export const buildName = (build: number): string => builds.get(build) ?? `build_${build}`;
export const boardClassName = (boardClass: number): string => classes.get(boardClass) ?? `class_${boardClass}`;
