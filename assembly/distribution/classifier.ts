/**
 * What the chassis's classifier is told (abi/classifier.ts): the SAs that are in place and stay there, and the policies without one, each
 * once for each change, in the order of the changes, as far as the management ring has room. A policy that found none is made up for by
 * telling everything anew; a board that starts does that first.
 *
 *   selectors    of every SA, from when they are in force: what is not to go to its board yet must not go to that of a wider SA
 *   its board    while both directions live there, and it is on no way to another one
 */
import {
  CLASSIFIER_CUT_THROUGH,
  CLASSIFIER_STANDBY,
  CLASSIFY_CLEAR,
  CLASSIFY_GENERATION,
  CLASSIFY_KIND,
  CLASSIFY_LOCALS,
  CLASSIFY_MAX,
  CLASSIFY_ORDER,
  CLASSIFY_POLICY,
  CLASSIFY_POLICY_GONE,
  CLASSIFY_PRIORITY,
  CLASSIFY_REMOTES,
  CLASSIFY_SA,
  CLASSIFY_SA_AWAY,
  CLASSIFY_SA_GONE,
  CLASSIFY_SELECTORS,
  CLASSIFY_SERIAL,
  CLASSIFY_SLOT,
  CLASSIFY_SPI,
  CLASSIFY_VALUE,
  MANAGEMENT_CLASSIFY,
} from "../abi/classifier";
import { CONFIG_CLASSIFIER } from "../abi/config";
import { MANAGEMENT_LENGTH, MANAGEMENT_TYPE } from "../abi/management";
import {
  DIRECTION_OUTBOUND,
  SA_LOCAL_TS_COUNT,
  SA_PRIORITY,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
  SELECTOR_OCTETS,
} from "../abi/message";
import { PORT_MANAGEMENT } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit, transmitRoom } from "../bus/port";
import { changed, changesNext, changesPending } from "../checkpoint/changes";
import { ORDER_SA } from "../policy/priority";
import {
  SELECTOR_TABLE_NONE,
  rowPriority,
  rowSerial,
  selectorTableRow,
  selectorTableRows,
  selectorTableSerial,
} from "../policy/selector_table";
import { arenaTake } from "../rt/arena";
import { itemFind, itemU32 } from "../rt/items";
import { LINK_LIVE, Link, USED_OUT, linkAt, linkCapacity, linkNews, linkNumber, recordOf } from "./local_database";
import { isLink, policyOrder } from "./policy";

/** Places of the management ring that are left to events and replies. */
const RESERVE: u32 = 32;
/** Rows of the selector table that one call looks at. */
const WALK_BUDGET: u32 = 4096;

/** What the classifier knows of a link. */
@unmanaged
class Told {
  /** 0: its packets are the IKE board's. */
  spiIn: u32;
  /** Whose selectors it knows; 0: none. */
  spiOut: u32;
  slot: u32;
  generation: u32;
}

/** A pair of selectors of the walk. */
const ends: usize = memory.data(2 * SELECTOR_OCTETS, 8);
/** CLASSIFIER_*, 0: the chassis has none. */
let mode: u32 = 0;
let told: usize = 0;
/** Everything is to be told anew. */
let stale: bool = false;
/** The next row of the selector table whose policy is to be told; beyond the last one, none is. */
let walk: u32 = 0xffffffff;

/** Reads CONFIG_CLASSIFIER from `start` to `end`; false when the configuration is unusable. */
export function classifierConfigure(start: usize, end: usize): bool {
  const item = itemFind(start, end, CONFIG_CLASSIFIER);
  mode = item != 0 ? itemU32(item) : 0;
  return mode == 0 || mode == CLASSIFIER_STANDBY || mode == CLASSIFIER_CUT_THROUGH;
}

/** Room for what is told of `links` links; false when RAM is too small. */
export function classifierReset(links: u32): bool {
  stale = mode != 0;
  walk = 0xffffffff;
  told = mode != 0 ? arenaTake(<usize>links * offsetof<Told>()) : 0;
  return mode == 0 || told != 0;
}

