/**
 * A power cut at every step of every operation on flash, and at every step of the boot behind it: the chassis boots the old images
 * or the new ones, all of them, and takes the operation again.
 *
 *   before -> operation, cut at step k -> whatever the device may hold -> boot, cut at step j -> boot
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FlashDevice } from "../../host/chassis/flash/device.ts";
import { ChassisDirectory } from "../../host/chassis/flash/directory.ts";
import type { SlotFit } from "../../host/chassis/flash/fit.ts";
import { isChosen } from "../../host/chassis/flash/choice.ts";
import { Flash, type FlashRequest } from "../../host/chassis/flash/flash.ts";
import { ImageRefused } from "../../host/image/refusal.ts";
import { parseVersion, renderVersion } from "../../host/image/version.ts";
import { imageFile, newKey } from "../host/signed_images.ts";
import { CutDevice, digestOf, everyCut, type Holdings, PowerCut } from "./cut_device.ts";

const { signer, key } = newKey();
const fit = (boardClass: string): SlotFit => ({ boardClass, ramPages: 65536, ikeSas: 1, sas: 1 });
const SLOTS = new Map([
  [0, fit("ike")],
  [1, fit("ipsec")],
  [2, fit("ipsec")],
]);

/** The images of a release; its security counter is its major version. Larger than a write, so that there is a middle. */
async function release(version: string, together = false): Promise<Record<"ike" | "ipsec", Uint8Array>> {
  const at = { version: parseVersion(version) };
  const make = (board: "ike" | "ipsec", other: string): Promise<Uint8Array> =>
    imageFile(
      {
        board,
        version,
        counter: at.version.major,
        padding: board === "ike" ? 70_000 : 100,
        ...(together ? { dependencies: [{ boardClass: other, ...at }] } : {}),
      },
      signer,
    );
  return { ike: await make("ike", "ipsec"), ipsec: await make("ipsec", "ike") };
}

const [one, two, three, united] = [
  await release("1.0.0"),
  await release("2.0.0"),
  await release("3.0.0"),
  await release("2.5.0", true),
] as const;

const setOf = ({ ike, ipsec }: typeof one, name: string): FlashRequest[] => [
  { slot: 0, octets: ike, set: name.repeat(12) },
  { slot: 1, octets: ipsec, set: name.repeat(12) },
  { slot: 2, octets: ipsec, set: name.repeat(12) },
];

const open = (device: FlashDevice): Promise<Flash> => Flash.open(device, { trusted: [key], slots: SLOTS });

/** Runs `work` on a device to its end; what it holds then. */
async function after(before: Holdings, work: (flash: Flash) => Promise<unknown>): Promise<Holdings> {
  const device = new CutDevice(before);
  await work(await open(device));
  return device.holdings();
}

/** A reset: the versions that boot, by slot, such as `1.0.0 2.0.0 2.0.0`; a slot that does not boot is `-`. */
async function boot(flash: Flash): Promise<string> {
  const { slots } = await flash.boot();
  return slots.map((choice) => (isChosen(choice) ? renderVersion(choice.file.facts.version) : "-")).join(" ");
}

const bootOf = async (holdings: Holdings): Promise<string> => boot(await open(new CutDevice(holdings)));

const empty: Holdings = new Map();
const NOTHING = "- - -";
const ONE = "1.0.0 1.0.0 1.0.0";
const TWO = "2.0.0 2.0.0 2.0.0";
const THREE = "3.0.0 3.0.0 3.0.0";
const confirmedOne = await after(empty, (flash) => flash.write(setOf(one, "1a"), "confirm"));
const confirmedTwo = await after(confirmedOne, (flash) => flash.write(setOf(two, "2a"), "confirm"));
const pendingTwo = await after(confirmedOne, (flash) => flash.write(setOf(two, "2a"), "test"));
const runningTwo = await after(pendingTwo, (flash) => flash.boot());

/** With one octet of a file changed, as storage does by itself. */
function rotten(holdings: Holdings, name: string): Holdings {
  const octets = holdings.get(name)!.slice();
  octets[octets.length >> 1]! ^= 0x10;
  return new Map([...holdings, [name, octets]]);
}

interface Sweep {
  name: string;
  before: Holdings;
  operation: (flash: Flash) => Promise<unknown>;
  /** What may boot after a cut: the old images and the new ones. */
  boots: readonly string[];
  /** What boots when there is no cut. */
  done: string;
  /** Boots at the reset behind that, nothing having been confirmed. Default: the same. */
  then?: readonly string[];
}

