/**
 * The outer headers of a tunnel, told again: DF, DSCP and ECN in both directions for every setting of copy_df, copy_ecn and copy_dscp
 * (SA_FLAGS_TUNNEL), for ESP and AH, and RFC 6040's table of what comes in; all of it for IPv4 and IPv6, inside and outside.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import { LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import * as B from "./ipsec_bench.ts";

const HERE = Buffer.from(addressOctets("2001:db8::1"));
const THERE = Buffer.from(addressOctets("2001:db8::2"));
const INSIDE = Buffer.from(addressOctets("fd00:a::5"));
const OUTSIDE = Buffer.from(addressOctets("fd00:b::9"));
const BODY = B.udp(Buffer.alloc(40, 0x61));
const DF = 0x4000;
/** RFC 6040 figure 4 by inner, then outer ECN (Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3); -1: dropped. */
const RFC6040 = [
  [0, 0, 0, -1],
  [1, 1, 1, 3],
  [2, 1, 2, 3],
  [3, 3, 3, 3],
];

function ip6(payload: Buffer, next: number, source: Buffer, destination: Buffer, trafficClass: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(((6 << 28) | (trafficClass << 20)) >>> 0);
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = 61;
  return Buffer.concat([header, source, destination, payload]);
}

const network = (address: Buffer): Buffer =>
  B.selector6(
    Buffer.concat([address.subarray(0, 8), Buffer.alloc(8)]),
    Buffer.concat([address.subarray(0, 8), Buffer.alloc(8, 0xff)]),
  );

function bench(build: "base" | "simd", outer: number, inner: number, flags: number): B.Bench {
  const b = new B.Bench(build, LINK_ATM, [{ type: CONFIG.CONFIG_LOCAL_ADDRESS, value: HERE }]);
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    let record = B.saRecord({ direction, flags, window: 0 });
    if (outer === 6) {
      record[M.SA_FAMILY] = 6;
      HERE.copy(record, M.SA_LOCAL_ADDRESS);
      THERE.copy(record, M.SA_REMOTE_ADDRESS);
    }
    if (inner === 6) record = Buffer.concat([record.subarray(0, M.SA_SELECTORS), network(INSIDE), network(OUTSIDE)]);
    assert.is(b.ask(M.MESSAGE_SA_INSTALL, record).type, M.MESSAGE_SA_INSTALLED);
  }
  return b;
}

const tosOf = (packet: Buffer): number => (packet[0]! >> 4 === 4 ? packet[1]! : (packet.readUInt16BE(0) >> 4) & 0xff);

const clear = (inner: number, tos: number, df: boolean): Buffer =>
  inner === 4 ? B.ip(BODY, { tos, df }) : ip6(BODY, 17, INSIDE, OUTSIDE, tos);

/** What a peer sealed; `tos` inside, `outerTos` outside. */
function sealed(outer: number, inner: number, tos: number, outerTos: number): Buffer {
  const packet =
    inner === 4 ? B.ip(BODY, { source: B.OUTSIDE, destination: B.INSIDE, tos }) : ip6(BODY, 17, OUTSIDE, INSIDE, tos);
  const payload = B.esp(packet, 1n, { next: inner === 4 ? 4 : 41 });
  return outer === 4 ? B.sealedPacket(payload, { tos: outerTos }) : ip6(payload, 50, THERE, HERE, outerTos);
}

