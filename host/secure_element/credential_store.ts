/**
 * Private keys with their certificates, and whom to trust: what swanctl's local and remote sections of a connection come to.
 * The IKE board knows both by number alone; keys stay here.
 *
 * A peer is known by a path to a trusted authority (path.ts), by a certificate that is trusted for itself, or by a bare public key
 * (RFC 7670).
 *
 * AUTH is made with what the peer takes: digital signatures (RFC 7427) when it has told hash algorithms, RSA with SHA-1
 * (RFC 7296 section 2.15) or ECDSA of RFC 4754 when not. Verified are those and RSA's older method with any SHA-2.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import {
  SIGN_DONE,
  SIGN_NO_COMMON_HASH,
  SIGN_NO_KEY,
  VERDICT_GOOD,
  VERDICT_IDENTITY,
  VERDICT_KEY_USAGE,
  VERDICT_MALFORMED,
  VERDICT_NO_CERTIFICATE,
  VERDICT_NO_PATH,
  VERDICT_SCHEME,
  VERDICT_SCHEME_REFUSED,
  VERDICT_SIGNATURE,
} from "../../assembly/abi/psa.ts";
import type { EapPlan } from "./eap_sessions.ts";
import { isOf, keyUsage, parseCertificate, type X509 } from "./certificate.ts";
import { type Authorities, datesOf, parseList, type Revocation, validatePath } from "./path.ts";
import {
  type Family,
  type Hash,
  keyBits,
  keyFamily,
  makeSignature,
  OURS,
  parseScheme,
  type Scheme,
  schemeOf,
  verifySignature,
} from "./signature_scheme.ts";
import type { TlsCredential } from "./tls_handshake.ts";

/** Kinds of keys and hashes; empty: any. */
export interface SchemeChoice {
  kinds?: readonly KeyKind[];
  hashes?: readonly Hash[];
}

export interface KeyKind {
  family: Family;
  /** Only PSS, of RSA's two. */
  pss?: boolean;
  /** Least bits of every key of the family in the path. */
  bits?: number;
}

/** What swanctl's `auth` may ask for: of the signatures in the path, and of the AUTH payload's unless `ike` says otherwise. */
export interface SchemeConstraint extends SchemeChoice {
  ike?: SchemeChoice;
}

export interface Credential {
  id: number;
  /** PKCS#8, DER. The store keeps its own. */
  key: Uint8Array;
  /** DER: the end entity's first, then authorities to send along. None: the bare public key is sent. */
  certificates: readonly Uint8Array[];
  scheme?: SchemeConstraint;
}

export interface Trust {
  id: number;
  /** DER: all authorities that are known, and lists of what they have revoked. */
  authorities: readonly Uint8Array[];
  lists: readonly Uint8Array[];
  /** One of these must be in the path; empty: any. */
  through: readonly Uint8Array[];
  /** The peer's own certificates, trusted for themselves: when there are any, it has to have one of them. DER. */
  certificates?: readonly Uint8Array[];
  /** Its bare public keys: SubjectPublicKeyInfo, DER. */
  keys?: readonly Uint8Array[];
  /** Certificate policies that its path has to be valid for: OIDs. */
  policies?: readonly string[];
  scheme?: SchemeConstraint;
  revocation: Revocation;
}

export interface Credentials {
  credentials: readonly Credential[];
  trusts: readonly Trust[];
  /** What rounds of authentication by EAP take (eap_sessions.ts). */
  eap?: readonly EapPlan[];
}

const METHOD_RSA = 1;
const METHOD_ECDSA: Record<number, { bits: number; hash: Hash }> = {
  9: { bits: 256, hash: "sha256" },
  10: { bits: 384, hash: "sha384" },
  11: { bits: 521, hash: "sha512" },
};
const METHOD_DIGITAL_SIGNATURE = 14;

/** IANA's hash algorithms of IKEv2 (RFC 7427, 8420). */
const HASH_ID: Record<Hash, number> = { sha1: 1, sha256: 2, sha384: 3, sha512: 4 };
const HASH_IDENTITY = 5;

const DIGITAL_SIGNATURE = 0x80;
const NON_REPUDIATION = 0x40;

/** Encodings of CERT payloads (RFC 7296 section 3.6, RFC 7670). */
const CERT_X509 = 4;
const CERT_RAW_KEY = 15;

