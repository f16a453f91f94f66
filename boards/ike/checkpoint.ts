/**
 * The IKE board's checkpoint: it writes what changed at the end of each poll, and after a restart takes back what the chassis has kept
 * (abi/checkpoint.ts).
 *
 *   reset             a salt is drawn; the secure element derives this epoch's key from it
 *   CHECKPOINT_KEEP     at the end of each poll the records of what changed are sealed into the area
 *   CHECKPOINT_RESTORE  the board holds: it takes its configuration and RESTORE messages, and leaves packets, time and other commands
 *                       alone. RESTORED, or RESTORE_TIME, ends that: what is back goes on, and what is not begins anew
 *
 * Without the element's key nothing is written, and nothing taken back: the board begins anew, as one without a checkpoint does.
 */
import {
  CHECKPOINT_EPOCH,
  CHECKPOINT_HEADER,
  CHECKPOINT_INDEX,
  CHECKPOINT_KIND,
  CHECKPOINT_LINK,
  CHECKPOINT_OCTETS,
  CHECKPOINT_SALT,
  CHECKPOINT_SALT_OCTETS,
} from "../../assembly/abi/checkpoint";
import { CHECKPOINT_RESTORE, CONFIG_CHECKPOINT } from "../../assembly/abi/config";
import { DROP_CHECKPOINT } from "../../assembly/abi/drop";
import { MANAGEMENT_HEADER } from "../../assembly/abi/management";
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND } from "../../assembly/abi/message";
import {
  CHECKPOINT_KEY_OCTETS,
  PSA_CHECKPOINT_KEY,
  PSA_FIELDS,
  PSA_OP,
  PSA_STATUS,
  PSA_SUCCESS,
  PSA_TRANSACTION,
} from "../../assembly/abi/psa";
import { PORT_SECURE_ELEMENT } from "../../assembly/abi/ring";
import { Frame } from "../../assembly/bus/frame";
import { consume, drop, originate, transmit } from "../../assembly/bus/port";
import { changesPending } from "../../assembly/checkpoint/changes";
import {
  JOURNAL_LAYOUT,
  journalContents,
  journalIsOn,
  journalKey,
  journalOldForget,
  journalOldIs,
  journalOldKey,
  journalPoll,
  journalRead,
  journalReadDone,
  journalReset,
  journalSalt,
} from "../../assembly/checkpoint/journal";
import { linkLayout, linkRestore, linksKeep, linksRestored } from "../../assembly/distribution/checkpoint";
import { withdraw } from "../../assembly/distribution/establish";
import { Link, linkAt, linkCapacity, linkChanges } from "../../assembly/distribution/local_database";
import { takeoverBegin } from "../../assembly/distribution/takeover";
import { childChanges, ikeChanges } from "../../assembly/ike/changes";
import {
  ikeKeep,
  ikeLayout,
  ikeRestore,
  ikeRestored,
  linkHasChild,
  restoredChildSas,
  restoredIkeSas,
} from "../../assembly/ike/checkpoint";
import { jobField, jobHeader } from "../../assembly/ike/job";
import { managementRestoring } from "../../assembly/ike/operator";
import { handleSaLost } from "../../assembly/ike/placement";
import { reportRestored } from "../../assembly/ike/report";
import { zeroize } from "../../assembly/rt/bytes";
import { itemFind, itemU32 } from "../../assembly/rt/items";
import { now } from "../../assembly/rt/registers";

/** Time that the chassis has for all records, and the element for a key, ns. */
const RESTORE_TIME: u64 = 30_000_000_000;
const KEY_TIME: u64 = 2_000_000_000;
/** Time from one request for a key to the next, ns: requests and answers may be lost on their way. */
const ASK_TIME: u64 = 250_000_000;
/** TRANSACTION of requests for this epoch's key. Those for an earlier one's have higher numbers, one for each salt. */
const OWN: u32 = 1;

let kept: bool = false;
let holding: bool = false;
let holdEnd: u64 = 0;
/** When this epoch's key is asked for, again unless it has come. */
let askAt: u64 = 0;
/** Since when an earlier epoch's key is waited for, and when it is asked for again; 0: it is not. */
let waitsSince: u64 = 0;
let askEarlierAt: u64 = 0;
let earlier: u32 = 0;
let epoch: u32 = 0;
const earlierSalt: usize = memory.data(CHECKPOINT_SALT_OCTETS, 8);

/** Reads CONFIG_CHECKPOINT; false when RAM is too small. */
export function checkpointReset(start: usize, end: usize): bool {
  const item = itemFind(start, end, CONFIG_CHECKPOINT);
  const wish = item != 0 ? itemU32(item) : 0;
  kept = wish != 0;
  holding = wish == CHECKPOINT_RESTORE;
  holdEnd = now() + RESTORE_TIME;
  askAt = 0;
  waitsSince = 0;
  earlier = OWN;
  return journalReset(kept);
}

/** After the reset of both cores, of which one has forgotten this. */
export function checkpointStart(): void {
  managementRestoring(holding);
}

/** True when changes are to be noted. */
export function checkpointIsKept(): bool {
  return kept;
}

/** True while packets and time wait for SAs to come back. */
export function checkpointHolds(): bool {
  return holding;
}

/** When the board looks again though nothing happens, ns. */
export function checkpointDeadline(): u64 {
  let when: u64 = holding ? holdEnd : u64.MAX_VALUE;
  if (waitsSince != 0) when = min<u64>(when, min<u64>(askEarlierAt, waitsSince + KEY_TIME));
  return kept && !journalIsOn() ? min<u64>(when, askAt) : when;
}

