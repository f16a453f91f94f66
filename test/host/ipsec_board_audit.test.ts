/** AUDIT on an IPsec board: what it says of the SAs that it is asked for, and of those that it has; and that asking is bounded. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as DROP from "../../assembly/abi/drop.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { Bench, clear } from "./ipsec_bench.ts";

interface Named {
  spi: number;
  direction: number;
  link: number;
}

interface Answer {
  next: number;
  held: boolean[];
  listed: Named[];
}

const inbound = (spi: number, link: number): Named => ({ spi, direction: M.DIRECTION_INBOUND, link });
const outbound = (spi: number, link: number): Named => ({ spi, direction: M.DIRECTION_OUTBOUND, link });

function question(named: readonly Named[], cursor = 0, count = named.length): Buffer {
  const body = Buffer.alloc(8 + named.length * M.AUDIT_ENTRY_OCTETS);
  body.writeUInt32LE(cursor, 0);
  body.writeUInt32LE(count, 4);
  named.forEach(({ spi, direction, link }, i) => {
    body.writeUInt32LE(spi, 8 + 8 * i);
    body.writeUInt32LE((link | (direction << M.AUDIT_DIRECTION_SHIFT)) >>> 0, 12 + 8 * i);
  });
  return body;
}

function ask(bench: Bench, named: readonly Named[], cursor = 0): Answer {
  const { type, message } = bench.ask(M.MESSAGE_AUDIT, question(named, cursor));
  assert.is(type, M.MESSAGE_AUDITED);
  const count = message.readUInt32LE(M.AUDITED_COUNT);
  assert.is(message.length, M.AUDITED_NAMES + count * M.AUDIT_ENTRY_OCTETS);
  return {
    next: message.readUInt32LE(M.AUDITED_NEXT),
    held: named.map((_, i) => ((message[M.AUDITED_HELD + (i >> 3)]! >> (i & 7)) & 1) === 1),
    listed: Array.from({ length: count }, (_, i) => {
      const at = M.AUDITED_NAMES + 8 * i;
      const name = message.readUInt32LE(at + 4);
      return { spi: message.readUInt32LE(at), direction: name >>> M.AUDIT_DIRECTION_SHIFT, link: name & 0x7fff_ffff };
    }),
  };
}

const sorted = (named: readonly Named[]): string[] => named.map((one) => JSON.stringify(one)).sort();

/** Installs `count` CHILD_SAs; their SAs. */
function install(bench: Bench, count: number): Named[] {
  const all: Named[] = [];
  for (let link = 0; link < count; link++) {
    for (const sa of [inbound(0x40000000 + link, link), outbound(0x50000000 + (link >> 1), link)]) {
      const { type } = bench.install({ spi: sa.spi, link, direction: sa.direction });
      assert.is(type, M.MESSAGE_SA_INSTALLED);
      all.push(sa);
    }
  }
  return all;
}

test("an SA is held under its whole name: SPI, direction and link", () => {
  const bench = new Bench("simd");
  install(bench, 3);
  const { held, listed, next } = ask(bench, [
    inbound(0x40000001, 1),
    inbound(0x40000001, 2),
    outbound(0x40000001, 1),
    outbound(0x50000000, 1),
    outbound(0x50000000, 2),
    inbound(0x40000007, 7),
    inbound(0, 0),
    outbound(0x50000001, 2),
  ]);
  assert.equal(held, [true, false, false, true, false, false, false, true]);
  assert.is(listed.length, 6);
  assert.is(next, M.AUDITED_END);
});

test("all that a board has is listed, each once, however many requests it takes", () => {
  const bench = new Bench("simd", undefined, [], undefined, { childSas: 3000 });
  const all = install(bench, 700);
  const listed: Named[] = [];
  let cursor = 0;
  let requests = 0;
  while (cursor !== M.AUDITED_END) {
    const answer = ask(bench, [], cursor);
    assert.ok(answer.listed.length <= M.AUDIT_ENTRIES);
    assert.ok(answer.next > cursor, "it goes on");
    listed.push(...answer.listed);
    cursor = answer.next;
    assert.ok((requests += 1) < 20, "and comes to an end");
  }
  assert.equal(sorted(listed), sorted(all));
});

test("AUDIT_ENTRIES names in one request; removed SAs are neither held nor listed", () => {
  const bench = new Bench("simd");
  const all = install(bench, M.AUDIT_ENTRIES / 2);
  assert.equal(ask(bench, all).held, Array(M.AUDIT_ENTRIES).fill(true));
  const removed = all[5]!;
  const body = Buffer.alloc(12);
  body.writeUInt32LE(removed.spi, 0);
  body.writeUInt32LE(removed.direction, 4);
  body.writeUInt32LE(removed.link, 8);
  assert.is(bench.ask(M.MESSAGE_SA_REMOVE, body).type, M.MESSAGE_SA_REMOVED);
  const { held, listed } = ask(bench, all);
  assert.equal(
    held,
    all.map((sa) => sa !== removed),
  );
  assert.equal(sorted(listed), sorted(all.filter((sa) => sa !== removed)));
});

test("a cursor beyond the end is the end; a request that does not add up is dropped; traffic goes on", () => {
  const bench = new Bench("simd");
  bench.pair();
  for (const cursor of [0x7fffffff, 0xffffffff])
    assert.equal(ask(bench, [], cursor), { next: M.AUDITED_END, held: [], listed: [] });
  for (const body of [Buffer.alloc(4), question([inbound(1000, 1)], 0, 2), question([], 0, M.AUDIT_ENTRIES + 1)]) {
    const before = bench.drops(DROP.DROP_CONTROL_MALFORMED);
    bench.control(M.MESSAGE_AUDIT, body);
    bench.run();
    assert.equal(bench.answers(), []);
    assert.is(bench.drops(DROP.DROP_CONTROL_MALFORMED), before + 1);
  }
  assert.is(bench.pass(clear(80), PORT_UNPROTECTED).length, 1);
});

test.run();
