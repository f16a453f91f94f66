/**
 * What the two ends of a board's thread say to each other: the parts it is started with, orders, and reports.
 */
import type { LinkKind } from "../backplane.ts";
import type { PowerOn } from "../board.ts";
import type { TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";

/** A peer on the backplane: the two channel rings and the peer's page, for its doorbell. */
export interface PeerParts {
  slot: number;
  out: SharedArrayBuffer;
  in: SharedArrayBuffer;
  page: SharedArrayBuffer;
}

export interface ThreadParts {
  slot: number;
  ikeSlot: number;
  link: LinkKind;
  page: SharedArrayBuffer;
  /** Chassis to board, board to chassis. */
  down: SharedArrayBuffer;
  up: SharedArrayBuffer;
  /** The chassis's doorbell: word 0, and word 1 is not 0 while it sleeps. */
  bell: SharedArrayBuffer;
  peers: PeerParts[];
  /** Microseconds of spinning before the thread sleeps. */
  spin: number;
}

/** An order to power an image; stopping goes by the page. */
export interface PowerOrder {
  image: Image;
  power: PowerOn;
}

export type ThreadReport =
  | { kind: "online"; generation: number }
  | { kind: "refused"; generation: number; refusal: number }
  | { kind: "fault"; generation: number; report: TrapReport }
  | { kind: "stopped"; generation: number };

/** Port number under which a tapped backplane frame goes up to the chassis. */
export const PORT_TAP = 15;
