/**
 * inactivity: a CHILD_SA over which nothing has come or gone for so long is deleted, and its IKE_SA stays.
 *
 * Only the IPsec boards know when a packet last passed: they are asked when that may have been long enough ago, and nothing is
 * deleted before both directions have answered. What a trap is set for comes back with the next packet.
 */
import { CHILD_STATE_INSTALLED, CHILD_STATE_REKEYING } from "../abi/management";
import { DIRECTION_INBOUND } from "../abi/message";
import { deadlineSet } from "../rt/deadlines";
import { now } from "../rt/registers";
import {
  CHILD_EVENT_INSTALL_IN,
  CHILD_EVENT_INSTALL_OUT,
  CHILD_EVENT_QUERY,
  ChildSa,
  childByLink,
  childConfig,
  childIsLive,
} from "./child_sa";
import { eventRaise } from "./event";
import { childDelete } from "./life";
import { reportAlert, text } from "./report";
import { SECOND } from "./settings";
import { ikeSaAt } from "./ike_sa";
import { TIMER_CHILD_INACTIVITY, timerChild } from "./timer";

/** Boards that have not answered in this time are asked again. */
const ANSWER_TIME: u64 = SECOND;
const BOTH: u32 = CHILD_EVENT_INSTALL_IN | CHILD_EVENT_INSTALL_OUT;

/** A CHILD_SA is up. */
export function inactivityStart(child: ChildSa): void {
  const time = childConfig(child).inactivity;
  if (time != 0) deadlineSet(timerChild(child.link, TIMER_CHILD_INACTIVITY), now() + <u64>time * SECOND);
}

/** It may have been idle for long enough. */
export function inactivityDue(child: ChildSa): void {
  if (!childIsLive(child)) return;
  child.answers = 0;
  eventRaise(child, CHILD_EVENT_QUERY);
  deadlineSet(timerChild(child.link, TIMER_CHILD_INACTIVITY), now() + ANSWER_TIME);
}

/** A board's answer: when a packet of one of its SAs last passed, 0 never. */
export function handleUsed(link: u32, spi: u32, direction: u32, time: u64): void {
  const child = childByLink(link);
  if (!child || (child.state != CHILD_STATE_INSTALLED && child.state != CHILD_STATE_REKEYING)) return;
  const inbound = direction == DIRECTION_INBOUND;
  if (spi != (inbound ? child.spiIn : child.spiOut)) return;
  child.lastUsed = max<u64>(child.lastUsed, time);
  child.answers |= inbound ? CHILD_EVENT_INSTALL_IN : CHILD_EVENT_INSTALL_OUT;
  if (child.answers != BOTH) return;
  child.answers = 0;
  const idle = <u64>childConfig(child).inactivity * SECOND;
  if (idle == 0) return;
  const end = max<u64>(child.installed, child.lastUsed) + idle;
  if (end > now()) return deadlineSet(timerChild(child.link, TIMER_CHILD_INACTIVITY), end);
  reportAlert(ikeSaAt(<u32>child.sa).connection, childConfig(child), 0, text("deleted after inactivity"));
  childDelete(child);
}
