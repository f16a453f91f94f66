/**
 * Who reads the NICs: their worker and the thread of the IKE board take turns, and every datagram comes once and in its order, whoever has
 * the right. Over loopback, both ends in one thread.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import { type DeviceLineParts, LineControl } from "../../host/chassis/drive/line.ts";
import type { LineReceiver } from "../../host/chassis/drive/line_receiver.ts";
import { MessageRing, ringMemory } from "../../host/chassis/drive/message_ring.ts";
import { DESCRIPTOR, ON_DESCRIPTOR, ONLINE, Page, pageParts, RINGS, SLEEPING } from "../../host/chassis/drive/page.ts";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { BoardReceivers } from "../../host/nic/linux/board_receivers.ts";
import { NIC_COUNTERS_OCTETS, NicCounters } from "../../host/nic/linux/counters.ts";
import * as libc from "../../host/nic/linux/libc.ts";
import { open as openReceiver } from "../../host/nic/linux/line_receiver.ts";
import { PacketRing, packetRingOctets } from "../../host/nic/linux/packet_ring.ts";
import { ReadingRight, WORKER } from "../../host/nic/linux/reading_right.ts";
import { Reception } from "../../host/nic/linux/reception.ts";
import { SharedSockets } from "../../host/nic/linux/shared_sockets.ts";
import { type NicCommand, type NicWorkerData, STATE_OCTETS, STATE_READER } from "../../host/nic/linux/shared_state.ts";
import { type OuterSocket, SOCKET_UDP } from "../../host/nic/linux/sockets.ts";

const LOOPBACK = addressOctets("127.0.0.1");
const IKE = 0;
/** IPv4 and UDP, in front of what was sent. */
const HEADERS = 28;

function sharedMemory(octets: number): SharedArrayBuffer {
  return new SharedArrayBuffer(octets);
}

/** A UDP socket at a free port of the loopback address. */
function openSocket(): OuterSocket {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  assert.ok(fd >= 0);
  for (let port = 41000; port < 42000; port++) {
    const name = new Uint8Array(16);
    name.set([libc.AF_INET, 0, port >>> 8, port & 255, ...LOOPBACK]);
    if (libc.bind(fd, name, name.length) === 0) return { fd, kind: SOCKET_UDP, family: 4, address: LOOPBACK, port };
  }
  throw new Error("no free port");
}

function sendTo({ port }: OuterSocket, octets: Uint8Array): void {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  const name = new Uint8Array(16);
  name.set([libc.AF_INET, 0, port >>> 8, port & 255, ...LOOPBACK]);
  assert.is(libc.connect(fd, name, name.length), 0);
  assert.is(libc.send(fd, octets, octets.length, 0), octets.length);
  libc.close(fd);
}

const eventfd = (): number => libc.eventfd(0, libc.O_NONBLOCK | libc.O_CLOEXEC);

/** NICs without devices: a socket, the worker's reception, and the ring of a board that is online. */
class World {
  readonly sockets = [openSocket()];
  readonly page = new Page(pageParts());
  readonly fromNic: MessageRing;
  readonly control = new LineControl();
  readonly #table = new SharedSockets();
  readonly #parts: NicWorkerData;
  readonly state: Int32Array;
  readonly worker: Reception;
  readonly right: ReadingRight;
  readonly receivers: BoardReceivers;
  readonly commands: NicCommand[] = [];
  /** Times that the worker was woken. */
  roused = 0;

  constructor() {
    const page = pageParts();
    this.page = new Page(page);
    this.page.words[ONLINE] = 7;
    const ring = (): SharedArrayBuffer => new PacketRing(sharedMemory(packetRingOctets(4096))).memory;
    this.state = new Int32Array(sharedMemory(STATE_OCTETS));
    this.#parts = {
      sockets: this.#table.memory,
      // Never readable.
      tun: { fd: eventfd(), mtu: 1500, offload: false },
      wake: eventfd(),
      watch: eventfd(),
      state: this.state.buffer as SharedArrayBuffer,
      counters: sharedMemory(NIC_COUNTERS_OCTETS),
      unprotectedReceive: ring(),
      unprotectedTransmit: ring(),
      protectedReceive: ring(),
      protectedTransmit: ring(),
    };
    this.#table.write(this.sockets);
    const { wake, watch, counters } = this.#parts;
    this.worker = new Reception(this.#parts, new NicCounters(counters), [wake, watch]);
    this.worker.use(this.sockets);
    this.right = new ReadingRight(this.state, WORKER);
    this.receivers = new BoardReceivers(
      this.#parts,
      (command) => void this.commands.push(command),
      () => void this.roused++,
      () => undefined,
    );
    const toBoard = ringMemory(1 << 16);
    this.fromNic = new MessageRing(toBoard);
    this.control.open = true;
    for (const port of [PORT_UNPROTECTED, PORT_PROTECTED]) {
      const line: DeviceLineParts = {
        port,
        control: port === PORT_UNPROTECTED ? this.control.memory : new LineControl().memory,
        toDevice: [],
        toBoard: port === PORT_UNPROTECTED ? toBoard : ringMemory(1024),
        slot: IKE,
        page,
        boards: [],
      };
      const cut = (): Promise<void> => Promise.resolve();
      this.receivers.wire(line, { cut, passed: cut, wake: () => this.page.ring(), reclaim: () => undefined });
      this.worker.wire(line);
    }
  }

