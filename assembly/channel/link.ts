/**
 * The link of this board on the internal path (13): which framing, who we are, who may speak to us.
 *
 * Read from CONFIG at reset (CONFIG_LINK_KIND, CONFIG_IKE_SLOT) and from the SLOT register. The path is a star: an IPsec
 * board speaks with the IKE board only, the IKE board with every IPsec board. Refuses a slot outside the fabric.
 */
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../abi/config";
import {
  FABRIC_IPV4_PREFIX,
  FABRIC_MAC_HIGH,
  FABRIC_SLOT_MAX,
  FABRIC_VCI_BASE,
  LINK_ATM,
  LINK_ETHERNET,
} from "../abi/fabric";
import { itemFind, itemU32, itemsValid } from "../rt/items";
import { configAddress, configLength, slot } from "../rt/registers";

let kind: u32 = 0;
let own: u32 = 0;
let ike: u32 = 0;

/** Reads CONFIG; false when it is malformed, names no link kind, or a slot outside the fabric. */
export function linkReset(): bool {
  const start = configAddress();
  const end = start + configLength();
  if (!itemsValid(start, end)) return false;
  const kindItem = itemFind(start, end, CONFIG_LINK_KIND);
  kind = kindItem != 0 ? itemU32(kindItem) : 0;
  const ikeItem = itemFind(start, end, CONFIG_IKE_SLOT);
  ike = ikeItem != 0 ? itemU32(ikeItem) : 0;
  own = slot();
  return (kind == LINK_ETHERNET || kind == LINK_ATM) && ike < FABRIC_SLOT_MAX && own < FABRIC_SLOT_MAX;
}

/** LINK_ETHERNET or LINK_ATM. */
// @ts-ignore: decorator
@inline
export function linkKind(): u32 {
  return kind;
}

/** Our own slot. */
// @ts-ignore: decorator
@inline
export function linkOwnSlot(): u32 {
  return own;
}

/** For a board that is both ends of the path: it speaks for the board in `board` from now on. */
export function linkSpeakFor(board: u32): void {
  own = board;
}

/** The slot of the IKE board. */
// @ts-ignore: decorator
@inline
export function linkIkeSlot(): u32 {
  return ike;
}

/** True on the IKE board itself. */
// @ts-ignore: decorator
@inline
export function linkIsIkeBoard(): bool {
  return own == ike;
}

/** True when the board in `peer` and we may speak with each other. */
export function linkMaySpeak(peer: u32): bool {
  if (peer >= FABRIC_SLOT_MAX || peer == own) return false;
  return own == ike || peer == ike;
}

/** A slot's MAC as a 48-bit number. */
// @ts-ignore: decorator
@inline
export function linkMac(board: u32): u64 {
  return ((<u64>FABRIC_MAC_HIGH) << 16) | (<u64>board);
}

/** A slot's internal IPv4 address as a number. */
// @ts-ignore: decorator
@inline
export function linkAddress(board: u32): u32 {
  return FABRIC_IPV4_PREFIX | board;
}

/** The VC between us and `peer`: VPI << 16 | VCI. A VC is named after the IPsec board at its end. */
export function linkVc(peer: u32): u32 {
  return FABRIC_VCI_BASE + (own == ike ? peer : own);
}

/** The slot at the other end of a VC, or FABRIC_SLOT_MAX when the VC is none of ours. */
export function linkSlotOfVc(vc: u32): u32 {
  if (vc < FABRIC_VCI_BASE || vc >= FABRIC_VCI_BASE + FABRIC_SLOT_MAX) return FABRIC_SLOT_MAX;
  const board = vc - FABRIC_VCI_BASE;
  if (own == ike) return board;
  return board == own ? ike : FABRIC_SLOT_MAX;
}
