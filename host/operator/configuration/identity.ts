/** Identities as swanctl.conf writes them, to the type and data of an identification payload (RFC 7296 section 3.5). */
import { isIPv4, isIPv6 } from "node:net";
import { addressOctets } from "../../chassis/config.ts";
import { encodeDistinguishedName } from "./distinguished_name.ts";

const ID_IPV4_ADDR = 1;
const ID_FQDN = 2;
const ID_RFC822_ADDR = 3;
const ID_IPV6_ADDR = 5;
const ID_DER_ASN1_DN = 9;
const ID_KEY_ID = 11;

const typed = (type: number, data: Uint8Array): Uint8Array => Uint8Array.from([type, ...data]);

/**
 * `moon.example`, `carol@example.org`, `192.0.2.1`, `@moon` (an FQDN whatever it looks like), `C=XX, CN=moon`, `keyid:...`, `fqdn:...`. Undefined
 * for `%any`. Throws RangeError for what it is not.
 */
export function parseIdentity(text: string): Uint8Array | undefined {
  if (text === "%any" || text === "") return undefined;
  const prefix = /^(ipv4|ipv6|fqdn|dns|email|rfc822|userfqdn|keyid|asn1dn):(.*)$/s.exec(text);
  const data = prefix ? (prefix[2] as string) : text;
  const octets = new TextEncoder().encode(data);
  switch (prefix?.[1]) {
    case "ipv4":
    case "ipv6":
      return typed(prefix[1] === "ipv4" ? ID_IPV4_ADDR : ID_IPV6_ADDR, addressOctets(data));
    case "fqdn":
    case "dns":
      return typed(ID_FQDN, octets);
    case "email":
    case "rfc822":
    case "userfqdn":
      return typed(ID_RFC822_ADDR, octets);
    case "asn1dn":
      return typed(ID_DER_ASN1_DN, encodeDistinguishedName(data));
    case "keyid":
      return typed(ID_KEY_ID, octets);
  }
  if (isIPv4(text)) return typed(ID_IPV4_ADDR, addressOctets(text));
  if (isIPv6(text)) return typed(ID_IPV6_ADDR, addressOctets(text));
  if (text.startsWith("@#")) return typed(ID_KEY_ID, Buffer.from(text.slice(2), "hex"));
  if (text.startsWith("@@")) return typed(ID_RFC822_ADDR, octets.subarray(2));
  if (text.startsWith("@")) return typed(ID_FQDN, octets.subarray(1));
  if (text.includes("=")) return typed(ID_DER_ASN1_DN, encodeDistinguishedName(text));
  return typed(text.includes("@") ? ID_RFC822_ADDR : ID_FQDN, octets);
}
