/**
 * Boards that die (test/entries/trap_board.ts): the fault is found down to its line, the board is wiped and restarted with the
 * next generation, and the rest of the chassis does not notice.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import binaryen from "../../host/image/binaryen.ts";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_CLASS_IPSEC } from "../../assembly/abi/board.ts";
import { PORT_MANAGEMENT, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";
import { Board } from "../../host/chassis/board.ts";
import { Chassis, type ChassisOptions } from "../../host/chassis/chassis.ts";
import type { Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import { BoardFault, faultText, locateFault, renderFault, wasmOffsets } from "../../host/chassis/fault.ts";
import { ImageError, loadImageFile } from "../../host/chassis/image.ts";

const [ike, ipsec, trap] = await Promise.all(
  ["echo_ike", "echo_ipsec", "trap_board"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
);
const SOURCE = "test/entries/trap_board.ts";
const source = readFileSync(fileURLToPath(new URL("../entries/trap_board.ts", import.meta.url)), "utf8").split("\n");
/** The line of the source that holds `text`, from 1. */
const lineOf = (text: string): number => source.findIndex((line) => line.includes(text)) + 1;
const PATIENCE = 20_000;

const assemble = (drive: Drive, more: Partial<ChassisOptions> = {}): Chassis =>
  new Chassis({
    drive,
    link: "ethernet",
    slots: [
      { slot: 0, board: "ike", image: ike! },
      { slot: 1, board: "ipsec", image: ipsec! },
      { slot: 2, board: "ipsec", image: trap! },
    ],
    conservation: true,
    ...more,
  });

const kill = (chassis: Chassis, how: number): void => {
  chassis.management(2).send(Uint8Array.from([how, 0, 0, 0, 0, 0, 0, 0]));
};
const slotOf = (chassis: Chassis, slot: number) => chassis.show().slots.find((one) => one.slot === slot)!;

const DEATHS: [number, { kind: string; file: string; line: number; message: RegExp }][] = [
  [0xd0, { kind: "abort", file: SOURCE, line: lineOf('assert(how == 0, "told to die")'), message: /^told to die$/ }],
  [0xd1, { kind: "trap", file: SOURCE, line: lineOf("0xd1) unreachable()"), message: /unreachable/ }],
  [0xd2, { kind: "trap", file: SOURCE, line: lineOf("store<u32>(0xfffffff0"), message: /out of bounds/ }],
  [0xd3, { kind: "trap", file: SOURCE, line: lineOf("how / load<u32>"), message: /divide by zero/ }],
  [0xd6, { kind: "conservation", file: "", line: 0, message: /came|frames:/ }],
];

for (const [name, create] of Object.entries({
  lockstep: (): Drive => new Lockstep(),
  threaded: (): Drive => new Threaded(),
})) {
  test(`each way to die is told by file and line, and the next generation serves (${name})`, async () => {
    const drive = create();
    const chassis = assemble(drive);
    await chassis.powerOn();
    await chassis.run();
    let generation = 1;
    for (const [how, expected] of DEATHS) {
      kill(chassis, how);
      generation += 1;
      const back = (): boolean => {
        const slot = slotOf(chassis, 2);
        return slot.generation === generation && slot.state === "Online";
      };
      assert.ok(await chassis.until(back, PATIENCE), `generation ${generation} after ${how.toString(16)}`);
      const fault = chassis.faults.at(-1)!;
      assert.is(fault.slot, 2);
      assert.is(fault.generation, generation - 1);
      assert.is(fault.kind, expected.kind);
      assert.is(fault.file, expected.file);
      assert.is(fault.line, expected.line, renderFault(fault));
      assert.match(fault.message, expected.message);
      let echoed = 0;
      const off = chassis.management(2).onMessage((message) => (echoed = message[0]!));
      chassis.management(2).send(Uint8Array.from([0x77, 0, 0, 0, 0, 0, 0, 0]));
      await chassis.run();
      off();
      assert.is(echoed, 0x77, "the next generation serves");
      // Virtual time lets the board count as stable again; in real time the back-off would be waited for: two deaths do.
      if (drive.kind === "lockstep") await chassis.run(20_000);
      else if (generation >= 3) break;
    }
    assert.is(slotOf(chassis, 1).generation, 1, "the neighbour was left alone");
    assert.is(slotOf(chassis, 0).generation, 1);
    assert.is(slotOf(chassis, 1).restarts, 0);
    await drive.close();
  });
}

