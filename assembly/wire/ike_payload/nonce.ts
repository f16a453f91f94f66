/** Nonce payload (RFC 7296 section 3.9): 16 to 256 octets. */
import { PAYLOAD_NONCE, Writer, payloadBegin, payloadEnd, writeOctets } from "../ike_message";

export const NONCE_MIN: u32 = 16;
export const NONCE_MAX: u32 = 256;

export function nonceCheck(body: usize, length: u32): bool {
  return length >= NONCE_MIN && length <= NONCE_MAX;
}

export function nonceWrite(w: Writer, nonce: usize, length: u32): void {
  payloadBegin(w, PAYLOAD_NONCE);
  writeOctets(w, nonce, length);
  payloadEnd(w);
}
