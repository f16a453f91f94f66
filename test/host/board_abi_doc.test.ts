/** docs/board-abi.md: its example host runs as printed, and its tables say what the contract's constants say. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as BOARD from "../../assembly/abi/board.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import { DROP_NO_SA_ENTRY_IPSEC_BOARD } from "../../assembly/abi/drop.ts";
import { PORT_PROTECTED, RING_DESCRIPTORS, RING_DONE, RING_POSTED, RING_TAKEN } from "../../assembly/abi/ring.ts";
import { buildEntry } from "../../host/build/build.ts";

const text = readFileSync(fileURLToPath(new URL("../../docs/board-abi.md", import.meta.url)), "utf8");
const example = /```js\n([\s\S]*?)```/.exec(text)![1]!;

/** What the example prints for an image. */
function runExample(image: string): unknown {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-"));
  try {
    writeFileSync(join(directory, "host.mjs"), example);
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(directory, "host.mjs"), image], {
      encoding: "utf8",
      env: { PATH: process.env.PATH },
      timeout: 30_000,
    });
    assert.is(status, 0, stderr);
    return JSON.parse(stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("the example host runs an echo board as printed", async () => {
  const image = await buildEntry("test/entries/echo_ipsec.ts", "base");
  assert.equal(runExample(image), { accepted: true, sent: [[PORT_PROTECTED, 14 + 20 + 20 + 40]], drops: [] });
});

test("the example host shows S707 of the IPsec board, as the page says", async () => {
  const image = await buildEntry("boards/ipsec/index.ts", "base");
  const result = runExample(image) as { accepted: boolean; sent: [number, number][]; drops: [number, number][] };
  assert.is(result.accepted, true);
  assert.equal(result.drops, [[DROP_NO_SA_ENTRY_IPSEC_BOARD, 1]]);
});

test("the page's offsets are those of the contract", () => {
  const rows: [number, RegExp][] = [
    [BOARD.MAP_FAULT, /\| 32 \| fault record \|/],
    [BOARD.MAP_RAM_USED, /\| 56 \| RAM used \|/],
    [BOARD.REG_NOW, /\| 64 \| NOW u64/],
    [BOARD.REG_GENERATION, /\| 80 \| GENERATION/],
    [BOARD.REG_CONFIG_LENGTH, /\| 88 \| CONFIG_LENGTH/],
    [BOARD.REG_ENTROPY, /\| 96 \| ENTROPY, 64 octets/],
    [BOARD.REG_STATE, /\| 160 \| STATE/],
    [BOARD.REG_DEADLINE, /\| 168 \| DEADLINE/],
    [BOARD.REG_POLLS, /\| 184 \| POLLS/],
    [BOARD.REG_IN, /\| 192 \| IN, ORIGINATED/],
    [RING_POSTED, /16 POSTED u32/],
    [RING_DONE, /32 DONE u32/],
    [RING_TAKEN, /48 TAKEN u32/],
    [RING_DESCRIPTORS, /64 descriptors/],
    [CONFIG.CONFIG_CONTROL_KEY, /CONTROL_KEY 4,/],
    [CONFIG.CONFIG_SA_CAPACITY, /SA_CAPACITY 5 \|/],
  ];
  for (const [value, row] of rows) {
    assert.match(text, row);
    assert.ok(row.source.includes(String(value)), `${row.source} is ${value}`);
  }
});

test.run();
