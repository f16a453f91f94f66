/**
 * The firmware's kernels on the host: compiles the test entries for each build and gives their functions a face of octets.
 *
 * Every call runs on every build that this engine validates, by the kernel for one message and, where there is one, by that for
 * batches; all must give the same octets, a difference throws.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { buildEntry } from "../../host/build/build.ts";
import { ROOT } from "../../host/build/compile.ts";
import * as batches from "./batches.ts";

const BUILDS = ["simd", "relaxed", "base"] as const;

type Exports = Record<string, any>;

/** Expanded keys that the modules cache, few enough that some are pushed out, and the arena for them. */
const KEYS = 4;
const ARENA_OCTETS = 8 << 20;

/** Test entries; the first that exports a function serves it. */
const ENTRIES = ["batch_kernels", "suite_kernels", "hash_kernels", "crypto_kernels", "replay_kernels", "wire_kernels"];

/** One build's modules, each with a memory of its own. */
class Build {
  readonly name: string;
  private readonly modules: { exports: Exports; octets: Uint8Array; heap: number }[] = [];

  constructor(name: string, images: Uint8Array<ArrayBuffer>[]) {
    this.name = name;
    for (const image of images) {
      const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024 });
      const instance = new WebAssembly.Instance(new WebAssembly.Module(image), { env: { memory } });
      const exports = instance.exports as Exports;
      let heap: number = exports.kernelHeap();
      if (exports.keyCacheReset !== undefined) {
        exports.kernelArena(heap, heap + ARENA_OCTETS);
        if (!exports.keyCacheReset(KEYS, KEYS)) throw new Error("the key cache does not fit into its arena");
        heap += ARENA_OCTETS;
      }
      this.modules.push({ exports, octets: new Uint8Array(memory.buffer), heap });
    }
  }

  /** Runs `use` with a fresh scratch memory over the module that exports `name`. */
  with<T>(name: string, use: (scratch: Scratch) => T): T {
    const module = this.modules.find((candidate) => candidate.exports[name] !== undefined);
    if (module === undefined) throw new Error(`no kernel ${name} in the ${this.name} build`);
    return use(new Scratch(module.exports, module.octets, module.heap));
  }
}

/** Bump allocation in a module's memory, with guard octets behind each block that done() checks. */
export class Scratch {
  readonly call: Exports;
  private readonly octets: Uint8Array;
  private next: number;
  private readonly guards: number[] = [];

  constructor(exports: Exports, octets: Uint8Array, heap: number) {
    this.call = exports;
    this.octets = octets;
    this.next = heap;
  }

  take(length: number): number {
    const address = (this.next + 15) & ~15;
    this.next = address + length + 16;
    this.octets.fill(0, address, address + length);
    this.octets.fill(0xa5, address + length, address + length + 16);
    this.guards.push(address + length);
    return address;
  }

  put(data: Uint8Array): number {
    const address = this.take(data.length);
    this.octets.set(data, address);
    return address;
  }

  write(address: number, data: Uint8Array): void {
    this.octets.set(data, address);
  }

  get(address: number, length: number): Buffer {
    return Buffer.from(this.octets.subarray(address, address + length));
  }

  /** The value of an exported constant. */
  constant(name: string): number {
    return this.call[name].value as number;
  }

  done(): void {
    for (const guard of this.guards) {
      for (let i = 0; i < 16; i++) {
        if (this.octets[guard + i] !== 0xa5) throw new Error("a kernel wrote behind its buffer");
      }
    }
  }
}

export class Kernels {
  readonly builds: Build[];

  private constructor(builds: Build[]) {
    this.builds = builds;
  }

  /** Compiles what is not up to date, and powers every build that this engine validates. */
  static async create(): Promise<Kernels> {
    setFlagsFromString("--experimental-wasm-relaxed-simd");
    const builds: Build[] = [];
    for (const name of BUILDS) {
      const paths = await Promise.all(
        ENTRIES.map((entry) => buildEntry(join(ROOT, "test/entries", `${entry}.ts`), name)),
      );
      const images = paths.map((path) => new Uint8Array(readFileSync(path)));
      if (images.every((image) => WebAssembly.validate(image))) builds.push(new Build(name, images));
    }
    if (builds.length === 0) throw new Error("this engine validates no build");
    return new Kernels(builds);
  }

  get names(): string {
    return this.builds.map((build) => build.name).join(", ");
  }

