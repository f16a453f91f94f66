/**
 * Certificate request payload (RFC 7296 section 3.7, RFC 7670): which authorities the sender trusts.
 *
 *   0 encoding   1 authorities: for X.509 the SHA-1 of each one's SubjectPublicKeyInfo, one behind the other; else nothing
 */
import { PAYLOAD_CERTREQ, Writer, payloadBegin, payloadEnd, write8, writeOctets } from "../ike_message";
import { CERT_RAW_PUBLIC_KEY, CERT_X509_SIGNATURE } from "./cert";

export const CERTREQ_HEADER: u32 = 1;
export const AUTHORITY_OCTETS: u32 = 20;

/** True for a request that we can meet: X.509 certificates of any authority, or raw public keys. */
export function certreqCheck(body: usize, length: u32): bool {
  if (length < CERTREQ_HEADER) return false;
  const encoding = <u32>load<u8>(body);
  if (encoding == CERT_RAW_PUBLIC_KEY) return true;
  return encoding == CERT_X509_SIGNATURE && (length - CERTREQ_HEADER) % AUTHORITY_OCTETS == 0;
}

/** Asks for X.509 certificates below one of `count` authorities. */
export function certreqWrite(w: Writer, authorities: usize, count: u32): void {
  payloadBegin(w, PAYLOAD_CERTREQ);
  write8(w, CERT_X509_SIGNATURE);
  writeOctets(w, authorities, count * AUTHORITY_OCTETS);
  payloadEnd(w);
}
