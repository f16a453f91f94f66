/**
 * What holds for any traffic between two IPsec boards: what is opened equals what was sealed, nothing is taken twice whatever the order in
 * which it comes, and nothing that was changed is taken. Every suite of ESP and every transform of AH, either mode, both IP versions.
 *
 * Traffic follows from a seed, CARDCAGE_SEED when given; it stands in the name of every test.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as DROP from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import type { Build } from "../../host/chassis/image.ts";
import { AH_TRANSFORMS } from "../reference/ah.ts";
import { keymatOctets, TWIN_SUITES } from "../reference/cipher_suite.ts";
import type { Bench } from "./ipsec_bench.ts";
import * as S from "./sa_pair.ts";

const SEED = Number(process.env.CARDCAGE_SEED ?? 20030628);

function octetsOf(random: SeededRandom, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random.below(256)));
}

/** Every transform with keys of its own. */
function transforms(random: SeededRandom): S.Transform[] {
  const esp = TWIN_SUITES.map((suite) => {
    const { name, encryption, keyBits, integrity } = suite;
    return { name, protocol: 50, encryption, keyBits, integrity, keymat: octetsOf(random, keymatOctets(suite)) };
  });
  const ah = AH_TRANSFORMS.map(({ name, integrity, keymat }) => ({
    ...{ name: `AH ${name}`, protocol: 51, encryption: 0, keyBits: 0, integrity },
    keymat: octetsOf(random, keymat.length),
  }));
  return [...esp, ...ah];
}

const settingsOf = ({ protocol }: S.Transform): S.Setting[] =>
  [...S.TUNNELS, ...S.TRANSPORTS].filter(({ udp }) => protocol === 50 || !udp);

/** Two boards, one at each end. */
class Two {
  readonly ends: [Bench, Bench];

  constructor(build: Build) {
    this.ends = [S.board(build), S.board(build)];
  }

  install(setting: S.Setting, transform: S.Transform, o: S.Numbers = {}): void {
    S.installPair(this.ends[0], setting, transform, o);
    S.installPair(this.ends[1], setting, transform, { ...o, peer: true });
  }

  remove(): void {
    S.removePair(this.ends[0]);
    S.removePair(this.ends[1], 0, true);
  }
}

/** ICMP, IGMP, GRE, SCTP and one that is nobody's. */
const PROTOCOLS = [1, 2, 47, 132, 253];

/** A clear packet of any size and protocol; what looks like UDP has a right checksum. */
function anyPacket(random: SeededRandom, setting: S.Setting, outbound: boolean, longest: number): Buffer {
  const body = octetsOf(random, random.below(4) === 0 ? random.below(longest) : random.below(80));
  const header = { class: random.below(64) << 2, label: random.below(1 << 20), ttl: 1 + random.below(255) };
  if (random.below(3) > 0) return S.clearPacket(setting, outbound, body, header);
  const { local, remote } = S.endsOf(setting);
  const protocol = PROTOCOLS[random.below(PROTOCOLS.length)]!;
  return S.packet(outbound ? local : remote, outbound ? remote : local, body, { ...header, protocol });
}

/** Turns a bit over. */
function turned(packet: Buffer, bit: number): Buffer {
  const changed = Buffer.from(packet);
  changed[bit >> 3]! ^= 0x80 >> (bit & 7);
  return changed;
}

/** Bits that AH stands for (RFC 4302 3.3.3.1): not those of TOS, flags, fragment offset, TTL and checksum, or class, label, hop limit. */
const COVERED_BY_AH: Record<S.Family, (bit: number) => boolean> = {
  4: (bit) => ![1, 6, 7, 8, 10, 11].includes(bit >> 3),
  6: (bit) => (bit < 4 || bit >= 32) && bit >> 3 !== 7,
};

/** Gives packets in batches that fit into the ring. */
function giveMany(bench: Bench, packets: readonly Buffer[], side: number): Buffer[] {
  const out: Buffer[] = [];
  for (let i = 0; i < packets.length; i += 64) out.push(...S.giveAll(bench, packets.slice(i, i + 64), side));
  return out;
}

