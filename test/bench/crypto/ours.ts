/**
 * Our side of the bench: a build of the cipher suite in a memory of its own, and sixteen packets that lie there as frames do in
 * a board's RAM, one behind the other.
 *
 * A turn seals or opens them in place, all in one call or one a call. Sealing goes on over what it made before: ciphers do not
 * care. Opening needs sealed packets again, so before every sixteen one copy inside the memory puts them all back, and its time
 * counts as ours; peers that give new buffers have no such need. Where nothing is encrypted (NULL, AES-GMAC) nothing has changed.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { ROOT, compile } from "../../../host/build/compile.ts";
import type { Build } from "../../../host/image/manifest.ts";
import type { Keys } from "./packets.ts";
import { HEADER_OCTETS, PACKETS, dataOctets } from "./packets.ts";
import type { BenchTransform } from "./transforms.ts";

// Before the first module: Node 20 hides relaxed SIMD behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");

const ENTRY = "test/entries/suite_kernels.ts";
const PAGES = 1024;
/** The cache of keys gets what lies above; packets lie below. */
const ARENA = 48 << 20;
/** Octets of a frame besides its packet: descriptor and headroom, about. */
const FRAME_ROOM = 128;
/** Where an IP header would end in a frame, so that packets are not better aligned than on the wire. */
const FRAME_LEAD = 84;

interface Kernels {
  kernelHeap(): number;
  kernelArena(start: number, end: number): void;
  kernelCopy(to: number, from: number, octets: number): void;
  keyCacheReset(gcmSlots: number, aesSlots: number): number;
  transformFind(encryption: number, keyBits: number, integrity: number): number;
  suiteInit(context: number, row: number, keymat: number): void;
  suiteJob(job: number, context: number, header: number, headerOctets: number, length: number): void;
  suiteSeal(job: number): number;
  suiteOpen(job: number): number;
  suiteSealBatch(list: number, count: number): number;
  suiteOpenBatch(list: number, count: number): number;
  CIPHER_CONTEXT_OCTETS: { value: number };
  CIPHER_JOB_OCTETS: { value: number };
}

/** Works off `count` packets, a multiple of PACKETS. */
export type Run = (count: number) => void;

export interface Ours {
  build: Build;
  /** Takes keys and packets in the clear (header | IV | data | room for the ICV); returns them sealed. */
  load(transform: BenchTransform, keys: Keys, bytes: number, clear: readonly Uint8Array[]): Uint8Array[];
  /** After load: the run over its packets, `batch` of them a call. */
  contestant(op: "seal" | "open", batch: number): Run;
}

/** Compiles a build and starts it; null when this engine does not validate it. */
export async function startBuild(build: Build): Promise<Ours | null> {
  mkdirSync(join(ROOT, "build/bench"), { recursive: true });
  const output = join(ROOT, "build/bench", `suite_kernels.${build}.wasm`);
  await compile({ entry: ENTRY, build, output });
  const code = readFileSync(output);
  if (!WebAssembly.validate(code)) return null;
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  return new Suite(build, memory, instance.exports as unknown as Kernels);
}

class Suite implements Ours {
  readonly build: Build;
  private readonly kernels: Kernels;
  private readonly octets: Uint8Array;
  private readonly context: number;
  private readonly list: number;
  private readonly jobs: number[];
  /** Of the frames: the first address, octets from one to the next, and where sealed ones are kept. */
  private readonly frames: number;
  private pitch = 0;
  private kept = 0;
  /** True when opening changes the packet. */
  private encrypts = false;

  constructor(build: Build, memory: WebAssembly.Memory, kernels: Kernels) {
    this.build = build;
    this.kernels = kernels;
    this.octets = new Uint8Array(memory.buffer);
    kernels.kernelArena(ARENA, PAGES << 16);
    assert.ok(kernels.keyCacheReset(PACKETS, PACKETS), "the cache of keys does not fit the arena");
    this.context = kernels.kernelHeap();
    this.list = this.context + align(kernels.CIPHER_CONTEXT_OCTETS.value);
    const jobs = this.list + 64;
    this.jobs = Array.from({ length: PACKETS }, (_, i) => jobs + i * kernels.CIPHER_JOB_OCTETS.value);
    this.frames = align(jobs + PACKETS * kernels.CIPHER_JOB_OCTETS.value);
    const view = new DataView(memory.buffer);
    this.jobs.forEach((job, i) => view.setUint32(this.list + 4 * i, job, true));
  }

  load(transform: BenchTransform, keys: Keys, bytes: number, clear: readonly Uint8Array[]): Uint8Array[] {
    const { kernels, octets } = this;
    const row = kernels.transformFind(transform.encryption, transform.keyBits, transform.integrity);
    assert.ok(row !== 0, `${transform.name}: not in the table of transforms`);
    const size = clear[0]!.length;
    this.encrypts = transform.mode !== "null" && transform.mode !== "gmac";
    this.pitch = align(size + FRAME_ROOM);
    this.kept = this.frames + PACKETS * this.pitch;
    assert.ok(this.kept + PACKETS * this.pitch <= ARENA, "packets reach into the arena");
    octets.set(Buffer.concat([keys.key, keys.salt, keys.integrityKey]), this.frames);
    kernels.suiteInit(this.context, row, this.frames);
    const places = clear.map((packet, i) => {
      const header = this.frames + i * this.pitch + FRAME_LEAD;
      octets.set(packet, header);
      kernels.suiteJob(this.jobs[i]!, this.context, header, HEADER_OCTETS, dataOctets(transform, bytes));
      return header;
    });
    assert.equal(kernels.suiteSealBatch(this.list, PACKETS), PACKETS, `${transform.name}: not all packets were sealed`);
    kernels.kernelCopy(this.kept, this.frames, PACKETS * this.pitch);
    const sealed = places.map((header) => octets.slice(header, header + size));
    assert.equal(kernels.suiteOpenBatch(this.list, PACKETS), PACKETS, `${transform.name}: not all packets were opened`);
    return sealed;
  }

  contestant(op: "seal" | "open", batch: number): Run {
    const { kernels, list, jobs, frames, kept, encrypts } = this;
    const room = PACKETS * this.pitch;
    const restores = op === "open" && encrypts;
    // What runs before may have left anything there, and for AES-GMAC and NULL this is the only time.
    kernels.kernelCopy(frames, kept, room);
    const one = op === "seal" ? kernels.suiteSeal : kernels.suiteOpen;
    const many = op === "seal" ? kernels.suiteSealBatch : kernels.suiteOpenBatch;
    return (count) => {
      let done = 0;
      for (let worked = 0; worked < count; worked += PACKETS) {
        if (restores) kernels.kernelCopy(frames, kept, room);
        if (batch === 1) for (let i = 0; i < PACKETS; i++) done += one(jobs[i]!);
        else for (let i = 0; i < PACKETS; i += batch) done += many(list + 4 * i, Math.min(batch, PACKETS - i));
      }
      assert.equal(done, count, `${op}: not every packet was done`);
    };
  }
}

function align(octets: number): number {
  return (octets + 63) & ~63;
}
