/** The IPv4 addresses of this machine: what `local_addrs = %any` stands for. */

import { networkInterfaces } from "node:os";

export interface InterfaceAddress {
  name: string;
  address: string;
  internal: boolean;
}

/** Every IPv4 address that is configured now, loopback last. */
export function interfaceAddresses(): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address, internal } of addresses ?? []) {
      if (family === "IPv4") found.push({ name, address, internal });
    }
  }
  return found.sort((a, b) => Number(a.internal) - Number(b.internal));
}

/**
 * The addresses to listen on: those given, with "%any" replaced by all that are configured and not loopback. Throws when
 * "%any" finds none.
 */
export function localAddresses(configured: readonly string[]): string[] {
  const addresses = new Set<string>();
  for (const word of configured) {
    if (word !== "%any" && word !== "0.0.0.0") {
      addresses.add(word);
      continue;
    }
    const present = interfaceAddresses().filter(({ internal }) => !internal);
    if (present.length === 0) throw new Error("%any: no interface has an IPv4 address");
    for (const { address } of present) addresses.add(address);
  }
  return [...addresses];
}
