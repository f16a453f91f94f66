/**
 * The operator's commands about IKE (abi/management.ts): load and unload, initiate, terminate, rekey, list; and the chassis's word on
 * our own addresses.
 *
 * Every command gets one REPLY; TERMINATE gets it when what it ended is gone, at the latest when the peer has not
 * answered the Deletes. Refuses malformed bodies and unknown types by the reply's result.
 */
import { DROP_MANAGEMENT_MALFORMED } from "../abi/drop";
import {
  CHILD_NAME,
  CHILD_STATE_DELETING,
  CONNECTION_LOCAL_ADDRESS,
  CONNECTION_NAME,
  IKE_STATE_CONNECTING,
  IKE_STATE_DELETING,
  IKE_STATE_FREE,
  MANAGEMENT_ADDRESSES,
  MANAGEMENT_CONNECTION_LOAD,
  MANAGEMENT_CONNECTION_UNLOAD,
  MANAGEMENT_HEADER,
  INITIATE_IKE,
  MANAGEMENT_INITIATE,
  MANAGEMENT_LENGTH,
  MANAGEMENT_KEYS_FOLLOW,
  MANAGEMENT_KEYS_LEAVE,
  MANAGEMENT_LIST_CONNECTIONS,
  MANAGEMENT_LIST_POLICIES,
  MANAGEMENT_LIST_POOLS,
  MANAGEMENT_LIST_SAS,
  MANAGEMENT_POOL_LOAD,
  MANAGEMENT_REDIRECT,
  MANAGEMENT_LOCAL_ADDRESSES,
  MANAGEMENT_REKEY,
  MANAGEMENT_TERMINATE,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_OK,
  RESULT_RESTORING,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
  START_START,
  START_TRAP,
} from "../abi/management";
import { Frame } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import { itemFind, itemLength, itemU32, itemValue, itemsValid } from "../rt/items";
import { now } from "../rt/registers";
import { childDelete, childRekey, ikeDown, initiateChild, initiateIke, proceed, CAUSE_LOCAL } from "./life";
import { ChildSa, childConfig, childSaAt } from "./child_sa";
import {
  CHILD_CONFIGS_MAX,
  CONNECTIONS_MAX,
  Connection,
  childByName,
  childConfigAt,
  connectionAt,
  connectionByName,
  connectionLoad,
  connectionName,
  connectionRelease,
  isShunt,
  loadedBefore,
  loadedConnection,
  shuntsAlone,
} from "./connection";
import { eventTrap } from "./event";
import { redirectCommand } from "./exchange/redirect";
import { IkeSa, WANT_DELETE, WANT_REKEY, ikeSaAt } from "./ike_sa";
import { keyExportFollow, keyExportLeave, keyExportReset } from "./key_export";
import { lingers, listingContinue, listingReset, listingStart } from "./listing";
import { lookupAnswered, lookupFirst } from "./name_lookup";
import { poolLoad } from "./pool";
import { localAddressesTake } from "./local_address";
import { reply } from "./report";
import { roamReset, roamStart } from "./roam";
import { ikeSaCapacity } from "./settings";
import { timerConfig } from "./timer";

/** TERMINATEs that wait: transaction, IKE_SA's connection or -1, child's configuration or -1. */
const WAITING_MAX: u32 = 16;
const waiting: usize = memory.data(WAITING_MAX * 12, 8);
let waitingCount: u32 = 0;

export function managementReset(): void {
  waitingCount = 0;
  restoring = false;
  listingReset();
  keyExportReset();
  roamReset();
}

export function managementHandle(frame: Frame): void {
  const p = frame.start;
  if (frame.length < MANAGEMENT_HEADER || load<u32>(p, MANAGEMENT_LENGTH) != frame.length) {
    return drop(frame, DROP_MANAGEMENT_MALFORMED);
  }
  const transaction = load<u32>(p, MANAGEMENT_TRANSACTION);
  const start = p + MANAGEMENT_HEADER;
  const end = p + frame.length;
  const result = itemsValid(start, end)
    ? command(<u32>load<u16>(p, MANAGEMENT_TYPE), transaction, start, end)
    : RESULT_MALFORMED;
  consume(frame);
  if (result != LATER) reply(transaction, result);
}

/** True while the board takes its SAs back (checkpoint.ts): then it takes its configuration, and no other command. */
let restoring: bool = false;

export function managementRestoring(on: bool): void {
  restoring = on;
}

/** True for what can be done before all SAs are back. */
function early(type: u32): bool {
  return (
    type == MANAGEMENT_CONNECTION_LOAD ||
    type == MANAGEMENT_POOL_LOAD ||
    type == MANAGEMENT_LOCAL_ADDRESSES ||
    type == MANAGEMENT_ADDRESSES ||
    type == MANAGEMENT_KEYS_FOLLOW ||
    type == MANAGEMENT_KEYS_LEAVE
  );
}

