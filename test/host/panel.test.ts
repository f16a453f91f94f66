/**
 * The front panel over plain HTTP: who may ask for what, that strangers are refused, what every answer says to a browser, and that
 * slow, many or talkative clients are bounded. The page in a browser is test/panel.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pair } from "../../host/demo/pair.ts";
import { Commands, CONTROL_COMMANDS } from "../../host/operator/commands.ts";
import { loadConfigurationText, renderError } from "../../host/operator/configuration/configuration.ts";
import { isOwnHost, type PanelListening } from "../../host/operator/panel_listening.ts";
import { type PanelOptions, PanelServer } from "../../host/operator/panel_server.ts";
import { isToken } from "../../host/operator/panel_token.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const directory = mkdtempSync(join(tmpdir(), "cardcage-panel-"));
test.after(() => rmSync(directory, { recursive: true }));

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

const own = (port: number): string => `127.0.0.1:${port}`;

function ask(port: number, path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, path, method, headers: { host: own(port), ...headers } },
      (answer) => {
        let text = "";
        answer.on("data", (octets: Buffer) => (text += octets.toString()));
        answer.on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, text }));
        answer.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

/** What the page's own requests have. */
const ownPage = (port: number, token = TOKEN): Record<string, string> => ({
  origin: `http://${own(port)}`,
  "content-type": "application/json",
  authorization: `Bearer ${token}`,
});

const control = (port: number, command: string, args: object = {}, headers = ownPage(port)): Promise<Answer> =>
  ask(port, "/control/0", { method: "POST", headers, body: JSON.stringify({ command, args }) });

async function served(
  options: Partial<PanelOptions>,
  work: (panel: PanelServer, pair: Pair) => Promise<void>,
): Promise<void> {
  const pair = new Pair({ chassis: { faults: true } });
  await pair.start();
  const listening = { host: "127.0.0.1", port: 0, actions: false, hosts: [], ...options };
  const panel = await PanelServer.listen([new Commands(pair.moon.gateway)], listening);
  try {
    await work(panel, pair);
  } finally {
    await panel.close();
    await pair.close();
  }
}

test("the page's files and nothing else, and of every answer the headers that keep a browser safe", () =>
  served({ token: TOKEN }, async ({ port }) => {
    const page = fileURLToPath(new URL("../../host/operator/panel/", import.meta.url));
    const files = readdirSync(page);
    assert.ok(files.length > 8);
    const types: Record<string, string> = {
      html: "text/html",
      css: "text/css",
      mjs: "text/javascript",
      svg: "image/svg+xml",
    };
    for (const file of files) {
      const { status, headers, text } = await ask(port, file === "index.html" ? "/" : `/${file}`);
      assert.is(status, 200, file);
      assert.is(headers["content-type"]!.split(";")[0], types[file.split(".").at(-1)!], file);
      assert.is(text, readFileSync(join(page, file), "utf8"));
      assert.not.match(
        text,
        /\bstyle=|<script>|<style|\son\w+="|innerHTML|insertAdjacentHTML|document\.write|\beval\b/,
        file,
      );
    }
    for (const path of [
      "/nothing",
      "/../panel_server.ts",
      "/%2e%2e/panel_server.ts",
      "/panel/",
      "//panel.css",
      "/control/99",
    ])
      assert.ok([404, 405].includes((await ask(port, path)).status), path);
    assert.is((await ask(port, "/", { method: "POST" })).status, 405);
    const head = await ask(port, "/", { method: "HEAD" });
    assert.equal([head.status, head.text], [200, ""]);
    for (const path of ["/", "/panel.mjs", "/nothing", "/chassis"]) {
      const { headers } = await ask(port, path);
      const policy = headers["content-security-policy"] as string;
      assert.not.match(policy, /unsafe|\*|data:|https?:/);
      for (const rule of [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
      ])
        assert.ok(policy.includes(rule), `${path}: ${rule}`);
      assert.is(headers["x-content-type-options"], "nosniff");
      assert.is(headers["x-frame-options"], "DENY");
      assert.is(headers["referrer-policy"], "no-referrer");
      assert.is(headers["cache-control"], "no-store");
      assert.is(headers["cross-origin-resource-policy"], "same-origin");
      assert.is(headers["access-control-allow-origin"], undefined);
    }
  }));

