/** Stories of placement (S402): which board a CHILD_SA comes to by each policy, and what becomes of one that none takes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Site } from "../../host/demo/pair.ts";
import type { Story } from "./story.ts";
import { tell } from "./story.ts";

const nets = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Slot of each child, by its name. */
async function slots(story: Story, site: Site): Promise<Record<string, number | undefined>> {
  return Object.fromEntries((await story.children(site)).map(({ name, slot }) => [name, slot]));
}

/** CHILD_SAs by slot. */
async function counts(story: Story, site: Site): Promise<Record<number, number>> {
  const counted: Record<number, number> = {};
  for (const slot of Object.values(await slots(story, site))) counted[slot!] = (counted[slot!] ?? 0) + 1;
  return counted;
}

const initiate = async (story: Story, net: number): Promise<void> => {
  await story.moon.gateway.initiate(`net-${net}`);
  await story.pair.drive.run(1000);
};

/** What an event says of a refusal. */
const notifies = (site: Site): (number | undefined)[] =>
  site.events.flatMap((event) => (event.kind === "alert" && "notify" in event ? [event.notify as number] : []));

test("round robin by weight: one board has three CHILD_SAs for each of the other", () =>
  tell(
    { nets: nets(8), slots: { moon: "1 = ipsec\n2 {\n board = ipsec\n weight = 3\n }", sun: "1 = ipsec\n2 = ipsec" } },
    async (story) => {
      await story.establish(30_000, 8);
      assert.equal(await counts(story, story.moon), { 1: 2, 2: 6 });
      assert.equal(await counts(story, story.sun), { 1: 4, 2: 4 });
      await story.flows(nets(8));
    },
  ));

test("least-loaded: who has the traffic gets no more, however few CHILD_SAs it has", () =>
  tell({ nets: nets(8), placement: { moon: "least-loaded" } }, async (story) => {
    await initiate(story, 1);
    await initiate(story, 2);
    const { "net-1": busy, "net-2": idle } = await slots(story, story.moon);
    assert.is.not(busy, idle, "without traffic they spread");
    const traffic = async (net: number, seconds: number): Promise<void> => {
      for (let i = 0; i < seconds * 10; i++) {
        story.send(story.moon, net, 1000);
        story.send(story.sun, net, 1000);
        await story.pair.drive.run(100);
      }
    };
    await traffic(1, 5);
    for (const net of [3, 4, 5]) await initiate(story, net);
    assert.equal(await slots(story, story.moon), {
      "net-1": busy,
      "net-2": idle,
      "net-3": idle,
      "net-4": idle,
      "net-5": idle,
    });
    // The traffic moves to the other one, and with it the choice.
    await traffic(2, 20);
    for (const net of [6, 7, 8]) await initiate(story, net);
    const after = await slots(story, story.moon);
    assert.equal([after["net-6"], after["net-7"], after["net-8"]], [busy, busy, busy]);
    story.account({ whole: true });
  }));

test("hash: all CHILD_SAs of a peer on one board, through rekeys; a board that goes is of no concern to other peers' ones", () =>
  // More than forty children are configured as connections between more identities.
  tell({ nets: nets(100), boards: 4, placement: { moon: "hash", sun: "hash" } }, async (story) => {
    await story.establish(60_000, 100);
    const homes = async (site: Site): Promise<Map<string, Set<number>>> => {
      const found = new Map<string, Set<number>>();
      for (const ike of await site.gateway.sas())
        found.set(
          ike.name,
          new Set(ike["child-sas"].flatMap(({ state, slot }) => (state === "INSTALLED" ? [slot!] : []))),
        );
      return found;
    };
    const first = await homes(story.moon);
    assert.is(first.size, 3);
    for (const [name, boards] of first) assert.is(boards.size, 1, `${name}: one board`);
    for (const boards of (await homes(story.sun)).values()) assert.is(boards.size, 1);
    for (const net of [1, 50, 90]) await story.moon.gateway.rekey(`net-${net}`);
    await story.pair.drive.run(2000);
    assert.equal(await homes(story.moon), first);
    const [name, boards] = [...first][0]!;
    const [slot] = boards;
    await story.moon.chassis.offline(slot!);
    await story.pair.drive.run(20_000);
    const without = await homes(story.moon);
    for (const [other, had] of first) {
      const has = without.get(other)!;
      assert.is(has.size, 1, `${other}: one board again`);
      assert.is(has.has(slot!), false);
      if (!had.has(slot!)) assert.equal(has, had, `${other}: stays where it is`);
    }
    await story.moon.chassis.online(slot!);
    await story.moon.gateway.rekey("net-1");
    await story.pair.drive.run(2000);
    assert.ok((await homes(story.moon)).get(name)!.has(slot!), "what is placed anew is at home again");
    await story.flows([1, 50, 90]);
  }));

test("slot n: the children are where they are told to be; without that board they wait for it, and nothing else does", () =>
  tell(
    {
      boards: 3,
      connection: { sun: "dpd_delay = 0" },
      child: { moon: "placement = slot 3\n start_action = start" },
    },
    async (story) => {
      await story.establish();
      assert.equal(await slots(story, story.moon), { "net-1": 3, "net-2": 3 });
      await story.flows();
      const spis = (await story.children(story.moon)).map((child) => child["spi-in"]);
      await story.moon.chassis.offline(3);
      await story.pair.drive.run(5000);
      await story.exchange([1, 2], [100], 1000);
      assert.ok(story.account() > 0);
      assert.ok(story.drop(story.moon, "board_offline") > 0, "they wait without a board");
      await story.moon.gateway.rekey("net-1");
      await story.pair.drive.run(5000);
      assert.ok(
        story.alerts(story.moon).includes("no IPsec board took the CHILD_SA: none is online in its fixed slot"),
        story.alerts(story.moon).join("\n"),
      );
      for (const [child, slot] of Object.entries(await slots(story, story.moon))) assert.is.not(slot, 1, child);
      await story.moon.chassis.online(3);
      assert.ok(await story.recovers(10_000), "it is taught as soon as it is there");
      // The rekey that found no board is made again.
      await story.pair.drive.run(60_000);
      assert.is((await story.children(story.moon))[1]!["spi-in"], spis[1], "and nothing is negotiated for that");
      assert.equal(await slots(story, story.moon), { "net-1": 3, "net-2": 3 });
      await story.flows();
    },
  ));

