/**
 * What the boards of a chassis do for negotiations, step by step: IKE messages, and the steps S401 to S502 of the patent's flowcharts.
 */
import { TRACE_MASK_ESTABLISH, TRACE_MASK_IKE } from "../../assembly/abi/trace.ts";
import type { Chassis } from "../chassis/chassis.ts";
import type { Consoles } from "./consoles.ts";
import { negotiationText } from "./step_text.ts";

/** One step of a negotiation. */
export interface BoardStep {
  /** Seconds, on the chassis's clock. */
  at: number;
  slot: number;
  /** S401 .. S502, ike_sent, ike_received. */
  step: string;
  text: string;
  /** Entries that fell off the boards' rings before they were read, since the chassis began. */
  lost: number;
}

/** Tells of every step from now on; returns what ends it. The boards write them down only while somebody follows. */
export const followSteps = (chassis: Chassis, consoles: Consoles, tell: (step: BoardStep) => void): (() => void) =>
  consoles.entries(TRACE_MASK_IKE | TRACE_MASK_ESTABLISH, (entries) => {
    const lost = chassis.traceLost();
    for (const entry of entries) {
      const text = negotiationText(entry);
      if (text === undefined) continue;
      const { slot, name, now } = entry;
      tell({ at: Number(now) / 1e9, slot, step: name, text, lost });
    }
  });
