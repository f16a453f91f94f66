/**
 * The classifier of the chassis (assembly/classifier, abi/classifier.ts): which IPsec board an arriving packet goes to past the IKE board. A
 * module of its own memory; each thread that receives packets has one, and all are given the same words.
 */
import { FRAME_CAPACITY } from "../../assembly/abi/frame.ts";
import { type Build, loadPart, PAGE_OCTETS } from "./image.ts";

interface Exports {
  windowAddress(): number;
  reset(links: number, octets: number): number;
  take(octets: number): number;
  localAddresses(octets: number): number;
  board(port: number, length: number): number;
  boardGeneration(): number;
}

/** What a classifier is made of; may go to another thread. */
export interface ClassifierParts {
  module: WebAssembly.Module;
  pages: number;
  /** CHILD_SAs of the whole gateway. */
  links: number;
  /** CONFIG items: local addresses and ports. */
  config: Uint8Array;
}

/** Window, flow cache, rows of policies without an SA; pages. */
const PAGES = 24;
/** Entry, rows and buckets of a CHILD_SA. */
const OCTETS_PER_LINK = 336;
/** Of an IPv4 packet nothing further behind its header is looked at: what tells ports or an SPI. */
const IPV4_LOOKED_AT = 36;

/** Parts of a classifier for `links` CHILD_SAs. Throws ImageError when there is no module. */
export const classifierParts = (links: number, config: Uint8Array, build?: Build): ClassifierParts => ({
  module: loadPart("classifier", build === undefined ? {} : { force: build }),
  pages: PAGES + Math.ceil((links * OCTETS_PER_LINK) / PAGE_OCTETS),
  links,
  config,
});

export class Classifier {
  readonly #exports: Exports;
  readonly #window: Uint8Array;
  /** Messages that made no sense to it. */
  refused = 0;

  constructor({ module, pages, links, config }: ClassifierParts) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const names = WebAssembly.Module.imports(module).filter(({ kind }) => kind === "memory");
    const imports = Object.fromEntries(names.map(({ module: from, name }) => [from, { [name]: memory }]));
    this.#exports = new WebAssembly.Instance(module, imports).exports as unknown as Exports;
    this.#window = new Uint8Array(memory.buffer, this.#exports.windowAddress(), FRAME_CAPACITY);
    this.#window.set(config);
    if (this.#exports.reset(links, config.length) === 0)
      throw new RangeError("the classifier refuses its configuration");
  }

  /** What the IKE board says: a MANAGEMENT_CLASSIFY message. */
  take(message: Uint8Array): void {
    if (message.length > FRAME_CAPACITY) {
      this.refused += 1;
      return;
    }
    this.#window.set(message);
    if (this.#exports.take(message.length) === 0) this.refused += 1;
  }

  /** The body of MANAGEMENT_LOCAL_ADDRESSES. */
  setLocalAddresses(items: Uint8Array): void {
    this.#window.set(items);
    if (this.#exports.localAddresses(items.length) === 0) this.refused += 1;
  }

  /** The slot of the board that the packet octets[at, at + length) which arrived at `port` belongs to, or -1: it is the IKE board's. */
  board(port: number, octets: Uint8Array, at = 0, length = octets.length): number {
    if (length > FRAME_CAPACITY) return -1;
    const first = octets[at]!;
    if (first >>> 4 === 4) {
      // So few octets are copied sooner than a view of them is made.
      const looked = Math.min(length, (first & 15) * 4 + IPV4_LOOKED_AT);
      for (let i = 0; i < looked; i++) this.#window[i] = octets[at + i]!;
    } else {
      this.#window.set(octets.subarray(at, at + length));
    }
    return this.#exports.board(port, length);
  }

  /** GENERATION of the board that board() named last. */
  get generation(): number {
    return this.#exports.boardGeneration() >>> 0;
  }
}