const SWEEPS: Sweep[] = [
  {
    name: "the first images of a chassis",
    before: empty,
    operation: (flash) => flash.write(setOf(one, "1a"), "confirm"),
    boots: [NOTHING, ONE],
    done: ONE,
  },
  {
    name: "flash",
    before: confirmedOne,
    operation: (flash) => flash.write([{ slot: 1, octets: two.ipsec }], "nothing"),
    boots: [ONE],
    done: ONE,
  },
  {
    name: "flash --test",
    before: confirmedOne,
    operation: (flash) => flash.write([{ slot: 1, octets: two.ipsec }], "test"),
    boots: [ONE, "1.0.0 2.0.0 1.0.0"],
    done: "1.0.0 2.0.0 1.0.0",
    then: [ONE],
  },
  {
    name: "flash --confirm",
    before: confirmedOne,
    operation: (flash) => flash.write([{ slot: 0, octets: two.ike }], "confirm"),
    boots: [ONE, "2.0.0 1.0.0 1.0.0"],
    done: "2.0.0 1.0.0 1.0.0",
  },
  {
    name: "image test",
    before: await after(confirmedOne, (flash) => flash.write([{ slot: 0, octets: two.ike }], "nothing")),
    operation: (flash) => flash.test([0]),
    boots: [ONE, "2.0.0 1.0.0 1.0.0"],
    done: "2.0.0 1.0.0 1.0.0",
    then: [ONE],
  },
  {
    name: "flash --set --test",
    before: confirmedOne,
    operation: (flash) => flash.write(setOf(two, "2a"), "test"),
    boots: [ONE, TWO],
    done: TWO,
    then: [ONE],
  },
  {
    name: "flash --set --test of images that want each other",
    before: confirmedOne,
    operation: (flash) => flash.write(setOf(united, "25"), "test"),
    boots: [ONE, "2.5.0 2.5.0 2.5.0"],
    done: "2.5.0 2.5.0 2.5.0",
    then: [ONE],
  },
  {
    name: "flash --set --confirm, the switch and the counters at once",
    before: confirmedOne,
    operation: (flash) => flash.write(setOf(two, "2a"), "confirm"),
    boots: [ONE, TWO],
    done: TWO,
  },
  {
    name: "flash --set --test over older images",
    before: confirmedTwo,
    operation: (flash) => flash.write(setOf(three, "3a"), "test"),
    boots: [TWO, THREE],
    done: THREE,
    then: [TWO],
  },
  {
    name: "the boot that begins a test",
    before: pendingTwo,
    operation: (flash) => flash.boot(),
    boots: [TWO, ONE],
    done: ONE,
    then: [ONE],
  },
  {
    name: "a test that begins in a running chassis",
    before: pendingTwo,
    operation: (flash) => flash.begin(),
    boots: [TWO, ONE],
    done: ONE,
    then: [ONE],
  },
  {
    name: "the boot that ends a test",
    before: runningTwo,
    operation: (flash) => flash.boot(),
    boots: [ONE],
    done: ONE,
  },
  {
    name: "confirm, and the counters with it",
    before: runningTwo,
    operation: (flash) => flash.confirm(),
    boots: [ONE, TWO],
    done: TWO,
  },
  {
    name: "revert",
    before: runningTwo,
    operation: (flash) => flash.revert(),
    boots: [ONE],
    done: ONE,
  },
  {
    name: "revert of a test that has not begun",
    before: pendingTwo,
    operation: (flash) => flash.revert(),
    boots: [TWO, ONE],
    done: ONE,
    then: [ONE],
  },
  {
    name: "another image in place of one of a set to be tested",
    before: pendingTwo,
    operation: (flash) => flash.write([{ slot: 1, octets: three.ipsec }], "test"),
    boots: [TWO, ONE, "1.0.0 3.0.0 1.0.0"],
    done: "1.0.0 3.0.0 1.0.0",
    then: [ONE],
  },
  {
    name: "flash --test where the confirmed bank is damaged",
    before: rotten(
      await after(confirmedOne, (flash) => flash.write([{ slot: 1, octets: one.ipsec }], "confirm")),
      "slot-1.b.cci",
    ),
    operation: (flash) => flash.write([{ slot: 1, octets: two.ipsec }], "test"),
    boots: [ONE, "1.0.0 2.0.0 1.0.0"],
    done: "1.0.0 2.0.0 1.0.0",
    then: [ONE],
  },
  {
    name: "flash --set --test where one copy of the boot record is damaged",
    before: rotten(confirmedOne, "boot.0"),
    operation: (flash) => flash.write(setOf(two, "2a"), "test"),
    boots: [ONE, TWO],
    done: TWO,
    then: [ONE],
  },
  {
    name: "confirm where the other copy of the boot record is damaged",
    before: rotten(runningTwo, "boot.1"),
    operation: (flash) => flash.confirm(),
    boots: [ONE, TWO],
    done: TWO,
  },
];