test("strangers are refused: another name, another page, no token, a wrong one", () =>
  served({ token: TOKEN, actions: true }, async (panel) => {
    const { port } = panel;
    const good = ownPage(port);
    assert.is((await control(port, "boards")).status, 200);
    const { authorization: _token, ...nobody } = good;
    const { origin: _origin, ...nowhere } = good;
    const refused: [string, number, Promise<Answer>][] = [
      ["rebound name", 421, ask(port, "/", { headers: { host: `evil.example:${port}` } })],
      ["its port alone", 421, ask(port, "/", { headers: { host: "127.0.0.1" } })],
      ["another port", 421, ask(port, "/", { headers: { host: "127.0.0.1:1" } })],
      [
        "rebound command",
        421,
        control(port, "boards", {}, { ...good, host: `evil.example:${port}`, origin: `http://evil.example:${port}` }),
      ],
      ["another page", 403, control(port, "boards", {}, { ...good, origin: "http://evil.example" })],
      ["no page", 403, control(port, "boards", {}, { ...good, origin: "null" })],
      ["nowhere", 403, control(port, "boards", {}, nowhere)],
      ["cross-site", 403, control(port, "boards", {}, { ...good, "sec-fetch-site": "cross-site" })],
      ["a form", 415, control(port, "boards", {}, { ...good, "content-type": "text/plain" })],
      ["no token", 401, control(port, "boards", {}, nobody)],
      ["a wrong one", 401, control(port, "boards", {}, ownPage(port, `${TOKEN}0`))],
      ["its beginning", 401, control(port, "boards", {}, ownPage(port, TOKEN.slice(0, 31)))],
      ["another scheme", 401, control(port, "boards", {}, { ...good, authorization: `Basic ${TOKEN}` })],
      ["chassis without token", 401, ask(port, "/chassis")],
      ["GET of a command", 405, ask(port, "/control/0", { headers: good })],
      ["no such chassis", 404, ask(port, "/control/1", { method: "POST", headers: good, body: "{}" })],
    ];
    for (const [who, status, answer] of refused) {
      const { status: got, text } = await answer;
      assert.is(got, status, `${who}: ${text}`);
      assert.not.match(text, new RegExp(TOKEN), who);
      assert.not.match(text, /moon|192\.0\.2/, `${who}: nothing of the gateway`);
    }
    assert.is(panel.refused, refused.length);
    assert.ok(isToken(TOKEN, TOKEN) && !isToken("", TOKEN) && !isToken(TOKEN.toUpperCase(), TOKEN));
  }));

test("names by which it may be asked for: its address, localhost, those of the configuration", () => {
  const at = (host: string, hosts: string[] = []): PanelListening => ({ host, hosts, port: 0, actions: false });
  const cases: [string, PanelListening, string, boolean][] = [
    ["localhost:9", at("127.0.0.1"), "127.0.0.1", true],
    ["LOCALHOST:9", at("127.0.0.1"), "127.0.0.1", true],
    ["[::1]:9", at("::1"), "::1", true],
    ["localhost:9", at("192.0.2.1"), "192.0.2.1", false],
    ["192.0.2.1:9", at("0.0.0.0"), "192.0.2.1", true],
    ["192.0.2.1:9", at("::"), "::ffff:192.0.2.1", true],
    ["192.0.2.2:9", at("0.0.0.0"), "192.0.2.1", false],
    ["0.0.0.0:9", at("0.0.0.0"), "192.0.2.1", false],
    ["gw.example", at("192.0.2.1", ["GW.example"]), "192.0.2.1", true],
    ["gw.example:9", at("192.0.2.1", ["gw.example"]), "192.0.2.1", false],
    ["", at("127.0.0.1"), "", false],
  ];
  for (const [header, panel, local, expected] of cases)
    assert.is(isOwnHost(header, panel, 9, local), expected, `${header} at ${panel.host}`);
  assert.ok(isOwnHost("127.0.0.1", at("127.0.0.1"), 80, "127.0.0.1"), "a browser leaves port 80 out");
});

