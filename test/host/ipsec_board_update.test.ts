/**
 * The ends of an SA on the IPsec board: SA_UPDATE and its refusals, SA_MOVED and what does not raise it, addresses that come and go.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as DROP from "../../assembly/abi/drop.ts";
import * as MANAGEMENT from "../../assembly/abi/management.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_MANAGEMENT, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { encodeItems } from "../../host/chassis/config.ts";
import {
  Bench,
  LOCAL,
  OUT_SPI,
  REMOTE,
  type Sa,
  arriving,
  be,
  clear,
  esp,
  open,
  saRecord,
  sealedPacket,
  udp,
} from "./ipsec_bench.ts";

const ELSEWHERE = 0xcb007105; // 203.0.113.5
const OTHER_LOCAL = 0xc6336401; // 198.51.100.1
const UDP = M.SA_FLAG_UDP_ENCAPSULATION;

interface Ends extends Sa {
  local?: number;
  peer?: number;
  port?: number;
  family?: number;
}

/** SA_ENDS octets: those of a record, with other addresses. */
function ends(o: Ends = {}): Buffer {
  const e = Buffer.from(saRecord(o).subarray(0, M.SA_ENDS));
  e[M.SA_FAMILY] = o.family ?? 4;
  e.writeUInt32BE(o.local ?? LOCAL, M.SA_LOCAL_ADDRESS);
  e.writeUInt32BE(o.peer ?? REMOTE, M.SA_REMOTE_ADDRESS);
  if (o.port !== undefined) e.writeUInt16LE(o.port, M.SA_REMOTE_PORT);
  return e;
}

const OUT = { direction: M.DIRECTION_OUTBOUND };

/** ESP in UDP from a peer, wherever it is. */
const inUdp = (sequence: bigint, source = REMOTE, port = 4500, destination = LOCAL): Buffer =>
  sealedPacket(udp(esp(arriving(60), sequence), port, 4500), { protocol: 17, source, destination });

test("SA_UPDATE: the same SA goes elsewhere, in UDP and back, and its numbers go on", () => {
  const bench = new Bench("base");
  bench.pair();
  const sent = (): Buffer => bench.pass(clear(80), PORT_UNPROTECTED)[0]!;
  assert.is(sent().readUInt32BE(16), REMOTE);
  const answer = bench.ask(
    M.MESSAGE_SA_UPDATE,
    ends({ ...OUT, flags: UDP, local: OTHER_LOCAL, peer: ELSEWHERE, port: 40000 }),
  );
  assert.is(answer.type, M.MESSAGE_SA_UPDATED);
  assert.equal(answer.fields, [1, OUT_SPI, M.DIRECTION_OUTBOUND]);
  const moved = sent();
  assert.is(moved[9], 17);
  assert.is(moved.readUInt32BE(12), OTHER_LOCAL);
  assert.is(moved.readUInt32BE(16), ELSEWHERE);
  assert.is(moved.readUInt16BE(20), 4500);
  assert.is(moved.readUInt16BE(22), 40000);
  assert.is(open(moved.subarray(28)).sequence, 2);
  assert.is(bench.ask(M.MESSAGE_SA_UPDATE, ends(OUT)).type, M.MESSAGE_SA_UPDATED);
  const back = sent();
  assert.is(back[9], 50);
  assert.is(back.readUInt32BE(16), REMOTE);
  assert.is(open(back.subarray(20)).sequence, 3);
  // The SA once more, as it was installed: a repetition that comes late changes no counter.
  assert.is(bench.install(OUT).type, M.MESSAGE_SA_INSTALLED);
  assert.is(open(sent().subarray(20)).sequence, 4);
});

test("SA_UPDATE from IPv4 to IPv6 outside", () => {
  const bench = new Bench("base");
  bench.pair();
  const six = ends({ ...OUT, family: 6 });
  Buffer.from("20010db800ff00000000000000000001", "hex").copy(six, M.SA_LOCAL_ADDRESS);
  Buffer.from("20010db800ff00000000000000000002", "hex").copy(six, M.SA_REMOTE_ADDRESS);
  assert.is(bench.ask(M.MESSAGE_SA_UPDATE, six).type, M.MESSAGE_SA_UPDATED);
  const [packet] = bench.pass(clear(80), PORT_UNPROTECTED);
  assert.is(packet![0]! >> 4, 6);
  assert.is(packet!.subarray(24, 40).toString("hex"), "20010db800ff00000000000000000002");
  assert.is(open(packet!.subarray(40)).sequence, 1);
});

test("SA_UPDATE that cannot be is refused, and the SA stays where it was", () => {
  const bench = new Bench("base");
  bench.pair();
  const cases: [Ends, number][] = [
    [{ ...OUT, link: 2 }, M.REFUSED_NO_SA],
    [{ ...OUT, spi: OUT_SPI + 1 }, M.REFUSED_NO_SA],
    [{ direction: 2 }, M.REFUSED_NO_SA],
    [{ ...OUT, family: 5 }, M.REFUSED_MODE],
    [{ ...OUT, peer: 0 }, M.REFUSED_MALFORMED],
    [{ ...OUT, local: 0 }, M.REFUSED_MALFORMED],
    [{ ...OUT, flags: UDP, port: 0 }, M.REFUSED_MALFORMED],
  ];
  for (const [what, reason] of cases) {
    const { type, fields } = bench.ask(M.MESSAGE_SA_UPDATE, ends({ peer: ELSEWHERE, ...what }));
    assert.is(type, M.MESSAGE_SA_REFUSED);
    assert.is(fields[3], reason, JSON.stringify(what));
  }
  bench.control(M.MESSAGE_SA_UPDATE, ends(OUT).subarray(0, 60));
  bench.run();
  assert.equal(bench.answers(), []);
  assert.is(bench.drops(DROP.DROP_CONTROL_MALFORMED), 1);
  assert.is(bench.pass(clear(80), PORT_UNPROTECTED)[0]!.readUInt32BE(16), REMOTE);
});

