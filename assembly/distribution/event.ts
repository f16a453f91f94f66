/**
 * What distribution tells its board's main loop: the answers to installs, and SAs that were lost with their board. A ring
 * in static memory; the main loop drains it in the same poll, so it holds what one poll can raise. SAs lost with a board
 * are not queued here but walked (establish.ts), because one board may carry them all.
 */
import { SA_ENDS } from "../abi/message";

export const DISTRIBUTION_INSTALLED: u32 = 1;
export const DISTRIBUTION_REFUSED: u32 = 2;
export const DISTRIBUTION_EXPIRING: u32 = 3;
/** A packet met the trap of configured child `spi`; `ends` is its flow (policy/flow.ts). */
export const DISTRIBUTION_ACQUIRE: u32 = 4;
/** A board has not taken an SA's new ends. */
export const DISTRIBUTION_NOT_UPDATED: u32 = 6;
/** A peer's packets come from elsewhere: `ends`. */
export const DISTRIBUTION_MOVED: u32 = 7;

/** A link that was in use could not be placed again; it is closed. */
export const DISTRIBUTION_LOST: u32 = 8;

/** When a packet of an SA last passed: `time`. */
export const DISTRIBUTION_USED: u32 = 5;


@unmanaged
export class DistributionEvent {
  kind: u32;
  link: u32;
  spi: u32;
  direction: u32;
  /** REFUSED_*, EXPIRING_* or EXPIRED_*; of INSTALLED, 1 when it was in use on another board before. */
  reason: u32;
  time: u64;
  /** Address of SA_ENDS octets (abi/message.ts), of an acquire of a flow; 0 none. */
  ends: usize;
}

const CAPACITY: u32 = 1024; // more than the frames of one poll
const ring: usize = memory.data(CAPACITY * offsetof<DistributionEvent>(), 16);
const endsRing: usize = memory.data(CAPACITY * SA_ENDS, 16);
let head: u32 = 0;
let tail: u32 = 0;

export function eventsReset(): void {
  head = 0;
  tail = 0;
}

/** Queues an event; the acknowledged control messages are repeated, so one lost to a full ring comes again. */
export function raise(
  kind: u32,
  link: u32,
  spi: u32,
  direction: u32,
  reason: u32,
  time: u64 = 0,
  ends: usize = 0,
): void {
  if (head - tail == CAPACITY) return;
  const e = changetype<DistributionEvent>(ring + <usize>(head & (CAPACITY - 1)) * offsetof<DistributionEvent>());
  e.kind = kind;
  e.link = link;
  e.spi = spi;
  e.direction = direction;
  e.reason = reason;
  e.time = time;
  e.ends = 0;
  if (ends != 0) {
    e.ends = endsRing + <usize>(head & (CAPACITY - 1)) * SA_ENDS;
    memory.copy(e.ends, ends, SA_ENDS);
  }
  head += 1;
}

/** The next event, valid until the next call, or null. */
export function pollDistributionEvent(): DistributionEvent | null {
  if (head == tail) return null;
  const e = changetype<DistributionEvent>(ring + <usize>(tail & (CAPACITY - 1)) * offsetof<DistributionEvent>());
  tail += 1;
  return e;
}
