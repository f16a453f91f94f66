/**
 * Leases on the IPsec board: when it asks, what waits, what a number that anybody may write cannot do; and how an SA goes from one board
 * to another with its window, so that every number is accepted once and none is sent twice.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../../assembly/abi/classifier.ts";
import { CONFIG_CLASSIFIER } from "../../assembly/abi/config.ts";
import * as DROP from "../../assembly/abi/drop.ts";
import {
  MANAGEMENT_CONTROL_KEY,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_ORPHANED,
  MANAGEMENT_SETTLED,
  MANAGEMENT_TYPE,
} from "../../assembly/abi/management.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import {
  arriving,
  Bench,
  clear,
  CONTROL_KEY,
  esp,
  IN_SPI,
  open,
  OUT_SPI,
  type Sa,
  saRecord,
  sealedPacket,
} from "./ipsec_bench.ts";

const IN = M.DIRECTION_INBOUND;
const OUT = M.DIRECTION_OUTBOUND;

const spiOf = (direction: number): number => (direction === OUT ? OUT_SPI : IN_SPI);

/** A LEASE message behind its header. */
function leaseBody(direction: number, sequence: bigint, serial = 0, asks = 0): Buffer {
  const body = Buffer.alloc(M.LEASE_OCTETS - M.MESSAGE_HEADER);
  body.writeUInt32LE(1, M.LEASE_LINK - M.MESSAGE_HEADER);
  body.writeUInt32LE(spiOf(direction), M.LEASE_SPI - M.MESSAGE_HEADER);
  body.writeUInt32LE(direction, M.LEASE_DIRECTION - M.MESSAGE_HEADER);
  body.writeBigUInt64LE(sequence, M.LEASE_SEQUENCE - M.MESSAGE_HEADER);
  body.writeUInt32LE(serial, M.LEASE_SERIAL - M.MESSAGE_HEADER);
  body.writeUInt32LE(asks, M.LEASE_ASKS - M.MESSAGE_HEADER);
  return body;
}

function lease(bench: Bench, direction: number, sequence: bigint, serial = 0, asks = 0): void {
  bench.control(M.MESSAGE_LEASE, leaseBody(direction, sequence, serial, asks));
  bench.run();
}

/** Inbound wishes since the last call: number, REACHED, END. */
const reaches = (bench: Bench): bigint[][] =>
  bench
    .answers()
    .filter((m) => m.readUInt16LE(0) === M.MESSAGE_LEASE_WANTED && m.readUInt32LE(M.LEASE_DIRECTION) === IN)
    .map((m) => [M.LEASE_SEQUENCE, M.LEASE_WANTED_REACHED, M.LEASE_WANTED_END].map((at) => m.readBigUInt64LE(at)));

const withClassifier = (mode: number): Bench =>
  new Bench("base", undefined, [{ type: CONFIG_CLASSIFIER, value: mode }]);

/** A command on the board's MANAGEMENT port. */
function manage(bench: Bench, type: number, body: Buffer): void {
  const head = Buffer.alloc(MANAGEMENT_HEADER);
  head.writeUInt16LE(type, MANAGEMENT_TYPE);
  head.writeUInt32LE(head.length + body.length, MANAGEMENT_LENGTH);
  bench.deliver(PORT_MANAGEMENT, Buffer.concat([head, body]));
  bench.run();
}

/** The numbers of SETTLED since the last call. */
const settled = (bench: Bench): number[] =>
  bench
    .take(PORT_MANAGEMENT)
    .filter((message) => message.readUInt16LE(MANAGEMENT_TYPE) === MANAGEMENT_SETTLED)
    .map((message) => message.readUInt32LE(MANAGEMENT_HEADER));

/** The wishes since the last call: direction and number. */
const wishes = (bench: Bench): [number, bigint][] =>
  bench.answers().map((m) => {
    assert.is(m.readUInt16LE(0), M.MESSAGE_LEASE_WANTED);
    assert.is(m.length, M.LEASE_WANTED_MESSAGE_OCTETS);
    assert.is(m.readUInt32LE(M.LEASE_LINK), 1);
    assert.is(m.readUInt32LE(M.LEASE_SPI), spiOf(m.readUInt32LE(M.LEASE_DIRECTION)));
    return [m.readUInt32LE(M.LEASE_DIRECTION), m.readBigUInt64LE(M.LEASE_SEQUENCE)];
  });