for (const build of ["base", "simd", "relaxed"] as Build[]) {
  const it = suite(`properties of the ipsec board, ${build}`);

  it(`what is opened equals what was sealed, seed ${SEED}`, () => {
    const random = new SeededRandom(SEED);
    const two = new Two(build);
    for (const transform of transforms(random)) {
      for (const setting of settingsOf(transform)) {
        const extended = random.below(2) === 1;
        const sequence = extended ? BigInt(random.below(2 ** 32)) * 0x1_0001n : BigInt(random.below(2 ** 31));
        two.install(setting, transform, { extended, sequence });
        for (const outbound of [true, false]) {
          const [here, there] = outbound ? two.ends : [two.ends[1], two.ends[0]];
          const clear = Array.from({ length: 4 }, () => anyPacket(random, setting, outbound, 1300));
          const sealed = S.giveAll(here, clear, PORT_UNPROTECTED);
          const what = `${transform.name}, ${S.settingName(setting)}, seed ${SEED}`;
          assert.equal(S.giveAll(there, sealed, PORT_PROTECTED), clear, what);
          assert.equal(S.giveAll(there, sealed, PORT_PROTECTED), [], `${what}: twice`);
        }
        two.remove();
      }
    }
  });

  it(`no packet with a bit turned over is taken, seed ${SEED}`, () => {
    const random = new SeededRandom(SEED + 1);
    const two = new Two(build);
    const [here, there] = two.ends;
    for (const transform of transforms(random)) {
      const settings = settingsOf(transform);
      const setting = settings[random.below(settings.length)]!;
      two.install(setting, transform, { extended: random.below(2) === 1 });
      const clear = [0, 1250].map((octets) => S.clearPacket(setting, true, octetsOf(random, octets)));
      const [short, long] = S.giveAll(here, clear, PORT_UNPROTECTED) as [Buffer, Buffer];
      // ESP covers nothing in front of itself, AH all but what the way may write.
      const covered =
        transform.protocol === 50 ? (bit: number) => bit >= 8 * S.sealedAt(setting) : COVERED_BY_AH[setting.outer];
      const bits = (packet: Buffer): number[] => Array.from({ length: 8 * packet.length }, (_, i) => i).filter(covered);
      const some = bits(long);
      const changed = [
        ...bits(short).map((bit) => turned(short, bit)),
        ...Array.from({ length: 256 }, () => turned(long, some[random.below(some.length)]!)),
      ];
      const what = `${transform.name}, ${S.settingName(setting)}, seed ${SEED}`;
      assert.equal(giveMany(there, changed, PORT_PROTECTED), [], what);
      assert.equal(S.giveAll(there, [long, short], PORT_PROTECTED), [clear[1], clear[0]], `${what}: as they were`);
      two.remove();
    }
  });

  /** The window as RFC 4303 3.4.3 has it: which of these numbers are taken, in this order. */
  const taken = (numbers: readonly bigint[], window: number, edge: bigint): bigint[] => {
    const seen = new Set<bigint>();
    let top = edge;
    return numbers.filter((number) => {
      const fresh = window === 0 || (!seen.has(number) && number > top - BigInt(window));
      seen.add(number);
      if (number > top) top = number;
      return fresh;
    });
  };

  for (const window of [0, 32, 64, 128, 1024, 4096]) {
    for (const extended of [false, true]) {
      // Without a window, extended numbers cannot be told (RFC 4303 appendix A2).
      if (window === 0 && extended) continue;
      const name = `window of ${window}${extended ? ", numbers that come around" : ""}`;
      it(`nothing is taken twice: ${name}, seed ${SEED}`, () => {
        const random = new SeededRandom(SEED + window);
        const two = new Two(build);
        const count = Math.max(400, 2 * window + 200);
        // The low half comes around in the middle.
        const before = extended ? 0xffff_ffffn - BigInt(count >> 1) : 0n;
        const transform = transforms(random)[random.below(TWIN_SUITES.length)]!;
        const setting = S.TUNNELS[0]!;
        two.install(setting, transform, { extended, window, sequence: before });
        const clear = Array.from({ length: count }, (_, i) => {
          const number = Buffer.alloc(4);
          number.writeUInt32BE(i);
          return S.clearPacket(setting, true, number);
        });
        const sealed = giveMany(two.ends[0], clear, PORT_UNPROTECTED);
        assert.is(sealed.length, count);
        // What is new, with gaps; what is about at the window's end, for the first time or not; anything in the window.
        const order: number[] = [];
        for (let top = 0; top < count; ) {
          const kind = random.below(10);
          if (kind < 5) {
            top += random.below(80) === 0 ? 1 + random.below(1 + (window >> 2)) : 1 + random.below(2);
            order.push(Math.min(top, count - 1));
          } else {
            const back = kind < 8 ? window - 2 + random.below(5) : random.below(window + 8);
            order.push(Math.max(0, top - back));
          }
        }
        // And all once more.
        order.push(...sealed.keys());
        const out = giveMany(
          two.ends[1],
          order.map((i) => sealed[i]!),
          PORT_PROTECTED,
        ).map((packet) => packet.readUInt32BE(28));
        const numbers = order.map((i) => before + 1n + BigInt(i));
        const expected = taken(numbers, window, before).map((number) => Number(number - before - 1n));
        assert.equal(out, expected, `${transform.name}, seed ${SEED}`);
        if (window !== 0) assert.is(new Set(out).size, out.length, "each once at most");
      });
    }
  }

  it(`numbers of 32 bits end, seed ${SEED}`, () => {
    const random = new SeededRandom(SEED + 2);
    const two = new Two(build);
    for (const transform of transforms(random)) {
      const settings = settingsOf(transform);
      const setting = settings[random.below(settings.length)]!;
      two.install(setting, transform, { sequence: 0xffff_fffdn });
      const clear = Array.from({ length: 4 }, () => anyPacket(random, setting, true, 200));
      const cycled = two.ends[0].drops(DROP.DROP_SEQUENCE_CYCLED);
      const sealed = S.giveAll(two.ends[0], clear, PORT_UNPROTECTED);
      const what = `${transform.name}, ${S.settingName(setting)}, seed ${SEED}`;
      assert.is(sealed.length, 2, what);
      assert.is(two.ends[0].drops(DROP.DROP_SEQUENCE_CYCLED) - cycled, 2, what);
      assert.equal(S.giveAll(two.ends[1], [...sealed, ...sealed], PORT_PROTECTED), clear.slice(0, 2), what);
      // The IKE board hears that the SA is at its end.
      const ends = two.ends[0].answers().map((message) => message.readUInt16LE(0));
      assert.equal(ends, [M.MESSAGE_SA_EXPIRING], what);
      two.remove();
    }
  });

  it.run();
}
