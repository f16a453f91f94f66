/**
 * Links by outbound SPI, for what the network says of packets that we sent: peers choose those SPIs, so that they lead to a chain, and
 * several peers may have chosen the same one.
 *
 *   bucket of the SPI -> LINK + 1 -> Link.nextOut -> ...
 */
import { arenaTake } from "../rt/arena";
import { Link, linkAt, linkNumber } from "./local_database";

/** 2^32 divided by the golden ratio (Knuth 6.4). */
const MULTIPLIER: u32 = 0x9e3779b9;
/** Links that a look-up walks over: a peer that makes chains longer hides its own SAs only. */
const WALK_MAX: u32 = 64;

let buckets: usize = 0;
let shift: u32 = 0;

/** Takes room for `links` links; false when RAM is too small. */
export function outboundIndexReset(links: u32): bool {
  let bits: u32 = 4;
  while ((<u32>1) << bits < links) bits += 1;
  shift = 32 - bits;
  buckets = arenaTake((<usize>4) << bits);
  return buckets != 0;
}

// @ts-ignore: decorator
@inline
function bucketOf(spi: u32): usize {
  return buckets + ((<usize>((spi * MULTIPLIER) >> shift)) << 2);
}

/** The link has the outbound SPI that it says, and is in no chain. */
export function outboundIndexInsert(link: Link): void {
  const bucket = bucketOf(link.spiOut);
  link.nextOut = load<u32>(bucket);
  store<u32>(bucket, linkNumber(link) + 1);
}

/** The link gives its outbound SPI up; one that is in no chain stays as it is. */
export function outboundIndexRemove(link: Link): void {
  const own = linkNumber(link) + 1;
  const bucket = bucketOf(link.spiOut);
  let at = load<u32>(bucket);
  if (at == own) {
    store<u32>(bucket, link.nextOut);
  } else {
    while (at != 0) {
      const before = changetype<Link>(linkAt(at - 1));
      at = before.nextOut;
      if (at == own) before.nextOut = link.nextOut;
      if (at == own) break;
    }
  }
  link.nextOut = 0;
}

/** The first link of this outbound SPI behind `after`, null for the first of all; null when there is none. */
export function outboundIndexNext(spi: u32, after: Link | null): Link | null {
  let at = after ? after.nextOut : load<u32>(bucketOf(spi));
  for (let i: u32 = 0; i < WALK_MAX && at != 0; i++) {
    const link = changetype<Link>(linkAt(at - 1));
    if (link.spiOut == spi) return link;
    at = link.nextOut;
  }
  return null;
}
