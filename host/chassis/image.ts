/**
 * A firmware image as the chassis sees it: one WebAssembly module, checked before anything is powered.
 *
 * The engine's own API does not tell the size of an imported memory, so the import section is read here. Refuses a module
 * that imports anything but its memory, whose RAM has no bound, that has a start section, or that lacks one of the three
 * entry points.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { meter, type Shift } from "../image/meter.ts";

export type Build = "relaxed" | "simd" | "base";

/** Builds from the fastest to the one that every engine takes. */
export const BUILDS_BY_SPEED: readonly Build[] = ["relaxed", "simd", "base"];

export const BOARD_EXPORTS = ["boardMap", "boardReset", "boardPoll"] as const;

/** The module is not one that this chassis can power. */
export class ImageError extends Error {
  override name = "ImageError";
}

export interface Image {
  /** Name for people: `ipsec.simd`. */
  readonly name: string;
  readonly module: WebAssembly.Module;
  /** The module as it was read, for a board elsewhere. In shared memory: threads that are told of the image take no copies. */
  readonly octets: Uint8Array;
  /** RAM in 64 KiB pages that it can be given: how much of it, ramPages() says. */
  readonly pages: { readonly least: number; readonly most: number };
  /** Octets of RAM beyond the least, for each IKE_SA and each CHILD_SA that it is to hold; 0 when the image does not say. */
  readonly perIkeSa: number;
  readonly perSa: number;
  /** The two names of the memory import. */
  readonly memoryImport: readonly [string, string];
  /** Path of the source map, when there is one. */
  readonly sourceMap: string | undefined;
  /** Of a metered module: how its offsets lead back to those of the source map (host/image/meter.ts). */
  readonly shifts?: readonly Shift[];
}

const MAX_PAGES = 65536;
/** A page of WebAssembly's memory. */
export const PAGE_OCTETS = 65536;
/** The section that the build appends (host/image/manifest.ts). */
const MANIFEST_SECTION = "cardcage.manifest";
const SECTION_IMPORT = 2;
const SECTION_START = 8;

/** Reads a module's sections, as far as the loader needs them (WebAssembly core specification 5.5). */
class SectionReader {
  at = 8;
  constructor(
    readonly octets: Uint8Array,
    readonly name: string,
  ) {}

  u8(): number {
    const value = this.octets[this.at++];
    if (value === undefined) throw new ImageError(`${this.name}: the module ends inside a section`);
    return value;
  }

  /** Unsigned LEB128, up to 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const octet = this.u8();
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    throw new ImageError(`${this.name}: a number in the module is too long`);
  }

  text(): string {
    const length = this.u32();
    const start = this.at;
    this.at += length;
    if (this.at > this.octets.length) throw new ImageError(`${this.name}: the module ends inside a name`);
    return new TextDecoder().decode(this.octets.subarray(start, this.at));
  }
}

interface MemoryNeed {
  names: [string, string];
  initial: number;
  maximum: number | undefined;
  shared: boolean;
}

function readMemoryImport(octets: Uint8Array, name: string): MemoryNeed {
  const reader = new SectionReader(octets, name);
  let need: MemoryNeed | undefined;
  while (reader.at < octets.length) {
    const section = reader.u8();
    const size = reader.u32();
    const end = reader.at + size;
    if (section === SECTION_START) throw new ImageError(`${name}: has a start section; a board starts in boardReset`);
    if (section === SECTION_IMPORT) {
      for (let count = reader.u32(); count > 0; count--) {
        const names: [string, string] = [reader.text(), reader.text()];
        const kind = reader.u8();
        if (kind !== 2 || need) {
          throw new ImageError(`${name}: imports ${names.join(".")}; a board imports its memory and nothing else`);
        }
        const limits = reader.u8();
        const initial = reader.u32();
        need = { names, initial, maximum: limits & 1 ? reader.u32() : undefined, shared: (limits & 2) !== 0 };
      }
    }
    reader.at = end;
  }
  if (!need) throw new ImageError(`${name}: does not import its memory`);
  return need;
}

/**
 * Checks a module and compiles it.
 * Throws ImageError, naming the image, for anything that is not a board this engine can run.
 */
export function parseImage(octets: Uint8Array<ArrayBuffer>, name: string, sourceMap?: string, metered = false): Image {
  if (metered) {
    const { octets: copy, shifts } = meter(octets);
    return { ...parseImage(copy, `${name}.metered`, sourceMap), shifts };
  }
  if (octets.length < 8 || octets[0] !== 0 || octets[1] !== 0x61 || octets[2] !== 0x73 || octets[3] !== 0x6d) {
    throw new ImageError(`${name}: is not a WebAssembly module`);
  }
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(octets);
  } catch (error) {
    throw new ImageError(`${name}: the engine refuses the module: ${(error as Error).message}`);
  }
  const need = readMemoryImport(octets, name);
  if (need.shared) throw new ImageError(`${name}: wants a shared memory; a board's RAM is its own`);
  const { initial: least, maximum: most } = need;
  if (most === undefined) throw new ImageError(`${name}: RAM has no bound: initial ${least} pages, no maximum`);
  if (least === 0 || most < least || most > MAX_PAGES)
    throw new ImageError(`${name}: wants ${least} to ${most} pages of RAM`);
  const exported = new Map(WebAssembly.Module.exports(module).map((entry) => [entry.name, entry.kind]));
  for (const wanted of BOARD_EXPORTS) {
    if (exported.get(wanted) !== "function") throw new ImageError(`${name}: does not export the function ${wanted}`);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(octets.length));
  shared.set(octets);
  return {
    name,
    module,
    octets: shared,
    pages: { least, most },
    ...recordOctets(module),
    memoryImport: need.names,
    sourceMap,
  };
}