/** Identical authorities are decoded once, whatever number of connections names them. */
function authoritiesOf({ authorities, lists }: Trust, known: Map<string, X509>): Authorities {
  const certificates = authorities.map((der) => {
    const key = Buffer.from(der).toString("base64");
    const held = known.get(key) ?? parseCertificate(der);
    known.set(key, held);
    return held;
  });
  const own = ({ parsed }: X509): boolean => parsed.subject.isEqual(parsed.issuer);
  return {
    anchors: certificates.filter(own),
    others: certificates.filter((certificate) => !own(certificate)),
    lists: lists.map(parseList),
  };
}

interface HeldCredential {
  key: KeyObject;
  /** Bodies of CERT payloads. */
  certificates: readonly Uint8Array[];
  scheme: SchemeConstraint;
}

const body = (encoding: number, der: Uint8Array): Uint8Array => Uint8Array.from([encoding, ...der]);
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function hold({ key: der, certificates, scheme }: Credential): HeldCredential {
  const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  const bodies =
    certificates.length > 0
      ? certificates.map((certificate) => body(CERT_X509, certificate))
      : [body(CERT_RAW_KEY, createPublicKey(key).export({ type: "spki", format: "der" }))];
  return { key, certificates: bodies, scheme: scheme ?? {} };
}

export class CredentialStore {
  #credentials = new Map<number, HeldCredential>();
  #trusts = new Map<number, Trust & { known: Authorities }>();

  /** Replaces all. Throws when a key or certificate cannot be read: the configuration has looked at them before. */
  load({ credentials, trusts }: Credentials): void {
    const known = new Map<string, X509>();
    this.#credentials = new Map(credentials.map((credential) => [credential.id, hold(credential)]));
    this.#trusts = new Map(trusts.map((trust) => [trust.id, { ...trust, known: authoritiesOf(trust, known) }]));
  }

  /** The answer's field of PSA_SIGN_AUTH. */
  sign(id: number, hashes: number, octets: Uint8Array): Uint8Array {
    const held = this.#credentials.get(id);
    if (!held) return Uint8Array.of(SIGN_NO_KEY);
    try {
      const made = authOf(held, hashes, octets);
      return made ? signAnswer(made.method, made.data, held.certificates) : Uint8Array.of(SIGN_NO_COMMON_HASH);
    } catch {
      return Uint8Array.of(SIGN_NO_COMMON_HASH); // a modulus that is too short for the hash
    }
  }

  /** The verdict of PSA_VERIFY_AUTH; undefined: no such trust. `bodies`: of CERT payloads; `time`: ms since 1970. */
  async verify(
    id: number,
    method: number,
    identity: Uint8Array,
    data: Uint8Array,
    octets: Uint8Array,
    bodies: readonly Uint8Array[],
    time: number,
  ): Promise<number | undefined> {
    const trust = this.#trusts.get(id);
    if (!trust) return undefined;
    const of = (encoding: number): Uint8Array[] =>
      bodies.filter((one) => one[0] === encoding).map((one) => one.slice(1));
    const scheme = trust.scheme ?? {};
    const keys = peerKeys(trust, of(CERT_RAW_KEY)[0]);
    const sent = of(CERT_X509);
    if (sent.length === 0 && keys.length > 0) {
      return best(keys.map((key) => signatureVerdict(scheme, key, [], method, data, octets)));
    }
    if (sent.length === 0) {
      // A peer that sends none has one of those that are known already.
      const verdicts = (trust.certificates ?? []).map((der) =>
        pinnedVerdict(parseCertificate(der), identity, scheme, method, data, octets, time),
      );
      return verdicts.length === 0 ? VERDICT_NO_CERTIFICATE : best(verdicts);
    }
    let end: X509;
    try {
      end = parseCertificate(sent[0] as Uint8Array);
    } catch {
      return VERDICT_MALFORMED;
    }
    const { verdict, path } = await this.#path(trust, end, sent, identity, time);
    return verdict === VERDICT_GOOD ? signatureVerdict(scheme, end.key, path, method, data, octets) : verdict;
  }

  /** Our key and certificates, for TLS; undefined: no such credential, or a bare key. */
  tlsCredential(id: number): TlsCredential | undefined {
    const held = this.#credentials.get(id);
    if (held?.certificates[0]?.[0] !== CERT_X509) return undefined;
    return { key: held.key, certificates: held.certificates.map((one) => one.subarray(1)) };
  }

