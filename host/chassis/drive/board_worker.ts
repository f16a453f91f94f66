/**
 * A thread of boards: its slots have their turn one after the other, and when none has anything to do the thread sleeps until its doorbell
 * rings or a deadline comes. One that takes what arrives at a device (line_receiver.ts) does so before the boards' turns, and sleeps there. Boards of one
 * thread wake each other by having their turn: what the IKE board gives an IPsec board that comes
 * behind it is taken in the same round.
 */
import { readlinkSync } from "node:fs";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { NEVER, RealClock } from "../clock.ts";
import type { PowerOrder, ThreadParts } from "./board_thread.ts";
import { openLine } from "./line_program.ts";
import type { LineReceiver } from "./line_receiver.ts";
import {
  AWAKE,
  ON_DESCRIPTOR,
  ON_RINGS,
  ONLINE,
  ORDERS,
  RINGS,
  SERVED,
  SLEEPING,
  TAKES_UNSUMMED,
  THREAD,
  TURNS,
} from "./page.ts";
import { SlotLoop } from "./slot_loop.ts";
import { SlotWiring } from "./slot_wiring.ts";

/** Longest sleep, ms; and in a system call, from which nobody can end the thread. */
const SLEEP_MAX = 1000;
const SLEEP_IN_CALL_MAX = 100;

const parts = workerData as ThreadParts;
const port = parentPort!;
const doorbell = new Int32Array(parts.doorbell);
const clock = new RealClock(parts.cage.clockAhead);
const loops = await Promise.all(
  parts.slots.map(async (slot) => {
    const wiring = await SlotWiring.open(parts.cage, slot);
    return new SlotLoop(wiring, clock, (report) => port.postMessage(report));
  }),
);

const ike = loops.find(({ wiring }) => wiring.slot === parts.cage.ikeSlot);
const receiver = parts.receiver && (await openLine<LineReceiver>(parts.receiver));

/** This thread's number; 0 where there is no such file. */
function threadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return 0;
  }
}

/** Takes what the chassis has put into the port. */
let ordersTaken = 0;
function takeOrders(): void {
  const orders = Atomics.load(doorbell, ORDERS);
  for (; ordersTaken !== orders; ordersTaken = (ordersTaken + 1) | 0) {
    const got = receiveMessageOnPort(port);
    if (got === undefined) return;
    const order = got.message as PowerOrder;
    const loop = loops.find(({ wiring }) => wiring.slot === order.slot)!;
    doorbell[SERVED] = order.slot;
    loop.power(order);
  }
}

const allEmpty = (): boolean => loops.every((loop) => loop.deadline === undefined || loop.wiring.empty);

function earliestDeadline(): bigint {
  let earliest: bigint = NEVER;
  for (const { deadline } of loops) if (deadline !== undefined && deadline < earliest) earliest = deadline;
  return earliest;
}

/** For a moment: true when the doorbell has rung. */
function spin(heard: number): boolean {
  const spinEnd = performance.now() + parts.spin / 1000;
  do {
    for (let i = 0; i < 64; i++) if (Atomics.load(doorbell, RINGS) !== heard) return true;
  } while (performance.now() < spinEnd);
  return false;
}

/** Sleeps until the doorbell rings or the deadline comes; what arrives at a device is not seen by spinning. */
function rest(heard: number): void {
  if (!receiver?.reads && spin(heard)) return;
  const left = earliestDeadline() - clock.now();
  if (left <= 0n || !allEmpty()) return;
  const milliseconds = left > 1_000_000_000n ? SLEEP_MAX : Number(left) / 1e6;
  if (receiver?.reads) {
    Atomics.store(doorbell, SLEEPING, ON_DESCRIPTOR);
    if (Atomics.load(doorbell, RINGS) === heard) receiver.sleep(Math.min(Math.ceil(milliseconds), SLEEP_IN_CALL_MAX));
  } else {
    Atomics.store(doorbell, SLEEPING, ON_RINGS);
    Atomics.wait(doorbell, RINGS, heard, milliseconds);
  }
  Atomics.store(doorbell, SLEEPING, AWAKE);
}

for (const { wiring } of loops) {
  Atomics.store(wiring.page.words, THREAD, threadNumber());
  Atomics.store(wiring.page.words, TAKES_UNSUMMED, 1);
}
// The chassis ends the thread, from outside.
for (;;) {
  const heard = Atomics.load(doorbell, RINGS);
  Atomics.add(doorbell, TURNS, 1);
  if (Atomics.load(doorbell, ORDERS) !== ordersTaken) takeOrders();
  receiver?.turn(Atomics.load(ike!.wiring.page.words, ONLINE) !== 0);
  let busy = false;
  for (const loop of loops) {
    doorbell[SERVED] = loop.wiring.slot;
    if (loop.turn()) busy = true;
  }
  if (busy) continue;
  for (const loop of loops) loop.rest();
  rest(heard);
}
