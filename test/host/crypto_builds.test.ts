/**
 * AES and GCM of every build that this engine validates, against the slow twin and node:crypto: every length, every alignment,
 * wrong tags, batches of mixed lengths and keys, a cache that is too small, and guard octets around all of it.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { test } from "uvu";
import { ROOT, compile } from "../../host/build/compile.ts";
import { encryptBlock, expandKey } from "../reference/aes.ts";
import { gcmSeal } from "../reference/gcm.ts";

setFlagsFromString("--experimental-wasm-relaxed-simd");

interface Kernels {
  kernelHeap(): number;
  kernelArena(start: number, end: number): void;
  keyCacheReset(gcmSlots: number, aesSlots: number): number;
  keyCacheMisses(): bigint;
  aesInit(context: number, key: number, keyOctets: number): void;
  aesEncryptBlocks(context: number, input: number, out: number, count: number): void;
  aesDecryptBlocks(context: number, input: number, out: number, count: number): void;
  aesCtr(context: number, counter: number, data: number, length: number): void;
  gcmInit(context: number, key: number, keyOctets: number): void;
  gcmWipe(context: number): void;
  gcmSeal(c: number, nonce: number, aad: number, aadLength: number, data: number, length: number, tag: number): void;
  gcmOpen(
    c: number,
    nonce: number,
    aad: number,
    aadLength: number,
    data: number,
    length: number,
    tag: number,
    tagLength: number,
  ): number;
  gcmSealBatch(list: number, count: number): number;
  gcmOpenBatch(list: number, count: number): number;
  gcmSelfTest(): number;
  GCM_CONTEXT_OCTETS: { value: number };
  CIPHER_JOB_OCTETS: { value: number };
}

interface Build {
  name: string;
  kernels: Kernels;
  octets: Uint8Array;
  view: DataView;
  /** Free addresses begin here; the arena takes what lies above ARENA. */
  heap: number;
}

const ARENA = 32 << 20;
const MEMORY = 64 << 20;
const builds: Build[] = [];