  /** The verdict on certificates whose owner has proved to have the key by other means; undefined: no such trust. */
  async judge(
    id: number,
    identity: Uint8Array,
    certificates: readonly Uint8Array[],
    time: number,
  ): Promise<number | undefined> {
    const trust = this.#trusts.get(id);
    if (!trust) return undefined;
    try {
      const end = parseCertificate(certificates[0] as Uint8Array);
      return (await this.#path(trust, end, certificates, identity, time)).verdict;
    } catch {
      return VERDICT_MALFORMED;
    }
  }

  /** The verdict on a certificate that was sent with others, and the path to what is trusted. */
  async #path(
    trust: Trust & { known: Authorities },
    end: X509,
    sent: readonly Uint8Array[],
    identity: Uint8Array,
    time: number,
  ): Promise<{ verdict: number; path: readonly X509[] }> {
    if (trust.certificates && trust.certificates.length > 0) {
      const pinned = trust.certificates.some((der) => equal(der, end.der));
      return { verdict: pinned ? ownVerdict(end, identity, time) : VERDICT_NO_PATH, path: [end] };
    }
    if (!isOf(end, identity)) return { verdict: VERDICT_IDENTITY, path: [] };
    const { known, through, revocation, policies } = trust;
    const rules = {
      time,
      revocation,
      ...(through.length > 0 ? { through } : {}),
      ...(policies && policies.length > 0 ? { policies } : {}),
    };
    const { verdict, path } = await validatePath(sent, known, rules);
    return { verdict: verdict === VERDICT_GOOD && !signs(end) ? VERDICT_KEY_USAGE : verdict, path };
  }
}

/** May the key of the certificate sign? */
function signs(certificate: X509): boolean {
  const usage = keyUsage(certificate);
  return usage === undefined || (usage & (DIGITAL_SIGNATURE | NON_REPUDIATION)) !== 0;
}

