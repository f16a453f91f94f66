/**
 * A router between the gateways whose further link takes 1280 octets, so that path MTU discovery has to work: its ICMP errors are about
 * sealed packets, and the hosts behind us have to be told what that leaves inside.
 */

import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import { expect, must, run, until } from "./process.ts";
import { INNER } from "./topology.ts";
import type { Side, Topology } from "./topology.ts";
import { expectPing, stream } from "./traffic.ts";
import { establish } from "./world.ts";

const HOP_MTU = 1280;
const OUTER: Record<Side, string> = { a: "198.51.100.1", b: "203.0.113.1" };
const ROUTER: Record<Side, string> = { a: "198.51.100.254", b: "203.0.113.254" };
/** What the hosts send, DF set; more than the hop takes, and less than the TUN device. */
const ECHO_OCTETS = 1300;

/** Puts the router there; what takes it away again. */
async function addRouter(topology: Topology): Promise<() => Promise<void>> {
  const router = `${topology.prefix}hop`;
  await must("ip", "netns", "add", router);
  await must("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0");
  for (const side of ["a", "b"] as const) {
    const gateway = topology.gateway(side);
    const far = side === "a" ? "203.0.113.0/24" : "198.51.100.0/24";
    await must(
      "ip",
      "link",
      "add",
      "hop0",
      "netns",
      gateway,
      "type",
      "veth",
      "peer",
      "name",
      `to${side}`,
      "netns",
      router,
    );
    await must("ip", "-n", gateway, "address", "add", `${OUTER[side]}/24`, "dev", "hop0");
    await must("ip", "-n", gateway, "link", "set", "hop0", "up");
    await must("ip", "-n", router, "address", "add", `${ROUTER[side]}/24`, "dev", `to${side}`);
    await must("ip", "-n", router, "link", "set", `to${side}`, "up");
    await must("ip", "-n", gateway, "route", "add", far, "via", ROUTER[side]);
  }
  await must("ip", "-n", router, "link", "set", "tob", "mtu", String(HOP_MTU));
  return async () => void (await run("ip", ["netns", "del", router]));
}

/** One echo request with DF: what ping says. */
async function echo(topology: Topology): Promise<string> {
  const words = ["-c", "1", "-W", "1", "-M", "do", "-s", String(ECHO_OCTETS - 28), INNER.b];
  return (await run("ip", ["netns", "exec", topology.host("a"), "ping", ...words])).output;
}

export const NARROW_PATH_CASES: Case[] = [
  {
    name: "initiator: a hop of 1280 octets on the way: the path MTU is learnt, DF traffic is told, TCP passes both ways",
    oursOnly: true,
    async story(world) {
      const { topology } = world;
      const removeRouter = await addRouter(topology);
      try {
        const suite = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" };
        const pair = await world.pair("a", { ...suite, psk: freshPsk(), outer: OUTER });
        await establish(pair);
        await expectPing(topology);
        const innerMtu = async (): Promise<number> =>
          Number(/"inner-mtu": (\d+)/.exec((await pair.ours.status()).text)?.[1] ?? NaN);
        const before = await innerMtu();
        await until("the path MTU is learnt", 10, async () => {
          await echo(topology);
          return (await innerMtu()) < before;
        });
        const learnt = await innerMtu();
        expect(before - learnt === 1500 - HOP_MTU, `inner MTU ${before}, then ${learnt}`);
        const told = await echo(topology);
        expect(new RegExp(`mtu ?= ?${learnt}\\b`).test(told), `the host is told ${learnt}: ${told.trim()}`);
        const there = await stream(topology, "a", world.directory, 2_000_000);
        const back = await stream(topology, "b", world.directory, 2_000_000);
        return `inner MTU ${before}, behind the hop ${learnt}; ${there.sent} and ${back.sent} octets by TCP, SHA-256 equal`;
      } finally {
        await removeRouter();
      }
    },
  },
];
