/** Processor time of running programs, by /proc. */
import { readFileSync, readdirSync } from "node:fs";

/** Clock ticks of /proc a second. */
const TICKS = 100;

/** Processor time of a process and all its descendants, ms. */
export function processorTime(root: number): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, "latin1");
    } catch {
      continue; // it has ended meanwhile
    }
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    parents.set(Number(entry), Number(fields[1]));
    ticks.set(Number(entry), Number(fields[11]) + Number(fields[12]));
  }
  let sum = 0;
  for (const [pid, own] of ticks) {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
      if (at !== root) continue;
      sum += own;
      break;
    }
  }
  return (sum * 1000) / TICKS;
}