/** Whether there is a classifier. */
export function classifierIsFitted(): bool {
  return mode != 0;
}

/** True when packets of SAs go to their boards past this one while it is there: it does not see what they are given. */
// @ts-ignore: decorator
@inline
export function classifierPasses(): bool {
  return mode == CLASSIFIER_CUT_THROUGH;
}

/** Packets of the link may be on their way to its board past this one: what is said to the board may overtake them. */
export function classifierLeads(link: Link): bool {
  return mode == CLASSIFIER_CUT_THROUGH && toldOf(linkNumber(link)).spiIn != 0;
}

// @ts-ignore: decorator
@inline
function toldOf(link: u32): Told {
  return changetype<Told>(told + <usize>link * offsetof<Told>());
}

/** A policy without an SA is in force: its selectors, `locals` from `local` on, `remotes` from `remote` on. */
export function classifierPolicy(
  value: u32,
  order: u32,
  priority: u32,
  local: usize,
  locals: u32,
  remote: usize,
  remotes: u32,
): void {
  if (mode == 0) return;
  const octets = (locals + remotes) * SELECTOR_OCTETS;
  const frame = tellable() && CLASSIFY_SELECTORS + octets <= CLASSIFY_MAX ? begin(CLASSIFY_POLICY, value) : null;
  if (!frame) {
    stale = true;
    return;
  }
  const m = frame.start;
  rank(m, order, priority, selectorTableSerial(value));
  store<u32>(m, locals, CLASSIFY_LOCALS);
  store<u32>(m, remotes, CLASSIFY_REMOTES);
  memory.copy(m + CLASSIFY_SELECTORS, local, locals * SELECTOR_OCTETS);
  memory.copy(m + CLASSIFY_SELECTORS + locals * SELECTOR_OCTETS, remote, remotes * SELECTOR_OCTETS);
  send(frame, CLASSIFY_SELECTORS + octets);
}

/** It is in force no more. */
export function classifierPolicyGone(value: u32): void {
  if (mode != 0 && (!tellable() || !short(CLASSIFY_POLICY_GONE, value))) stale = true;
}

/** Tells what there is to tell; true when there was not room for all of it. */
export function classifierPoll(): bool {
  if (mode == 0) return false;
  if (stale && !anew()) return true;
  if (walk < selectorTableRows() && !policies()) return true;
  const news = linkNews();
  while (changesPending(news)) {
    if (!roomy()) return true;
    const number = <u32>changesNext(news);
    if (tell(changetype<Link>(linkAt(number)), number)) continue;
    changed(news, number);
    return true;
  }
  return false;
}

/** Begins anew; false when there is no room. */
function anew(): bool {
  if (!roomy() || !short(CLASSIFY_CLEAR, 0)) return false;
  stale = false;
  walk = 0;
  memory.fill(told, 0, <usize>linkCapacity() * offsetof<Told>());
  const news = linkNews();
  for (let i: u32 = 0; i < linkCapacity(); i++)
    if ((changetype<Link>(linkAt(i)).used & USED_OUT) != 0) changed(news, i);
  return true;
}

/** Goes on with the walk over policies without an SA; false when there is more. */
function policies(): bool {
  for (let budget = WALK_BUDGET; walk < selectorTableRows(); budget--) {
    if (budget == 0 || !roomy()) return false;
    const value = selectorTableRow(walk, ends, ends + SELECTOR_OCTETS);
    if (value != SELECTOR_TABLE_NONE && !isLink(value)) {
      const frame = begin(CLASSIFY_POLICY, value);
      if (!frame) return false;
      const m = frame.start;
      rank(m, policyOrder(value), rowPriority, rowSerial);
      store<u32>(m, 1, CLASSIFY_LOCALS);
      store<u32>(m, 1, CLASSIFY_REMOTES);
      memory.copy(m + CLASSIFY_SELECTORS, ends, 2 * SELECTOR_OCTETS);
      send(frame, CLASSIFY_SELECTORS + 2 * SELECTOR_OCTETS);
    }
    walk += 1;
  }
  return true;
}

