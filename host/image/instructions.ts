/**
 * The instructions of a function body (core specification 5.4), walked to learn which features a module uses.
 *
 * An allow-list: only what AssemblyScript emits for a board can be stepped over. The first instruction of another feature
 * (threads, exceptions, tail calls, references, multiple memories, garbage collection) ends the walk of its function and
 * is reported with its offset. Refuses to validate: types and indexes are the engine's business.
 */
import { Cursor, MalformedModule } from "./sections.ts";
import type { CodeBody } from "./sections.ts";

export const FEATURES = ["sign-extension", "nontrapping-float-to-int", "bulk-memory", "simd", "relaxed-simd"] as const;
export type Feature = (typeof FEATURES)[number];

/** Something in a body that a board may not contain. */
export interface Finding {
  functionIndex: number;
  /** Offset in the module, as engines and source maps count it. */
  offset: number;
  what: string;
}

/** Opcode prefixes and instructions that belong to features which no board may use. */
const FORBIDDEN: Record<number, string> = {
  0x06: "exception handling",
  0x07: "exception handling",
  0x08: "exception handling",
  0x09: "exception handling",
  0x0a: "exception handling",
  0x12: "tail calls",
  0x13: "tail calls",
  0x14: "typed function references",
  0x15: "typed function references",
  0x18: "exception handling",
  0x19: "exception handling",
  0x1c: "reference types",
  0x1f: "exception handling",
  0x25: "reference types",
  0x26: "reference types",
  0x40: "memory.grow: a board's RAM is fixed",
  0xd0: "reference types",
  0xd1: "reference types",
  0xd2: "reference types",
  0xd3: "garbage collection",
  0xd4: "typed function references",
  0xd5: "typed function references",
  0xd6: "typed function references",
  0xfb: "garbage collection",
  0xfe: "threads",
};

/** Alignment and offset of a load or store; multi-memory marks itself in bit 6 of the alignment. */
function memoryArgument(cursor: Cursor): string | undefined {
  const alignment = cursor.u32();
  if (alignment & 0x40) return "multiple memories";
  cursor.u32();
  return undefined;
}

function blockType(cursor: Cursor): string | undefined {
  const type = cursor.signed(33);
  return type >= 0n ? "multi-value blocks" : undefined;
}

/** 0xFC: saturating conversions and bulk memory. */
function stepMisc(cursor: Cursor, features: Set<Feature>): string | undefined {
  const opcode = cursor.u32();
  if (opcode <= 7) {
    features.add("nontrapping-float-to-int");
    return undefined;
  }
  if (opcode > 11) return opcode <= 17 ? "reference types" : `instruction 0xfc ${opcode}`;
  features.add("bulk-memory");
  if (opcode === 8) {
    cursor.u32();
    return cursor.u8() === 0 ? undefined : "multiple memories";
  }
  if (opcode === 9) {
    cursor.u32();
    return undefined;
  }
  const memories = opcode === 10 ? cursor.u8() | cursor.u8() : cursor.u8();
  return memories === 0 ? undefined : "multiple memories";
}

/** 0xFD: SIMD, and from 0x100 on relaxed SIMD. */
function stepSimd(cursor: Cursor, features: Set<Feature>): string | undefined {
  const opcode = cursor.u32();
  if (opcode >= 0x100) {
    if (opcode > 0x113) return `instruction 0xfd ${opcode}`;
    features.add("relaxed-simd");
    return undefined;
  }
  features.add("simd");
  if (opcode <= 11 || opcode === 92 || opcode === 93) return memoryArgument(cursor);
  if (opcode === 12 || opcode === 13) cursor.skip(16);
  else if (opcode >= 21 && opcode <= 34) cursor.skip(1);
  else if (opcode >= 84 && opcode <= 91) {
    const strange = memoryArgument(cursor);
    cursor.skip(1);
    return strange;
  }
  return undefined;
}

/** Steps over one instruction; returns what is wrong with it, if anything. */
function step(cursor: Cursor, opcode: number, features: Set<Feature>): string | undefined {
  const forbidden = FORBIDDEN[opcode];
  if (forbidden !== undefined) return forbidden;
  if (opcode === 0xfc) return stepMisc(cursor, features);
  if (opcode === 0xfd) return stepSimd(cursor, features);
  if (opcode >= 0x45 && opcode <= 0xbf) return undefined;
  if (opcode >= 0xc0 && opcode <= 0xc4) {
    features.add("sign-extension");
    return undefined;
  }
  if (opcode >= 0x28 && opcode <= 0x3e) return memoryArgument(cursor);
  switch (opcode) {
    case 0x00: // unreachable
    case 0x01: // nop
    case 0x05: // else
    case 0x0b: // end
    case 0x0f: // return
    case 0x1a: // drop
    case 0x1b: // select
      return undefined;
    case 0x02: // block
    case 0x03: // loop
    case 0x04: // if
      return blockType(cursor);
    case 0x0c: // br
    case 0x0d: // br_if
    case 0x10: // call
    case 0x20: // local.get
    case 0x21: // local.set
    case 0x22: // local.tee
    case 0x23: // global.get
    case 0x24: // global.set
      cursor.u32();
      return undefined;
    case 0x0e: // br_table
      for (let n = cursor.count(); n >= 0; n--) cursor.u32();
      return undefined;
    case 0x11: // call_indirect
      cursor.u32();
      return cursor.u32() === 0 ? undefined : "reference types";
    case 0x3f: // memory.size
      return cursor.u8() === 0 ? undefined : "multiple memories";
    case 0x41: // i32.const
      cursor.signed(32);
      return undefined;
    case 0x42: // i64.const
      cursor.signed(64);
      return undefined;
    case 0x43: // f32.const
      cursor.skip(4);
      return undefined;
    case 0x44: // f64.const
      cursor.skip(8);
      return undefined;
    default:
      return `instruction 0x${opcode.toString(16)} is unknown`;
  }
}

/** Walks all bodies; features are added to `features`. Throws MalformedModule when a body is cut short. */
export function walkBodies(bytes: Uint8Array, bodies: readonly CodeBody[], features: Set<Feature>): Finding[] {
  const findings: Finding[] = [];
  for (const body of bodies) {
    const cursor = new Cursor(bytes, body.start, body.end);
    for (let groups = cursor.count(); groups > 0; groups--) {
      cursor.u32();
      if (cursor.u8() === 0x7b) features.add("simd");
    }
    while (!cursor.done) {
      const offset = cursor.at;
      const what = step(cursor, cursor.u8(), features);
      if (what !== undefined) {
        findings.push({ functionIndex: body.index, offset, what });
        break;
      }
    }
    if (cursor.done && bytes[body.end - 1] !== 0x0b) {
      throw new MalformedModule(`function ${body.index} does not end in end`, body.end);
    }
  }
  return findings;
}

/**
 * Where a body can be in time: its first instruction, and the first one of every loop. Between two visits to one of these nothing
 * takes longer than the body has instructions. Throws MalformedModule for what walkBodies reports.
 */
export function timePoints(bytes: Uint8Array, body: CodeBody): number[] {
  const cursor = new Cursor(bytes, body.start, body.end);
  for (let groups = cursor.count(); groups > 0; groups--) {
    cursor.u32();
    cursor.u8();
  }
  const points = [cursor.at];
  const features = new Set<Feature>();
  while (!cursor.done) {
    const opcode = cursor.u8();
    const what = step(cursor, opcode, features);
    if (what !== undefined) cursor.fail(what);
    if (opcode === 0x03) points.push(cursor.at);
  }
  return points;
}