test("looking asks the gateway as the control socket does; acting wants it allowed, and some is not for a page", () =>
  served({ token: TOKEN }, async ({ port }, pair) => {
    const here = JSON.parse((await ask(port, "/chassis", { headers: ownPage(port) })).text);
    assert.equal(here, [{ name: "moon", actions: false, faults: false, flash: false }]);
    const { id, result } = JSON.parse((await control(port, "boards")).text);
    assert.is(id, null);
    assert.is(result.name, "moon");
    for (const command of ["version", "sas", "connections", "policies", "pools", "drops"])
      assert.ok("result" in JSON.parse((await control(port, command)).text), command);
    for (const command of ["initiate", "rekey", "terminate", "slot", "rebalance", "fault", "flash", "image-revert"])
      assert.is((await control(port, command, { name: "net-1", slot: 1, action: "eject" })).status, 403, command);
    assert.is(pair.moon.chassis.show().slots[1]!.state, "Online");
    for (const command of ["reload", "capture", "redirect", "no-such", "toString"])
      assert.is(JSON.parse((await control(port, command)).text).error.code, "unknown-command", command);
    for (const body of [
      "",
      "{",
      "[]",
      '{"command":1}',
      '{"command":"boards","protocol":2}',
      '{"command":"boards","args":[]}',
    ]) {
      const { status, text } = await ask(port, "/control/0", { method: "POST", headers: ownPage(port), body });
      assert.is(status, 200);
      assert.ok(["malformed", "unsupported-protocol"].includes(JSON.parse(text).error.code), body);
    }
  }));

test("where it may act: a board is ejected and put back, an SA comes up; files of the machine stay out of reach", () =>
  served({ token: TOKEN, actions: true }, async ({ port }, pair) => {
    const done = async (command: string, args: object): Promise<unknown> =>
      JSON.parse((await control(port, command, args)).text);
    assert.equal(await done("initiate", { name: "net-1" }), { id: null, result: { installed: ["net-1"] } });
    await done("slot", { slot: 1, action: "eject" });
    assert.is(pair.moon.chassis.show().slots[1]!.state, "Empty");
    const wrong = await done("slot", { slot: 1, action: "insert", image: "/etc/passwd" });
    assert.is((wrong as { error: { code: string } }).error.code, "bad-argument");
    await done("slot", { slot: 1, action: "insert", image: "ipsec" });
    assert.is(pair.moon.chassis.show().slots[1]!.state, "Online");
    for (const file of ["/etc/passwd", "ipsec.cci", undefined])
      assert.is(((await done("flash", { slot: 1, file })) as { error: { code: string } }).error.code, "bad-argument");
    await done("fault", { kind: "link", slot: 2, seconds: 1 });
    assert.is(pair.moon.chassis.show().injected.length, 1);
    // Of what anybody may ask of a gateway, every command is decided on: it looks, acts, is followed, or is not for a page.
    const decided = ["reload", "capture", "redirect", "subscribe", "watch", "steps", "console", "trace", "follow-log"];
    const read = ["version", "sas", "connections", "policies", "pools", "boards", "drops", "explain", "log", "images"];
    const acts = [
      "initiate",
      "rekey",
      "terminate",
      "slot",
      "rebalance",
      "fault",
      "flash",
      "image-test",
      "image-confirm",
      "image-revert",
    ];
    assert.equal([...CONTROL_COMMANDS].sort(), [...decided, ...read, ...acts].sort());
  }));

