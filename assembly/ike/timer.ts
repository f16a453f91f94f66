/** The core's timers as ids of rt/deadlines.ts: six per IKE_SA, three per CHILD_SA, one per configured child. */
import { CHILD_CONFIGS_MAX } from "./connection";
import { childSaCapacity, ikeSaCapacity } from "./settings";

export const TIMER_RETRANSMIT: u32 = 0;
/** Rekey first, then the end of life. */
export const TIMER_LIFE: u32 = 1;
export const TIMER_LIVENESS: u32 = 2;
/** Half-open, parked for too long, or lingering. */
export const TIMER_EXPIRE: u32 = 3;
export const TIMER_KEEPALIVE: u32 = 4;
/** To be reauthenticated; before, the peer has had time to move to a new one. */
export const TIMER_REAUTH: u32 = 5;
export const TIMERS_PER_SA: u32 = 6;

export const TIMER_CHILD_REKEY: u32 = 0;
/** The boards' answer is overdue, then the end of life, or of what was replaced. */
export const TIMER_CHILD_LIFE: u32 = 1;
export const TIMER_CHILD_INACTIVITY: u32 = 2;
export const TIMERS_PER_CHILD: u32 = 3;

export function timerCount(): u32 {
  return ikeSaCapacity * TIMERS_PER_SA + childSaCapacity * TIMERS_PER_CHILD + CHILD_CONFIGS_MAX;
}

// @ts-ignore: decorator
@inline
export function timerSa(index: u32, kind: u32): u32 {
  return index * TIMERS_PER_SA + kind;
}

// @ts-ignore: decorator
@inline
export function timerChild(link: u32, kind: u32): u32 {
  return ikeSaCapacity * TIMERS_PER_SA + link * TIMERS_PER_CHILD + kind;
}

// @ts-ignore: decorator
@inline
export function timerConfig(index: u32): u32 {
  return ikeSaCapacity * TIMERS_PER_SA + childSaCapacity * TIMERS_PER_CHILD + index;
}
