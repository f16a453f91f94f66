/**
 * What under build/ was made from which sources, and whether those are still as they were: thread_file.ts and host/build/programs.ts
 * make, and the command's entry asks before it can load TypeScript. So this is JavaScript.
 *
 * A list, NAME.json, has the digest of all sources, their paths and what was made of them.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout, or the package where it is installed: from here, and from one directory below build/. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Digest of files by their path from the root, and of package.json; undefined when one is not there. */
export function digestOf(inputs) {
  const hash = createHash("sha256");
  try {
    for (const input of ["package.json", ...inputs]) hash.update(`${input}\n`).update(readFileSync(join(ROOT, input)));
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}

/** What the list says, of whatever sources; undefined without one that can be read. */
export function listed(list) {
  try {
    const made = JSON.parse(readFileSync(list, "utf8"));
    return Array.isArray(made?.inputs) && made.files?.length > 0 ? made : undefined;
  } catch {
    return undefined;
  }
}

/** What the list says, when all its files are there and its sources are as they were; else undefined. */
export function current(list) {
  const made = listed(list);
  if (!made?.files.every((file) => existsSync(join(dirname(list), file)))) return undefined;
  return digestOf(made.inputs) === made.digest ? made : undefined;
}

/** Writes a file at once: another process may be reading it. */
export function replace(path, contents) {
  const draft = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(draft, contents);
  renameSync(draft, path);
}
