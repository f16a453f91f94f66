/**
 * Two gateways of ours whose own packets to each other are protected: in transport mode, by ESP or AH (RFC 4302), over IPv4 or IPv6,
 * while their IKE and sealed packets go where they did. And AH in tunnel mode, in fragments where the path is narrow.
 */

import { addressOctets } from "../../host/chassis/config.ts";
import { addressText } from "../../host/operator/identity.ts";
import { captureWan, countOuter } from "./capture.ts";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { expect, must, run } from "./process.ts";
import { INNER, OUTER, OUTER6 } from "./topology.ts";
import type { Side } from "./topology.ts";
import { echoes, readPing, stream } from "./traffic.ts";
import type { StreamResult } from "./traffic.ts";
import { TRANSFER_OCTETS, establish } from "./world.ts";
import type { World } from "./world.ts";

const SUITE = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" };
/** A whole inner packet of this ping fits the TUN device and, sealed, not the narrow path. */
const NARROW_MTU = 1300;
const MTU = 1500;
const WIDE_PING = 1320;

const megabits = ({ sent, seconds }: StreamResult): string => `${((sent * 8) / seconds / 1e6).toFixed(0)} Mbit/s`;

interface Options {
  ah?: string;
  ipv6?: boolean;
  tunnel?: boolean;
}

/** An address as countOuter writes it. */
const captured = (address: string): string => addressText(addressOctets(address));

async function pings(namespace: string, to: string, ...words: string[]): Promise<void> {
  const command = ["netns", "exec", namespace, "ping", ...echoes(5), ...words, to];
  const { sent, received } = readPing((await run("ip", command)).output);
  expect(sent === 5 && received === 5, `ping ${words.join(" ")} to ${to}: ${received} of ${sent} answered`);
}

async function pathMtu({ topology }: World, octets: number): Promise<void> {
  for (const side of ["a", "b"] as const)
    await must("ip", "-n", topology.gateway(side), "link", "set", "wan0", "mtu", String(octets));
}

async function play(world: World, options: Options): Promise<string> {
  const { topology, directory } = world;
  const outer = options.ipv6 ? OUTER6 : OUTER;
  const connection: Connection = { ...SUITE, psk: freshPsk(), outer, transport: !options.tunnel };
  if (options.ah !== undefined) connection.ah = options.ah;
  if (options.ipv6) await topology.ipv6();
  const a = world.endpoint("a", connection, { links: "ethernet", slots: 2 });
  const b = world.endpoint("b", connection, { links: "atm", slots: 2 });
  await Promise.all([world.start(a), world.start(b)]);
  const { file, end } = await captureWan(world);
  await establish({ a, b, ours: a, peer: b, side: "a" });
  const { text } = await a.status();
  const mode = options.tunnel ? "TUNNEL" : "TRANSPORT";
  const protocol = options.ah === undefined ? "ESP" : "AH";
  for (const word of [mode, protocol]) expect(text.includes(`"${word}"`), `no ${word}:\n${text}`);
  const hosts = { host: (side: Side): string => (options.tunnel ? topology.host(side) : topology.gateway(side)) };
  const addresses = options.tunnel ? INNER : outer;
  await pings(hosts.host("a"), addresses.b);
  const there = await stream(hosts, "a", directory, TRANSFER_OCTETS, undefined, addresses);
  const { code, output } = await a.rekey("net");
  expect(code === 0, `rekey: ${output.trim()}`);
  const back = await stream(hosts, "b", directory, TRANSFER_OCTETS, undefined, addresses);
  await end();
  const seen = countOuter(file);
  // What AH has in front is no secret: it is there, and nothing goes without it.
  expect(seen.clear === 0, `${seen.clear} packets without ${protocol} on the wire`);
  const sealed = options.ah === undefined ? seen.esp : seen.ah;
  for (const [from, to] of [
    [outer.a, outer.b],
    [outer.b, outer.a],
  ]) {
    const packets = sealed[`${captured(from)} ${captured(to)}`] ?? 0;
    expect(packets > 1000, `${packets} ${protocol} packets from ${from} to ${to} on the wire`);
  }
  if (options.ah !== undefined) {
    try {
      await pathMtu(world, NARROW_MTU);
      await pings(hosts.host("a"), addresses.b, "-M", "dont", "-s", String(WIDE_PING));
    } finally {
      await pathMtu(world, MTU);
    }
  }
  for (const endpoint of [a, b]) {
    const ended = await endpoint.stop();
    expect(ended === 0, `exit code ${ended}`);
  }
  const rules = await must("ip", "-n", topology.gateway("a"), options.ipv6 ? "-6" : "-4", "rule");
  expect(!rules.includes("4500"), `rules are left:\n${rules}`);
  const packets = Object.values(sealed).reduce((sum, count) => sum + count, 0);
  return `${packets} ${protocol} packets on the wire, none without; ${megabits(there)}, ${megabits(back)}`;
}

const one = (name: string, options: Options): Case => ({
  name: `two of ours: ${name}`,
  oursOnly: true,
  story: (world) => play(world, options),
});

export const OWN_HOST_CASES: Case[] = [
  one("ESP in transport mode between the gateways' own addresses", {}),
  one("ESP in transport mode over IPv6", { ipv6: true }),
  one("AH in transport mode", { ah: "sha256" }),
  one("AH in transport mode over IPv6", { ah: "sha256-esn", ipv6: true }),
  one("AH in tunnel mode", { ah: "aes128gmac", tunnel: true }),
  one("AH in tunnel mode, IPv4 in IPv6", { ah: "sha512-esn", ipv6: true, tunnel: true }),
];
