/**
 * Our own addresses on the unprotected network: those of CONFIG, until the chassis tells of others (MANAGEMENT_LOCAL_ADDRESSES).
 */
import { CONFIG_LOCAL_ADDRESS } from "../abi/config";
import { itemFirst, itemLength, itemNext, itemType, itemValue } from "../rt/items";
import { configAddress, configLength } from "../rt/registers";
import { IpAddress, addressAt, addressCopy, addressRead, addressWithin } from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";

export const LOCAL_ADDRESSES_MAX: u32 = 64;

const list: usize = memory.data(LOCAL_ADDRESSES_MAX * IPV6_ADDRESS, 8);
const candidate: usize = memory.data(16, 8);
let count: u32 = 0;
/** True when CONFIG names none: every packet is for us. */
let any: bool = true;

/** Reads CONFIG; false when it names more than there is room for. */
export function localAddressesReset(): bool {
  const start = configAddress();
  if (!localAddressesTake(start, start + configLength(), CONFIG_LOCAL_ADDRESS)) return false;
  any = count == 0;
  return true;
}

/** Takes the addresses of the items of `type`, instead of those that there were; false, and nothing changed, when they do not fit. */
export function localAddressesTake(start: usize, end: usize, type: u32): bool {
  let found: u32 = 0;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    if (itemType(item) != type) continue;
    if (!addressRead(addressAt(candidate), itemValue(item), itemLength(item))) return false;
    found += 1;
  }
  if (found > LOCAL_ADDRESSES_MAX) return false;
  count = 0;
  any = false;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    if (itemType(item) != type) continue;
    addressRead(localAddressAt(count), itemValue(item), itemLength(item));
    count += 1;
  }
  return true;
}

export function localAddressCount(): u32 {
  return count;
}

export function localAddressAt(i: u32): IpAddress {
  return addressAt(list + <usize>(i * IPV6_ADDRESS));
}

/** True when this is an address of ours, whichever it is when CONFIG names none. */
export function isLocalAddress(address: IpAddress): bool {
  for (let i: u32 = 0; i < count; i++) if (localAddressAt(i) == address) return true;
  return any;
}

/** Writes the first of our addresses in that network, 0 bits of it: of its family; false when there is none. */
export function localAddressWithin(network: IpAddress, prefix: u32, to: IpAddress): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (!addressWithin(localAddressAt(i), network, prefix)) continue;
    addressCopy(to, localAddressAt(i));
    return true;
  }
  return false;
}
