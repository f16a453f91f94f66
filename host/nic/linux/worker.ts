/**
 * The NIC worker: moves packets between the kernel and the rings, and sleeps in poll(2) with a time-out and a stop flag,
 * because a worker blocked in a native call cannot be terminated.
 *
 *   1. what the boards send: ring -> UDP socket, raw socket (outer_sender.ts), TUN device, read from the ring in place
 *   2. what arrives: sockets -> ring (outer_receiver.ts), TUN device -> ring, read into the ring in place
 *   3. tell the other side, once for all packets since it last looked
 *   4. sleep until a descriptor is readable or the eventfd says that a ring has been filled
 */

import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { drainAddressWatch } from "./address_watch.ts";
import * as libc from "./libc.ts";
import { NicCounters, counterIndex } from "./counters.ts";
import { OuterReceiver } from "./outer_receiver.ts";
import { OuterSender } from "./outer_sender.ts";
import { PacketRing } from "./packet_ring.ts";
import { SOCKET_BYPASS, SOCKET_RAW } from "./sockets.ts";
import type { OuterSocket } from "./sockets.ts";
import { STATE_SLEEPING, STATE_STOP, STATE_TOLD } from "./shared_state.ts";
import type { NicWorkerCommand, NicWorkerData, NicWorkerMessage } from "./shared_state.ts";
import { TunPort } from "./tun_port.ts";

/** Upper bound of the sleep: how late a lost wake-up is noticed. */
const SLEEP_MILLISECONDS = 100;
const POLL_ENTRY = 8;
/** Room for the five sockets that receive of 64 addresses, as many as a board takes, and the three of the NIC's own. */
const POLL_ENTRIES = 323;
const WATCHED_OCTETS = 8192;
const READABLE = libc.POLLIN | libc.POLLERR | libc.POLLHUP;

const data = workerData as NicWorkerData;
const port = parentPort!;
const state = new Int32Array(data.state);
const counters = new NicCounters(data.counters);
const RECEIVE_FAILED = counterIndex("receive_failed");

const sender = new OuterSender(new PacketRing(data.unprotectedTransmit), counters);
const receiver = new OuterReceiver(new PacketRing(data.unprotectedReceive), counters);
const tun = new TunPort(
  data.tun,
  new PacketRing(data.protectedReceive),
  new PacketRing(data.protectedTransmit),
  counters,
);

// The poll table: the eventfd, the TUN device, the watch for addresses, then the sockets that receive.
const FIRST_SOCKET = 3;
const pollTable = new DataView(new ArrayBuffer(POLL_ENTRIES * POLL_ENTRY));
const pollAddress = libc.addressOf(pollTable.buffer);
let descriptors: number[] = [];
let receiving: OuterSocket[] = [];
const wakeCount = new ArrayBuffer(8);
const wakeAddress = libc.addressOf(wakeCount);
const watched = new ArrayBuffer(WATCHED_OCTETS);
const watchedAddress = libc.addressOf(watched);

function useSockets(sockets: readonly OuterSocket[]): void {
  sender.use(sockets);
  receiving = sockets
    .filter(({ kind }) => kind !== SOCKET_RAW && kind !== SOCKET_BYPASS)
    .slice(0, POLL_ENTRIES - FIRST_SOCKET);
  descriptors = [data.wake, data.tun.fd, data.watch, ...receiving.map((socket) => socket.fd)];
  descriptors.forEach((fd, i) => {
    pollTable.setInt32(i * POLL_ENTRY, fd, true);
    pollTable.setInt16(i * POLL_ENTRY + 4, libc.POLLIN, true);
    pollTable.setInt16(i * POLL_ENTRY + 6, 0, true);
  });
}

function readable(i: number): boolean {
  return (pollTable.getInt16(i * POLL_ENTRY + 6, true) & READABLE) !== 0;
}

function tell(message: NicWorkerMessage): void {
  port.postMessage(message);
}

/** Sleeps unless a ring has been filled in the meantime: whoever fills one after the flag is up writes to the eventfd. */
function sleep(): void {
  Atomics.store(state, STATE_SLEEPING, 1);
  const busy = sender.pending() || tun.pending() || Atomics.load(state, STATE_STOP) !== 0;
  const ready = libc.poll(pollAddress, descriptors.length, busy ? 0 : SLEEP_MILLISECONDS);
  Atomics.store(state, STATE_SLEEPING, 0);
  if (ready < 0 && libc.errno() !== libc.EINTR) throw new Error(`poll: errno ${libc.errno()}`);
  if (ready < 0) descriptors.forEach((_, i) => pollTable.setInt16(i * POLL_ENTRY + 6, 0, true));
}

/** The opening thread has something to say, or has filled a ring. */
function woken(): void {
  libc.read(data.wake, wakeAddress, 8);
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    useSockets((got.message as NicWorkerCommand).sockets);
    tell({ kind: "sockets" });
  }
}

useSockets(data.sockets);
tell({ kind: "ready" });
while (Atomics.load(state, STATE_STOP) === 0) {
  sleep();
  if (readable(0)) woken();
  sender.send();
  tun.send();
  let received = 0;
  if (readable(1)) {
    if ((pollTable.getInt16(POLL_ENTRY + 6, true) & libc.POLLERR) !== 0) throw new Error("the TUN device is gone");
    received += tun.receive();
  }
  if (readable(2)) {
    drainAddressWatch(data.watch, watchedAddress, WATCHED_OCTETS);
    tell({ kind: "addresses" });
  }
  for (let i = 0; i < receiving.length; i++) {
    if (!readable(i + FIRST_SOCKET)) continue;
    const count = receiver.receive(receiving[i]);
    if (count < 0) counters.add(RECEIVE_FAILED, 1);
    else received += count;
  }
  if (received > 0 && Atomics.exchange(state, STATE_TOLD, 1) === 0) tell({ kind: "received" });
}
// What was queued before the stop still leaves: the DELETE of an SA is among it.
sender.send();
tun.send();
tell({ kind: "stopped" });
port.close();
