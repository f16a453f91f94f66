/**
 * `npm run bench -- crypto`: the cipher suite side by side with node:crypto and with cipher libraries in JavaScript and
 * WebAssembly, MB/s of 10^6 octets of payload.
 *
 *   --transform NAME,...   aes-128-gcm, chacha20-poly1305, hmac-sha2-256-128, aes-256-cbc-hmac-sha2-256-128, ...; `all`
 *   --bytes N,...          64,256,512,1400,9000: octets of payload
 *   --build NAME,...       simd,relaxed,base, as far as the engine validates them
 *   --op seal|open         both
 *   --batch N,...          1,16: packets a call
 *   --peers NAME,...       all; `none`
 *   --turns N              11: turns of which the median is taken
 *   --quick                1400 octets, fewer turns: ratios to look at, not to quote
 *   --json FILE            {rows: [{transform, op, bytes, build, batch, mbps, peers: {NAME: {mbps, ratio}}}]}, ratio ours/theirs
 *
 * A packet is one of ESP: header (SPI and sequence number) and IV before the payload, ICV behind it; the same for everyone, and
 * everyone's output is first compared with ours. With CBC, data are filled up to whole blocks and rates count the payload alone;
 * our IV is the sealed number of the packet (SP 800-38A, appendix C), peers get theirs for nothing. With AES-GMAC and NULL
 * encryption the payload is authenticated only. Ours works in place, so opening pays for putting the packets back: one copy
 * inside the memory before every sixteen. Peers are used a packet at a time, as their documentation has it (crypto/peers).
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Build } from "../../host/image/manifest.ts";
import type { Op, Row } from "./crypto/bench.ts";
import { benchCell } from "./crypto/bench.ts";
import type { Ours } from "./crypto/ours.ts";
import { startBuild } from "./crypto/ours.ts";
import { PACKETS } from "./crypto/packets.ts";
import { PEER_NAMES, loadPeers } from "./crypto/peers.ts";
import { goalTable, heading, line } from "./crypto/report.ts";
import { DEFAULT_TRANSFORMS, TRANSFORMS } from "./crypto/transforms.ts";

const BUILDS: readonly Build[] = ["simd", "relaxed", "base"];
const OPS: readonly Op[] = ["seal", "open"];
const BYTES = "64,256,512,1400,9000";
const MOST_BYTES = 65_000;
/** Why so long: race.ts. */
const TURN_MS = 16;
const WARM_UP_MS = 30;
/** Of the first size of an op: the engine's optimised code takes its time to arrive. */
const FIRST_WARM_UP_MS = 150;

const { values } = parseArgs({
  options: {
    transform: { type: "string", default: DEFAULT_TRANSFORMS.join() },
    bytes: { type: "string" },
    build: { type: "string", default: BUILDS.join() },
    op: { type: "string", default: OPS.join() },
    batch: { type: "string", default: `1,${PACKETS}` },
    peers: { type: "string", default: PEER_NAMES.join() },
    turns: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

function words<T extends string>(text: string, known: readonly T[], what: string): T[] {
  const list = text.split(",");
  for (const word of list) {
    if (!known.includes(word as T)) throw new Error(`${what} ${word}: one of ${known.join(", ")}`);
  }
  return list as T[];
}

function numbers(text: string, most: number, what: string): number[] {
  return text.split(",").map((word) => {
    const value = Number(word);
    if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${what} ${word}: 1 to ${most}`);
    return value;
  });
}

const names = [...TRANSFORMS.keys()];
const transforms = values.transform === "all" ? names : words(values.transform, names, "transform");
const sizes = numbers(values.bytes ?? (values.quick ? "1400" : BYTES), MOST_BYTES, "bytes");
const ops = words(values.op, OPS, "op");
const batches = numbers(values.batch, PACKETS, "batch");
const turns = numbers(values.turns ?? (values.quick ? "5" : "11"), 1000, "turns")[0]!;
const peers = await loadPeers(values.peers === "none" ? [] : words(values.peers, PEER_NAMES, "peer"));

const builds: Ours[] = [];
for (const build of words(values.build, BUILDS, "build")) {
  const ours = await startBuild(build);
  if (ours === null) console.log(`this engine does not validate the ${build} build`);
  else builds.push(ours);
}

const rows: Row[] = [];
console.log(heading());
for (const name of transforms) {
  const transform = TRANSFORMS.get(name)!;
  for (const op of ops) {
    let warmUpMs = FIRST_WARM_UP_MS;
    for (const bytes of sizes) {
      const cell = await benchCell({ transform, op, bytes }, builds, batches, peers, {
        turns,
        turnMs: TURN_MS,
        warmUpMs,
      });
      for (const row of cell) console.log(line(row));
      rows.push(...cell);
      warmUpMs = WARM_UP_MS;
    }
  }
}
for (const text of goalTable(rows)) console.log(text);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 2)}\n`);
