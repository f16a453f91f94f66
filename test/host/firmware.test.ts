/**
 * A chassis that boots from flash (echo boards): what boots, updates of a running chassis board by board, tests that fail and what
 * comes back then. Told in lockstep, and threaded where boards come and go by themselves.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chassis, fitsOf, type SlotPlan } from "../../host/chassis/chassis.ts";
import type { Drive } from "../../host/chassis/drive/drive.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { Threaded } from "../../host/chassis/drive/threaded.ts";
import type { ImageEvent } from "../../host/chassis/firmware.ts";
import type { FlashDevice } from "../../host/chassis/flash/device.ts";
import { Flash, type FlashRequest } from "../../host/chassis/flash/flash.ts";
import { ImageRefused } from "../../host/image/refusal.ts";
import { parseVersion } from "../../host/image/version.ts";
import { CutDevice, type Holdings } from "../chassis/cut_device.ts";
import { imageFile, newKey } from "./signed_images.ts";

const { signer, key } = newKey();
const make = (board: "ike" | "ipsec", version: string, more: object = {}): Promise<Uint8Array> =>
  imageFile({ board, version, counter: parseVersion(version).major, ...more }, signer);

const ike1 = await make("ike", "1.0.0");
const ike2 = await make("ike", "2.0.0");
const ipsec1 = await make("ipsec", "1.0.0");
const ipsec2 = await make("ipsec", "2.0.0", { entry: "mortal_ipsec" });
const refusing = await make("ipsec", "3.0.0", { entry: "refusing_ipsec" });
const PATIENCE = 20_000;
/** Short, for the threaded drive: its clock is the wall's. */
const WATCH = 100;

const SLOTS: SlotPlan[] = [
  { slot: 0, board: "ike" },
  { slot: 1, board: "ipsec" },
  { slot: 2, board: "ipsec" },
];
const setOf = (ike: Uint8Array, ipsec: Uint8Array, set: string): FlashRequest[] => [
  { slot: 0, octets: ike, set },
  { slot: 1, octets: ipsec, set },
  { slot: 2, octets: ipsec, set },
];

const open = (device: FlashDevice): Promise<Flash> =>
  Flash.open(device, { trusted: [key], slots: fitsOf({ slots: SLOTS }, 4096) });

/** A device with the first release in all slots. */
async function released(): Promise<CutDevice> {
  const device = new CutDevice();
  await (await open(device)).write(setOf(ike1, ipsec1, "1a".repeat(12)), "confirm");
  return device;
}

interface Booted {
  chassis: Chassis;
  flash: Flash;
  notes: string[];
  events: ImageEvent[];
}

async function boot(device: FlashDevice, drive: Drive): Promise<Booted> {
  const flash = await open(device);
  const choice = await flash.boot();
  const chassis = new Chassis({ drive, link: "ethernet", slots: SLOTS, firmware: { flash, boot: choice } });
  const events: ImageEvent[] = [];
  chassis.onImage((event) => events.push(event));
  await chassis.powerOn();
  await chassis.run();
  return { chassis, flash, notes: choice.notes, events };
}

/** `A 1.0.0` of every slot, with its state where it is not online. */
const running = (chassis: Chassis): string[] =>
  chassis.show().slots.map(({ images, state }) => {
    const version = images?.bank ? images[images.bank] : undefined;
    return `${images?.bank ?? "-"} ${version ?? "-"}${images?.testing ? " testing" : ""}${state === "Online" ? "" : ` ${state}`}`;
  });

const reasonOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof ImageRefused ? error.reason : String(error)),
  );

const DRIVES: Record<string, () => Drive> = { lockstep: () => new Lockstep(), threaded: () => new Threaded() };

const BOTH = Object.keys(DRIVES);

function story(name: string, tell: (drive: Drive) => Promise<void>, kinds = ["lockstep"]): void {
  for (const kind of kinds) {
    const create = DRIVES[kind]!;
    test(`${name} (${kind})`, async () => {
      const drive = create();
      try {
        await tell(drive);
      } finally {
        await drive.close();
      }
    });
  }
}

story("what flash has is what boots; a chassis with empty flash says so slot by slot", async (drive) => {
  const { chassis, notes } = await boot(await released(), drive);
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  assert.equal(notes, []);
  assert.is(chassis.show().slots[1]!.image, "ipsec.base");
  await chassis.close();
  const bare = await boot(new CutDevice(), drive);
  for (const { state, reason } of bare.chassis.show().slots) {
    assert.is(state, "Offline");
    assert.match(reason, /^image refused: no_image: /);
  }
  assert.is(bare.notes.length, 3);
});

