/**
 * `npm run fuzz -- [--frames N] [--seed S] [--link ethernet|atm] [--build simd|base] [--replay FILE]`
 *
 * A million frames per port unless told otherwise, on both links. Prints its seed; a failure leaves build/fuzz/SEED-LINK.json,
 * which --replay feeds again. Exits 1 on a failure.
 */
import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import type { Build } from "../../host/chassis/image.ts";
import { buildAll, BUILD_DIRECTORY } from "../../host/build/build.ts";
import { campaign, type FedFrame, FuzzFailure, replay } from "./campaign.ts";

interface Failure {
  message: string;
  seed: number;
  link: LinkKind;
  build?: Build;
  last: FedFrame[];
}

const LINKS: LinkKind[] = ["ethernet", "atm"];

function usage(message: string): never {
  console.error(`${message}\nusage: npm run fuzz -- [--frames N] [--seed S] [--link L] [--build B] [--replay FILE]`);
  process.exit(2);
}

function number(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : usage(`--${name} ${text} is no positive integer`);
}

function options() {
  try {
    return parseArgs({
      options: {
        frames: { type: "string" },
        seed: { type: "string" },
        link: { type: "string" },
        build: { type: "string" },
        replay: { type: "string" },
      },
    }).values;
  } catch (error) {
    return usage((error as Error).message);
  }
}

const values = options();
const seed = number(values.seed, randomInt(1, 2 ** 31), "seed");
const frames = number(values.frames, 1_000_000, "frames");
if (values.link !== undefined && !LINKS.includes(values.link as LinkKind))
  usage(`--link ${values.link}: ethernet or atm`);
if (values.build !== undefined && !["simd", "base"].includes(values.build))
  usage(`--build ${values.build}: simd or base`);
const chosen = values.build === undefined ? {} : { build: values.build as Build };
try {
  await buildAll();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}

if (values.replay !== undefined) {
  const failure = JSON.parse(readFileSync(values.replay, "utf8")) as Failure;
  const { link, build } = failure;
  try {
    await replay({ link, seed: failure.seed, ...(build === undefined ? {} : { build }) }, failure.last);
    console.log(`${failure.last.length} frames fed again: nothing failed`);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`fails again: ${error.message}`);
    process.exitCode = 1;
  }
} else {
  console.log(`seed ${seed}, ${frames} frames per port`);
  for (const link of values.link === undefined ? LINKS : [values.link as LinkKind]) {
    try {
      await campaign({ link, seed, frames, ...chosen, log: (line) => console.log(line) });
    } catch (error) {
      if (!(error instanceof FuzzFailure)) throw error;
      const directory = join(BUILD_DIRECTORY, "fuzz");
      mkdirSync(directory, { recursive: true });
      const path = join(directory, `${seed}-${link}.json`);
      const failure: Failure = { message: error.message, seed, link, ...chosen, last: error.last };
      writeFileSync(path, JSON.stringify(failure, null, 1));
      console.error(`FAILED on ${link} with seed ${seed}: ${error.message}\nthe last frames are in ${path}`);
      process.exitCode = 1;
    }
  }
}
