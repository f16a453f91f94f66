/**
 * The packets that all contestants work on: sixteen, of one SA, with random headers, IVs and payloads.
 *
 * A packet is what ESP makes of it (RFC 4303 2): header (SPI | sequence number), IV, data, ICV. Data are the payload, filled up
 * to whole blocks for CBC; rates count the payload alone. Whatever a user of a library can prepare once per packet or key
 * (nonce, counter block, associated data, octets side by side) is prepared here, for everyone.
 */
import { randomBytes } from "node:crypto";
import type { BenchTransform } from "./transforms.ts";

/** Packets in a contestant's hands, and the most that a call of ours takes in this bench. */
export const PACKETS = 16;
export const HEADER_OCTETS = 8;

export interface Keys {
  key: Uint8Array;
  salt: Uint8Array;
  integrityKey: Uint8Array;
}

export interface Packet {
  /** salt | IV: the nonce of a combined mode. */
  nonce: Uint8Array;
  /** What CBC and CTR start from, 16 octets: the IV, or nonce | IV | 1 (RFC 3686 4). */
  block: Uint8Array;
  /** Associated data: the header; for AES-GMAC header | IV | data (RFC 4543 3.3). */
  aad: Uint8Array;
  /** header | IV: what a separate MAC reads before the encrypted data. */
  lead: Uint8Array;
  plain: Uint8Array;
  /** Data as they are sent. */
  data: Uint8Array;
  icv: Uint8Array;
  /** data | ICV. */
  sealed: Uint8Array;
  /** header | IV | data, all that a separate MAC covers. */
  text: Uint8Array;
}

export function keysOf(transform: BenchTransform): Keys {
  return {
    key: octets(transform.keyOctets),
    salt: octets(transform.saltOctets),
    integrityKey: octets(transform.integrityKeyOctets),
  };
}

/** Octets of data for `bytes` octets of payload. */
export function dataOctets(transform: BenchTransform, bytes: number): number {
  return transform.mode === "cbc" ? Math.ceil(bytes / 16) * 16 : bytes;
}

/** A packet as a peer gets it, from a packet in the clear and the same one sealed. */
export function packetOf(transform: BenchTransform, keys: Keys, clear: Uint8Array, sealed: Uint8Array): Packet {
  const { ivOctets, icvOctets, mode } = transform;
  const lead = copy(sealed.subarray(0, HEADER_OCTETS + ivOctets));
  const iv = lead.subarray(HEADER_OCTETS);
  const text = copy(sealed.subarray(0, sealed.length - icvOctets));
  const block = new Uint8Array(16);
  if (mode === "cbc") block.set(iv);
  if (mode === "ctr") {
    block.set(keys.salt);
    block.set(iv, 4);
    block[15] = 1;
  }
  return {
    nonce: copy(Buffer.concat([keys.salt, iv])),
    block,
    aad: mode === "gmac" ? text : copy(lead.subarray(0, HEADER_OCTETS)),
    lead,
    plain: copy(clear.subarray(lead.length, text.length)),
    data: copy(text.subarray(lead.length)),
    icv: copy(sealed.subarray(text.length)),
    sealed: copy(sealed.subarray(lead.length)),
    text,
  };
}

/** Random octets in a buffer of their own: peers that take a view's whole buffer see nothing else. */
export function octets(count: number): Uint8Array {
  return copy(randomBytes(count));
}

function copy(from: Uint8Array): Uint8Array {
  return Uint8Array.from(from);
}
