/**
 * The local database (15) of the IKE board: SA -> IPsec board (S403, S602 to S604; claims 4 and 15).
 *
 * One entry per CHILD_SA, an array indexed by LINK. An inbound SPI carries its LINK in the low bits, so that a look-up is
 * an index and a compare whatever the number of entries. Outbound, the selector table yields the LINK.
 *
 *   Link (hot, 64 octets)                       SA records (cold), one per direction
 *   +---------+----------+------+------------+  +------------------------------------+
 *   | SPI in  | SPI out  | slot | generation |  | as it will be installed elsewhere  |
 *   +---------+----------+------+------------+  +------------------------------------+
 *
 * The records stay, keys included, as long as the SA does: they are what another board is taught from (takeover.ts). Both are wiped when
 * it is gone.
 */
import { DIRECTION_INBOUND, LINK_MASK, SA_RECORD_MAX } from "../abi/message";
import { changed, changesTake } from "../checkpoint/changes";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";

/** Where one direction of a link stands. */
export const LINK_NONE: u8 = 0;
export const LINK_INSTALLING: u8 = 1;
export const LINK_LIVE: u8 = 2;

/** Bits of Link.used; of an outbound SA: its selectors lead to it. */
export const USED_IN: u8 = 1;
export const USED_OUT: u8 = 2;


@unmanaged
export class Link {
  spiIn: u32;
  spiOut: u32;
  slot: u32;
  generation: u32;
  stateIn: u8;
  stateOut: u8;
  /** How often the unconfirmed request of each direction was sent. */
  triesIn: u8;
  triesOut: u8;
  /** Octets of each SA record; 0 when wiped. */
  recordIn: u16;
  recordOut: u16;
  /** Inbound, the highest number that has been handed to the board, its low half (forwarded.ts). */
  forwarded: u32;
  /** The next link of the chain of its outbound SPI (outbound_index.ts), LINK + 1; 0 ends. */
  nextOut: u32;
  /** NOW at which the request is repeated. */
  retryAt: u64;
  /** The list of links with an unconfirmed request (unconfirmed.ts), by LINK + 1; 0 ends. */
  next: u32;
  previous: u32;
  listed: u32;
  /** Directions, 1 inbound, 2 outbound, whose SA_UPDATE is unconfirmed (update.ts); */
  updating: u8;
  /** that have been in use: what then goes wrong is a loss, and no refusal; */
  used: u8;
  /** that the board has been asked to give up (move.ts). */
  moving: u8;
  /** 1: between two boards (passage.ts). */
  passage: u8;
  /** Serial numbers of the last SA_UPDATEs. */
  serialIn: u32;
  serialOut: u32;
}

/** How the CHILD_SA of a link is to be placed (selection.ts): cold, for as long as there is the link. */
@unmanaged
export class LinkPlacement {
  /** A digest of the peer's identity. */
  peer: u64;
  /** PLACEMENT_* of abi/config.ts. */
  placement: u32;
}

let links: usize = 0;
let records: usize = 0;
let placements: usize = 0;
let capacity: u32 = 0;
/** Links that have changed since they were written to the checkpoint, and since the classifier was told of them. */
let changes: usize = 0;
let news: usize = 0;

/** Builds the table for `count` CHILD_SAs, `kept` in a checkpoint, `told` to a classifier; false when RAM is too small. */
export function localDatabaseReset(count: u32, kept: bool = false, told: bool = false): bool {
  if (offsetof<Link>() != 64) ERROR("Link must be 64 octets");
  capacity = count;
  links = arenaTake(<usize>count * offsetof<Link>());
  records = arenaTake(<usize>count * 2 * SA_RECORD_MAX);
  placements = arenaTake(<usize>count * offsetof<LinkPlacement>());
  changes = kept ? changesTake(count) : 0;
  news = told ? changesTake(count) : 0;
  const listed = (!kept || changes != 0) && (!told || news != 0);
  return links != 0 && records != 0 && placements != 0 && listed;
}

export function linkCapacity(): u32 {
  return capacity;
}

/** The entry of a LINK number; null beyond the table. */
// @ts-ignore: decorator
@inline
export function linkAt(link: u32): Link | null {
  if (link >= capacity) return null;
  return changetype<Link>(links + <usize>link * offsetof<Link>());
}

/** Something of a link has changed that a board which takes its SAs back must know; what its poll sends waits for the checkpoint. */
// @ts-ignore: decorator
@inline
export function linkChanged(link: Link): void {
  const number = linkNumber(link);
  changed(changes, number);
  changed(news, number);
}

/** The list of links that the classifier is to be told of (checkpoint/changes.ts), 0 none. */
export function linkNews(): usize {
  return news;
}

/** The list of links that have changed (checkpoint/changes.ts), 0 none. */
export function linkChanges(): usize {
  return changes;
}

export function linkNumber(link: Link): u32 {
  return <u32>((changetype<usize>(link) - links) / offsetof<Link>());
}

/** S602/S603: the link of an inbound SPI, or null when there is no entry (S606). */
// @ts-ignore: decorator
@inline
export function findInbound(spi: u32): Link | null {
  const link = linkAt(spi & LINK_MASK);
  if (!link || link.spiIn != spi || link.stateIn == LINK_NONE) return null;
  return link;
}

/** True when an SA of the link is this one. */
// @ts-ignore: decorator
@inline
export function linkIsCurrent(link: Link, spi: u32, direction: u32): bool {
  return direction == DIRECTION_INBOUND
    ? link.spiIn == spi && link.stateIn != LINK_NONE
    : link.spiOut == spi && link.stateOut != LINK_NONE;
}

export function placementOf(link: Link): LinkPlacement {
  return changetype<LinkPlacement>(placements + <usize>linkNumber(link) * offsetof<LinkPlacement>());
}

/** Where the SA record of one direction of a link is kept: SA_RECORD_MAX octets. */
export function recordOf(link: Link, direction: u32): usize {
  return records + (<usize>linkNumber(link) * 2 + direction) * SA_RECORD_MAX;
}

/** Wipes a record, keys included. */
export function recordWipe(link: Link, direction: u32): void {
  zeroize(recordOf(link, direction), SA_RECORD_MAX);
  if (direction == DIRECTION_INBOUND) link.recordIn = 0;
  else link.recordOut = 0;
}
