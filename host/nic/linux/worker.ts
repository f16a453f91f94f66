/**
 * The NIC worker: moves packets between the kernel and the rings, and sleeps in epoll_wait(2) with a time-out and a stop flag,
 * because a worker blocked in a native call cannot be terminated.
 *
 *   1. what the thread that opened the NICs sends: rings -> UDP socket, raw socket (outer_sender.ts), TUN device (tun_sender.ts), read from the
 *      ring in place; boards' threads send themselves (line_sender.ts)
 *   2. what arrives: sockets -> ring (outer_receiver.ts), TUN device -> ring, read into the ring in place
 *   3. wake the IKE board's thread for what went to it; tell the thread that opened the NICs of what went there instead, once for all
 *      packets since it last looked
 *   4. sleep until a descriptor is readable or the eventfd says that a ring has been filled
 */

import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { drainAddressWatch } from "./address_watch.ts";
import { PORT_UNPROTECTED } from "../../../assembly/abi/ring.ts";
import { Classifier } from "../../chassis/classifier.ts";
import { DeviceLine, type DeviceLineParts } from "../../chassis/drive/line.ts";
import * as libc from "./libc.ts";
import { EpollSet } from "./epoll_set.ts";
import { NicCounters, counterIndex } from "./counters.ts";
import { OuterReceiver } from "./outer_receiver.ts";
import { OuterSender } from "./outer_sender.ts";
import { ArrivalSink, ThreadSource } from "./packet_path.ts";
import { PacketRing } from "./packet_ring.ts";
import { SharedSockets } from "./shared_sockets.ts";
import { receives } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";
import { STATE_SLEEPING, STATE_STOP, STATE_TOLD } from "./shared_state.ts";
import type { NicWorkerCommand, NicWorkerData, NicWorkerMessage } from "./shared_state.ts";
import { TunReceiver } from "./tun_receiver.ts";
import { TunSender } from "./tun_sender.ts";

/** Upper bound of the sleep: how late a lost wake-up is noticed. */
const SLEEP_MILLISECONDS = 100;
/** Room for the five sockets that receive of 64 addresses, as many as a board takes, and the three of the NIC's own. */
const DESCRIPTORS_MAX = 323;
const WATCHED_OCTETS = 8192;

const data = workerData as NicWorkerData;
const port = parentPort!;
const state = new Int32Array(data.state);
const counters = new NicCounters(data.counters);
const sockets = new SharedSockets(data.sockets);
const RECEIVE_FAILED = counterIndex("receive_failed");

const unprotected = new ArrivalSink(new PacketRing(data.unprotectedReceive));
const clear = new ArrivalSink(new PacketRing(data.protectedReceive));
const sender = new OuterSender(new ThreadSource(new PacketRing(data.unprotectedTransmit)), counters);
const receiver = new OuterReceiver(unprotected, counters);
/** Of both sides. */
let classifier: Classifier | undefined;
const tunSender = new TunSender(data.tun, new ThreadSource(new PacketRing(data.protectedTransmit)), counters);
const tunReceiver = new TunReceiver(data.tun, clear, counters);

// What it sleeps on: the eventfd, the TUN device, the watch for addresses, then the sockets that receive.
const BELL = 0;
const FIRST_SOCKET = 3;
const descriptors = new EpollSet();
let receiving: OuterSocket[] = [];
const watched = new ArrayBuffer(WATCHED_OCTETS);
const watchedAddress = libc.addressOf(watched);

function useSockets(all: readonly OuterSocket[]): void {
  sender.use(all);
  receiving = all.filter(({ kind }) => receives(kind)).slice(0, DESCRIPTORS_MAX - FIRST_SOCKET);
  descriptors.use([data.wake, data.tun.fd, data.watch, ...receiving.map((socket) => socket.fd)], BELL);
}

/** What arrives at a side goes to the boards' threads from now on; what they send they send themselves (line_sender.ts). */
function wire(parts: DeviceLineParts): void {
  const line = new DeviceLine(parts);
  const outside = line.port === PORT_UNPROTECTED;
  if (parts.classifier) classifier ??= new Classifier(parts.classifier);
  (outside ? unprotected : clear).wire(line, classifier);
}

function tell(message: NicWorkerMessage): void {
  port.postMessage(message);
}

/** Sleeps unless a ring has been filled in the meantime: whoever fills one after the flag is up writes to the eventfd. */
function sleep(): void {
  Atomics.store(state, STATE_SLEEPING, 1);
  const busy = sender.pending() || tunSender.pending() || Atomics.load(state, STATE_STOP) !== 0;
  descriptors.wait(busy ? 0 : SLEEP_MILLISECONDS);
  Atomics.store(state, STATE_SLEEPING, 0);
}

/** The opening thread has something to say, or has filled a ring. */
function woken(): void {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    const command = got.message as NicWorkerCommand;
    if ("line" in command) {
      wire(command.line);
      continue;
    }
    if ("classify" in command) {
      classifier?.take(command.classify);
      if (command.answer) tell({ kind: "classified" });
      continue;
    }
    classifier?.setLocalAddresses(command.classifierAddresses);
  }
  const changed = sockets.changed();
  if (changed === undefined) return;
  useSockets(changed);
  tell({ kind: "sockets", version: sockets.seen });
}

useSockets(sockets.changed()!);
tell({ kind: "ready" });
while (Atomics.load(state, STATE_STOP) === 0) {
  sleep();
  if (descriptors.readable(BELL)) woken();
  sender.send();
  tunSender.send();
  if (descriptors.readable(1)) {
    if (descriptors.failed(1)) throw new Error("the TUN device is gone");
    tunReceiver.receive();
  }
  if (descriptors.readable(2)) {
    drainAddressWatch(data.watch, watchedAddress, WATCHED_OCTETS);
    tell({ kind: "addresses" });
  }
  for (let i = 0; i < receiving.length; i++) {
    if (!descriptors.readable(i + FIRST_SOCKET)) continue;
    if (receiver.receive(receiving[i]) < 0) counters.add(RECEIVE_FAILED, 1);
  }
  const untold = unprotected.tell();
  if ((clear.tell() || untold) && Atomics.exchange(state, STATE_TOLD, 1) === 0) tell({ kind: "received" });
}
// What was queued before the stop still leaves: the DELETE of an SA is among it.
sender.send();
tunSender.send();
descriptors.close();
tell({ kind: "stopped" });
port.close();
