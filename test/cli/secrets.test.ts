/** No secret is in anything that a gateway shows: shared keys, passwords, private keys and the keys of ESP and IKE in use are looked for in it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderEvent } from "../../host/cli/render.ts";
import { siteConfiguration } from "../../host/demo/pair.ts";
import { loadConfiguration } from "../../host/operator/configuration/configuration.ts";
import { Commands } from "../../host/operator/commands.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Capture } from "../../host/operator/capture.ts";
import { Log, LOG_DEFAULTS } from "../../host/operator/log.ts";
import { Metrics } from "../../host/operator/metrics.ts";
import { renderReload } from "../../host/operator/reload.ts";
import { Reloader } from "../../host/operator/reloader.ts";
import { renderSas } from "../../host/operator/sas.ts";
import { issue, writeDirectory } from "../pki/authority.ts";
import { type StoryOptions, tell } from "../system/story.ts";
import { cardcage } from "./command_line.ts";
import { found, keysInUse, SHARED } from "./secret_search.ts";

const DYING = fileURLToPath(new URL("dying_gateway.ts", import.meta.url));

const directory = mkdtempSync(join(tmpdir(), "cardcage-secrets-"));
test.after(() => rmSync(directory, { recursive: true }));

test("status, log, events, what a page follows, metrics and a capture show no key", () =>
  tell({ chassis: { keyExport: true, faults: true } }, async (story) => {
    const { gateway } = story.moon;
    const log = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
    gateway.onEvent((event) => log.event(event, renderEvent));
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

test("a password, a postquantum key and a private key: neither who authenticates nor who takes them over anew shows one", async () => {
  const ca = issue({ name: "authority", ca: true });
  const own = issue({ name: "sun.example", san: "sun.example" }, ca);
  const home = { moon: join(directory, "moon"), sun: join(directory, "sun") };
  writeDirectory(home.moon, { x509ca: { ca } });
  writeDirectory(home.sun, { x509: { own }, x509ca: { ca }, private: { own: own.key } });
  const [password, ppk, later] = [
    "a password of carol",
    "a key against quantum computers",
    "another password of carol",
  ];
  const options: StoryOptions = {
    directory: home,
    connection: { moon: "ppk_id = quantum\n ppk_required = yes", sun: "ppk_id = quantum\n ppk_required = yes" },
    secrets: Object.fromEntries(
      ["moon", "sun"].map((site) => [
        site,
        `eap-carol {\n id = carol\n secret = "${password}"\n }\nppk-1 {\n id = quantum\n secret = "${ppk}"\n }`,
      ]),
    ),
    authentication: {
      moon: "local {\n auth = eap-mschapv2\n id = carol\n }\nremote {\n auth = pubkey\n id = sun.example\n }",
      sun: "local {\n auth = pubkey\n certs = own.pem\n id = sun.example\n }\nremote {\n auth = eap-mschapv2\n id = carol\n }",
    },
  };
  const scalar = Buffer.from(own.key.export({ format: "jwk" }).d!, "base64url");
  const secrets = [password, ppk, later].map((text) => Buffer.from(text));
  await tell(options, async (story) => {
    const shown: string[] = [];
    const ends = [story.moon, story.sun].flatMap(({ gateway }) => {
      const log = new Log({ ...LOG_DEFAULTS, level: "debug", rate: 0 });
      gateway.onEvent((event) => log.event(event, renderEvent));
      log.onRecord((record) => shown.push(JSON.stringify(record)));
      const commands = new Commands(gateway, { log });
      return [0, 1, 2].map((slot) =>
        commands.follow("console", { slot, packets: true }, (line) => shown.push(JSON.stringify(line))),
      );
    });
    for (const child of ["net-1", "net-2"]) await story.moon.gateway.initiate(child);
    assert.ok(await story.pair.drive.until(() => story.pair.installed(story.sun) === 2, 30_000), "up");
    // Boards are read as often as that is worth it.
    while (shown.filter((line) => line.includes("ike_state")).length < 4)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const end of ends) end();
    for (const { gateway } of [story.moon, story.sun]) {
      const sas = await gateway.sas();
      assert.is(sas[0]!["eap-method"], "MSCHAPV2");
      assert.is(sas[0]!.ppk, "yes");
      shown.push(JSON.stringify(sas), renderSas(sas, "ethernet"), JSON.stringify(await gateway.connections()));
      shown.push(JSON.stringify(await gateway.boards()), await new Metrics(gateway).scrape());
    }
    // The same with another password: that there is one is told.
    const file = join(home.moon, "moon.conf");
    const text = siteConfiguration("moon", options);
    writeFileSync(file, text);
    const loaded = loadConfiguration(file);
    if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
    writeFileSync(file, text.replace(password, later));
    const result = await new Reloader(story.moon.gateway, file, loaded.configuration).reload({ dryRun: true });
    assert.match(renderReload(result), /^~ secrets$/m);
    shown.push(renderReload(result), JSON.stringify(result));
    for (const form of [[], ["--json"]]) {
      const { code, out, err } = await cardcage(["check", file, ...form]);
      assert.is(code, 0, err);
      shown.push(out, err);
    }
    assert.ok(shown.length > 40);
    assert.equal(found([...secrets, scalar], Buffer.from(shown.join("\n"))), []);
  });
});

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
