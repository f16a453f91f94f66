/** The log: thresholds by area and slot, the rate limit, what a record says of an event, and how it is written. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { offences } from "../cli/command_line.ts";
import { flush, writeLog } from "../../host/cli/log_output.ts";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";
import type { GatewayEvent } from "../../host/operator/gateway.ts";
import { Log, LOG_DEFAULTS, type LogRecord, type LogSettings, renderRecord, wanted } from "../../host/operator/log.ts";

let now = 0;
function logOf(settings: Partial<LogSettings> = {}): { log: Log; seen: LogRecord[] } {
  const log = new Log({ ...LOG_DEFAULTS, ...settings }, () => now);
  const seen: LogRecord[] = [];
  log.onRecord((record) => seen.push(record));
  return { log, seen };
}

const alert = (text: string): GatewayEvent => ({ kind: "alert", connection: "gw", text });
const UP: GatewayEvent = {
  kind: "child-updown",
  connection: "gw",
  child: "net",
  up: true,
  slot: 3,
  "spi-in": "c0000001",
  "spi-out": "c0000002",
};

test("a record says what it is about: connection, child, slot, SPIs, kind", () => {
  const { log, seen } = logOf();
  now = 1_000_000;
  log.event(UP, () => "net is up");
  assert.equal(seen, [
    {
      time: 1_000_000,
      level: "info",
      area: "ike",
      kind: "child-updown",
      slot: 3,
      connection: "gw",
      child: "net",
      "spi-in": "c0000001",
      "spi-out": "c0000002",
      msg: "net is up",
    },
  ]);
  assert.is(renderRecord(seen[0]!), "1970-01-01T00:16:40.000Z net is up");
});

test("levels: of the event, and thresholds by area and by slot", () => {
  const { log, seen } = logOf({
    level: "warn",
    areas: { placement: "silent", board: "info" },
    slots: { 3: "debug", 4: "silent" },
  });
  log.event({ ...UP, slot: 2 }, () => "below warn");
  log.event(UP, () => "its slot shows all");
  log.event(alert("no proposal chosen"), () => "alert");
  log.event({ kind: "sa-refused", slot: 2 } as GatewayEvent, () => "silenced");
  log.event({ kind: "board-updown", slot: 2, generation: 1, up: true }, () => "of its area");
  log.event({ kind: "board-trap", slot: 4, generation: 1, text: "x" }, () => "not even an error of slot 4");
  log.event({ kind: "board-trap", slot: 2, generation: 1, text: "x" }, () => "an error");
  log.event({ kind: "alert", slot: 2, severity: "major", alarm: "board", raised: true, text: "x" }, () => "major");
  log.event({ kind: "alert", slot: 2, severity: "major", alarm: "board", raised: false, text: "x" }, () => "over");
  log.say("info", "below warn, too");
  assert.equal(
    seen.map(({ msg, level, area }) => [msg, level, area]),
    [
      ["its slot shows all", "info", "ike"],
      ["alert", "warn", "ike"],
      ["of its area", "info", "board"],
      ["an error", "error", "board"],
      ["major", "error", "board"],
      ["over", "warn", "board"],
    ],
  );
});

test("the rate limit: a burst, then so many a second, by area; what is left out is counted and told; errors pass", () => {
  const { log, seen } = logOf({ rate: 5 });
  now = 0;
  let rendered = 0;
  for (let i = 0; i < 1000; i++) log.event(alert(`refused ${i}`), () => `refused ${++rendered}`);
  assert.is(seen.length, 50, "ten seconds of it at once");
  assert.is(rendered, 50, "what is left out is not put into words");
  log.event({ kind: "board-updown", slot: 1, generation: 1, up: false }, () => "another area");
  assert.is(seen.length, 51);
  now = 400;
  log.event(alert("two a 400 ms"), () => "one");
  log.event(alert("two a 400 ms"), () => "two");
  log.event(alert("two a 400 ms"), () => "three");
  assert.equal(
    seen.slice(51).map(({ msg, suppressed }) => [msg, suppressed]),
    [
      ["one", 950],
      ["two", undefined],
    ],
  );
  assert.match(renderRecord(seen[51]!), / warn: one \(950 records before it were left out\)$/);
  const traps = logOf({ rate: 1 });
  for (let i = 0; i < 100; i++) traps.log.event({ kind: "board-trap", slot: 1, generation: i, text: "" }, () => "trap");
  assert.is(traps.seen.length, 100, "no error is left out");
  const unlimited = logOf({ rate: 0 });
  for (let i = 0; i < 5000; i++) unlimited.log.event(alert(""), () => "x");
  assert.is(unlimited.seen.length, 5000);
  assert.is(unlimited.log.recent.length, 1000, "the ring is bounded");
});

test("a clock that is set back does not open the limit, nor close it for good", () => {
  const { log, seen } = logOf({ rate: 1 });
  now = 100_000;
  for (let i = 0; i < 20; i++) log.event(alert(""), () => "x");
  now = 0;
  for (let i = 0; i < 20; i++) log.event(alert(""), () => "x");
  assert.is(seen.length, 10);
  now = 1000;
  log.event(alert(""), () => "later");
  assert.is(seen.length, 11);
});

test("who reads chooses slot, area and level", () => {
  const record: LogRecord = { time: 0, level: "warn", area: "board", slot: 2, msg: "" };
  assert.ok(wanted(record, {}) && wanted(record, { slot: 2, area: "board", level: "info" }));
  assert.not.ok(wanted(record, { slot: 1 }) || wanted(record, { area: "ike" }) || wanted(record, { level: "error" }));
});

/** What is written to stdout. */
function written(format: "text" | "json", say: (log: Log) => void): string {
  const log = new Log({ ...LOG_DEFAULTS, format }, () => 1_000_000);
  writeLog(log, { format });
  const write = process.stdout.write;
  let text = "";
  process.stdout.write = ((chunk: string) => ((text += chunk), true)) as typeof write;
  try {
    say(log);
    flush();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

test("JSON lines: a level by name, the time, all fields; text: a line; neither acts on a terminal", () => {
  const text = `peer says \u001b]0;x\u0007 \u009b2J \u202e\nsecond line`;
  const json = written("json", (log) => {
    log.event(UP, () => "net is up");
    log.event(alert(text), () => text);
  });
  const lines = json.trimEnd().split("\n");
  assert.equal(JSON.parse(lines[0]!), {
    level: "info",
    time: "1970-01-01T00:16:40.000Z",
    area: "ike",
    kind: "child-updown",
    slot: 3,
    connection: "gw",
    child: "net",
    "spi-in": "c0000001",
    "spi-out": "c0000002",
    msg: "net is up",
  });
  assert.is(lines.length, 2);
  // `cardcage up --json` writes such lines.
  for (const line of lines) assert.equal(offences("up", JSON.parse(line)), []);
  assert.is(JSON.parse(lines[1]!).msg, text);
  assert.not.match(lines[1]!, /[\u0000-\u001f\u007f-\u009f\u202e]/);
  const plain = written("text", (log) => log.event(alert(text), () => text));
  assert.is(plain.split("\n").length, 2);
  assert.not.match(plain.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test("chassis { log { } } sets all of it, and refuses what is none", () => {
  const configuration = (log: string): unknown => {
    const loaded = loadConfigurationText(
      `connections { gw { children { p { mode = pass } } } }
       chassis { log { ${log} } }`,
      "x.conf",
    );
    return "errors" in loaded ? loaded.errors.map(({ message }) => message) : loaded.configuration.chassis.log;
  };
  assert.equal(configuration(""), LOG_DEFAULTS);
  assert.equal(
    configuration(`format = json
      level = warn
      ike = debug
      rate = 0
      slots { 3 = silent
      }`),
    { format: "json", level: "warn", areas: { ike: "debug" }, slots: { 3: "silent" }, rate: 0 },
  );
  assert.match(String(configuration("level = loud\n")), /'loud' is none of silent, error/);
  assert.match(String(configuration("radio = info\n")), /unknown setting 'radio'/);
});

test.run();
