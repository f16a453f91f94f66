/**
 * Stories of an SA's life: replay, rekey by either side and by time, delete, a dead peer, boards that are reset, a backplane
 * with faults.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { LINKS, tell } from "./story.ts";

const SITES: readonly SiteName[] = ["moon", "sun"];

for (const links of LINKS) {
  // RFC 4303 3.4.3: a sequence number is accepted once; 3.4.4: the ICV; the patent's S606 for an SPI that is not ours.
  test(`replayed, damaged and strange ESP packets are not delivered, moon on ${links.moon}`, () =>
    tell({ links }, async (story) => {
      await story.establish();
      await story.exchange();
      story.account({ whole: true });
      const recorded = story.seen
        .filter(({ kind, from }) => kind === "esp" && from === "a")
        .map(({ packet }) => packet);
      assert.ok(recorded.length > 20);
      const counted = async (packets: Uint8Array[], reason: string): Promise<void> => {
        const before = story.drop(story.sun, reason);
        for (const packet of packets) {
          story.sun.chassis.receive("unprotected", packet);
          await story.pair.drive.run(1);
        }
        await story.pair.drive.run(50);
        assert.is(story.sun.received.length, 0, `${reason}: nothing is delivered`);
        assert.is(story.drop(story.sun, reason) - before, packets.length, reason);
      };
      await counted(recorded, "replay");
      // A packet that never arrived, damaged: in time by its sequence number, wrong by its ICV.
      story.pass = ({ kind }) => kind !== "esp";
      story.send(story.moon, 1, 300);
      await story.pair.drive.run(50);
      assert.is(story.account(), 1);
      const late = story.seen.at(-1)!.packet;
      for (const at of [28, 40, late.length - 1]) {
        const damaged = late.slice();
        damaged[at]! ^= 1;
        await counted([damaged], "icv");
      }
      const strange = late.slice();
      strange.set([0xde, 0xad, 0xbe, 0xef], 20);
      await counted([strange], "no_sa_entry_ike_board");
      story.pass = () => true;
      await story.flows();
    }));
}

for (const name of SITES) {
  // RFC 7296 2.8: CREATE_CHILD_SA (REKEY_SA) ->, <-, then INFORMATIONAL (DELETE of the old one) ->, <-.
  test(`${name} rekeys the CHILD_SAs under traffic: nothing is lost, the old SPIs go`, () =>
    tell({}, async (story) => {
      await story.establish();
      const site = story.pair[name];
      const before = await story.mirrored();
      await site.gateway.rekey("net-1");
      for (let i = 0; i < 40; i++) await story.exchange(undefined, [100 + i], 2);
      await site.gateway.rekey("net-2");
      for (let i = 0; i < 40; i++) await story.exchange(undefined, [100 + i], 2);
      await story.pair.drive.run(2000);
      story.account({ whole: true });
      const after = await story.mirrored();
      const spis = (children: typeof before): string[] => children.flatMap((c) => [c["spi-in"], c["spi-out"]]);
      for (const spi of spis(before)) assert.not.ok(spis(after).includes(spi), `${spi} is gone`);
      await story.flows();
    }));

  // RFC 7296 2.18: CREATE_CHILD_SA (SA, Ni, KEi) ->, <-, INFORMATIONAL (DELETE of the old IKE_SA) ->, <-.
  test(`${name} rekeys the IKE_SA: new SPIs, the CHILD_SAs live on`, () =>
    tell({}, async (story) => {
      await story.establish();
      const site = story.pair[name];
      const children = await story.mirrored();
      const [ike] = await site.gateway.sas();
      await site.gateway.rekey(name === "moon" ? "moon-sun" : "sun-moon");
      await story.exchange();
      await story.pair.drive.run(1000);
      story.account({ whole: true });
      const sas = await site.gateway.sas();
      assert.is(sas.length, 1);
      assert.is.not(sas[0]!["initiator-spi"], ike!["initiator-spi"]);
      assert.equal(
        (await story.mirrored()).map((child) => child["spi-in"]),
        children.map((child) => child["spi-in"]),
      );
      await site.gateway.rekey("net-1");
      await story.pair.drive.run(1000);
      await story.flows();
    }));

  // RFC 7296 1.4.1: INFORMATIONAL (DELETE) ->, <- (DELETE).
  test(`${name} terminates a child, then all: both ends have it off their boards`, () =>
    tell({}, async (story) => {
      await story.establish();
      const site = story.pair[name];
      await site.gateway.terminate("net-1");
      await story.pair.drive.run(1000);
      const [left] = await story.mirrored(1);
      assert.is(left!.name, "net-2");
      await story.flows([2]);
      await site.gateway.terminate();
      await story.pair.drive.run(1000);
      await story.mirrored(0);
      await story.establish(5000, 2);
      await story.flows();
    }));

  test(`${name} shuts down: the other end is told`, () =>
    tell({}, async (story) => {
      await story.establish();
      const site = story.pair[name];
      await site.gateway.shutdown();
      await story.pair.drive.run(1000);
      assert.equal(await story.children(story.other(site)), []);
      assert.is(story.pair.installed(story.other(site)), 0);
    }));
}

test("rekey by time: many lives of an SA, traffic all along", () =>
  tell(
    {
      child: {
        moon: "rekey_time = 10s\n life_time = 20s\n rand_time = 2s",
        sun: "rekey_time = 10s\n life_time = 20s\n rand_time = 2s",
      },
    },
    async (story) => {
      await story.establish();
      const spis = new Set<string>();
      for (let second = 0; second < 120; second++) {
        await story.exchange(undefined, [100, 1400], 20);
        await story.pair.drive.run(1000);
        story.account({ whole: true });
        if (second % 10 === 9) for (const child of await story.children(story.moon)) spis.add(child["spi-in"]);
      }
      assert.ok(spis.size >= 20, `${spis.size} inbound SPIs in two minutes`);
      await story.pair.drive.run(500);
      await story.flows();
    },
  ));

// RFC 7296 2.4: INFORMATIONAL () -> repeated without an answer: the peer is dead.
test("a cable pulled out: the dead peer is noticed, dpd_action = restart recovers when it is back", () =>
  tell(
    {
      connection: { moon: "dpd_delay = 5s", sun: "dpd_delay = 5s" },
      child: { moon: "dpd_action = restart", sun: "dpd_action = clear" },
      chassis: { retransmitMs: 500, retransmitTries: 3 },
    },
    async (story) => {
      await story.establish();
      story.pair.wan.connected = false;
      await story.pair.drive.run(60_000);
      assert.is(story.pair.installed(story.sun), 0);
      assert.equal(await story.children(story.sun), []);
      assert.ok(story.alerts(story.moon).length > 0, "moon says that the peer is gone");
      story.pair.wan.connected = true;
      // An attempt that failed is made again after a pause that doubles.
      assert.ok(await story.recovers(120_000), "traffic flows again");
      await story.flows();
    },
  ));

for (const links of LINKS) {
  test(`an IPsec board is reset under traffic: the other one takes its CHILD_SA over, sun on ${links.sun}`, () =>
    tell({ links }, async (story) => {
      await story.establish();
      const before = await story.mirrored();
      story.send(story.moon, 1, 100);
      await story.sun.chassis.reset(1);
      const lost = (): number =>
        ["no_sa_entry_ipsec_board", "board_offline", "no_sa_entry_ike_board"].reduce(
          (sum, name) => sum + story.drop(story.sun, name),
          0,
        );
      for (let i = 0; i < 5; i++) story.send(story.moon, 1, 100);
      await story.pair.drive.run(30);
      const refused = story.drop(story.sun, "replay") + lost();
      assert.ok(story.account() <= refused + 1, "what is missing was counted, but for what was on the board");
      for (let i = 0; i < 50; i++) story.send(story.moon, 1, 100);
      await story.pair.drive.run(200);
      story.account({ whole: true });
      await story.flows();
      const after = await story.mirrored();
      assert.equal(
        after.map((child) => [child["spi-in"], child["spi-out"]]),
        before.map((child) => [child["spi-in"], child["spi-out"]]),
        "nothing was negotiated",
      );
    }));

  test(`the IKE board is reset: with start_action = start all comes back by itself, moon on ${links.moon}`, () =>
    tell({ links, child: { moon: "start_action = start" } }, async (story) => {
      assert.ok(await story.recovers(10_000), "established by itself");
      await story.moon.chassis.reset(0);
      assert.ok(await story.recovers(60_000), "and again");
      await story.flows();
    }));

  for (const seed of [1, 2, 3]) {
    test(`a backplane that loses, doubles and reorders, moon on ${links.moon}, seed ${seed}`, () =>
      tell({ links, seed }, async (story) => {
        const spec = { seed, lose: 0.15, duplicate: 0.2, reorder: 0.2 };
        for (const { chassis } of [story.moon, story.sun]) chassis.inject(spec);
        // S404 is repeated until S502 is told.
        await story.establish();
        // A sealed packet that is doubled on its way to the board is opened once (RFC 4303 3.4.3). A clear one has no number
        // before it is sealed, so a backplane that doubles it there makes two packets of it: one side only at a time.
        for (const site of [story.moon, story.sun]) {
          const other = story.other(site);
          site.chassis.inject(spec);
          other.chassis.inject();
          for (let i = 0; i < 40; i++) story.send(other, 1 + (i % 2), 100 + i);
          const before = story.drop(site, "replay");
          await story.pair.drive.run(200);
          assert.ok(story.drop(site, "replay") > before, "doubled packets were counted as replays");
          assert.ok(story.account() < 20);
        }
        for (const { chassis } of [story.moon, story.sun]) chassis.inject();
        await story.pair.drive.run(2000);
        await story.mirrored();
        await story.flows();
      }));
  }
}

// Cell mode: what a single cell suffers costs its PDU, and nothing that is put together wrongly gets further than the CRC.
for (const seed of [1, 2]) {
  test(`a backplane that loses, doubles, swaps and damages cells, seed ${seed}`, () =>
    tell({ links: { moon: "atm-cell", sun: "atm-cell" }, seed }, async (story) => {
      const spec = { seed, lose: 0.01, duplicate: 0.01, reorder: 0.01, flip: 0.01 };
      for (const { chassis } of [story.moon, story.sun]) chassis.inject(spec);
      await story.establish();
      for (let i = 0; i < 200; i++) story.send(i & 1 ? story.moon : story.sun, 1 + (i % 2), 100 + 6 * i);
      await story.pair.drive.run(300);
      const missing = story.account();
      assert.ok(missing > 10 && missing < 180, `${missing} of 200 missing`);
      const both = (name: string): number => story.drop(story.moon, name) + story.drop(story.sun, name);
      for (const name of ["aal5_crc", "aal5_length", "injected_loss"]) assert.ok(both(name) > 0, name);
      assert.is(both("icv"), 0, "no PDU with a damaged packet in it got through");
      for (const { chassis } of [story.moon, story.sun]) chassis.inject();
      await story.pair.drive.run(2000);
      // The first PDU on each VC may have ended what a lost cell began.
      await story.exchange([1, 2], [64], 200);
      story.account();
      await story.mirrored();
      await story.flows();
    }));
}

test("metered boards tell the same story: the fuel of a call is more than any of them takes", async () => {
  const tale = async (metered: boolean): Promise<string[]> => {
    const wan: string[] = [];
    await tell({ chassis: { metered } }, async (story) => {
      await story.establish();
      await story.exchange();
      story.account({ whole: true, ordered: true });
      await story.moon.gateway.rekey("net-1");
      await story.pair.drive.run(1000);
      await story.flows();
      wan.push(...story.seen.map(({ kind, from, packet }) => `${kind} ${from} ${packet.length}`));
    });
    return wan;
  };
  assert.equal(await tale(true), await tale(false));
});

test.run();
