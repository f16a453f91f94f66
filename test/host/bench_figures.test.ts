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

interface Cost {
  poll: number;
  packet: number;
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

test("effects: a storm of handshakes beside data, and throughput by number of boards, with and without cut-through", () => {
  const words = [
    "--turns",
    "1",
    "--milliseconds",
    "12",
    "--storm",
    "4",
    "--boards",
    "1,2",
    "--links",
    "atm",
    "--octets",
    "64",
  ];
  const { e1, costs, e2 } = figures<{
    e1: Record<string, number | string>[];
    costs: { link: string; octets: number; ike: Cost; ipsec: Cost }[];
    e2: Record<string, number | string | boolean>[];
  }>("effects", ...words);
  assert.deepEqual(
    e1.map(({ gateway }) => gateway),
    ["conventional", "split, 1 IPsec board", "the same with cut-through", "split, the storm's SAs on a 2nd board"],
  );
  for (const row of e1)
    for (const figure of [
      "calm",
      "storm",
      "kept",
      "handshakes",
      "even",
      "evenKept",
      "p50",
      "p99",
      "stormP50",
      "stormP99",
    ])
      assert.ok(positive(row[figure] as number), `${row.gateway}: ${figure} is ${row[figure]}`);
  assert.deepEqual(
    costs.map(({ link, octets }) => `${link} ${octets}`),
    ["atm 64"],
  );
  for (const { ike, ipsec } of costs) assert.ok(positive(ike.packet) && positive(ipsec.packet));
  assert.deepEqual(
    e2.map(({ link, octets, boards, cutThrough }) => `${link} ${octets} ${boards} ${cutThrough}`),
    ["atm 64 1 false", "atm 64 2 false", "atm 64 1 true", "atm 64 2 true"],
  );
  // Time is virtual there: what one board carries two carry twice, past the IKE board.
  const [one, two] = e2.slice(2).map(({ rate }) => rate as number) as [number, number];
  assert.ok(positive(one) && Math.abs(two / one - 2) < 0.1, `${one} and ${two}`);
});

test("overload: in lockstep and in threads", () => {
  const words = ["--factor", "6", "--seconds", "0.6", "--slices", "2", "--measuring", "50"];
  const { lockstep, threads } = figures<{
    lockstep: { slices: Record<string, number>[]; drops: Record<string, number> };
    threads: { slices: Record<string, number>[]; offered: number; sealed: number; drops: Record<string, number> };
  }>("overload", ...words);
  assert.equal(lockstep.slices.length, 2);
  for (const slice of lockstep.slices)
    for (const figure of ["rate", "offered", "handshakes", "median", "longest"])
      assert.ok(positive(slice[figure]!), `${figure} is ${slice[figure]}`);
  assert.ok(positive(lockstep.drops["backplane_congestion"]!));
  assert.equal(threads.slices.length, 2);
  for (const { offered, rate } of threads.slices) assert.ok(positive(offered!) && positive(rate!));
  const dropped = Object.values(threads.drops).reduce((sum, count) => sum + count, 0);
  assert.ok(threads.sealed + dropped >= threads.offered, `${threads.sealed}, ${dropped}, ${threads.offered}`);
});

test("dma: boards on memory of their own and on shared memory, and the ways from NIC to NIC", () => {
  const { boards, ways } = figures<{
    boards: Record<string, number | string>[];
    ways: Record<string, number | string>[];
  }>("dma", ...["--sizes", "200", "--turns", "3"]);
  assert.deepEqual(
    boards.map(({ op, octets }) => `${op} ${octets}`),
    ["seal 200", "open 200"],
  );
  for (const row of boards)
    for (const figure of ["own", "shared", "ratio"]) assert.ok(positive(row[figure] as number), `${row.op}: ${figure}`);
  // Octets of a packet that are copied: four times by rings, the header alone twice less, once between shared memories, twice past the IKE board.
  assert.deepEqual(
    ways.map(({ way, copied }) => `${way}: ${copied}`),
    ["rings: 800", "rings, shared: 800", "rings, cursor: 800", "headers: 656", "shared: 200", "cut: 400"],
  );
  for (const row of ways)
    for (const figure of ["nicIn", "ike", "ipsec", "nicOut", "toRings"])
      assert.ok(positive(row[figure] as number), `${row.way}: ${figure}`);
});

test("scale: many CHILD_SAs over several boards beside ten", () => {
  const { rows, install, ram } = figures<{
    rows: Record<string, number | string>[];
    install: number;
    ram: { given: number; used: number };
  }>("scale", "--sas", "100", "--boards", "2", "--batches", "5");
  assert.deepEqual(
    rows.map(({ op, sas }) => `${op} ${sas}`),
    ["seal 10", "seal 100", "open 10", "open 100"],
  );
  for (const row of rows)
    for (const figure of ["ike", "ipsec", "rate"]) assert.ok(positive(row[figure] as number), `${figure}`);
  assert.ok(positive(install) && positive(ram.used) && ram.used <= ram.given);
});

test.run();