function release(bench: Bench, direction: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(spiOf(direction), 0);
  body.writeUInt32LE(direction, 4);
  body.writeUInt32LE(1, 8);
  const { type, message } = bench.ask(M.MESSAGE_SA_RELEASE, body);
  assert.is(type, M.MESSAGE_SA_RELEASED);
  assert.is(message.readUInt32LE(M.RELEASED_SPI), spiOf(direction));
  assert.is(message.readUInt32LE(M.RELEASED_DIRECTION), direction);
  assert.is(message.length, M.RELEASED_HISTORY + message.readUInt32LE(M.RELEASED_WORDS) * 8);
  return message;
}

/** A record that goes on where SA_RELEASED says. */
function successor(o: Sa, released: Buffer): Buffer {
  const record = saRecord(o);
  const words = released.readUInt32LE(M.RELEASED_WORDS);
  record.writeUInt16LE(words, M.SA_HISTORY_WORDS);
  record.writeBigUInt64LE(released.readBigUInt64LE(M.RELEASED_SEQUENCE), M.SA_SEQUENCE);
  return Buffer.concat([record, released.subarray(M.RELEASED_HISTORY)]);
}

const through = (bench: Bench): number[] =>
  bench.pass(clear(9), PORT_UNPROTECTED).map((packet) => open(packet.subarray(20)).sequence);
const arrives = (bench: Bench, sequence: bigint): number =>
  bench.pass(sealedPacket(esp(arriving(9), sequence)), PORT_PROTECTED).length;

/** What was given back since the last call: end and serial. */
const returnedBy = (bench: Bench): [bigint, number][] =>
  bench
    .answers()
    .filter((m) => m.readUInt16LE(0) === M.MESSAGE_LEASE_RETURNED)
    .map((m) => [m.readBigUInt64LE(M.LEASE_SEQUENCE), m.readUInt32LE(M.LEASE_SERIAL)]);

test("inbound: a slow SA keeps hundreds of numbers for the next burst, a fast one what it takes in the time of a look", () => {
  for (const bench of [new Bench("base"), withClassifier(CLASSIFIER_STANDBY)]) {
    bench.pair({ lease: 64n });
    const waits = (): void => {
      bench.now += 250_000_000n;
      bench.run();
    };
    assert.is(arrives(bench, 1n), 1);
    lease(bench, IN, 257n, 6);
    waits();
    assert.equal(returnedBy(bench), []);
    lease(bench, IN, 16384n, 7);
    for (let n = 2n; n <= 3001n; n += 3n) assert.is(arrives(bench, n), 1);
    waits();
    assert.equal(returnedBy(bench), [[2999n + 2998n, 7]], "2998 in a quarter of a second");
    waits();
    assert.equal(returnedBy(bench), [[2999n + 256n, 7]]);
    waits();
    assert.equal(returnedBy(bench), []);
  }
});

test("a wish says how far the SA has come, those that wait included, and under which lease", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  assert.is(arrives(bench, 3n), 1);
  assert.is(arrives(bench, 5n), 1);
  assert.equal(reaches(bench), [[5n, 5n, 8n]]);
  assert.is(arrives(bench, 20n), 0);
  assert.is(arrives(bench, 12n), 0);
  assert.equal(reaches(bench), [
    [20n, 20n, 8n],
    [12n, 20n, 8n],
  ]);
  assert.is(arrives(bench, 7n), 1);
  assert.equal(reaches(bench), [[7n, 20n, 8n]], "what is accepted is not all that may be");
  lease(bench, IN, 15n);
  assert.ok(reaches(bench).every(([, reached]) => reached === 20n));
  lease(bench, IN, 30n);
  reaches(bench);
  lease(bench, IN, 31n, 9, 1);
  assert.equal(reaches(bench), [[20n, 20n, 31n]], "it was asked");
  lease(bench, IN, 32n, 10);
  assert.equal(reaches(bench), [], "and now it was not");
});

test("a lease of an IKE board of an earlier release, which asks nothing", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  assert.is(arrives(bench, 20n), 0);
  reaches(bench);
  bench.control(M.MESSAGE_LEASE, leaseBody(IN, 100n, 1, 1).subarray(0, M.LEASE_ASKS - M.MESSAGE_HEADER));
  bench.run();
  assert.is(bench.take(PORT_PROTECTED).length, 1);
  assert.equal(reaches(bench), []);
});

