/**
 * Certificates for tests, made as they are needed: pkijs encodes, node:crypto signs. Kinds are named as the interop harness names them.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as asn1js from "asn1js";
import {
  AlgorithmIdentifier,
  BasicConstraints,
  Certificate,
  CertificateRevocationList,
  Extension,
  Extensions,
  GeneralName,
  GeneralNames,
  PublicKeyInfo,
  RelativeDistinguishedNames,
  RevokedCertificate,
  Time,
} from "pkijs";
import { encodeDistinguishedName } from "../../host/operator/configuration/distinguished_name.ts";
import { makeSignature, OURS, type Scheme } from "../../host/secure_element/signature_scheme.ts";

export type Kind = "rsa2048" | "rsa3072" | "ecp256" | "ecp384" | "ecp521" | "ed25519" | "ed448";

const HASH: Record<Kind, string | undefined> = {
  rsa2048: "sha256",
  rsa3072: "sha256",
  ecp256: "sha256",
  ecp384: "sha384",
  ecp521: "sha512",
  ed25519: undefined,
  ed448: undefined,
};
const CURVE = { ecp256: "P-256", ecp384: "P-384", ecp521: "P-521" } as const;
const DAY = 86_400_000;

export function makeKey(kind: Kind): KeyObject {
  if (kind === "ed25519") return generateKeyPairSync("ed25519").privateKey;
  if (kind === "ed448") return generateKeyPairSync("ed448").privateKey;
  if (kind in CURVE) return generateKeyPairSync("ec", { namedCurve: CURVE[kind as keyof typeof CURVE] }).privateKey;
  return generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(3)) }).privateKey;
}

export interface Subject {
  /** Common name; the name is C=XX, O=cardcage test, CN=... */
  name: string;
  kind?: Kind;
  key?: KeyObject;
  /** FQDN, or several. */
  san?: string | readonly string[];
  ca?: boolean;
  /** ms since 1970. */
  from?: number;
  to?: number;
}

export interface Issued {
  kind: Kind;
  key: KeyObject;
  certificate: Certificate;
  der: Uint8Array;
}

const nameOf = (common: string): RelativeDistinguishedNames =>
  new RelativeDistinguishedNames({
    schema: asn1js.fromBER(encodeDistinguishedName(`C=XX, O=cardcage test, CN=${common.replaceAll(",", "\\,")}`))
      .result,
  });

const schemeFor = (kind: Kind): Scheme =>
  OURS.find(
    ({ family, hash, pss }) =>
      kind.startsWith(family === "ecdsa" ? "ecp" : family) && hash === HASH[kind] && pss !== true,
  ) as Scheme;

const algorithm = (kind: Kind): AlgorithmIdentifier =>
  new AlgorithmIdentifier({ schema: asn1js.fromBER(schemeFor(kind).identifier).result });

const signature = (kind: Kind, key: KeyObject, octets: ArrayBuffer): asn1js.BitString =>
  new asn1js.BitString({ valueHex: makeSignature(schemeFor(kind), key, new Uint8Array(octets)).slice().buffer });

/** A certificate that `issuer` signs, or a self-issued one. */
export function issue(subject: Subject, issuer?: Issued): Issued {
  const kind = subject.kind ?? issuer?.kind ?? "ecp256";
  const key = subject.key ?? makeKey(kind);
  const signer = issuer ?? { kind, key };
  const certificate = new Certificate();
  certificate.version = 2;
  certificate.serialNumber = new asn1js.Integer({ valueHex: Uint8Array.from([1, ...randomBytes(8)]).buffer });
  certificate.subject = nameOf(subject.name);
  certificate.issuer = issuer ? issuer.certificate.subject : certificate.subject;
  certificate.notBefore = new Time({ value: new Date(subject.from ?? Date.now() - DAY) });
  certificate.notAfter = new Time({ value: new Date(subject.to ?? Date.now() + 30 * DAY) });
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  certificate.subjectPublicKeyInfo = new PublicKeyInfo({ schema: asn1js.fromBER(spki).result });
  certificate.extensions = [];
  if (subject.ca) {
    const value = new BasicConstraints({ cA: true }).toSchema().toBER();
    certificate.extensions.push(new Extension({ extnID: "2.5.29.19", critical: true, extnValue: value }));
  }
  if (subject.san !== undefined) {
    const fqdns = [subject.san].flat();
    const names = new GeneralNames({ names: fqdns.map((value) => new GeneralName({ type: 2, value })) });
    certificate.extensions.push(new Extension({ extnID: "2.5.29.17", extnValue: names.toSchema().toBER() }));
  }
  if (certificate.extensions.length === 0) delete certificate.extensions;
  certificate.signature = algorithm(signer.kind);
  certificate.signatureAlgorithm = algorithm(signer.kind);
  certificate.signatureValue = signature(signer.kind, signer.key, certificate.encodeTBS().toBER());
  return { kind, key, certificate, der: new Uint8Array(certificate.toSchema(true).toBER()) };
}

/** A list of what `issuer` has revoked. */
export function revoke(issuer: Issued, revoked: readonly Issued[]): Uint8Array {
  const list = new CertificateRevocationList({
    version: 1,
    issuer: issuer.certificate.subject,
    thisUpdate: new Time({ value: new Date(Date.now() - DAY) }),
    nextUpdate: new Time({ value: new Date(Date.now() + DAY) }),
    signature: algorithm(issuer.kind),
    signatureAlgorithm: algorithm(issuer.kind),
    crlExtensions: new Extensions({
      extensions: [new Extension({ extnID: "2.5.29.20", extnValue: new asn1js.Integer({ value: 1 }).toBER() })],
    }),
    revokedCertificates: revoked.map(
      ({ certificate }) =>
        new RevokedCertificate({
          userCertificate: certificate.serialNumber,
          revocationDate: new Time({ value: new Date(Date.now() - DAY) }),
        }),
    ),
  });
  // A whole list that is not signed yet has its content in front.
  const [content] = list.toSchema(true).valueBlock.value;
  list.signatureValue = signature(issuer.kind, issuer.key, (content as asn1js.Sequence).toBER());
  return new Uint8Array(list.toSchema(true).toBER());
}

export function pem(kind: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .match(/.{1,64}/g) as string[];
  return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}

export interface Directory {
  x509?: Record<string, Issued>;
  x509ca?: Record<string, Issued>;
  x509crl?: Record<string, Uint8Array>;
  private?: Record<string, KeyObject>;
  pubkey?: Record<string, KeyObject>;
}

/** Writes swanctl's directories; names get .pem behind them. */
export function writeDirectory(path: string, { x509, x509ca, x509crl, private: keys, pubkey }: Directory): void {
  const put = <T>(directory: string, files: Record<string, T> | undefined, text: (value: T) => string): void => {
    if (!files) return;
    mkdirSync(join(path, directory), { recursive: true, mode: 0o700 });
    for (const [name, value] of Object.entries(files)) {
      writeFileSync(join(path, directory, `${name}.pem`), text(value), { mode: 0o600 });
    }
  };
  put("x509", x509, ({ der }) => pem("CERTIFICATE", der));
  put("x509ca", x509ca, ({ der }) => pem("CERTIFICATE", der));
  put("x509crl", x509crl, (der) => pem("X509 CRL", der));
  put("private", keys, (key) => key.export({ type: "pkcs8", format: "pem" }) as string);
  put("pubkey", pubkey, (key) => createPublicKey(key).export({ type: "spki", format: "pem" }) as string);
}
