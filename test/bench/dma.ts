/**
 * `npm run bench -- dma`: what it costs to bring packets into boards' RAM and out of it, as it is and as it could be; experiments that the
 * product has no trace of.
 *
 *   --sizes N,...   64,1400: octets
 *   --turns N       400: batches and bursts of each, turn about; medians count
 *   --json FILE     {boards: [{op, octets, own, shared, ratio}], ways: [{way, octets, nicIn, ike, ipsec, nicOut, copied, toRings}]}
 *
 *   boards  ns of boardPoll for a packet of an IPsec board, AES-128-GCM, ATM: with RAM of its own, and with the same image on shared memory
 *           (dma/shared_board.ts); what the engine makes of loads and stores there
 *   ways    ns a packet of three threads that bring bursts of 256 packets from a NIC through two boards' RAM to a NIC (dma/pipeline.ts), without
 *           firmware and system calls; the ways are those of dma/plan.ts. What a NIC's thread does stands for the kernel's copies, in and
 *           out; copied: octets of a packet that boards' threads and DMA copied; to rings: time of boards' threads, to that of the first way
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { POLL_BATCH } from "../../assembly/abi/board.ts";
import { ETHERTYPE_IPV4 } from "../../assembly/abi/fabric.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { arriving, clear, esp, sealedPacket } from "../host/ipsec_bench.ts";
import { type Passage, Pipeline } from "./dma/pipeline.ts";
import { type Way, WAYS } from "./dma/plan.ts";
import { boardWith } from "./dma/shared_board.ts";
import { median } from "./figures/median.ts";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "64,1400" },
    turns: { type: "string", default: "400" },
    json: { type: "string" },
  },
});
const sizes = values.sizes.split(",").map(Number);
const turns = Number(values.turns);
if (!sizes.every((octets) => Number.isInteger(octets) && octets >= 64 && octets <= 1400) || !(turns >= 1))
  throw new Error("--sizes wants numbers from 64 to 1400, --turns one");
/** Before those that count: the engine compiles what is used. */
const WARM_UP = Math.min(turns, 100);

interface BoardRow {
  op: "seal" | "open";
  octets: number;
  own: number;
  shared: number;
  ratio: number;
}

interface WayRow extends Passage {
  way: Way;
  octets: number;
  toRings: number;
}

function boards(): BoardRow[] {
  console.log("RAM of an IPsec board: ns of boardPoll for a packet\nop    octets     own  shared  ratio");
  const rows: BoardRow[] = [];
  for (const octets of sizes) {
    for (const op of ["seal", "open"] as const) {
      const contestants = [boardWith("private"), boardWith("shared")] as const;
      const times: [number[], number[]] = [[], []];
      let sequence = 0n;
      for (let i = -WARM_UP; i < turns; i++) {
        const packets = Array.from({ length: POLL_BATCH }, () =>
          op === "seal" ? clear(octets - 28) : sealedPacket(esp(arriving(octets - 28), ++sequence)),
        );
        // Who begins changes.
        for (const k of i & 1 ? [0, 1] : [1, 0]) {
          const bench = contestants[k]!;
          const time = bench.timed(ETHERTYPE_IPV4, packets) / packets.length;
          const out = bench.take(op === "seal" ? PORT_UNPROTECTED : PORT_PROTECTED);
          if (out.length !== packets.length) throw new Error(`${out.length} of ${packets.length} packets came out`);
          if (i >= 0) times[k]!.push(time);
        }
      }
      const [own, shared] = times.map(median) as [number, number];
      // By turns: what the neighbours leave is the same for both.
      const ratio = median(times[0].map((time, i) => times[1][i]! / time));
      rows.push({ op, octets, own, shared, ratio });
      const cells = [op.padEnd(4), String(octets).padStart(6), own.toFixed(0).padStart(6)];
      console.log(`${cells.join("  ")}  ${shared.toFixed(0).padStart(6)}  ${ratio.toFixed(3)}`);
    }
  }
  return rows;
}

async function ways(): Promise<WayRow[]> {
  console.log(
    "from NIC to NIC: ns a packet\nway             octets  NIC in     IKE   IPsec  NIC out  copied  to rings",
  );
  const pipeline = new Pipeline();
  const rows: WayRow[] = [];
  try {
    for (const octets of sizes) {
      const passages = new Map(WAYS.map((way) => [way, [] as Passage[]]));
      for (let i = -WARM_UP; i < turns; i++) {
        for (const way of WAYS) {
          const passage = await pipeline.pass(way, octets);
          if (i >= 0) passages.get(way)!.push(passage);
        }
      }
      const spent = (way: Way): number[] => passages.get(way)!.map(({ ike, ipsec }) => ike + ipsec);
      const rings = spent("rings");
      for (const way of WAYS) {
        const mid = (pick: (passage: Passage) => number): number => median(passages.get(way)!.map(pick));
        const row: WayRow = {
          way,
          octets,
          nicIn: mid(({ nicIn }) => nicIn),
          ike: mid(({ ike }) => ike),
          ipsec: mid(({ ipsec }) => ipsec),
          nicOut: mid(({ nicOut }) => nicOut),
          copied: mid(({ copied }) => copied),
          // Burst by burst: what the neighbours leave is the same for all.
          toRings: median(spent(way).map((time, i) => time / rings[i]!)),
        };
        rows.push(row);
        const cells = [way.padEnd(14), String(octets).padStart(6)];
        for (const figure of [row.nicIn, row.ike, row.ipsec, row.nicOut, row.copied])
          cells.push(figure.toFixed(0).padStart(6));
        console.log(`${cells.join("  ")}  ${row.toRings.toFixed(2).padStart(8)}`);
      }
    }
  } finally {
    await pipeline.close();
  }
  return rows;
}

const report = { boards: boards(), ways: await ways() };
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
