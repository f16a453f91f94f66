/**
 * `npm run bench -- distribution`: the IKE board alone, packets classified and handed over (S601 to S605) with one SA and with many. One
 * board has a single CHILD_SA, another one more and more of them; the same packets go to both, turn about, each of an SA taken at
 * random. What counts is the board's own time (boardPoll), with all that a poll does besides.
 *
 *   --sas N,...     1,1000,100000: where the curve is taken
 *   --batches N     2000: batches of 64 packets for each figure
 *   --boards N      4: IPsec boards that they go to
 *   --link KIND     atm, or ethernet
 *   --octets N      64: of a packet; it is not copied
 *   --json FILE     {rows: [{sas, inbound, outbound, ratios}]}; times in ns
 *
 *   inbound         a sealed packet, found by its SPI
 *   outbound        a clear packet, found by its selectors: after another of its flow, or not, as chance has it
 *
 * Every packet is looked for in what the board sends: on its channel, to the board that has its SA.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { POLL_BATCH } from "../../assembly/abi/board.ts";
import { FABRIC_VCI_BASE, LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { DELIVERED } from "../../host/chassis/board.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { LOCAL, be, clear, sealedPacket } from "../host/ipsec_bench.ts";
import { CrowdedIke, crowdedImage, OUTSIDE, SPI_IN } from "./distribution/crowded_ike.ts";
import { median } from "./figures/median.ts";

const { values } = parseArgs({
  options: {
    sas: { type: "string", default: "1,1000,100000" },
    batches: { type: "string", default: "2000" },
    boards: { type: "string", default: "4" },
    link: { type: "string", default: "atm" },
    octets: { type: "string", default: "64" },
    json: { type: "string" },
  },
});
const COUNTS = values.sas.split(",").map(Number);
const [BATCHES, BOARDS, OCTETS] = [values.batches, values.boards, values.octets].map(Number) as [
  number,
  number,
  number,
];
if (!COUNTS.every((count, i) => Number.isInteger(count) && count > (COUNTS[i - 1] ?? 0)) || COUNTS.at(-1)! > 131072)
  throw new Error("--sas wants rising numbers, up to 131072");
if (!(BATCHES > 0 && BOARDS >= 1 && BOARDS <= 15 && OCTETS >= 44 && OCTETS <= 9000))
  throw new Error("--batches wants a number, --boards one up to 15, --octets one from 44 to 9000");
const LINK = { atm: LINK_ATM, ethernet: LINK_ETHERNET }[values.link];
if (LINK === undefined) throw new Error("--link wants atm or ethernet");

const GOAL = 5e6;
const NOW = 10_000_000_000n;

/** Numbers at random, the same ones every time. */
const random = new SeededRandom(1);

/** Of the last sealed packet: each has a higher number than those before, as a peer's have. */
let number = 0;

const image = await crowdedImage();

interface Kind {
  name: "inbound" | "outbound";
  port: number;
  packet(sa: number): Buffer;
}

const KINDS: Kind[] = [
  {
    name: "inbound",
    port: PORT_UNPROTECTED,
    packet: (sa) =>
      sealedPacket(Buffer.concat([be(SPI_IN + sa, 4), be(++number, 4), Buffer.alloc(OCTETS - 28)]), {
        destination: LOCAL,
      }),
  },
  { name: "outbound", port: PORT_PROTECTED, packet: (sa) => clear(OCTETS - 28, { destination: OUTSIDE + sa }) },
];

class Crowd extends CrowdedIke {
  /** Makes the SAs up to `count`. */
  override grow(count: number): void {
    super.grow(count);
    this.discard();
  }

  /** Messages to boards about this and that. */
  discard(): void {
    this.board.drain(() => undefined);
    this.board.poll(NOW, 0n);
  }

  /** A batch of packets, each of the SA that is named; ns of the polls it took. */
  pass(kind: Kind, sas: readonly number[], packets: readonly Buffer[]): number {
    const { board } = this;
    for (const packet of packets) assert.equal(board.deliver(kind.port, packet, 0, packet.length, 0), DELIVERED);
    const start = process.hrtime.bigint();
    board.poll(NOW, 0n);
    const took = Number(process.hrtime.bigint() - start);
    const slots: number[] = [];
    board.drain((port, ram, at, length, link) => {
      if (port !== PORT_CHANNEL || length < OCTETS) return;
      slots.push(LINK === LINK_ATM ? link - FABRIC_VCI_BASE : ram[at + 5]!);
    });
    assert.deepEqual(
      slots,
      sas.map((sa) => 1 + (sa % BOARDS)),
      "a packet went elsewhere, or nowhere",
    );
    return took;
  }
}

/** ns a packet of one kind, on the board with one CHILD_SA and on the other: medians of batches, turn about. */
function race(kind: Kind, one: Crowd, many: Crowd, batches: number): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < batches; i++) {
    for (const [at, crowd] of [one, many].entries()) {
      const sas = Array.from({ length: POLL_BATCH }, () => random.below(crowd.sas));
      times[at]!.push(crowd.pass(kind, sas, sas.map(kind.packet)) / POLL_BATCH);
    }
  }
  return [median(times[0]), median(times[1])];
}

const one = new Crowd(image, LINK, 1, BOARDS, NOW);
const many = new Crowd(image, LINK, COUNTS.at(-1)!, BOARDS, NOW);
one.grow(1);
many.grow(1);
for (const kind of KINDS) race(kind, one, many, Math.min(BATCHES, 400)); // the engine compiles what is used
const rows: Record<string, number>[] = [];
console.log("CHILD_SAs   inbound                  outbound                 ns a packet, to that of one, packets/s");
for (const count of COUNTS) {
  many.grow(count);
  const row: Record<string, number> = { sas: count };
  const cells = KINDS.map((kind) => {
    const [alone, crowded] = race(kind, one, many, BATCHES);
    row[kind.name] = crowded;
    row[`${kind.name}Ratio`] = crowded / alone;
    const rate = `${(1e3 / crowded).toFixed(2)} M`;
    return `${crowded.toFixed(0).padStart(5)}  ${(crowded / alone).toFixed(2)}  ${rate}`.padEnd(25);
  });
  rows.push(row);
  console.log(`${String(count).padStart(9)}   ${cells.join("")}`);
}
const slowest = 1e9 / Math.max(...rows.flatMap((row) => [row.inbound!, row.outbound!]));
console.log(
  `slowest: ${(slowest / 1e6).toFixed(2)} million packets/s (goal ${GOAL / 1e6}): ${slowest >= GOAL ? "met" : "missed"}`,
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 1)}\n`);
