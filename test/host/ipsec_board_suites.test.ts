/**
 * Every cipher suite on an IPsec board: packets out are the octets that the RFCs ask for, packets in come out clear, with extended
 * sequence numbers and without, with one SA and with a pair of each transform at once; and what is wrong is dropped for its reason.
 *
 * The board's packets are compared whole with what node:crypto gives.
 */
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CONFIG_SA_CAPACITY } from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import { LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import type { Build } from "../../host/chassis/image.ts";
import { keymatOctets, sealPacket, TWIN_SUITES, type TwinSuite } from "../reference/cipher_suite.ts";
import { openssl } from "../reference/openssl.ts";
import { arriving, be, Bench, clear, OUTSIDE, sealedPacket } from "./ipsec_bench.ts";

interface Pair {
  suite: TwinSuite;
  keymat: Buffer;
  link: number;
  extended: boolean;
  /** Number of the last packet, of both directions. */
  sequence: bigint;
}

const spiOf = ({ link }: Pair, direction: number): number =>
  (direction === M.DIRECTION_INBOUND ? 0x80000000 : 0x700000) + link;
/** An address that only this pair's selectors cover. */
const farOf = ({ link }: Pair): number => OUTSIDE + (link << 16);

function newPair(chosen: TwinSuite, link: number, extended: boolean): Pair {
  return { suite: chosen, keymat: randomBytes(keymatOctets(chosen)), link, extended, sequence: 0n };
}

function install(bench: Bench, pair: Pair, sequence = 0n): void {
  const far = farOf(pair) & 0xffff0000;
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    const answer = bench.install({
      direction,
      spi: spiOf(pair, direction),
      link: pair.link,
      key: pair.keymat,
      encryption: pair.suite.encryption,
      keyBits: pair.suite.keyBits,
      integrity: pair.suite.integrity,
      flags: pair.extended ? M.SA_FLAG_ESN : 0,
      sequence,
      remote: [far >>> 0, (far | 0xffff) >>> 0],
    });
    assert.is(answer.type, M.MESSAGE_SA_INSTALLED, `${pair.suite.name}: ${answer.fields.join(" ")}`);
  }
  pair.sequence = sequence;
}

/** ESP around a clear packet as RFC 4303 has it. `iv`: for CBC the block whose encryption is the IV. */
function seal(pair: Pair, inner: Buffer, sequence: bigint, direction: number, iv?: Buffer): Buffer {
  const block = pair.suite.mode === "cbc" ? 16 : 4;
  const padding = -(inner.length + 2) & (block - 1);
  const trailer = Buffer.from([...Array.from({ length: padding }, (_, i) => i + 1), padding, 4]);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  const header = Buffer.concat([be(spiOf(pair, direction), 4), number.subarray(4)]);
  const counted = Buffer.concat([Buffer.alloc(8), number]).subarray(16 - pair.suite.ivOctets);
  const high = pair.extended ? number.readUInt32BE(0) : undefined;
  return sealPacket(openssl, pair.suite, pair.keymat, header, iv ?? counted, Buffer.concat([inner, trailer]), high);
}

/** A packet out and one in, by themselves; what comes out must be the right octets. */
function exchange(bench: Bench, pair: Pair, octets: number): void {
  pair.sequence++;
  const what = `${pair.suite.name}, ${octets} octets, number ${pair.sequence}`;
  const out = clear(octets, { destination: farOf(pair) });
  const [sealed] = bench.pass(out, PORT_UNPROTECTED);
  assert.ok(sealed !== undefined, `${what}: nothing was sent`);
  assert.equal(sealed.subarray(20), seal(pair, out, pair.sequence, M.DIRECTION_OUTBOUND), what);
  const packet = arriving(octets, { source: farOf(pair) });
  const esp = seal(pair, packet, pair.sequence, M.DIRECTION_INBOUND, randomBytes(pair.suite.ivOctets));
  assert.equal(bench.pass(sealedPacket(esp), PORT_PROTECTED), [packet], what);
}