/** Packets of the link may go to its board directly: both directions are in use there, and stay. */
function isInPlace(link: Link): bool {
  return link.stateIn == LINK_LIVE && link.stateOut == LINK_LIVE && link.moving == 0 && link.passage == 0;
}

/** Tells of one link, if there is something new; false when there was no room. */
function tell(link: Link, number: u32): bool {
  const known = toldOf(number);
  if ((link.used & USED_OUT) == 0) {
    if (known.spiOut == 0) return true;
    if (!short(CLASSIFY_SA_GONE, number)) return false;
    known.spiIn = 0;
    known.spiOut = 0;
    return true;
  }
  const spi = isInPlace(link) ? link.spiIn : 0;
  if (known.spiOut == link.spiOut) {
    if (spi == 0 && known.spiIn == 0) return true;
    if (known.spiIn == spi && known.slot == link.slot && known.generation == link.generation) return true;
    if (spi == 0) {
      if (!short(CLASSIFY_SA_AWAY, number)) return false;
      known.spiIn = 0;
      return true;
    }
  }
  const frame = begin(CLASSIFY_SA, number);
  if (!frame) return false;
  const m = frame.start;
  const record = recordOf(link, DIRECTION_OUTBOUND);
  const locals = <u32>load<u8>(record, SA_LOCAL_TS_COUNT);
  const remotes = <u32>load<u8>(record, SA_REMOTE_TS_COUNT);
  const octets = (locals + remotes) * SELECTOR_OCTETS;
  store<u32>(m, spi, CLASSIFY_SPI);
  store<u32>(m, link.slot, CLASSIFY_SLOT);
  store<u32>(m, link.generation, CLASSIFY_GENERATION);
  rank(m, ORDER_SA, load<u32>(record, SA_PRIORITY), selectorTableSerial(number));
  store<u32>(m, locals, CLASSIFY_LOCALS);
  store<u32>(m, remotes, CLASSIFY_REMOTES);
  memory.copy(m + CLASSIFY_SELECTORS, record + SA_SELECTORS, octets);
  known.spiIn = spi;
  known.spiOut = link.spiOut;
  known.slot = link.slot;
  known.generation = link.generation;
  send(frame, CLASSIFY_SELECTORS + octets);
  return true;
}

/** True when the management ring has room beyond what others need. */
function roomy(): bool {
  return transmitRoom(PORT_MANAGEMENT) > RESERVE;
}

/** True when a change of a policy can be told by itself: nothing is to be told anew, and the walk is over. */
function tellable(): bool {
  return !stale && walk >= selectorTableRows() && roomy();
}

function begin(kind: u32, value: u32): Frame | null {
  const frame = originate();
  if (!frame) return null;
  memory.fill(frame.start, 0, CLASSIFY_SELECTORS);
  store<u32>(frame.start, kind, CLASSIFY_KIND);
  store<u32>(frame.start, value, CLASSIFY_VALUE);
  return frame;
}

function rank(m: usize, order: u32, priority: u32, serial: u32): void {
  store<u32>(m, order, CLASSIFY_ORDER);
  store<u32>(m, priority, CLASSIFY_PRIORITY);
  store<u32>(m, serial, CLASSIFY_SERIAL);
}

/** A message that has no more than a value; false when no frame is free. */
function short(kind: u32, value: u32): bool {
  const frame = begin(kind, value);
  if (!frame) return false;
  send(frame, CLASSIFY_SPI);
  return true;
}

function send(frame: Frame, octets: u32): void {
  frame.length = octets;
  store<u16>(frame.start, <u16>MANAGEMENT_CLASSIFY, MANAGEMENT_TYPE);
  store<u32>(frame.start, octets, MANAGEMENT_LENGTH);
  transmit(PORT_MANAGEMENT, frame);
}