test("a board that corrupts its own cursors faults, not the chassis", () => {
  const power = { slot: 2, generation: 1, boardClass: BOARD_CLASS_IPSEC, traceMask: 0, conservation: false };
  const board = new Board(
    loadImageFile(trap!),
    { ...power, config: new Uint8Array(0), entropy: new Uint8Array(64) },
    0n,
    0n,
  );
  const message = Uint8Array.from([0xd5, 0, 0, 0, 0, 0, 0, 0]);
  board.deliver(PORT_MANAGEMENT, message, 0, message.length, 0);
  board.poll(1n, 1n);
  // Its receive ring now claims more frames than it has.
  assert.throws(
    () => board.deliver(PORT_UNPROTECTED, message, 0, message.length, 0),
    (error: Error) => error instanceof BoardFault && /receive ring's cursors disagree/.test(error.message),
  );
});

test("a metered board that never returns is found in lockstep by its fuel, down to the loop, the same every time", async () => {
  const hang = async (): Promise<unknown> => {
    const drive = new Lockstep();
    const chassis = assemble(drive, { metered: true });
    await chassis.powerOn();
    await chassis.run();
    kill(chassis, 0xd7);
    await chassis.run();
    const { faults } = chassis;
    assert.is(faults.length, 1);
    assert.is(faults[0]!.kind, "hung");
    assert.is(faults[0]!.file, SOURCE);
    assert.is(faults[0]!.line, lineOf("while (true) store<u32>(map + 244"), renderFault(faults[0]!));
    assert.match(faults[0]!.message, /^no end after 50000000 calls and turns of loops/);
    assert.is(slotOf(chassis, 2).generation, 2);
    assert.is(slotOf(chassis, 2).state, "Online");
    assert.is(slotOf(chassis, 1).generation, 1, "the neighbour was left alone");
    const status = JSON.stringify(chassis.show());
    await drive.close();
    return status;
  };
  assert.is(await hang(), await hang());
});

test("recursion without an end is the engine's trap, metered or not", async () => {
  for (const metered of [true, false]) {
    const drive = new Lockstep();
    const chassis = assemble(drive, { metered });
    await chassis.powerOn();
    kill(chassis, 0xd4);
    await chassis.run();
    assert.is(chassis.faults.length, 1);
    assert.match(chassis.faults[0]!.trapText, /call stack/);
    await drive.close();
  }
});

test("every other way to die is told by the same file and line when the image is metered", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive, { metered: true });
  await chassis.powerOn();
  for (const [how, expected] of DEATHS) {
    await chassis.run(20_000);
    kill(chassis, how);
    await chassis.run();
    const fault = chassis.faults.at(-1)!;
    assert.equal(
      [fault.kind, fault.file, fault.line],
      [expected.kind, expected.file, expected.line],
      renderFault(fault),
    );
  }
  assert.is(chassis.faults.length, DEATHS.length);
  await drive.close();
});

test("a board that dies again and again waits longer each time, and a stable one starts anew", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive, { crashLimit: { crashes: 100, seconds: 600 } });
  await chassis.powerOn();
  await chassis.run(60_000);
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    kill(chassis, 0xd1);
    await chassis.until(() => chassis.faults.length === i + 1, 1000);
    const died = chassis.show().now;
    assert.ok(await chassis.until(() => slotOf(chassis, 2).state === "Online", 100_000));
    waits.push(chassis.show().now - died);
  }
  assert.equal(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
  await chassis.run(11_000);
  kill(chassis, 0xd1);
  await chassis.run();
  assert.is(slotOf(chassis, 2).state, "Online");
  await drive.close();
});