const LATER: u32 = u32.MAX_VALUE;
let named: i32 = -1;

/** Finds what CONNECTION_NAME or CHILD_NAME names: index in `named`. */
function byName(start: usize, end: usize, child: bool): bool {
  named = -1;
  const item = itemFind(start, end, child ? CHILD_NAME : CONNECTION_NAME);
  if (item == 0) return false;
  named = child ? childByName(itemValue(item), itemLength(item)) : connectionByName(itemValue(item), itemLength(item));
  return true;
}

function command(type: u32, transaction: u32, start: usize, end: usize): u32 {
  if (restoring && !early(type)) return RESULT_RESTORING;
  switch (type) {
    case MANAGEMENT_CONNECTION_LOAD:
      return loadConnection(start, end);
    case MANAGEMENT_CONNECTION_UNLOAD: {
      if (!byName(start, end, false)) return RESULT_MALFORMED;
      if (named < 0) return RESULT_NOT_FOUND;
      retire(connectionAt(<u32>named));
      return RESULT_OK;
    }
    case MANAGEMENT_POOL_LOAD:
      return poolLoad(start, end);
    case MANAGEMENT_INITIATE:
      return initiate(start, end);
    case MANAGEMENT_TERMINATE:
      return terminate(transaction, start, end);
    case MANAGEMENT_REKEY:
      return rekey(start, end);
    case MANAGEMENT_ADDRESSES:
      return lookupAnswered(start, end);
    case MANAGEMENT_REDIRECT:
      return redirectCommand(start, end);
    case MANAGEMENT_LOCAL_ADDRESSES: {
      if (!localAddressesTake(start, end, CONNECTION_LOCAL_ADDRESS)) return RESULT_MALFORMED;
      roamStart();
      return RESULT_OK;
    }
    case MANAGEMENT_KEYS_FOLLOW:
      if (!keyExportFollow()) return RESULT_UNSUPPORTED;
      return listingStart(type, transaction) ? LATER : RESULT_TABLE_FULL;
    case MANAGEMENT_KEYS_LEAVE:
      keyExportLeave();
      return RESULT_OK;
    case MANAGEMENT_LIST_SAS:
    case MANAGEMENT_LIST_POOLS:
    case MANAGEMENT_LIST_CONNECTIONS:
      return listingStart(type, transaction) ? LATER : RESULT_TABLE_FULL;
    // What the board did not take on: it has too many in hand.
    case MANAGEMENT_LIST_POLICIES:
      return RESULT_TABLE_FULL;
    default:
      return RESULT_UNSUPPORTED;
  }
}

function loadConnection(start: usize, end: usize): u32 {
  const result = connectionLoad(start, end);
  if (result != RESULT_OK || loadedBefore) return result;
  const c = connectionAt(loadedConnection);
  for (let i: u32 = 0; i < CONNECTIONS_MAX; i++) {
    const other = connectionAt(i);
    if (i == c.index || other.used == 0 || other.retired != 0 || other.nameLength != c.nameLength) continue;
    if (memory.compare(connectionName(other), connectionName(c), c.nameLength) == 0) retire(other);
  }
  lookupFirst(c);
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || k.connection != c.index) continue;
    if ((k.startAction & START_TRAP) != 0) eventTrap(k, true);
    if ((k.startAction & START_START) == 0) continue;
    // What comes back from the checkpoint may be this very child.
    if (restoring) deadlineSet(timerConfig(i), now());
    else initiateChild(k);
  }
  return RESULT_OK;
}

function retire(c: Connection): void {
  c.retired = 1;
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || k.connection != c.index) continue;
    eventTrap(k, false);
    deadlineClear(timerConfig(i));
  }
  connectionRelease(c);
}

function initiate(start: usize, end: usize): u32 {
  if (byName(start, end, true)) {
    if (named < 0) return RESULT_NOT_FOUND;
    if (isShunt(childConfigAt(<u32>named))) return RESULT_UNSUPPORTED;
    return initiateChild(childConfigAt(<u32>named)) ? RESULT_OK : RESULT_TABLE_FULL;
  }
  if (!byName(start, end, false)) return RESULT_MALFORMED;
  if (named < 0) return RESULT_NOT_FOUND;
  const connection = <u32>named;
  const alone = itemFind(start, end, INITIATE_IKE);
  if (shuntsAlone(connectionAt(connection))) return RESULT_UNSUPPORTED;
  if (alone != 0 && itemU32(alone) == 1) {
    return initiateIke(connectionAt(connection)) ? RESULT_OK : RESULT_TABLE_FULL;
  }
  let result: u32 = RESULT_UNSUPPORTED; // a connection without children has nothing to initiate
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX; i++) {
    const k = childConfigAt(i);
    if (k.used == 0 || k.connection != connection || isShunt(k)) continue;
    result = initiateChild(k) ? RESULT_OK : RESULT_TABLE_FULL;
    if (result != RESULT_OK) break;
  }
  return result;
}

