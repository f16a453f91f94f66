/**
 * The gateway's own addresses on the unprotected network, of both families, and its NAT traversal port, from CONFIG, until the chassis
 * tells of other addresses: IPsec
 * packets to them are ours to open, and ICMP errors come from them.
 */
import { CONFIG_LOCAL_ADDRESS, CONFIG_PORT_NATT } from "../abi/config";
import { loadBE32 } from "../rt/bytes";
import { itemFind, itemFirst, itemLength, itemNext, itemType, itemU32, itemValue } from "../rt/items";
import { configAddress, configLength } from "../rt/registers";
import { IPV6_ADDRESS, ipv6SameAddress } from "../wire/ipv6";

/** Addresses that CONFIG may name, of each family. */
const LOCAL_MAX: u32 = 64;
const NATT_PORT: u32 = 4500;

const locals: usize = memory.data(LOCAL_MAX * 4, 16);
const locals6: usize = memory.data(LOCAL_MAX * IPV6_ADDRESS, 16);
let count: u32 = 0;
let count6: u32 = 0;
let natt: u32 = 0;

/** Reads CONFIG; false when there are more addresses than there is room for. */
export function localAddressReset(): bool {
  const start = configAddress();
  const end = start + configLength();
  const port = itemFind(start, end, CONFIG_PORT_NATT);
  natt = port != 0 ? itemU32(port) : NATT_PORT;
  return localAddressTake(start, end, CONFIG_LOCAL_ADDRESS);
}

/** Takes the addresses of the items of `type`, instead of those that there were; false when there are more than there is room for. */
export function localAddressTake(start: usize, end: usize, type: u32): bool {
  count = 0;
  count6 = 0;
  for (let item = itemFirst(start, end); item != 0; item = itemNext(item, end)) {
    if (itemType(item) != type) continue;
    if (itemLength(item) == 4) {
      if (count == LOCAL_MAX) return false;
      store<u32>(locals + ((<usize>count) << 2), loadBE32(itemValue(item)));
      count += 1;
    } else if (itemLength(item) == IPV6_ADDRESS) {
      if (count6 == LOCAL_MAX) return false;
      memory.copy(locals6 + <usize>(count6 * IPV6_ADDRESS), itemValue(item), IPV6_ADDRESS);
      count6 += 1;
    }
  }
  return true;
}

// @ts-ignore: decorator
@inline
export function nattPort(): u32 {
  return natt;
}

/** `address`: IPv4, as a number. */
export function isLocal(address: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(locals + ((<usize>i) << 2)) == address) return true;
  }
  return false;
}

/** `address`: 16 octets. */
export function isLocal6(address: usize): bool {
  for (let i: u32 = 0; i < count6; i++) {
    if (ipv6SameAddress(locals6 + <usize>(i * IPV6_ADDRESS), address)) return true;
  }
  return false;
}

/** The first of our IPv4 addresses, or 0. */
export function firstLocal(): u32 {
  return count != 0 ? load<u32>(locals) : 0;
}

/** The first of our IPv6 addresses, or 0. */
export function firstLocal6(): usize {
  return count6 != 0 ? locals6 : 0;
}
