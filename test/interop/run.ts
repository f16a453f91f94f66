/**
 * `npm run test:interop`: our gateway against strongSwan, libreswan and OpenIKED, in network namespaces. Needs root, /dev/net/tun
 * and what README.md lists; what is missing is named. Our IPsec board on a bench, against
 * Scapy or read by tshark, needs neither (`-- scapy`, `-- tshark`).
 *
 *   npm run test:interop -- [WORD...]         cases whose name holds every word
 *   npm run test:interop -- --self            strongSwan in our place too: checks the machine, not us
 *   npm run test:interop -- --harness DIR     also the scenarios of an interop harness in DIR
 *   npm run test:interop -- --only-harness    nothing but those; DIR may also be given as CARDCAGE_INTEROP
 *   npm run test:interop -- --foreign --harness DIR   libreswan and OpenIKED as peers, and nothing else
 *   npm run test:interop -- --soak            nothing but fast rekeys under iperf3, six minutes (wants iperf3), and gateways that die and come again
 *   npm run test:interop -- --keep            leaves the logs and says where
 *
 * Ends in `N passed, N failed`; exits non-zero when something failed, nothing ran, or something needed is missing.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inLanes } from "../lanes.ts";
import { CASES } from "./cases.ts";
import type { Case } from "./cases.ts";
import { missingFakeKernel } from "./fake_kernel.ts";
import { foreignCases, missingForeign } from "./foreign_cases.ts";
import { runHarness } from "./harness.ts";
import { run, stopAll, tidily } from "./process.ts";
import { RESTART_CASES } from "./restart_cases.ts";
import { SOAK_CASES } from "./soak_cases.ts";
import { missingStrongSwan } from "./strongswan.ts";
import { Topology, removeStale } from "./topology.ts";
import { World } from "./world.ts";

/** One of those that a gateway takes by default. */
const IMAGE = new URL("../../build/ike.simd.wasm", import.meta.url);

/** Cases at a time, each in namespaces of its own. Two processors are not busy with fewer: much of a case is waiting. */
const LANES = 3;

export interface Tally {
  passed: number;
  failed: number;
}

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    self: { type: "boolean", default: false },
    harness: { type: "string", default: process.env.CARDCAGE_INTEROP },
    "only-harness": { type: "boolean", default: false },
    soak: { type: "boolean", default: false },
    foreign: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});

/** The cases that are asked for. */
function chosenCases(): Case[] {
  if (options["only-harness"]) return [];
  if (options.soak)
    return [...SOAK_CASES, ...RESTART_CASES].filter(({ name }) => words.every((word) => name.includes(word)));
  if (options.foreign && options.harness === undefined) throw new Error("--foreign needs --harness DIR");
  const cases = options.foreign ? foreignCases(options.harness as string) : CASES;
  return cases.filter(
    ({ name, oursOnly }) => words.every((word) => name.includes(word)) && !(options.self && oursOnly === true),
  );
}

/** Whether anything but boards on a bench is asked for. */
const needsNamespaces = (chosen: readonly Case[]): boolean =>
  options.harness !== undefined || chosen.length === 0 || chosen.some(({ bench }) => bench !== true);

/** What keeps the tests from running at all. */
async function missing(chosen: readonly Case[]): Promise<string[]> {
  const own = new Set(chosen.flatMap(({ missing }) => missing ?? []));
  const lacks = (await Promise.all([...own].map((missing) => missing()))).flat();
  if (!needsNamespaces(chosen)) return lacks;
  if (process.getuid?.() !== 0) return [...lacks, "root: network namespaces, raw sockets and TUN devices need it"];
  lacks.push(...missingStrongSwan());
  if (!options.self && !existsSync(IMAGE)) lacks.push("the boards' images (npm run build)");
  if (!existsSync("/dev/net/tun")) lacks.push("/dev/net/tun (load the tun module)");
  for (const [program, words, name] of [
    ["ip", ["-V"], "iproute2"],
    ["ping", ["-V"], "iputils-ping"],
    ["tcpdump", ["--version"], "tcpdump"],
    ["sysctl", ["-V"], "procps"],
  ] as const) {
    if ((await run(program, words)).code === -1) lacks.push(`${program} (Debian package ${name})`);
  }
  if (options.harness !== undefined) lacks.push(...(await missingFakeKernel(options.harness)));
  if (options.soak && (await run("iperf3", ["--version"])).code !== 0) lacks.push("iperf3 (Debian package iperf3)");
  if (chosen.some(({ foreign }) => foreign === true)) lacks.push(...(await missingForeign()));
  return lacks;
}

