/**
 * X.509 certificates as this gateway looks at them, decoded by pkijs: names, keys, and whose they are.
 *
 * A certificate is one of an identity (RFC 4945 section 3.1, strongSwan's rules) when the identity is its subject or one of its
 * subjectAltNames, or, as key id, its subjectKeyIdentifier; names are equal without regard to case. A wildcard stands only in
 * what is configured, never in a certificate. The common name is not looked at.
 */
import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import * as asn1js from "asn1js";
import { Certificate, type GeneralNames, RelativeDistinguishedNames } from "pkijs";

const ID_IPV4_ADDR = 1;
const ID_FQDN = 2;
const ID_RFC822_ADDR = 3;
const ID_IPV6_ADDR = 5;
const ID_DER_ASN1_DN = 9;
const ID_KEY_ID = 11;

const OID_SUBJECT_KEY_ID = "2.5.29.14";
export const OID_KEY_USAGE = "2.5.29.15";
const OID_SUBJECT_ALT_NAME = "2.5.29.17";
export const OID_BASIC_CONSTRAINTS = "2.5.29.19";

export interface X509 {
  readonly der: Uint8Array;
  readonly parsed: Certificate;
  readonly key: KeyObject;
  /** Name of the subject in DER. */
  readonly subject: Uint8Array;
}

/** Certificates that were decoded of late, by their SHA-256, the oldest first: peers come again, authorities with each of them. */
const decoded = new Map<string, X509>();
const DECODED_MAX = 256;
/** Octets of one that is kept: what strangers send must not fill the memory. */
const KEPT_OCTETS_MAX = 4096;

/** Throws when the octets are no certificate, or its key is of no kind that node:crypto knows. */
export function parseCertificate(der: Uint8Array): X509 {
  if (der.length > KEPT_OCTETS_MAX) return decode(der);
  const name = createHash("sha256").update(der).digest("base64");
  const held = decoded.get(name) ?? decode(der);
  decoded.delete(name);
  decoded.set(name, held);
  if (decoded.size > DECODED_MAX) decoded.delete(decoded.keys().next().value as string);
  return held;
}

function decode(der: Uint8Array): X509 {
  const copy = new Uint8Array(der); // pkijs keeps views
  const key = new X509Certificate(copy).publicKey; // strict DER, by OpenSSL
  const { result, offset } = asn1js.fromBER(copy);
  if (offset !== copy.length) throw new RangeError("octets behind the certificate");
  const parsed = new Certificate({ schema: result });
  const fields = (asn1js.fromBER(parsed.tbsView).result as asn1js.Sequence).valueBlock.value;
  const versioned = fields[0]?.idBlock.tagClass === 3 ? 1 : 0;
  const subject = new Uint8Array((fields[4 + versioned] as asn1js.Sequence).valueBeforeDecodeView);
  return { der: copy, parsed, key, subject };
}

/** SHA-1 of the SubjectPublicKeyInfo: how a CERTREQ payload names an authority (RFC 7296 section 3.7). */
export const authorityHash = ({ key }: X509): Uint8Array =>
  new Uint8Array(
    createHash("sha1")
      .update(key.export({ type: "spki", format: "der" }))
      .digest(),
  );

export const extension = ({ parsed }: { parsed: Certificate }, oid: string): unknown =>
  parsed.extensions?.find(({ extnID }) => extnID === oid)?.parsedValue;

/** Bits of keyUsage, the first octet's highest being digitalSignature; undefined: any usage. */
export function keyUsage(certificate: X509): number | undefined {
  const bits = extension(certificate, OID_KEY_USAGE) as asn1js.BitString | undefined;
  return bits === undefined ? undefined : (bits.valueBlock.valueHexView[0] ?? 0);
}

interface AttributeValue {
  type: string;
  value: string;
}

