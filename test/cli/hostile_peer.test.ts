/**
 * A peer with a hostile certificate negotiates, and is accepted or refused: what it says of itself comes by every way on which a gateway shows
 * something, and does nothing on any.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flush, writeLog } from "../../host/cli/log_output.ts";
import { renderEvent } from "../../host/cli/render.ts";
import { renderTop, screenOf } from "../../host/cli/top.ts";
import { Commands } from "../../host/operator/commands.ts";
import { ControlServer } from "../../host/operator/control.ts";
import type { GatewayEvent } from "../../host/operator/gateway.ts";
import { Log, LOG_DEFAULTS } from "../../host/operator/log.ts";
import { Metrics } from "../../host/operator/metrics.ts";
import type { WatchStatus } from "../../host/operator/watch.ts";
import { ACTIVE, hostilePeer, type Named } from "../pki/hostile_peer.ts";
import { type Story, tell } from "../system/story.ts";
import { cardcage } from "./command_line.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-hostile-peer-"));
test.after(() => rmSync(directory, { recursive: true }));

/** Nothing in it acts, and no line of it begins as the peer would have one begin. */
function inert(what: string, shown: string): void {
  assert.not.match(shown, ACTIVE, what);
  assert.not.match(shown, /^moon-sun: #9/m, `${what}: a line of the peer's own`);
}

/** Everything that moon shows, by where it is shown. */
async function shownBy(story: Story, work: () => Promise<void>): Promise<Map<string, string>> {
  const { gateway } = story.moon;
  const shown = new Map<string, string>();
  const logged: Record<"text" | "json", string[]> = { text: [], json: [] };
  const written = process.stdout.write;
  const log = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
  const unsubscribe = gateway.onEvent((event) => log.event(event, renderEvent));
  const commands = new Commands(gateway, { log });
  const followed: unknown[] = [];
  let glance: WatchStatus | undefined;
  const ends = [
    ...(["subscribe", "steps", "trace", "follow-log"] as const).map((command) =>
      commands.follow(command, {}, (told) => followed.push(told)),
    ),
    commands.follow("console", { slot: 0 }, (told) => followed.push(told)),
    commands.follow("watch", {}, (told) => (glance = (told as { status: WatchStatus }).status)),
  ];
  await work();
  glance = undefined;
  while (glance === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const end of ends) end();
  unsubscribe();

  const control = await ControlServer.listen(join(directory, "control.sock"), gateway, { log });
  try {
    for (const words of ["sas", "connections", "policies", "pools", "boards", "drops", "log", "top"])
      for (const form of [[], ["--json"]]) {
        const { code, out, err } = await cardcage([words, ...form, "--socket", control.path]);
        assert.is(code, 0, err);
        shown.set([words, ...form].join(" "), out + err);
      }
    for (const form of [[], ["--json"]]) {
      const packet = ["--src", "10.1.1.5", "--dst", "10.2.1.9"];
      const { out, err } = await cardcage(["explain", ...packet, ...form, "--socket", control.path]);
      shown.set(["explain", ...form].join(" "), out + err);
    }
  } finally {
    await control.close();
  }
  // The log as `cardcage up` writes it.
  for (const format of ["text", "json"] as const) {
    const again = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
    process.stdout.write = ((chunk: string) => logged[format].push(chunk) > 0) as typeof written;
    try {
      writeLog(again, { format });
      for (const event of story.moon.events) again.event(event, renderEvent);
      flush();
    } finally {
      process.stdout.write = written;
    }
    shown.set(`up's log, ${format}`, logged[format].join(""));
  }
  shown.set("a screen of top", screenOf(renderTop(glance), 500, 60, false).join("\n"));
  shown.set("what is followed", followed.map((told) => JSON.stringify(told)).join("\n"));
  shown.set("events", story.moon.events.map((event) => `${renderEvent(event as GatewayEvent)}\n`).join(""));
  shown.set("metrics", await new Metrics(gateway).scrape());
  return shown;
}

const SECTIONS = { pools: "pools {\n v4 {\n addrs = 10.9.0.0/29\n }\n }" };

for (const named of ["subject", "name"] as Named[])
  test(`accepted by the ${named} of its certificate: it is shown, and shown escaped`, async () => {
    const peer = hostilePeer(named);
    try {
      await tell(
        {
          ...peer.options,
          // A lease is told with whom it is for.
          sections: { moon: SECTIONS.pools },
          connection: { moon: "pools = v4", sun: "vips = 0.0.0.0" },
          selectors: {
            moon: "local_ts = 10.1.0.0/16\n remote_ts = dynamic",
            sun: "local_ts = dynamic\n remote_ts = 10.1.0.0/16",
          },
          nets: [1],
        },
        async (story) => {
          const shown = await shownBy(story, async () => {
            await story.sun.gateway.initiate("sun-moon");
            assert.ok(
              await story.pair.drive.until(() => story.pair.installed(story.moon) === 1, 20_000),
              [...story.alerts(story.moon), ...story.alerts(story.sun)].join("; "),
            );
            await story.pair.drive.run(200);
          });
          for (const [what, text] of shown) inert(what, text);
          const [ike] = await story.moon.gateway.sas();
          assert.is(ike!["remote-id"], peer.shown);
          for (const what of ["sas", "pools"]) {
            const told = `'${peer.shown.replaceAll("'", "\\'")}'`;
            assert.ok(shown.get(what)!.includes(told), `${what}: ${shown.get(what)}`);
            assert.ok(shown.get(`${what} --json`)!.includes(JSON.stringify(peer.shown)), `${what} --json`);
          }
        },
      );
    } finally {
      peer.close();
    }
  });

for (const named of ["subject", "name"] as Named[])
  test(`refused with the ${named} of its certificate: what is told of it does nothing either`, async () => {
    const peer = hostilePeer(named, false);
    try {
      await tell({ ...peer.options }, async (story) => {
        const shown = await shownBy(story, async () => {
          await story.sun.gateway.initiate("sun-moon");
          assert.ok(await story.pair.drive.until(() => story.alerts(story.moon).length > 0, 20_000), "moon refuses it");
          await story.pair.drive.run(200);
        });
        for (const [what, text] of shown) inert(what, text);
        assert.is(story.pair.installed(story.moon), 0);
      });
    } finally {
      peer.close();
    }
  });

test.run();
