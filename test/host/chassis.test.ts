/**
 * Stories of a chassis with echo boards (test/entries/echo.ts), each told on both drives and both links: the same must happen.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MANAGEMENT_BOARD_UP } from "../../assembly/abi/management.ts";
import { TRACE_MASK_BOARD, TRACE_MASK_PACKET } from "../../assembly/abi/trace.ts";
import { buildEntry } from "../../host/build/build.ts";
import { Chassis, type ChassisOptions, type ChassisStatus } from "../../host/chassis/chassis.ts";
import { createLink, isAtm, type LinkKind } from "../../host/chassis/backplane.ts";
import type { Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import { Tracer } from "../../host/chassis/tap/tracer.ts";
import { Cable } from "../../host/nic/cable.ts";

const [ike, ipsec] = await Promise.all(
  ["echo_ike", "echo_ipsec"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
);
const DRIVES: Record<string, () => Drive> = { lockstep: () => new Lockstep(), threaded: () => new Threaded() };
const PATIENCE = 20_000;

/** IPsec boards in slots 1 and 2. */
function assemble(drive: Drive, link: LinkKind, more: Partial<ChassisOptions> = {}): Chassis {
  return new Chassis({
    drive,
    link,
    slots: [
      { slot: 0, board: "ike", image: ike! },
      { slot: 1, board: "ipsec", image: ipsec! },
      { slot: 2, board: "ipsec", image: ipsec! },
    ],
    traceMask: TRACE_MASK_BOARD,
    ...more,
  });
}

const mac = (slot: number): number[] => [0x02, 0x43, 0x43, 0x00, 0x00, slot];

/** A packet that makes the echo IKE board send `payload` to a slot over the backplane. */
function toSlot(link: LinkKind, slot: number, payload: number[]): Uint8Array {
  const frame = isAtm(link) ? payload : [...mac(slot), ...mac(0), 0x08, 0x00, ...payload];
  return Uint8Array.from([0xc4, isAtm(link) ? 32 + slot : 0, 0, 0, 0, ...frame]);
}

const payloadOf = (link: LinkKind, frame: Uint8Array): number[] => [...(isAtm(link) ? frame : frame.subarray(14))];
const slotOf = (status: ChassisStatus, slot: number) => status.slots.find((one) => one.slot === slot)!;
const message = (type: number, ...octets: number[]): Uint8Array => {
  const all = new Uint8Array(12);
  all.set([type & 255, type >>> 8]);
  all.set(octets, 4);
  return all;
};

/** Tells a story on both drives, and on both links, ATM in both modes. */
function story(name: string, tell: (drive: Drive, link: LinkKind) => Promise<void>): void {
  for (const [kind, create] of Object.entries(DRIVES)) {
    for (const link of ["ethernet", "atm", "atm-cell"] as const) {
      test(`${name} (${kind}, ${link})`, async () => {
        const drive = create();
        try {
          await tell(drive, link);
        } finally {
          await drive.close();
        }
      });
    }
  }
}

story("boards come up, and the IKE board is told of them with slot and generation", async (drive, link) => {
  const chassis = assemble(drive, link);
  assert.equal(new Set(chassis.show().slots.map((slot) => slot.state)), new Set(["Present"]));
  await chassis.powerOn();
  await chassis.run();
  const status = chassis.show();
  assert.equal(
    status.slots.map(({ slot, state, generation, board }) => [slot, state, generation, board]),
    [
      [0, "Online", 1, "ike"],
      [1, "Online", 1, "ipsec"],
      [2, "Online", 1, "ipsec"],
    ],
  );
  assert.is(slotOf(status, 1).ram.total, 64 << 20);
  assert.ok(slotOf(status, 1).ram.used > 20_000_000 && slotOf(status, 1).ram.used < 64 << 20);
  assert.is(slotOf(status, 1).build, "base");
  const ups = chassis.readTrace().filter((entry) => entry.name === "board_up");
  assert.equal(ups.map((entry) => [entry.slot, entry.a, entry.b]).sort(), [
    [0, 1, 1],
    [0, 2, 1],
  ]);
  assert.equal(status.faults, []);
});

