/**
 * The gateway's own addresses and ports on the unprotected network, of both families, from CONFIG, until the chassis tells of other addresses:
 * what is addressed to them is ours to open, everything else there is not, and ICMP errors come from them.
 */
import { CONFIG_LOCAL_ADDRESS, CONFIG_PORT_IKE, CONFIG_PORT_NATT } from "../abi/config";
import { CONNECTION_LOCAL_ADDRESS } from "../abi/management";
import { loadBE32 } from "../rt/bytes";
import { itemFirst, itemLength, itemNext, itemType, itemU32, itemValue, itemsValid } from "../rt/items";
import { IPV6_ADDRESS, ipv6SameAddress } from "../wire/ipv6";

/** Addresses that CONFIG may name, of each family. */
const MAX: u32 = 64;
const addresses: usize = memory.data(MAX * 4, 16);
const addresses6: usize = memory.data(MAX * IPV6_ADDRESS, 16);
let count: u32 = 0;
let count6: u32 = 0;
let ike: u32 = 500;
let natt: u32 = 4500;

/** Reads CONFIG; false when there are more addresses than fit. */
export function localAddressReset(start: usize, end: usize): bool {
  ike = 500;
  natt = 4500;
  let item = itemFirst(start, end);
  while (item != 0) {
    const type = itemType(item);
    if (type == CONFIG_PORT_IKE) ike = itemU32(item);
    else if (type == CONFIG_PORT_NATT) natt = itemU32(item);
    item = itemNext(item, end);
  }
  return take(start, end, CONFIG_LOCAL_ADDRESS);
}

/** MANAGEMENT_LOCAL_ADDRESSES: its items take the place of CONFIG's; false when they are malformed, or some are left out: more than fit. */
export function localAddressTake(start: usize, end: usize): bool {
  return itemsValid(start, end) && take(start, end, CONNECTION_LOCAL_ADDRESS);
}

function take(start: usize, end: usize, type: u32): bool {
  count = 0;
  count6 = 0;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    if (itemType(item) != type) continue;
    if (itemLength(item) == 4) {
      if (count == MAX) return false;
      store<u32>(addresses + (count << 2), loadBE32(itemValue(item)));
      count += 1;
    } else if (itemLength(item) == IPV6_ADDRESS) {
      if (count6 == MAX) return false;
      memory.copy(addresses6 + <usize>(count6 * IPV6_ADDRESS), itemValue(item), IPV6_ADDRESS);
      count6 += 1;
    }
  }
  return true;
}

/** `address`: IPv4, as a number. */
export function isLocalAddress(address: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(addresses + (i << 2)) == address) return true;
  }
  return false;
}

/** `address`: 16 octets. */
export function isLocalAddress6(address: usize): bool {
  for (let i: u32 = 0; i < count6; i++) {
    if (ipv6SameAddress(addresses6 + <usize>(i * IPV6_ADDRESS), address)) return true;
  }
  return false;
}

export function portIke(): u32 {
  return ike;
}

export function portNatt(): u32 {
  return natt;
}

/** The first of our IPv4 addresses as a number, or 0. */
export function firstLocalAddress(): u32 {
  return count != 0 ? load<u32>(addresses) : 0;
}

/** Where the first of our IPv6 addresses stands, or 0. */
export function firstLocalAddress6(): usize {
  return count6 != 0 ? addresses6 : 0;
}
