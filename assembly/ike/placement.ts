/**
 * What the boards say of CHILD_SAs: stored or refused, near a limit, lost with their board.
 *
 * The peer is answered only once its CHILD_SA can be received on; one that no board takes is refused with
 * NO_ADDITIONAL_SAS, or when it is ours, deleted.
 */
import { CHILD_STATE_FREE, CHILD_STATE_INSTALLING, EVENT_CHILD_UPDOWN } from "../abi/management";
import {
  DIRECTION_INBOUND,
  EXPIRED_SEQUENCE,
  REFUSED_BOARDS_FULL,
  REFUSED_NO_BOARD,
  REFUSED_SLOT_FULL,
  REFUSED_SLOT_OFFLINE,
} from "../abi/message";
import {
  CHILD_EVENT_INSTALL_IN,
  CHILD_EVENT_INSTALL_OUT,
  ChildSa,
  OUTBOUND_HELD,
  childByLink,
  childConfig,
  childSaAt,
} from "./child_sa";
import { childChanged } from "./changes";
import { createChildRefused, createChildRespond } from "./exchange/create_child_sa";
import { authRefused, authRespond } from "./exchange/ike_auth_responder";
import { IN_AUTH_INSTALL, IN_CHILD_INSTALL, ikeSaAt } from "./ike_sa";
import { childExpired, childRekey, childUp, proceed } from "./life";
import { outboundSettled, replacementDecide, replacementUnplaced, replacementUp } from "./replacement";
import { reportAlert, reportSa, text } from "./report";
import { childSaCapacity } from "./settings";

/** A board stored, or with `refused` (REFUSED_*) did not store, one SA of a CHILD_SA. */
export function handleInstalled(link: u32, spi: u32, direction: u32, refused: u32): void {
  const child = childByLink(link);
  if (!child || child.waiting == 0) return;
  const inbound = direction == DIRECTION_INBOUND;
  if (spi != (inbound ? child.spiIn : child.spiOut)) return;
  child.waiting &= ~(inbound ? CHILD_EVENT_INSTALL_IN : CHILD_EVENT_INSTALL_OUT);
  if (refused != 0) child.refused = refused;
  if (child.state != CHILD_STATE_INSTALLING) {
    if (!inbound) outboundSettled(child, refused != 0);
    return;
  }
  if (child.waiting == 0 || child.refused != 0) placementSettled(child, false);
}

/** All boards have answered, or with `late` they have not in time, which counts as refused. */
export function placementSettled(child: ChildSa, late: bool): void {
  const sa = ikeSaAt(<u32>child.sa);
  const refused = late || child.refused != 0;
  child.waiting = 0;
  if (refused) reportAlert(sa.connection, childConfig(child), 0, refusalText(child.refused));
  if (sa.inChild == <i32>child.link && child.initiator == 0) {
    const first = sa.inStep == IN_AUTH_INSTALL;
    if (sa.inStep != IN_CHILD_INSTALL && !first) return;
    if (refused) {
      if (first) authRefused(sa, child, late);
      else createChildRefused(sa, child, late);
      return;
    }
    childUp(child);
    if (first) authRespond(sa, child, 0);
    else createChildRespond(sa, child);
    return;
  }
  if (refused) return replacementUnplaced(child);
  if (child.outbound == OUTBOUND_HELD) return replacementDecide(child);
  if (child.rekeys >= 0 || child.rival >= 0) return replacementUp(child);
  childUp(child);
  reportSa(EVENT_CHILD_UPDOWN, true, sa, child);
  proceed(sa);
}

/** Why no board took a CHILD_SA; 0: none has answered in time. */
export function refusalText(refused: u32): usize {
  if (refused == REFUSED_BOARDS_FULL) return text("no IPsec board took the CHILD_SA: all are full");
  if (refused == REFUSED_NO_BOARD) return text("no IPsec board took the CHILD_SA: none is online");
  if (refused == REFUSED_SLOT_FULL) return text("no IPsec board took the CHILD_SA: the one in its fixed slot is full");
  if (refused == REFUSED_SLOT_OFFLINE)
    return text("no IPsec board took the CHILD_SA: none is online in its fixed slot");
  return text("no IPsec board took the CHILD_SA");
}

/** A board's SA nears a limit (EXPIRING_*): rekey it; or is beyond it (EXPIRED_*): its end. */
export function handleExpiring(link: u32, spi: u32, cause: u32): void {
  const child = childByLink(link);
  if (!child || (spi != child.spiIn && spi != child.spiOut)) return;
  if (cause >= EXPIRED_SEQUENCE) childExpired(child);
  else childRekey(child);
}

/** The CHILD_SA's board is gone and it could not be placed again: a new one must replace it. */
export function handleSaLost(link: u32): void {
  const child = childByLink(link);
  if (child) childRekey(child);
}

/** Where a CHILD_SA is, for MANAGEMENT_LIST_SAS. */
export function setChildPlacement(link: u32, slot: u32, generation: u32): void {
  if (link >= childSaCapacity) return;
  const child = childSaAt(link);
  if (child.state == CHILD_STATE_FREE) return;
  child.placed = 1;
  childChanged(link);
  child.slot = slot;
  child.boardGeneration = generation;
}
