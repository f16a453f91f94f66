/**
 * Configuration payload CP (RFC 7296 section 3.15).
 *
 *   payload     0 CFG type   1 reserved, 3 octets   4 attributes
 *   attribute   0 type u16, its first bit reserved   2 length u16   4 value
 *
 * Refuses attributes that do not add up to the payload; one of an unknown type is the reader's to pass over.
 */
import { loadBE16 } from "../../rt/bytes";
import { PAYLOAD_CP, Writer, payloadBegin, write16, write8, writeOctets } from "../ike_message";

export const CP_HEADER: u32 = 4;
export const ATTRIBUTE_HEADER: u32 = 4;

export const CFG_REQUEST: u32 = 1;
export const CFG_REPLY: u32 = 2;
export const CFG_SET: u32 = 3;
export const CFG_ACK: u32 = 4;

export const INTERNAL_IP4_ADDRESS: u32 = 1;
export const INTERNAL_IP4_DNS: u32 = 3;
export const INTERNAL_IP6_ADDRESS: u32 = 8; // 16 octets and a prefix length
export const INTERNAL_IP6_DNS: u32 = 10;

export function cpCheck(body: usize, length: u32): bool {
  if (length < CP_HEADER) return false;
  const end = body + length;
  let p = body + CP_HEADER;
  while (p < end) {
    if (end - p < ATTRIBUTE_HEADER) return false;
    const octets = ATTRIBUTE_HEADER + attributeLength(p);
    if (<usize>octets > end - p) return false;
    p += octets;
  }
  return true;
}

export function cpType(body: usize): u32 {
  return <u32>load<u8>(body);
}

/** The first attribute of a checked body that ends at `end`, or 0. */
export function attributeFirst(body: usize, end: usize): usize {
  const first = body + CP_HEADER;
  return first < end ? first : 0;
}

/** The attribute behind `attribute`, or 0. */
export function attributeNext(attribute: usize, end: usize): usize {
  const next = attributeValue(attribute) + attributeLength(attribute);
  return next < end ? next : 0;
}

export function attributeType(attribute: usize): u32 {
  return loadBE16(attribute) & 0x7fff;
}

export function attributeLength(attribute: usize): u32 {
  return loadBE16(attribute + 2);
}

export function attributeValue(attribute: usize): usize {
  return attribute + ATTRIBUTE_HEADER;
}

/** Opens a payload; attributes follow, then payloadEnd. */
export function cpBegin(w: Writer, type: u32): void {
  payloadBegin(w, PAYLOAD_CP);
  write8(w, type);
  write8(w, 0);
  write16(w, 0);
}

export function attributeWrite(w: Writer, type: u32, value: usize, length: u32): void {
  write16(w, type);
  write16(w, length);
  writeOctets(w, value, length);
}
