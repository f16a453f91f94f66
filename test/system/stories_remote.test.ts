/**
 * Boards in a shelf: a process of its own, reached over sockets. Moon has a board here and one there; traffic goes through both, and on when the
 * shelf dies, comes back, or is not the right one.
 */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Fault } from "../../host/chassis/fault.ts";
import { writeShelfKey } from "../../host/chassis/remote/key_file.ts";
import { LossyRelay } from "./lossy_relay.ts";
import { Rack } from "./shelf_process.ts";
import { type Story, tell } from "./story.ts";

/** Moon's slot 1 is here, slot 2 in the shelf. */
const slots = (keyFile: string, port: number) => ({
  drive: "threaded" as const,
  links: { moon: "ethernet", sun: "ethernet" } as const,
  shelves: { moon: new Map([[2, { host: "127.0.0.1", port, keyFile }]]) },
});

const moonSlot = (story: Story, slot: number) => story.moon.chassis.show().slots.find((one) => one.slot === slot)!;

/** On the WAN no pair of SPI and sequence number is there twice. */
function noNumberTwice(story: Story): void {
  const esp = story.seen.filter(({ kind }) => kind === "esp" || kind === "esp-udp");
  const pairs = esp.map(({ packet, kind }) => {
    const at = 20 + (kind === "esp" ? 0 : 8);
    return Buffer.from(packet.subarray(at, at + 8)).toString("hex");
  });
  assert.ok(pairs.length > 0);
  assert.is(new Set(pairs).size, pairs.length);
}

const placed = async (story: Story): Promise<(number | undefined)[]> =>
  (await story.children(story.moon)).map((child) => child.slot);

test("a board in a shelf carries its share, both ways and in every size", () =>
  Rack.with(async (rack) => {
    const shelf = await rack.shelf();
    await tell(slots(rack.keyFile, shelf.port), async (story) => {
      assert.is(moonSlot(story, 2).state, "Online");
      await story.establish();
      assert.equal(await placed(story), [1, 2]);
      await story.exchange([1, 2], undefined, 5000);
      story.account({ whole: true, ordered: true });
      await story.mirrored();
      const [, , remote] = story.moon.chassis.show().links;
      assert.match(remote!.name, new RegExp(`via 127\\.0\\.0\\.1:${shelf.port}$`));
    });
    assert.is(await shelf.end(), 0);
  }));

test("a shelf that is killed: its SAs live on at the other board; it comes again, and takes SAs", () =>
  Rack.with(async (rack) => {
    let shelf = await rack.shelf();
    const options = {
      ...slots(rack.keyFile, shelf.port),
      faults: true,
      chassis: { rebalance: true, crashLimit: { crashes: 2, seconds: 600 } },
    };
    await tell(options, async (story) => {
      await story.establish();
      await story.flows();
      const before = await story.mirrored();
      assert.equal(await placed(story), [1, 2]);
      await shelf.end("SIGKILL");
      assert.ok(await story.pair.drive.until(() => story.moon.chassis.faults.length > 0, 30_000));
      assert.is(story.moon.chassis.faults[0]!.kind, "link");
      assert.ok(await story.recovers(30_000));
      assert.equal(await placed(story), [1, 1]);
      await story.flows();
      assert.is(moonSlot(story, 2).state, "Offline");
      assert.match(moonSlot(story, 2).reason, /nobody listens there/);
      const again = await story.pair.drive.until(() => story.moon.chassis.faults.length > 2, 30_000);
      assert.ok(again, "this is no crash loop: the shelf is looked for again and again");
      shelf = await rack.shelf({ port: shelf.port });
      assert.ok(await story.pair.drive.until(() => moonSlot(story, 2).state === "Online", 30_000));
      let all: (number | undefined)[] = [];
      for (let tries = 0; tries < 100 && !all.includes(2); tries++) {
        await story.pair.drive.run(100);
        all = await placed(story);
      }
      assert.ok(all.includes(1) && all.includes(2), `SAs on ${all.join(", ")}`);
      await story.flows();
      const after = await story.mirrored();
      const spis = (children: typeof before): string[] => children.map((child) => child["spi-in"]);
      assert.equal(spis(after), spis(before), "nothing was negotiated anew");
      noNumberTwice(story);
    });
    assert.is(await shelf.end(), 0);
  }));