story(
  "an update: one board is replaced and confirmed, the others do not notice",
  async (drive) => {
    const { chassis, flash, events } = await boot(await released(), drive);
    const before = chassis.show().slots.map(({ generation }) => generation);
    const result = await chassis.update(1, ipsec2, { confirm: true, watch: WATCH });
    assert.equal(result, { outcome: "confirmed", slots: [{ slot: 1, bank: "B", version: "2.0.0" }] });
    assert.equal(running(chassis), ["A 1.0.0", "B 2.0.0", "A 1.0.0"]);
    const after = chassis.show().slots.map(({ generation }) => generation);
    assert.equal([after[0], after[1]! > before[1]!, after[2]], [before[0], true, before[2]]);
    assert.equal(
      events.map(({ slot, bank, version, state }) => `${slot} ${bank} ${version} ${state}`),
      ["1 B 2.0.0 flashed", "1 B 2.0.0 testing", "1 B 2.0.0 confirmed"],
    );
    assert.equal(
      flash.status.slots.map(({ securityCounter }) => securityCounter),
      [1, 2, 1],
    );
    // The way back is barred: the counter has advanced.
    assert.is(await reasonOf(chassis.update(1, ipsec1)), "security_counter");
    assert.equal(running(chassis)[1], "B 2.0.0");
  },
  BOTH,
);

story("an update that is not confirmed is gone at the next reset", async (drive) => {
  const device = await released();
  const { chassis } = await boot(device, drive);
  assert.is((await chassis.update(2, ipsec2, { watch: WATCH })).outcome, "testing");
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "B 2.0.0 testing"]);
  assert.is(await reasonOf(chassis.update(1, ipsec2)), "test_running");
  await chassis.close();
  const next = await boot(device, drive);
  assert.equal(running(next.chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  assert.match(next.notes.join(), /were not confirmed/);
});

story("confirm and revert of a test that runs", async (drive) => {
  const device = await released();
  const { chassis, events } = await boot(device, drive);
  const { firmware } = chassis;
  assert.is(await reasonOf(firmware!.confirm()), "no_test");
  assert.is(await reasonOf(firmware!.revert()), "no_test");
  await chassis.update(2, ipsec2, { watch: WATCH });
  assert.equal(await firmware!.revert(), [2]);
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  await firmware!.test([2], { watch: WATCH });
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "B 2.0.0 testing"]);
  assert.equal(await firmware!.confirm(), [2]);
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "B 2.0.0"]);
  assert.equal(
    events.map(({ state }) => state),
    ["flashed", "testing", "reverted", "testing", "confirmed"],
  );
  await chassis.close();
  assert.equal(running((await boot(device, drive)).chassis), ["A 1.0.0", "A 1.0.0", "B 2.0.0"]);
});

story("a board whose power-on self test fails under test gets its old image back", async (drive) => {
  const { chassis, flash, events } = await boot(await released(), drive);
  const result = await chassis.update(1, refusing, { confirm: true, watch: WATCH });
  assert.is(result.outcome, "reverted");
  assert.match(result.reason!, /^slot 1: refused: /);
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  assert.equal([flash.status.outcome, flash.status.outcomeSlot], ["board_failed", 1]);
  assert.equal(
    events.map(({ state }) => state),
    ["flashed", "testing", "reverted"],
  );
});

story(
  "a board that traps under test, right after it came up or later, gets its old image back",
  async (drive) => {
    const { chassis, flash } = await boot(await released(), drive);
    const die = (): void => void chassis.management(1).send(Uint8Array.of(0xd1, 0, 0, 0, 0, 0, 0, 0));
    const stop = chassis.onBoard((event) => {
      if (event.kind === "up" && event.slot === 1) die();
    });
    const result = await chassis.update(1, ipsec2, { confirm: true, watch: PATIENCE });
    stop();
    assert.is(result.outcome, "reverted");
    assert.match(result.reason!, /^slot 1: trap: /);
    assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
    assert.is((await chassis.firmware!.test([1], { watch: WATCH })).outcome, "testing");
    assert.equal(running(chassis)[1], "B 2.0.0 testing");
    die();
    const back = (): boolean => running(chassis)[1] === "A 1.0.0" && flash.status.trial === "none";
    assert.ok(await chassis.until(back, PATIENCE));
    assert.is(flash.status.outcome, "board_failed");
    await chassis.run();
    assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  },
  BOTH,
);

