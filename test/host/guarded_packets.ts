/**
 * Packets between guard octets in the memory of a build of the cipher suites, and images of that memory as it must be before
 * sealing, sealed, and opened: what is compared is always the whole stretch, so that nothing beside a packet may change.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { buildEntry } from "../../host/build/build.ts";
import { openssl } from "../reference/openssl.ts";
import { keymatOctets, sealPacket, type TwinSuite } from "../reference/cipher_suite.ts";

export interface SuiteKernels {
  kernelHeap(): number;
  kernelArena(start: number, end: number): void;
  keyCacheReset(gcmSlots: number, aesSlots: number): number;
  transformFind(encryption: number, keyBits: number, integrity: number): number;
  suiteKeymatOctets(row: number): number;
  suiteInit(context: number, row: number, keymat: number): void;
  suiteWipe(context: number): void;
  suiteJob(job: number, context: number, header: number, headerOctets: number, length: number): void;
  suiteJobExtended(job: number, context: number, header: number, length: number, high: number): void;
  suiteSeal(job: number): number;
  suiteOpen(job: number): number;
  suiteSealBatch(list: number, count: number): number;
  suiteOpenBatch(list: number, count: number): number;
  CIPHER_CONTEXT_OCTETS: { value: number };
  CIPHER_JOB_OCTETS: { value: number };
}

/** Most packets of a list, and where a job says whether it was done. */
export const LIST_MAX = 64;
const DONE = 40;

export const ARENA = 40 << 20;
export const MEMORY = 64 << 20;

/** One build of the kernels. From `heap`: contexts, then jobs, a list, a KEYMAT, and free memory from `packets` to ARENA. */
export interface SuiteBuild {
  name: string;
  kernels: SuiteKernels;
  octets: Buffer;
  contexts: number;
  jobs: number;
  list: number;
  keymat: number;
  packets: number;
}

export async function suiteBuilds(): Promise<SuiteBuild[]> {
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  const builds: SuiteBuild[] = [];
  for (const name of ["simd", "relaxed", "base"] as const) {
    const image = readFileSync(await buildEntry("test/entries/suite_kernels.ts", name));
    if (!WebAssembly.validate(image)) continue;
    const memory = new WebAssembly.Memory({ initial: MEMORY >> 16, maximum: MEMORY >> 16 });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(image), { env: { memory } });
    const kernels = instance.exports as unknown as SuiteKernels;
    kernels.kernelArena(ARENA, MEMORY - (1 << 20));
    assert.equal(kernels.keyCacheReset(64, 128), 1);
    const contexts = kernels.kernelHeap();
    const jobs = contexts + 256 * kernels.CIPHER_CONTEXT_OCTETS.value;
    const list = jobs + LIST_MAX * kernels.CIPHER_JOB_OCTETS.value;
    const keymat = list + 4 * LIST_MAX;
    const packets = (keymat + 4095) & ~4095;
    builds.push({ name, kernels, octets: Buffer.from(memory.buffer), contexts, jobs, list, keymat, packets });
  }
  return builds;
}

/** Reproducible octets and numbers; the seed names a failure's case. */
export class Dice {
  readonly seed: string;
  private readonly stream;

  constructor(seed: string) {
    this.seed = seed;
    this.stream = createCipheriv(
      "aes-128-ctr",
      createHash("sha256").update(seed).digest().subarray(16),
      Buffer.alloc(16),
    );
  }

  octets(length: number): Buffer {
    return this.stream.update(Buffer.alloc(length));
  }

  below(limit: number): number {
    return this.octets(6).readUIntLE(0, 6) % limit;
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const k = this.below(i + 1);
      [items[i], items[k]] = [items[k]!, items[i]!];
    }
    return items;
  }
}

export interface Sa {
  suite: TwinSuite;
  keymat: Buffer;
  /** Place of its context. */
  index: number;
}

export function newSa(dice: Dice, suite: TwinSuite, index: number): Sa {
  return { suite, keymat: dice.octets(keymatOctets(suite)), index };
}

/** Makes the context of an SA on a build. */
export function openSa(build: SuiteBuild, { suite, keymat, index }: Sa): number {
  const { kernels, octets } = build;
  const row = kernels.transformFind(suite.encryption, suite.keyBits, suite.integrity);
  assert.notEqual(row, 0, `${suite.name} is not in the table`);
  assert.equal(kernels.suiteKeymatOctets(row), keymat.length, suite.name);
  const context = build.contexts + index * kernels.CIPHER_CONTEXT_OCTETS.value;
  octets.set(keymat, build.keymat);
  kernels.suiteInit(context, row, build.keymat);
  octets.fill(0, build.keymat, build.keymat + keymat.length);
  return context;
}

export interface Packet {
  sa: Sa;
  header: Buffer;
  number: Buffer;
  data: Buffer;
  high: number | undefined;
}

export function newPacket(dice: Dice, sa: Sa, length: number, headerOctets: number, extended: boolean): Packet {
  const high = extended ? dice.octets(4).readUInt32LE() : undefined;
  return {
    sa,
    header: dice.octets(extended ? 8 : headerOctets),
    number: dice.octets(sa.suite.ivOctets),
    data: dice.octets(length),
    high,
  };
}