test("a lease of the board's own making is none that has come", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  manage(bench, MANAGEMENT_ORPHANED, Buffer.from([7, 0, 0, 0]));
  for (let n = 1n; n <= 40n; n++) assert.is(arrives(bench, n), 1);
  bench.sequence = 0n;
  bench.heard = 0n;
  manage(bench, MANAGEMENT_CONTROL_KEY, CONTROL_KEY);
  const told = reaches(bench);
  assert.is(told.length, 1);
  assert.equal(told[0]!.slice(1), [40n, 0n]);
  lease(bench, IN, 60n, 1, 1);
  assert.equal(reaches(bench), [[40n, 40n, 60n]]);
});

test("a lease comes behind all that a classifier gave to the board before, however much that is", () => {
  const bench = withClassifier(CLASSIFIER_STANDBY);
  bench.pair({ lease: 400n });
  for (let n = 1n; n <= 150n; n++) bench.deliver(PORT_UNPROTECTED, sealedPacket(esp(arriving(9), n)));
  bench.control(M.MESSAGE_LEASE, leaseBody(IN, 500n, 1, 1));
  bench.run();
  assert.is(bench.take(PORT_PROTECTED).length, 150);
  assert.equal(reaches(bench), [[150n, 150n, 500n]]);
});

test("inbound, with cut-through: what a burst has left of its lease is given back when the SA is slow", () => {
  const bench = withClassifier(CLASSIFIER_CUT_THROUGH);
  bench.pair({ lease: 64n });
  const returned = (): [bigint, number][] => returnedBy(bench);
  const waits = (): void => {
    bench.now += 250_000_000n;
    bench.run();
  };
  assert.is(arrives(bench, 1n), 1);
  lease(bench, IN, 5000n, 7);
  for (let n = 2n; n <= 1801n; n += 3n) assert.is(arrives(bench, n), 1);
  waits();
  assert.equal(returned(), [[2098n, 7]], "it was fast: 1798 in a quarter of a second keep 299");
  waits();
  assert.equal(returned(), [[1799n + 64n, 7]]);
  waits();
  assert.equal(returned(), []);
  assert.is(arrives(bench, 1863n), 1);
  assert.is(arrives(bench, 1864n), 0, "it waits for another lease");
  lease(bench, IN, 1900n, 8);
  assert.is(bench.pass(sealedPacket(esp(arriving(9), 1865n)), PORT_PROTECTED).length >= 1, true);
});

test("without an IKE board leases are extended; it is told of them until it has granted them", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  manage(bench, MANAGEMENT_ORPHANED, Buffer.from([7, 0, 0, 0]));
  for (let n = 1; n <= 40; n++) assert.equal(through(bench), [n]);
  for (let n = 1n; n <= 40n; n++) assert.is(arrives(bench, n), 1);
  assert.is(arrives(bench, 40n), 0, "nothing is accepted twice");
  bench.now += 1_000_000_000n;
  bench.run();
  assert.equal(wishes(bench), [], "there is nobody to ask");
  bench.sequence = 0n;
  bench.heard = 0n;
  manage(bench, MANAGEMENT_CONTROL_KEY, CONTROL_KEY);
  assert.equal(settled(bench), [], "not before they are granted");
  const told = wishes(bench).sort(([a], [b]) => a - b);
  assert.equal(
    told.map(([direction]) => direction),
    [IN, OUT],
  );
  assert.ok(told[0]![1] >= 40n && told[0]![1] < 50n, `inbound ${told[0]![1]}: close to what was accepted`);
  assert.ok(told[1]![1] > 40n, `outbound ${told[1]![1]}`);
  lease(bench, IN, told[0]![1] + 8n);
  bench.now += 20_000_000n;
  bench.run();
  assert.equal(settled(bench), []);
  assert.equal(
    wishes(bench).map(([direction]) => direction),
    [OUT],
    "asked again",
  );
  lease(bench, OUT, told[1]![1] + 8n);
  bench.now += 20_000_000n;
  bench.run();
  assert.equal(settled(bench), [7]);
  bench.now += 1_000_000_000n;
  bench.run();
  assert.equal(settled(bench), [], "once");
});

