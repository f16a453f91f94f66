/**
 * What other IKE_SAs between the same identities mean to a new one that the peer made (unique; RFC 7296 section 2.4), as strongSwan has
 * it:
 *
 *   no       INITIAL_CONTACT ends the others, whatever their connection
 *   never    it is ignored
 *   replace  and the others of its connection are deleted
 *   keep     and it is refused while there is another one of its connection
 *
 * One from the same address may be there to be reauthenticated from: it is not refused, and what it replaces has DUPLICATE_TIME, so
 * that traffic can move over. Whoever deletes the old one ends it sooner.
 */
import {
  IKE_STATE_DELETING,
  IKE_STATE_ESTABLISHED,
  IKE_STATE_REKEYING,
  UNIQUE_KEEP,
  UNIQUE_NEVER,
  UNIQUE_NO,
} from "../abi/management";
import { deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import { NOTIFY_INITIAL_CONTACT } from "../wire/ike_payload/notify";
import { connectionAt, connectionName } from "./connection";
import { identityFirst, identityNext } from "./identity_index";
import { IkeSa, WANT_DELETE, ikeSaAt } from "./ike_sa";
import { CAUSE_LOCAL, ikeDown, proceed } from "./life";
import { notifyFind } from "./negotiation";
import { SECOND } from "./settings";
import { TIMER_EXPIRE, timerSa } from "./timer";

const DUPLICATE_TIME: u64 = 10 * SECOND;

/** The peer of `sa` is authenticated, its first request of IKE_AUTH in hand. False: the IKE_SA may not be. */
export function uniqueAllows(sa: IkeSa): bool {
  const policy = connectionAt(<u32>sa.connection).unique;
  if (policy == UNIQUE_NEVER) return true;
  if (notifyFind(NOTIFY_INITIAL_CONTACT) != 0) {
    forgetOthers(sa);
    return true;
  }
  if (policy == UNIQUE_NO) return true;
  let i = identityFirst(sa);
  while (i >= 0) {
    const other = ikeSaAt(<u32>i);
    i = identityNext(other, sa);
    if (!rivals(sa, other)) continue;
    // Those behind it were there before it, and are on their way out as it is.
    if (other.duplicate != 0) return true;
    if (policy == UNIQUE_KEEP) {
      if (other.remote != sa.remote) return false;
    } else {
      supersede(other, sa);
    }
  }
  return true;
}

/** True when `other` is up and of the same connection, or of the one that it was before it was loaded anew. */
function rivals(sa: IkeSa, other: IkeSa): bool {
  if (other.index == sa.index || (other.want & WANT_DELETE) != 0) return false;
  if (other.state != IKE_STATE_ESTABLISHED && other.state != IKE_STATE_REKEYING) return false;
  if (other.connection == sa.connection) return true;
  const a = connectionAt(<u32>sa.connection);
  const b = connectionAt(<u32>other.connection);
  if (b.retired == 0 || a.nameLength != b.nameLength) return false;
  return memory.compare(connectionName(a), connectionName(b), a.nameLength) == 0;
}

function supersede(other: IkeSa, sa: IkeSa): void {
  if (other.remote == sa.remote) return duplicateMark(other);
  other.duplicate = 1;
  duplicateDelete(other);
}

/** Another one takes the place of one that is up: it goes when traffic has had time to move over. */
export function duplicateMark(sa: IkeSa): void {
  sa.duplicate = 1;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + DUPLICATE_TIME);
}

/** Its time is over. */
export function duplicateDelete(sa: IkeSa): void {
  sa.want |= WANT_DELETE;
  proceed(sa);
}

/** RFC 7296 2.4: the peer knows of no other IKE_SA between these identities; those that we have are dead. */
function forgetOthers(sa: IkeSa): void {
  let i = identityFirst(sa);
  while (i >= 0) {
    const other = ikeSaAt(<u32>i);
    if (other.index == sa.index || other.state == IKE_STATE_DELETING) {
      i = identityNext(other, sa);
      continue;
    }
    ikeDown(other, CAUSE_LOCAL, false);
    assert(other.indexed == 0, "an IKE_SA that is down is found no longer");
    i = identityFirst(sa);
  }
}