story("packets cross the backplane to the slot that they name, whole and counted", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  const tracer = new Tracer();
  chassis.tap(tracer.tap);
  const got: [number, number[]][] = [];
  chassis.onTransmit("protected", (packet, slot) => got.push([slot, payloadOf(link, packet)]));
  for (let i = 0; i < 40; i++) chassis.receive("unprotected", toSlot(link, 1 + (i & 1), [i, 2, 3, 4]));
  assert.ok(await chassis.until(() => got.length === 40, PATIENCE));
  await chassis.run();
  for (const slot of [1, 2]) {
    const expected = Array.from({ length: 20 }, (_, i) => [2 * i + slot - 1, 2, 3, 4]);
    assert.equal(
      got.filter(([from]) => from === slot).map(([, payload]) => payload),
      expected,
      `order at slot ${slot}`,
    );
  }
  const links = chassis.show().links;
  const octets = isAtm(link) ? 4 : 18;
  const bits = isAtm(link) ? 424 : 84 * 8;
  const cells = isAtm(link) ? 1 : 0;
  const onWire = { ethernet: 22, atm: 48, "atm-cell": 53 }[link];
  for (const one of links.slice(1)) {
    assert.equal(one.toBoard, { frames: 20, octets: 20 * octets, bits: 20 * bits, cells: 20 * cells }, one.name);
  }
  assert.equal(links[0]!.fromBoard, { frames: 40, octets: 40 * octets, bits: 40 * bits, cells: 40 * cells });
  assert.is(links[1]!.name, isAtm(link) ? "atm 0/33" : "ethernet 02:43:43:00:00:01");
  assert.is(tracer.seen, 40);
  assert.ok(tracer.frames.every(({ from, to, wire }) => from === 0 && to > 0 && wire.length === onWire));
  // Who looks sees a wire form that its far end would take.
  const far = createLink(link, 0).receiver();
  for (const { wire, vc } of tracer.frames) assert.ok(far.take(wire, 0, wire.length, vc) > 0);
  assert.equal(chassis.show().drops, {});
});

story("what the switch does not know is dropped for its reason", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  await chassis.run();
  const frames: number[][] = isAtm(link)
    ? [
        [0xc4, 200, 0, 0, 0, 1],
        [0xc4, 32, 0, 0, 0, 1],
        [0xc4, 40, 0, 0, 0, 1],
      ]
    : [
        [0xc4, 0, 0, 0, 0, 1, 2, 3],
        [0xc4, 0, 0, 0, 0, ...mac(1), ...mac(2), 8, 0, 1],
        [0xc4, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, ...mac(0), 8, 0, 1],
        [0xc4, 0, 0, 0, 0, ...mac(9), ...mac(0), 8, 0, 1],
      ];
  for (const frame of frames) chassis.receive("unprotected", Uint8Array.from(frame));
  await chassis.run();
  assert.equal(
    chassis.show().drops,
    isAtm(link)
      ? { atm_unknown_vc: 2, board_offline: 1 }
      : { ethernet_malformed: 1, ethernet_source: 1, ethernet_destination: 1, board_offline: 1 },
  );
});

story("a flipped bit on the backplane is found by its check, and counted", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  let got = 0;
  chassis.onTransmit("protected", () => (got += 1));
  chassis.inject({ seed: 3, flip: 1 });
  for (let i = 0; i < 30; i++) chassis.receive("unprotected", toSlot(link, 1, [i]));
  await chassis.run();
  assert.is(got, 0);
  const { drops } = chassis.show();
  if (link === "atm-cell") {
    // A cell whose HEC is wrong is gone, and what it ended goes with the next PDU.
    assert.is(
      Object.values(drops).reduce((sum, count) => sum + count, 0),
      30,
    );
    assert.ok(drops["atm_hec"]! > 0 && drops["aal5_crc"]! > 0, JSON.stringify(drops));
  } else {
    assert.equal(drops, link === "atm" ? { aal5_crc: 30 } : { ethernet_fcs: 30 });
  }
  chassis.inject();
  chassis.receive("unprotected", toSlot(link, 1, [1]));
  await chassis.run();
  assert.is(got, 1);
});

