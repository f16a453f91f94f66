/**
 * The statistics of a timing check (after dudect: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?"): whether
 * two samples of durations have the same mean, and whether one tends to be the longer.
 */

/** A sample's share that is kept, counted from the shortest: what interrupts and other processes did to the rest is noise. */
const CROPS = [0.5, 0.7, 0.9];

export interface Statistic {
  /** Welch's t of the crop where it is farthest from 0; positive when the first sample takes longer. */
  t: number;
  /** The sign test over pairs in the order of measurement, as a normal deviate, with the same sign. */
  z: number;
}

function moments(sample: Float64Array, limit: number): { count: number; mean: number; variance: number } {
  let count = 0;
  let mean = 0;
  let squares = 0;
  for (const value of sample) {
    if (value > limit) continue;
    count += 1;
    const distance = value - mean;
    mean += distance / count;
    squares += distance * (value - mean);
  }
  return { count, mean, variance: count > 1 ? squares / (count - 1) : 0 };
}

/** Welch's t of what lies at or below `limit`. */
export function welch(a: Float64Array, b: Float64Array, limit: number): number {
  const [x, y] = [moments(a, limit), moments(b, limit)];
  if (x.count < 2 || y.count < 2) {
    // The crop took one whole class away: there is no clearer difference.
    return x.count < y.count ? Infinity : x.count > y.count ? -Infinity : 0;
  }
  const error = Math.sqrt(x.variance / x.count + y.variance / y.count);
  if (error === 0) return x.mean === y.mean ? 0 : (x.mean - y.mean) * Infinity;
  return (x.mean - y.mean) / error;
}

/** Deviate of how often the first of a pair is the longer; pairs of equal length say nothing. */
export function signTest(a: Float64Array, b: Float64Array): number {
  let longer = 0;
  let shorter = 0;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i]! > b[i]!) longer += 1;
    else if (a[i]! < b[i]!) shorter += 1;
  }
  return longer + shorter === 0 ? 0 : (longer - shorter) / Math.sqrt(longer + shorter);
}

export function compare(a: Float64Array, b: Float64Array): Statistic {
  const pooled = new Float64Array(a.length + b.length);
  pooled.set(a);
  pooled.set(b, a.length);
  pooled.sort();
  let t = 0;
  for (const crop of CROPS) {
    const limit = pooled[Math.min(pooled.length - 1, Math.floor(pooled.length * crop))]!;
    const value = welch(a, b, limit);
    if (Math.abs(value) > Math.abs(t)) t = value;
  }
  return { t, z: signTest(a, b) };
}
