/**
 * The benches of whole gateways, as far as they can rot: each runs at its smallest, and its figures are there and can be true. Benches
 * check themselves that what they count was really done. Times are nobody's business here.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import { ROOT } from "../../host/build/compile.ts";

const SECONDS = 120;

/** What a bench writes when it runs with these words. */
function figures<T>(name: string, ...words: string[]): T {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-bench-"));
  const file = join(directory, "figures.json");
  try {
    const command = ["--import", "tsx", "test/bench/run.ts", name, ...words, "--json", file];
    const { status, stderr } = spawnSync(process.execPath, command, {
      cwd: ROOT,
      encoding: "utf8",
      timeout: SECONDS * 1000,
    });
    assert.equal(status, 0, stderr);
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const positive = (value: number): boolean => Number.isFinite(value) && value > 0;

test("gateway: what two gateways with two boards each seal and open", () => {
  const words = ["--transform", "aes128gcm16", "--sizes", "100", "--turns", "1", "--burst", "64"];
  const { rows } = figures<{ rows: Record<string, number | string>[] }>(
    "gateway",
    ...words,
    ...["--boards", "2", "--links", "atm"],
  );
  assert.deepEqual(
    rows.map(({ op, boards, link, path }) => `${op} ${boards} ${link} ${path}`),
    ["seal 2 atm ike", "open 2 atm ike", "seal 2 atm cut", "open 2 atm cut"],
  );
  for (const row of rows) {
    for (const figure of ["board", "kernel", "packetsPerSecond", "octetsPerSecond", "ofKernel"])
      assert.ok(positive(row[figure] as number), `${figure} is ${row[figure]}`);
    // Past the IKE board it has nothing to do with a packet, but for what boards ask it.
    if (row.path === "ike") assert.ok(positive(row.ike as number), `ike is ${row.ike}`);
  }
});

test("distribution: what the IKE board takes for a packet with one SA and with many", () => {
  const { rows } = figures<{ rows: Record<string, number>[] }>("distribution", "--sas", "1,300", "--batches", "20");
  assert.deepEqual(
    rows.map(({ sas }) => sas),
    [1, 300],
  );
  for (const row of rows)
    for (const figure of ["inbound", "outbound", "inboundRatio", "outboundRatio"])
      assert.ok(positive(row[figure]!), `${figure} is ${row[figure]}`);
});

test.run();