story("the injector is in force for the very next frame, however busy the board is", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  let got = 0;
  chassis.onTransmit("protected", () => (got += 1));
  for (let round = 1; round <= 25; round++) {
    chassis.inject({ seed: round, flip: 1 });
    for (let i = 0; i < 3; i++) chassis.receive("unprotected", toSlot(link, 1, [i]));
    await chassis.run();
    assert.is(got, round - 1);
    chassis.inject();
    chassis.receive("unprotected", toSlot(link, 1, [1]));
    await chassis.run();
    assert.is(got, round);
  }
});

story("a bad backplane loses, doubles and reorders; every frame is accounted for", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  const got: number[] = [];
  chassis.onTransmit("protected", (packet) => got.push(payloadOf(link, packet)[0]!));
  chassis.inject({ seed: 5, lose: 0.2, duplicate: 0.2, reorder: 0.2 });
  for (let i = 0; i < 200; i++) chassis.receive("unprotected", toSlot(link, 1, [i]));
  await chassis.run();
  const lost = chassis.show().drops.injected_loss!;
  assert.ok(lost > 10 && lost < 80, `${lost} lost`);
  assert.is(new Set(got).size, 200 - lost);
  assert.ok(got.length > 200 - lost, "some came twice");
  assert.ok(
    got.some((value, i) => i > 0 && value < got[i - 1]!),
    "some came out of order",
  );
});

story("the secure element answers in any order, and only the generation that asked", async (drive, link) => {
  const asked: Uint8Array[] = [];
  const release: (() => void)[] = [];
  const chassis = assemble(drive, link, {
    secureElement: {
      handle: async (request) => {
        asked.push(request);
        if (request[4] === 9) throw new Error("broken");
        if (request[4] === 7) await new Promise<void>((resolve) => release.push(resolve));
        return Uint8Array.from([...request.subarray(0, 5), 0xaa]);
      },
    },
  });
  await chassis.powerOn();
  const answers: number[] = [];
  chassis.management(0).onMessage((answer) => answers.push(answer[4]!));
  for (const tag of [1, 9, 2]) chassis.management(0).send(message(0x5e, tag));
  await chassis.run();
  assert.equal(answers, [1, 2]);
  assert.is(asked.length, 3);
  chassis.management(0).send(message(0x5e, 7));
  setTimeout(async () => {
    await chassis.reset(0);
    release[0]!();
  }, 50);
  await chassis.run();
  await chassis.run();
  assert.equal(answers, [1, 2]);
  assert.equal(chassis.show().drops, { secure_element_failed: 1, secure_element_stale: 1 });
});

story("a firmware deadline is honoured", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  let answered = -1;
  const start = drive.clock.now();
  chassis.management(1).onMessage(() => (answered = Number(drive.clock.now() - start) / 1e6));
  chassis.management(1).send(message(0xa1, 80));
  await chassis.run();
  assert.is(answered, -1, "rest does not wait for timers");
  assert.ok(await chassis.until(() => answered >= 0, PATIENCE));
  if (drive.kind === "lockstep") assert.is(answered, 80);
  else assert.ok(answered >= 79 && answered < 5000, `${answered} ms`);
});

story(
  "a reset gives the next generation a fresh key and wiped RAM; a new IKE board gets newly keyed boards",
  async (drive, link) => {
    const chassis = assemble(drive, link, {
      slots: [
        { slot: 0, board: "ike", image: ike! },
        { slot: 1, board: "ipsec", image: ipsec! },
      ],
    });
    const events: string[] = [];
    chassis.onBoard(({ kind, slot, generation }) => events.push(`${kind} ${slot}.${generation}`));
    await chassis.powerOn();
    await chassis.run();
    await chassis.reset(1);
    await chassis.run();
    await chassis.reset(0);
    await chassis.run();
    assert.ok(await chassis.until(() => events.includes("up 1.3"), PATIENCE));
    await chassis.run();
    assert.equal(events.slice(2), ["down 1.1", "up 1.2", "down 0.1", "up 0.2", "down 1.2", "up 1.3"]);
    const trace = chassis.readTrace().map(({ name, a, b }) => `${name} ${a}.${b}`);
    assert.equal(trace, ["board_up 1.1", "board_down 1.1", "board_up 1.2", "board_up 1.3"]);
  },
);

