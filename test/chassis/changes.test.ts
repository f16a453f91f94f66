/**
 * What each change of a chassis touches and loses, measured, against its bound and against the table in docs/changes.md. With --write the
 * table is written instead.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CHANGES, type Measured, measure } from "../../host/demo/changes.ts";

const DOCUMENT = new URL("../../docs/changes.md", import.meta.url);
const BEGIN = "<!-- measured -->\n";
const END = "<!-- end -->";

const measured: Measured[] = [];

for (const change of CHANGES) {
  test(change.name, async () => {
    const result = await measure(change);
    measured.push(result);
    assert.ok(result.kept, JSON.stringify(result));
  });
}

test("docs/changes.md says what was measured", () => {
  const row = ({ name, lost, sent, bound, touched, moved, negotiated, recovery }: Measured): string =>
    `| ${name} | ${touched} | ${moved} | ${negotiated} | ${lost} of ${sent} | ` +
    `${Number.isFinite(bound.lost) ? bound.lost : "none"} | ${lost === 0 ? "-" : `${recovery.toFixed(1)} ms`} |\n`;
  const table =
    "\n| when | tunnels touched | SAs moved | tunnels negotiated anew | packets lost | bound | last loss after |\n" +
    `|---|---|---|---|---|---|---|\n${measured.map(row).join("")}\n`;
  const text = readFileSync(DOCUMENT, "utf8");
  const [head, rest] = text.split(BEGIN) as [string, string];
  const [said, tail] = rest.split(END) as [string, string];
  if (process.env.CARDCAGE_WRITE === "1") writeFileSync(DOCUMENT, `${head}${BEGIN}${table}${END}${tail}`);
  else assert.is(said, table);
});

test.run();