/** A stream that somebody follows: its lines as they come. */
function stream(
  port: number,
  follow: unknown,
  headers = ownPage(port),
): { socket: Socket; lines: Record<string, any>[]; head: () => string; octets: () => number } {
  const socket = connect(port, "127.0.0.1");
  const body = JSON.stringify({ follow });
  const fields = Object.entries({ host: own(port), "content-length": String(Buffer.byteLength(body)), ...headers });
  socket.write(
    `POST /follow HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
  );
  const lines: Record<string, any>[] = [];
  let head = "";
  let octets = 0;
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("error", () => undefined);
  socket.on("data", (chunk: string) => {
    octets += chunk.length;
    head = (head + chunk).slice(0, 64);
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    // Between the lines of chunked coding.
    for (const line of parts) if (line.startsWith("{")) lines.push(JSON.parse(line));
  });
  return { socket, lines, head: () => head, octets: () => octets };
}

async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.unreachable(what);
}

test("a board's console is to be seen; every packet's steps, which slow the board, only where a page may act", () =>
  served({}, async ({ port }, pair) => {
    const { socket, lines } = stream(port, [{ chassis: 0, command: "console", args: { slot: 0 } }]);
    const refused = stream(port, [{ chassis: 0, command: "console", args: { slot: 0, packets: true } }]);
    await eventually(() => refused.lines.length > 0, "a refusal");
    assert.match(refused.lines[0]!["error"].message, /shows and does not act/);
    refused.socket.destroy();
    assert.ok(await pair.establish());
    await eventually(() => lines.some(({ line }) => line?.event === "S404"), "a line");
    socket.destroy();
  }));

test("what is followed comes as lines: a glance with boards and rates, events, steps of a negotiation, packets", () =>
  served({ token: TOKEN, actions: true }, async ({ port }, pair) => {
    const commands = ["watch", "subscribe", "steps"].map((command) => ({ chassis: 0, command }));
    const { socket, lines } = stream(port, [
      ...commands,
      { chassis: 0, command: "trace", args: { filter: ["from", "protected"] } },
    ]);
    await eventually(() => lines.some(({ status }) => status), "a glance");
    const { chassis, status } = lines.find((line) => line["status"])!;
    assert.is(chassis, 0);
    assert.equal(
      status.boards.slots.map(({ board, state }: { board: string; state: string }) => `${board} ${state}`),
      ["ike Online", "ipsec Online", "ipsec Online"],
    );
    assert.equal(
      status.sas.map(({ name, state }: { name: string; state: string }) => `${name} ${state}`),
      ["moon-sun DOWN"],
    );
    assert.is(status.rates.length, 3);
    await control(port, "initiate", { name: "net-1" });
    await eventually(() => lines.some(({ event }) => event?.kind === "child-updown"), "an event");
    await eventually(() => lines.some(({ step }) => step?.step === "S502"), "a step");
    const steps = lines.flatMap(({ step }) => (step ? [step.step] : []));
    assert.ok(steps.includes("ike_sent") && steps.includes("S402") && steps.indexOf("S401") < steps.indexOf("S404"));
    const { packetOfWords } = await import("../../host/cli/packet.ts");
    pair.moon.send(packetOfWords(undefined, { src: "10.1.1.5", dst: "10.2.1.9", dport: "53" }));
    await pair.drive.run(100);
    await eventually(() => lines.some(({ packet }) => packet), "a packet");
    assert.is(lines.find(({ packet }) => packet)!["packet"].explanation.verdict, "delivered");
    socket.destroy();
    for (const wrong of [
      undefined,
      [],
      [{}],
      [{ chassis: 0, command: "boards" }],
      [{ chassis: 0, command: "trace", args: { filter: ["dst", "nowhere"] } }],
      Array(17).fill(commands[0]),
    ]) {
      const refusedStream = stream(port, wrong);
      await eventually(() => refusedStream.lines.some(({ error }) => error), JSON.stringify(wrong));
      assert.match(refusedStream.lines[0]!["error"].code, /^(malformed|bad-argument)$/);
      refusedStream.socket.destroy();
    }
    const elsewhere = stream(port, [{ chassis: 7, command: "watch" }]);
    await eventually(() => /^HTTP\/1\.1 404/.test(elsewhere.head()), "no such chassis");
    elsewhere.socket.destroy();
  }));

test("bounds: a long request, too many streams, a client that does not read", () =>
  served({ token: TOKEN }, async (panel, pair) => {
    const { port } = panel;
    const long = await control(port, "explain", { packet: "00".repeat(40_000) });
    assert.is(long.status, 413);
    const chunked = await ask(port, "/control/0", {
      method: "POST",
      headers: { ...ownPage(port), "transfer-encoding": "chunked" },
      body: "x".repeat(100_000),
    });
    assert.is(chunked.status, 413);
    const streams = Array.from({ length: 24 }, () => stream(port, [{ chassis: 0, command: "subscribe" }]));
    for (const one of streams) await eventually(() => /^HTTP\/1\.1 200/.test(one.head()), "a stream");
    const more = stream(port, [{ chassis: 0, command: "subscribe" }]);
    await eventually(() => /^HTTP\/1\.1 503/.test(more.head()), "one too many");
    for (const { socket } of streams.slice(2)) socket.destroy();
    // One of them stops reading; lines beyond the bound are left out and counted, and told when it reads again.
    const [slow, quick] = streams as [(typeof streams)[0], (typeof streams)[0]];
    slow.socket.pause();
    const text = "x".repeat(60_000);
    for (let i = 0; i < 1000 && panel.dropped === 0; i++) {
      pair.moon.gateway.announce(text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => panel.dropped > 0, "lines were left out");
    const dropped = panel.dropped;
    slow.socket.resume();
    await eventually(() => slow.octets() > 1 << 20, "it reads on");
    await new Promise((resolve) => setTimeout(resolve, 200));
    pair.moon.gateway.announce("the last");
    await eventually(() => slow.lines.some((line) => line["event"]?.text === "the last"), "it goes on");
    assert.ok(
      slow.lines.some((line) => line["dropped"] > 0),
      "and is told",
    );
    assert.ok(dropped > 0 && quick.lines.some((line) => line["event"]?.text === "the last"));
    for (const { socket } of [...streams, more]) socket.destroy();
    const again = stream(port, [{ chassis: 0, command: "subscribe" }]);
    await eventually(() => /^HTTP\/1\.1 (200|503)/.test(again.head()), "an answer");
    again.socket.destroy();
  }));

test("without a token: to look at, on this machine", () =>
  served({}, async ({ port }) => {
    const headers = { origin: `http://${own(port)}`, "content-type": "application/json" };
    assert.is((await control(port, "boards", {}, headers)).status, 200);
    assert.is((await control(port, "initiate", { name: "net-1" }, headers)).status, 403);
    let problem = "";
    const open = { host: "127.0.0.1", port: 0, actions: true, hosts: [] };
    await PanelServer.listen([], open).catch((error: Error) => (problem = error.message));
    assert.is(problem, "a panel that acts wants a token");
  }));