story(
  "a set: IPsec boards one by one, then the IKE board; one that fails takes the whole set back",
  async (drive) => {
    const device = await released();
    const { chassis, flash, events } = await boot(device, drive);
    const order: number[] = [];
    chassis.onBoard((event) => {
      if (event.kind === "up") order.push(event.slot);
    });
    const done = await chassis.firmware!.update(setOf(ike2, ipsec2, "2a".repeat(12)), { confirm: true, watch: WATCH });
    assert.is(done.outcome, "confirmed");
    assert.equal(order.slice(0, 3), [1, 2, 0]);
    await chassis.run();
    assert.equal(running(chassis), ["B 2.0.0", "B 2.0.0", "B 2.0.0"]);
    events.length = 0;
    const ike3 = await make("ike", "3.0.0");
    const bad: FlashRequest[] = [
      { slot: 0, octets: ike3 },
      { slot: 1, octets: await make("ipsec", "3.0.0") },
      { slot: 2, octets: refusing },
    ];
    const failed = await chassis.firmware!.update(bad, { confirm: true, watch: WATCH });
    assert.is(failed.outcome, "reverted");
    assert.match(failed.reason!, /^slot 2: /);
    assert.equal(running(chassis), ["B 2.0.0", "B 2.0.0", "B 2.0.0"]);
    assert.not(
      events.some(({ slot, state }) => slot === 0 && state === "testing"),
      "the IKE board was touched",
    );
    assert.equal(
      flash.status.slots.map(({ securityCounter }) => securityCounter),
      [2, 2, 2],
    );
  },
  BOTH,
);

story("a board with CHILD_SAs that no other board takes is left alone, unless it is forced", async (drive) => {
  const { chassis, flash, events } = await boot(await released(), drive);
  const before = chassis.show().slots.map(({ generation }) => generation);
  chassis.management(0).send(Uint8Array.of(0x1e, 0, 0, 0, 3, 0, 0, 0));
  await chassis.run();
  const result = await chassis.update(1, ipsec2, { confirm: true, watch: WATCH });
  assert.is(result.outcome, "reverted");
  assert.match(result.reason!, /^slot 1: it has 3 CHILD_SAs that no other board takes/);
  assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  assert.equal(
    chassis.show().slots.map(({ generation }) => generation),
    before,
  );
  assert.equal([flash.status.trial, flash.status.outcome, flash.status.outcomeSlot], ["none", "reverted", 1]);
  assert.equal(
    events.map(({ state }) => state),
    ["flashed"],
  );
  assert.is((await chassis.update(1, ipsec2, { confirm: true, watch: WATCH, force: true })).outcome, "confirmed");
  assert.equal(running(chassis), ["A 1.0.0", "B 2.0.0", "A 1.0.0"]);
});

story("images under test that fail as the chassis boots: it comes up with the old ones", async (drive) => {
  const device = await released();
  const flash = await open(device);
  await flash.write(
    [
      { slot: 1, octets: await make("ipsec", "3.1.0") },
      { slot: 2, octets: refusing },
    ],
    "test",
  );
  const { chassis } = await boot(device, drive);
  const back = (): boolean => running(chassis).join() === "A 1.0.0,A 1.0.0,A 1.0.0";
  assert.ok(await chassis.until(back, PATIENCE), running(chassis).join());
  assert.is((await chassis.firmware!.flash.inspect()).outcome, "board_failed");
});

story("an image that is refused is refused before the board is touched", async (drive) => {
  const { chassis, flash, events } = await boot(await released(), drive);
  const before = chassis.show().slots.map(({ generation }) => generation);
  const stranger = newKey();
  const needy = await make("ipsec", "2.0.0", { dependencies: [{ boardClass: "ike", version: parseVersion("2.0.0") }] });
  const flipped = Uint8Array.from(ipsec2);
  flipped[100]! ^= 1;
  for (const [octets, reason] of [
    [await imageFile({ version: "2.0.0" }), "unsigned"],
    [await imageFile({ version: "2.0.0" }, stranger.signer), "unknown_key"],
    [flipped, "digest_mismatch"],
    [ike2, "wrong_class"],
    [await make("ipsec", "0.9.0"), "security_counter"],
    [needy, "dependency_unmet"],
  ] as const) {
    assert.is(await reasonOf(chassis.update(1, octets, { watch: WATCH })), reason);
  }
  assert.is(await reasonOf(chassis.update(7, ipsec2, { watch: WATCH })), "no_slot");
  assert.equal(
    chassis.show().slots.map(({ generation }) => generation),
    before,
  );
  assert.equal([flash.status.trial, flash.status.slots[1]!.B, events.length], ["none", null, 0]);
});

