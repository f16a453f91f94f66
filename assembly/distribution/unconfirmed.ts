/**
 * Links with a request that their board has not answered, in the order of their next repetition: one interval for all, so a list is
 * enough, and nothing is searched.
 */
import { now } from "../rt/registers";
import { LINK_INSTALLING, Link, linkAt, linkNumber } from "./local_database";

const RETRY_NS: u64 = 100_000_000;

let head: u32 = 0;
let tail: u32 = 0;

export function unconfirmedReset(): void {
  head = 0;
  tail = 0;
}

/** Takes a link off the list. */
export function unconfirmedRemove(link: Link): void {
  if (link.listed == 0) return;
  if (link.previous != 0) changetype<Link>(linkAt(link.previous - 1)).next = link.next;
  else head = link.next;
  if (link.next != 0) changetype<Link>(linkAt(link.next - 1)).previous = link.previous;
  else tail = link.previous;
  link.next = 0;
  link.previous = 0;
  link.listed = 0;
}

/** Takes a link off the list when its board has answered everything. */
export function unconfirmedSettle(link: Link): void {
  if (link.stateIn != LINK_INSTALLING && link.stateOut != LINK_INSTALLING && link.updating == 0)
    unconfirmedRemove(link);
}

/** A request of the link has been sent: it is repeated RETRY_NS from now. */
export function unconfirmedAppend(link: Link): void {
  unconfirmedRemove(link);
  const n = linkNumber(link) + 1;
  link.previous = tail;
  if (tail != 0) changetype<Link>(linkAt(tail - 1)).next = n;
  else head = n;
  tail = n;
  link.listed = 1;
  link.retryAt = now() + RETRY_NS;
}

/** The link whose repetition is due, or null. */
export function unconfirmedDue(): Link | null {
  const link = head != 0 ? linkAt(head - 1) : null;
  return link && changetype<Link>(link).retryAt <= now() ? link : null;
}

/** When the next repetition is due. */
export function unconfirmedDeadline(): u64 {
  return head == 0 ? u64.MAX_VALUE : changetype<Link>(linkAt(head - 1)).retryAt;
}
