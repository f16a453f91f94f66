/** The message ring between threads, against a queue that is obviously right; and across two real threads. */
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MessageRing, ringMemory } from "../../host/chassis/drive/message_ring.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";

const contentOf = (ring: MessageRing): number[] => [
  ring.port,
  ring.link,
  ring.from,
  ...ring.octets.subarray(ring.at, ring.at + ring.length),
];

function exercise(memory: SharedArrayBuffer, rounds: number): void {
  const [writer, reader] = [new MessageRing(memory), new MessageRing(memory)];
  const random = new SeededRandom(21);
  const queue: number[][] = [];
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    if (random.below(100) < 52) {
      const octets = Uint8Array.from({ length: random.below(90) }, () => random.below(256));
      if (writer.push(round & 7, round, 3, octets, 0, octets.length)) queue.push([round & 7, round, 3, ...octets]);
      else refused += 1;
    } else if (reader.peek()) {
      assert.equal(contentOf(reader), queue.shift());
      reader.release();
    } else {
      assert.is(queue.length, 0);
    }
  }
  assert.ok(refused > 0, "the ring was full at times");
  while (queue.length > 0) {
    assert.ok(reader.peek());
    assert.equal(contentOf(reader), queue.shift());
    reader.release();
  }
  assert.ok(reader.empty);
}

test("messages of all lengths come out as they went in", () => exercise(ringMemory(1024), 20_000));

test("positions pass 2^32 without harm", () => {
  const memory = ringMemory(1024);
  const control = new Int32Array(memory, 0, 32);
  control[0] = control[16] = -4096;
  exercise(memory, 3000);
});

test("a reservation that is not committed was never there", () => {
  const memory = ringMemory(1024);
  const ring = new MessageRing(memory);
  ring.reserve(100);
  assert.not.ok(ring.peek());
  assert.ok(ring.push(1, 2, 3, Uint8Array.of(9), 0, 1));
  assert.ok(ring.peek());
  assert.equal(contentOf(ring), [1, 2, 3, 9]);
});

test("a message that can never fit is refused, and leaves the ring usable", () => {
  const ring = new MessageRing(ringMemory(256));
  assert.not.ok(ring.push(0, 0, 0, new Uint8Array(241), 0, 241));
  assert.ok(ring.push(0, 0, 0, new Uint8Array(240), 0, 240));
  assert.not.ok(ring.push(0, 0, 0, new Uint8Array(0), 0, 0));
});

test("two threads: all messages, in order", async () => {
  const memory = ringMemory(4096);
  const count = 50_000;
  const entry = new URL("./chassis_ring_writer.mjs", import.meta.url);
  const worker = new Worker(entry, { workerData: { memory, count }, execArgv: [] });
  let failure: Error | undefined;
  worker.on("error", (error) => (failure = error));
  const ring = new MessageRing(memory);
  const limit = performance.now() + 60_000;
  let next = 0;
  while (next < count && !failure && performance.now() < limit) {
    for (let i = 0; i < 1000 && ring.peek(); i++) {
      assert.is(ring.link, next);
      assert.is(ring.length, next % 64);
      next += 1;
      ring.release();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await worker.terminate();
  if (failure) throw failure;
  assert.is(next, count);
});

test.run();
