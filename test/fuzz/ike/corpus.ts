/**
 * What was seen on the way in each exchange, and the inputs that reached new blocks of the firmware: what the fuzzer makes its
 * own messages of.
 */
import type { SeededRandom } from "../../../host/chassis/entropy.ts";
import type { Core } from "./core.ts";
import { EXCHANGE_IKE_SA_INIT, readChain, type Payload } from "./message.ts";
import { pick } from "./mutation.ts";

/** Genuine messages of one kind, and kept inputs of one kind. */
const SEEN_MAX = 24;
const KEPT_MAX = 256;

interface Kind {
  exchange: number;
  response: boolean;
  seen: Payload[][];
  kept: Payload[][];
}

export class Corpus {
  readonly #kinds = new Map<number, Kind>();
  readonly #random: SeededRandom;
  readonly #counters: Uint32Array[];
  /** Numbers of blocks that neither core has reached. */
  #missing: number[];
  readonly #count: number;

  constructor(random: SeededRandom, cores: readonly Core[], counters?: { at: number; count: number }) {
    this.#random = random;
    this.#count = counters?.count ?? 0;
    this.#counters = counters ? cores.map(({ ram }) => new Uint32Array(ram.buffer, counters.at, counters.count)) : [];
    this.#missing = Array.from({ length: this.#count }, (_, i) => i);
  }

  #kind(exchange: number, response: boolean): Kind {
    const key = exchange * 2 + (response ? 1 : 0);
    let kind = this.#kinds.get(key);
    if (kind === undefined) this.#kinds.set(key, (kind = { exchange, response, seen: [], kept: [] }));
    return kind;
  }

  /** A genuine message passed. */
  seen(exchange: number, response: boolean, first: number, content: Uint8Array): void {
    const { seen } = this.#kind(exchange, response);
    if (seen.length >= SEEN_MAX && this.#random.below(16) !== 0) return;
    const chain = readChain(first, content);
    if (seen.length < SEEN_MAX) seen.push(chain);
    else seen[this.#random.below(SEEN_MAX)] = chain;
  }

  /** An input was taken: it is kept when blocks ran that never had. */
  judge(exchange: number, response: boolean, chain: Payload[]): void {
    if (!this.#reached()) return;
    const { kept } = this.#kind(exchange, response);
    if (kept.length < KEPT_MAX) kept.push(chain);
    else kept[this.#random.below(KEPT_MAX)] = chain;
  }

  #reached(): boolean {
    const before = this.#missing.length;
    this.#missing = this.#missing.filter((block) => this.#counters.every((counts) => counts[block] === 0));
    return this.#missing.length < before;
  }

  /** How often each block has run, in both cores. */
  counts(): number[] {
    return Array.from({ length: this.#count }, (_, i) => this.#counters.reduce((sum, counts) => sum + counts[i]!, 0));
  }

  get kept(): number {
    return [...this.#kinds.values()].reduce((sum, { kept }) => sum + kept.length, 0);
  }

  /** Something to make a request or an answer of. */
  draw(response: boolean): { exchange: number; chain: Payload[] } {
    const kinds = [...this.#kinds.values()].filter(
      (kind) => kind.response === response && kind.exchange !== EXCHANGE_IKE_SA_INIT,
    );
    const kind = kinds.length === 0 ? undefined : pick(this.#random, kinds);
    const { seen = [], kept = [] } = kind ?? {};
    const from = kept.length > 0 && (seen.length === 0 || this.#random.below(3) === 0) ? kept : seen;
    return { exchange: kind?.exchange ?? 37, chain: from.length === 0 ? [] : pick(this.#random, from) };
  }

  /** A payload of any message. */
  payload(): Payload | undefined {
    const kinds = [...this.#kinds.values()];
    if (kinds.length === 0) return undefined;
    const { seen, kept } = pick(this.#random, kinds);
    const chains = seen.length > 0 ? seen : kept;
    const chain = chains.length === 0 ? [] : pick(this.#random, chains);
    return chain.length === 0 ? undefined : pick(this.#random, chain);
  }
}
