/**
 * How far the packets of an inbound SA have come that were handed to its board: what another board has to know when that one dies.
 *
 *   the successor begins at   min(end of the lease, highest number handed over)
 *
 * The dead board has accepted no number beyond its lease, and none of a packet that it was never given; so nothing is accepted twice. A number
 * counts as soon as its packet is looked up, and before anybody knows whether it is authentic: forged ones only bring the successor nearer to the
 * end of the lease, never below what was accepted. Whatever is not known for certain is taken for the highest number there is: the end of the
 * lease decides then.
 *
 * The low half of a number is what travels and what is kept (Link.forwarded). The high half is that of the lease's end: a number that was
 * accepted has that one, and then its low half has been seen here; or a lower one, and then it is lower anyway. Where the low half of an SA with
 * ESN begins anew (RFC 4303 2.2.1), the highest that was seen before it did errs on the safe side.
 *
 * So that forged numbers do not count for ever, times are told apart by leases. A wish that comes under the lease which was sent at the end of one
 * says REACHED: nothing that was handed over before that lease can be accepted any more beyond that number, since a board handles what it is
 * given in its order. On a network (links = remote) datagrams may overtake one another by as much as FORGET_NS, which is several beats of it;
 * a time that is younger is not forgotten.
 *
 *   numbers   | bound: of all times before       | Link.forwarded: since the lease that ends at `mark`
 *
 * Not known: with cut-through, where packets go to the board past this one; and behind a restart of this board, what the one before it handed
 * over, and the classifier while there was none. That lasts until UNCERTAIN times have passed for a link which stays on its board (recall.ts sees
 * to it that they do), or until another board has it: that one has nothing from before.
 */
import { DIRECTION_INBOUND, SA_LEASE } from "../abi/message";
import { arenaTake } from "../rt/arena";
import { now } from "../rt/registers";
import { classifierPasses } from "./classifier";
import { Link, linkNumber, recordOf } from "./local_database";

const UNKNOWN: u32 = 0xffffffff;
/** Times that have to pass behind a restart: one for what was on its way to the board, one for threads that look at one ring late. */
const UNCERTAIN: u32 = 2;
export const FORGET_NS: u64 = 5_000_000_000;


@unmanaged
class Forwarded {
  /** End of the lease that the present time began with; 0: none is under way. */
  mark: u64;
  /** NOW of it. */
  since: u64;
  /** The highest number of earlier times, its low half, or UNKNOWN. */
  bound: u32;
  /** Times that have to pass before something is known. */
  uncertain: u32;
}

let table: usize = 0;

/** Room for `count` links; false when RAM is too small. */
export function forwardedReset(count: u32): bool {
  table = arenaTake(<usize>count * offsetof<Forwarded>());
  return table != 0;
}

// @ts-ignore: decorator
@inline
function entryOf(link: Link): Forwarded {
  return changetype<Forwarded>(table + <usize>linkNumber(link) * offsetof<Forwarded>());
}

/** A sealed packet goes to the board of its SA; `low`: of its number. */
// @ts-ignore: decorator
@inline
export function forwardedNote(link: Link, low: u32): void {
  if (low > link.forwarded) link.forwarded = low;
}

/** A new SA, whose board is given it with `sequence` as the last number. */
export function forwardedStart(link: Link, sequence: u64): void {
  entryOf(link).uncertain = 0;
  forwardedFrom(link, sequence);
}

/** The SA goes on behind `sequence`, on another board or where it is: what it was given before does not count any more. */
export function forwardedFrom(link: Link, sequence: u64): void {
  const f = entryOf(link);
  f.mark = 0;
  f.bound = f.uncertain != 0 ? UNKNOWN : <u32>sequence;
  link.forwarded = 0;
}

/** Behind a restart of this board: the link is back, its records, too. */
export function forwardedForget(link: Link): void {
  // Without a lease there is nothing to ask for.
  entryOf(link).uncertain = load<u64>(recordOf(link, DIRECTION_INBOUND), SA_LEASE) != 0 ? UNCERTAIN : 0;
  forwardedFrom(link, 0);
}

/** True while nothing is known of a link that something could be known of. */
export function forwardedUncertain(link: Link): bool {
  return entryOf(link).uncertain != 0 && !classifierPasses();
}

/** Where another board may begin with the SA when the lease of this one ends at `end`. */
export function forwardedEnd(link: Link, end: u64): u64 {
  if (classifierPasses()) return end;
  const low = max<u32>(entryOf(link).bound, link.forwarded);
  return min<u64>(end, ((end >> 32) << 32) | (<u64>low));
}

/**
 * The board wishes for a lease, and is about to be sent one that ends at `granted`, where the last one ended at `before`: the time ends, if the
 * lease that it began with has come to the board. `reached` and `held`: REACHED and END of the wish.
 */
export function forwardedWish(link: Link, reached: u64, held: u64, before: u64, granted: u64): void {
  const f = entryOf(link);
  if (f.mark == 0) {
    f.bound = max<u32>(f.bound, link.forwarded);
  } else {
    if (held < f.mark || now() - f.since < FORGET_NS) return;
    if (f.uncertain != 0) f.uncertain -= 1;
    f.bound = f.uncertain != 0 ? UNKNOWN : max<u32>(<u32>reached, link.forwarded);
  }
  link.forwarded = 0;
  f.since = now();
  // Only an end that the board has not had before tells that the lease has come.
  f.mark = granted > before ? granted : 0;
}

/** The board has given back what was beyond `end`: it has the last lease that was sent, and what is left of that ends there. */
export function forwardedReturned(link: Link, end: u64): void {
  const f = entryOf(link);
  f.mark = min<u64>(f.mark, end);
}
