/**
 * `drops`: what was dropped, by slot and in all, with what each reason means and what to do; where the frames of every board
 * have gone: IN + ORIGINATED = SENT + CONSUMED + DROPPED + HELD; and what the NICs count.
 */
import type { ChassisStatus, SlotStatus } from "../chassis/chassis.ts";
import { type DropReason, dropReason } from "./drop_reason.ts";

/** The books of one board, in frames. `missing` is what they do not account for: 0, or a bug. */
export interface FrameBooks {
  in: number;
  originated: number;
  sent: number;
  consumed: number;
  dropped: number;
  held: number;
  missing: number;
}

export interface DropsStatus {
  drops: Record<string, number>;
  slots: {
    slot: number;
    board: string;
    drops: Record<string, number>;
    chassisDrops: Record<string, number>;
    frames: FrameBooks;
  }[];
  /** What the NICs have moved and dropped, packets by name. */
  nics: ChassisStatus["nics"];
  /** What the reasons in `drops` mean. */
  reasons: Record<string, DropReason>;
}

/** The patent's two drops for want of an SA: told also when they count 0. */
export const NO_SA_ENTRY: readonly (readonly [name: string, step: string])[] = [
  ["no_sa_entry_ike_board", "S606"],
  ["no_sa_entry_ipsec_board", "S707"],
];

export function frameBooks({ counters, frames }: SlotStatus): FrameBooks {
  const { in: came, originated, sent, consumed, dropped } = counters;
  const { held } = frames;
  return {
    in: came,
    originated,
    sent,
    consumed,
    dropped,
    held,
    missing: came + originated - sent - consumed - dropped - held,
  };
}

export function dropsOf({ slots, drops, nics }: ChassisStatus): DropsStatus {
  const all = { ...Object.fromEntries(NO_SA_ENTRY.map(([name]) => [name, 0])), ...drops };
  return {
    drops: all,
    slots: slots.map((status) => {
      const { slot, board, drops, chassisDrops } = status;
      return { slot, board, drops, chassisDrops, frames: frameBooks(status) };
    }),
    nics,
    reasons: Object.fromEntries(
      Object.keys(all).flatMap((name) => {
        const reason = dropReason(name);
        return reason ? [[name, reason]] : [];
      }),
    ),
  };
}
