/**
 * Lines between devices and the threads of the boards (chassis/drive/line.ts), with echo boards (test/entries/echo.ts) and devices that
 * this test plays itself: what passes, by which way, and what becomes of it when a board or a device goes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildEntry } from "../../host/build/build.ts";
import { Chassis, type ChassisOptions, type SecureElement } from "../../host/chassis/chassis.ts";
import { DeviceLine, type LineDevice, type LineEnds } from "../../host/chassis/drive/line.ts";
import { MessageRing, ringMemory } from "../../host/chassis/drive/message_ring.ts";
import { TURNS } from "../../host/chassis/drive/page.ts";
import { Threaded, type ThreadedOptions } from "../../host/chassis/drive/threaded.ts";
import type { Nic, Side } from "../../host/nic/nic.ts";
import { threadFile } from "../../host/thread/thread_file.ts";
import type { RecordingData } from "../entries/recording_sender.ts";
import { ThreadedElement } from "../../host/secure_element/threaded_element.ts";

const [ike, ipsec] = await Promise.all(
  ["echo_ike", "echo_ipsec"].map((name) => buildEntry(`test/entries/${name}.ts`, "base")),
);
const PATIENCE = 20_000;

/** The device's end of a line: what a NIC's worker or the secure element's thread does, done by this thread. */
class Device {
  readonly bell = { memory: new SharedArrayBuffer(8), at: 0 };
  readonly words = new Int32Array(this.bell.memory);
  line!: DeviceLine;
  ends!: LineEnds;
  wired = 0;
  busy = false;

  readonly offered: LineDevice = ((device: Device): LineDevice => ({
    bell: device.bell,
    get busy() {
      return device.busy;
    },
    wire: (parts, ends) => {
      device.wired += 1;
      device.line = new DeviceLine(parts);
      device.ends = ends;
    },
  }))(this);

  get rung(): number {
    return Atomics.load(this.words, 0);
  }

  /** Gives the IKE board a message; false when there is no room. */
  give(octets: Uint8Array, generation = 0): boolean {
    const { line } = this;
    if (!line.board.ring.push(line.port, generation, line.board.slot, octets, 0, octets.length)) return false;
    line.board.touched = true;
    return true;
  }

  /** What the boards have for the device: slot, generation, octets. */
  take(): { slot: number; generation: number; octets: number[] }[] {
    const taken: { slot: number; generation: number; octets: number[] }[] = [];
    for (const ring of this.line.in) {
      for (; ring.peek(); ring.release()) {
        const octets = [...ring.octets.subarray(ring.at, ring.at + ring.length)];
        taken.push({ slot: ring.from, generation: ring.link, octets });
      }
    }
    return taken;
  }
}

class WiredNic implements Nic {
  readonly device = new Device();
  /** What came through the chassis's thread. */
  readonly sent: Uint8Array[] = [];
  receiver: (packets: Uint8Array[]) => void = () => undefined;
  readonly line = this.device.offered;
  readonly side: Side;

  constructor(side: Side) {
    this.side = side;
  }

  send(packets: Uint8Array[]): void {
    this.sent.push(...packets);
  }

  onReceive(callback: (packets: Uint8Array[]) => void): void {
    this.receiver = callback;
  }

  async close(): Promise<void> {}
}

interface World {
  drive: Threaded;
  chassis: Chassis;
  outside: WiredNic;
  inside: WiredNic;
}

async function world(
  options: Partial<ChassisOptions> = {},
  threaded: ThreadedOptions = {},
  thread?: number,
): Promise<World> {
  const shared = thread === undefined ? {} : { thread };
  const drive = new Threaded(threaded);
  const chassis = new Chassis({
    drive,
    link: "ethernet",
    slots: [
      { slot: 0, board: "ike", image: ike!, ...shared },
      { slot: 1, board: "ipsec", image: ipsec!, ...shared },
      { slot: 2, board: "ipsec", image: ipsec!, ...shared },
    ],
    ...options,
  });
  const [outside, inside] = [new WiredNic("unprotected"), new WiredNic("protected")];
  chassis.attach(outside);
  chassis.attach(inside);
  await chassis.powerOn();
  await chassis.run();
  return { drive, chassis, outside, inside };
}

