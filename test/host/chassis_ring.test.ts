/** The message ring between threads, against a queue that is obviously right; and across two real threads. */
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { copyOctets } from "../../host/chassis/copy.ts";
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

test("a producer that takes another one's place sees how full the ring is", () => {
  const memory = ringMemory(1024);
  const control = new Int32Array(memory, 0, 32);
  const ring = new MessageRing(memory);
  assert.ok(ring.push(1, 2, 3, new Uint8Array(16), 0, 16));
  // The other one has moved 4 GiB since, and all but 16 octets are taken.
  control[0] = 16;
  control[16] = 16 - 1008;
  ring.resume();
  assert.is(ring.reserve(100), -1);
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

test("a reader may leave, and its successor goes on where room was given back", () => {
  const memory = ringMemory(1024);
  const writer = new MessageRing(memory);
  const readers = [new MessageRing(memory), new MessageRing(memory)];
  const random = new SeededRandom(5);
  const queue: number[][] = [];
  let [current, passed, refused] = [0, 0, 0];
  for (let round = 0; round < 20_000; round++) {
    const turn = random.below(100);
    const reader = readers[current]!;
    if (turn < 50) {
      const octets = Uint8Array.from({ length: random.below(90) }, () => random.below(256));
      if (writer.push(1, round, 3, octets, 0, octets.length)) queue.push([1, round, 3, ...octets]);
      else refused += 1;
    } else if (turn < 90) {
      assert.is(reader.empty, passed === queue.length);
      assert.is(reader.peek(), passed < queue.length);
      if (passed === queue.length) continue;
      assert.equal(contentOf(reader), queue[passed]);
      reader.pass();
      passed += 1;
    } else if (turn < 99) {
      reader.settle();
      queue.splice(0, passed);
      passed = 0;
    } else {
      // One that was there before, and has seen nothing of what happened since.
      if (passed > 0) readers[current] = new MessageRing(memory);
      current ^= 1;
      passed = 0;
    }
  }
  assert.ok(refused > 0, "the ring was full at times");
});

test("what is appended is seen once it is published, and what is passed makes room once that is settled", () => {
  const memory = ringMemory(1024);
  const [writer, reader] = [new MessageRing(memory), new MessageRing(memory)];
  const random = new SeededRandom(8);
  const source = new Uint8Array(256).map((_, i) => i);
  const [queue, hidden]: [number[][], number[][]] = [[], []];
  let [passed, refused, skewed] = [0, 0, 0];
  for (let round = 0; round < 20_000; round++) {
    const turn = random.below(100);
    if (turn < 45) {
      const [start, length] = [random.below(64), random.below(90)];
      const at = writer.reserve(length, start);
      if (at < 0) {
        refused += 1;
        continue;
      }
      assert.is(at & 7, start & 7, "octets stand as they stood where they came from");
      if ((start & 7) !== 0) skewed += 1;
      writer.octets.set(source.subarray(start, start + length), at);
      writer.append(length, 13, round, 2);
      hidden.push([13, round, 2, ...source.subarray(start, start + length)]);
    } else if (turn < 55) {
      writer.publish();
      queue.push(...hidden.splice(0));
    } else if (turn < 90) {
      assert.is(reader.peek(), queue.length > 0);
      if (queue.length === 0) continue;
      assert.equal(contentOf(reader), queue.shift());
      reader.pass();
      passed += 1;
    } else {
      assert.is(reader.empty, queue.length === 0);
      reader.settle();
    }
  }
  assert.ok(passed > 1000 && skewed > 1000 && refused > 0);
});

test("room that is not settled is not written to, and what a reader passed its successor finds again", () => {
  const memory = ringMemory(256);
  const [writer, reader] = [new MessageRing(memory), new MessageRing(memory)];
  const put = (octet: number): boolean => writer.push(1, 0, 0, new Uint8Array(100).fill(octet), 0, 100);
  assert.ok(put(1) && put(2));
  assert.ok(reader.peek());
  reader.pass();
  assert.not.ok(put(3), "the ring is full");
  const successor = new MessageRing(memory);
  assert.ok(successor.peek());
  assert.is(successor.octets[successor.at], 1);
  reader.settle();
  assert.ok(put(3));
});

test("copies are right at every remainder and length, and touch nothing beside", () => {
  const [a, b] = [new SharedArrayBuffer(4096), new ArrayBuffer(4096)];
  const [from, to] = [new Uint8Array(a).map((_, i) => 1 + (i % 250)), new Uint8Array(b)];
  new Uint8Array(a).set(from);
  const shared = new Uint8Array(a);
  for (let start = 64; start < 72; start++) {
    for (let target = 128; target < 136; target++) {
      for (const length of [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 900, 2047, 2048, 2049]) {
        to.fill(0);
        copyOctets(shared, new BigInt64Array(a), start, to, new BigInt64Array(b), target, length);
        assert.equal(to.slice(target, target + length), from.slice(start, start + length));
        assert.ok(to.every((octet, i) => octet === 0 || (i >= target && i < target + length)));
      }
    }
  }
});

test("what is wiped is gone from memory", () => {
  const memory = ringMemory(256);
  const ring = new MessageRing(memory);
  ring.push(4, 0, 0, Uint8Array.of(7, 8, 9), 0, 3);
  ring.push(4, 0, 0, Uint8Array.of(5), 0, 1);
  assert.ok(ring.peek());
  ring.wipe();
  ring.release();
  assert.not.ok([...new Uint8Array(memory, 128)].some((octet) => [7, 8, 9].includes(octet)));
  assert.ok(ring.peek());
  assert.equal(contentOf(ring), [4, 0, 0, 5]);
});

test("a message that can never fit is refused, and leaves the ring usable", () => {
  const ring = new MessageRing(ringMemory(256));
  assert.not.ok(ring.push(0, 0, 0, new Uint8Array(241), 0, 241));
  assert.ok(ring.push(0, 0, 0, new Uint8Array(240), 0, 240));
  assert.not.ok(ring.push(0, 0, 0, new Uint8Array(0), 0, 0));
});

test("a ring is filling while a quarter of it has not been taken, wherever in it that is", () => {
  const memory = ringMemory(1024);
  const [producer, consumer] = [new MessageRing(memory), new MessageRing(memory)];
  for (let round = 0; round < 20; round++) {
    assert.not.ok(producer.filling);
    // 64 octets with the header.
    for (let i = 0; i < 3; i++) assert.ok(producer.push(0, 0, 0, new Uint8Array(48), 0, 48));
    assert.not.ok(producer.filling);
    assert.ok(producer.push(0, 0, 0, new Uint8Array(48), 0, 48));
    assert.ok(producer.filling);
    for (let i = 0; i < 4; i++) {
      assert.ok(consumer.peek());
      consumer.release();
    }
  }
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