story(
  "a slot goes offline and comes back, is emptied and filled; what is sent to it meanwhile is counted",
  async (drive, link) => {
    const chassis = assemble(drive, link);
    await chassis.powerOn();
    await chassis.run();
    let got = 0;
    chassis.onTransmit("protected", () => (got += 1));
    await chassis.offline(1);
    assert.is(slotOf(chassis.show(), 1).state, "Offline");
    chassis.receive("unprotected", toSlot(link, 1, [1]));
    assert.not.ok(chassis.management(1).send(message(0x77)));
    await chassis.run();
    assert.equal(chassis.show().drops, { board_offline: 2 });
    await chassis.online(1);
    chassis.receive("unprotected", toSlot(link, 1, [1]));
    await chassis.run();
    assert.is(got, 1);
    await chassis.eject(2);
    assert.is(slotOf(chassis.show(), 2).state, "Empty");
    await chassis.insert(2, ipsec!);
    assert.is(slotOf(chassis.show(), 2).state, "Present");
    await chassis.online(2);
    chassis.receive("unprotected", toSlot(link, 2, [1]));
    await chassis.run();
    assert.is(got, 2);
    assert.is(slotOf(chassis.show(), 2).generation, 2);
  },
);

story("two chassis on a cable that loses, doubles and reorders", async (drive, link) => {
  const [left, right] = [assemble(drive, link, { name: "left" }), assemble(drive, link, { name: "right" })];
  const cable = new Cable(drive, { latencyMs: 3, lose: 0.1, duplicate: 0.1, reorder: 0.2, seed: 11 });
  left.attach(cable.a);
  right.attach(cable.b);
  await Promise.all([left.powerOn(), right.powerOn()]);
  const got: number[] = [];
  right.onTransmit("protected", (packet) => got.push(packet[0]!));
  // PROTECTED in at the left: out on the cable; UNPROTECTED in at the right: out on its PROTECTED side.
  for (let i = 0; i < 100; i++) left.receive("protected", Uint8Array.from([i, 1, 2, 3]));
  await left.run();
  const { sent, delivered, lost, duplicated, reordered } = cable.a.counters;
  assert.is(sent, 100);
  assert.is(delivered, sent - lost + duplicated);
  assert.is(got.length, delivered);
  assert.ok(lost > 0 && duplicated > 0 && reordered > 0);
  assert.ok(
    got.some((value, i) => i > 0 && value < got[i - 1]!),
    "some came out of order",
  );
});

story("steps of a packet appear on the console by name", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  await chassis.run();
  chassis.readTrace();
  chassis.trace(TRACE_MASK_PACKET);
  await chassis.run(20);
  chassis.receive("unprotected", toSlot(link, 2, [1, 2, 3]));
  await chassis.run();
  const entries = chassis.readTrace();
  assert.equal(
    entries.map(({ slot, name, d }) => [slot, name, d]),
    [
      [0, "S601", 0],
      [2, "S601", 2],
    ],
  );
  assert.is(chassis.traceLost(), 0);
  chassis.trace(0);
  await chassis.run(20);
  chassis.receive("unprotected", toSlot(link, 2, [1, 2, 3]));
  await chassis.run();
  assert.equal(chassis.console(), []);
});

story("without a secure element its requests are dropped and counted", async (drive, link) => {
  const chassis = assemble(drive, link);
  await chassis.powerOn();
  chassis.management(0).send(message(0x5e, 1));
  await chassis.run();
  assert.equal(chassis.show().drops, { secure_element_absent: 1 });
});

test("in lockstep a full receive ring costs the packets that do not fit, and nobody waits", async () => {
  const drive = new Lockstep();
  const chassis = assemble(drive, "atm");
  await chassis.powerOn();
  await chassis.run();
  let got = 0;
  chassis.onTransmit("protected", () => (got += 1));
  const taken = Array.from({ length: 300 }, (_, i) => chassis.receive("unprotected", Uint8Array.from([i & 127])));
  assert.is(taken.filter(Boolean).length, 256);
  await chassis.run();
  assert.is(got, 256);
  assert.equal(chassis.show().drops, { backplane_congestion: 44 });
  await drive.close();
});