test("a board in a crash loop stays offline with a major alarm, until an operator restarts it", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive);
  const alerts: string[] = [];
  chassis.onBoard((event) => {
    if (event.kind === "alarm") alerts.push(`${event.raised ? "+" : "-"}${event.alarm.severity} ${event.alarm.name}`);
  });
  await chassis.powerOn();
  await chassis.run(1000);
  const { ok, fail, act, alarm } = slotOf(chassis, 2).leds;
  assert.equal([ok, fail, act, alarm, chassis.show().alarm], ["green", "off", "off", "off", "off"]);
  kill(chassis, 0xd1);
  await chassis.until(() => chassis.faults.length === 1, 1000);
  await chassis.run();
  // The first one costs no pause, and no alarm.
  assert.equal(alerts, []);
  for (let i = 1; i < 10; i++) {
    kill(chassis, 0xd1);
    assert.ok(await chassis.until(() => chassis.faults.length === i + 1, 1000));
    const { leds } = slotOf(chassis, 2);
    assert.equal([leds.ok, leds.fail, leds.alarm], ["off", "red", i < 9 ? "yellow" : "red"]);
    assert.is(chassis.show().alarm, leds.alarm);
    if (i < 9) assert.ok(await chassis.until(() => slotOf(chassis, 2).state === "Online", 100_000));
  }
  await chassis.run(3_600_000);
  assert.is(slotOf(chassis, 2).state, "Offline");
  assert.match(slotOf(chassis, 2).reason, /^crash loop: unreachable/);
  const [standing, ...more] = chassis.show().alarms;
  assert.equal(more, []);
  assert.equal([standing!.slot, standing!.severity, standing!.name], [2, "major", "crash_loop"]);
  assert.match(standing!.text, /^10 faults in 600 s, the last: unreachable/);
  assert.is(slotOf(chassis, 1).generation, 1, "the neighbour was left alone");
  assert.is(slotOf(chassis, 1).leds.alarm, "off");
  await chassis.reset(2);
  assert.is(slotOf(chassis, 2).state, "Online");
  assert.equal([chassis.show().alarms, chassis.show().alarm], [[], "off"]);
  assert.equal(
    [alerts.slice(0, 2), alerts.slice(-2)],
    [
      ["+minor board_restarting", "-minor board_restarting"],
      ["+major crash_loop", "-major crash_loop"],
    ],
  );
  // It starts anew: one fault is no loop.
  kill(chassis, 0xd1);
  await chassis.run();
  assert.is(slotOf(chassis, 2).state, "Online");
  await drive.close();
});

test("ten faults are a crash loop within ten minutes only; another board in the slot clears the alarm", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive);
  await chassis.powerOn();
  for (let i = 0; i < 25; i++) {
    await chassis.run(70_000);
    kill(chassis, 0xd1);
    await chassis.run();
  }
  assert.is(chassis.faults.length, 25);
  await chassis.run(1000);
  assert.is(slotOf(chassis, 2).state, "Online", "stable in between, and not ten in any ten minutes");
  for (let i = 0; i < 10; i++) {
    kill(chassis, 0xd1);
    await chassis.until(() => chassis.faults.length > 25 + i, 1000);
    await chassis.until(() => slotOf(chassis, 2).state === "Online", 100_000);
  }
  assert.is(chassis.show().alarm, "red");
  await chassis.insert(2, ipsec!);
  assert.is(chassis.show().alarm, "off");
  await chassis.online(2);
  assert.is(slotOf(chassis, 2).leds.ok, "green");
  await drive.close();
});

