/**
 * AH (RFC 4302) on an IPsec board: every integrity transform, both modes, both IP versions, extended sequence numbers, what may change
 * on the way and what must not, replay. Packets are made and read by test/reference/ah.ts. Frames are accounted for after every
 * poll (Bench).
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import { LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import { AH_TRANSFORMS, ahOctets, icvOf, muted, sealAh, type AhFields, type AhTransform } from "../reference/ah.ts";
import * as B from "./ipsec_bench.ts";

const HERE = Buffer.from(addressOctets("2001:db8::1"));
const THERE = Buffer.from(addressOctets("2001:db8::2"));
const INSIDE = Buffer.from(addressOctets("fd00:a::5"));
const OUTSIDE = Buffer.from(addressOctets("fd00:b::9"));
const SHA256 = AH_TRANSFORMS[1]!;

interface Ip6 {
  next?: number;
  source?: Buffer;
  destination?: Buffer;
}

function ip6(payload: Buffer, o: Ip6 = {}, extra = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x62a12345); // AF11 and ECT(0), a flow label
  header.writeUInt16BE(payload.length + extra, 4);
  header[6] = o.next ?? 17;
  header[7] = 61;
  return Buffer.concat([header, o.source ?? INSIDE, o.destination ?? OUTSIDE, payload]);
}

const network = (address: Buffer): Buffer =>
  B.selector6(
    Buffer.concat([address.subarray(0, 8), Buffer.alloc(8)]),
    Buffer.concat([address.subarray(0, 8), Buffer.alloc(8, 0xff)]),
  );

/** An AH SA whose ends are of `family`, and whose packets inside a tunnel are as well. */
function record(direction: number, family: number, t: AhTransform, o: B.Sa = {}): Buffer {
  const r = B.saRecord({
    ...o,
    direction,
    protocol: 51,
    key: t.keymat,
    encryption: 0,
    keyBits: 0,
    integrity: t.integrity,
  });
  const transport = o.mode === M.MODE_TRANSPORT;
  const head = r.subarray(0, M.SA_SELECTORS);
  if (family === 4) {
    return transport ? Buffer.concat([head, B.selector(B.LOCAL, B.LOCAL), B.selector(B.REMOTE, B.REMOTE)]) : r;
  }
  r[M.SA_FAMILY] = 6;
  HERE.copy(r, M.SA_LOCAL_ADDRESS);
  THERE.copy(r, M.SA_REMOTE_ADDRESS);
  const selectors = transport
    ? [B.selector6(HERE, HERE), B.selector6(THERE, THERE)]
    : [network(INSIDE), network(OUTSIDE)];
  return Buffer.concat([head, ...selectors]);
}

const linkOf = (family: number): number => (family === 4 ? LINK_ETHERNET : LINK_ATM);

function bench(build: "base" | "simd", family: number, t: AhTransform, o: B.Sa = {}, link = linkOf(family)): B.Bench {
  const extra = [{ type: CONFIG.CONFIG_LOCAL_ADDRESS, value: HERE }];
  const b = new B.Bench(build, link, extra);
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    assert.is(b.ask(M.MESSAGE_SA_INSTALL, record(direction, family, t, o)).type, M.MESSAGE_SA_INSTALLED, t.name);
  }
  return b;
}

function one(packets: Buffer[]): Buffer {
  assert.is(packets.length, 1);
  return packets[0]!;
}

/** A peer's AH packet: `options` are IPv4's, or extension headers that name AH. */
function arriving(
  t: AhTransform,
  family: number,
  payload: Buffer,
  o: Partial<AhFields> & { options?: Buffer; first?: number } = {},
): Buffer {
  const octets = o.octets ?? ahOctets(t, family === 6);
  const options = o.options ?? Buffer.alloc(0);
  const fields = { spi: B.IN_SPI, sequence: 1n, nextHeader: 4, ...o };
  if (family === 6) {
    const next = o.first ?? 51;
    const head = ip6(options, { next, source: THERE, destination: HERE }, octets + payload.length);
    return sealAh(t, head, payload, fields);
  }
  const head = Buffer.concat([
    B.ip(Buffer.alloc(octets + payload.length + options.length), {
      protocol: 51,
      source: B.REMOTE,
      destination: B.LOCAL,
      tos: 0x2a,
      df: true,
      ttl: 60,
    }).subarray(0, 20),
    options,
  ]);
  head[0] = 0x40 | (head.length / 4);
  return sealAh(t, checked(head), payload, fields);
}

