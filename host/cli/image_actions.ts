/**
 * What `cardcage image keygen`, `build`, `sign`, `info` and `verify` do with files.
 *
 * Refusals have their name in front; with --json they are an object with ok, reason and message. Private keys are read by `sign`
 * alone, and nothing of them is shown.
 */
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { DirectoryInUse } from "../chassis/flash/directory.ts";
import { buildImageFile, type Dependency, manifestOf, parseImageFile, signImageFile } from "../image/image_file.ts";
import { readImageOctets } from "../image/octets.ts";
import { ImageRefused } from "../image/refusal.ts";
import {
  ANY_SLOT,
  buildSetFile,
  fileDigest,
  openSet,
  parseSetFile,
  type SetEntry,
  signSetFile,
} from "../image/set_file.ts";
import {
  checkSignature,
  KeyError,
  makeKeyFiles,
  openSigner,
  type PublicKey,
  readPublicKey,
  renderKeyHash,
} from "../image/signature.ts";
import { parseVersion, renderVersion, type Version } from "../image/version.ts";
import { EXIT_FAILED, EXIT_OK } from "./exit.ts";
import { failure } from "./results.ts";
import { meanwhile } from "./progress.ts";
import { type ImageInfo, renderImageFile, renderSetFile, type SetInfo } from "./render_image.ts";
import { complain, print, printJson } from "./terminal.ts";
import { WrongUsage } from "./wrong_usage.ts";

export interface Options {
  json?: boolean;
  socket?: string;
  config?: string;
  flash?: string;
  key?: string[];
}

/** Carries a command out and turns what it throws into an exit code. */
export async function outcome(
  options: Options,
  subject: string,
  work: () => Promise<number> | number,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof ImageRefused) {
      if (options.json) printJson({ ok: false, reason: error.reason, message });
      else complain(`${subject}: ${message}`);
      return EXIT_FAILED;
    }
    if (error instanceof DirectoryInUse) {
      if (options.json) printJson(failure("failed", message));
      else complain(`cardcage: ${message}`);
      return EXIT_FAILED;
    }
    if (error instanceof KeyError || error instanceof RangeError) throw new WrongUsage(message);
    if (error instanceof WrongUsage || code === undefined || !code.startsWith("E")) throw error;
    throw new WrongUsage(`${(error as NodeJS.ErrnoException).path ?? subject}: ${code}`);
  }
}

const isSet = (octets: Uint8Array): boolean => Buffer.from(octets.subarray(0, 4)).toString("latin1") === "CCM1";

/** Writes a file whole or not at all; another that is there is replaced. */
function writeWhole(path: string, octets: Uint8Array): void {
  const unfinished = `${path}.new`;
  writeFileSync(unfinished, octets);
  renameSync(unfinished, path);
}

function versionOf(text: string, what: string): Version {
  try {
    return parseVersion(text);
  } catch (error) {
    throw new WrongUsage(`${what}: ${(error as Error).message}`);
  }
}

export function integerOf(text: string, what: string, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(value <= most)) throw new WrongUsage(`${what}: a number from 0 to ${most} is wanted`);
  return value;
}

/** `ike>=1.2.3` */
function dependencyOf(text: string): Dependency {
  const match = /^([a-z][a-z0-9_]*)>=(.+)$/.exec(text);
  if (!match) throw new WrongUsage(`--depends: '${text}' is not like ike>=1.2.3`);
  return { boardClass: match[1] as string, version: versionOf(match[2] as string, "--depends") };
}

export interface BuildOptions extends Options {
  imageVersion?: string;
  securityCounter: string;
  depends?: string[];
}

/** OUT.cci of one module, or OUT.ccm of several images. */
export async function build(out: string, files: readonly string[], options: BuildOptions): Promise<number> {
  if (out.endsWith(".ccm")) return buildSet(out, files, options);
  if (!out.endsWith(".cci") || files.length !== 1)
    throw new WrongUsage("OUT.cci is built of one .wasm file, OUT.ccm of several .cci files");
  const payload = readImageOctets(files[0] as string);
  const version = versionOf(options.imageVersion ?? manifestOf(payload).version, "--image-version");
  const securityCounter = integerOf(options.securityCounter, "--security-counter", 0xffff_ffff);
  const octets = buildImageFile(payload, {
    version,
    securityCounter,
    dependencies: (options.depends ?? []).map(dependencyOf),
  });
  const image = parseImageFile(octets);
  await meanwhile({ ...options, atOnce: true }, `lint ${files[0]}`, async () => {
    const { lintPayload } = await import("../image/verify.ts");
    lintPayload(image);
  });
  writeWhole(out, octets);
  if (options.json) printJson({ ok: true, file: out, octets: octets.length });
  else print(`${out}: ${image.facts.name} ${renderVersion(version)}, ${octets.length} octets, unsigned\n`);
  return EXIT_OK;
}

