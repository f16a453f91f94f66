/**
 * What each end tells of its addresses (RFC 4555 3.4, 3.6): ADDITIONAL_IP4_ADDRESS and ADDITIONAL_IP6_ADDRESS, besides the one that
 * the message comes from, and NO_ADDITIONAL_ADDRESSES. A list takes the place of the one before.
 */
import { PAYLOAD_NOTIFY, Writer, payloadBody, payloadFind, payloadLength } from "../wire/ike_message";
import {
  NOTIFY_ADDITIONAL_IP4_ADDRESS,
  NOTIFY_ADDITIONAL_IP6_ADDRESS,
  NOTIFY_NO_ADDITIONAL_ADDRESSES,
  notifyCheck,
  notifyData,
  notifyDataOctets,
  notifyType,
  notifyWrite,
} from "../wire/ike_payload/notify";
import {
  FAMILY_IPV4,
  FAMILY_IPV6,
  IPV4_ADDRESS,
  IpAddress,
  addressAt,
  addressCopy,
  addressFamily,
  addressIpv4,
  addressIsNone,
  addressOctets,
  addressOnWire,
  addressRead,
} from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { pairUsesLocal } from "./mobike_pair";
import { IkeSa, PEER_ADDRESSES_MAX, ikePeerAddress } from "./ike_sa";
import { localAddressAt, localAddressCount } from "./local_address";
import { notifyFind } from "./negotiation";
import { pathRemote } from "./path";

const read: usize = memory.data(16, 8);

/** Writes our further addresses; with `none`, also that there are none. */
export function additionalWrite(w: Writer, sa: IkeSa, none: bool): void {
  let written: u32 = 0;
  for (let i: u32 = 0; i < localAddressCount() && written < PEER_ADDRESSES_MAX; i++) {
    const a = localAddressAt(i);
    if (a == sa.local || !pairUsesLocal(sa, a)) continue;
    const type = addressFamily(a) == FAMILY_IPV4 ? NOTIFY_ADDITIONAL_IP4_ADDRESS : NOTIFY_ADDITIONAL_IP6_ADDRESS;
    notifyWrite(w, type, addressOnWire(a), addressOctets(a));
    written += 1;
  }
  if (none && written == 0) notifyWrite(w, NOTIFY_NO_ADDITIONAL_ADDRESSES, 0, 0);
}

/** True for an address that a host can be reached at: no group, no loopback, not "this host". */
export function isUnicast(a: IpAddress): bool {
  if (addressIsNone(a)) return false;
  if (addressFamily(a) == FAMILY_IPV6) {
    const first = <u32>load<u8>(changetype<usize>(a));
    return first != 0xff && !(a.high == 0 && a.low == bswap<u64>(1));
  }
  const top = addressIpv4(a) >> 24;
  return top != 0 && top != 127 && top < 224;
}

/** Takes the peer's list from the message in hand, if it brings one. True when it does. */
export function additionalRead(sa: IkeSa): bool {
  let brought = notifyFind(NOTIFY_NO_ADDITIONAL_ADDRESSES) != 0;
  let count: u32 = 0;
  for (let i = payloadFind(PAYLOAD_NOTIFY); i >= 0; i = payloadFind(PAYLOAD_NOTIFY, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    const length = payloadLength(<u32>i);
    if (!notifyCheck(body, length)) continue;
    const type = notifyType(body);
    if (type != NOTIFY_ADDITIONAL_IP4_ADDRESS && type != NOTIFY_ADDITIONAL_IP6_ADDRESS) continue;
    brought = true;
    const octets = type == NOTIFY_ADDITIONAL_IP4_ADDRESS ? IPV4_ADDRESS : IPV6_ADDRESS;
    if (count == PEER_ADDRESSES_MAX || notifyDataOctets(body, length) != octets) continue;
    addressRead(addressAt(read), notifyData(body), octets);
    // An IPv4 address has to come as one.
    if (!isUnicast(addressAt(read)) || addressOctets(addressAt(read)) != octets) continue;
    addressCopy(ikePeerAddress(sa, count), addressAt(read));
    count += 1;
  }
  if (!brought) return false;
  // The one that the message comes from goes without saying.
  if (pathRemote != sa.remote && count < PEER_ADDRESSES_MAX && isUnicast(pathRemote)) {
    addressCopy(ikePeerAddress(sa, count), pathRemote);
    count += 1;
  }
  sa.peerAddressCount = count;
  return true;
}

/** True when the list that a message has just brought leaves the address out that the peer is spoken to at. */
export function additionalLeft(sa: IkeSa): bool {
  if (pathRemote == sa.remote) return false;
  for (let i: u32 = 0; i < sa.peerAddressCount; i++) if (ikePeerAddress(sa, i) == sa.remote) return false;
  return true;
}

/** The peer is spoken to at `to` now: where it was is one of its further addresses. */
export function additionalSwap(sa: IkeSa, to: IpAddress): void {
  for (let i: u32 = 0; i < sa.peerAddressCount; i++)
    if (ikePeerAddress(sa, i) == to) return addressCopy(ikePeerAddress(sa, i), sa.remote);
}
