/**
 * What an IPsec board says of a packet is what then happens to it: the drop counter that rises, the port and size it leaves with, the SA
 * whose counters move, the number that it gets; and saying so changes nothing. Random SAs of both protocols and modes, all suites,
 * both IP versions; random packets, good, old, damaged and senseless. Each board's own packets come back to it as a peer's.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REG_CONSUMED, REG_ORIGINATED } from "../../assembly/abi/board.ts";
import { CONFIG_LOCAL_ADDRESS, CONFIG_SA_CAPACITY } from "../../assembly/abi/config.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, LINK_ATM, LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { EXPLAIN_PACKET, MANAGEMENT_EXPLAIN } from "../../assembly/abi/explain.ts";
import { MANAGEMENT_LIST_SAS, RESULT_MALFORMED, RESULT_OK } from "../../assembly/abi/management.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_CHANNEL, PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets, type ConfigItem } from "../../host/chassis/config.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { DROP_NAMES } from "../../host/chassis/vocabulary.ts";
import type { Explanation } from "../../host/operator/explanation.ts";
import { decodeMessage, encodeMessage, type ManagementMessage, type SaStatus } from "../../host/operator/management.ts";
import { AH_TRANSFORMS } from "../reference/ah.ts";
import { keymatOctets, TWIN_SUITES } from "../reference/cipher_suite.ts";
import { be, Bench, checksum, ip, LOCAL, REMOTE, saRecord, selector, selector6, udp } from "./ipsec_bench.ts";

const HERE = Buffer.from(addressOctets("2001:db8::1"));
const THERE = Buffer.from(addressOctets("2001:db8::2"));

type Random = SeededRandom;
const oneOf = <T>(random: Random, values: readonly T[]): T => values[random.below(values.length)]!;
const chance = (random: Random, probability: number): boolean => random.next() < probability;
const octets = (random: Random, count: number): Buffer =>
  Buffer.from(Array.from({ length: count }, () => random.below(256)));

/** One CHILD_SA of the board with itself: what it seals goes to its own address, where its inbound SA opens it. */
interface Loop {
  number: number;
  transport: boolean;
  six: boolean;
  spi: number;
}

/** IPv6 selectors of a /64 whose fourth octet is `net`. */
const net6 = (net: number): [Buffer, Buffer] => {
  const start = Buffer.from(addressOctets(`fd00:${net}::`));
  const end = Buffer.from(start);
  end.fill(255, 8);
  return [start, end];
};

function records(random: Random, number: number): { loop: Loop; messages: Buffer[] } {
  const ah = chance(random, 0.3);
  const transport = chance(random, 0.3);
  const six = chance(random, 0.4);
  const chosen = ah ? undefined : oneOf(random, TWIN_SUITES);
  const ahTransform = ah ? oneOf(random, AH_TRANSFORMS) : undefined;
  const encapsulated = !ah && chance(random, 0.3);
  const flags = (chance(random, 0.4) ? M.SA_FLAG_ESN : 0) | (encapsulated ? M.SA_FLAG_UDP_ENCAPSULATION : 0);
  const key = chosen ? octets(random, keymatOctets(chosen)) : ahTransform!.keymat;
  const spi = 0x50000000 + number;
  const start = BigInt(oneOf(random, [0, 0, 5, 1000]));
  const limited = chance(random, 0.3);
  const leased = chance(random, 0.2);
  const make = (direction: number): Buffer => {
    const outbound = direction === M.DIRECTION_OUTBOUND;
    const r = saRecord({
      direction,
      spi,
      link: number,
      protocol: ah ? 51 : 50,
      mode: transport ? M.MODE_TRANSPORT : M.MODE_TUNNEL,
      flags,
      key,
      encryption: chosen?.encryption ?? 0,
      keyBits: chosen?.keyBits ?? 0,
      integrity: chosen?.integrity ?? ahTransform!.integrity,
      window: oneOf(random, [0, 32, 64, 1000]),
      sequence: start,
      ...(limited ? { hardPackets: 12n } : {}),
      ...(leased ? { lease: start + 9n } : {}),
    }).subarray(0, M.SA_SELECTORS);
    // Outbound, this end is the peer.
    const [here, there] = outbound ? [REMOTE, LOCAL] : [LOCAL, REMOTE];
    r.fill(0, M.SA_LOCAL_ADDRESS, M.SA_ENDS);
    if (six) {
      r[M.SA_FAMILY] = 6;
      (outbound ? THERE : HERE).copy(r, M.SA_LOCAL_ADDRESS);
      (outbound ? HERE : THERE).copy(r, M.SA_REMOTE_ADDRESS);
    } else {
      r.writeUInt32BE(here, M.SA_LOCAL_ADDRESS);
      r.writeUInt32BE(there, M.SA_REMOTE_ADDRESS);
    }
    const [near, far] = outbound ? [1, 2] : [2, 1];
    if (transport) {
      const ends = six
        ? [
            selector6(outbound ? THERE : HERE, outbound ? THERE : HERE),
            selector6(outbound ? HERE : THERE, outbound ? HERE : THERE),
          ]
        : [selector(here, here), selector(there, there)];
      // Ports tell several CHILD_SAs between the same ends apart; inbound they are the other way about.
      const remote = ends[outbound ? 1 : 0]!;
      remote[M.SELECTOR_PROTOCOL] = 17;
      remote.writeUInt16LE(7000 + number, M.SELECTOR_START_PORT);
      remote.writeUInt16LE(7000 + number, M.SELECTOR_END_PORT);
      ends[outbound ? 0 : 1]![M.SELECTOR_PROTOCOL] = 17;
      return Buffer.concat([r, ...ends]);
    }
    r[M.SA_LOCAL_TS_COUNT] = 2;
    r[M.SA_REMOTE_TS_COUNT] = 2;
    const net = (side: number): number => 0x0a000000 + (side << 16) + (number << 8);
    return Buffer.concat([
      r,
      selector(net(near), net(near) + 255),
      selector6(...net6(number * 16 + near)),
      selector(net(far), net(far) + 255),
      selector6(...net6(number * 16 + far)),
    ]);
  };
  return { loop: { number, transport, six, spi }, messages: [make(M.DIRECTION_INBOUND), make(M.DIRECTION_OUTBOUND)] };
}

