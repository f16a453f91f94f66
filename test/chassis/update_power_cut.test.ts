/**
 * A power cut at every write of an update of a running chassis: boards are drained, powered with new images, watched and confirmed, and
 * whenever the power goes, the chassis that comes back has the old images or the new ones in all its slots.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chassis, fitsOf, type SlotPlan } from "../../host/chassis/chassis.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import type { FlashDevice } from "../../host/chassis/flash/device.ts";
import { Flash, type FlashRequest } from "../../host/chassis/flash/flash.ts";
import { imageFile, newKey } from "../host/signed_images.ts";
import { CutDevice, everyCut, type Holdings } from "./cut_device.ts";

const { signer, key } = newKey();
const SLOTS: SlotPlan[] = [
  { slot: 0, board: "ike" },
  { slot: 1, board: "ipsec" },
  { slot: 2, board: "ipsec" },
];

async function release(version: string, more: object = {}): Promise<FlashRequest[]> {
  const counter = Number(version[0]);
  const ike = await imageFile({ board: "ike", version, counter }, signer);
  const ipsec = await imageFile({ board: "ipsec", version, counter, ...more }, signer);
  return SLOTS.map(({ slot, board }) => ({ slot, octets: board === "ike" ? ike : ipsec, set: version[0]!.repeat(24) }));
}

const one = await release("1.0.0");
const two = await release("2.0.0");
const broken = await release("2.1.0", { entry: "refusing_ipsec" });

/** Boots a chassis and runs `work` on it. */
async function running<T>(device: FlashDevice, work: (chassis: Chassis) => Promise<T>): Promise<T> {
  const drive = new Lockstep();
  try {
    const flash = await Flash.open(device, { trusted: [key], slots: fitsOf({ slots: SLOTS }, 4096) });
    const boot = await flash.boot();
    const chassis = new Chassis({ drive, link: "ethernet", slots: SLOTS, firmware: { flash, boot } });
    await chassis.powerOn();
    await chassis.run();
    return await work(chassis);
  } finally {
    await drive.close();
  }
}

/** Versions of the boards that are online, by slot. */
const versions = (chassis: Chassis): string =>
  chassis
    .show()
    .slots.map(({ images, state }) => (state === "Online" && images?.bank ? images[images.bank] : "-"))
    .join(" ");

const bootOf = (holdings: Holdings): Promise<string> =>
  running(new CutDevice(holdings), (chassis) => Promise.resolve(versions(chassis)));

const ONE = "1.0.0 1.0.0 1.0.0";
const TWO = "2.0.0 2.0.0 2.0.0";
const before = await (async (): Promise<Holdings> => {
  const device = new CutDevice();
  const flash = await Flash.open(device, { trusted: [key] });
  await flash.write(one, "confirm");
  return device.holdings();
})();

const update =
  (requests: FlashRequest[], confirm: boolean) =>
  (device: FlashDevice): Promise<string> =>
    running(device, async (chassis) => (await chassis.firmware!.update(requests, { confirm, watch: 10 })).outcome);

for (const [name, requests, confirm, ends, boots] of [
  ["a set, board by board, confirmed", two, true, "confirmed", [ONE, TWO]],
  // Before the update has begun its test, a reset begins it.
  ["a set, board by board, left under test", two, false, "testing", [ONE, TWO]],
  ["one board, confirmed", [two[1]!], true, "confirmed", [ONE, "1.0.0 2.0.0 1.0.0"]],
  ["a set whose boards refuse service", broken, true, "reverted", [ONE]],
] as const) {
  test(name, async () => {
    assert.is(await update([...requests], confirm)(new CutDevice(before)), ends);
    const { steps, states } = await everyCut(before, update([...requests], confirm));
    const seen = new Set<string>();
    for (const state of states) {
      const booted = await bootOf(state);
      assert.ok((boots as readonly string[]).includes(booted), `boots ${booted}`);
      seen.add(booted);
    }
    assert.equal([...seen].sort(), [...boots].sort());
    console.log(`  ${name}: ${steps} steps, ${states.length} states after a cut`);
  });
}

test.run();
