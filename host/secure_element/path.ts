/**
 * Certification paths (RFC 5280 section 6): which authorities stand between an end entity and a trusted one, and whether they may.
 *
 * Candidate paths are looked for here, by names and signatures and within a bound; each is validated by pkijs's engine: names,
 * signatures, dates, basic constraints, key usage. Beyond the engine's: policies (policies.ts), path length and name constraints
 * (name_constraints.ts), critical extensions that nobody here reads, keys and hashes that are too weak, revocation by lists
 * given as files.
 *
 * As with strongSwan only self-issued authorities are trusted; others that are known help to complete a path. A list of
 * revoked certificates counts when its issuer, the certificate's own, has signed it; a certificate on an outdated list stays
 * revoked. Refuses more than CERTIFICATES_MAX certificates of a peer, indirect lists and OCSP.
 */
import { createPublicKey, type KeyObject, webcrypto } from "node:crypto";
import * as asn1js from "asn1js";
import {
  type AlgorithmIdentifier,
  type BasicConstraints,
  Certificate,
  CertificateChainValidationEngine,
  CertificateRevocationList,
  CryptoEngine,
  type PublicKeyInfo,
} from "pkijs";
import {
  VERDICT_EXPIRED,
  VERDICT_GOOD,
  VERDICT_MALFORMED,
  VERDICT_NO_PATH,
  VERDICT_NOT_YET_VALID,
  VERDICT_PATH,
  VERDICT_REVOCATION_UNKNOWN,
  VERDICT_REVOKED,
  VERDICT_WEAK,
} from "../../assembly/abi/psa.ts";
import {
  extension,
  keyUsage,
  OID_BASIC_CONSTRAINTS,
  OID_KEY_USAGE,
  parseCertificate,
  type X509,
} from "./certificate.ts";
import { constraintsAllow, OID_NAME_CONSTRAINTS } from "./name_constraints.ts";
import {
  OID_INHIBIT_ANY_POLICY,
  OID_POLICIES,
  OID_POLICY_CONSTRAINTS,
  OID_POLICY_MAPPINGS,
  policyAllows,
} from "./policies.ts";
import { keyBits, keyFamily, schemeOf, verifySignature } from "./signature_scheme.ts";

/** Certificates of a peer, those of authorities included. */
export const CERTIFICATES_MAX = 8;
/** Signatures that a search may verify. */
const SEARCH_MAX = 64;
const RSA_BITS_MIN = 2048;

const CRL_SIGN = 0x02;

/** Extensions that the engine does not see. */
const OURS = new Set([
  OID_NAME_CONSTRAINTS,
  OID_POLICIES,
  OID_POLICY_MAPPINGS,
  OID_POLICY_CONSTRAINTS,
  OID_INHIBIT_ANY_POLICY,
]);

/** Extensions that the engine or we read; another that is critical makes a path invalid. */
const READ = new Set([
  OID_KEY_USAGE,
  OID_BASIC_CONSTRAINTS,
  "2.5.29.17", // subjectAltName
  "2.5.29.37", // extKeyUsage
  ...OURS,
]);
const OID_EC_KEY = "1.2.840.10045.2.1";
const OID_CRL_PLACES = "2.5.29.31";
const OID_EXTENDED_KEY_USAGE = "2.5.29.37";
/** Purposes of which a critical extKeyUsage must name one: any, IPsec IKE (RFC 4945), Apple's and Cisco's intermediate, TLS. */
const PURPOSES = ["2.5.29.37.0", "1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.8.2.2", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
/** Of a CRL: its number, the key's identifier; others that are critical limit what the list tells of. */
const CRL_READ = new Set(["2.5.29.20", "2.5.29.35"]);

/** pkijs asks this for every signature; node:crypto answers. */
class NodeEngine extends CryptoEngine {
  constructor() {
    super({ name: "node", crypto: webcrypto as never });
  }

  override verifyWithPublicKey(
    ...[data, signature, publicKey, algorithm]: Parameters<CryptoEngine["verifyWithPublicKey"]>
  ) {
    return Promise.resolve(signedBy(data, signature, publicKey, algorithm));
  }
}

/** Keys of the certificates that are decoded. */
const keys = new WeakMap<PublicKeyInfo, KeyObject>();

function keyOf(info: PublicKeyInfo): KeyObject {
  const held =
    keys.get(info) ?? createPublicKey({ key: Buffer.from(info.toSchema().toBER()), format: "der", type: "spki" });
  keys.set(info, held);
  return held;
}

function signedBy(
  ...[data, signature, publicKey, algorithm]: Parameters<CryptoEngine["verifyWithPublicKey"]>
): boolean {
  const scheme = schemeOf(algorithm);
  if (!scheme) return false;
  try {
    const key = keyOf(publicKey);
    const octets = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data as ArrayBuffer);
    return verifySignature(scheme, key, octets, new Uint8Array(signature.valueBlock.valueHexView));
  } catch {
    return false;
  }
}