mkdirSync(join(ROOT, "build/test"), { recursive: true });
for (const name of ["simd", "relaxed", "base"] as const) {
  const output = join(ROOT, "build/test", `crypto_builds.${name}.wasm`);
  await compile({ entry: "test/entries/crypto_kernels.ts", build: name, output });
  const octets = readFileSync(output);
  if (!WebAssembly.validate(octets)) continue;
  const memory = new WebAssembly.Memory({ initial: MEMORY >> 16, maximum: MEMORY >> 16 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(octets), { env: { memory } });
  const kernels = instance.exports as unknown as Kernels;
  const heap = kernels.kernelHeap();
  assert.ok(heap < ARENA / 2);
  builds.push({ name, kernels, octets: new Uint8Array(memory.buffer), view: new DataView(memory.buffer), heap });
}

let drawn = 0;

/** Octets that are the same in every run. */
function octets(length: number): Buffer {
  const parts: Buffer[] = [];
  for (let have = 0; have < length; have += 64) parts.push(createHash("sha512").update(`octets ${drawn++}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

function draw(limit: number): number {
  return octets(4).readUInt32LE() % limit;
}

interface Message {
  key: Buffer;
  nonce: Buffer;
  aad: Buffer;
  data: Buffer;
}

function message(length: number, aadLength: number, keyOctets: number): Message {
  return { key: octets(keyOctets), nonce: octets(12), aad: octets(aadLength), data: octets(length) };
}

function opensslSeal({ key, nonce, aad, data }: Message): { data: Buffer; tag: Buffer } {
  const cipher = createCipheriv(`aes-${key.length * 8}-gcm` as "aes-128-gcm", key, nonce);
  cipher.setAAD(aad);
  return { data: Buffer.concat([cipher.update(data), cipher.final()]), tag: cipher.getAuthTag() };
}

/** Guarded places for the parts of a message in a build's memory, `skew` octets off alignment. */
function place(build: Build, at: number, parts: Buffer[], skew: number): number[] {
  return parts.map((part) => {
    const address = at + 64 + skew;
    build.octets.fill(0xa5, at, address + part.length + 64);
    build.octets.set(part, address);
    at = (address + part.length + 127) & ~63;
    return address;
  });
}

function guarded(build: Build, address: number, length: number): boolean {
  const { octets: memory } = build;
  return (
    memory.subarray(address - 32, address).every((octet) => octet === 0xa5) &&
    memory.subarray(address + length, address + length + 32).every((octet) => octet === 0xa5)
  );
}

function read(build: Build, address: number, length: number): Buffer {
  return Buffer.from(build.octets.subarray(address, address + length));
}

/** Seals and opens one message on one build; throws on any difference. */
function prove(build: Build, text: Message, sealed: { data: Uint8Array; tag: Uint8Array }, skew: number): void {
  const { kernels, heap } = build;
  const what = `${build.name}, ${text.key.length} octets of key, ${text.aad.length} + ${text.data.length}, skew ${skew}`;
  const empty = Buffer.alloc(16, 0xee);
  const [key, nonce, aad, data, tag] = place(
    build,
    heap + 4096,
    [text.key, text.nonce, text.aad, text.data, empty],
    skew,
  );
  kernels.gcmInit(heap, key!, text.key.length);
  kernels.gcmSeal(heap, nonce!, aad!, text.aad.length, data!, text.data.length, tag!);
  assert.ok(read(build, data!, text.data.length).equals(sealed.data), `sealed: ${what}`);
  assert.ok(read(build, tag!, 16).equals(sealed.tag), `tag: ${what}`);
  for (const tagLength of [8, 12, 16]) {
    const bit = draw(tagLength * 8);
    build.octets[tag! + (bit >> 3)]! ^= 1 << (bit & 7);
    assert.equal(
      kernels.gcmOpen(heap, nonce!, aad!, text.aad.length, data!, text.data.length, tag!, tagLength),
      0,
      `wrong tag of ${tagLength}: ${what}`,
    );
    assert.ok(read(build, data!, text.data.length).equals(sealed.data), `left alone: ${what}`);
    build.octets[tag! + (bit >> 3)]! ^= 1 << (bit & 7);
  }
  for (const tagLength of [0, 4, 7, 9, 13, 15, 17]) {
    assert.equal(kernels.gcmOpen(heap, nonce!, aad!, text.aad.length, data!, text.data.length, tag!, tagLength), 0);
  }
  assert.equal(kernels.gcmOpen(heap, nonce!, aad!, text.aad.length, data!, text.data.length, tag!, 16), 1, what);
  assert.ok(read(build, data!, text.data.length).equals(text.data), `opened: ${what}`);
  assert.ok(guarded(build, data!, text.data.length) && guarded(build, tag!, 16), `guards: ${what}`);
}

test("there is a build without SIMD and one with it", () => {
  assert.ok(builds.some((build) => build.name === "base"));
  assert.ok(builds.some((build) => build.name === "simd"));
});

test("the self test passes on every build, twice", () => {
  for (const { name, kernels } of builds) {
    assert.equal(kernels.gcmSelfTest(), 1, name);
    assert.equal(kernels.gcmSelfTest(), 1, name);
  }
});

test("GCM of every length from 0 to 300 equals the twin and node:crypto", () => {
  for (let length = 0; length <= 300; length++) {
    const text = message(length, length % 37, [16, 24, 32][length % 3]!);
    const sealed = gcmSeal(text.key, text.nonce, text.aad, text.data);
    const peer = opensslSeal(text);
    assert.ok(peer.data.equals(sealed.data) && peer.tag.equals(sealed.tag), `twin at ${length}`);
    for (const build of builds) prove(build, text, sealed, length & 15);
  }
});

test("associated data of every length from 0 to 300, as GMAC has them", () => {
  for (let length = 0; length <= 300; length++) {
    const text = message(length % 5 === 0 ? 33 : 0, length, [16, 24, 32][length % 3]!);
    for (const build of builds) prove(build, text, opensslSeal(text), (length * 7) & 15);
  }
});

test("lengths around group, counter octet and page boundaries, at every alignment", () => {
  const lengths = [95, 96, 97, 2015, 2016, 2017, 4063, 4064, 4065, 4095, 4096, 4097, 8159, 8160, 8161, 65535, 65536];
  for (const keyOctets of [16, 24, 32]) {
    for (const length of lengths) {
      const text = message(length, 8, keyOctets);
      for (const build of builds) prove(build, text, opensslSeal(text), draw(16));
    }
  }
  const text = message(1400, 12, 16);
  for (let skew = 0; skew < 64; skew++) for (const build of builds) prove(build, text, opensslSeal(text), skew);
});

/** The jobs of a batch in a build's memory (job.ts), and the list of their addresses behind them. */
interface Job {
  context: number;
  nonce: Uint8Array;
  aad: number;
  aadLength: number;
  data: number;
  length: number;
  tagLength: number;
}

const JOB_DONE = 40;
const JOB_NONCE = 48;

/** Writes jobs whose tags follow their data, with junk where the kernel writes; returns the address of the list. */
function writeJobs({ kernels, heap, octets: memory, view }: Build, batch: Job[]): number {
  const list = heap + 1536;
  batch.forEach(({ context, nonce, aad, aadLength, data, length, tagLength }, i) => {
    const job = jobAddress(kernels, heap, i);
    const fields = [context, 7, aad, aadLength, data, length, data + length, tagLength, 7, 7, 7, 7];
    fields.forEach((value, k) => view.setUint32(job + 4 * k, value, true));
    memory.set(nonce, job + JOB_NONCE);
    view.setUint32(list + 4 * i, job, true);
  });
  return list;
}

/** Jobs stand in the reverse order of the list. */
function jobAddress(kernels: Kernels, heap: number, index: number): number {
  return heap + 2048 + (15 - index) * kernels.CIPHER_JOB_OCTETS.value;
}

/** Messages in a batch on one build, against node:crypto. */
function proveBatch(build: Build, texts: Message[], tagLengths: number[], contexts: number[], spoilt: number): void {
  const { kernels, heap, view } = build;
  const sealed = texts.map(opensslSeal);
  const jobs = texts.map((text, i): Job => {
    const tag = Buffer.alloc(tagLengths[i]!, 0xee);
    const parts = [text.aad, Buffer.concat([text.data, tag])];
    const [aad, data] = place(build, heap + 16384 + i * 131072, parts, draw(16));
    const lengths = { aadLength: text.aad.length, length: text.data.length, tagLength: tagLengths[i]! };
    return { context: contexts[i]!, nonce: text.nonce, aad: aad!, data: data!, ...lengths };
  });
  const addresses = jobs.map(({ data }) => data);
  const list = writeJobs(build, jobs);
  const what = `${build.name}: ${texts.map((text) => text.data.length).join(" ")}`;
  assert.equal(kernels.gcmSealBatch(list, texts.length), texts.length, what);
  texts.forEach((text, i) => {
    const whole = Buffer.concat([sealed[i]!.data, sealed[i]!.tag.subarray(0, tagLengths[i])]);
    assert.ok(read(build, addresses[i]!, whole.length).equals(whole), `sealed ${i} of ${what}`);
    assert.ok(guarded(build, addresses[i]!, whole.length), `guards of ${i} of ${what}`);
    assert.equal(view.getUint32(jobAddress(kernels, heap, i) + JOB_DONE, true), 1);
  });
  const bad = texts[spoilt]!.data.length + tagLengths[spoilt]!;
  build.octets[addresses[spoilt]! + draw(bad)]! ^= 0x10;
  const before = read(build, addresses[spoilt]!, bad);
  assert.equal(kernels.gcmOpenBatch(list, texts.length), texts.length - 1, what);
  texts.forEach((text, i) => {
    const expected = i === spoilt ? before.subarray(0, text.data.length) : text.data;
    assert.ok(read(build, addresses[i]!, text.data.length).equals(expected), `opened ${i} of ${what}`);
    assert.equal(view.getUint32(jobAddress(kernels, heap, i) + JOB_DONE, true), i === spoilt ? 0 : 1);
  });
}

test("batches of mixed lengths, keys and tags give the octets of single messages", () => {
  for (const build of builds) {
    const { kernels, heap, octets: memory } = build;
    const octetsOfContext = kernels.GCM_CONTEXT_OCTETS.value;
    for (let round = 0; round < 60; round++) {
      const keys = Array.from({ length: 1 + draw(3) }, () => octets([16, 24, 32][draw(3)]!));
      keys.forEach((key, k) => {
        memory.set(key, heap + 1024);
        kernels.gcmInit(heap + k * octetsOfContext, heap + 1024, key.length);
      });
      const count = 1 + draw(16);
      const limit = [40, 300, 1500, 9000][round % 4]!;
      const choice = Array.from({ length: count }, () => draw(keys.length));
      const texts = choice.map((k) => ({
        ...message(round % 8 === 5 ? 1400 : draw(limit), [8, 12, draw(100)][draw(3)]!, 16),
        key: keys[k]!,
      }));
      const contexts = choice.map((k) => heap + k * octetsOfContext);
      const tagLengths = texts.map(() => [8, 12, 16][draw(3)]!);
      proveBatch(build, texts, tagLengths, contexts, draw(count));
    }
  }
});

test("a tag length that is none refuses its own job only", () => {
  for (const build of builds) {
    const { kernels, heap } = build;
    kernels.gcmInit(heap, heap + 1024, 16);
    const list = writeJobs(
      build,
      [16, 10, 8].map((tagLength, i): Job => {
        const aad = heap + 16384 + i * 4096;
        return { context: heap, nonce: octets(12), aad, aadLength: 8, data: aad + 64, length: 100, tagLength };
      }),
    );
    const before = read(build, heap + 16384 + 4096, 4096);
    assert.equal(kernels.gcmSealBatch(list, 3), 2, build.name);
    assert.equal(kernels.gcmOpenBatch(list, 3), 2, build.name);
    assert.ok(read(build, heap + 16384 + 4096, 4096).equals(before), build.name);
    assert.equal(kernels.gcmSealBatch(list, 0), 0, build.name);
  }
});

test("more keys than slots cost expansions, not correctness", () => {
  for (const build of builds) {
    const { kernels, heap, octets: memory } = build;
    kernels.kernelArena(ARENA, MEMORY);
    assert.equal(kernels.keyCacheReset(5, 0), 1);
    const size = kernels.GCM_CONTEXT_OCTETS.value;
    const texts = Array.from({ length: 12 }, (_, i) => message(500 + i, 8, [16, 24, 32][i % 3]!));
    const contexts = texts.map((text, i) => {
      memory.set(text.key, heap + 1024);
      kernels.gcmInit(heap + i * size, heap + 1024, text.key.length);
      return heap + i * size;
    });
    for (let round = 0; round < 4; round++) {
      proveBatch(
        build,
        texts,
        texts.map(() => 16),
        contexts,
        round,
      );
    }
    const misses = kernels.keyCacheMisses();
    assert.ok(misses >= 12n, `${build.name}: ${misses} expansions`);
    assert.equal(kernels.keyCacheReset(16, 0), 1);
    for (let round = 0; round < 3; round++) {
      proveBatch(
        build,
        texts,
        texts.map(() => 16),
        contexts,
        round,
      );
    }
    assert.equal(kernels.keyCacheMisses(), 12n, build.name);
    kernels.kernelArena(ARENA, ARENA + 4096);
    assert.equal(kernels.keyCacheReset(100, 0), 0, "an arena that is too small is refused");
    assert.equal(kernels.keyCacheReset(0, 0), 1);
  }
});

test("a wiped key leaves nothing of itself in the cache", () => {
  for (const build of builds) {
    const { kernels, heap, octets: memory } = build;
    kernels.kernelArena(ARENA, MEMORY);
    memory.fill(0, ARENA, MEMORY);
    assert.equal(kernels.keyCacheReset(3, 0), 1);
    const text = message(1400, 8, 32);
    const [key, nonce, aad, data] = place(build, heap + 4096, [text.key, text.nonce, text.aad, text.data], 0);
    kernels.gcmInit(heap, key!, 32);
    kernels.gcmSeal(heap, nonce!, aad!, 8, data!, 1400, data! + 1400);
    assert.ok(memory.subarray(ARENA, ARENA + 131072).some((octet) => octet !== 0));
    kernels.gcmWipe(heap);
    assert.ok(
      memory.subarray(ARENA, ARENA + 131072).every((octet) => octet === 0),
      build.name,
    );
    assert.ok(memory.subarray(heap, heap + kernels.GCM_CONTEXT_OCTETS.value).every((octet) => octet === 0));
    kernels.keyCacheReset(0, 0);
  }
});

test("AES blocks and counter mode equal the twin and node:crypto", () => {
  for (const build of builds) {
    const { kernels, heap } = build;
    for (const keyOctets of [16, 24, 32]) {
      const key = octets(keyOctets);
      const schedule = expandKey(key);
      for (const count of [1, 2, 3, 4, 5, 7, 8, 9, 16, 17]) {
        const clear = octets(16 * count);
        const [keyAt, data] = place(build, heap + 4096, [key, clear], draw(16));
        kernels.aesInit(heap, keyAt!, keyOctets);
        kernels.aesEncryptBlocks(heap, data!, data!, count);
        const expected = Array.from({ length: count }, (_, i) =>
          encryptBlock(schedule, clear.subarray(16 * i, 16 * i + 16)),
        );
        assert.ok(read(build, data!, 16 * count).equals(Buffer.concat(expected)), `${build.name} encrypts ${count}`);
        kernels.aesDecryptBlocks(heap, data!, data!, count);
        assert.ok(read(build, data!, 16 * count).equals(clear), `${build.name} decrypts ${count}`);
        assert.ok(guarded(build, data!, 16 * count), build.name);
      }
      for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 300, 1400]) {
        const clear = octets(length);
        const counter = octets(16);
        counter.writeUInt32BE(length, 12);
        const cipher = createCipheriv(`aes-${keyOctets * 8}-ctr`, key, counter);
        const expected = Buffer.concat([cipher.update(clear), cipher.final()]);
        const [counterAt, data] = place(build, heap + 4096, [counter, clear], draw(16));
        kernels.aesCtr(heap, counterAt!, data!, length);
        assert.ok(read(build, data!, length).equals(expected), `${build.name} counts ${length}`);
        assert.ok(guarded(build, data!, length), build.name);
      }
    }
  }
});

test.run();