  /** Runs `use` on each build and insists on one answer (octets, or null for refused). */
  agree(name: string, use: (scratch: Scratch) => Buffer | null): Buffer | null {
    let answer: Buffer | null | undefined;
    for (const build of this.builds) {
      const result = build.with(name, (scratch) => {
        const octets = use(scratch);
        scratch.done();
        return octets;
      });
      if (answer === undefined) answer = result;
      else if (result === null ? answer !== null : answer === null || !result.equals(answer)) {
        throw new Error(`${name}: the ${build.name} build answers otherwise than ${this.builds[0]!.name}`);
      }
    }
    return answer!;
  }

  /** Insists that the kernel for batches answers as the one for single messages did. */
  private batched(name: string, answer: Buffer | null, use: (scratch: Scratch) => Buffer | null): Buffer | null {
    const other = this.agree(name, use);
    if (other === null ? answer !== null : answer === null || !answer.equals(other)) {
      throw new Error(`${name} answers otherwise than the kernel for one message`);
    }
    return other;
  }

  hash(id: number, message: Uint8Array): Buffer {
    return this.agree("hash", (s) => {
      const out = s.take(s.call.hashOctets(id));
      s.call.hash(id, s.put(message), message.length, out);
      const whole = s.get(out, s.call.hashOctets(id));
      const context = s.take(s.constant("HASH_CONTEXT_OCTETS"));
      const at = s.put(message);
      const split = message.length >> 1;
      s.call.hashInit(context, id);
      s.call.hashUpdate(context, at, split);
      s.call.hashUpdate(context, at + split, message.length - split);
      s.call.hashFinal(context, out);
      if (!s.get(out, whole.length).equals(whole)) throw new Error("a message in two updates hashes otherwise");
      return whole;
    })!;
  }

  hmac(id: number, key: Uint8Array, message: Uint8Array): Buffer {
    const single = this.agree("hmac", (s) => {
      const out = s.take(s.call.hashOctets(id));
      s.call.hmac(id, s.put(key), key.length, s.put(message), message.length, out);
      return s.get(out, s.call.hashOctets(id));
    })!;
    return this.batched("hmacBatch", single, (s) => batches.hmac(s, id, key, message, single.length))!;
  }

  prf(id: number, key: Uint8Array, message: Uint8Array): Buffer {
    return this.agree("prf", (s) => {
      const octets = s.call.prfOctets(id);
      if (octets === 0) return null;
      const out = s.take(octets);
      s.call.prf(id, s.put(key), key.length, s.put(message), message.length, out);
      return s.get(out, octets);
    })!;
  }

  prfPlus(id: number, key: Uint8Array, seed: Uint8Array, length: number): Buffer {
    return this.agree("prfPlus", (s) => {
      const out = s.take(length);
      s.call.prfPlus(id, s.put(key), key.length, s.put(seed), seed.length, out, length);
      return s.get(out, length);
    })!;
  }

  /** CMAC of `message`; the key has a size of AES. */
  cmac(key: Uint8Array, message: Uint8Array): Buffer {
    const single = this.agree("cmacInit", (s) => {
      const context = s.take(s.constant("CMAC_CONTEXT_OCTETS"));
      const out = s.take(16);
      s.call.cmacInit(context, s.put(key), key.length);
      s.call.cmacUpdate(context, s.put(message), message.length);
      s.call.cmacFinal(context, out);
      return s.get(out, 16);
    })!;
    return this.batched("cbcMacBatch", single, (s) => batches.blockCipherMac(s, "cmac", key, message))!;
  }

  xcbc(key: Uint8Array, message: Uint8Array): Buffer {
    const single = this.agree("xcbcInit", (s) => {
      const context = s.take(s.constant("XCBC_CONTEXT_OCTETS"));
      const out = s.take(16);
      s.call.xcbcInit(context, s.put(key));
      s.call.xcbcUpdate(context, s.put(message), message.length);
      s.call.xcbcFinal(context, out);
      return s.get(out, 16);
    })!;
    return this.batched("cbcMacBatch", single, (s) => batches.blockCipherMac(s, "xcbc", key, message))!;
  }

