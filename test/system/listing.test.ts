/** Listings: of more SAs than the management ring has room for every one, and of a connection that is not up why. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pair } from "../../host/demo/pair.ts";
import { renderSas } from "../../host/operator/sas.ts";

const CHILDREN = 120;

test(`${CHILDREN} CHILD_SAs are listed whole by both kinds of board`, async () => {
  const nets = Array.from({ length: CHILDREN }, (_, i) => i + 1);
  const pair = new Pair({ nets });
  try {
    await pair.start();
    assert.ok(await pair.establish(60_000, CHILDREN), "all children come up");
    for (const site of [pair.moon, pair.sun]) {
      const children = (await site.gateway.sas()).flatMap((ike) => ike["child-sas"]);
      assert.is(children.length, CHILDREN);
      assert.is(new Set(children.map((child) => child["spi-in"])).size, CHILDREN);
      assert.ok(
        children.every(({ slot }) => slot === 1 || slot === 2),
        "each is placed",
      );
      assert.equal(site.chassis.show().drops, {}, "no message was lost");
    }
  } finally {
    await pair.close();
  }
});

test("a peer that does not answer: what is agreed on is shown and no more, and why the last attempt came to nothing while the next is under way", async () => {
  const pair = new Pair();
  const { moon } = pair;
  const shown = async (): Promise<string> => renderSas(await moon.gateway.sas(), "ethernet");
  pair.wan.filter = () => false;
  try {
    await pair.start();
    assert.is(await shown(), "moon-sun: DOWN\n");
    await moon.gateway.initiate("net-1");
    await pair.drive.run(100);
    const attempt = /^moon-sun: #\d+, CONNECTING, IKEv2, [0-9a-f]{16}_i\* 0{16}_r/;
    assert.match(
      await shown(),
      new RegExp(
        `${attempt.source}\n  local  192\\.0\\.2\\.1\\[500\\]   remote 192\\.0\\.2\\.2\\[500\\]\n  net-1: #\\d+, CREATED, TUNNEL\n$`,
      ),
    );
    await pair.drive.run(300_000);
    assert.is(await shown(), "moon-sun: DOWN, last attempt: the peer does not answer\n");
    await moon.gateway.initiate("net-1");
    await pair.drive.run(100);
    assert.match(await shown(), new RegExp(`${attempt.source}, last attempt: the peer does not answer\n`));
    pair.wan.filter = () => true;
    assert.ok(await pair.drive.until(() => pair.installed(moon) === 1, 60_000));
    assert.match(await shown(), /^moon-sun: #\d+, ESTABLISHED, IKEv2, [0-9a-f]{16}_i\* [0-9a-f]{16}_r\n/);
  } finally {
    await pair.close();
  }
});

test.run();
