/**
 * A flash device that loses power, and everything that it may hold afterwards.
 *
 * It promises what flash/device.ts promises and no more: contents are there behind sync(), names behind syncDirectory(). Of all that
 * had not been made to stay, a cut leaves any selection of names, and of contents: none of what was written, all, half, all
 * but the last octet, or zeros of its length.
 */
import { createHash } from "node:crypto";
import type { FlashDevice } from "../../host/chassis/flash/device.ts";

/** What is on the device when the power comes back. */
export type Holdings = ReadonlyMap<string, Uint8Array>;

export class PowerCut extends Error {}

interface File {
  durable: Uint8Array;
  cached: Uint8Array;
}

/** A change of the directory that need not stay. */
type NameChange = { create: string; file: File } | { rename: string; to: string };

type Remains = (file: File) => Uint8Array;
const halfOf = (octets: Uint8Array): Uint8Array => octets.slice(0, octets.length >> 1);
const REMAINS: readonly Remains[] = [
  ({ durable }) => durable,
  ({ cached }) => cached,
  ({ cached }) => halfOf(cached),
  ({ cached }) => cached.slice(0, Math.max(0, cached.length - 1)),
  ({ cached }) => new Uint8Array(cached.length),
];

export class CutDevice implements FlashDevice {
  /** Steps done: every one could have been the last. */
  steps = 0;
  /** The power has gone: nothing works any more. */
  off = false;
  /** Power goes off in front of this step; torn: in the middle of it, where it is a write. */
  readonly #cut: number;
  readonly #torn: boolean;
  #durable: Map<string, File>;
  #cached: Map<string, File>;
  #changes: NameChange[] = [];

  constructor(holdings: Holdings = new Map(), cut = Infinity, torn = false) {
    this.#cut = cut;
    this.#torn = torn;
    this.#durable = new Map([...holdings].map(([name, octets]) => [name, { durable: octets, cached: octets }]));
    this.#cached = new Map(this.#durable);
  }

  async read(name: string, most: number): Promise<Uint8Array | undefined> {
    const file = this.#cached.get(name);
    if (file && file.cached.length > most) throw new RangeError(`${name}: too large`);
    return file?.cached.slice();
  }

  async erase(name: string): Promise<void> {
    this.#step();
    const file = this.#cached.get(name);
    if (file) {
      file.cached = new Uint8Array(0);
      return;
    }
    const fresh: File = { durable: new Uint8Array(0), cached: new Uint8Array(0) };
    this.#cached.set(name, fresh);
    this.#changes.push({ create: name, file: fresh });
  }

  async write(name: string, at: number, octets: Uint8Array): Promise<void> {
    const torn = this.#torn && !this.off && this.steps === this.#cut;
    if (!torn) this.#step();
    const written = torn ? halfOf(octets) : octets;
    const file = this.#cached.get(name)!;
    const all = new Uint8Array(Math.max(file.cached.length, at + written.length));
    all.set(file.cached);
    all.set(written, at);
    file.cached = all;
    if (torn) this.#end();
  }

  async sync(name: string): Promise<void> {
    this.#step();
    const file = this.#cached.get(name)!;
    file.durable = file.cached;
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step();
    this.#cached.set(to, this.#cached.get(from)!);
    this.#cached.delete(from);
    this.#changes.push({ rename: from, to });
  }

  async syncDirectory(): Promise<void> {
    this.#step();
    this.#durable = new Map(this.#cached);
    this.#changes = [];
  }

  /** Everything that may be on the device after a cut now. */
  *afterCut(): Generator<Holdings> {
    for (let chosen = 0; chosen < 1 << this.#changes.length; chosen++) {
      const names = new Map(this.#durable);
      this.#changes.forEach((change, i) => {
        if (((chosen >>> i) & 1) === 0) return;
        if ("create" in change) names.set(change.create, change.file);
        else if (names.has(change.rename)) {
          names.set(change.to, names.get(change.rename)!);
          names.delete(change.rename);
        }
      });
      const unsure = [...names.values()].some((file) => file.cached !== file.durable);
      for (const remains of unsure ? REMAINS : REMAINS.slice(0, 1)) {
        yield new Map(
          [...names].map(([name, file]) => [name, file.cached === file.durable ? file.durable : remains(file)]),
        );
      }
    }
  }

  /** What it holds when the power stays on. */
  holdings(): Holdings {
    return new Map([...this.#cached].map(([name, { cached }]) => [name, cached]));
  }

  #step(): void {
    if (this.off || this.steps >= this.#cut) this.#end();
    this.steps += 1;
  }

  #end(): never {
    this.off = true;
    throw new PowerCut();
  }
}

/** The same for the same holdings. */
export function digestOf(holdings: Holdings): string {
  const hash = createHash("sha256");
  for (const name of [...holdings.keys()].sort())
    hash.update(`${name} ${holdings.get(name)!.length}\n`).update(holdings.get(name)!);
  return hash.digest("hex");
}

/**
 * Every state that a power cut during `operation` may leave behind, each once: a cut in front of every step, in the middle of every
 * write, and behind the last step. `operation` runs anew for each cut.
 */
export async function everyCut(
  before: Holdings,
  operation: (device: FlashDevice) => Promise<unknown>,
): Promise<{ steps: number; states: Holdings[] }> {
  const states = new Map<string, Holdings>();
  const collect = (device: CutDevice): void => {
    for (const holdings of device.afterCut()) states.set(digestOf(holdings), holdings);
  };
  const whole = new CutDevice(before);
  await operation(whole);
  collect(whole);
  for (let cut = 0; cut < whole.steps; cut++) {
    for (const torn of [false, true]) {
      const device = new CutDevice(before, cut, torn);
      try {
        await operation(device);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      if (!device.off) throw new Error(`the cut in front of step ${cut} did not happen`);
      collect(device);
    }
  }
  return { steps: whole.steps, states: [...states.values()] };
}
