/**
 * Another configuration for a gateway that runs: what is the same in both is not touched, what is new is there at once, what is gone is gone
 * at the peer as well, and what cannot change under a gateway refuses the whole.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PairOptions, siteConfiguration } from "../../host/demo/pair.ts";
import { loadConfiguration } from "../../host/operator/configuration/configuration.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { type RefusedError, request } from "../../host/operator/control_client.ts";
import { Reloader } from "../../host/operator/reloader.ts";
import { type ReloadResult, renderReload } from "../../host/operator/reload.ts";
import { type Story, tell } from "./story.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-reload-"));
const file = join(directory, "moon.conf");
test.after(() => rmSync(directory, { recursive: true }));

const write = (text: string): void => writeFileSync(file, text);

/** A third pair of networks, as a connection of its own. */
const other = (name: "moon" | "sun"): string => {
  const [own, peer, ours, theirs] = name === "moon" ? ["moon", "sun", 1, 2] : ["sun", "moon", 2, 1];
  return `other {
    local_addrs = 192.0.2.${ours}
    remote_addrs = 192.0.2.${theirs}
    proposals = aes256gcm16-prfsha384-x25519
    local { auth = psk
      id = ${own}-3.example }
    remote { auth = psk
      id = ${peer}-3.example }
    children { net-3 { local_ts = 10.${ours}.3.0/24
      remote_ts = 10.${theirs}.3.0/24
      esp_proposals = aes256gcm16 } }
  }`;
};
const SECRETS = `ike-third { id-a = moon-3.example
    id-b = sun-3.example
    secret = "another one" }`;

/** Moon's configuration is a file that an operator changes; sun knows the third connection from the start. */
async function reloading(
  options: PairOptions,
  work: (story: Story, reload: (dryRun?: boolean) => Promise<ReloadResult>) => Promise<void>,
): Promise<void> {
  await tell(
    {
      ...options,
      connections: { sun: other("sun"), ...options.connections },
      secrets: { sun: SECRETS, ...options.secrets },
    },
    async (story) => {
      write(siteConfiguration("moon", options));
      const loaded = loadConfiguration(file);
      if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
      const reloader = new Reloader(story.moon.gateway, file, loaded.configuration);
      const control = await ControlServer.listen(join(directory, "moon.sock"), story.moon.gateway, {
        reload: (order) => reloader.reload(order),
      });
      try {
        await work(
          story,
          async (dryRun = false) => (await request(control.path, "reload", { dryRun })) as ReloadResult,
        );
      } finally {
        await control.close();
      }
    },
  );
}

test("a connection is added: it comes up, and the SAs of the others are the same ones and carry on", () =>
  reloading({}, async (story, reload) => {
    await story.establish();
    await story.flows();
    const before = await story.children(story.moon);
    write(siteConfiguration("moon", { connections: { moon: other("moon") }, secrets: { moon: SECRETS } }));
    const shown = await reload(true);
    assert.equal([shown.applied, shown.difference?.connections.added], [false, ["other"]]);
    assert.is((await story.moon.gateway.connections()).length, 1, "a dry run touches nothing");
    const done = await reload();
    assert.is(done.applied, true);
    assert.equal(done.difference?.connections, { added: ["other"], removed: [], changed: [], unchanged: ["moon-sun"] });
    assert.equal([done.difference?.secretsChanged, done.difference?.credentialsChanged], [true, false]);
    assert.equal(done.difference?.routes, { added: ["10.2.3.0/24"], removed: [] });
    assert.match(renderReload(done), /^\+ connection other\n\+ route 10\.2\.3\.0\/24\n~ secrets\n/);
    assert.equal(
      (await story.children(story.moon)).map((child) => [child.name, child["spi-in"], child["packets-in"]]),
      before.map((child) => [child.name, child["spi-in"], child["packets-in"]]),
    );
    await story.moon.gateway.initiate("net-3");
    await story.pair.drive.run(2000);
    assert.is((await story.children(story.moon)).length, 3, story.alerts(story.moon).join());
    await story.flows([1, 2, 3]);
    const again = await reload();
    assert.equal(again.difference?.connections.unchanged, ["moon-sun", "other"]);
    assert.is(again.difference?.secretsChanged, false);
  }));

