/**
 * Virtual IPs of an IKE_SA (RFC 7296 section 2.19), one a family: ours, which the operator is told of, or the peer's, which are
 * leases of pools. They go from one IKE_SA to the one that takes over its CHILD_SAs, and end with the last.
 */
import { VIRTUAL_IP4, VIRTUAL_IP6, connectionAt, connectionPool } from "./connection";
import { ID_FQDN, ID_RFC822_ADDR } from "../wire/ike_payload/identification";
import { EAP_IDENTITY_MAX, IkeSa, ikeEapIdentity, ikePeerId } from "./ike_sa";
import { leaseRelease, leaseTake } from "./lease";
import { poolAddress, poolAddressOctets, poolLease, poolOf } from "./pool";
import { reportVirtualIp } from "./report";

/** Whose lease it is: ID type and data. */
let holder: usize = 0;
let holderOctets: u32 = 0;
const eapHolder: usize = memory.data(EAP_IDENTITY_MAX + 1, 8);

/** Leases go by whom the peer has proved to be: by its EAP identity, if it has one; IDi of such a peer may be its address. */
function holderFind(sa: IkeSa): void {
  holder = ikePeerId(sa);
  holderOctets = sa.peerIdLength;
  const length = sa.eapIdentityLength;
  if (length == 0) return;
  const name = ikeEapIdentity(sa);
  let type: u32 = ID_FQDN;
  for (let i: u32 = 0; i < length; i++) if (load<u8>(name + i) == 0x40) type = ID_RFC822_ADDR; // @
  store<u8>(eapHolder, <u8>type);
  memory.copy(eapHolder + 1, name, length);
  holder = eapHolder;
  holderOctets = length + 1;
}

export function virtualOctets(family: u32): u32 {
  return family == VIRTUAL_IP4 ? 4 : 16;
}

/** Address of the octets of a virtual IP. */
export function virtualAddress(sa: IkeSa, family: u32): usize {
  return (
    changetype<usize>(sa) + (family == VIRTUAL_IP4 ? offsetof<IkeSa>("virtual4") : offsetof<IkeSa>("virtual6High"))
  );
}

/** True when the octets of an address are those of one that a host may have for itself. */
export function virtualUsable(p: usize, family: u32): bool {
  const first = load<u8>(p);
  if (family == VIRTUAL_IP4) return first != 0 && first != 127 && first < 224;
  // Unspecified, loopback and what maps IPv4 begin with 0; ff is multicast, fe80::/10 link-local.
  return first != 0 && first != 0xff && !(first == 0xfe && (load<u8>(p, 1) & 0xc0) == 0x80);
}

/** The peer has given us this address. */
export function virtualTake(sa: IkeSa, family: u32, address: usize): void {
  memory.copy(virtualAddress(sa, family), address, virtualOctets(family));
  sa.virtualHeld |= family;
  sa.virtualOurs = 1;
}

/** Gives the peer an address of the pools of its connection, `wanted` if that can be; false when none is free. */
export function virtualGrant(sa: IkeSa, family: u32, wanted: usize): bool {
  const c = connectionAt(<u32>sa.connection);
  holderFind(sa);
  for (let i: u32 = 0; i < c.poolCount; i++) {
    const pool = connectionPool(c, i);
    if (poolAddressOctets(pool) != virtualOctets(family)) continue;
    const asked = wanted != 0 ? poolLease(pool, wanted) : -1;
    const lease = leaseTake(pool, holder, holderOctets, sa.remote, asked);
    if (lease < 0) continue;
    if (family == VIRTUAL_IP4) sa.virtualLease4 = <u32>lease;
    else sa.virtualLease6 = <u32>lease;
    poolAddress(pool, <u32>lease, virtualAddress(sa, family));
    sa.virtualHeld |= family;
    return true;
  }
  return false;
}

/** `sa` takes over from `old`. */
export function virtualInherit(sa: IkeSa, old: IkeSa): void {
  sa.virtualHeld = old.virtualHeld;
  sa.virtualOurs = old.virtualOurs;
  sa.virtualLease4 = old.virtualLease4;
  sa.virtualLease6 = old.virtualLease6;
  sa.virtual4 = old.virtual4;
  sa.virtual6High = old.virtual6High;
  sa.virtual6Low = old.virtual6Low;
  old.virtualHeld = 0;
}

/** The IKE_SA ends: addresses go back, or are ours no longer. */
export function virtualForget(sa: IkeSa): void {
  if (sa.virtualHeld == 0) return;
  if (sa.virtualOurs != 0) reportVirtualIp(sa, false, 0, 0);
  else {
    if ((sa.virtualHeld & VIRTUAL_IP4) != 0) leaseRelease(poolOf(sa.virtualLease4), sa.virtualLease4);
    if ((sa.virtualHeld & VIRTUAL_IP6) != 0) leaseRelease(poolOf(sa.virtualLease6), sa.virtualLease6);
  }
  sa.virtualHeld = 0;
}
