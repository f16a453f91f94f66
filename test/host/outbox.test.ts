/** What the chassis tells a board (chassis/outbox.ts): in order, also when the board's thread has just ended, and without a false count. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Cage, Drive } from "../../host/chassis/drive/drive.ts";
import { Outbox } from "../../host/chassis/outbox.ts";
import type { Slot } from "../../host/chassis/slot.ts";

/** A cage that notes what is delivered, a drive whose alarms the test rings, and a slot. */
class Bench {
  online = true;
  room = Infinity;
  readonly slot = { number: 3, generation: 1, serves: true };
  readonly taken: number[] = [];
  /** Deliveries that a cage would have counted as dropped. */
  counted = 0;
  readonly alarms: (() => void)[] = [];
  readonly outbox: Outbox;

  constructor() {
    const cage = {
      deliver: (_slot: number, _port: number, message: Uint8Array, retries = false) => {
        if (!this.online || this.room === 0) {
          if (!retries) this.counted += 1;
          return false;
        }
        this.room -= 1;
        this.taken.push(message[0]!);
        return true;
      },
    };
    const drive = { after: (_delay: bigint, action: () => void) => this.alarms.push(action) };
    this.outbox = new Outbox(drive as unknown as Drive, cage as unknown as Cage, this.slot as unknown as Slot);
  }

  say(...messages: number[]): void {
    this.outbox.post(messages.map((message) => Uint8Array.of(message)));
  }

  pause(): void {
    for (const alarm of this.alarms.splice(0)) alarm();
  }
}

test("a board whose thread has ended is told when it is there again, in order, and no drop is counted", () => {
  const bench = new Bench();
  bench.say(1);
  bench.online = false;
  bench.say(2, 3);
  for (let i = 0; i < 5; i++) bench.pause();
  bench.say(4);
  assert.equal(bench.taken, [1]);
  assert.is(bench.counted, 0);
  bench.online = true;
  bench.pause();
  assert.equal(bench.taken, [1, 2, 3, 4]);
});

test("a full ring delays what follows", () => {
  const bench = new Bench();
  bench.room = 2;
  bench.say(1, 2, 3, 4);
  assert.equal(bench.taken, [1, 2]);
  bench.room = 1;
  bench.pause();
  bench.room = Infinity;
  bench.pause();
  assert.equal(bench.taken, [1, 2, 3, 4]);
  assert.is(bench.counted, 0);
});

test("what was meant for one generation is not told to the next", () => {
  const bench = new Bench();
  bench.online = false;
  bench.say(1, 2);
  bench.slot.generation = 2;
  bench.online = true;
  bench.pause();
  bench.say(3);
  assert.equal(bench.taken, [3]);
});

test.run();
