/**
 * Transport mode (RFC 7296 section 1.3.1): asked for with N(USE_TRANSPORT_MODE), granted with the same, declined by leaving it out.
 * Either side's refusal makes it tunnel mode, as with strongSwan: who declines has granted the same packets between the same hosts.
 *
 * Only the two hosts' own packets travel so: every selector is the address of an end. Behind a NAT a host knows its own address and not
 * the one that the peer sees: in what is offered and granted, the address of the IKE_SA takes the place of whatever host stands there
 * (section 2.23.1), on the side that has the NAT in front of it.
 *
 * Refuses an answer that grants transport mode without having been asked.
 */
import {
  MODE_TRANSPORT,
  MODE_TUNNEL,
  SELECTOR_END,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_START,
} from "../abi/message";
import { Writer } from "../wire/ike_message";
import { NOTIFY_USE_TRANSPORT_MODE, notifyWrite } from "../wire/ike_payload/notify";
import { IpAddress, addressFamily, addressOctets, addressOnWire } from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { ChildSa, childConfig, childSelectors } from "./child_sa";
import { IkeSa, NAT_LOCAL, NAT_REMOTE } from "./ike_sa";
import { reportAlert, text } from "./report";

/** Writes the notify of a CHILD_SA that is offered or granted in transport mode. */
export function transportWrite(w: Writer, child: ChildSa): void {
  if (child.mode == MODE_TRANSPORT) notifyWrite(w, NOTIFY_USE_TRANSPORT_MODE, 0, 0);
}

/** True when all selectors of both sides are the addresses of the IKE_SA's ends. */
export function transportFits(sa: IkeSa, local: usize, localCount: u32, remote: usize, remoteCount: u32): bool {
  return hosts(local, localCount, sa.local) && hosts(remote, remoteCount, sa.remote);
}

function hosts(selectors: usize, count: u32, address: IpAddress): bool {
  for (let i: u32 = 0; i < count; i++) {
    const s = selectors + <usize>i * SELECTOR_OCTETS;
    if (!isHost(s, address)) return false;
    if (memory.compare(s + SELECTOR_START, addressOnWire(address), addressOctets(address)) != 0) return false;
  }
  return count != 0;
}

/** True for a single address of the family of an end. */
function isHost(selector: usize, address: IpAddress): bool {
  return (
    <u32>load<u8>(selector, SELECTOR_FAMILY) == addressFamily(address) &&
    memory.compare(selector + SELECTOR_START, selector + SELECTOR_END, IPV6_ADDRESS) == 0
  );
}

/** False when the ends of an IKE_SA are other addresses now than those that a CHILD_SA in transport mode is between. */
export function transportStays(sa: IkeSa, child: ChildSa): bool {
  const local = childSelectors(child);
  const remote = local + <usize>(child.localCount * SELECTOR_OCTETS);
  return child.mode == MODE_TUNNEL || transportFits(sa, local, child.localCount, remote, child.remoteCount);
}

/** Section 2.23.1: puts the IKE_SA's addresses in place of the hosts' in selectors of the peer's, where there is a NAT. */
export function transportTranslate(sa: IkeSa, local: usize, localCount: u32, remote: usize, remoteCount: u32): void {
  if ((sa.nat & NAT_LOCAL) != 0) translate(local, localCount, sa.local);
  if ((sa.nat & NAT_REMOTE) != 0) translate(remote, remoteCount, sa.remote);
}

function translate(selectors: usize, count: u32, address: IpAddress): void {
  for (let i: u32 = 0; i < count; i++) {
    const s = selectors + <usize>i * SELECTOR_OCTETS;
    if (!isHost(s, address)) continue;
    memory.copy(s + SELECTOR_START, addressOnWire(address), addressOctets(address));
    memory.copy(s + SELECTOR_END, addressOnWire(address), addressOctets(address));
  }
}

/** Initiator: the mode of the answer, `granted` or not; false when nobody asked for it. */
export function transportAnswered(sa: IkeSa, child: ChildSa, granted: bool): bool {
  if (granted) return child.mode == MODE_TRANSPORT;
  if (child.mode != MODE_TRANSPORT) return true;
  child.mode = MODE_TUNNEL;
  reportAlert(sa.connection, childConfig(child), 0, text("the peer declined transport mode: it is tunnel mode"));
  return true;
}
