/**
 * `npm run bench -- scale`: a hundred thousand CHILD_SAs over four IPsec boards behind one IKE board, with traffic over all of them, beside
 * a chassis of the same boards with ten. The same number of packets goes to both, turn about, each to an SA taken at random; they pass the
 * IKE board (S601 to S605) and the board that has their SA (S701 to S706).
 *
 *   --sas N          100000
 *   --boards N       4: IPsec boards
 *   --batches N      300: batches of 64 packets for each figure
 *   --octets N       64: of a clear packet
 *   --json FILE      {rows: [{op, sas, ike, ipsec, rate}], install, ram}
 *
 *   install     CHILD_SAs a second that the IPsec boards store, each on a core of its own; both directions, with the answers
 *   RAM         octets of all boards, and of those what the firmware uses
 *   IKE, IPsec  ns of boardPoll for a packet
 *   packets/s   what the slower stage carries when every board has a core of its own, by these times
 *
 * The IKE board's links are made in its RAM at once (test/entries/crowded_ike.ts): what negotiating takes is `handshake`'s. All packets
 * are looked for where they have to come out; opened ones are compared with what was sealed, and of sealed ones one of each batch is opened.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { MAP_RAM_USED, POLL_BATCH } from "../../assembly/abi/board.ts";
import { ETHERTYPE_CONTROL, ETHERTYPE_IPV4, FABRIC_VCI_BASE, LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { type Board, DELIVERED } from "../../host/chassis/board.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import type { Image } from "../../host/chassis/image.ts";
import { arriving, be, Bench, clear, CONTROL_KEY, esp, open, saRecord, sealedPacket } from "../host/ipsec_bench.ts";
import { CrowdedIke, crowdedImage, OUTSIDE, SPI_IN } from "./distribution/crowded_ike.ts";
import { median } from "./figures/median.ts";

const { values } = parseArgs({
  options: {
    sas: { type: "string", default: "100000" },
    boards: { type: "string", default: "4" },
    batches: { type: "string", default: "300" },
    octets: { type: "string", default: "64" },
    json: { type: "string" },
  },
});
const [SAS, BOARDS, BATCHES, OCTETS] = [values.sas, values.boards, values.batches, values.octets].map(Number) as [
  number,
  number,
  number,
  number,
];
const FEW = 10;
if (!(Number.isInteger(SAS) && SAS >= FEW && SAS <= 131072))
  throw new Error(`--sas wants a number from ${FEW} to 131072`);
if (!(Number.isInteger(BOARDS) && BOARDS >= 1 && BOARDS <= 15)) throw new Error("--boards wants 1 to 15");
if (!(BATCHES >= 1 && OCTETS >= 44 && OCTETS <= 1400)) throw new Error("--batches wants a number, --octets 44 to 1400");

const NOW = 1_000_000_000n;
const WARM_UP = 60;

/** Numbers at random, the same ones every time. */
const random = new SeededRandom(1);

const keyOf = (sa: number) => Buffer.concat([be(sa, 4), Buffer.alloc(16, 0x5a)]);
const memoryUsed = (board: Board): number =>
  new DataView(board.map.buffer, board.map.byteOffset).getUint32(MAP_RAM_USED, true);

type Op = "seal" | "open";

interface Time {
  ike: number;
  /** The one that took longest. */
  ipsec: number;
}

/** An IKE board and its IPsec boards; the chassis is this program. */
class Cage {
  readonly ike: Board;
  readonly boards: Bench[];
  readonly sas: number;
  #sequence = 0n;

  constructor(image: Image, sas: number) {
    this.sas = sas;
    const crowded = new CrowdedIke(image, LINK_ATM, SAS, BOARDS, NOW);
    crowded.grow(sas);
    this.ike = crowded.board;
    this.ike.drain(() => undefined);
    const childSas = Math.ceil(SAS / BOARDS);
    this.boards = Array.from(
      { length: BOARDS },
      () => new Bench("simd", LINK_ATM, [], CONTROL_KEY, { childSas, conservation: false }),
    );
  }

  /** Both directions of every CHILD_SA on its board; ns of the board that took longest. */
  install(): number {
    const spent = this.boards.map(() => 0);
    for (const [k, bench] of this.boards.entries()) {
      for (let sa = k; sa < this.sas; ) {
        const bodies: Buffer[] = [];
        for (; sa < this.sas && bodies.length < POLL_BATCH; sa += BOARDS) {
          const address = OUTSIDE + sa;
          const common = { link: sa, key: keyOf(sa), remote: [address, address] as [number, number] };
          bodies.push(
            saRecord({ ...common, direction: M.DIRECTION_INBOUND, spi: SPI_IN + sa }),
            saRecord({ ...common, direction: M.DIRECTION_OUTBOUND }),
          );
        }
        const sealed = bodies.map((body) => bench.seal(bench.message(M.MESSAGE_SA_INSTALL, body), ++bench.sequence));
        spent[k]! += bench.timed(ETHERTYPE_CONTROL, sealed);
        const answers = bench.answers();
        assert.ok(
          answers.length === bodies.length &&
            answers.every((answer) => answer.readUInt16LE(0) === M.MESSAGE_SA_INSTALLED),
          "an SA was refused",
        );
      }
    }
    return Math.max(...spent);
  }

