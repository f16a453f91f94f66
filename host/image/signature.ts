/**
 * Signatures of images: Ed25519 (RFC 8032) through node:crypto. Keys are PEM files: PKCS#8 for the private one, SubjectPublicKeyInfo for
 * the public one.
 *
 * A private key is read for one signature and forgotten; it is never shown, logged, or written anywhere but to the file that
 * keygen makes. Refuses private keys that others may read, keys of other kinds, and a private key where a public one is wanted.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { timingSafeEqual } from "node:crypto";
import type { Container } from "./container.ts";
import { ImageRefused } from "./refusal.ts";

/** A key file cannot be used; the message names the file and never what is in it. */
export class KeyError extends Error {
  override name = "KeyError";
}

/** Whom to trust. */
export interface PublicKey {
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly hash: Uint8Array;
  readonly key: KeyObject;
}

/** The largest key file, octets. */
const KEY_FILE_MAX = 16384;

const hashOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(
    createHash("sha256")
      .update(key.export({ format: "der", type: "spki" }))
      .digest(),
  );

/** How key hashes are shown: the first eight octets. */
export const renderKeyHash = (hash: Uint8Array): string => Buffer.from(hash.subarray(0, 8)).toString("hex");

/** A pair as keygen makes it: `path` with mode 0600, and `path`.pub. Overwrites nothing. */
export function makeKeyFiles(path: string): PublicKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600, flag: "wx" });
  writeFileSync(`${path}.pub`, publicKey.export({ format: "pem", type: "spki" }), { mode: 0o644, flag: "wx" });
  return { hash: hashOf(publicKey), key: publicKey };
}

function readKeyFile(path: string, isPrivate: boolean): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw new KeyError(`${path}: ${(error as NodeJS.ErrnoException).code ?? "cannot be read"}`);
  }
  try {
    const { size, mode } = fstatSync(file);
    if (size > KEY_FILE_MAX) throw new KeyError(`${path}: is no key file`);
    if (isPrivate && (mode & 0o077) !== 0) throw new KeyError(`${path}: others may read it; chmod 600 it`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** What signs with the private key in `path`. Throws KeyError. */
export function openSigner(path: string): (covered: Uint8Array) => { keyHash: Uint8Array; signature: Uint8Array } {
  const pem = readKeyFile(path, true);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The engine's own words might quote the file.
    throw new KeyError(`${path}: is no private key in PEM, or it is encrypted`);
  } finally {
    pem.fill(0);
  }
  if (key.asymmetricKeyType !== "ed25519") throw new KeyError(`${path}: images are signed with Ed25519`);
  const keyHash = hashOf(createPublicKey(key));
  return (covered) => ({ keyHash, signature: new Uint8Array(sign(null, covered, key)) });
}

/** A key to trust. Throws KeyError. */
export function readPublicKey(path: string): PublicKey {
  const pem = readKeyFile(path, false);
  const text = pem.toString("latin1");
  const isPrivate = text.includes("PRIVATE KEY");
  let key: KeyObject | undefined;
  try {
    if (!isPrivate && text.includes("-----BEGIN PUBLIC KEY-----")) key = createPublicKey(pem);
  } catch {
    key = undefined;
  }
  pem.fill(0);
  if (isPrivate) throw new KeyError(`${path}: is a private key; whom to trust is said by the public one (.pub)`);
  if (!key) throw new KeyError(`${path}: is no public key in PEM`);
  if (key.asymmetricKeyType !== "ed25519") throw new KeyError(`${path}: images are signed with Ed25519`);
  return { hash: hashOf(key), key };
}

/** Checks that one of `trusted` signed the container. Throws ImageRefused. */
export function checkSignature({ covered, signed }: Container, trusted: readonly PublicKey[]): PublicKey {
  if (!signed) throw new ImageRefused("unsigned");
  const signer = trusted.find(({ hash }) => timingSafeEqual(hash, signed.keyHash));
  if (!signer)
    throw new ImageRefused("unknown_key", `it is signed with key ${renderKeyHash(signed.keyHash)}, not trusted here`);
  if (!verify(null, covered, signer.key, signed.signature)) throw new ImageRefused("bad_signature");
  return signer;
}
