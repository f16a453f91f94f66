/**
 * Signature schemes by node:crypto: RSA PKCS#1 v1.5 and PSS (RFC 8017), ECDSA, Ed25519 and Ed448 (RFC 8032), named by their
 * AlgorithmIdentifier as certificates and the AUTH payload of RFC 7427 carry it.
 *
 * Refuses what it does not know, PSS whose mask has another hash, MD2, MD4 and MD5, and a key that is of another kind than the
 * scheme. SHA-1 is known because authentication method 1 is defined with it; in certificates it is refused (path.ts).
 */
import { constants, type KeyObject, sign, verify } from "node:crypto";
import * as asn1js from "asn1js";
import { AlgorithmIdentifier, RSASSAPSSParams } from "pkijs";

export type Hash = "sha1" | "sha256" | "sha384" | "sha512";
export type Family = "rsa" | "ecdsa" | "ed25519" | "ed448";

export interface Scheme {
  family: Family;
  pss?: boolean;
  /** None: the key's kind says it all. */
  hash?: Hash;
  /** Octets; PSS alone. */
  saltLength?: number;
  /** AlgorithmIdentifier in DER. */
  identifier: Uint8Array;
}

const OID: Record<string, Omit<Scheme, "identifier">> = {
  "1.2.840.113549.1.1.5": { family: "rsa", hash: "sha1" },
  "1.2.840.113549.1.1.11": { family: "rsa", hash: "sha256" },
  "1.2.840.113549.1.1.12": { family: "rsa", hash: "sha384" },
  "1.2.840.113549.1.1.13": { family: "rsa", hash: "sha512" },
  "1.2.840.10045.4.1": { family: "ecdsa", hash: "sha1" },
  "1.2.840.10045.4.3.2": { family: "ecdsa", hash: "sha256" },
  "1.2.840.10045.4.3.3": { family: "ecdsa", hash: "sha384" },
  "1.2.840.10045.4.3.4": { family: "ecdsa", hash: "sha512" },
  "1.3.101.112": { family: "ed25519" },
  "1.3.101.113": { family: "ed448" },
};
const OID_PSS = "1.2.840.113549.1.1.10";
const OID_MGF1 = "1.2.840.113549.1.1.8";

const HASH_OID: Record<string, Hash> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/** AlgorithmIdentifiers of RFC 7427 appendix A and RFC 8420, as we send them. */
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const pss = (last: string, salt: string): Uint8Array =>
  hex(
    `304106092a864886f70d01010a3034a00f300d06096086480165030402${last}0500` +
      `a11c301a06092a864886f70d010108300d06096086480165030402${last}0500a2030201${salt}`,
  );
export const OURS: readonly Scheme[] = [
  { family: "rsa", hash: "sha256", identifier: hex("300d06092a864886f70d01010b0500") },
  { family: "rsa", hash: "sha384", identifier: hex("300d06092a864886f70d01010c0500") },
  { family: "rsa", hash: "sha512", identifier: hex("300d06092a864886f70d01010d0500") },
  { family: "rsa", pss: true, hash: "sha256", saltLength: 32, identifier: pss("01", "20") },
  { family: "rsa", pss: true, hash: "sha384", saltLength: 48, identifier: pss("02", "30") },
  { family: "rsa", pss: true, hash: "sha512", saltLength: 64, identifier: pss("03", "40") },
  { family: "ecdsa", hash: "sha256", identifier: hex("300a06082a8648ce3d040302") },
  { family: "ecdsa", hash: "sha384", identifier: hex("300a06082a8648ce3d040303") },
  { family: "ecdsa", hash: "sha512", identifier: hex("300a06082a8648ce3d040304") },
  { family: "ed25519", identifier: hex("300506032b6570") },
  { family: "ed448", identifier: hex("300506032b6571") },
];

