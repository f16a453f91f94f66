/**
 * A short fuzz of all ports of both kinds of board, between two gateways that go on living: test/fuzz/campaign.ts says what
 * must hold. `npm run fuzz` runs a million frames per port.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { campaign, FuzzFailure } from "../fuzz/campaign.ts";
import { nextFrame, type Sample } from "../fuzz/mutation.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { clearPacket } from "../fuzz/world.ts";

const SEED = 20030411;
const FRAMES = 2000;

for (const link of ["ethernet", "atm"] as const) {
  test(`${FRAMES} frames into every port, seed ${SEED}, on ${link}`, async () => {
    try {
      const results = await campaign({ link, seed: SEED, frames: FRAMES });
      assert.is(results.length, 9);
      for (const { board, port, samples } of results) {
        // Nothing valid arrives at an IPsec board's two sides: what reaches it, reaches it by the channel.
        const silent = board === "ipsec" && (port === "unprotected" || port === "protected");
        assert.is(samples === 0, silent, `${board}.${port}: ${samples} samples`);
      }
    } catch (error) {
      if (error instanceof FuzzFailure) error.message += `\nlast frame: ${JSON.stringify(error.last.at(-1))}`;
      throw error;
    }
  });
}

test("the same seed makes the same frames, another one others", () => {
  const samples: Sample[] = [1, 2, 3].map((n) => ({ octets: clearPacket(1, 2, n * 40, n), link: 0 }));
  const make = (seed: number): string[] => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 500 }, () => Buffer.from(nextFrame(random, samples).octets).toString("hex"));
  };
  assert.equal(make(1), make(1));
  assert.not.equal(make(1), make(2));
  const whole = new Set(samples.map(({ octets }) => Buffer.from(octets).toString("hex")));
  const kept = make(1).filter((hex) => whole.has(hex)).length;
  assert.ok(kept > 0 && kept < 250, `${kept} of 500 unchanged`);
});

test.run();
