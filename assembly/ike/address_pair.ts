/**
 * The two addresses that a connection is initiated between: the first single one of the peer's (remote_addrs) for which we have one
 * of its family, named in local_addrs, or of a network there, or, where nothing is named, the first of CONFIG.
 */
import { IpAddress, addressCopy, addressFamily, addressWhole } from "../wire/ip_address";
import {
  Connection,
  connectionLocal,
  connectionLocalPrefix,
  connectionRemote,
  connectionRemotePrefix,
} from "./connection";
import { isLocalAddress, localAddressWithin } from "./local_address";

/** What pairFind found. */
export const pairLocal: IpAddress = changetype<IpAddress>(memory.data(16, 8));
export const pairRemote: IpAddress = changetype<IpAddress>(memory.data(16, 8));

/** False when there are no two such addresses. */
export function pairFind(c: Connection): bool {
  for (let i: u32 = 0; i < c.remoteCount; i++) {
    const remote = connectionRemote(c, i);
    if (!addressWhole(remote, connectionRemotePrefix(c, i)) || !localFind(c, remote)) continue;
    addressCopy(pairRemote, remote);
    return true;
  }
  return false;
}

function localFind(c: Connection, remote: IpAddress): bool {
  if (c.localCount == 0) return localAddressWithin(remote, 0, pairLocal);
  for (let i: u32 = 0; i < c.localCount; i++) {
    const own = connectionLocal(c, i);
    const prefix = connectionLocalPrefix(c, i);
    if (addressFamily(own) != addressFamily(remote)) continue;
    if (addressWhole(own, prefix) && isLocalAddress(own)) addressCopy(pairLocal, own);
    else if (!localAddressWithin(own, prefix, pairLocal)) continue;
    return true;
  }
  return false;
}
