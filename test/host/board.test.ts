/** Boards and images as the chassis meets them: what it powers, what it refuses, what the RAM holds. */
import { readFileSync } from "node:fs";
import binaryen from "../../host/image/binaryen.ts";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  BOARD_CLASS_IKE,
  BOARD_CLASS_IPSEC,
  REG_ENTROPY,
  REG_GENERATION,
  REG_IN,
  REG_SLOT,
} from "../../assembly/abi/board.ts";
import { FRAME_CAPACITY } from "../../assembly/abi/frame.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED, RING_SIZE_DATA } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";
import { Board, DELIVERED, type PowerOn, RING_FULL, TOO_LONG } from "../../host/chassis/board.ts";
import { BoardFault } from "../../host/chassis/fault.ts";
import { ImageError, loadImage, loadImageFile, parseImage } from "../../host/chassis/image.ts";

const path = await buildEntry("test/entries/echo_ipsec.ts", "base");
const image = loadImageFile(path);
const power = (more: Partial<PowerOn> = {}): PowerOn => ({
  slot: 3,
  generation: 9,
  boardClass: BOARD_CLASS_IPSEC,
  config: new Uint8Array([1, 0, 0, 0]),
  entropy: new Uint8Array(64).fill(0xee),
  traceMask: 0,
  conservation: true,
  ...more,
});

/** A module from text, for what asc would never write. */
function fromText(text: string): Uint8Array<ArrayBuffer> {
  const module = binaryen.parseText(text);
  const octets = new Uint8Array(module.emitBinary());
  module.dispose();
  return octets;
}

const ENTRY_POINTS = `
  (func (export "boardMap") (result i32) (i32.const 0))
  (func (export "boardReset"))
  (func (export "boardPoll") (result i32) (i32.const 0))`;

test("a module that is no board is refused for its reason", () => {
  const refused: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
    ["text", new TextEncoder().encode("#!/bin/sh\n"), /is not a WebAssembly module/],
    ["empty", new Uint8Array(0), /is not a WebAssembly module/],
    ["cut", new Uint8Array(readFileSync(path)).slice(0, 700), /the engine refuses the module/],
    [
      "import",
      fromText(`(module (import "env" "memory" (memory 1 1)) (import "env" "log" (func)) ${ENTRY_POINTS})`),
      /imports env\.log; a board imports its memory and nothing else/,
    ],
    ["own memory", fromText(`(module (memory 1 1) ${ENTRY_POINTS})`), /does not import its memory/],
    [
      "unbounded",
      fromText(`(module (import "env" "memory" (memory 1)) ${ENTRY_POINTS})`),
      /RAM has no bound: initial 1 pages, no maximum/,
    ],
    [
      "start",
      fromText(`(module (import "env" "memory" (memory 1 1)) (func $s) (start $s) ${ENTRY_POINTS})`),
      /has a start section/,
    ],
    [
      "export",
      fromText(`(module (import "env" "memory" (memory 1 1)) (func (export "boardMap") (result i32) (i32.const 0)))`),
      /does not export the function boardReset/,
    ],
  ];
  for (const [name, octets, reason] of refused) {
    assert.throws(
      () => parseImage(octets, name),
      (error: Error) =>
        error instanceof ImageError && error.message.startsWith(`${name}:`) && reason.test(error.message),
      name,
    );
  }
});

test("an image that is not there is told by name", () => {
  assert.throws(
    () => loadImage("no_such_board"),
    /no_such_board: no image no_such_board\.relaxed\.wasm or no_such_board\.simd\.wasm or no_such_board\.base/,
  );
  assert.throws(() => loadImage("/nowhere/x.wasm"), /no image x\.wasm/);
});

test("modules with the right exports and the wrong map are refused at power-on", () => {
  const mapless = parseImage(fromText(`(module (import "env" "memory" (memory 1 1)) ${ENTRY_POINTS})`), "mapless");
  assert.throws(() => new Board(mapless, power(), 0n, 0n), /magic is wrong/);
  const outside = ENTRY_POINTS.replace("(i32.const 0)", "(i32.const 65528)");
  const lost = parseImage(fromText(`(module (import "env" "memory" (memory 1 1)) ${outside})`), "lost");
  assert.throws(() => new Board(lost, power(), 0n, 0n), /no place for a map/);
  assert.throws(
    () => new Board(image, power({ boardClass: BOARD_CLASS_IKE }), 0n, 0n),
    /of class ipsec, the slot is for ike/,
  );
  assert.throws(() => new Board(image, power({ config: new Uint8Array(70000) }), 0n, 0n), /does not fit/);
});

