/**
 * Packets and sizes on an IPsec board: clear packets in fragments before the cipher, sealed ones behind it, the link's MTU from CONFIG,
 * and the path MTU, as it is learnt and forgotten. Frames are accounted for after every poll (Bench).
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { STATE_REFUSED } from "../../assembly/abi/board.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import { LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets, type ConfigItem } from "../../host/chassis/config.ts";
import * as B from "./ipsec_bench.ts";

const HERE = Buffer.from(addressOctets("2001:db8::1"));
const THERE = Buffer.from(addressOctets("2001:db8::2"));
const INSIDE = Buffer.from(addressOctets("fd00:a::5"));
const OUTSIDE = Buffer.from(addressOctets("fd00:b::9"));
/** ESP of AES-GCM around a tunnelled packet: SPI, sequence number, IV, pad length, next header, ICV. */
const ESP = 8 + 8 + 2 + 16;
const TEN_MINUTES = 600_000_000_000n;

interface Options extends B.Sa {
  outer?: number;
  inner?: number;
  mtu?: number;
  items?: readonly ConfigItem[];
  /** Selectors of the far side name these ports. */
  far?: [number, number];
}

function bench(build: "base" | "simd", o: Options = {}): B.Bench {
  const b = new B.Bench(build, LINK_ATM, [
    { type: CONFIG.CONFIG_LOCAL_ADDRESS, value: HERE },
    ...(o.items ?? []),
    ...(o.mtu === undefined ? [] : [{ type: CONFIG.CONFIG_UNPROTECTED_MTU, value: o.mtu }]),
  ]);
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    let record = B.saRecord({ ...o, direction, ...(o.far ? { ports: o.far } : {}) });
    if (o.outer === 6) {
      record[M.SA_FAMILY] = 6;
      HERE.copy(record, M.SA_LOCAL_ADDRESS);
      THERE.copy(record, M.SA_REMOTE_ADDRESS);
    }
    const all = (address: Buffer): Buffer =>
      B.selector6(
        Buffer.concat([address.subarray(0, 8), Buffer.alloc(8)]),
        Buffer.concat([address.subarray(0, 8), Buffer.alloc(8, 0xff)]),
      );
    if (o.inner === 6) record = Buffer.concat([record.subarray(0, M.SA_SELECTORS), all(INSIDE), all(OUTSIDE)]);
    if (o.mode === M.MODE_TRANSPORT) {
      const ends = [B.selector(B.LOCAL, B.LOCAL), B.selector(B.REMOTE, B.REMOTE)];
      record = Buffer.concat([record.subarray(0, M.SA_SELECTORS), ...ends]);
    }
    assert.is(b.ask(M.MESSAGE_SA_INSTALL, record).type, M.MESSAGE_SA_INSTALLED);
  }
  return b;
}

function ip6(octets: number, source = INSIDE, destination = OUTSIDE): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x60000000);
  const body = B.udp(Buffer.alloc(octets - 48, 0x61));
  header.writeUInt16BE(body.length, 4);
  header[6] = 17;
  header[7] = 61;
  return Buffer.concat([header, source, destination, body]);
}