  /** A receiver as the board's thread has it, and what its thread's end does. */
  receiver(): { receiver: LineReceiver; ended: () => void; descriptor: number } {
    const { parts, ended, descriptor } = this.receivers.open();
    return { receiver: openReceiver(parts.data), ended, descriptor };
  }

  /** One turn of the worker. */
  turnOfWorker(): void {
    this.worker.wait(0);
    this.worker.receive();
    this.worker.tell();
    this.worker.share(this.right);
  }

  /** The worker has the right to read, and gives it to a receiver, which asks. */
  handOver(receiver: LineReceiver): void {
    this.worker.share(this.right);
    receiver.turn(true);
    this.turnOfWorker();
  }

  /** What has come to the board, without its headers. */
  taken(): number[][] {
    const packets: number[][] = [];
    for (; this.fromNic.peek(); this.fromNic.release()) {
      const { octets, at, length } = this.fromNic;
      packets.push([...octets.subarray(at + HEADERS, at + length)]);
    }
    return packets;
  }

  close(): void {
    this.worker.close();
    const { tun, wake, watch } = this.#parts;
    for (const fd of [tun.fd, wake, watch, ...this.sockets.map((socket) => socket.fd)]) libc.close(fd);
  }

  replaceSockets(): void {
    const { fd } = this.sockets[0]!;
    const next = openSocket();
    this.sockets[0] = next;
    this.#table.write(this.sockets);
    this.worker.use(this.sockets);
    libc.close(fd);
  }
}

/** With a world that is closed afterwards. */
const inWorld = (story: (world: World) => void | Promise<void>) => async (): Promise<void> => {
  const world = new World();
  try {
    await story(world);
  } finally {
    world.close();
  }
};

/** A look at what has arrived, as behind a sleep. */
function look(receiver: LineReceiver): void {
  receiver.sleep(0);
  receiver.turn(true);
}

test(
  "the worker reads until a board's thread asks, and again when that gives back",
  inWorld((world) => {
    const { receiver } = world.receiver();
    const [socket] = world.sockets as [OuterSocket];
    world.worker.share(world.right);
    sendTo(socket, Uint8Array.of(1));
    world.turnOfWorker();
    assert.equal(world.taken(), [[1]]);

    receiver.turn(false);
    world.turnOfWorker();
    assert.ok(world.worker.reads, "nobody asks without an IKE board");
    receiver.turn(true);
    assert.not.ok(receiver.reads, "the worker has not given it away yet");
    assert.ok(world.worker.mustShare(world.right), "nor may it sleep before it has");
    const rings = world.page.doorbell[RINGS]!;
    world.turnOfWorker();
    assert.not.ok(world.worker.reads);
    assert.not.ok(world.worker.mustShare(world.right));
    assert.ok(world.page.doorbell[RINGS]! > rings, "the board's thread is told");
    receiver.turn(true);
    assert.ok(receiver.reads);
    sendTo(socket, Uint8Array.of(2));
    world.turnOfWorker();
    assert.equal(world.taken(), []);
    look(receiver);
    assert.equal(world.taken(), [[2]]);

    receiver.turn(false);
    assert.not.ok(receiver.reads);
    assert.ok(world.worker.mustShare(world.right));
    world.turnOfWorker();
    assert.not.ok(world.worker.mustShare(world.right));
    sendTo(socket, Uint8Array.of(3));
    world.turnOfWorker();
    assert.equal(world.taken(), [[3]]);
  }),
);

