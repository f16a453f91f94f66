/**
 * One timing measurement: durations of a kernel over inputs of two classes, in random order.
 *
 * Every input lies prepared in a slot of the module's memory, and slots get their class by lot, so neither the place an input
 * comes from nor the way it gets to where the kernel reads it tells the classes apart.
 */
import { randomFillSync, randomInt } from "node:crypto";
import { compare, type Statistic } from "./statistic.ts";

/** Slots of inputs, both classes together: as many random inputs take part, half of them. */
const SLOTS = 512;

/** One question to one kernel: does its time depend on this part of its input? */
export interface Case {
  kernel: string;
  /** What differs between the classes: key, plaintext, ciphertext, tag. */
  concern: string;
  /** The module's memory, the address that a slot's input is copied to, and the input's octets. */
  memory: Uint8Array;
  place: number;
  octets: number;
  /** Free room for the slots. */
  slots: number;
  /** Begins the case: what both classes have in common. */
  begin(): void;
  /** Writes an input of the class, 0 or 1, to `place`. */
  write(kind: number): void;
  /** Before each run, not timed. */
  prepare?(): void;
  /** What is timed; what it must return, where that is one value for both classes. */
  run(): number | void;
  answer?: number;
}

/** Durations of `count` samples of each class, compared, after the code ran for `warmUp` milliseconds. */
export function measure(one: Case, count: number, warmUp: number): Statistic {
  const { memory, place, octets, slots } = one;
  const pitch = (octets + 63) & ~63;
  one.begin();
  const kinds = new Uint8Array(SLOTS);
  for (let i = 0; i < SLOTS; i++) kinds[i] = i & 1;
  for (let i = SLOTS - 1; i > 0; i--) {
    const other = randomInt(i + 1);
    [kinds[i], kinds[other]] = [kinds[other]!, kinds[i]!];
  }
  for (let i = 0; i < SLOTS; i++) {
    one.write(kinds[i]!);
    memory.copyWithin(slots + i * pitch, place, place + octets);
  }
  for (let slot = 0; slot < SLOTS; slot++) {
    memory.copyWithin(place, slots + slot * pitch, slots + slot * pitch + octets);
    one.prepare?.();
    const answer = one.run();
    if (one.answer !== undefined && answer !== one.answer) throw new Error(`${one.kernel}: a run answers ${answer}`);
  }
  const times = [new Float64Array(count), new Float64Array(count)] as const;
  const have = [0, 0];
  const lots = new Uint16Array(4096);
  const pass = (): void => {
    randomFillSync(lots);
    for (let i = 0; i < lots.length; i++) {
      const slot = lots[i]! % SLOTS;
      const kind = kinds[slot]!;
      memory.copyWithin(place, slots + slot * pitch, slots + slot * pitch + octets);
      if (one.prepare !== undefined) one.prepare();
      const start = performance.now();
      one.run();
      const end = performance.now();
      if (have[kind]! < count) {
        times[kind]![have[kind]!] = end - start;
        have[kind]! += 1;
      }
    }
  };
  const end = performance.now() + warmUp;
  do pass();
  while (performance.now() < end);
  have[0] = 0;
  have[1] = 0;
  while (have[0] < count || have[1] < count) pass();
  return compare(times[0], times[1]);
}
