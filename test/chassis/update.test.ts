/**
 * Firmware of a gateway under traffic: IPsec boards get new images one after the other, and no packet is lost and no SA negotiated; an
 * image that fails gives way to the old one, and the tunnels are what they were.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { fitsOf, type SlotPlan } from "../../host/chassis/chassis.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { Flash } from "../../host/chassis/flash/flash.ts";
import { BUILD_DIRECTORY } from "../../host/chassis/image.ts";
import { buildImageFile, signImageFile } from "../../host/image/image_file.ts";
import { parseVersion } from "../../host/image/version.ts";
import { imageFile, newKey } from "../host/signed_images.ts";
import { type Story, tell } from "../system/story.ts";
import { CutDevice } from "./cut_device.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 1);
const NETS = [1, 2, 3, 4, 5, 6];
const { signer, key } = newKey();

/** The boards as they were built, as images of a release. */
function image(board: "ike" | "ipsec", version: string, securityCounter = 1): Uint8Array {
  const payload = new Uint8Array(readFileSync(`${BUILD_DIRECTORY}/${board}.simd.wasm`));
  return signImageFile(buildImageFile(payload, { version: parseVersion(version), securityCounter }), signer);
}

const SLOTS: SlotPlan[] = [
  { slot: 0, board: "ike" },
  { slot: 1, board: "ipsec" },
  { slot: 2, board: "ipsec" },
  { slot: 3, board: "ipsec" },
];
const ipsec2 = image("ipsec", "2.0.0", 2);

/** A flash with the first release in all slots, and what it boots. */
async function released() {
  const flash = await Flash.open(new CutDevice(), { trusted: [key], slots: fitsOf({ slots: SLOTS }, 65536) });
  const ike = image("ike", "1.0.0");
  const ipsec = image("ipsec", "1.0.0");
  await flash.write(
    SLOTS.map(({ slot, board }) => ({ slot, octets: board === "ike" ? ike : ipsec })),
    "confirm",
  );
  return { flash, boot: await flash.boot() };
}

const options = async () => ({
  seed: SEED,
  boards: 3,
  nets: NETS,
  cable: { seed: SEED, latencyMs: 1 },
  chassis: { lease: 32 },
  firmware: { moon: await released() },
});

const spisOf = async (story: Story): Promise<string[]> =>
  (await story.mirrored(NETS.length)).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);

/** Traffic through all nets, both ways, every 100 µs of virtual time, until the function that it gives is called. */
function traffic(story: Story): () => void {
  const dice = new SeededRandom(SEED);
  let cancel: () => void = () => undefined;
  const next = (): void => {
    story.send(dice.next() < 0.5 ? story.moon : story.sun, NETS[dice.below(NETS.length)]!, 60 + dice.below(1000));
    cancel = story.pair.drive.after(100_000n, next);
  };
  next();
  return () => cancel();
}

const versions = (story: Story): string[] =>
  story.moon.chassis.show().slots.map(({ images }) => (images?.bank ? images[images.bank]! : "-"));

test("all IPsec boards are updated under traffic, one after the other: nothing is lost and nothing negotiated", async () =>
  tell(await options(), async (story) => {
    await story.establish(30_000, NETS.length);
    const spis = await spisOf(story);
    const stop = traffic(story);
    await story.pair.drive.run(20);
    for (const slot of [1, 2, 3]) {
      const result = await story.moon.chassis.update(slot, ipsec2, { confirm: true, watch: 30 });
      assert.is(result.outcome, "confirmed", result.reason);
    }
    await story.pair.drive.run(20);
    stop();
    await story.pair.drive.run(50);
    story.account({ whole: true, ordered: true });
    assert.equal(versions(story), ["1.0.0", "2.0.0", "2.0.0", "2.0.0"]);
    assert.equal(await spisOf(story), spis);
    await story.flows(NETS);
  }));

test("an image whose board refuses service: the old one is back, the tunnels are what they were", async () =>
  tell(await options(), async (story) => {
    await story.establish(30_000, NETS.length);
    const spis = await spisOf(story);
    const refusing = await imageFile({ version: "3.0.0", counter: 3, entry: "refusing_ipsec" }, signer);
    const stop = traffic(story);
    await story.pair.drive.run(20);
    const result = await story.moon.chassis.update(2, refusing, { confirm: true, watch: 30 });
    await story.pair.drive.run(20);
    stop();
    await story.pair.drive.run(50);
    assert.is(result.outcome, "reverted");
    story.account({ whole: true, ordered: true });
    assert.equal(versions(story), ["1.0.0", "1.0.0", "1.0.0", "1.0.0"]);
    assert.is(story.moon.chassis.show().alarm, "off");
    assert.equal(await spisOf(story), spis);
    await story.flows(NETS);
  }));

test("a board that alone can carry its CHILD_SAs is left alone", async () => {
  const all = await options();
  await tell({ ...all, child: { moon: "placement = slot 1" } }, async (story) => {
    await story.establish(30_000, NETS.length);
    const spis = await spisOf(story);
    const result = await story.moon.chassis.update(1, ipsec2, { confirm: true, watch: 30 });
    assert.is(result.outcome, "reverted");
    assert.match(result.reason!, /CHILD_SAs that no other board takes/);
    assert.equal(versions(story), ["1.0.0", "1.0.0", "1.0.0", "1.0.0"]);
    await story.flows(NETS);
    assert.equal(await spisOf(story), spis);
  });
});

test.run();
