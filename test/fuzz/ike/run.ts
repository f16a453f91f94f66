/**
 * `npm run fuzz:ike -- [--messages N] [--seed S] [--jobs J] [--build simd|base] [--missed]`
 *
 * Fuzzes the IKE port before and after authentication (campaign.ts says how, and what must hold): ten million messages unless told
 * otherwise, in as many processes as there are processors, each with a seed of its own that follows from the one given. Prints
 * rate and coverage as it goes, and a table of coverage by source file at the end; --missed adds the lines that did not run.
 * A failure tells the seed, and how many messages it took: with `--jobs 1` and that seed the same happens again. Exits 1 on it.
 */
import { fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { BUILD_DIRECTORY } from "../../../host/build/build.ts";
import type { Build } from "../../../host/image/manifest.ts";
import { instrument, type Instrumented } from "../../coverage/instrument.ts";
import { coverage, table } from "../../coverage/report.ts";
import { Campaign } from "./campaign.ts";
import { Broken } from "./core.ts";
import { ending } from "./ending.ts";

const PAGES = 1024;
/** Messages between two endings; between two reports. */
const STRETCH = 20_000;
/** The host's heap, after as many endings as it needs to settle, grows by no more. */
const HEAP_SETTLED = 3;
const HEAP_GROWTH = 48 * 1024 * 1024;

/** What is fuzzed: IKE, and the formats of its messages. */
export function instrumented(build: Build): Instrumented {
  const covers = (file: string): boolean => file.startsWith("assembly/ike/") || file.startsWith("assembly/wire/ike_");
  return instrument({ entry: "test/entries/ike_fuzz.ts", build, covers, pages: PAGES });
}

interface Order {
  seed: number;
  messages: number;
  build: Build;
}

export interface Told {
  seed: number;
  messages: number;
  sealed: number;
  kept: number;
  counts: number[];
  heap: number;
  broken?: string;
  last?: string[];
}

/** Runs one campaign, telling how it goes after each stretch. */
export function run({ seed, messages, build }: Order, tell: (told: Told) => void): void {
  const made = instrumented(build);
  const module = new WebAssembly.Module(readFileSync(made.path));
  const campaign = new Campaign({ seed, module, counters: { at: made.counters, count: made.blocks.length } });
  const first = campaign.cores.map((core) => core.tables());
  let settled = 0;
  const told = (): Told => ({
    seed,
    messages: campaign.messages,
    sealed: campaign.sealed,
    kept: campaign.corpus.kept,
    counts: campaign.corpus.counts(),
    heap: process.memoryUsage().heapUsed,
  });
  try {
    for (let turn = 0; campaign.messages < messages; turn++) {
      const end = Math.min(messages, campaign.messages + STRETCH);
      while (campaign.messages < end) campaign.step();
      ending(campaign, first, turn);
      globalThis.gc?.();
      const heap = process.memoryUsage().heapUsed;
      if (turn === HEAP_SETTLED) settled = heap;
      if (turn > HEAP_SETTLED && globalThis.gc !== undefined && heap > settled + HEAP_GROWTH) {
        throw new Broken(`the host's heap has grown from ${settled} to ${heap} octets`);
      }
      tell(told());
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    tell({ ...told(), broken: error.message, last: campaign.last });
  }
}

function usage(message: string): never {
  console.error(`${message}\nusage: npm run fuzz:ike -- [--messages N] [--seed S] [--jobs J] [--build B] [--missed]`);
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
        messages: { type: "string" },
        seed: { type: "string" },
        jobs: { type: "string" },
        build: { type: "string" },
        missed: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return usage((error as Error).message);
  }
}

/** The parent: starts the campaigns and adds up what they tell. */
async function fuzzIke(): Promise<void> {
  const values = options();
  const seed = number(values.seed, randomInt(1, 2 ** 31), "seed");
  const messages = number(values.messages, 10_000_000, "messages");
  const jobs = Math.min(number(values.jobs, availableParallelism(), "jobs"), messages);
  const build = (values.build ?? "simd") as Build;
  if (!["simd", "base"].includes(build)) usage(`--build ${build}: simd or base`);
  const made = instrumented(build);
  const began = performance.now();
  const latest = new Map<number, Told>();
  const sum = (of: (told: Told) => number): number => [...latest.values()].reduce((total, told) => total + of(told), 0);
  const counts = (): number[] => made.blocks.map((_, i) => sum((told) => told.counts[i] ?? 0));
  const tell = (job: number, told: Told): void => {
    latest.set(job, told);
    const all = sum((one) => one.messages);
    const reached = counts().filter((count) => count > 0).length;
    const rate = (all * 1000) / (performance.now() - began);
    console.log(
      `${all} messages, ${sum((one) => one.sealed)} of them sealed, ${rate.toFixed(0)} a second; ` +
        `${reached} of ${made.blocks.length} blocks, ${sum((one) => one.kept)} inputs kept; ` +
        `heaps ${[...latest.values()].map(({ heap }) => (heap / 1048576).toFixed(0)).join(" + ")} MB`,
    );
    if (told.broken === undefined) return;
    const directory = join(BUILD_DIRECTORY, "fuzz");
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `ike-${told.seed}.json`);
    writeFileSync(path, JSON.stringify({ ...told, counts: [] }, null, 1));
    console.error(
      `FAILED after ${told.messages} messages of seed ${told.seed}: ${told.broken}\nthe last ones are in ${path}; ` +
        `again: npm run fuzz:ike -- --jobs 1 --seed ${told.seed} --messages ${told.messages + 1}`,
    );
    process.exitCode = 1;
  };
  console.log(`seed ${seed}, ${messages} messages in ${jobs} processes, ${build} build`);
  const share = Math.ceil(messages / jobs);
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const order: Order = { seed: seed + job, messages: share, build };
      const child = fork(fileURLToPath(import.meta.url), ["--order", JSON.stringify(order)], {
        execArgv: ["--import", "tsx", "--expose-gc"],
        serialization: "advanced",
      });
      child.on("message", (told) => tell(job, told as Told));
      return new Promise<void>((resolve) =>
        child.on("close", (code) => {
          if (code !== 0) process.exitCode = 1;
          resolve();
        }),
      );
    }),
  );
  for (const line of table(coverage(made.blocks, counts()), values.missed ?? false)) console.log(line);
  const seconds = (performance.now() - began) / 1000;
  console.log(`${sum((told) => told.messages)} messages in ${seconds.toFixed(0)} s, seed ${seed}`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const at = process.argv.indexOf("--order");
  if (at < 0) await fuzzIke();
  else run(JSON.parse(process.argv[at + 1]!) as Order, (told) => process.send?.(told));
}
