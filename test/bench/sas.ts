/**
 * `npm run bench -- sas`: what it costs an IPsec board to have many CHILD_SAs. One board has a single one, another one more and more
 * of them; the same packets go to both, turn about, each to an SA taken at random, and what counts is the boards' own time
 * (boardPoll), not what the bench does around it.
 *
 *   --sas N,...    1,100,1000,10000,100000: where the curve is taken; the last is what the board has room for
 *   --batches N    400: batches of 64 packets for each figure
 *   --json FILE    {rows: [{sas, lookUpIn, lookUpOut, seal, ratios}], install, remove, ram}; times in ns
 *
 *   look up in     a sealed packet older than the replay window: found by its SPI, refused before its ICV is looked at
 *   look up out    a clear packet whose SA waits for a lease: found by its selectors, refused before it gets a number
 *   seal           a clear packet of 64 octets, AES-128-GCM: with the expansion of its key, where that is no longer cached
 *
 * Ratios are to the board with the single CHILD_SA. Packets of the first two are dropped; that every one was, for that reason, is
 * checked.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { POLL_BATCH } from "../../assembly/abi/board.ts";
import { DROP_LEASE_WAIT, DROP_REPLAY } from "../../assembly/abi/drop.ts";
import { ETHERTYPE_CONTROL, ETHERTYPE_IPV4, LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { CONTROL_KEY, Bench, be, clear, saRecord, sealedPacket } from "../host/ipsec_bench.ts";
import { median } from "./figures/median.ts";

const { values } = parseArgs({
  options: {
    sas: { type: "string", default: "1,100,1000,10000,100000" },
    batches: { type: "string", default: "400" },
    json: { type: "string" },
  },
});
const COUNTS = values.sas.split(",").map(Number);
const BATCHES = Number(values.batches);
const CAPACITY = COUNTS.at(-1)!;
if (!COUNTS.every((count, i) => Number.isInteger(count) && count > (COUNTS[i - 1] ?? 0)) || !(BATCHES > 0))
  throw new Error("--sas wants rising numbers, --batches a number");

const random = new SeededRandom(1);

const REMOTES = 0x0b000000; // 11.0.0.0
/** Edge of every inbound window: packet 1 is long behind it. */
const EDGE = 1_000_000n;
const spiIn = (link: number): number => (0x40000000 | link) >>> 0;

class Crowd {
  readonly bench = new Bench("simd", LINK_ATM, [], CONTROL_KEY, { childSas: CAPACITY, conservation: false });
  sas = 0;
  constructor() {
    // So early that no SA has waited for its lease long enough to ask for it once more.
    this.bench.now = 10_000_000n;
  }

  /** Board time of all that was asked for so far, ns. */
  spent = 0n;

  /** Requests to the board, a batch at a time, each answered with `expected`; ns of board time. */
  ask(type: number, bodies: readonly Buffer[], expected: number): number {
    const { bench } = this;
    const spent = bench.timed(
      ETHERTYPE_CONTROL,
      bodies.map((body) => bench.seal(bench.message(type, body), ++bench.sequence)),
    );
    const answers = bench.answers();
    if (answers.length !== bodies.length || !answers.every((answer) => answer.readUInt16LE(0) === expected))
      throw new Error(`the board did not answer ${expected} to each of ${bodies.length} requests`);
    return spent;
  }

  /** Both directions of CHILD_SAs up to `count`; ns of board time. */
  grow(count: number): number {
    let spent = 0;
    for (; this.sas < count; ) {
      const bodies: Buffer[] = [];
      for (; this.sas < count && bodies.length < POLL_BATCH / 2; this.sas++) {
        const link = this.sas;
        const address = REMOTES + link;
        const key = Buffer.concat([be(link, 4), Buffer.alloc(16, 0x5a)]);
        const common = { link, key, remote: [address, address] as [number, number] };
        bodies.push(
          saRecord({ ...common, direction: M.DIRECTION_INBOUND, spi: spiIn(link), sequence: EDGE }),
          // Every other one waits for a lease.
          saRecord({ ...common, direction: M.DIRECTION_OUTBOUND, ...(link & 1 ? {} : { sequence: 1n, lease: 1n }) }),
        );
      }
      spent += this.ask(M.MESSAGE_SA_INSTALL, bodies, M.MESSAGE_SA_INSTALLED);
    }
    return spent;
  }

