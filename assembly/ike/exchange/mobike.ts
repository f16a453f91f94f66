/**
 * MOBIKE (RFC 4555): an IKE_SA and its CHILD_SAs move to other addresses, in INFORMATIONAL exchanges.
 *
 *   the first initiator moves (3.5)      HDR, SK { N(UPDATE_SA_ADDRESSES), [N(NAT_DETECTION_*)], [N(ADDITIONAL_*)..] }  -->
 *                                   <--  HDR, SK { [N(NAT_DETECTION_*)] | N(UNACCEPTABLE_ADDRESSES) | N(UNEXPECTED_NAT_DETECTED) }
 *   either has other addresses (3.6)     HDR, SK { N(ADDITIONAL_*_ADDRESS).. | N(NO_ADDITIONAL_ADDRESSES) }  <-->  HDR, SK { }
 *   is the peer there? (3.7)             HDR, SK { N(COOKIE2) }  <-->  HDR, SK { N(COOKIE2) }
 *   is the NAT the same? (3.8)           HDR, SK { N(NAT_DETECTION_*) }  -->  <--  HDR, SK { N(NAT_DETECTION_*) }
 *
 * The responder moves its IKE_SA with the request, and its CHILD_SAs when the peer has answered from its new address. The initiator
 * moves its CHILD_SAs with the answer. Requests repeated over several pairs of addresses are window.ts's.
 *
 * Refuses addresses that the connection does not allow or no host can have, and those inside the tunnel. A wrong COOKIE2 ends the IKE_SA.
 */
