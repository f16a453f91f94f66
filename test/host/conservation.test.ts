/** The books of a board: a frame that leaves the pool uncounted, ends twice, or is dropped without a reason is found after the very poll. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { REG_CONSUMED, REG_FREE, REG_IN, REG_SENT } from "../../assembly/abi/board.ts";
import { DROP_REPLAY } from "../../assembly/abi/drop.ts";
import { LINK_ETHERNET } from "../../assembly/abi/fabric.ts";
import { PORT_PROTECTED } from "../../assembly/abi/ring.ts";
import { BoardFault } from "../../host/chassis/fault.ts";
import { arriving, Bench, esp, sealedPacket } from "./ipsec_bench.ts";

/** A board that has done some work, with its books in order. */
function working(): Bench {
  const bench = new Bench("simd", LINK_ETHERNET);
  bench.pair();
  for (const sequence of [1n, 2n, 2n]) bench.pass(sealedPacket(esp(arriving(40), sequence)), PORT_PROTECTED);
  assert.is(bench.drops(DROP_REPLAY), 1);
  bench.run();
  return bench;
}

const add = (octets: Uint8Array, at: number, value: bigint): void => {
  const view = new DataView(octets.buffer, octets.byteOffset);
  view.setBigUint64(at, view.getBigUint64(at, true) + value, true);
};

function found(bench: Bench, message: RegExp): void {
  try {
    bench.run();
  } catch (error) {
    assert.instance(error, BoardFault);
    const { kind, trapText } = (error as BoardFault).report;
    assert.is(kind, "conservation");
    assert.match(trapText, message);
    return;
  }
  assert.unreachable(`'${message.source}' was expected`);
}

test("sound books are let be", () => working().run());

test("a frame that left the pool and was never counted", () => {
  const bench = working();
  const view = new DataView(bench.board.map.buffer, bench.board.map.byteOffset);
  view.setUint32(REG_FREE, view.getUint32(REG_FREE, true) - 1, true);
  found(bench, /free .* but the pool has/);
});

test("a frame that arrived twice, and one that ended once too often", () => {
  const twice = working();
  add(twice.board.map, REG_IN, 1n);
  found(twice, /1 held, but the pool has/);
  for (const register of [REG_SENT, REG_CONSUMED]) {
    const bench = working();
    add(bench.board.map, register, 1n);
    // The firmware itself sees this one.
    assert.throws(
      () => bench.run(),
      (error: Error) => error instanceof BoardFault,
    );
  }
});

test("a drop without a reason, and a reason without a drop", () => {
  const bench = working();
  add(bench.board.drops, DROP_REPLAY * 8, 1n);
  found(bench, /drops: 1, but their reasons add up to 2/);
});

test.run();
