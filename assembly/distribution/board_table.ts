/**
 * The IPsec boards that the IKE board may distribute to: slot, generation, capacity, weight, how many CHILD_SAs each carries.
 *
 * A board's name is slot + generation: whatever was said to an earlier generation does not reach the present one.
 * Filled by the chassis's BOARD_UP and BOARD_DOWN announcements.
 *
 * What CHILD_SAs are placed on are logical boards, by number; which slot is one now is a mapping of its own. So a board that is replaced
 * by one in another slot is the same to every placement: one entry of the mapping changes, and nothing that was reckoned from it. Of two
 * boards of one number the one that came last has it; the other one serves what it has, and takes no more until it is alone.
 */
import { BOARD_WEIGHT_DEFAULT, BOARD_WEIGHT_MAX } from "../abi/config";
import { FABRIC_SLOT_MAX } from "../abi/fabric";

/** Of a board that is online (drain.ts). */
export const SERVING: u32 = 0;
export const DRAINING: u32 = 1;
export const DRAINED: u32 = 2;


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
  /** SERVING, DRAINING or DRAINED: only one that serves takes more. */
  draining: u32;
  /** Which logical board it is. */
  number: u32;
  /** 1: it may have used numbers beyond the leases that are known here. */
  unsettled: u32;
}

const table: usize = memory.data(FABRIC_SLOT_MAX * offsetof<Board>(), 16);
/** By number of a logical board: its slot + 1, 0 none. */
const slots: usize = memory.data(FABRIC_SLOT_MAX * 4, 16);
let onlineCount: u32 = 0;

// @ts-ignore: decorator
@inline
function board(slot: u32): Board {
  return changetype<Board>(table + <usize>slot * offsetof<Board>());
}

export function boardsReset(): void {
  memory.fill(table, 0, FABRIC_SLOT_MAX * offsetof<Board>());
  memory.fill(slots, 0, FABRIC_SLOT_MAX * 4);
  onlineCount = 0;
}

/** A board came online, as the logical board `number` or that of its slot. False when slot or number are out of range. */
export function boardOnline(
  slot: u32,
  generation: u32,
  capacity: u32,
  weight: u32 = BOARD_WEIGHT_DEFAULT,
  number: u32 = slot,
): bool {
  if (slot >= FABRIC_SLOT_MAX || number >= FABRIC_SLOT_MAX) return false;
  const b = board(slot);
  if (b.online == 0) onlineCount += 1;
  else numberFree(slot);
  b.number = number;
  store<u32>(slots + ((<usize>number) << 2), slot + 1);
  b.online = 1;
  b.generation = generation;
  b.capacity = capacity;
  b.links = 0;
  b.draining = SERVING;
  b.unsettled = 0;
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
  numberFree(slot);
  return true;
}

/** A board that went on without an IKE board comes back to one, or has told all its leases. */
export function boardUnsettle(slot: u32, unsettled: bool): void {
  board(slot).unsettled = unsettled ? 1 : 0;
}

/** True while the numbers of its SAs are known by itself alone: nothing may be taken from it. */
export function boardIsUnsettled(slot: u32): bool {
  return board(slot).unsettled != 0;
}

/** A board gives up its number, to another one of the same if there is one. */
function numberFree(slot: u32): void {
  const number = board(slot).number;
  if (load<u32>(slots + ((<usize>number) << 2)) != slot + 1) return;
  let heir: u32 = 0;
  for (let other: u32 = 0; other < FABRIC_SLOT_MAX; other++)
    if (other != slot && board(other).online != 0 && board(other).number == number) heir = other + 1;
  store<u32>(slots + ((<usize>number) << 2), heir);
}

/** The slot that is a logical board now, or FABRIC_SLOT_MAX: none. */
export function slotOfBoard(number: u32): u32 {
  const slot = number < FABRIC_SLOT_MAX ? load<u32>(slots + ((<usize>number) << 2)) : 0;
  return slot == 0 ? FABRIC_SLOT_MAX : slot - 1;
}

/** Which logical board the one in a slot is. */
export function boardNumber(slot: u32): u32 {
  return board(slot).number;
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
  if (b.online == 0 || b.draining != SERVING || b.links >= b.capacity) return false;
  return load<u32>(slots + ((<usize>b.number) << 2)) == slot + 1;
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

/** SERVING, DRAINING: its SAs shall go to others, or DRAINED: those that could have gone. */
export function boardDraining(slot: u32): u32 {
  return slot < FABRIC_SLOT_MAX ? board(slot).draining : SERVING;
}

export function boardSetDraining(slot: u32, draining: u32): void {
  board(slot).draining = draining;
}
