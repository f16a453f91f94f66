/** `cardcage top` on a screen: what it draws, what keys do, that it leaves the terminal as it was, and that nothing a peer says acts on it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderTop, type Screen, screenOf, short, watchOn } from "../../host/cli/top.ts";
import { Pair } from "../../host/demo/pair.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Watch, type WatchStatus } from "../../host/operator/watch.ts";
import { cardcage } from "./command_line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-top-"));
const pair = new Pair();
let status: WatchStatus;
test.before(async () => {
  await pair.start();
  assert.ok(await pair.establish());
  const watch = new Watch(pair.moon.gateway);
  status = await new Promise((resolve) => {
    const end = watch.follow(1, (glance) => {
      end();
      resolve(glance);
    });
  });
});
test.after(async () => {
  await pair.close();
  rmSync(directory, { recursive: true });
});

/** A screen of which everything is kept that was written. */
function recorded(): { screen: Screen; written: () => string; press: (keys: string) => void; freed: () => boolean } {
  let written = "";
  let keyboard: ((keys: string) => void) | undefined;
  const screen: Screen = {
    columns: () => 60,
    rows: () => 12,
    write: (text) => void (written += text),
    colours: false,
    onKeys: (callback) => {
      keyboard = callback;
      return () => (keyboard = undefined);
    },
  };
  return { screen, written: () => written, press: (keys) => keyboard!(keys), freed: () => keyboard === undefined };
}

test("numbers stay short", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [7.4, "7"],
    [999, "999"],
    [999.6, "1.0k"],
    [1250, "1.3k"],
    [12_500, "13k"],
    [3.2e9, "3.2G"],
    [4e12, "4000G"],
  ];
  for (const [value, text] of cases) assert.is(short(value), text);
});

test("a screen is as wide and as high as it is; what does not fit is counted", () => {
  const lines = screenOf(renderTop(status), 40, 8, false);
  assert.is(lines.length, 8);
  assert.ok(lines.every((line) => line.length <= 40));
  assert.match(lines[0]!, /^moon: ethernet backplane/);
  assert.match(lines[6]!, /^\.\.\. \d+ more lines$/);
  assert.is(lines[7], "q ends, p holds");
  const tall = screenOf(renderTop(status), 200, 50, true);
  assert.is(tall.length, 50);
  assert.ok(tall.some((line) => /net-2 +INSTALLED +2 /.test(line)));
  assert.is(tall[49], "held: p goes on, q ends");
  assert.is(screenOf("a\nb", 10, 1, false).length, 2, "a line at least");
});

for (const key of ["q", "\u0003"])
  test(`${JSON.stringify(key)} ends it, p holds it, and the terminal is as it was`, async () => {
    const { screen, written, press, freed } = recorded();
    let take: (glance: WatchStatus) => void = () => undefined;
    const shown = watchOn(screen, (callback, signal) => {
      take = callback;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    });
    take(status);
    const first = written();
    assert.ok(first.startsWith("\u001b[?1049h") && first.includes("moon: ethernet backplane"));
    press("p");
    assert.ok(written().includes("held: p goes on"));
    const held = written();
    take(status);
    assert.is(written(), held, "held still");
    press("x");
    press("p");
    take(status);
    assert.ok(written().length > held.length);
    press(key);
    await shown;
    assert.ok(written().endsWith("\u001b[?25h\u001b[?1049l"));
    assert.ok(freed());
  });

test("a gateway that goes away leaves the terminal as it was, too", async () => {
  const { screen, written, freed } = recorded();
  let problem = "";
  await watchOn(screen, () => Promise.reject(new Error("gone"))).catch((error: Error) => (problem = error.message));
  assert.is(problem, "gone");
  assert.ok(written().endsWith("\u001b[?1049l") && freed());
});

test("what a peer or a board says does nothing to the terminal", async () => {
  for (const text of ["\u001b]0;owned\u0007", "\u001b[2J", "\u009b31m", "a\nmoon-sun: up", "\u202egnp", "\r\b"]) {
    const hostile = structuredClone(status);
    hostile.sas[0]!["remote-id"] = text;
    hostile.sas[0]!.name = text;
    hostile.sas[0]!["child-sas"][0]!.name = text;
    hostile.boards.alarms = [{ slot: 1, severity: "minor", name: text, text, since: 0 } as never];
    const lines = screenOf(renderTop(hostile), 200, 40, false);
    for (const line of lines) assert.not.match(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
});

test("where nobody looks: as many snapshots as asked for; in JSON a line each when there are more", async () => {
  const control = await ControlServer.listen(join(directory, "control.sock"), pair.moon.gateway);
  try {
    const text = await cardcage(["top", "--count", "2", "--socket", control.path]);
    assert.is(text.code, 0, text.err);
    assert.is(text.out.match(/^moon: ethernet backplane/gm)?.length, 2);
    assert.not.match(text.out, /\u001b/);
    const json = await cardcage(["top", "--count", "2", "--json", "--socket", control.path]);
    const lines = json.out.trimEnd().split("\n");
    assert.is(lines.length, 2);
    for (const line of lines) assert.is(JSON.parse(line).boards.name, "moon");
    // In a terminal: it draws, takes a key, and ends.
    const words = [join(ROOT, "host/cli/cardcage.mjs"), "top", "--socket", control.path];
    const child = spawn("script", ["-qec", [process.execPath, ...words].join(" "), "/dev/null"], {
      env: { PATH: process.env["PATH"] ?? "", TERM: "xterm" },
    });
    let out = "";
    let pressed = false;
    child.stdout.on("data", (octets: Buffer) => {
      out += octets.toString();
      if (pressed || !out.includes("q ends")) return;
      pressed = true;
      child.stdin.write("q");
    });
    const code = await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    assert.is(code, 0, out);
    assert.match(out, /\u001b\[\?1049h[^]*moon: ethernet backplane[^]*\u001b\[\?1049l/);
  } finally {
    await control.close();
  }
});

test.run();
