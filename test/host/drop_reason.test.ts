/** The vocabulary of drops: every reason is given somewhere, and every one, and no other, is told to an operator. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as drop from "../../assembly/abi/drop.ts";
import { CHASSIS_DROP_NAMES, DROP_NAMES } from "../../host/chassis/vocabulary.ts";
import { renderDrops } from "../../host/cli/render.ts";
import { DROP_REASONS, dropReason } from "../../host/operator/drop_reason.ts";
import { dropsOf } from "../../host/operator/drops.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("the constants are dense, and the entries are exactly theirs and the chassis's", () => {
  const { DROP_COUNT, ...constants } = drop;
  assert.equal(
    Object.values(constants).sort((a, b) => a - b),
    Array.from({ length: DROP_COUNT }, (_, i) => i),
  );
  assert.equal(Object.keys(DROP_REASONS).sort(), [...new Set([...DROP_NAMES, ...CHASSIS_DROP_NAMES])].sort());
  assert.is(dropReason("constructor"), undefined);
});

test("every reason of the firmware is given by some file of it", () => {
  const text = ["assembly", "boards"]
    .flatMap((directory) =>
      (readdirSync(join(ROOT, directory), { recursive: true }) as string[]).map((name) => join(ROOT, directory, name)),
    )
    .filter((path) => path.endsWith(".ts") && !path.endsWith("abi/drop.ts"))
    .map((path) => readFileSync(path, "utf8").replace(/^import \{[^}]*\}/gm, ""))
    .join("\n");
  for (const name of Object.keys(drop)) assert.match(text, new RegExp(`\\b${name}\\b`), name);
});

test("every entry is two sentences, and names of others are names", () => {
  for (const [name, { means, do: remedy, linux = [], vpp = "x" }] of Object.entries(DROP_REASONS)) {
    for (const sentence of [means, remedy]) assert.match(sentence, /^[A-Z`].*[A-Za-z0-9)`]\.$/, name);
    assert.is.not(means, remedy);
    for (const alias of linux) assert.match(alias, /^Xfrm(In|Out|Fwd|Acquire)[A-Za-z]+$/, name);
    assert.match(vpp, /^[a-z_]+$/, name);
  }
});

test("the text has counts, meanings of what was counted alone, and the books; what is missing shows", () => {
  const status = dropsOf({
    name: "moon",
    link: "ethernet",
    drive: "lockstep",
    ikeSlot: 0,
    now: 1,
    links: [],
    faults: [],
    alarms: [],
    alarm: "off",
    injected: [],
    drops: { replay: 3, aal5_crc: 1 },
    nics: [
      {
        side: "unprotected",
        moved: { udp_sent: 12 },
        dropped: { unprotected_tx_would_block: 0, unprotected_rx_ring_full: 2 },
      },
    ],
    slots: [
      {
        slot: 1,
        board: "ipsec",
        image: "ipsec",
        build: "simd",
        state: "Online",
        reason: "",
        generation: 1,
        restarts: 0,
        leds: { ok: "green", fail: "off", act: "off", alarm: "off" },
        uptime: 1,
        ram: { total: 1, used: 1 },
        frames: { pool: 9, free: 8, held: 1 },
        counters: { polls: 1, in: 10, originated: 2, sent: 5, consumed: 1, dropped: 3 },
        cutThrough: 0,
        drops: { replay: 3 },
        chassisDrops: { aal5_crc: 1 },
      },
    ],
  });
  assert.equal(Object.keys(status.reasons), ["no_sa_entry_ike_board", "no_sa_entry_ipsec_board", "replay", "aal5_crc"]);
  const text = renderDrops(status);
  assert.match(text, /^1 +ipsec +replay +3$/m);
  assert.match(text, /^1 +chassis +aal5_crc +1$/m);
  assert.ok(text.includes(`\nreplay (XfrmInStateSeqError, VPP replay)\n  ${DROP_REASONS.replay.means}\n`));
  assert.not.ok(text.includes(DROP_REASONS.no_sa_entry_ike_board.means));
  assert.match(text, "slot 1, ipsec: 10 in + 2 made = 5 sent + 1 consumed + 3 dropped + 1 held, 2 MISSING\n");
  assert.match(text, /^unprotected +udp_sent +12$/m);
  assert.match(text, /^unprotected +dropped +unprotected_rx_ring_full +2$/m);
  assert.not.ok(text.includes("unprotected_tx_would_block"), "what has not happened is not told");
});

test.run();
