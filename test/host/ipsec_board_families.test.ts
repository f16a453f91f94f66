/**
 * Both IP versions on an IPsec board: inside and outside of tunnels in all four combinations, and transport mode; every header that
 * the board makes is told again here. Frames are accounted for after every poll (Bench).
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as DROP from "../../assembly/abi/drop.ts";
import { LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import * as B from "./ipsec_bench.ts";

const HERE = Buffer.from(addressOctets("2001:db8::1"));
const THERE = Buffer.from(addressOctets("2001:db8::2"));
const INSIDE = Buffer.from(addressOctets("fd00:a::5"));
const OUTSIDE = Buffer.from(addressOctets("fd00:b::9"));

interface Ip6 {
  next?: number;
  source?: Buffer;
  destination?: Buffer;
  trafficClass?: number;
  label?: number;
}

function ip6(payload: Buffer, o: Ip6 = {}): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(((6 << 28) | ((o.trafficClass ?? 0) << 20) | (o.label ?? 0)) >>> 0);
  header.writeUInt16BE(payload.length, 4);
  header[6] = o.next ?? 17;
  header[7] = 61;
  return Buffer.concat([header, o.source ?? INSIDE, o.destination ?? OUTSIDE, payload]);
}

const network = (address: Buffer): Buffer => Buffer.concat([address.subarray(0, 8), Buffer.alloc(8, 0xff)]);

/** An SA whose ends are of family `outer` and whose selectors are of family `inner`. */
function record(direction: number, outer: number, inner: number, o: B.Sa = {}): Buffer {
  const r = B.saRecord({ ...o, direction });
  r[M.SA_FAMILY] = outer;
  if (outer === 6) {
    HERE.copy(r, M.SA_LOCAL_ADDRESS);
    THERE.copy(r, M.SA_REMOTE_ADDRESS);
  }
  const ends = (own: Buffer): Buffer =>
    o.mode === M.MODE_TRANSPORT ? B.selector6(own, own) : B.selector6(own.subarray(0, 16), network(own));
  const transport = o.mode === M.MODE_TRANSPORT;
  if (inner === 4) {
    if (!transport) return r;
    const selectors = [B.selector(B.LOCAL, B.LOCAL), B.selector(B.REMOTE, B.REMOTE)];
    return Buffer.concat([r.subarray(0, M.SA_SELECTORS), ...selectors]);
  }
  const own = transport
    ? [HERE, THERE]
    : [INSIDE, OUTSIDE].map((a) => Buffer.concat([a.subarray(0, 8), Buffer.alloc(8)]));
  return Buffer.concat([r.subarray(0, M.SA_SELECTORS), ...own.map(ends)]);
}

function bench(build: "base" | "simd", outer: number, inner: number, o: B.Sa = {}): B.Bench {
  const b = new B.Bench(build, LINK_ATM, [{ type: CONFIG.CONFIG_LOCAL_ADDRESS, value: HERE }]);
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    assert.is(b.ask(M.MESSAGE_SA_INSTALL, record(direction, outer, inner, o)).type, M.MESSAGE_SA_INSTALLED);
  }
  return b;
}

function one(packets: Buffer[]): Buffer {
  assert.is(packets.length, 1);
  return packets[0]!;
}

/** The UDP or ICMPv6 checksum over its pseudo header is right when this is 0. */
function sum6(packet: Buffer, next: number, payload = packet.subarray(40)): number {
  const pseudo = Buffer.concat([packet.subarray(8, 40), B.be(payload.length, 4), B.be(next, 4)]);
  return B.checksum(Buffer.concat([pseudo, payload]));
}

