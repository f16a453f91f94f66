/** No secret is in anything that a gateway shows: the shared key and the keys of ESP in use are looked for in all of it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderEvent } from "../../host/cli/render.ts";
import { Commands } from "../../host/operator/commands.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Capture } from "../../host/operator/capture.ts";
import { Log, LOG_DEFAULTS } from "../../host/operator/log.ts";
import { Metrics } from "../../host/operator/metrics.ts";
import { tell } from "../system/story.ts";
import { cardcage } from "./command_line.ts";

const SHARED = "a shared secret of moon and sun";
const directory = mkdtempSync(join(tmpdir(), "cardcage-secrets-"));
test.after(() => rmSync(directory, { recursive: true }));

/** A secret as it might be shown: raw, in hexadecimal, in base64. */
const spellings = (secret: Buffer): Buffer[] => [
  secret,
  Buffer.from(secret.toString("hex")),
  Buffer.from(secret.toString("base64").replace(/=+$/, "").slice(0, -1)),
];

function found(secrets: readonly Buffer[], shown: Buffer): string[] {
  const small = Buffer.from(shown.toString("latin1").toLowerCase(), "latin1");
  return secrets.flatMap((secret, i) =>
    spellings(secret).some((spelling) => shown.includes(spelling) || small.includes(spelling)) ? [`secret ${i}`] : [],
  );
}

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
    const lines = readFileSync(join(directory, "keys/esp_sa"), "utf8");
    const keys = [...lines.matchAll(/"0x([0-9a-f]{40,})"/g)].map(([, key]) => Buffer.from(key!, "hex").subarray(0, 32));
    assert.is(keys.length, 6, "three CHILD_SAs");
    const table = readFileSync(join(directory, "keys/ikev2_decryption_table"), "utf8");
    const ikeKeys = [...table.matchAll(/[0-9a-f]{40,}/g)].map(([key]) => Buffer.from(key, "hex").subarray(0, 16));
    assert.is(ikeKeys.length, 2, "SK_ei and SK_er");
    const secrets = [Buffer.from(SHARED), ...keys, ...ikeKeys];
    // The search finds what it is to find.
    assert.is(found(secrets, Buffer.from(`x${keys[2]!.toString("hex").toUpperCase()}x${SHARED}`)).length, 2);

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

test.run();
