/**
 * Where a peer is, after its IKE_SA has begun: the boards send the CHILD_SAs to there, too.
 *
 *   follow        RFC 7296 2.23: a new, authentic IKE message moves a peer that is behind a NAT, and one that floats its port
 *   handleMoved   the same of ESP: a board has opened the newest packet of an SA, and it came from elsewhere
 *   relocate      the boards are told
 *
 * With MOBIKE a peer says where it is: nothing else moves it (RFC 4555 3.8). Who is behind a NAT itself does not follow: one packet
 * from elsewhere would end the connection (RFC 7296 2.23).
 */
import {
  CHILD_STATE_CREATED,
  IKE_STATE_CONNECTING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_REKEYING,
} from "../abi/management";
import {
  SA_FAMILY,
  SA_LINK,
  SA_LOCAL_ADDRESS,
  SA_LOCAL_PORT,
  SA_REMOTE_ADDRESS,
  SA_REMOTE_PORT,
  SA_SPI,
} from "../abi/message";
import { FAMILY_IPV4, IPV4_ADDRESS, IpAddress, addressAt, addressCopy, addressRead } from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { childByLink, childConfig, childSaAt } from "./child_sa";
import { eventUpdate } from "./event";
import { IkeSa, NAT_LOCAL, NAT_REMOTE, ikeSaAt } from "./ike_sa";
import { keepaliveStart } from "./keepalive";
import { childDelete, childRekey } from "./life";
import { protocolPasses } from "./negotiation";
import { pathLocal, pathLocalPort, pathRemote, pathRemotePort } from "./path";
import { reportMove } from "./report";
import { transportStays } from "./transport_mode";

const local: usize = memory.data(16, 8);
const remote: usize = memory.data(16, 8);

/** Gives an IKE_SA other ends, and those that are to replace it. */
export function endsAdopt(sa: IkeSa, local: IpAddress, localPort: u32, remote: IpAddress, remotePort: u32): void {
  addressCopy(sa.local, local);
  addressCopy(sa.remote, remote);
  sa.localPort = localPort;
  sa.remotePort = remotePort;
  endsInherit(sa.outSa, sa);
  endsInherit(sa.inSa, sa);
  endsInherit(sa.followSa, sa);
  endsInherit(sa.newOut, sa);
  endsInherit(sa.newIn, sa);
}

function endsInherit(index: i32, from: IkeSa): void {
  if (index < 0) return;
  const sa = ikeSaAt(<u32>index);
  addressCopy(sa.local, from.local);
  addressCopy(sa.remote, from.remote);
  sa.localPort = from.localPort;
  sa.remotePort = from.remotePort;
  sa.nat = from.nat;
}

/**
 * The CHILD_SAs go to where the IKE_SA does from now on. One in transport mode is between addresses by its selectors: another one is made
 * in its place. One of AH ends when there is a NAT on the way now.
 */
export function relocate(sa: IkeSa): void {
  addressCopy(sa.placed, sa.remote);
  for (let i = sa.firstChild; i >= 0; ) {
    const child = childSaAt(<u32>i);
    i = child.next;
    // What is not agreed on yet is looked at when it is.
    if (child.state == CHILD_STATE_CREATED) continue;
    if (!protocolPasses(sa, childConfig(child))) childDelete(child);
    else if (!transportStays(sa, child)) childRekey(child);
    else eventUpdate(child);
  }
  keepaliveStart(sa);
  reportMove(sa);
}

/** True when what comes from a peer tells where it is. */
function mayFollow(sa: IkeSa): bool {
  return sa.mobike == 0 && (sa.nat & NAT_REMOTE) != 0 && (sa.nat & NAT_LOCAL) == 0;
}

/** A new message of an IKE_SA has been found authentic: whence it came. */
export function follow(sa: IkeSa): void {
  if (
    sa.remote == pathRemote &&
    sa.remotePort == pathRemotePort &&
    sa.local == pathLocal &&
    sa.localPort == pathLocalPort
  )
    return;
  const floats = sa.state == IKE_STATE_CONNECTING && sa.initiator == 0;
  if (!floats && !mayFollow(sa)) return;
  if (sa.local != pathLocal) return;
  endsAdopt(sa, pathLocal, pathLocalPort, pathRemote, pathRemotePort);
  if (!floats) relocate(sa);
}

/** A board says that a peer's packets come from elsewhere: SA ends of abi/message.ts. */
export function handleMoved(ends: usize): void {
  const child = childByLink(load<u32>(ends, SA_LINK));
  if (!child || child.spiIn != load<u32>(ends, SA_SPI)) return;
  const sa = ikeSaAt(<u32>child.sa);
  if ((sa.state != IKE_STATE_ESTABLISHED && sa.state != IKE_STATE_REKEYING) || !mayFollow(sa)) return;
  const octets = load<u8>(ends, SA_FAMILY) == FAMILY_IPV4 ? IPV4_ADDRESS : IPV6_ADDRESS;
  addressRead(addressAt(local), ends + SA_LOCAL_ADDRESS, octets);
  addressRead(addressAt(remote), ends + SA_REMOTE_ADDRESS, octets);
  const localPort = <u32>load<u16>(ends, SA_LOCAL_PORT);
  const remotePort = <u32>load<u16>(ends, SA_REMOTE_PORT);
  if (addressAt(local) != sa.local || localPort != sa.localPort) return;
  // The first of several CHILD_SAs to tell has moved them all.
  if (addressAt(remote) == sa.remote && remotePort == sa.remotePort) return;
  endsAdopt(sa, sa.local, sa.localPort, addressAt(remote), remotePort);
  relocate(sa);
}

/** A board has not taken an SA's new ends: another SA is made, to the new place. */
export function handleNotUpdated(link: u32): void {
  const child = childByLink(link);
  if (child) childRekey(child);
}
