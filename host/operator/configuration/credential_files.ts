/**
 * Files of keys and certificates: swanctl's directories beside the configuration file, and files that it names.
 *
 *   x509      certificates, ours and peers'      private rsa ecdsa pkcs8   private keys
 *   x509ca    certificates of authorities        pubkey                    bare public keys
 *   x509crl   lists of revoked certificates
 *
 * PEM or DER, whatever the names end in. Encrypted keys are opened with the secrets that name their file. A file that nobody asked
 * for and that cannot be read is a warning; private keys leave here for the secure element alone.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { parseCertificate, type X509 } from "../../secure_element/certificate.ts";
import { parseList } from "../../secure_element/path.ts";
import { keyFamily } from "../../secure_element/signature_scheme.ts";

export interface CertificateFile {
  file: string;
  x509: X509;
}

export interface KeyFile {
  file: string;
  /** Undefined: it is encrypted, and no secret opens it. */
  key: KeyObject | undefined;
}

export interface Passphrase {
  /** Name of the key's file. */
  file: string;
  secret: Uint8Array;
}

/** The directories of private keys, and the secrets sections that are about files in them. */
export const KEY_DIRECTORIES = ["private", "rsa", "ecdsa", "pkcs8"] as const;

/** The octets of a file's PEM blocks of these kinds, or of the file itself when it is DER. */
function blocks(octets: Uint8Array, kinds: RegExp): Uint8Array[] {
  const text = Buffer.from(octets).toString("latin1");
  if (!text.includes("-----BEGIN ")) return [new Uint8Array(octets)];
  const found = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]+)-----END \1-----/g);
  return [...found].flatMap(([, kind, body]) =>
    kinds.test(kind as string) ? [new Uint8Array(Buffer.from(body as string, "base64"))] : [],
  );
}

function one(octets: Uint8Array, kinds: RegExp): Uint8Array {
  const [first] = blocks(octets, kinds);
  if (!first) throw new RangeError("there is none in this file");
  return first;
}

