/**
 * Is this module a board? The rules of the board ABI that can be read off a module without running it.
 *
 *   imports    memory "env"."memory", nothing else
 *   exports    boardMap ()->(i32), boardReset ()->(), boardPoll ()->(i32), nothing else
 *   RAM        a maximum, not shared, nothing that grows it, every data segment inside the least
 *   start      none: a board does nothing before boardReset
 *   features   sign extension, saturating conversions, bulk memory; SIMD where the build says so; nothing else
 *   manifest   if there is one: well-formed, its digest and its facts are those of the module
 *
 * Three readers must agree: the section and instruction readers here, the engine, and binaryen's validator with exactly
 * the features that the build allows. Any octets give a report, never an exception.
 */
import { setFlagsFromString } from "node:v8";
import binaryen from "./binaryen.ts";
import { ABI_VERSION } from "../../assembly/abi/board.ts";
import { walkBodies } from "./instructions.ts";
import type { Feature } from "./instructions.ts";
import { digestWithout, MANIFEST_SECTION, parseManifest } from "./manifest.ts";
import type { Build, Manifest } from "./manifest.ts";
import { MalformedModule, readSections } from "./sections.ts";
import type { ModuleExport, ModuleImport, ModuleSections } from "./sections.ts";

export interface LintReport {
  /** Why the module is no board; empty when it is one. */
  errors: string[];
  warnings: string[];
  manifest?: Manifest;
  imports: ModuleImport[];
  exports: ModuleExport[];
  /** Features beyond WebAssembly 1.0 that its code uses. */
  features: Feature[];
  /** RAM in pages of 64 KiB: the least and the most that the module can be given; undefined without a memory. */
  ram?: { least: number; most: number };
}

export interface LintOptions {
  /** The build that the module shall be; without it the manifest's, or else any build is allowed. */
  build?: Build;
}

const REQUIRED_EXPORTS: Record<string, string> = {
  boardMap: "()->(i32)",
  boardReset: "()->()",
  boardPoll: "()->(i32)",
};

const PAGE = 65536;

/** Checks `bytes` against the rules above. */
export function lintModule(bytes: Uint8Array, options: LintOptions = {}): LintReport {
  const report: LintReport = { errors: [], warnings: [], imports: [], exports: [], features: [] };
  try {
    const sections = readSections(bytes);
    report.imports = sections.imports;
    report.exports = sections.exports;
    checkImports(sections, report);
    checkExports(sections, report);
    checkMemory(sections, report);
    if (sections.start !== undefined) report.errors.push(`start section: function ${sections.start} would run unasked`);
    for (const what of sections.strange) report.errors.push(`${what}: no board has one`);
    checkManifest(bytes, sections, report);
    checkCode(bytes, sections, options.build ?? report.manifest?.build, report);
  } catch (error) {
    if (!(error instanceof MalformedModule)) throw error;
    report.errors.push(`malformed module: ${error.message}`);
    return report;
  }
  return report;
}

function checkImports(sections: ModuleSections, report: LintReport): void {
  let memories = 0;
  for (const entry of sections.imports) {
    if (entry.kind === "memory" && entry.module === "env" && entry.name === "memory") memories += 1;
    else report.errors.push(`import of ${entry.kind} "${entry.module}"."${entry.name}": a board imports memory only`);
  }
  if (memories === 0) report.errors.push(`no import of memory "env"."memory"`);
}

function checkExports(sections: ModuleSections, report: LintReport): void {
  for (const [name, signature] of Object.entries(REQUIRED_EXPORTS)) {
    const entry = sections.exports.find((candidate) => candidate.name === name);
    if (entry === undefined) report.errors.push(`no export "${name}"`);
    else if (entry.kind !== "function") report.errors.push(`export "${name}" is a ${entry.kind}, not a function`);
    else if (entry.signature !== signature) {
      report.errors.push(`export "${name}" has signature ${entry.signature}, not ${signature}`);
    }
  }
  for (const entry of sections.exports) {
    if (!Object.hasOwn(REQUIRED_EXPORTS, entry.name)) {
      report.errors.push(`export of ${entry.kind} "${entry.name}" is not part of the board ABI`);
    }
  }
}

function checkMemory(sections: ModuleSections, report: LintReport): void {
  const [memory] = sections.memories;
  if (memory === undefined) return;
  if (memory.maximum !== undefined) report.ram = { least: memory.initial, most: memory.maximum };
  if (sections.memories.length > 1) report.errors.push(`${sections.memories.length} memories: a board has one`);
  if (memory.index64) report.errors.push("memory of 64-bit addresses");
  if (memory.shared) report.errors.push("shared memory: a board's RAM is its own");
  if (memory.initial === 0) report.errors.push("memory of no pages");
  if (memory.maximum === undefined) report.errors.push("memory without a maximum: a board's RAM is fixed at power-on");
  for (const segment of sections.data) {
    if (!segment.active) continue;
    if (segment.address === undefined) report.errors.push("data segment whose address is no constant");
    else if (segment.address + segment.octets > memory.initial * PAGE) {
      report.errors.push(`data segment of ${segment.octets} octets at ${segment.address} lies outside RAM`);
    }
  }
}

