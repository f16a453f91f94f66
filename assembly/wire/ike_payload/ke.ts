/**
 * Key Exchange payload (RFC 7296 section 3.4).
 *
 *   0 method u16   2 reserved u16   4 public value
 *
 * Refuses nothing but a missing value: whether it fits its method is the secure element's to say.
 */
import { loadBE16 } from "../../rt/bytes";
import { PAYLOAD_KE, Writer, payloadBegin, payloadEnd, write16, writeOctets } from "../ike_message";

export const KE_HEADER: u32 = 4;

export function keCheck(body: usize, length: u32): bool {
  return length > KE_HEADER;
}

export function keMethod(body: usize): u32 {
  return loadBE16(body);
}

export function keWrite(w: Writer, method: u32, value: usize, length: u32): void {
  payloadBegin(w, PAYLOAD_KE);
  write16(w, method);
  write16(w, 0);
  writeOctets(w, value, length);
  payloadEnd(w);
}
