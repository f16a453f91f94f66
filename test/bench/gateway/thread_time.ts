/**
 * Processor time of other threads of this process, in ns: clock_gettime(3) with a clock of pthread_getcpuclockid(3). It does not count
 * what a thread waited for a core, so that figures of one board are the same whoever shares the machine's cores with it.
 */
import koffi from "koffi";

const gettime = koffi.load(null).func("int clock_gettime(int, void *)") as (
  clock: number,
  time: BigInt64Array,
) => number;
const PER_THREAD = 4;
const SCHED = 2;
const time = new BigInt64Array(2);

/** `thread`: its number as Linux has it (gettid). Throws RangeError when there is none. */
export function threadTime(thread: number): number {
  if (gettime((~thread << 3) | PER_THREAD | SCHED, time) !== 0) throw new RangeError(`there is no thread ${thread}`);
  return Number(time[0]! * 1_000_000_000n + time[1]!);
}