const engine = new NodeEngine();

export interface Authorities {
  /** Self-issued: a path ends at one of them. */
  anchors: readonly X509[];
  /** Known, but not trusted for themselves. */
  others: readonly X509[];
  lists: readonly CertificateRevocationList[];
}

/**
 * strict: every certificate below the trusted one must be told good by a list that is in date; ifuri: those that name a place where
 * such a list is; relaxed: none.
 */
export type Revocation = "relaxed" | "ifuri" | "strict";

export interface PathRules {
  /** ms since 1970. */
  time: number;
  revocation: Revocation;
  /** Certificate policies that the path has to be valid for: OIDs. */
  policies?: readonly string[];
  /** A path must hold one of these (DER); none: any path will do. */
  through?: readonly Uint8Array[];
}

export interface PathResult {
  verdict: number;
  /** End entity first, trusted authority last; empty unless the verdict is good. */
  path: readonly X509[];
}

/** Throws when the octets are no list of revoked certificates. */
export function parseList(der: Uint8Array): CertificateRevocationList {
  const { result, offset } = asn1js.fromBER(der.slice());
  if (offset !== der.length) throw new RangeError("octets behind the list");
  return new CertificateRevocationList({ schema: result });
}

export function isAuthority(certificate: X509): boolean {
  return (extension(certificate, OID_BASIC_CONSTRAINTS) as BasicConstraints | undefined)?.cA === true;
}

export const isSelfIssued = ({ parsed }: X509): boolean => parsed.subject.isEqual(parsed.issuer);

/** Has `issuer` signed `certificate`? */
export const issuedBy = ({ parsed }: X509, issuer: X509): boolean =>
  parsed.issuer.isEqual(issuer.parsed.subject) &&
  signedBy(
    parsed.tbsView as never,
    parsed.signatureValue,
    issuer.parsed.subjectPublicKeyInfo,
    parsed.signatureAlgorithm,
  );

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Paths from `end` to an anchor, the shortest first, as far as the bound lets it look. */
function* candidates(end: X509, others: readonly X509[], anchors: readonly X509[]): Generator<X509[]> {
  let left = SEARCH_MAX;
  let ways: X509[][] = [[end]];
  while (ways.length > 0) {
    const longer: X509[][] = [];
    for (const way of ways) {
      const last = way.at(-1) as X509;
      const issuers = (of: readonly X509[]): X509[] =>
        of.filter((issuer) => !way.some(({ der }) => same(der, issuer.der)) && left-- > 0 && issuedBy(last, issuer));
      for (const anchor of issuers(anchors)) yield [...way, anchor];
      if (way.length < CERTIFICATES_MAX) for (const issuer of issuers(others)) longer.push([...way, issuer]);
    }
    ways = longer;
  }
}

/** Whether a certificate is valid at `time`: good, expired or not yet. */
export function datesOf({ parsed }: X509, time: number): number {
  if (time < parsed.notBefore.value.getTime()) return VERDICT_NOT_YET_VALID;
  return time > parsed.notAfter.value.getTime() ? VERDICT_EXPIRED : VERDICT_GOOD;
}

/** A key that is too short, or a signature that is made with too weak a hash. */
function weak(certificate: X509, trusted: boolean): boolean {
  const { key, parsed } = certificate;
  // A curve has to be named (RFC 5480 section 2.1.1): parameters of somebody's own may be anything.
  const { algorithmId, algorithmParams } = parsed.subjectPublicKeyInfo.algorithm;
  if (algorithmId === OID_EC_KEY && !(algorithmParams instanceof asn1js.ObjectIdentifier)) return true;
  if (keyFamily(key) === "rsa" && keyBits(key) < RSA_BITS_MIN) return true;
  return !trusted && schemeOf(parsed.signatureAlgorithm)?.hash === "sha1";
}

/** Critical extensions that are unknown, unreadable, or ask for another use than this. */
function forbids(certificate: X509): boolean {
  const extensions = certificate.parsed.extensions ?? [];
  if (new Set(extensions.map(({ extnID }) => extnID)).size !== extensions.length) return true;
  return extensions.some(({ extnID, critical, parsedValue }) => {
    if (READ.has(extnID) && (parsedValue === undefined || "parsingError" in (parsedValue as object))) return true;
    if (!critical) return false;
    if (extnID !== OID_EXTENDED_KEY_USAGE) return !READ.has(extnID);
    return !(parsedValue as { keyPurposes: string[] }).keyPurposes.some((purpose) => PURPOSES.includes(purpose));
  });
}