const message = (type: number, ...octets: number[]): Uint8Array => {
  const all = new Uint8Array(12);
  all.set([type & 255, type >>> 8]);
  all.set(octets, 4);
  return all;
};
/** A packet that makes the echo IKE board send one octet to a slot over the backplane. */
const toSlot = (slot: number, octet: number): Uint8Array =>
  Uint8Array.of(0xc4, 0, 0, 0, 0, 2, 0x43, 0x43, 0, 0, slot, 2, 0x43, 0x43, 0, 0, 0, 8, 0, octet);
const last = ({ octets }: { octets: number[] }): number => octets.at(-1)!;

function scenario(name: string, tell: (world: World) => Promise<void>, threaded?: ThreadedOptions): void {
  for (const thread of [undefined, 3]) {
    test(thread === undefined ? name : `${name} (boards in one thread)`, async () => {
      const made = await world({}, threaded, thread);
      try {
        await tell(made);
      } finally {
        await made.drive.close();
      }
    });
  }
}

scenario(
  "packets pass between devices and boards without the chassis's thread",
  async ({ chassis, outside, inside }) => {
    const [out, clear] = [outside.device, inside.device];
    assert.is(out.line.in.length, 3, "a ring from each board");
    for (let i = 0; i < 40; i++) {
      assert.ok(clear.give(Uint8Array.of(i, 1, 2)));
      assert.ok(out.give(toSlot(1 + (i & 1), i)));
    }
    clear.line.ring();
    out.line.ring();
    const [left, opened]: ReturnType<Device["take"]>[] = [[], []];
    const all = (): boolean => {
      left.push(...out.take());
      opened.push(...clear.take());
      return left.length === 40 && opened.length === 40;
    };
    assert.ok(await chassis.until(all, PATIENCE));
    assert.equal(
      left.map(({ slot, octets }) => [slot, ...octets]),
      Array.from({ length: 40 }, (_, i) => [0, i, 1, 2]),
      "the IKE board sends to the unprotected side by itself",
    );
    for (const slot of [1, 2]) {
      const own = opened.filter((packet) => packet.slot === slot).map(last);
      assert.equal(
        own,
        Array.from({ length: 20 }, (_, i) => 2 * i + slot - 1),
        `order from slot ${slot}`,
      );
    }
    assert.equal([...outside.sent, ...inside.sent], [], "nothing came through the chassis's thread");
    assert.ok(out.rung > 0 && clear.rung > 0, "the devices were woken");
    await chassis.run();
    assert.equal(chassis.show().drops, {});
  },
);