/** A datagram of IPv4 of this many octets in all, no two of its octets alike nearby. */
function ip4(octets: number, o: B.Ip = {}): Buffer {
  return B.ip(B.udp(Buffer.from(Array.from({ length: octets - 28 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))), o);
}

interface Piece {
  id: number;
  offset: number;
  more: boolean;
  payload: Buffer;
  header: Buffer;
}

function piece(packet: Buffer): Piece {
  if (packet[0]! >> 4 === 4) {
    const header = (packet[0]! & 15) * 4;
    const field = packet.readUInt16BE(6);
    assert.is(B.checksum(packet.subarray(0, header)), 0);
    assert.is(packet.readUInt16BE(2), packet.length);
    return {
      id: packet.readUInt16BE(4),
      offset: (field & 0x1fff) * 8,
      more: (field & 0x2000) !== 0,
      payload: packet.subarray(header),
      header: packet.subarray(0, header),
    };
  }
  assert.is(packet.readUInt16BE(4), packet.length - 40);
  assert.is(packet[6], 44, "a fragment header");
  const field = packet.readUInt16BE(42);
  return {
    id: packet.readUInt32BE(44),
    offset: field & 0xfff8,
    more: (field & 1) !== 0,
    payload: packet.subarray(48),
    header: packet.subarray(0, 48),
  };
}

/** The payload of a packet in fragments, which have to be in order and without gaps. */
function together(packets: readonly Buffer[]): Buffer {
  const pieces = packets.map(piece);
  let at = 0;
  for (const [i, { id, offset, more, payload }] of pieces.entries()) {
    assert.is(id, pieces[0]!.id);
    assert.is(offset, at);
    assert.is(more, i < pieces.length - 1);
    at += payload.length;
  }
  return Buffer.concat(pieces.map(({ payload }) => payload));
}

/** A segment of TCP from port 1 to 2 whose checksum is right; `ends`: its pseudo header's addresses. */
function tcp(flags: number, options: number[], ends: [number, number] | [Buffer, Buffer]): Buffer {
  const padded = [...options, ...Array.from({ length: -options.length & 3 }, () => 0)];
  const segment = Buffer.concat([Buffer.alloc(20), Buffer.from(padded)]);
  segment.writeUInt16BE(1, 0);
  segment.writeUInt16BE(2, 2);
  segment[12] = (segment.length >> 2) << 4;
  segment[13] = flags;
  const addresses = ends.map((end) => (typeof end === "number" ? B.be(end, 4) : end));
  const pseudo = Buffer.concat([...addresses, B.be(segment.length, 4), B.be(6, 4)]);
  segment.writeUInt16BE(B.checksum(Buffer.concat([pseudo, segment])), 16);
  return segment;
}

function tcpPacket6(flags: number, options: number[], source: Buffer, destination: Buffer): Buffer {
  const segment = tcp(flags, options, [source, destination]);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x60000000);
  header.writeUInt16BE(segment.length, 4);
  header.set([6, 61], 6);
  return Buffer.concat([header, source, destination, segment]);
}

/** 0 when the TCP checksum of a packet is right. */
function tcpSum(packet: Buffer, family: 4 | 6): number {
  const [addresses, at] = family === 4 ? [packet.subarray(12, 20), 20] : [packet.subarray(8, 40), 40];
  const segment = packet.subarray(at);
  return B.checksum(Buffer.concat([addresses, B.be(segment.length, 4), B.be(6, 4), segment]));
}

const pathMtu = (
  mtu: number,
  sequence: number,
  o: { family?: number; remote?: number; flags?: number; spi?: number } = {},
): Buffer => {
  const ends = Buffer.from(B.saRecord({ direction: M.DIRECTION_OUTBOUND, flags: o.flags ?? 0 }).subarray(0, M.SA_ENDS));
  if (o.spi !== undefined) ends.writeUInt32LE(o.spi, M.SA_SPI);
  if (o.family === 6) {
    ends[M.SA_FAMILY] = 6;
    HERE.copy(ends, M.SA_LOCAL_ADDRESS);
    THERE.copy(ends, M.SA_REMOTE_ADDRESS);
  } else if (o.remote !== undefined) ends.writeUInt32BE(o.remote, M.SA_REMOTE_ADDRESS);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(mtu, 0);
  tail.writeUInt32LE(sequence, 4);
  return Buffer.concat([ends, tail]);
};

/** What the board tells the source of a packet that is too big. */
function toldMtu(b: B.Bench, packet: Buffer): number | undefined {
  const [answer] = B.give(b, packet, PORT_PROTECTED);
  if (answer === undefined) return undefined;
  return answer[0]! >> 4 === 4 ? answer.readUInt16BE(26) : answer.readUInt32BE(44);
}

const innerMtu = (b: B.Bench): number => {
  const named = Buffer.alloc(12);
  named.writeUInt32LE(B.OUT_SPI, 0);
  named.writeUInt32LE(M.DIRECTION_OUTBOUND, 4);
  named.writeUInt32LE(1, 8);
  return b.ask(M.MESSAGE_SA_QUERY, named).message.readUInt32LE(M.STATUS_INNER_MTU);
};