  /** Null: the kernel refuses the length. */
  cbc(encrypt: boolean, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer | null {
    const single = this.agree("cbcEncrypt", (s) => {
      const context = s.take(s.constant("AES_CONTEXT_OCTETS"));
      s.call.aesInit(context, s.put(key), key.length);
      const at = s.put(data);
      const done = (encrypt ? s.call.cbcEncrypt : s.call.cbcDecrypt)(context, s.put(iv), at, data.length);
      return done ? s.get(at, data.length) : null;
    });
    return this.batched("cbcEncryptBatch", single, (s) => batches.cbc(s, encrypt, key, iv, data));
  }

  /** The Monte Carlo chain of AESAVS 6.4.2: 1000 single blocks, of which each feeds the next but one. */
  cbcMonteCarlo(encrypt: boolean, key: Uint8Array, iv: Uint8Array, input: Uint8Array): Buffer {
    return this.agree("cbcEncrypt", (s) => {
      const context = s.take(s.constant("AES_CONTEXT_OCTETS"));
      s.call.aesInit(context, s.put(key), key.length);
      const chain = s.put(iv);
      const block = s.take(16);
      let text: Uint8Array = input;
      let previousOut: Uint8Array = iv;
      let vector: Uint8Array = iv;
      for (let j = 0; j < 1000; j++) {
        s.write(chain, vector);
        s.write(block, text);
        (encrypt ? s.call.cbcEncrypt : s.call.cbcDecrypt)(context, chain, block, 16);
        const out = s.get(block, 16);
        vector = encrypt ? out : text;
        text = previousOut;
        previousOut = out;
      }
      return Buffer.from(previousOut);
    })!;
  }

  /** Counter mode from a whole first counter block. */
  ctrFrom(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Buffer {
    return this.agree("aesCtr", (s) => {
      const context = s.take(s.constant("AES_CONTEXT_OCTETS"));
      s.call.aesInit(context, s.put(key), key.length);
      const at = s.put(data);
      s.call.aesCtr(context, s.put(counter), at, data.length);
      return s.get(at, data.length);
    })!;
  }

  /** Counter mode of RFC 3686. */
  ctr(key: Uint8Array, nonce: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
    const single = this.agree("ctrCrypt", (s) => {
      const context = s.take(s.constant("AES_CONTEXT_OCTETS"));
      s.call.aesInit(context, s.put(key), key.length);
      const at = s.put(data);
      s.call.ctrCrypt(context, s.put(nonce), s.put(iv), at, data.length);
      return s.get(at, data.length);
    })!;
    return this.batched("ctrBatch", single, (s) => batches.ctr(s, key, Buffer.concat([nonce, iv]), data))!;
  }

  /** Ciphertext and 16 octets of tag. */
  gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): Buffer {
    const single = this.agree("gcmSeal", (s) => {
      const context = s.take(s.constant("GCM_CONTEXT_OCTETS"));
      s.call.gcmInit(context, s.put(key), key.length);
      const at = s.put(data);
      const tag = s.take(16);
      s.call.gcmSeal(context, s.put(nonce), s.put(aad), aad.length, at, data.length, tag);
      return Buffer.concat([s.get(at, data.length), s.get(tag, 16)]);
    })!;
    return this.batched("gcmSealBatch", single, (s) => batches.aeadSeal(s, "gcm", key, nonce, aad, data, 16))!;
  }

  /** The plaintext, or null when the kernel refuses; then the data must be as they were. */
  gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, tag: Uint8Array): Buffer | null {
    const single = this.agree("gcmOpen", (s) => {
      const context = s.take(s.constant("GCM_CONTEXT_OCTETS"));
      s.call.gcmInit(context, s.put(key), key.length);
      const at = s.put(data);
      const accepted = s.call.gcmOpen(
        context,
        s.put(nonce),
        s.put(aad),
        aad.length,
        at,
        data.length,
        s.put(tag),
        tag.length,
      );
      return this.opened(s, !!accepted, at, data);
    });
    return this.batched("gcmOpenBatch", single, (s) => batches.aeadOpen(s, "gcm", key, nonce, aad, data, tag));
  }

