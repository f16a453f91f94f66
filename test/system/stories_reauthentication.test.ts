/** Stories of reauthentication under traffic (RFC 7296 2.8.3): a new IKE_SA with new CHILD_SAs, and not one packet lost. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { LINKS, tellAtPort500 as tell } from "./story.ts";

const SITES: readonly SiteName[] = ["moon", "sun"];
const REAUTH = "reauth_time = 30s\n rand_time = 3s\n over_time = 20s";

for (const [i, name] of SITES.entries()) {
  const role = name === "moon" ? "the initiator" : "the responder";
  test(`${role} reauthenticates under traffic, three times: all packets arrive, each once`, () =>
    tell({ links: LINKS[i]!, connection: { [name]: REAUTH } }, async (story) => {
      await story.establish();
      const ids = new Set<string>();
      const spis = new Set<string>();
      for (let second = 0; second < 100; second++) {
        for (let n = 0; n < 10; n++) {
          await story.exchange(undefined, [100 + n], 3);
          await story.pair.drive.run(97);
        }
        if (second % 10 !== 9) continue;
        for (const ike of await story.moon.gateway.sas()) {
          ids.add(ike["initiator-spi"]!);
          for (const child of ike["child-sas"]) spis.add(child["spi-in"]!);
        }
      }
      await story.pair.drive.run(100);
      story.account({ whole: true });
      assert.ok(ids.size >= 4, `${ids.size} IKE_SAs in 100 s`);
      assert.ok(spis.size >= 8, `${spis.size} CHILD_SAs of two`);
      // Between two of them there is one IKE_SA; the deadline of the next one is at least 27 s away from the last.
      await story.pair.drive.until(() => story.pair.installed(story.moon) === 2, 15_000);
      for (const site of [story.moon, story.sun]) {
        assert.is(story.pair.installed(site), 2);
        assert.equal(story.alerts(site), []);
      }
      await story.flows();
    }));
}

// RFC 7296 2.8.3, 2.4: what a new IKE_SA is for is the initiator's to know; unique = replace must not cut the old one off.
test("a responder with unique = replace gives traffic the time to move over", () =>
  tell({ connection: { moon: REAUTH, sun: "unique = replace" } }, async (story) => {
    await story.establish();
    for (let second = 0; second < 70; second++) {
      for (let n = 0; n < 4; n++) await story.exchange(undefined, [200 + n], 3);
      await story.pair.drive.run(900);
    }
    story.account({ whole: true });
  }));

test("reauthentication on a WAN that loses IKE messages: it takes longer, ESP is not cut", () =>
  tell({ connection: { moon: REAUTH }, chassis: { retransmitMs: 500, retransmitTries: 6 } }, async (story) => {
    await story.establish();
    let n = 0;
    // Every third IKE message is lost.
    story.pass = ({ kind }) => kind !== "ike" || ++n % 3 !== 0;
    for (let second = 0; second < 100; second++) {
      await story.exchange(undefined, [300], 3);
      await story.pair.drive.run(950);
    }
    await story.pair.drive.run(100);
    story.account({ whole: true });
    story.pass = () => true;
    await story.pair.drive.run(3000);
    await story.flows();
  }));

// RFC 4478: IKE_AUTH <-- AUTH_LIFETIME: only the peer can, because it asked for a virtual IP.
test("a responder that has given a virtual IP tells when to come again; the peer does in time, and has the same address", () =>
  tell(
    {
      nets: [1],
      connection: {
        moon: "vips = 0.0.0.0",
        sun: "pools = v4\n reauth_time = 40s\n rand_time = 0\n over_time = 20s",
      },
      selectors: {
        moon: "local_ts = dynamic\n remote_ts = 10.2.0.0/16",
        sun: "local_ts = 10.2.0.0/16\n remote_ts = dynamic",
      },
      sections: { sun: "pools {\n v4 {\n addrs = 10.3.0.0/29\n }\n}" },
    },
    async (story) => {
      await story.establish(30_000, 1);
      const [first] = await story.moon.gateway.sas();
      for (let i = 0; i < 3; i++) {
        await story.pair.drive.run(25_000);
        const [now] = await story.moon.gateway.sas();
        assert.is(now!.initiator, true, "moon's, not sun's");
        assert.equal(now!["local-vips"], first!["local-vips"]);
      }
      const sas = await story.sun.gateway.sas();
      assert.is(sas.length, 1);
      assert.is.not(sas[0]!["initiator-spi"], first!["initiator-spi"]);
      for (const site of [story.moon, story.sun]) assert.equal(story.alerts(site), []);
    },
  ));

test.run();
