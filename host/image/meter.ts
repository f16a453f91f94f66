/**
 * Metering: a copy of a board's module that counts down its own fuel, so that a board which never returns from a poll traps, after
 * the same number of loop turns and calls every time. For the lockstep drive, which has one thread and no watchdog.
 *
 * An exported mutable global, `boardFuel` (i64), is counted down by one where a function is entered and at every turn of a loop, and
 * the module traps when it falls below 0; whoever calls the board fills it first (host/chassis/board.ts). Nothing of this is in
 * the images that are built: they are metered when they are loaded, and the offsets of the copy lead back to the source map of the
 * original.
 *
 *   global.get fuel   i64.const 1   i64.sub   global.set fuel   global.get fuel   i64.const 0   i64.lt_s   if   unreachable   end
 *
 * Refuses a module without globals or exports, or one that has an export of that name: no board is like that.
 */
import { timePoints } from "./instructions.ts";
import { Cursor, MalformedModule, readSections } from "./sections.ts";

export const FUEL_EXPORT = "boardFuel";

const SECTION_GLOBAL = 6;
const SECTION_EXPORT = 7;
const SECTION_CODE = 10;
const EXPORT_KIND_GLOBAL = 3;

export interface Metered {
  octets: Uint8Array<ArrayBuffer>;
  /** By position in the copy: from there on, what stands there stood so many octets further in front. */
  shifts: readonly Shift[];
}

export interface Shift {
  at: number;
  octets: number;
}

/** Octets of an unsigned LEB128. */
function leb(value: number): number[] {
  const octets: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) octets.push((value & 0x7f) | 0x80);
  return [...octets, value];
}

/** Copies the module from front to back, with something else here and there. */
class Rewriter {
  readonly #from: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  readonly shifts: Shift[] = [];
  #read = 0;
  #written = 0;
  #shift = 0;

  constructor(from: Uint8Array) {
    this.#from = from;
  }

  /** What stands in front of `at` is as it was; `octets` come in place of the next `replaced`. */
  edit(at: number, replaced: number, octets: readonly number[]): void {
    this.#copy(at);
    this.#read = at + replaced;
    this.#parts.push(Uint8Array.from(octets));
    this.#written += octets.length;
    this.#shift += octets.length - replaced;
    this.shifts.push({ at: this.#written - octets.length, octets: this.#shift });
  }

  end(): Uint8Array<ArrayBuffer> {
    this.#copy(this.#from.length);
    const whole = new Uint8Array(this.#written);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #copy(to: number): void {
    this.#parts.push(this.#from.subarray(this.#read, to));
    this.#written += to - this.#read;
    this.#read = to;
  }
}

/** A number in the module, and how many octets it takes there. */
interface EncodedNumber {
  at: number;
  octets: number;
  value: number;
}

function numberAt(bytes: Uint8Array, at: number): EncodedNumber {
  const cursor = new Cursor(bytes, at);
  const value = cursor.u32();
  return { at, octets: cursor.at - at, value };
}

/** Makes the metered copy. Throws MalformedModule. */
export function meter(bytes: Uint8Array): Metered {
  const { imports, exports, bodies } = readSections(bytes);
  if (exports.some(({ name }) => name === FUEL_EXPORT)) throw new MalformedModule(`${FUEL_EXPORT} is taken`, 0);
  const sections = new Map<number, { size: EncodedNumber; count: EncodedNumber; end: number }>();
  for (let at = 8; at < bytes.length; ) {
    const size = numberAt(bytes, at + 1);
    const start = size.at + size.octets;
    const end = start + size.value;
    if (bytes[at] !== 0) sections.set(bytes[at]!, { size, count: numberAt(bytes, start), end });
    at = end;
  }
  const globals = sections.get(SECTION_GLOBAL);
  const exported = sections.get(SECTION_EXPORT);
  const code = sections.get(SECTION_CODE);
  if (!globals || !exported || !code) throw new MalformedModule("no globals, exports or code", bytes.length);
  const fuel = leb(imports.filter(({ kind }) => kind === "global").length + globals.count.value);
  const out = new Rewriter(bytes);
  const replace = (number: EncodedNumber, value: number): void => out.edit(number.at, number.octets, leb(value));
  /** One more element at the end of a section. */
  const append = (
    { size, count, end }: { size: EncodedNumber; count: EncodedNumber; end: number },
    element: number[],
  ): void => {
    const longer = leb(count.value + 1).length - count.octets;
    replace(size, size.value + longer + element.length);
    replace(count, count.value + 1);
    out.edit(end, 0, element);
  };
  // i64, mutable, 0.
  append(globals, [0x7e, 1, 0x42, 0, 0x0b]);
  const name = [...new TextEncoder().encode(FUEL_EXPORT)];
  append(exported, [name.length, ...name, EXPORT_KIND_GLOBAL, ...fuel]);

  const spend = [0x23, ...fuel, 0x42, 1, 0x7d, 0x24, ...fuel, 0x23, ...fuel, 0x42, 0, 0x53, 0x04, 0x40, 0x00, 0x0b];
  const grown = bodies.map((body) => {
    const points = timePoints(bytes, body);
    const old = body.end - body.start;
    const size = old + points.length * spend.length;
    // Its size stands right in front of it.
    const sizeOctets = sizeOctetsBefore(bytes, body.start, old);
    return { body, points, size, sizeOctets, growth: size - old + leb(size).length - sizeOctets };
  });
  replace(code.size, code.size.value + grown.reduce((sum, { growth }) => sum + growth, 0));
  for (const { body, points, size, sizeOctets } of grown) {
    out.edit(body.start - sizeOctets, sizeOctets, leb(size));
    for (const point of points) out.edit(point, 0, spend);
  }
  return { octets: out.end(), shifts: out.shifts };
}

/** How many octets the size in front of a body takes: compilers may pad it. */
function sizeOctetsBefore(bytes: Uint8Array, start: number, size: number): number {
  for (let octets = leb(size).length; octets <= 5; octets++) {
    const found = numberAt(bytes, start - octets);
    if (found.octets === octets && found.value === size) return octets;
  }
  throw new MalformedModule("a body without its size", start);
}

/** Where in the original stands what stands at `offset` of the copy; of what was put in, the instruction behind it. */
export function originalOffset(shifts: readonly Shift[], offset: number): number {
  let low = 0;
  let high = shifts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shifts[middle]!.at <= offset) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return offset;
  const shift = shifts[low - 1]!;
  const before = low > 1 ? shifts[low - 2]!.octets : 0;
  return Math.max(offset - shift.octets, shift.at - before);
}
