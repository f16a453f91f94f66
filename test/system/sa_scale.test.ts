/**
 * What a packet costs an IPsec board does not depend on how many CHILD_SAs it has: counted in basic blocks of firmware (test/coverage),
 * not in time. The board is that of the image but for the counters. CARDCAGE_SAS=100000 in the environment makes it as many.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { parseImage } from "../../host/chassis/image.ts";
import { instrument } from "../coverage/instrument.ts";
import { Bench, CONTROL_KEY, LOCAL, REMOTE, be, clear, esp, saRecord, sealedPacket } from "../host/ipsec_bench.ts";

const FEW = 16;
const MANY = Number(process.env.CARDCAGE_SAS ?? 2000);
/** Packets of each kind, each to an SA of its own. */
const SAMPLE = 16;
const OCTETS_PER_SA = 3840;
/** 80 MiB beside the SAs. */
const PAGES = Math.ceil((MANY * OCTETS_PER_SA) / 65536) + 1280;
const REMOTES = 0x0b000000;

const made = instrument({
  entry: "boards/ipsec/index.ts",
  build: "simd",
  covers: (file) => ["ipsec", "policy", "channel", "bus"].includes(file.split("/")[1]!),
  pages: PAGES,
});
const image = parseImage(new Uint8Array(readFileSync(made.path)), "ipsec, counted");

const spi = (link: number): number => (0x40000000 | link) >>> 0;
const key = (link: number): Buffer => Buffer.concat([be(link, 4), Buffer.alloc(16, 0x5a)]);

/** A board and its CHILD_SAs 0 .. sas - 1, each with one address behind its peer. */
class Crowd {
  readonly bench = new Bench("simd", LINK_ATM, [], CONTROL_KEY, { childSas: MANY, image });
  readonly counts = new Uint32Array(this.bench.board.u8.buffer, made.counters, made.blocks.length);
  sas = 0;

  record(link: number, direction: number): Buffer {
    const address = REMOTES + link;
    const outbound = direction === M.DIRECTION_OUTBOUND;
    return saRecord({
      link,
      direction,
      key: key(link),
      remote: [address, address],
      ...(outbound ? {} : { spi: spi(link) }),
    });
  }

  come(): void {
    for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND])
      assert.is(this.bench.ask(M.MESSAGE_SA_INSTALL, this.record(this.sas, direction)).type, M.MESSAGE_SA_INSTALLED);
    this.sas += 1;
  }

  go(): void {
    this.sas -= 1;
    for (const [number, direction] of [
      [spi(this.sas), M.DIRECTION_INBOUND],
      [0x00abcdef, M.DIRECTION_OUTBOUND],
    ] as const) {
      const body = Buffer.concat([be(number, 4).reverse(), be(direction, 4).reverse(), be(this.sas, 4).reverse()]);
      assert.is(this.bench.ask(M.MESSAGE_SA_REMOVE, body).type, M.MESSAGE_SA_REMOVED);
    }
  }

  /** Blocks that the board runs for `happens`, SAMPLE times; its idle polls among them. */
  blocks(happens: (sample: number) => void): number {
    this.counts.fill(0);
    for (let i = 0; i < SAMPLE; i++) happens(i);
    return this.counts.reduce((sum, count) => sum + count, 0) / SAMPLE;
  }

  costs(): Record<string, number> {
    // SAs from all of the table, none of them twice.
    const link = (i: number): number => Math.floor((i * this.sas) / SAMPLE);
    const out = (i: number): Buffer => clear(64, { destination: REMOTES + link(i) });
    return {
      "a packet sealed": this.blocks((i) => {
        assert.is(this.bench.pass(out(i), PORT_UNPROTECTED).length, 1);
      }),
      "another of the same flow": this.blocks((i) => {
        assert.is(this.bench.pass(out(i), PORT_UNPROTECTED).length, 1);
      }),
      "a packet opened": this.blocks((i) => {
        const inner = clear(64, { source: REMOTES + link(i), destination: 0x0a010005 });
        const sealed = esp(inner, 1n, { spi: spi(link(i)), key: key(link(i)) });
        const packet = sealedPacket(sealed, { source: REMOTE, destination: LOCAL });
        assert.is(this.bench.pass(packet, PORT_PROTECTED).length, 1);
      }),
      "a packet of no SA": this.blocks((i) => {
        const sealed = sealedPacket(Buffer.concat([be(spi(link(i)) + 0x1000000, 4), be(1, 4), Buffer.alloc(64)]));
        assert.is(this.bench.pass(sealed, PORT_PROTECTED).length, 0);
      }),
      "a CHILD_SA installed": this.blocks(() => this.come()),
      "a CHILD_SA removed": this.blocks(() => this.go()),
    };
  }
}

test(`packets cost the same with ${FEW} and with ${MANY} CHILD_SAs`, () => {
  const few = new Crowd();
  while (few.sas < FEW) few.come();
  const many = new Crowd();
  while (many.sas < MANY - SAMPLE) many.come();
  const [before, after] = [few.costs(), many.costs()];
  for (const [what, cost] of Object.entries(before)) {
    console.log(`${what}: ${cost} blocks with ${FEW}, ${after[what]} with ${MANY}`);
    assert.ok(cost > 0);
    // Chains in hash tables are a little longer in a full one than in an empty one.
    assert.ok(after[what]! <= cost * 1.05 + 8, `${what}: ${cost} blocks with ${FEW}, ${after[what]} with ${MANY}`);
  }
});

test.run();
