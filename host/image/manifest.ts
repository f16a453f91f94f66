/**
 * The manifest of an image: a custom section that says what the module is, readable by any engine through
 * `WebAssembly.Module.customSections(module, "cardcage.manifest")`.
 *
 * It stands at the end of the module and its SHA-256 covers every octet in front of it, so that code offsets and with
 * them the source map stay as the compiler made them. The digest finds accidents, not attackers: signatures belong to the
 * image around the module.
 */
import { createHash } from "node:crypto";
import { readSections } from "./sections.ts";
import type { CustomSection } from "./sections.ts";

export const MANIFEST_SECTION = "cardcage.manifest";

export const BOARD_CLASSES = ["ike", "ipsec"] as const;
export type BoardClass = (typeof BOARD_CLASSES)[number];
export const BUILDS = ["simd", "base", "relaxed"] as const;
export type Build = (typeof BUILDS)[number];
export const PORTS = ["unprotected", "protected", "channel", "management", "secure_element"] as const;
export type PortName = (typeof PORTS)[number];

/** What an image needs of RAM; it is given once, at power-on, and does not grow. */
export interface Ram {
  /** Pages of 64 KiB: the memory import's initial and maximum. */
  least: number;
  most: number;
  /** Octets beyond the least for each IKE_SA, and each CHILD_SA, that the board is configured to hold. */
  per_ike_sa: number;
  per_sa: number;
}

const PAGES_MAX = 65536;
const RAM_KEYS = ["least", "most", "per_ike_sa", "per_sa"] as const;

/** What is wrong with a `ram`; undefined when nothing is. */
export function ramFault(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "is missing or no object";
  const ram = value as Record<string, unknown>;
  const unknown = Object.keys(ram).find((key) => !RAM_KEYS.includes(key as (typeof RAM_KEYS)[number]));
  if (unknown !== undefined) return `holds "${unknown}", none of ${RAM_KEYS.join(", ")}`;
  const wrong = RAM_KEYS.find((key) => !Number.isInteger(ram[key]) || (ram[key] as number) < 0);
  if (wrong !== undefined) return `has no "${wrong}", or it is no number`;
  const { least, most } = value as Ram;
  if (least < 1 || most < least || most > PAGES_MAX) return `is not of 1 to ${PAGES_MAX} pages, the least first`;
  return undefined;
}

export interface Manifest {
  /** Name of the image, such as "ipsec". */
  name: string;
  class: BoardClass;
  /** Version of the firmware, as in package.json. */
  version: string;
  /** Version of the board ABI (abi/board.ts). */
  abi: number;
  build: Build;
  ram: Ram;
  ports: PortName[];
  /** Classes of boards that this one may exchange control messages with. */
  peers: BoardClass[];
  /** SHA-256 over the module without this section, lower-case hexadecimal. */
  sha256: string;
  compiler: string;
}

/** Checks the shape of a manifest; returns what is wrong, or the manifest. */
export function parseManifest(text: string): Manifest | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `manifest is not JSON: ${(error as Error).message}`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "manifest is not a JSON object";
  const fields = value as Record<string, unknown>;
  for (const key of ["name", "version", "sha256", "compiler"]) {
    if (typeof fields[key] !== "string") return `manifest: "${key}" is missing or no text`;
  }
  if (!Number.isInteger(fields.abi)) return `manifest: "abi" is missing or no integer`;
  const fault = ramFault(fields.ram);
  if (fault !== undefined) return `manifest: "ram" ${fault}`;
  const words: [string, readonly string[]][] = [
    ["class", BOARD_CLASSES],
    ["build", BUILDS],
  ];
  for (const [key, allowed] of words) {
    if (!allowed.includes(fields[key] as string)) return `manifest: "${key}" is none of ${allowed.join(", ")}`;
  }
  const lists: [string, readonly string[]][] = [
    ["ports", PORTS],
    ["peers", BOARD_CLASSES],
  ];
  for (const [key, allowed] of lists) {
    const list = fields[key];
    if (!Array.isArray(list)) return `manifest: "${key}" is missing or no list`;
    const wrong = list.find((word) => !allowed.includes(word as string));
    if (wrong !== undefined) return `manifest: "${key}" holds ${JSON.stringify(wrong)}, none of ${allowed.join(", ")}`;
  }
  return value as Manifest;
}

/** SHA-256 over the module without the sections of that name. */
export function digestWithout(bytes: Uint8Array, sections: readonly CustomSection[]): string {
  const hash = createHash("sha256");
  let at = 0;
  for (const section of sections) {
    hash.update(bytes.subarray(at, section.start));
    at = section.end;
  }
  hash.update(bytes.subarray(at));
  return hash.digest("hex");
}

function leb128(value: number): number[] {
  const octets: number[] = [];
  do {
    const octet = value % 128;
    value = Math.floor(value / 128);
    octets.push(value > 0 ? octet | 0x80 : octet);
  } while (value > 0);
  return octets;
}

/** Appends the manifest to a module that has none; its digest is computed here. Throws MalformedModule. */
export function appendManifest(bytes: Uint8Array, manifest: Omit<Manifest, "sha256">): Uint8Array {
  if (readSections(bytes).customs.some((section) => section.name === MANIFEST_SECTION)) {
    throw new Error("the module already has a manifest");
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const payload = Buffer.from(JSON.stringify({ ...manifest, sha256 } satisfies Manifest), "utf8");
  const name = Buffer.from(MANIFEST_SECTION, "utf8");
  const nameLength = leb128(name.length);
  const size = leb128(nameLength.length + name.length + payload.length);
  return Buffer.concat([bytes, Buffer.from([0, ...size, ...nameLength]), name, payload]);
}
