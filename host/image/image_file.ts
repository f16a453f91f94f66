/**
 * A firmware image (.cci): one board's module with what has to be known of it before it is powered.
 *
 *   protected TLV           value
 *   0x40 dependency         version of 8 octets, board class in ASCII; any number of them, by class
 *   0x50 security counter   u32; an image whose counter is below what was confirmed does not boot
 *   0xa0 board class        ASCII: which slots it fits
 *   0xa1 name               ASCII: of the board
 *   0xa2 build              ASCII: simd, base or relaxed
 *   0xa3 board ABI          u32 least, u32 most: of abi/board.ts, inclusive
 *   0xa4 RAM                u32 least, u32 most: pages; u32 per IKE_SA, u32 per CHILD_SA: octets (manifest.ts)
 *
 * The payload's own manifest says the same of class, name, build, ABI and RAM, and has to agree. Source of the numbers and of the
 * shape: MCUboot's image.h and design.md.
 */
import { type Container, emitContainer, parseContainer, type Tlv } from "./container.ts";
import { type Build, BUILDS, type Manifest, MANIFEST_SECTION, parseManifest, type Ram, ramFault } from "./manifest.ts";
import { ImageRefused } from "./refusal.ts";
import { MalformedModule, readSections } from "./sections.ts";
import { readVersion, type Version, VERSION_OCTETS, writeVersion } from "./version.ts";

const TLV_DEPENDENCY = 0x40;
const TLV_SECURITY_COUNTER = 0x50;
const TLV_CLASS = 0xa0;
const TLV_NAME = 0xa1;
const TLV_BUILD = 0xa2;
const TLV_ABI = 0xa3;
const TLV_RAM = 0xa4;

/** Names of boards and of their classes. */
const NAME = /^[a-z][a-z0-9_]{0,15}$/;
const DEPENDENCIES_MAX = 16;

/** Another board that has to be there, at that version or newer. */
export interface Dependency {
  boardClass: string;
  version: Version;
}

/** What an image says of its payload. */
export interface ImageFacts {
  name: string;
  boardClass: string;
  build: Build;
  version: Version;
  securityCounter: number;
  abi: { least: number; most: number };
  ram: Ram;
  dependencies: readonly Dependency[];
}

export interface ImageFile {
  facts: ImageFacts;
  /** The module. */
  payload: Uint8Array;
  /** Of what is signed. */
  sha256: Uint8Array;
  container: Container;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

function words(...values: number[]): Uint8Array {
  const octets = new Uint8Array(4 * values.length);
  const view = new DataView(octets.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value, true));
  return octets;
}

function dependencyValue({ boardClass, version }: Dependency): Uint8Array {
  const octets = new Uint8Array(VERSION_OCTETS + boardClass.length);
  writeVersion(new DataView(octets.buffer), 0, version);
  octets.set(ascii(boardClass), VERSION_OCTETS);
  return octets;
}

/** The manifest that a module carries. Throws ImageRefused. */
export function manifestOf(payload: Uint8Array): Manifest {
  try {
    const found = readSections(payload).customs.filter(({ name }) => name === MANIFEST_SECTION);
    if (found.length !== 1) throw new ImageRefused("not_a_board", `its module has ${found.length} manifests`);
    const manifest = parseManifest(new TextDecoder().decode(found[0]!.payload));
    if (typeof manifest === "string") throw new ImageRefused("not_a_board", manifest);
    return manifest;
  } catch (error) {
    if (error instanceof MalformedModule) throw new ImageRefused("not_a_board", error.message);
    throw error;
  }
}

/** An unsigned image of a module; what the manifest says is taken from it. Throws ImageRefused and RangeError. */
export function buildImageFile(
  payload: Uint8Array,
  more: { version: Version; securityCounter: number; dependencies?: readonly Dependency[]; abi?: ImageFacts["abi"] },
): Uint8Array {
  const manifest = manifestOf(payload);
  const { least, most, per_ike_sa, per_sa } = manifest.ram;
  const abi = more.abi ?? { least: manifest.abi, most: manifest.abi };
  const dependencies = [...(more.dependencies ?? [])].sort((a, b) => (a.boardClass < b.boardClass ? -1 : 1));
  const tlvs: Tlv[] = [
    ...dependencies.map((dependency) => ({ type: TLV_DEPENDENCY, value: dependencyValue(dependency) })),
    { type: TLV_SECURITY_COUNTER, value: words(more.securityCounter) },
    { type: TLV_CLASS, value: ascii(manifest.class) },
    { type: TLV_NAME, value: ascii(manifest.name) },
    { type: TLV_BUILD, value: ascii(manifest.build) },
    { type: TLV_ABI, value: words(abi.least, abi.most) },
    { type: TLV_RAM, value: words(least, most, per_ike_sa, per_sa) },
  ];
  const file = emitContainer("CCI1", { version: more.version, payload, tlvs });
  parseImageFile(file);
  return file;
}

/** The same image with a signature, in place of one that it may have. */
export function signImageFile(
  octets: Uint8Array,
  signer: NonNullable<Parameters<typeof emitContainer>[2]>,
): Uint8Array {
  return emitContainer("CCI1", parseImageFile(octets).container, signer);
}

