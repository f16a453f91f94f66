/**
 * Stories of the audit: whatever of a board's database does not agree with the IKE board's is found, repaired, counted and told; and
 * what is only under way is never taken for that.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/message.ts";
import { renderBoards } from "../../host/cli/render.ts";
import type { Site } from "../../host/demo/pair.ts";
import { foreignRecord, Forger, named } from "./forgery.ts";
import { GATEWAYS_OWN, type Story, type StoryOptions, tell } from "./story.ts";

interface Audited {
  rounds: number;
  compared: number;
  unknown: number;
  misplaced: number;
  missing: number;
}

/** What the audit says of all boards of a site together. */
async function audited(site: Site): Promise<Audited> {
  const sum: Audited = { rounds: 0, compared: 0, unknown: 0, misplaced: 0, missing: 0 };
  for (const { audit } of (await site.gateway.boards()).slots)
    for (const key of Object.keys(sum) as (keyof Audited)[]) sum[key] += audit?.[key] ?? 0;
  return sum;
}

const found = async (site: Site): Promise<Omit<Audited, "rounds" | "compared">> => {
  const { rounds: _rounds, compared: _compared, ...kinds } = await audited(site);
  return kinds;
};

const audits = (site: Site): string[] =>
  site.events.flatMap((event) =>
    event.kind === "alert" && "text" in event && event.text?.startsWith("audit:") ? [event.text] : [],
  );

function forged(options: StoryOptions, tale: (story: Story, forger: Forger) => Promise<void>): Promise<void> {
  const forger = new Forger();
  return tell(options, async (story) => {
    forger.end();
    const nets = (options.nets ?? [1, 2]) as number[];
    await story.establish(30_000, nets.length);
    await story.flows(nets);
    await tale(story, forger);
  }).finally(() => forger.end());
}

const NOTHING = { unknown: 0, misplaced: 0, missing: 0 };

test("all is well: round after round compares every SA twice over, and finds nothing", () =>
  tell({ chassis: GATEWAYS_OWN }, async (story) => {
    await story.establish();
    await story.pair.drive.run(65_000);
    const { rounds, compared, ...kinds } = await audited(story.moon);
    // Two boards, a round each every 10 s; two CHILD_SAs of two SAs, named by the IKE board and listed by their boards.
    assert.ok(rounds >= 10 && rounds <= 14, `${rounds} rounds`);
    assert.is(compared, (rounds / 2) * 2 * 4);
    assert.equal(kinds, NOTHING);
    assert.equal([...audits(story.moon), ...audits(story.sun)], []);
    const shown = renderBoards(await story.moon.gateway.boards());
    assert.match(shown, /SAS +LOAD/);
    assert.match(shown, /^1 +ipsec .* 1\/4096 +0\.0% /m);
    assert.match(shown, new RegExp(`^audit: ${rounds} rounds, ${compared} SAs compared, all agree$`, "m"));
  }));

for (const [direction, way] of [
  [M.DIRECTION_INBOUND, "inbound"],
  [M.DIRECTION_OUTBOUND, "outbound"],
] as const)
  test(`an ${way} SA is missing on its board: it is there again under the same SPI, nothing is negotiated`, () =>
    forged({}, async (story, forger) => {
      const [child] = await story.children(story.moon);
      const spi = direction === M.DIRECTION_INBOUND ? child!["spi-in"] : child!["spi-out"];
      forger.send(0, child!.slot!, M.MESSAGE_SA_REMOVE, named(spi, direction, child!.link));
      await story.pair.drive.run(20);
      story.send(story.moon, 1, 100);
      story.send(story.sun, 1, 100);
      await story.pair.drive.run(100);
      assert.is(story.account(), 1, "it is missing indeed");
      await story.pair.drive.run(25_000);
      assert.equal(await found(story.moon), { ...NOTHING, missing: 1 });
      assert.equal(audits(story.moon), [`audit: slot ${child!.slot} did not have an SA whose place it is: given anew`]);
      assert.equal(await story.mirrored(), await story.children(story.moon));
      const [again] = await story.children(story.moon);
      assert.equal([again!["spi-in"], again!["spi-out"]], [child!["spi-in"], child!["spi-out"]]);
      // The board has forgotten which numbers it had accepted: what is left of the lease is not accepted again.
      assert.ok(await story.recovers(120_000));
      await story.flows();
      await story.pair.drive.run(30_000);
      assert.equal(await found(story.moon), { ...NOTHING, missing: 1 }, "once");
    }));