/** An IPv6 packet; `tclass` in its header. */
function ip6(payload: Buffer, source: Buffer, destination: Buffer, next = 17, tclass = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(((6 << 28) | (tclass << 20)) >>> 0);
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = 61;
  return Buffer.concat([header, source, destination, payload]);
}

/** A clear packet that the loop's outbound SA covers, mostly. */
function clearPacket(random: Random, loop: Loop): Buffer {
  const size = oneOf(random, [0, 20, 100, 700, 1370, 1400, 1420, 1440, 1460, 1500, 3000]) + random.below(12);
  const other = chance(random, 0.1) ? 1 : 0;
  const port = loop.transport ? 7000 + loop.number + other * 500 : 53;
  const payload = udp(octets(random, size), 4000, port);
  const tos = random.below(256);
  if (loop.transport) {
    const swapped = chance(random, 0.1);
    if (loop.six) return ip6(payload, swapped ? HERE : THERE, swapped ? THERE : HERE, 17, tos);
    return ip(payload, {
      source: swapped ? LOCAL : REMOTE,
      destination: swapped ? REMOTE : LOCAL,
      tos,
      df: chance(random, 0.5),
      ...(chance(random, 0.1) ? { fragment: 0x2000 } : {}),
    });
  }
  if (chance(random, 0.4)) {
    const [from] = net6(loop.number * 16 + 1);
    const [to] = net6(loop.number * 16 + 2 + other);
    from[15] = random.below(256);
    to[15] = random.below(256);
    if (chance(random, 0.15)) {
      // A hop-by-hop header in front, whole or cut off.
      const extension = Buffer.from([17, chance(random, 0.5) ? 0 : 200, 1, 4, 0, 0, 0, 0]);
      return ip6(Buffer.concat([extension, payload]), from, to, 0, tos);
    }
    return ip6(payload, from, to, 17, tos);
  }
  return ip(payload, {
    source: 0x0a010000 + (loop.number << 8) + random.below(256),
    destination: 0x0a020000 + (loop.number << 8) + (other << 12) + random.below(256),
    tos,
    df: chance(random, 0.5),
    ...(chance(random, 0.05) ? { fragment: 0x2000 } : {}),
  });
}

/** What happened to a sealed packet on its way: nothing, mostly. */
function mutated(random: Random, packet: Buffer): Buffer {
  const copy = Buffer.from(packet);
  const mend = (): void => {
    if (copy[0]! >> 4 !== 4) return;
    copy.writeUInt16BE(0, 10);
    copy.writeUInt16BE(checksum(copy.subarray(0, (copy[0]! & 15) * 4)), 10);
  };
  switch (random.below(12)) {
    case 0:
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy;
    case 1: {
      // Cut, and its header says so.
      const kept = Math.min(copy.length, 20 + random.below(copy.length));
      const cut = copy.subarray(0, kept);
      if (cut[0]! >> 4 === 4) cut.writeUInt16BE(kept, 2);
      else if (kept >= 40) cut.writeUInt16BE(kept - 40, 4);
      mend();
      return Buffer.from(cut);
    }
    case 2:
      copy[1]! ^= copy[0]! >> 4 === 4 ? 3 : 0x30;
      mend();
      return copy;
    case 3: {
      const headers = copy[0]! >> 4 === 4 ? 20 : 40;
      copy[headers + random.below(Math.min(24, copy.length - headers))]! ^= 1 << random.below(8);
      return copy;
    }
    case 4: {
      // From elsewhere; or to another of our addresses.
      const at = copy[0]! >> 4 === 4 ? oneOf(random, [15, 19]) : oneOf(random, [23, 39]);
      copy[at]! ^= 3;
      mend();
      return copy;
    }
    default:
      return copy;
  }
}

