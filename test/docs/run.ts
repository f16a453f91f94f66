/**
 * `npm run test:docs`: carries the guides out, as their readers would, and README.md's commands; and has typedoc make the API's pages.
 *
 *   npm run test:docs                 all guides
 *   npm run test:docs -- WORD...      those whose name holds one of the words
 *   npm run test:docs -- api          the API's pages alone
 *   npm run test:docs -- --keep       leaves the directories and says where
 *
 * Each guide has a fresh directory, one shell for all of its commands, `cardcage` in its path and the checkout in $CARDCAGE. One that
 * wants root is carried out in network, mount and process namespaces of its own, which end with it; nothing of this machine's is
 * touched. A guide that cannot be carried out has failed. Output that a guide shows is compared with what was printed (guide.ts).
 *
 * Ends in `N passed, N failed`: a block of commands or of output is one.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { difference, readGuide, type Guide } from "./guide.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 240_000;

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: "boolean", default: false } },
});

interface Tally {
  passed: number;
  failed: number;
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** In new namespaces: /proc of its own processes, an empty /run, configuration directories of its own, the loopback device. */
const NAMESPACE = `mount -t tmpfs none /run && mkdir /run/netns && mount -t tmpfs none /run/netns
ip link set lo up
`;

/** One script of all steps; where it stands is in the file `at`, and what step N prints in N.out. */
function scriptOf(guide: Guide, record: string): string {
  const lines = [
    "set -euo pipefail",
    `export PATH=${quote(join(record, "bin"))}:$PATH CARDCAGE=${quote(ROOT.replace(/\/$/, ""))} NO_COLOR=1 PIP_RETRIES=1`,
    ...(guide.root ? [NAMESPACE] : []),
  ];
  guide.steps.forEach((step, number) => {
    if (step.kind === "output") return;
    writeFileSync(join(record, String(number)), `${step.text}\n`);
    const from = quote(join(record, String(number)));
    lines.push(`echo ${number} > ${quote(join(record, "at"))}`, `exec > ${from}.out 2>&1`);
    if (step.kind === "commands") lines.push(`. ${from}`);
    else lines.push(`mkdir -p ${quote(dirname(step.name))} && cp ${from} ${quote(step.name)}`);
  });
  lines.push(`echo ${guide.steps.length} > ${quote(join(record, "at"))}`);
  return `${lines.join("\n")}\n`;
}

/** Runs the script to its end, and ends whatever it has left running. */
function runScript(guide: Guide, script: string, directory: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const shell = ["bash", script];
    const [program, ...args] = guide.root
      ? ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", ...shell]
      : shell;
    const child = spawn(program as string, args, { cwd: directory, stdio: "ignore", detached: true });
    let reason: string | undefined;
    const end = (): void => {
      try {
        process.kill(-(child.pid as number), "SIGKILL");
      } catch {
        // all of it has ended by itself
      }
    };
    const interrupted = (): never => {
      end();
      process.exit(130);
    };
    process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
    const timer = setTimeout(() => {
      reason = `not at its end after ${LIMIT_MS / 1000} s`;
      end();
    }, LIMIT_MS);
    child.once("error", (error) => (reason = error.message));
    child.once("close", (code) => {
      clearTimeout(timer);
      process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
      if (child.pid !== undefined) end();
      resolve(reason ?? (code === 0 ? undefined : `exit code ${code}`));
    });
  });
}

