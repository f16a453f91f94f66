/**
 * One run of asc in a process of its own. asc exits 0 without output when it dislikes its arguments, so success is: exit 0
 * and the output exists.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Build } from "../image/manifest.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ASC = join(ROOT, "node_modules/assemblyscript/bin/asc.js");

export interface Compilation {
  /** Entry file and output, absolute or relative to the repository. */
  entry: string;
  output: string;
  build: Build;
  /** Pages of RAM; absent: as asconfig.json says. */
  ram?: { least: number; most: number };
}

/** Compiles; throws what asc said when it fails. */
export async function compile(job: Compilation): Promise<void> {
  const entry = relative(ROOT, join(ROOT, relative(ROOT, job.entry)));
  const output = relative(ROOT, job.output);
  const args = [ASC, entry, "--target", job.build, "-o", output];
  if (job.ram !== undefined) {
    args.push("--initialMemory", String(job.ram.least), "--maximumMemory", String(job.ram.most));
  }
  const { code, said } = await run(args);
  if (code !== 0) throw new Error(`${entry} (${job.build}) does not compile:\n${said.trimEnd()}`);
  if (!existsSync(job.output)) throw new Error(`${entry} (${job.build}): asc wrote no output:\n${said.trimEnd()}`);
  if (said !== "") process.stderr.write(said);
}

function run(args: string[]): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, said }));
  });
}
