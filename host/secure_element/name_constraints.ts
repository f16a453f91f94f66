/**
 * Name constraints and path length (RFC 5280 section 4.2.1.9, 4.2.1.10), in place of the engine of pkijs, which looks at
 * directory names loosely, is content when one of several alternative names is permitted, and does not count a path.
 *
 * Refuses constraints on kinds of names other than DNS, e-mail, URI, IP addresses and directory names where a certificate has one,
 * and URIs without a host that is a name.
 */
import { isIP } from "node:net";
import type * as asn1js from "asn1js";
import type { BasicConstraints, GeneralName, GeneralSubtree, NameConstraints } from "pkijs";
import { extension, nameBegins, OID_BASIC_CONSTRAINTS, type X509 } from "./certificate.ts";

const NAME_RFC822 = 1;
const NAME_DNS = 2;
const NAME_DIRECTORY = 4;
const NAME_URI = 6;
const NAME_IP = 7;
export const OID_NAME_CONSTRAINTS = "2.5.29.30";
const OID_EMAIL = "1.2.840.113549.1.9.1";
const OID_SUBJECT_ALT_NAME = "2.5.29.17";

interface Name {
  type: number;
  value: unknown;
}

const octets = (value: unknown): Uint8Array => (value as asn1js.OctetString).valueBlock.valueHexView;
const directory = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : new Uint8Array((value as { toSchema(): asn1js.Sequence }).toSchema().toBER());

function within(name: Name, base: GeneralName): boolean {
  if (name.type === NAME_DIRECTORY) return nameBegins(directory(name.value), directory(base.value));
  if (name.type === NAME_IP) {
    const [address, range] = [octets(name.value), octets(base.value)];
    const half = range.length / 2;
    return address.length === half && address.every((octet, i) => ((octet ^ range[i]!) & range[half + i]!) === 0);
  }
  const [text, wanted] = [String(name.value).toLowerCase(), String(base.value).toLowerCase()];
  if (name.type === NAME_DNS) {
    const bare = wanted.replace(/^\./, "");
    return bare === "" || text === bare || text.endsWith(`.${bare}`);
  }
  if (name.type === NAME_URI) return hostWithin(hostOf(text), wanted);
  if (wanted.includes("@")) return text === wanted;
  return hostWithin(text.slice(text.lastIndexOf("@") + 1), wanted);
}

const hostWithin = (host: string, wanted: string): boolean =>
  wanted.startsWith(".") ? host.endsWith(wanted) : host === wanted;

/** The host of a URI; empty when it has none that is a name. */
function hostOf(uri: string): string {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/?#]*@)?([^:/?#[\]]*)/.exec(uri)?.[1] ?? "";
  return isIP(host) === 0 ? host : "";
}

function namesOf(certificate: X509): Name[] {
  const alternatives = extension(certificate, OID_SUBJECT_ALT_NAME) as { altNames?: GeneralName[] } | undefined;
  const names: Name[] = (alternatives?.altNames ?? []).map(({ type, value }) => ({ type, value }));
  if (certificate.parsed.subject.typesAndValues.length > 0)
    names.push({ type: NAME_DIRECTORY, value: certificate.subject });
  if (!names.some(({ type }) => type === NAME_RFC822)) {
    // The subject's address counts where no other is given (section 4.2.1.10).
    for (const { type, value } of certificate.parsed.subject.typesAndValues) {
      if ((type as string) === OID_EMAIL) names.push({ type: NAME_RFC822, value: value.valueBlock.value });
    }
  }
  return names;
}

const KINDS = [NAME_RFC822, NAME_DNS, NAME_DIRECTORY, NAME_URI, NAME_IP];

function permits({ permittedSubtrees = [], excludedSubtrees = [] }: NameConstraints, name: Name): boolean {
  const of = (trees: readonly GeneralSubtree[]): GeneralName[] =>
    trees.map(({ base }) => base).filter(({ type }) => type === name.type);
  const [permitted, excluded] = [of(permittedSubtrees), of(excludedSubtrees)];
  if (permitted.length + excluded.length === 0) return true;
  if (!KINDS.includes(name.type)) return false;
  if (name.type === NAME_URI && hostOf(String(name.value).toLowerCase()) === "") return false;
  if (excluded.some((base) => within(name, base))) return false;
  return permitted.length === 0 || permitted.some((base) => within(name, base));
}

/** `path`: end entity first. Do the authorities' constraints allow it? */
export function constraintsAllow(path: readonly X509[]): boolean {
  const selfIssued = ({ parsed }: X509): boolean => parsed.subject.isEqual(parsed.issuer);
  return path.every((authority, i) => {
    if (i === 0) return true;
    const below = path.slice(0, i);
    const length = (extension(authority, OID_BASIC_CONSTRAINTS) as BasicConstraints | undefined)?.pathLenConstraint;
    if (typeof length === "object") return false; // longer than a number holds
    const between = below.slice(1).filter((certificate) => !selfIssued(certificate)).length;
    if (length !== undefined && between > length) return false;
    const constraints = extension(authority, OID_NAME_CONSTRAINTS) as NameConstraints | undefined;
    if (!constraints) return true;
    return below
      .filter((certificate, place) => place === 0 || !selfIssued(certificate))
      .every((certificate) => namesOf(certificate).every((name) => permits(constraints, name)));
  });
}
