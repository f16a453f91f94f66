/**
 * Two gateways and a host behind each, in network namespaces of their own:
 *
 *     hosta -- eth0/lan0 -- gwa == wan0 ======= wan0 == gwb -- lan0/eth0 -- hostb
 *     10.1.0.2       10.1.0.1   192.0.2.1   192.0.2.2   10.2.0.1       10.2.0.2      (and 10.x.1.0/24)
 *
 * Names begin with cardcage-, this process's id and a number of the topology, so that neither two runs nor two cases of one meet.
 * Nothing leaves the namespaces.
 */

import { readdirSync } from "node:fs";
import { must, run } from "./process.ts";

export type Side = "a" | "b";

export const OUTER: Record<Side, string> = { a: "192.0.2.1", b: "192.0.2.2" };
/** Of the same devices, once ipv6() has put them there. */
export const OUTER6: Record<Side, string> = { a: "2001:db8:ff::1", b: "2001:db8:ff::2" };
export const INNER: Record<Side, string> = { a: "10.1.0.2", b: "10.2.0.2" };
export const NETWORK: Record<Side, string> = { a: "10.1.0.0/24", b: "10.2.0.0/24" };
export const IDENTITY: Record<Side, string> = { a: "a.example.org", b: "b.example.org" };

export function other(side: Side): Side {
  return side === "a" ? "b" : "a";
}

export class Topology {
  readonly prefix: string;

  constructor(number = 0) {
    this.prefix = `cardcage-${process.pid}-${number}-`;
  }

  gateway(side: Side): string {
    return `${this.prefix}gw${side}`;
  }

  host(side: Side): string {
    return `${this.prefix}host${side}`;
  }

  private names(): string[] {
    return (["a", "b"] as const).flatMap((side) => [this.gateway(side), this.host(side)]);
  }

  async up(): Promise<void> {
    for (const name of this.names()) {
      await must("ip", "netns", "add", name);
      await must("ip", "-n", name, "link", "set", "lo", "up");
      await this.sysctl(name, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0");
    }
    const [gwa, gwb] = [this.gateway("a"), this.gateway("b")];
    await must("ip", "link", "add", "wan0", "netns", gwa, "type", "veth", "peer", "name", "wan0", "netns", gwb);
    for (const side of ["a", "b"] as const) {
      const [gateway, host] = [this.gateway(side), this.host(side)];
      const lan = INNER[side].slice(0, 4);
      await this.sysctl(gateway, "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0");
      await must("ip", "link", "add", "lan0", "netns", gateway, "type", "veth", "peer", "name", "eth0", "netns", host);
      await this.address(gateway, "wan0", `${OUTER[side]}/24`);
      await this.address(gateway, "lan0", `${lan}.0.1/24`, `${lan}.1.1/24`);
      await this.address(host, "eth0", `${lan}.0.2/24`, `${lan}.1.2/24`);
      await must("ip", "-n", host, "route", "add", "default", "via", `${lan}.0.1`);
    }
  }

  private async sysctl(namespace: string, ...settings: string[]): Promise<void> {
    await must("ip", "netns", "exec", namespace, "sysctl", "-qw", ...settings);
  }

  private async address(namespace: string, device: string, ...addresses: string[]): Promise<void> {
    for (const address of addresses) await must("ip", "-n", namespace, "address", "add", address, "dev", device);
    await must("ip", "-n", namespace, "link", "set", device, "up");
  }

  /** Gives the gateways their IPv6 addresses. */
  async ipv6(): Promise<void> {
    for (const side of ["a", "b"] as const) {
      await must("ip", "-n", this.gateway(side), "address", "replace", `${OUTER6[side]}/64`, "dev", "wan0", "nodad");
    }
  }

  /** A machine of its own behind the gateway of one side, on a network for the two of them: back0, 198.18.0.1 and 198.18.0.2. */
  async shelf(side: Side): Promise<string> {
    const [gateway, shelf] = [this.gateway(side), `${this.prefix}shelf`];
    await run("ip", ["netns", "del", shelf]);
    await must("ip", "netns", "add", shelf);
    await must("ip", "-n", shelf, "link", "set", "lo", "up");
    await must("ip", "link", "add", "back0", "netns", gateway, "type", "veth", "peer", "name", "back0", "netns", shelf);
    await this.address(gateway, "back0", "198.18.0.1/24");
    await this.address(shelf, "back0", "198.18.0.2/24");
    return shelf;
  }

  async down(): Promise<void> {
    for (const name of [...this.names(), `${this.prefix}shelf`]) await run("ip", ["netns", "del", name]);
  }
}

/** Removes namespaces of runs that were killed: their process is gone and nobody lives in them. */
export async function removeStale(): Promise<void> {
  let names: string[] = [];
  try {
    names = readdirSync("/run/netns");
  } catch {
    return;
  }
  for (const name of names) {
    const owner = /^cardcage-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || readdirSync("/proc").includes(owner)) continue;
    const { output } = await run("ip", ["netns", "pids", name]);
    if (output.trim() === "") await run("ip", ["netns", "del", name]);
  }
}
