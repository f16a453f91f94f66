/**
 * The NIC worker: moves packets between the kernel and the rings, and sleeps in epoll_wait(2) with a time-out and a stop flag,
 * because a worker blocked in a native call cannot be terminated.
 *
 *   1. what the thread that opened the NICs sends: rings -> UDP socket, raw socket (outer_sender.ts), TUN device (tun_sender.ts), read from the
 *      ring in place; boards' threads send themselves (line_sender.ts)
 *   2. what arrives, unless the IKE board's thread reads itself (line_receiver.ts): reception.ts
 *   3. wake the IKE board's thread for what went to it; tell the thread that opened the NICs of what went there instead, once for all
 *      packets since it last looked
 *   4. sleep until a descriptor is readable or the eventfd says that a ring has been filled
 */

import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { drainAddressWatch } from "./address_watch.ts";
import * as libc from "./libc.ts";
import { NicCounters } from "./counters.ts";
import { OuterSender } from "./outer_sender.ts";
import { ThreadSource } from "./packet_path.ts";
import { PacketRing } from "./packet_ring.ts";
import { ReadingRight, WORKER } from "./reading_right.ts";
import { Reception } from "./reception.ts";
import { SharedSockets } from "./shared_sockets.ts";
import type { OuterSocket } from "./sockets.ts";
import { STATE_SLEEPING, STATE_STOP } from "./shared_state.ts";
import type { NicCommand, NicMessage, NicWorkerData } from "./shared_state.ts";
import { TunSender } from "./tun_sender.ts";

/** Upper bound of the sleep: how late a lost wake-up is noticed. */
const SLEEP_MILLISECONDS = 100;
const WATCHED_OCTETS = 8192;

const data = workerData as NicWorkerData;
const port = parentPort!;
const state = new Int32Array(data.state);
const counters = new NicCounters(data.counters);
const sockets = new SharedSockets(data.sockets);

const sender = new OuterSender(new ThreadSource(new PacketRing(data.unprotectedTransmit)), counters);
const tunSender = new TunSender(data.tun, new ThreadSource(new PacketRing(data.protectedTransmit)), counters);

// What it sleeps on besides what arrives: the eventfd, and the watch for addresses.
const BELL = 0;
const WATCH = 1;
const reception = new Reception(data, counters, [data.wake, data.watch]);
const right = new ReadingRight(state, WORKER);
const watched = new ArrayBuffer(WATCHED_OCTETS);
const watchedAddress = libc.addressOf(watched);

function useSockets(all: readonly OuterSocket[]): void {
  sender.use(all);
  reception.use(all);
}

function tell(message: NicMessage): void {
  port.postMessage(message);
}

/** Sleeps unless a ring has been filled in the meantime: whoever fills one after the flag is up writes to the eventfd. */
function sleep(): void {
  Atomics.store(state, STATE_SLEEPING, 1);
  const busy = sender.pending() || tunSender.pending() || Atomics.load(state, STATE_STOP) !== 0;
  reception.wait(busy || reception.mustShare(right) ? 0 : SLEEP_MILLISECONDS);
  Atomics.store(state, STATE_SLEEPING, 0);
}

/** The opening thread has something to say, or has filled a ring. */
function woken(): void {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    const answer = reception.obey(got.message as NicCommand);
    if (answer !== 0) tell({ kind: "classified", answer });
  }
  const changed = sockets.changed();
  if (changed === undefined) return;
  useSockets(changed);
  tell({ kind: "sockets", version: sockets.seen });
}

useSockets(sockets.changed()!);
reception.share(right);
tell({ kind: "ready" });
while (Atomics.load(state, STATE_STOP) === 0) {
  sleep();
  if (reception.readable(BELL)) woken();
  sender.send();
  tunSender.send();
  if (reception.readable(WATCH)) {
    drainAddressWatch(data.watch, watchedAddress, WATCHED_OCTETS);
    tell({ kind: "addresses" });
  }
  reception.receive();
  if (reception.tell()) tell({ kind: "received" });
  reception.share(right);
}
// What was queued before the stop still leaves: the DELETE of an SA is among it.
sender.send();
tunSender.send();
reception.close();
tell({ kind: "stopped" });
port.close();