test("settings change: they are named, SAs that stand stay, and the next negotiation has them", () =>
  reloading({}, async (story, reload) => {
    await story.establish();
    const before = await story.children(story.moon);
    write(
      siteConfiguration("moon", {
        esp: "aes128gcm16-aes256gcm16",
        child: { moon: "rekey_time = 600s" },
        connection: { moon: "dpd_delay = 30s" },
      }),
    );
    const { difference } = await reload();
    assert.equal(difference?.connections.changed, [
      {
        name: "moon-sun",
        settings: ["dpd_delay"],
        children: {
          added: [],
          removed: [],
          changed: ["net-1", "net-2"].map((name) => ({
            name,
            settings: ["proposal", "rekey_time", "life_time", "rand_time"],
          })),
        },
      },
    ]);
    assert.equal(
      (await story.children(story.moon)).map((child) => child["spi-in"]),
      before.map((child) => child["spi-in"]),
    );
    await story.flows();
  }));

test("a connection is taken away: its SAs are deleted at the peer, and it is in no list", () =>
  reloading({ connections: { moon: other("moon") }, secrets: { moon: SECRETS } }, async (story, reload) => {
    await story.establish(30_000, 3);
    write(siteConfiguration("moon", {}));
    const { difference, applied } = await reload();
    assert.equal([applied, difference?.connections.removed], [true, ["other"]]);
    await story.pair.drive.run(1000);
    for (const site of [story.moon, story.sun])
      assert.equal(
        (await story.children(site)).map(({ name }) => name),
        ["net-1", "net-2"],
        site.name,
      );
    assert.equal(
      (await story.moon.gateway.connections()).map(({ name }) => name),
      ["moon-sun"],
    );
    await story.flows();
  }));

test("what is wrong, and what wants a restart, touches nothing", () =>
  reloading({ sections: { moon: "pools { one { addrs = 10.9.0.0/24 } }" } }, async (story, reload) => {
    await story.establish();
    write(siteConfiguration("moon", { connections: { moon: "broken { remote_adrs = 192.0.2.9 }" } }));
    const wrong = await reload();
    assert.equal([wrong.applied, wrong.difference], [false, undefined]);
    assert.match(renderReload(wrong), /unknown setting 'remote_adrs'.*\(did you mean 'remote_addrs'\?\)/);
    write(
      siteConfiguration("moon", {
        sections: { moon: "pools { one { addrs = 10.9.1.0/24 } }" },
        connections: { moon: other("moon") },
        secrets: { moon: SECRETS },
      }),
    );
    const refused = await reload();
    assert.is(refused.applied, false);
    assert.equal(refused.refused, ["pool 'one' is another one: that wants a restart"]);
    write(
      siteConfiguration("moon", {
        sections: { moon: "pools { one { addrs = 10.9.0.0/24 } }" },
        slots: "1 = ipsec\n 2 = ipsec\n 3 = ipsec",
      }),
    );
    const later = await reload();
    assert.equal([later.applied, later.difference?.atRestart], [true, ["chassis slots"]]);
    assert.equal((await reload()).difference?.atRestart, ["chassis slots"], "for as long as it is not so");
    await story.flows();
  }));

test("an IKE board that begins anew is told what was reloaded", () =>
  reloading({ child: { sun: "start_action = trap" } }, async (story, reload) => {
    write(siteConfiguration("moon", { connections: { moon: other("moon") }, secrets: { moon: SECRETS } }));
    await reload();
    await story.moon.chassis.reset(0);
    await story.pair.drive.run(3000);
    assert.equal(
      (await story.moon.gateway.connections()).map(({ name }) => name),
      ["moon-sun", "other"],
    );
  }));

test("nobody sees a secret in a difference; a gateway without a file says so", () =>
  reloading({}, async (story, reload) => {
    write(siteConfiguration("moon", { secret: { moon: "deadbeef-secret" } }));
    const result = await reload(true);
    assert.is(result.difference?.secretsChanged, true);
    assert.not.match(JSON.stringify(result) + renderReload(result), /deadbeef|shared secret/);
    const control = await ControlServer.listen(join(directory, "bare.sock"), story.moon.gateway);
    try {
      const said = await request(control.path, "reload").catch((error: RefusedError) => error.code);
      assert.is(said, "unknown-command");
    } finally {
      await control.close();
    }
  }));

test.run();