for (const build of ["base", "simd"] as const) {
  const it = suite(`tunnel headers, ${build}`);

  for (const outer of [4, 6]) {
    for (const inner of [4, 6]) {
      it(`IPv${inner} in IPv${outer}: every setting, every codepoint`, () => {
        for (let bits = 0; bits < 16; bits++) {
          const flags = bits << 2;
          const b = bench(build, outer, inner, flags);
          const ecnApart = (flags & M.SA_FLAG_ECN_APART) !== 0;
          for (let ecn = 0; ecn < 4; ecn++) {
            for (const dscp of [0, 0x28, 0xb8]) {
              for (const df of [false, true]) {
                const out = B.give(b, clear(inner, dscp | ecn, df), PORT_UNPROTECTED)[0]!;
                const wanted = ((flags & M.SA_FLAG_DSCP_APART) === 0 ? dscp : 0) | (ecnApart ? 0 : ecn);
                assert.is(tosOf(out), wanted, `flags ${flags}: ${dscp}|${ecn} goes out`);
                if (outer !== 4) continue;
                const kept = inner === 4 && df && (flags & M.SA_FLAG_DF_CLEAR) === 0;
                assert.is(out.readUInt16BE(6), kept ? DF : 0, `flags ${flags}: DF`);
                assert.is(B.checksum(out.subarray(0, 20)), 0);
              }
            }
            for (let outerEcn = 0; outerEcn < 4; outerEcn++) {
              const before = b.drops(DROP.DROP_ECN);
              const [came] = B.give(b, sealed(outer, inner, 0x28 | ecn, 0xb8 | outerEcn), PORT_PROTECTED);
              const marked = ecnApart ? ecn : RFC6040[ecn]![outerEcn]!;
              const what = `flags ${flags}: ${ecn} inside, ${outerEcn} outside`;
              assert.is(came === undefined, marked < 0, what);
              assert.is(b.drops(DROP.DROP_ECN) - before, marked < 0 ? 1 : 0, what);
              if (came === undefined) continue;
              assert.is(tosOf(came), ((flags & M.SA_FLAG_DSCP_INWARD) !== 0 ? 0xb8 : 0x28) | marked, what);
              if (inner === 4) assert.is(B.checksum(came.subarray(0, 20)), 0, "the checksum goes with it");
            }
          }
        }
      });
    }
  }

  it("AH takes the same headers, and what is copied in is proved or not covered", () => {
    const key = Buffer.alloc(32, 0x5a);
    const ah = { protocol: 51, encryption: 0, keyBits: 0, integrity: 12, key };
    const b = new B.Bench(build, LINK_ATM);
    const install = (flags: number): number =>
      b.ask(M.MESSAGE_SA_INSTALL, B.saRecord({ ...ah, flags, direction: M.DIRECTION_OUTBOUND })).type;
    for (const [flags, tos, df] of [
      [0, 0xba, DF],
      [M.SA_FLAG_DF_CLEAR, 0xba, 0],
      [M.SA_FLAG_ECN_APART | M.SA_FLAG_DF_CLEAR, 0xb8, 0],
      [M.SA_FLAGS_TUNNEL, 0, 0],
    ] as const) {
      assert.is(install(flags), M.MESSAGE_SA_INSTALLED);
      const [out] = B.give(b, clear(4, 0xba, true), PORT_UNPROTECTED);
      assert.equal([out![1], out!.readUInt16BE(6), out![9]], [tos, df, 51]);
    }
  });

  it("flags that there are not are refused", () => {
    const b = new B.Bench(build, LINK_ATM);
    for (const flags of [64, 128]) {
      const answer = b.install({ flags });
      assert.equal([answer.type, answer.fields[3]], [M.MESSAGE_SA_REFUSED, M.REFUSED_MALFORMED]);
    }
  });

  it("moving the ends of an SA leaves its settings", () => {
    const b = bench(build, 4, 4, M.SA_FLAG_DF_CLEAR | M.SA_FLAG_DSCP_APART);
    const ends = B.saRecord({ direction: M.DIRECTION_OUTBOUND, flags: M.SA_FLAG_UDP_ENCAPSULATION });
    assert.is(b.ask(M.MESSAGE_SA_UPDATE, ends.subarray(0, M.SA_ENDS)).type, M.MESSAGE_SA_UPDATED);
    const [out] = B.give(b, clear(4, 0xba, true), PORT_UNPROTECTED);
    assert.equal([out![1], out!.readUInt16BE(6), out![9]], [2, 0, 17]);
  });

  it.run();
}
