/** docs/control-protocol.md has every command, every code of an error and every kind of event that there is, and no other. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { CONTROL_COMMANDS } from "../../host/operator/commands.ts";
import { CONTROL_PROTOCOL } from "../../host/operator/control_protocol.ts";
import { EVENT_KINDS } from "../../host/operator/management.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const PAGE = read("docs/control-protocol.md");
const section = (name: string): string => PAGE.split(/^## /m).find((text) => text.startsWith(`${name}\n`)) ?? "";
/** Words in backquotes in the first column of a table. */
const firsts = (text: string): string[] =>
  [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([a-z-]+)`/g)].map(([, word]) => word!),
  );

test("commands", () => {
  assert.equal(firsts(section("Commands")).sort(), [...CONTROL_COMMANDS].sort());
  assert.match(PAGE, new RegExp(`Protocol ${CONTROL_PROTOCOL}\\.`));
});

test("codes of errors", () => {
  const codes = /ErrorCode = (.+);/.exec(read("host/operator/control_protocol.ts"))![1]!;
  const documented = section("Lines").slice(section("Lines").indexOf("| `error.code` |"));
  assert.equal(
    firsts(documented)
      .filter((word) => word !== "error.code")
      .sort(),
    [...codes.matchAll(/"([a-z-]+)"/g)].map(([, code]) => code!).sort(),
  );
});

test("kinds of events", () => {
  const [, own] = /vici's kinds: ([^]*?)\. What peers/.exec(PAGE)!;
  const documented = [...own!.matchAll(/[a-z]+(?:-[a-z]+)+|\b(?:log|alert|restored)\b/g)].map(([kind]) => kind);
  const chassis = [...read("host/operator/gateway.ts").matchAll(/kind: "([a-z-]+)"/g)].map(([, kind]) => kind!);
  // What a board tells and this host has no word for is a log event.
  assert.equal([...new Set(documented)].sort(), [...new Set([...EVENT_KINDS.values(), ...chassis, "log"])].sort());
});

test.run();
