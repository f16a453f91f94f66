/**
 * The consoles of a chassis's boards: whoever follows what boards write to their trace rings (abi/trace.ts) does it through here, so that
 * one does not take another's entries away. Boards write only what somebody follows: with nobody there, nothing.
 */
import {
  STEP_S401,
  STEP_S502,
  STEP_S601,
  STEP_S707,
  TRACE_BYPASSED,
  TRACE_IKE_RECEIVED,
  TRACE_IKE_SENT,
  TRACE_IKE_STATE,
  TRACE_MASK_BOARD,
  TRACE_MASK_ESTABLISH,
  TRACE_MASK_IKE,
  TRACE_MASK_PACKET,
} from "../../assembly/abi/trace.ts";
import type { Chassis } from "../chassis/chassis.ts";
import type { TraceEntry } from "../chassis/console.ts";
import { entryText } from "./step_text.ts";

/** Milliseconds between two looks into the rings, which hold 1024 entries each. */
const LOOK_MS = 100;
/** Lines of one look that a console tells: what a reader can take. Those beyond are counted. */
const LINES_MAX = 1000;

/** The TRACE_MASK_* bit that an event is written under. */
function maskOf(event: number): number {
  if (event >= STEP_S401 && event <= STEP_S502) return TRACE_MASK_ESTABLISH;
  if ((event >= STEP_S601 && event <= STEP_S707) || event === TRACE_BYPASSED) return TRACE_MASK_PACKET;
  const ike = event === TRACE_IKE_SENT || event === TRACE_IKE_RECEIVED || event === TRACE_IKE_STATE;
  return ike ? TRACE_MASK_IKE : TRACE_MASK_BOARD;
}

/** One line of a board's console. */
export interface ConsoleLine {
  /** Seconds, on the chassis's clock. */
  at: number;
  slot: number;
  /** S401 .. S707, ike_sent, board_reset and the like as abi/trace.ts has them; up, down and trap are the chassis's own. */
  event: string;
  /** For people. */
  text: string;
  /** As the board wrote them, each a 32-bit word; absent where the chassis speaks. */
  words?: [number, number, number, number];
  /** Entries of this board that are not told between the line before and this one: too many for the ring or for a console. */
  missed: number;
}

export interface ConsoleWish {
  slot: number;
  /** The steps of every packet, too. Writing them down slows the board. */
  packets: boolean;
}

interface Follower {
  mask: number;
  take: (entries: readonly TraceEntry[]) => void;
}

export class Consoles {
  readonly #chassis: Chassis;
  readonly #followers = new Set<Follower>();
  #timer: NodeJS.Timeout | undefined;

  constructor(chassis: Chassis) {
    this.#chassis = chassis;
  }

  /** Calls back for what all boards write under `mask` (TRACE_MASK_* bits) from now on; returns what ends it. */
  entries(mask: number, take: (entries: readonly TraceEntry[]) => void): () => void {
    const follower = { mask, take };
    if (this.#followers.size === 0) {
      this.#chassis.readTrace();
      this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    }
    this.#followers.add(follower);
    this.#choose();
    return () => {
      if (!this.#followers.delete(follower)) return;
      if (this.#followers.size === 0) clearInterval(this.#timer);
      this.#choose();
    };
  }

  /** Follows the console of one slot, whichever board is in it; returns what ends it. */
  follow({ slot, packets }: ConsoleWish, tell: (line: ConsoleLine) => void): () => void {
    let lost = this.#chassis.traceLost(slot);
    let missed = 0;
    const line = (at: number, event: string, text: string, words?: ConsoleLine["words"]): void => {
      tell({ at, slot, event, text, ...(words ? { words } : {}), missed });
      missed = 0;
    };
    const mask = TRACE_MASK_BOARD | TRACE_MASK_IKE | TRACE_MASK_ESTABLISH | (packets ? TRACE_MASK_PACKET : 0);
    const take = (all: readonly TraceEntry[]): void => {
      const own = all.filter((entry) => entry.slot === slot);
      const before = lost;
      lost = this.#chassis.traceLost(slot);
      missed += lost - before + Math.max(0, own.length - LINES_MAX);
      // The newest, as in the ring itself.
      for (const entry of own.slice(-LINES_MAX)) {
        const { now, name, a, b, c, d } = entry;
        line(Number(now) / 1e9, name, entryText(entry) ?? "", [a, b, c, d]);
      }
    };
    const ends = [
      this.entries(mask, take),
      this.#chassis.onBoard((event) => {
        if (event.slot !== slot || event.kind === "alarm") return;
        // What the board wrote last comes first.
        this.#look();
        const { kind, generation } = event;
        const why =
          event.kind === "trap" ? `: ${event.fault.message}` : event.kind === "down" ? `: ${event.reason}` : "";
        line(Number(this.#chassis.drive.clock.now()) / 1e9, kind, `generation ${generation} ${kind}${why}`);
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  #choose(): void {
    this.#chassis.trace([...this.#followers].reduce((mask, follower) => mask | follower.mask, 0));
  }

  #look(): void {
    const entries = this.#chassis.readTrace();
    if (entries.length === 0) return;
    for (const { mask, take } of [...this.#followers])
      take(entries.filter(({ event }) => (maskOf(event) & mask) !== 0));
  }
}