  /** Ciphertext and tag, or null for a size that CCM does not have. */
  ccmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, tagOctets: number): Buffer | null {
    const single = this.agree("ccmSeal", (s) => {
      const context = s.take(s.constant("CCM_CONTEXT_OCTETS"));
      s.call.ccmInit(context, s.put(key), key.length);
      const at = s.put(data);
      const tag = s.take(tagOctets);
      const nonceAt = s.put(nonce);
      if (!s.call.ccmSeal(context, nonceAt, nonce.length, s.put(aad), aad.length, at, data.length, tag, tagOctets)) {
        return null;
      }
      return Buffer.concat([s.get(at, data.length), s.get(tag, tagOctets)]);
    });
    if (single === null || !batches.aeadTakes("ccm", nonce, tagOctets)) return single;
    return this.batched("ccmSealBatch", single, (s) => batches.aeadSeal(s, "ccm", key, nonce, aad, data, tagOctets));
  }

  ccmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, tag: Uint8Array): Buffer | null {
    const single = this.agree("ccmOpen", (s) => {
      const context = s.take(s.constant("CCM_CONTEXT_OCTETS"));
      s.call.ccmInit(context, s.put(key), key.length);
      const at = s.put(data);
      const nonceAt = s.put(nonce);
      const aadAt = s.put(aad);
      const accepted = s.call.ccmOpen(
        context,
        nonceAt,
        nonce.length,
        aadAt,
        aad.length,
        at,
        data.length,
        s.put(tag),
        tag.length,
      );
      return this.opened(s, !!accepted, at, data);
    });
    if (!batches.aeadTakes("ccm", nonce, tag.length)) return single;
    return this.batched("ccmOpenBatch", single, (s) => batches.aeadOpen(s, "ccm", key, nonce, aad, data, tag));
  }

  /** Ciphertext and tag (RFC 8439, 2.8). */
  chachaSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): Buffer {
    const single = this.agree("chacha20Poly1305Seal", (s) => {
      const context = s.take(s.constant("CHACHA20_POLY1305_CONTEXT_OCTETS"));
      s.call.chacha20Poly1305Init(context, s.put(key));
      const at = s.put(data);
      const tag = s.take(16);
      s.call.chacha20Poly1305Seal(context, s.put(nonce), s.put(aad), aad.length, at, data.length, tag);
      return Buffer.concat([s.get(at, data.length), s.get(tag, 16)]);
    })!;
    return this.batched("chachaSealBatch", single, (s) => batches.aeadSeal(s, "chacha", key, nonce, aad, data, 16))!;
  }

  chachaOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, tag: Uint8Array): Buffer | null {
    const single = this.agree("chacha20Poly1305Open", (s) => {
      const context = s.take(s.constant("CHACHA20_POLY1305_CONTEXT_OCTETS"));
      s.call.chacha20Poly1305Init(context, s.put(key));
      const at = s.put(data);
      const [nonceAt, aadAt, tagAt] = [s.put(nonce), s.put(aad), s.put(tag)];
      const accepted = s.call.chacha20Poly1305Open(context, nonceAt, aadAt, aad.length, at, data.length, tagAt);
      return this.opened(s, !!accepted, at, data);
    });
    return this.batched("chachaOpenBatch", single, (s) => batches.aeadOpen(s, "chacha", key, nonce, aad, data, tag));
  }

  /** One keystream block (RFC 8439, 2.4). */
  chachaBlock(key: Uint8Array, nonce: Uint8Array, counter: number): Buffer {
    return this.agree("chacha20XorBlock", (s) => {
      const at = s.take(64);
      s.call.chacha20XorBlock(s.put(key), s.put(nonce), counter, at);
      return s.get(at, 64);
    })!;
  }

  poly1305(key: Uint8Array, message: Uint8Array): Buffer {
    return this.agree("poly1305Init", (s) => {
      const context = s.take(s.constant("POLY1305_CONTEXT_OCTETS"));
      const tag = s.take(16);
      s.call.poly1305Init(context, s.put(key));
      s.call.poly1305Final(context, s.put(message), message.length, tag);
      return s.get(tag, 16);
    })!;
  }

  /** The value of an exported constant. */
  constant(name: string): number {
    const octets = this.agree(name, (s) => {
      const value = Buffer.alloc(4);
      value.writeUInt32LE(s.constant(name));
      return value;
    })!;
    return octets.readUInt32LE();
  }

  /** Opens an anti-replay window of so many packets; 0: none. */
  replayBegin(window: number): void {
    for (const build of this.builds) build.with("replayBegin", (s) => s.call.replayBegin(window));
  }

  /** True when a packet with a right ICV and this sequence number passes the window. */
  replayPass(sequence: number): boolean {
    return this.agree("replayPass", (s) => (s.call.replayPass(sequence) ? Buffer.alloc(0) : null)) !== null;
  }

  /** True when the header that is emitted for an EtherType is `header`, and `header` is accepted as that. */
  llcSnap(pid: number, header: Buffer): boolean {
    const emitted = this.agree("llcSnapEmit", (s) => {
      const at = s.take(s.constant("LLC_SNAP_HEADER"));
      s.call.llcSnapEmit(at, pid);
      const given = s.put(header);
      const accepted = s.call.llcSnapCheck(given, header.length) && s.call.llcSnapPid(given) === pid;
      return accepted && !s.call.llcSnapCheck(given, header.length - 1) ? s.get(at, header.length) : null;
    });
    return emitted !== null && emitted.equals(header);
  }

  private opened(s: Scratch, accepted: boolean, at: number, data: Uint8Array): Buffer | null {
    const result = s.get(at, data.length);
    if (accepted) return result;
    if (!result.equals(data)) throw new Error("refused, but the data are not as they came");
    return null;
  }
}
