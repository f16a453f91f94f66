/**
 * Security Association payload (RFC 7296 section 3.3): proposals, their transforms, and the Key Length attribute.
 *
 *   proposal    0 last 0|2   1 reserved   2 length u16   4 number   5 protocol   6 SPI octets   7 transforms   8 SPI
 *   transform   0 last 0|3   1 reserved   2 length u16   4 type     5 reserved   6 id u16       8 attributes
 *   attribute   0 AF|type u16             2 value u16 (AF 1) or length u16 (AF 0) and value
 *
 * saCheck validates the nesting once; the accessors then need no checks. Refuses more than PROPOSALS_MAX proposals or
 * TRANSFORMS_MAX transforms in one. A transform with an attribute that we do not know is marked as unknown, not refused.
 */
import { loadBE16 } from "../../rt/bytes";
import { Writer, payloadBegin, payloadEnd, PAYLOAD_SA, write16, write8, writeOctets } from "../ike_message";
import { storeBE16 } from "../../rt/bytes";

export const PROTOCOL_ID_IKE: u32 = 1;
export const PROTOCOL_ID_AH: u32 = 2;
export const PROTOCOL_ID_ESP: u32 = 3;

export const TRANSFORM_ENCR: u32 = 1;
export const TRANSFORM_PRF: u32 = 2;
export const TRANSFORM_INTEG: u32 = 3;
export const TRANSFORM_KE: u32 = 4;
export const TRANSFORM_ESN: u32 = 5;
/** The first of the additional key exchanges, and how many there may be (RFC 9370). */
export const TRANSFORM_ADDKE: u32 = 6;
export const ADDKE_MAX: u32 = 7;

export const PROPOSAL_LENGTH: u32 = 2;
export const PROPOSAL_NUMBER: u32 = 4;
export const PROPOSAL_PROTOCOL: u32 = 5;
export const PROPOSAL_SPI_OCTETS: u32 = 6;
export const PROPOSAL_TRANSFORMS: u32 = 7;
export const PROPOSAL_HEADER: u32 = 8;
export const WIRE_TRANSFORM_TYPE: u32 = 4;
export const WIRE_TRANSFORM_ID: u32 = 6;
export const WIRE_TRANSFORM_HEADER: u32 = 8;
export const ATTRIBUTE_KEY_LENGTH: u32 = 14;

export const PROPOSALS_MAX: u32 = 64;
export const TRANSFORMS_MAX: u32 = 64;
/** transformKeyBits of a transform with an attribute that we do not know: matches nothing. */
export const KEY_BITS_UNKNOWN: u32 = 0xffff;

/** True when the body is a well-formed sequence of at least one proposal. */
export function saCheck(body: usize, length: u32): bool {
  const end = body + length;
  let p = body;
  let proposals: u32 = 0;
  while (p < end) {
    if (end - p < PROPOSAL_HEADER || proposals >= PROPOSALS_MAX) return false;
    const octets = loadBE16(p + PROPOSAL_LENGTH);
    if (octets < PROPOSAL_HEADER || <usize>octets > end - p) return false;
    const more = <u32>load<u8>(p);
    if (more != (p + octets == end ? 0 : 2)) return false;
    if (!transformsCheck(p, octets)) return false;
    proposals += 1;
    p += octets;
  }
  return proposals != 0;
}

function transformsCheck(proposal: usize, length: u32): bool {
  const end = proposal + length;
  const spi = <u32>load<u8>(proposal, PROPOSAL_SPI_OCTETS);
  const transforms = <u32>load<u8>(proposal, PROPOSAL_TRANSFORMS);
  if (PROPOSAL_HEADER + spi > length || transforms > TRANSFORMS_MAX || transforms == 0) return false;
  let p = proposal + PROPOSAL_HEADER + spi;
  for (let i: u32 = 0; i < transforms; i++) {
    if (end - p < WIRE_TRANSFORM_HEADER) return false;
    const octets = loadBE16(p + 2);
    if (octets < WIRE_TRANSFORM_HEADER || <usize>octets > end - p) return false;
    if (<u32>load<u8>(p) != (i + 1 == transforms ? 0 : 3)) return false;
    const stop = p + octets;
    let a = p + WIRE_TRANSFORM_HEADER;
    while (a < stop) {
      if (stop - a < 4) return false;
      const long = (loadBE16(a) & 0x8000) == 0 ? loadBE16(a + 2) : 0;
      if (stop - a < <usize>(4 + long)) return false;
      a += 4 + long;
    }
    p = stop;
  }
  return p == end;
}

/** The proposal behind `proposal`, or 0. */
export function proposalNext(proposal: usize, end: usize): usize {
  const next = proposal + loadBE16(proposal + PROPOSAL_LENGTH);
  return next < end ? next : 0;
}

export function proposalSpi(proposal: usize): usize {
  return proposal + PROPOSAL_HEADER;
}

export function proposalSpiOctets(proposal: usize): u32 {
  return <u32>load<u8>(proposal, PROPOSAL_SPI_OCTETS);
}

export function transformFirst(proposal: usize): usize {
  return proposal + PROPOSAL_HEADER + <usize>load<u8>(proposal, PROPOSAL_SPI_OCTETS);
}

/** The transform behind `transform`, or 0. */
export function transformNext(transform: usize): usize {
  return load<u8>(transform) == 0 ? 0 : transform + loadBE16(transform + 2);
}

export function transformType(transform: usize): u32 {
  return <u32>load<u8>(transform, WIRE_TRANSFORM_TYPE);
}

export function transformId(transform: usize): u32 {
  return loadBE16(transform + WIRE_TRANSFORM_ID);
}

/** The Key Length attribute, 0 without one, KEY_BITS_UNKNOWN when there is an attribute of another kind. */
export function transformKeyBits(transform: usize): u32 {
  const end = transform + loadBE16(transform + 2);
  let a = transform + WIRE_TRANSFORM_HEADER;
  let bits: u32 = 0;
  while (a < end) {
    const type = loadBE16(a);
    if (type != (0x8000 | ATTRIBUTE_KEY_LENGTH)) return KEY_BITS_UNKNOWN;
    bits = loadBE16(a + 2);
    a += 4;
  }
  return bits;
}

export function saBegin(w: Writer): void {
  payloadBegin(w, PAYLOAD_SA);
}

/** Opens a proposal; returns its address for proposalEnd. */
export function proposalBegin(w: Writer, number: u32, protocol: u32, spi: usize, spiOctets: u32): usize {
  const at = w.at;
  write16(w, 0x0200);
  write16(w, 0);
  write8(w, number);
  write8(w, protocol);
  write8(w, spiOctets);
  write8(w, 0);
  writeOctets(w, spi, spiOctets);
  return at;
}

export function transformWrite(w: Writer, type: u32, id: u32, keyBits: u32, last: bool): void {
  write16(w, last ? 0 : 0x0300);
  write16(w, keyBits != 0 ? 12 : 8);
  write16(w, type << 8);
  write16(w, id);
  if (keyBits != 0) {
    write16(w, 0x8000 | ATTRIBUTE_KEY_LENGTH);
    write16(w, keyBits);
  }
}

export function proposalEnd(w: Writer, proposal: usize, transforms: u32, last: bool): void {
  if (w.overflow != 0) return;
  store<u8>(proposal, last ? 0 : 2);
  storeBE16(proposal + PROPOSAL_LENGTH, <u32>(w.at - proposal));
  store<u8>(proposal, <u8>transforms, PROPOSAL_TRANSFORMS);
}

export function saEnd(w: Writer): void {
  payloadEnd(w);
}
