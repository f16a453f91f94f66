/**
 * What is asked of the kernels of a build: whole suites (key, what is encrypted, what is decrypted, where a wrong ICV differs),
 * and the parts under them.
 *
 * The fixed class of a key, a plaintext or a hash's input is zeros, the other is random. A key's cases time the keying and the
 * expansion with the packet. The ICV's classes are both wrong, in the first octet or in the last.
 */
import { randomFillSync } from "node:crypto";
import type { Case } from "./measure.ts";

interface Kernels {
  kernelHeap(): number;
  kernelArena(start: number, end: number): void;
  keyCacheReset(gcmSlots: number, aesSlots: number): number;
  transformFind(encryption: number, keyBits: number, integrity: number): number;
  suiteInit(context: number, row: number, keymat: number): void;
  suiteWipe(context: number): void;
  suiteKeymatOctets(row: number): number;
  suiteJob(job: number, context: number, header: number, headerOctets: number, length: number): void;
  suiteSeal(job: number): number;
  suiteOpen(job: number): number;
  aesInit(context: number, key: number, keyOctets: number): void;
  equalConstantTime(a: number, b: number, length: number): number;
  ghashInteger(input: number, room: number, out: number): void;
  ghashSwizzle(input: number, room: number, table: number): number;
}

/** Encryption, key bits and integrity by their IANA numbers; octets of IV and ICV. */
const SUITES: [string, number, number, number, number, number][] = [
  ["aes-128-gcm", 20, 128, 0, 8, 16],
  ["aes-256-gcm", 20, 256, 0, 8, 16],
  ["aes-128-gmac", 21, 128, 0, 8, 16],
  ["chacha20-poly1305", 28, 0, 0, 8, 16],
  ["aes-128-ccm", 16, 128, 0, 8, 16],
  ["aes-128-cbc-hmac-sha2-256", 12, 128, 12, 16, 16],
  ["aes-256-cbc-hmac-sha2-256", 12, 256, 12, 16, 16],
  ["aes-128-ctr-hmac-sha2-256", 13, 128, 12, 8, 16],
  ["hmac-sha1", 11, 0, 2, 0, 12],
  ["hmac-sha2-384", 11, 0, 13, 0, 24],
  ["hmac-sha2-512", 11, 0, 14, 0, 32],
  ["aes-cmac", 11, 0, 8, 0, 12],
  ["aes-xcbc", 11, 0, 5, 0, 12],
];

const HEADER_OCTETS = 8;
const DATA_OCTETS = 64;
const ARENA_OCTETS = 1 << 20;
const CACHE_SLOTS = 4;

/** Random octets of class 1, zeros of class 0. */
function fill(memory: Uint8Array, address: number, octets: number, kind: number): void {
  const part = memory.subarray(address, address + octets);
  if (kind === 0) part.fill(0);
  else randomFillSync(part);
}

/** A module in a memory of its own, and free room in it. */
function power<T extends { kernelHeap(): number }>(module: WebAssembly.Module): [T, Uint8Array, number] {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024 });
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as T;
  return [exports, new Uint8Array(memory.buffer), exports.kernelHeap()];
}

