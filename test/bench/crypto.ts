/**
 * `npm run bench -- crypto`: the cipher's builds side by side with node:crypto, MB/s of 10^6 octets of payload.
 *
 *   --transform NAME,...   aes-128-gcm aes-256-gcm aes-128-gmac aes-256-gmac (all)
 *   --bytes N,...          64,256,512,1400,9000
 *   --build NAME,...       simd,relaxed,base, as far as the engine validates them
 *   --op seal|open         both
 *   --batch N,...          1,16: packets a call
 *   --turns N              15: turns of which the median is taken
 *   --json FILE            {rows: [{transform, op, bytes, build, batch, mbps, peers: {NAME: {mbps, ratio}}}]}
 *
 * Ours and the peers take turns (A B A B), so that what else the machine does hits all alike: judge by the ratio. A turn works
 * off the same number of packets on every side. node:crypto is used a packet at a time, as a gateway in Node would: it makes a
 * cipher object, gives it nonce and associated data, and takes the tag.
 */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { ROOT, compile } from "../../host/build/compile.ts";

const TRANSFORMS = ["aes-128-gcm", "aes-256-gcm", "aes-128-gmac", "aes-256-gmac"];
const BUILDS = ["simd", "relaxed", "base"] as const;
const OPS = ["seal", "open"];
/** Octets that a turn works off, about: long enough for the clock, short enough to take turns often. */
const TURN_OCTETS = 400_000;
const WARM_UP_MS = 60;
const AAD_OCTETS = 8;
const TAG_OCTETS = 16;

const { values } = parseArgs({
  options: {
    transform: { type: "string", default: TRANSFORMS.join() },
    bytes: { type: "string", default: "64,256,512,1400,9000" },
    build: { type: "string", default: BUILDS.join() },
    op: { type: "string", default: OPS.join() },
    batch: { type: "string", default: "1,16" },
    turns: { type: "string", default: "15" },
    json: { type: "string" },
  },
});

function words(text: string, known: readonly string[], what: string): string[] {
  const list = text.split(",");
  for (const word of list) if (!known.includes(word)) throw new Error(`${what} ${word}: one of ${known.join(", ")}`);
  return list;
}

