/**
 * Faults on order, in both drives, on boards of the chassis's own tests (test/entries/echo.ts): each has a named and counted outcome, ends
 * when it is told to, and no other board is hurt.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildEntry } from "../../host/build/build.ts";
import { Chassis, type ChassisOptions } from "../../host/chassis/chassis.ts";
import type { Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import type { FaultOrder } from "../../host/chassis/injection.ts";

const [ike, ipsec] = await Promise.all(
  ["echo_ike", "echo_ipsec"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
);
const PATIENCE = 20_000;

type Kind = "lockstep" | "threaded" | "one thread";
const DRIVES: Record<Kind, () => Drive> = {
  lockstep: () => new Lockstep(),
  threaded: () => new Threaded({ hangMs: 3000 }),
  "one thread": () => new Threaded({ hangMs: 3000 }),
};

interface Bench {
  kind: Kind;
  chassis: Chassis;
  drive: Drive;
  /** Packets that left on PROTECTED, by slot. */
  got: number[];
  alarms: string[];
}

function story(name: string, tell: (bench: Bench) => Promise<void>, more: Partial<ChassisOptions> = {}): void {
  for (const kind of Object.keys(DRIVES) as Kind[]) {
    const thread = kind === "one thread" ? { thread: 7 } : {};
    test(`${name} (${kind})`, async () => {
      const drive = DRIVES[kind]();
      const chassis = new Chassis({
        drive,
        link: "ethernet",
        slots: [
          { slot: 0, board: "ike", image: ike!, ...thread },
          { slot: 1, board: "ipsec", image: ipsec!, ...thread },
          { slot: 2, board: "ipsec", image: ipsec!, ...thread },
        ],
        ...more,
      });
      const got = [0, 0, 0];
      const alarms: string[] = [];
      chassis.onTransmit("protected", (_, slot) => (got[slot]! += 1));
      chassis.onBoard((event) => {
        if (event.kind === "alarm") alarms.push(`${event.raised ? "+" : "-"}${event.alarm.name} ${event.slot}`);
      });
      try {
        await chassis.powerOn();
        await chassis.run();
        await tell({ kind, chassis, drive, got, alarms });
      } finally {
        await drive.close();
      }
    });
  }
}

const mac = (slot: number): number[] => [0x02, 0x43, 0x43, 0x00, 0x00, slot];
const toSlot = (slot: number): Uint8Array =>
  Uint8Array.from([0xc4, 0, 0, 0, 0, ...mac(slot), ...mac(0), 8, 0, 1, 2, 3]);
const slotOf = (chassis: Chassis, slot: number) => chassis.show().slots.find((one) => one.slot === slot)!;
const message = (type: number, ...octets: number[]): Uint8Array => {
  const all = new Uint8Array(12);
  all.set([type & 255, type >>> 8]);
  all.set(octets, 4);
  return all;
};

/** So many packets to each of slots 1 and 2. */
async function send({ chassis }: Bench, count: number): Promise<void> {
  for (let i = 0; i < count; i++) for (const slot of [1, 2]) chassis.receive("unprotected", toSlot(slot));
  await chassis.run();
}

const restarted = ({ chassis }: Bench, generation = 2): Promise<boolean> =>
  chassis.until(() => {
    const { generation: now, state } = slotOf(chassis, 2);
    return now === generation && state === "Online";
  }, PATIENCE);

story("trap: damaged RAM makes the firmware trap, told by file and line; the next generation serves", async (bench) => {
  const { chassis, got } = bench;
  chassis.injectFault({ kind: "trap", slot: 2 });
  assert.ok(await restarted(bench));
  const [fault, ...more] = chassis.faults;
  assert.equal(more, []);
  assert.equal([fault!.slot, fault!.kind], [2, "trap"]);
  assert.match(fault!.file, /\.ts$/);
  assert.ok(fault!.line > 0);
  assert.match(fault!.message, /out of bounds/);
  await send(bench, 5);
  assert.equal(got, [0, 5, 5]);
  assert.equal(
    [0, 1].map((slot) => slotOf(chassis, slot).generation),
    [1, 1],
  );
  assert.equal(chassis.show().injected, [], "it strikes once");
});

story("hang: the board is found and replaced", async (bench) => {
  const { chassis, got } = bench;
  chassis.injectFault({ kind: "hang", slot: 2 });
  assert.ok(await restarted(bench));
  const others = [0, 1].map((slot) => [slot, "thread"]);
  assert.equal(
    chassis.faults.map(({ slot, kind }) => [slot, kind]).sort(),
    [...(bench.kind === "one thread" ? others : []), [2, "hung"]],
    "those that share its thread end with it, and are told apart",
  );
  const online = (): boolean => chassis.show().slots.every(({ state }) => state === "Online");
  assert.ok(await chassis.until(online, PATIENCE));
  await send(bench, 5);
  assert.equal(got, [0, 5, 5]);
  assert.equal(
    [0, 1].map((slot) => slotOf(chassis, slot).generation),
    bench.kind === "one thread" ? [2, 2] : [1, 1],
  );
});

