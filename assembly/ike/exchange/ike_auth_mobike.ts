/**
 * Agreeing on MOBIKE (RFC 4555 3.1 to 3.4) in IKE_AUTH: beside the first SA payload, and in the answer that grants it.
 *
 *   HDR, SK { IDi, .., AUTH, SAi2, TSi, TSr, N(MOBIKE_SUPPORTED), [N(ADDITIONAL_*_ADDRESS)..], [N(NO_NATS_ALLOWED)] }  -->
 *                          <--  HDR, SK { IDr, AUTH, SAr2, TSi, TSr, N(MOBIKE_SUPPORTED), [N(ADDITIONAL_*_ADDRESS)..] }
 *
 * A responder that finds a NAT where none is allowed refuses with UNEXPECTED_NAT_DETECTED (3.9).
 */
import { Writer } from "../../wire/ike_message";
import { NOTIFY_MOBIKE_SUPPORTED, notifyWrite } from "../../wire/ike_payload/notify";
import { addressCopy } from "../../wire/ip_address";
import { additionalRead, additionalWrite } from "../additional_address";
import { connectionAt } from "../connection";
import { IkeSa, PEER_ADDRESSES_MAX, ikePeerAddress } from "../ike_sa";
import { notifyFind } from "../negotiation";
import { noNatsBroken, noNatsWrite } from "../no_nats";

function wanted(sa: IkeSa): bool {
  return connectionAt(<u32>sa.connection).mobike != 0;
}

/** Initiator: into the first request. */
export function mobikeOffer(w: Writer, sa: IkeSa): void {
  if (!wanted(sa)) return;
  notifyWrite(w, NOTIFY_MOBIKE_SUPPORTED, 0, 0);
  additionalWrite(w, sa, false);
  if (sa.natTraversal == 0) noNatsWrite(w, sa);
}

/** Responder: the first request is in hand. False: it has met a NAT that it forbids. */
export function mobikeOffered(sa: IkeSa): bool {
  if (notifyFind(NOTIFY_MOBIKE_SUPPORTED) == 0) return true;
  sa.peerMobike = 1;
  additionalRead(sa);
  return !noNatsBroken();
}

/** Responder: into the last answer, and from then on. */
export function mobikeAccept(w: Writer, sa: IkeSa): void {
  if (sa.peerMobike == 0 || !wanted(sa)) {
    sa.peerAddressCount = 0;
    return;
  }
  notifyWrite(w, NOTIFY_MOBIKE_SUPPORTED, 0, 0);
  additionalWrite(w, sa, false);
  sa.mobike = 1;
}

/** Initiator: the last answer is in hand. */
export function mobikeAccepted(sa: IkeSa): void {
  if (!wanted(sa) || notifyFind(NOTIFY_MOBIKE_SUPPORTED) == 0) return;
  sa.mobike = 1;
  sa.mover = 1;
  additionalRead(sa);
}

/** An IKE_SA that replaces another one goes on with what was agreed on (RFC 4555 1.3: the first initiator stays the one that moves). */
export function mobikeInherit(sa: IkeSa, old: IkeSa): void {
  sa.natTraversal = old.natTraversal;
  sa.mobike = old.mobike;
  sa.mover = old.mover;
  addressCopy(sa.placed, old.placed);
  sa.peerAddressCount = old.peerAddressCount;
  for (let i: u32 = 0; i < PEER_ADDRESSES_MAX; i++) addressCopy(ikePeerAddress(sa, i), ikePeerAddress(old, i));
}
