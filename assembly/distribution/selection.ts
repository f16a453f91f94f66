/**
 * S402: choosing the IPsec board for a new SA, by the placement of its child or else of the chassis. The choice is made once per
 * CHILD_SA, because an SA has one home board; only boards that are online and have room are chosen.
 *
 *   round-robin    in turn, by weight: smooth weighted round robin, so that the turns of a heavy board are spread among the others'
 *   least-loaded   the board with the least work for its weight (board_load.ts), among equals the one with the fewest SAs for it
 *   hash           by the peer's identity and the logical boards' numbers (board_table.ts): weighted rendezvous hashing, so that all CHILD_SAs of a peer meet on one board, and a board
 *                  that comes or goes changes the choice of no peer but those that it takes or had
 *   slot n         the logical board of that number or none
 *
 * A full board is passed over: a peer whose board by hash is full goes to its next one. Every choice follows from what happened
 * before; nothing is random.
 */
import {
  CONFIG_PLACEMENT,
  PLACEMENT_DEFAULT,
  PLACEMENT_FIXED,
  PLACEMENT_HASH,
  PLACEMENT_LEAST_LOADED,
  PLACEMENT_POLICY_MASK,
  PLACEMENT_ROUND_ROBIN,
  PLACEMENT_SLOT_SHIFT,
} from "../abi/config";
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import { REFUSED_BOARDS_FULL, REFUSED_NO_BOARD, REFUSED_SLOT_FULL, REFUSED_SLOT_OFFLINE } from "../abi/message";
import { itemFind, itemU32 } from "../rt/items";
import { boardLoad } from "./board_load";
import {
  boardHasRoom,
  boardLinks,
  boardNumber,
  boardWeight,
  boardsOnline,
  slotIsOnline,
  slotOfBoard,
} from "./board_table";

/** No board can take another SA; selectionRefusal() says why. */
export const SELECTION_NONE: u32 = 0xffffffff;

/** Smooth weighted round robin: what each slot is owed, i32. */
const owed: usize = memory.data(FABRIC_SLOT_MAX * 4, 16);
let standard: u32 = 0; // PLACEMENT_*
let refusal: u32 = 0;

/** Reads the chassis's placement of CONFIG's items (from 0 to 0: none); false when it is none. */
export function selectionReset(config: usize = 0, end: usize = 0): bool {
  memory.fill(owed, 0, FABRIC_SLOT_MAX * 4);
  refusal = 0;
  const item = config == end ? 0 : itemFind(config, end, CONFIG_PLACEMENT);
  standard = item == 0 ? PLACEMENT_ROUND_ROBIN : itemU32(item);
  return standard >= PLACEMENT_ROUND_ROBIN && standard <= PLACEMENT_HASH;
}

/** A board came into a slot: it takes its first turn like any other, whatever the one before was owed. */
export function selectionForget(slot: u32): void {
  store<i32>(owed + ((<usize>slot) << 2), 0);
}

/** The policy that a placement comes to: PLACEMENT_ROUND_ROBIN to PLACEMENT_FIXED. */
export function placementPolicy(placement: u32): u32 {
  const named = placement & PLACEMENT_POLICY_MASK;
  return named == PLACEMENT_DEFAULT ? standard : named;
}

/** The slot for the next CHILD_SA of a peer (a digest of its identity), or SELECTION_NONE. */
export function selectBoard(placement: u32 = PLACEMENT_DEFAULT, peer: u64 = 0): u32 {
  const policy = placementPolicy(placement);
  if (policy == PLACEMENT_FIXED) return fixed(placement >> PLACEMENT_SLOT_SHIFT);
  const slot =
    policy == PLACEMENT_HASH ? rendezvous(peer) : policy == PLACEMENT_LEAST_LOADED ? leastLoaded() : inTurn();
  if (slot == SELECTION_NONE) refusal = boardsOnline() == 0 ? REFUSED_NO_BOARD : REFUSED_BOARDS_FULL;
  return slot;
}

/** REFUSED_*: why the last selection found none. */
export function selectionRefusal(): u32 {
  return refusal;
}

function fixed(number: u32): u32 {
  const slot = slotOfBoard(number);
  if (slotIsOnline(slot) && boardHasRoom(slot)) return slot;
  refusal = slotIsOnline(slot) ? REFUSED_SLOT_FULL : REFUSED_SLOT_OFFLINE;
  return SELECTION_NONE;
}

/**
 * Smooth weighted round robin, as nginx has it: with every choice each board is owed its weight more, the one that is owed most is
 * chosen and pays the sum. Weights 3, 1, 1 make a, b, a, c, a.
 */
function inTurn(): u32 {
  let chosen = SELECTION_NONE;
  let most: i32 = 0;
  let sum: i32 = 0;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!boardHasRoom(slot)) continue;
    const weight = <i32>boardWeight(slot);
    const due = load<i32>(owed + ((<usize>slot) << 2)) + weight;
    store<i32>(owed + ((<usize>slot) << 2), due);
    sum += weight;
    if (chosen != SELECTION_NONE && due <= most) continue;
    chosen = slot;
    most = due;
  }
  if (chosen != SELECTION_NONE) store<i32>(owed + ((<usize>chosen) << 2), most - sum);
  return chosen;
}

function leastLoaded(): u32 {
  let chosen = SELECTION_NONE;
  let work: u64 = 0;
  let links: u64 = 0;
  let weight: u64 = 1;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!boardHasRoom(slot)) continue;
    const itsWork = boardLoad(slot);
    const itsLinks = <u64>boardLinks(slot);
    const itsWeight = <u64>boardWeight(slot);
    if (chosen != SELECTION_NONE) {
      // A ratio a/b below c/d, without dividing.
      const less = itsWork * weight;
      const than = work * itsWeight;
      if (less > than || (less == than && itsLinks * weight >= links * itsWeight)) continue;
    }
    chosen = slot;
    work = itsWork;
    links = itsLinks;
    weight = itsWeight;
  }
  return chosen;
}

/**
 * Highest random weight (Thaler and Ravishankar, 1998): every board draws as many numbers as its weight from peer and slot, the
 * highest one wins. What a board draws depends on no other board.
 */
function rendezvous(peer: u64): u32 {
  let chosen = SELECTION_NONE;
  let highest: u64 = 0;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!boardHasRoom(slot)) continue;
    const weight = boardWeight(slot);
    const number = boardNumber(slot);
    for (let i: u32 = 0; i < weight; i++) {
      const drawn = mix64(peer ^ mix64((((<u64>i) << 8) | (<u64>number)) + 1));
      if (chosen != SELECTION_NONE && drawn <= highest) continue;
      chosen = slot;
      highest = drawn;
    }
  }
  return chosen;
}

/** The finalizer of splitmix64: every bit of the result depends on every one of `x`. */
function mix64(x: u64): u64 {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