test("outbound: asked for at half, again at half of the rest; none left: dropped, and asked for with patience", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  for (let n = 1; n <= 4; n++) assert.equal(through(bench), [n]);
  assert.equal(wishes(bench), []);
  assert.equal(through(bench), [5]);
  assert.equal(wishes(bench), [[OUT, 4n]]);
  assert.equal([through(bench), through(bench)], [[6], [7]]);
  assert.equal(wishes(bench), [[OUT, 6n]]);
  assert.equal(through(bench), [8]);
  wishes(bench);
  bench.now += 1_000_000_000n;
  assert.equal(through(bench), []);
  assert.equal(through(bench), []);
  assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 2);
  assert.equal(wishes(bench), [[OUT, 8n]], "once for many packets");
  bench.now += 20_000_000n;
  assert.equal(through(bench), []);
  assert.equal(wishes(bench), [[OUT, 8n]]);
  lease(bench, OUT, 10n);
  assert.equal([through(bench), through(bench), through(bench)], [[9], [10], []]);
  lease(bench, OUT, 9n);
  assert.equal(through(bench), [], "a lease does not shrink, and an old one does not grow");
});

test("inbound: a packet beyond the lease waits, its number not accepted; then it goes, once", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  assert.is(arrives(bench, 3n), 1);
  assert.equal(wishes(bench), []);
  assert.is(arrives(bench, 4n), 1);
  assert.equal(wishes(bench), [[IN, 4n]]);
  assert.is(arrives(bench, 9n), 0);
  assert.is(arrives(bench, 12n), 0);
  assert.is(arrives(bench, 12n), 0);
  assert.equal(wishes(bench), [
    [IN, 9n],
    [IN, 12n],
    [IN, 12n],
  ]);
  assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 0);
  assert.is(arrives(bench, 5n), 1, "those within the lease are not held up");
  lease(bench, IN, 10n);
  assert.is(bench.take(PORT_PROTECTED).length, 1);
  lease(bench, IN, 20n);
  assert.is(bench.take(PORT_PROTECTED).length, 1);
  assert.is(bench.drops(DROP.DROP_REPLAY), 1, "the twin");
  assert.is(arrives(bench, 9n), 0);
  assert.is(arrives(bench, 12n), 0);
  assert.is(bench.drops(DROP.DROP_REPLAY), 3);
});

test("inbound: many in one batch make one wish, for the highest", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 2n });
  for (const n of [30n, 10n, 31n, 20n]) bench.packet(sealedPacket(esp(arriving(9), n)));
  bench.run();
  assert.equal(wishes(bench), [[IN, 31n]]);
  assert.is(bench.take(PORT_PROTECTED).length, 0);
  lease(bench, IN, 40n);
  assert.is(bench.take(PORT_PROTECTED).length, 4);
});

test("inbound: a number that is not authentic moves no lease", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 8n });
  const forged = esp(arriving(9), 0x7fffffffn);
  forged[forged.length - 1]! ^= 1;
  assert.is(bench.pass(sealedPacket(forged), PORT_PROTECTED).length, 0);
  assert.is(bench.drops(DROP.DROP_ICV), 1);
  assert.equal(wishes(bench), []);
});

test("inbound: nobody answers: asked again, dropped after a second, and as many wait as there is room for", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 2n });
  for (let n = 3n; n < 303n; n++) {
    bench.packet(sealedPacket(esp(arriving(9), n)));
    if (n % 50n === 0n) bench.run();
  }
  bench.run();
  assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 300 - 256);
  wishes(bench);
  bench.now += 20_000_000n;
  bench.run();
  assert.equal(wishes(bench), [[IN, 258n]]);
  bench.now += 1_000_000_000n;
  bench.run();
  assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 300);
  assert.equal(wishes(bench), []);
  lease(bench, IN, 1000n);
  assert.is(bench.take(PORT_PROTECTED).length, 0);
  assert.is(arrives(bench, 258n), 1, "what was dropped was not accepted");
});

test("an SA that goes while its packets wait: they are dropped, and accepted by no other", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 2n });
  assert.is(arrives(bench, 5n), 0);
  const body = Buffer.alloc(12);
  body.writeUInt32LE(IN_SPI, 0);
  body.writeUInt32LE(IN, 4);
  body.writeUInt32LE(1, 8);
  wishes(bench);
  assert.is(bench.ask(M.MESSAGE_SA_REMOVE, body).type, M.MESSAGE_SA_REMOVED);
  lease(bench, IN, 100n);
  bench.now += 1_000_000_000n;
  bench.run();
  assert.is(bench.take(PORT_PROTECTED).length, 0);
  assert.is(bench.drops(DROP.DROP_LEASE_WAIT), 1);
});