  /** A batch of packets, each of an SA at random. */
  pass(op: Op): Time {
    const sas = Array.from({ length: POLL_BATCH }, () => random.below(this.sas));
    const inner = sas.map((sa) =>
      op === "seal"
        ? clear(OCTETS - 28, { destination: OUTSIDE + sa })
        : arriving(OCTETS - 28, { source: OUTSIDE + sa }),
    );
    const packets = inner.map((packet, i) => {
      if (op === "seal") return packet;
      this.#sequence += 1n;
      return sealedPacket(esp(packet, this.#sequence, { spi: SPI_IN + sas[i]!, key: keyOf(sas[i]!) }));
    });
    const port = op === "seal" ? PORT_PROTECTED : PORT_UNPROTECTED;
    for (const packet of packets) assert.equal(this.ike.deliver(port, packet, 0, packet.length, 0), DELIVERED);
    const start = process.hrtime.bigint();
    this.ike.poll(NOW, 0n);
    const ike = Number(process.hrtime.bigint() - start) / POLL_BATCH;
    const shares = this.boards.map((): Buffer[] => []);
    this.ike.drain((from, ram, at, length, link) => {
      // Behind LLC/SNAP; what is shorter than a packet is a message of the audit.
      if (from === PORT_CHANNEL && length >= OCTETS + 8)
        shares[link - FABRIC_VCI_BASE - 1]!.push(Buffer.from(ram.subarray(at + 8, at + length)));
    });
    assert.equal(
      shares.reduce((sum, share) => sum + share.length, 0),
      POLL_BATCH,
      "a packet went nowhere",
    );
    // A batch that all boards shared takes as long as if one had all of it, over their number.
    const ipsec = this.boards.reduce((sum, bench, k) => sum + bench.timed(ETHERTYPE_IPV4, shares[k]!), 0) / POLL_BATCH;
    const out = this.boards.map((bench) => bench.take(op === "seal" ? PORT_UNPROTECTED : PORT_PROTECTED));
    assert.equal(out.flat().length, POLL_BATCH, "a packet did not come out");
    this.#prove(op, sas, inner, out);
    return { ike, ipsec };
  }

  #prove(op: Op, sas: readonly number[], inner: readonly Buffer[], out: readonly Buffer[][]): void {
    const turns = this.boards.map(() => 0);
    for (const [i, sa] of sas.entries()) {
      const board = sa % BOARDS;
      const packet = out[board]![turns[board]!++]!;
      if (op === "open") assert.ok(packet.equals(inner[i]!), "a packet is another one than was sealed");
      else if (i === 0)
        assert.ok(open(Buffer.from(packet.subarray(20)), keyOf(sa)).inner.equals(inner[i]!), "sealed by another SA");
    }
  }
}

const image = await crowdedImage();
const few = new Cage(image, FEW);
const many = new Cage(image, SAS);
few.install();
const installed = many.install();
const perSecond = (SAS * 1e9) / installed;
const total = [many.ike, ...many.boards.map(({ board }) => board)];
const ram = {
  given: total.reduce((sum, { u8 }) => sum + u8.length, 0),
  used: total.reduce((sum, b) => sum + memoryUsed(b), 0),
};
const mib = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;
console.log(
  `${SAS} CHILD_SAs over ${BOARDS} IPsec boards: ${perSecond.toFixed(0)} a second installed, both directions`,
);
console.log(
  `RAM: ${mib(ram.given)} given, ${mib(ram.used)} used, of that the IKE board ${mib(memoryUsed(many.ike))}; ` +
    `${Math.round(ram.used / SAS)} octets a CHILD_SA with all that there is besides`,
);

const rows: { op: Op; sas: number; ike: number; ipsec: number; rate: number }[] = [];
console.log(`op    CHILD_SAs    IKE  IPsec   k packets/s   ns a packet; ${OCTETS} octets, AES-128-GCM, ATM`);
for (const op of ["seal", "open"] as const) {
  const times = [few, many].map(() => ({ ike: [] as number[], ipsec: [] as number[] }));
  for (let i = -WARM_UP; i < BATCHES; i++) {
    for (const [k, cage] of [few, many].entries()) {
      const { ike, ipsec } = cage.pass(op);
      if (i < 0) continue;
      times[k]!.ike.push(ike);
      times[k]!.ipsec.push(ipsec);
    }
  }
  for (const [k, cage] of [few, many].entries()) {
    const [ike, ipsec] = [median(times[k]!.ike), median(times[k]!.ipsec)];
    const rate = 1e9 / Math.max(ike, ipsec / BOARDS);
    rows.push({ op, sas: cage.sas, ike, ipsec, rate });
    const cells = [
      op.padEnd(4),
      String(cage.sas).padStart(9),
      ike.toFixed(0).padStart(5),
      ipsec.toFixed(0).padStart(5),
    ];
    console.log(`${cells.join("  ")}  ${(rate / 1e3).toFixed(0).padStart(12)}`);
  }
  const [one, all] = rows.slice(-2) as [(typeof rows)[number], (typeof rows)[number]];
  console.log(`${op}: ${(all.rate / one.rate).toFixed(2)} of the packets/s with ${FEW} CHILD_SAs`);
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ rows, install: perSecond, ram }, null, 1)}\n`);