  /** Removes them one by one; ns of board time. */
  shrink(): number {
    let spent = 0;
    while (this.sas > 0) {
      const bodies: Buffer[] = [];
      for (; this.sas > 0 && bodies.length < POLL_BATCH / 2; ) {
        const link = --this.sas;
        for (const [spi, direction] of [
          [spiIn(link), M.DIRECTION_INBOUND],
          [0x00abcdef, M.DIRECTION_OUTBOUND],
        ] as const) {
          const body = Buffer.alloc(12);
          body.writeUInt32LE(spi, 0);
          body.writeUInt32LE(direction, 4);
          body.writeUInt32LE(link, 8);
          bodies.push(body);
        }
      }
      spent += this.ask(M.MESSAGE_SA_REMOVE, bodies, M.MESSAGE_SA_REMOVED);
    }
    return spent;
  }
}

interface Kind {
  name: "lookUpIn" | "lookUpOut" | "seal";
  packet(link: number): Buffer;
  /** What of `link` its packets go to. */
  parity: number;
  /** Throws unless the board did with `packets` packets what it should have. */
  proof(bench: Bench, packets: number): void;
}

/** What the board dropped for `reason` has risen by `packets` since the last call. */
function dropped(reason: number): Kind["proof"] {
  const before = new WeakMap<Bench, number>();
  return (bench, packets) => {
    const drops = bench.drops(reason);
    const rise = drops - (before.get(bench) ?? 0);
    before.set(bench, drops);
    if (rise !== packets) throw new Error(`${rise} instead of ${packets} packets dropped for reason ${reason}`);
  };
}

const KINDS: Kind[] = [
  {
    name: "lookUpIn",
    parity: 0,
    packet: (link) => sealedPacket(Buffer.concat([be(spiIn(link), 4), be(1, 4), Buffer.alloc(64)])),
    proof: dropped(DROP_REPLAY),
  },
  {
    name: "lookUpOut",
    parity: 0,
    packet: (link) => clear(36, { destination: REMOTES + link }),
    proof: dropped(DROP_LEASE_WAIT),
  },
  {
    name: "seal",
    parity: 1,
    packet: (link) => clear(36, { destination: REMOTES + link }),
    proof: (bench, packets) => {
      const { length } = bench.take(PORT_UNPROTECTED);
      if (length !== packets) throw new Error(`${length} instead of ${packets} packets sealed`);
    },
  },
];

/** ns a packet of one kind, on the board with one CHILD_SA and on the one with `many.sas`: medians of batches, turn about. */
function race(kind: Kind, one: Crowd, many: Crowd): [number, number] {
  const times: [number[], number[]] = [[], []];
  const pick = (sas: number): number => (random.below(Math.max(1, sas >> 1)) << 1) | kind.parity;
  for (let i = 0; i < BATCHES; i++) {
    for (const [at, crowd] of [one, many].entries()) {
      const packets = Array.from({ length: POLL_BATCH }, () => kind.packet(pick(crowd.sas)));
      times[at]!.push(crowd.bench.timed(ETHERTYPE_IPV4, packets) / POLL_BATCH);
      kind.proof(crowd.bench, POLL_BATCH);
    }
  }
  return [median(times[0]), median(times[1])];
}

const one = new Crowd();
const many = new Crowd();
const rows: Record<string, number>[] = [];
// Of a pair of CHILD_SAs one has a lease to wait for and one has not.
one.grow(2);
for (const kind of KINDS) race(kind, one, one); // the engine compiles what is used
let installed = 0;
console.log(
  "CHILD_SAs   look up in        look up out       seal              ns a packet, and to that of one CHILD_SA",
);
for (const count of COUNTS) {
  installed += many.grow(Math.max(2, count));
  const row: Record<string, number> = { sas: count };
  const cells = KINDS.map((kind) => {
    const [alone, crowded] = race(kind, one, many);
    row[kind.name] = crowded;
    row[`${kind.name}Ratio`] = crowded / alone;
    return `${crowded.toFixed(0).padStart(6)}  ${(crowded / alone).toFixed(2)}`.padEnd(18);
  });
  rows.push(row);
  console.log(`${String(count).padStart(9)}   ${cells.join("")}`);
}
const { length: octets } = many.bench.board.u8;
const least = one.bench.least;
const ram = Math.round((octets - least) / CAPACITY);
const removed = many.shrink();
const seconds = (nanoseconds: number): string => `${(nanoseconds / 1e9).toFixed(2)} s of board time`;
console.log(
  `${CAPACITY} CHILD_SAs installed, both directions: ${seconds(installed)}; removed one by one: ${seconds(removed)}`,
);
console.log(
  `RAM: ${(octets / 2 ** 20).toFixed(0)} MiB, ${ram} octets a CHILD_SA beside ${(least / 2 ** 20).toFixed(0)} MiB`,
);
if (values.json) {
  const report = { rows, install: installed, remove: removed, ram: { octets, perChildSa: ram, least } };
  writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
}
