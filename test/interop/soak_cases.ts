/**
 * `npm run test:interop -- --soak`: rekeys every few seconds by both ends, which collide now and then, under TCP by iperf3, for
 * three minutes in each role. No connection may be lost: every one still carries in its last seconds, and iperf3 ends without
 * complaint.
 */

import { join } from "node:path";
import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import { Program, expect, until } from "./process.ts";
import { INNER } from "./topology.ts";
import type { Side } from "./topology.ts";
import { establish, reach } from "./world.ts";
import type { World } from "./world.ts";

const SECONDS = 180;
const CONNECTIONS = 4;
/** Bits per second of each: the machine has room for both gateways and the rest. */
const RATE = "10M";
/** Seconds after which each end rekeys. */
const REKEY = { a: { ike: 20, child: 5 }, b: { ike: 23, child: 7 } };
const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };

interface Iperf {
  error?: string;
  intervals: { streams: { bytes: number }[] }[];
  end: { sum_sent: { bits_per_second: number; retransmits: number } };
}

async function iperf(world: World): Promise<Iperf> {
  const inside = (side: Side): string[] => ["netns", "exec", world.topology.host(side), "iperf3"];
  const server = new Program("ip", [...inside("b"), "-s", "-1", "-J"], join(world.directory, "iperf3-server.json"));
  const words = ["-c", INNER.b, "-t", String(SECONDS), "-P", String(CONNECTIONS), "-b", RATE, "-J"];
  let client: Program | undefined;
  await until("iperf3 is connected", 30, async () => {
    client = new Program("ip", [...inside("a"), ...words], join(world.directory, "iperf3.json"));
    await client.wait(2).catch(() => undefined);
    return client.code === undefined;
  });
  const code = await (client as Program).wait(SECONDS + 60);
  await server.stop();
  const result = JSON.parse((client as Program).log) as Iperf;
  expect(code === 0 && result.error === undefined, `iperf3 ends with ${code}: ${result.error ?? ""}`);
  return result;
}

const count = (log: string, pattern: RegExp): number => log.match(pattern)?.length ?? 0;

function soak(side: Side): Case {
  return {
    name: `soak, ${ROLE[side]}: fast rekeys by both ends under TCP for ${SECONDS} s`,
    oursOnly: true,
    paced: true,
    async story(world) {
      const suite = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16-x25519" };
      const pair = await world.pair(side, { ...suite, psk: freshPsk(), rekey: REKEY });
      await establish(pair);
      const { intervals, end } = await iperf(world);
      const stalls = intervals.filter(({ streams }) => streams.some(({ bytes }) => bytes === 0)).length;
      const last = intervals.slice(-5);
      for (let i = 0; i < CONNECTIONS; i++)
        expect(
          last.some(({ streams }) => streams[i].bytes > 0),
          `connection ${i + 1} carries nothing at the end`,
        );
      const rekeys = { ike: count(pair.ours.log(), /ike-rekey/g), child: count(pair.ours.log(), /child-rekey/g) };
      expect(rekeys.child >= SECONDS / 10 && rekeys.ike >= SECONDS / 30, `only ${JSON.stringify(rekeys)} rekeys`);
      for (const endpoint of [pair.ours, pair.peer]) await reach(endpoint, 1, 1);
      const { bits_per_second, retransmits } = end.sum_sent;
      return (
        `${rekeys.child} CHILD_SA and ${rekeys.ike} IKE_SA rekeys, ${CONNECTIONS} connections at ` +
        `${(bits_per_second / 1e6).toFixed(1)} Mbit/s in all, ${retransmits} segments sent again, ` +
        `${stalls} of ${intervals.length} s in which one of them stood`
      );
    },
  };
}

export const SOAK_CASES: Case[] = [soak("a"), soak("b")];
