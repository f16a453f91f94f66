/**
 * Authentication payload (RFC 7296 section 3.8).
 *
 *   0 method   1 reserved, 3 octets   4 authentication data
 */
import { PAYLOAD_AUTH, Writer, payloadBegin, payloadEnd, write8, writeOctets } from "../ike_message";

export const AUTH_HEADER: u32 = 4;
export const AUTH_METHOD_RSA: u32 = 1;
export const AUTH_METHOD_SHARED_KEY: u32 = 2;
export const AUTH_METHOD_ECDSA_256: u32 = 9;
export const AUTH_METHOD_ECDSA_384: u32 = 10;
export const AUTH_METHOD_ECDSA_521: u32 = 11;
export const AUTH_METHOD_DIGITAL_SIGNATURE: u32 = 14;

export function authCheck(body: usize, length: u32): bool {
  return length > AUTH_HEADER;
}

export function authMethod(body: usize): u32 {
  return <u32>load<u8>(body);
}

export function authWrite(w: Writer, method: u32, data: usize, length: u32): void {
  payloadBegin(w, PAYLOAD_AUTH);
  write8(w, method);
  write8(w, 0);
  write8(w, 0);
  write8(w, 0);
  writeOctets(w, data, length);
  payloadEnd(w);
}