test("a hung board's thread is ended, and its board restarted", async () => {
  const drive = new Threaded({ hangMs: 700 });
  const chassis = assemble(drive);
  await chassis.powerOn();
  await chassis.run();
  kill(chassis, 0xd7);
  assert.ok(
    await chassis.until(() => slotOf(chassis, 2).generation === 2 && slotOf(chassis, 2).state === "Online", PATIENCE),
  );
  assert.is(chassis.faults[0]!.kind, "hung");
  assert.match(chassis.faults[0]!.message, /no poll ended for 700 ms/);
  assert.is(slotOf(chassis, 1).generation, 1);
  await drive.close();
});

test("a bad image leaves the slot as it was", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive);
  await chassis.powerOn();
  await chassis.run();
  let refused: unknown;
  await chassis.insert(1, fileURLToPath(import.meta.url).replace(/\.ts$/, ".wasm")).catch((error) => (refused = error));
  assert.instance(refused, ImageError);
  assert.is(slotOf(chassis, 1).state, "Online");
  assert.is(slotOf(chassis, 1).generation, 1);
  // An IKE image in a slot for IPsec boards: found at power-on.
  await chassis.insert(1, ike!);
  await chassis.online(1);
  assert.is(slotOf(chassis, 1).state, "Offline");
  assert.match(slotOf(chassis, 1).reason, /the image is of class ike, the slot is for ipsec/);
  assert.is(slotOf(chassis, 0).state, "Online");
  await drive.close();
});

test("without a source map a fault still tells the code offset", () => {
  const image = { ...loadImageFile(trap!), sourceMap: undefined };
  const stack = "RuntimeError: unreachable\n    at wasm://wasm/0123abcd:wasm-function[7]:0x1a2b\n";
  assert.equal(wasmOffsets(stack), [0x1a2b]);
  const fault = locateFault({ kind: "trap", trapText: "unreachable", stack, abort: undefined }, image, 2, 5, 0n);
  assert.is(fault.message, "unreachable at code offset 0x1a2b");
  assert.is(renderFault(fault), `slot 2 generation 5 (${image.name}): trap: unreachable at code offset 0x1a2b`);
});

test("what a board writes into its fault record acts on no terminal", () => {
  const hostile = Buffer.from("\x1b]0;owned\x07assembly/rt\n\x9b2J\\x1b", "latin1");
  assert.is(faultText(hostile), "\\x1b]0;owned\\x07assembly/rt\\x0a\\x9b2J\\x5cx1b");
});

test("a board that dies in its reset leaves nothing in its RAM", () => {
  // A map at 64 (magic, ABI 1, class 2, CONFIG of 1024 octets at 4096), and a reset that traps.
  const module = binaryen.parseText(`(module
    (import "env" "memory" (memory 1 1))
    (data (i32.const 64) "CCB1\\01\\00\\00\\00\\02\\00\\00\\00")
    (data (i32.const 88) "\\00\\10\\00\\00\\00\\04\\00\\00")
    (func (export "boardMap") (result i32) (i32.const 64))
    (func (export "boardReset") (unreachable))
    (func (export "boardPoll") (result i32) (i32.const 0)))`);
  const image = {
    ...loadImageFile(trap!),
    module: new WebAssembly.Module(module.emitBinary() as BufferSource),
    pages: { least: 1, most: 1 },
    memoryImport: ["env", "memory"] as const,
    sourceMap: undefined,
  };
  const { Memory } = WebAssembly;
  let ram = new Uint8Array(0);
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      ram = new Uint8Array(this.buffer);
    }
  };
  try {
    const power = {
      slot: 2,
      generation: 1,
      boardClass: BOARD_CLASS_IPSEC,
      config: new Uint8Array(64).fill(0xa5),
      entropy: new Uint8Array(64).fill(0x5a),
      traceMask: 0,
      conservation: false,
    };
    assert.throws(
      () => new Board(image as never, power, 0n, 0n),
      (error: unknown) => error instanceof BoardFault && /unreachable/.test(error.message),
    );
  } finally {
    WebAssembly.Memory = Memory;
    module.dispose();
  }
  assert.is(ram.length, 65536);
  assert.is(
    ram.findIndex((octet) => octet !== 0),
    -1,
  );
});

test.run();