function listFor(certificate: X509, issuer: X509, lists: readonly CertificateRevocationList[]) {
  const usage = keyUsage(issuer);
  if (usage !== undefined && (usage & CRL_SIGN) === 0) return [];
  return lists.filter(
    (list) =>
      list.issuer.isEqual(certificate.parsed.issuer) &&
      signedBy(
        list.tbsView as never,
        list.signatureValue,
        issuer.parsed.subjectPublicKeyInfo,
        list.signatureAlgorithm as AlgorithmIdentifier,
      ),
  );
}

/** Does something current have to tell that the certificate is not revoked? */
function wanted(certificate: X509, rule: Revocation): boolean {
  if (rule !== "ifuri") return rule === "strict";
  return (certificate.parsed.extensions ?? []).some(({ extnID }) => extnID === OID_CRL_PLACES);
}

function revocation(path: readonly X509[], authorities: Authorities, rules: PathRules): number {
  for (let i = 0; i + 1 < path.length; i++) {
    const certificate = path[i] as X509;
    const lists = listFor(certificate, path[i + 1] as X509, authorities.lists);
    let good = false;
    for (const list of lists) {
      const held = (list.revokedCertificates ?? []).some(({ userCertificate }) =>
        userCertificate.isEqual(certificate.parsed.serialNumber),
      );
      if (held) return VERDICT_REVOKED;
      const whole = (list.crlExtensions?.extensions ?? []).every(
        ({ critical, extnID }) => !critical || CRL_READ.has(extnID),
      );
      const current =
        rules.time >= list.thisUpdate.value.getTime() &&
        (list.nextUpdate === undefined || rules.time <= list.nextUpdate.value.getTime());
      good ||= whole && current;
    }
    if (!good && wanted(certificate, rules.revocation)) return VERDICT_REVOCATION_UNKNOWN;
  }
  return VERDICT_GOOD;
}

const bares = new WeakMap<X509, Certificate>();

/** The certificate without what is looked at elsewhere: the engine would refuse valid policies that map, and valid names. */
function bareOf(x509: X509): Certificate {
  const held = bares.get(x509);
  if (held) return held;
  const certificate = new Certificate({ schema: asn1js.fromBER(x509.der).result });
  bares.set(x509, certificate);
  if (certificate.extensions) {
    certificate.extensions = certificate.extensions.filter(({ extnID }) => !OURS.has(extnID));
  }
  return certificate;
}

async function judge(path: readonly X509[], authorities: Authorities, rules: PathRules): Promise<number> {
  if (rules.through && !path.some(({ der }) => rules.through?.some((wanted) => same(der, wanted))))
    return VERDICT_NO_PATH;
  for (const certificate of path) {
    const verdict = datesOf(certificate, rules.time);
    if (verdict !== VERDICT_GOOD) return verdict;
  }
  if (path.some((certificate, i) => weak(certificate, i === path.length - 1))) return VERDICT_WEAK;
  if (path.some(forbids) || !path.slice(1).every(isAuthority) || !constraintsAllow(path)) return VERDICT_PATH;
  if (!(rules.policies ?? [undefined]).every((policy) => policyAllows(path, policy))) return VERDICT_PATH;
  const bare = path.map(bareOf);
  const validation = new CertificateChainValidationEngine({
    trustedCerts: bare.slice(-1),
    certs: bare.slice(0, -1).reverse(),
    checkDate: new Date(rules.time),
    findIssuer: async (certificate) => {
      const issuer = bare[Math.min(bare.indexOf(certificate) + 1, bare.length - 1)];
      return issuer ? [issuer] : [];
    },
  });
  const { result } = await validation.verify({}, engine);
  return result ? revocation(path, authorities, rules) : VERDICT_PATH;
}

/** Validates the peer's certificates: the end entity's first, authorities that it sent behind it. Never throws. */
export async function validatePath(
  certificates: readonly Uint8Array[],
  authorities: Authorities,
  rules: PathRules,
): Promise<PathResult> {
  const none = (verdict: number): PathResult => ({ verdict, path: [] });
  if (certificates.length === 0 || certificates.length > CERTIFICATES_MAX) return none(VERDICT_MALFORMED);
  let verdict = VERDICT_NO_PATH;
  try {
    const [end, ...sent] = certificates.map(parseCertificate) as [X509, ...X509[]];
    if (!keyFamily(end.key)) return none(VERDICT_WEAK);
    const others = [...authorities.others, ...sent.filter((certificate) => isAuthority(certificate))];
    for (const path of candidates(end, others, authorities.anchors)) {
      const judged = await judge(path, authorities, rules);
      if (judged === VERDICT_GOOD) return { verdict: VERDICT_GOOD, path };
      verdict = judged;
      if (judged === VERDICT_REVOKED) break;
    }
  } catch {
    return none(VERDICT_MALFORMED);
  }
  return none(verdict);
}
