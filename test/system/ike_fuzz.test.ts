/**
 * A short fuzz of the IKE port, before authentication and, with the peer's keys, after it: test/fuzz/ike/campaign.ts says what must
 * hold. `npm run fuzz:ike` goes on for ten million messages and tells how much of the firmware they reach.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildEntry } from "../../host/build/build.ts";
import { Campaign } from "../fuzz/ike/campaign.ts";
import { Broken } from "../fuzz/ike/core.ts";
import { ending } from "../fuzz/ike/ending.ts";

const MESSAGES = 2500;

const module = new WebAssembly.Module(readFileSync(await buildEntry("test/entries/ike_fuzz.ts", "simd")));

/** Runs one; returns a digest of the last messages. */
function run(seed: number, messages: number, turn: number): string {
  const campaign = new Campaign({ seed, module });
  const first = campaign.cores.map((core) => core.tables());
  try {
    while (campaign.messages < messages) campaign.step();
    ending(campaign, first, turn);
  } catch (error) {
    if (error instanceof Broken)
      error.message += `\nseed ${seed}, the last ones:\n${campaign.last.slice(-3).join("\n")}`;
    throw error;
  }
  assert.ok(campaign.sealed > messages / 4, "a good part was sealed as the peer would");
  return createHash("sha256").update(campaign.last.join()).digest("hex");
}

for (const seed of [1, 3]) {
  test(`${MESSAGES} messages to the IKE port, seed ${seed}: then nothing is left, and a legitimate peer is served`, () => {
    run(seed, MESSAGES, seed);
  });
}

test("the same seed makes the same campaign, another one another", () => {
  assert.is(run(4, 300, 0), run(4, 300, 0));
  assert.is.not(run(4, 300, 0), run(5, 300, 0));
});

test("an ending sees what is left", () => {
  const campaign = new Campaign({ seed: 6, module });
  const first = campaign.cores.map((core) => core.tables());
  const wrong = first.map((tables) => ({ ...tables, jobs: tables.jobs + 1 }));
  assert.throws(() => ending(campaign, wrong, 0), /free jobs/);
});

test.run();