test("in transport mode an SA goes nowhere that its selectors do not hold", () => {
  const bench = new Bench("base");
  const record = saRecord({ ...OUT, mode: M.MODE_TRANSPORT });
  for (const [at, address] of [
    [0, LOCAL],
    [1, REMOTE],
  ] as const) {
    record.writeUInt32BE(address, M.SA_SELECTORS + at * M.SELECTOR_OCTETS + M.SELECTOR_START);
    record.writeUInt32BE(address, M.SA_SELECTORS + at * M.SELECTOR_OCTETS + M.SELECTOR_END);
  }
  assert.is(bench.ask(M.MESSAGE_SA_INSTALL, record).type, M.MESSAGE_SA_INSTALLED);
  assert.is(bench.ask(M.MESSAGE_SA_UPDATE, ends({ ...OUT, peer: ELSEWHERE })).fields[3], M.REFUSED_MODE);
  assert.is(bench.ask(M.MESSAGE_SA_UPDATE, ends({ ...OUT, flags: UDP, port: 40000 })).type, M.MESSAGE_SA_UPDATED);
});

test("SA_MOVED: the newest packet of a peer came from elsewhere", () => {
  const bench = new Bench("base");
  bench.pair({ flags: UDP });
  const moved = (): string[] =>
    bench.answers().map((m) => {
      assert.is(m.readUInt16LE(0), M.MESSAGE_SA_MOVED);
      const e = m.subarray(M.MESSAGE_HEADER);
      return `${[...e.subarray(M.SA_REMOTE_ADDRESS, M.SA_REMOTE_ADDRESS + 4)].join(".")}:${e.readUInt16LE(M.SA_REMOTE_PORT)}`;
    });
  const passes = (packet: Buffer, count = 1): void => assert.is(bench.pass(packet, PORT_PROTECTED).length, count);
  passes(inUdp(5n));
  assert.equal(moved(), []);
  passes(inUdp(6n, REMOTE, 4501));
  assert.equal(moved(), ["192.0.2.2:4501"]);
  passes(inUdp(7n, REMOTE, 4501));
  assert.equal(moved(), [], "once a second");
  bench.now += 1_000_000_000n;
  passes(inUdp(8n, ELSEWHERE, 40000));
  assert.equal(moved(), ["203.0.113.5:40000"]);
  assert.is(
    bench.ask(M.MESSAGE_SA_UPDATE, ends({ flags: UDP, peer: ELSEWHERE, port: 40000 })).type,
    M.MESSAGE_SA_UPDATED,
  );
  passes(inUdp(9n, ELSEWHERE, 40000));
  assert.equal(moved(), [], "it is there now");
  // What an attacker may do with packets that he has seen, from where he is.
  passes(inUdp(9n, REMOTE, 4666), 0);
  passes(inUdp(3n, REMOTE, 4666));
  const forged = inUdp(20n, REMOTE, 4666);
  forged[forged.length - 1]! ^= 1;
  passes(forged, 0);
  assert.equal(moved(), [], "replayed, late and forged packets tell nothing");
  passes(sealedPacket(esp(arriving(60), 10n), { source: REMOTE }));
  assert.equal(moved(), [], "nor does plain ESP");
});

test("SA_MOVED is not told of an SA without protection from replay", () => {
  const bench = new Bench("base");
  bench.pair({ flags: UDP, window: 0 });
  assert.is(bench.pass(inUdp(6n, REMOTE, 4501), PORT_PROTECTED).length, 1);
  assert.equal(bench.answers(), []);
});

test("what is ours to open follows MANAGEMENT_LOCAL_ADDRESSES; an SA is found at any of our addresses", () => {
  const bench = new Bench("base");
  bench.pair();
  const at = (destination: number, sequence: bigint): number =>
    bench.pass(sealedPacket(esp(arriving(60), sequence), { destination }), PORT_PROTECTED).length;
  assert.is(at(LOCAL, 1n), 1);
  assert.is(at(OTHER_LOCAL, 2n), 0);
  const tell = (...list: Buffer[]): number => {
    const body = encodeItems(list.map((value) => ({ type: MANAGEMENT.CONNECTION_LOCAL_ADDRESS, value })));
    const head = Buffer.alloc(MANAGEMENT.MANAGEMENT_HEADER);
    head.writeUInt16LE(MANAGEMENT.MANAGEMENT_LOCAL_ADDRESSES, 0);
    head.writeUInt32LE(head.length + body.length, MANAGEMENT.MANAGEMENT_LENGTH);
    bench.deliver(PORT_MANAGEMENT, Buffer.concat([head, body]));
    bench.run();
    return bench.take(PORT_MANAGEMENT)[0]!.readUInt32LE(MANAGEMENT.MANAGEMENT_HEADER);
  };
  assert.is(tell(be(OTHER_LOCAL, 4)), MANAGEMENT.RESULT_OK);
  assert.is(at(OTHER_LOCAL, 3n), 1);
  assert.is(at(LOCAL, 4n), 0);
  assert.is(tell(...Array.from({ length: 65 }, (_, i) => be(OTHER_LOCAL + i, 4))), MANAGEMENT.RESULT_TABLE_FULL);
});

test.run();
