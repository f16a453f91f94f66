/** Listings longer than the management ring: every SA is listed, none is lost to a full ring. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pair } from "../../host/demo/pair.ts";

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

test.run();
