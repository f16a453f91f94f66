/**
 * Certificate policies along a path (RFC 5280 section 6.1, with RFC 9618's bound: one node a policy and certificate).
 *
 * A node stands for a policy that is valid up to a certificate. It knows which policies of the next certificate continue it, and which
 * policies of the trusted authority's domain it goes back to; a mapping renames it. Qualifiers are not looked at.
 */
import type * as asn1js from "asn1js";
import type { CertificatePolicies, PolicyConstraints, PolicyMappings } from "pkijs";
import { extension, type X509 } from "./certificate.ts";

export const ANY_POLICY = "2.5.29.32.0";
export const OID_POLICIES = "2.5.29.32";
export const OID_POLICY_MAPPINGS = "2.5.29.33";
export const OID_POLICY_CONSTRAINTS = "2.5.29.36";
export const OID_INHIBIT_ANY_POLICY = "2.5.29.54";

interface Node {
  /** Policies of the next certificate that continue this one. */
  expected: Set<string>;
  /** Policies of the first certificate's domain that lead here; anyPolicy: all. */
  roots: Set<string>;
}
type Level = Map<string, Node>;

const policiesOf = (certificate: X509): string[] | undefined =>
  (extension(certificate, OID_POLICIES) as CertificatePolicies | undefined)?.certificatePolicies.map(
    ({ policyIdentifier }) => policyIdentifier,
  );

const mappingsOf = (certificate: X509): { issuerDomainPolicy: string; subjectDomainPolicy: string }[] =>
  (extension(certificate, OID_POLICY_MAPPINGS) as PolicyMappings | undefined)?.mappings ?? [];

/** The policies of a certificate that the ones before it allow. */
function step(level: Level, policies: readonly string[], any: boolean): Level {
  const next: Level = new Map();
  const add = (policy: string, roots: Iterable<string>): void => {
    const node = next.get(policy) ?? { expected: new Set([policy]), roots: new Set() };
    for (const root of roots) node.roots.add(root);
    next.set(policy, node);
  };
  for (const policy of policies) {
    if (policy === ANY_POLICY) continue;
    const parents = [...level.values()].filter(({ expected }) => expected.has(policy));
    for (const { roots } of parents) add(policy, roots);
    if (parents.length === 0 && level.has(ANY_POLICY)) add(policy, [policy]);
  }
  if (!any || !policies.includes(ANY_POLICY)) return next;
  const named = new Set(next.keys());
  for (const { expected, roots } of level.values()) {
    for (const policy of expected) if (!named.has(policy)) add(policy, roots);
  }
  return next;
}

/** Applies a certificate's mappings; false: they are none that may be. */
function map(level: Level, certificate: X509, allowed: boolean): boolean {
  const mappings = mappingsOf(certificate);
  const targets = new Map<string, Set<string>>();
  for (const { issuerDomainPolicy: from, subjectDomainPolicy: to } of mappings) {
    if (from === ANY_POLICY || to === ANY_POLICY) return false;
    targets.set(from, (targets.get(from) ?? new Set()).add(to));
  }
  for (const [from, to] of targets) {
    const node = level.get(from);
    if (!allowed) level.delete(from);
    else if (node) node.expected = to;
    else if (level.has(ANY_POLICY)) level.set(from, { expected: to, roots: new Set([from]) });
  }
  return true;
}

/**
 * Is the path (end entity first, trusted authority last) valid for `policy`, ANY_POLICY being whichever? Undefined: for any or none,
 * unless a certificate in it requires one.
 */
export function policyAllows(path: readonly X509[], policy?: string): boolean {
  const certificates = path.slice(0, -1).reverse();
  const count = certificates.length;
  let explicit = policy === undefined ? count + 1 : 0;
  let mapping = count + 1;
  let inhibit = count + 1;
  let level: Level = new Map([[ANY_POLICY, { expected: new Set([ANY_POLICY]), roots: new Set([ANY_POLICY]) }]]);
  for (const [i, certificate] of certificates.entries()) {
    const last = i === count - 1;
    const own = certificate.parsed.subject.isEqual(certificate.parsed.issuer);
    const policies = policiesOf(certificate) ?? [];
    if (new Set(policies).size !== policies.length) return false;
    level = step(level, policies, inhibit > 0 || (!last && own));
    if (explicit === 0 && level.size === 0) return false;
    const constraints = extension(certificate, OID_POLICY_CONSTRAINTS) as PolicyConstraints | undefined;
    const required = constraints?.requireExplicitPolicy;
    if (last) {
      if (explicit > 0) explicit -= 1;
      if (required === 0) explicit = 0;
      break;
    }
    if (!map(level, certificate, mapping > 0)) return false;
    if (!own) {
      explicit = Math.max(0, explicit - 1);
      mapping = Math.max(0, mapping - 1);
      inhibit = Math.max(0, inhibit - 1);
    }
    if (required !== undefined) explicit = Math.min(explicit, required);
    if (constraints?.inhibitPolicyMapping !== undefined) mapping = Math.min(mapping, constraints.inhibitPolicyMapping);
    const any = extension(certificate, OID_INHIBIT_ANY_POLICY) as asn1js.Integer | undefined;
    if (any !== undefined) inhibit = Math.min(inhibit, any.valueBlock.valueDec);
  }
  if (explicit > 0) return true;
  const wanted = policy ?? ANY_POLICY;
  return [...level.values()].some(({ roots }) => wanted === ANY_POLICY || roots.has(wanted) || roots.has(ANY_POLICY));
}
