/**
 * What the two ends of a thread of boards say to each other: the parts it is started with, orders, and reports.
 */
import { PORT_MANAGEMENT } from "../../../assembly/abi/ring.ts";
import type { LinkKind } from "../backplane.ts";
import type { PowerOn } from "../board.ts";
import type { TrapReport } from "../fault.ts";
import type { Image } from "../image.ts";
import type { ShelfPlace } from "./drive.ts";
import type { BoardLineParts } from "./line.ts";
import type { LineProgram } from "./line_program.ts";
import type { PageParts } from "./page.ts";

/** A peer on the backplane: the two channel rings and the peer's page, for its doorbell. */
export interface PeerParts {
  slot: number;
  out: SharedArrayBuffer;
  in: SharedArrayBuffer;
  page: PageParts;
}

/** What a thread needs to serve one slot. */
export interface SlotParts {
  slot: number;
  page: PageParts;
  /** Chassis to board, board to chassis. */
  down: SharedArrayBuffer;
  up: SharedArrayBuffer;
  peers: PeerParts[];
  /** Devices that are wired to the thread, in the order in which the board is given what comes from them. */
  lines: BoardLineParts[];
}

/** What is the same for all slots of a chassis. */
export interface CageParts {
  ikeSlot: number;
  link: LinkKind;
  /** The chassis's (chassis_bell.ts). */
  bell: SharedArrayBuffer;
  /** ns by which the boards' NOW is ahead of this process's clock. */
  clockAhead: bigint;
}

/** Of a thread: the slots that it serves, in the order in which they have their turn. */
export interface ThreadParts {
  cage: CageParts;
  doorbell: SharedArrayBuffer;
  slots: SlotParts[];
  /** Microseconds of spinning before the thread sleeps. */
  spin: number;
  /** What takes what arrives at a device, if this thread is to. */
  receiver?: LineProgram;
}

/** Of the thread that stands in for a board in a shelf (host/chassis/remote/remote_worker.ts). */
export interface RemoteThreadParts {
  cage: CageParts;
  slot: SlotParts;
  shelf: ShelfPlace;
}

/** An order to power an image; stopping goes by the page. */
export interface PowerOrder {
  slot: number;
  image: Image;
  power: PowerOn;
}

export type ThreadReport = { slot: number; generation: number } & (
  | { kind: "online" }
  | { kind: "refused"; refusal: number }
  | { kind: "fault"; report: TrapReport }
  | { kind: "stopped" }
);

/**
 * Port number in the rings between boards' threads of a frame without its check sequence. Nothing alters a frame on its way through memory but the
 * fault injection, which sums what it gets; hardware would sum beside the processor, here it would cost as much as all else.
 */
export const PORT_CHANNEL_UNSUMMED = 13;
/** Port number under which a tapped backplane frame goes up to the chassis. */
export const PORT_TAP = 15;
/** That under which records of the checkpoint go up, whole ones, several a message. */
export const PORT_CHECKPOINT = 14;
/** What goes up in numbers and is in no hurry. */
export const waitsForOthers = (port: number): boolean => port === PORT_CHECKPOINT || port === PORT_MANAGEMENT;
