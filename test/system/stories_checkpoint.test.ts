/**
 * Stories of an IKE board that dies and takes its SAs back from the checkpoint: the IPsec boards run on, peers notice nothing but the
 * repetition of a message, and without a checkpoint it begins anew.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CHECKPOINT_KIND, CHECKPOINT_LINK } from "../../assembly/abi/checkpoint.ts";
import { Checkpoint } from "../../host/chassis/checkpoint.ts";
import type { Site } from "../../host/demo/pair.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

const options = (more: StoryOptions = {}): StoryOptions => ({ links: LINKS[0], boards: 2, faults: true, ...more });

const spisOf = async (story: Story, count = 2): Promise<string[]> =>
  (await story.mirrored(count)).map((child) => `${child["spi-in"]} ${child["spi-out"]}`);

const ikeSpis = async (site: Site): Promise<string[]> =>
  (await site.gateway.sas()).map((sa) => `${sa["initiator-spi"]} ${sa["responder-spi"]}`);

const restored = (site: Site): { ike: number; child: number }[] =>
  site.events.flatMap((event) =>
    event.kind === "restored" && "ike-sas" in event
      ? [{ ike: event["ike-sas"] ?? -1, child: event["child-sas"] ?? -1 }]
      : [],
  );

const ikeMessages = (story: Story): number => story.count("ike");

async function generations(site: Site): Promise<number[]> {
  return site.chassis.show().slots.map(({ generation }) => generation);
}

for (const name of ["moon", "sun"] as const)
  for (const links of LINKS)
    test(`${name}'s IKE board dies: all SAs are as they were (${links[name]})`, () =>
      tell(options({ links }), async (story) => {
        await story.establish(30_000, 2);
        await story.flows();
        const site = story[name];
        const before = { spis: await spisOf(story), ike: await ikeSpis(site), boards: await generations(site) };
        const said = ikeMessages(story);
        site.chassis.injectFault({ kind: "trap", slot: 0 });
        await story.pair.drive.run(50);
        assert.equal(restored(site), [{ ike: 1, child: 2 }]);
        assert.equal(await spisOf(story), before.spis);
        assert.equal(await ikeSpis(site), before.ike);
        assert.equal(
          await generations(site),
          [before.boards[0]! + 1, ...before.boards.slice(1)],
          "IPsec boards run on",
        );
        await story.flows();
        assert.is(ikeMessages(story), said, "nothing was negotiated, nobody was asked");
      }));

for (const name of ["moon", "sun"] as const)
  test(`in threads: ${name}'s IKE board dies, and its successor has all SAs`, () =>
    tell(options({ drive: "threaded", links: LINKS[1] }), async (story) => {
      await story.establish(30_000, 2);
      const site = story[name];
      const { drive } = story.pair;
      const before = { spis: await spisOf(story), boards: await generations(site) };
      for (let deaths = 1; deaths <= 2; deaths++) {
        await story.flows();
        // The first one traps, the second is pulled from under its packets.
        if (deaths === 1) site.chassis.injectFault({ kind: "trap", slot: 0 });
        else await site.chassis.reset(0);
        assert.ok(await drive.until(() => restored(site).length === deaths, 20_000), "SAs came back");
        assert.equal(await spisOf(story), before.spis);
        assert.equal((await generations(site)).slice(1), before.boards.slice(1), "IPsec boards run on");
      }
      await story.flows();
      for (const net of ["net-1", "net-2", name === "moon" ? "moon-sun" : "sun-moon"]) await site.gateway.rekey(net);
      const rekeyed = async (): Promise<boolean> =>
        (await spisOf(story).catch(() => before.spis)).every((spi) => !before.spis.includes(spi));
      const end = drive.clock.now() + 20_000_000_000n;
      while (!(await rekeyed()) && drive.clock.now() < end) await drive.run(50);
      assert.ok(await rekeyed(), "and rekeys them");
      await story.flows();
    }));

test("traffic goes on while the IKE board restarts, and leases go on behind their end", () =>
  tell(options({ chassis: { lease: 16 } }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    for (let round = 0; round < 12; round++) {
      await story.exchange([1, 2], [64, 99, 301, 777]);
      await story.sun.chassis.reset(0);
      await story.moon.chassis.reset(0);
      await story.pair.drive.run(20);
    }
    story.account({ whole: true });
    assert.equal(await spisOf(story), spis);
    await story.flows();
  }));

test("rekeys, by both ends, of CHILD_SAs and IKE_SAs go on after a restart", () =>
  tell(options(), async (story) => {
    await story.establish(30_000, 2);
    for (const site of [story.moon, story.sun]) {
      await site.chassis.reset(0);
      await story.pair.drive.run(50);
      for (const name of ["net-1", "net-2", site === story.moon ? "moon-sun" : "sun-moon"]) {
        const before = `${await spisOf(story)} ${await ikeSpis(site)}`;
        await site.gateway.rekey(name);
        await story.pair.drive.run(5000);
        assert.is.not(`${await spisOf(story)} ${await ikeSpis(site)}`, before, `${site.name} rekeys ${name}`);
        await story.flows();
      }
    }
  }));

test("many CHILD_SAs of one IKE_SA, rekeyed one by one and moved to another IKE_SA", () => {
  const nets = Array.from({ length: 40 }, (_, i) => i + 1);
  return tell(options({ nets }), async (story) => {
    await story.establish(60_000, nets.length);
    const { gateway, chassis } = story.moon;
    for (const net of [3, 11, 40]) await gateway.rekey(`net-${net}`);
    await gateway.rekey("moon-sun");
    await story.pair.drive.run(5000);
    const spis = await spisOf(story, nets.length);
    await chassis.reset(0);
    await story.sun.chassis.reset(0);
    await story.pair.drive.run(200);
    assert.equal(restored(story.moon), [{ ike: 1, child: nets.length }]);
    assert.equal(await spisOf(story, nets.length), spis);
    await story.flows(nets);
  });
});

test("the peer's question that was on its way is answered: one repetition", () =>
  tell(options({ connection: { moon: "dpd_delay = 5s", sun: "dpd_delay = 5s" } }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    for (let i = 0; i < 8; i++) {
      await story.pair.drive.run(3000 + 137 * i);
      await story.sun.chassis.reset(0);
      await story.moon.chassis.reset(0);
    }
    await story.pair.drive.run(30_000);
    assert.equal(await spisOf(story), spis);
    assert.equal(story.alerts(story.moon), []);
    assert.equal(story.alerts(story.sun), []);
    await story.flows();
  }));

test("IPsec boards that die in the moment in which the IKE board restarts are taken over from the end of their leases", () =>
  tell(options({ boards: 3 }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    await story.flows();
    const { chassis } = story.moon;
    for (const slot of [0, 1, 2, 3]) chassis.injectFault({ kind: "trap", slot });
    await story.pair.drive.run(250);
    assert.equal(restored(story.moon), [{ ike: 1, child: 2 }]);
    assert.equal(await spisOf(story), spis);
    assert.ok(await story.recovers(120_000));
    await story.flows();
  }));

test("IPsec boards that die while there is no IKE board took numbers along that nobody knows: it begins anew", () =>
  tell(options({ boards: 3, child: { moon: "start_action = trap" } }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    await story.flows();
    const { chassis } = story.moon;
    await chassis.offline(0);
    for (const slot of [1, 2, 3]) chassis.injectFault({ kind: "trap", slot });
    await story.pair.drive.run(50);
    await chassis.online(0);
    await story.pair.drive.run(200);
    assert.equal(restored(story.moon), []);
    assert.ok(await story.recovers(60_000));
    await story.pair.drive.run(10_000);
    assert.ok((await spisOf(story)).every((spi) => !spis.includes(spi)));
  }));

test("without an IKE board for a minute the IPsec boards forget its SAs, and it begins anew", () =>
  tell(options({ connection: { sun: "dpd_delay = 10s" }, child: { sun: "dpd_action = restart" } }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    const before = await generations(story.moon);
    await story.moon.chassis.offline(0);
    await story.pair.drive.run(59_000);
    assert.equal(await generations(story.moon), before);
    await story.pair.drive.run(2000);
    assert.equal(await generations(story.moon), [before[0]!, before[1]! + 1, before[2]! + 1]);
    await story.moon.chassis.reset(0);
    assert.equal(restored(story.moon), []);
    assert.ok(await story.recovers(120_000));
    await story.pair.drive.run(20_000);
    const now = await spisOf(story);
    assert.ok(
      now.every((spi) => !spis.includes(spi)),
      "all are new",
    );
  }));

test("with the checkpoint lost it begins anew, and what its first INITIAL_CONTACT names is gone at the peer", () =>
  tell(options({ child: { moon: "start_action = trap" } }), async (story) => {
    await story.establish(30_000, 2);
    const spis = await spisOf(story);
    story.moon.chassis.forgetCheckpoint();
    await story.moon.chassis.reset(0);
    await story.pair.drive.run(200);
    assert.equal(restored(story.moon), []);
    assert.ok(await story.recovers(60_000));
    await story.pair.drive.run(10_000);
    const now = await spisOf(story);
    assert.ok(
      now.every((spi) => !spis.includes(spi)),
      "all are new, and the old ones are gone",
    );
  }));

for (const seed of [1, 2, 3, 4, 5, 6])
  test(`of the element's answers every other one is lost: the keys of the checkpoint are asked for again (seed ${seed})`, () =>
    tell(options(), async (story) => {
      await story.establish(30_000, 2);
      await story.flows();
      const spis = await spisOf(story);
      const { chassis } = story.sun;
      for (let deaths = 1; deaths <= 2; deaths++) {
        chassis.injectFault({ kind: "element", lose: 0.5, seed: 10 * seed + deaths });
        await chassis.reset(0);
        await story.pair.drive.run(4000);
        chassis.clearFaults();
        assert.equal(restored(story.sun), Array(deaths).fill({ ike: 1, child: 2 }));
        assert.is(story.drop(story.sun, "checkpoint"), 0, "every record was opened");
        assert.equal(await spisOf(story), spis);
        await story.flows();
      }
    }));

test("links whose records are damaged: their CHILD_SAs came back without SAs, and are rekeyed", async () => {
  const { records } = Checkpoint.prototype;
  // The chassis's memory is not what it was: the last octet of each.
  Checkpoint.prototype.records = function (this: Checkpoint): Uint8Array[] {
    const all = records.call(this);
    for (const record of all) if (record[CHECKPOINT_KIND] === CHECKPOINT_LINK) record[record.length - 1]! ^= 1;
    return all;
  };
  try {
    await tell(options(), async (story) => {
      await story.establish(30_000, 2);
      await story.flows();
      const spis = await spisOf(story);
      await story.sun.chassis.reset(0);
      assert.ok(await story.recovers(10_000), "both tunnels carry again");
      assert.is(story.drop(story.sun, "checkpoint"), 2, "the damaged records are counted");
      assert.equal(restored(story.sun), [{ ike: 1, child: 2 }]);
      await story.pair.drive.run(20_000);
      assert.ok((await spisOf(story)).every((spi) => !spis.includes(spi)));
      await story.flows();
    });
  } finally {
    Checkpoint.prototype.records = records;
  }
});

test.run();
