/**
 * Contestants take turns (A B A B), so that what else the machine does hits all alike: judge by ratios. A turn lasts about as
 * long for everyone, so slow ones work off fewer packets; times are per packet, and the median of all turns counts. A turn has to
 * be long enough for the garbage of a library that gives new buffers to be collected within it: who pays for a packet's buffer
 * pays for its collection too. For node:crypto that is a third of its time, and turns below 10 ms would let most of it slip away.
 */
export interface Contestant {
  name: string;
  /** Works off `count` packets, a multiple of `grain`. */
  run(count: number): void;
  grain: number;
}

export interface Pace {
  turns: number;
  turnMs: number;
  warmUpMs: number;
}

/** Microseconds per packet of each contestant. */
export function race(contestants: readonly Contestant[], { turns, turnMs, warmUpMs }: Pace): Map<string, number> {
  for (const { run, grain } of contestants) fastest(run, grain, warmUpMs);
  // Measured anew when all are warm: optimised code arrives from a thread of its own, at its leisure.
  const lanes = contestants.map((contestant) => {
    const { run, grain } = contestant;
    const ms = fastest(run, grain, turnMs);
    return { contestant, count: Math.max(1, Math.round(turnMs / ms)) * grain, times: [] as number[] };
  });
  for (let i = 0; i < turns; i++) {
    // Each round begins with another one: the machine's own rhythm must not meet the same contestant again and again.
    for (let k = 0; k < lanes.length; k++) {
      const { contestant, count, times } = lanes[(i + k) % lanes.length]!;
      const start = performance.now();
      contestant.run(count);
      times.push(((performance.now() - start) * 1000) / count);
    }
  }
  return new Map(lanes.map(({ contestant, times }) => [contestant.name, median(times)]));
}

/** The shortest run of `grain` packets within `ms` milliseconds, in milliseconds; not less than the clock resolves. */
function fastest(run: Contestant["run"], grain: number, ms: number): number {
  const start = performance.now();
  let last = start;
  let shortest = Infinity;
  do {
    const before = last;
    run(grain);
    last = performance.now();
    shortest = Math.min(shortest, last - before);
  } while (last - start < ms);
  return Math.max(shortest, 0.001);
}

function median(list: number[]): number {
  return list.sort((a, b) => a - b)[list.length >> 1]!;
}
