/**
 * Distinguished names (X.501) between text, as swanctl.conf has them, and DER: `C=XX, O=example, CN=moon`, with slashes for commas
 * where the text begins with one; a value of `*` in a pattern.
 */
import * as asn1js from "asn1js";

/** Short names of attributes; the first of each is the one that is shown. */
const ATTRIBUTES: readonly (readonly [string, ...string[]])[] = [
  ["2.5.4.6", "C"],
  ["2.5.4.8", "ST"],
  ["2.5.4.7", "L"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.3", "CN"],
  ["2.5.4.4", "S"],
  ["2.5.4.42", "G"],
  ["2.5.4.43", "I"],
  ["2.5.4.41", "N"],
  ["2.5.4.12", "T"],
  ["2.5.4.13", "D"],
  ["2.5.4.5", "serialNumber", "SN"],
  ["2.5.4.45", "ID"],
  ["2.5.4.46", "dnQualifier"],
  ["2.5.4.65", "pseudonym"],
  ["1.2.840.113549.1.9.1", "E", "Email", "emailAddress"],
  ["1.2.840.113549.1.9.2", "unstructuredName", "UN"],
  ["1.2.840.113549.1.9.8", "unstructuredAddress", "UA"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.25", "DC"],
];
const OID_EMAIL = "1.2.840.113549.1.9.1";
const OID_DOMAIN = "0.9.2342.19200300.100.1.25";

const oidOf = (name: string): string | undefined =>
  ATTRIBUTES.find(([, ...names]) => names.some((known) => known.toLowerCase() === name.toLowerCase()))?.[0] ??
  (/^\d+(\.\d+)+$/.test(name) ? name : undefined);

function valueOf(oid: string, text: string): asn1js.BaseStringBlock {
  if (oid === OID_EMAIL || oid === OID_DOMAIN) return new asn1js.IA5String({ value: text });
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)
    ? new asn1js.PrintableString({ value: text })
    : new asn1js.Utf8String({ value: text });
}

/** DER of a name. Throws RangeError when the text is none. */
export function encodeDistinguishedName(text: string): Uint8Array {
  const separator = text.trim().startsWith("/") ? "/" : ",";
  const pairs = text
    .split(new RegExp(`(?<!\\\\)\\${separator}`))
    .map((part) => part.trim().replaceAll(`\\${separator}`, separator))
    .filter((part) => part !== "");
  const sets = pairs.map((pair) => {
    const match = /^([A-Za-z0-9.]+)\s*=\s*(.*)$/s.exec(pair);
    const oid = match ? oidOf(match[1] as string) : undefined;
    if (!match || oid === undefined)
      throw new RangeError(`'${text}' is no distinguished name: '${pair}' is no attribute`);
    const value = valueOf(oid, match[2] as string);
    return new asn1js.Set({
      value: [new asn1js.Sequence({ value: [new asn1js.ObjectIdentifier({ value: oid }), value] })],
    });
  });
  return new Uint8Array(new asn1js.Sequence({ value: sets }).toBER());
}

/**
 * Text of a name in DER; undefined when it is none. What stands in a value is the peer's word: `printable` makes it harmless, and a comma in
 * it has a backslash in front, so that no value passes for an attribute more.
 */
export function distinguishedNameText(der: Uint8Array, printable: (octets: Uint8Array) => string): string | undefined {
  const { result, offset } = asn1js.fromBER(der.slice());
  if (offset !== der.length || !(result instanceof asn1js.Sequence)) return undefined;
  const pairs: string[] = [];
  for (const set of result.valueBlock.value) {
    if (!(set instanceof asn1js.Set)) return undefined;
    for (const pair of set.valueBlock.value) {
      if (!(pair instanceof asn1js.Sequence)) return undefined;
      const [type, value] = pair.valueBlock.value;
      if (!(type instanceof asn1js.ObjectIdentifier) || value === undefined) return undefined;
      const oid = type.valueBlock.toString();
      const name = ATTRIBUTES.find(([known]) => known === oid)?.[1] ?? oid;
      const text = (value.valueBlock as { value?: unknown }).value;
      const shown =
        typeof text === "string"
          ? printable(new TextEncoder().encode(text)).replaceAll(",", "\\,")
          : Buffer.from(value.valueBeforeDecodeView).toString("hex");
      pairs.push(`${name}=${shown}`);
    }
  }
  return pairs.join(", ");
}
