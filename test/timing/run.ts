/**
 * `npm run test:timing`: whether a kernel's time depends on its secrets, on every build that this engine validates.
 *
 *   --kernel WORD,...   only kernels whose name holds one of the words (the controls always run)
 *   --build NAME,...    simd,relaxed,base
 *   --samples N         16000: samples of each class in a run
 *   --runs N            3: runs that must agree before a kernel is said to leak
 *   --json FILE         {rows: [{build, kernel, concern, t, z, runs, leaks, ok}]}
 *
 * A run is suspicious when both Welch's t over the shorter part of the durations and the sign test over pairs lie beyond
 * LIMIT. One run without suspicion clears a kernel; a suspicious one is repeated with new inputs, in new places, and a kernel
 * leaks when all runs are suspicious in the same direction: what else a machine does is seldom so consistent. First come the
 * controls: the leaky ones must be caught and the clean ones pass, or else the check itself has failed.
 *
 * It sees what an optimising compiler made of the code on this processor, at the lengths measured: proof of a leak, no proof that
 * there is none. Ends in `N passed, N failed`; exits non-zero when a kernel leaks or a control is judged wrongly.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import type { Build } from "../../host/image/manifest.ts";
import { buildEntry } from "../../host/build/build.ts";
import { controlCases, kernelCases, type Control } from "./cases.ts";
import { measure, type Case } from "./measure.ts";

const BUILDS = ["simd", "relaxed", "base"] as const;
const LIMIT = 5;
/** Milliseconds before the first case of a kernel, and before each further one. */
const WARM_UP_MS = 400;
const AGAIN_MS = 50;

const { values } = parseArgs({
  options: {
    kernel: { type: "string", default: "" },
    build: { type: "string", default: BUILDS.join() },
    samples: { type: "string", default: "16000" },
    runs: { type: "string", default: "3" },
    json: { type: "string" },
  },
});

function number(text: string, least: number, most: number, what: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    console.error(`${what} ${text}: a whole number from ${least} to ${most}`);
    process.exit(2);
  }
  return value;
}

const samples = number(values.samples, 100, 10_000_000, "samples");
const runs = number(values.runs, 1, 100, "runs");
const builds = values.build.split(",");
for (const build of builds) {
  if (!(BUILDS as readonly string[]).includes(build)) {
    console.error(`build ${build}: one of ${BUILDS.join(", ")}`);
    process.exit(2);
  }
}
const words = values.kernel.split(",");

interface Row {
  build: string;
  kernel: string;
  concern: string;
  t: number;
  z: number;
  runs: number;
  leaks: boolean;
  ok: boolean;
}

const rows: Row[] = [];

/** Measures until a run is not suspicious, or `runs` are that agree; the row has the least suspicious run. */
function judge(build: string, one: Case, expected: boolean, warmUp: number): void {
  let least = { t: Infinity, z: Infinity };
  let direction = 0;
  let done = 0;
  let leaks = true;
  while (leaks && done < runs) {
    const found = measure(one, samples, done === 0 ? warmUp : AGAIN_MS);
    done += 1;
    if (Math.abs(found.t) < Math.abs(least.t)) least = found;
    if (direction === 0) direction = Math.sign(found.t);
    leaks = Math.abs(found.t) > LIMIT && found.z * direction > LIMIT && found.t * direction > LIMIT;
    if (!leaks) least = found;
  }
  const ok = leaks === expected;
  rows.push({ build, kernel: one.kernel, concern: one.concern, t: least.t, z: least.z, runs: done, leaks, ok });
  console.log(
    [
      build.padEnd(8),
      one.kernel.padEnd(32),
      one.concern.padEnd(10),
      Math.abs(least.t).toFixed(1).padStart(8),
      Math.abs(least.z).toFixed(1).padStart(8),
      String(done).padStart(5),
      ` ${ok ? "ok  " : "FAIL"}`,
      leaks ? "leaks" : "",
    ]
      .join(" ")
      .trimEnd(),
  );
}

async function load(entry: string, build: Build): Promise<WebAssembly.Module | null> {
  const octets = readFileSync(await buildEntry(`test/entries/${entry}.ts`, build));
  return WebAssembly.validate(octets) ? new WebAssembly.Module(octets) : null;
}

// Only code in its final form is measured: no first tier, and nothing is compiled while the clock runs.
setFlagsFromString("--no-liftoff");
setFlagsFromString("--experimental-wasm-relaxed-simd");
console.log("build    kernel                           concern         |t|      |z|  runs");
for (const build of builds as Build[]) {
  const controls = await load("timing_controls", build);
  const kernels = await load("timing_kernels", build);
  if (controls === null || kernels === null) {
    console.log(`${build}: this engine does not validate it`);
    continue;
  }
  const chosen = kernelCases(kernels).filter((one) => words.some((word) => one.kernel.includes(word)));
  const all: (Case | Control)[] = [...controlCases(controls), ...chosen];
  let warm = "";
  for (const one of all) {
    judge(build, one, "leaks" in one && one.leaks, one.kernel === warm ? AGAIN_MS : WARM_UP_MS);
    warm = one.kernel;
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 2)}\n`);
const failed = rows.filter((row) => !row.ok).length;
console.log(`${rows.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 || rows.length === 0 ? 1 : 0;