for (const { name, before, operation, boots, done, then = boots } of SWEEPS) {
  test(name, async () => {
    const work = async (device: FlashDevice): Promise<unknown> => operation(await open(device));
    assert.is(await bootOf(await after(before, operation)), done, "without a cut");
    const { steps, states } = await everyCut(before, work);
    assert.ok(steps >= 10 && states.length > steps, `${steps} steps, ${states.length} states`);
    const seen = new Set<string>();
    let boot2 = 0;
    for (const state of states) {
      const first = await bootOf(state);
      assert.ok(boots.includes(first), `boots ${first}`);
      seen.add(first);
      // Power goes again, at any step of this boot.
      const again = await everyCut(state, async (device) => boot(await open(device)));
      for (const second of again.states) {
        const booted = await bootOf(second);
        assert.ok(boots.includes(booted), `a cut in the boot behind the cut: boots ${booted}`);
        boot2 += 1;
      }
      // A whole boot, and the reset behind it.
      const settled = await after(state, boot);
      assert.ok([...then, ...(first === done ? [] : boots)].includes(await bootOf(settled)));
    }
    for (const booted of [boots[0]!, boots.at(-1)!])
      assert.ok(seen.has(booted), `${booted} never boots: the sweep is blind`);
    console.log(`  ${name}: ${steps} steps, ${states.length} states after a cut, ${boot2} after one more`);
  });
}

test("after every cut of a set's switch it can be done again, and is done then", async () => {
  const operation = (flash: Flash): Promise<unknown> => flash.write(setOf(two, "2a"), "confirm");
  const { states } = await everyCut(confirmedOne, async (device) => operation(await open(device)));
  for (const state of states) {
    const flash = await open(new CutDevice(state));
    const was = (await flash.boot()).slots.map((choice) => (isChosen(choice) ? choice.bank : "-")).join("");
    await operation(flash);
    assert.is(await boot(flash), TWO, `from ${was}`);
  }
});

test("the counters never advance without the images: what boots is never older than they allow", async () => {
  const { states } = await everyCut(runningTwo, async (device) => (await open(device)).confirm());
  const counters = new Set<string>();
  for (const state of states) {
    const flash = await open(new CutDevice(state));
    const booted = await boot(flash);
    const now = flash.status.slots.map(({ securityCounter }) => securityCounter).join();
    counters.add(`${now} ${booted}`);
    const older = flash.write([{ slot: 1, octets: one.ipsec }], "nothing").then(
      () => "taken",
      (error: unknown) => (error instanceof ImageRefused ? error.reason : String(error)),
    );
    assert.is(await older, booted === TWO ? "security_counter" : "taken");
  }
  assert.equal(counters, new Set([`1,1,1 ${ONE}`, `2,2,2 ${TWO}`]));
});

test("a boot record whose copies are both damaged is refused by name, and nothing is overwritten", async () => {
  const device = new CutDevice(rotten(rotten(confirmedOne, "boot.0"), "boot.1"));
  await open(device).then(
    () => assert.unreachable(),
    (error: ImageRefused) => assert.is(error.reason, "record_damaged"),
  );
  assert.is(device.steps, 0);
});

/** A device that stops at a step, on a real directory: what a killed process leaves behind. */
function stopping(device: FlashDevice, steps: number): FlashDevice {
  const step = (): void => {
    if (steps-- <= 0) throw new PowerCut();
  };
  return {
    read: (name, most) => device.read(name, most),
    erase: async (name) => (step(), device.erase(name)),
    write: async (name, at, octets) => (step(), device.write(name, at, octets)),
    sync: async (name) => (step(), device.sync(name)),
    rename: async (from, to) => (step(), device.rename(from, to)),
    syncDirectory: async () => (step(), device.syncDirectory()),
  };
}