/** The header's checksum made right. */
function checked(head: Buffer): Buffer {
  const octets = (head[0]! & 15) * 4;
  head.writeUInt16BE(0, 10);
  head.writeUInt16BE(B.checksum(head.subarray(0, octets)), 10);
  return head;
}

/** What the ICV of a packet of the board's should be, is. */
function proved(t: AhTransform, sealed: Buffer, at: number, high?: bigint): void {
  const icv = sealed.subarray(at + 12 + t.ivOctets, at + 12 + t.ivOctets + t.icvOctets);
  assert.equal(icv, icvOf(t, sealed, at, high));
  if (sealed[0]! >> 4 === 4) assert.is(B.checksum(sealed.subarray(0, (sealed[0]! & 15) * 4)), 0);
}

const BODY = B.udp(Buffer.alloc(101, 0x61), 7, 9);

for (const build of ["base", "simd"] as const) {
  const it = suite(`AH, ${build}`);

  for (const t of AH_TRANSFORMS) {
    for (const family of [4, 6]) {
      for (const flags of [0, M.SA_FLAG_ESN]) {
        // Numbers that only differ from others in their high half, where there is one.
        const sequence = flags ? 0x5_0000_0000n : 0n;
        const esn = flags !== 0;
        const high = esn ? 5n : undefined;
        it(`${t.name}, tunnel, IPv${family}${esn ? ", ESN" : ""}`, () => {
          const b = bench(build, family, t, { flags, sequence });
          const packet = family === 4 ? B.ip(BODY, { tos: 0x2a, df: true }) : ip6(BODY);
          const headers = family === 4 ? 20 : 40;
          const octets = ahOctets(t, family === 6);
          const sealed = one(B.give(b, packet, PORT_UNPROTECTED));
          assert.is(sealed[family === 4 ? 9 : 6], 51);
          assert.is(sealed.length, headers + octets + packet.length);
          assert.equal(
            sealed.subarray(headers, headers + 4),
            Buffer.from([family === 4 ? 4 : 41, octets / 4 - 2, 0, 0]),
          );
          assert.is(sealed.readUInt32BE(headers + 4), B.OUT_SPI);
          assert.is(sealed.readUInt32BE(headers + 8), 1);
          assert.equal(sealed.subarray(headers + octets), packet);
          if (family === 4) {
            assert.is(sealed[1], 0x2a, "the TOS is copied");
            assert.is(sealed[8], 64);
            assert.is.not(sealed.readUInt16BE(4), 0, "a raw socket fills in an ID of 0");
          } else assert.is((sealed.readUInt16BE(0) >> 4) & 0xff, 0x2a);
          proved(t, sealed, headers, high);

          const inner =
            family === 4 ? B.arriving(77, { tos: 0x2a }) : ip6(BODY, { source: OUTSIDE, destination: INSIDE });
          const fields = { sequence: sequence + 1n, esn, nextHeader: family === 4 ? 4 : 41 };
          const came = arriving(t, family, inner, fields);
          assert.equal(one(B.give(b, came, PORT_PROTECTED)), inner);
          assert.is(B.give(b, came, PORT_PROTECTED).length, 0);
          assert.is(b.drops(DROP.DROP_REPLAY), 1);
          // Seven octets behind the packet, as a link pads it.
          const padded = arriving(t, family, inner, { ...fields, sequence: sequence + 2n });
          assert.equal(one(B.give(b, Buffer.concat([padded, Buffer.alloc(7, 9)]), PORT_PROTECTED)), inner);
          if (!esn) return;
          const otherHigh = arriving(t, family, inner, { ...fields, sequence: 0x6_0000_0003n });
          assert.is(B.give(b, otherHigh, PORT_PROTECTED).length, 0);
          assert.is(b.drops(DROP.DROP_ICV), 1, "the high half is covered");
        });
      }

      it(`${t.name}, transport, IPv${family}`, () => {
        const b = bench(build, family, t, { mode: M.MODE_TRANSPORT });
        const octets = ahOctets(t, family === 6);
        const hop = Buffer.from([60, 0, 1, 4, 0, 0, 0, 0]);
        const late = Buffer.from([17, 0, 1, 4, 0, 0, 0, 0]);
        const packet =
          family === 4
            ? B.ip(BODY, { source: B.LOCAL, destination: B.REMOTE, tos: 0x28, df: true, ttl: 7 })
            : ip6(Buffer.concat([hop, late, BODY]), { next: 0, source: HERE, destination: THERE });
        const headers = family === 4 ? 20 : 48;
        const sealed = one(B.give(b, packet, PORT_UNPROTECTED));
        assert.is(sealed.length, packet.length + octets);
        assert.is(sealed[headers], family === 4 ? 17 : 60, "destination options are behind AH");
        assert.equal(sealed.subarray(headers + octets), packet.subarray(headers));
        const expected = Buffer.from(packet.subarray(0, headers));
        if (family === 4) {
          expected[9] = 51;
          expected.writeUInt16BE(sealed.length, 2);
          checked(expected);
        } else {
          expected[40] = 51;
          expected.writeUInt16BE(sealed.length - 40, 4);
        }
        assert.equal(sealed.subarray(0, headers), expected, "the packet's own header");
        proved(t, sealed, headers);

        const came = arriving(t, family, BODY, { nextHeader: 17 });
        const clear = one(B.give(b, came, PORT_PROTECTED));
        const front = Buffer.from(came.subarray(0, family === 4 ? 20 : 40));
        front[family === 4 ? 9 : 6] = 17;
        front.writeUInt16BE(BODY.length + (family === 4 ? 20 : 0), family === 4 ? 2 : 4);
        assert.equal(clear, Buffer.concat([family === 4 ? checked(front) : front, BODY]));
      });
    }
  }

  /** The options of appendix A1, one each, and a packet that the way has written on. */
  it("IPv4 options: those that may change do, the others must not; what is not classed is refused", () => {
    const b = bench(build, 4, SHA256, { mode: M.MODE_TRANSPORT });
    let sequence = 0n;
    const seal = (options: number[]): Buffer => {
      const padded = Buffer.alloc(Math.ceil(options.length / 4) * 4);
      Buffer.from(options).copy(padded);
      return arriving(SHA256, 4, BODY, { sequence: ++sequence, nextHeader: 17, options: padded });
    };
    for (const type of [130, 133, 134, 148, 149]) {
      const good = seal([type, 4, 1, 2]);
      const bad = Buffer.from(good);
      bad[22] ^= 1;
      assert.is(B.give(b, checked(bad), PORT_PROTECTED).length, 0, `option ${type} was changed`);
      assert.equal(one(B.give(b, good, PORT_PROTECTED)).subarray(0, 20)[9], 17);
    }
    assert.is(b.drops(DROP.DROP_ICV), 5);
    // A source route at its end: the pointer is behind its one address.
    const route = (type: number): number[] => [type, 7, 8, 192, 0, 2, 9];
    const changing = [68, 7, 82, 136, 11, 12, 145, 10, 205, 142, 15, 144, 147].map((type) => [
      type,
      8,
      1,
      2,
      3,
      4,
      5,
      6,
    ]);
    for (const options of [...changing, route(131), route(137), [1, 1, ...route(131)]]) {
      const good = seal(options);
      const written = Buffer.from(good);
      const at = options[0] === 1 ? 22 : 20;
      written[at + 6] ^= 0xff;
      const clear = one(B.give(b, checked(written), PORT_PROTECTED));
      assert.equal(clear.subarray(20, 28), written.subarray(20, 28), "what the way wrote arrives");
    }
    let refused = 0;
    for (const options of [
      [131, 7, 4, 192, 0, 2, 9],
      [137, 7, 4, 192, 0, 2, 9],
      [131, 2],
      [200, 4, 0, 0],
      [148, 1],
      [148, 9, 0, 0],
      [1, 1, 1, 148],
    ]) {
      assert.is(B.give(b, seal(options), PORT_PROTECTED).length, 0, `${options}`);
      assert.is(b.drops(DROP.DROP_IP_OPTION), ++refused, `${options}`);
    }
    // Outbound the same.
    const out = (options: number[]): Buffer => {
      const body = B.ip(Buffer.concat([Buffer.from(options), BODY]), { source: B.LOCAL, destination: B.REMOTE });
      body[0] = 0x40 | (5 + options.length / 4);
      return checked(body);
    };
    proved(SHA256, one(B.give(b, out([148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]), PORT_UNPROTECTED)), 32);
    assert.is(B.give(b, out([131, 7, 4, 192, 0, 2, 9, 0]), PORT_UNPROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_IP_OPTION), ++refused);
  });

  it("IPv6 options whose type says so may change, the others must not; a route has to be at its end", () => {
    const b = bench(build, 6, SHA256, { mode: M.MODE_TRANSPORT });
    let sequence = 0n;
    const seal = (first: number, ...extensions: number[][]): Buffer =>
      arriving(SHA256, 6, BODY, {
        sequence: ++sequence,
        nextHeader: 17,
        first,
        options: Buffer.concat(extensions.map((octets) => Buffer.from(octets))),
      });
    // Hop-by-hop with an option that may change (type 0x3e), then destination options with one that may not (0x1e).
    const good = seal(0, [60, 0, 0x3e, 4, 1, 2, 3, 4], [51, 0, 0x1e, 4, 1, 2, 3, 4]);
    const written = Buffer.from(good);
    written[44] = 0xff;
    assert.is(one(B.give(b, written, PORT_PROTECTED))[44], 0xff);
    const next = seal(0, [60, 0, 0x3e, 4, 1, 2, 3, 4], [51, 0, 0x1e, 4, 1, 2, 3, 4]);
    next[52] = 0xff;
    assert.is(B.give(b, next, PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_ICV), 1);
    const routing = (left: number): Buffer => seal(43, [51, 2, 0, left, 0, 0, 0, 0, ...Array<number>(16).fill(7)]);
    assert.is(B.give(b, routing(0), PORT_PROTECTED).length, 1);
    assert.is(B.give(b, routing(1), PORT_PROTECTED).length, 0);
    assert.is(
      B.give(b, seal(0, [51, 0, 0x1e, 9, 1, 2, 3, 4]), PORT_PROTECTED).length,
      0,
      "an option beyond its header",
    );
    assert.is(b.drops(DROP.DROP_IPV6_EXTENSION), 2);
  });

  for (const t of [SHA256, AH_TRANSFORMS[6]!]) {
    for (const family of [4, 6]) {
      it(`${t.name}, IPv${family}: a flipped bit in any covered octet is refused, one in a mutable field is not`, () => {
        const b = bench(build, family, t, { window: 4096 });
        const inner =
          family === 4 ? B.arriving(9) : ip6(B.udp(Buffer.alloc(9)), { source: OUTSIDE, destination: INSIDE });
        const fields = (sequence: bigint): Partial<AhFields> => ({ sequence, nextHeader: family === 4 ? 4 : 41 });
        const example = arriving(t, family, inner, fields(1n));
        let sequence = 0n;
        let accepted = 0;
        for (let at = 0; at < example.length; at++) {
          const bit = 1 << (at & 7);
          const packet = arriving(t, family, inner, fields(++sequence));
          packet[at]! ^= bit;
          // The way keeps the checksum right.
          if (family === 4 && at < 20 && ![10, 11].includes(at)) {
            packet.writeUInt16BE(0, 10);
            packet.writeUInt16BE(B.checksum(packet.subarray(0, 20)), 10);
          }
          const before = muted(arriving(t, family, inner, fields(sequence))).octets;
          const same = muted(packet).octets.equals(before);
          const out = B.give(b, packet, PORT_PROTECTED);
          // Of what may change, a wrong checksum is no packet, and a fragment is none that is whole.
          const unsound = family === 4 && (at === 10 || at === 11 || (packet.readUInt16BE(6) & 0x3fff) !== 0);
          const mutable = same && !unsound;
          assert.is(out.length, mutable ? 1 : 0, `octet ${at}`);
          accepted += out.length;
        }
        assert.ok(accepted > 0 && accepted < 9);
      });
    }
  }

  it("replay: a window of numbers, each once, in any order", () => {
    const b = bench(build, 4, SHA256, { window: 64 });
    const send = (sequence: number): number =>
      B.give(b, arriving(SHA256, 4, B.arriving(9), { sequence: BigInt(sequence) }), PORT_PROTECTED).length;
    const seen = new Set<number>();
    let edge = 0;
    let random = 7;
    for (let i = 0; i < 300; i++) {
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      const sequence = Math.max(1, edge - 80 + ((random >> 8) % 100));
      const fresh = sequence > edge - 64 && !seen.has(sequence);
      assert.is(send(sequence), fresh ? 1 : 0, `${sequence} at ${edge}`);
      if (fresh) seen.add(sequence);
      if (fresh && sequence > edge) edge = sequence;
    }
    assert.ok(edge > 100 && b.drops(DROP.DROP_REPLAY) > 50);
  });

  it("headers of the wrong length, packets of others, AH for an ESP SA and ESP for an AH SA", () => {
    const b = bench(build, 4, SHA256);
    const long = arriving(SHA256, 4, B.arriving(9), { octets: 40, sequence: 2n });
    assert.is(B.give(b, long, PORT_PROTECTED).length, 0);
    const beyond = arriving(SHA256, 4, Buffer.alloc(0), { sequence: 2n });
    beyond[21] = 200;
    assert.is(B.give(b, beyond, PORT_PROTECTED).length, 0);
    const cut = checked(B.ip(Buffer.alloc(11), { protocol: 51, source: B.REMOTE, destination: B.LOCAL }));
    assert.is(B.give(b, cut, PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_AH_MALFORMED), 3);
    // Words of 8 octets over IPv4, as some pad.
    assert.is(B.give(b, arriving(SHA256, 4, B.arriving(9), { octets: 32, sequence: 3n }), PORT_PROTECTED).length, 1);
    const fragment = arriving(SHA256, 4, B.arriving(9), { sequence: 4n });
    fragment.writeUInt16BE(0x2000, 6);
    assert.is(B.give(b, checked(fragment), PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_IP_FRAGMENT), 1);
    const esp = B.sealedPacket(B.esp(B.arriving(9), 1n));
    assert.is(B.give(b, esp, PORT_PROTECTED).length, 0);
    const stranger = arriving(SHA256, 4, B.arriving(9), { spi: 0x7fff0001, sequence: 5n });
    assert.is(B.give(b, stranger, PORT_PROTECTED).length, 0);
    assert.is(b.drops(DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD), 2);
    const e = new B.Bench(build, LINK_ATM);
    e.pair();
    assert.is(e.pass(arriving(SHA256, 4, B.arriving(9)), PORT_PROTECTED).length, 0);
    assert.is(e.drops(DROP.DROP_NO_SA_ENTRY_IPSEC_BOARD), 1);
  });

  it("a packet too big is told the MTU; one that is not leaves with 1500 octets", () => {
    const b = bench(build, 4, SHA256);
    const answer = one(B.give(b, B.ip(B.udp(Buffer.alloc(1500 - 28)), { df: true }), PORT_PROTECTED));
    assert.is(b.drops(DROP.DROP_PACKET_TOO_BIG), 1);
    const mtu = answer.readUInt16BE(26);
    assert.is(mtu, 1500 - 20 - 28);
    assert.is(one(B.give(b, B.ip(B.udp(Buffer.alloc(mtu - 28)), { df: true }), PORT_UNPROTECTED)).length, 1500);
  });

  it("SA_UPDATE: the same SA goes to other ends, of IPv6 as well, and its numbers go on; never in UDP", () => {
    const b = bench(build, 4, SHA256, {}, LINK_ATM);
    proved(SHA256, one(B.give(b, B.ip(BODY), PORT_UNPROTECTED)), 20);
    const six = record(M.DIRECTION_OUTBOUND, 6, SHA256).subarray(0, M.SA_ENDS);
    const inUdp = Buffer.from(six);
    inUdp[M.SA_FLAGS] |= M.SA_FLAG_UDP_ENCAPSULATION;
    assert.is(b.ask(M.MESSAGE_SA_UPDATE, inUdp).fields[3], M.REFUSED_MODE);
    assert.is(b.ask(M.MESSAGE_SA_UPDATE, six).type, M.MESSAGE_SA_UPDATED);
    const octets = ahOctets(SHA256, true);
    const largest = B.ip(B.udp(Buffer.alloc(1500 - 40 - octets - 28)), { df: true });
    const sealed = one(B.give(b, largest, PORT_UNPROTECTED));
    assert.is(sealed.length, 1500);
    assert.is(sealed[6], 51);
    assert.equal(sealed.subarray(8, 40), Buffer.concat([HERE, THERE]));
    assert.is(sealed.readUInt32BE(48), 2, "the second number");
    proved(SHA256, sealed, 40);
    const [told] = B.give(b, B.ip(B.udp(Buffer.alloc(1500 - 40 - octets - 27)), { df: true }), PORT_PROTECTED);
    assert.is(told!.readUInt16BE(26), 1500 - 40 - octets, "its sender hears of the room there is");
    assert.is(b.drops(DROP.DROP_PACKET_TOO_BIG), 1);
    assert.is(
      b.ask(M.MESSAGE_SA_UPDATE, record(M.DIRECTION_INBOUND, 6, SHA256).subarray(0, M.SA_ENDS)).type,
      M.MESSAGE_SA_UPDATED,
    );
    const inner = B.arriving(77);
    assert.equal(one(B.give(b, arriving(SHA256, 6, inner), PORT_PROTECTED)), inner);
  });

  it("what cannot be is refused at installation", () => {
    const b = new B.Bench(build, LINK_ETHERNET);
    const refused = (change: (r: Buffer) => void, reason: number, o: B.Sa = {}): void => {
      const r = record(M.DIRECTION_INBOUND, 4, SHA256, o);
      change(r);
      const answer = b.ask(M.MESSAGE_SA_INSTALL, r);
      assert.is(answer.type, M.MESSAGE_SA_REFUSED);
      assert.is(answer.fields[3], reason);
    };
    refused((r) => void r.writeUInt16LE(20, M.SA_ENCRYPTION), M.REFUSED_TRANSFORM);
    refused((r) => void r.writeUInt16LE(0, M.SA_INTEGRITY), M.REFUSED_TRANSFORM);
    refused((r) => void r.writeUInt16LE(99, M.SA_INTEGRITY), M.REFUSED_TRANSFORM);
    refused((r) => void r.writeUInt16LE(31, M.SA_KEYMAT_LENGTH), M.REFUSED_MALFORMED);
    refused(() => undefined, M.REFUSED_MODE, { flags: M.SA_FLAG_UDP_ENCAPSULATION });
    const esp = B.saRecord({ encryption: 0, keyBits: 0, integrity: 12, key: SHA256.keymat });
    assert.is(b.ask(M.MESSAGE_SA_INSTALL, esp).fields[3], M.REFUSED_TRANSFORM, "ESP wants a cipher");
  });

  it.run();
}
