/**
 * Redirect (RFC 5685): a gateway sends its peer, the initiator, to another gateway.
 *
 *   IKE_SA_INIT    HDR, SAi1, .., N(REDIRECT_SUPPORTED | REDIRECTED_FROM)  -->
 *                                                <--  HDR, N(REDIRECT, gateway, the initiator's nonce)
 *   IKE_AUTH                                     <--  HDR, SK { IDr, .., AUTH, N(REDIRECT, gateway) }
 *   INFORMATIONAL                                <--  HDR, SK { N(REDIRECT, gateway) }
 *                  HDR, SK {}                    -->
 *
 * Who is redirected begins anew there, with the CHILD_SAs that it had or wanted; an IKE_SA that is established is deleted once the
 * new one is. Sent by us as INFORMATIONAL alone, when the operator says so. Refuses gateways named by FQDN, as a board looks up no
 * names; an address of a family that we have none of; and to be sent from gateway to gateway more often than REDIRECTS_MAX in
 * REDIRECT_PERIOD, which is what the RFC calls a loop.
 */
import { DROP_IKE_MALFORMED } from "../../abi/drop";
import {
  CONNECTION_NAME,
  IKE_SA_REMOTE,
  IKE_SA_REMOTE_ID,
  IKE_SA_UNIQUE_ID,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_REKEYING,
  REDIRECT_GATEWAY,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../../abi/management";
import { Frame } from "../../bus/frame";
import { consume, drop } from "../../bus/port";
import { itemFind, itemLength, itemU32, itemValue } from "../../rt/items";
import { now } from "../../rt/registers";
import { EXCHANGE_INFORMATIONAL, Writer } from "../../wire/ike_message";
import {
  NOTIFY_REDIRECT,
  NOTIFY_REDIRECTED_FROM,
  NOTIFY_REDIRECT_SUPPORTED,
  notifyData,
  notifyDataOctets,
  notifyWrite,
} from "../../wire/ike_payload/notify";
import {
  GATEWAY_MAX,
  gatewayAddress,
  gatewayCheck,
  gatewayOctets,
  gatewayWrite,
} from "../../wire/ike_payload/redirect";
import { addressAt, addressCopy, addressFamily, addressIsNone, addressRead } from "../../wire/ip_address";
import { CHILD_WANT_CREATE, ChildSa, childAttach, childDetach, childIsLive, childSaAt, childTake } from "../child_sa";
import { connectionAt, connectionByName } from "../connection";
import { gatewayFree, gatewayHold, gatewayKept, gatewayKeptOctets, gatewayTake } from "../gateway";
import { identitySame } from "../identity";
import {
  IkeSa,
  NONCE_OCTETS,
  OUT_LIVENESS,
  REDIRECT_PEER,
  REDIRECT_US,
  WANT_DELETE,
  ikeLink,
  ikeNonce,
  ikePeerId,
  ikeSaAt,
  ikeSaTake,
} from "../ike_sa";
import { CAUSE_LOCAL, childFail, ikeDown, ikeFail, ikePorts, proceed } from "../life";
import { notifyFind, soleLength } from "../negotiation";
import { reportAlert, text } from "../report";
import { SECOND, ikeSaCapacity } from "../settings";
import { requestBegin, requestSend } from "../window";
import { initStart } from "./ike_sa_init";

/** RFC 5685 section 10: MAX_REDIRECTS in REDIRECT_LOOP_DETECT_PERIOD. */
const REDIRECTS_MAX: u32 = 5;
const REDIRECT_PERIOD: u64 = 300 * SECOND;

const target: usize = memory.data(16, 8);
const written: usize = memory.data(GATEWAY_MAX, 8);

/** Initiator: says in the first message that it can be redirected, or by whom it was. */
export function redirectOffer(w: Writer, sa: IkeSa): void {
  sa.redirect |= REDIRECT_US;
  const from = addressAt(changetype<usize>(sa) + offsetof<IkeSa>("redirectedFromHigh"));
  if (addressIsNone(from)) notifyWrite(w, NOTIFY_REDIRECT_SUPPORTED, 0, 0);
  else notifyWrite(w, NOTIFY_REDIRECTED_FROM, written, gatewayWrite(written, from));
}

/** Responder: takes from the first message in hand whether its sender can be redirected. */
export function redirectTake(sa: IkeSa): void {
  if (notifyFind(NOTIFY_REDIRECT_SUPPORTED) != 0 || notifyFind(NOTIFY_REDIRECTED_FROM) != 0)
    sa.redirect |= REDIRECT_PEER;
}

/** Initiator: an answer of IKE_SA_INIT with REDIRECT. Takes the frame. */
export function redirectInit(sa: IkeSa, frame: Frame, notify: usize): void {
  const data = notifyData(notify);
  const octets = notifyDataOctets(notify, soleLength);
  // RFC 5685 section 3: nobody who has not seen our request can send us away.
  if (
    !gatewayCheck(data, octets) ||
    octets != gatewayOctets(data) + NONCE_OCTETS ||
    memory.compare(data + gatewayOctets(data), ikeNonce(sa), NONCE_OCTETS) != 0
  )
    return drop(frame, DROP_IKE_MALFORMED);
  const fault = follow(sa, data, octets);
  consume(frame);
  if (fault != 0) ikeFail(sa, NOTIFY_REDIRECT, fault);
  else ikeDown(sa, CAUSE_LOCAL, false);
}

/** Initiator: the last answer of IKE_AUTH is good and in hand; true when it redirects us. `link`: the CHILD_SA asked for, or -1. */
export function redirectAuth(sa: IkeSa, link: i32): bool {
  const notify = notifyFind(NOTIFY_REDIRECT);
  if (notify == 0) return false;
  if (link >= 0) childSaAt(<u32>link).want = CHILD_WANT_CREATE;
  const fault = follow(sa, notifyData(notify), notifyDataOctets(notify, soleLength));
  if (fault != 0) {
    if (link >= 0) childFail(childSaAt(<u32>link), NOTIFY_REDIRECT, fault);
    else reportAlert(sa.connection, null, NOTIFY_REDIRECT, fault);
  }
  end(sa);
  return true;
}

/** A request of INFORMATIONAL, in hand and answered, that may redirect us. */
export function redirectInform(sa: IkeSa): void {
  const notify = notifyFind(NOTIFY_REDIRECT);
  if (notify == 0 || (sa.redirect & REDIRECT_US) == 0) return;
  const fault = follow(sa, notifyData(notify), notifyDataOctets(notify, soleLength));
  if (fault != 0) reportAlert(sa.connection, null, NOTIFY_REDIRECT, fault);
}

/** An IKE_SA that came of a redirect is up: the one that was redirected has done its part. */
export function redirectUp(sa: IkeSa): void {
  if (sa.redirectOld == 0) return;
  const old = ikeSaAt(sa.redirectOld - 1);
  if (old.generation == sa.redirectOldGeneration) end(old);
  sa.redirectOld = 0;
}

/** Nothing that it had is begun again where it was. */
function end(sa: IkeSa): void {
  sa.terminated = 1;
  sa.want |= WANT_DELETE;
  proceed(sa);
}

/** Begins anew at the gateway that `length` octets at `data` name; 0, or a literal that says why not. */
function follow(sa: IkeSa, data: usize, length: u32): usize {
  const to = addressAt(target);
  if (!gatewayCheck(data, length)) return text("the peer redirects to nowhere");
  if (!gatewayAddress(data, to))
    return text("the peer redirects to a gateway by name, and names are not looked up here");
  if (addressFamily(to) != addressFamily(sa.local)) return text("the peer redirects to an address of another family");
  if (!counted(sa)) return text("the peer redirects too often");
  const next = ikeSaTake(true);
  if (!next) return text("there is no room for the IKE_SA that a redirect asks for");
  addressCopy(next.local, sa.local);
  addressCopy(next.remote, to);
  ikePorts(next, connectionAt(<u32>sa.connection));
  next.redirectedFromHigh = sa.remote.high;
  next.redirectedFromLow = sa.remote.low;
  if (sa.established != 0) {
    next.redirectOld = sa.index + 1;
    next.redirectOldGeneration = sa.generation;
  }
  if (!handOver(next, sa)) {
    ikeDown(next, CAUSE_LOCAL, false);
    return text("there is no room for the CHILD_SAs that a redirect asks for");
  }
  next.bare = next.firstChild < 0 ? 1 : 0;
  reportAlert(sa.connection, null, NOTIFY_REDIRECT, text("the peer redirects us to another gateway"));
  ikeLink(next, sa.connection);
  initStart(next);
  return 0;
}

/** True while the connection has not been sent about too often. */
function counted(sa: IkeSa): bool {
  const c = connectionAt(<u32>sa.connection);
  if (c.redirects == 0 || now() - c.redirectSince >= REDIRECT_PERIOD) {
    c.redirects = 0;
    c.redirectSince = now();
  }
  c.redirects += 1;
  return c.redirects <= REDIRECTS_MAX;
}

/** CHILD_SAs that are wanted go over; of those that there are, new ones are wanted. False: no room, and nothing is left behind. */
function handOver(next: IkeSa, sa: IkeSa): bool {
  let i = sa.firstChild;
  while (i >= 0) {
    const child: ChildSa = childSaAt(<u32>i);
    i = child.next;
    if ((child.want & CHILD_WANT_CREATE) != 0) {
      childDetach(child);
      childAttach(child, next);
    } else if (childIsLive(child)) {
      const again = childTake(next, child.config, true);
      if (!again) return false;
      again.want = CHILD_WANT_CREATE;
    }
  }
  return true;
}

/** The operator's command: sends every IKE_SA on that its items name and whose peer can be redirected; RESULT_*. */
export function redirectCommand(start: usize, end: usize): u32 {
  const item = itemFind(start, end, REDIRECT_GATEWAY);
  if (item == 0 || !gatewayCheck(itemValue(item), itemLength(item))) return RESULT_MALFORMED;
  const kept = gatewayTake(itemValue(item), gatewayOctets(itemValue(item)));
  if (kept == 0) return RESULT_TABLE_FULL;
  let result: u32 = RESULT_NOT_FOUND;
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if ((sa.state != IKE_STATE_ESTABLISHED && sa.state != IKE_STATE_REKEYING) || !named(sa, start, end)) continue;
    if ((sa.redirect & REDIRECT_PEER) == 0) {
      if (result == RESULT_NOT_FOUND) result = RESULT_UNSUPPORTED;
      continue;
    }
    gatewayHold(kept);
    gatewayFree(sa.redirectTo);
    sa.redirectTo = kept;
    proceed(sa);
    result = RESULT_OK;
  }
  return result;
}