/** What the manifest says of RAM; zeros without one. */
function recordOctets(module: WebAssembly.Module): Pick<Image, "perIkeSa" | "perSa"> {
  const [section] = WebAssembly.Module.customSections(module, MANIFEST_SECTION);
  if (!section) return { perIkeSa: 0, perSa: 0 };
  const octets = (value: unknown): number => (Number.isInteger(value) && (value as number) > 0 ? (value as number) : 0);
  try {
    const { ram } = JSON.parse(new TextDecoder().decode(section)) as { ram?: Record<string, unknown> };
    return { perIkeSa: octets(ram?.per_ike_sa), perSa: octets(ram?.per_sa) };
  } catch {
    return { perIkeSa: 0, perSa: 0 };
  }
}

/** Pages of RAM for a board that is to hold so many IKE_SAs and CHILD_SAs; never beyond what the image can be given. */
export function ramPages(image: Image, ikeSas: number, sas: number): number {
  const more = Math.ceil((image.perIkeSa * ikeSas + image.perSa * sas) / PAGE_OCTETS);
  return Math.min(image.pages.least + more, image.pages.most);
}

/** Loads one file. */
export function loadImageFile(path: string, metered = false): Image {
  let octets: Uint8Array<ArrayBuffer>;
  try {
    octets = new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new ImageError(
      `${path}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    );
  }
  const map = `${path}.map`;
  return parseImage(octets, basename(path).replace(/\.wasm$/, ""), existsSync(map) ? map : undefined, metered);
}

/** Where `npm run build` puts images. */
export const BUILD_DIRECTORY = fileURLToPath(new URL("../../build/", import.meta.url));

/** Asks an engine that has relaxed SIMD as an option only for it, where that build is wished by name. */
export function allowBuild(build: Build | undefined): void {
  // To be set before the first such module is compiled; workers that start later have it too.
  if (build === "relaxed") setFlagsFromString("--experimental-wasm-relaxed-simd");
}

const cache = new Map<string, Image>();

/**
 * Loads NAME.{relaxed,simd,base}.wasm from `directory`, the fastest build that the engine validates as it stands; `force` names
 * one build, and asks an engine that has relaxed SIMD as an option only for it; `metered` loads a copy that counts its fuel. A path that ends in .wasm is loaded as it is. Modules are compiled once per process and version of the file.
 */
export function loadImage(name: string, options: { directory?: string; force?: Build; metered?: boolean } = {}): Image {
  const path = findFile(name, options);
  const version = `${path} ${statSync(path).mtimeMs} ${options.metered ?? false}`;
  let image = cache.get(version);
  if (!image) cache.set(version, (image = loadImageFile(path, options.metered)));
  return image;
}

const parts = new Map<string, WebAssembly.Module>();

/** Loads a module of the chassis itself, which is no board, in the same way. */
export function loadPart(name: string, options: { directory?: string; force?: Build } = {}): WebAssembly.Module {
  const path = findFile(name, options);
  const version = `${path} ${statSync(path).mtimeMs}`;
  let module = parts.get(version);
  if (!module) parts.set(version, (module = new WebAssembly.Module(new Uint8Array(readFileSync(path)))));
  return module;
}

/** Files that an engine refused, or did not. */
const validated = new Map<string, boolean>();

function findFile(name: string, options: { directory?: string; force?: Build }): string {
  const directory = options.directory ?? BUILD_DIRECTORY;
  const builds = options.force ? [options.force] : BUILDS_BY_SPEED;
  if (options.force && !BUILDS_BY_SPEED.includes(options.force))
    throw new ImageError(`${options.force}: no such build`);
  allowBuild(options.force);
  const paths = name.endsWith(".wasm") ? [name] : builds.map((build) => join(directory, `${name}.${build}.wasm`));
  let refused = "";
  for (const path of paths) {
    if (!existsSync(path)) continue;
    if (paths.length === 1) return path;
    const version = `${path} ${statSync(path).mtimeMs}`;
    let valid = validated.get(version);
    if (valid === undefined) validated.set(version, (valid = WebAssembly.validate(new Uint8Array(readFileSync(path)))));
    if (valid) return path;
    refused = `, and the engine refuses ${basename(path)}`;
  }
  throw new ImageError(
    `${name}: no image ${paths.map((path) => basename(path)).join(" or ")} in ${directory}${refused}; \`npm run build\` makes them`,
  );
}
