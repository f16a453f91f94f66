/**
 * The sections of a WebAssembly module (core specification 5.5), read octet by octet.
 *
 * Knows of each section what a board's ABI asks about: types, imports, functions, memories, globals, exports, start, data
 * segments, code bodies and custom sections. A malformed module ends in a MalformedModule that names the offset.
 * Refuses to decode instructions (instructions.ts) and to validate types (the engine and binaryen do).
 */

export class MalformedModule extends Error {
  constructor(message: string, offset: number) {
    super(`${message} at offset 0x${offset.toString(16)}`);
    this.name = "MalformedModule";
  }
}

/** Reads forward through `bytes` up to `end`; never past it. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  fail(message: string): never {
    throw new MalformedModule(message, this.at);
  }

  u8(): number {
    if (this.at >= this.end) this.fail("unexpected end");
    return this.bytes[this.at++]!;
  }

  skip(octets: number): void {
    if (octets > this.end - this.at) this.fail(`${octets} octets wanted, ${this.end - this.at} left`);
    this.at += octets;
  }

  take(octets: number): Uint8Array {
    const start = this.at;
    this.skip(octets);
    return this.bytes.subarray(start, this.at);
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const octet = this.u8();
      if (shift === 28 && octet > 0x0f) this.fail("integer too large");
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    return this.fail("integer too long");
  }

  /** Signed LEB128 of at most `bits` bits. */
  signed(bits: 32 | 33 | 64): bigint {
    let value = 0n;
    let shift = 0n;
    for (let octets = 0; octets < Math.ceil(bits / 7); octets++) {
      const octet = this.u8();
      value |= BigInt(octet & 0x7f) << shift;
      shift += 7n;
      if (octet < 0x80) return octet & 0x40 ? value - (1n << shift) : value;
    }
    return this.fail("integer too long");
  }

  /** The length of a vector whose elements take at least one octet each. */
  count(): number {
    const count = this.u32();
    if (count > this.end - this.at) this.fail(`vector of ${count} elements is longer than its section`);
    return count;
  }

  name(): string {
    const octets = this.take(this.u32());
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(octets);
    } catch {
      return this.fail("name is not UTF-8");
    }
  }
}

export type ExternalKind = "function" | "table" | "memory" | "global" | "tag";
const EXTERNAL_KINDS: ExternalKind[] = ["function", "table", "memory", "global", "tag"];

/** Pages of 64 KiB; `maximum` is undefined when the memory may grow without bound. */
export interface MemoryLimits {
  initial: number;
  maximum: number | undefined;
  shared: boolean;
  index64: boolean;
}

export interface ModuleImport {
  module: string;
  name: string;
  kind: ExternalKind;
  memory?: MemoryLimits;
}

export interface ModuleExport {
  name: string;
  kind: ExternalKind;
  index: number;
  /** Of a function: "(i32,i32)->(i32)". */
  signature?: string;
}

/** A body of the code section: where its locals start and where it ends, as offsets in the module. */
export interface CodeBody {
  index: number;
  start: number;
  end: number;
}

/** A data segment; `address` is undefined when it is passive or its offset is no plain constant. */
export interface DataSegment {
  active: boolean;
  address: number | undefined;
  octets: number;
}

export interface CustomSection {
  name: string;
  /** Where the section starts (its id octet) and ends, as offsets in the module. */
  start: number;
  end: number;
  payload: Uint8Array;
}

export interface ModuleSections {
  imports: ModuleImport[];
  exports: ModuleExport[];
  memories: MemoryLimits[];
  start: number | undefined;
  bodies: CodeBody[];
  data: DataSegment[];
  customs: CustomSection[];
  /** What no board needs: "tag section". */
  strange: string[];
}

