/**
 * Every command, in text and in JSON, on a gateway that is up, on one that is down, and with wrong input: exit codes, and JSON that is
 * what the command's published schema says. A command that is defined and has no case here fails.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { makeSchemas, SCHEMA_DIRECTORY } from "../../host/build/schema.ts";
import { program } from "../../host/cli/cardcage.ts";
import { packetOfWords } from "../../host/cli/packet.ts";
import { renderEvent } from "../../host/cli/render.ts";
import { Pair, siteConfiguration } from "../../host/demo/pair.ts";
import { loadConfiguration } from "../../host/operator/configuration/configuration.ts";
import type { ReloadOrder } from "../../host/operator/commands.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Log } from "../../host/operator/log.ts";
import type { ReloadResult } from "../../host/operator/reload.ts";
import { Reloader } from "../../host/operator/reloader.ts";
import { boardModule } from "../host/signed_images.ts";
import { cardcage, offences } from "./command_line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-commands-"));
const at = (name: string): string => join(directory, name);
const EXAMPLE = join(ROOT, "examples/net-net.conf");
const UP = ["--socket", at("control.sock")];
const DOWN = ["--socket", at("absent.sock")];
const FLASH = ["--flash", at("flash"), "--key", at("release.pub")];

const pair = new Pair({ chassis: { faults: true } });
let control: ControlServer;
/** Packets go through a tunnel, and events come, for as long as something is followed. */
let busy = true;
let traffic: Promise<void>;

test.before(async () => {
  writeFileSync(at("ipsec.wasm"), await boardModule({}));
  writeFileSync(at("ike.wasm"), await boardModule({ board: "ike" }));
  await pair.start();
  assert.ok(await pair.establish());
  writeFileSync(at("moon.conf"), siteConfiguration("moon", {}));
  writeFileSync(at("other.conf"), siteConfiguration("moon", { connection: { moon: "dpd_delay = 30s" } }));
  writeFileSync(at("wrong.conf"), "connections { x { } }");
  writeFileSync(
    at("pools.conf"),
    `${siteConfiguration("moon", {})}connections { p { children { p { mode = pass } } } }`,
  );
  const log = new Log();
  pair.moon.gateway.onEvent((event) => log.event(event, renderEvent));
  const loaded = loadConfiguration(at("moon.conf"));
  if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
  const reloader = new Reloader(pair.moon.gateway, at("moon.conf"), loaded.configuration);
  const reload = (order: ReloadOrder): Promise<ReloadResult> => reloader.reload(order);
  control = await ControlServer.listen(at("control.sock"), pair.moon.gateway, { reload, log });
  assert.is((await cardcage(["capture", "start", "-o", at("run.pcapng"), ...UP])).code, 0);
  await pair.drive.run(100);
  assert.is((await cardcage(["capture", "stop", ...UP])).code, 0);
  const packet = packetOfWords(undefined, { src: "10.1.1.5", dst: "10.2.1.9", dport: "53" });
  traffic = (async () => {
    while (busy) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      pair.moon.send(packet);
      // An alarm that comes and goes: two events.
      pair.moon.chassis.injectFault({ kind: "bus", duplicate: 1e-9, seconds: 0.001 });
      await pair.drive.run(20);
    }
  })();
});
test.after(async () => {
  busy = false;
  await traffic;
  await control.close();
  await pair.close();
  rmSync(directory, { recursive: true });
});

interface Case {
  /** Behind the command's own words; a function where an earlier case makes what it needs. */
  words?: readonly string[];
  /** It asks a gateway: with none there it is 3. */
  asks?: boolean;
  /** Its text has to match. */
  text: RegExp;
  code?: number;
  /** Run in one of the two forms alone: what it does can be done once. */
  once?: boolean;
  /** Words that are wrong, besides an option that does not exist; each is 2. */
  wrong?: readonly (readonly string[])[];
  /** Words that are right and come to nothing; each is 1. */
  fails?: readonly (readonly string[])[];
}

