/** The line that is drawn while something takes long: on a terminal alone, never with --json, harmless, and gone at the end. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Foreground } from "../../host/cli/foreground.ts";
import { meanwhile, ProgressLine, type ProgressScreen } from "../../host/cli/progress.ts";
import { Pair } from "../../host/demo/pair.ts";
import { cardcage } from "./command_line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-progress-"));
test.after(() => rmSync(directory, { recursive: true }));

/** A screen of which everything is kept; `done` is called behind the second line drawn. */
function recorded(
  watched = true,
  columns = 60,
): { screen: ProgressScreen; written: () => string; drawn: Promise<void> } {
  let written = "";
  let lines = 0;
  let done: () => void = () => undefined;
  const drawn = new Promise<void>((resolve) => (done = resolve));
  const write = (text: string): void => {
    written += text;
    if (++lines === 2) done();
  };
  return { screen: { watched, columns: () => columns, write }, written: () => written, drawn };
}

test("a line with what is done and what happens, drawn again and again, and erased behind the work", async () => {
  const { screen, written, drawn } = recorded();
  const result = await meanwhile(
    {},
    "slot 3 offline",
    async (say) => {
      say("sa-moved child net slot 1");
      assert.is(written(), "", "not at once");
      await drawn;
      return 7;
    },
    screen,
  );
  assert.is(result, 7);
  assert.match(written(), /^(\r\u001b\[K[|/\\-] slot 3 offline, \d+ s: sa-moved child net slot 1){2}\r\u001b\[K$/);
});

test("the same when the work fails; what is done at once shows nothing", async () => {
  const { screen, written, drawn } = recorded();
  let problem = "";
  const fails = meanwhile({}, "flash", () => drawn.then(() => Promise.reject(new Error("refused"))), screen);
  await fails.catch((error: Error) => (problem = error.message));
  assert.is(problem, "refused");
  assert.ok(written().endsWith("\r\u001b[K"));
  const quick = recorded();
  await meanwhile({}, "sas", () => Promise.resolve(), quick.screen);
  assert.is(quick.written(), "");
});

test("work that leaves no time to draw in: the line is there before it", async () => {
  const { screen, written } = recorded();
  await meanwhile(
    { atOnce: true },
    "verify release.ccm",
    async (say) => {
      assert.is(written(), "\r\u001b[K| verify release.ccm, 0 s");
      say("ike");
      assert.ok(written().endsWith("/ verify release.ccm, 0 s: ike"));
    },
    screen,
  );
  assert.ok(written().endsWith("\r\u001b[K"));
});

test("as long as the screen is wide, and nothing that a peer says acts on it", async () => {
  const { screen, written } = recorded(true, 30);
  const hostile = "\u001b]0;owned\u0007\r\n\u009b2J\u202e".repeat(10);
  await meanwhile({ atOnce: true }, hostile, async (say) => say(hostile), screen);
  const lines = written().split("\r\u001b[K");
  assert.is(lines.length, 4);
  for (const line of lines) {
    assert.ok(line.length < 30);
    assert.not.match(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
});

for (const [what, options, watched] of [
  ["with --json", { json: true, atOnce: true }, true],
  ["where nobody looks", { atOnce: true }, false],
] as const)
  test(`nothing ${what}`, async () => {
    const { screen, written } = recorded(watched);
    await meanwhile(options, "lint", async (say, hide) => (say("x"), hide()), screen);
    assert.is(written(), "");
  });

test("what is written meanwhile stands above the line, which is drawn again at once", () => {
  const { screen, written } = recorded();
  const line = new ProgressLine(screen);
  line.aside(() => screen.write("early\n"));
  line.begin("starting", true);
  line.aside(() => screen.write("a record\n"));
  line.begin("moon");
  line.end();
  line.aside(() => screen.write("late\n"));
  const draw = "\\r\u001b\\[K";
  assert.match(
    written(),
    new RegExp(
      `^early\n${draw}\\| starting, 0 s${draw}a record\n${draw}/ starting, 0 s${draw}- moon, 0 s${draw}late\n$`,
    ),
  );
});

/** A screen, and a wait for what is to be seen on it. */
function seen(): { screen: ProgressScreen; written: () => string; until: (pattern: RegExp) => Promise<void> } {
  const { screen, written } = recorded(true, 200);
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(written())) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  return { screen, written, until };
}

test("a gateway in the foreground: what its start is at, then boards, SAs and what passes, then that it ends", async () => {
  const { screen, written, until } = seen();
  const foreground = new Foreground({}, screen);
  foreground.step("NICs");
  await until(/starting, \d s: NICs/);
  const pair = new Pair({ nets: [1] });
  const { moon } = pair;
  try {
    foreground.follow(moon.gateway);
    await until(/starting, \d s: 0 of 3 boards up/);
    await pair.start();
    await until(/starting, \d+ s: 3 of 3 boards up/);
    foreground.ready();
    await until(/moon, \d s: 3 of 3 boards up, 0 CHILD_SAs, 0 packets\/s, 0 dropped\/s; Ctrl-C ends it/);
    assert.ok(await pair.establish(30_000, 1));
    await until(/moon, \d+ s: 3 of 3 boards up, 1 CHILD_SAs/);
    await moon.gateway.rekey("net-1");
    await pair.drive.run(2000);
    await moon.gateway.terminate("net-1");
    await pair.drive.run(2000);
    await until(/1 CHILD_SAs[^]*3 of 3 boards up, 0 CHILD_SAs, [\d.k]+ packets/);
    await moon.chassis.eject(2);
    await until(/moon, \d+ s: 2 of 2 boards up/);
    foreground.stopping();
    await until(/shutting down, \d s: deleting SAs at the peers; Ctrl-C again ends it at once/);
  } finally {
    foreground.end();
    await pair.close();
  }
  assert.ok(written().endsWith("\r\u001b[K"));
});

test("an IKE board that comes back has the SAs that it is given back", async () => {
  const { screen, until } = seen();
  const foreground = new Foreground({}, screen);
  const pair = new Pair();
  try {
    foreground.follow(pair.moon.gateway);
    await pair.start();
    foreground.ready();
    assert.ok(await pair.establish());
    await until(/2 CHILD_SAs/);
    pair.moon.chassis.injectFault({ kind: "trap", slot: 0 });
    await pair.drive.run(5000);
    assert.is(pair.moon.chassis.show().slots[0]!.generation, 2);
    await until(/2 CHILD_SAs(?![^]*[01] CHILD_SAs)/);
  } finally {
    foreground.end();
    await pair.close();
  }
});

for (const [what, options, watched] of [
  ["with --json", { json: true }, true],
  ["where nobody looks", {}, false],
] as const)
  test(`a gateway in the foreground draws nothing ${what}`, async () => {
    const { screen, written } = recorded(watched);
    const foreground = new Foreground(options, screen);
    const pair = new Pair();
    foreground.step("NICs");
    foreground.follow(pair.moon.gateway);
    await pair.start();
    foreground.ready();
    foreground.aside(() => undefined);
    foreground.stopping();
    foreground.end();
    await pair.close();
    assert.is(written(), "");
  });

/** A gateway that tells an event and takes its time; a thread of its own, so that the test may wait. */
const SLOW = `
const { parentPort, workerData } = require("node:worker_threads");
const server = require("node:net").createServer((socket) => {
  socket.on("error", () => undefined);
  socket.on("data", (line) => {
    const { command } = JSON.parse(line);
    const say = (told) => socket.writable && socket.write(JSON.stringify(told) + "\\n");
    if (command === "slot") setTimeout(() => say({ id: 1, result: { state: "Offline", reason: "" } }), 2500);
    else if (command === "subscribe")
      setTimeout(() => say({ event: { kind: "sa-moved", connection: "\\u001b[2J", slot: 1 } }), 200);
    else setTimeout(() => say({ record: { time: 0, level: "info", area: "ike", msg: "at last" } }), 2500);
  });
});
server.listen(workerData, () => parentPort.postMessage("ready"));
`;

async function slow(work: (socket: string) => Promise<void>): Promise<void> {
  const path = join(directory, "slow.sock");
  const worker = new Worker(SLOW, { eval: true, workerData: path });
  try {
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await work(path);
  } finally {
    await worker.terminate();
    rmSync(path, { force: true });
  }
}

function onTerminal(words: readonly string[], redirect = ""): SpawnSyncReturns<string> {
  const command = [process.execPath, join(ROOT, "host/cli/cardcage.mjs"), ...words].join(" ");
  const env = { PATH: process.env["PATH"] ?? "", TERM: "xterm" };
  const result = spawnSync("script", ["-qec", `${command} ${redirect}`, "/dev/null"], { encoding: "utf8", env });
  if (result.error) throw result.error;
  return result;
}

test("cardcage slot on a terminal: what happens meanwhile, then the answer alone", () =>
  slow(async (socket) => {
    const { stdout, status } = onTerminal(["slot", "3", "offline", "--socket", socket]);
    assert.is(status, 0, stdout);
    assert.match(stdout, /\r\u001b\[K[|/\\-] slot 3 offline, \d s: sa-moved connection \\+x1b\[2J slot 1\r\u001b\[K/);
    assert.match(stdout, /\r\u001b\[Kslot 3: \u001b\[31mOffline\u001b\[39m\r\n$/);
    const dumb = onTerminal(["slot", "3", "offline", "--json", "--socket", socket]);
    assert.equal(JSON.parse(dumb.stdout), { state: "Offline", reason: "" });
    const piped = onTerminal(["slot", "3", "offline", "--socket", socket], "2>/dev/null");
    assert.not.match(piped.stdout, /\u001b\[K/, "stderr is no terminal");
  }));

test("cardcage log -f on a terminal says that it waits, until the first line comes", () =>
  slow(async (socket) => {
    const waited = onTerminal(["log", "-f", "--count", "1", "--socket", socket]).stdout;
    assert.match(
      waited,
      /\r\u001b\[K[|/\\-] waiting for records; Ctrl-C ends it, \d s\r\u001b\[K1970-\S+ at last\r\n$/,
    );
    const { stdout } = onTerminal(["events", "--count", "1", "--socket", socket]);
    assert.match(stdout, /^sa-moved connection \\+x1b\[2J slot 1\r\n$/, "what comes soon is waited for in silence");
  }));

test("in a pipe nothing but the answer", () =>
  slow(async (socket) => {
    const { code, out, err } = await cardcage(["slot", "3", "offline", "--socket", socket]);
    assert.equal([code, out, err], [0, "slot 3: Offline\n", ""]);
  }));

test.run();
