/**
 * The cold half of an SA: its record as the IKE board sent it (abi/message.ts), with KEYMAT and selectors.
 *
 * Few SAs have more than a handful of selectors, and 100,000 of them are many: each SA has a place of its own for COLD_SELECTORS of
 * them, and one with more borrows a wide place, of which there is one for every eight SAs. When there is none left the SA is
 * refused like any that finds the table full.
 */
import { SA_RECORD_MAX, SA_SELECTORS, SELECTOR_OCTETS } from "../abi/message";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { Sa } from "./sa";

/** Selectors of both ends together that fit an SA's own place. */
const COLD_SELECTORS: u32 = 6;
/** From one SA's own place to the next. */
export const COLD_OCTETS: u32 = (SA_SELECTORS + COLD_SELECTORS * SELECTOR_OCTETS + 63) & ~63;
/** SAs for each wide place, and wide places at least, as long as there are as many SAs. */
const SAS_PER_WIDE: u32 = 8;
const WIDE_MIN: u32 = 256;
const WIDE_OCTETS: u32 = (SA_RECORD_MAX + 63) & ~63;

let places: usize = 0;
let wide: usize = 0;
let wideEnd: usize = 0;
/** The first free wide place; each names the next one in its first 4 octets. */
let wideFree: usize = 0;

/** Takes the places of `records` SAs from the arena; false when RAM is too small. */
export function coldReset(records: u32): bool {
  const count = min<u32>(records, max<u32>(records / SAS_PER_WIDE, WIDE_MIN));
  places = arenaTake(<usize>records * COLD_OCTETS);
  wide = arenaTake(<usize>count * WIDE_OCTETS);
  if (places == 0 || wide == 0) return false;
  wideEnd = wide + <usize>count * WIDE_OCTETS;
  wideFree = 0;
  for (let at = wideEnd; at > wide; ) {
    at -= WIDE_OCTETS;
    store<u32>(at, <u32>wideFree);
    wideFree = at;
  }
  return true;
}

/** An SA's own place. */
export function coldHome(number: u32): usize {
  return places + <usize>number * COLD_OCTETS;
}

/** True when there is a place for a record of `octets` octets of this SA. */
export function coldFits(sa: Sa, octets: u32): bool {
  return octets <= COLD_OCTETS || isWide(sa) || wideFree != 0;
}

/** Puts another record of `octets` octets, for which coldFits, in the place of what there was, which is wiped. */
export function coldPut(sa: Sa, record: usize, octets: u32): void {
  coldWipe(sa);
  if (octets > COLD_OCTETS) {
    const place = wideFree;
    wideFree = <usize>load<u32>(place);
    store<u32>(place, 0);
    sa.cold = place;
  }
  memory.copy(sa.cold, record, octets);
}

/** Wipes an SA's record; the SA is back at its own place. */
export function coldWipe(sa: Sa): void {
  const place = sa.cold;
  if (!isWide(sa)) {
    zeroize(place, COLD_OCTETS);
    return;
  }
  zeroize(place, WIDE_OCTETS);
  store<u32>(place, <u32>wideFree);
  wideFree = place;
  sa.cold = coldHome(sa.number);
}

// @ts-ignore: decorator
@inline
function isWide(sa: Sa): bool {
  return sa.cold >= wide && sa.cold < wideEnd;
}