/** Entries are files beside the set; `3=ipsec.cci` is for slot 3 alone. */
function buildSet(out: string, words: readonly string[], options: BuildOptions): number {
  const entries = words.map((word): SetEntry => {
    const match = /^(\d{1,2})=(.+)$/.exec(word);
    const path = match ? (match[2] as string) : word;
    if (resolve(dirname(path)) !== resolve(dirname(out)))
      throw new WrongUsage(`${path}: the files of a set lie beside it`);
    const octets = readImageOctets(path);
    parseImageFile(octets);
    return { slot: match ? Number(match[1]) : ANY_SLOT, sha256: fileDigest(octets), file: basename(path) };
  });
  if (options.imageVersion === undefined) throw new WrongUsage("a set wants --image-version");
  const octets = buildSetFile(versionOf(options.imageVersion, "--image-version"), entries);
  writeWhole(out, octets);
  if (options.json) printJson({ ok: true, file: out, octets: octets.length });
  else print(`${out}: a set of ${entries.length} images, unsigned\n`);
  return EXIT_OK;
}

export function signFile(file: string, options: Options & { signingKey: string; output?: string }): number {
  const octets = readImageOctets(file);
  const signer = openSigner(options.signingKey);
  const signed = isSet(octets) ? signSetFile(octets, signer) : signImageFile(octets, signer);
  const out = options.output ?? file;
  writeWhole(out, signed);
  const { signed: by } = isSet(signed) ? parseSetFile(signed).container : parseImageFile(signed).container;
  const key = renderKeyHash(by!.keyHash);
  if (options.json) printJson({ ok: true, file: out, key });
  else print(`${out}: signed with key ${key}\n`);
  return EXIT_OK;
}

export function keygen(file: string, options: Options): number {
  for (const path of [file, `${file}.pub`]) if (existsSync(path)) throw new WrongUsage(`${path} is there already`);
  const key = renderKeyHash(makeKeyFiles(file).hash);
  if (options.json) printJson({ ok: true, private: file, public: `${file}.pub`, key });
  else print(`${file}: private key, for whoever signs\n${file}.pub: key ${key}, for image_keys\n`);
  return EXIT_OK;
}

/** What a file says of itself; nothing of it is believed. */
function describe(octets: Uint8Array): ImageInfo | SetInfo {
  if (isSet(octets)) {
    const { version, entries, sha256, container } = parseSetFile(octets);
    return {
      kind: "set",
      version: renderVersion(version),
      sha256: Buffer.from(sha256).toString("hex"),
      key: container.signed ? renderKeyHash(container.signed.keyHash) : null,
      images: entries.map(({ slot, file, sha256: digest }) => ({
        slot: slot === ANY_SLOT ? null : slot,
        file,
        sha256: Buffer.from(digest).toString("hex"),
      })),
    };
  }
  const { facts, sha256, container, payload } = parseImageFile(octets);
  return {
    kind: "image",
    ...facts,
    version: renderVersion(facts.version),
    dependencies: facts.dependencies.map(({ boardClass, version }) => ({
      boardClass,
      version: renderVersion(version),
    })),
    payload: payload.length,
    sha256: Buffer.from(sha256).toString("hex"),
    key: container.signed ? renderKeyHash(container.signed.keyHash) : null,
  };
}

export function info(file: string, options: Options): number {
  const said = describe(readImageOctets(file));
  if (options.json) printJson(said);
  else print(said.kind === "set" ? renderSetFile(said) : renderImageFile(said));
  return EXIT_OK;
}

export const keysOf = ({ key = [] }: Options): PublicKey[] => key.map(readPublicKey);

export async function verify(file: string, options: Options): Promise<number> {
  const trusted = keysOf(options);
  if (trusted.length === 0) throw new WrongUsage("--key names the public key to verify with");
  const octets = readImageOctets(file);
  const signer = await meanwhile({ ...options, atOnce: true }, `verify ${file}`, async (say): Promise<PublicKey> => {
    const { verifyImageFile } = await import("../image/verify.ts");
    if (!isSet(octets)) return verifyImageFile(octets, trusted).signer;
    const set = parseSetFile(octets);
    const signedBy = checkSignature(set.container, trusted);
    for (const member of openSet(set, (name) => readImageOctets(resolve(dirname(file), name)))) {
      say(member.image.facts.name);
      verifyImageFile(member.octets, trusted);
    }
    return signedBy;
  });
  const key = renderKeyHash(signer.hash);
  if (options.json) printJson({ ok: true, ...describe(octets) });
  else print(`${file}: ok, signed with key ${key}\n`);
  return EXIT_OK;
}
