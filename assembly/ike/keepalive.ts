/**
 * NAT keepalives (RFC 3948 section 2.3, 4): who is behind a NAT has a mapping to keep, and sends one octet when nothing of its
 * IKE_SA has gone by it for a while.
 */
import { IKE_STATE_ESTABLISHED, IKE_STATE_REKEYING } from "../abi/management";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { IkeSa, NAT_LOCAL } from "./ike_sa";
import { pathSendKeepalive } from "./path";
import { keepaliveTime, portNatt } from "./settings";
import { TIMER_KEEPALIVE, timerSa } from "./timer";

/** A packet has gone to the peer, or what is known of NATs has changed: counts anew. */
export function keepaliveStart(sa: IkeSa): void {
  const up = sa.state == IKE_STATE_ESTABLISHED || sa.state == IKE_STATE_REKEYING;
  if (up && keepaliveTime != 0 && (sa.nat & NAT_LOCAL) != 0 && sa.localPort == portNatt)
    deadlineSet(timerSa(sa.index, TIMER_KEEPALIVE), now() + keepaliveTime);
  else deadlineClear(timerSa(sa.index, TIMER_KEEPALIVE));
}

/** TIMER_KEEPALIVE is due. */
export function keepaliveDue(sa: IkeSa): void {
  if (sa.state != IKE_STATE_ESTABLISHED && sa.state != IKE_STATE_REKEYING) return;
  pathSendKeepalive(sa.local, sa.localPort, sa.remote, sa.remotePort);
  keepaliveStart(sa);
}
