/**
 * Behind a restart of this board: IPsec boards that ran on are asked how far their inbound SAs have come, since the one that handed the packets
 * over is gone. Each is sent a lease that asks for a wish; forwarded.ts makes of the answers what a successor may rely on. In rounds, one a
 * FORGET_NS, until nothing is uncertain; what gets lost is asked for again in the next one.
 */
import { DIRECTION_INBOUND } from "../abi/message";
import { PORT_CHANNEL } from "../abi/ring";
import { transmitRoom } from "../bus/port";
import { now } from "../rt/registers";
import { boardIsOnline } from "./board_table";
import { FORGET_NS, forwardedUncertain } from "./forwarded";
import { leaseAsk } from "./lease";
import { LINK_LIVE, LINK_NONE, Link, linkAt, linkCapacity } from "./local_database";

/** Links that one call asks about, and looks at, at most. */
const ASKED: u32 = 16;
const LOOKED_AT: u32 = 4096;
/** Places of the internal path's ring that are left to packets and answers. */
const RESERVE: u32 = 64;
/** Time from one call to the next in the middle of a round. */
const STEP_NS: u64 = 1_000_000;
/** A round begins so long behind what the one before it could end. */
const BEHIND_NS: u64 = 100_000_000;

/** LINK numbers from here on are still to be looked at in this round. */
let cursor: u32 = 0;
/** The round has met a link that is uncertain. */
let met: bool = false;
/** NOW of the next step; u64.MAX_VALUE: nothing is uncertain. */
let at: u64 = 0;
let began: u64 = 0;

export function recallReset(): void {
  at = u64.MAX_VALUE;
}

/** All links are back. */
export function recallBegin(): void {
  cursor = 0;
  met = false;
  at = now();
  began = now();
}

/** Goes on; returns when to come again. */
export function recallPoll(): u64 {
  if (at > now()) return at;
  let asked: u32 = 0;
  for (let looked: u32 = 0; looked < LOOKED_AT && asked < ASKED && cursor < linkCapacity(); looked++) {
    const link = changetype<Link>(linkAt(cursor));
    if (link.stateIn != LINK_NONE && forwardedUncertain(link)) {
      if (transmitRoom(PORT_CHANNEL) <= RESERVE) break;
      met = true;
      if (link.stateIn == LINK_LIVE && link.moving == 0 && boardIsOnline(link.slot, link.generation)) {
        leaseAsk(link, DIRECTION_INBOUND);
        asked += 1;
      }
    }
    cursor += 1;
  }
  if (cursor < linkCapacity()) {
    at = now() + STEP_NS;
  } else if (met) {
    began = max<u64>(began + FORGET_NS + BEHIND_NS, now());
    at = began;
    cursor = 0;
    met = false;
  } else {
    at = u64.MAX_VALUE;
  }
  return at;
}