test("on a real directory: the process ends at every step of a set's switch", async () => {
  const root = mkdtempSync(join(tmpdir(), "cardcage-flash-"));
  const inDirectory = async <T>(path: string, work: (directory: ChassisDirectory) => Promise<T>): Promise<T> => {
    const directory = new ChassisDirectory(path);
    try {
      return await work(directory);
    } finally {
      directory.close();
    }
  };
  try {
    const base = join(root, "base");
    await inDirectory(base, async (device) => (await open(device)).write(setOf(one, "1a"), "confirm"));
    const seen: string[] = [];
    for (let steps = 0; ; steps++) {
      const path = join(root, String(steps));
      cpSync(base, path, { recursive: true });
      const whole = await inDirectory(path, async (device) => {
        const flash = await open(stopping(device, steps));
        return flash.write(setOf(two, "2a"), "confirm").then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof PowerCut)) throw error;
            return false;
          },
        );
      });
      const booted = await inDirectory(path, async (device) => boot(await open(device)));
      assert.ok([ONE, TWO].includes(booted), `${steps} steps: boots ${booted}`);
      seen.push(booted);
      rmSync(path, { recursive: true });
      if (whole) break;
    }
    assert.is(seen.at(-1), TWO);
    assert.equal([...new Set(seen)], [ONE, TWO]);
    assert.ok(seen.length > 20);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("a device that fails once, at any step, and the gateway goes on: the same operation is done then", async () => {
  for (let failing = 0; ; failing++) {
    const device = new CutDevice(confirmedOne);
    let left = failing;
    const step = (): void => {
      if (left-- === 0) throw new Error("no space");
    };
    const flash = await open({
      read: (name, most) => device.read(name, most),
      erase: async (name) => (step(), device.erase(name)),
      write: async (name, at, octets) => (step(), device.write(name, at, octets)),
      sync: async (name) => (step(), device.sync(name)),
      rename: async (from, to) => (step(), device.rename(from, to)),
      syncDirectory: async () => (step(), device.syncDirectory()),
    });
    const failed = await flash.write(setOf(two, "2a"), "confirm").then(
      () => false,
      () => true,
    );
    assert.ok([ONE, TWO].includes(await bootOf(device.holdings())), `step ${failing}`);
    left = Infinity;
    await flash.write(setOf(two, "2a"), "confirm");
    assert.is(await bootOf(device.holdings()), TWO, `step ${failing}`);
    if (!failed) {
      assert.ok(failing > 20);
      break;
    }
  }
});

/** What the sweep finds wrong with a set's switch on a device like this. */
async function faultsOn(like: (device: FlashDevice) => FlashDevice): Promise<Set<string>> {
  const { states } = await everyCut(confirmedOne, async (device) =>
    (await open(like(device))).write(setOf(two, "2a"), "confirm"),
  );
  const booted = await Promise.all(
    states.map((state) => bootOf(state).catch((error: unknown) => (error as ImageRefused).reason)),
  );
  return new Set(booted.filter((boots) => boots !== ONE && boots !== TWO));
}

test("the sweep finds what it is for: files not synced, names not synced, a record in front of its images", async () => {
  const sound = (device: FlashDevice): FlashDevice => stopping(device, Infinity);
  assert.equal(await faultsOn(sound), new Set());
  const lazy = await faultsOn((device) => ({ ...sound(device), sync: async () => undefined }));
  assert.ok(lazy.size > 0, "files that are not synced");
  const nameless = await faultsOn((device) => ({ ...sound(device), syncDirectory: async () => undefined }));
  assert.ok(nameless.size > 0, "names that are not synced");
  // Images reach the device behind the record that switches to them.
  const late = await faultsOn((device) => {
    const waiting: (() => Promise<void>)[] = [];
    return {
      ...sound(device),
      rename: async (from, to) => {
        if (to.startsWith("slot-")) waiting.push(() => device.rename(from, to));
        else {
          await device.rename(from, to);
          for (const done of waiting.splice(0)) await done();
        }
      },
    };
  });
  assert.ok(late.size > 0, "a record in front of its images");
});

test("holdings that differ have digests that differ", () => {
  assert.is.not(digestOf(confirmedOne), digestOf(rotten(confirmedOne, "boot.0")));
});

test.run();
