/**
 * Identification payloads IDi and IDr (RFC 7296 section 3.5).
 *
 *   0 ID type   1 reserved, 3 octets   4 identification data
 *
 * Elsewhere on this board an identity is "ID type, data" without the reserved octets (abi/management.ts, abi/psa.ts).
 */
import { Writer, payloadBegin, payloadEnd, write8, writeOctets } from "../ike_message";

export const ID_HEADER: u32 = 4;
export const ID_IPV4_ADDR: u32 = 1;
export const ID_FQDN: u32 = 2;
export const ID_RFC822_ADDR: u32 = 3;
export const ID_IPV6_ADDR: u32 = 5;
export const ID_DER_ASN1_DN: u32 = 9;
export const ID_KEY_ID: u32 = 11;
/** ID type and data of an identity that we keep, at most. */
export const IDENTITY_MAX: u32 = 255;

export function idCheck(body: usize, length: u32): bool {
  return length >= ID_HEADER && length - 3 <= IDENTITY_MAX;
}

/** Octets of the identity (type and data) of a body of `length`. */
export function identityOctets(length: u32): u32 {
  return length - 3;
}

/** Copies the identity (type, data) out of a body. */
export function identityRead(body: usize, length: u32, to: usize): void {
  store<u8>(to, load<u8>(body));
  memory.copy(to + 1, body + ID_HEADER, length - ID_HEADER);
}

/** Writes the body that an identity has in its payload; returns its octets. Room for identityLength + 3. */
export function identityBody(identity: usize, identityLength: u32, to: usize): u32 {
  store<u32>(to, <u32>load<u8>(identity));
  memory.copy(to + ID_HEADER, identity + 1, identityLength - 1);
  return identityLength + 3;
}

export function idWrite(w: Writer, type: u32, identity: usize, identityLength: u32): void {
  payloadBegin(w, type);
  write8(w, <u32>load<u8>(identity));
  write8(w, 0);
  write8(w, 0);
  write8(w, 0);
  writeOctets(w, identity + 1, identityLength - 1);
  payloadEnd(w);
}
