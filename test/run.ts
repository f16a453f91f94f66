/**
 * `npm test`: builds, checks types and style, then runs as-pect's unit specs and uvu's host and system tests, and counts.
 *
 *   npm test                          everything
 *   npm run test:unit  [-- WORD...]   specs whose path holds one of the words (test:host, test:cli, test:system likewise)
 *   npm run test:tools                what other programs make of ours: not among everything, they have to be installed
 *   npm run test:panel                the front panel in Chromium: the same
 *
 * The runners are not to be trusted with silence: as-pect passes when no spec matches and stops at the first file that
 * does not compile; uvu passes with no test at all. So every file that is found must report at least one test, each uvu
 * file runs in a process of its own with a time limit, the long ones first, and nothing found is a failure. Ends in
 * `N passed, N failed`; exits non-zero unless something passed and nothing failed.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { inLanes, longFirst } from "./lanes.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const UVU_LIMIT_MS = 600_000;
const UNIT_LIMIT_MS = 900_000;
/** Files of uvu at a time: most of them take turns on one thread. */
const PARALLEL = 2;
/** Those that take longest, the longest first. */
const LONG = [
  ...["bench_figures", "example_board", "cli", "bench_crypto", "crypto_builds", "ipsec_board_properties"],
  ...["chassis_injection", "chassis", "ike_collisions", "ike_scale", "ike_fuzz"],
];

/** Those that wait for timers and retries most of their time: they run beside the others, and are the first to begin. */
const PATIENT = ["stories_remote", "progress", "hostile_peer", "shelf_trust", "top"];
const PATIENT_PARALLEL = 3;

interface Count {
  passed: number;
  failed: number;
}

interface Outcome {
  code: number | null;
  output: string;
}