import { drbgDraw } from "../../crypto/drbg";
import { equalConstantTime } from "../../rt/bytes";
import { EXCHANGE_INFORMATIONAL, Writer } from "../../wire/ike_message";
import {
  NOTIFY_COOKIE2,
  NOTIFY_NAT_DETECTION_SOURCE_IP,
  NOTIFY_UNACCEPTABLE_ADDRESSES,
  NOTIFY_UNEXPECTED_NAT_DETECTED,
  NOTIFY_UPDATE_SA_ADDRESSES,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import { addressCopy, addressIsNone } from "../../wire/ip_address";
import { additionalLeft, additionalRead, additionalSwap, additionalWrite, isUnicast } from "../additional_address";
import { pairAllowsLocal, pairBest, pairFind, pairIsInside, pairLocal, pairRemote, pairsList } from "../mobike_pair";
import { connectionEncap } from "../connection";
import {
  COOKIE2_OCTETS,
  IkeSa,
  MOVE_ANNOUNCE,
  MOVE_UPDATE,
  MOVE_VERIFY,
  OUT_MOBIKE,
  OUT_ROUTABILITY,
  WANT_DELETE,
  WANT_MOBIKE,
  ikeCookie2,
  ikeNatSeen,
} from "../ike_sa";
import { CAUSE_FAILED } from "../life";
import { NAT_HASH, natDestination, natDetect, natWrite } from "../nat";
import { notifyFind, soleLength } from "../negotiation";
import { noNatsBroken, noNatsWrite } from "../no_nats";
import { pathLocal, pathLocalPort, pathRemote, pathRemotePort } from "../path";
import { endsAdopt, relocate } from "../relocate";
import { reportAlert, text } from "../report";
import { requestBegin, requestSend } from "../window";

/** RFC 4555 4.2.5 */
const COOKIE2_MIN: u32 = 8;
const COOKIE2_MAX: u32 = 64;
/** Requests that met a NAT where none is allowed, until the pair of addresses is given up: one packet may have been changed (3.9). */
const NATS_MAX: u32 = 3;

/** Wants something said about addresses: MOVE_*. The caller proceeds. */
export function mobikeWant(sa: IkeSa, move: u32): void {
  sa.move |= move;
  sa.want |= WANT_MOBIKE;
}

/** Says what is to be said; the window is free. */
export function mobikeStart(sa: IkeSa): void {
  sa.want &= ~WANT_MOBIKE;
  if ((sa.move & MOVE_VERIFY) != 0) return verifyStart(sa);
  sa.moving = sa.move;
  sa.move = 0;
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  if ((sa.moving & MOVE_UPDATE) != 0) {
    notifyWrite(w, NOTIFY_UPDATE_SA_ADDRESSES, 0, 0);
    if (sa.natTraversal != 0) detectionWrite(w, sa);
  }
  if ((sa.moving & MOVE_ANNOUNCE) != 0) additionalWrite(w, sa, true);
  if (sa.natTraversal == 0) noNatsWrite(w, sa);
  requestSend(sa, w, OUT_MOBIKE);
}

/** Asks whether the peer is where it says (RFC 4555 3.7). */
function verifyStart(sa: IkeSa): void {
  sa.move &= ~MOVE_VERIFY;
  if (sa.move != 0) sa.want |= WANT_MOBIKE;
  addressCopy(sa.verify, sa.remote);
  drbgDraw(ikeCookie2(sa), COOKIE2_OCTETS);
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  notifyWrite(w, NOTIFY_COOKIE2, ikeCookie2(sa), COOKIE2_OCTETS);
  requestSend(sa, w, OUT_ROUTABILITY);
}

/** Writes NAT_DETECTION_* of the IKE_SA's ends. */
function detectionWrite(w: Writer, sa: IkeSa): void {
  const force = connectionEncap(<u32>sa.connection);
  natWrite(w, sa.spiI, sa.spiR, sa.local, sa.localPort, sa.remote, sa.remotePort, force);
}

/** Into a request for a sign of life: who is behind a NAT asks whether it still maps to the same place (RFC 4555 3.8). */
export function mobikeProbeWrite(w: Writer, sa: IkeSa): void {
  if (sa.mobike != 0 && sa.mover != 0 && sa.natTraversal != 0) detectionWrite(w, sa);
}

/** Its answer is in hand: a NAT that maps elsewhere, or that is new, moves us. */
export function mobikeProbed(sa: IkeSa): void {
  if (sa.mobike == 0 || sa.mover == 0 || notifyFind(NOTIFY_NAT_DETECTION_SOURCE_IP) == 0) return;
  const nat = natDetect(sa.spiI, sa.spiR, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  const moved = natMoved(sa);
  if (moved || nat != sa.nat) mobikeWant(sa, MOVE_UPDATE);
}

/** Remembers how the peer sees us; true when that has changed. */
function natMoved(sa: IkeSa): bool {
  const hash = natDestination();
  if (hash == 0) return false;
  const moved = sa.natSeen != 0 && memory.compare(ikeNatSeen(sa), hash, NAT_HASH) != 0;
  memory.copy(ikeNatSeen(sa), hash, NAT_HASH);
  sa.natSeen = 1;
  return moved;
}

/** The answer to OUT_MOBIKE is in hand, the request over. */
export function mobikeAnswered(sa: IkeSa): void {
  const moving = sa.moving;
  sa.moving = 0;
  const error = notifyFind(0);
  const type = error != 0 ? notifyType(error) : 0;
  if (type == NOTIFY_UNEXPECTED_NAT_DETECTED && ++sa.natsMet < NATS_MAX) return mobikeWant(sa, moving);
  if ((moving & MOVE_UPDATE) == 0) return;
  if (type != 0) return pairRefused(sa, type);
  // The ends have changed since it was asked for: the next request tells of those.
  if ((sa.move & MOVE_UPDATE) != 0) return;
  sa.natsMet = 0;
  sa.pairsRefused = 0;
  if (sa.natTraversal != 0) {
    sa.nat = natDetect(sa.spiI, sa.spiR, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
    natMoved(sa);
  }
  relocate(sa);
}

/** The peer does not take this pair of addresses: on to the next one, each once. */
function pairRefused(sa: IkeSa, notify: u32): void {
  sa.natsMet = 0;
  sa.pairsRefused += 1;
  const count = pairsList(sa);
  if (sa.pairsRefused >= count) {
    sa.pairsRefused = 0;
    reportAlert(sa.connection, null, notify, text("the peer takes none of our addresses"));
    return;
  }
  const at = pairFind(sa.local, sa.remote);
  mobikeAdopt(sa, <u32>(at + 1) % count);
}

/** Goes to pair `i` of the list, and says so. */
function mobikeAdopt(sa: IkeSa, i: u32): void {
  additionalSwap(sa, pairRemote(i));
  endsAdopt(sa, pairLocal(i), sa.localPort, pairRemote(i), sa.remotePort);
  mobikeWant(sa, MOVE_UPDATE | MOVE_ANNOUNCE);
}

/** An answer came between other ends than the IKE_SA's: over one of the pairs that were tried it goes on from here (RFC 4555 3.10). */
export function mobikeFound(sa: IkeSa): void {
  if (sa.mobike == 0 || sa.mover == 0) return;
  if (sa.local == pathLocal && sa.remote == pathRemote) return;
  pairsList(sa);
  const at = pairFind(pathLocal, pathRemote);
  if (at >= 0) mobikeAdopt(sa, <u32>at);
}

/** Our addresses have changed. */
export function mobikeRoam(sa: IkeSa): void {
  // Without any address there is nothing to say yet, and nobody to say it to.
  if (pairsList(sa) == 0) return;
  if (pairFind(sa.local, sa.remote) < 0) {
    const at = <u32>pairBest(sa);
    sa.pairsRefused = 0;
    if (sa.mover != 0) return mobikeAdopt(sa, at);
    // The peer moves us once it has heard where we are.
    if (pairRemote(at) == sa.remote) endsAdopt(sa, pairLocal(at), sa.localPort, sa.remote, sa.remotePort);
  }
  mobikeWant(sa, MOVE_ANNOUNCE);
}

/** True when the request in hand has moved the IKE_SA. */
let moved: bool = false;

/** A request of INFORMATIONAL is in hand: what its notifies about addresses are answered with. */
export function mobikeAnswer(w: Writer, sa: IkeSa): void {
  moved = false;
  if (sa.mobike == 0) return;
  const broken = noNatsBroken();
  if (broken) notifyWrite(w, NOTIFY_UNEXPECTED_NAT_DETECTED, 0, 0);
  else {
    if (additionalRead(sa) && sa.mover != 0 && additionalLeft(sa)) mobikeFound(sa);
    if (sa.mover == 0 && notifyFind(NOTIFY_UPDATE_SA_ADDRESSES) != 0) updateAnswer(w, sa);
  }
  if (notifyFind(NOTIFY_NAT_DETECTION_SOURCE_IP) != 0) {
    const force = connectionEncap(<u32>sa.connection);
    natWrite(w, sa.spiI, sa.spiR, pathLocal, pathLocalPort, pathRemote, pathRemotePort, force);
  }
  const cookie = notifyFind(NOTIFY_COOKIE2);
  if (cookie == 0) return;
  const octets = notifyDataOctets(cookie, soleLength);
  if (octets >= COOKIE2_MIN && octets <= COOKIE2_MAX) notifyWrite(w, NOTIFY_COOKIE2, notifyData(cookie), octets);
}

function updateAnswer(w: Writer, sa: IkeSa): void {
  if (!isUnicast(pathRemote) || pairIsInside(sa, pathRemote, false) || !pairAllowsLocal(sa, pathLocal)) {
    notifyWrite(w, NOTIFY_UNACCEPTABLE_ADDRESSES, 0, 0);
    reportAlert(sa.connection, null, NOTIFY_UNACCEPTABLE_ADDRESSES, text("the peer may not move to where it says"));
    return;
  }
  if (addressIsNone(sa.placed)) addressCopy(sa.placed, sa.remote);
  endsAdopt(sa, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  if (sa.natTraversal != 0) sa.nat = natDetect(sa.spiI, sa.spiR, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  moved = true;
}

/** The answer is sent: the CHILD_SAs follow, to another address once the peer has shown that it is there (RFC 4555 3.7). */
export function mobikeMoved(sa: IkeSa): void {
  if (!moved) return;
  moved = false;
  sa.move &= ~MOVE_VERIFY;
  if (sa.remote == sa.placed) relocate(sa);
  else mobikeWant(sa, MOVE_VERIFY);
}

/** The answer to OUT_ROUTABILITY is in hand, the request over. */
export function routabilityAnswered(sa: IkeSa): void {
  const cookie = notifyFind(NOTIFY_COOKIE2);
  if (
    cookie == 0 ||
    notifyDataOctets(cookie, soleLength) != COOKIE2_OCTETS ||
    !equalConstantTime(notifyData(cookie), ikeCookie2(sa), COOKIE2_OCTETS)
  ) {
    reportAlert(
      sa.connection,
      null,
      NOTIFY_COOKIE2,
      text("the peer gives another COOKIE2 than it was given: the IKE_SA ends"),
    );
    sa.endCause = CAUSE_FAILED;
    sa.want |= WANT_DELETE;
    return;
  }
  // It has moved again meanwhile, which has been asked for by itself.
  if (sa.verify != sa.remote || (sa.move & MOVE_VERIFY) != 0 || sa.remote == sa.placed) return;
  relocate(sa);
}
