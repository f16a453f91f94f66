/**
 * EAP packets (RFC 3748 section 4): code u8, identifier u8, length u16, and with requests and responses a type u8 and its data.
 *
 * Refuses a length that is not the packet's, codes that are not EAP's, and octets behind success and failure.
 */

export const REQUEST = 1;
export const RESPONSE = 2;
export const SUCCESS = 3;
export const FAILURE = 4;

export const TYPE_IDENTITY = 1;
export const TYPE_NOTIFICATION = 2;
export const TYPE_NAK = 3;
export const TYPE_MD5 = 4;
export const TYPE_TLS = 13;
export const TYPE_MSCHAPV2 = 26;

const HEADER = 4;

export interface EapPacket {
  code: number;
  identifier: number;
  /** 0 with success and failure. */
  type: number;
  data: Uint8Array;
}

/** A packet; undefined when it is not well-formed. */
export function parsePacket(octets: Uint8Array): EapPacket | undefined {
  const [code = 0, identifier = 0, high = 0, low = 0, type = 0] = octets;
  if (octets.length < HEADER || ((high << 8) | low) !== octets.length) return undefined;
  if (code === SUCCESS || code === FAILURE) {
    return octets.length === HEADER ? { code, identifier, type: 0, data: new Uint8Array(0) } : undefined;
  }
  if ((code !== REQUEST && code !== RESPONSE) || octets.length === HEADER) return undefined;
  return { code, identifier, type, data: octets.subarray(HEADER + 1) };
}

/** A request or a response. */
export function typedPacket(code: number, identifier: number, type: number, data: Uint8Array): Uint8Array {
  const length = HEADER + 1 + data.length;
  return Uint8Array.from([code, identifier, length >>> 8, length & 0xff, type, ...data]);
}

/** Success or failure. */
export const lastPacket = (code: number, identifier: number): Uint8Array => Uint8Array.of(code, identifier, 0, HEADER);