test("between threads a full ring costs packets too, and all are accounted for", async () => {
  const drive = new Threaded({ ringOctets: 16384 });
  const chassis = assemble(drive, "ethernet");
  await chassis.powerOn();
  let got = 0;
  chassis.onTransmit("protected", () => (got += 1));
  const packet = new Uint8Array(1400);
  for (let i = 0; i < 5000; i++) chassis.receive("unprotected", packet);
  await chassis.run();
  const dropped = chassis.show().drops.backplane_congestion!;
  assert.ok(dropped > 0);
  assert.is(got + dropped, 5000);
  await drive.close();
});

test("a lockstep story repeats to the last entry of its trace", async () => {
  const tell = async (): Promise<string> => {
    const drive = new Lockstep();
    const chassis = assemble(drive, "atm", { traceMask: 15 });
    const cable = new Cable(drive, { latencyMs: 1, lose: 0.2, reorder: 0.3, seed: 4 });
    chassis.attach(cable.a);
    cable.b.onReceive((packets) => cable.b.send(packets));
    await chassis.powerOn();
    chassis.inject({ seed: 8, lose: 0.1, reorder: 0.1 });
    for (let i = 0; i < 50; i++) chassis.receive(i & 1 ? "protected" : "unprotected", toSlot("atm", 1, [i]));
    await chassis.run(50);
    const { slots, links, drops } = chassis.show();
    await drive.close();
    return JSON.stringify([chassis.console(), slots, links, drops]);
  };
  assert.is(await tell(), await tell());
});

test("a plan that cannot be is refused", () => {
  const drive = new Lockstep();
  assert.throws(
    () => assemble(drive, "atm", { slots: [{ slot: 1, board: "ipsec", image: ipsec! }] }),
    /slot 0 has no IKE board/,
  );
  const twice = { slot: 0, board: "ike", image: ike! } as const;
  assert.throws(() => assemble(drive, "atm", { slots: [twice, twice] }), /slot 0 is planned twice/);
  assert.throws(
    () => assemble(drive, "atm", { slots: [{ slot: 0, board: "ike", image: "missing" }] }),
    /missing: no image/,
  );
  assert.throws(() => assemble(drive, "atm").management(9), /there is no slot 9/);
});

test("the message that announces a board carries slot, generation, capacity, weight and a key of its own", async () => {
  const { Supervisor } = await import("../../host/chassis/supervisor.ts");
  const { Slot } = await import("../../host/chassis/slot.ts");
  const { SystemEntropy } = await import("../../host/chassis/entropy.ts");
  const sent: Uint8Array[] = [];
  const slots = new Map([0, 1].map((slot) => [slot, new Slot(slot, slot === 0 ? "ike" : "ipsec")]));
  for (const slot of slots.values()) {
    slot.saCapacity = 77;
    slot.weight = 3;
    slot.boardNumber = 5;
    slot.image = { name: "x", pages: { least: 1, most: 1 }, perIkeSa: 0, perSa: 0 } as never;
  }
  const keys: string[] = [];
  const supervisor = new Supervisor({
    drive: new Lockstep(),
    cage: {
      power: async () => ({ online: true }),
      deliver: (_slot: number, _port: number, packet: Uint8Array) => sent.push(packet) > 0,
    } as never,
    slots,
    ikeSlot: 0,
    entropy: new SystemEntropy(),
    capacity: { ikeSas: 1, childSas: 1 },
    conservation: false,
    traceMask: () => 0,
    configOf: (slot) => {
      keys.push(Buffer.from(slot.controlKey).toString("hex"));
      return new Uint8Array(0);
    },
    announce: () => undefined,
  });
  await supervisor.restart(slots.get(0)!);
  await supervisor.restart(slots.get(1)!);
  await supervisor.restart(slots.get(1)!);
  const ups = sent.filter((octets) => new DataView(octets.buffer).getUint16(0, true) === MANAGEMENT_BOARD_UP);
  assert.is(ups.length, 2);
  ups.forEach((octets, i) => {
    const view = new DataView(octets.buffer);
    assert.is(octets.length, 68);
    assert.equal(
      [56, 60, 64].map((at) => view.getUint32(at, true)),
      [3, 5, 0],
    );
    assert.equal(
      [8, 12, 16, 20].map((at) => view.getUint32(at, true)),
      [68, 1, i + 1, 77],
    );
    assert.is(Buffer.from(octets.subarray(24, 56)).toString("hex"), keys[i + 1]);
  });
  assert.is.not(keys[1], keys[2]);
});

test.run();
