/**
 * The classifier as a module: what the chassis calls (host/chassis/classifier.ts). It is hardware and no board: no rings, no state of its own
 * making; whoever has packets that arrive has one, and gives it the same words.
 */
import { FRAME_CAPACITY } from "../abi/frame";
import { localAddressReset, localAddressTake } from "../policy/local_address";
import { itemsValid } from "../rt/items";
import { classifiedGeneration, classifierReset, classifierTake, classify } from "./classifier";

/** Where whoever calls puts what it speaks of. */
const window: usize = memory.data(FRAME_CAPACITY, 16);

/** FRAME_CAPACITY octets of memory for what the other calls are about. */
export function windowAddress(): usize {
  return window;
}

/** Empties it, with room for `links` CHILD_SAs; `octets` octets of CONFIG items are in the window. */
export function reset(links: u32, octets: u32): bool {
  const end = window + octets;
  return itemsValid(window, end) && localAddressReset(window, end) && classifierReset(links);
}

/** A MANAGEMENT_CLASSIFY message is in the window. */
export function take(octets: u32): bool {
  return classifierTake(window, octets);
}

/** The items of MANAGEMENT_LOCAL_ADDRESSES are in the window. */
export function localAddresses(octets: u32): bool {
  return localAddressTake(window, window + octets);
}

/** A packet that arrived at `port` is in the window: the slot of its board, or -1. */
export function board(port: u32, length: u32): i32 {
  return <i32>classify(port, window, length);
}

/** GENERATION of the board that board() named last. */
export function boardGeneration(): u32 {
  return classifiedGeneration();
}