export function kernelCases(module: WebAssembly.Module): Case[] {
  const [kernels, memory, heap] = power<Kernels>(module);
  kernels.kernelArena(heap, heap + ARENA_OCTETS);
  if (!kernels.keyCacheReset(CACHE_SLOTS, CACHE_SLOTS)) throw new Error("the key cache does not fit into its arena");
  const context = heap + ARENA_OCTETS;
  const job = context + 256;
  const place = context + 1024;
  const room = context + 8192;
  const slots = context + 65536;
  const cases: Case[] = [];

  for (const [kernel, encryption, keyBits, integrity, ivOctets, icvOctets] of SUITES) {
    const row = kernels.transformFind(encryption, keyBits, integrity);
    if (row === 0) throw new Error(`${kernel} is not in the table of transforms`);
    // KEYMAT and packet stand one behind the other, so that a slot may hold both.
    const keymatOctets = kernels.suiteKeymatOctets(row);
    const header = (place + keymatOctets + 15) & ~15;
    const data = header + HEADER_OCTETS + ivOctets;
    const icv = data + DATA_OCTETS;
    const packetOctets = icv + icvOctets - header;
    const octets = icv + icvOctets - place;
    const plain = (kind: number): void => {
      memory.fill(0x5a, header, data);
      fill(memory, data, DATA_OCTETS, kind);
    };
    const key = (): void => {
      kernels.suiteWipe(context);
      kernels.suiteInit(context, row, place);
    };
    const seal = (): void => {
      kernels.suiteJob(job, context, header, HEADER_OCTETS, DATA_OCTETS);
      if (!kernels.suiteSeal(job)) throw new Error(`${kernel} does not seal`);
      kernels.suiteJob(job, context, header, HEADER_OCTETS, DATA_OCTETS);
    };
    const begin = (): void => {
      fill(memory, place, keymatOctets, 1);
      key();
      plain(1);
      seal();
    };
    const packet = { kernel, memory, place: header, octets: packetOctets, slots, begin };
    const keyed = { kernel, memory, place, octets, slots, begin, prepare: () => kernels.suiteWipe(context) };
    cases.push(
      {
        ...packet,
        kernel: `${kernel} seal`,
        concern: "plaintext",
        write: plain,
        answer: 1,
        run: () => kernels.suiteSeal(job),
      },
      {
        ...keyed,
        kernel: `${kernel} seal`,
        concern: "key",
        write(kind) {
          fill(memory, place, keymatOctets, kind);
          plain(1);
        },
        answer: 1,
        run() {
          kernels.suiteInit(context, row, place);
          kernels.suiteJob(job, context, header, HEADER_OCTETS, DATA_OCTETS); // it holds the salt
          return kernels.suiteSeal(job);
        },
      },
      {
        ...packet,
        kernel: `${kernel} open`,
        concern: "plaintext",
        write(kind) {
          plain(kind);
          seal();
        },
        answer: 1,
        run: () => kernels.suiteOpen(job),
      },
      {
        ...keyed,
        kernel: `${kernel} open`,
        concern: "key",
        write(kind) {
          fill(memory, place, keymatOctets, kind);
          key();
          plain(1);
          seal();
        },
        answer: 1,
        run() {
          kernels.suiteInit(context, row, place);
          kernels.suiteJob(job, context, header, HEADER_OCTETS, DATA_OCTETS); // it holds the salt
          return kernels.suiteOpen(job);
        },
      },
      {
        ...packet,
        kernel: `${kernel} open`,
        concern: "wrong icv",
        write(kind) {
          plain(1);
          seal();
          memory[kind === 0 ? icv : icv + icvOctets - 1]! ^= 0x80;
        },
        answer: 0,
        run: () => kernels.suiteOpen(job),
      },
    );
  }

  for (const keyOctets of [16, 24, 32]) {
    cases.push({
      kernel: `aes-${keyOctets * 8} key expansion`,
      concern: "key",
      memory,
      place,
      octets: keyOctets,
      slots,
      begin() {},
      write: (kind) => fill(memory, place, keyOctets, kind),
      run: () => kernels.aesInit(room, place, keyOctets),
    });
  }
  const parts = { memory, place, slots, begin() {} };
  cases.push(
    {
      ...parts,
      kernel: "ghash, integer",
      concern: "key",
      octets: 32,
      write(kind) {
        fill(memory, place, 16, kind);
        fill(memory, place + 16, 16, 1);
      },
      run: () => kernels.ghashInteger(place, room, room + 1024),
    },
    {
      ...parts,
      kernel: "ghash, integer",
      concern: "data",
      octets: 32,
      write(kind) {
        fill(memory, place, 16, 1);
        fill(memory, place + 16, 16, kind);
      },
      run: () => kernels.ghashInteger(place, room, room + 1024),
    },
    {
      ...parts,
      kernel: "equalConstantTime",
      concern: "wrong tag",
      octets: 64,
      begin: () => fill(memory, room, 64, 1),
      write(kind) {
        memory.copyWithin(place, room, room + 64);
        memory[kind === 0 ? place : place + 63]! ^= 1;
      },
      answer: 0,
      run: () => kernels.equalConstantTime(place, room, 64),
    },
  );
  if (kernels.ghashSwizzle(place, room, room + 4096)) {
    for (const [concern, at, length] of [
      ["key", 0, 16],
      ["data", 16, 256],
    ] as const) {
      cases.push({
        ...parts,
        kernel: "ghash, swizzle",
        concern,
        octets: 272,
        write(kind) {
          fill(memory, place, 272, 1);
          fill(memory, place + at, length, kind);
        },
        run: () => kernels.ghashSwizzle(place, room, room + 4096),
      });
    }
  }
  return cases;
}

interface Controls {
  kernelHeap(): number;
  leakyCompare(a: number, b: number, length: number): number;
  cleanCompare(a: number, b: number, length: number): number;
  leakyBranch(secret: number, length: number): number;
  cleanBranch(secret: number, length: number): number;
  leakyTable(secret: number, length: number, table: number, lines: number): number;
}

/** A case whose answer is known. */
export interface Control extends Case {
  leaks: boolean;
}

/** 32 MiB of table: more than a core has caches of its own. */
const TABLE_LINES = 1 << 19;
const SECRET_OCTETS = 32;

export function controlCases(module: WebAssembly.Module): Control[] {
  const [controls, memory, heap] = power<Controls>(module);
  const place = heap;
  const reference = heap + 1024;
  const slots = heap + 4096;
  const table = heap + (1 << 20);
  // Written once: a page that nobody wrote is one and the same page of zeros.
  for (let line = 0; line < TABLE_LINES; line++) memory[table + 64 * line] = line;
  randomFillSync(memory.subarray(reference, reference + 64));
  const compared = {
    memory,
    place,
    octets: 64,
    slots,
    concern: "wrong tag",
    begin() {},
    write(kind: number) {
      memory.copyWithin(place, reference, reference + 64);
      memory[kind === 0 ? place : place + 63]! ^= 1;
    },
  };
  const secret = {
    memory,
    place,
    octets: SECRET_OCTETS,
    slots,
    concern: "key",
    begin() {},
    write: (kind: number) => fill(memory, place, SECRET_OCTETS, kind),
  };
  return [
    {
      ...compared,
      kernel: "control: early-exit compare",
      leaks: true,
      answer: 0,
      run: () => controls.leakyCompare(place, reference, 64),
    },
    {
      ...compared,
      kernel: "control: compare",
      leaks: false,
      answer: 0,
      run: () => controls.cleanCompare(place, reference, 64),
    },
    {
      ...secret,
      kernel: "control: secret branch",
      leaks: true,
      run: () => controls.leakyBranch(place, SECRET_OCTETS),
    },
    { ...secret, kernel: "control: masks", leaks: false, run: () => controls.cleanBranch(place, SECRET_OCTETS) },
    {
      ...secret,
      kernel: "control: secret look-up",
      leaks: true,
      run: () => controls.leakyTable(place, SECRET_OCTETS, table, TABLE_LINES),
    },
  ];
}