class World {
  readonly bench: Bench;
  readonly loops: Loop[] = [];
  /** Sealed packets that the board made, to come back, once or more often. */
  readonly sealed: Buffer[] = [];

  constructor(
    readonly random: Random,
    link: number,
  ) {
    const extra: ConfigItem[] = [
      { type: CONFIG_LOCAL_ADDRESS, value: HERE },
      { type: CONFIG_SA_CAPACITY, value: 32 },
    ];
    this.bench = new Bench("simd", link, extra);
    for (let number = 1; number <= 6; number++) {
      const { loop, messages } = records(random, number);
      for (const message of messages) {
        const { type, fields } = this.bench.ask(M.MESSAGE_SA_INSTALL, message);
        assert.is(type, M.MESSAGE_SA_INSTALLED, fields.join(" "));
      }
      this.loops.push(loop);
    }
  }

  manage(type: number, items: ConfigItem[] = []): ManagementMessage[] {
    this.bench.deliver(PORT_MANAGEMENT, encodeMessage(type, 9, items));
    this.bench.run();
    return this.bench.take(PORT_MANAGEMENT).map(decodeMessage);
  }

  explain(packet: Buffer): Explanation {
    const [answer, reply, ...rest] = this.manage(MANAGEMENT_EXPLAIN, [{ type: EXPLAIN_PACKET, value: packet }]);
    assert.equal(rest, []);
    assert.equal(reply, { transaction: 9, kind: "reply", result: RESULT_OK });
    if (answer?.kind !== "explanation") throw new Error(answer?.kind);
    return answer.explanation;
  }

  sas(): SaStatus[] {
    return this.manage(MANAGEMENT_LIST_SAS).flatMap((message) => (message.kind === "sa" ? [message.sa] : []));
  }

  drops(): bigint[] {
    const counters = Buffer.from(this.bench.board.drops);
    return DROP_NAMES.map((_, i) => counters.readBigUInt64LE(i * 8));
  }

  register(at: number): bigint {
    return Buffer.from(this.bench.board.map).readBigUInt64LE(at);
  }

  /** The packet comes in a capsule from the IKE board. */
  arrives(packet: Buffer): void {
    const six = packet[0]! >> 4 === 6;
    const atm = this.bench.link === LINK_ATM;
    const { frame, link } = this.bench.capsule(six && atm ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, packet);
    if (six && !atm) {
      const outer = frame.subarray(14, 34);
      outer[9] = 41;
      outer.writeUInt16BE(0, 10);
      outer.writeUInt16BE(checksum(outer), 10);
    }
    this.bench.deliver(PORT_CHANNEL, frame, link);
  }

  packet(): Buffer {
    const { random } = this;
    const loop = oneOf(random, this.loops);
    const kind = random.next();
    if (kind < 0.5) return clearPacket(random, loop);
    if (kind < 0.9 && this.sealed.length > 0) return mutated(random, oneOf(random, this.sealed));
    if (kind < 0.93) return ip(udp(Buffer.from([0xff]), 4500, 4500), { source: REMOTE, destination: LOCAL });
    if (kind < 0.96)
      return ip(octets(random, random.below(60)), {
        protocol: oneOf(random, [1, 50, 51, 17]),
        source: REMOTE,
        destination: LOCAL,
      });
    const garbage = octets(random, 20 + random.below(100));
    garbage[0] = oneOf(random, [0x45, 0x46, 0x60, 0x4f]);
    return garbage;
  }
}

const tests = suite("explain on an IPsec board");

