/**
 * Encrypted Fragment payload SKF (RFC 7383 section 2.5):
 *
 *   generic header 4 | fragment number u16 | total fragments u16 | IV | a piece of the inner payloads, padding | ICV
 *
 * Its next payload field names the first inner payload in fragment 1, and is 0 in all others. Refuses no fragments, more than
 * FRAGMENTS_MAX, and a number beyond the total.
 */
import { loadBE16, storeBE16 } from "../../rt/bytes";

/** Octets between the generic header and the IV. */
export const FRAGMENT_FIELDS: u32 = 4;
/** Fragments of one message; the longest that a frame holds needs fewer. */
export const FRAGMENTS_MAX: u32 = 32;

/** `body` of `length` octets stands behind the generic header, with `next` in its next payload field. */
export function fragmentCheck(body: usize, length: u32, next: u32): bool {
  if (length < FRAGMENT_FIELDS) return false;
  const number = fragmentNumber(body);
  const total = fragmentTotal(body);
  if (number == 0 || number > total || total > FRAGMENTS_MAX) return false;
  return number == 1 ? next != 0 : next == 0;
}

export function fragmentNumber(body: usize): u32 {
  return loadBE16(body);
}

export function fragmentTotal(body: usize): u32 {
  return loadBE16(body + 2);
}

/** Writes the fields behind a generic header. */
export function fragmentWrite(body: usize, number: u32, total: u32): void {
  storeBE16(body, number);
  storeBE16(body + 2, total);
}