story(
  "link: frames to the slot are lost and counted while it is down, and none after; the neighbour has all",
  async (bench) => {
    const { chassis, drive, got, alarms } = bench;
    chassis.injectFault({ kind: "link", slot: 2, seconds: 1 });
    const [standing] = chassis.show().injected;
    assert.equal([standing!.kind, standing!.slot, standing!.text], ["link", 2, "link of slot 2 down"]);
    assert.ok(standing!.left! > 0 && standing!.left! <= 1);
    assert.equal([slotOf(chassis, 2).leds.alarm, slotOf(chassis, 1).leds.alarm], ["yellow", "off"]);
    await chassis.run(20);
    await send(bench, 10);
    assert.equal(got, [0, 10, 0]);
    assert.equal(chassis.show().drops, { link_down: 10 });
    await drive.run(1100);
    await send(bench, 10);
    assert.equal(got, [0, 20, 10]);
    assert.equal(chassis.show().drops, { link_down: 10 });
    assert.equal([chassis.show().injected, chassis.show().alarm], [[], "off"]);
    assert.equal(alarms, ["+fault_injected 2", "-fault_injected 2"]);
  },
);

story("descriptors: some are missed and counted, some taken twice, on one board alone", async (bench) => {
  const { chassis, got } = bench;
  chassis.injectFault({ kind: "descriptors", slot: 2, lose: 0.2, duplicate: 0.3, seed: 4 });
  await chassis.run(20);
  for (let i = 0; i < 10; i++) await send(bench, 20);
  const { injected_loss: lost, ...others } = chassis.show().drops;
  assert.equal(others, {});
  assert.is(got[1], 200);
  assert.ok(lost! > 20 && lost! < 60, `${lost} lost`);
  assert.ok(got[2]! > 200 - lost! + 20 && got[2]! < 200 - lost! + 90, `${got[2]} arrived`);
  assert.is(slotOf(chassis, 2).counters.sent, 200, "the board has sent each once");
  chassis.clearFaults();
  await chassis.run(20);
  const before = got[2]!;
  await send(bench, 20);
  assert.is(got[2]! - before, 20);
});

story("bus: bits that flip are found by the FCS; a second order takes the place of the first", async (bench) => {
  const { chassis, got } = bench;
  chassis.injectFault({ kind: "bus", flip: 1 });
  await chassis.run(20);
  await send(bench, 5);
  assert.equal([got, chassis.show().drops], [[0, 0, 0], { ethernet_fcs: 10 }]);
  chassis.injectFault({ kind: "bus", lose: 1 });
  await chassis.run(20);
  await send(bench, 5);
  assert.equal([got, chassis.show().drops], [[0, 0, 0], { ethernet_fcs: 10, injected_loss: 10 }]);
  assert.equal(
    chassis.show().injected.map(({ text }) => text),
    ["backplane: lose 100 %"],
  );
  chassis.clearFaults();
  await chassis.run(20);
  await send(bench, 5);
  assert.equal(got, [0, 5, 5]);
});

story(
  "stall: rings fill and the pool runs out; what does not fit is counted, and all that was kept comes out",
  async (bench) => {
    const { chassis, got } = bench;
    const { pool } = slotOf(chassis, 0).frames;
    chassis.injectFault({ kind: "stall", slot: 0 });
    await chassis.run(20);
    // What fills all four transmit rings: to the networks, to a slot, and to the operator.
    const batch = 60;
    let sent = 0;
    for (let i = 0; i < 12; i++) {
      for (let k = 0; k < batch; k++) {
        chassis.receive("unprotected", Uint8Array.from([k, 1, 2, 3]));
        chassis.receive("protected", Uint8Array.from([k, 1, 2, 3]));
        chassis.receive("unprotected", toSlot(1));
        sent += 3;
      }
      for (let k = 0; k < 8; k++, sent++) chassis.management(0).send(message(0x77));
      for (let k = 0; k < 8; k++, sent++) chassis.management(0).send(message(0x5e));
      await chassis.run();
    }
    const { frames, state } = slotOf(chassis, 0);
    assert.is(state, "Online");
    assert.is(frames.free, 0, `no frame of ${pool} is free`);
    const congestion = chassis.show().drops["backplane_congestion"]!;
    assert.ok(congestion > 200);
    assert.is(got[0]! + got[1]!, 0);
    let messages = 0;
    let unprotected = 0;
    chassis.management(0).onMessage(() => (messages += 1));
    chassis.onTransmit("unprotected", () => (unprotected += 1));
    chassis.clearFaults();
    await chassis.run(50);
    await chassis.run();
    const { secure_element_absent: absent, backplane_congestion: lost } = chassis.show().drops;
    assert.is(got[0]! + got[1]! + unprotected + messages + absent! + lost!, sent, "each came out or was counted");
    assert.is(slotOf(chassis, 0).frames.held, 0);
    await send(bench, 5);
    assert.is(got[2], 5);
    assert.is(slotOf(chassis, 0).generation, 1);
    assert.ok(slotOf(chassis, 0).frames.free > 100);
  },
);