for (const [seed, link] of [
  [1, LINK_ETHERNET],
  [2, LINK_ATM],
  [3, LINK_ETHERNET],
  [4, LINK_ATM],
  [5, LINK_ETHERNET],
  [6, LINK_ATM],
] as const) {
  tests(`what it says comes true, seed ${seed}`, () => {
    const random = new SeededRandom(seed);
    const world = new World(random, link);
    const { bench } = world;
    const seen = new Map<string, number>();
    for (let i = 0; i < 700; i++) {
      const packet = world.packet();
      const text = `seed ${seed}, packet ${i}: ${packet.toString("hex").slice(0, 160)}`;
      const sas = world.sas();
      const drops = world.drops();
      const said = world.explain(packet);
      const where = `${text}: ${JSON.stringify(said, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value))}`;

      // Saying so has changed nothing, and told nobody.
      assert.equal(world.sas(), sas, where);
      assert.equal(world.drops(), drops, where);
      for (const port of [PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED]) assert.equal(bench.take(port), [], where);
      assert.equal(world.explain(packet), said, `twice: ${where}`);

      const consumed = world.register(REG_CONSUMED);
      const originated = world.register(REG_ORIGINATED);
      world.arrives(packet);
      bench.run();
      const risen = world.drops().flatMap((count, reason) => (count === drops[reason] ? [] : [DROP_NAMES[reason]!]));
      const out = { protected: bench.take(PORT_PROTECTED), unprotected: bench.take(PORT_UNPROTECTED) };
      // Reports of lives that end and of sources that moved.
      bench.take(PORT_CHANNEL);
      const key = said.verdict === "drop" ? said.reason! : `${said.verdict} ${said.side ?? ""}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);

      if (said.verdict === "drop") {
        assert.equal(risen, [said.reason], where);
        // But for the ICMP message of the board's own about a packet too big.
        const answers = out.protected.length + out.unprotected.length;
        assert.ok(
          answers === 0 || (said.reason === "packet_too_big" && world.register(REG_ORIGINATED) > originated),
          where,
        );
      } else if (said.verdict === "in-fragments") {
        // Each takes a number of its own, and the last one may be among the first of them.
        const over = ["lease_wait", "sa_expired", "sequence_cycled"];
        assert.ok(
          risen.every((reason) => over.includes(reason)),
          where,
        );
        assert.ok(out.unprotected.length > 1 || risen.length > 0, where);
        assert.is(out.protected.length, 0, where);
        continue;
      } else {
        assert.equal(risen, [], where);
      }
      if (said.verdict === "sent") {
        const side = said.side!;
        assert.is(out[side].length, 1, where);
        assert.is(out[side === "protected" ? "unprotected" : "protected"].length, 0, where);
        assert.is(out[side][0]!.length, said.octetsOut, where);
        if (side === "unprotected") world.sealed.push(out[side][0]!);
        if (world.sealed.length > 40) world.sealed.shift();
      }
      assert.is(world.register(REG_CONSUMED) - consumed, said.verdict === "consumed" ? 1n : 0n, where);

      // The SA whose counters move, and the number that was used.
      const after = world.sas();
      const moved = after.filter(
        (sa, n) => sa.packets !== sas[n]!.packets || JSON.stringify(sa.drops) !== JSON.stringify(sas[n]!.drops),
      );
      if (said.direction === undefined) {
        assert.equal(moved, [], where);
        continue;
      }
      assert.equal(
        moved.map(({ spi, direction, link: number }) => ({ spi, direction, link: number })),
        [{ spi: said.spi, direction: said.direction, link: said.link }],
        where,
      );
      const before = sas[after.indexOf(moved[0]!)]!;
      assert.is(said.edge, before.sequence, where);
      if (said.verdict === "drop")
        assert.is((moved[0]!.drops[said.reason!] ?? 0) - (before.drops[said.reason!] ?? 0), 1, where);
      if (said.verdict === "sent" && said.direction === "out") assert.is(moved[0]!.sequence, said.sequence, where);
      if (said.verdict === "sent" && said.direction === "in") {
        assert.is(moved[0]!.sequence, said.sequence! > before.sequence ? said.sequence : before.sequence, where);
      }
    }
    for (const verdict of [
      "sent protected",
      "sent unprotected",
      "replay",
      "packet_too_big",
      "no_sa_entry_ipsec_board",
    ]) {
      assert.ok((seen.get(verdict) ?? 0) > 0, `${verdict} was met: ${[...seen].join(" ")}`);
    }
  });
}

tests("a command that does not add up is refused, and the board lives", () => {
  const world = new World(new SeededRandom(9), LINK_ETHERNET);
  const refused = [{ transaction: 9, kind: "reply", result: RESULT_MALFORMED }];
  assert.equal(world.manage(MANAGEMENT_EXPLAIN), refused);
  assert.equal(world.manage(MANAGEMENT_EXPLAIN, [{ type: EXPLAIN_PACKET, value: Buffer.alloc(9300, 0x45) }]), refused);
  assert.is(world.explain(Buffer.alloc(0)).reason, "ip_malformed");
  assert.is(world.explain(be(0x60000000, 4)).reason, "ip_malformed");
});

tests.run();