/** Ends an IKE_SA: at once if the peer cannot know of it yet, else by a Delete. */
function terminateSa(sa: IkeSa): void {
  if (sa.state == IKE_STATE_FREE) return;
  // What a rekey has begun ends with the one that it is to replace, which is on the list, too.
  if (sa.parent != 0) return;
  // Of one that ends already, too: nothing comes in its place.
  sa.terminated = 1;
  if (sa.state == IKE_STATE_DELETING) return;
  if (sa.state == IKE_STATE_CONNECTING) return ikeDown(sa, CAUSE_LOCAL, false);
  sa.want |= WANT_DELETE;
  proceed(sa);
}

/** Ends attempts to bring a configured child up. */
function forget(config: u32): void {
  childConfigAt(config).wanted = 0;
  deadlineClear(timerConfig(config));
}

function terminate(transaction: u32, start: usize, end: usize): u32 {
  if (waitingCount >= WAITING_MAX) return RESULT_TABLE_FULL;
  let connection = -1;
  let config = -1;
  if (byName(start, end, true)) {
    if (named < 0) return RESULT_NOT_FOUND;
    config = named;
    forget(<u32>config);
  } else if (byName(start, end, false)) {
    if (named < 0) return RESULT_NOT_FOUND;
    connection = named;
  }
  for (let i: u32 = 0; i < CHILD_CONFIGS_MAX && config < 0; i++) {
    if (connection < 0 || <i32>childConfigAt(i).connection == connection) forget(i);
  }
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if (sa.state == IKE_STATE_FREE) continue;
    if (config >= 0) terminateChildren(sa, config);
    else if (connection < 0 || sa.connection == connection) terminateSa(sa);
  }
  const entry = waiting + <usize>waitingCount * 12;
  store<u32>(entry, transaction);
  store<i32>(entry, connection, 4);
  store<i32>(entry, config, 8);
  waitingCount += 1;
  return LATER;
}

function terminateChildren(sa: IkeSa, config: i32): void {
  let i = sa.firstChild;
  while (i >= 0) {
    const child = childSaAt(<u32>i);
    i = child.next;
    if (child.config != config) continue;
    // Its life may be over as well: none comes in its place.
    child.expired = 0;
    if (child.state != CHILD_STATE_DELETING) childDelete(child);
  }
}

function finished(connection: i32, config: i32): bool {
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    const sa = ikeSaAt(i);
    if (sa.state == IKE_STATE_FREE || lingers(sa)) continue;
    if (config < 0) {
      if (connection < 0 || sa.connection == connection) return false;
      continue;
    }
    for (let l = sa.firstChild; l >= 0; l = childSaAt(<u32>l).next)
      if (childSaAt(<u32>l).config == config) return false;
  }
  return true;
}

/** Once per poll: answers the TERMINATEs whose SAs are gone, goes on with listings. */
export function managementSettle(): void {
  listingContinue();
  let kept: u32 = 0;
  for (let i: u32 = 0; i < waitingCount; i++) {
    const entry = waiting + <usize>i * 12;
    if (finished(load<i32>(entry, 4), load<i32>(entry, 8))) {
      reply(load<u32>(entry), RESULT_OK);
      continue;
    }
    if (kept != i) memory.copy(waiting + <usize>kept * 12, entry, 12);
    kept += 1;
  }
  waitingCount = kept;
}

function rekey(start: usize, end: usize): u32 {
  const child = byName(start, end, true);
  if (!child && !byName(start, end, false)) return RESULT_MALFORMED;
  if (named < 0) return RESULT_NOT_FOUND;
  const connection = child ? <i32>childConfigAt(<u32>named).connection : named;
  let result: u32 = RESULT_NOT_FOUND;
  let i = connectionAt(<u32>connection).firstSa;
  while (i >= 0) {
    const sa = ikeSaAt(<u32>i);
    i = sa.connectionNext;
    if (sa.state == IKE_STATE_CONNECTING || sa.state == IKE_STATE_DELETING || sa.established == 0) continue;
    if (child) {
      let l = sa.firstChild;
      while (l >= 0) {
        const one: ChildSa = childSaAt(<u32>l);
        l = one.next;
        if (one.config != named || childConfig(one).used == 0) continue;
        childRekey(one);
        result = RESULT_OK;
      }
    } else {
      sa.want |= WANT_REKEY;
      proceed(sa);
      result = RESULT_OK;
    }
  }
  return result;
}