story("clock: a board's own time runs off, and its deadlines with it; a reset sets it right", async (bench) => {
  const { chassis, drive } = bench;
  const after = async (): Promise<number> => {
    const before = chassis.show().now;
    let answered = 0;
    const off = chassis.management(2).onMessage(() => (answered = chassis.show().now));
    chassis.management(2).send(message(0xa1, 200));
    assert.ok(await drive.until(() => answered > 0, PATIENCE));
    off();
    return Math.round((answered - before) * 1000);
  };
  // In real time what takes 200 ms takes longer on a busy machine, never less.
  const exact = drive.kind === "lockstep";
  const within = (ms: number, wanted: number): boolean => (exact ? ms === wanted : ms >= wanted - 1);
  assert.ok(within(await after(), 200));
  chassis.injectFault({ kind: "clock", slot: 2, rate: 0.25 });
  await chassis.run(20);
  assert.ok(within(await after(), 800), "a slow clock is late");
  if (exact) {
    chassis.injectFault({ kind: "clock", slot: 2, rate: 10 });
    assert.is(await after(), 20);
    chassis.injectFault({ kind: "clock", slot: 2, ahead: 3600 });
    assert.is(await after(), 200, "a clock that is ahead runs right otherwise");
    chassis.clearFaults();
    assert.is(await after(), 200);
  }
  chassis.clearFaults();
  await chassis.reset(2);
  assert.ok(within(await after(), 200));
  assert.equal(chassis.show().drops, {});
});

story(
  "element: answers come later, or not at all, and the board goes on meanwhile",
  async (bench) => {
    const { chassis, drive, got } = bench;
    const answered: number[] = [];
    chassis.management(0).onMessage((answer) => answered.push(answer[4]!));
    chassis.injectFault({ kind: "element", delayMs: 300 });
    const before = chassis.show().now;
    chassis.management(0).send(message(0x5e, 1));
    await send(bench, 5);
    assert.equal(got, [0, 5, 5]);
    assert.ok(await drive.until(() => answered.length === 1, PATIENCE));
    assert.ok(chassis.show().now - before >= 0.3);
    chassis.injectFault({ kind: "element", lose: 1 });
    chassis.management(0).send(message(0x5e, 2));
    await chassis.run();
    assert.equal(chassis.show().drops, { secure_element_failed: 1 });
    chassis.injectFault({ kind: "element", delayMs: 60_000 });
    chassis.management(0).send(message(0x5e, 3));
    await chassis.run();
    assert.equal(chassis.show().drops, { secure_element_failed: 2 }, "beyond all patience is no answer");
    chassis.clearFaults();
    chassis.management(0).send(message(0x5e, 4));
    await chassis.run();
    assert.equal(answered, [1, 4]);
  },
  { secureElement: { handle: async (request) => request.slice() } },
);

test("what cannot be is refused, and changes nothing", async () => {
  const drive = new Lockstep();
  const chassis = new Chassis({ drive, link: "atm", slots: [{ slot: 0, board: "ike", image: ike! }] });
  const orders: [FaultOrder, RegExp][] = [
    [{ kind: "link", slot: 7 }, /there is no slot 7/],
    [{ kind: "trap", slot: 7 }, /there is no slot 7/],
    [{ kind: "bus" }, /what shall be wrong/],
    [{ kind: "bus", lose: 1.5 }, /lose: a probability/],
    [{ kind: "descriptors", slot: 0 }, /what shall be wrong/],
    [{ kind: "clock", slot: 0 }, /what shall be wrong/],
    [{ kind: "clock", slot: 0, rate: 0 }, /rate/],
    [{ kind: "clock", slot: 0, ahead: -1 }, /NOW never goes back/],
    [{ kind: "element" }, /what shall be wrong/],
    [{ kind: "stall", slot: 0, seconds: 0 }, /seconds/],
  ];
  for (const [order, reason] of orders) assert.throws(() => chassis.injectFault(order), reason);
  assert.equal([chassis.show().injected, chassis.show().alarms], [[], []]);
  await drive.close();
});

test.run();