test("a board in a shelf is drained, taken offline and put online as any other, and dies as any other", () =>
  Rack.with(async (rack) => {
    const shelf = await rack.shelf();
    await tell({ ...slots(rack.keyFile, shelf.port), faults: true }, async (story) => {
      await story.establish();
      await story.flows();
      await story.moon.chassis.offline(2);
      assert.match(shelf.log, /slot 2 of moon: off: by order/);
      assert.equal(await placed(story), [1, 1]);
      await story.flows();
      await story.moon.chassis.online(2);
      assert.is(moonSlot(story, 2).generation, 2);
      story.moon.chassis.injectFault({ kind: "trap", slot: 2 });
      assert.ok(await story.pair.drive.until(() => story.moon.chassis.faults.length > 0, 10_000));
      const [fault] = story.moon.chassis.faults;
      assert.equal([fault!.slot, fault!.kind, fault!.generation], [2, "trap", 2]);
      assert.match(fault!.file, /\.ts$/, "found in the source, though the shelf knows no sources");
      assert.ok(await story.pair.drive.until(() => moonSlot(story, 2).state === "Online", 10_000));
      await story.flows();
    });
    assert.is(await shelf.end(), 0);
  }));

test("another IKE board in the chassis goes on with the board in the shelf", () =>
  Rack.with(async (rack) => {
    const shelf = await rack.shelf();
    await tell({ ...slots(rack.keyFile, shelf.port), faults: true }, async (story) => {
      await story.establish();
      await story.flows();
      const before = await story.mirrored();
      story.moon.chassis.injectFault({ kind: "trap", slot: 0 });
      const again = (): boolean => moonSlot(story, 0).generation === 2 && moonSlot(story, 0).state === "Online";
      assert.ok(await story.pair.drive.until(again, 30_000));
      assert.ok(await story.recovers(30_000));
      await story.flows();
      assert.equal(
        (await story.mirrored()).map((child) => [child["spi-in"], child.slot]),
        before.map((child) => [child["spi-in"], child.slot]),
      );
      assert.is(moonSlot(story, 2).generation, 1, "it runs on");
      noNumberTwice(story);
    });
  }));

test("a shelf with another key gets no board, and gives none; with the right one it does", () =>
  Rack.with(async (rack) => {
    const other = join(rack.directory, "other.key");
    writeShelfKey(other);
    let shelf = await rack.shelf({ keyFile: other });
    await tell({ ...slots(rack.keyFile, shelf.port), faults: true }, async (story) => {
      assert.is(moonSlot(story, 2).state, "Offline");
      assert.match(moonSlot(story, 2).reason, /its key is not that of .*shelf\.key/);
      await shelf.says(/refused so far: [1-9]\d* handshakes/);
      assert.not.match(shelf.log, /online/);
      await story.establish();
      assert.equal(await placed(story), [1, 1]);
      await story.flows();
      await shelf.end("SIGKILL");
      shelf = await rack.shelf({ port: shelf.port });
      assert.ok(await story.pair.drive.until(() => moonSlot(story, 2).state === "Online", 30_000));
    });
  }));

