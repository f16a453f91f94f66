/** The chassis's bell: who wakes a thread that sleeps, who one that dozes, and that no ring is lost in between. */
import { setImmediate as turn } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ChassisBell, chassisBellMemory } from "../../host/chassis/drive/chassis_bell.ts";

/** Turns of the event loop in which whoever was woken is awake. */
const TURNS = 20;
/** Longer than a test lasts. */
const LONG = 600_000;

function pair(): { bell: ChassisBell; board: ChassisBell; woken: () => number; awake: () => void } {
  const memory = chassisBellMemory();
  let woken = 0;
  return {
    bell: new ChassisBell(memory),
    board: new ChassisBell(memory),
    woken: () => woken,
    awake: () => (woken += 1),
  };
}

async function turns(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await turn();
}

test("a thread that sleeps is woken by anybody, once", async () => {
  for (const urgent of [false, true]) {
    const { bell, board, woken, awake } = pair();
    bell.listen();
    bell.sleep(awake);
    await turns();
    assert.is(woken(), 0);
    board.ring(urgent);
    board.ring(true);
    board.ring(false);
    await turns();
    assert.is(woken(), 1);
  }
});

test("a thread that dozes is woken by what is urgent alone", async () => {
  const { bell, board, woken, awake } = pair();
  bell.listen();
  bell.doze(LONG, awake);
  board.ring(false);
  await turns();
  assert.is(woken(), 0);
  board.ring(true);
  await turns();
  assert.is(woken(), 1);
});

test("a doze ends by itself, and what rang meanwhile is heard by the sleep behind it", async () => {
  const { bell, board, woken, awake } = pair();
  // Nothing else keeps this process: a thread that rests is not what a gateway lives by.
  const keeper = setInterval(() => undefined, 1000);
  await new Promise<void>((resolve) => {
    bell.listen();
    bell.doze(1, resolve);
    board.ring(false);
  });
  clearInterval(keeper);
  bell.listen();
  board.ring(false);
  bell.sleep(awake);
  await turns();
  assert.is(woken(), 1);
});

test("what rings between listening and rest is heard at once, where it may wake", async () => {
  for (const [rest, urgent, expected] of [
    ["sleep", false, 1],
    ["sleep", true, 1],
    ["doze", true, 1],
    ["doze", false, 0],
  ] as const) {
    const { bell, board, woken, awake } = pair();
    bell.listen();
    board.ring(urgent);
    if (rest === "sleep") bell.sleep(awake);
    else bell.doze(LONG, awake);
    await turns();
    assert.is(woken(), expected, `${rest}, urgent ${urgent}`);
    board.ring(true);
    await turns();
    assert.is(woken(), 1);
  }
});

test("a thread that is awake is not woken", async () => {
  const { bell, board, woken, awake } = pair();
  bell.listen();
  bell.sleep(awake);
  board.ring(false);
  await turns();
  board.ring(true);
  await turns();
  assert.is(woken(), 1);
  bell.listen();
  bell.sleep(awake);
  board.ring(false);
  await turns();
  assert.is(woken(), 2);
});

test.run();
