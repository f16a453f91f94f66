/**
 * The bench of the cipher suite, as far as it can be wrong: every peer computes what we compute, a peer that does not is found,
 * rows and file have their shape. Times are nobody's business here.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import { ROOT } from "../../host/build/compile.ts";
import type { Row } from "../bench/crypto/bench.ts";
import { agreeingRivals, benchCell, loadCell } from "../bench/crypto/bench.ts";
import { GOALS, bestPeer } from "../bench/crypto/goals.ts";
import { startBuild } from "../bench/crypto/ours.ts";
import type { Peer } from "../bench/crypto/peer.ts";
import { PEER_NAMES, loadPeers } from "../bench/crypto/peers.ts";
import { goalTable, line } from "../bench/crypto/report.ts";
import { DEFAULT_TRANSFORMS, TRANSFORMS } from "../bench/crypto/transforms.ts";

const simd = await startBuild("simd");
const peers = await loadPeers(PEER_NAMES);
const AT_ONCE = { turns: 1, turnMs: 0, warmUpMs: 0 };

/** Which peers have a transform, by what they say of themselves. */
const COVER: Record<string, string[]> = {
  "aes-128-gcm": ["node:crypto", "@noble/ciphers", "@stablelib"],
  "aes-256-gcm": ["node:crypto", "@noble/ciphers", "@stablelib"],
  "aes-128-gmac": ["node:crypto", "@noble/ciphers", "@stablelib"],
  "chacha20-poly1305": [
    "node:crypto",
    "@noble/ciphers",
    "libsodium-wrappers",
    "hacl-wasm",
    "@chainsafe/as-chacha20poly1305",
    "@stablelib",
  ],
  "hmac-sha2-256-128": [
    "node:crypto",
    "@noble/hashes",
    "libsodium-wrappers-sumo",
    "hacl-wasm",
    "hash-wasm",
    "@stablelib",
  ],
  "aes-256-cbc-hmac-sha2-256-128": ["node:crypto", "@noble/ciphers"],
};

function row(part: Partial<Row>): Row {
  const empty: Row = { transform: "", op: "seal", bytes: 1400, build: "simd", batch: 16, mbps: 0, peers: {} };
  return { ...empty, ...part };
}

test("the engine runs the SIMD build", () => {
  assert.ok(simd !== null);
});

test("every transform: every peer that has it computes what we do, and opening takes no wrong ICV", async () => {
  for (const transform of TRANSFORMS.values()) {
    for (const bytes of [64, 137]) {
      const cell = { transform, op: "seal" as const, bytes };
      const rivals = await agreeingRivals(cell, peers, loadCell(cell, [simd!]));
      const names = rivals.map(({ name }) => name);
      assert.ok(names.includes("node:crypto"), transform.name);
      const cover = COVER[transform.name];
      if (cover !== undefined) assert.deepEqual(names, cover, transform.name);
    }
  }
});

test("a peer that seals or opens otherwise than we do is found", async () => {
  const cell = { transform: TRANSFORMS.get("aes-128-gcm")!, op: "seal" as const, bytes: 64 };
  const load = loadCell(cell, [simd!]);
  const worker = (await peers[0]!.prepare(cell.transform, load.keys, 64))!;
  const flip = (octets: Uint8Array): Uint8Array => Uint8Array.from(octets, (octet, i) => (i === 3 ? octet ^ 1 : octet));
  const wrong = (part: Partial<typeof worker>): Peer => ({
    name: "wrong",
    prepare: async () => ({ ...worker, ...part }),
  });
  await agreeingRivals(cell, [wrong({})], load);
  const refused: [Partial<typeof worker>, RegExp][] = [
    [{ seal: (packet) => [flip(packet.data), packet.icv] }, /sealed data differ/],
    [{ seal: (packet) => [packet.data, flip(packet.icv)] }, /ICV differs/],
    [{ seal: (packet) => packet.data }, /ICV differs/],
    [{ open: (packet) => flip(packet.plain) }, /opened data differ/],
    [{ open: (packet) => packet.plain }, /wrong ICV was taken/],
  ];
  for (const [part, said] of refused) await assert.rejects(agreeingRivals(cell, [wrong(part)], load), said);
});

test("a peer that nobody knows is an error", async () => {
  await assert.rejects(loadPeers(["node:crypto", "crypto-dream"]), /peer crypto-dream: one of /);
});

test("a cell gives a row for each build and batch, sealing and opening", async () => {
  for (const op of ["seal", "open"] as const) {
    for (const name of DEFAULT_TRANSFORMS) {
      const cell = { transform: TRANSFORMS.get(name)!, op, bytes: 64 };
      const rows = await benchCell(cell, [simd!], [1, 5, 16], peers.slice(0, 1), AT_ONCE);
      assert.deepEqual(
        rows.map(({ transform, op, bytes, build, batch }) => [transform, op, bytes, build, batch]),
        [1, 5, 16].map((batch) => [name, op, 64, "simd", batch]),
      );
    }
  }
});

test("the file has the rows, with ratios that are ours by theirs", () => {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-bench-"));
  try {
    const file = join(directory, "rows.json");
    const words = "--transform chacha20-poly1305 --bytes 64 --build simd --batch 1,16 --turns 1 --json".split(" ");
    const args = ["--import", "tsx", "test/bench/run.ts", "crypto", ...words, file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const { rows, ...rest } = JSON.parse(readFileSync(file, "utf8")) as { rows: Row[] };
    assert.deepEqual(rest, {});
    assert.equal(rows.length, 4);
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), ["transform", "op", "bytes", "build", "batch", "mbps", "peers"]);
      assert.deepEqual([row.transform, row.bytes, row.build], ["chacha20-poly1305", 64, "simd"]);
      assert.deepEqual(Object.keys(row.peers), COVER["chacha20-poly1305"]);
      assert.ok(row.mbps > 0);
      for (const { mbps, ratio, ...others } of Object.values(row.peers)) {
        assert.deepEqual(others, {});
        assert.ok(mbps > 0 && Math.abs(row.mbps / mbps / ratio - 1) < 1e-9);
      }
      assert.ok(stdout.includes(line(row)), "the table has a line per row");
    }
    assert.deepEqual(
      rows.map(({ op, batch }) => `${op} ${batch}`),
      ["seal 1", "seal 16", "open 1", "open 16"],
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("goals are for batches of 1400 octets with SIMD; a goal is met when both ratios reach it", () => {
  const against = (native: number, best: number): Row["peers"] => ({
    "node:crypto": { mbps: 900, ratio: native },
    slow: { mbps: 1, ratio: best * 3 },
    fast: { mbps: 3, ratio: best },
  });
  assert.equal(bestPeer(row({ peers: against(1, 2) }))!.name, "fast");
  const gcm = { transform: "aes-128-gcm", peers: against(1.3, 17) };
  assert.deepEqual(
    goalTable([row({ ...gcm, bytes: 512 }), row({ ...gcm, batch: 1 }), row({ ...gcm, build: "base" })]),
    [],
  );
  const [, , text] = goalTable([row(gcm)]);
  assert.match(text!, /node:crypto +1\.25 +1\.30 met +best JS\/WASM 18\.00 +17\.00 not met$/);
  assert.match(goalTable([row({ transform: "aes-128-gcm" })])[2]!, /1\.25 +- not measured .* - not measured$/);
  assert.equal(goalTable([row({ transform: "chacha20-poly1305", batch: 1 })]).length, 3);
  for (const { transform } of GOALS) assert.ok(DEFAULT_TRANSFORMS.includes(transform), transform);
});

test.run();
