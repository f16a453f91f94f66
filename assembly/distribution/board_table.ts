/**
 * The IPsec boards that the IKE board may distribute to: slot, generation, capacity, weight, how many CHILD_SAs each carries.
 *
 * A board's name is slot + generation: whatever was said to an earlier generation does not reach the present one.
 * Filled by the chassis's BOARD_UP and BOARD_DOWN announcements.
 */
import { BOARD_WEIGHT_DEFAULT, BOARD_WEIGHT_MAX } from "../abi/config";
import { FABRIC_SLOT_MAX } from "../abi/fabric";


@unmanaged
class Board {
  online: u32;
  generation: u32;
  /** CHILD_SAs that it takes at most. */
  capacity: u32;
  /** CHILD_SAs linked with it. */
  links: u32;
  /** Its share among unlike boards, 1 to BOARD_WEIGHT_MAX. */
  weight: u32;
  /** 1: it takes no more (drain.ts). */
  draining: u32;
}

const table: usize = memory.data(FABRIC_SLOT_MAX * offsetof<Board>(), 16);
let onlineCount: u32 = 0;

// @ts-ignore: decorator
@inline
function board(slot: u32): Board {
  return changetype<Board>(table + <usize>slot * offsetof<Board>());
}

export function boardsReset(): void {
  memory.fill(table, 0, FABRIC_SLOT_MAX * offsetof<Board>());
  onlineCount = 0;
}

/** A board came online. False when the slot number is out of range. */
export function boardOnline(slot: u32, generation: u32, capacity: u32, weight: u32 = BOARD_WEIGHT_DEFAULT): bool {
  if (slot >= FABRIC_SLOT_MAX) return false;
  const b = board(slot);
  if (b.online == 0) onlineCount += 1;
  b.online = 1;
  b.generation = generation;
  b.capacity = capacity;
  b.links = 0;
  b.draining = 0;
  b.weight = min<u32>(max<u32>(weight, 1), BOARD_WEIGHT_MAX);
  return true;
}

/** A board went away; an announcement about another generation than the present one is of no concern. */
export function boardOffline(slot: u32, generation: u32): bool {
  if (slot >= FABRIC_SLOT_MAX) return false;
  const b = board(slot);
  if (b.online == 0 || b.generation != generation) return false;
  b.online = 0;
  b.links = 0;
  onlineCount -= 1;
  return true;
}

// @ts-ignore: decorator
@inline
export function boardIsOnline(slot: u32, generation: u32): bool {
  if (slot >= FABRIC_SLOT_MAX) return false;
  const b = board(slot);
  return b.online != 0 && b.generation == generation;
}

/** True when any generation is online in the slot. */
export function slotIsOnline(slot: u32): bool {
  return slot < FABRIC_SLOT_MAX && board(slot).online != 0;
}

export function boardGeneration(slot: u32): u32 {
  return board(slot).generation;
}

export function boardHasRoom(slot: u32): bool {
  const b = board(slot);
  return b.online != 0 && b.draining == 0 && b.links < b.capacity;
}

/** CHILD_SAs that the board of a slot takes at most, and that are linked with it. */
export function boardCapacity(slot: u32): u32 {
  return board(slot).capacity;
}
export function boardLinks(slot: u32): u32 {
  return board(slot).links;
}

/** Its share among unlike boards. */
export function boardWeight(slot: u32): u32 {
  return board(slot).weight;
}

export function boardLinkAdd(slot: u32): void {
  board(slot).links += 1;
}

/** A link went; ignored when the board has been replaced since. */
export function boardLinkRemove(slot: u32, generation: u32): void {
  if (!boardIsOnline(slot, generation)) return;
  const b = board(slot);
  if (b.links > 0) b.links -= 1;
}

/** Boards online. */
export function boardsOnline(): u32 {
  return onlineCount;
}

/** True when a board is there for another CHILD_SA. */
export function boardsHaveRoom(): bool {
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) if (boardHasRoom(slot)) return true;
  return false;
}

/** True when its SAs shall go to others. */
export function boardDrains(slot: u32): bool {
  return slot < FABRIC_SLOT_MAX && board(slot).draining != 0;
}

export function boardSetDraining(slot: u32, draining: bool): void {
  board(slot).draining = draining ? 1 : 0;
}
