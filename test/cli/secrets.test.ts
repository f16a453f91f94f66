/** No secret is in anything that a gateway shows: the shared key and the keys of ESP and IKE in use are looked for in all of it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderEvent } from "../../host/cli/render.ts";
import { Commands } from "../../host/operator/commands.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Capture } from "../../host/operator/capture.ts";
import { Log, LOG_DEFAULTS } from "../../host/operator/log.ts";
import { Metrics } from "../../host/operator/metrics.ts";
import { tell } from "../system/story.ts";
import { cardcage } from "./command_line.ts";
import { found, keysInUse, SHARED } from "./secret_search.ts";

const DYING = fileURLToPath(new URL("dying_gateway.ts", import.meta.url));

const directory = mkdtempSync(join(tmpdir(), "cardcage-secrets-"));
test.after(() => rmSync(directory, { recursive: true }));

test("status, log, events, what a page follows, metrics and a capture show no key", () =>
  tell({ chassis: { keyExport: true, faults: true } }, async (story) => {
    const { gateway } = story.moon;
    const log = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
    gateway.onEvent((event) => log.event(event, renderEvent(event)));
    const capture = new Capture(gateway, join(directory, "run.pcapng"), { keys: join(directory, "keys") });
    // What the front panel and `cardcage top` follow.
    const followed: object[] = [];
    const commands = new Commands(gateway, { log });
    const follows = (["watch", "steps", "trace", "subscribe"] as const).map((command) =>
      commands.follow(command, {}, (line) => followed.push(line)),
    );
    for (const slot of [0, 1, 2])
      follows.push(commands.follow("console", { slot, packets: true }, (line) => followed.push(line)));
    await story.establish();
    await story.flows();
    await gateway.rekey("net-1");
    await story.pair.drive.run(2000);
    capture.stop();
    while (followed.filter((line) => "status" in line || "step" in line).length < 10)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const end of follows) end();
    const { esp, ike } = keysInUse(join(directory, "keys"));
    assert.is(esp.length, 6, "three CHILD_SAs");
    assert.is(ike.length, 2, "SK_ei and SK_er");
    const secrets = [Buffer.from(SHARED), ...esp, ...ike];
    // The search finds what it is to find.
    assert.is(found(secrets, Buffer.from(`x${esp[2]!.toString("hex").toUpperCase()}x${SHARED}`)).length, 2);

    const control = await ControlServer.listen(join(directory, "control.sock"), gateway, { log });
    const shown: string[] = [
      await new Metrics(gateway).scrape(),
      JSON.stringify(story.moon.events),
      JSON.stringify(followed),
    ];
    try {
      for (const words of ["sas", "boards", "connections", "policies", "pools", "drops", "version", "log", "fault"])
        for (const form of [[], ["--json"]]) {
          const { code, out, err } = await cardcage([words, ...form, "--socket", control.path]);
          assert.is(code, 0, `${words}: ${err}`);
          shown.push(out, err);
        }
      const packet = ["--src", "10.1.1.5", "--dst", "10.2.1.9", "--json"];
      shown.push((await cardcage(["explain", ...packet, "--socket", control.path])).out);
    } finally {
      await control.close();
    }
    assert.ok(shown.join("").length > 10_000);
    assert.equal(found(secrets, Buffer.from(shown.join("\n"))), []);
    assert.equal(found(secrets, readFileSync(join(directory, "run.pcapng"))), []);
  }));

test("boards that die with keys in their RAM: neither what is told of it nor what it leaves behind has one", () => {
  const [keys, place] = [join(directory, "dying"), join(directory, "place")];
  mkdirSync(place);
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), DYING, keys],
    {
      cwd: place,
      env: { ...process.env, TMPDIR: place },
      timeout: 240_000,
      maxBuffer: 1 << 26,
    },
  );
  assert.is(status, 0, stderr.toString());
  const shown = stdout.toString();
  for (const image of ["ipsec", "ike"])
    assert.match(shown, new RegExp(`died: slot \\d generation 1 \\(${image}\\.\\w+\\): trap: .* at assembly/`));
  assert.match(shown, /"kind":"board-trap"/, "the log tells of it");
  assert.match(shown, /"kind":"sa-moved"/, "there was an SA on the board");
  const { esp, ike } = keysInUse(keys);
  assert.ok(esp.length >= 4 && ike.length >= 2);
  const secrets = [Buffer.from(SHARED), ...esp, ...ike];
  for (const seen of [stdout, stderr, readFileSync(`${keys}.pcapng`)]) assert.equal(found(secrets, seen), []);
  // Neither a core nor a report of the engine.
  assert.equal(
    readdirSync(place).filter((name) => !name.startsWith("tsx-")),
    [],
  );
});

test.run();