function checkManifest(bytes: Uint8Array, sections: ModuleSections, report: LintReport): void {
  const found = sections.customs.filter((section) => section.name === MANIFEST_SECTION);
  const [section] = found;
  if (section === undefined) {
    report.warnings.push(`no section "${MANIFEST_SECTION}": not the product of a build`);
    return;
  }
  if (found.length > 1) report.errors.push(`${found.length} manifests`);
  const manifest = parseManifest(new TextDecoder().decode(section.payload));
  if (typeof manifest === "string") {
    report.errors.push(manifest);
    return;
  }
  report.manifest = manifest;
  const digest = digestWithout(bytes, found);
  if (manifest.sha256 !== digest) {
    report.errors.push(`manifest: sha256 is ${manifest.sha256}, the module's is ${digest}`);
  }
  if (manifest.abi !== ABI_VERSION) {
    report.errors.push(`manifest: board ABI ${manifest.abi}, this chassis speaks ${ABI_VERSION}`);
  }
  const { least, most } = manifest.ram;
  if (report.ram !== undefined && (least !== report.ram.least || most !== report.ram.most)) {
    report.errors.push(
      `manifest: RAM of ${least} to ${most} pages, the module has ${report.ram.least} to ${report.ram.most}`,
    );
  }
}

/** What a build may use beyond the base features. */
function allows(build: Build | undefined, feature: Feature): boolean {
  if (feature === "simd") return build !== "base";
  if (feature === "relaxed-simd") return build === "relaxed" || build === undefined;
  return true;
}

function checkCode(bytes: Uint8Array, sections: ModuleSections, build: Build | undefined, report: LintReport): void {
  const used = new Set<Feature>();
  const findings = walkBodies(bytes, sections.bodies, used);
  report.features = [...used].sort();
  for (const { functionIndex, offset, what } of findings) {
    report.errors.push(`function ${functionIndex}, code offset 0x${offset.toString(16)}: ${what}`);
  }
  for (const feature of report.features) {
    if (!allows(build, feature)) report.errors.push(`${feature} in a ${build} build`);
  }
  // The engine before binaryen, which is built for well-formed input.
  const engine = validateInEngine(bytes, used.has("relaxed-simd"));
  if (engine !== undefined) report.errors.push(`the engine rejects the module: ${engine}`);
  if (report.errors.length > 0) return;
  const complaint = validateInBinaryen(bytes, build);
  if (complaint !== undefined) report.errors.push(`binaryen rejects the module: ${complaint}`);
}

/** The smallest module with a relaxed instruction: i8x16.relaxed_swizzle of two zeroes. */
const RELAXED_PROBE = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 15, 1, 13, 0],
  ...[0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
]);

/** Lets an engine that has relaxed SIMD behind a flag compile it; true when it then does. */
export function enableRelaxedSimd(): boolean {
  if (WebAssembly.validate(RELAXED_PROBE)) return true;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(RELAXED_PROBE);
}

function validateInEngine(bytes: Uint8Array, relaxed: boolean): string | undefined {
  if (relaxed && !enableRelaxedSimd()) return undefined; // cannot tell; binaryen can
  const copy = Uint8Array.from(bytes); // a view of a SharedArrayBuffer is refused by the engine
  if (WebAssembly.validate(copy)) return undefined;
  try {
    new WebAssembly.Module(copy);
    return "it does not validate";
  } catch (error) {
    return (error as Error).message.replace(/^WebAssembly\.Module\(\): /, "");
  }
}

/** binaryen writes its complaints to the error stream and throws objects of its own; both become text here. */
function validateInBinaryen(bytes: Uint8Array, build: Build | undefined): string | undefined {
  const { Features } = binaryen;
  let features =
    Features.MutableGlobals |
    Features.SignExt |
    Features.NontrappingFPToInt |
    Features.BulkMemory |
    Features.BulkMemoryOpt;
  if (build !== "base") features |= Features.SIMD128;
  if (build === "relaxed" || build === undefined) features |= Features.RelaxedSIMD;
  let said = "";
  const write = process.stderr.write;
  process.stderr.write = ((chunk: string | Uint8Array) => {
    said += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    return true;
  }) as typeof write;
  try {
    const module = binaryen.readBinary(bytes);
    try {
      module.setFeatures(features);
      return module.validate() ? undefined : firstLine(said);
    } finally {
      module.dispose();
    }
  } catch (error) {
    return firstLine(said) || String(error);
  } finally {
    process.stderr.write = write;
  }
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.trim() || "no reason given";
}
