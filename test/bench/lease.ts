/**
 * `npm run bench -- lease`: what leases cost an IPsec board, and the IKE board for each of its wishes. Two boards have one CHILD_SA each, one
 * of them with leases; the same packets go to both, turn about, and what counts is the boards' own time (boardPoll), control
 * messages and their answers included.
 *
 *   --lease N      16384: numbers of a lease
 *   --batches N    4000: batches of 64 packets for each figure
 *   --json FILE    {lease, rows: [{way, octets, without, with, ratio, wishes}]}; times in ns a packet
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { POLL_BATCH } from "../../assembly/abi/board.ts";
import { ETHERTYPE_CONTROL, ETHERTYPE_IPV4, LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { arriving, Bench, clear, CONTROL_KEY, esp, sealedPacket } from "../host/ipsec_bench.ts";

const { values } = parseArgs({
  options: {
    lease: { type: "string", default: "16384" },
    batches: { type: "string", default: "4000" },
    json: { type: "string" },
  },
});
const LEASE = BigInt(values.lease);
const BATCHES = Number(values.batches);
const SIZES = [64, 1400];

class Measured {
  readonly bench = new Bench("simd", LINK_ATM, [], CONTROL_KEY, { conservation: false });
  readonly times: number[] = [];
  /** Batches that had one. */
  readonly wishing = new Set<number>();
  wishes = 0;

  constructor(readonly lease: bigint) {
    this.bench.pair({ lease, window: 64 });
  }

  /** A batch, and the answers to what the board asked for in between; ns of board time. */
  batch(packets: readonly Buffer[], port: number): void {
    const { bench } = this;
    let spent = bench.timed(ETHERTYPE_IPV4, packets);
    const out = bench.take(port).length;
    if (out !== packets.length) throw new Error(`${out} of ${packets.length} packets came out`);
    const answers = bench.answers().map((message) => {
      this.wishes += 1;
      this.wishing.add(this.times.length);
      const body = Buffer.from(message.subarray(M.MESSAGE_HEADER, M.LEASE_OCTETS));
      const at = M.LEASE_SEQUENCE - M.MESSAGE_HEADER;
      body.writeBigUInt64LE(body.readBigUInt64LE(at) + this.lease, at);
      return bench.seal(bench.message(M.MESSAGE_LEASE, body), ++bench.sequence);
    });
    spent += bench.timed(ETHERTYPE_CONTROL, answers);
    this.times.push(spent / packets.length);
  }

  forget(): void {
    this.times.length = 0;
    this.wishing.clear();
  }
}

/** ns a packet: the median of the batches, and on it what those with a wish took more, spread over all. */
function cost({ times, wishing }: Measured): number {
  const median = [...times].sort((a, b) => a - b)[times.length >> 1]!;
  const more = [...wishing].map((i) => times[i]!).sort((a, b) => a - b)[wishing.size >> 1];
  return more === undefined ? median : median + ((more - median) * wishing.size) / times.length;
}

const rows = [];
console.log(`a lease of ${LEASE} numbers; ns a packet without and with leases, turn about`);
for (const octets of SIZES) {
  for (const way of ["seal", "open"] as const) {
    const boards = [new Measured(0n), new Measured(LEASE)];
    const first = boards[0]!;
    let sequence = 0n;
    const packets = (): Buffer[] =>
      Array.from({ length: POLL_BATCH }, () =>
        way === "seal" ? clear(octets - 28) : sealedPacket(esp(arriving(octets - 28), ++sequence)),
      );
    const port = way === "seal" ? PORT_UNPROTECTED : PORT_PROTECTED;
    for (let i = 0; i < BATCHES + 100; i++) {
      if (i === 100) for (const board of boards) board.forget(); // the engine has compiled what is used
      const batch = packets();
      for (const board of i & 1 ? boards : [...boards].reverse()) board.batch(batch, port);
    }
    const [without, leased] = boards.map(cost) as [number, number];
    if (first.wishes !== 0) throw new Error("a board without leases asked for one");
    const { wishes } = boards[1]!;
    const row = { way, octets, without, with: leased, ratio: leased / without, wishes };
    rows.push(row);
    console.log(
      `${way} ${String(octets).padStart(4)}  ${without.toFixed(0).padStart(6)} ${leased.toFixed(0).padStart(6)}  ` +
        `ratio ${row.ratio.toFixed(3)}  ${wishes} wishes for ${(BATCHES + 100) * POLL_BATCH} packets`,
    );
  }
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ lease: String(LEASE), rows }, null, 1)}\n`);