story(
  "bit rot: the other bank boots if it was confirmed; without one the slot is off and the others serve",
  async (drive) => {
    const rot = async (name: string, holdings: Holdings): Promise<CutDevice> => {
      const octets = Uint8Array.from(holdings.get(name)!);
      octets[octets.length >> 1]! ^= 4;
      return new CutDevice(new Map([...holdings, [name, octets]]));
    };
    const device = await released();
    await (await open(device)).write([{ slot: 1, octets: await make("ipsec", "1.1.0") }], "confirm");
    const rotten = await rot("slot-1.b.cci", device.holdings());
    const { chassis, notes } = await boot(rotten, drive);
    assert.equal(running(chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
    assert.match(notes.join(), /^slot 1: back to A: not_flashed: /);
    // The next image goes where the damaged one is.
    assert.equal((await chassis.update(1, ipsec2, { confirm: true, watch: WATCH })).slots, [
      { slot: 1, bank: "B", version: "2.0.0" },
    ]);
    await chassis.close();
    const alone = await boot(await rot("slot-2.a.cci", (await released()).holdings()), drive);
    assert.equal(running(alone.chassis), ["A 1.0.0", "A 1.0.0", "- - Offline"]);
    const off = alone.chassis.show().slots[2]!;
    assert.match(off.reason, /^image refused: not_flashed: /);
    // It is mended by an update.
    assert.is((await alone.chassis.update(2, ipsec1, { confirm: true, watch: WATCH })).outcome, "confirmed");
    assert.equal(running(alone.chassis), ["A 1.0.0", "A 1.0.0", "B 1.0.0"]);
  },
);

story("bit rot in a set: all of it falls back, or none", async (drive) => {
  const device = await released();
  const newer = setOf(await make("ike", "1.5.0"), await make("ipsec", "1.5.0"), "15".repeat(12));
  await (await open(device)).write(newer, "confirm");
  const damaged = (...names: string[]): CutDevice => {
    const holdings = new Map(device.holdings());
    for (const name of names) {
      holdings.set(
        name,
        holdings.get(name)!.map((octet, i) => (i === 100 ? octet ^ 1 : octet)),
      );
    }
    return new CutDevice(holdings);
  };
  const whole = await boot(damaged("slot-2.b.cci"), drive);
  assert.equal(running(whole.chassis), ["A 1.0.0", "A 1.0.0", "A 1.0.0"]);
  await whole.chassis.close();
  const torn = await boot(damaged("slot-2.b.cci", "slot-0.a.cci"), drive);
  assert.equal(running(torn.chassis), ["B 1.5.0", "B 1.5.0", "- - Offline"]);
});

story("a board that is ejected comes back with what flash has, and with nothing else", async (drive) => {
  const { chassis } = await boot(await released(), drive);
  await chassis.update(1, ipsec2, { confirm: true, watch: WATCH });
  await chassis.eject(1);
  assert.equal(running(chassis)[1], "- - Empty");
  assert.is(await reasonOf(chassis.insert(1, "/tmp/other.wasm")), "unsigned");
  assert.is(await reasonOf(chassis.insert(1, "ike")), "unsigned");
  assert.equal(running(chassis)[1], "- - Empty");
  await chassis.insert(1, "ipsec");
  await chassis.online(1);
  assert.equal(running(chassis)[1], "B 2.0.0");
  const bare = await boot(new CutDevice(), drive);
  assert.is(await reasonOf(bare.chassis.online(1)), "no_image");
  await bare.flash.write([{ slot: 1, octets: ipsec1 }], "confirm");
  await bare.chassis.online(1);
  assert.equal(running(bare.chassis), ["- - Offline", "A 1.0.0", "- - Offline"]);
  assert.is(bare.chassis.show().slots[1]!.leds.fail, "off");
  assert.is(bare.chassis.show().slots[2]!.leds.fail, "red");
});

test("a chassis without flash has no updates", async () => {
  const drive = new Lockstep();
  const flash = await open(await released());
  const { slots } = await flash.boot();
  const images = slots.map((choice) => ("image" in choice ? choice.image : undefined)!);
  const plans = SLOTS.map((plan, i) => ({ ...plan, image: images[i]! }));
  const chassis = new Chassis({ drive, link: "ethernet", slots: plans });
  assert.throws(() => chassis.update(1, ipsec2), RangeError);
  assert.is(chassis.show().slots[1]!.images, undefined);
  await drive.close();
});

test.run();