function layout(): u32 {
  return (linkLayout() * 31 + ikeLayout()) * 31 + JOURNAL_LAYOUT;
}

/** Asks for the key that is derived from `salt`. Returns when to ask again. */
function ask(transaction: u32, salt: usize): u64 {
  const frame = originate();
  if (frame) {
    jobHeader(frame, PSA_CHECKPOINT_KEY, transaction, 0, 0);
    jobField(frame, salt, CHECKPOINT_SALT_OCTETS);
    transmit(PORT_SECURE_ELEMENT, frame);
  }
  return now() + ASK_TIME;
}

/** A poll begins. */
export function checkpointPoll(): void {
  if (!kept) return;
  journalPoll();
  if (!journalIsOn() && now() >= askAt) askAt = ask(OWN, journalSalt());
  if (!holding) return;
  if (waitsSince != 0 && now() - waitsSince >= KEY_TIME) waitsSince = 0;
  if (waitsSince != 0 && now() >= askEarlierAt) askEarlierAt = ask(earlier, earlierSalt);
  if (now() >= holdEnd) restored();
}

/** A poll ends: what changed in it is written. True when there is more than has room. */
export function checkpointWrite(): bool {
  if (!journalIsOn()) return false;
  linksKeep();
  ikeKeep();
  return changesPending(linkChanges()) || changesPending(ikeChanges()) || changesPending(childChanges());
}

/** An answer of the secure element: true when it was a key of the checkpoint's. The frame is gone then. */
export function checkpointAnswer(frame: Frame): bool {
  const p = frame.start;
  if (frame.length < PSA_FIELDS || <u32>load<u16>(p, PSA_OP) != PSA_CHECKPOINT_KEY) return false;
  const good =
    load<i32>(p, PSA_STATUS) == PSA_SUCCESS &&
    frame.length == PSA_FIELDS + 2 + CHECKPOINT_KEY_OCTETS &&
    <u32>load<u16>(p, PSA_FIELDS) == CHECKPOINT_KEY_OCTETS;
  const key = p + PSA_FIELDS + 2;
  const transaction = load<u32>(p, PSA_TRANSACTION);
  if (transaction == earlier && waitsSince != 0) {
    if (good) journalOldKey(epoch, key);
    waitsSince = 0;
  } else if (transaction == OWN && kept && !journalIsOn()) {
    if (good) journalKey(key, layout());
    else askAt = u64.MAX_VALUE; // it has none
  }
  zeroize(p, frame.length);
  consume(frame);
  return true;
}

/** True while the next message has to wait for a key. */
export function checkpointWaits(): bool {
  return waitsSince != 0;
}

/** RESTORE: one record. Takes the frame, and wipes it. */
export function checkpointRestore(frame: Frame): void {
  const at = frame.start + MANAGEMENT_HEADER;
  const octets = frame.length - MANAGEMENT_HEADER;
  const good = holding && octets >= CHECKPOINT_HEADER && take(at, octets);
  zeroize(frame.start, frame.length);
  if (good) consume(frame);
  else drop(frame, DROP_CHECKPOINT);
}

function take(at: usize, octets: u32): bool {
  const kind = load<u32>(at, CHECKPOINT_KIND);
  const index = load<u32>(at, CHECKPOINT_INDEX);
  if (kind == CHECKPOINT_SALT) {
    const whole = 4 + CHECKPOINT_SALT_OCTETS;
    if (octets != CHECKPOINT_HEADER + whole || load<u32>(at, CHECKPOINT_OCTETS) != whole) return false;
    // Another firmware's records are not ours to read.
    if (load<u32>(at, CHECKPOINT_HEADER) != layout()) return false;
    const written = load<u32>(at, CHECKPOINT_EPOCH);
    // The key of its records is here: they came behind those of another KIND, too.
    if (journalOldIs(written)) return true;
    journalOldForget();
    epoch = written;
    memory.copy(earlierSalt, at + CHECKPOINT_HEADER + 4, CHECKPOINT_SALT_OCTETS);
    earlier += 1;
    waitsSince = now();
    askEarlierAt = ask(earlier, earlierSalt);
    return true;
  }
  const inside = journalRead(at, octets);
  if (inside < 0) return false;
  const contents = journalContents();
  const restores =
    kind == CHECKPOINT_LINK
      ? linkRestore(index, contents, <u32>inside)
      : ikeRestore(kind, index, contents, <u32>inside);
  journalReadDone();
  return restores;
}

/** RESTORED, or the time is over: both cores go on. */
export function restored(): void {
  if (!holding) return;
  holding = false;
  waitsSince = 0;
  journalOldForget();
  managementRestoring(false);
  linksRestored();
  ikeRestored();
  for (let number: u32 = 0; number < linkCapacity(); number++) {
    const link = changetype<Link>(linkAt(number));
    if (linkHasChild(number)) {
      // Its record did not come back, or not whole: nothing can be sent or received on this CHILD_SA.
      if (link.spiIn == 0 && link.spiOut == 0) handleSaLost(number);
      continue;
    }
    // close() forgets the SPI of the direction that it closes.
    if (link.spiIn != 0) withdraw(number, link.spiIn, DIRECTION_INBOUND);
    if (link.spiOut != 0) withdraw(number, link.spiOut, DIRECTION_OUTBOUND);
  }
  takeoverBegin();
  reportRestored(restoredIkeSas, restoredChildSas);
}
