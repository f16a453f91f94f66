/**
 * Certificate payload (RFC 7296 section 3.6, RFC 7670).
 *
 *   0 encoding   1 certificate: X.509 in DER, or a SubjectPublicKeyInfo in DER
 *
 * Other encodings are the reader's to ignore. Refuses to write one that is empty.
 */
import { PAYLOAD_CERT, Writer, payloadBegin, payloadEnd, writeOctets } from "../ike_message";

export const CERT_HEADER: u32 = 1;
export const CERT_X509_SIGNATURE: u32 = 4;
export const CERT_RAW_PUBLIC_KEY: u32 = 15;

export function certCheck(body: usize, length: u32): bool {
  return length > CERT_HEADER;
}

export function certEncoding(body: usize): u32 {
  return <u32>load<u8>(body);
}

/** Writes a payload whose body, the encoding first, is at hand. */
export function certWrite(w: Writer, body: usize, length: u32): void {
  assert(length > CERT_HEADER, "an empty certificate");
  payloadBegin(w, PAYLOAD_CERT);
  writeOctets(w, body, length);
  payloadEnd(w);
}
