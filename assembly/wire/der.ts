/**
 * DER (X.690) as far as a distinguished name needs it: elements with a tag of one octet and a length of up to three.
 *
 *   0 tag   1 length below 128, or 0x81 and one octet, or 0x82 and two   content
 *
 * Refuses indefinite lengths and longer ones by giving no element.
 */
import { loadBE16 } from "../rt/bytes";

export const DER_SEQUENCE: u32 = 0x30;
export const DER_SET: u32 = 0x31;
export const DER_OID: u32 = 0x06;
export const DER_UTF8_STRING: u32 = 12;
export const DER_PRINTABLE_STRING: u32 = 19;
export const DER_T61_STRING: u32 = 20;
export const DER_IA5_STRING: u32 = 22;

/** Set by derNext: the element's tag and content, and where the next one begins. */
export let derTag: u32 = 0;
export let derContent: usize = 0;
export let derLength: u32 = 0;
export let derAfter: usize = 0;

/** Reads the element at `p`, which has to end at or before `end`. */
export function derNext(p: usize, end: usize): bool {
  if (p + 2 > end) return false;
  derTag = <u32>load<u8>(p);
  let length = <u32>load<u8>(p, 1);
  let header: u32 = 2;
  if (length == 0x81) {
    if (p + 3 > end) return false;
    length = <u32>load<u8>(p, 2);
    header = 3;
  } else if (length == 0x82) {
    if (p + 4 > end) return false;
    length = loadBE16(p + 2);
    header = 4;
  } else if (length >= 0x80) return false;
  if (<usize>length > end - p - header) return false;
  derContent = p + header;
  derLength = length;
  derAfter = derContent + length;
  return true;
}

/** True for the kinds of strings whose letters are told apart without regard to case. */
export function derIsText(tag: u32): bool {
  return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_T61_STRING || tag == DER_IA5_STRING;
}