function numbers(text: string, most: number, what: string): number[] {
  return text.split(",").map((word) => {
    const value = Number(word);
    if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${what} ${word}: 1 to ${most}`);
    return value;
  });
}

interface Kernels {
  kernelHeap(): number;
  gcmInit(context: number, key: number, keyOctets: number): void;
  gcmSeal(c: number, nonce: number, aad: number, aadLength: number, data: number, length: number, tag: number): void;
  gcmOpen(c: number, n: number, aad: number, al: number, data: number, length: number, tag: number, tl: number): number;
  gcmSealBatch(list: number, count: number): number;
  gcmOpenBatch(list: number, count: number): number;
  CIPHER_JOB_OCTETS: { value: number };
}

interface Shape {
  key: Buffer;
  gmac: boolean;
  op: string;
  bytes: number;
  /** Packets of a turn, a multiple of 16. */
  packets: number;
}

interface Row {
  transform: string;
  op: string;
  bytes: number;
  build: string;
  batch: number;
  mbps: number;
  peers: Record<string, { mbps: number; ratio: number }>;
}

/** A contestant's turn: works off `packets` packets. */
type Turn = () => void;

const PACKETS = 16;
/** Octets of a frame besides its packet: descriptor and headroom, about. */
const FRAME_ROOM = 128;

/** Where a job's nonce stands in its record (job.ts). */
const JOB_NONCE = 48;

/**
 * Sixteen packets in a build's memory, and the turn that works them off `batch` at a time. Packets lie as frames do in a board's
 * RAM, one behind the other.
 */
function ours(module: WebAssembly.Module, shape: Shape, batch: number): Turn {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024 });
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  const octets = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  const context = kernels.kernelHeap();
  const list = context + 256;
  const jobs = context + 512;
  const packets = context + 8192;
  octets.set(shape.key, jobs);
  kernels.gcmInit(context, jobs, shape.key.length);
  const aadLength = AAD_OCTETS + (shape.gmac ? shape.bytes : 0);
  const length = shape.gmac ? 0 : shape.bytes;
  const pitch = (aadLength + 8 + length + TAG_OCTETS + FRAME_ROOM + 63) & ~63;
  const places = Array.from({ length: PACKETS }, (_, i) => {
    const job = jobs + i * kernels.CIPHER_JOB_OCTETS.value;
    const nonce = job + JOB_NONCE;
    const aad = packets + i * pitch + 20;
    const data = aad + aadLength + (shape.gmac ? 0 : 8);
    const tag = data + length;
    octets.set(randomBytes(aadLength + 8 + length), aad);
    const fields = [context, data - 8, aad, aadLength, data, length, tag, TAG_OCTETS, 0, 0, 0, 0];
    fields.forEach((value, k) => view.setUint32(job + 4 * k, value, true));
    octets.set(randomBytes(12), nonce);
    view.setUint32(list + 4 * i, job, true);
    return { nonce, aad, data, tag };
  });
  if (shape.op === "seal") {
    return () => {
      for (let done = 0; done < shape.packets; done += PACKETS) {
        for (let i = 0; i < PACKETS; i += batch) {
          if (batch > 1) {
            kernels.gcmSealBatch(list + 4 * i, Math.min(batch, PACKETS - i));
          } else {
            const { nonce, aad, data, tag } = places[i]!;
            kernels.gcmSeal(context, nonce, aad, aadLength, data, length, tag);
          }
        }
      }
    };
  }
  kernels.gcmSealBatch(list, PACKETS);
  // Opening happens in place, so the packets are put back before they are opened again, by one copy that counts against us.
  const saved = packets + PACKETS * pitch + 4096;
  octets.copyWithin(saved, packets, packets + PACKETS * pitch);
  return () => {
    let opened = 0;
    for (let done = 0; done < shape.packets; done += PACKETS) {
      if (!shape.gmac) octets.copyWithin(packets, saved, saved + PACKETS * pitch);
      for (let i = 0; i < PACKETS; i += batch) {
        if (batch > 1) {
          opened += kernels.gcmOpenBatch(list + 4 * i, Math.min(batch, PACKETS - i));
        } else {
          const { nonce, aad, data, tag } = places[i]!;
          opened += kernels.gcmOpen(context, nonce, aad, aadLength, data, length, tag, TAG_OCTETS);
        }
      }
    }
    assert.equal(opened, shape.packets);
  };
}

/** node:crypto, a packet at a time. */
function nodeCrypto(shape: Shape): Turn {
  const name = `aes-${shape.key.length * 8}-gcm` as "aes-128-gcm";
  const nonce = randomBytes(12);
  const aad = randomBytes(AAD_OCTETS + (shape.gmac ? shape.bytes : 0));
  const data = randomBytes(shape.gmac ? 0 : shape.bytes);
  const seal = (): { data: Buffer; tag: Buffer } => {
    const cipher = createCipheriv(name, shape.key, nonce);
    cipher.setAAD(aad);
    const sealed = cipher.update(data);
    cipher.final();
    return { data: sealed, tag: cipher.getAuthTag() };
  };
  if (shape.op === "seal") {
    return () => {
      for (let i = 0; i < shape.packets; i++) seal();
    };
  }
  const sealed = seal();
  return () => {
    for (let i = 0; i < shape.packets; i++) {
      const decipher = createDecipheriv(name, shape.key, nonce);
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.tag);
      decipher.update(sealed.data);
      decipher.final();
    }
  };
}

function median(list: number[]): number {
  return list.sort((a, b) => a - b)[list.length >> 1]!;
}

/** Megabytes a second of each contestant, turn about. */
function race(contestants: Map<string, Turn>, octets: number, turns: number): Map<string, number> {
  for (const turn of contestants.values()) {
    const end = performance.now() + WARM_UP_MS;
    do turn();
    while (performance.now() < end);
  }
  const times = new Map([...contestants.keys()].map((name) => [name, [] as number[]]));
  for (let i = 0; i < turns; i++) {
    for (const [name, turn] of contestants) {
      const start = performance.now();
      turn();
      times.get(name)!.push(performance.now() - start);
    }
  }
  return new Map([...times].map(([name, list]) => [name, octets / 1000 / median(list)]));
}

setFlagsFromString("--experimental-wasm-relaxed-simd");
mkdirSync(join(ROOT, "build/bench"), { recursive: true });
const modules = new Map<string, WebAssembly.Module>();
for (const build of words(values.build, BUILDS, "build") as (typeof BUILDS)[number][]) {
  const output = join(ROOT, "build/bench", `crypto_kernels.${build}.wasm`);
  await compile({ entry: "test/entries/crypto_kernels.ts", build, output });
  const octets = readFileSync(output);
  if (WebAssembly.validate(octets)) modules.set(build, new WebAssembly.Module(octets));
  else console.log(`this engine does not validate the ${build} build`);
}

const rows: Row[] = [];
console.log("transform      op    bytes  build    batch      MB/s  node:crypto   ratio");
for (const transform of words(values.transform, TRANSFORMS, "transform")) {
  for (const op of words(values.op, OPS, "op")) {
    for (const bytes of numbers(values.bytes, 12_000, "bytes")) {
      const key = randomBytes(Number(transform.split("-")[1]) / 8);
      const packets = Math.max(1, Math.round(TURN_OCTETS / (bytes + 400) / PACKETS)) * PACKETS;
      const shape: Shape = { key, gmac: transform.endsWith("gmac"), op, bytes, packets };
      const contestants = new Map<string, Turn>([["node:crypto", nodeCrypto(shape)]]);
      const batches = numbers(values.batch, PACKETS, "batch");
      for (const [build, module] of modules) {
        for (const batch of batches) contestants.set(`${build} ${batch}`, ours(module, shape, batch));
      }
      const speeds = race(contestants, bytes * packets, numbers(values.turns, 1000, "turns")[0]!);
      const peer = speeds.get("node:crypto")!;
      for (const build of modules.keys()) {
        for (const batch of batches) {
          const mbps = speeds.get(`${build} ${batch}`)!;
          rows.push({
            transform,
            op,
            bytes,
            build,
            batch,
            mbps,
            peers: { "node:crypto": { mbps: peer, ratio: mbps / peer } },
          });
          console.log(
            [
              transform.padEnd(14),
              op.padEnd(5),
              String(bytes).padStart(5),
              ` ${build.padEnd(8)}`,
              String(batch).padStart(4),
              mbps.toFixed(1).padStart(9),
              peer.toFixed(1).padStart(12),
              (mbps / peer).toFixed(2).padStart(7),
            ].join(" "),
          );
        }
      }
    }
  }
}
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify({ rows }, null, 2)}
`,
  );