test("a swap: the logical board goes to another slot, its SAs follow without loss, and every placement means the new one", () =>
  tell(
    {
      nets: [1, 2, 3, 4],
      slots: {
        moon: "1 = ipsec\n2 = ipsec\n9 {\n board = ipsec\n number = 2\n }",
        sun: "1 = ipsec\n2 = ipsec",
      },
      child: { moon: "placement = slot 2" },
    },
    async (story) => {
      const { chassis, gateway } = story.moon;
      await chassis.offline(9);
      for (const net of [1, 2, 3]) await initiate(story, net);
      assert.equal(await counts(story, story.moon), { 2: 3 });
      await story.flows([1, 2, 3]);
      const spis = (await story.children(story.moon)).map((child) => child["spi-in"]);
      await chassis.online(9);
      await initiate(story, 4);
      assert.equal(await counts(story, story.moon), { 2: 3, 9: 1 }, "what is placed now is placed there");
      const numbers = (await gateway.boards()).slots.map(({ slot, number }) => [slot, number]);
      assert.equal(numbers.slice(1), [
        [1, 1],
        [2, 2],
        [9, 2],
      ]);
      let drained = false;
      const drain = chassis.drain(2).then((left) => {
        assert.is(left, 0, "all have left");
        drained = true;
      });
      while (!drained) await story.exchange([1, 2, 3, 4], [100], 20);
      await drain;
      assert.equal(await counts(story, story.moon), { 9: 4 });
      assert.equal(
        (await story.children(story.moon)).slice(0, 3).map((child) => child["spi-in"]),
        spis,
      );
      await story.pair.drive.run(100);
      story.account({ whole: true, ordered: true });
      await chassis.offline(2);
      await story.flows([1, 2, 3, 4]);
    },
  ));

const CRAMPED = "1 {\n board = ipsec\n sa_capacity = 1\n }\n2 {\n board = ipsec\n sa_capacity = 2\n }";
const ROOMY = "1 = ipsec\n2 = ipsec";
const NO_ADDITIONAL_SAS = 35;

test("responder, all boards full, each as its own capacity has it: NO_ADDITIONAL_SAS; with room again the next attempt succeeds", () =>
  tell({ nets: nets(4), slots: { moon: ROOMY, sun: CRAMPED } }, async (story) => {
    for (const net of nets(4)) await initiate(story, net);
    assert.equal(await counts(story, story.sun), { 1: 1, 2: 2 });
    assert.ok(notifies(story.moon).includes(NO_ADDITIONAL_SAS), JSON.stringify(story.moon.events));
    assert.ok(story.alerts(story.sun).includes("no IPsec board took the CHILD_SA: all are full"));
    await story.mirrored(3);
    await story.flows([1, 2, 3]);
    await story.moon.gateway.terminate("net-2");
    await story.pair.drive.run(1000);
    await initiate(story, 4);
    await story.mirrored(3);
    await story.flows([1, 3, 4]);
  }));

test("responder without a board for the first one: the IKE_SA stands, NO_ADDITIONAL_SAS is in IKE_AUTH", () =>
  tell({ slots: { moon: ROOMY, sun: ROOMY }, child: { sun: "placement = slot 2" } }, async (story) => {
    await story.sun.chassis.offline(2);
    await initiate(story, 1);
    assert.ok(notifies(story.moon).includes(NO_ADDITIONAL_SAS), JSON.stringify(story.moon.events));
    const [ike] = await story.moon.gateway.sas();
    assert.equal([ike?.state, ike?.["child-sas"].length], ["ESTABLISHED", 0]);
    await story.sun.chassis.online(2);
    await initiate(story, 1);
    assert.equal(await slots(story, story.sun), { "net-1": 2 });
    await story.flows([1]);
  }));

test("initiator, all boards full: the peer's CHILD_SA is deleted at once, the reason is named, and it is tried again", () =>
  tell(
    { nets: nets(4), slots: { moon: CRAMPED, sun: ROOMY }, child: { moon: "start_action = start" } },
    async (story) => {
      await story.pair.drive.run(5000);
      assert.equal(await counts(story, story.moon), { 1: 1, 2: 2 });
      assert.ok(story.alerts(story.moon).includes("no IPsec board took the CHILD_SA: all are full"));
      const there = await story.mirrored(3);
      const refused = story.moon.events.filter(({ kind }) => kind === "sa-refused").length;
      assert.ok(refused > 0);
      const missing = nets(4).find((net) => !there.some(({ name }) => name === `net-${net}`))!;
      await story.moon.gateway.terminate(there[0]!.name);
      assert.ok(
        await story.pair.drive.until(
          () =>
            story.moon.events.some(
              (event) =>
                event.kind === "child-updown" &&
                "child" in event &&
                event.child === `net-${missing}` &&
                "up" in event &&
                event.up === true,
            ),
          300_000,
        ),
        "it is tried again",
      );
      await story.mirrored(3);
    },
  ));

test.run();
