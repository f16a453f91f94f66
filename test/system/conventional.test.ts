/**
 * The gateway of figure 9: one board that negotiates, seals and opens, against one whose boards share the work. It is a gateway as others
 * are: both roles, rekeying, both directions, packets as they were sent; and it has nothing to hand over.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ChassisOptions } from "../../host/chassis/chassis.ts";
import { Pair, type Site, type SiteName } from "../../host/demo/pair.ts";
import { udpPacket } from "../../host/demo/packets.ts";
import { CONVENTIONAL } from "../bench/effects/conventional.ts";

const SIZES = [64, 333, 1400];
const NET: Record<SiteName, number> = { moon: 1, sun: 2 };

/** A packet of each size in each of two CHILD_SAs, from `from`; they arrive as they were sent. */
async function flow(pair: Pair, from: Site, to: Site): Promise<void> {
  const sent: string[] = [];
  for (const [i, octets] of SIZES.entries()) {
    for (const net of [1, 2]) {
      const packet = udpPacket(`10.${NET[from.name]}.${net}.5`, `10.${NET[to.name]}.${net}.9`, i, octets);
      sent.push(Buffer.from(packet).toString("hex"));
      assert.ok(from.send(packet));
    }
  }
  const before = to.received.length;
  await pair.drive.until(() => to.received.length >= before + sent.length, 5000);
  const arrived = to.received.slice(before).map(({ packet }) => Buffer.from(packet).toString("hex"));
  assert.equal(arrived.sort(), sent.sort(), `${from.name} to ${to.name}`);
}

async function flows(pair: Pair): Promise<void> {
  await flow(pair, pair.moon, pair.sun);
  await flow(pair, pair.sun, pair.moon);
}

/** No fault, every frame accounted for (in lockstep that is checked after every poll, too), and none dropped. */
function booksOf(site: Site, dropped = 0): void {
  const { slots, faults } = site.chassis.show();
  assert.equal(faults, [], site.name);
  for (const { slot, counters, drops } of slots) {
    assert.is(counters.dropped, dropped, `${site.name}, slot ${slot}: ${JSON.stringify(drops)}`);
    assert.is(
      counters.in + counters.originated,
      counters.sent + counters.consumed + dropped,
      `${site.name}, slot ${slot}`,
    );
  }
}

async function tell(site: Partial<Record<SiteName, Partial<ChassisOptions>>>, drive: "lockstep" | "threaded") {
  const pair = new Pair({ drive, site, links: { moon: "atm", sun: "ethernet" } });
  try {
    await pair.start();
    assert.ok(await pair.establish(), "CHILD_SAs");
    await flows(pair);
    for (const child of ["net-1", "net-2"]) await pair.moon.gateway.rekey(child);
    await pair.drive.run(drive === "lockstep" ? 2000 : 200);
    await flows(pair);
    for (const end of [pair.moon, pair.sun]) booksOf(end);
    const [moon] = pair.moon.chassis.show().slots;
    assert.is(pair.moon.chassis.show().slots.length, site.moon ? 1 : 3);
    assert.ok(moon!.counters.sent > 0);
  } finally {
    await pair.close();
  }
}

for (const drive of ["lockstep", "threaded"] as const) {
  test(`${drive}: one board, as initiator, with the split gateway`, () => tell({ moon: CONVENTIONAL }, drive));
  test(`${drive}: one board, as responder, with the split gateway`, () => tell({ sun: CONVENTIONAL }, drive));
}

test("one board with another one", () => tell({ moon: CONVENTIONAL, sun: CONVENTIONAL }, "lockstep"));

test("a lease that ends is renewed on the same board, and no packet is lost", async () => {
  const pair = new Pair({ site: { moon: CONVENTIONAL }, chassis: { lease: 4 } });
  try {
    await pair.start();
    assert.ok(await pair.establish());
    for (let i = 0; i < 5; i++) await flows(pair);
    booksOf(pair.moon);
  } finally {
    await pair.close();
  }
});

test("a packet of no SA ends for a reason, as on any gateway", async () => {
  const pair = new Pair({ site: { moon: CONVENTIONAL } });
  try {
    await pair.start();
    assert.ok(await pair.establish());
    const stray = Buffer.from(udpPacket("192.0.2.2", "192.0.2.1", 1, 100));
    stray[9] = 50;
    stray.writeUInt32BE(0xfffffffe, 20);
    stray.writeUInt16BE(0, 10);
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += stray.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    stray.writeUInt16BE(~sum & 0xffff, 10);
    pair.moon.chassis.receive("unprotected", stray);
    await pair.drive.run(10);
    const { drops } = pair.moon.chassis.show().slots[0]!;
    assert.is(drops["no_sa_entry_ike_board"], 1, JSON.stringify(drops));
    booksOf(pair.moon, 1);
  } finally {
    await pair.close();
  }
});

test("a chassis with a classifier is not its own", async () => {
  const pair = new Pair({ site: { moon: { ...CONVENTIONAL, cutThrough: true } } });
  try {
    await pair.start().then(
      () => assert.unreachable("it serves"),
      (error: Error) => assert.match(error.message, /refused: config/),
    );
  } finally {
    await pair.close();
  }
});

test.run();