/** True when an IKE_SA is what the items of a command say, of which one at least says something. */
function named(sa: IkeSa, start: usize, end: usize): bool {
  const name = itemFind(start, end, CONNECTION_NAME);
  const id = itemFind(start, end, IKE_SA_UNIQUE_ID);
  const remote = itemFind(start, end, IKE_SA_REMOTE);
  const identity = itemFind(start, end, IKE_SA_REMOTE_ID);
  if (name != 0 && connectionByName(itemValue(name), itemLength(name)) != sa.connection) return false;
  if (id != 0 && itemU32(id) != sa.uniqueId) return false;
  if (
    remote != 0 &&
    !(addressRead(addressAt(target), itemValue(remote), itemLength(remote)) && sa.remote == addressAt(target))
  )
    return false;
  if (identity != 0 && !identitySame(itemValue(identity), itemLength(identity), ikePeerId(sa), sa.peerIdLength))
    return false;
  return (name | id | remote | identity) != 0;
}

/** Sends the peer to the gateway that is kept for this IKE_SA. */
export function redirectStart(sa: IkeSa): void {
  const kept = sa.redirectTo;
  const w = requestBegin(sa, EXCHANGE_INFORMATIONAL);
  notifyWrite(w, NOTIFY_REDIRECT, gatewayKept(kept), gatewayKeptOctets(kept));
  gatewayFree(kept);
  sa.redirectTo = 0;
  // The answer is as empty as that to a liveness check, and says no more.
  requestSend(sa, w, OUT_LIVENESS);
}
