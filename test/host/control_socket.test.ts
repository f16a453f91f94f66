/**
 * The control socket: who may open it, what it makes of garbage, and that one client's mistakes are nobody else's. Behind it a
 * chassis whose boards have no power: what it shows needs none.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { renderDrops } from "../../host/cli/render.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { RefusedError, request, UnreachableError } from "../../host/operator/control_client.ts";
import { Gateway } from "../../host/operator/gateway.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-control-"));
const path = join(directory, "control.sock");
const drive = new Lockstep();
const gateway = new Gateway({ drive, link: "ethernet", slots: 1, connections: [], secrets: [] });
let control: ControlServer;

test.before(async () => {
  control = await ControlServer.listen(path, gateway);
});
test.after(async () => {
  await control.close();
  await gateway.close();
  rmSync(directory, { recursive: true });
});

/** Sends octets as they are; the lines of the answer, up to `count` or the end of the connection. */
function converse(octets: string, count: number): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    let text = "";
    const lines = (): unknown[] =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (lines().length >= count) socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
    });
    socket.on("close", () => resolve(lines()));
    socket.write(octets);
  });
}

test("nobody but the owner may open it", () => {
  assert.is(statSync(path).mode & 0o777, 0o600);
});

test("garbage gets an error line, and the same client is served on", async () => {
  const answers = await converse(
    `nonsense\n[]\n{"id":7}\n{"id":8,"command":"constructor"}\n{"id":9,"command":"initiate"}\n`,
    5,
  );
  assert.equal(answers, [
    { id: null, error: { code: "malformed", message: "the line is no JSON" } },
    { id: null, error: { code: "malformed", message: "a request is an object" } },
    { id: null, error: { code: "malformed", message: "a request names its command" } },
    { id: 8, error: { code: "unknown-command", message: "there is no command 'constructor'" } },
    { id: 9, error: { code: "bad-argument", message: "a name is wanted" } },
  ]);
});

test("a line without end closes its connection; others are served", async () => {
  const [answers, boards] = await Promise.all([converse("x".repeat(200_000), 1), request(path, "boards")]);
  assert.equal(answers, []);
  assert.is((boards as { slots: unknown[] }).slots.length, 2);
  await request(path, "drops");
});

test("the two drops for want of an SA are told apart, also at 0", async () => {
  const result = (await request(path, "drops")) as Parameters<typeof renderDrops>[0];
  assert.equal(result.drops, { no_sa_entry_ike_board: 0, no_sa_entry_ipsec_board: 0 });
  const text = renderDrops(result);
  assert.match(text, /all +S606 +no_sa_entry_ike_board +0\n/);
  assert.match(text, /all +S707 +no_sa_entry_ipsec_board +0\n/);
});

test("a refusal reaches the client with its code", async () => {
  try {
    await request(path, "initiate", { name: "net", timeout: -1 });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RefusedError);
    assert.is((error as RefusedError).code, "bad-argument");
  }
});

test("slot: a board goes offline and comes back; what is no slot and no action is refused", async () => {
  const slot = (args: object): Promise<unknown> =>
    request(path, "slot", args).catch((error: RefusedError) => `${error.code}: ${error.message}`);
  assert.is(await slot({ slot: 9, action: "restart" }), "bad-argument: slot: the number of a slot is wanted");
  assert.match((await slot({ slot: 1, action: "constructor" })) as string, /^bad-argument: action: restart/);
  const states: string[] = [];
  for (const action of ["online", "offline", "restart"]) {
    const { state, leds } = (await slot({ slot: 1, action })) as { state: string; leds: { ok: string } };
    states.push(`${state} ${leds.ok}`);
  }
  assert.equal(states, ["Online green", "Offline off", "Online green"]);
  const { generation, reason } = (await slot({ slot: 1, action: "offline" })) as { generation: number; reason: string };
  assert.equal([generation, reason], [2, ""]);
});

test("fault: refused unless the chassis allows faults; what cannot be is named, what stands is shown and cleared", async () => {
  const fault = (where: string, args: object): Promise<unknown> =>
    request(where, "fault", args).catch((error: RefusedError) => `${error.code}: ${error.message}`);
  assert.match((await fault(path, { kind: "link", slot: 1 })) as string, /^failed: .*faults = yes/);
  assert.match((await fault(path, {})) as string, /^failed: /);
  const open = new Gateway({ drive, link: "atm", slots: 1, faults: true, connections: [], secrets: [] });
  const where = join(directory, "faults.sock");
  const server = await ControlServer.listen(where, open);
  try {
    const wrong: [object, RegExp][] = [
      [{ kind: "fire" }, /kind: trap, hang, bus/],
      [{ kind: "constructor" }, /kind: trap/],
      [{ kind: "link" }, /link wants a slot/],
      [{ kind: "link", slot: "1" }, /slot: a number is wanted/],
      [{ kind: "link", slot: 1, lose: 1 }, /link takes no lose/],
      [{ kind: "link", slot: 9 }, /there is no slot 9/],
      [{ kind: "bus", flip: 2 }, /flip: a probability/],
    ];
    for (const [args, reason] of wrong) assert.match((await fault(where, args)) as string, reason);
    assert.equal(await fault(where, {}), []);
    await fault(where, { kind: "link", slot: 1, seconds: 30 });
    const standing = (await fault(where, { kind: "element", delayMs: 250 })) as { text: string; left?: number }[];
    assert.equal(
      standing.map(({ text, left }) => [text, left]),
      [
        ["link of slot 1 down", 30],
        ["secure element: 250 ms later", undefined],
      ],
    );
    assert.is(open.chassis.show().alarms.length, 2);
    assert.equal(await fault(where, { kind: "clear" }), []);
    assert.is(open.chassis.show().alarm, "off");
  } finally {
    await server.close();
    await open.close();
  }
});

test("a live socket and a file are not taken away, a stale socket is", async () => {
  const said = async (where: string): Promise<string> =>
    ControlServer.listen(where, gateway).then(
      () => "it listens",
      (error: Error) => error.message,
    );
  assert.is(await said(path), `${path}: another gateway answers there`);
  const file = join(directory, "file");
  writeFileSync(file, "");
  assert.is(await said(file), `${file}: is there already, and is no socket`);
  // A process that was killed leaves its socket behind.
  const stale = join(directory, "stale.sock");
  const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, stale]);
  assert.ok(statSync(stale).isSocket());
  const second = await ControlServer.listen(stale, gateway);
  await request(stale, "boards");
  await second.close();
  try {
    await request(stale, "boards");
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UnreachableError);
  }
});

test.run();
