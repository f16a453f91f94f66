/** Metrics of a gateway in a story: what Prometheus is told is what happened, over rekeys and resets; and who may ask for it. */
import { request } from "node:http";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Metrics } from "../../host/operator/metrics.ts";
import { MetricsServer } from "../../host/operator/metrics_server.ts";
import { GATEWAYS_OWN, tell } from "./story.ts";

/** Samples of the text format, by name and labels as they stand. */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^(\S+?(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    assert.ok(key !== undefined && Number.isFinite(Number(value)), line);
    assert.not.ok(found.has(key), `${key} twice`);
    found.set(key, Number(value));
  }
  return found;
}

const NET = '{ike_sa_name="moon-sun",child_sa_name="net-1"}';

test("a child that is down, up, rekeyed: states, and counters that only rise", () =>
  tell({ chassis: GATEWAYS_OWN }, async (story) => {
    const { moon } = story;
    const metrics = new Metrics(moon.gateway);
    const ask = async (): Promise<Map<string, number>> => samples(await metrics.scrape());
    const down = await ask();
    assert.is(down.get("ipsec_up"), 1);
    assert.is(down.get("ipsec_ike_sas"), 0);
    assert.is(down.get(`ipsec_child_configured${NET}`), 1);
    assert.is(down.get(`ipsec_child_up${NET}`), 0);
    assert.is(down.get('ipsec_ike_sa_state{ike_sa_name="moon-sun"}'), 0, "DOWN, and not missing");
    assert.is(down.get('cardcage_board_up{slot="0",board="ike"}'), 1);
    assert.is(down.get('cardcage_board_sas{slot="1",board="ipsec"}'), 0);

    await story.establish();
    for (let i = 0; i < 5; i++) story.send(moon, 1, 100);
    await story.pair.drive.run(100);
    const up = await ask();
    assert.is(up.get("ipsec_ike_sas"), 1);
    assert.is(up.get("ipsec_half_open_ike_sas"), 0);
    assert.is(up.get('ipsec_ike_sa_state{ike_sa_name="moon-sun"}'), 2);
    assert.is(up.get(`ipsec_child_up${NET}`), 1);
    assert.is(up.get(`ipsec_child_sa_state${NET}`), 3);
    assert.is(up.get(`ipsec_child_sa_packets_out${NET}`), 5);
    assert.ok(up.get(`ipsec_child_sa_bytes_out${NET}`)! >= 500);
    const placed = [1, 2].map((slot) => up.get(`cardcage_board_sas{slot="${slot}",board="ipsec"}`)!);
    assert.equal(placed, [1, 1], "two children on two boards");
    await story.pair.drive.run(25_000);
    const rested = await ask();
    const of = (name: string): (number | undefined)[] =>
      [1, 2].map((slot) => rested.get(`cardcage_board_${name}{slot="${slot}",board="ipsec"}`));
    assert.equal(
      [of("sa_capacity"), of("weight")],
      [
        [4096, 4096],
        [1, 1],
      ],
    );
    assert.equal(of("load"), [0, 0], "at rest");
    assert.ok(rested.get('cardcage_audit_compared_total{slot="1"}')! > 0);
    assert.is(rested.get('cardcage_audit_repaired_total{slot="1",kind="missing"}'), 0);

    await moon.gateway.rekey("net-1");
    await story.pair.drive.run(2000);
    for (let i = 0; i < 3; i++) story.send(moon, 1, 100);
    await story.pair.drive.run(100);
    const later = await ask();
    assert.is(later.get(`ipsec_child_sa_packets_out${NET}`), 8, "the old SA's and the new one's");
    assert.is((await ask()).get(`ipsec_child_sa_packets_out${NET}`), 8, "a scrape counts nothing twice");

    moon.chassis.receive("protected", new Uint8Array(40));
    await story.pair.drive.run(10);
    assert.is((await ask()).get('cardcage_packets_dropped_total{slot="0",reason="ip_malformed"}'), 1);
    const text = await metrics.scrape();
    assert.not.match(text, /spi|uniqueid/i);
    assert.match(text, /# TYPE cardcage_packets_dropped_total counter/);
  }));

test("an IKE board that does not answer: ipsec_up 0, and the boards all the same", () =>
  tell({}, async (story) => {
    const { moon } = story;
    const metrics = new Metrics(moon.gateway);
    await moon.chassis.offline(moon.chassis.ikeSlot);
    const seen = samples(await metrics.scrape());
    assert.is(seen.get("ipsec_up"), 0);
    assert.is(seen.get('cardcage_board_up{slot="0",board="ike"}'), 0);
    assert.is(seen.get('cardcage_board_up{slot="1",board="ipsec"}'), 1);
    assert.not.ok([...seen.keys()].some((key) => key.startsWith("ipsec_child")));
  }));

function ask(port: number, path: string, method = "GET"): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method }, (response) => {
      let text = "";
      response.on("data", (octets: Buffer) => (text += octets.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode!, type: response.headers["content-type"] ?? "", text }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("over HTTP: /metrics and nothing else, GET and HEAD; scrapes at once share one", () =>
  tell({}, async (story) => {
    let scrapes = 0;
    const inner = new Metrics(story.moon.gateway);
    const scrape = (): Promise<string> => {
      scrapes += 1;
      return inner.scrape();
    };
    const server = await MetricsServer.listen(
      { contentType: inner.contentType, scrape },
      { host: "127.0.0.1", port: 0 },
    );
    try {
      const { status, type, text } = await ask(server.port, "/metrics");
      assert.is(status, 200);
      assert.match(type, /^text\/plain; version=0\.0\.4/);
      assert.is(samples(text).get("ipsec_up"), 1);
      const [one, another] = await Promise.all([ask(server.port, "/metrics"), ask(server.port, "/metrics?x")]);
      assert.is(one!.text, another!.text);
      assert.ok(scrapes <= 3);
      const before = scrapes;
      assert.is((await ask(server.port, "/")).status, 404);
      assert.is((await ask(server.port, "/metrics", "POST")).status, 405);
      const head = await ask(server.port, "/metrics", "HEAD");
      assert.equal([head.status, head.text], [200, ""]);
      let rejected = "";
      await MetricsServer.listen(inner, { host: "127.0.0.1", port: server.port }).catch(
        (error: Error) => (rejected = error.message),
      );
      assert.match(rejected, /^metrics at 127\.0\.0\.1 port \d+: .*EADDRINUSE/);
      assert.is(scrapes, before + 1, "only HEAD");
    } finally {
      await server.close();
    }
  }));

test.run();