interface Placed extends Packet {
  /** Offset of the header in the stretch. */
  at: number;
}

const GUARD = 32;

/** A stretch of memory with packets in it. */
export class Stretch {
  readonly packets: Placed[] = [];
  readonly before: Buffer;
  readonly sealed: Buffer;
  readonly opened: Buffer;

  /** Each packet `skews` octets behind a multiple of 16; with `flush`, the last packet ends the stretch without a guard. */
  constructor(dice: Dice, packets: Packet[], skews: number[], flush = false) {
    let at = 0;
    const ends: number[] = [];
    const whole: Buffer[] = [];
    packets.forEach((packet, i) => {
      at = ((at + GUARD + 15) & ~15) + skews[i]!;
      const { suite, keymat } = packet.sa;
      whole.push(sealPacket(openssl, suite, keymat, packet.header, packet.number, packet.data, packet.high));
      this.packets.push({ ...packet, at });
      at += whole[i]!.length;
      ends.push(at);
    });
    const length = flush ? at : at + GUARD;
    const guards = dice.octets(length);
    [this.before, this.sealed, this.opened] = [guards, Buffer.from(guards), Buffer.from(guards)];
    this.packets.forEach(({ at: start, header, number, data }, i) => {
      const dataAt = header.length + number.length;
      Buffer.concat([header, number, data]).copy(this.before, start); // the ICV's place is whatever it is
      whole[i]!.copy(this.sealed, start);
      whole[i]!.copy(this.opened, start);
      data.copy(this.opened, start + dataAt);
      assert.equal(start + whole[i]!.length, ends[i]);
    });
  }

  get length(): number {
    return this.before.length;
  }
}

/** Fills the jobs of packets that lie in the stretch at `base`, and the list of them. */
export function fillJobs(build: SuiteBuild, base: number, packets: Placed[]): void {
  const { kernels, octets } = build;
  const size = kernels.CIPHER_JOB_OCTETS.value;
  packets.forEach(({ at, header, data, sa, high }, i) => {
    const job = build.jobs + i * size;
    const context = build.contexts + sa.index * kernels.CIPHER_CONTEXT_OCTETS.value;
    octets.fill(0x5e, job, job + size);
    if (high === undefined) kernels.suiteJob(job, context, base + at, header.length, data.length);
    else kernels.suiteJobExtended(job, context, base + at, data.length, high);
    octets.writeUInt32LE(job, build.list + 4 * i);
  });
}

/** Which packets of the list were done. */
export function doneJobs(build: SuiteBuild, count: number): boolean[] {
  const size = build.kernels.CIPHER_JOB_OCTETS.value;
  return Array.from({ length: count }, (_, i) => build.octets.readUInt32LE(build.jobs + i * size + DONE) === 1);
}

/** Insists that the memory at `base` is the image; names the packet that it is not. */
export function compareImage(build: SuiteBuild, base: number, stretch: Stretch, image: Buffer, what: string): void {
  const memory = build.octets.subarray(base, base + image.length);
  if (memory.equals(image)) return;
  const first = memory.findIndex((octet, i) => octet !== image[i]);
  const packet = [...stretch.packets].reverse().find(({ at }) => at <= first);
  const where = packet
    ? `octet ${first - packet.at} of ${packet.header.length}+${packet.number.length}+${packet.data.length} (${packet.sa.suite.name}, at ${(base + packet.at) % 16} of 16, high ${packet.high})`
    : `octet ${first} before the first packet`;
  assert.fail(`${build.name}, ${what}: ${where} is otherwise`);
}

/** Lists of these lengths, in turn. */
function* lists<T>(items: T[], sizes: number[]): Generator<T[]> {
  for (let i = 0, at = 0; at < items.length; i++) {
    const size = Math.min(sizes[i % sizes.length]!, items.length - at);
    yield items.slice(at, (at += size));
  }
}

/** Seals all packets of a stretch at `base` in lists of the sizes given, compares, opens them, compares. */
export function proveStretch(build: SuiteBuild, stretch: Stretch, base: number, sizes: number[], what: string): void {
  const { kernels, octets } = build;
  stretch.before.copy(octets, base);
  for (const seal of [true, false]) {
    const verb = seal ? "sealed" : "opened";
    for (const some of lists(stretch.packets, sizes)) {
      fillJobs(build, base, some);
      if (some.length === 1) {
        assert.equal((seal ? kernels.suiteSeal : kernels.suiteOpen)(build.jobs), 1, `${build.name}, ${what}: ${verb}`);
      } else {
        const run = seal ? kernels.suiteSealBatch : kernels.suiteOpenBatch;
        assert.equal(run(build.list, some.length), some.length, `${build.name}, ${what}: ${verb} in a list`);
      }
      assert.ok(!doneJobs(build, some.length).includes(false), `${build.name}, ${what}: marked as ${verb}`);
    }
    compareImage(build, base, stretch, seal ? stretch.sealed : stretch.opened, `${what}, ${verb}`);
  }
}