for (const build of ["base", "simd"] as const) {
  const it = suite(`both IP versions, ${build}`);

  for (const outer of [4, 6]) {
    for (const inner of [4, 6]) {
      for (const flags of [0, M.SA_FLAG_UDP_ENCAPSULATION]) {
        const what = `IPv${inner} in IPv${outer}${flags ? " in UDP" : ""}`;
        it(`tunnel, ${what}`, () => {
          const b = bench(build, outer, inner, { flags });
          const body = B.udp(Buffer.alloc(301, 0x61));
          // AF11 and ECT(0).
          const packet =
            inner === 4 ? B.ip(body, { tos: 0x2a, df: true }) : ip6(body, { trafficClass: 0x2a, label: 0x12345 });
          const sealed = one(B.give(b, packet, PORT_UNPROTECTED));
          const header = outer === 4 ? 20 : 40;
          if (outer === 4) {
            assert.is(B.checksum(sealed.subarray(0, 20)), 0);
            assert.is(sealed[1], 0x2a);
            assert.is(sealed.readUInt16BE(6), inner === 4 ? 0x4000 : 0, "DF is IPv4's");
            assert.is(sealed[9], flags ? 17 : 50);
            assert.is(sealed.readUInt16BE(2), sealed.length);
          } else {
            assert.is((sealed.readUInt16BE(0) >> 4) & 0xff, 0x2a);
            assert.is.not(sealed.readUInt32BE(0) & 0xfffff, 0x12345, "the flow label inside stays inside");
            assert.is(sealed[6], flags ? 17 : 50);
            assert.is(sealed.readUInt16BE(4), sealed.length - 40);
            assert.equal(sealed.subarray(8, 40), Buffer.concat([HERE, THERE]));
            if (flags) assert.is(sum6(sealed, 17), 0, "UDP over IPv6 has a checksum");
          }
          const opened = B.open(sealed.subarray(header + (flags ? 8 : 0)));
          assert.equal(opened.inner, packet);
          assert.is(opened.next, inner === 4 ? 4 : 41);

          // The other way, with congestion met outside.
          const swapped =
            inner === 4
              ? B.ip(body, { source: B.OUTSIDE, destination: B.INSIDE, tos: 0x2a })
              : ip6(body, { source: OUTSIDE, destination: INSIDE, trafficClass: 0x2a });
          const esp = B.esp(swapped, 1n, { next: inner === 4 ? 4 : 41 });
          const payload = flags ? B.udp(esp, 4500, 4500) : esp;
          const next = flags ? 17 : 50;
          const arriving = (tos: number): Buffer =>
            outer === 4
              ? B.sealedPacket(payload, { protocol: next, tos })
              : ip6(payload, { next, source: THERE, destination: HERE, trafficClass: tos });
          const clear = one(B.give(b, arriving(3), PORT_PROTECTED));
          assert.is(inner === 4 ? clear[1] : (clear.readUInt16BE(0) >> 4) & 0xff, 0x2b, "CE goes in (RFC 6040)");
          assert.equal(clear.subarray(inner === 4 ? 20 : 40), body);
          assert.is(B.give(b, arriving(0), PORT_PROTECTED).length, 0);
          assert.is(b.drops(DROP.DROP_REPLAY), 1);
        });
      }
    }
  }

  it("an SA takes packets that come by either family, and inside what its next header says", () => {
    const b = bench(build, 6, 6);
    const esp = B.esp(ip6(B.udp(Buffer.alloc(9)), { source: OUTSIDE, destination: INSIDE }), 1n, { next: 41 });
    // RFC 4301 4.1: the SPI names it; a peer may move to the other family (RFC 4555).
    assert.is(B.give(b, B.sealedPacket(esp), PORT_PROTECTED).length, 1);
    const wrong = B.esp(B.arriving(9), 2n, { next: 41 });
    assert.is(B.give(b, ip6(wrong, { next: 50, source: THERE, destination: HERE }), PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_ESP_NEXT_HEADER), 1, "IPv4 that says it is IPv6");
    const outside = B.esp(ip6(B.udp(Buffer.alloc(9)), { source: THERE, destination: INSIDE }), 3n, { next: 41 });
    assert.is(B.give(b, ip6(outside, { next: 50, source: THERE, destination: HERE }), PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_SELECTOR_MISMATCH), 1);
    const cut = ip6(Buffer.alloc(3), { next: 0 });
    assert.is(B.give(b, cut, PORT_UNPROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_IPV6_EXTENSION), 1);
  });

  it("a packet too big for the tunnel: ICMPv6 tells its source the inner MTU", () => {
    const b = bench(build, 4, 6);
    const packet = ip6(B.udp(Buffer.alloc(1432)));
    const answer = one(B.give(b, packet, PORT_PROTECTED));
    assert.is(b.drops(DROP.DROP_PACKET_TOO_BIG), 1);
    assert.is(answer[6], 58);
    assert.equal(answer.subarray(24, 40), INSIDE);
    assert.is(answer[40], 2, "packet too big");
    assert.is(sum6(answer, 58), 0);
    const mtu = answer.readUInt32BE(44);
    // 1500 less IPv4, ESP, IV and ICV, in blocks of 4, less the trailer.
    assert.is(mtu, 1500 - 20 - 8 - 8 - 16 - 2);
    assert.is(answer.length <= 1280, true);
    assert.is(one(B.give(b, ip6(B.udp(Buffer.alloc(mtu - 48))), PORT_UNPROTECTED)).length, 1500);
  });

  for (const family of [4, 6]) {
    for (const flags of [0, M.SA_FLAG_UDP_ENCAPSULATION]) {
      it(`transport mode, IPv${family}${flags ? " in UDP" : ""}`, () => {
        const b = bench(build, family, family, { mode: M.MODE_TRANSPORT, flags });
        const body = B.udp(Buffer.alloc(101, 0x62), 7, 9);
        // Hop-by-hop options go in front of ESP, destination options behind it (RFC 4303 3.1.1).
        const hop = Buffer.from([60, 0, 1, 4, 0, 0, 0, 0]);
        const options = Buffer.from([17, 0, 1, 4, 0, 0, 0, 0]);
        const packet =
          family === 4
            ? B.ip(body, { source: B.LOCAL, destination: B.REMOTE, tos: 0x28, df: true })
            : ip6(Buffer.concat([hop, options, body]), { next: 0, source: HERE, destination: THERE });
        const front = family === 4 ? 20 : 48;
        const sealed = one(B.give(b, packet, PORT_UNPROTECTED));
        assert.equal(sealed.subarray(12, 20), packet.subarray(12, 20));
        if (family === 4) {
          assert.is(B.checksum(sealed.subarray(0, 20)), 0);
          assert.is(sealed.readUInt16BE(2), sealed.length);
          assert.is(sealed[9], flags ? 17 : 50);
        } else {
          assert.is(sealed.readUInt16BE(4), sealed.length - 40);
          assert.is(sealed[40], flags ? 17 : 50);
          if (flags) assert.is(sum6(sealed, 17, sealed.subarray(48)), 0);
        }
        const opened = B.open(sealed.subarray(front + (flags ? 8 : 0)));
        assert.is(opened.next, family === 4 ? 17 : 60);
        assert.equal(opened.inner, packet.subarray(front));

        // The other way; the checksum inside was made over addresses that a NAT has changed (RFC 3948 3.1.2).
        const wrong = Buffer.from(body);
        wrong.writeUInt16BE(0x1234, 6);
        const esp = B.esp(wrong, 1n, { next: 17 });
        const payload = flags ? B.udp(esp, 4500, 4500) : esp;
        const next = flags ? 17 : 50;
        const clear = one(
          B.give(
            b,
            family === 4
              ? B.sealedPacket(payload, { protocol: next })
              : ip6(payload, { next, source: THERE, destination: HERE }),
            PORT_PROTECTED,
          ),
        );
        const header = family === 4 ? 20 : 40;
        assert.is(clear.length, header + body.length);
        assert.is(clear[family === 4 ? 9 : 6], 17);
        if (family === 4) assert.is(B.checksum(clear.subarray(0, 20)), 0);
        if (!flags) {
          assert.equal(clear.subarray(header), wrong, "without UDP encapsulation the payload stays as it is");
        } else if (family === 6) {
          assert.is(sum6(clear, 17), 0);
        } else {
          const pseudo = Buffer.concat([clear.subarray(12, 20), B.be(17, 2), B.be(body.length, 2)]);
          assert.is(B.checksum(Buffer.concat([pseudo, clear.subarray(20)])), 0);
        }
      });
    }
  }

  it("transport mode: no fragments, no packets of others, no selectors of others", () => {
    const b = bench(build, 4, 4, { mode: M.MODE_TRANSPORT });
    const fragment = B.ip(B.udp(Buffer.alloc(9)), { source: B.LOCAL, destination: B.REMOTE, fragment: 0x2000 });
    assert.is(B.give(b, fragment, PORT_UNPROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_IP_FRAGMENT), 1);
    const other = record(M.DIRECTION_INBOUND, 4, 6, { mode: M.MODE_TRANSPORT, spi: 0x90020002, link: 2 });
    const refused = b.ask(M.MESSAGE_SA_INSTALL, other);
    assert.is(refused.type, M.MESSAGE_SA_REFUSED);
    assert.is(refused.fields[3], M.REFUSED_MODE);
  });

  it.run();
}