const indent = (text: string): string => text.trimEnd().replace(/^/gm, "      ");

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function carryOut(path: string): Promise<Tally> {
  const began = performance.now();
  const tally: Tally = { passed: 0, failed: 0 };
  const name = relative(ROOT, path);
  const fail = (what: string, detail: string): void => {
    tally.failed++;
    console.log(`FAIL  ${name}${what}\n${indent(detail)}`);
  };
  let guide: Guide;
  try {
    guide = readGuide(readFileSync(path, "utf8"));
  } catch (error) {
    fail("", (error as Error).message);
    return tally;
  }
  if (guide.root && process.getuid?.() !== 0) {
    fail("", "cannot be carried out: it wants root, for network namespaces");
    return tally;
  }
  const top = mkdtempSync(join(tmpdir(), "cardcage-docs-"));
  try {
    const [directory, record] = [join(top, basename(path, ".md")), join(top, "record")];
    for (const made of [directory, join(record, "bin")]) mkdirSync(made, { recursive: true });
    const command = join(record, "bin/cardcage");
    const entry = quote(join(ROOT, "host/cli/cardcage.mjs"));
    writeFileSync(command, `#!/bin/sh\nexec ${quote(process.execPath)} ${entry} "$@"\n`);
    chmodSync(command, 0o755);
    const script = join(record, "script");
    writeFileSync(script, scriptOf(guide, record));
    const reason = await runScript(guide, script, directory);
    const at = Number(read(join(record, "at")) || -1);
    if (at === -1) fail("", `nothing was carried out: ${reason}`);
    let ran = "";
    guide.steps.forEach((step, number) => {
      if (step.kind === "file") return;
      if (step.kind === "commands") ran = read(join(record, `${number}.out`));
      const here = `:${step.line}`;
      if (number > at) return;
      if (step.kind === "commands" && number === at && reason !== undefined)
        return fail(here, `${step.text}\n--> ${reason}\n${ran}`);
      const differs = step.kind === "output" ? difference(step.text, ran) : undefined;
      if (differs !== undefined) return fail(here, `the output has no such line here:\n${differs}\nIt is:\n${ran}`);
      tally.passed++;
    });
    if (reason !== undefined && tally.failed === 0) fail("", reason);
    if (guide.steps.length === 0) fail("", "there is nothing to carry out");
  } finally {
    if (options.keep) console.log(`      ${top}`);
    else rmSync(top, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const left = guide.left.length === 0 ? "" : `, ${guide.left.length} not run`;
  console.log(`${tally.failed === 0 ? "ok  " : "FAIL"}  ${name}  ${tally.passed} blocks${left}, ${seconds} s`);
  return tally;
}

/** The API's pages (typedoc.json): typedoc makes them, without a warning, and what the contract and the host export is there. */
function apiPages(): Tally {
  const began = performance.now();
  const out = mkdtempSync(join(tmpdir(), "cardcage-api-"));
  try {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["node_modules/typedoc/bin/typedoc", "--logLevel", "Warn", "--out", out],
      { cwd: ROOT, encoding: "utf8", timeout: LIMIT_MS, killSignal: "SIGKILL" },
    );
    const missing = [
      "index.html",
      "variables/assembly_abi_drop.DROP_REPLAY.html",
      "classes/host_chassis_chassis.Chassis.html",
    ]
      .filter((page) => read(join(out, page)) === "")
      .map((page) => `no ${page}`);
    const said = [status === 0 ? "" : `exit code ${status}`, stdout, stderr, ...missing].filter((text) => text !== "");
    console.log(`${said.length === 0 ? "ok  " : "FAIL"}  api  ${((performance.now() - began) / 1000).toFixed(1)} s`);
    if (said.length > 0) console.log(indent(said.join("\n")));
    return said.length === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

const GUIDES = join(ROOT, "docs/guides");
const pages = [
  join(ROOT, "README.md"),
  ...readdirSync(GUIDES)
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => join(GUIDES, file)),
].filter((path) => words.length === 0 || words.some((word) => basename(path).includes(word)));
const sum: Tally = { passed: 0, failed: 0 };
for (const page of pages) {
  const { passed, failed } = await carryOut(page);
  sum.passed += passed;
  sum.failed += failed;
}
if (words.length === 0 || words.includes("api")) {
  const { passed, failed } = apiPages();
  sum.passed += passed;
  sum.failed += failed;
} else if (pages.length === 0) console.error("no such guide");
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
