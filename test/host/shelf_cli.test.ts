/** `cardcage shelf` as a command: its key, what it refuses to run on, and its exit codes. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardcage, offences } from "../cli/command_line.ts";
import { ShelfProcess } from "../system/shelf_process.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-shelf-"));
const keyFile = join(directory, "shelf.key");
test.after(() => rmSync(directory, { recursive: true }));

test("--generate-key makes a key that its owner alone can read, once, and does not show it", async () => {
  const made = await cardcage(["shelf", "--generate-key", keyFile]);
  assert.equal([made.code, made.err], [0, ""]);
  assert.is(statSync(keyFile).mode & 0o777, 0o600);
  const key = readFileSync(keyFile, "utf8").trim();
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.not.ok(made.out.includes(key));
  const again = await cardcage(["shelf", "--generate-key", keyFile]);
  assert.is(again.code, 2);
  assert.match(again.err, /EEXIST/);
  assert.is(readFileSync(keyFile, "utf8").trim(), key);
});

test("--json: the file of a new key, and what a shelf says, as its schema has it", async () => {
  const other = join(directory, "other.key");
  const made = await cardcage(["shelf", "--generate-key", other, "--json"]);
  assert.equal(JSON.parse(made.out), { ok: true, file: other });
  assert.equal(offences("shelf", JSON.parse(made.out)), []);
  const elsewhere = await cardcage(["shelf", "--listen", "192.0.2.77:0", "--key-file", other, "--json"]);
  assert.equal([elsewhere.code, elsewhere.err], [1, ""]);
  assert.equal(offences("failure", JSON.parse(elsewhere.out)), []);
  const absent = await cardcage([
    "shelf",
    "--listen",
    "127.0.0.1:0",
    "--key-file",
    join(directory, "absent"),
    "--json",
  ]);
  assert.equal([absent.code, offences("failure", JSON.parse(absent.out))], [2, []]);
  const running = await ShelfProcess.start(other, 0, ["--json"]);
  assert.is(await running.end(), 0);
  const lines = running.log.trimEnd().split("\n");
  assert.ok(lines.length >= 3, running.log);
  for (const line of lines) assert.equal(offences("shelf", JSON.parse(line)), []);
});

test("what a shelf cannot run on is named, and nothing is begun", async () => {
  const listen = ["--listen", "127.0.0.1:0"];
  const key = ["--key-file", keyFile];
  for (const [words, message] of [
    [listen, /--key-file FILE/],
    [key, /--listen ADDRESS:PORT/],
    [["--listen", "nonsense:", ...key], /--listen: 'nonsense:' is no place/],
    [["--listen", "shelf.example", ...key], /no address of this machine/],
    [[...listen, ...key, "--boards", "0"], /--boards wants a number from 1 to 64/],
    [[...listen, ...key, "--ram", "lots"], /--ram wants MiB/],
    [[...listen, "--key-file", join(directory, "absent")], /absent: cannot be read: ENOENT/],
  ] as const) {
    const { code, err, out } = await cardcage(["shelf", ...words]);
    assert.equal([code, out], [2, ""], words.join(" "));
    assert.match(err, message);
  }
  chmodSync(keyFile, 0o644);
  const open = await cardcage(["shelf", ...listen, ...key]);
  assert.is(open.code, 2);
  assert.match(open.err, /others may read or change it/);
  chmodSync(keyFile, 0o600);
  const elsewhere = await cardcage(["shelf", "--listen", "192.0.2.77:0", ...key]);
  assert.is(elsewhere.code, 1, "an address that is not here is no wrong command line");
  assert.match(elsewhere.err, /EADDRNOTAVAIL/);
});

test.run();