function privateKey(octets: Uint8Array, passphrase: Uint8Array | undefined): KeyObject {
  const pem = Buffer.from(octets).toString("latin1").includes("-----BEGIN ");
  const secret = passphrase === undefined ? {} : { passphrase: Buffer.from(passphrase) };
  if (pem) return createPrivateKey({ key: Buffer.from(octets), format: "pem", ...secret });
  let last: unknown;
  for (const type of ["pkcs8", "pkcs1", "sec1"] as const) {
    try {
      return createPrivateKey({ key: Buffer.from(octets), format: "der", type, ...secret });
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function publicKey(octets: Uint8Array): KeyObject {
  const pem = Buffer.from(octets).toString("latin1").includes("-----BEGIN ");
  if (pem) return createPublicKey({ key: Buffer.from(octets), format: "pem" });
  try {
    return createPublicKey({ key: Buffer.from(octets), format: "der", type: "spki" });
  } catch {
    return createPublicKey({ key: Buffer.from(octets), format: "der", type: "pkcs1" });
  }
}

/** A sentence about why a file cannot be used. */
export const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message;

export class CredentialFiles {
  readonly #directory: string | undefined;
  readonly #passphrases: readonly Passphrase[];
  readonly #warn: (file: string, message: string) => void;
  #certificates: CertificateFile[] | undefined;
  #authorities: CertificateFile[] | undefined;
  #lists: Uint8Array[] | undefined;
  #keys: KeyFile[] | undefined;

  /** `directory`: where the configuration file lies; without one there are no directories. */
  constructor(
    directory: string | undefined,
    passphrases: readonly Passphrase[],
    warn: (file: string, message: string) => void,
  ) {
    this.#directory = directory;
    this.#passphrases = passphrases;
    this.#warn = warn;
  }

  /** Where a file that the configuration names lies. Throws when it names none. */
  path(name: string, directory: string): string {
    if (isAbsolute(name)) return name;
    if (this.#directory === undefined)
      throw new RangeError(`'${name}' is relative, and the configuration is in no directory`);
    return join(this.#directory, directory, name);
  }

  /** A certificate that the configuration names. Throws when there is none. */
  certificate(name: string, directory: "x509" | "x509ca"): CertificateFile {
    const file = this.path(name, directory);
    return { file, x509: parseCertificate(one(readFileSync(file), /^(X509 )?CERTIFICATE$/)) };
  }

  /** A bare public key that the configuration names: SubjectPublicKeyInfo. Throws when there is none of a kind that we know. */
  publicKey(name: string): Uint8Array {
    const key = publicKey(readFileSync(this.path(name, "pubkey")));
    if (!keyFamily(key)) throw new RangeError("its key is of a kind that is not supported");
    return new Uint8Array(key.export({ type: "spki", format: "der" }));
  }

  /** A list of revoked certificates. Throws when the file is none. */
  list(file: string): Uint8Array {
    const der = one(readFileSync(file), /^X509 CRL$/);
    parseList(der);
    return der;
  }

  /** Certificates of the x509 directory. */
  get certificates(): readonly CertificateFile[] {
    return (this.#certificates ??= this.#all("x509", (octets) => certificatesOf(octets)));
  }

  /** Those of x509ca: only authorities count. */
  get authorities(): readonly CertificateFile[] {
    return (this.#authorities ??= this.#all("x509ca", (octets) => certificatesOf(octets)));
  }

  get lists(): readonly Uint8Array[] {
    return (this.#lists ??= this.#all("x509crl", (octets) =>
      blocks(octets, /^X509 CRL$/).map((der) => {
        parseList(der);
        return der;
      }),
    ).map(({ x509 }) => x509));
  }

  get keys(): readonly KeyFile[] {
    return (this.#keys ??= KEY_DIRECTORIES.flatMap((directory) => this.#files(directory)).map(({ file, name }) => {
      const candidates = this.#passphrases.filter((secret) => secret.file === name);
      for (const secret of [undefined, ...candidates.map((held) => held.secret)]) {
        try {
          return { file, key: privateKey(readFileSync(file), secret) };
        } catch (error) {
          if (secret !== undefined || candidates.length > 0) continue;
          const encrypted = /interrupted|passphrase/i.test((error as Error).message);
          this.#warn(
            file,
            encrypted ? "the key is encrypted, and no secret names its file" : `no private key: ${reason(error)}`,
          );
          return { file, key: undefined };
        }
      }
      this.#warn(file, "the secret does not open the key");
      return { file, key: undefined };
    }));
  }

  /** The private key of a public one. */
  keyOf(publicKeyOf: KeyObject): KeyObject | undefined {
    return this.keyOfSpki(publicKeyOf.export({ type: "spki", format: "der" }));
  }

  /** The same of a SubjectPublicKeyInfo. */
  keyOfSpki(wanted: Uint8Array): KeyObject | undefined {
    return this.keys.find(
      ({ key }) => key !== undefined && createPublicKey(key).export({ type: "spki", format: "der" }).equals(wanted),
    )?.key;
  }

  #files(directory: string): { file: string; name: string }[] {
    if (this.#directory === undefined) return [];
    const path = join(this.#directory, directory);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .sort()
      .map((name) => ({ file: join(path, name), name }))
      .filter(({ file, name }) => !name.startsWith(".") && statSync(file).isFile());
  }

  #all<T>(directory: string, read: (octets: Uint8Array) => T[]): { file: string; x509: T }[] {
    return this.#files(directory).flatMap(({ file }) => {
      try {
        return read(readFileSync(file)).map((x509) => ({ file, x509 }));
      } catch (error) {
        this.#warn(file, `it cannot be read and is left out: ${reason(error)}`);
        return [];
      }
    });
  }
}

const certificatesOf = (octets: Uint8Array): X509[] =>
  blocks(octets, /^(X509 )?CERTIFICATE$/).map((der) => parseCertificate(der));
