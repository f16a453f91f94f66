/** What is printed is harmless, whoever says it; and there are colours on a terminal alone. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { harmless, harmlessDeep, jsonText, painted } from "../../host/cli/terminal.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Gateway } from "../../host/operator/gateway.ts";
import { cardcage } from "./command_line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-terminal-"));
test.after(() => rmSync(directory, { recursive: true }));

/** Sequences that change a title, clear the screen, hide what follows, turn a line around, or ring. */
const HOSTILE = [
  "\u001b]0;owned\u0007",
  "\u001b[2J\u001b[1;1H",
  "\u009b31m",
  "\u0090q\u009c",
  "\r\u001b[Kmoon-sun: #1, ESTABLISHED",
  "a\nmoon-sun: #1, ESTABLISHED",
  "\b\b\b",
  "\u202egnp.exe",
  "\u2066hidden\u2069",
  "\u2028next",
  "\u007f\u0000",
];
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

test("every control character and every mark that reorders is escaped; all else stays", () => {
  for (let code = 0; code < 0x3000; code++) {
    const character = String.fromCharCode(code);
    const shown = harmless(character);
    const acts = ACTIVE.test(character) || code === 0x0a || code === 0x061c;
    assert.is(shown === character, !acts, `U+${code.toString(16)}`);
    assert.not.match(shown, ACTIVE);
    assert.is(JSON.parse(jsonText(character)), character, "JSON says the same");
    assert.not.match(jsonText(character), ACTIVE);
  }
  assert.equal(harmlessDeep({ "k\u001b": ["v\u0007", 1, null, { a: "é" }] }), {
    "k\\x1b": ["v\\x07", 1, null, { a: "é" }],
  });
});

/** A gateway whose answers are whatever a peer could have brought into them. */
async function hostile(answer: unknown, work: (socket: string) => Promise<void>): Promise<void> {
  const path = join(directory, "hostile.sock");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => {
      socket.write(`${JSON.stringify({ id: 1, result: answer })}\n`);
      socket.write(`${JSON.stringify({ event: answer })}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await work(path);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test("identities, texts and names that a peer chose do nothing to a terminal, in text and in JSON", async () => {
  for (const text of HOSTILE) {
    const sa = {
      name: "moon-sun",
      state: "ESTABLISHED",
      uniqueid: "1",
      version: "2",
      initiator: true,
      "local-id": text,
      "remote-id": text,
      "remote-eap-id": text,
      "eap-method": "MD5",
      "child-sas": [],
    };
    await hostile(
      { link: "ethernet", sas: [sa, { name: "x", state: "DOWN", failure: text, "child-sas": [] }] },
      async (socket) => {
        const shown = await cardcage(["sas", "--socket", socket]);
        assert.is(shown.code, 0, shown.err);
        assert.not.match(shown.out, ACTIVE);
        assert.is(shown.out.split("\n").length, 5, "a peer adds no line of its own");
        const json = await cardcage(["sas", "--json", "--socket", socket]);
        assert.not.match(json.out, ACTIVE);
        assert.is(JSON.parse(json.out).sas[1].failure, harmless(text));
      },
    );
    await hostile([{ name: text, children: [text], failure: text }], async (socket) => {
      const shown = await cardcage(["connections", "--socket", socket]);
      assert.not.match(shown.out, ACTIVE);
      assert.is(shown.out.split("\n").length, 2);
    });
    await hostile({ kind: "alert", connection: "x", text }, async (socket) => {
      for (const json of [[], ["--json"]]) {
        const shown = await cardcage(["events", "--count", "1", "--socket", socket, ...json]);
        assert.not.match(shown.out, ACTIVE);
        assert.is(shown.out.split("\n").length, 2);
      }
    });
  }
});

test("so does what a file or a refusal says", async () => {
  const wrong = await cardcage(["check", `\u001b]0;owned\u0007`]);
  assert.is(wrong.code, 2);
  assert.not.match(wrong.out + wrong.err, ACTIVE);
  const option = await cardcage(["sas", "--\u001b[2J"]);
  assert.is(option.code, 2);
  assert.not.match(option.out + option.err, ACTIVE);
});

test("colours: on a terminal, not with NO_COLOR, TERM=dumb or a pipe", () => {
  const command = `${process.execPath} ${join(ROOT, "host/cli/cardcage.mjs")} check ${join(directory, "absent.conf")}`;
  const onTerminal = (environment: Record<string, string>): string => {
    const { stdout, error } = spawnSync("script", ["-qec", command, "/dev/null"], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", ...environment },
    });
    if (error) throw error;
    return stdout;
  };
  assert.match(onTerminal({}), /^\u001b\[31m.*absent\.conf:1: the file cannot be read \(ENOENT\)\u001b\[39m/);
  assert.not.match(onTerminal({ NO_COLOR: "1" }), /\u001b/);
  assert.not.match(onTerminal({ TERM: "dumb" }), /\u001b/);
  assert.is(painted("net: DOWN, slot 1 Online"), "net: \u001b[31mDOWN\u001b[39m, slot 1 \u001b[32mOnline\u001b[39m");
});

test("the control socket is its owner's alone, whatever the umask is and whatever lay there before", async () => {
  const path = join(directory, "control.sock");
  const gateway = new Gateway({ drive: new Lockstep(), link: "ethernet", slots: 1, connections: [], secrets: [] });
  const mask = process.umask(0);
  try {
    for (let round = 0; round < 2; round++) {
      const control = await ControlServer.listen(path, gateway);
      assert.is(statSync(path).mode & 0o777, 0o600);
      // What others were once allowed is not taken over by the next gateway.
      chmodSync(path, 0o666);
      await control.close();
    }
  } finally {
    process.umask(mask);
    await gateway.close();
  }
  if (process.getuid?.() !== 0) return;
  const control = await ControlServer.listen(path, gateway);
  try {
    chmodSync(directory, 0o755);
    const script = `require("net").connect(${JSON.stringify(path)}).on("error", (e) => console.log(e.code)).on("connect", () => console.log("open"))`;
    const stranger = spawnSync(process.execPath, ["-e", script], {
      encoding: "utf8",
      uid: 65534,
      gid: 65534,
      timeout: 20_000,
    });
    assert.is(stranger.stdout, "EACCES\n");
    process.seteuid!(65534);
    const told = await cardcage(["sas", "--socket", path]).finally(() => process.seteuid!(0));
    assert.equal(
      [told.code, told.out, told.err],
      [3, "", `cardcage: ${path} is not for this user to open (EACCES): a gateway's socket is its owner's alone\n`],
    );
  } finally {
    await control.close();
  }
});

test.run();