/** Runs node with `args`; its output is collected, and the process ended after `limit` milliseconds. */
function node(args: string[], limit: number, environment: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const timer = setTimeout(() => {
      output += `\nended after ${limit / 1000} s\n`;
      child.kill("SIGKILL");
    }, limit);
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** Files under `directory` whose name ends in `suffix` and whose path holds one of `words` (none: all), sorted. */
function find(directory: string, suffix: string, words: string[]): string[] {
  let entries: string[];
  try {
    entries = readdirSync(join(ROOT, directory), { recursive: true }) as string[];
  } catch {
    return [];
  }
  return entries
    .map((entry) => join(directory, entry))
    .filter((path) => path.endsWith(suffix) && (words.length === 0 || words.some((word) => path.includes(word))))
    .sort();
}

const ANSI = /\u001b\[[0-9;]*m/g;

function report(ok: boolean, what: string, detail = ""): void {
  console.log(`${ok ? "ok  " : "FAIL"}  ${what}${detail === "" ? "" : `  ${detail}`}`);
}

function show(output: string): void {
  for (const line of output.replace(ANSI, "").trim().split("\n")) console.log(`      ${line}`);
}

/** One command that is right or wrong as a whole. */
async function check(what: string, args: string[]): Promise<Count> {
  const { code, output } = await node(args, UNIT_LIMIT_MS);
  report(code === 0, what);
  if (code !== 0) show(output);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
}

interface SpecResult {
  passed: number;
  total: number;
  text: string;
}

/** What as-pect's summary says per file: "✔ test/unit/rt/bytes.spec.ts Pass: 4 / 4 Todo: 0 Time: 3.1ms". */
function parseSpecs(output: string): Map<string, SpecResult> {
  const results = new Map<string, SpecResult>();
  let current: SpecResult | undefined;
  for (const line of output.replace(ANSI, "").split("\n")) {
    const match = /^(?:✔|❌) (\S+\.spec\.ts)\s+Pass: (\d+) \/ (\d+)/.exec(line);
    if (match) {
      current = { passed: Number(match[2]), total: Number(match[3]), text: line };
      results.set(relative(ROOT, join(ROOT, match[1]!)), current);
    } else if (current) current.text += `\n${line}`;
  }
  return results;
}

/** All specs in one as-pect configuration. A file that stops as-pect is set aside and the rest is run again. */
async function specs(files: string[], configuration: string, label: string): Promise<Count> {
  const count = { passed: 0, failed: 0 };
  let waiting = files;
  while (waiting.length > 0) {
    const { code, output } = await node(
      ["node_modules/@as-pect/cli/bin/asp.js", "--no-logo", "--summary", "--as-config", configuration],
      UNIT_LIMIT_MS,
      { CARDCAGE_SPECS: waiting.join(",") },
    );
    const results = parseSpecs(output);
    for (const [file, result] of results) {
      const failed = result.total - result.passed;
      const ok = failed === 0 && result.total > 0;
      report(ok, `${file} (${label})`, result.total === 0 ? "no test" : `${result.passed} of ${result.total}`);
      if (!ok) show(result.text);
      count.passed += result.passed;
      count.failed += result.total === 0 ? 1 : failed;
    }
    const missing = waiting.filter((file) => !results.has(file));
    if (missing.length === 0) {
      if (code !== 0 && count.failed === 0) {
        report(false, `as-pect (${label})`, `exit code ${code}`);
        show(output.slice(-4000));
        count.failed += 1;
      }
      break;
    }
    // as-pect goes through its files in order: the first without a result is the one that stopped it.
    report(false, `${missing[0]} (${label})`, "no result");
    show(
      output
        .replace(ANSI, "")
        .split("\n")
        .filter((line) => !/^(✔|❌) |^Using config|^ASC Version|AS-pect/.test(line))
        .join("\n"),
    );
    count.failed += 1;
    waiting = missing.slice(1);
  }
  return count;
}

/** What can be said of the sources as they stand. */
async function sources(): Promise<Count> {
  const [types, style] = await Promise.all([
    check("typecheck", ["node_modules/typescript/bin/tsc", "--noEmit"]),
    check("lint", ["node_modules/eslint/bin/eslint.js", "."]),
  ]);
  return { passed: types.passed + style.passed, failed: types.failed + style.failed };
}

async function unit(words: string[]): Promise<Count> {
  const files = find("test/unit", ".spec.ts", words);
  if (files.length === 0) return nothingFound("test/unit", "specs");
  const [simd, base] = await Promise.all([
    specs(files, "as-pect.asconfig.json", "simd"),
    specs(files, "as-pect.base.asconfig.json", "base"),
  ]);
  return { passed: simd.passed + base.passed, failed: simd.failed + base.failed };
}

function nothingFound(directory: string, what: string): Count {
  report(false, directory, `no ${what} found`);
  return { passed: 0, failed: 1 };
}

/** One uvu file: what its totals say, and that it said them. */
async function uvuFile(file: string): Promise<Count> {
  const began = performance.now();
  const { code, output } = await node(["--import", "tsx", file], UVU_LIMIT_MS);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const plain = output.replace(ANSI, "");
  const number = (name: string): number => {
    const matches = [...plain.matchAll(new RegExp(`^  ${name}:\\s+(\\d+)$`, "gm"))];
    return Number(matches.at(-1)?.[1] ?? 0);
  };
  const total = number("Total");
  const passed = number("Passed");
  const skipped = number("Skipped");
  // An exit code without a failed test is a failure of its own: an error outside any test.
  const failed = Math.max(total - passed, total === 0 || skipped > 0 || code !== 0 ? 1 : 0);
  const detail =
    total === 0 ? "no test ran" : `${passed} of ${total}${skipped > 0 ? `, ${skipped} skipped` : ""}  (${seconds} s)`;
  report(failed === 0, file, detail);
  if (failed > 0) show(plain);
  return { passed, failed };
}

async function uvu(directory: string, words: string[]): Promise<Count> {
  const files = find(directory, ".test.ts", words);
  if (files.length === 0) return nothingFound(directory, "tests");
  const count = { passed: 0, failed: 0 };
  const take = async (file: string): Promise<void> => {
    const result = await uvuFile(file);
    count.passed += result.passed;
    count.failed += result.failed;
  };
  const patient = files.filter((file) => PATIENT.some((name) => file.endsWith(`/${name}.test.ts`)));
  const busy = files.filter((file) => !patient.includes(file));
  await Promise.all([
    inLanes(longFirst(patient, PATIENT), PATIENT_PARALLEL, take),
    inLanes(longFirst(busy, LONG), PARALLEL, take),
  ]);
  return count;
}

const STAGES: Record<string, (words: string[]) => Promise<Count>> = {
  build: () => check("build", ["--import", "tsx", "host/build/build.ts"]),
  sources,
  unit,
  host: (words) => uvu("test/host", words),
  cli: (words) => uvu("test/cli", words),
  system: (words) => uvu("test/system", words),
  tools: (words) => uvu("test/tools", words),
  panel: (words) => uvu("test/panel", words),
};
/** Those that want nothing but this checkout. */
const PLAIN = Object.keys(STAGES).filter((name) => name !== "tools" && name !== "panel");

const [stage, ...words] = process.argv.slice(2);
if (stage !== undefined && !Object.hasOwn(STAGES, stage)) {
  console.error(`${stage}: no such stage (${Object.keys(STAGES).join(", ")})`);
  process.exit(2);
}
const sum = { passed: 0, failed: 0 };
for (const name of stage === undefined ? PLAIN : [stage]) {
  console.log(`== ${name}`);
  const started = performance.now();
  const count = await STAGES[name]!(words);
  sum.passed += count.passed;
  sum.failed += count.failed;
  console.log(
    `   ${count.passed} passed, ${count.failed} failed in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
