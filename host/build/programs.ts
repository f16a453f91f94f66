/**
 * The programs of the host in JavaScript, part of `npm run build`: a gateway has nothing to compile when it starts.
 *
 *   host/cli/cardcage.ts -> esbuild -> build/cli/cardcage-HASH.mjs, and a file for each part that a command loads when it wants it
 *   a thread's program   -> thread_file.ts -> build/threads/NAME-DIGEST.mjs
 *
 * What was made of earlier sources stays beside it: a gateway that runs starts threads from it for as long as it lives, and nobody here knows
 * of those that do. The package has none of it.
 *
 * Packages stay outside and are found in node_modules as ever.
 */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { current, digestOf, listed, type Made, replace, ROOT } from "../thread/sources.mjs";
import { THREAD_DIRECTORY, threadFile, threadName } from "../thread/thread_file.ts";

const ENTRY = "host/cli/cardcage.ts";
const DIRECTORY = join(ROOT, "build", "cli");
const LIST = join(DIRECTORY, "cardcage.json");
/** Says which files of a directory are for the package. */
const PACKED = ".npmignore";
/** A change of how it is made makes it anew. */
const DRIVER = relative(ROOT, fileURLToPath(import.meta.url));

/** What runs in threads of a gateway or a shelf. */
export const THREAD_PROGRAMS: readonly string[] = [
  "host/chassis/drive/board_worker.ts",
  "host/chassis/remote/remote_worker.ts",
  "host/nic/linux/line_receiver.ts",
  "host/nic/linux/line_sender.ts",
  "host/nic/linux/worker.ts",
  "host/secure_element/element_thread.ts",
];

export interface ProgramResult {
  /** Absolute. */
  path: string;
  octets: number;
  /** False: it was up to date. */
  built: boolean;
}

/** A module finds what lies beside it by its own place, which in the output is that of its source still. */
const ownPlaces: Plugin = {
  name: "own-places",
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const place = JSON.stringify(relative(DIRECTORY, path).replaceAll(sep, "/"));
      const contents = text.replaceAll("import.meta.url", `new URL(${place}, import.meta.url).href`);
      return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
    });
  },
};

/** Of files in a directory, together. */
const octetsOf = (directory: string, files: readonly string[]): number =>
  files.reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);

const result = (directory: string, files: readonly string[], built: boolean): ProgramResult => ({
  path: join(directory, files[0] as string),
  octets: octetsOf(directory, files),
  built,
});

/** The command's; what is up to date is left alone unless `force`. Throws when it does not compile, or its sources change meanwhile. */
async function buildCommand(force = false): Promise<ProgramResult> {
  const before = current(LIST);
  if (!force && before !== undefined) return result(DIRECTORY, before.files, false);
  const began = Date.now();
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [ENTRY],
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    plugins: [ownPlaces],
    outdir: DIRECTORY,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    sourcemap: "linked",
    // They are where the map says that they are, in the package, too.
    sourcesContent: false,
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const inputs = [...Object.keys(metafile.inputs), DRIVER].sort();
  const digest = digestOf(inputs);
  // What was written since may be in the digest and not in the output, which would pass for current then.
  if (digest === undefined || inputs.some((input) => statSync(join(ROOT, input)).mtimeMs >= began))
    throw new Error(`${ENTRY} or what it imports changes while it is compiled`);
  const entry = Object.keys(metafile.outputs).find((path) => metafile.outputs[path]?.entryPoint === ENTRY);
  const first = basename(entry as string);
  const files = [first, ...outputFiles.map(({ path }) => basename(path)).filter((name) => name !== first)];
  for (const { path, contents } of outputFiles) replace(path, contents);
  const replaced = listed(LIST)?.files ?? [];
  replace(LIST, JSON.stringify({ digest, inputs, files } satisfies Made));
  // A command that has begun with the files before these loads more of them still.
  const kept = new Set([basename(LIST), PACKED, ...files, ...replaced]);
  for (const name of readdirSync(DIRECTORY)) if (!kept.has(name)) rmSync(join(DIRECTORY, name), { recursive: true });
  return result(DIRECTORY, files, true);
}

/** Of the threads; what is up to date is left alone. Throws when one does not compile. */
function buildThreads(): ProgramResult[] {
  return THREAD_PROGRAMS.map((program) => {
    const before = existsSync(THREAD_DIRECTORY) ? readdirSync(THREAD_DIRECTORY) : [];
    const name = basename(fileURLToPath(threadFile(pathToFileURL(join(ROOT, program)))));
    return result(THREAD_DIRECTORY, [name], !before.includes(name));
  });
}

/** Of a directory, npm packs these lists with the files that they name, and nothing else. */
function packOnly(directory: string, lists: readonly string[]): void {
  const files = lists.flatMap((list) => [list, ...(listed(join(directory, list))?.files ?? [])]);
  replace(join(directory, PACKED), ["*", ...files.map((file) => `!${file}`), ""].join("\n"));
}

/** All of them. Throws when one does not compile. */
export async function buildPrograms(force: boolean): Promise<ProgramResult[]> {
  const results = [await buildCommand(force), ...buildThreads()];
  packOnly(DIRECTORY, [basename(LIST)]);
  packOnly(
    THREAD_DIRECTORY,
    THREAD_PROGRAMS.map((program) => `${threadName(program)}.json`),
  );
  return results;
}
