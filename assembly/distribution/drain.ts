/**
 * SAs that leave a board while it serves: all of them, when it shall be taken out (drain), or as many as are more than its share
 * (rebalance). Each moves without loss (move.ts), a bounded number at a time; no new SA is placed on a board that drains.
 *
 * A link that no other board takes stays: that of a child with a fixed place, as long as no other board is that logical one, or one too many
 * for the others. A board is drained when only such are left; how many is told (BOARD_DRAINED), and it serves them until it goes.
 */
import { PLACEMENT_FIXED, PLACEMENT_HASH, PLACEMENT_POLICY_MASK } from "../abi/config";
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { now } from "../rt/registers";
import {
  DRAINED,
  DRAINING,
  SERVING,
  boardDraining,
  boardGeneration,
  boardHasRoom,
  boardIsOnline,
  boardLinks,
  boardSetDraining,
  boardWeight,
  boardsHaveRoom,
  slotIsOnline,
} from "./board_table";
import { LINK_NONE, Link, linkAt, linkCapacity, placementOf } from "./local_database";
import { movable, move } from "./move";
import { MOVES, passagesUsed } from "./passage";
import { reportDrained } from "./report";
import { SELECTION_NONE, placementPolicy } from "./selection";
import { homeOf } from "./takeover";

/** Time between two looks while something is under way. */
const AGAIN_NS: u64 = 2_000_000;
/** Time from a board's coming until SAs are moved to it: others may come with it. */
const SETTLE_NS: u64 = 1_000_000_000;

/** Where the walk over the links stands, and NOW at which it goes on. */
let cursor: u32 = 0;
let walkAt: u64 = 0;
/** Boards that are being drained. */
let draining: u32 = 0;
/** Links of this walk that leave a board, or will. */
let leaving: u32 = 0;
/** True while this walk spreads SAs anew; NOW at which the next one shall. */
let spreading: bool = false;
let spreadAt: u64 = 0;
/** CHILD_SAs of each slot as they will be when all that move have arrived. */
const expected: usize = memory.data(FABRIC_SLOT_MAX * 4, 4);

export function drainReset(): void {
  cursor = 0;
  walkAt = u64.MAX_VALUE;
  draining = 0;
  leaving = 0;
  spreading = false;
  spreadAt = u64.MAX_VALUE;
}

/** A board shall give up its SAs, or with `off` false serve again; false when it is not there. */
export function drain(slot: u32, generation: u32, off: bool): bool {
  if (!boardIsOnline(slot, generation)) return false;
  boardSetDraining(slot, off ? DRAINING : SERVING);
  if (off) begin();
  else count();
  return true;
}

/** A board went away, or another one came: it is not drained any more. */
export function drainForget(slot: u32): void {
  if (slot >= FABRIC_SLOT_MAX) return;
  boardSetDraining(slot, SERVING);
  count();
}

function count(): void {
  draining = 0;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) if (boardDraining(slot) == DRAINING) draining += 1;
}

/** SAs shall be spread anew: at once, or when a board has come, a moment later. */
export function rebalance(boardCame: bool): void {
  spreadAt = now() + (boardCame ? SETTLE_NS : 0);
}

function begin(): void {
  count();
  cursor = 0;
  leaving = 0;
  walkAt = now();
}

/** True while the walk can go on in the next poll. */
export function drainPending(): bool {
  return walkAt <= now();
}

/** Goes on, over `budget` links at most; returns when to come again. */
export function drainPoll(budget: u32): u64 {
  if (spreadAt <= now()) {
    spreadAt = u64.MAX_VALUE;
    spreading = true;
    for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++)
      store<u32>(expected + ((<usize>slot) << 2), slotIsOnline(slot) ? boardLinks(slot) : 0);
    begin();
  }
  if (walkAt > now()) return min<u64>(walkAt, spreadAt);
  for (; budget > 0 && cursor < linkCapacity() && passagesUsed() < MOVES; budget--) {
    const link = changetype<Link>(linkAt(cursor));
    cursor += 1;
    if (link.stateIn == LINK_NONE && link.stateOut == LINK_NONE) continue;
    if (draining != 0 && boardDraining(link.slot) == DRAINING) leave(link);
    else if (spreading) spread(link);
  }
  if (cursor >= linkCapacity()) finish();
  else if (passagesUsed() == MOVES) walkAt = now() + AGAIN_NS;
  return min<u64>(walkAt, spreadAt);
}

/** A link of a board that is drained. */
function leave(link: Link): void {
  if (isFixed(link) ? homeOf(link) == SELECTION_NONE : !boardsHaveRoom()) return;
  leaving += 1;
  if (movable(link)) move(link, SELECTION_NONE);
}

function isFixed(link: Link): bool {
  return (placementOf(link).placement & PLACEMENT_POLICY_MASK) == PLACEMENT_FIXED;
}

/** A link of a board that has more than its share may move to the one that has the least of its own. */
function spread(link: Link): void {
  if (!movable(link)) return;
  const from = link.slot;
  let to: u32;
  if (isFixed(link) || placementPolicy(placementOf(link).placement) == PLACEMENT_HASH) {
    to = homeOf(link);
    if (to == from || to == SELECTION_NONE) return;
  } else {
    to = leastOf();
    if (to == SELECTION_NONE || to == from) return;
    // Not unless it is still the fuller one for its weight afterwards, or as full.
    const left = <u64>(expectedOf(from) - 1) * <u64>boardWeight(to);
    if (left < <u64>(expectedOf(to) + 1) * <u64>boardWeight(from)) return;
  }
  if (!move(link, to)) return;
  store<u32>(expected + ((<usize>from) << 2), expectedOf(from) - 1);
  store<u32>(expected + ((<usize>to) << 2), expectedOf(to) + 1);
}

// @ts-ignore: decorator
@inline
function expectedOf(slot: u32): u32 {
  return load<u32>(expected + ((<usize>slot) << 2));
}

/** The board that has the fewest SAs for its weight, and room. */
function leastOf(): u32 {
  let least = SELECTION_NONE;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!boardHasRoom(slot)) continue;
    if (least != SELECTION_NONE) {
      const one = <u64>expectedOf(slot) * <u64>boardWeight(least);
      if (one >= <u64>expectedOf(least) * <u64>boardWeight(slot)) continue;
    }
    least = slot;
  }
  return least;
}

/** The end of a walk: another one follows while links are still to leave. */
function finish(): void {
  spreading = false;
  if (leaving != 0) {
    begin();
    walkAt = now() + AGAIN_NS;
    return;
  }
  walkAt = u64.MAX_VALUE;
  if (draining == 0) return;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!slotIsOnline(slot) || boardDraining(slot) != DRAINING) continue;
    boardSetDraining(slot, DRAINED);
    reportDrained(slot, boardGeneration(slot), boardLinks(slot));
  }
  count();
}