/** A distinguished name as relative names of attributes, values folded for comparison (RFC 5280 section 7.1). */
function relativeNames(name: asn1js.BaseBlock): AttributeValue[][] {
  const sequence = name as asn1js.Sequence;
  return sequence.valueBlock.value.map((set) =>
    (set as asn1js.Set).valueBlock.value.map((pair) => {
      const [type, value] = (pair as asn1js.Sequence).valueBlock.value;
      const text = (value as asn1js.Utf8String).valueBlock.value as unknown;
      return {
        type: (type as asn1js.ObjectIdentifier).valueBlock.toString(),
        value:
          typeof text === "string"
            ? text.trim().replace(/\s+/g, " ").toLowerCase()
            : Buffer.from((value as asn1js.BaseBlock).valueBeforeDecodeView).toString("hex"),
      };
    }),
  );
}

function parseName(der: Uint8Array): AttributeValue[][] | undefined {
  try {
    const { result, offset } = asn1js.fromBER(der.slice());
    return offset === der.length ? relativeNames(result) : undefined;
  } catch {
    return undefined;
  }
}

/** Does a distinguished name fit `pattern`, in which a value of `*` stands for any? */
export function nameMatches(name: Uint8Array, pattern: Uint8Array): boolean {
  const [a, b] = [parseName(name), parseName(pattern)];
  if (!a || !b || a.length !== b.length) return false;
  return a.every((values, i) => {
    const wanted = b[i] as AttributeValue[];
    if (values.length !== wanted.length) return false;
    return values.every(({ type, value }) =>
      wanted.some((other) => other.type === type && (other.value === "*" || other.value === value)),
    );
  });
}

/** Is `base` the beginning of a distinguished name? */
export function nameBegins(name: Uint8Array, base: Uint8Array): boolean {
  const [a, b] = [parseName(name), parseName(base)];
  if (!a || !b || a.length < b.length) return false;
  return b.every((wanted, i) => {
    const values = a[i] as AttributeValue[];
    const held = (list: AttributeValue[], { type, value }: AttributeValue): boolean =>
      list.some((other) => other.type === type && other.value === value);
    return values.length === wanted.length && wanted.every((one) => held(values, one));
  });
}

const folded = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1").toLowerCase();

/** Is this a certificate of `identity` (ID type u8, data)? */
export function isOf(certificate: X509, identity: Uint8Array): boolean {
  const type = identity[0];
  const data = identity.subarray(1);
  if (data.length === 0) return false;
  const names = (extension(certificate, OID_SUBJECT_ALT_NAME) as GeneralNames & { altNames?: GeneralNames["names"] })
    ?.altNames;
  const alternative = (kind: number, fits: (value: unknown) => boolean): boolean =>
    (names ?? []).some((name) => name.type === kind && fits(name.value));
  const text = (value: unknown): boolean =>
    typeof value === "string" && !value.includes("\0") && value.toLowerCase() === folded(data);
  switch (type) {
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
      return alternative(7, (value) => {
        const octets = (value as asn1js.OctetString).valueBlock.valueHexView;
        return Buffer.from(data).equals(octets);
      });
    case ID_FQDN:
      return alternative(2, text);
    case ID_RFC822_ADDR:
      return alternative(1, text);
    case ID_DER_ASN1_DN:
      return (
        exactly(certificate.subject, data) ||
        alternative(
          4,
          (value) =>
            value instanceof RelativeDistinguishedNames && exactly(new Uint8Array(value.toSchema().toBER()), data),
        )
      );
    case ID_KEY_ID: {
      const held = extension(certificate, OID_SUBJECT_KEY_ID) as asn1js.OctetString | undefined;
      return held !== undefined && Buffer.from(data).equals(held.valueBlock.valueHexView);
    }
    default:
      return false;
  }
}

/** The same name; an asterisk that the peer sends is no wildcard. */
const exactly = (name: Uint8Array, other: Uint8Array): boolean => nameMatches(name, other) && nameMatches(other, name);