test(
  "every datagram comes once and in order while the right goes to and fro",
  inWorld((world) => {
    const random = new SeededRandom(5);
    const { receiver } = world.receiver();
    const expected: number[][] = [];
    const got: number[][] = [];
    let serving = false;
    let handovers = 0;
    world.worker.share(world.right);
    for (let round = 0; round < 3000; round++) {
      const what = random.below(10);
      if (what < 5) {
        const octets = [round & 255, round >>> 8, ...new Array<number>(random.below(300)).fill(round & 255)];
        sendTo(world.sockets[0]!, Uint8Array.from(octets));
        expected.push(octets);
      } else if (what === 5) {
        serving = !serving;
        handovers += 1;
      }
      if (random.below(2) === 0) world.turnOfWorker();
      if (random.below(2) === 0) receiver.sleep(0);
      if (random.below(2) === 0) receiver.turn(serving);
      if (random.below(3) === 0) got.push(...world.taken());
    }
    for (let turn = 0; turn < 50; turn++) {
      world.turnOfWorker();
      look(receiver);
      got.push(...world.taken());
    }
    assert.ok(handovers > 100);
    assert.equal(got, expected);
    const { udp_received: byThread, unprotected_rx_ring_full: full } = NicCounters.total(world.receivers.counters);
    assert.ok(byThread > 300 && byThread < expected.length - 300, `${byThread} of ${expected.length} by the thread`);
    assert.is(full, 0);
  }),
);

test(
  "a thread that has ended loses the right, and waits of nobody for its answer",
  inWorld((world) => {
    const { receiver, ended } = world.receiver();
    world.handOver(receiver);
    receiver.turn(true);
    assert.ok(receiver.reads);
    let done = 0;
    world.receivers.tell({ classify: Uint8Array.of(0) }, () => void done++);
    const [command] = world.commands as [NicCommand & { answer: number }];
    world.receivers.heard(WORKER, { kind: "classified", answer: command.answer });
    assert.is(done, 0, "the thread may still send packets where they went before");
    const { roused } = world;
    ended();
    assert.is(done, 1);
    assert.ok(world.roused > roused);
    world.turnOfWorker();
    sendTo(world.sockets[0]!, Uint8Array.of(9));
    world.turnOfWorker();
    assert.equal(world.taken(), [[9]]);
    const next = world.receiver();
    next.receiver.turn(true);
    world.turnOfWorker();
    look(next.receiver);
    assert.ok(next.receiver.reads, "its successor reads");
    next.ended();
  }),
);

test(
  "a thread answers when what it was told is in force",
  inWorld(async (world) => {
    const { receiver, ended } = world.receiver();
    let done = 0;
    world.receivers.tell({ classify: Uint8Array.of(0) }, () => void done++);
    const [{ answer }] = world.commands as [NicCommand & { answer: number }];
    receiver.turn(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.is(done, 0, "the worker has not answered");
    world.receivers.heard(WORKER, { kind: "classified", answer });
    assert.is(done, 1);
    ended();
  }),
);

test(
  "other sockets: the thread reads those, and not what has been closed",
  inWorld((world) => {
    const { receiver, ended } = world.receiver();
    world.handOver(receiver);
    look(receiver);
    world.replaceSockets();
    look(receiver);
    sendTo(world.sockets[0]!, Uint8Array.of(4, 5));
    look(receiver);
    assert.equal(world.taken(), [[4, 5]]);
    ended();
  }),
);

test(
  "NICs that are about to go: nobody reads, and nobody asks",
  inWorld((world) => {
    const { receiver, ended } = world.receiver();
    world.handOver(receiver);
    look(receiver);
    world.control.end();
    ReadingRight.dismiss(world.state);
    sendTo(world.sockets[0]!, Uint8Array.of(6));
    look(receiver);
    world.turnOfWorker();
    assert.equal(world.taken(), []);
    assert.not.ok(receiver.reads);
    assert.not.ok(world.worker.reads);
    const { roused } = world;
    receiver.turn(true);
    assert.is(world.roused, roused);
    assert.ok(world.state[STATE_READER]! < WORKER);
    ended();
  }),
);

test(
  "of those who ring a thread that sleeps in a system call one ends its sleep",
  inWorld((world) => {
    const { ended, descriptor } = world.receiver();
    const { doorbell } = world.page;
    doorbell[DESCRIPTOR] = descriptor;
    doorbell[SLEEPING] = ON_DESCRIPTOR;
    world.page.ring();
    world.page.ring();
    assert.is(doorbell[SLEEPING], 0, "the first takes the flag back");
    const count = new BigUint64Array(1);
    assert.is(libc.read(descriptor, libc.addressOf(count.buffer), 8), 8);
    assert.is(count[0], 1n, "and wakes, alone");
    ended();
  }),
);

test.run();
