/**
 * What an output was made from, as one digest: sources, settings and compiler. Equal digests mean that there is nothing to
 * build.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT } from "./compile.ts";
import { reachable } from "./imports.ts";

/** The runtime is linked without an import line. */
const RUNTIME = ["assembly/rt/noheap.ts", "assembly/rt/fault.ts"];
/** A change of the build driver itself makes everything anew. */
const DRIVER = ["host/build/build.ts", "host/image/lint.ts"];
const SETTINGS = ["asconfig.json", "package.json"];

/** Version of the compiler in use. */
export function compilerVersion(): string {
  const text = readFileSync(join(ROOT, "node_modules/assemblyscript/package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Digest of `entry` with all that it reaches, `extra` files, settings and `parameters`. */
export function inputDigest(entry: string, extra: readonly string[], parameters: string): string {
  const hash = createHash("sha256");
  hash.update(`${compilerVersion()}\n${parameters}\n`);
  const rooted = [...RUNTIME, ...DRIVER].map((file) => join(ROOT, file));
  const files = [...reachable([entry, ...rooted]), ...SETTINGS.map((file) => join(ROOT, file)), ...extra];
  for (const file of files) {
    hash.update(`${relative(ROOT, file)}\n`);
    hash.update(createHash("sha256").update(readFileSync(file)).digest());
  }
  return hash.digest("hex");
}
