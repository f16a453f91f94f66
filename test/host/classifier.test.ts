/**
 * The classifier, told what an IKE board tells it: which packets it gives to a board, and that everything else is the IKE board's. A slow twin
 * looks at every selector in turn.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as C from "../../assembly/abi/classifier.ts";
import { CONFIG_LOCAL_ADDRESS } from "../../assembly/abi/config.ts";
import { CONNECTION_LOCAL_ADDRESS, MANAGEMENT_LENGTH, MANAGEMENT_TYPE } from "../../assembly/abi/management.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { Classifier, classifierParts } from "../../host/chassis/classifier.ts";
import { addressOctets, encodeItems } from "../../host/chassis/config.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { BUILDS_BY_SPEED } from "../../host/chassis/image.ts";

const LINKS = 64;
const HERE = "192.0.2.1";
const ORDER_BYPASS = 0;
const ORDER_SA = 1;
const ORDER_DISCARD = 3;
const POLICY = 0x40000000;

interface Net {
  address: string;
  bits: number;
  port?: number;
}

const number = (address: string): number => addressOctets(address).reduce((sum, octet) => sum * 256 + octet, 0);

function selector({ address, bits, port }: Net): Buffer {
  const octets = Buffer.alloc(M.SELECTOR_OCTETS);
  octets.writeUInt8(4, M.SELECTOR_FAMILY);
  octets.writeUInt16LE(port ?? 0, M.SELECTOR_START_PORT);
  octets.writeUInt16LE(port ?? 0xffff, M.SELECTOR_END_PORT);
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  octets.writeUInt32BE((number(address) & mask) >>> 0, M.SELECTOR_START);
  octets.writeUInt32BE((number(address) | ~mask) >>> 0, M.SELECTOR_END);
  return octets;
}

interface Told {
  kind: number;
  value: number;
  spi?: number;
  slot?: number;
  generation?: number;
  order?: number;
  priority?: number;
  serial?: number;
  local?: Net[];
  remote?: Net[];
}

function message({ kind, value, spi = 0, slot = 0, generation = 1, order = 0, priority = 0, ...more }: Told): Buffer {
  const { serial = 0, local = [], remote = [] } = more;
  const short = kind !== C.CLASSIFY_SA && kind !== C.CLASSIFY_POLICY;
  const head = Buffer.alloc(short ? C.CLASSIFY_SPI : C.CLASSIFY_SELECTORS);
  head.writeUInt32LE(kind, C.CLASSIFY_KIND);
  head.writeUInt32LE(value, C.CLASSIFY_VALUE);
  if (!short) {
    head.writeUInt32LE(spi, C.CLASSIFY_SPI);
    head.writeUInt32LE(slot, C.CLASSIFY_SLOT);
    head.writeUInt32LE(generation, C.CLASSIFY_GENERATION);
    head.writeUInt32LE(order, C.CLASSIFY_ORDER);
    head.writeUInt32LE(priority, C.CLASSIFY_PRIORITY);
    head.writeUInt32LE(serial, C.CLASSIFY_SERIAL);
    head.writeUInt32LE(local.length, C.CLASSIFY_LOCALS);
    head.writeUInt32LE(remote.length, C.CLASSIFY_REMOTES);
  }
  const whole = Buffer.concat([head, ...(short ? [] : [...local, ...remote].map(selector))]);
  whole.writeUInt16LE(C.MANAGEMENT_CLASSIFY, MANAGEMENT_TYPE);
  whole.writeUInt32LE(whole.length, MANAGEMENT_LENGTH);
  return whole;
}

function checksum(header: Buffer): void {
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += header.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  header.writeUInt16BE(~sum & 0xffff, 10);
}

function packet(source: string, destination: string, protocol: number, payload: Buffer, fragment = 0): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + payload.length, 2);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  header.set(addressOctets(source), 12);
  header.set(addressOctets(destination), 16);
  checksum(header);
  return Buffer.concat([header, payload]);
}

function udp(source: string, destination: string, port: number, payload: Buffer = Buffer.alloc(20)): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return packet(source, destination, 17, Buffer.concat([header, payload]));
}

function esp(spi: number): Buffer {
  const octets = Buffer.alloc(40);
  octets.writeUInt32BE(spi, 0);
  return octets;
}

const ah = (spi: number): Buffer => Buffer.concat([Buffer.alloc(4), esp(spi)]);
const ANY: Net[] = [{ address: "0.0.0.0", bits: 0 }];
const SPI = 0xc0000000;

for (const build of BUILDS_BY_SPEED.slice(1)) {
  const fresh = (): Classifier => {
    const config = encodeItems([{ type: CONFIG_LOCAL_ADDRESS, value: addressOctets(HERE) }]);
    return new Classifier(classifierParts(LINKS, config, build));
  };
  const sa = (classifier: Classifier, value: number, local: Net[], remote: Net[], more: Partial<Told> = {}): void =>
    classifier.take(
      message({
        kind: C.CLASSIFY_SA,
        value,
        spi: SPI + value,
        slot: 1 + (value % 3),
        order: ORDER_SA,
        local,
        remote,
        ...more,
      }),
    );
  /** What it says of a packet, and that it says the same of one among other octets. */
  const askedFor =
    (port: number) =>
    (classifier: Classifier, octets: Buffer): number => {
      const beside = Buffer.concat([Buffer.alloc(3, 0x45), octets, Buffer.alloc(5, 0xff)]);
      const slot = classifier.board(port, beside, 3, octets.length);
      assert.is(classifier.board(port, octets), slot);
      return slot;
    };
  const inbound = askedFor(PORT_UNPROTECTED);
  const outbound = askedFor(PORT_PROTECTED);

  test(`${build}: sealed packets by SPI, in every protocol that has one, and to us alone`, () => {
    const classifier = fresh();
    sa(classifier, 5, ANY, ANY, { generation: 7 });
    const far = "198.51.100.1";
    assert.is(inbound(classifier, packet(far, HERE, 50, esp(SPI + 5))), 3);
    assert.is(classifier.generation, 7);
    assert.is(inbound(classifier, packet(far, HERE, 51, ah(SPI + 5))), 3);
    assert.is(inbound(classifier, udp(far, HERE, 4500, esp(SPI + 5))), 3);
    assert.is(inbound(classifier, packet(far, HERE, 50, esp(SPI + 6))), -1, "another SPI");
    assert.is(inbound(classifier, packet(far, HERE, 50, esp(SPI + 5 + 0x20000))), -1, "of the same LINK");
    assert.is(inbound(classifier, packet(far, "192.0.2.9", 50, esp(SPI + 5))), -1, "to somebody else");
    assert.is(inbound(classifier, udp(far, HERE, 500, esp(SPI + 5))), -1, "IKE");
    assert.is(inbound(classifier, udp(far, HERE, 4500, esp(0))), -1, "IKE behind the marker");
    assert.is(inbound(classifier, udp(far, HERE, 4500, Buffer.from([0xff]))), -1, "a keepalive");
    assert.is(inbound(classifier, packet(far, HERE, 50, esp(SPI + 5), 0x2000)), -1, "a fragment");
    assert.is(inbound(classifier, udp(far, "10.0.0.1", 80)), -1, "in clear");
    const damaged = packet(far, HERE, 50, esp(SPI + 5));
    damaged[8]! ^= 1;
    assert.is(inbound(classifier, damaged), -1, "a damaged header");
    const whole = packet(far, HERE, 50, esp(SPI + 5));
    for (let length = 0; length < whole.length; length++)
      assert.is(inbound(classifier, whole.subarray(0, length)), -1, `cut to ${length}`);
    assert.is(classifier.board(PORT_UNPROTECTED, Buffer.alloc(20_000, 0x60)), -1, "larger than a frame");
    assert.is(classifier.refused, 0);
  });

  test(`${build}: our addresses are others now`, () => {
    const classifier = fresh();
    sa(classifier, 1, ANY, ANY);
    classifier.setLocalAddresses(
      encodeItems([{ type: CONNECTION_LOCAL_ADDRESS, value: addressOctets("203.0.113.5") }]),
    );
    assert.is(inbound(classifier, packet("198.51.100.1", HERE, 50, esp(SPI + 1))), -1);
    assert.is(inbound(classifier, packet("198.51.100.1", "203.0.113.5", 50, esp(SPI + 1))), 2);
  });

  test(`${build}: an SA that is away takes its packets along, and not to a wider one`, () => {
    const classifier = fresh();
    sa(classifier, 1, ANY, ANY, { serial: 1 });
    sa(classifier, 2, ANY, [{ address: "10.2.0.0", bits: 16 }], { serial: 2 });
    const narrow = udp("10.1.0.1", "10.2.0.1", 80);
    const wide = udp("10.1.0.1", "10.3.0.1", 80);
    assert.equal([outbound(classifier, narrow), outbound(classifier, wide)], [3, 2]);
    classifier.take(message({ kind: C.CLASSIFY_SA_AWAY, value: 2 }));
    assert.equal([outbound(classifier, narrow), outbound(classifier, wide)], [-1, 2]);
    assert.is(inbound(classifier, packet("198.51.100.1", HERE, 50, esp(SPI + 2))), -1);
    sa(classifier, 2, ANY, [{ address: "10.2.0.0", bits: 16 }], { serial: 2, slot: 3, generation: 4 });
    assert.equal([outbound(classifier, narrow), classifier.generation], [3, 4]);
    sa(classifier, 2, ANY, [{ address: "10.2.0.0", bits: 16 }], { serial: 2, spi: 0 });
    assert.is(outbound(classifier, narrow), -1, "selectors in force, no board yet");
    classifier.take(message({ kind: C.CLASSIFY_SA_GONE, value: 2 }));
    assert.is(outbound(classifier, narrow), 2, "it covers nothing any more");
    classifier.take(message({ kind: C.CLASSIFY_CLEAR, value: 0 }));
    assert.equal([outbound(classifier, narrow), outbound(classifier, wide)], [-1, -1]);
    assert.is(classifier.refused, 0);
  });

  test(`${build}: policies without an SA come before SAs that they come before, and go`, () => {
    const classifier = fresh();
    sa(classifier, 1, ANY, ANY, { serial: 1 });
    const remote = [{ address: "10.2.0.0", bits: 16 }];
    const shunt = { kind: C.CLASSIFY_POLICY, value: POLICY | 3, local: ANY, remote };
    classifier.take(message({ ...shunt, order: ORDER_BYPASS, serial: 2 }));
    const to = udp("10.1.0.1", "10.2.0.1", 80);
    assert.is(outbound(classifier, to), -1);
    classifier.take(message({ kind: C.CLASSIFY_POLICY_GONE, value: POLICY | 3 }));
    assert.is(outbound(classifier, to), 2);
    // Of equal priority: the newer one, as the IKE board numbered them.
    sa(classifier, 4, ANY, remote, { serial: 9, priority: 50 });
    classifier.take(message({ ...shunt, order: ORDER_DISCARD, priority: 50, serial: 8 }));
    assert.is(outbound(classifier, to), 2, "LINK 4 is on slot 2");
    classifier.take(message({ kind: C.CLASSIFY_POLICY_GONE, value: POLICY | 3 }));
    classifier.take(message({ ...shunt, order: ORDER_DISCARD, priority: 50, serial: 10 }));
    assert.is(outbound(classifier, to), -1);
    assert.is(classifier.refused, 0);
  });

  test(`${build}: what makes no sense is refused, and a full table gives nothing in clear to a board`, () => {
    const classifier = fresh();
    const bad = [
      message({ kind: 9, value: 0 }),
      message({ kind: C.CLASSIFY_SA, value: LINKS, spi: SPI + LINKS, local: ANY, remote: ANY }),
      message({ kind: C.CLASSIFY_SA, value: 3, spi: SPI + 4, local: ANY, remote: ANY }),
      message({ kind: C.CLASSIFY_SA, value: 3, spi: SPI + 3, local: ANY, remote: ANY }).subarray(0, -1),
      message({ kind: C.CLASSIFY_SA_GONE, value: LINKS }),
      message({ kind: C.CLASSIFY_SA_AWAY, value: 0xffffffff }),
      message({ kind: C.CLASSIFY_POLICY, value: 3, local: ANY, remote: ANY }),
      message({ kind: C.CLASSIFY_POLICY_GONE, value: POLICY | 1 }),
      Buffer.alloc(3),
      Buffer.alloc(20_000),
    ];
    for (const one of bad) classifier.take(one);
    assert.is(classifier.refused, bad.length);
    sa(classifier, 0, ANY, ANY);
    const to = udp("10.1.0.1", "10.2.0.1", 80);
    assert.is(outbound(classifier, to), 1);
    const many = Array.from({ length: 16 }, (_, i) => ({ address: `10.9.${i}.0`, bits: 24 }));
    for (let i = 0; i < 16; i++)
      classifier.take(
        message({ kind: C.CLASSIFY_POLICY, value: POLICY | i, order: ORDER_DISCARD, local: many, remote: many }),
      );
    assert.is(outbound(classifier, to), -1, "a policy found no room: which one, nobody knows");
    assert.is(inbound(classifier, packet("198.51.100.1", HERE, 50, esp(SPI))), 1, "sealed packets go by their SPI");
    classifier.take(message({ kind: C.CLASSIFY_CLEAR, value: 0 }));
    sa(classifier, 0, ANY, ANY);
    assert.is(outbound(classifier, to), 1);
  });

  test(`${build}: random SAs and policies: as a slow twin has it`, () => {
    const dice = new SeededRandom(20031);
    const net = (): Net => ({
      address: `10.${dice.below(3)}.${dice.below(3)}.0`,
      bits: [0, 8, 16, 24][dice.below(4)]!,
    });
    const covers = ({ address, bits }: Net, at: string): boolean =>
      bits === 0 || number(address) >>> (32 - bits) === number(at) >>> (32 - bits);
    for (let round = 0; round < 20; round++) {
      const classifier = fresh();
      const rows: { value: number; priority: number; serial: number; local: Net; remote: Net; slot: number }[] = [];
      for (let serial = 1; serial <= 40; serial++) {
        const link = dice.below(LINKS);
        const policy = dice.next() < 0.3;
        const value = policy ? POLICY | serial : link;
        const row = { value, priority: 1 + dice.below(12), serial, local: net(), remote: net(), slot: 1 + (link % 3) };
        if (!policy) {
          const before = rows.findIndex((one) => one.value === value);
          if (before >= 0) rows.splice(before, 1);
        }
        rows.push(row);
        const { local, remote, priority } = row;
        if (policy)
          classifier.take(
            message({
              kind: C.CLASSIFY_POLICY,
              value,
              order: ORDER_DISCARD,
              priority,
              serial,
              local: [local],
              remote: [remote],
            }),
          );
        else sa(classifier, value, [local], [remote], { priority, serial });
      }
      for (let i = 0; i < 200; i++) {
        const from = `10.${dice.below(3)}.${dice.below(3)}.${dice.below(3)}`;
        const to = `10.${dice.below(3)}.${dice.below(3)}.${dice.below(3)}`;
        const met = rows
          .filter(({ local, remote }) => covers(local, from) && covers(remote, to))
          .sort((a, b) => a.priority - b.priority || b.serial - a.serial)[0];
        const expected = met === undefined || met.value >= POLICY ? -1 : met.slot;
        assert.is(outbound(classifier, udp(from, to, 80)), expected, `round ${round}: ${from} to ${to}`);
      }
      assert.is(classifier.refused, 0);
    }
  });
}

test.run();
