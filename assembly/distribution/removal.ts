/**
 * SA_REMOVE until the board confirms: a bounded queue of removals, apart from the links, because a LINK number may serve
 * a new CHILD_SA while the old SA's removal is still under way.
 */
import { MESSAGE_SA_REMOVE } from "../abi/message";
import { arenaTake } from "../rt/arena";
import { now } from "../rt/registers";
import { boardIsOnline } from "./board_table";
import { sendRequest } from "./control_out";

/** Marks the transactions of removals. */
export const REMOVAL_TRANSACTION: u32 = 0x80000000;

const RETRY_NS: u64 = 200_000_000;
const TRIES: u32 = 25;


@unmanaged
class Removal {
  slot: u32;
  generation: u32;
  spi: u32;
  direction: u32;
  link: u32;
  tries: u32; // 0: free
  retryAt: u64;
}

let queue: usize = 0;
let size: u32 = 0;
let pending: u32 = 0;
let cursor: u32 = 0;

/** Room for `count` removals; false when RAM is too small. */
export function removalReset(count: u32): bool {
  queue = arenaTake(<usize>count * offsetof<Removal>());
  size = count;
  pending = 0;
  cursor = 0;
  return queue != 0;
}

// @ts-ignore: decorator
@inline
function entry(i: u32): Removal {
  return changetype<Removal>(queue + <usize>i * offsetof<Removal>());
}

function send(index: u32, removal: Removal): void {
  removal.tries += 1;
  removal.retryAt = now() + RETRY_NS;
  const transaction = REMOVAL_TRANSACTION | index;
  // What does not go now is repeated at retryAt.
  sendRequest(MESSAGE_SA_REMOVE, transaction, removal.slot, removal.spi, removal.direction, removal.link);
}

/** Takes one SA off its board. A full queue gives up on the oldest place in turn. */
export function removeFromBoard(slot: u32, generation: u32, spi: u32, direction: u32, link: u32): void {
  if (!boardIsOnline(slot, generation)) return; // a board that is gone has no SAs
  for (let i: u32 = 0; i < size; i++) {
    const index = (cursor + i) % size;
    if (entry(index).tries == 0) {
      cursor = index;
      pending += 1;
      break;
    }
  }
  const removal = entry(cursor);
  removal.slot = slot;
  removal.generation = generation;
  removal.spi = spi;
  removal.direction = direction;
  removal.link = link;
  removal.tries = 0;
  send(cursor, removal);
  cursor = (cursor + 1) % size;
}

/** True while the removal of this SA has not been confirmed by its board. */
export function removalPending(slot: u32, generation: u32, spi: u32, direction: u32, link: u32): bool {
  for (let i: u32 = 0; pending != 0 && i < size; i++) {
    const r = entry(i);
    if (r.tries == 0 || r.spi != spi || r.link != link || r.direction != direction) continue;
    if (r.slot == slot && r.generation == generation) return true;
  }
  return false;
}

/** SA_REMOVED came. */
export function removalConfirmed(transaction: u32, spi: u32): void {
  const index = transaction & ~REMOVAL_TRANSACTION;
  if (index >= size) return;
  const removal = entry(index);
  if (removal.tries == 0 || removal.spi != spi) return;
  removal.tries = 0;
  pending -= 1;
}

/** Repeats what is due; returns when to come again. */
export function removalTimeout(): u64 {
  if (pending == 0) return u64.MAX_VALUE;
  let deadline: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < size; i++) {
    const removal = entry(i);
    if (removal.tries == 0) continue;
    if (removal.retryAt <= now()) {
      if (removal.tries >= TRIES || !boardIsOnline(removal.slot, removal.generation)) {
        removal.tries = 0;
        pending -= 1;
        continue;
      }
      send(i, removal);
    }
    deadline = min<u64>(deadline, removal.retryAt);
  }
  return deadline;
}