/** One case in a directory of its own; whether it passed. */
async function runCase({ name, story }: Case, topology: Topology, directory: string): Promise<boolean> {
  const began = performance.now();
  const world = new World(topology, directory, options.self);
  let failure: Error | undefined;
  let told = "";
  try {
    told = await story(world);
  } catch (error) {
    failure = error as Error;
  }
  const tails = failure === undefined ? "" : await world.tails();
  await world.close();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const lines = [...world.told, ...(failure?.message.split("\n") ?? [])].map((line) => `      ${line}\n`).join("");
  if (failure === undefined) console.log(`${lines}ok    ${name}  (${told}; ${seconds} s)`);
  else console.log(`FAIL  ${name}  (${seconds} s)\n${lines}${tails}`);
  return failure === undefined;
}

/** Each lane has a topology of its own. Those that keep a pace mostly wait: they are beside one another when the others are through. */
async function runCases(topologies: readonly Topology[], directory: string, chosen: readonly Case[]): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0 };
  const take = async (one: Case, lane: number): Promise<void> => {
    const own = join(directory, `case-${chosen.indexOf(one) + 1}`);
    const passed = await tidily(() => runCase(one, topologies[lane] as Topology, own));
    tally[passed ? "passed" : "failed"]++;
  };
  for (const paced of [false, true]) {
    const those = chosen.filter((one) => (one.paced ?? false) === paced);
    await inLanes(those, topologies.length, take);
  }
  return tally;
}

async function main(): Promise<number> {
  const chosen = chosenCases();
  const lacks = await missing(chosen);
  if (lacks.length > 0) {
    console.error(`the interoperability tests cannot run, missing:\n${lacks.map((line) => `  ${line}`).join("\n")}`);
    return 2;
  }
  await removeStale();
  // OpenIKED gives its kernel, which is a program of ours there, two seconds for an answer, and then drops the IKE_SA.
  const lanes = options.foreign ? 1 : LANES;
  const topologies = Array.from({ length: Math.min(lanes, chosen.length) }, (_, lane) => new Topology(lane));
  const directory = mkdtempSync(join(tmpdir(), "cardcage-interop-"));
  const sum: Tally = { passed: 0, failed: 0 };
  const add = ({ passed, failed }: Tally): void => {
    sum.passed += passed;
    sum.failed += failed;
  };
  const clean = async (): Promise<void> => {
    await stopAll();
    for (const topology of topologies) await topology.down();
    if (!options.keep) rmSync(directory, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void clean().then(() => process.exit(130)));
  try {
    if (options.self) console.log("self check: strongSwan on both sides, nothing of ours is tested");
    if (chosen.length > 0) {
      if (needsNamespaces(chosen)) for (const topology of topologies) await topology.up();
      add(await runCases(topologies, directory, chosen));
    }
    const { harness } = options;
    if (harness === undefined && options["only-harness"])
      throw new Error("--only-harness needs --harness DIR or CARDCAGE_INTEROP");
    if (!options.soak && !options.foreign) {
      if (harness !== undefined) add(await runHarness(harness, directory, words));
      else console.log("not run without --harness DIR: its scenarios");
    }
  } finally {
    await clean();
  }
  if (options.keep) console.log(`logs are in ${directory}`);
  if (sum.passed + sum.failed === 0) console.error("no case ran");
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  return sum.failed > 0 || sum.passed === 0 ? 1 : 0;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  return 1;
});
