/** Stories of limits and of traps: octets, packets and silence end a CHILD_SA, the first packet of a trap begins one. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Story } from "./story.ts";
import { tell } from "./story.ts";

const net1 = async (story: Story): Promise<Record<string, unknown> | undefined> =>
  (await story.children(story.moon)).find(({ name }) => name === "net-1") as Record<string, unknown> | undefined;
const spi = async (story: Story): Promise<unknown> => (await net1(story))?.["spi-in"];

async function packets(story: Story, count: number, octets = 100): Promise<void> {
  for (let i = 0; i < count; i++) {
    story.send(story.moon, 1, octets);
    await story.pair.drive.run(10);
  }
}

for (const [setting, octets, count] of [
  ["rekey_packets = 40\n life_packets = 60\n rand_packets = 0", 100, 40],
  ["rekey_bytes = 40000\n life_bytes = 60000\n rand_bytes = 0", 1000, 40],
] as const)
  test(`${setting.split("\n")[0]}: rekeyed when it is reached, not before; nothing is lost`, () =>
    tell({ child: { moon: setting } }, async (story) => {
      await story.establish();
      const first = await spi(story);
      await packets(story, count - 1, octets);
      assert.is(await spi(story), first);
      await packets(story, 1, octets);
      await story.pair.drive.run(500);
      assert.is.not(await spi(story), first);
      await packets(story, 100, octets);
      await story.pair.drive.run(100);
      story.account({ whole: true });
    }));

test("the peer does not answer the rekey: at life_packets packets are dropped; then it goes, and another one comes", () =>
  tell({ child: { moon: "rekey_packets = 20\n life_packets = 40\n rand_packets = 0" } }, async (story) => {
    await story.establish();
    const first = await spi(story);
    story.pass = ({ kind }) => !kind.startsWith("ike");
    await packets(story, 50);
    assert.is(story.drop(story.moon, "sa_expired"), 10);
    assert.is(story.account(), 10);
    story.pass = () => true;
    await story.pair.drive.run(15_000);
    assert.is.not(await spi(story), first);
    await story.flows();
  }));

test("rand_packets spreads the rekeys over what is before rekey_packets", () =>
  tell({ child: { moon: "rekey_packets = 60\n life_packets = 100\n rand_packets = 50" } }, async (story) => {
    await story.establish();
    const lives = new Set<number>();
    let count = 0;
    let last = await spi(story);
    for (let i = 0; i < 400; i++) {
      await packets(story, 1);
      count += 1;
      await story.pair.drive.run(40);
      const now = await spi(story);
      if (now === last) continue;
      last = now;
      assert.ok(count >= 10 && count <= 61, `${count} packets in a life`);
      lives.add(count);
      count = 0;
    }
    assert.ok(lives.size >= 4, `lives of ${[...lives].join(", ")} packets`);
    story.account({ whole: true });
  }));

test("inactivity: traffic in one direction is activity; without any the CHILD_SA goes, the IKE_SA and the other one stay", () =>
  tell({ child: { moon: "inactivity = 20s" } }, async (story) => {
    await story.establish();
    const first = await spi(story);
    for (let i = 0; i < 12; i++) {
      story.send(i % 2 === 0 ? story.moon : story.sun, 1, 100);
      story.send(story.moon, 2, 100);
      await story.pair.drive.run(8000);
    }
    assert.is(await spi(story), first);
    story.account({ whole: true });
    for (let i = 0; i < 4; i++) {
      story.send(story.sun, 2, 100);
      await story.pair.drive.run(8000);
    }
    assert.is(await spi(story), undefined);
    assert.equal(
      (await story.children(story.sun)).map(({ name }) => name),
      ["net-2"],
    );
    assert.ok(story.alerts(story.moon).includes("deleted after inactivity"));
    await story.flows([2]);
  }));

test("start_action = trap: the first packet is held, asks for the CHILD_SA and arrives; those behind it are dropped meanwhile", () =>
  tell({ child: { moon: "start_action = trap" } }, async (story) => {
    await story.pair.drive.run(100);
    for (let i = 0; i < 5; i++) story.send(story.moon, 1, 100 + i);
    story.send(story.moon, 2, 200);
    await story.pair.drive.run(2000);
    assert.is(story.sun.received.length, 2, "the first of each");
    assert.is(story.drop(story.moon, "no_sa_acquiring"), 4);
    assert.is(story.account(), 4);
    await story.mirrored(2);
    await story.flows();
  }));

test("start_action = trap, and nobody answers: the packet that waits is dropped after 10 s, a later one tries again", () =>
  tell({ child: { moon: "start_action = trap" } }, async (story) => {
    await story.pair.drive.run(100);
    story.pair.wan.connected = false;
    story.send(story.moon, 1, 100);
    await story.pair.drive.run(9000);
    assert.is(story.drop(story.moon, "no_sa_acquiring"), 0);
    await story.pair.drive.run(2000);
    assert.is(story.drop(story.moon, "no_sa_acquiring"), 1);
    assert.is(story.account(), 1);
    story.send(story.moon, 1, 101);
    await story.pair.drive.run(1000);
    story.pair.wan.connected = true;
    await story.pair.drive.run(9000);
    assert.is(story.account(), 0, "it was in time");
  }));

test("trap and inactivity: what was idle is back with the next packet, which arrives", () =>
  tell({ child: { moon: "start_action = trap\n inactivity = 10s" } }, async (story) => {
    await story.pair.drive.run(100);
    for (let round = 0; round < 3; round++) {
      story.send(story.moon, 1, 100);
      await story.pair.drive.run(1000);
      assert.is(story.account(), 0);
      assert.ok(await net1(story));
      await story.pair.drive.run(20_000);
      assert.is(await net1(story), undefined);
    }
  }));

test("start_action = trap|start: up by itself, and what the peer deletes is back with the next packet", () =>
  tell({ child: { moon: "start_action = trap|start" } }, async (story) => {
    await story.pair.drive.run(3000);
    await story.mirrored(2);
    await story.flows();
    await story.sun.gateway.terminate("net-1");
    await story.pair.drive.run(1000);
    assert.is(await net1(story), undefined);
    story.send(story.moon, 1, 100);
    await story.pair.drive.run(2000);
    assert.is(story.account(), 0);
    await story.flows();
  }));

test.run();
