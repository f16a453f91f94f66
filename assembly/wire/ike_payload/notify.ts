/**
 * Notify payload (RFC 7296 section 3.10).
 *
 *   0 protocol   1 SPI octets   2 notify type u16   4 SPI, then data
 *
 * Types below 16384 are errors, the others status; unknown ones of either kind are the reader's to ignore.
 */
import { loadBE16 } from "../../rt/bytes";
import { PAYLOAD_NOTIFY, Writer, payloadBegin, payloadEnd, write16, write8, writeOctets } from "../ike_message";

export const NOTIFY_HEADER: u32 = 4;
export const NOTIFY_STATUS_FIRST: u32 = 16384;

export const NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD: u32 = 1;
export const NOTIFY_INVALID_IKE_SPI: u32 = 4;
export const NOTIFY_INVALID_MAJOR_VERSION: u32 = 5;
export const NOTIFY_INVALID_SYNTAX: u32 = 7;
export const NOTIFY_INVALID_MESSAGE_ID: u32 = 9;
export const NOTIFY_INVALID_SPI: u32 = 11;
export const NOTIFY_NO_PROPOSAL_CHOSEN: u32 = 14;
export const NOTIFY_INVALID_KE_PAYLOAD: u32 = 17;
export const NOTIFY_AUTHENTICATION_FAILED: u32 = 24;
export const NOTIFY_SINGLE_PAIR_REQUIRED: u32 = 34;
export const NOTIFY_NO_ADDITIONAL_SAS: u32 = 35;
export const NOTIFY_INTERNAL_ADDRESS_FAILURE: u32 = 36;
export const NOTIFY_FAILED_CP_REQUIRED: u32 = 37;
export const NOTIFY_TS_UNACCEPTABLE: u32 = 38;
export const NOTIFY_INVALID_SELECTORS: u32 = 39;
export const NOTIFY_UNACCEPTABLE_ADDRESSES: u32 = 40; // RFC 4555
export const NOTIFY_UNEXPECTED_NAT_DETECTED: u32 = 41;
export const NOTIFY_TEMPORARY_FAILURE: u32 = 43;
export const NOTIFY_CHILD_SA_NOT_FOUND: u32 = 44;
export const NOTIFY_STATE_NOT_FOUND: u32 = 47; // RFC 9370

export const NOTIFY_INITIAL_CONTACT: u32 = 16384;
export const NOTIFY_IPCOMP_SUPPORTED: u32 = 16387;
export const NOTIFY_NAT_DETECTION_SOURCE_IP: u32 = 16388;
export const NOTIFY_NAT_DETECTION_DESTINATION_IP: u32 = 16389;
export const NOTIFY_COOKIE: u32 = 16390;
export const NOTIFY_USE_TRANSPORT_MODE: u32 = 16391;
export const NOTIFY_REKEY_SA: u32 = 16393;
export const NOTIFY_MOBIKE_SUPPORTED: u32 = 16396; // RFC 4555
export const NOTIFY_ADDITIONAL_IP4_ADDRESS: u32 = 16397;
export const NOTIFY_ADDITIONAL_IP6_ADDRESS: u32 = 16398;
export const NOTIFY_NO_ADDITIONAL_ADDRESSES: u32 = 16399;
export const NOTIFY_UPDATE_SA_ADDRESSES: u32 = 16400;
export const NOTIFY_COOKIE2: u32 = 16401;
export const NOTIFY_NO_NATS_ALLOWED: u32 = 16402;
export const NOTIFY_AUTH_LIFETIME: u32 = 16403; // RFC 4478
export const NOTIFY_MULTIPLE_AUTH_SUPPORTED: u32 = 16404;
export const NOTIFY_ANOTHER_AUTH_FOLLOWS: u32 = 16405;
export const NOTIFY_EAP_ONLY_AUTHENTICATION: u32 = 16417; // RFC 5998
export const NOTIFY_REDIRECT_SUPPORTED: u32 = 16406; // RFC 5685
export const NOTIFY_REDIRECT: u32 = 16407;
export const NOTIFY_REDIRECTED_FROM: u32 = 16408;
export const NOTIFY_CHILDLESS_IKEV2_SUPPORTED: u32 = 16418; // RFC 6023
export const NOTIFY_QCD_TOKEN: u32 = 16419; // RFC 6290
export const NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED: u32 = 16430; // RFC 7383
export const NOTIFY_SIGNATURE_HASH_ALGORITHMS: u32 = 16431;
export const NOTIFY_USE_PPK: u32 = 16435; // RFC 8784
export const NOTIFY_PPK_IDENTITY: u32 = 16436;
export const NOTIFY_NO_PPK_AUTH: u32 = 16437;
export const NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED: u32 = 16438; // RFC 9242
export const NOTIFY_ADDITIONAL_KEY_EXCHANGE: u32 = 16441; // RFC 9370

export function notifyCheck(body: usize, length: u32): bool {
  return length >= NOTIFY_HEADER && <u32>load<u8>(body, 1) <= length - NOTIFY_HEADER;
}

export function notifyProtocol(body: usize): u32 {
  return <u32>load<u8>(body);
}

export function notifySpiOctets(body: usize): u32 {
  return <u32>load<u8>(body, 1);
}

export function notifyType(body: usize): u32 {
  return loadBE16(body + 2);
}

export function notifySpi(body: usize): usize {
  return body + NOTIFY_HEADER;
}

export function notifyData(body: usize): usize {
  return body + NOTIFY_HEADER + notifySpiOctets(body);
}

export function notifyDataOctets(body: usize, length: u32): u32 {
  return length - NOTIFY_HEADER - notifySpiOctets(body);
}

/** A notify without SPI. */
export function notifyWrite(w: Writer, type: u32, data: usize, length: u32): void {
  notifySpiWrite(w, 0, 0, 0, type, data, length);
}

export function notifySpiWrite(
  w: Writer,
  protocol: u32,
  spi: usize,
  spiOctets: u32,
  type: u32,
  data: usize,
  length: u32,
): void {
  payloadBegin(w, PAYLOAD_NOTIFY);
  write8(w, protocol);
  write8(w, spiOctets);
  write16(w, type);
  writeOctets(w, spi, spiOctets);
  writeOctets(w, data, length);
  payloadEnd(w);
}
