/**
 * `npm run build`: every board in every build, checked against the board ABI, and the host's programs (programs.ts).
 * `npm run build -- ipsec examples/board/policer`: boards alone, by name, and boards that lie elsewhere by their directory;
 * `--only simd`: that build alone.
 *
 *   boards/NAME/board.json, index.ts -> asc -> lint -> manifest appended -> build/NAME.{simd,base,relaxed}.wasm and .map
 *   assembly/NAME/index.ts of a part -> asc -----------------------------> the same
 *
 * An image appears under its name only when all checks passed, so what lies in build/ can be powered. What is up to date
 * is left alone. Refuses to write an image that breaks a rule of the ABI.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ABI_VERSION } from "../../assembly/abi/board.ts";
import { lintModule } from "../image/lint.ts";
import { appendManifest, BUILDS } from "../image/manifest.ts";
import type { Build } from "../image/manifest.ts";
import { readBoardFile, readBoards } from "./board_file.ts";
import type { BoardFile } from "./board_file.ts";
import { compile, ROOT } from "./compile.ts";
import { compilerVersion, inputDigest } from "./inputs.ts";

export const BUILD_DIRECTORY = join(ROOT, "build");

export interface BuildOptions {
  /** Only these boards, parts and builds; absent: all. A path with a slash is the directory of a board that lies elsewhere. */
  boards?: string[];
  builds?: readonly Build[];
  /** Builds even what is up to date. */
  force?: boolean;
  /** asc processes at once. */
  parallel?: number;
  log?: (line: string) => void;
}

export interface BuildResult {
  image: string;
  path: string;
  octets: number;
  /** False: it was up to date. */
  built: boolean;
}

/** Not an import, of which every image would be made anew when it changes: no image has anything of it. */
const PROGRAMS = new URL("./programs.ts", import.meta.url).href;
type BuildPrograms = (force: boolean) => Promise<Omit<BuildResult, "image">[]>;

/** Where an image lies. */
export function imagePath(board: string, build: Build): string {
  return join(BUILD_DIRECTORY, `${board}.${build}.wasm`);
}

/** The digest of inputs that an output was built from, beside it. */
function stampPath(output: string): string {
  return `${output}.inputs`;
}

function upToDate(output: string, digest: string): boolean {
  const stamp = stampPath(output);
  return (
    existsSync(output) && existsSync(`${output}.map`) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest
  );
}

