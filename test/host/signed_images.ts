/** Images of echo boards for tests: built, signed with a key of the test's own, as small as a board can be. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildEntry, postLink } from "../../host/build/build.ts";
import { buildImageFile, type Dependency, signImageFile } from "../../host/image/image_file.ts";
import { lintModule } from "../../host/image/lint.ts";
import { makeKeyFiles, openSigner, type PublicKey, readPublicKey } from "../../host/image/signature.ts";
import { parseVersion } from "../../host/image/version.ts";

export type Signer = ReturnType<typeof openSigner>;

/** A key pair in a directory of its own, which is gone already. */
export function newKey(): { signer: Signer; key: PublicKey } {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-key-"));
  try {
    makeKeyFiles(join(directory, "key"));
    return { signer: openSigner(join(directory, "key")), key: readPublicKey(join(directory, "key.pub")) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export interface ImageWish {
  board?: "ike" | "ipsec";
  version?: string;
  counter?: number;
  dependencies?: readonly Dependency[];
  abi?: { least: number; most: number };
  /** Octets of a custom section that make it larger. */
  padding?: number;
  /** The test's board in place of the echo board: an entry of test/entries. */
  entry?: string;
}

/** A module of a board with its manifest, as the build makes it. */
export async function boardModule({
  board = "ipsec",
  version = "1.0.0",
  padding = 0,
  entry,
}: ImageWish): Promise<Uint8Array> {
  const bytes = readFileSync(await buildEntry(`test/entries/${entry ?? `echo_${board}`}.ts`, "base"));
  const ram = { ...lintModule(bytes, { build: "base" }).ram!, per_ike_sa: 0, per_sa: 0 };
  const file = { name: board, class: board, ram, ports: [], peers: [] };
  return postLink(padding > 0 ? padded(bytes, padding) : bytes, file, "base", version);
}

/** With a custom section of that many octets behind it. */
function padded(bytes: Uint8Array, octets: number): Uint8Array {
  const size = octets + 4;
  const leb = [(size & 0x7f) | 0x80, ((size >>> 7) & 0x7f) | 0x80, (size >>> 14) & 0x7f];
  return Buffer.concat([bytes, Buffer.from([0, ...leb, 3]), Buffer.from("pad"), Buffer.alloc(octets, 0x5a)]);
}

/** A .cci file; signed when there is a signer. */
export async function imageFile(wish: ImageWish, signer?: Signer): Promise<Uint8Array> {
  const file = buildImageFile(await boardModule(wish), {
    version: parseVersion(wish.version ?? "1.0.0"),
    securityCounter: wish.counter ?? 0,
    ...(wish.dependencies ? { dependencies: wish.dependencies } : {}),
    ...(wish.abi ? { abi: wish.abi } : {}),
  });
  return signer ? signImageFile(file, signer) : file;
}
