/**
 * A gateway that dies without a word (SIGKILL) and comes again knows nothing of its SAs. The other one learns it from
 * INITIAL_CONTACT (RFC 7296 2.4) when the one that died initiates, and by liveness checks when it is itself the initiator.
 */

import type { Case } from "./cases.ts";
import { freshPsk } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { expect, until } from "./process.ts";
import type { Side } from "./topology.ts";
import { expectPing, ping } from "./traffic.ts";
import { establish, reach } from "./world.ts";
import type { Pair, World } from "./world.ts";

const SUITE = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" };
/** A peer that is gone is known to be after some seven seconds. */
const ALERT = { liveness: 1, retransmission: { seconds: 1, tries: 2 } };

/** Kills one end and starts it again. */
async function again(world: World, endpoint: Endpoint): Promise<void> {
  await endpoint.kill();
  const { received } = await ping(world.topology, "a", 2);
  expect(received === 0, "an echo request was answered through a gateway that is dead");
  await world.start(endpoint);
}

async function settled({ ours, peer }: Pair, world: World): Promise<void> {
  for (const endpoint of [ours, peer]) await reach(endpoint, 1, 1, 40);
  await expectPing(world.topology);
}

/** The initiator dies: its new IKE_SA replaces the one that the responder still has. */
function initiatorDies(side: Side): Case {
  const who = side === "a" ? "ours" : "strongSwan";
  return {
    name: `restart: ${who} dies and initiates again, INITIAL_CONTACT takes the old SAs away`,
    async story(world) {
      const pair = await world.pair(side, { ...SUITE, psk: freshPsk() });
      await establish(pair);
      const { ikeSpis } = await pair.b.status();
      await again(world, pair.a);
      const { code, output } = await pair.a.initiate("net");
      expect(code === 0, `initiate: ${output.trim()}`);
      await settled(pair, world);
      expect((await pair.b.status()).ikeSpis !== ikeSpis, "the old IKE_SA is still there");
      return "one IKE_SA, ping both ways";
    },
  };
}

/** The responder dies: the initiator finds out, and negotiates anew by itself. */
function responderDies(side: Side): Case {
  const who = side === "a" ? "strongSwan" : "ours";
  return {
    name: `restart: ${who} dies, the other one finds out by liveness checks and initiates again`,
    async story(world) {
      const pair = await world.pair(side, { ...SUITE, psk: freshPsk(), ...ALERT });
      await establish(pair);
      const { ikeSpis } = await pair.a.status();
      await again(world, pair.b);
      await until(`${pair.a.kind} has another IKE_SA`, 60, async () => {
        const now = await pair.a.status();
        return now.ikeSas === 1 && now.ikeSpis !== ikeSpis;
      });
      await settled(pair, world);
      return "negotiated anew, ping both ways";
    },
  };
}

export const RESTART_CASES: Case[] = [initiatorDies("a"), initiatorDies("b"), responderDies("a"), responderDies("b")];