test("given up and installed elsewhere: each number is accepted once and none is sent twice, whatever the window", () => {
  for (const window of [1, 32, 64, 65, 100, 1024, 4096]) {
    for (const edge of [1n, 63n, 64n, 65n, 127n, 128n, 1000n, 5000n]) {
      const first = new Bench("base");
      first.pair({ window });
      const seen = new Set<bigint>();
      const old = (n: bigint): boolean => n < 1n || edge - n >= BigInt(window);
      for (const n of [edge - 70n, edge - 63n, edge - 1n, edge - 3n, edge - 64n, edge, 1n]) {
        if (n < 1n || seen.has(n)) continue;
        if (arrives(first, n) === 1) seen.add(n);
      }
      assert.ok(seen.has(edge));
      assert.equal([through(first), through(first)], [[1], [2]]);
      const inbound = release(first, IN);
      const outbound = release(first, OUT);
      assert.is(inbound.readBigUInt64LE(M.RELEASED_SEQUENCE), edge);
      assert.is(arrives(first, edge + 1n), 0, "it is gone here");
      assert.is(through(first).length, 0);

      const second = new Bench("base");
      second.ask(M.MESSAGE_SA_INSTALL, successor({ window }, inbound));
      second.ask(M.MESSAGE_SA_INSTALL, successor({ window, direction: OUT }, outbound));
      for (const n of [edge, edge - 1n, edge - 2n, edge - 3n, edge - 62n, edge - 63n, edge - 64n, edge - 65n, 1n]) {
        if (n < 1n) continue;
        assert.is(arrives(second, n), seen.has(n) || old(n) ? 0 : 1, `${n} of ${edge}, window ${window}`);
        seen.add(n);
      }
      assert.is(arrives(second, edge + 1n), 1);
      assert.equal(through(second), [3]);
      // The record once more, history and all, as a lost answer brings it: nothing is forgotten.
      second.ask(M.MESSAGE_SA_INSTALL, successor({ window }, inbound));
      assert.is(arrives(second, edge + 1n), 0);
      if (edge > 2n) assert.is(arrives(second, edge - 2n), 0);
    }
  }
});

test("counters go along; an SA that is not there is given up without history; a bad history is refused", () => {
  const first = new Bench("base");
  first.pair({});
  assert.is(arrives(first, 7n), 1);
  const released = release(first, IN);
  assert.is(released.readBigUInt64LE(M.RELEASED_HISTORY + M.HISTORY_PACKETS), 1n);
  assert.is(released.readBigUInt64LE(M.RELEASED_HISTORY + M.HISTORY_OCTETS), BigInt(arriving(9).length));
  assert.is(released.readBigUInt64LE(M.RELEASED_HISTORY + M.HISTORY_LAST_USED), first.now);
  assert.is(release(first, IN).readUInt32LE(M.RELEASED_WORDS), 0);

  const second = new Bench("base");
  const record = successor({ hardPackets: 2n }, released);
  assert.is(second.ask(M.MESSAGE_SA_INSTALL, record.subarray(0, -8)).type, M.MESSAGE_SA_REFUSED);
  assert.is(second.ask(M.MESSAGE_SA_INSTALL, record).type, M.MESSAGE_SA_INSTALLED);
  assert.equal([arrives(second, 8n), arrives(second, 9n)], [1, 0]);
  assert.is(second.drops(DROP.DROP_SA_EXPIRED), 1);
  second.answers();
  const huge = Buffer.concat([saRecord({}), Buffer.alloc(69 * 8)]);
  huge.writeUInt16LE(69, M.SA_HISTORY_WORDS);
  assert.is(second.ask(M.MESSAGE_SA_INSTALL, huge).type, M.MESSAGE_SA_REFUSED);
});

test("an SA whose packets wait for a lease is given up only when they have gone", () => {
  const bench = new Bench("base");
  bench.pair({ lease: 2n });
  assert.is(arrives(bench, 5n), 0);
  wishes(bench);
  const body = Buffer.alloc(12);
  body.writeUInt32LE(IN_SPI, 0);
  body.writeUInt32LE(IN, 4);
  body.writeUInt32LE(1, 8);
  bench.control(M.MESSAGE_SA_RELEASE, body);
  bench.run();
  assert.equal(bench.answers(), []);
  lease(bench, IN, 10n);
  assert.is(bench.take(PORT_PROTECTED).length, 1);
  wishes(bench);
  assert.is(release(bench, IN).readBigUInt64LE(M.RELEASED_SEQUENCE), 5n);
});

test.run();
