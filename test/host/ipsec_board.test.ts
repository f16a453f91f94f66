/**
 * The IPsec board by itself, on the bench of ipsec_bench.ts. Each story runs on the plain and on the SIMD build, the first one on
 * both links.
 */
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REFUSAL_CONFIG, REFUSAL_RAM, STATE_ONLINE, STATE_REFUSED } from "../../assembly/abi/board.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import { ETHERTYPE_CONTROL, ETHERTYPE_IPV4, LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import * as MANAGEMENT from "../../assembly/abi/management.ts";
import { PORT_CHANNEL, PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { type ConfigItem } from "../../host/chassis/config.ts";
import { type Build } from "../../host/chassis/image.ts";

import {
  SLOT,
  GENERATION,
  CONTROL_KEY,
  LOCAL,
  REMOTE,
  INSIDE,
  OUTSIDE,
  IN_SPI,
  OUT_SPI,
  KEY,
  be,
  udp,
  clear,
  arriving,
  sealedPacket,
  checksum,
  saRecord,
  esp,
  open,
  Bench,
  type Sa,
} from "./ipsec_bench.ts";

const named = (spi: number, direction: number, link: number): Buffer => {
  const b = Buffer.alloc(12);
  b.writeUInt32LE(spi, 0);
  b.writeUInt32LE(direction, 4);
  b.writeUInt32LE(link, 8);
  return b;
};

for (const build of ["base", "simd"] as Build[]) {
  const test = suite(`ipsec board, ${build}`);

  for (const link of [LINK_ETHERNET, LINK_ATM]) {
    test(`both ways, ${link === LINK_ATM ? "LLC/SNAP on a VC" : "IP-in-IP over Ethernet"}`, () => {
      const bench = new Bench(build, link);
      assert.is(bench.board.state, STATE_ONLINE);
      bench.pair();
      for (let octets = 0; octets < 1400; octets += 37) {
        const packet = arriving(octets);
        assert.equal(bench.pass(sealedPacket(esp(packet, BigInt(octets + 1))), PORT_PROTECTED), [packet]);
        const out = clear(octets, { tos: 0xb8 });
        const [sealed] = bench.pass(out, PORT_UNPROTECTED);
        assert.is(checksum(sealed!.subarray(0, 20)), 0);
        assert.is(sealed!.readUInt16BE(2), sealed!.length);
        assert.is(sealed![1], 0xb8);
        assert.is(sealed![8], 64);
        assert.is(sealed![9], 50);
        assert.is(sealed!.readUInt32BE(12), LOCAL);
        assert.is(sealed!.readUInt32BE(16), REMOTE);
        assert.is(sealed!.readUInt32BE(20), OUT_SPI);
        const opened = open(sealed!.subarray(20));
        assert.equal(opened.inner, out);
        assert.is(opened.next, 4);
        assert.is(opened.sequence, octets / 37 + 1);
        assert.is(opened.iv, BigInt(opened.sequence));
      }
    });
  }

  test("a batch keeps its order, over two SAs and both directions", () => {
    const bench = new Bench(build);
    const other = Buffer.alloc(36, 9);
    bench.pair();
    bench.pair({ link: 2, spi: 0x70000002, key: other, remote: [0x0a030000, 0x0a03ffff] });
    const inbound: Buffer[] = [];
    const outbound: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      const second = i % 3 === 0;
      const far = second ? 0x0a030001 : OUTSIDE;
      if (i & 1) {
        const packet = clear(i * 20, { source: far, destination: INSIDE });
        inbound.push(packet);
        bench.packet(sealedPacket(esp(packet, BigInt(i + 1), second ? { spi: 0x70000002, key: other } : {})));
      } else {
        const packet = clear(i * 20, { destination: far });
        outbound.push(packet);
        bench.packet(packet);
      }
    }
    bench.run();
    assert.equal(bench.take(PORT_PROTECTED), inbound);
    const sealed = bench.take(PORT_UNPROTECTED);
    assert.equal(
      sealed.map((p) => open(p.subarray(20), p.readUInt32BE(20) === OUT_SPI ? KEY : other).inner),
      outbound,
    );
  });

  test("UDP encapsulation, both ways; keepalive and IKE in the wrong place", () => {
    const bench = new Bench(build);
    bench.pair({ flags: M.SA_FLAG_UDP_ENCAPSULATION });
    const packet = arriving(99);
    const wrapped = (payload: Buffer): Buffer => sealedPacket(udp(payload, 4501, 4500), { protocol: 17 });
    assert.equal(bench.pass(wrapped(esp(packet, 1n)), PORT_PROTECTED), [packet]);
    // RFC 7296 2.23: plain ESP is taken as well.
    assert.equal(bench.pass(sealedPacket(esp(packet, 2n)), PORT_PROTECTED), [packet]);
    const [sealed] = bench.pass(clear(99), PORT_UNPROTECTED);
    assert.is(sealed![9], 17);
    assert.equal(
      sealed!.subarray(20, 28),
      Buffer.concat([be(4500, 2), be(4500, 2), be(sealed!.length - 20, 2), be(0, 2)]),
    );
    assert.equal(open(sealed!.subarray(28)).inner, clear(99));
    assert.equal(bench.pass(wrapped(Buffer.from([0xff])), PORT_PROTECTED), []);
    assert.equal(bench.pass(wrapped(Buffer.alloc(40)), PORT_PROTECTED), []);
    assert.is(bench.drops(DROP.DROP_UDP_PORT), 1);
  });

  test("replay: twins in one batch, the window's edges, and window 0", () => {
    const bench = new Bench(build);
    bench.pair({ window: 64 });
    const packet = arriving(20);
    const give = (sequence: bigint): void => bench.packet(sealedPacket(esp(packet, sequence)));
    give(5n);
    give(5n);
    bench.run();
    assert.is(bench.take(PORT_PROTECTED).length, 1);
    assert.is(bench.drops(DROP.DROP_REPLAY), 1);
    give(5n);
    give(0n);
    bench.run();
    assert.is(bench.drops(DROP.DROP_REPLAY), 3);
    for (const sequence of [1000n, 937n, 936n, 938n, 937n, 999n, 1000n]) give(sequence);
    bench.run();
    assert.is(bench.take(PORT_PROTECTED).length, 4);
    assert.is(bench.drops(DROP.DROP_REPLAY), 6);
    bench.pair({ link: 2, spi: 0x70000002, window: 0 });
    const free = sealedPacket(esp(packet, 7n, { spi: 0x70000002 }));
    assert.is(bench.pass(free, PORT_PROTECTED).length + bench.pass(free, PORT_PROTECTED).length, 2);
  });

  test("a KEYMAT in use is never counted anew, not even under another transform", () => {
    const bench = new Bench(build);
    bench.pair();
    const first = open(bench.pass(clear(20), PORT_UNPROTECTED)[0]!.subarray(20));
    const { type, fields } = bench.install({ flags: M.SA_FLAG_ESN, direction: M.DIRECTION_OUTBOUND });
    assert.is(type, M.MESSAGE_SA_REFUSED);
    assert.is(fields[3], M.REFUSED_MALFORMED);
    const second = open(bench.pass(clear(20), PORT_UNPROTECTED)[0]!.subarray(20));
    assert.equal([first.iv, second.iv], [1n, 2n]);
  });

  test("in one poll a packet in front of its SA's removal passes, one behind it has no entry", () => {
    const bench = new Bench(build);
    bench.pair();
    const remove = Buffer.concat([be(IN_SPI, 4).reverse(), be(M.DIRECTION_INBOUND, 4), be(1, 4).reverse()]);
    const packets = [1n, 2n].map((sequence) => sealedPacket(esp(arriving(20), sequence)));
    bench.packet(packets[0]!);
    bench.control(M.MESSAGE_SA_REMOVE, remove);
    bench.packet(packets[1]!);
    bench.run();
    assert.is(bench.take(PORT_PROTECTED).length, 1);
    assert.is(bench.drops(DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD), 1);
    assert.is(bench.answers()[0]!.readUInt16LE(0), M.MESSAGE_SA_REMOVED);
  });

  test("extended sequence numbers", () => {
    const bench = new Bench(build);
    bench.pair({ flags: M.SA_FLAG_ESN, sequence: 0xfffffff0n });
    const packet = arriving(20);
    for (const sequence of [0xfffffff8n, 0x100000002n, 0xfffffffen, 0x100000001n]) {
      assert.equal(bench.pass(sealedPacket(esp(packet, sequence, { esn: true })), PORT_PROTECTED), [packet]);
    }
    for (let i = 0; i < 20; i++) {
      const [sealed] = bench.pass(clear(8), PORT_UNPROTECTED);
      const sequence = 0xfffffff1n + BigInt(i);
      const opened = open(sealed!.subarray(20), KEY, Number(sequence >> 32n));
      assert.is(opened.iv, sequence);
    }
  });

  test("a flipped bit anywhere, and packets that are authentic but wrong", () => {
    const bench = new Bench(build);
    bench.pair();
    const packet = arriving(40);
    const good = esp(packet, 1n);
    for (let bit = 32; bit < good.length * 8; bit += 7) {
      const bad = Buffer.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      bench.packet(sealedPacket(bad));
      bench.run();
    }
    assert.is(bench.take(PORT_PROTECTED).length, 0);
    assert.equal(bench.pass(sealedPacket(good), PORT_PROTECTED), [packet], "bad packets left the window alone");
    const wrong: [number, Buffer][] = [
      [DROP.DROP_ESP_PADDING, esp(packet, 10n, { pad: Buffer.from([1, 3]) })],
      [DROP.DROP_ESP_PADDING, esp(Buffer.alloc(0), 11n, { pad: Buffer.from([9, 200]) })],
      [DROP.DROP_ESP_NEXT_HEADER, esp(packet, 12n, { next: 41 })],
      [DROP.DROP_IP_MALFORMED, esp(Buffer.alloc(30, 7), 13n)],
      [DROP.DROP_SELECTOR_MISMATCH, esp(arriving(9, { source: 0x0b000001 }), 14n)],
      [DROP.DROP_SELECTOR_MISMATCH, esp(arriving(9, { destination: 0x0a090001 }), 15n)],
      [DROP.DROP_ECN, esp(arriving(9), 16n)],
      [DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD, esp(packet, 17n, { spi: 0x12345678 })],
    ];
    for (const [reason, payload] of wrong) {
      const before = bench.drops(reason);
      const tos = reason === DROP.DROP_ECN ? 3 : 0;
      assert.equal(bench.pass(sealedPacket(payload, { tos }), PORT_PROTECTED), []);
      assert.is(bench.drops(reason), before + 1, `reason ${reason}`);
    }
    // Traffic flow padding, a dummy, and marks of congestion.
    assert.equal(bench.pass(sealedPacket(esp(Buffer.concat([packet, Buffer.alloc(50)]), 20n)), PORT_PROTECTED), [
      packet,
    ]);
    assert.equal(bench.pass(sealedPacket(esp(randomBytes(64), 21n, { next: 59 })), PORT_PROTECTED), []);
    assert.equal(bench.pass(sealedPacket(esp(arriving(9, { tos: 2 }), 22n), { tos: 3 }), PORT_PROTECTED), [
      arriving(9, { tos: 3 }),
    ]);
    assert.equal(bench.pass(sealedPacket(esp(arriving(9, { tos: 2 }), 23n), { tos: 1 }), PORT_PROTECTED), [
      arriving(9, { tos: 1 }),
    ]);
  });

  test("limits: lease, life in packets, the end of the counter", () => {
    const bench = new Bench(build);
    bench.pair({ lease: 3n, softPackets: 2n });
    const through = (): number => bench.pass(clear(9), PORT_UNPROTECTED).length;
    assert.equal([through(), through(), through(), through()], [1, 1, 1, 0]);
    assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 1);
    const expiring = bench.answers().filter((message) => message.readUInt16LE(0) !== M.MESSAGE_LEASE_WANTED);
    assert.is(expiring.length, 1, "told once a second");
    assert.is(expiring[0]!.readUInt16LE(0), M.MESSAGE_SA_EXPIRING);
    assert.is(expiring[0]!.readUInt32LE(M.ANSWER_SPI), OUT_SPI);
    assert.is(expiring[0]!.readUInt32LE(M.ANSWER_REASON), M.EXPIRING_PACKETS);
    assert.is(
      bench.install({ direction: M.DIRECTION_OUTBOUND, lease: 5n, hardPackets: 4n }).type,
      M.MESSAGE_SA_INSTALLED,
    );
    const [sealed] = bench.pass(clear(9), PORT_UNPROTECTED);
    assert.is(open(sealed!.subarray(20)).sequence, 4, "a repeated installation keeps the counter");
    assert.is(through(), 0);
    assert.is(bench.drops(DROP.DROP_SA_EXPIRED), 1);
    assert.equal(bench.pass(sealedPacket(esp(arriving(1), 4n)), PORT_PROTECTED), [], "it waits");
    assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 1);
    bench.answers();
    bench.pair({ link: 3, spi: 0x70000003, sequence: 0xfffffffdn, remote: [OUTSIDE, OUTSIDE] });
    assert.equal([through(), through(), through()], [1, 1, 0]);
    assert.is(bench.drops(DROP.DROP_SEQUENCE_CYCLED), 1);
    assert.is(bench.answers()[0]!.readUInt32LE(M.ANSWER_REASON), M.EXPIRING_SEQUENCE);
  });

  test("rekey: the newest SA of equal selectors sends, the old one is there again when it goes", () => {
    const bench = new Bench(build);
    bench.pair();
    bench.pair({ link: 2, spi: 0x70000002 });
    const spi = (): number => bench.pass(clear(9), PORT_UNPROTECTED)[0]!.readUInt32BE(20);
    assert.is(spi(), 0x70000002);
    assert.is(bench.ask(M.MESSAGE_SA_REMOVE, named(0x70000002, M.DIRECTION_OUTBOUND, 2)).type, M.MESSAGE_SA_REMOVED);
    assert.is(spi(), OUT_SPI);
    bench.pair({ link: 3, spi: 0x70000003, remote: [OUTSIDE, OUTSIDE] });
    assert.is(spi(), 0x70000003, "the more specific one");
    assert.is(bench.ask(M.MESSAGE_SA_REMOVE_ALL).type, M.MESSAGE_SA_REMOVED);
    assert.equal(bench.pass(clear(9), PORT_UNPROTECTED), []);
    assert.is(bench.drops(DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD), 1);
    assert.is(bench.ask(M.MESSAGE_PING).type, M.MESSAGE_PONG);
  });

  test("installation: refusals, status, replacement", () => {
    const bench = new Bench(build, LINK_ETHERNET, [{ type: CONFIG.CONFIG_SA_CAPACITY, value: 2 }]);
    const refused = (o: Sa, reason: number): void => {
      const answer = bench.install(o);
      assert.is(answer.type, M.MESSAGE_SA_REFUSED);
      assert.is(answer.fields[3], reason);
    };
    refused({ encryption: 12 }, M.REFUSED_TRANSFORM);
    refused({ protocol: 51 }, M.REFUSED_TRANSFORM);
    refused({ mode: M.MODE_TRANSPORT }, M.REFUSED_MODE);
    refused({ spi: 255 }, M.REFUSED_MALFORMED);
    refused({ window: 4097 }, M.REFUSED_MALFORMED);
    refused({ remote: [5, 4] }, M.REFUSED_MALFORMED);
    refused({ link: M.LINK_MAX }, M.REFUSED_MALFORMED);
    refused({ key: Buffer.alloc(20 + 4 * 3) }, M.REFUSED_TRANSFORM);
    bench.pair();
    refused({ link: 2 }, M.REFUSED_SPI_IN_USE);
    bench.pair({ link: 2, spi: 0x70000002 });
    refused({ link: 3, spi: 0x70000003 }, M.REFUSED_TABLE_FULL);
    const packet = arriving(32);
    assert.is(bench.pass(sealedPacket(esp(packet, 9n)), PORT_PROTECTED).length, 1);
    bench.install();
    assert.is(
      bench.pass(sealedPacket(esp(packet, 9n)), PORT_PROTECTED).length,
      0,
      "installed twice is not accepted twice",
    );
    const status = bench.ask(M.MESSAGE_SA_QUERY, named(IN_SPI, 0, 1));
    assert.is(status.type, M.MESSAGE_SA_STATUS);
    assert.is(status.message.readBigUInt64LE(M.STATUS_PACKETS), 1n);
    assert.is(status.message.readBigUInt64LE(M.STATUS_OCTETS), BigInt(packet.length));
    assert.is(status.message.readBigUInt64LE(M.STATUS_SEQUENCE), 9n);
    assert.is(status.message.readBigUInt64LE(M.STATUS_DROPS), 1n);
    assert.is(status.message.readUInt32LE(M.STATUS_DROP_KINDS), (1 << 8) | DROP.DROP_REPLAY);
    assert.is(status.message.readUInt32LE(M.STATUS_DROP_KINDS + 4), 0);
    const next = Buffer.alloc(20, 0x33);
    bench.install({ key: next });
    assert.equal(bench.pass(sealedPacket(esp(packet, 9n, { key: next })), PORT_PROTECTED), [packet]);
    assert.is(bench.ask(M.MESSAGE_SA_QUERY, named(IN_SPI, 0, 9)).type, M.MESSAGE_SA_REMOVED);
  });

  test("an SA in front of its packet, in one batch", () => {
    const bench = new Bench(build);
    bench.control(M.MESSAGE_SA_INSTALL, saRecord());
    bench.packet(sealedPacket(esp(arriving(3), 1n)));
    bench.run();
    assert.equal(bench.take(PORT_PROTECTED), [arriving(3)]);
  });

  test("control messages: replay, generation, forgery", () => {
    const bench = new Bench(build);
    const give = (sealed: Buffer): void => {
      const { frame, link } = bench.capsule(ETHERTYPE_CONTROL, sealed);
      bench.deliver(PORT_CHANNEL, frame, link);
      bench.run();
    };
    const ping = bench.seal(bench.message(M.MESSAGE_PING), 100n);
    give(ping);
    assert.is(bench.answers().length, 1);
    give(ping);
    give(bench.seal(bench.message(M.MESSAGE_PING), 99n));
    give(bench.seal(bench.message(M.MESSAGE_PING), 101n, GENERATION - 1));
    assert.is(bench.drops(DROP.DROP_CONTROL_REPLAY), 3);
    const forged = bench.seal(bench.message(M.MESSAGE_PING), 102n);
    forged[20]! ^= 1;
    give(forged);
    assert.is(bench.drops(DROP.DROP_CONTROL_AUTHENTICATION), 1);
    give(bench.seal(bench.message(77), 103n));
    give(bench.seal(bench.message(M.MESSAGE_PING, undefined, 2), 104n));
    assert.is(bench.drops(DROP.DROP_CONTROL_MALFORMED), 2);
    assert.is(bench.answers().length, 0);
  });

  test("too big with DF: told to the source; without DF it passes", () => {
    const bench = new Bench(build);
    bench.pair();
    const big = clear(1419, { df: true }); // 1447 octets; 1446 fit
    const [icmp] = bench.pass(big, PORT_PROTECTED);
    assert.is(bench.drops(DROP.DROP_PACKET_TOO_BIG), 1);
    assert.is(checksum(icmp!.subarray(0, 20)), 0);
    assert.is(checksum(icmp!.subarray(20)), 0);
    assert.equal(icmp!.subarray(16, 20), be(INSIDE, 4));
    assert.equal(icmp!.subarray(20, 22), Buffer.from([3, 4]));
    assert.is(icmp!.readUInt16BE(26), 1446);
    assert.equal(icmp!.subarray(28, 56), big.subarray(0, 28));
    const [exact] = bench.pass(clear(1418, { df: true }), PORT_UNPROTECTED);
    assert.is(exact!.length, 1500);
    assert.is(exact!.readUInt16BE(6), 0x4000);
    assert.is(bench.pass(clear(8000), PORT_UNPROTECTED).length, 6, "in fragments, each sealed");
  });

  test("management lists every SA over a ring of 64", () => {
    const bench = new Bench(build);
    for (let i = 0; i < 60; i++) bench.pair({ link: 10 + i, spi: 0x70000010 + i, remote: [OUTSIDE + i, OUTSIDE + i] });
    const command = Buffer.alloc(12);
    command.writeUInt16LE(MANAGEMENT.MANAGEMENT_LIST_SAS, 0);
    command.writeUInt32LE(99, 4);
    command.writeUInt32LE(12, 8);
    bench.deliver(PORT_MANAGEMENT, command);
    command.writeUInt16LE(MANAGEMENT.MANAGEMENT_INITIATE, 0);
    bench.deliver(PORT_MANAGEMENT, command);
    bench.deliver(PORT_MANAGEMENT, command.subarray(0, 7));
    bench.run();
    const messages = bench.take(PORT_MANAGEMENT);
    const types = messages.map((m) => m.readUInt16LE(0));
    assert.is(types.filter((t) => t === MANAGEMENT.MANAGEMENT_SA).length, 120);
    assert.is(messages[120]!.readUInt32LE(12), MANAGEMENT.RESULT_OK);
    assert.is(messages[121]!.readUInt32LE(12), MANAGEMENT.RESULT_UNSUPPORTED);
    assert.ok(messages.every((m) => m.readUInt32LE(4) === 99));
    assert.is(bench.drops(DROP.DROP_MANAGEMENT_MALFORMED), 1);
    const listed = messages.slice(0, 120).map((m) => `${m.readUInt32LE(24)}/${m.readUInt32LE(32)}`);
    assert.is(new Set(listed).size, 120, "each SA once");
  });

  test("refuses service rather than serve with less", () => {
    const refusal = (extra: ConfigItem[], key: Uint8Array = CONTROL_KEY): number => {
      const { board } = new Bench(build, LINK_ETHERNET, extra, key);
      assert.is(board.state, STATE_REFUSED);
      board.poll(5n, 5n);
      return board.refusal;
    };
    assert.is(refusal([{ type: CONFIG.CONFIG_SA_CAPACITY, value: 100_000 }]), REFUSAL_RAM);
    assert.is(refusal([{ type: CONFIG.CONFIG_SA_CAPACITY, value: 0 }]), REFUSAL_CONFIG);
    assert.is(refusal([], Buffer.alloc(31)), REFUSAL_CONFIG);
    assert.is(new Bench(build, 3).board.refusal, REFUSAL_CONFIG);
  });

  test("random and mutated frames on every port: no trap, every frame accounted for", () => {
    let seed = 0x12345678;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 0x100000000) * below);
    };
    for (const link of [LINK_ETHERNET, LINK_ATM]) {
      const bench = new Bench(build, link);
      bench.pair({ flags: M.SA_FLAG_ESN });
      bench.pair({ link: 2, spi: 0x70000002, remote: [0x0a020003, 0x0a02ff00], ports: [5, 3000] });
      let control = 1_000_000n;
      for (let round = 0; round < 6000; round++) {
        const kind = random(8);
        let frame: Buffer;
        if (kind === 0) {
          frame = Buffer.from(Array.from({ length: random(120) }, () => random(256)));
        } else if (kind < 4) {
          // Authentic inside, mutated before it was sealed.
          const inner = arriving(random(80), { tos: random(256) });
          inner[random(inner.length)]! ^= 1 << random(8);
          const sealed = sealedPacket(
            esp(inner, BigInt(round + 1), {
              esn: true,
              next: random(3) ? 4 : random(256),
              pad: random(2) ? Buffer.alloc(random(9)) : undefined,
            } as object),
          );
          if (random(2)) sealed[random(sealed.length)]! ^= 1 << random(8);
          frame = bench.capsule(ETHERTYPE_IPV4, random(4) ? sealed : sealed.subarray(0, random(sealed.length))).frame;
        } else if (kind < 6) {
          const record = saRecord({ direction: random(2), link: random(4), spi: 0x70000000 + random(8) });
          const message = bench.message(
            random(2) ? M.MESSAGE_SA_INSTALL : 1 + random(6),
            record.subarray(0, random(record.length + 1)),
          );
          for (let n = random(4); n > 0; n--) message[random(message.length)] = random(256);
          frame = bench.capsule(ETHERTYPE_CONTROL, bench.seal(message, control++)).frame;
        } else {
          const packet = clear(random(60), {
            protocol: [1, 6, 17, 50, 51, 4][random(6)]!,
            destination: random(2) ? OUTSIDE : LOCAL,
            fragment: random(3) ? 0 : random(65536),
          });
          packet[random(packet.length)]! ^= random(256);
          if (random(2)) {
            packet.writeUInt16BE(0, 10);
            packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
          }
          frame = bench.capsule(ETHERTYPE_IPV4, packet).frame;
        }
        if (random(10) === 0 && frame.length > 0) frame[random(Math.min(frame.length, 60))]! ^= 1 << random(8);
        const port = random(20) ? PORT_CHANNEL : [PORT_UNPROTECTED, PORT_PROTECTED, PORT_MANAGEMENT][random(3)]!;
        bench.deliver(port, frame, random(30) ? 32 + SLOT : random(100));
        if (random(30) === 0) bench.run();
      }
      bench.run();
      assert.is(bench.board.state, STATE_ONLINE);
      bench.sequence = control;
      assert.ok(bench.answers().length > 0);
      assert.is(bench.ask(M.MESSAGE_SA_REMOVE_ALL).type, M.MESSAGE_SA_REMOVED);
      bench.pair({ link: 77, spi: 0x70000077 });
      assert.equal(bench.pass(sealedPacket(esp(arriving(7), 1n, { spi: 0x70000077 })), PORT_PROTECTED).slice(-1), [
        arriving(7),
      ]);
    }
  });

  test.run();
}
