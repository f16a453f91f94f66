/**
 * A thread's program as one file of JavaScript under build/threads/, made from its TypeScript when that has changed.
 *
 * A worker does not inherit the TypeScript loader, and to start one in every thread takes most of a second of it: a gateway has a thread for
 * each board, one for the NIC and one for the secure element. Packages stay outside and are found in node_modules as ever.
 *
 * Its name has a digest of all that it was made from, whose list is beside it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Esbuild from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DIRECTORY = join(ROOT, "build", "threads");
/** What this process has asked for already, by source. */
const known = new Map<string, URL>();

/** Digest of the files, or undefined when one is not there. */
function digestOf(inputs: readonly string[]): string | undefined {
  const hash = createHash("sha256");
  try {
    for (const input of ["package.json", ...inputs]) hash.update(`${input}\n`).update(readFileSync(join(ROOT, input)));
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}

interface Made {
  digest: string;
  inputs: string[];
}

function madeBefore(list: string): Made | undefined {
  try {
    return JSON.parse(readFileSync(list, "utf8")) as Made;
  } catch {
    return undefined;
  }
}

/** Replaces a file at once: another process may be reading it. */
function replace(path: string, text: string | Uint8Array): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

/**
 * The file to give to a Worker for the program at `source`, a file: URL of TypeScript. Throws when it does not compile, or cannot be
 * written.
 */
export function threadFile(source: URL): URL {
  const file = known.get(source.href) ?? made(relative(ROOT, fileURLToPath(source)));
  known.set(source.href, file);
  return file;
}

function made(entry: string): URL {
  const name = entry.replace(/\.ts$/, "").replaceAll(sep, "_");
  const list = join(DIRECTORY, `${name}.json`);
  const before = madeBefore(list);
  if (before !== undefined && digestOf(before.inputs) === before.digest) return place(name, before.digest);
  // Who runs what is built already does not load it.
  const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof Esbuild;
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const inputs = Object.keys(metafile.inputs).sort();
  const digest = digestOf(inputs);
  if (digest === undefined) throw new Error(`${entry} changes while it is compiled`);
  const file = place(name, digest);
  mkdirSync(DIRECTORY, { recursive: true });
  replace(fileURLToPath(file), outputFiles[0]!.contents);
  replace(list, JSON.stringify({ digest, inputs } satisfies Made));
  return file;
}

function place(name: string, digest: string): URL {
  return pathToFileURL(join(DIRECTORY, `${name}-${digest.slice(0, 16)}.mjs`));
}
