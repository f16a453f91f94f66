/**
 * The pairs of addresses that an IKE_SA may use (RFC 4555 3.2, 3.10): each of ours with each of the peer's of the same family.
 *
 * Ours are those that we have now and the connection allows. The peer's are the present one, those that it told of, and those that the
 * connection names. An address that the tunnel's own selectors cover is no way to the peer, or the tunnel would run through itself;
 * unless they cover the present one as well, as those of a whole default route do. Pairs have an order that does not change with the
 * one in use, so that whoever goes on from one to the next tries them all.
 */
import { SELECTOR_END, SELECTOR_FAMILY, SELECTOR_OCTETS, SELECTOR_START } from "../abi/message";
import {
  IpAddress,
  addressAt,
  addressCopy,
  addressFamily,
  addressOctets,
  addressOnWire,
  addressWhole,
  addressWithin,
} from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { childSaAt, childSelectors } from "./child_sa";
import {
  ADDRESSES_MAX,
  connectionAt,
  connectionLocal,
  connectionLocalPrefix,
  connectionRemote,
  connectionRemotePrefix,
} from "./connection";
import { IkeSa, PEER_ADDRESSES_MAX, ikePeerAddress } from "./ike_sa";
import { isLocalAddress, localAddressAt, localAddressCount } from "./local_address";

/** Of ours; more are left alone. */
const LOCALS_MAX: u32 = 16;
const REMOTES_MAX: u32 = 16;
const PAIRS_MAX: u32 = LOCALS_MAX * REMOTES_MAX;
if (1 + PEER_ADDRESSES_MAX + ADDRESSES_MAX > REMOTES_MAX)
  ERROR("a peer may have more addresses than there is room for");

const locals: usize = memory.data(LOCALS_MAX * IPV6_ADDRESS, 8);
const remotes: usize = memory.data(REMOTES_MAX * IPV6_ADDRESS, 8);
/** Numbers of ours and of the peer's, an octet each. */
const pairs: usize = memory.data(PAIRS_MAX * 2, 2);
let localCount: u32 = 0;
let remoteCount: u32 = 0;
let count: u32 = 0;

// @ts-ignore: decorator
@inline
function nth(list: usize, i: u32): IpAddress {
  return addressAt(list + <usize>(i * IPV6_ADDRESS));
}

/** True when a selector holds an address. */
function holds(selector: usize, a: IpAddress): bool {
  if (<u32>load<u8>(selector + SELECTOR_FAMILY) != addressFamily(a)) return false;
  const octets = addressOctets(a);
  return (
    memory.compare(selector + SELECTOR_START, addressOnWire(a), octets) <= 0 &&
    memory.compare(selector + SELECTOR_END, addressOnWire(a), octets) >= 0
  );
}

/** True when an address of ours, or of the peer's, is inside what the tunnel protects, and the present one is not. */
export function pairIsInside(sa: IkeSa, a: IpAddress, ours: bool): bool {
  for (let i = sa.firstChild; i >= 0; i = childSaAt(<u32>i).next) {
    const child = childSaAt(<u32>i);
    const start = childSelectors(child) + (ours ? 0 : <usize>(child.localCount * SELECTOR_OCTETS));
    const selectors = ours ? child.localCount : child.remoteCount;
    for (let n: u32 = 0; n < selectors; n++) {
      const selector = start + <usize>(n * SELECTOR_OCTETS);
      if (holds(selector, a) && !holds(selector, ours ? sa.local : sa.remote)) return true;
    }
  }
  return false;
}

/** True when the connection allows an address of ours. */
export function pairAllowsLocal(sa: IkeSa, a: IpAddress): bool {
  const c = connectionAt(<u32>sa.connection);
  for (let i: u32 = 0; i < c.localCount; i++)
    if (addressWithin(a, connectionLocal(c, i), connectionLocalPrefix(c, i))) return true;
  return c.localCount == 0;
}

/** True when we have this address and may use it for the IKE_SA. */
export function pairUsesLocal(sa: IkeSa, a: IpAddress): bool {
  return isLocalAddress(a) && pairAllowsLocal(sa, a) && !pairIsInside(sa, a, true);
}

function localAdd(sa: IkeSa, a: IpAddress): void {
  if (localCount == LOCALS_MAX || !pairUsesLocal(sa, a)) return;
  addressCopy(nth(locals, localCount), a);
  localCount += 1;
}

/** Puts an address of the peer's into its place in the list, once. */
function remoteAdd(sa: IkeSa, a: IpAddress): void {
  if (pairIsInside(sa, a, false)) return;
  let at: u32 = 0;
  for (; at < remoteCount; at++) {
    const other = nth(remotes, at);
    if (other == a) return;
    if (other.high > a.high || (other.high == a.high && other.low > a.low)) break;
  }
  memory.copy(
    remotes + <usize>((at + 1) * IPV6_ADDRESS),
    remotes + <usize>(at * IPV6_ADDRESS),
    <usize>((remoteCount - at) * IPV6_ADDRESS),
  );
  addressCopy(nth(remotes, at), a);
  remoteCount += 1;
}

/** Lists the pairs of an IKE_SA; how many there are. */
export function pairsList(sa: IkeSa): u32 {
  localCount = 0;
  remoteCount = 0;
  count = 0;
  for (let i: u32 = 0; i < localAddressCount(); i++) localAdd(sa, localAddressAt(i));
  // Where CONFIG names none, the one that it has is as good as any.
  if (localAddressCount() == 0) localAdd(sa, sa.local);
  remoteAdd(sa, sa.remote);
  for (let i: u32 = 0; i < sa.peerAddressCount; i++) remoteAdd(sa, ikePeerAddress(sa, i));
  const c = connectionAt(<u32>sa.connection);
  for (let i: u32 = 0; i < c.remoteCount; i++)
    if (addressWhole(connectionRemote(c, i), connectionRemotePrefix(c, i))) remoteAdd(sa, connectionRemote(c, i));
  for (let l: u32 = 0; l < localCount; l++) {
    for (let r: u32 = 0; r < remoteCount; r++) {
      if (addressFamily(nth(locals, l)) != addressFamily(nth(remotes, r))) continue;
      store<u8>(pairs + <usize>(count << 1), <u8>l);
      store<u8>(pairs + <usize>(count << 1), <u8>r, 1);
      count += 1;
    }
  }
  return count;
}

/** Of pair `i` of the list: our address, the peer's. */
export function pairLocal(i: u32): IpAddress {
  return nth(locals, <u32>load<u8>(pairs + <usize>(i << 1)));
}
export function pairRemote(i: u32): IpAddress {
  return nth(remotes, <u32>load<u8>(pairs + <usize>(i << 1), 1));
}

/** The number in the list of a pair, or -1. */
export function pairFind(local: IpAddress, remote: IpAddress): i32 {
  for (let i: u32 = 0; i < count; i++) if (pairLocal(i) == local && pairRemote(i) == remote) return <i32>i;
  return -1;
}

/** Where to go when our address is gone: to where the peer is, if any pair does that. -1: the list is empty. */
export function pairBest(sa: IkeSa): i32 {
  for (let i: u32 = 0; i < count; i++) if (pairRemote(i) == sa.remote) return <i32>i;
  return count != 0 ? 0 : -1;
}