test("registers stand where the contract says", () => {
  const board = new Board(image, power(), 5n, 6n);
  const map = new DataView(board.map.slice().buffer);
  assert.is(map.getUint32(REG_SLOT, true), 3);
  assert.is(map.getUint32(REG_GENERATION, true), 9);
  assert.is(map.getUint8(REG_ENTROPY + 63), 0xee);
  assert.is(board.deadline, 0xffff_ffff_ffff_ffffn);
});

test("a packet goes in on one port and comes out on another, unchanged", () => {
  const board = new Board(image, power(), 0n, 0n);
  const packet = Uint8Array.from({ length: FRAME_CAPACITY }, (_, i) => i & 127);
  assert.is(board.deliver(PORT_UNPROTECTED, packet, 10, 90, 0), DELIVERED);
  assert.is(board.deliver(PORT_UNPROTECTED, packet, 0, packet.length, 0), DELIVERED);
  board.poll(1n, 1n);
  const sent: [number, Uint8Array][] = [];
  board.drain((port, ram, start, length) => sent.push([port, ram.slice(start, start + length)]));
  assert.equal(sent, [
    [PORT_PROTECTED, packet.slice(10, 100)],
    [PORT_PROTECTED, packet],
  ]);
  assert.is(
    board.drain(() => assert.unreachable()),
    0,
  );
});

test("a full ring refuses, an overlong packet and an unknown port do too; nothing is lost from the books", () => {
  const board = new Board(image, power(), 0n, 0n);
  const packet = new Uint8Array(40);
  for (let i = 0; i < RING_SIZE_DATA; i++) assert.is(board.deliver(PORT_UNPROTECTED, packet, 0, 40, 0), DELIVERED);
  assert.is(board.room(PORT_UNPROTECTED), 0);
  assert.is(board.deliver(PORT_UNPROTECTED, packet, 0, 40, 0), RING_FULL);
  assert.is(board.deliver(PORT_PROTECTED, new Uint8Array(FRAME_CAPACITY + 1), 0, FRAME_CAPACITY + 1, 0), TOO_LONG);
  assert.is(board.deliver(9, packet, 0, 40, 0), TOO_LONG);
  let sent = 0;
  for (let polls = 0; polls < 20 && board.wantsPoll; polls++) {
    board.poll(1n, 1n);
    sent += board.drain(() => undefined);
  }
  assert.is(sent, RING_SIZE_DATA);
  assert.is(Number(new DataView(board.map.slice().buffer).getBigUint64(REG_IN, true)), RING_SIZE_DATA);
});

test("cursors pass 2^32 without harm", () => {
  const board = new Board(image, power(), 0n, 0n);
  const view = new DataView(board.u8.buffer);
  // Find UNPROTECTED's receive ring by the port table and move all three cursors close to the end of u32.
  const map = board.map.byteOffset;
  const ring = view.getUint32(view.getUint32(map + 16, true), true);
  const shift = 0xffff_ff00;
  for (const cursor of [16, 32, 48])
    view.setUint32(ring + cursor, (view.getUint32(ring + cursor, true) + shift) >>> 0, true);
  let sent = 0;
  for (let i = 0; i < 600; i++) {
    assert.is(board.deliver(PORT_UNPROTECTED, new Uint8Array(8), 0, 8, 0), DELIVERED, `packet ${i}`);
    board.poll(1n, 1n);
    sent += board.drain(() => undefined);
  }
  assert.is(sent, 600);
});

test("wiping leaves no octet behind", () => {
  const board = new Board(image, power(), 0n, 0n);
  assert.ok(board.u8.some((octet) => octet === 0xee));
  board.wipe();
  assert.not.ok(board.u8.some((octet) => octet !== 0));
});

test("the next board of the size gets that RAM, and no two boards the same", () => {
  const first = new Board(image, power(), 0n, 0n);
  // As if the firmware had written to the last octet of all.
  first.u8[first.u8.length - 1] = 0xee;
  first.wipe();
  first.wipe();
  const second = new Board(image, power(), 0n, 0n);
  assert.is(second.u8.buffer, first.u8.buffer);
  assert.is(second.u8.at(-1), 0);
  const third = new Board(image, power(), 0n, 0n);
  assert.is.not(third.u8.buffer, second.u8.buffer);
  second.wipe();
  third.wipe();
});

test("a board whose map turns to nonsense faults, the chassis's thread does not", () => {
  const board = new Board(image, power(), 0n, 0n);
  board.deliver(PORT_MANAGEMENT, new Uint8Array(8), 0, 8, 0);
  const view = new DataView(board.u8.buffer);
  view.setUint32(board.map.byteOffset + 16, 0xffff_fff0, true);
  assert.throws(
    () => board.poll(1n, 1n),
    (error: Error) => error instanceof BoardFault,
  );
});

test.run();