test("a full shelf says so, and one whose boards have too little RAM", () =>
  Rack.with(async (rack) => {
    for (const [words, reason] of [
      [["--boards", "1"], /the shelf is full: it has room for 1/],
      [["--ram", "2"], /MiB of RAM; the shelf gives 2 MiB/],
    ] as const) {
      const shelf = await rack.shelf({ words });
      const place = { host: "127.0.0.1", port: shelf.port, keyFile: rack.keyFile };
      const shelves = {
        moon: new Map([
          [2, place],
          [3, place],
        ]),
      };
      await tell({ ...slots(rack.keyFile, shelf.port), boards: 3, shelves, faults: true }, async (story) => {
        // A slot that is tried again has no reason for a moment: what was said stays among the faults.
        const faults = (): readonly Fault[] => story.moon.chassis.faults;
        const refused = (): number => new Set(faults().map(({ slot }) => slot)).size;
        const wanted = words[0] === "--ram" ? 2 : 1;
        assert.ok(await story.pair.drive.until(() => refused() >= wanted, 30_000));
        assert.is(refused(), wanted);
        for (const { message } of faults()) assert.match(message, reason);
      });
      await shelf.end();
    }
  }));

test("a link that loses, damages and repeats frames: no packet arrives twice, and all that is lost is counted", () =>
  Rack.with(async (rack) => {
    const shelf = await rack.shelf();
    const relay = await LossyRelay.start(shelf.port, 7);
    rack.atEnd(() => relay.close());
    await tell(slots(rack.keyFile, relay.port), async (story) => {
      await story.establish();
      relay.chances = { lose: 0.05, duplicate: 0.05, flip: 0.05 };
      for (let i = 0; i < 40; i++) {
        for (const net of [1, 2]) {
          story.send(story.moon, net, 100 + i);
          story.send(story.sun, net, 100 + i);
        }
        await story.pair.drive.run(10);
      }
      relay.chances = {};
      await story.pair.drive.run(2000);
      const missing = story.account();
      const { remote_lost = 0, remote_forged = 0, remote_replayed = 0 } = moonSlot(story, 2).chassisDrops;
      assert.ok(missing > 0 && missing <= remote_lost, `${missing} missing, ${remote_lost} lost`);
      assert.is(remote_lost, relay.lostFrames + relay.flippedFrames, "each lost frame was counted once");
      assert.is(remote_forged, relay.flipped);
      assert.is(remote_replayed, relay.duplicated);
      await story.flows();
      noNumberTwice(story);
      await relay.fromElsewhere();
      await shelf.says(/ 1 datagrams of strangers/);
    });
  }));

const SILENCES = [
  // Whoever of both counts it first.
  [["to shelf", "to chassis"], /: no sign of life (of the chassis )?for 5 s/],
  // The end that hears nothing says so to the other one, which hears it well.
  [["to shelf"], /: no sign of life of the chassis for 5 s/],
  [["to chassis"], /: no sign of life for 5 s/],
] as const;

for (const [ways, why] of SILENCES)
  test(`datagrams that stop ${ways.join(" and ")}: the board is given up at both ends, and is not taken for one that is there`, () =>
    Rack.with(async (rack) => {
      const shelf = await rack.shelf();
      const relay = await LossyRelay.start(shelf.port, 8);
      rack.atEnd(() => relay.close());
      await tell({ ...slots(rack.keyFile, relay.port), faults: true }, async (story) => {
        await story.establish();
        await story.flows();
        for (const way of ways) relay.cut.add(way);
        // Its board goes on there for a while; what it sends arrives nowhere.
        story.send(story.moon, 2);
        assert.ok(await story.pair.drive.until(() => story.moon.chassis.faults.length > 0, 30_000));
        const [fault] = story.moon.chassis.faults;
        assert.is(fault!.kind, "link");
        assert.match(fault!.message, why);
        assert.ok(await story.recovers(30_000));
        assert.equal(await placed(story), [1, 1]);
        await shelf.says(/slot 2 of moon: off: /);
        const blocked = /UDP port \d+ carries nothing, though TCP does/;
        const told = (): boolean => story.moon.chassis.faults.some(({ message }) => blocked.test(message));
        assert.ok(await story.pair.drive.until(told, 60_000));
        relay.cut.clear();
        assert.ok(await story.pair.drive.until(() => moonSlot(story, 2).state === "Online", 60_000));
        await story.flows();
        noNumberTwice(story);
      });
    }));

test.run();
