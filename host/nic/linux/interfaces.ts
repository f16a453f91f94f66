/** The addresses of this machine: what `local_addrs = %any` and networks stand for. */

import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";

export interface InterfaceAddress {
  name: string;
  address: string;
  family: "ipv4" | "ipv6";
  internal: boolean;
}

/** Every address that is configured now, loopback last; none that is link-local, which means nothing without its link. */
export function interfaceAddresses(): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address, internal } of addresses ?? []) {
      if (/^fe[89ab]/i.test(address)) continue;
      found.push({ name, address, family: family === "IPv4" ? "ipv4" : "ipv6", internal });
    }
  }
  return found.sort((a, b) => Number(a.internal) - Number(b.internal));
}

/** The addresses of this machine that a network has, or "%any"; but for those of `device`. */
function present(word: string, device?: string): string[] {
  const external = interfaceAddresses().filter(({ name, internal }) => !internal && name !== device);
  if (word === "%any") return external.map(({ address }) => address);
  const [network, prefix] = word.split("/") as [string, string];
  const family = network.includes(":") ? "ipv6" : "ipv4";
  const block = new BlockList();
  block.addSubnet(network, Number(prefix), family);
  // A list of IPv6 would take IPv4 addresses for mapped ones.
  return external
    .filter((own) => own.family === family && block.check(own.address, family))
    .map(({ address }) => address);
}

/**
 * The addresses to listen on: those given, with networks and "%any" replaced by all of them that are configured and not
 * loopback. Throws when there is none.
 */
export function localAddresses(configured: readonly string[]): string[] {
  const addresses = new Set<string>();
  for (const word of configured) {
    if (word !== "%any" && !word.includes("/")) {
      addresses.add(word);
      continue;
    }
    const own = present(word);
    if (own.length === 0) throw new Error(`${word}: no interface has such an address`);
    for (const address of own) addresses.add(address);
  }
  return [...addresses];
}

/** Of the addresses to listen on those that there are now, but for those of `device`, which is ours: there may be none. */
export function presentAddresses(configured: readonly string[], device: string): string[] {
  const own = interfaceAddresses().map(({ address }) => address);
  const addresses = configured.flatMap((word) => {
    if (word === "%any" || word.includes("/")) return present(word, device);
    return own.includes(word) ? [word] : [];
  });
  return [...new Set(addresses)];
}