for (const build of ["base", "simd"] as const) {
  const it = suite(`sizes, ${build}`);

  for (const outer of [4, 6]) {
    it(`IPv4 without DF, larger than the tunnel over IPv${outer} carries: in fragments, each sealed by itself`, () => {
      const b = bench(build, { outer });
      const header = outer === 4 ? 20 : 40;
      for (const octets of [1500, 2900, 8999]) {
        const packet = ip4(octets, { tos: 0x28 });
        const sealed = B.give(b, packet, PORT_UNPROTECTED);
        assert.ok(sealed.every((s) => s.length <= 1500));
        const inner = sealed.map((s) => B.open(s.subarray(header)).inner);
        assert.equal(together(inner), packet.subarray(20));
        for (const p of inner) assert.equal([p[1], p[8], p[9], p.readUInt16BE(4)], [0x28, packet[8], 17, 0x1234]);
      }
      assert.is(b.drops(DROP.DROP_PACKET_TOO_BIG), 0);
    });
  }

  it("a fragment in fragments keeps its place; options go along as RFC 791 has it", () => {
    const b = bench(build);
    const plain = ip4(3000, { fragment: 0x2000 | 100 });
    const first = B.give(b, plain, PORT_UNPROTECTED).map((s) => piece(B.open(s.subarray(20)).inner));
    assert.is(first[0]!.offset, 800);
    assert.ok(
      first.every(({ more }) => more),
      "none of them is the last of the packet",
    );
    assert.equal(Buffer.concat(first.map(({ payload }) => payload)), plain.subarray(20));

    // A timestamp (68) is in the first fragment alone, a router alert (148) in all, behind a no-operation.
    const options = Buffer.from([68, 8, 5, 0, 0, 0, 0, 0, 1, 148, 4, 0, 0, 0, 0, 0]);
    const body = ip4(3000).subarray(20);
    const packet = Buffer.concat([ip4(3000).subarray(0, 20), options, body]);
    packet[0] = 0x40 | 9;
    packet.writeUInt16BE(packet.length, 2);
    packet.writeUInt16BE(0, 10);
    packet.writeUInt16BE(B.checksum(packet.subarray(0, 36)), 10);
    const inner = B.give(b, packet, PORT_UNPROTECTED).map((s) => B.open(s.subarray(20)).inner);
    assert.equal(together(inner), body);
    assert.equal(inner[0]!.subarray(20, 36), options);
    for (const later of inner.slice(1)) assert.equal(piece(later).header.subarray(20), Buffer.from([148, 4, 0, 0]));
  });

  it("order is kept around a packet in fragments", () => {
    const b = bench(build);
    const packets = [ip4(100), ip4(2000), ip4(120), ip4(4000), ip4(140)];
    for (const packet of packets) b.packet(packet);
    b.run();
    const inner = b.take(PORT_UNPROTECTED).map((s) => B.open(s.subarray(20)));
    assert.equal(
      inner.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.equal(
      inner.map(({ inner }) => inner.readUInt16BE(2)).filter((length) => length < 150),
      [100, 120, 140],
    );
  });

  for (const outer of [4, 6]) {
    for (const flags of [0, M.SA_FLAG_UDP_ENCAPSULATION]) {
      it(`selectors with ports: the sealed packet in fragments over IPv${outer}${flags ? ", in UDP" : ""}`, () => {
        const b = bench(build, { outer, flags, far: [2000, 2000] });
        const packet = ip4(3100, { tos: 2 });
        const sealed = B.give(b, packet, PORT_UNPROTECTED);
        assert.is(sealed.length, 3);
        assert.ok(sealed.every((s) => s.length <= 1500));
        for (const s of sealed) assert.is(outer === 4 ? s[9] : s[40], flags ? 17 : 50);
        const payload = together(sealed);
        assert.equal(B.open(payload.subarray(flags ? 8 : 0)).inner, packet);
        assert.is(innerMtu(b), 1500 - (outer === 4 ? 20 : 40) - (flags ? 8 : 0) - ESP);
      });
    }
  }

  it("transport mode without DF: the sealed packet in fragments", () => {
    const b = bench(build, { mode: M.MODE_TRANSPORT });
    const packet = ip4(3000, { source: B.LOCAL, destination: B.REMOTE });
    const sealed = B.give(b, packet, PORT_UNPROTECTED);
    assert.is(sealed.length, 3);
    assert.equal(B.open(together(sealed)).inner, packet.subarray(20));
  });

  it("IPv6 inside: up to 1280 octets pass whatever the path, what is more is told 1280 at least", () => {
    const b = bench(build, { inner: 6, mtu: 1280 });
    assert.is(innerMtu(b), 1280 - 20 - ESP);
    const packet = ip6(1280);
    const sealed = B.give(b, packet, PORT_UNPROTECTED);
    assert.is(sealed.length, 2, "RFC 8200 5");
    assert.equal(B.open(together(sealed)).inner, packet);
    assert.is(B.give(b, ip6(1226), PORT_UNPROTECTED).length, 1);
    assert.is(toldMtu(b, ip6(1281)), 1280);
    assert.is(b.drops(DROP.DROP_PACKET_TOO_BIG), 1);
  });

  it("the link's MTU is CONFIG's; one that no link has is refused", () => {
    assert.is(toldMtu(bench(build, { mtu: 1400 }), ip4(1500, { df: true })), 1400 - 20 - ESP);
    assert.is(innerMtu(bench(build, { mtu: 9000, outer: 6 })), 9000 - 40 - ESP);
    assert.is(innerMtu(bench(build, { mtu: 576, outer: 6 })), 1280 - 40 - ESP, "IPv6 has 1280");
    for (const value of [0, 575, 9001]) {
      const b = new B.Bench(build, LINK_ATM, [{ type: CONFIG.CONFIG_UNPROTECTED_MTU, value }]);
      assert.is(b.board.state, STATE_REFUSED);
    }
  });

  it("a path MTU is learnt, lowers, lasts ten minutes, and is forgotten with the ends", () => {
    const b = bench(build);
    B.give(b, ip4(100), PORT_UNPROTECTED);
    const learn = (mtu: number, sequence = 1, o = {}): void => {
      b.control(M.MESSAGE_PATH_MTU, pathMtu(mtu, sequence, o));
      b.run();
      assert.equal(b.answers(), [], "nothing answers it");
    };
    learn(1280);
    assert.is(innerMtu(b), 1280 - 20 - ESP);
    assert.is(toldMtu(b, ip4(1300, { df: true })), 1280 - 20 - ESP);
    learn(1400);
    assert.is(innerMtu(b), 1280 - 20 - ESP, "it only lowers");
    learn(68);
    assert.is(innerMtu(b), 576 - 20 - ESP, "not below 576");
    assert.is(toldMtu(b, ip4(1300, { df: true })), 576 - 20 - ESP);
    b.now += TEN_MINUTES - 1n;
    assert.is(toldMtu(b, ip4(1300, { df: true })), 576 - 20 - ESP);
    b.now += 1n;
    assert.is(B.give(b, ip4(1300, { df: true }), PORT_UNPROTECTED).length, 1, "the path may be another one by now");
    assert.is(innerMtu(b), 1500 - 20 - ESP);
    learn(1300, 2);
    assert.is(innerMtu(b), 1300 - 20 - ESP);
    const ends = B.saRecord({ direction: M.DIRECTION_OUTBOUND }).subarray(0, M.SA_ENDS);
    assert.is(b.ask(M.MESSAGE_SA_UPDATE, ends).type, M.MESSAGE_SA_UPDATED);
    assert.is(innerMtu(b), 1500 - 20 - ESP);
    assert.is(b.drops(DROP.DROP_ICMP_QUOTE), 0);
  });

  it("what does not know the SA lowers nothing", () => {
    const b = bench(build);
    for (let i = 0; i < 3; i++) B.give(b, ip4(100), PORT_UNPROTECTED);
    const forged: [string, Buffer][] = [
      ["a number that was not given yet", pathMtu(1280, 4)],
      ["number 0", pathMtu(1280, 0)],
      ["a number long ago", pathMtu(1280, 0xffff0000)],
      ["another peer", pathMtu(1280, 2, { remote: 0xc0000299 })],
      ["the other family", pathMtu(1280, 2, { family: 6 })],
      ["an encapsulation that it has not", pathMtu(1280, 2, { flags: M.SA_FLAG_UDP_ENCAPSULATION })],
      ["another SPI", pathMtu(1280, 2, { spi: 0x12345678 })],
    ];
    for (const [what, message] of forged) {
      const before = b.drops(DROP.DROP_ICMP_QUOTE);
      b.control(M.MESSAGE_PATH_MTU, message);
      b.run();
      assert.is(b.drops(DROP.DROP_ICMP_QUOTE), before + 1, what);
      assert.is(innerMtu(b), 1500 - 20 - ESP, what);
    }
    b.control(M.MESSAGE_PATH_MTU, pathMtu(1280, 2).subarray(0, 70));
    b.run();
    assert.is(b.drops(DROP.DROP_CONTROL_MALFORMED), 1);
    b.control(M.MESSAGE_PATH_MTU, pathMtu(1280, 3));
    b.run();
    assert.is(innerMtu(b), 1280 - 20 - ESP, "and what does, does");
  });

  it("IPv6 outside: not below 1280", () => {
    const b = bench(build, { outer: 6 });
    B.give(b, ip4(100), PORT_UNPROTECTED);
    b.control(M.MESSAGE_PATH_MTU, pathMtu(600, 1, { family: 6 }));
    b.run();
    assert.is(innerMtu(b), 1280 - 40 - ESP);
  });

  for (const [setting, wanted4, wanted6] of [
    [CONFIG.ADJUST_MSS_TO_MTU, 1500 - 20 - ESP - 40, 1500 - 20 - ESP - 60],
    [1300, 1300, 1300],
    [undefined, 1460, 1460],
  ] as const) {
    it(`the MSS of SYNs, both ways, with adjust_mss ${setting ?? "off"}`, () => {
      const items = setting === undefined ? [] : [{ type: CONFIG.CONFIG_ADJUST_MSS, value: setting }];
      for (const inner of [4, 6] as const) {
        const wanted = inner === 4 ? wanted4 : wanted6;
        const b = bench(build, { inner, items });
        const told = (packet: Buffer): Buffer => B.open(B.give(b, packet, PORT_UNPROTECTED)[0]!.subarray(20)).inner;
        let sequence = 0n;
        const came = (packet: Buffer): Buffer =>
          B.give(b, B.sealedPacket(B.esp(packet, ++sequence, { next: inner === 4 ? 4 : 41 })), PORT_PROTECTED)[0]!;
        for (const [way, from, to] of [
          [told, INSIDE, OUTSIDE],
          [came, OUTSIDE, INSIDE],
        ] as const) {
          const segment = (flags: number, options: number[]): Buffer =>
            inner === 4
              ? B.ip(tcp(flags, options, from === INSIDE ? [B.INSIDE, B.OUTSIDE] : [B.OUTSIDE, B.INSIDE]), {
                  protocol: 6,
                  ...(from === INSIDE ? {} : { source: B.OUTSIDE, destination: B.INSIDE }),
                })
              : tcpPacket6(flags, options, from, to);
          const at = inner === 4 ? 20 : 40;
          const same = (packet: Buffer): void => assert.equal(way(packet), packet);
          // SYN and SYN ACK, the option by itself, behind a no-operation, and behind another option.
          for (const flags of [2, 0x12]) {
            for (const options of [[], [1], [1, 1], [3, 3, 7], [4, 2]]) {
              const packet = segment(flags, [...options, 2, 4, 1460 >> 8, 1460 & 255]);
              const out = way(packet);
              const where = at + 20 + options.length + 2;
              assert.is(out.readUInt16BE(where), wanted);
              assert.is(tcpSum(out, inner), 0, "the checksum goes with it");
              assert.is(out.length, packet.length);
            }
          }
          same(segment(2, [2, 4, 2, 24]));
          same(segment(0x10, [2, 4, 1460 >> 8, 1460 & 255]));
          same(segment(2, [0, 2, 4, 1460 >> 8, 1460 & 255]));
          same(segment(2, [2, 3, 5, 180]));
          same(segment(2, [3, 0, 2, 4, 5, 180]));
          same(segment(2, []));
        }
      }
    });
  }

  it.run();
}