for (const build of ["base", "simd", "relaxed"] as Build[]) {
  const test = suite(`cipher suites of the ipsec board, ${build}`);
  const capacity = { type: CONFIG_SA_CAPACITY, value: 2 * TWIN_SUITES.length + 2 };

  test("each transform, both ways, with sequence numbers of 32 and of 64 bits", () => {
    const bench = new Bench(build, LINK_ETHERNET, [capacity]);
    TWIN_SUITES.forEach((chosen, i) => {
      for (const extended of [false, true]) {
        const pair = newPair(chosen, 1 + i, extended);
        // The low half comes around in the middle.
        install(bench, pair, extended ? 0x6_ffff_fffcn : 0n);
        for (const octets of [0, 1, 14, 15, 77, 130, 1300, 1372]) exchange(bench, pair, octets);
        for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
          const named = Buffer.alloc(12);
          [spiOf(pair, direction), direction, pair.link].forEach((value, k) => named.writeUInt32LE(value, 4 * k));
          bench.ask(M.MESSAGE_SA_REMOVE, named);
        }
      }
    });
  });

  test("a pair of each transform at once, their packets mixed in every batch", () => {
    const bench = new Bench(build, LINK_ATM, [capacity]);
    const pairs = TWIN_SUITES.map((chosen, i) => newPair(chosen, 1 + i, i % 3 === 0));
    for (const pair of pairs) install(bench, pair);
    for (let round = 0; round < 6; round++) {
      const inbound: Buffer[] = [];
      const outbound: Buffer[] = [];
      for (let k = 0; k < 60; k++) {
        const pair = pairs[(7 * k + 13 * round) % pairs.length]!;
        const octets = (k * 97 + round * 31) % 1373;
        pair.sequence++;
        const out = clear(octets, { destination: farOf(pair) });
        const packet = arriving(octets, { source: farOf(pair) });
        const esp = seal(pair, packet, pair.sequence, M.DIRECTION_INBOUND);
        outbound.push(seal(pair, out, pair.sequence, M.DIRECTION_OUTBOUND));
        inbound.push(packet);
        bench.packet(out);
        bench.packet(sealedPacket(esp));
      }
      bench.run();
      assert.equal(bench.take(PORT_PROTECTED), inbound);
      assert.equal(
        bench.take(PORT_UNPROTECTED).map((packet) => packet.subarray(20)),
        outbound,
      );
    }
  });

  test("a forgery, a cut and a wrong length are dropped, and the window does not move", () => {
    const bench = new Bench(build, LINK_ETHERNET, [capacity]);
    TWIN_SUITES.forEach((chosen, i) => {
      const pair = newPair(chosen, 1 + i, i % 2 === 0);
      install(bench, pair);
      const packet = arriving(90, { source: farOf(pair) });
      const esp = seal(pair, packet, 1000n, M.DIRECTION_INBOUND);
      const icv = bench.drops(DROP.DROP_ICV);
      for (const at of [4, 8, 8 + chosen.ivOctets, esp.length - chosen.icvOctets, esp.length - 1]) {
        const forged = Buffer.from(esp);
        forged[at]! ^= 1 << (i % 8);
        assert.equal(bench.pass(sealedPacket(forged), PORT_PROTECTED), [], `${chosen.name}, octet ${at}`);
      }
      const block = chosen.mode === "cbc" ? 16 : 4;
      assert.equal(bench.pass(sealedPacket(esp.subarray(0, -block)), PORT_PROTECTED), []);
      assert.is(bench.drops(DROP.DROP_ICV) - icv, 6, chosen.name);
      const malformed = bench.drops(DROP.DROP_ESP_MALFORMED);
      for (const length of [esp.length - 1, esp.length - 2, 8 + chosen.ivOctets + chosen.icvOctets, 9]) {
        assert.equal(bench.pass(sealedPacket(esp.subarray(0, length)), PORT_PROTECTED), []);
      }
      assert.is(bench.drops(DROP.DROP_ESP_MALFORMED) - malformed, 4, chosen.name);
      const first = seal(pair, packet, 1n, M.DIRECTION_INBOUND);
      assert.equal(bench.pass(sealedPacket(first), PORT_PROTECTED), [packet], chosen.name);
      assert.equal(bench.pass(sealedPacket(esp), PORT_PROTECTED), [packet], chosen.name);
    });
  });

  test("what has no kernel is refused, and so is KEYMAT of another length", () => {
    const bench = new Bench(build, LINK_ETHERNET, [capacity]);
    const refused = (encryption: number, keyBits: number, integrity: number, octets: number): void => {
      const answer = bench.install({ encryption, keyBits, integrity, key: Buffer.alloc(octets, 7) });
      assert.is(answer.type, M.MESSAGE_SA_REFUSED, `${encryption}/${keyBits} with ${integrity}, ${octets} octets`);
    };
    refused(3, 0, 12, 56); // 3DES
    refused(2, 0, 2, 28); // DES
    refused(11, 0, 0, 0); // NULL alone
    refused(12, 256, 0, 32); // CBC alone
    refused(12, 256, 1, 48); // with HMAC-MD5-96
    refused(20, 128, 12, 52); // GCM with more integrity than its own
    refused(20, 160, 0, 24);
    refused(28, 256, 0, 36); // ChaCha20 has no Key Length attribute
    for (const chosen of TWIN_SUITES) {
      const octets = keymatOctets(chosen);
      for (const other of [octets - 1, octets + 1]) {
        refused(chosen.encryption, chosen.keyBits, chosen.integrity, Math.max(0, other));
      }
    }
  });

  test.run();
}
