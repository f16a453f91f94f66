/**
 * Names in remote_addrs: the host looks them up, off the packet threads, anew for every attempt.
 *
 *   MANAGEMENT_LOOKUP     -->   the connection, and which attempt waits
 *   MANAGEMENT_ADDRESSES  <--   the same, with the peer's addresses in the order of remote_addrs
 *
 * An attempt waits LOOKUP_TIME; no answer by then, or one without an address, is an attempt that failed. What the last lookup has
 * found is also where the peer may come from; the first one is made when the connection is loaded.
 */
import {
  CONNECTION_NAME,
  IKE_STATE_CONNECTING,
  LOOKUP_ATTEMPT,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_OK,
} from "../abi/management";
import { deadlineSet } from "../rt/deadlines";
import { itemFind, itemLength, itemU32, itemValue } from "../rt/items";
import { now } from "../rt/registers";
import { Connection, connectionAt, connectionByName, connectionFound } from "./connection";
import { initStart } from "./exchange/ike_sa_init";
import { IkeSa, OUT_LOOKUP, OUT_NONE, ikeSaAt } from "./ike_sa";
import { attemptAddress, ikeFail } from "./life";
import { reportLookup, text } from "./report";
import { SECOND, ikeSaCapacity } from "./settings";
import { TIMER_EXPIRE, timerSa } from "./timer";

const LOOKUP_TIME: u64 = 10 * SECOND;
/** No attempt waits. */
const NOBODY: u32 = 0xffffffff;

/** The connection was loaded: where may its peer come from? */
export function lookupFirst(c: Connection): void {
  if (c.named != 0) reportLookup(c, NOBODY);
}

/** Begins an attempt, if need be by asking where to. */
export function attemptStart(sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  if (c.named == 0) return initStart(sa);
  sa.outStep = OUT_LOOKUP;
  deadlineSet(timerSa(sa.index, TIMER_EXPIRE), now() + LOOKUP_TIME);
  reportLookup(c, (sa.generation << 16) | sa.index);
}

/** MANAGEMENT_ADDRESSES; RESULT_*. */
export function lookupAnswered(start: usize, end: usize): u32 {
  const name = itemFind(start, end, CONNECTION_NAME);
  const attempt = itemFind(start, end, LOOKUP_ATTEMPT);
  if (name == 0 || attempt == 0) return RESULT_MALFORMED;
  const index = connectionByName(itemValue(name), itemLength(name));
  if (index < 0 || connectionAt(<u32>index).named == 0) return RESULT_NOT_FOUND;
  const c = connectionAt(<u32>index);
  const result = connectionFound(c, start, end);
  const id = itemU32(attempt);
  if (result == RESULT_OK && id != NOBODY) resume(id & 0xffff, id >> 16, index);
  return result;
}

/** The attempt goes on, if it still waits. */
function resume(index: u32, generation: u32, connection: i32): void {
  if (index >= ikeSaCapacity) return;
  const sa = ikeSaAt(index);
  if (sa.generation != generation || sa.state != IKE_STATE_CONNECTING || sa.outStep != OUT_LOOKUP) return;
  if (sa.connection != connection) return;
  sa.outStep = OUT_NONE;
  if (attemptAddress(sa)) initStart(sa);
  else ikeFail(sa, 0, text("no address is known for the peer's name, or none that we have a way to"));
}