/** The bare keys that the peer may have: the one that it sent, if it is known, or all. */
function peerKeys(trust: Trust, sent: Uint8Array | undefined): KeyObject[] {
  const known = trust.keys ?? [];
  const candidates = sent ? known.filter((der) => equal(der, sent)) : known;
  return candidates.map((der) => createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" }));
}

/** Good if one is, else the first. */
const best = (verdicts: readonly number[]): number =>
  verdicts.includes(VERDICT_GOOD) ? VERDICT_GOOD : (verdicts[0] as number);

/** A certificate that is trusted for itself has no path, but an owner, a time and a use. */
function ownVerdict(end: X509, identity: Uint8Array, time: number): number {
  if (!isOf(end, identity)) return VERDICT_IDENTITY;
  const dated = datesOf(end, time);
  if (dated !== VERDICT_GOOD) return dated;
  return signs(end) ? VERDICT_GOOD : VERDICT_KEY_USAGE;
}

function pinnedVerdict(
  end: X509,
  identity: Uint8Array,
  scheme: SchemeConstraint,
  method: number,
  data: Uint8Array,
  octets: Uint8Array,
  time: number,
): number {
  const verdict = ownVerdict(end, identity, time);
  return verdict === VERDICT_GOOD ? signatureVerdict(scheme, end.key, [end], method, data, octets) : verdict;
}

/** Which schemes an AUTH payload may be of: only RSA's method 1 leaves a choice, which its DigestInfo makes. */
function schemesOf(
  method: number,
  data: Uint8Array,
  key: KeyObject,
): { schemes: Scheme[]; signature: Uint8Array; raw: boolean } {
  const none = new Uint8Array(0);
  if (method === METHOD_DIGITAL_SIGNATURE) {
    const length = data[0] ?? 0;
    const scheme = parseScheme(data.subarray(1, 1 + length));
    return { schemes: scheme ? [scheme] : [], signature: data.subarray(1 + length), raw: false };
  }
  if (method === METHOD_RSA) {
    const schemes = (["sha1", "sha256", "sha384", "sha512"] as const).map(
      (hash): Scheme => ({ family: "rsa", hash, identifier: none }),
    );
    return { schemes, signature: data, raw: false };
  }
  const curve = METHOD_ECDSA[method];
  const fits = curve !== undefined && keyFamily(key) === "ecdsa" && keyBits(key) === curve.bits;
  return { schemes: fits ? [{ family: "ecdsa", hash: curve.hash, identifier: none }] : [], signature: data, raw: true };
}

/** `path`: end entity first, trusted authority last; empty for a bare key. */
function signatureVerdict(
  constraint: SchemeConstraint,
  key: KeyObject,
  path: readonly X509[],
  method: number,
  data: Uint8Array,
  octets: Uint8Array,
): number {
  const { schemes, signature, raw } = schemesOf(method, data, key);
  const usable = schemes.filter(({ family, hash }) => {
    // SHA-1 is what method 1 is defined with; nothing else has to take it.
    return family === keyFamily(key) && (hash !== "sha1" || method === METHOD_RSA);
  });
  if (usable.length === 0) return VERDICT_SCHEME;
  const found = usable.find((scheme) => verifySignature(scheme, key, octets, signature, raw));
  if (!found) return VERDICT_SIGNATURE;
  return permitted(constraint, [key, ...path.slice(1).map((one) => one.key)], path, found)
    ? VERDICT_GOOD
    : VERDICT_SCHEME_REFUSED;
}

function permitted(
  constraint: SchemeConstraint,
  keys: readonly KeyObject[],
  path: readonly X509[],
  found: Scheme,
): boolean {
  const { kinds } = constraint;
  if (kinds !== undefined) {
    for (const key of keys) {
      const least = kinds.flatMap(({ family, bits }) => (family === keyFamily(key) ? [bits ?? 0] : []));
      if (least.length > 0 && keyBits(key) < Math.min(...least)) return false;
    }
  }
  // What the trusted authority says of itself proves nothing, whatever its hash.
  const made = path.slice(0, -1).map(({ parsed }) => schemeOf(parsed.signatureAlgorithm));
  if (!made.every((scheme) => scheme !== undefined && hashAllowed(constraint, scheme))) return false;
  const ike = constraint.ike ?? constraint;
  return kindAllowed(ike, found) && kindAllowed({ ...(kinds ? { kinds } : {}) }, found) && hashAllowed(ike, found);
}

const hashAllowed = ({ hashes }: SchemeChoice, { hash }: Scheme): boolean =>
  hashes === undefined || hash === undefined || hashes.includes(hash);

const kindAllowed = ({ kinds }: SchemeChoice, scheme: Scheme): boolean =>
  kinds === undefined ||
  kinds.some(({ family, pss }) => family === scheme.family && (pss === undefined || pss === (scheme.pss === true)));

/** AUTH as this peer takes it; undefined when it takes nothing that this key can make. */
function authOf(
  held: HeldCredential,
  peer: number,
  octets: Uint8Array,
): { method: number; data: Uint8Array } | undefined {
  const { key } = held;
  const constraint = held.scheme.ike ?? held.scheme;
  const family = keyFamily(key);
  const pss = constraint.kinds?.find((kind) => kind.family === "rsa")?.pss === true;
  if (peer !== 0) {
    const bits = keyBits(key);
    // The hash that is as strong as the curve first, then stronger ones, then the rest.
    const fit = bits >= 521 && family === "ecdsa" ? "sha512" : bits === 384 ? "sha384" : "sha256";
    const order = [fit, "sha256", "sha384", "sha512"];
    const scheme = OURS.filter((ours) => {
      if (ours.family !== family) return false;
      if (family === "rsa" && (ours.pss === true) !== (pss || key.asymmetricKeyType === "rsa-pss")) return false;
      if (ours.hash !== undefined && constraint.hashes !== undefined && !constraint.hashes.includes(ours.hash))
        return false;
      return ((peer >>> (ours.hash === undefined ? HASH_IDENTITY : HASH_ID[ours.hash])) & 1) === 1;
    }).sort((a, b) => order.indexOf(a.hash ?? fit) - order.indexOf(b.hash ?? fit))[0];
    if (!scheme) return undefined;
    const signature = makeSignature(scheme, key, octets);
    return {
      method: METHOD_DIGITAL_SIGNATURE,
      data: Buffer.concat([Uint8Array.of(scheme.identifier.length), scheme.identifier, signature]),
    };
  }
  const identifier = new Uint8Array(0);
  const allowed = (hash: Hash): boolean => constraint.hashes === undefined || constraint.hashes.includes(hash);
  if (family === "rsa" && key.asymmetricKeyType === "rsa" && !pss) {
    const hash = (["sha1", "sha256", "sha384", "sha512"] as const).find(allowed);
    if (!hash) return undefined;
    return { method: METHOD_RSA, data: makeSignature({ family, hash, identifier }, key, octets) };
  }
  if (family !== "ecdsa") return undefined;
  const curve = Object.entries(METHOD_ECDSA).find(([, { bits }]) => bits === keyBits(key));
  if (!curve || !allowed(curve[1].hash)) return undefined;
  const data = makeSignature({ family, hash: curve[1].hash, identifier }, key, octets, true);
  return { method: Number(curve[0]), data };
}

function signAnswer(method: number, data: Uint8Array, certificates: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.from([SIGN_DONE, method, data.length & 0xff, data.length >>> 8]);
  const parts: Uint8Array[] = [head, data];
  for (const der of certificates) parts.push(Buffer.from([der.length & 0xff, der.length >>> 8]), der);
  return new Uint8Array(Buffer.concat(parts));
}
