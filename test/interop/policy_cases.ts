/**
 * Policies on a machine: of two networks behind strongSwan the way to one is protected and to the other in clear, though the route of both
 * leads into our TUN device; and what is to be discarded goes nowhere.
 */

import type { Cardcage } from "./cardcage.ts";
import { captureWan, countOuter } from "./capture.ts";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import { expect, must, run } from "./process.ts";
import { OUTER, other } from "./topology.ts";
import type { Side, Topology } from "./topology.ts";
import { APART, echoes, readPing } from "./traffic.ts";
import { CAGE, establish } from "./world.ts";
import type { World } from "./world.ts";

const COUNT = 5;
const SIDES = ["a", "b"] as const;

/** Echo requests of host a from one of its addresses; how many were answered. */
async function answered(topology: Topology, from: string, to: string): Promise<number> {
  const words = [...echoes(COUNT, 1), ...APART, "-I", from, to];
  const { output } = await run("ip", ["netns", "exec", topology.host("a"), "ping", ...words]);
  return readPing(output).received;
}

interface Policy {
  action: string;
  name: string;
  "packets-out": number;
}

const bypassed: Case = {
  name: "policies: one network of strongSwan's protected, one in clear beside the tunnel, one discarded",
  oursOnly: true,
  async story(world: World): Promise<string> {
    const { topology } = world;
    const defaultRoute = (side: Side): string[] => ["default", "via", OUTER[other(side)], "dev", "wan0"];
    for (const side of SIDES) await must("ip", "-n", topology.gateway(side), "route", "replace", ...defaultRoute(side));
    try {
      return await play(world);
    } finally {
      for (const side of SIDES) await must("ip", "-n", topology.gateway(side), "route", "del", ...defaultRoute(side));
    }
  },
};

async function play(world: World): Promise<string> {
  const { topology } = world;
  const connection = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16", psk: freshPsk() };
  // Our selectors have both networks of each end, and so have our routes; strongSwan's have the first ones.
  const children = `open { mode = pass
        local_ts = 10.1.1.0/24
        remote_ts = 10.2.1.0/24 }
      shut { mode = drop
        local_ts = 10.1.1.0/24
        remote_ts = 10.2.0.0/24
        priority = 1 }`;
  const a = world.endpoint("a", { ...connection, subnets: 2, children: { a: children } }, CAGE);
  const b = world.endpoint("b", connection, undefined);
  await Promise.all([world.start(a), world.start(b)]);
  await establish({ a, b, ours: a, peer: b, side: "a" });
  const { file, end } = await captureWan(world);
  const sealed = await answered(topology, "10.1.0.2", "10.2.0.2");
  expect(sealed === COUNT, `${sealed} of ${COUNT} answered through the tunnel`);
  const clear = await answered(topology, "10.1.1.2", "10.2.1.2");
  expect(clear === COUNT, `${clear} of ${COUNT} answered in clear`);
  const shut = await answered(topology, "10.1.1.2", "10.2.0.2");
  expect(shut === 0, `${shut} of ${COUNT} answered where they should have been discarded`);
  await end();
  const seen = countOuter(file);
  // strongSwan's user-space ESP always asks for UDP around it.
  expect(seen.espInUdp === 2 * COUNT, `${seen.espInUdp} ESP packets, not ${2 * COUNT}`);
  expect(seen.clear === 2 * COUNT, `${seen.clear} packets in clear, not ${2 * COUNT}: each once, and its answer`);
  const { output } = await (a as Cardcage).command("policies", "--json");
  const policies = JSON.parse(output) as Policy[];
  const of = (name: string): number => policies.find((policy) => policy.name === name)?.["packets-out"] ?? 0;
  expect(of("open") === COUNT && of("shut") === COUNT, `counted: ${output}`);
  expect(policies[0]?.name === "shut", `the order: ${output}`);
  const code = await a.stop();
  expect(code === 0, `exit code ${code}`);
  const { output: rules } = await run("ip", ["-n", topology.gateway("a"), "rule"]);
  expect(!rules.includes("4501"), `rules are left behind: ${rules}`);
  return `${COUNT} echo requests sealed, ${COUNT} in clear, ${COUNT} discarded`;
}

export const POLICY_CASES: Case[] = [bypassed];
