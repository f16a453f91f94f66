/** What an IPsec board says of its work (MESSAGE_LOAD): what counts, when it is told, and that an idle board says nothing. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EXPLAIN_PACKET, MANAGEMENT_EXPLAIN } from "../../assembly/abi/explain.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { encodeMessage } from "../../host/operator/management.ts";
import { arriving, Bench, clear, esp, sealedPacket } from "./ipsec_bench.ts";

const SECOND = BigInt(M.LOAD_PERIOD_NS);
const NEVER = 0xffff_ffff_ffff_ffffn;

interface Load {
  window: bigint;
  packets: number;
  octets: number;
  work: number;
}

/** Lets time pass; the LOAD messages that came. */
function after(bench: Bench, ns: bigint): Load[] {
  bench.now += ns;
  bench.run();
  assert.equal(bench.answers(), []);
  return bench.loads.splice(0).map((message) => {
    assert.is(message.length, M.LOAD_MESSAGE_OCTETS);
    assert.is(message.readUInt32LE(4), 0, "nobody has asked");
    return {
      window: message.readBigUInt64LE(M.LOAD_WINDOW),
      packets: Number(message.readBigUInt64LE(M.LOAD_PACKETS)),
      octets: Number(message.readBigUInt64LE(M.LOAD_OCTETS)),
      work: Number(message.readBigUInt64LE(M.LOAD_WORK)),
    };
  });
}

/** Octets of the ciphertext of `octets` in UDP and IP: with the trailer, filled up to a multiple of 4. */
const sealedOctets = (octets: number): number => (20 + 8 + octets + 2 + 3) & ~3;

test("a window of a second: packets, octets of the cipher and the work that they make; then silence", () => {
  const bench = new Bench("simd");
  assert.is(bench.board.deadline, NEVER, "an idle board wants to be left alone");
  bench.pair();
  assert.equal(after(bench, 5n * SECOND), [], "installing is no load");
  const begun = bench.now;
  assert.is(bench.pass(clear(80), PORT_UNPROTECTED).length, 1);
  assert.is(bench.board.deadline, begun + SECOND);
  assert.equal(after(bench, SECOND / 2n), []);
  assert.is(bench.pass(sealedPacket(esp(arriving(120), 1n)), PORT_PROTECTED).length, 1);
  const octets = sealedOctets(80) + sealedOctets(120);
  const work = 2 * 60 + Math.floor((2 * 250 * 16 + octets * 38) / 16);
  assert.equal(after(bench, SECOND / 2n), [{ window: SECOND, packets: 2, octets, work }]);
  assert.equal(after(bench, SECOND), [], "nothing to tell");
  assert.is(bench.board.deadline, NEVER);
  assert.equal(after(bench, 100n * SECOND), []);
});

test("dropped packets are packets; a forgery costs the cipher what a good one does", () => {
  const bench = new Bench("simd");
  bench.pair();
  const forged = sealedPacket(esp(arriving(120), 1n));
  forged[forged.length - 1]! ^= 1;
  assert.is(bench.pass(forged, PORT_PROTECTED).length, 0);
  assert.is(bench.pass(sealedPacket(esp(arriving(120), 2n, { spi: 0x12345678 })), PORT_PROTECTED).length, 0);
  const octets = sealedOctets(120);
  const work = 2 * 60 + Math.floor((250 * 16 + octets * 38) / 16);
  assert.equal(after(bench, SECOND), [{ window: SECOND, packets: 2, octets, work }]);
});

test("traffic that goes on is told window by window, each as long as it was", () => {
  const bench = new Bench("simd");
  bench.pair();
  const told: Load[] = [];
  for (let i = 0; i < 50; i++) {
    bench.pass(clear(80), PORT_UNPROTECTED);
    told.push(...after(bench, (SECOND * 3n) / 10n));
  }
  assert.is(told.length, 12);
  for (const { window, packets } of told) assert.equal([window, packets], [(SECOND * 12n) / 10n, 4]);
});

test("a packet that was only asked about is no load", () => {
  const bench = new Bench("simd");
  bench.pair();
  bench.deliver(PORT_MANAGEMENT, encodeMessage(MANAGEMENT_EXPLAIN, 7, [{ type: EXPLAIN_PACKET, value: clear(80) }]));
  bench.run();
  assert.is(bench.take(PORT_MANAGEMENT).length, 2);
  assert.equal(after(bench, 3n * SECOND), []);
});

test.run();