class TlvReader {
  #at = 0;
  constructor(readonly tlvs: readonly Tlv[]) {}

  /** The values of all TLVs of that type that stand next. */
  all(type: number): Uint8Array[] {
    const start = this.#at;
    while (this.tlvs[this.#at]?.type === type) this.#at += 1;
    return this.tlvs.slice(start, this.#at).map(({ value }) => value);
  }

  one(type: number, what: string): Uint8Array {
    const [value, second] = this.all(type);
    if (!value || second) throw new ImageRefused("bad_tlv", `${what} is missing or doubled`);
    return value;
  }

  name(type: number, what: string): string {
    return readName(this.one(type, what), what);
  }

  words(type: number, count: number, what: string): number[] {
    const value = this.one(type, what);
    if (value.length !== 4 * count) throw new ImageRefused("bad_tlv", `${what} is not of ${4 * count} octets`);
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
  }

  end(): void {
    const rest = this.tlvs[this.#at];
    if (rest) throw new ImageRefused("bad_tlv", `TLV 0x${rest.type.toString(16)} is unknown here, or out of place`);
  }
}

function readName(value: Uint8Array, what: string): string {
  const text = String.fromCharCode(...value.subarray(0, 32));
  if (value.length > 32 || !NAME.test(text)) throw new ImageRefused("bad_tlv", `${what} is no name`);
  return text;
}

function readDependency(value: Uint8Array): Dependency {
  if (value.length <= VERSION_OCTETS) throw new ImageRefused("bad_tlv", "a dependency is too short");
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return {
    boardClass: readName(value.subarray(VERSION_OCTETS), "a dependency's board class"),
    version: readVersion(view, 0),
  };
}

function readFacts({ version, tlvs }: Container): ImageFacts {
  const reader = new TlvReader(tlvs);
  const dependencies = reader.all(TLV_DEPENDENCY).map(readDependency);
  if (dependencies.length > DEPENDENCIES_MAX) throw new ImageRefused("bad_tlv", "it has too many dependencies");
  if (dependencies.some(({ boardClass }, i) => i > 0 && boardClass <= dependencies[i - 1]!.boardClass)) {
    throw new ImageRefused("bad_tlv", "its dependencies are doubled or out of order");
  }
  const [securityCounter] = reader.words(TLV_SECURITY_COUNTER, 1, "the security counter") as [number];
  const boardClass = reader.name(TLV_CLASS, "the board class");
  const name = reader.name(TLV_NAME, "the name");
  const build = reader.name(TLV_BUILD, "the build") as Build;
  if (!BUILDS.includes(build)) throw new ImageRefused("bad_tlv", `its build is none of ${BUILDS.join(", ")}`);
  const [abiLeast, abiMost] = reader.words(TLV_ABI, 2, "the ABI range") as [number, number];
  if (abiLeast > abiMost) throw new ImageRefused("bad_tlv", "its ABI range is empty");
  const [least, most, per_ike_sa, per_sa] = reader.words(TLV_RAM, 4, "the RAM need") as [
    number,
    number,
    number,
    number,
  ];
  const ram: Ram = { least, most, per_ike_sa, per_sa };
  const fault = ramFault(ram);
  if (fault) throw new ImageRefused("bad_tlv", `the RAM need ${fault}`);
  reader.end();
  return {
    name,
    boardClass,
    build,
    version,
    securityCounter,
    abi: { least: abiLeast, most: abiMost },
    ram,
    dependencies,
  };
}

/** What the payload's manifest says otherwise than the image. */
function checkManifest(facts: ImageFacts, manifest: Manifest): void {
  const pairs: [string, unknown, unknown][] = [
    ["name", facts.name, manifest.name],
    ["class", facts.boardClass, manifest.class],
    ["build", facts.build, manifest.build],
    ["least RAM", facts.ram.least, manifest.ram.least],
    ["most RAM", facts.ram.most, manifest.ram.most],
    ["RAM per IKE_SA", facts.ram.per_ike_sa, manifest.ram.per_ike_sa],
    ["RAM per CHILD_SA", facts.ram.per_sa, manifest.ram.per_sa],
  ];
  for (const [what, said, is] of pairs) {
    if (said !== is)
      throw new ImageRefused("manifest_mismatch", `${what} is ${said}, the payload's manifest says ${is}`);
  }
  if (manifest.abi < facts.abi.least || manifest.abi > facts.abi.most) {
    throw new ImageRefused(
      "manifest_mismatch",
      `the payload is for board ABI ${manifest.abi}, which its range leaves out`,
    );
  }
}

/** Reads an image. Trusts nothing of it: who signed it is checkSignature()'s question. Throws ImageRefused. */
export function parseImageFile(octets: Uint8Array): ImageFile {
  const container = parseContainer("CCI1", octets);
  const facts = readFacts(container);
  checkManifest(facts, manifestOf(container.payload));
  return { facts, payload: container.payload, sha256: container.sha256, container };
}