const VALUE_TYPES: Record<number, string> = { 0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128" };

/** The order in which sections must stand; custom sections may stand anywhere. 13 is the tag section. */
const SECTION_ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

function valueType(cursor: Cursor): string {
  const octet = cursor.u8();
  const plain = VALUE_TYPES[octet];
  if (plain !== undefined) return plain;
  if (octet === 0x70) return "funcref";
  if (octet === 0x6f) return "externref";
  return cursor.fail(`value type 0x${octet.toString(16)} is unknown`);
}

function limits(cursor: Cursor): MemoryLimits {
  const flags = cursor.u8();
  if (flags > 7) cursor.fail(`memory limits of kind ${flags} are unknown`);
  const initial = cursor.u32();
  return {
    initial,
    maximum: flags & 1 ? cursor.u32() : undefined,
    shared: (flags & 2) !== 0,
    index64: (flags & 4) !== 0,
  };
}

/** A constant expression; its value when it is a single i32.const. */
function constantExpression(cursor: Cursor): number | undefined {
  let value: number | undefined;
  let instructions = 0;
  for (;;) {
    const opcode = cursor.u8();
    if (opcode === 0x0b) return instructions === 1 ? value : undefined;
    instructions += 1;
    if (opcode === 0x41) value = Number(BigInt.asUintN(32, cursor.signed(32)));
    else if (opcode === 0x42) cursor.signed(64);
    else if (opcode === 0x43) cursor.skip(4);
    else if (opcode === 0x44) cursor.skip(8);
    else if (opcode === 0x23 || opcode === 0xd2) cursor.u32();
    else if (opcode === 0xd0) cursor.signed(33);
    else if (opcode === 0xfd && cursor.u32() === 12) cursor.skip(16);
    else cursor.fail(`instruction 0x${opcode.toString(16)} in a constant expression`);
  }
}

/** Splits a module into its sections. Throws MalformedModule. */
export function readSections(bytes: Uint8Array): ModuleSections {
  const cursor = new Cursor(bytes);
  if (bytes.length < 8) cursor.fail("not a WebAssembly module: shorter than its header");
  if (bytes[0] !== 0x00 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    cursor.fail("not a WebAssembly module: no magic");
  }
  if (bytes[4] !== 1 || bytes[5] !== 0 || bytes[6] !== 0 || bytes[7] !== 0) {
    cursor.at = 4;
    cursor.fail("not a core WebAssembly module of version 1");
  }
  cursor.at = 8;

  const types: string[] = [];
  const functions: number[] = [];
  const out: ModuleSections = {
    imports: [],
    exports: [],
    memories: [],
    start: undefined,
    bodies: [],
    data: [],
    customs: [],
    strange: [],
  };
  let importedFunctions = 0;
  let declaredFunctions = 0;
  let order = -1;

  while (!cursor.done) {
    const sectionStart = cursor.at;
    const id = cursor.u8();
    const size = cursor.u32();
    const start = cursor.at;
    cursor.skip(size);
    const section = new Cursor(bytes, start, cursor.at);
    if (id === 0) {
      const name = section.name();
      out.customs.push({ name, start: sectionStart, end: cursor.at, payload: bytes.subarray(section.at, cursor.at) });
      continue;
    }
    const rank = SECTION_ORDER.indexOf(id);
    if (rank < 0) throw new MalformedModule(`section of unknown kind ${id}`, sectionStart);
    if (rank <= order) throw new MalformedModule(`section ${id} out of order`, sectionStart);
    order = rank;
    switch (id) {
      case 1:
        readTypes(section, types);
        break;
      case 2:
        for (let n = section.count(); n > 0; n--) {
          const entry = readImport(section);
          if (entry.kind === "function") {
            functions.push(entry.type);
            importedFunctions += 1;
          }
          if (entry.memory !== undefined) out.memories.push(entry.memory);
          const { type: _type, ...rest } = entry;
          out.imports.push(rest);
        }
        break;
      case 3:
        declaredFunctions = section.count();
        for (let n = declaredFunctions; n > 0; n--) functions.push(section.u32());
        break;
      case 4:
        for (let n = section.count(); n > 0; n--) {
          valueType(section);
          limits(section);
        }
        break;
      case 5:
        for (let n = section.count(); n > 0; n--) out.memories.push(limits(section));
        break;
      case 6:
        for (let n = section.count(); n > 0; n--) {
          valueType(section);
          section.u8();
          constantExpression(section);
        }
        break;
      case 7:
        for (let n = section.count(); n > 0; n--) {
          const name = section.name();
          const kind = EXTERNAL_KINDS[section.u8()] ?? section.fail("export of unknown kind");
          const index = section.u32();
          const entry: ModuleExport = { name, kind, index };
          if (kind === "function") {
            const type = functions[index];
            if (type === undefined) section.fail(`export "${name}" names function ${index}, which does not exist`);
            entry.signature = types[type!] ?? section.fail(`function ${index} has type ${type}, which does not exist`);
          }
          out.exports.push(entry);
        }
        break;
      case 8:
        out.start = section.u32();
        break;
      case 10:
        readBodies(section, importedFunctions, declaredFunctions, out);
        break;
      case 11:
        for (let n = section.count(); n > 0; n--) out.data.push(readData(section));
        break;
      case 12:
        section.u32();
        break;
      default: // element segments, whose inside the engine checks, and tags
        if (id === 13) out.strange.push("tag section");
        section.at = section.end;
    }
    if (!section.done) section.fail(`section ${id} is longer than its contents`);
  }
  if (out.bodies.length !== declaredFunctions) {
    cursor.fail(`${declaredFunctions} functions declared, ${out.bodies.length} bodies`);
  }
  return out;
}

function readTypes(section: Cursor, types: string[]): void {
  for (let n = section.count(); n > 0; n--) {
    const form = section.u8();
    if (form !== 0x60) section.fail(`type of form 0x${form.toString(16)} (a board knows function types only)`);
    const parameters: string[] = [];
    for (let k = section.count(); k > 0; k--) parameters.push(valueType(section));
    const results: string[] = [];
    for (let k = section.count(); k > 0; k--) results.push(valueType(section));
    types.push(`(${parameters.join(",")})->(${results.join(",")})`);
  }
}

function readImport(section: Cursor): ModuleImport & { type: number } {
  const module = section.name();
  const name = section.name();
  const kind = EXTERNAL_KINDS[section.u8()] ?? section.fail("import of unknown kind");
  const entry: ModuleImport & { type: number } = { module, name, kind, type: 0 };
  if (kind === "function") entry.type = section.u32();
  else if (kind === "table") {
    valueType(section);
    limits(section);
  } else if (kind === "memory") entry.memory = limits(section);
  else if (kind === "global") {
    valueType(section);
    section.u8();
  } else {
    section.u8();
    section.u32();
  }
  return entry;
}

function readBodies(section: Cursor, imported: number, declared: number, out: ModuleSections): void {
  const count = section.count();
  if (count !== declared) section.fail(`${declared} functions declared, ${count} bodies`);
  for (let n = 0; n < count; n++) {
    const size = section.u32();
    const start = section.at;
    section.skip(size);
    out.bodies.push({ index: imported + n, start, end: section.at });
  }
}

function readData(section: Cursor): DataSegment {
  const kind = section.u32();
  if (kind > 2) section.fail(`data segment of unknown kind ${kind}`);
  if (kind === 2) section.u32();
  const address = kind === 1 ? undefined : constantExpression(section);
  const octets = section.u32();
  section.skip(octets);
  return { active: kind !== 1, address, octets };
}