scenario("while somebody watches, packets pass the chassis's thread, and none is lost at the change", async (made) => {
  const { chassis, outside, inside } = made;
  const seen: number[] = [];
  const give = (octet: number): void => {
    const { device } = inside;
    // As a NIC's worker chooses.
    if (device.line.open) device.give(Uint8Array.of(octet, 9));
    else inside.receiver([Uint8Array.of(octet, 9)]);
    device.line.ring();
  };
  for (let i = 0; i < 10; i++) give(i);
  const end = chassis.onTransmit("unprotected", (packet) => seen.push(packet[0]!));
  assert.not.ok(outside.device.line.control.open);
  assert.ok(inside.device.line.control.open, "the other side is not watched");
  for (let i = 10; i < 20; i++) give(i);
  const direct: number[] = [];
  const take = (): boolean => {
    direct.push(...outside.device.take().map(({ octets }) => octets[0]!));
    return direct.length + outside.sent.length >= 20;
  };
  assert.ok(await chassis.until(take, PATIENCE));
  end();
  assert.ok(outside.device.line.control.open);
  const stop = chassis.onReceive("protected", () => undefined);
  assert.not.ok(inside.device.line.open);
  for (let i = 20; i < 30; i++) give(i);
  stop();
  for (let i = 30; i < 40; i++) give(i);
  assert.ok(await chassis.until(() => (take(), direct.length + outside.sent.length === 40), PATIENCE));
  assert.equal(
    seen,
    outside.sent.map((packet) => packet[0]!),
  );
  assert.ok(seen.length >= 10 && seen.every((octet) => octet < 20));
  assert.equal(
    [...direct, ...seen].sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
  assert.equal(chassis.show().drops, {});
});

scenario(
  "a board that is off takes nothing; what stood in its rings is counted, and the next goes on",
  async (made) => {
    const { chassis, outside, inside } = made;
    const { device } = inside;
    await chassis.offline(0);
    assert.not.ok(device.line.open, "what arrives goes to the chassis's thread, which counts it");
    inside.receiver([Uint8Array.of(1)]);
    // A device that has looked a moment before.
    for (let i = 0; i < 5; i++) assert.ok(device.give(Uint8Array.of(i)));
    device.line.ring();
    await chassis.online(0);
    await chassis.run();
    assert.equal(chassis.show().drops, { board_offline: 6 });
    assert.equal(outside.device.take(), []);
    device.give(Uint8Array.of(7));
    device.line.ring();
    const got: ReturnType<Device["take"]> = [];
    assert.ok(await chassis.until(() => (got.push(...outside.device.take()), got.length > 0), PATIENCE));
    assert.equal(got, [{ slot: 0, generation: 2, octets: [7] }]);
  },
);

scenario("resets under traffic: every packet comes out, is counted, or was in the RAM that was wiped", async (made) => {
  const { chassis, outside, inside } = made;
  const { device } = inside;
  let given = 0;
  let got = 0;
  const take = (): void => void (got += outside.device.take().length);
  for (let round = 0; round < 3; round++) {
    const reset = chassis.reset(0);
    let done = false;
    void reset.then(() => (done = true));
    while (!done) {
      for (let i = 0; i < 50; i++) if (device.give(new Uint8Array(200))) given += 1;
      device.line.ring();
      take();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const settled = async (): Promise<void> => {
    let before = -1;
    while (before !== got) {
      before = got;
      await chassis.run(50);
      take();
    }
  };
  await settled();
  const drops = chassis.show().drops;
  const accounted = got + (drops.board_offline ?? 0) + (drops.backplane_congestion ?? 0);
  // The receive ring of a board has 256 frames, and three boards have been wiped.
  assert.ok(accounted <= given && given - accounted <= 3 * 256, `${given} given, ${accounted} accounted for`);
  assert.is(drops.board_offline ?? 0, 0, "what came while there was no board is its successor's");
  const before = got;
  device.give(Uint8Array.of(1));
  device.line.ring();
  assert.ok(await chassis.until(() => (take(), got === before + 1), PATIENCE));
});

scenario(
  "a board that hangs fills its ring and no more; its successor goes on with it",
  async ({ chassis, outside, inside }) => {
    const { device } = inside;
    const turns = (): number => Atomics.load(device.line.board.page.doorbell, TURNS);
    const before = turns();
    chassis.injectFault({ kind: "hang", slot: 0 });
    assert.ok(await chassis.until(() => turns() > before, PATIENCE));
    await new Promise((resolve) => setTimeout(resolve, 50));
    let given = 0;
    while (device.give(new Uint8Array(1000))) given += 1;
    // Twice as many where the thread was kept from its processor in the middle of its last turn, and took what was there.
    assert.ok(given >= 15 && given <= 33, `${given} found room in 16 KiB`);
    const up = (): boolean => {
      const slot = chassis.show().slots[0]!;
      return slot.generation === 2 && slot.state === "Online";
    };
    assert.ok(await chassis.until(up, PATIENCE));
    assert.is(chassis.faults[0]!.kind, "hung");
    let left = 0;
    const taken = (): boolean => (left += outside.device.take().length) >= 15;
    assert.ok(await chassis.until(taken, PATIENCE), `${left} of ${given}: what the dead board left is its successor's`);
    await chassis.run(50);
    left += outside.device.take().length;
    assert.ok(left <= given);
    assert.is(chassis.show().drops.board_offline ?? 0, 0);
    assert.ok(device.give(Uint8Array.of(5)));
    device.line.ring();
    const got: ReturnType<Device["take"]> = [];
    assert.ok(await chassis.until(() => (got.push(...outside.device.take()), got.length > 0), PATIENCE));
    assert.equal(
      got.map(({ octets }) => octets),
      [[5]],
    );
  },
  { ringOctets: 16384, hangMs: 700 },
);

scenario(
  "a device that does not take costs packets, not boards; shutdown does not wait for it",
  async ({ drive, chassis, inside, outside }) => {
    const { device } = inside;
    let given = 0;
    const pour = (): boolean => {
      while (given < 200 && device.give(new Uint8Array(1000))) given += 1;
      device.line.ring();
      return given === 200;
    };
    assert.ok(await chassis.until(pour, PATIENCE));
    const dropped = (): number => chassis.show().drops.backplane_congestion ?? 0;
    assert.ok(await chassis.until(() => dropped() === 200 - 16 || dropped() === 200 - 15, PATIENCE), `${dropped()}`);
    assert.is(outside.device.take().length + dropped(), 200);
    assert.is(chassis.show().slots[0]!.state, "Online");
    // The rings are full again, and the boards' threads asleep.
    given = 0;
    assert.ok(await chassis.until(pour, PATIENCE));
    await chassis.run(20);
    await drive.close();
    assert.equal(new Set(chassis.show().slots.map(({ state }) => state)).has("Online"), true);
    assert.is(chassis.faults.length, 0, "no thread had to be ended");
  },
  { ringOctets: 16384 },
);

scenario("a line that was cut is not used again, and its bell is left alone", async ({ chassis, inside, outside }) => {
  const { device } = outside;
  for (let i = 0; i < 200; i++) inside.device.give(Uint8Array.of(i));
  inside.device.line.ring();
  await device.ends.cut();
  const rung = device.rung;
  const direct = device.take().length;
  for (let i = 200; i < 250; i++) inside.device.give(Uint8Array.of(i));
  inside.device.line.ring();
  assert.ok(await chassis.until(() => direct + outside.sent.length === 250, PATIENCE));
  assert.is(device.rung, rung);
  chassis.onTransmit("unprotected", () => undefined)();
  assert.not.ok(device.line.control.open, "watching and ceasing to does not open it");
  await chassis.run();
});

scenario("what a device that died had not taken goes through the chassis's thread", async (made) => {
  const { chassis, inside, outside } = made;
  for (let i = 0; i < 20; i++) inside.device.give(Uint8Array.of(i));
  inside.device.line.ring();
  const { line } = outside.device;
  assert.ok(await chassis.until(() => outside.device.rung > 0 && !line.in[0]!.empty, PATIENCE));
  await outside.device.ends.cut();
  outside.device.ends.reclaim();
  assert.ok(await chassis.until(() => outside.sent.length === 20, PATIENCE));
  assert.equal(
    outside.sent.map((packet) => packet[0]!),
    Array.from({ length: 20 }, (_, i) => i),
  );
});

/** A device that boards' threads send to themselves, by test/entries/recording_sender.ts. */
class SentTo extends WiredNic {
  /** Of each thread that has been started, in that order. */
  readonly records: MessageRing[] = [];

  constructor(side: Side) {
    super(side);
    this.line.sender = (slot) => {
      const ring = ringMemory(1 << 16);
      this.records.push(new MessageRing(ring));
      const data: RecordingData = { ring, slot };
      return { program: threadFile(new URL("../entries/recording_sender.ts", import.meta.url)).href, data };
    };
  }

  /** What has been sent: slot and octets. */
  take(): number[][] {
    const taken: number[][] = [];
    for (const ring of this.records)
      for (; ring.peek(); ring.release())
        taken.push([ring.from, ...ring.octets.subarray(ring.at, ring.at + ring.length)]);
    return taken;
  }
}

test("where a device has a sender, boards' threads send themselves: in order, until the line is cut, and by another thread after one was lost", async () => {
  const drive = new Threaded({ hangMs: 700 });
  const slots = [
    { slot: 0, board: "ike" as const, image: ike! },
    { slot: 1, board: "ipsec" as const, image: ipsec! },
  ];
  const chassis = new Chassis({ drive, link: "ethernet", slots });
  const [outside, inside] = [new SentTo("unprotected"), new WiredNic("protected")];
  try {
    chassis.attach(outside);
    chassis.attach(inside);
    await chassis.powerOn();
    assert.is(outside.device.line.in.length, 0, "there are no rings to it");
    const sent: number[][] = [];
    const give = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) assert.ok(inside.device.give(Uint8Array.of(i, 1, 2)));
      inside.device.line.ring();
      const all = (): boolean => (sent.push(...outside.take()), sent.length + outside.sent.length >= to);
      assert.ok(await chassis.until(all, PATIENCE), `${sent.length} of ${to}`);
    };
    await give(0, 40);
    const end = chassis.onTransmit("unprotected", () => undefined);
    await give(40, 45);
    assert.is(outside.sent.length, 5, "watched, they pass the chassis's thread");
    end();
    chassis.injectFault({ kind: "hang", slot: 0 });
    const replaced = (): boolean => {
      const { generation, state } = chassis.show().slots[0]!;
      return generation === 2 && state === "Online";
    };
    assert.ok(await chassis.until(replaced, PATIENCE));
    await give(45, 90);
    assert.is(outside.records.length, 3, "of two boards' threads, and of the one that follows");
    assert.equal(
      sent,
      Array.from({ length: 90 }, (_, i) => [0, i, 1, 2]).filter((_, i) => i < 40 || i >= 45),
    );
    await outside.device.ends.passed();
    await outside.device.ends.cut();
    await give(90, 100);
    assert.is(outside.sent.length, 15, "cut, they pass the chassis's thread");
    assert.equal(outside.take(), []);
    assert.is(outside.device.rung, 0, "nobody was woken");
    assert.equal(chassis.show().drops, {});
  } finally {
    await drive.close();
  }
});

test("a second device of a port, or one that comes late, is served by the chassis's thread", async () => {
  const { drive, chassis, outside } = await world();
  const late = new WiredNic("unprotected");
  chassis.attach(late);
  assert.is(late.device.wired, 0);
  assert.not.ok(
    outside.device.line.control.open,
    "with two on one side both have all packets, and that thread gives them",
  );
  chassis.receive("protected", Uint8Array.of(3));
  assert.ok(await chassis.until(() => outside.sent.length === 1 && late.sent.length === 1, PATIENCE));
  await drive.close();
});

test("an answer reaches the board that asked, and no later one; nothing secret stays in the rings", async () => {
  const device = new Device();
  const asked: Uint8Array[] = [];
  const element: SecureElement = {
    line: device.offered,
    handle: async (request) => {
      asked.push(request);
      throw new Error("the element is not asked this way");
    },
  };
  const { drive, chassis } = await world({ secureElement: element });
  const answers: number[][] = [];
  chassis.management(0).onMessage((answer) => answers.push([...answer]));
  assert.is(device.line.in.length, 1, "the IKE board alone has it");
  const ring = device.line.in[0]!;
  chassis.management(0).send(message(0x5e, 1));
  assert.ok(await chassis.until(() => !ring.empty, PATIENCE));
  assert.equal(device.take(), [{ slot: 0, generation: 1, octets: [...message(0x5e, 1)] }]);
  await chassis.reset(0);
  await chassis.run();
  const answer = message(0x5e, 0xaa, 0xbb);
  device.give(answer, 1);
  device.give(answer, 2);
  device.line.ring();
  assert.ok(await chassis.until(() => answers.length > 0, PATIENCE));
  await chassis.run();
  assert.equal(answers, [[...answer]]);
  assert.equal(chassis.show().drops, { secure_element_stale: 1 });
  const { octets } = device.line.board.ring;
  for (let at = 16; at < 28; at++) assert.is(octets[at]! | octets[at + 32]!, 0, "the octets of both answers are wiped");
  assert.equal(asked, []);
  await drive.close();
});

test("the secure element's thread answers the IKE board's; with a fault of the element the chassis's thread is between", async () => {
  let through = 0;
  class Counted extends ThreadedElement {
    override handle(request: Uint8Array): Promise<Uint8Array> {
      through += 1;
      return super.handle(request);
    }
  }
  const element = new Counted();
  const { drive, chassis } = await world({ secureElement: element });
  let answers = 0;
  chassis.management(0).onMessage(() => (answers += 1));
  for (let i = 0; i < 50; i++) chassis.management(0).send(message(0x5e, i));
  assert.ok(await chassis.until(() => answers === 50, PATIENCE));
  assert.is(through, 0);
  chassis.injectFault({ kind: "element", lose: 1 });
  for (let i = 0; i < 10; i++) chassis.management(0).send(message(0x5e, i));
  assert.ok(await chassis.until(() => through === 10, PATIENCE));
  await chassis.run();
  assert.is(answers, 50);
  assert.equal(chassis.show().drops, { secure_element_failed: 10 });
  chassis.clearFaults();
  for (let i = 0; i < 10; i++) chassis.management(0).send(message(0x5e, i));
  assert.ok(await chassis.until(() => answers === 60, PATIENCE));
  assert.is(through, 10);
  // It ends while it sleeps on its bell; what is asked then is counted, not lost.
  await element.close();
  await chassis.run();
  chassis.management(0).send(message(0x5e, 1));
  await chassis.run();
  assert.is(chassis.show().drops.secure_element_failed, 11);
  await drive.close();
});

test.run();
