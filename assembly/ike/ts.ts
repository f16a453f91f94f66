/**
 * Traffic selector narrowing (RFC 7296 section 2.9) on the records of abi/message.ts.
 *
 * The responder grants what its configuration and the offer have in common: every non-empty intersection that no other
 * one contains. Refuses ICMP type and code selectors beyond treating them as port ranges, as the RFC encodes them.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../abi/message";

/** Writes what two selectors have in common; false when nothing. `out` is neither of them. */
export function selectorIntersect(a: usize, b: usize, out: usize): bool {
  if (load<u8>(a, SELECTOR_FAMILY) != load<u8>(b, SELECTOR_FAMILY)) return false;
  const pa = load<u8>(a, SELECTOR_PROTOCOL);
  const pb = load<u8>(b, SELECTOR_PROTOCOL);
  if (pa != 0 && pb != 0 && pa != pb) return false;
  const startPort = max<u16>(load<u16>(a, SELECTOR_START_PORT), load<u16>(b, SELECTOR_START_PORT));
  const endPort = min<u16>(load<u16>(a, SELECTOR_END_PORT), load<u16>(b, SELECTOR_END_PORT));
  if (startPort > endPort) return false;
  const start = memory.compare(a + SELECTOR_START, b + SELECTOR_START, 16) >= 0 ? a : b;
  const end = memory.compare(a + SELECTOR_END, b + SELECTOR_END, 16) <= 0 ? a : b;
  if (memory.compare(start + SELECTOR_START, end + SELECTOR_END, 16) > 0) return false;
  memory.fill(out, 0, SELECTOR_OCTETS);
  store<u8>(out, load<u8>(a, SELECTOR_FAMILY), SELECTOR_FAMILY);
  store<u8>(out, pa != 0 ? pa : pb, SELECTOR_PROTOCOL);
  store<u16>(out, startPort, SELECTOR_START_PORT);
  store<u16>(out, endPort, SELECTOR_END_PORT);
  memory.copy(out + SELECTOR_START, start + SELECTOR_START, 16);
  memory.copy(out + SELECTOR_END, end + SELECTOR_END, 16);
  return true;
}

/** True when everything that `inner` selects, `outer` selects. */
export function selectorContains(outer: usize, inner: usize): bool {
  if (load<u8>(outer, SELECTOR_FAMILY) != load<u8>(inner, SELECTOR_FAMILY)) return false;
  const protocol = load<u8>(outer, SELECTOR_PROTOCOL);
  if (protocol != 0 && protocol != load<u8>(inner, SELECTOR_PROTOCOL)) return false;
  return (
    load<u16>(outer, SELECTOR_START_PORT) <= load<u16>(inner, SELECTOR_START_PORT) &&
    load<u16>(outer, SELECTOR_END_PORT) >= load<u16>(inner, SELECTOR_END_PORT) &&
    memory.compare(outer + SELECTOR_START, inner + SELECTOR_START, 16) <= 0 &&
    memory.compare(outer + SELECTOR_END, inner + SELECTOR_END, 16) >= 0
  );
}

const common: usize = memory.data(SELECTOR_OCTETS, 8);

/** Intersects two lists into at most `capacity` selectors at `out`; returns how many. */
export function tsNarrow(own: usize, ownCount: u32, offer: usize, offerCount: u32, out: usize, capacity: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < ownCount; i++) {
    for (let j: u32 = 0; j < offerCount; j++) {
      const a = own + <usize>i * SELECTOR_OCTETS;
      const b = offer + <usize>j * SELECTOR_OCTETS;
      if (!selectorIntersect(a, b, common)) continue;
      // Drop what the new one contains; pass the new one over if it is contained itself.
      let kept: u32 = 0;
      let contained = false;
      for (let k: u32 = 0; k < n; k++) {
        const s = out + <usize>k * SELECTOR_OCTETS;
        if (selectorContains(s, common)) contained = true;
        if (!contained && selectorContains(common, s)) continue;
        if (kept != k) memory.copy(out + <usize>kept * SELECTOR_OCTETS, s, SELECTOR_OCTETS);
        kept += 1;
      }
      n = kept;
      if (contained || n >= capacity) continue;
      memory.copy(out + <usize>n * SELECTOR_OCTETS, common, SELECTOR_OCTETS);
      n += 1;
    }
  }
  return n;
}

/** True when every selector of `answer` lies in one of `asked`. */
export function tsWithin(answer: usize, answerCount: u32, asked: usize, askedCount: u32): bool {
  for (let i: u32 = 0; i < answerCount; i++) {
    let found = false;
    for (let j: u32 = 0; j < askedCount && !found; j++) {
      found = selectorContains(asked + <usize>j * SELECTOR_OCTETS, answer + <usize>i * SELECTOR_OCTETS);
    }
    if (!found) return false;
  }
  return answerCount != 0;
}
