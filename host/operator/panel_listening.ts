/** Where the front panel listens, and by which names a browser may ask for it. */
import { isIP, isIPv6 } from "node:net";

export interface PanelListening {
  /** An address. */
  host: string;
  port: number;
  /** Whether the page may do what changes something. */
  actions: boolean;
  /** Names, with or without a port, by which browsers reach it besides its address: of a proxy in front, for one. */
  hosts: readonly string[];
}

/** Nobody but who is on this machine reaches it. */
export const isLoopback = (host: string): boolean => /^127\.\d+\.\d+\.\d+$/.test(host) || host === "::1";

const isAny = (host: string): boolean => host === "0.0.0.0" || host === "::";

/** An address as it stands in a URL. */
export const urlHost = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/**
 * Whether a Host header is one by which the panel may be asked for. A page of a stranger whose name has come to lead here (DNS rebinding)
 * asks by that name: names are taken from a closed list, and addresses only when they are the panel's own. `local`: the address at which the
 * request arrived.
 */
export function isOwnHost(header: string, { host, hosts }: PanelListening, port: number, local: string): boolean {
  const asked = header.toLowerCase();
  // Browsers leave the port of http out.
  const at = (name: string): string => (port === 80 ? urlHost(name) : `${urlHost(name)}:${port}`);
  const here = local.replace(/^::ffff:(?=\d+\.)/, "");
  const own = [host, ...(isAny(host) && isIP(here) !== 0 ? [here] : [])].filter((name) => !isAny(name)).map(at);
  if (isLoopback(host) || isLoopback(here)) own.push(at("localhost"));
  return [...own, ...hosts.map((name) => name.toLowerCase())].includes(asked);
}
