/**
 * Extensible Authentication payload (RFC 7296 section 3.16): an EAP packet (RFC 3748 section 4).
 *
 *   0 code   1 identifier   2 length u16   4 type, of requests and responses alone   5 data
 *
 * The method is the secure element's; here a packet is but checked for its form. Refuses codes that are not EAP's, a length that is not
 * the payload's (3748 has padding for links, which this is none), and octets behind success and failure.
 */
import { loadBE16 } from "../../rt/bytes";
import { PAYLOAD_EAP, Writer, payloadBegin, payloadEnd, writeOctets } from "../ike_message";

export const EAP_REQUEST: u32 = 1;
export const EAP_RESPONSE: u32 = 2;
export const EAP_SUCCESS: u32 = 3;
export const EAP_FAILURE: u32 = 4;
export const EAP_HEADER: u32 = 4;
/** Octets of a packet at most: methods cut what is longer. */
export const EAP_OCTETS_MAX: u32 = 4096;

export function eapCheck(body: usize, length: u32): bool {
  if (length < EAP_HEADER || length > EAP_OCTETS_MAX || loadBE16(body + 2) != length) return false;
  const code = eapCode(body);
  if (code == EAP_SUCCESS || code == EAP_FAILURE) return length == EAP_HEADER;
  return (code == EAP_REQUEST || code == EAP_RESPONSE) && length > EAP_HEADER;
}

export function eapCode(body: usize): u32 {
  return <u32>load<u8>(body);
}

export function eapWrite(w: Writer, packet: usize, length: u32): void {
  payloadBegin(w, PAYLOAD_EAP);
  writeOctets(w, packet, length);
  payloadEnd(w);
}