/** Compiles into a directory of its own, hands the octets to `finish`, and moves the result into place. */
async function produce(
  entry: string,
  output: string,
  build: Build,
  ram: { least: number; most: number } | undefined,
  digest: string,
  finish: (bytes: Uint8Array) => Uint8Array,
): Promise<void> {
  const work = join(dirname(output), `.work-${randomBytes(6).toString("hex")}`);
  mkdirSync(work, { recursive: true });
  try {
    const fresh = join(work, basename(output));
    await compile({ entry, output: fresh, build, ...(ram === undefined ? {} : { ram }) });
    writeFileSync(fresh, finish(readFileSync(fresh)));
    rmSync(stampPath(output), { force: true });
    renameSync(`${fresh}.map`, `${output}.map`);
    renameSync(fresh, output);
    writeFileSync(stampPath(output), digest);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Lints what asc made and appends the manifest; throws with every broken rule. */
export function postLink(bytes: Uint8Array, board: BoardFile, build: Build, version: string): Uint8Array {
  const image = `${board.name}.${build}`;
  const manifest = {
    name: board.name,
    class: board.class,
    version,
    abi: ABI_VERSION,
    build,
    ram: board.ram,
    ports: board.ports,
    peers: board.peers,
    compiler: `assemblyscript ${compilerVersion()}`,
  };
  const { errors } = lintModule(bytes, { build });
  if (errors.length > 0) throw new Error(`${image} breaks the board ABI:\n${errors.map((e) => `  ${e}`).join("\n")}`);
  const linked = appendManifest(bytes, manifest);
  const report = lintModule(linked, { build });
  const complaints = [...report.errors, ...report.warnings];
  if (complaints.length > 0)
    throw new Error(`${image} after the manifest:\n${complaints.map((e) => `  ${e}`).join("\n")}`);
  return linked;
}

async function buildImage(
  board: BoardFile,
  directory: string,
  build: Build,
  version: string,
  force: boolean,
): Promise<BuildResult> {
  const entry = join(directory, "index.ts");
  if (!existsSync(entry)) throw new Error(`${relative(ROOT, entry)} is missing`);
  const path = imagePath(board.name, build);
  const digest = inputDigest(entry, [join(directory, "board.json")], `image ${build}`);
  const fresh = !force && upToDate(path, digest);
  if (!fresh) await produce(entry, path, build, board.ram, digest, (bytes) => postLink(bytes, board, build, version));
  return { image: `${board.name}.${build}`, path, octets: readFileSync(path).length, built: !fresh };
}

/** Modules of the chassis itself, which are no boards: assembly/NAME/index.ts, and their RAM in pages. */
const PARTS: Readonly<Record<string, { least: number; most: number }>> = { classifier: { least: 24, most: 1024 } };

async function buildPart(name: string, build: Build, force: boolean): Promise<BuildResult> {
  const entry = join(ROOT, "assembly", name, "index.ts");
  const path = imagePath(name, build);
  const digest = inputDigest(entry, [], `part ${build}`);
  const fresh = !force && upToDate(path, digest);
  if (!fresh) await produce(entry, path, build, PARTS[name], digest, (bytes) => bytes);
  return { image: `${name}.${build}`, path, octets: readFileSync(path).length, built: !fresh };
}

const toldLine = ({ path, octets, built }: Omit<BuildResult, "image">): string =>
  `${built ? "built     " : "up to date"}  ${relative(ROOT, path)}  ${octets} octets`;

/** Builds all boards and parts; throws an AggregateError with what failed after everything else was built. */
export async function buildAll(options: BuildOptions = {}): Promise<BuildResult[]> {
  const log = options.log ?? (() => undefined);
  mkdirSync(BUILD_DIRECTORY, { recursive: true });
  const version = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version;
  const own = readBoards(join(ROOT, "boards"));
  const chosen = options.boards ?? [...own.map(({ name }) => name), ...Object.keys(PARTS)];
  const parts = Object.keys(PARTS).filter((name) => chosen.includes(name));
  const elsewhere = chosen.filter((name) => name.includes("/")).map((path) => resolve(path));
  const known = new Set([...own.map(({ name }) => name), ...parts]);
  const unknown = chosen.filter((name) => !name.includes("/") && !known.has(name));
  if (unknown.length > 0) throw new Error(`no board called ${unknown.join(", ")}`);
  const boards = [
    ...own
      .filter(({ name }) => chosen.includes(name))
      .map((board) => [board, join(ROOT, "boards", board.name)] as const),
    ...elsewhere.map((directory) => [readBoardFile(join(directory, "board.json")), directory] as const),
  ];
  const namesake = elsewhere
    .map((path) => basename(path))
    .find((name) => name in PARTS || own.some((board) => board.name === name));
  if (namesake !== undefined) throw new Error(`${namesake} is a board of the project's own: name yours otherwise`);
  const force = options.force ?? false;
  const jobs = (options.builds ?? BUILDS).flatMap((build) => [
    ...boards.map(
      ([board, directory]) =>
        () =>
          buildImage(board, directory, build, version, force),
    ),
    ...parts.map((name) => () => buildPart(name, build, force)),
  ]);
  const results: BuildResult[] = [];
  const failures: Error[] = [];
  const worker = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      try {
        const result = await job();
        results.push(result);
        log(toldLine(result));
      } catch (error) {
        failures.push(error as Error);
      }
    }
  };
  await Promise.all(Array.from({ length: options.parallel ?? 2 }, worker));
  if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join("\n\n"));
  return results.sort((a, b) => (a.image < b.image ? -1 : 1));
}

const entriesInWork = new Map<string, Promise<string>>();

/**
 * Compiles a test's own entry, such as "test/entries/crypto_kernels.ts", and returns the path of the module. Not linted: it
 * may export what it likes. Cached under build/entries by the digest of its inputs. `ram`: pages; absent: as asconfig.json says.
 */
export function buildEntry(
  path: string,
  build: Build = "simd",
  ram?: { least: number; most: number },
): Promise<string> {
  const entry = isAbsolute(path) ? path : join(ROOT, path);
  const key = `${entry} ${build}`;
  let work = entriesInWork.get(key);
  if (work === undefined) {
    work = makeEntry(entry, build, ram);
    entriesInWork.set(key, work);
  }
  return work;
}

async function makeEntry(entry: string, build: Build, ram?: { least: number; most: number }): Promise<string> {
  if (!existsSync(entry)) throw new Error(`${relative(ROOT, entry)}: no such entry`);
  const directory = join(BUILD_DIRECTORY, "entries");
  mkdirSync(directory, { recursive: true });
  const name = relative(ROOT, entry)
    .replace(/\.ts$/, "")
    .replace(/[^\w]+/g, "_");
  const output = join(directory, `${name}.${build}.wasm`);
  const digest = inputDigest(entry, [], `entry ${build}${ram ? ` ${ram.least} ${ram.most}` : ""}`);
  if (!upToDate(output, digest)) await produce(entry, output, build, ram, digest, (bytes) => bytes);
  return output;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { values, positionals: boards } = parseArgs({
      allowPositionals: true,
      options: { force: { type: "boolean", default: false }, only: { type: "string", multiple: true } },
    });
    const unknown = values.only?.find((word) => !(BUILDS as readonly string[]).includes(word));
    if (unknown !== undefined) throw new Error(`${unknown} is no build: ${BUILDS.join(", ")}`);
    const only = values.only as Build[] | undefined;
    const log = (line: string): void => console.log(line);
    await buildAll({
      force: values.force,
      ...(boards.length > 0 ? { boards } : {}),
      ...(only === undefined ? {} : { builds: only }),
      log,
    });
    if (boards.length === 0) {
      const { buildPrograms } = (await import(PROGRAMS)) as { buildPrograms: BuildPrograms };
      for (const program of await buildPrograms(values.force)) log(toldLine(program));
    }
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
