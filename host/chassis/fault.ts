/**
 * Faults: what is known about a board that died, down to file and line of its source.
 *
 * An abort (assertion, throw) wrote its place into the fault record. For the engine's own traps (unreachable, out of
 * bounds, division by zero) the engine's stack names the offset in the module's code, and the image's source map the
 * line. Without a source map the offset itself is all there is, and is told.
 */
import { readFileSync } from "node:fs";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { originalOffset } from "../image/meter.ts";
import type { Image } from "./image.ts";

/** What the drive caught; plain data, so that it can cross threads. */
export interface TrapReport {
  /** abort: the firmware's own; trap: the engine's; contract, conservation: found by the chassis; hung: no poll ended; link: its shelf is out of reach; thread: another board's end was the thread's. */
  kind: "abort" | "trap" | "contract" | "conservation" | "hung" | "link" | "thread";
  trapText: string;
  /** The engine's stack text. */
  stack: string;
  abort: { file: string; line: number; column: number; message: string } | undefined;
}

/** A fault in a slot's history. */
export interface Fault {
  slot: number;
  generation: number;
  kind: TrapReport["kind"];
  image: string;
  /** Source file; empty when unknown. */
  file: string;
  /** Line and column from 1; 0 when unknown. */
  line: number;
  column: number;
  message: string;
  trapText: string;
  /** NOW of the chassis, ns. */
  now: bigint;
}

/** Thrown by a Board that trapped or broke the contract: it must not be called again. */
export class BoardFault extends Error {
  override name = "BoardFault";
  constructor(
    readonly slot: number,
    readonly report: TrapReport,
  ) {
    super(`slot ${slot}: ${report.abort?.message || report.trapText}`);
  }
}

/** What a board wrote as text: ASCII as it stands, everything else as \xNN. The board died of something; its words are suspect. */
export function faultText(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) {
    const plain = octet >= 0x20 && octet < 0x7f && octet !== 0x5c;
    text += plain ? String.fromCharCode(octet) : `\\x${octet.toString(16).padStart(2, "0")}`;
  }
  return text;
}

const maps = new Map<string, TraceMap | undefined>();

function sourceMapOf(image: Image): TraceMap | undefined {
  if (!image.sourceMap) return undefined;
  if (!maps.has(image.sourceMap)) {
    let map: TraceMap | undefined;
    try {
      map = new TraceMap(readFileSync(image.sourceMap, "utf8"));
    } catch {
      // A fault report without a line beats no report: the offset stands in the message.
      map = undefined;
    }
    maps.set(image.sourceMap, map);
  }
  return maps.get(image.sourceMap);
}

/** Offsets in the module of the wasm frames of an engine's stack text, innermost first. */
export function wasmOffsets(stack: string): number[] {
  return [...stack.matchAll(/wasm-function\[\d+\]:0x([0-9a-f]+)/g)].map((match) => parseInt(match[1]!, 16));
}

/** asc roots its sources in a directory named after the image; the path behind it is the project's. */
function projectPath(source: string, map: TraceMap): string {
  const root = map.sourceRoot ? `${map.sourceRoot.replace(/\/$/, "")}/` : "";
  return root && source.startsWith(root) ? source.slice(root.length) : source;
}

/** Octets that are searched in front of an instruction which the compiler made by itself. */
const NEAR = 64;

/** The place in the source of the instruction at `offset`, or of the nearest one in front of it that has a place. */
function placeOf(map: TraceMap, offset: number): Pick<Fault, "file" | "line" | "column"> | undefined {
  for (let column = offset; column >= Math.max(0, offset - NEAR); column--) {
    // The whole module is one line, a column is an offset.
    const { source, line, column: place } = originalPositionFor(map, { line: 1, column });
    if (source !== null) return { file: projectPath(source, map), line, column: place + 1 };
  }
  return undefined;
}

/** Turns a report into a fault with its place in the source. */
export function locateFault(report: TrapReport, image: Image, slot: number, generation: number, now: bigint): Fault {
  const fault: Fault = {
    slot,
    generation,
    kind: report.kind,
    image: image.name,
    file: report.abort?.file ?? "",
    line: report.abort?.line ?? 0,
    column: report.abort?.column ?? 0,
    message: report.abort?.message || report.trapText,
    trapText: report.trapText,
    now,
  };
  if (report.abort) return fault;
  const { shifts } = image;
  const offsets = wasmOffsets(report.stack).map((offset) => (shifts ? originalOffset(shifts, offset) : offset));
  const map = sourceMapOf(image);
  for (const offset of map ? offsets : []) {
    const place = placeOf(map!, offset);
    if (place) return { ...fault, ...place };
  }
  if (offsets.length > 0) fault.message += ` at code offset 0x${offsets[0]!.toString(16)}`;
  return fault;
}

/** One line for people. */
export function renderFault(fault: Fault): string {
  const place = fault.file ? ` at ${fault.file}:${fault.line}:${fault.column}` : "";
  return `slot ${fault.slot} generation ${fault.generation} (${fault.image}): ${fault.kind}: ${fault.message}${place}`;
}
