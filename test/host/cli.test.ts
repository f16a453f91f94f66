/**
 * The cardcage command as a process: exit codes, what it says of wrong input, and that nothing but that is printed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { offences } from "../cli/command_line.ts";
import binaryen from "../../host/image/binaryen.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COMMAND = join(ROOT, "host/cli/cardcage.mjs");
const EXAMPLE = join(ROOT, "examples/net-net.conf");
const directory = mkdtempSync(join(tmpdir(), "cardcage-cli-"));

test.after(() => rmSync(directory, { recursive: true }));

interface Finished {
  code: number | null;
  out: string;
  err: string;
}

function cardcage(...words: string[]): Finished {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...words], { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

/** The example with one text replaced by another, as a file. */
function changed(from: string, to: string): { file: string; line: number } {
  const text = readFileSync(EXAMPLE, "utf8");
  assert.ok(text.includes(from), `${from} is in the example`);
  const file = join(directory, "changed.conf");
  writeFileSync(file, text.replace(from, to));
  return { file, line: text.slice(0, text.indexOf(from)).split("\n").length };
}

test("--version is package.json's", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.equal(cardcage("--version"), { code: 0, out: `${version}\n`, err: "" });
});

test("a wrong command line is 2, and says the nearest command", () => {
  const { code, out, err } = cardcage("chek", EXAMPLE);
  assert.is(code, 2);
  assert.is(out, "");
  assert.match(err, "error: unknown command 'chek'");
  assert.match(err, "(Did you mean check?)");
  assert.is(cardcage("check").code, 2);
  assert.is(cardcage("sas", "--jason").code, 2);
  const late = cardcage("initiate", "net-net", "--timeout", "soon");
  assert.is(late.code, 2);
  assert.match(late.err, "error: --timeout wants seconds");
});

test("the example is accepted, as text and as JSON", () => {
  const { code, out, err } = cardcage("check", EXAMPLE);
  assert.is(err, "");
  assert.is(out, `${EXAMPLE}: ok: 1 connections, slots 0 ike, 1 ipsec, 2 ipsec, atm links\n`);
  assert.is(code, 0);
  assert.equal(JSON.parse(cardcage("check", EXAMPLE, "--json").out), {
    ok: true,
    problems: [],
    chassis: {
      name: "moon",
      links: "atm",
      slots: { "0": "ike", "1": "ipsec", "2": "ipsec" },
      protected: { tun: "cardcage0", mtu: 1400 },
    },
  });
});

test("configuration errors name file, line, word and the nearest valid word", () => {
  for (const [from, to, message] of [
    [
      "remote_addrs = 192.0.2.2",
      "remote_adrs = 192.0.2.2",
      "unknown setting 'remote_adrs' in section 'connections.gw-gw' (did you mean 'remote_addrs'?)",
    ],
    ["links = atm", "links = amt", "(did you mean 'atm'?)"],
    ["dpd_action = restart", "dpd_action = start", "(did you mean 'restart'?)"],
  ] as const) {
    const { file, line } = changed(from, to);
    const { code, out, err } = cardcage("check", file);
    assert.is(code, 2, to);
    assert.is(out, "", to);
    assert.ok(err.startsWith(`${file}:${line}: `), `${err} is about line ${line}`);
    assert.match(err, message);
  }
});

test("errors never show the secret", () => {
  const { file } = changed('secret = "replace this by a secret of your own"', "secret = 0xfeedbeefz");
  const { code, out, err } = cardcage("check", file, "--json");
  assert.is(code, 2);
  assert.not.match(out + err, "feedbeef");
});

test("up refuses a wrong configuration and the lockstep drive, and begins nothing", () => {
  const missing = cardcage("up", join(directory, "absent.conf"));
  assert.is(missing.code, 2);
  assert.match(missing.err, "the file cannot be read (ENOENT)");
  const { file } = changed("links = atm", "links = atm\n  drive = lockstep");
  const { code, out, err } = cardcage("up", file);
  assert.is(code, 2);
  assert.is(out, "");
  assert.match(err, "drive = lockstep runs on a virtual clock: 'up' wants drive = threaded");
});

test("up --json says so as JSON, one object on a line, as failure.schema.json has it", () => {
  const wrong = changed("auth = psk", "auth = pks");
  const { code, out, err } = cardcage("up", wrong.file, "--json");
  assert.equal([code, err], [2, ""]);
  assert.is(out.split("\n").length, 2);
  assert.equal(offences("failure", JSON.parse(out)), []);
  assert.match(JSON.parse(out).error.message, `changed.conf:${wrong.line}: auth`);
  const { file } = changed("links = atm", "links = atm\n  drive = lockstep");
  const lockstep = cardcage("up", file, "--json");
  assert.equal([lockstep.code, offences("failure", JSON.parse(lockstep.out))], [2, []]);
});

test("no gateway at the socket is 3, for every command that asks one", () => {
  const path = join(directory, "absent.sock");
  for (const words of [["sas"], ["boards"], ["drops"], ["connections"], ["events"], ["initiate", "net-net"]]) {
    const { code, out, err } = cardcage(...words, "--socket", path);
    assert.is(code, 3, words[0]);
    assert.is(out, "");
    assert.is(err, `cardcage: no gateway answers at ${path} (ENOENT)\n`);
  }
});

test("lint: a board is 0, another module is 1 with the reason, no file is 2", () => {
  const write = (name: string, text: string): string => {
    const module = binaryen.parseText(text);
    const file = join(directory, name);
    writeFileSync(file, module.emitBinary());
    module.dispose();
    return file;
  };
  const board = `(import "env" "memory" (memory 4 4)) (func (export "boardMap") (result i32) (i32.const 64))
    (func (export "boardReset"))`;
  const poll = `(func (export "boardPoll") (result i32) (i32.const 0))`;
  const good = cardcage("lint", write("good.wasm", `(module ${board} ${poll})`));
  assert.is(good.code, 0, good.out);
  const bad = write("bad.wasm", `(module ${board})`);
  const { code, out } = cardcage("lint", bad);
  assert.is(code, 1);
  assert.match(out, `${bad}: no export "boardPoll"`);
  assert.is(cardcage("lint", join(directory, "absent.wasm")).code, 2);
});

test.run();
