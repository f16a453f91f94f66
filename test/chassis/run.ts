/**
 * `npm run test:chassis`: what chassis gateways promise, tried at every point where it could break.
 *
 *   npm run test:chassis                         all files test/chassis/*.test.ts
 *   npm run test:chassis -- WORD... [--seed N]   those whose path holds one of the words; the seed of random schedules
 *   ... --schedules N                            crashes that are tried (takeover.test.ts)
 *   ... --write                                  writes the table of docs/changes.md instead of reading it
 *
 * Each file runs in a process of its own with CARDCAGE_SEED, must report at least one test, and has a time limit; as many at a time as
 * there are processors, the long ones first, and what one says is shown when it ends. Ends in `N passed, N failed`; exits non-zero
 * unless something passed and nothing failed.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { inLanes, longFirst } from "../lanes.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 1_800_000;
/** Those that take longest, the longest first. */
const LONG = ["faults", "orphan", "changes", "restart", "flash_power_cut"];

const words = process.argv.slice(2);

/** Takes an option and its number off the words. */
function numberOf(option: string, otherwise: number): number {
  const at = words.indexOf(option);
  return at < 0 ? otherwise : Number(words.splice(at, 2)[1]);
}

const seed = numberOf("--seed", (Date.now() & 0x7fff_ffff) | 1);
const schedules = numberOf("--schedules", 400);
const write = words.includes("--write");
if (write) words.splice(words.indexOf("--write"), 1);
if (!Number.isInteger(seed) || !(schedules > 0) || words.some((word) => word.startsWith("-"))) {
  console.error("test/chassis/run.ts [WORD...] [--seed N] [--schedules N] [--write]");
  process.exit(2);
}

/** Runs one file. */
function run(file: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", file], {
      cwd: ROOT,
      env: {
        ...process.env,
        CARDCAGE_SEED: String(seed),
        CARDCAGE_SCHEDULES: String(schedules),
        CARDCAGE_WRITE: write ? "1" : "0",
        FORCE_COLOR: "0",
        NO_COLOR: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const timer = setTimeout(() => {
      output += `\nended after ${LIMIT_MS / 1000} s\n`;
      child.kill("SIGKILL");
    }, LIMIT_MS);
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

const files = longFirst(
  readdirSync(new URL(".", import.meta.url))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/chassis/${name}`)
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .sort(),
  LONG,
);
const sum = { passed: 0, failed: 0 };
await inLanes(files, availableParallelism(), async (file) => {
  const { code, output } = await run(file);
  console.log(`== ${file}, seed ${seed}\n${output}`);
  const number = (name: string): number =>
    Number([...output.matchAll(new RegExp(`^  ${name}:\\s+(\\d+)$`, "gm"))].at(-1)?.[1] ?? 0);
  const [total, passed, skipped] = [number("Total"), number("Passed"), number("Skipped")];
  // An exit code without a failed test is a failure of its own: an error outside any test.
  sum.passed += passed;
  sum.failed += Math.max(total - passed, total === 0 || skipped > 0 || code !== 0 ? 1 : 0);
});
if (files.length === 0) console.log("no such file");
console.log(`seed ${seed}\n${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