/** In this order: some need what those before them have made. */
const CASES: Record<string, Case> = {
  version: { asks: false, words: UP, text: /^cardcage \S+, protocol 1\ngateway: \S+, protocol 1\n$/ },
  check: { words: [EXAMPLE], text: /: ok: 1 connections/, wrong: [[], [at("absent.conf")], [EXAMPLE, "more"]] },
  reload: {
    asks: true,
    words: [at("other.conf"), "--dry-run"],
    text: /^~ connection moon-sun: dpd_delay\n.*: 0 connections unchanged; not applied\n$/,
    wrong: [[at("absent.conf")], [at("wrong.conf")]],
    fails: [[at("pools.conf")]],
  },
  lint: { words: [at("ipsec.wasm")], text: /: ok\n$/, wrong: [[], [at("absent.wasm")]], fails: [[EXAMPLE]] },
  sas: { asks: true, text: /^moon-sun: #\d+, ESTABLISHED, IKEv2/, wrong: [["net-1"]] },
  boards: { asks: true, text: /^moon: ethernet backplane/ },
  chassis: { asks: true, words: ["show"], text: /^moon: ethernet backplane/, wrong: [[], ["hide"]] },
  connections: { asks: true, text: /^moon-sun: net-1, net-2\n$/ },
  policies: { asks: true, text: /^PRIORITY +ACTION/ },
  pools: { asks: true, text: /^no pools\n$/ },
  drops: { asks: true, text: /no_sa_entry_ike_board/ },
  explain: {
    asks: true,
    words: ["--src", "10.1.1.5", "--dst", "10.2.1.9"],
    text: /S706/,
    wrong: [[], ["xyz"], ["--src", "10.1.1.5"], ["00", "--from", "above"]],
    fails: [["--src", "10.9.1.5", "--dst", "10.9.1.9"]],
  },
  trace: {
    asks: true,
    words: ["--count", "1"],
    text: /delivered/,
    wrong: [
      ["--count", "0"],
      ["dst", "nowhere"],
    ],
  },
  top: {
    asks: true,
    text: /^moon: ethernet backplane, lockstep, 1 IKE_SAs, 2 CHILD_SAs.*\n *SLOT [^]*\n *CONNECTION [^]*\n {2}net-1 +INSTALLED +[12] /,
    wrong: [
      ["--interval", "0"],
      ["--interval", "often"],
      ["--count", "none"],
    ],
  },
  events: { asks: true, words: ["--count", "1"], text: /^\S+ /, wrong: [["--count", "none"]] },
  capture: {
    asks: true,
    words: ["show"],
    text: /run\.pcapng: complete; \d+ packets/,
    wrong: [[], ["start"], ["stop", "-o", at("x")], ["pause"], ["start", "-o", at("y"), "--limit", "none"]],
    fails: [["stop"], ["start", "-o", EXAMPLE]],
  },
  log: {
    asks: true,
    words: ["--follow", "--area", "board", "--level", "warn", "--count", "1"],
    text: /^\d{4}-\S+Z warn: alert .*fault/,
    wrong: [
      ["--area", "moon"],
      ["--level", "loud"],
      ["--slot", "x"],
      ["--count", "0"],
    ],
  },
  initiate: {
    asks: true,
    words: ["net-1"],
    text: /^net-1: installed\n$/,
    wrong: [[], ["net-1", "--timeout", "soon"]],
    fails: [["net-9"], ["net-9", "--ike"]],
  },
  rekey: { asks: true, words: ["net-1"], text: /^net-1: rekeyed\n$/, wrong: [[]], fails: [["net-9"]] },
  terminate: { asks: true, words: ["net-2"], text: /^net-2: terminated\n$/, wrong: [[]], fails: [["net-9"]] },
  redirect: {
    asks: true,
    words: ["moon-sun", "192.0.2.9"],
    text: /./,
    code: 1,
    wrong: [["moon-sun"]],
    fails: [["nobody", "192.0.2.9"]],
  },
  rebalance: { asks: true, text: /^the IKE board has been told\n$/ },
  fault: {
    asks: true,
    words: ["bus", "--duplicate", "1e-9", "--seconds", "1"],
    text: /second|more/,
    wrong: [["fire"], ["bus", "--lose", "some"], ["link"]],
  },
  slot: {
    asks: true,
    words: ["2", "restart"],
    text: /^slot 2: Online\n$/,
    wrong: [["2"], ["2", "explode"], ["9", "restart"], ["two", "restart"], ["2", "insert"]],
  },
  console: {
    asks: true,
    words: ["0", "--packets", "--count", "1"],
    text: /^\[\d+\.\d{6}\] (S\d{3}|[a-z_]+)  \S/,
    wrong: [[], ["two"], ["9"], ["2", "--count", "0"], ["2", "3"]],
  },
  completion: { words: ["bash"], text: /^# bash completion for cardcage/, wrong: [[], ["fish"]] },
  image_keygen: { words: [at("release")], text: /private key/, once: true, wrong: [[]] },
  image_build: {
    words: [at("ipsec.cci"), at("ipsec.wasm")],
    text: /unsigned/,
    wrong: [[], [at("ipsec.txt"), at("ipsec.wasm")], [at("x.cci"), at("absent.wasm")]],
  },
  image_sign: {
    words: [at("ipsec.cci"), "--signing-key", at("release")],
    text: /signed with key/,
    wrong: [[at("ipsec.cci")], [at("ipsec.cci"), "--signing-key", at("ipsec.wasm")]],
    fails: [[at("ipsec.wasm"), "--signing-key", at("release")]],
  },
  image_info: { words: [at("ipsec.cci")], text: /SHA-256/, wrong: [[at("absent.cci")]], fails: [[at("ipsec.wasm")]] },
  image_verify: {
    words: [at("ipsec.cci"), "--key", at("release.pub")],
    text: /: ok, signed with key/,
    wrong: [[at("ipsec.cci")], [at("ipsec.cci"), "--key", at("absent.pub")]],
    fails: [[at("ipsec.wasm"), "--key", at("release.pub")]],
  },
};

/** Every command that does something, by its name in the schemas. */
const defined = (command: Command, path: string[] = []): string[] =>
  command.commands.length === 0
    ? [path.join("_")]
    : command.commands.flatMap((inner) => (inner.name() === "help" ? [] : defined(inner, [...path, inner.name()])));

/** Commands whose cases are elsewhere, and where. */
const ELSEWHERE: Record<string, string> = {
  up: "test/host/cli.test.ts and test/interop: it wants root and a network",
  shelf: "test/host/shelf_cli.test.ts and test/system/stories_remote.test.ts: it runs until it is stopped",
  flash: "below, with those of the chassis directory",
  image_list: "below",
  image_test: "below",
  image_confirm: "below",
  image_revert: "below",
};

const commands = defined(program(() => undefined));
const wordsOf = (name: string): string[] => name.split("_");

test("every command has its cases, and every one that shows something its schema", () => {
  assert.equal(
    commands.filter((name) => !CASES[name] && !ELSEWHERE[name]),
    [],
  );
  assert.equal(
    [...Object.keys(CASES), ...Object.keys(ELSEWHERE)].filter((name) => !commands.includes(name)),
    [],
  );
  const schemas = readdirSync(SCHEMA_DIRECTORY).map((file) => file.replace(".schema.json", ""));
  assert.equal(
    commands.filter((name) => !schemas.includes(name)),
    [],
  );
});

test("the published schemas are those of the types that the commands are written in", async () => {
  const made = await makeSchemas();
  assert.equal(readdirSync(SCHEMA_DIRECTORY).sort(), [...made.keys()].sort());
  for (const [file, text] of made) {
    assert.ok(readFileSync(join(SCHEMA_DIRECTORY, file), "utf8") === text, `${file}: npm run schema makes it anew`);
  }
});

test("a validator that finds nothing would be no test: it finds what is missing, of another type, and too much", () => {
  assert.is(offences("terminate", { terminated: "net" }).length, 0);
  for (const wrong of [{}, { terminated: 1 }, { terminated: "net", secret: "x" }, []])
    assert.ok(offences("terminate", wrong).length > 0, JSON.stringify(wrong));
  assert.ok(offences("sas", { link: "ethernet", sas: [{ name: "x", state: "UP" }] }).length > 0);
});

for (const [name, { words = [], asks = false, text, code = 0, once = false, wrong = [], fails = [] }] of Object.entries(
  CASES,
)) {
  const command = [...wordsOf(name), ...words];
  const told = wordsOf(name).join(" ");

  test(`${told}: in text and in JSON`, async () => {
    const shown = await cardcage([...command, ...(asks ? UP : [])]);
    assert.is(shown.code, code, `${shown.err}${shown.out}`);
    assert.match(code === 0 ? shown.out : shown.err, text, shown.out + shown.err);
    assert.is(code === 0 ? shown.err : shown.out, "", "nothing but that");
    assert.not.match(shown.out + shown.err, /\u001b/, "no colours where nobody looks");
    if (once) return;
    const json = await cardcage([...command, "--json", ...(asks ? UP : [])]);
    assert.is(json.code, code, `${json.err}${json.out}`);
    assert.is(json.err, "");
    assert.equal(offences(code === 0 ? name : "failure", JSON.parse(json.out)), []);
  });

  if (asks)
    test(`${told}: no gateway is 3`, async () => {
      const shown = await cardcage([...command, ...DOWN]);
      assert.equal([shown.code, shown.out], [3, ""]);
      assert.match(shown.err, /^cardcage: no gateway answers at /);
      const json = await cardcage([...command, "--json", ...DOWN]);
      assert.equal([json.code, json.err], [3, ""]);
      const failure = JSON.parse(json.out);
      assert.equal(offences("failure", failure), []);
      assert.is(failure.error.code, "unreachable");
    });

  test(`${told}: wrong input is 2, what cannot be done is 1; both say why`, async () => {
    const end = asks ? UP : [];
    for (const [all, expected] of [
      [[[...words, "--no-such-option"], ...wrong], 2],
      [fails, 1],
    ] as const) {
      for (const line of all) {
        const shown = await cardcage([...wordsOf(name), ...line, ...end]);
        const where = `${told} ${line.join(" ")}`;
        assert.is(shown.code, expected, `${where}: ${shown.out}${shown.err}`);
        assert.ok((shown.err + shown.out).length > 10, where);
        const json = await cardcage([...wordsOf(name), ...line, "--json", ...end]);
        assert.is(json.code, expected, where);
        const answer: unknown = JSON.parse(json.out);
        // What was looked at and found wanting is a result; what could not be begun is a failure.
        if (offences("failure", answer).length > 0) assert.equal(offences(name, answer), [], where);
      }
    }
  });
}

test("flash and image list, test, confirm, revert: of a chassis directory, in text and in JSON", async () => {
  const absent = await cardcage(["image", "list", "--json", ...FLASH]);
  assert.is(absent.code, 2);
  assert.equal(offences("failure", JSON.parse(absent.out)), []);
  for (const [name, words, wrong] of [
    ["image_list", [], ["more"]],
    ["image_test", ["1"], ["x"]],
    ["image_confirm", [], ["more"]],
    ["image_revert", [], ["more"]],
    ["flash", ["1", at("ipsec.cci")], ["1"]],
  ] as const) {
    // A gateway that boots from the build has no flash: its configuration is not for that.
    const none = await cardcage([...wordsOf(name), ...words, "--json", ...UP]);
    assert.is(none.code, 2, `${name}: ${none.out}`);
    assert.equal(offences("failure", JSON.parse(none.out)), [], name);
    const down = await cardcage([...wordsOf(name), ...words, "--json", ...DOWN]);
    assert.is(down.code, 3, name);
    assert.equal(offences("failure", JSON.parse(down.out)), [], name);
    const bad = await cardcage([...wordsOf(name), ...wrong, "--json", ...UP]);
    assert.is(bad.code, 2, name);
    assert.equal(offences("failure", JSON.parse(bad.out)), [], name);
  }
  mkdirSync(at("flash"));
  for (const [command, code] of [
    [["flash", "1", at("ipsec.cci"), "--test"], 0],
    [["image", "list"], 0],
    [["image", "revert"], 0],
    [["image", "revert"], 1],
    [["image", "test", "1"], 0],
    [["image", "confirm"], 1],
    [["image", "revert"], 0],
    [["flash", "1", at("ipsec.cci"), "--confirm"], 0],
    [["image", "test", "7"], 1],
  ] as const) {
    const json = await cardcage([...command, "--json", ...FLASH]);
    assert.is(json.code, code, `${command.join(" ")}: ${json.out}${json.err}`);
    const name = command[0] === "flash" ? "flash" : `image_${command[1]}`;
    const answer = JSON.parse(json.out) as { ok?: boolean };
    assert.equal(offences(name, answer), [], command.join(" "));
    assert.is(answer.ok === false, code === 1, command.join(" "));
  }
  const text = await cardcage(["image", "list", ...FLASH]);
  assert.match(text.out, /^SLOT +CLASS +BANK/);
});

test.run();
