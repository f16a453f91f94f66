/**
 * A thread's program as one file of JavaScript under build/threads/, made from its TypeScript when that has changed.
 *
 * A worker does not inherit the TypeScript loader, and to start one in every thread takes most of a second of it: a gateway has a thread for
 * each board, one for the NIC and one for the secure element. Packages stay outside and are found in node_modules as ever.
 *
 * Its name has a digest of all that it was made from, whose list is beside it (sources.mjs).
 */
import { createRequire } from "node:module";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Esbuild from "esbuild";
import { current, digestOf, type Made, replace, ROOT } from "./sources.mjs";

export const THREAD_DIRECTORY = join(ROOT, "build", "threads");
/** What this process has asked for already, by source. */
const known = new Map<string, URL>();

/**
 * The file to give to a Worker for the program at `source`, a file: URL of TypeScript. Throws when it does not compile, or cannot be
 * written.
 */
export function threadFile(source: URL): URL {
  const file = known.get(source.href) ?? made(relative(ROOT, fileURLToPath(source)));
  known.set(source.href, file);
  return file;
}

/** Of the program at `entry`, a path from the root: how the names of its file and of its list begin. */
export const threadName = (entry: string): string => entry.replace(/\.ts$/, "").replaceAll(sep, "_");

function made(entry: string): URL {
  const name = threadName(entry);
  const list = join(THREAD_DIRECTORY, `${name}.json`);
  const before = current(list)?.files[0];
  if (before !== undefined) return pathToFileURL(join(THREAD_DIRECTORY, before));
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
  const file = `${name}-${digest.slice(0, 16)}.mjs`;
  replace(join(THREAD_DIRECTORY, file), outputFiles[0]!.contents);
  replace(list, JSON.stringify({ digest, inputs, files: [file] } satisfies Made));
  return pathToFileURL(join(THREAD_DIRECTORY, file));
}