test("a board has SAs that no CHILD_SA has: they are removed there, and nothing else is", () =>
  forged({}, async (story, forger) => {
    const link = 77;
    forger.send(0, 1, M.MESSAGE_SA_INSTALL, foreignRecord(0x00900000 | link, M.DIRECTION_INBOUND, link));
    forger.send(0, 1, M.MESSAGE_SA_INSTALL, foreignRecord(0x00a00001, M.DIRECTION_OUTBOUND, link));
    await story.pair.drive.run(25_000);
    assert.equal(await found(story.moon), { ...NOTHING, unknown: 2 });
    assert.equal(audits(story.moon), Array(2).fill("audit: slot 1 had an SA that no CHILD_SA has: removed there"));
    await story.pair.drive.run(30_000);
    assert.equal(await found(story.moon), { ...NOTHING, unknown: 2 }, "they are gone");
    await story.flows();
  }));

test("a board has an SA whose place is another board: it is removed where it does not belong, and stays where it does", () =>
  forged({}, async (story, forger) => {
    const [child] = await story.children(story.moon);
    const other = child!.slot === 1 ? 2 : 1;
    const spi = parseInt(child!["spi-in"], 16);
    forger.send(0, other, M.MESSAGE_SA_INSTALL, foreignRecord(spi, M.DIRECTION_INBOUND, child!.link));
    await story.pair.drive.run(25_000);
    assert.equal(await found(story.moon), { ...NOTHING, misplaced: 1 });
    assert.equal(audits(story.moon), [`audit: slot ${other} had an SA whose place is another board: removed there`]);
    await story.flows();
    await story.pair.drive.run(30_000);
    assert.equal(await found(story.moon), { ...NOTHING, misplaced: 1 });
  }));

test("a board that forgot everything is taught again, all SAs of it", () =>
  forged({ nets: Array.from({ length: 40 }, (_, i) => i + 1) }, async (story, forger) => {
    const lost = (await story.children(story.moon)).filter(({ slot }) => slot === 2).length;
    forger.send(0, 2, M.MESSAGE_SA_REMOVE_ALL, new Uint8Array(0));
    await story.pair.drive.run(40_000);
    assert.equal(await found(story.moon), { ...NOTHING, missing: 2 * lost });
    const nets = [1, 2, 20, 39, 40];
    assert.ok(await story.recovers(120_000, nets));
    await story.flows(nets);
    await story.mirrored(40);
  }));

test("churn on a lossy backplane: rekeys, deletions, boards that come and go; what is under way is no disagreement", () =>
  tell(
    {
      boards: 3,
      nets: [1, 2, 3, 4, 5, 6],
      child: {
        moon: "rekey_time = 40s\n rand_time = 20s\n start_action = start",
        sun: "rekey_time = 55s\n rand_time = 20s",
      },
    },
    async (story) => {
      for (const site of [story.moon, story.sun])
        site.chassis.inject({ seed: 7, lose: 0.05, duplicate: 0.02, reorder: 0.05 });
      const { drive } = story.pair;
      await drive.run(5000);
      for (let i = 0; i < 60; i++) {
        for (const net of [1, 2, 3, 4, 5, 6]) {
          story.send(story.moon, net, 100);
          story.send(story.sun, net, 100);
        }
        await drive.run(2500);
        const site = i % 2 === 0 ? story.moon : story.sun;
        if (i % 10 === 4) await site.gateway.rekey(`net-${1 + (i % 6)}`).catch(() => undefined);
        if (i % 12 === 7) await site.chassis.reset(1 + (i % 3));
        if (i % 15 === 9) await site.chassis.offline(1 + (i % 3));
        if (i % 15 === 12) for (const slot of [1, 2, 3]) if (!up(site, slot)) await site.chassis.online(slot);
        if (i % 15 === 12)
          for (const slot of [1, 2, 3]) if (!up(story.other(site), slot)) await story.other(site).chassis.online(slot);
      }
      for (const site of [story.moon, story.sun]) site.chassis.inject();
      await drive.run(30_000);
      for (const site of [story.moon, story.sun]) {
        assert.equal(audits(site), []);
        const { rounds, compared, ...kinds } = await audited(site);
        assert.equal(kinds, NOTHING);
        assert.ok(rounds > 30 && compared > 200, `${rounds} rounds, ${compared} compared`);
      }
    },
  ));

const up = (site: Site, slot: number): boolean =>
  site.chassis.show().slots.find((one) => one.slot === slot)?.state === "Online";

test.run();