/** The scheme that an AlgorithmIdentifier names, or undefined. */
export function schemeOf(
  algorithm: AlgorithmIdentifier,
  identifier: Uint8Array = new Uint8Array(0),
): Scheme | undefined {
  const { algorithmId: oid, algorithmParams: params } = algorithm;
  if (oid !== OID_PSS) {
    const known = Object.hasOwn(OID, oid) ? OID[oid] : undefined;
    if (!known) return undefined;
    const none = params === undefined || (known.family === "rsa" && params instanceof asn1js.Null);
    return none ? { ...known, identifier } : undefined;
  }
  try {
    const { hashAlgorithm, maskGenAlgorithm, saltLength, trailerField } = new RSASSAPSSParams({ schema: params });
    const hash = HASH_OID[hashAlgorithm.algorithmId];
    const mask = new AlgorithmIdentifier({ schema: maskGenAlgorithm.algorithmParams });
    if (!hash || maskGenAlgorithm.algorithmId !== OID_MGF1 || HASH_OID[mask.algorithmId] !== hash) return undefined;
    return trailerField === 1 ? { family: "rsa", pss: true, hash, saltLength, identifier } : undefined;
  } catch {
    return undefined;
  }
}

/** The scheme of an AlgorithmIdentifier in DER. */
export function parseScheme(identifier: Uint8Array): Scheme | undefined {
  try {
    const { result, offset } = asn1js.fromBER(identifier);
    if (offset !== identifier.length) return undefined;
    return schemeOf(new AlgorithmIdentifier({ schema: result }), identifier);
  } catch {
    return undefined;
  }
}

/** What node:crypto tells of a key, told once. */
const details = new WeakMap<KeyObject, NonNullable<KeyObject["asymmetricKeyDetails"]>>();

function detailsOf(key: KeyObject): NonNullable<KeyObject["asymmetricKeyDetails"]> {
  const held = details.get(key) ?? key.asymmetricKeyDetails ?? {};
  details.set(key, held);
  return held;
}

/** Bits of a key as constraints name them: of the modulus, or of the curve. */
export function keyBits(key: KeyObject): number {
  const { modulusLength, namedCurve } = detailsOf(key);
  if (modulusLength !== undefined) return modulusLength;
  return { prime256v1: 256, secp384r1: 384, secp521r1: 521 }[namedCurve ?? ""] ?? 256;
}

/** The family of a key; undefined for what is not supported: DSA, and curves other than P-256, P-384 and P-521. */
export function keyFamily(key: KeyObject): Family | undefined {
  const { asymmetricKeyType: type } = key;
  if (type === "rsa" || type === "rsa-pss") return "rsa";
  if (type === "ed25519" || type === "ed448") return type;
  if (type !== "ec") return undefined;
  return ["prime256v1", "secp384r1", "secp521r1"].includes(detailsOf(key).namedCurve ?? "") ? "ecdsa" : undefined;
}

const options = (scheme: Scheme, key: KeyObject, raw: boolean): object => ({
  key,
  ...(scheme.family === "rsa"
    ? scheme.pss
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
      : { padding: constants.RSA_PKCS1_PADDING }
    : {}),
  ...(scheme.family === "ecdsa" ? { dsaEncoding: raw ? "ieee-p1363" : "der" } : {}),
});

/** Does the scheme go with the key? */
const fits = (scheme: Scheme, key: KeyObject): boolean =>
  keyFamily(key) === scheme.family && (scheme.pss === true || key.asymmetricKeyType !== "rsa-pss");

/** `raw`: an ECDSA signature is r | s (RFC 4754), not DER. */
export function verifySignature(
  scheme: Scheme,
  key: KeyObject,
  octets: Uint8Array,
  signature: Uint8Array,
  raw = false,
): boolean {
  if (!fits(scheme, key)) return false;
  try {
    return verify(scheme.hash ?? null, octets, options(scheme, key, raw) as never, signature);
  } catch {
    return false;
  }
}

/** Throws when the key cannot (an RSA modulus too short for the hash). */
export function makeSignature(scheme: Scheme, key: KeyObject, octets: Uint8Array, raw = false): Uint8Array {
  if (!fits(scheme, key)) throw new RangeError("the scheme is not one for this key");
  return new Uint8Array(sign(scheme.hash ?? null, octets, options(scheme, key, raw) as never));
}