test("the configuration: where it listens, its token and what it may; what is not safe is refused with file and line", () => {
  const file = (name: string, content: string, mode: number): string => {
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
    return name;
  };
  file("token", `${TOKEN}\n`, 0o600);
  file("open", TOKEN, 0o644);
  file("short", "secret", 0o600);
  const load = (chassis: string): ReturnType<typeof loadConfigurationText> =>
    loadConfigurationText(
      `connections { gw { local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2\n local { auth = psk }\n remote { auth = psk }\n children { net { } } } }
secrets { ike { secret = s } }
chassis {
  drive = threaded
${chassis}
}`,
      "gw.conf",
      directory,
    );
  const panel = (chassis: string): unknown => {
    const loaded = load(chassis);
    if ("errors" in loaded) throw new Error(loaded.errors.map(renderError).join("\n"));
    return loaded.configuration.chassis.panel;
  };
  const look = { host: "127.0.0.1", port: 9816, actions: false, hosts: [] };
  assert.is(panel(""), undefined, "none unless asked for");
  assert.equal(panel("panel = 9816"), look);
  assert.equal(panel("panel = [::1]:9000"), { ...look, host: "::1", port: 9000 });
  assert.equal(panel("panel { }"), look);
  const tokenFile = join(directory, "token");
  assert.equal(
    panel("panel {\n listen = 192.0.2.1:80\n token = token\n actions = yes\n hosts = gw.example, [2001:db8::1]:443\n}"),
    {
      host: "192.0.2.1",
      port: 80,
      actions: true,
      hosts: ["gw.example", "[2001:db8::1]:443"],
      tokenFile,
    },
  );
  const refused: [string, RegExp][] = [
    ["panel = 192.0.2.1:9816", /^gw\.conf:9: .*panel \{ listen = 192\.0\.2\.1:9816 {2}token = FILE \}/],
    ["panel = 0.0.0.0:9816", /^gw\.conf:9: /],
    ["panel {\n listen = 0.0.0.0:9816\n}", /^gw\.conf:10: .*token = FILE is mandatory/],
    ["panel {\n actions = yes\n}", /^gw\.conf:10: .*token = FILE is mandatory/],
    ["panel {\n token = open\n}", /^gw\.conf:10: .*others may read or change it \(mode 644\): chmod 600/],
    ["panel {\n token = short\n}", /^gw\.conf:10: .*32 to 256 characters/],
    ["panel {\n token = absent\n}", /^gw\.conf:10: .*cannot be read: ENOENT/],
    ["panel {\n hosts = http://gw.example\n}", /^gw\.conf:10: .*no name that a browser asks for/],
    ["panel {\n tokn = token\n}", /^gw\.conf:10: .*token/],
    ["panel = 9816\npanel {\n}", /^gw\.conf:10: .*twice/],
    ["panel = gw.example:9816", /^gw\.conf:9: /],
  ];
  for (const [chassis, expected] of refused) {
    const loaded = load(chassis);
    const told = "errors" in loaded ? loaded.errors.map(renderError).join("\n") : "taken";
    assert.match(told, expected, chassis);
    assert.not.match(told, new RegExp(TOKEN), "a token is not quoted");
  }
});

test.run();
