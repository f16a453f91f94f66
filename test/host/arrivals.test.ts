/** Packets that wait for the IKE board: in their order, bounded in number and in time, each delivered or counted. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Arrivals } from "../../host/chassis/arrivals.ts";

const SECOND = 1_000_000_000n;

function arrivals(): { queue: Arrivals; got: string[]; lost: () => number } {
  const got: string[] = [];
  let lost = 0;
  const queue = new Arrivals(
    (port, packet) => got.push(`${port}:${packet[0]}`),
    () => (lost += 1),
  );
  return { queue, got, lost: () => lost };
}

test("in their order, with octets of their own", () => {
  const { queue, got, lost } = arrivals();
  const packet = new Uint8Array([1]);
  assert.ok(queue.hold(0, packet, 0n));
  packet[0] = 2;
  assert.ok(queue.hold(1, packet, 0n));
  queue.release(10n);
  queue.release(10n);
  assert.equal([got, lost()], [["0:1", "1:2"], 0]);
});

test("what has waited for more than a second is lost, and so is all when no board comes", () => {
  const { queue, got, lost } = arrivals();
  queue.hold(0, new Uint8Array([1]), 0n);
  queue.hold(0, new Uint8Array([2]), SECOND / 2n);
  queue.release(SECOND + 1n);
  assert.equal([got, lost()], [["0:2"], 1]);
  queue.hold(0, new Uint8Array([3]), SECOND);
  queue.drop();
  queue.release(SECOND);
  assert.equal([got, lost()], [["0:2"], 2]);
});

test("no more than there is room for", () => {
  const { queue, got } = arrivals();
  let taken = 0;
  while (queue.hold(0, new Uint8Array([0]), 0n)) taken += 1;
  assert.ok(taken >= 1024 && taken <= 4096);
  queue.release(0n);
  assert.is(got.length, taken);
});

test.run();
